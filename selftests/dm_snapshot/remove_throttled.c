// SPDX-License-Identifier: GPL-2.0
/*
 * Remove a snapshot while writers to its origin wait because of
 * snapshot_cow_threshold. The snapshot must not be freed before the last of
 * them has let go of it, even if that takes a while after it was woken up.
 *
 * With the bug the kernel uses freed memory. slub_debug=FZPU makes that spin
 * on a poisoned lock for ever; without it nothing may be seen.
 */
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		8192U
#define WRITERS		64U
#define LOOPS		4U
#define ROUNDS		3U
#define DELAY_MS	300U
#define LOOP_MS		2500U	/* at most */
#define ASLEEP_MS	5000U
#define DONE_MS		30000U

static bool have_threshold;

FIXTURE(remove_throttled) {
	char origin[64];
	char top[64];
};

FIXTURE_VARIANT(remove_throttled) {
	const char *threshold;
	bool wait;	/* or they may be done before anybody looks */
};

/* Nobody waits: this passes with and without the bug */
FIXTURE_VARIANT_ADD(remove_throttled, unthrottled) {
	.threshold = "1000",
};

FIXTURE_VARIANT_ADD(remove_throttled, throttled) {
	.threshold = "1", .wait = true,
};

FIXTURE_SETUP(remove_throttled)
{
	/* What a test that was killed has left */
	remove_all();
	if (!have_threshold)
		SKIP(return, "cannot set %s", THRESHOLD_PATH);
	if (run_on(1, SCHED_OTHER))
		SKIP(return, "cannot run on CPU 1");
	ASSERT_EQ(0, run_on(0, SCHED_OTHER));
	ASSERT_EQ(0, write_file(THRESHOLD_PATH, variant->threshold));
	strcpy(self->origin, disk_path("origin"));
	ASSERT_EQ(0, disk_new("origin", SIZE / 2048, 0));
	ASSERT_EQ(0, disk_new("cow", SIZE / 2048, 0));

	/* No delay for reads, and a delay for writes */
	ASSERT_EQ(0, dm_new("delay", "0 %u delay %s 0 0 %s 0 %u", SIZE,
			    disk_path("cow"), disk_path("cow"), DELAY_MS));
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
			    self->origin));
	strcpy(self->top, dm_path("top"));
}

FIXTURE_TEARDOWN(remove_throttled)
{
	remove_all();
}

TEST_F_TIMEOUT(remove_throttled, remove, 100)
{
	unsigned int round, i, n, left, failed;
	pid_t writer[WRITERS], loop[LOOPS];
	unsigned long long start, removed;

	for (round = 0; round < ROUNDS; round++) {
		ASSERT_EQ(0, dm_suspend("top"));
		ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s N %u", SIZE,
				    self->origin, dm_path("delay"), CHUNK));
		ASSERT_EQ(0, dm_resume("top"));

		for (i = 0; i < WRITERS; i++) {
			writer[i] = fork();
			ASSERT_LE(0, writer[i]);
			if (!writer[i])
				_exit(run_on(1, SCHED_IDLE) ||
				      put(self->top, i * CHUNK, CHUNK,
					  'A' + round));
		}
		/* Those that are not are about to be, or have been */
		start = now_ms();
		do {
			sleep_ms(5);
			for (i = 0, n = 0; i < WRITERS; i++)
				n += state_of(writer[i]) == 'D';
		} while (variant->wait && n < WRITERS * 3 / 4 &&
			 now_ms() < start + ASLEEP_MS);
		if (variant->wait)
			EXPECT_LE(WRITERS / 2, n)
				TH_LOG("only %u of %u writers wait", n, WRITERS);

		/* From now on a writer that is woken up has to wait for a CPU */
		for (i = 0; i < LOOPS; i++) {
			loop[i] = fork();
			ASSERT_LE(0, loop[i]);
			if (!loop[i]) {
				start = now_ms();
				run_on(1, SCHED_OTHER);
				while (now_ms() < start + LOOP_MS)
					;
				_exit(0);
			}
		}
		start = now_ms();
		EXPECT_EQ(0, dm_remove("snap"));
		removed = now_ms();

		/* Now let them run */
		for (i = 0; i < LOOPS; i++) {
			kill(loop[i], SIGKILL);
			waitpid(loop[i], NULL, 0);
		}
		failed = 0;
		left = wait_children(WRITERS, removed + DONE_MS, &failed);
		TH_LOG("round %u: %u of %u writers slept, removed in %llu ms",
		       round, n, WRITERS, removed - start);
		EXPECT_EQ(0, failed);
		ASSERT_EQ(0, left)
			TH_LOG("%u writers hang", left);
		expect_data(_metadata, self->origin, 0, WRITERS * CHUNK,
			    'A' + round, "origin");
	}
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "delay", NULL
	};

	dm_snapshot_test_init(restore_threshold, targets);
	have_threshold = save_threshold() &&
			 !write_file(THRESHOLD_PATH, old_threshold);
	return test_harness_run(argc, argv);
}
