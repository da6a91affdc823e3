// SPDX-License-Identifier: GPL-2.0
/*
 * Two files share their blocks. One is mapped by pages and the other one by
 * PMDs, in any order: both have to read right, without a signal.
 */
#include "../kselftest_harness.h"
#include "dax_test.h"

#define SIZE		(2 * PMD)

struct order {
	const char *name;
	unsigned long skew[2];	/* of the mappings of the two files */
};

static const struct order orders[] = {
	{ "pages, then pages", { PAGE, PAGE } },
	{ "PMDs, then PMDs", { 0, 0 } },
	{ "PMDs, then pages", { 0, PAGE } },
	{ "pages, then PMDs", { PAGE, 0 } },
};

static int read_both(void *arg)
{
	const struct order *order = arg;
	unsigned long wrong = 0;
	char *map[2];
	int fd[2], i;

	fd[0] = dax_file("first", SIZE, 'a');
	fd[1] = fd[0] < 0 ? -1 : dax_reflink("second", fd[0]);
	if (fd[0] < 0 || fd[1] < 0)
		return 10;
	for (i = 0; i < 2; i++) {
		map[i] = dax_map(fd[i], 0, SIZE, PROT_READ, MAP_SHARED,
				 order->skew[i]);
		if (!map[i])
			return 11;
	}

	/* Only some pages of the first file, from the second PMD on */
	dax_touch(map[0] + PMD + 5 * PAGE);
	dax_touch(map[0] + PMD + 77 * PAGE);
	wrong += dax_differ(map[1], 0, SIZE, 'a');
	wrong += dax_differ(map[0], 0, SIZE, 'a');

	/* The one that came first goes first */
	munmap(map[0], SIZE);
	if (ftruncate(fd[0], 0))
		return 12;
	wrong += dax_differ(map[1], 0, SIZE, 'a');
	munmap(map[1], SIZE);
	if (unlink(dax_path("first")) || unlink(dax_path("second")))
		return 13;
	return wrong ? 1 : 0;
}

FIXTURE(mixed_orders) {
};

FIXTURE_VARIANT(mixed_orders) {
	enum dax_fs fs;
};

FIXTURE_VARIANT_ADD(mixed_orders, xfs) {
	.fs = DAX_XFS,
};

FIXTURE_VARIANT_ADD(mixed_orders, xfs_rmap) {
	.fs = DAX_XFS_RMAP,
};

FIXTURE_SETUP(mixed_orders)
{
	int r = dax_mount(variant->fs);

	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[variant->fs]);
	ASSERT_EQ(0, r)
		TH_LOG("%s: %s", dax_fs_name[variant->fs], strerror(-r));
}

FIXTURE_TEARDOWN(mixed_orders)
{
	EXPECT_EQ(0, dax_umount());
}

TEST_F(mixed_orders, read)
{
	unsigned int i;
	int r;

	for (i = 0; i < sizeof(orders) / sizeof(*orders); i++) {
		r = as_nobody(read_both, (void *)&orders[i]);
		EXPECT_EQ(0, r)
			TH_LOG("%s, %s: %s, expected to read both files",
			       dax_fs_name[variant->fs], orders[i].name,
			       r == 256 + SIGBUS ? "SIGBUS" :
			       r == 1 ? "wrong data" : "failed");
		/* The kernel may be in no state for more */
		if (r)
			break;
	}
}

int main(int argc, char **argv)
{
	dax_test_init(NULL);
	return test_harness_run(argc, argv);
}
