// SPDX-License-Identifier: GPL-2.0
/*
 * Writes to the origin start at most about snapshot_cow_threshold copies to
 * the COW device of a snapshot at the same time, also when they go through a
 * snapshot-merge, which is an origin for the other snapshots.
 */
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		8192U
#define THRESHOLD	4U
#define WRITERS		64U
#define LIMIT		(WRITERS / 2)	/* some more slip through */
#define DELAY_MS	300U

static bool have_threshold;

FIXTURE(merge_throttle) {
	char origin[64];
	char top[64];
};

FIXTURE_VARIANT(merge_throttle) {
	bool merge;
};

/* This passes with and without the bug */
FIXTURE_VARIANT_ADD(merge_throttle, snapshot_origin) {
	.merge = false,
};

FIXTURE_VARIANT_ADD(merge_throttle, snapshot_merge) {
	.merge = true,
};

FIXTURE_SETUP(merge_throttle)
{
	/* What a test that was killed has left */
	remove_all();
	if (!have_threshold)
		SKIP(return, "cannot set %s", THRESHOLD_PATH);
	strcpy(self->origin, disk_path("origin"));
	ASSERT_EQ(0, disk_new("origin", SIZE / 2048, 0));
	ASSERT_EQ(0, disk_new("cow", SIZE / 2048, 0));
	ASSERT_EQ(0, disk_new("merge_cow", SIZE / 2048, 0));
	ASSERT_EQ(0, put(self->origin, 0, SIZE, 'O'));

	/* No delay for reads, and a delay for writes */
	ASSERT_EQ(0, dm_new("delay", "0 %u delay %s 0 0 %s 0 %u", SIZE,
			    disk_path("cow"), disk_path("cow"), DELAY_MS));
	if (variant->merge) {
		ASSERT_EQ(0, dm_new("top", "0 %u snapshot-merge %s %s P %u",
				    SIZE, self->origin, disk_path("merge_cow"),
				    CHUNK));
	} else {
		ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
				    self->origin));
	}
	strcpy(self->top, dm_path("top"));
	ASSERT_EQ(0, dm_suspend("top"));
	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s P %u", SIZE,
			    self->origin, dm_path("delay"), CHUNK));
	ASSERT_EQ(0, dm_resume("top"));
}

FIXTURE_TEARDOWN(merge_throttle)
{
	remove_all();
}

TEST_F_TIMEOUT(merge_throttle, writes, 55)
{
	unsigned int i, n, most = 0, left = WRITERS, failed = 0;
	int status;
	pid_t pid;

	for (i = 0; i < WRITERS; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(put(self->top, i * CHUNK, CHUNK, 'N') ? 1 : 0);
	}
	while (left) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid > 0) {
			left--;
			failed += !!status;
			continue;
		}
		ASSERT_EQ(0, pid);
		n = delayed_writes("delay");
		if (n > most)
			most = n;
		sleep_ms(5);
	}
	EXPECT_EQ(0, failed);
	TH_LOG("%u writes, threshold %u: %u writes at a time to the COW device",
	       WRITERS, THRESHOLD, most);
	EXPECT_LT(0, most);
	EXPECT_GE(LIMIT, most) {
		TH_LOG("%u writes at a time, expected at most %u", most, LIMIT);
	}

	expect_data(_metadata, self->origin, 0, WRITERS * CHUNK, 'N', "origin");
	expect_data(_metadata, dm_path("snap"), 0, SIZE, 'O', "snapshot");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "snapshot-merge", "delay", NULL
	};
	char value[16];

	dm_snapshot_test_init(restore_threshold, targets);
	snprintf(value, sizeof(value), "%u", THRESHOLD);
	have_threshold = save_threshold() && !write_file(THRESHOLD_PATH, value);
	return test_harness_run(argc, argv);
}
