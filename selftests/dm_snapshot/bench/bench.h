/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Disks that take a while for each request, and as long for a flush.
 */
#ifndef _DM_SNAPSHOT_BENCH_H
#define _DM_SNAPSHOT_BENCH_H

#include "../../kselftest_harness.h"
#include "../dm_snapshot_test.h"

#define DISK_NS		"1000000"

/* How many requests a disk takes at a time */
static const char *disk_queue = "256";

static inline int slow_disk_new(const char *name, unsigned long megabytes)
{
	int r = disk_new(name, megabytes, 0), i;

	if (!r)
		r = disk_set(name, "power", "0");
	if (!r)
		r = disk_set(name, "cache_size", "128");
	if (!r)
		r = disk_set(name, "irqmode", "2");
	if (!r)
		r = disk_set(name, "completion_nsec", DISK_NS);
	if (!r)
		r = disk_set(name, "hw_queue_depth", disk_queue);
	if (!r)
		r = disk_set(name, "power", "1");
	for (i = 0; !r && access(disk_path(name), F_OK) && i < 100; i++)
		sleep_ms(20);
	return r;
}

static inline unsigned long disk_stat(const char *name, unsigned int field)
{
	char path[128], stat[512], *p = stat;
	unsigned long v = 0;
	unsigned int i;

	snprintf(path, sizeof(path), "/sys/block/" PREFIX "%s/stat", name);
	if (read_file(path, stat, sizeof(stat)))
		return 0;
	for (i = 0; i <= field; i++)
		v = strtoul(p, &p, 10);
	return v;
}

#define STAT_READS	0U
#define STAT_WRITES	4U
#define STAT_FLUSHES	15U

static inline double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static inline int failed(const char *what, int r)
{
	fprintf(stderr, "%s: %s\n", what, strerror(-r));
	return 1;
}

#endif
