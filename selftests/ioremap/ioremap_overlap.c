// SPDX-License-Identifier: GPL-2.0
/*
 * Mappings of the same RAM that live at the same time. Only one of them may
 * be other than write-back; a write-back one reserves nothing, so it must not
 * take away another's reservation when it goes.
 */
#include "../kselftest_harness.h"
#include "ioremap_test.h"

#define NR	16UL

FIXTURE(ioremap_overlap) {
	int fd;
};

FIXTURE_VARIANT(ioremap_overlap) {
	unsigned int first;
	unsigned int second;
};

ALL_PAIRS(ioremap_overlap);

FIXTURE_SETUP(ioremap_overlap)
{
	if (!info.pat)
		SKIP(return, "PAT is not enabled");
	if (skip_type(_metadata, variant->first) ||
	    skip_type(_metadata, variant->second))
		return;
	self->fd = open_block(_metadata, ORDER_2_LARGE, 0);
}

FIXTURE_TEARDOWN(ioremap_overlap)
{
	close(self->fd);
}

/* @fd has a live mapping of type @live; all others have to be refused. */
static void expect_refused(struct __test_metadata *_metadata, int fd,
			   unsigned long offset, unsigned long nr,
			   unsigned int live, const char *when)
{
	unsigned int i;
	int id;

	for (i = 0; i < ARRAY_SIZE(all_types); i++) {
		if (all_types[i] == live || !have_type(all_types[i]))
			continue;
		id = block_map(fd, offset, nr * PAGE, all_types[i]);
		EXPECT_EQ(-EIO, id) {
			TH_LOG("%s: %s allowed over a live %s mapping, expected refusal",
			       when, type_name(all_types[i]), type_name(live));
		}
		expect_direct(_metadata, fd, offset, nr, live, when);
		if (id >= 0)
			ASSERT_EQ(0, block_unmap(fd, id));
	}
}

static void overlap(struct __test_metadata *_metadata, int fd,
		    unsigned long offset, unsigned long nr,
		    unsigned int first_type, unsigned int second_type)
{
	int first, second;

	first = block_map(fd, 0, NR * PAGE, first_type);
	ASSERT_LE(0, first);

	if (first_type != TEST_IOREMAP_WB) {
		second = block_map(fd, offset, nr * PAGE, second_type);
		EXPECT_EQ(-EIO, second) {
			TH_LOG("%s allowed over a live %s mapping, expected refusal",
			       type_name(second_type), type_name(first_type));
		}
		expect_refused(_metadata, fd, 0, NR, first_type,
			       "second refused");
		return;
	}

	second = block_map(fd, offset, nr * PAGE, second_type);
	if (second < 0)
		SKIP(return, "%s refused over a live WB mapping",
		     type_name(second_type));

	expect_direct(_metadata, fd, offset, nr, second_type, "both mapped");
	ASSERT_EQ(0, block_unmap(fd, first));
	expect_direct(_metadata, fd, offset, nr, second_type,
		      "WB mapping gone");
	if (second_type != TEST_IOREMAP_WB)
		expect_refused(_metadata, fd, offset, nr, second_type,
			       "WB mapping gone");
}

TEST_F(ioremap_overlap, same_range)
{
	overlap(_metadata, self->fd, 0, NR, variant->first, variant->second);
}

TEST_F(ioremap_overlap, part_of_range)
{
	overlap(_metadata, self->fd, PAGE, NR / 2, variant->first,
		variant->second);
}

/*
 * A third mapping of the second one's type, after the write-back one is gone:
 * once it is unmapped, nothing may think that it was the only one.
 */
FIXTURE(same_type_again) {
	int fd;
};

FIXTURE_VARIANT(same_type_again) {
	unsigned int type;
};

FIXTURE_VARIANT_ADD(same_type_again, uc_minus) { .type = TEST_IOREMAP_UC_MINUS };
FIXTURE_VARIANT_ADD(same_type_again, wc) { .type = TEST_IOREMAP_WC };
FIXTURE_VARIANT_ADD(same_type_again, wt) { .type = TEST_IOREMAP_WT };

FIXTURE_SETUP(same_type_again)
{
	if (!info.pat)
		SKIP(return, "PAT is not enabled");
	if (skip_type(_metadata, variant->type))
		return;
	self->fd = open_block(_metadata, ORDER_2_LARGE, 0);
}

FIXTURE_TEARDOWN(same_type_again)
{
	close(self->fd);
}

TEST_F(same_type_again, same_range)
{
	int fd = self->fd, first, second, third;

	first = block_map(fd, 0, NR * PAGE, TEST_IOREMAP_WB);
	ASSERT_LE(0, first);
	second = block_map(fd, 0, NR * PAGE, variant->type);
	if (second < 0)
		SKIP(return, "%s refused over a live WB mapping",
		     type_name(variant->type));
	ASSERT_EQ(0, block_unmap(fd, first));

	third = block_map(fd, 0, NR * PAGE, variant->type);
	expect_direct(_metadata, fd, 0, NR, variant->type,
		      third < 0 ? "third refused" : "third mapped");
	if (third >= 0) {
		ASSERT_EQ(0, block_unmap(fd, third));
		expect_direct(_metadata, fd, 0, NR, variant->type,
			      "third unmapped, second still mapped");
	}
	expect_types(_metadata, fd, second, 0, NR, variant->type,
		     "second still mapped");
}

/*
 * Without PAT there are no reservations and nothing tells how many mappings a
 * page has: the direct map has to keep the type of the one that remains.
 */
TEST(nopat)
{
	int fd, first, second;

	if (info.pat)
		SKIP(return, "PAT is enabled");
	fd = open_block(_metadata, ORDER_2_LARGE, 0);
	if (_metadata->exit_code)
		return;

	first = block_map(fd, 0, NR * PAGE, TEST_IOREMAP_UC_MINUS);
	ASSERT_LE(0, first);
	second = block_map(fd, 0, NR * PAGE, TEST_IOREMAP_UC_MINUS);
	if (second < 0)
		SKIP(return, "overlap refused: nothing to test");
	ASSERT_EQ(0, block_unmap(fd, first));
	expect_types(_metadata, fd, second, 0, NR, TEST_IOREMAP_UC_MINUS,
		     "first unmapped");
	expect_direct(_metadata, fd, 0, NR, TEST_IOREMAP_UC_MINUS,
		      "first unmapped");
}

int main(int argc, char **argv)
{
	ioremap_test_init(NULL, false);
	return test_harness_run(argc, argv);
}
