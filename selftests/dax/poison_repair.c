// SPDX-License-Identifier: GPL-2.0
/*
 * Write to a bad block: that repairs it. The page is put back into the direct
 * map, loses its mark, and holds what was written.
 *
 * The error is reported as a machine check is, and in the badblocks of the disk,
 * as firmware does. On a kernel that marks another page than the bad one, the
 * write touches a page that the direct map does not have: the kernel dies.
 */
#include "../kselftest_harness.h"
#include "dax_test.h"
#include "dax_poison.h"

#define SIZE	(2 * PMD)
#define BAD	(PMD + 5 * PAGE)

FIXTURE(poison_repair)
{
	char *map;
	int fd;
};

FIXTURE_VARIANT(poison_repair)
{
	enum dax_fs fs;
	bool pmd;
	bool mapped;	/* when the error is found */
};

#define VARIANT(name, file_system, is_pmd, is_mapped)			\
	FIXTURE_VARIANT_ADD(poison_repair, name) {			\
		.fs = file_system, .pmd = is_pmd, .mapped = is_mapped	\
	}

VARIANT(ext4_pte, DAX_EXT4, false, true);
VARIANT(xfs_rmap_pte, DAX_XFS_RMAP, false, true);
VARIANT(ext4_pmd, DAX_EXT4, true, true);
VARIANT(xfs_rmap_pmd, DAX_XFS_RMAP, true, true);
VARIANT(xfs_rmap_no_entry, DAX_XFS_RMAP, false, false);

FIXTURE_SETUP(poison_repair)
{
	self->fd = dax_one_file(variant->fs, SIZE, PROT_READ | PROT_WRITE,
				variant->pmd ? 0 : PAGE, &self->map);
	if (self->fd == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[variant->fs]);
	ASSERT_LE(0, self->fd);
	bus_catch();
}

FIXTURE_TEARDOWN(poison_repair)
{
	close(self->fd);
	EXPECT_EQ(0, poison_undo());
}

TEST_F(poison_repair, overwrite)
{
	static uint64_t buf[PAGE / sizeof(uint64_t)] __attribute__((aligned(PAGE)));
	static char zero[PAGE];
	uint64_t pfn;

	dax_touch(self->map + BAD);
	pfn = page_frame(self->map + BAD);
	ASSERT_NE(0, pfn);
	if (!variant->mapped) {
		munmap(self->map, SIZE);
		close(self->fd);
		ASSERT_EQ(0, dax_umount());
		ASSERT_EQ(0, mount(dax_dev, dax_dir, "xfs", 0, "dax=always"));
		self->fd = open(dax_path("file"), O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, self->fd);
	}

	ASSERT_EQ(0, machine_check(pfn, variant->mapped));
	ASSERT_EQ(0, in_direct_map(pfn));
	ASSERT_EQ(0, bad_block(pfn));
	EXPECT_EQ(variant->mapped, bus_count);
	if (variant->mapped)
		munmap(self->map, SIZE);

	EXPECT_EQ(-1, pread(self->fd, buf, PAGE, BAD));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(PAGE, pwrite(self->fd, zero, PAGE, BAD))
		TH_LOG("repairing write: %s", strerror(errno));
	EXPECT_EQ(0, bad_blocks(NULL));
	EXPECT_EQ(1, in_direct_map(pfn));
	EXPECT_EQ(0, poisoned(pfn - BAD % PMD / PAGE, PMD_PAGES, NULL));

	memset(buf, 1, PAGE);
	EXPECT_EQ(PAGE, pread(self->fd, buf, PAGE, BAD));
	EXPECT_EQ(0, memcmp(buf, zero, PAGE));
	EXPECT_EQ(PAGE, pread(self->fd, buf, PAGE, BAD - PAGE));
	EXPECT_EQ(0, dax_differ(buf, BAD - PAGE, PAGE, 'a'));
}

int main(int argc, char **argv)
{
	dax_poison_init();
	return test_harness_run(argc, argv);
}
