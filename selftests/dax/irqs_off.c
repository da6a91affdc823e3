// SPDX-License-Identifier: GPL-2.0
/*
 * Truncate a file that has many pages mapped, while a thread with real-time
 * priority tries to wake up often on the same CPU. What keeps it from that for
 * long runs with interrupts or preemption off.
 *
 * Other work of the machine, or of a virtual machine's host, may keep it from
 * that, too. So there is more than one try, and the best one counts. Lock
 * debugging takes longer than what is measured.
 */
#include <pthread.h>
#include <sched.h>

#include "../kselftest_harness.h"
#include "dax_test.h"

#define ENTRIES		81920UL
#define SIZE		(ENTRIES * PAGE)
#define TRIES		5U
#define MAX_US		1000ULL
#define PERIOD_US	100

static volatile bool stop, measure, measuring;
static volatile unsigned long long longest;

static int on_cpu(int cpu, int policy, int prio)
{
	struct sched_param param = { .sched_priority = prio };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) ||
	    sched_setscheduler(0, policy, &param))
		return -errno;
	return 0;
}

static void *watch(void *arg)
{
	struct timespec period = { 0, PERIOD_US * 1000 };
	unsigned long long last, now;
	bool was;

	if (on_cpu(0, SCHED_FIFO, 50))
		return (void *)1;
	while (!stop) {
		was = measure;
		measuring = was;
		last = now_us();
		nanosleep(&period, NULL);
		now = now_us();
		if (was && now - last - PERIOD_US > longest && now > last + PERIOD_US)
			longest = now - last - PERIOD_US;
	}
	return NULL;
}

TEST(truncate_many)
{
	unsigned long long took;
	bool good = false;
	unsigned int i;
	pthread_t thread;
	void *failed;
	char *map;
	int fd, r;

	if (!access("/proc/lockdep_stats", F_OK))
		SKIP(return, "lock debugging is on");
	r = dax_mount(DAX_EXT4);
	if (r == -EOPNOTSUPP)
		SKIP(return, "no ext4");
	ASSERT_EQ(0, r);
	ASSERT_EQ(0, on_cpu(0, SCHED_OTHER, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, watch, NULL));

	for (i = 0; i < TRIES && !good; i++) {
		fd = dax_file("file", SIZE, 'a');
		ASSERT_LE(0, fd);
		map = dax_map(fd, 0, SIZE, PROT_READ,
			      MAP_SHARED | MAP_POPULATE, PAGE);
		ASSERT_NE(NULL, map);
		munmap(map, SIZE);

		longest = 0;
		measure = true;
		while (!measuring)
			usleep(PERIOD_US / 2);
		took = now_us();
		ASSERT_EQ(0, ftruncate(fd, 0));
		took = now_us() - took;
		measure = false;
		while (measuring)
			usleep(PERIOD_US / 2);

		good = longest <= MAX_US;
		ksft_print_msg("truncate of %lu entries in %llu us: a timer waits for %llu us, expected at most %llu us\n",
			       ENTRIES, took, longest, MAX_US);
		close(fd);
	}
	stop = true;
	pthread_join(thread, &failed);
	if (failed)
		SKIP(return, "no real-time priority");
	EXPECT_TRUE(good);
	EXPECT_EQ(0, dax_umount());
}

int main(int argc, char **argv)
{
	dax_test_init(NULL);
	return test_harness_run(argc, argv);
}
