// SPDX-License-Identifier: GPL-2.0
/*
 * What the host has in its cache is read by whoever asks for it: that does not
 * wait for the threads that do I/O. Whatever the host says to such a read, the
 * data are right.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#include <linux/aio_abi.h>
#include <sys/syscall.h>

#define SIZE		(4 << 20)
#define BLOCK		8		/* sectors */
#define HELD		4096		/* sector: from 2 MiB on */
#define WRITES		32		/* more than there are threads */
#define PATIENCE	6		/* seconds, for what takes none */

static void prepare(struct iocb *iocb, int fd, int op, unsigned int sector)
{
	char *buf = aligned(BLOCK * SECTOR);
	int i;

	for (i = 0; i < BLOCK; i++)
		fill(buf + i * SECTOR, sector + i, "HELD");
	iocb->aio_fildes = fd;
	iocb->aio_lio_opcode = op;
	iocb->aio_buf = (uintptr_t)buf;
	iocb->aio_nbytes = BLOCK * SECTOR;
	iocb->aio_offset = sector * SECTOR;
}

/* Arguments: of the block that is read while the host holds all writes */
GUEST(read_while_held)
{
	struct iocb iocb[WRITES + 1] = {}, *io;
	struct timespec patience = { PATIENCE, 0 };
	struct io_event events[WRITES + 1];
	int i, n, ret = 0, fd = dev_open("ubda", O_DIRECT);
	unsigned int sector = atoi(argv[1]);
	char want[SECTOR];
	aio_context_t ctx = 0;

	if (fd < 0 || put(fd, 64, BLOCK, "NEW") || syscall(SYS_io_setup, WRITES + 1, &ctx))
		return 1;
	for (i = 0; i <= WRITES; i++) {
		io = &iocb[i];
		if (i < WRITES)
			prepare(io, fd, IOCB_CMD_PWRITE, HELD + 2 * i * BLOCK);
		else
			prepare(io, fd, IOCB_CMD_PREAD, sector);
		if (syscall(SYS_io_submit, ctx, 1, &io) != 1)
			return 2;
	}
	n = syscall(SYS_io_getevents, ctx, 1, 1, events, &patience);
	if (n != 1) {
		printf("a read of what is cached waits for writes\n");
		n = 0;
		ret = 3;
	} else if (events[0].obj != (uintptr_t)io || events[0].res != BLOCK * SECTOR) {
		printf("the read does not end first, or not well: %lld\n", (long long)events[0].res);
		ret = 4;
	}
	call_host("release");
	if (syscall(SYS_io_getevents, ctx, WRITES + 1 - n, WRITES + 1 - n, events, NULL) != WRITES + 1 - n)
		return 5;
	for (i = 0; i < BLOCK; i++) {
		fill(want, sector + i, argv[2]);
		if (memcmp((char *)(uintptr_t)io->aio_buf + i * SECTOR, want, SECTOR))
			ret = 6;
	}
	return ret;
}

static void release(const char *text)
{
	(void)text;
	close(open("release", O_WRONLY | O_CREAT, 0600));
}

/* Old and new sectors, one by one, block by block, and all of them at once */
GUEST(compare)
{
	static const unsigned int counts[] = { 1, 8, 64, 2048 };
	unsigned int i, j, bad = 0, first, count;
	int fd = dev_open("ubda", O_DIRECT);
	char *buf = aligned(2048 * SECTOR), want[SECTOR];

	if (fd < 0 || put(fd, 3, 7, "NEW") || put(fd, 64, 64, "NEW"))
		return 1;
	for (i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		count = counts[i];
		for (first = 0; first < 256; first += count) {
			if (pread(fd, buf, count * SECTOR, first * SECTOR) != (ssize_t)(count * SECTOR))
				return 2;
			for (j = first; j < first + count; j++) {
				fill(want, j, (j >= 3 && j < 10) || (j >= 64 && j < 128) ? "NEW" : "OLD");
				bad += !!memcmp(buf + (j - first) * SECTOR, want, SECTOR);
			}
		}
	}
	if (bad)
		printf("%u sectors wrong\n", bad);
	return !!bad;
}

static int tries(void)
{
	FILE *f = fopen("trace", "re");
	char line[256];
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		n += !strncmp(line, "cached ", 7);
	if (f)
		fclose(f);
	unlink("trace");
	return n;
}

FIXTURE_VARIANT(ubd) {
	const char *args, *guest, *rule;
	int tries;		/* 0: any number */
};

#define CASE(_name, _args, _guest, _rule, _tries)			\
FIXTURE_VARIANT_ADD(ubd, _name) {					\
	.args = _args, .guest = _guest, .rule = "all_cached trace=trace " _rule, .tries = _tries,	\
}

#define HOLD(_file)	"pwrite:" _file ":*>2097151:hold=release"

CASE(raw_no_thread, "ubd0=disk", "read_while_held 64 NEW", HOLD("disk"), 0);
CASE(cow_no_thread, "ubd0=cow,disk", "read_while_held 64 NEW", HOLD("cow"), 0);
CASE(backing_no_thread, "ubd0=cow,disk", "read_while_held 128 OLD", HOLD("cow"), 0);

CASE(cow_all, "ubd0=cow,disk", "compare", "", 0);
CASE(raw_short, "ubd0=disk", "compare", "cached:*:*:short=700", 0);
CASE(cow_short, "ubd0=cow,disk", "compare", "cached:*:*:short=700", 0);
CASE(cow_nothing, "ubd0=cow,disk", "compare", "cached:*:*:zero", 0);
CASE(cow_not_there, "ubd0=cow,disk", "compare", "cached:*:/2:EAGAIN", 0);
CASE(cow_error, "ubd0=cow,disk", "compare", "cached:*:/3:EIO", 0);
/* One for each file */
CASE(raw_unknown, "ubd0=disk", "compare", "cached:*:*:EOPNOTSUPP", 1);
CASE(cow_unknown, "ubd0=cow,disk", "compare", "cached:*:*:EOPNOTSUPP", 2);

TEST_F(ubd, reads)
{
	int n;

	ASSERT_EQ(0, image("disk", SIZE, "OLD"));
	uml_hook = release;
	EXPECT_EQ(0, uml(variant->guest, variant->args, variant->rule));
	n = tries();
	if (variant->tries) {
		TH_LOG("%d tries to read what is cached, expected %d", n, variant->tries);
		EXPECT_EQ(variant->tries, n);
	}
}

TEST_HARNESS_MAIN
