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

ALL_PAIRS(ioremap_next_type);

FIXTURE_SETUP(ioremap_next_type)
{
	if (skip_type(_metadata, variant->first) ||
	    skip_type(_metadata, variant->second))
		return;
	self->fd = open_block(_metadata, ORDER_2_LARGE, 0);
}

FIXTURE_TEARDOWN(ioremap_next_type)
{
	close(self->fd);
}

/* Returns the id of the second mapping */
static int map_twice(struct __test_metadata *_metadata, int fd,
		     unsigned long offset, unsigned long nr,
		     unsigned int first, unsigned int second)
{
	int id;

	id = block_map(fd, offset, nr * PAGE, first);
	ASSERT_LE(0, id);
	ASSERT_EQ(0, block_unmap(fd, id));

	id = block_map(fd, offset, nr * PAGE, second);
	ASSERT_LE(0, id);
	return id;
}

static void expect_second(struct __test_metadata *_metadata, int fd, int id,
			  unsigned long offset, unsigned long nr,
			  unsigned int second)
{
	expect_types(_metadata, fd, id, 0, nr, second, "second mapped");
	expect_direct(_metadata, fd, offset, nr, second, "second mapped");
}

static void next_type(struct __test_metadata *_metadata, int fd,
		      unsigned long offset, unsigned long nr,
		      unsigned int first, unsigned int second)
{
	int id = map_twice(_metadata, fd, offset, nr, first, second);

	expect_second(_metadata, fd, id, offset, nr, second);
}

TEST_F(ioremap_next_type, pages)
{
	next_type(_metadata, self->fd, 32 * PAGE, 16, variant->first,
		  variant->second);
}

TEST_F(ioremap_next_type, large_page)
{
	next_type(_metadata, self->fd, SZ_LARGE, SZ_LARGE / PAGE,
		  variant->first, variant->second);
}

/*
 * Below 1 MiB all RAM is reserved and never reaches the allocator. Its memory
 * types are tracked as those of MMIO, so iounmap() has no reason to restore the
 * direct map: whatever type it has, the next mapping has to get its own.
 */
FIXTURE(low_ram) {
	int fd;
};

FIXTURE_VARIANT(low_ram) {
	unsigned int first;
	unsigned int second;
};

ALL_PAIRS(low_ram);

FIXTURE_SETUP(low_ram)
{
	if (skip_type(_metadata, variant->first) ||
	    skip_type(_metadata, variant->second))
		return;
	self->fd = open_block(_metadata, TEST_IOREMAP_LOW_ORDER,
			      TEST_IOREMAP_LOW);
}

FIXTURE_TEARDOWN(low_ram)
{
	close(self->fd);
}

TEST_F(low_ram, pages)
{
	unsigned long nr = 1UL << TEST_IOREMAP_LOW_ORDER;
	unsigned char got;
	int id;

	id = map_twice(_metadata, self->fd, 0, nr, variant->first,
		       variant->second);
	ASSERT_EQ(0, block_query(self->fd, id, 0, 1, &got));
	if (variant->second == TEST_IOREMAP_WB && got != TEST_IOREMAP_WB)
		SKIP(return, "the MTRRs make a WB mapping %s", type_name(got));
	expect_second(_metadata, self->fd, id, 0, nr, variant->second);
}

int main(int argc, char **argv)
{
	ioremap_test_init(NULL, true);
	return test_harness_run(argc, argv);
}
