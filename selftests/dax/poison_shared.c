// SPDX-License-Identifier: GPL-2.0
/*
 * An error in a page that files share, on a file system that cannot tell which
 * files (xfs without rmapbt): the error is recorded, and the process that touched
 * the page gets a SIGBUS that names it.
 */
#include "../kselftest_harness.h"
#include "dax_test.h"
#include "dax_poison.h"

#define SIZE	(2 * PMD)
#define BAD	(PMD + 5 * PAGE)

FIXTURE(poison_shared)
{
	struct dax_share s;
	char *map2;
	uint64_t pfn;
};

FIXTURE_VARIANT(poison_shared)
{
	unsigned long skew;	/* of the mappings: none for PMDs */
};

FIXTURE_VARIANT_ADD(poison_shared, pte) {
	.skew = PAGE,
};

FIXTURE_VARIANT_ADD(poison_shared, pmd) {
	.skew = 0,
};

FIXTURE_SETUP(poison_shared)
{
	int r = dax_share(&self->s, SIZE, PROT_READ, variant->skew);

	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[DAX_XFS]);
	ASSERT_EQ(0, r);
	self->map2 = dax_map(self->s.other, 0, SIZE, PROT_READ, MAP_SHARED,
			     variant->skew);
	ASSERT_NE(NULL, self->map2);
	dax_touch(self->s.map + BAD);
	self->pfn = page_frame(self->s.map + BAD);
	ASSERT_NE(0, self->pfn);
	bus_catch();
}

FIXTURE_TEARDOWN(poison_shared)
{
	dax_share_end(&self->s);
	munmap(self->map2, SIZE);
	EXPECT_EQ(0, poison_undo());
}

static void check(struct __test_metadata *_metadata, const char *map,
		  uint64_t pfn, bool only_this)
{
	int lsb = bus_info.si_addr_lsb;

	EXPECT_EQ(1, bus_count);
	EXPECT_EQ(BUS_MCEERR_AR, bus_info.si_code);
	EXPECT_EQ(map + BAD, bus_info.si_addr);
	/* The size of the mapping, or just the page if it is looked for */
	EXPECT_EQ(true, lsb == 12 || (!only_this && lsb == 21))
		TH_LOG("si_addr_lsb is %d", lsb);
	EXPECT_EQ(1, poisoned(pfn, 1, NULL));
	EXPECT_EQ(1, poisoned(pfn - 5, PMD_PAGES, NULL));
}

/* What always worked: one file maps the page so far */
TEST_F(poison_shared, one_mapping)
{
	EXPECT_EQ(0, madvise((void *)(self->s.map + BAD), PAGE, MADV_HWPOISON));
	check(_metadata, self->s.map, self->pfn, false);
}

TEST_F(poison_shared, two_mappings)
{
	dax_touch(self->map2 + BAD);
	ASSERT_EQ(self->pfn, page_frame(self->map2 + BAD));
	munmap(self->map2, SIZE);

	EXPECT_EQ(0, madvise((void *)(self->s.map + BAD), PAGE, MADV_HWPOISON))
		TH_LOG("error in a page of two files: %s", strerror(errno));
	check(_metadata, self->s.map, self->pfn, true);
}

/* The same for a real machine check, and the repair of it */
TEST_F(poison_shared, machine_check)
{
	static char buf[PAGE];

	dax_touch(self->map2 + BAD);
	EXPECT_EQ(0, munmap(self->map2, SIZE));
	EXPECT_EQ(0, machine_check(self->pfn, true));
	check(_metadata, self->s.map, self->pfn, true);
	EXPECT_EQ(0, in_direct_map(self->pfn));
	EXPECT_EQ(0, bad_block(self->pfn));

	EXPECT_EQ(PAGE, pwrite(self->s.fd, buf, PAGE, BAD))
		TH_LOG("write to the bad block: %s", strerror(errno));
	memset(buf, 1, PAGE);
	EXPECT_EQ(PAGE, pread(self->s.fd, buf, PAGE, BAD));
	EXPECT_EQ(0, buf[0]);
	/* That went to a new block: the other file has the bad one */
	EXPECT_EQ(-1, pread(self->s.other, buf, PAGE, BAD));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(PAGE, pwrite(self->s.other, buf, PAGE, BAD))
		TH_LOG("write to the bad block: %s", strerror(errno));
	EXPECT_EQ(1, in_direct_map(self->pfn));
	EXPECT_EQ(0, poisoned(self->pfn, 1, NULL));
}

int main(int argc, char **argv)
{
	dax_poison_init();
	return test_harness_run(argc, argv);
}
