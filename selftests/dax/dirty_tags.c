// SPDX-License-Identifier: GPL-2.0
/*
 * Make pages of a file dirty through a mapping, change something elsewhere in
 * the file, and fsync() it. All the dirty pages have to be written back,
 * whatever the change was: their data may be in nothing but the CPU caches.
 *
 * Counted is what the kernel says it wrote back (fs_dax:dax_writeback_one),
 * from before the change until after fsync().
 */
#include "../kselftest_harness.h"
#include "changes.h"

#define SIZE		CHANGED_SIZE

struct change {
	const char *name;
	int (*make)(int fd);
	bool reflink;	/* needs a file system with reflink */
};

static int zero(int fd)
{
	return fallocate(fd, FALLOC_FL_ZERO_RANGE, SIZE - PMD, PAGE);
}

static int collapse(int fd)
{
	return fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, SIZE - 2 * PMD, PMD);
}

static int reflink_range(int fd, uint64_t pos, uint64_t size)
{
	struct file_clone_range range = {
		.src_fd = fd, .src_offset = pos, .src_length = size,
	};
	int to, r;

	to = open(dax_path("clone"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
		  0666);
	if (to < 0)
		return -1;
	r = ioctl(to, FICLONERANGE, &range);
	close(to);
	return r;
}

/* The pages that are dirty are not in the range that is cloned */
static int reflink(int fd)
{
	return reflink_range(fd, SIZE - PMD, PMD);
}

static const struct change changes[] = {
	{ "nothing", nothing },
	{ "truncate by a page", truncate_page },
	{ "truncate up", truncate_up },
	{ "fallocate beyond the end", extend },
	{ "punch a hole", punch },
	{ "zero a range", zero },
	{ "collapse a range", collapse },
	{ "insert a range", insert },
	{ "reflink a range", reflink, true },
};

FIXTURE(dirty_tags) {
};

FIXTURE_VARIANT(dirty_tags) {
	enum dax_fs fs;
};

FIXTURE_VARIANT_ADD(dirty_tags, ext4) {
	.fs = DAX_EXT4,
};

FIXTURE_VARIANT_ADD(dirty_tags, xfs) {
	.fs = DAX_XFS,
};

FIXTURE_SETUP(dirty_tags)
{
	int r = dax_mount(variant->fs);

	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[variant->fs]);
	ASSERT_EQ(0, r)
		TH_LOG("%s: %s", dax_fs_name[variant->fs], strerror(-r));
}

FIXTURE_TEARDOWN(dirty_tags)
{
	EXPECT_EQ(0, dax_umount());
}

/*
 * Make three pages dirty by PTEs, or two PMDs, all in the first 4 MiB. As many
 * have to be written back.
 */
static void check(struct __test_metadata *_metadata, enum dax_fs fs, bool pmd,
		  const struct change *change)
{
	static const unsigned int dirty[] = { 0, 7, 100 };
	unsigned long long pages = 0, want = pmd ? 2 * PMD_PAGES : 3;
	unsigned int i;
	char *map;
	long n;
	int fd;

	if (change->reflink && fs == DAX_EXT4)
		return;
	fd = dax_file("file", SIZE, 'a');
	ASSERT_LE(0, fd)
		TH_LOG("cannot make a file: %s", strerror(-fd));
	map = dax_map(fd, 0, 2 * PMD, PROT_READ | PROT_WRITE, MAP_SHARED,
		      pmd ? 0 : PAGE);
	ASSERT_NE(NULL, map);
	if (pmd) {
		dax_dirty(map);
		dax_dirty(map + PMD + 5 * PAGE);
	} else {
		for (i = 0; i < 3; i++)
			dax_dirty(map + dirty[i] * PAGE);
	}

	ASSERT_EQ(0, trace_on("fs_dax/dax_writeback_one"));
	ASSERT_EQ(0, change->make(fd))
		TH_LOG("%s: %s", change->name, strerror(errno));
	ASSERT_EQ(0, fsync(fd));
	ASSERT_EQ(0, trace_off());
	n = trace_writeback(fd, &pages);
	ASSERT_LE(0, n);
	EXPECT_EQ(want, pages)
		TH_LOG("%s, dirty %s, %s, fsync: %llu pages written back, expected %llu",
		       dax_fs_name[fs], pmd ? "PMDs" : "pages", change->name,
		       pages, want);

	munmap(map, 2 * PMD);
	close(fd);
}

TEST_F(dirty_tags, pages)
{
	unsigned int i;

	for (i = 0; i < sizeof(changes) / sizeof(*changes); i++)
		check(_metadata, variant->fs, false, &changes[i]);
}

TEST_F(dirty_tags, pmds)
{
	unsigned int i;

	for (i = 0; i < sizeof(changes) / sizeof(*changes); i++)
		check(_metadata, variant->fs, true, &changes[i]);
}

int main(int argc, char **argv)
{
	dax_test_init(NULL);
	return test_harness_run(argc, argv);
}
