/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Writes of 4 KiB in an order without order, 32 at a time, and an origin with
 * snapshots for them.
 */
#ifndef _DM_SNAPSHOT_WRITES_H
#define _DM_SNAPSHOT_WRITES_H

#include <linux/aio_abi.h>
#include <sys/syscall.h>
#include "bench.h"

#define DEPTH		32U
#define BLOCK		4096U

static inline void must(int r, const char *what)
{
	if (r)
		exit(failed(what, r < 0 ? r : -errno));
}

static inline const char *numbered(const char *name, unsigned int i)
{
	static char buf[4][16];
	static unsigned int n;
	char *p = buf[n++ % 4];

	snprintf(p, sizeof(buf[0]), "%s%u", name, i);
	return p;
}

/* The @i-th of @nr places, each once, in an order without order */
static inline uint64_t scatter(unsigned int i, unsigned int nr)
{
	/* A prime that no @nr here is a multiple of */
	return i * 1000003ULL % nr;
}

/* @nr writes, one at the start of each @unit bytes; returns the seconds */
static inline double write_scattered(const char *path, unsigned int nr,
			      unsigned int unit)
{
	struct io_event events[DEPTH];
	struct iocb cb[DEPTH] = {}, *one;
	unsigned int next = 0, done = 0, i, e;
	aio_context_t ctx = 0;
	double start;
	int fd, n;

	fd = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC);
	must(fd < 0, path);
	must(syscall(SYS_io_setup, DEPTH, &ctx), "io_setup");
	memset(io_buffer(), 'N', BLOCK);
	for (i = 0; i < DEPTH; i++) {
		cb[i].aio_data = i;
		cb[i].aio_lio_opcode = IOCB_CMD_PWRITE;
		cb[i].aio_fildes = fd;
		cb[i].aio_buf = (uintptr_t)io_buffer();
		cb[i].aio_nbytes = BLOCK;
		events[i].data = i;
	}
	start = seconds();
	for (n = DEPTH; done < nr; done += n) {
		for (e = 0; e < (unsigned int)n && next < nr; e++, next++) {
			one = &cb[events[e].data];
			one->aio_offset = scatter(next, nr) * unit;
			must(syscall(SYS_io_submit, ctx, 1, &one) != 1,
			     "io_submit");
		}
		n = syscall(SYS_io_getevents, ctx, 1, DEPTH, events, NULL);
		must(n <= 0, "io_getevents");
		for (e = 0; e < (unsigned int)n; e++)
			if (events[e].res != BLOCK)
				exit(failed("write", -EIO));
	}
	start = seconds() - start;
	syscall(SYS_io_destroy, ctx);
	close(fd);
	return start;
}

/*
 * top is the origin, snap0, snap1, ... its snapshots, on disks that @disk makes
 */
static inline void snapshots_new(int (*disk)(const char *name,
					     unsigned long megabytes),
				 uint64_t sectors, unsigned int nr,
				 unsigned int chunk)
{
	unsigned int i;

	must(disk("origin", sectors / 2048), "origin");
	for (i = 0; i < nr; i++) {
		/* Room for the metadata */
		must(disk(numbered("cow", i), sectors / 2048 + 1),
		     "COW device");
		must(dm_new(numbered("snap", i), "0 %llu snapshot %s %s P %u",
			    (unsigned long long)sectors, disk_path("origin"),
			    disk_path(numbered("cow", i)), chunk), "snapshot");
	}
	must(dm_new("top", "0 %llu snapshot-origin %s",
		    (unsigned long long)sectors, disk_path("origin")),
	     "snapshot-origin");
}

#endif
