// SPDX-License-Identifier: GPL-2.0
/*
 * ioremap() that fails half-way, and iounmap() that cannot make the direct map
 * write-back: neither may leave a memory type behind that the next mapping of
 * these pages does not know of.
 */
#include "../kselftest_harness.h"
#include "ioremap_test.h"

#define MAX_NTH		200

/*
 * Let every allocation fail, whether it may sleep or not, without a dump. What
 * has no value is only put back: every injected fault counts "times" down.
 */
static struct knob {
	const char *path;
	const char *value;
	char old[32];
} knobs[] = {
	{ "/sys/kernel/debug/failslab/times" },
	{ "/sys/kernel/debug/fail_page_alloc/times" },
	{ "/sys/kernel/debug/failslab/ignore-gfp-wait", "N" },
	{ "/sys/kernel/debug/failslab/verbose", "0" },
	{ "/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N" },
	{ "/sys/kernel/debug/fail_page_alloc/min-order", "0" },
	{ "/sys/kernel/debug/fail_page_alloc/verbose", "0" },
};

static bool have_faults;

static int write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t ret;

	if (fd < 0)
		return -1;
	ret = write(fd, value, strlen(value));
	close(fd);
	return ret < 0 ? -1 : 0;
}

static int read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t ret;

	if (fd < 0)
		return -1;
	ret = read(fd, buf, size - 1);
	close(fd);
	if (ret < 0)
		return -1;
	buf[ret] = '\0';
	return 0;
}

static void restore_knobs(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(knobs); i++)
		if (knobs[i].old[0])
			write_file(knobs[i].path, knobs[i].old);
}

static bool set_knobs(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(knobs); i++) {
		if (read_file(knobs[i].path, knobs[i].old,
			      sizeof(knobs[i].old)))
			return false;
		if (knobs[i].value &&
		    write_file(knobs[i].path, knobs[i].value))
			return false;
	}
	return true;
}

FIXTURE(failed_mapping) {
	int fd;
};

FIXTURE_VARIANT(failed_mapping) {
	unsigned long offset;
	unsigned long size;
};

FIXTURE_VARIANT_ADD(failed_mapping, across_large_pages) {
	.offset = SZ_LARGE - 8 * PAGE, .size = 16 * PAGE
};

FIXTURE_VARIANT_ADD(failed_mapping, many_pages) {
	.offset = PAGE, .size = 2 * SZ_LARGE - 2 * PAGE
};

FIXTURE_SETUP(failed_mapping)
{
	if (!have_faults)
		SKIP(return, "no fault injection (debugfs)");
	/* Other than write-back, ioremap() has to split large pages */
	self->fd = open_block(_metadata, ORDER_2_LARGE, TEST_IOREMAP_LARGE);
}

FIXTURE_TEARDOWN(failed_mapping)
{
	close(self->fd);
}

enum fault {
	FAULT_NONE,		/* there are fewer allocations */
	FAULT_HARMLESS,		/* mapped all the same */
	FAULT_FATAL,
};

static enum fault fail_one(struct __test_metadata *_metadata, int fd,
			   unsigned long offset, unsigned long size,
			   unsigned int type, int nth)
{
	enum fault fault = FAULT_NONE;
	bool injected;
	char when[64];
	int id;

	id = block_map_fail(fd, offset, size, type, nth, &injected);
	if (id == -EOPNOTSUPP) {
		SKIP(return FAULT_NONE, "no fault injection");
	} else if (id >= 0) {
		fault = injected ? FAULT_HARMLESS : FAULT_NONE;
		ASSERT_EQ(0, block_unmap(fd, id));
	} else if (!injected) {
		EXPECT_LE(0, id) {
			TH_LOG("%s mapping, no fault injected: %s",
			       type_name(type), strerror(-id));
		}
	} else {
		fault = FAULT_FATAL;
		snprintf(when, sizeof(when), "%s mapping, allocation %d failed",
			 type_name(type), nth);
		expect_direct(_metadata, fd, 0, NR_2_LARGE, TEST_IOREMAP_WB,
			      when);
		/* Refused if anything is still reserved; splits no large page */
		id = block_map(fd, offset, size, TEST_IOREMAP_WB);
		EXPECT_LE(0, id) {
			TH_LOG("%s: WB mapping: %s, expected success", when,
			       strerror(-id));
		}
		if (id >= 0)
			ASSERT_EQ(0, block_unmap(fd, id));
	}
	ASSERT_EQ(0, ioctl(fd, TEST_IOREMAP_HEAL));
	return fault;
}

/*
 * Let every allocation of every type fail in turn, until none is left. Whatever
 * splits a large page changes which allocations there are: start again then, so
 * that one block is enough for all types. Write-back splits nothing and comes
 * first: a fault that it survives would only cost the others a large page.
 */
