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
static unsigned long long busy_began;

static inline double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Ticks in which any processor did anything */
static inline unsigned long long busy(void)
{
	unsigned long long v[8] = {};
	char stat[512];

	read_file("/proc/stat", stat, sizeof(stat));
	sscanf(stat, "cpu %llu %llu %llu %llu %llu %llu %llu", &v[0], &v[1],
	       &v[2], &v[3], &v[4], &v[5], &v[6]);
	return v[0] + v[1] + v[2] + v[5] + v[6];
}

static inline void begin(void)
{
	sync();
	busy_began = busy();
	began = seconds();
}

/* @bytes of work, or operations, have been done since begin() */
static inline void end(const char *what, double amount, const char *unit)
{
	double s = seconds() - began;
	double cpu = (busy() - busy_began) / (double)sysconf(_SC_CLK_TCK);

	printf("bench: %s %.6g %s/s higher\n", what, amount / s, unit);
	printf("bench: %s_cpu %.6g ns/%s lower\n", what, cpu * 1e9 / amount,
	       unit);
}

static inline int failed(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return 1;
}

/* No test of the kernel's errors: a disk that takes what it gets at once */
static inline const char *bench_disk(void)
{
	const char *dev;

	stable_writes_test_init(NULL);
	write_file("/proc/sys/kernel/printk", "1");
	dev = pi_disk_of(320, "dif=1");
	if (!dev)
		exit(KSFT_SKIP);
	return dev;
}

static inline int bench_mount(const char *dev, const char *type,
			      const char *mkfs)
{
	if (run("D=%s; %s >/dev/null 2>&1", dev, mkfs))
		return -1;
	return mount(dev, MNT, type, 0, "");
}

#endif /* _STABLE_WRITES_BENCH_H */
