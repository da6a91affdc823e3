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
	int r = disk_prepare(name, megabytes);

	if (!r)
		r = disk_set(name, "cache_size", "128");
	if (!r)
		r = disk_set(name, "irqmode", "2");
	if (!r)
		r = disk_set(name, "completion_nsec", DISK_NS);
	if (!r)
		r = disk_set(name, "hw_queue_depth", disk_queue);
	return r ? r : disk_on(name);
}

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
