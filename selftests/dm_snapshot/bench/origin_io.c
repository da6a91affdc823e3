// SPDX-License-Identifier: GPL-2.0
/*
 * What snapshots cost an origin: 4 KiB at a time, 32 at once.
 */
#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include "bench.h"

#define CHUNK		8U
#define ORIGIN		(64U * 2048)
#define CHUNKS		(ORIGIN / CHUNK)
#define DEPTH		32

static unsigned int snapshots;

/* Each chunk once, in an order that is random enough, or one after the other */
static int run(const char *path, bool write, bool random, unsigned int nr,
	       double *per_second)
{
	static struct iocb iocbs[DEPTH];
	struct io_event events[DEPTH];
	aio_context_t ctx = 0;
	unsigned int started = 0, done = 0, i;
	int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC), n, e;
	double start;
	char *buf;

	if (fd < 0)
		return -errno;
	if (posix_memalign((void **)&buf, 4096, DEPTH * 4096))
		return -ENOMEM;
	memset(buf, 'N', DEPTH * 4096);
	if (syscall(SYS_io_setup, DEPTH, &ctx))
		return -errno;
	start = seconds();
	for (i = 0; i < DEPTH; i++) {
		struct iocb *c = &iocbs[i];

		memset(c, 0, sizeof(*c));
		c->aio_data = i;
		c->aio_fildes = fd;
		c->aio_lio_opcode = write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD;
		c->aio_buf = (unsigned long)buf + i * 4096;
		c->aio_nbytes = 4096;
		events[i].data = i;
	}
	for (n = DEPTH; done < nr; done += n) {
		for (e = 0; e < n && started < nr; e++, started++) {
			struct iocb *c = &iocbs[events[e].data];

			c->aio_offset = (random ? started * 7919ULL % CHUNKS :
					 started) * 4096;
			if (syscall(SYS_io_submit, ctx, 1, &c) != 1)
				return -errno;
		}
		n = syscall(SYS_io_getevents, ctx, 1, DEPTH, events, NULL);
		if (n < 0)
			return -errno;
		for (e = 0; e < n; e++)
			if (events[e].res != 4096)
				return -EIO;
	}
	*per_second = nr / (seconds() - start);
	syscall(SYS_io_destroy, ctx);
	free(buf);
	close(fd);
	return 0;
}

static int create(unsigned int nr, char store)
{
	char name[16];
	int r = 0;

	for (snapshots = 0; !r && snapshots < nr; snapshots++) {
		snprintf(name, sizeof(name), "cow%u", snapshots);
		r = slow_disk_new(name, 72);
		snprintf(name, sizeof(name), "snap%u", snapshots);
		if (!r)
			r = dm_new(name, "0 %u snapshot %s " "/dev/" PREFIX
				   "cow%u %c %u", ORIGIN, disk_path("origin"),
				   snapshots, store, CHUNK);
	}
	if (!r)
		r = dm_new("top", "0 %u snapshot-origin %s", ORIGIN,
			   disk_path("origin"));
	return r;
}

static int measure(const char *what, unsigned int nr, char store,
		   unsigned int writes, bool random)
{
	double per_second;
	int r;

	r = slow_disk_new("origin", ORIGIN / 2048);
	if (!r)
		r = create(nr, store);
	if (!r)
		r = run(dm_path("top"), true, random, writes, &per_second);
	if (r)
		return failed(what, r);
	printf("bench: %s %.1f IO/s higher\n", what, per_second);
	/* For whoever reads the log */
	fprintf(stderr, "%s: origin %lu reads, first COW device %lu writes, %lu flushes for %u\n",
		what, disk_stat("origin", STAT_READS),
		disk_stat("cow0", STAT_WRITES),
		disk_stat("cow0", STAT_FLUSHES), writes);
	if (nr == 1 && store == 'P' && random) {
		r = run(dm_path("top"), false, true, writes, &per_second);
		if (r)
			return failed(what, r);
		printf("bench: reads_of_origin %.1f IO/s higher\n", per_second);
		r = run(dm_path("snap0"), false, true, writes, &per_second);
		if (r)
			return failed(what, r);
		printf("bench: reads_of_snapshot %.1f IO/s higher\n",
		       per_second);
	}
	remove_all();
	return 0;
}

int main(void)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return measure("random_writes_no_snapshot", 0, 'P', 8192, true) ||
		measure("random_writes_1_snapshot", 1, 'P', 8192, true) ||
		measure("random_writes_8_snapshots", 8, 'P', 2048, true) ||
		measure("sequential_writes_1_snapshot", 1, 'P', 8192, false) ||
		measure("random_writes_1_transient", 1, 'N', 8192, true);
}
