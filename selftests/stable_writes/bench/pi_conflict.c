// SPDX-License-Identifier: GPL-2.0
/*
 * What a conflict costs: to settle it for O_DIRECT, to wait for it in the page
 * cache.
 */
#include "bench.h"

#include <pthread.h>

#define AREA	(32 * 1024)
#define WRITES	4000
#define REWRITES 20000

static volatile bool stop;
static char *shared;
static const char *dev;
static unsigned long errors;

static void *scribbler(void *arg)
{
	unsigned int seed = 1;

	while (!stop)
		((volatile char *)shared)[rand_r(&seed) % AREA]++;
	return NULL;
}

/* Two of them share pages, and start their writeback all the time */
static void *rewriter(void *arg)
{
	int fd = open(dev, O_RDWR), i;
	off_t half = (uintptr_t)arg;
	char buf[PAGE / 2];

	memset(buf, 'a', sizeof(buf));
	for (i = 0; i < REWRITES; i++)
		if (pwrite(fd, buf, sizeof(buf), i % 4 * PAGE + half) < 0 ||
		    sync_file_range(fd, i % 4 * PAGE, PAGE,
				    SYNC_FILE_RANGE_WRITE))
			__atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED);
	close(fd);
	return NULL;
}

int main(void)
{
	pthread_t thread[2];
	int fd, i;

	dev = bench_disk();
	fd = open(dev, O_RDWR | O_DIRECT);
	if (fd < 0 || posix_memalign((void **)&shared, PAGE, AREA) ||
	    pthread_create(&thread[0], NULL, scribbler, NULL))
		return failed(dev);
	begin();
	for (i = 0; i < WRITES; i++)
		errors += pwrite(fd, shared, AREA, i % 64 * AREA) != AREA;
	stop = true;
	pthread_join(thread[0], NULL);
	end("direct_scribbled", (double)WRITES * AREA, "B");
	printf("bench: direct_scribbled_errors %lu calls lower\n", errors);

	errors = 0;
	begin();
	for (i = 0; i < 2; i++)
		if (pthread_create(&thread[i], NULL, rewriter,
				   (void *)(uintptr_t)(i * PAGE / 2)))
			return failed("thread");
	for (i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	end("rewrite_under_writeback", 2.0 * REWRITES, "write");
	printf("bench: rewrite_errors %lu calls lower\n", errors);
	return 0;
}
