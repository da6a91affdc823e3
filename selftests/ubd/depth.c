// SPDX-License-Identifier: GPL-2.0
/*
 * A request does not wait for others to be done, neither of its device nor of
 * another one: the host has several at a time. One that flushes a
 * copy-on-write device does not take along what comes meanwhile.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#include <linux/aio_abi.h>
#include <sys/syscall.h>

#define SIZE		(1 << 20)
#define BLOCK		8		/* sectors */
#define HELD		1000		/* sector */
#define OTHER		64
#define PATIENCE	6		/* seconds, for what takes none */

static int submit(aio_context_t ctx, struct iocb *iocb, const char *dev,
		  const char *op, unsigned int sector)
{
	char *buf = aligned(BLOCK * SECTOR);
	int i;

	for (i = 0; i < BLOCK; i++)
		fill(buf + i * SECTOR, sector + i, "NEW");
	iocb->aio_fildes = dev_open(dev, O_DIRECT);
	iocb->aio_lio_opcode = *op == 'r' ? IOCB_CMD_PREAD : IOCB_CMD_PWRITE;
	iocb->aio_buf = (uintptr_t)buf;
	iocb->aio_nbytes = BLOCK * SECTOR;
	iocb->aio_offset = sector * SECTOR;
	return syscall(SYS_io_submit, ctx, 1, &iocb) == 1 ? 0 : -1;
}

/* Arguments: "read" or "write", which the host holds, and another with its device */
GUEST(overtake)
{
	struct timespec patience = { PATIENCE, 0 };
	struct iocb held = {}, other = {};
	struct io_event event;
	aio_context_t ctx = 0;
	int ret = 0;

	if (syscall(SYS_io_setup, 2, &ctx) ||
	    submit(ctx, &held, "ubda", argv[1], HELD) ||
	    submit(ctx, &other, argv[3], argv[2], OTHER))
		return 1;
	if (syscall(SYS_io_getevents, ctx, 1, 1, &event, &patience) != 1) {
		printf("%s of %s waits for the %s of ubda\n", argv[2], argv[3], argv[1]);
		ret = 2;
	} else if (event.obj != (uintptr_t)&other || event.res != BLOCK * SECTOR) {
		printf("%s of %s: %lld\n", argv[2], argv[3], (long long)event.res);
		ret = 3;
	}
	call_host("release");
	if (syscall(SYS_io_getevents, ctx, 1, 1, &event, NULL) != 1 ||
	    event.res != BLOCK * SECTOR)
		ret = 4;
	return ret;
}

static void release(const char *text)
{
	close(open(text, O_WRONLY | O_CREAT, 0600));
}

FIXTURE_VARIANT(ubd) {
	const char *args, *hold, *guest;
};

#define CASE(_name, _args, _hold, _guest)				\
FIXTURE_VARIANT_ADD(ubd, _name) {					\
	.args = _args, .hold = _hold ":hold=release", .guest = "overtake " _guest,	\
}

/* Sector 1000 of an image, and of what is behind the header of a COW file */
CASE(read_read, "ubd0=disk", "pread:disk:*>511999<512001", "read read ubda");
CASE(read_write, "ubd0=disk", "pread:disk:*>511999<512001", "read write ubda");
CASE(write_read, "ubd0=disk", "pwrite:disk:*>511999<512001", "write read ubda");
CASE(write_write, "ubd0=disk", "pwrite:disk:*>511999<512001", "write write ubda");
CASE(read_other, "ubd0=disk ubd1=second", "pread:disk:*>511999<512001", "read read ubdb");
CASE(write_other, "ubd0=disk ubd1=second", "pwrite:disk:*>511999<512001", "write write ubdb");
CASE(cow_read_write, "ubd0=cow,disk", "pread:disk:*>511999<512001", "read write ubda");
CASE(cow_write_read, "ubd0=cow,disk", "pwrite:cow:*>524287<524289", "write read ubda");
CASE(cow_write_write, "ubd0=cow,disk", "pwrite:cow:*>524287<524289", "write write ubda");

TEST_F(ubd, overtake)
{
	ASSERT_EQ(0, image("disk", SIZE, NULL));
	ASSERT_EQ(0, image("second", SIZE, NULL));
	uml_hook = release;
	EXPECT_EQ(0, uml(variant->guest, variant->args, variant->hold));
}

TEST_HARNESS_MAIN
