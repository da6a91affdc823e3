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

#define PAIR(name, a, b)						\
	FIXTURE_VARIANT_ADD(ioremap_overlap, name) {			\
		.first = TEST_IOREMAP_##a, .second = TEST_IOREMAP_##b	\
	}

PAIR(uc_minus_uc_minus, UC_MINUS, UC_MINUS);
PAIR(uc_minus_wc, UC_MINUS, WC);
PAIR(uc_minus_wt, UC_MINUS, WT);
PAIR(uc_minus_wb, UC_MINUS, WB);
PAIR(wc_uc_minus, WC, UC_MINUS);
PAIR(wc_wc, WC, WC);
PAIR(wc_wt, WC, WT);
PAIR(wc_wb, WC, WB);
PAIR(wt_uc_minus, WT, UC_MINUS);
PAIR(wt_wc, WT, WC);
PAIR(wt_wt, WT, WT);
PAIR(wt_wb, WT, WB);
PAIR(wb_uc_minus, WB, UC_MINUS);
PAIR(wb_wc, WB, WC);
PAIR(wb_wt, WB, WT);
PAIR(wb_wb, WB, WB);

FIXTURE_SETUP(ioremap_overlap)
{
	self->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	if (!have_pat(self->fd))
		SKIP(return, "PAT is not enabled");
	ASSERT_EQ(0, block_alloc(self->fd, ORDER_2_LARGE, 0));
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
		if (all_types[i] == live)
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
	if (second < 0) {
		TH_LOG("%s refused over a live WB mapping: nothing to test",
		       type_name(second_type));
		return;
	}

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
 * Without PAT there are no reservations and nothing tells how many mappings a
 * page has: the direct map has to keep the type of the one that remains.
 */
TEST(nopat)
{
	int fd, first, second;

	fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	if (have_pat(fd))
		SKIP(return, "PAT is enabled");
	ASSERT_EQ(0, block_alloc(fd, ORDER_2_LARGE, 0));

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
