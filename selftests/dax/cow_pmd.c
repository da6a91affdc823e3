// SPDX-License-Identifier: GPL-2.0
/*
 * A user without privileges clones a file, reads the clone through a mapping
 * that gets PMDs, and writes to it through one that cannot. Every write copies
 * a page out of the PMD: all of them have to be written back by fsync(), what
 * is read has to be right, and when the files go nothing of them may be left.
 *
 * With the bug the entry of the page takes the place of the entry of the PMD.
 * fsync() finds one page, and removing the file is a "kernel BUG" in
 * clear_inode().
 */
#include "../kselftest_harness.h"
#include "dax_test.h"

#define SIZE		(2 * PMD)

static const unsigned int dirty[] = { 3, 100, 511 };
#define NR_DIRTY	(sizeof(dirty) / sizeof(*dirty))

struct mode {
	const char *name;
	bool read_first;	/* by PMDs */
	bool write;
	unsigned long skew;	/* of the mapping that is written to */
	unsigned int entries;	/* to be written back by two fsync()s */
};

static const struct mode modes[] = {
	{ "write by pages", false, true, PAGE, 2 * NR_DIRTY },
	{ "read by PMDs, then write by PMDs", true, true, 0, 2 },
	{ "read by PMDs, then by pages", true, false, PAGE, 0 },
	{ "read by PMDs, then write by pages", true, true, PAGE, 2 * NR_DIRTY },
};
#define NR_MODES	(sizeof(modes) / sizeof(*modes))

/* What the child has seen */
static struct {
	char error[128];
	unsigned long clone, source;	/* words that are wrong */
} *seen;

static int fail(const char *what, int err)
{
	snprintf(seen->error, sizeof(seen->error), "%s: %s", what,
		 strerror(err));
	return 1;
}

static void use(char *map, bool write)
{
	unsigned int i;

	for (i = 0; i < NR_DIRTY; i++) {
		if (write)
			dax_dirty(map + dirty[i] * PAGE);
		else
			dax_touch(map + dirty[i] * PAGE);
	}
}

static int use_clone(void *arg)
{
	const struct mode *mode = arg;
	int source, clone, prot;
	char *map, *other, name[32];
	unsigned int i;

	snprintf(name, sizeof(name), "source%td", mode - modes);
	source = dax_file(name, SIZE, 'a');
	if (source < 0)
		return fail("make a file", -source);
	snprintf(name, sizeof(name), "clone%td", mode - modes);
	clone = dax_reflink(name, source);
	if (clone < 0)
		return fail("reflink", -clone);

	prot = mode->write ? PROT_READ | PROT_WRITE : PROT_READ;
	map = dax_map(clone, 0, SIZE, PROT_READ, MAP_SHARED, 0);
	other = dax_map(clone, 0, SIZE, prot, MAP_SHARED, mode->skew);
	if (!map || !other)
		return fail("mmap", errno);
	if (mode->read_first) {
		dax_touch(map);
		dax_touch(map + PMD);
	}

	use(other, mode->write);
	if (fsync(clone))
		return fail("fsync", errno);
	/* The pages are clean now, and have to be tracked again */
	use(other, mode->write);
	if (fsync(clone))
		return fail("fsync", errno);

	for (i = 0; mode->write && i < NR_DIRTY; i++) {
		uint64_t *word = (uint64_t *)(other + dirty[i] * PAGE);

		*word -= 2;
	}
	seen->clone = dax_differ(map, 0, SIZE, 'a');
	munmap(map, SIZE);
	munmap(other, SIZE);

	map = dax_map(source, 0, SIZE, PROT_READ, MAP_SHARED, 0);
	if (!map)
		return fail("mmap", errno);
	seen->source = dax_differ(map, 0, SIZE, 'a');
	munmap(map, SIZE);
	return 0;
}

static int remove_files(void *arg)
{
	char name[32];
	unsigned int i;
	int r = 0;

	for (i = 0; i < NR_MODES; i++) {
		snprintf(name, sizeof(name), "clone%u", i);
		r |= unlink(dax_path(name));
		snprintf(name, sizeof(name), "source%u", i);
		r |= unlink(dax_path(name));
	}
	return r ? 1 : 0;
}

FIXTURE(cow_pmd) {
};

FIXTURE_VARIANT(cow_pmd) {
	enum dax_fs fs;
};

FIXTURE_VARIANT_ADD(cow_pmd, xfs) {
	.fs = DAX_XFS,
};

FIXTURE_VARIANT_ADD(cow_pmd, xfs_rmap) {
	.fs = DAX_XFS_RMAP,
};

FIXTURE_SETUP(cow_pmd)
{
	int r = dax_mount(variant->fs);

	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[variant->fs]);
	ASSERT_EQ(0, r)
		TH_LOG("%s: %s", dax_fs_name[variant->fs], strerror(-r));
	seen = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, seen);
}

FIXTURE_TEARDOWN(cow_pmd)
{
	EXPECT_EQ(0, dax_umount());
}

TEST_F(cow_pmd, by_nobody)
{
	const char *fs = dax_fs_name[variant->fs];
	unsigned int i;
	long n;
	int r;

	for (i = 0; i < NR_MODES; i++) {
		const struct mode *mode = &modes[i];

		ASSERT_EQ(0, trace_on("fs_dax/dax_writeback_one fs_dax/dax_pmd_fault_done"));
		r = as_nobody(use_clone, (void *)mode);
		ASSERT_EQ(0, r)
			TH_LOG("%s, %s: %s", fs, mode->name, seen->error);
		ASSERT_EQ(0, trace_off());
		if (mode->read_first &&
		    trace_count("dax_pmd_fault_done", "NOPAGE", NULL, NULL) <= 0)
			SKIP(return, "%s: no PMDs", fs);

		n = trace_count("dax_writeback_one", "", NULL, NULL);
		EXPECT_EQ(mode->entries, n)
			TH_LOG("%s, %s, fsync, twice: %ld entries written back, expected %u",
			       fs, mode->name, n, mode->entries);
		EXPECT_EQ(0, seen->clone);
		EXPECT_EQ(0, seen->source);
	}

	/* With the bug the kernel may not come back from this */
	fflush(NULL);
	sleep_ms(300);
	EXPECT_EQ(0, as_nobody(remove_files, NULL));
}

int main(int argc, char **argv)
{
	dax_test_init(NULL);
	return test_harness_run(argc, argv);
}