TEST_F(failed_mapping, every_allocation)
{
	int fd = self->fd, large, left, nth, failed = 0;
	unsigned int i = ARRAY_SIZE(all_types);
	enum fault fault, worst = FAULT_FATAL;

	ASSERT_EQ(TEST_IOREMAP_WB, all_types[i - 1]);
	large = ioctl(fd, TEST_IOREMAP_NR_LARGE);
	for (nth = 1; worst != FAULT_NONE && nth <= MAX_NTH; nth++) {
		worst = FAULT_NONE;
		for (i = ARRAY_SIZE(all_types); i--;) {
			if (!have_type(all_types[i]))
				continue;
			fault = fail_one(_metadata, fd, variant->offset,
					 variant->size, all_types[i], nth);
			failed += fault == FAULT_FATAL;
			if (fault > worst)
				worst = fault;
			if (fault == FAULT_HARMLESS && large &&
			    all_types[i] == TEST_IOREMAP_WB)
				break;
			left = ioctl(fd, TEST_IOREMAP_NR_LARGE);
			if (left < large) {
				large = left;
				worst = FAULT_FATAL;
				nth = 0;
				break;
			}
		}
	}

	TH_LOG("%d mappings failed", failed);
	EXPECT_EQ(FAULT_NONE, worst) {
		TH_LOG("mapping still fails at allocation %d", nth - 1);
	}
	if (!failed && __test_passed(_metadata))
		SKIP(return, "no allocation could be made to fail");
}

FIXTURE(ioremap_error) {
	int fd;
};

FIXTURE_VARIANT(ioremap_error) {
	unsigned int type;
	unsigned int other;
};

FIXTURE_VARIANT_ADD(ioremap_error, uc_minus) {
	.type = TEST_IOREMAP_UC_MINUS, .other = TEST_IOREMAP_WC
};

FIXTURE_VARIANT_ADD(ioremap_error, wc) {
	.type = TEST_IOREMAP_WC, .other = TEST_IOREMAP_UC_MINUS
};

FIXTURE_VARIANT_ADD(ioremap_error, wt) {
	.type = TEST_IOREMAP_WT, .other = TEST_IOREMAP_UC_MINUS
};

/* Nothing to restore: passes with and without the bug */
FIXTURE_VARIANT_ADD(ioremap_error, wb) {
	.type = TEST_IOREMAP_WB, .other = TEST_IOREMAP_UC_MINUS
};

FIXTURE_SETUP(ioremap_error)
{
	if (skip_type(_metadata, variant->type))
		return;
	self->fd = open_block(_metadata, ORDER_2_LARGE, 0);
}

FIXTURE_TEARDOWN(ioremap_error)
{
	close(self->fd);
}

/* The direct map of the first 16 pages has kept the type @stale. */
static void expect_no_alias(struct __test_metadata *_metadata, int fd,
			    unsigned int stale, unsigned int type)
{
	int id = block_map(fd, 0, 16 * PAGE, type);

	if (id < 0)
		return;
	EXPECT_EQ(stale, type) {
		TH_LOG("%s mapping allowed while the direct map is %s, expected refusal",
		       type_name(type), type_name(stale));
	}
	expect_direct(_metadata, fd, 0, 16, type, "mapped again");
	ASSERT_EQ(0, block_unmap(fd, id));
}

/*
 * The direct map cannot be made write-back: as long as it is not, no mapping
 * of another type may come to exist.
 */
TEST_F(ioremap_error, restore_fails)
{
	struct test_ioremap_hook seen;
	int fd = self->fd, id;
	unsigned int i;

	id = block_map(fd, 0, 16 * PAGE, variant->type);
	ASSERT_LE(0, id);
	if (hook_wb(fd, TEST_IOREMAP_HOOK_FAIL, &seen))
		SKIP(return, "cannot make it fail: %s", strerror(errno));
	ASSERT_EQ(0, block_unmap(fd, id));
	ASSERT_EQ(0, hook_wb(fd, TEST_IOREMAP_HOOK_OFF, &seen));
	if (!seen.hits) {
		expect_direct(_metadata, fd, 0, 16, TEST_IOREMAP_WB,
			      "unmapped, no failure injected");
		if (variant->type != TEST_IOREMAP_WB &&
		    __test_passed(_metadata))
			SKIP(return, "iounmap() does not use _set_memory_wb()");
		return;
	}

	/* The same type last: if allowed, it makes the direct map right. */
	for (i = 0; i < ARRAY_SIZE(all_types); i++)
		if (all_types[i] != variant->type && have_type(all_types[i]))
			expect_no_alias(_metadata, fd, variant->type,
					all_types[i]);
	expect_no_alias(_metadata, fd, variant->type, variant->type);

	ASSERT_EQ(0, ioctl(fd, TEST_IOREMAP_HEAL));
	expect_direct(_metadata, fd, 0, NR_2_LARGE, TEST_IOREMAP_WB,
		      "set_memory_wb()");
	id = block_map(fd, 0, 16 * PAGE, variant->other);
	EXPECT_LE(0, id)
		TH_LOG("mapping after set_memory_wb(): %s", strerror(-id));
}

int main(int argc, char **argv)
{
	ioremap_test_init(restore_knobs, true);
	have_faults = set_knobs();
	return test_harness_run(argc, argv);
}
