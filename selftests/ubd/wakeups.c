// SPDX-License-Identifier: GPL-2.0
/*
 * Requests that are submitted together wake the I/O thread together. Writes:
 * what is read can be there already.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#include <linux/aio_abi.h>
#include <sys/syscall.h>

#define DEPTH		32
#define ROUNDS		16
#define BLOCK		4096
/* So that no two of them become one request */
#define STRIDE		65536
/* Of those that read the partition table, and some */
#define OTHERS		64

GUEST(write_together)
{
	struct iocb iocb[DEPTH] = {}, *io[DEPTH];
	struct io_event events[DEPTH];
	aio_context_t ctx = 0;
	int fd, i, round;

	fd = dev_open("ubda", O_DIRECT);
	if (fd < 0 || syscall(SYS_io_setup, DEPTH, &ctx))
		return 1;
	for (i = 0; i < DEPTH; i++) {
		io[i] = &iocb[i];
		iocb[i].aio_fildes = fd;
		iocb[i].aio_lio_opcode = IOCB_CMD_PWRITE;
		iocb[i].aio_buf = (uintptr_t)aligned(BLOCK);
		iocb[i].aio_nbytes = BLOCK;
		iocb[i].aio_offset = i * STRIDE;
	}
	for (round = 0; round < ROUNDS; round++) {
		if (syscall(SYS_io_submit, ctx, DEPTH, io) != DEPTH ||
		    syscall(SYS_io_getevents, ctx, DEPTH, DEPTH, events, NULL) != DEPTH)
			return 2;
		for (i = 0; i < DEPTH; i++)
			if (events[i].res != BLOCK)
				return 3;
	}
	return 0;
}

/* What the kernel has written to sockets and pipes; the console gets more at a time */
static int wakeups(void)
{
	FILE *f = fopen("trace", "re");
	char line[256], call[16], name[64], who[16];
	int n = 0, len;

	while (f && fgets(line, sizeof(line), f))
		n += sscanf(line, "%15s %63s %*s %d = %*s %15s", call, name, &len, who) == 4 &&
		     !strcmp(call, "write") && !strcmp(who, "main") && len <= 8 &&
		     (!strncmp(name, "socket:", 7) || !strncmp(name, "pipe:", 5));
	if (f)
		fclose(f);
	return n;
}

TEST_F(ubd, one_for_all)
{
	int n;

	ASSERT_EQ(0, image("disk", DEPTH * STRIDE, NULL));
	ASSERT_EQ(0, uml("write_together", "ubd0=disk", "trace=trace"));
	n = wakeups();
	TH_LOG("%d requests, submitted %d at a time: %d wake-ups, expected %d to %d",
	       DEPTH * ROUNDS, DEPTH, n, 1, ROUNDS + OTHERS);
	EXPECT_LE(1, n);
	EXPECT_GE(ROUNDS + OTHERS, n);
}

TEST_HARNESS_MAIN
