/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How much memory the kernel takes while something is done, at most: for jobs
 * that measure nothing else, as somebody looks all the time.
 *
 * What is free is known to the page, but for those that a processor has put
 * aside. So the work has to take more than a few of them.
 */
#ifndef _STORAGE_BENCH_MEMORY_H
#define _STORAGE_BENCH_MEMORY_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../files.h"

#define MEMORY_US	500	/* between two looks */

/* KiB */
struct memory {
	long used;	/* by anything */
	long slab;	/* by kmalloc() and the caches of structures */
};

static struct memory memory_before, memory_most;
static volatile int memory_watching;
static pthread_t memory_thread;

static inline long memory_line(const char *text, const char *name)
{
	const char *line = strstr(text, name);

	return line ? atol(line + strlen(name)) : 0;
}

static inline struct memory memory_now(void)
{
	struct memory m;
	char text[4096];

	read_file("/proc/meminfo", text, sizeof(text));
	m.used = memory_line(text, "MemTotal:") - memory_line(text, "MemFree:");
	m.slab = memory_line(text, "Slab:");
	return m;
}

static inline void *memory_watch(void *arg)
{
	struct timespec ts = { 0, MEMORY_US * 1000 };

	while (memory_watching) {
		struct memory m = memory_now();

		if (m.used > memory_most.used)
			memory_most.used = m.used;
		if (m.slab > memory_most.slab)
			memory_most.slab = m.slab;
		nanosleep(&ts, NULL);
	}
	return NULL;
}

static inline int memory_begin(void)
{
	sync();
	memory_watching = 1;
	memory_before = memory_now();
	memory_most = memory_before;
	return pthread_create(&memory_thread, NULL, memory_watch, NULL);
}

/* @where: "" or the point of a curve, as "/snapshots=8" */
static inline void memory_end(const char *what, const char *where)
{
	memory_watching = 0;
	pthread_join(memory_thread, NULL);
	printf("bench: %s_memory%s %ld KiB lower\n", what, where,
	       memory_most.used - memory_before.used);
	printf("bench: %s_slab%s %ld KiB lower\n", what, where,
	       memory_most.slab - memory_before.slab);
}

#endif /* _STORAGE_BENCH_MEMORY_H */
