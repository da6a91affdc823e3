// SPDX-License-Identifier: GPL-2.0
/*
 * ioremap() of RAM gives the direct map the memory type of the mapping.
 * iounmap() has to make it write-back again, or whoever gets these pages
 * next runs on uncached memory.
 */
#include "../kselftest_harness.h"
#include "ioremap_test.h"

FIXTURE(iounmap_restore) {
	int fd;
};

FIXTURE_VARIANT(iounmap_restore) {
	unsigned int type;
};

FIXTURE_VARIANT_ADD(iounmap_restore, uc_minus) { .type = TEST_IOREMAP_UC_MINUS };
FIXTURE_VARIANT_ADD(iounmap_restore, wc) { .type = TEST_IOREMAP_WC };
FIXTURE_VARIANT_ADD(iounmap_restore, wt) { .type = TEST_IOREMAP_WT };
/* Nothing to restore: passes with and without the bug */
FIXTURE_VARIANT_ADD(iounmap_restore, wb) { .type = TEST_IOREMAP_WB };

FIXTURE_SETUP(iounmap_restore)
{
	if (skip_type(_metadata, variant->type))
		return;
	self->fd = open_block(_metadata, ORDER_2_LARGE, 0);
	if (_metadata->exit_code)
		return;
	expect_direct(_metadata, self->fd, 0, NR_2_LARGE, TEST_IOREMAP_WB,
		      "before");
}

FIXTURE_TEARDOWN(iounmap_restore)
{
	close(self->fd);
}

static void map_unmap(struct __test_metadata *_metadata, int fd,
		      unsigned long offset, unsigned long size,
		      unsigned int type)
{
	unsigned long first = offset / PAGE;
	unsigned long end = (offset + size + PAGE - 1) / PAGE;
	int id;

	id = block_map(fd, offset, size, type);
	ASSERT_LE(0, id);
	expect_types(_metadata, fd, id, 0, end - first, type, "mapped");
	expect_direct(_metadata, fd, 0, first, TEST_IOREMAP_WB,
		      "mapped, pages before");
	expect_direct(_metadata, fd, first * PAGE, end - first, type, "mapped");
	expect_direct(_metadata, fd, end * PAGE, NR_2_LARGE - end,
		      TEST_IOREMAP_WB, "mapped, pages after");

	ASSERT_EQ(0, block_unmap(fd, id));
	expect_direct(_metadata, fd, 0, NR_2_LARGE, TEST_IOREMAP_WB,
		      "unmapped");
}

TEST_F(iounmap_restore, one_page)
{
	map_unmap(_metadata, self->fd, 5 * PAGE, PAGE, variant->type);
}

TEST_F(iounmap_restore, unaligned)
{
	map_unmap(_metadata, self->fd, 5 * PAGE + 0x123, 2 * PAGE,
		  variant->type);
}

TEST_F(iounmap_restore, part_of_large_page)
{
	map_unmap(_metadata, self->fd, 32 * PAGE, 16 * PAGE, variant->type);
}

TEST_F(iounmap_restore, large_page)
{
	map_unmap(_metadata, self->fd, 0, SZ_LARGE, variant->type);
}

TEST_F(iounmap_restore, across_large_pages)
{
	map_unmap(_metadata, self->fd, SZ_LARGE - 8 * PAGE, 16 * PAGE,
		  variant->type);
}

/*
 * As long as the mapping exists, a write-back direct map is an alias of another
 * type; as long as the direct map is not write-back, so is a new mapping.
 */
TEST_F(iounmap_restore, order)
{
	struct test_ioremap_hook seen;
	int id;

	if (variant->type == TEST_IOREMAP_WB)
		SKIP(return, "nothing to restore");

	id = block_map(self->fd, 0, 16 * PAGE, variant->type);
	ASSERT_LE(0, id);
	if (hook_wb(self->fd, TEST_IOREMAP_HOOK_WATCH, &seen))
		SKIP(return, "cannot watch it: %s", strerror(errno));
	ASSERT_EQ(0, block_unmap(self->fd, id));
	ASSERT_EQ(0, hook_wb(self->fd, TEST_IOREMAP_HOOK_OFF, &seen));

	expect_direct(_metadata, self->fd, 0, NR_2_LARGE, TEST_IOREMAP_WB,
		      "unmapped");
	if (!seen.hits) {
		if (__test_passed(_metadata))
			SKIP(return, "iounmap() does not use _set_memory_wb()");
		return;
	}
	EXPECT_EQ(0, seen.mapped) {
		TH_LOG("direct map made WB: %u of 16 pages still mapped %s, expected 0",
		       seen.mapped, type_name(variant->type));
	}
	EXPECT_TRUE(seen.reserved) {
		TH_LOG("direct map made WB: %s not reserved any more",
		       type_name(variant->type));
	}
}

/* What a later, innocent user of the same pages gets */
TEST_F(iounmap_restore, fresh_pages)
{
	struct test_ioremap_recycle res;
	int id;

	id = block_map(self->fd, 0, NR_2_LARGE * PAGE, variant->type);
	ASSERT_LE(0, id);
	ASSERT_EQ(0, block_unmap(self->fd, id));
	ASSERT_EQ(0, ioctl(self->fd, TEST_IOREMAP_RECYCLE, &res));
	if (!res.found)
		SKIP(return, "the freed pages were not allocated again");
	EXPECT_EQ(0, res.not_wb) {
		TH_LOG("%u pages allocated again, %u not write-back, expected 0",
		       res.found, res.not_wb);
	}
}

int main(int argc, char **argv)
{
	ioremap_test_init(NULL, true);
	return test_harness_run(argc, argv);
}
