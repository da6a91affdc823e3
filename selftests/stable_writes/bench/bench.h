/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk in memory with protection information, and what a piece of work costs.
 */
#ifndef _STABLE_WRITES_BENCH_H
#define _STABLE_WRITES_BENCH_H

#include <stdbool.h>

#include "../../kselftest.h"
#include "../stable_writes_test.h"

#define PAGE	4096

static double began;

static inline double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static inline void begin(void)
{
	sync();
	began = seconds();
}

/* ns since begin() */
static inline double elapsed(void)
{
	return (seconds() - began) * 1e9;
}

/*
 * @amount of work has been done since begin(). The disk takes no time, unless
 * it is said, and the clock counts instructions: this is processor time.
 */
static inline void end(const char *what, double amount, const char *unit)
{
	printf("bench: %s %.6g ns/%s lower\n", what, elapsed() / amount, unit);
}

static inline int failed(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return 1;
}

/* No test of the kernel's errors: a disk that takes what it gets at once */
static inline const char *bench_disk(const char *parameters)
{
	const char *dev;

	stable_writes_test_init(NULL);
	write_file("/proc/sys/kernel/printk", "1");
	dev = pi_disk_of(320, parameters);
	/* scsi_debug looks for each sector from the first one of a command on */
	if (!dev || run("echo 64 >/sys/block/%s/queue/max_sectors_kb",
			strrchr(dev, '/') + 1))
		exit(KSFT_SKIP);
	return dev;
}

/* What is done about guard errors: not 0 if the kernel leaves no choice */
static inline int conflict_mode(const char *dev, const char *mode)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/block/%s/integrity/conflict_mode",
		 strrchr(dev, '/') + 1);
	return write_file(path, mode);
}

static inline int bench_mount(const char *dev, const char *type,
			      const char *mkfs)
{
	if (run("D=%s; %s >/dev/null 2>&1", dev, mkfs))
		return -1;
	return mount(dev, MNT, type, 0, "");
}

#endif /* _STABLE_WRITES_BENCH_H */
