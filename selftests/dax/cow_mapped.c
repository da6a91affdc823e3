// SPDX-License-Identifier: GPL-2.0
/*
 * Write to a block that files share while a process has it mapped: the process
 * sees the new block, and the kernel does not let go of the old page while it
 * is mapped.
 */
#include "../kselftest_harness.h"
#include "dax_test.h"

#define SIZE	PMD
#define AT	(5 * PAGE)

FIXTURE(cow_mapped)
{
	struct dax_share s;
};

FIXTURE_VARIANT(cow_mapped)
{
	unsigned long skew;
};

FIXTURE_VARIANT_ADD(cow_mapped, pte)
{
	.skew = PAGE,
};

FIXTURE_VARIANT_ADD(cow_mapped, pmd)
{
	.skew = 0,
};

FIXTURE_SETUP(cow_mapped)
{
	int r = dax_share(&self->s, SIZE, PROT_READ, variant->skew);

	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[DAX_XFS]);
	ASSERT_EQ(0, r);
}

FIXTURE_TEARDOWN(cow_mapped)
{
	dax_share_end(&self->s);
}

TEST_F(cow_mapped, write)
{
	static unsigned char buf[PAGE];
	unsigned long before = tainted();
	char *map = self->s.map;

	dax_touch(map + AT);
	memset(buf, 'n', sizeof(buf));
	ASSERT_EQ(PAGE, pwrite(self->s.fd, buf, PAGE, AT));
	EXPECT_EQ(0, memcmp(map + AT, buf, PAGE))
		TH_LOG("the mapping has the old data");
	EXPECT_EQ(0, dax_differ(map, 0, AT, 'a'));
	munmap(map, SIZE);
	EXPECT_EQ(before, tainted())
		TH_LOG("the kernel has warned");
}

int main(int argc, char **argv)
{
	dax_test_init(NULL);
	return test_harness_run(argc, argv);
}
