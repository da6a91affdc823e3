// SPDX-License-Identifier: GPL-2.0
/*
 * A write to a disk with protection information needs memory for the checksums.
 * When there is none, it has to wait for some, as for every other allocation
 * of the write path: it may be what frees memory, and a write that fails is
 * data lost.
 *
 * Fault injection lets every slab allocation of this process fail, except where
 * failing is not allowed.
 */
#include "../kselftest_harness.h"
#include "stable_writes_test.h"

#define FAILSLAB	"/sys/kernel/debug/failslab/"
#define BLOCK		4096
#define LOOPS		64

static const char *pi;

static void restore(void)
{
	write_file(FAILSLAB "probability", "0");
	write_file(FAILSLAB "task-filter", "0");
}

static int set_up_failslab(void)
{
	int r;

	r = write_file(FAILSLAB "task-filter", "1");
	if (!r)
		r = write_file(FAILSLAB "ignore-gfp-wait", "0");
	if (!r)
		r = write_file(FAILSLAB "verbose", "0");
	if (!r)
		r = write_file(FAILSLAB "times", "-1");
	if (!r)
		r = write_file(FAILSLAB "probability", "100");
	return r;
}

/* @buffered: written back by sync_file_range(), from another set of bios */
static void try_writes(struct __test_metadata *_metadata, bool buffered)
{
	int fd, fail, i, done = 0, error = 0;
	void *buf;

	ASSERT_EQ(0, posix_memalign(&buf, BLOCK, BLOCK));
	fd = open(pi, O_RDWR | (buffered ? 0 : O_DIRECT));
	ASSERT_LE(0, fd);
	fail = open("/proc/self/make-it-fail", O_WRONLY);
	ASSERT_LE(0, fail);
	for (i = 0; i < LOOPS; i++) {
		int r;

		memset(buf, i, BLOCK);
		if (buffered)
			ASSERT_EQ(BLOCK, pwrite(fd, buf, BLOCK, 0));
		pwrite(fail, "1", 1, 0);
		if (buffered)
			r = sync_file_range(fd, 0, BLOCK,
					    SYNC_FILE_RANGE_WRITE);
		else
			r = pwrite(fd, buf, BLOCK, 0) == BLOCK ? 0 : -1;
		if (r && !error)
			error = errno;
		pwrite(fail, "0", 1, 0);
		if (buffered && fsync(fd)) {
			r = -1;
			error = errno;
		}
		done += !r;
	}
	close(fail);
	close(fd);
	ksft_print_msg("%d of %d %s writes done%s%s\n", done, LOOPS,
		       buffered ? "buffered" : "direct", error ? ", " : "",
		       error ? strerror(error) : "");
	EXPECT_EQ(LOOPS, done);
}

TEST(direct)
{
	try_writes(_metadata, false);
}

TEST(buffered)
{
	try_writes(_metadata, true);
}

int main(int argc, char **argv)
{
	stable_writes_test_init(restore);
	if (access(FAILSLAB "task-filter", F_OK) ||
	    access("/proc/self/make-it-fail", F_OK))
		ksft_exit_skip("no fault injection for slabs\n");
	pi = pi_disk(16);
	if (!pi)
		ksft_exit_skip("no scsi_debug, or it is in use\n");
	if (set_up_failslab())
		ksft_exit_skip("cannot set up fault injection for slabs\n");
	write_file("/proc/sys/kernel/printk", "1");
	return test_harness_run(argc, argv);
}
