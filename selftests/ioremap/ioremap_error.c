// SPDX-License-Identifier: GPL-2.0
/*
 * ioremap() that fails half-way, and iounmap() that cannot make the direct map
 * write-back: neither may leave a memory type behind that the next mapping of
 * these pages does not know of.
 */
#include "../kselftest_harness.h"
#include "ioremap_test.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define MAX_NTH		200

/* Let every allocation fail, whether it may sleep or not, without a dump. */
static struct knob {
	const char *path;
	const char *value;
	char old[16];
} knobs[] = {
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
			      sizeof(knobs[i].old)) ||
		    write_file(knobs[i].path, knobs[i].value))
			return false;
	}
	return !access(FAIL_NTH, R_OK | W_OK);
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
	self->fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(ioremap_error)
{
	close(self->fd);
}

/*
 * Map with the @nth allocation failing; *@injected tells whether it did. The
 * file is open all the time, since opening it allocates, too.
 */
static int map_fail_nth(struct __test_metadata *_metadata, int fd, int nth_fd,
			unsigned long offset, unsigned long size,
			unsigned int type, int nth, bool *injected)
{
	char buf[16] = "";
	int id, len;

	len = snprintf(buf, sizeof(buf), "%d", nth);
	ASSERT_EQ(len, pwrite(nth_fd, buf, len, 0));
	id = block_map(fd, offset, size, type);
	len = pread(nth_fd, buf, sizeof(buf) - 1, 0);
	ASSERT_EQ(1, pwrite(nth_fd, "0", 1, 0));
	ASSERT_LT(0, len);
	*injected = !atoi(buf);
	return id;
}

static void sweep(struct __test_metadata *_metadata, int fd,
		  unsigned long offset, unsigned long size, unsigned int type,
		  unsigned int other)
{
	/* Other than write-back, ioremap() has to split large pages */
	unsigned int flags = type == TEST_IOREMAP_WB ? 0 : TEST_IOREMAP_LARGE;
	int err, id, nth, nth_fd, failed = 0;
	bool injected = true;
	char when[32];

	nth_fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, nth_fd);

	for (nth = 1; nth <= MAX_NTH && injected; nth++) {
		err = block_alloc(fd, ORDER_2_LARGE, flags);
		if (err == -ENOENT && __test_passed(_metadata))
			SKIP(return, "no large page left to split");
		ASSERT_EQ(0, err);

		id = map_fail_nth(_metadata, fd, nth_fd, offset, size, type,
				  nth, &injected);
		if (id >= 0) {
			ASSERT_EQ(0, block_unmap(fd, id));
		} else if (injected) {
			failed++;
			snprintf(when, sizeof(when), "allocation %d failed",
				 nth);
			expect_direct(_metadata, fd, 0, NR_2_LARGE,
				      TEST_IOREMAP_WB, when);
			id = block_map(fd, offset, size, other);
			EXPECT_LE(0, id) {
				TH_LOG("%s: %s mapping: %s, expected success",
				       when, type_name(other), strerror(-id));
			}
			if (id >= 0)
				ASSERT_EQ(0, block_unmap(fd, id));
		} else {
			EXPECT_LE(0, id)
				TH_LOG("refused without an injected fault");
		}
		ASSERT_EQ(0, ioctl(fd, TEST_IOREMAP_FREE));
	}

	close(nth_fd);
	TH_LOG("%d of %d failed allocations failed the mapping", failed,
	       nth - 2);
	EXPECT_FALSE(injected) {
		TH_LOG("mapping still fails at allocation %d", nth - 1);
	}
	if (!failed && __test_passed(_metadata))
		SKIP(return, "no allocation could be made to fail");
}

TEST_F(ioremap_error, across_large_pages)
{
	if (!have_faults)
		SKIP(return, "no fault injection (fail-nth, debugfs)");
	sweep(_metadata, self->fd, SZ_LARGE - 8 * PAGE, 16 * PAGE,
	      variant->type, variant->other);
}

TEST_F(ioremap_error, many_pages)
{
	if (!have_faults)
		SKIP(return, "no fault injection (fail-nth, debugfs)");
	sweep(_metadata, self->fd, PAGE, 2 * SZ_LARGE - 2 * PAGE,
	      variant->type, variant->other);
}

/*
 * The direct map cannot be made write-back: as long as it is not, no mapping
 * of another type may come to exist.
 */
TEST_F(ioremap_error, restore_fails)
{
	int fd = self->fd, id, hits;
	unsigned int i;

	ASSERT_EQ(0, block_alloc(fd, ORDER_2_LARGE, 0));
	id = block_map(fd, 0, 16 * PAGE, variant->type);
	ASSERT_LE(0, id);
	if (ioctl(fd, TEST_IOREMAP_FAIL_WB, 1))
		SKIP(return, "cannot make it fail: %s", strerror(errno));
	ASSERT_EQ(0, block_unmap(fd, id));
	hits = ioctl(fd, TEST_IOREMAP_FAIL_WB, 0);
	ASSERT_LE(0, hits);
	if (!hits) {
		expect_direct(_metadata, fd, 0, 16, TEST_IOREMAP_WB,
			      "unmapped, no failure injected");
		if (variant->type != TEST_IOREMAP_WB &&
		    __test_passed(_metadata))
			SKIP(return, "iounmap() does not use _set_memory_wb()");
		return;
	}

	for (i = 0; i < ARRAY_SIZE(all_types); i++) {
		id = block_map(fd, 0, 16 * PAGE, all_types[i]);
		if (id < 0)
			continue;
		expect_direct(_metadata, fd, 0, 16, all_types[i],
			      "mapped again");
		ASSERT_EQ(0, block_unmap(fd, id));
	}

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
