// SPDX-License-Identifier: GPL-2.0
/*
 * Map a file, touch all of it, change something elsewhere in the file, and
 * touch it again. Nothing that was not changed may have to be faulted in anew.
 */
#include "../kselftest_harness.h"
#include "changes.h"

#define HOT		(4 * PMD)	/* what is mapped */
#define SIZE		CHANGED_SIZE

static const struct {
	const char *name;
	int (*make)(int fd);
} changes[] = {
	{ "nothing", nothing },
	{ "truncate by a page", truncate_page },
	{ "truncate up", truncate_up },
	{ "fallocate beyond the end", extend },
	{ "punch a hole", punch },
	{ "insert a range", insert },
};

FIXTURE(refault) {
};

FIXTURE_VARIANT(refault) {
	enum dax_fs fs;
};

FIXTURE_VARIANT_ADD(refault, ext4) {
	.fs = DAX_EXT4,
};

FIXTURE_VARIANT_ADD(refault, xfs) {
	.fs = DAX_XFS,
};

FIXTURE_SETUP(refault)
{
	int r = dax_mount(variant->fs);

	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[variant->fs]);
	ASSERT_EQ(0, r)
		TH_LOG("%s: %s", dax_fs_name[variant->fs], strerror(-r));
}

FIXTURE_TEARDOWN(refault)
{
	EXPECT_EQ(0, dax_umount());
}

static long faults(const char *map)
{
	unsigned long pos;
	long n;

	if (trace_on("fs_dax/dax_pmd_fault fs_dax/dax_pte_fault"))
		return -1;
	for (pos = 0; pos < HOT; pos += PAGE)
		dax_touch(map + pos);
	trace_off();
	n = trace_count("dax_pmd_fault", "", NULL, NULL);
	return n < 0 ? n : n + trace_count("dax_pte_fault", "", NULL, NULL);
}

static void check(struct __test_metadata *_metadata, enum dax_fs fs,
		  unsigned long skew, const char *how)
{
	unsigned int i;
	long n, first;
	char *map;
	int fd;

	for (i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		fd = dax_file("file", SIZE, 'a');
		ASSERT_LE(0, fd)
			TH_LOG("cannot make a file: %s", strerror(-fd));
		map = dax_map(fd, 0, HOT, PROT_READ, MAP_SHARED, skew);
		ASSERT_NE(NULL, map);
		/* One page a fault, so that they can be counted */
		madvise(map, HOT, MADV_RANDOM);
		first = faults(map);
		ASSERT_LT(0, first);
		ASSERT_EQ(0, changes[i].make(fd))
			TH_LOG("%s: %s", changes[i].name, strerror(errno));
		n = faults(map);
		EXPECT_EQ(0, n)
			TH_LOG("%s, %s mapped, %s: %ld of %ld faults taken again, expected 0",
			       dax_fs_name[fs], how, changes[i].name, n, first);
		EXPECT_EQ(0, dax_differ(map, 0, HOT, 'a'));
		munmap(map, HOT);
		close(fd);
	}
}

TEST_F(refault, pages)
{
	check(_metadata, variant->fs, PAGE, "pages");
}

TEST_F(refault, pmds)
{
	check(_metadata, variant->fs, 0, "PMDs");
}

int main(int argc, char **argv)
{
	dax_test_init(NULL);
	return test_harness_run(argc, argv);
}
