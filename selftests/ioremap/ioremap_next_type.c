// SPDX-License-Identifier: GPL-2.0
/*
 * What an earlier mapping of RAM left behind must not show in the next one:
 * if the direct map and the mapping differ in memory type, the processor's
 * view of that memory is undefined.
 */
#include "../kselftest_harness.h"
#include "ioremap_test.h"

FIXTURE(ioremap_next_type) {
	int fd;
};

FIXTURE_VARIANT(ioremap_next_type) {
	unsigned int first;
	unsigned int second;
};

#define PAIR(name, a, b)						\
	FIXTURE_VARIANT_ADD(ioremap_next_type, name) {			\
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

FIXTURE_SETUP(ioremap_next_type)
{
	self->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, block_alloc(self->fd, ORDER_2_LARGE, 0));
}

FIXTURE_TEARDOWN(ioremap_next_type)
{
	close(self->fd);
}

static void map_twice(struct __test_metadata *_metadata, int fd,
		      unsigned long offset, unsigned long nr,
		      unsigned int first, unsigned int second)
{
	int id;

	id = block_map(fd, offset, nr * PAGE, first);
	ASSERT_LE(0, id);
	ASSERT_EQ(0, block_unmap(fd, id));

	id = block_map(fd, offset, nr * PAGE, second);
	ASSERT_LE(0, id);
	expect_types(_metadata, fd, id, 0, nr, second, "second mapped");
	expect_direct(_metadata, fd, offset, nr, second, "second mapped");
	ASSERT_EQ(0, block_unmap(fd, id));
	expect_direct(_metadata, fd, 0, NR_2_LARGE, TEST_IOREMAP_WB,
		      "second unmapped");
}

TEST_F(ioremap_next_type, pages)
{
	map_twice(_metadata, self->fd, 32 * PAGE, 16, variant->first,
		  variant->second);
}

TEST_F(ioremap_next_type, large_page)
{
	map_twice(_metadata, self->fd, SZ_LARGE, SZ_LARGE / PAGE,
		  variant->first, variant->second);
}

int main(int argc, char **argv)
{
	ioremap_test_init(NULL, true);
	return test_harness_run(argc, argv);
}
