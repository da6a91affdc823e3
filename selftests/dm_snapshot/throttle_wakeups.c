// SPDX-License-Identifier: GPL-2.0
/*
 * When a copy has ended, those of the writers that wait for the COW throttle
 * are woken up that can go on, not all of them. None is forgotten.
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		2048U
#define WRITERS		32U
#define MAX_SWITCHES	(6U * WRITERS)
#define DELAY_MS	30U
#define LIMIT_MS	20000U


FIXTURE(wakeups) {
	struct snapshot_disks d;
};

FIXTURE_SETUP(wakeups)
{
	/* What a test that was killed has left */
	remove_all();
	ASSERT_EQ(0, snapshot_disks_new(&self->d, SIZE));
	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s N %u", SIZE,
			    self->d.origin, self->d.cow, CHUNK));
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
			    self->d.origin));
}

FIXTURE_TEARDOWN(wakeups)
{
	restore_threshold();
	remove_all();
}

static int slow_cow(FIXTURE_DATA(wakeups) *self, unsigned int ms)
{
	/* No delay for reads, and a delay for writes */
	return dm_reload("cow", "0 %u delay %s 0 0 %s 0 %u", SIZE,
			 self->d.cow_disk, self->d.cow_disk, ms);
}

/* Write to a chunk; tells how often that has waited */
static void writer(unsigned int chunk, int fd)
{
	struct rusage before, after;
	long switches;
	int r;

	getrusage(RUSAGE_SELF, &before);
	r = put(dm_path("top"), chunk * CHUNK, 1, 'N');
	getrusage(RUSAGE_SELF, &after);
	switches = after.ru_nvcsw - before.ru_nvcsw;
	if (write(fd, &switches, sizeof(switches)) != sizeof(switches))
		r = -EIO;
	_exit(!!r);
}

/* One copy at a time */
TEST_F(wakeups, few)
{
	unsigned int i, failed = 0;
	long switches, sum = 0;
	int fd[2];
	pid_t pid;

	ASSERT_EQ(0, write_file(THRESHOLD_PATH, "0"));
	ASSERT_EQ(0, slow_cow(self, DELAY_MS));
	ASSERT_EQ(0, pipe(fd));
	for (i = 0; i < WRITERS; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			writer(2 * i, fd[1]);
	}
	EXPECT_EQ(0, wait_children(WRITERS, now_ms() + LIMIT_MS, &failed))
		TH_LOG("writers still wait");
	EXPECT_EQ(0, failed);
	close(fd[1]);
	while (read(fd[0], &switches, sizeof(switches)) == sizeof(switches))
		sum += switches;
	close(fd[0]);
	TH_LOG("%u writers, one at a time, have slept %ld times", WRITERS, sum);
	EXPECT_LE(WRITERS, sum);
	EXPECT_GE(MAX_SWITCHES, sum) {
		TH_LOG("slept %ld times, expected at most %u", sum,
		       MAX_SWITCHES);
	}
	ASSERT_EQ(0, slow_cow(self, 0));
	for (i = 0; i < WRITERS; i++) {
		expect_data(_metadata, dm_path("top"), 2 * i * CHUNK, 1, 'N',
			    "origin");
	}
	expect_data(_metadata, dm_path("snap"), 0, SIZE, 'O', "snapshot");
}

/*
 * A single copy has to end for those who start none. This passes with and
 * without the bug.
 */
TEST_F(wakeups, all)
{
	unsigned int i, failed = 0;
	unsigned long long start;
	int fd[2];
	pid_t pid;

	for (i = 1; i <= WRITERS; i++)
		ASSERT_EQ(0, put(dm_path("top"), 2 * i * CHUNK, 1, 'M'));
	ASSERT_EQ(0, write_file(THRESHOLD_PATH, "0"));
	ASSERT_EQ(0, slow_cow(self, 1000));
	ASSERT_EQ(0, pipe(fd));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		writer(0, fd[1]);
	start = now_ms();
	while (!delayed_writes("cow") && now_ms() < start + LIMIT_MS)
		sleep_ms(2);
	ASSERT_EQ(1, delayed_writes("cow"));
	for (i = 1; i <= WRITERS; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			writer(2 * i, fd[1]);
	}
	EXPECT_EQ(0, wait_children(WRITERS + 1, now_ms() + LIMIT_MS, &failed))
		TH_LOG("writers still wait");
	EXPECT_EQ(0, failed);
	close(fd[0]);
	close(fd[1]);
	ASSERT_EQ(0, slow_cow(self, 0));
	expect_data(_metadata, dm_path("snap"), 0, SIZE, 'O', "snapshot");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "linear", "delay", NULL
	};

	dm_snapshot_test_init(restore_threshold, targets);
	if (!save_threshold())
		ksft_exit_skip("no " THRESHOLD_PATH "\n");
	return test_harness_run(argc, argv);
}
