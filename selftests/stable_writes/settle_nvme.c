// SPDX-License-Identifier: GPL-2.0
/*
 * settle on an NVMe disk, which verifies what it is given, and needs no help to
 * be slower than whoever changes the memory. It can also be polled.
 */
#include <linux/nvme_ioctl.h>
#include <pthread.h>

#include "../kselftest_harness.h"
#include "settle.h"

#define LEN		(128 << 10)
#define TIMES		300
#define ENOUGH		20

static volatile bool stop;

static void *scribble(void *arg)
{
	unsigned int i;

	for (i = 0; !stop; i = (i + PAGE) % LEN)
		buffer[i]++;
	return NULL;
}

FIXTURE(nvme) {
	long long conflicts, copies;
};

FIXTURE_SETUP(nvme)
{
	inject(0, 0);
	queue_set("integrity/conflict_mode", "settle");
	memset(buffer, 'A', 2 * BUFFER);
	self->conflicts = counter("conflicts");
	self->copies = counter("conflict_copies");
}

FIXTURE_TEARDOWN(nvme)
{
	inject(0, 0);
	queue_set("integrity/conflict_mode", "settle");
}

/* Read or write while the buffer is changed, until that was met often enough */
static void io_scribbled(struct __test_metadata *_metadata, bool write,
			 long long conflicts)
{
	unsigned int i, failed = 0;
	pthread_t thread;
	struct io io;
	int r = 0;

	forget_log();
	stop = false;
	ASSERT_EQ(0, pthread_create(&thread, NULL, scribble, NULL));
	for (i = 0; i < TIMES && failed < ENOUGH &&
	     counter("conflicts") < conflicts + ENOUGH; i++) {
		set_io(&io, write, 0, buffer, LEN);
		r = do_io(&io) ?: r;
		failed += !!r;
	}
	stop = true;
	pthread_join(thread, NULL);
	ksft_print_msg("%u of %u failed, their buffer was changed (%s), %lld conflicts\n",
		       failed, i, r ? strerror(r) : "-",
		       counter("conflicts") - conflicts);
	EXPECT_EQ(0, failed);
	EXPECT_EQ(0, log_lines(" error"))
		TH_LOG("errors were reported");
}

TEST_F(nvme, write)
{
	struct io io;

	io_scribbled(_metadata, true, self->conflicts);
	EXPECT_NE(self->conflicts, counter("conflicts"))
		TH_LOG("nothing was tried");
	/* What the disk has is whole, whatever it is */
	set_io(&io, false, 0, buffer, LEN);
	EXPECT_EQ(0, do_io(&io));
}

TEST_F(nvme, read)
{
	struct io io;

	set_io(&io, true, 0, buffer, LEN);
	ASSERT_EQ(0, do_io(&io));
	io_scribbled(_metadata, false, self->conflicts);
	EXPECT_NE(self->conflicts, counter("conflicts"))
		TH_LOG("nothing was tried");
}

TEST_F(nvme, copy)
{
	ASSERT_EQ(0, set_mode("copy"))
		TH_LOG("no integrity/conflict_mode");
	io_scribbled(_metadata, true, self->conflicts);
	EXPECT_EQ(self->conflicts, counter("conflicts"));
	EXPECT_LT(self->copies, counter("conflict_copies"));
}

TEST_F(nvme, error_once)
{
	unsigned int reported;
	int r = write_with_errors(_metadata, LEN, 0, 1, &reported);

	ksft_print_msg("one guard error: %s, %u reported\n",
		       r ? strerror(r) : "written", reported);
	EXPECT_EQ(0, r);
	EXPECT_EQ(0, reported);
	check_data(_metadata, NULL, 0, buffer, LEN);
}

TEST_F(nvme, error_twice)
{
	unsigned int reported;
	int r = write_with_errors(_metadata, LEN, 0, 2, &reported);

	ksft_print_msg("a guard error that stays: %s, %u reported\n",
		       r ? strerror(r) : "WRITTEN", reported);
	EXPECT_EQ(EILSEQ, r);
	EXPECT_EQ(1, reported);
}

/* What the disk has stored does not match: it says so, or else the host does */
TEST_F(nvme, stored)
{
	uint64_t checksum = 0xffff;
	struct nvme_user_io cmd = {
		.opcode = 1, .metadata = (unsigned long)&checksum,
		.addr = (unsigned long)buffer,
	};
	int fd = open(pi, O_RDWR), r;
	struct io io;

	/* A wrong one, and nothing of it is verified */
	ASSERT_LE(0, fd);
	r = ioctl(fd, NVME_IOCTL_SUBMIT_IO, &cmd);
	close(fd);
	if (r)
		SKIP(return, "NVME_IOCTL_SUBMIT_IO: %d", r);
	forget_log();
	set_io(&io, false, 0, buffer, PAGE);
	r = do_io(&io);
	ksft_print_msg("a read of what has a wrong checksum: %s\n",
		       r ? strerror(r) : "READ");
	EXPECT_EQ(EILSEQ, r);
	EXPECT_EQ(1, log_lines(" error"));
	set_io(&io, true, 0, buffer, PAGE);
	EXPECT_EQ(0, do_io(&io));
}

TEST_F(nvme, nowait)
{
	struct io io;
	int r;

	set_io(&io, true, 0, buffer, PAGE);
	io.rwf = RWF_NOWAIT;
	if (do_io(&io) == EOPNOTSUPP)
		SKIP(return, "no RWF_NOWAIT");
	if (inject(0, 1))
		SKIP(return, "errors cannot be injected");
	r = do_io(&io);
	ksft_print_msg("not to wait, one guard error: %s\n",
		       r ? strerror(r) : "written");
	EXPECT_EQ(0, r);
	check_data(_metadata, NULL, 0, buffer, PAGE);
}

/* Who polls for a write that is settled sees it end */
TEST_F(nvme, polled)
{
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_WRITE, .addr = (unsigned long)buffer,
		.len = PAGE,
	};
	int r;

	sqe.fd = open(pi, O_RDWR | O_DIRECT);
	ASSERT_LE(0, sqe.fd);
	if (queue_attr(pi, "io_poll") != 1 ||
	    uring_io(IORING_SETUP_IOPOLL, &sqe) != PAGE)
		SKIP(return, "no polled I/O");
	if (inject(0, 1))
		SKIP(return, "errors cannot be injected");
	r = uring_io(IORING_SETUP_IOPOLL, &sqe);
	close(sqe.fd);
	ksft_print_msg("polled, one guard error: %s\n",
		       r < 0 ? strerror(-r) : "written");
	EXPECT_EQ(PAGE, r);
	check_data(_metadata, NULL, 0, buffer, PAGE);
}

static void set_disk(bool zoned)
{
	pi = pi_nvme(zoned);
	pi_name = pi ? strrchr(pi, '/') + 1 : NULL;
}

/* The disk itself finds the place for it */
TEST(zone_append)
{
	set_disk(true);
	if (!pi)
		SKIP(return, "no zoned NVMe disk with protection information");
	append_with_error(_metadata, 0, "(ZONE_APPEND)");
}

int main(int argc, char **argv)
{
	settle_init(NULL);
	set_disk(false);
	if (!pi)
		ksft_exit_skip("no NVMe disk with protection information\n");
	return test_harness_run(argc, argv);
}
