// SPDX-License-Identifier: GPL-2.0
/*
 * Make two PMDs of a file dirty and cut the second one: by a truncate or by a
 * hole that begins and ends within it. What is left of it has to be written
 * back as the first one has to be, be it before or by the fsync() that follows.
 */
#include "../kselftest_harness.h"
#include "dax_test.h"

#define SIZE		(2 * PMD)
#define CUT		(PMD + PMD / 2)

static int nothing(int fd)
{
	return 0;
}

static int truncate_down(int fd)
{
	return ftruncate(fd, CUT);
}

static int punch(int fd)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, CUT,
			 PAGE);
}

static int zero(int fd)
{
	return fallocate(fd, FALLOC_FL_ZERO_RANGE, CUT, PAGE);
}

static const struct {
	const char *name;
	int (*make)(int fd);
} changes[] = {
	{ "nothing", nothing },
	{ "truncate", truncate_down },
	{ "punch a hole", punch },
	{ "zero a range", zero },
};

FIXTURE(pmd_tail) {
};

FIXTURE_VARIANT(pmd_tail) {
	enum dax_fs fs;
};

FIXTURE_VARIANT_ADD(pmd_tail, ext4) {
	.fs = DAX_EXT4,
};

FIXTURE_VARIANT_ADD(pmd_tail, xfs) {
	.fs = DAX_XFS,
};

FIXTURE_SETUP(pmd_tail)
{
	int r = dax_mount(variant->fs);

	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[variant->fs]);
	ASSERT_EQ(0, r)
		TH_LOG("%s: %s", dax_fs_name[variant->fs], strerror(-r));
}

FIXTURE_TEARDOWN(pmd_tail)
{
	EXPECT_EQ(0, dax_umount());
}

TEST_F(pmd_tail, cut)
{
	const char *fs = dax_fs_name[variant->fs];
	unsigned long long pages = 0;
	unsigned int i;
	char *map;
	long n;
	int fd;

	for (i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		fd = dax_file("file", SIZE, 'a');
		ASSERT_LE(0, fd)
			TH_LOG("cannot make a file: %s", strerror(-fd));
		map = dax_map(fd, 0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			      0);
		ASSERT_NE(NULL, map);
		ASSERT_EQ(0, trace_on("fs_dax/dax_writeback_one fs_dax/dax_pmd_fault_done"));
		dax_dirty(map);
		dax_dirty(map + PMD);
		if (trace_count("dax_pmd_fault_done", "NOPAGE", NULL, NULL) < 2)
			SKIP(return, "%s: no PMDs", fs);

		ASSERT_EQ(0, changes[i].make(fd))
			TH_LOG("%s: %s", changes[i].name, strerror(errno));
		ASSERT_EQ(0, fsync(fd));
		ASSERT_EQ(0, trace_off());
		n = trace_writeback(fd, &pages);
		EXPECT_EQ(2, n)
			TH_LOG("%s, %s in the second of 2 dirty PMDs, fsync: %ld entries, %llu pages written back, expected 2 and %lu",
			       fs, changes[i].name, n, pages, 2 * PMD_PAGES);
		EXPECT_EQ(0, dax_differ(map + PAGE, PAGE, PMD - PAGE, 'a'));
		EXPECT_EQ(0, dax_differ(map + PMD + PAGE, PMD + PAGE,
					CUT - PMD - PAGE, 'a'));

		munmap(map, SIZE);
		close(fd);
	}
}

/*
 * The PMD is mapped by PTEs, too. What is written through them after the
 * change has to be written back.
 */
TEST_F(pmd_tail, cut_and_write)
{
	unsigned long long pages = 0;
	char *map, *other;
	unsigned int i;
	long n;
	int fd;

	for (i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		fd = dax_file("file", SIZE, 'a');
		ASSERT_LE(0, fd)
			TH_LOG("cannot make a file: %s", strerror(-fd));
		map = dax_map(fd, 0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			      0);
		other = dax_map(fd, 0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
				PAGE);
		ASSERT_NE(NULL, map);
		ASSERT_NE(NULL, other);
		dax_dirty(map + PMD);
		dax_dirty(other + PMD + 3 * PAGE);

		ASSERT_EQ(0, changes[i].make(fd))
			TH_LOG("%s: %s", changes[i].name, strerror(errno));
		ASSERT_EQ(0, fsync(fd));
		ASSERT_EQ(0, trace_on("fs_dax/dax_writeback_one"));
		dax_dirty(other + PMD + 3 * PAGE);
		ASSERT_EQ(0, fsync(fd));
		ASSERT_EQ(0, trace_off());
		n = trace_writeback(fd, &pages);
		EXPECT_EQ(1, n)
			TH_LOG("%s, %s, write, fsync: %ld entries, %llu pages written back, expected 1 entry",
			       dax_fs_name[variant->fs], changes[i].name, n,
			       pages);
		munmap(map, SIZE);
		munmap(other, SIZE);
		close(fd);
	}
}

int main(int argc, char **argv)
{
	dax_test_init(NULL);
	return test_harness_run(argc, argv);
}
