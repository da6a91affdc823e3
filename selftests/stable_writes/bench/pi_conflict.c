// SPDX-License-Identifier: GPL-2.0
/*
 * What a conflict costs: to settle it for O_DIRECT, or to copy all beforehand;
 * to wait for it in the page cache. The disk takes some time for a command, so
 * that others wait for it with their checksums made, while their memory
 * changes.
 */
#include "bench.h"
#include "../../storage/bench/memory.h"

#define AREA		(32 * 1024)
#define WRITERS		3
#define MANY		32	/* writers, for memory */
#define WRITES		500
#define REWRITES	1500

static volatile bool stop;
static char *shared;
static const char *dev;
static unsigned long errors;
static int writes = WRITES;

static void *scribbler(void *arg)
{
	unsigned int seed = 1;

	while (!stop)
		((volatile char *)shared)[rand_r(&seed) % AREA]++;
	return NULL;
}

static void *writer(void *arg)
{
	uintptr_t nr = (uintptr_t)arg;
	int fd = open(dev, O_RDWR | O_DIRECT), i;

	for (i = 0; i < writes; i++)
		if (pwrite(fd, shared, AREA, (nr * 64 + i % 64) * AREA) != AREA)
			__atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED);
	close(fd);
	return NULL;
}

/* They share pages, and start their writeback all the time */
static void *rewriter(void *arg)
{
	size_t part = PAGE / 4;
	off_t pos = (uintptr_t)arg * part;
	int fd = open(dev, O_RDWR), i;
	char buf[PAGE / 4];

	memset(buf, 'a', sizeof(buf));
	for (i = 0; i < REWRITES; i++)
		if (pwrite(fd, buf, part, i % 4 * PAGE + pos) != (ssize_t)part ||
		    sync_file_range(fd, i % 4 * PAGE, PAGE,
				    SYNC_FILE_RANGE_WRITE))
			__atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED);
	close(fd);
	return NULL;
}

static int run_all(void *(*work)(void *), unsigned int nr)
{
	pthread_t thread[MANY];
	uintptr_t i;

	errors = 0;
	for (i = 0; i < nr; i++)
		if (pthread_create(&thread[i], NULL, work, (void *)i))
			return failed("thread");
	for (i = 0; i < nr; i++)
		pthread_join(thread[i], NULL);
	return 0;
}

int main(void)
{
	pthread_t scribbling;
	double settled;

	dev = bench_disk("dif=1 ndelay=50000");
	if (posix_memalign((void **)&shared, PAGE, AREA) ||
	    pthread_create(&scribbling, NULL, scribbler, NULL))
		return failed(dev);
	memset(shared, 'a', AREA);
	begin();
	if (run_all(writer, WRITERS))
		return 1;
	settled = elapsed();
	end("direct_scribbled", WRITERS * WRITES, "write");
	printf("bench: direct_scribbled_errors %lu writes lower\n", errors);

	writes = WRITES * WRITERS / MANY;
	memory_begin();
	if (run_all(writer, MANY))
		return 1;
	memory_end("direct_scribbled", "");
	writes = WRITES;

	if (!conflict_mode(dev, "copy")) {
		begin();
		if (run_all(writer, WRITERS))
			return 1;
		printf("bench: direct_scribbled_copy_of_settle %.4f ratio lower\n",
		       elapsed() / settled);
		printf("bench: direct_scribbled_copy_errors %lu writes lower\n",
		       errors);
		conflict_mode(dev, "settle");
	}
	stop = true;
	pthread_join(scribbling, NULL);

	begin();
	if (run_all(rewriter, WRITERS))
		return 1;
	end("rewrite_under_writeback", WRITERS * REWRITES, "write");
	printf("bench: rewrite_errors %lu writes lower\n", errors);
	return 0;
}
