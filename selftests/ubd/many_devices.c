// SPDX-License-Identifier: GPL-2.0
/*
 * Devices with a deep queue, one and many, share one socket to the I/O thread.
 * When it is full, all requests end nevertheless, and what was written stays.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#include <linux/aio_abi.h>
#include <sys/syscall.h>

#define MAX_DEVICES	15U
#define DEPTH		64U
#define BLOCKS		128U		/* each device writes so many */
#define PER_BLOCK	8U		/* sectors */
#define SIZE		(BLOCKS * PER_BLOCK * SECTOR)
#define PATIENCE	5		/* seconds without any completion */

struct dev {
	int fd;
	aio_context_t ctx;
	char name[8];
	char *buf;
	unsigned int sent, done, failed;
	struct iocb iocb[BLOCKS];
};

static struct dev devs[MAX_DEVICES];

static void prepare(struct dev *d)
{
	unsigned int i, n;

	d->buf = aligned(SIZE);
	for (n = 0; n < BLOCKS; n++) {
		struct iocb *io = &d->iocb[n];
		char *buf = d->buf + n * PER_BLOCK * SECTOR;
		/* Not in a row, which would make large requests of them */
		unsigned int block = n * 37 % BLOCKS;

		for (i = 0; i < PER_BLOCK; i++)
			fill(buf + i * SECTOR, block * PER_BLOCK + i, d->name);
		io->aio_fildes = d->fd;
		io->aio_lio_opcode = IOCB_CMD_PWRITE;
		io->aio_buf = (uintptr_t)buf;
		io->aio_nbytes = PER_BLOCK * SECTOR;
		io->aio_offset = block * PER_BLOCK * SECTOR;
	}
}

/* All there is room for with one call: the requests come in one go */
static int submit(struct dev *d)
{
	unsigned int n = DEPTH - (d->sent - d->done), i;
	struct iocb *io[DEPTH];

	if (n > BLOCKS - d->sent)
		n = BLOCKS - d->sent;
	for (i = 0; i < n; i++)
		io[i] = &d->iocb[d->sent + i];
	if (n && syscall(SYS_io_submit, d->ctx, n, io) != (long)n)
		return -1;
	d->sent += n;
	return n;
}

GUEST(write_all)
{
	struct timespec soon = { 0, 10000000 };
	struct io_event events[DEPTH];
	unsigned int i, n_devs = atoi(argv[1]), left = n_devs, pending = 0;
	double last = uml_clock();
	long n;

	for (i = 0; i < n_devs; i++) {
		struct dev *d = &devs[i];

		snprintf(d->name, sizeof(d->name), "ubd%c", 'a' + i);
		d->fd = dev_open(d->name, O_DIRECT);
		prepare(d);
		if (d->fd < 0 || syscall(SYS_io_setup, DEPTH, &d->ctx))
			return 255;
	}
	while (left) {
		for (i = 0; i < n_devs; i++) {
			struct dev *d = &devs[i];

			if (d->done == BLOCKS)
				continue;
			n = submit(d);
			if (n < 0)
				return 254;
			pending += n;
			n = syscall(SYS_io_getevents, d->ctx, 1, DEPTH, events, &soon);
			while (n-- > 0) {
				last = uml_clock();
				pending--;
				if (events[n].res != PER_BLOCK * SECTOR)
					d->failed++;
				if (++d->done == BLOCKS)
					left--;
			}
		}
		if (uml_clock() - last > PATIENCE) {
			printf("no completion for %d s, %u writes in flight\n", PATIENCE, pending);
			/* Nobody can be waited for any more. */
			return 253;
		}
	}
	for (i = 0; i < n_devs; i++)
		if (devs[i].failed || fsync(devs[i].fd))
			return 252;
	printf("%u writes have ended\n", n_devs * BLOCKS);
	return 0;
}

GUEST(compare)
{
	unsigned int i, n_devs = atoi(argv[1]), bad = 0;
	char name[8];

	for (i = 0; i < n_devs; i++) {
		int fd;

		snprintf(name, sizeof(name), "ubd%c", 'a' + i);
		fd = dev_open(name, O_DIRECT);
		if (fd < 0)
			return 255;
		if (wrong(fd, 0, BLOCKS * PER_BLOCK, name)) {
			printf("on %s\n", name);
			bad++;
		}
	}
	return bad;
}

static int many(unsigned int n_devs, bool cow, const char *what, const char *host_io)
{
	char args[1024] = "", name[32], guest[32];
	unsigned int i;

	for (i = 0; i < n_devs; i++) {
		snprintf(name, sizeof(name), "disk%u", i);
		if (access(name, F_OK) && image(name, SIZE, "OLD"))
			return -1;
		if (cow)
			snprintf(args + strlen(args), 64, "ubd%u=cow%u,disk%u ", i, i, i);
		else
			snprintf(args + strlen(args), 64, "ubd%u=disk%u ", i, i);
	}
	snprintf(guest, sizeof(guest), "%s %u", what, n_devs);
	return uml(guest, args, host_io);
}

/*
 * A host that has little room for a socket and a slow disk: the socket is full
 * most of the time.
 */
#define SLOW	"sndbuf=1 pwrite:*:*:delay=200"

FIXTURE_VARIANT(ubd) {
	unsigned int n_devs;
	bool cow;
};

#define CASE(_n)							\
FIXTURE_VARIANT_ADD(ubd, raw_##_n) { .n_devs = _n };			\
FIXTURE_VARIANT_ADD(ubd, cow_##_n) { .n_devs = _n, .cow = true }

CASE(1);
CASE(4);
CASE(8);
CASE(15);

TEST_F(ubd, write_all)
{
	ASSERT_EQ(0, many(variant->n_devs, variant->cow, "write_all", SLOW));
	ASSERT_EQ(0, many(variant->n_devs, variant->cow, "compare", NULL));
}

TEST_HARNESS_MAIN
