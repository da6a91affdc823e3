// SPDX-License-Identifier: GPL-2.0
/*
 * To wait or to copy: what a process pays that rewrites pages of a file while
 * they are written back, if they have to be stable for that, by the time that
 * the disk takes for a request, by how often each thread rewrites, and by the
 * number of threads. The disk says whether they have to be, so the same kernel
 * has it both ways. Instead each page that goes to the disk could be copied.
 */
#include "bench.h"

#include <pthread.h>
#include <sys/uio.h>

#define STAT_SECTORS_WRITTEN	6U

#define DISK		"d"
#define FILE_NAME	MNT "/file"
#define REWRITES	600		/* of all threads */
#define REWRITES_EACH	60		/* at least */
#define SECONDS		2.0		/* for each, at most */
#define COPIES		2000
#define MAX_THREADS	64

enum way { WAIT, DO_NOT, WAYS };

struct point {
	unsigned int delay_us, rate, threads;
};

static struct point now;
static volatile bool stop;
static double spent[MAX_THREADS];
static unsigned int each;

/* A page of its own, again and again: how long the calls take */
static void *rewriter(void *arg)
{
	uintptr_t nr = (uintptr_t)arg;
	int fd = open(FILE_NAME, O_RDWR);
	double next = seconds(), start;
	static char buf[PAGE];
	unsigned int i;

	for (i = 0; i < each; i++) {
		struct timespec ts;

		start = seconds();
		if (pwrite(fd, buf, PAGE, nr * PAGE) != PAGE)
			exit(failed("rewrite"));
		spent[nr] += seconds() - start;
		/* Late ones are not made up for */
		next = next + 1.0 / now.rate > seconds() ?
			next + 1.0 / now.rate : seconds();
		ts.tv_sec = next;
		ts.tv_nsec = (next - ts.tv_sec) * 1e9;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	}
	close(fd);
	return NULL;
}

/* Writes back all the time, as if memory were scarce */
static void *flusher(void *arg)
{
	int fd = open(FILE_NAME, O_RDWR);

	while (!stop) {
		if (sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE |
				    SYNC_FILE_RANGE_WRITE |
				    SYNC_FILE_RANGE_WAIT_AFTER))
			exit(failed("sync_file_range"));
		usleep(100);
	}
	close(fd);
	return NULL;
}

static int disk(bool stable)
{
	char text[32];
	int r;

	r = disk_prepare(DISK, 64);
	if (!r)
		r = disk_set(DISK, "irqmode", "2");
	snprintf(text, sizeof(text), "%u", now.delay_us * 1000);
	if (!r)
		r = disk_set(DISK, "completion_nsec", text);
	if (!r)
		r = disk_on(DISK);
	if (!r)
		r = disk_stable(PREFIX DISK, stable);
	if (!r)
		r = bench_mount(disk_path(DISK), "ext4",
				"mkfs.ext4 -q -F -O ^has_journal "
				"-E lazy_itable_init=0 $D");
	return r;
}

/* us a rewrite, and pages that go to the disk for it */
static void rewrite(bool stable, double *us, double *pages)
{
	pthread_t thread[MAX_THREADS], flushing;
	unsigned long before;
	char buf[PAGE] = "";
	double sum = 0;
	uintptr_t i;
	int fd;

	if (disk(stable))
		exit(failed(DISK));
	fd = open(FILE_NAME, O_RDWR | O_CREAT, 0600);
	for (i = 0; i < now.threads; i++)
		if (pwrite(fd, buf, PAGE, i * PAGE) != PAGE)
			exit(failed(FILE_NAME));
	fsync(fd);
	close(fd);

	each = REWRITES / now.threads;
	if (each < REWRITES_EACH)
		each = REWRITES_EACH;
	if (each > SECONDS * now.rate)
		each = SECONDS * now.rate;
	memset(spent, 0, sizeof(spent));
	before = disk_stat(DISK, STAT_SECTORS_WRITTEN);
	stop = false;
	pthread_create(&flushing, NULL, flusher, NULL);
	for (i = 0; i < now.threads; i++)
		if (pthread_create(&thread[i], NULL, rewriter, (void *)i))
			exit(failed("thread"));
	for (i = 0; i < now.threads; i++) {
		pthread_join(thread[i], NULL);
		sum += spent[i];
	}
	stop = true;
	pthread_join(flushing, NULL);
	*us = sum * 1e6 / (each * now.threads);
	*pages = (double)(disk_stat(DISK, STAT_SECTORS_WRITTEN) - before) *
		 512 / PAGE / (each * now.threads);
	umount2(MNT, 0);
	disk_remove(DISK);
}

/*
 * To get a page, copy to it, and free it again, in us: what a pipe does with
 * what is written to it, but not with what is given to it. In instructions: a
 * processor copies faster than it runs as many of others.
 */
static double copy_page(void)
{
	static char buf[PAGE] __attribute__((aligned(PAGE))) = "x";
	struct iovec iov = { buf, PAGE };
	int null = open("/dev/null", O_WRONLY), fd[2], i, give;
	double took[2];

	if (pipe(fd))
		exit(failed("pipe"));
	for (give = 0; give < 2; give++) {
		took[give] = seconds();
		for (i = 0; i < COPIES; i++)
			if ((give ? vmsplice(fd[1], &iov, 1, 0) :
				    write(fd[1], buf, PAGE)) != PAGE ||
			    splice(fd[0], NULL, null, NULL, PAGE, 0) != PAGE)
				exit(failed("pipe"));
		took[give] = seconds() - took[give];
	}
	close(fd[0]);
	close(fd[1]);
	close(null);
	return (took[0] - took[1]) * 1e6 / COPIES;
}

static void at(struct point p, const char *axis, unsigned int value,
	       double copy)
{
	double us[WAYS], pages[WAYS];
	int way;

	now = p;
	for (way = 0; way < WAYS; way++)
		rewrite(way == WAIT, &us[way], &pages[way]);
	printf("bench: rewrite_wait/%s=%u %.3f us/rewrite lower\n", axis, value,
	       us[WAIT]);
	printf("bench: rewrite_no_wait/%s=%u %.3f us/rewrite lower\n", axis,
	       value, us[DO_NOT]);
	/* Who writes back pays it, not who rewrites */
	printf("bench: copies_instead/%s=%u %.3f us/rewrite lower\n", axis,
	       value, pages[DO_NOT] * copy);
}

int main(void)
{
	static const unsigned int delay_us[] = { 10, 100, 1000, 10000 };
	static const unsigned int rate[] = { 10, 100, 1000, 10000 };
	static const unsigned int threads[] = { 1, 4, 16, 64 };
	const struct point usual = { 1000, 1000, 4 };
	struct point p;
	double copy;
	int i;

	stable_writes_test_init(NULL);
	need_null_blk();
	copy = copy_page();
	printf("bench: copy_of_a_page %.3f us lower\n", copy);
	for (i = 0; i < 4; i++) {
		p = usual;
		p.delay_us = delay_us[i];
		at(p, "delay_us", delay_us[i], copy);
		p = usual;
		p.rate = rate[i];
		at(p, "rate", rate[i], copy);
		p = usual;
		p.threads = threads[i];
		at(p, "threads", threads[i], copy);
	}
	return 0;
}
