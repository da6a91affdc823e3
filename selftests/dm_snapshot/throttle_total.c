// SPDX-License-Identifier: GPL-2.0
/*
 * snapshot_cow_threshold_total limits the copies to the COW devices of all
 * snapshots together. It lets each of them have one in any case, as a COW
 * device can be an origin with snapshots of its own.
 */
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		8192U
#define PARAMS		"/sys/module/dm_snapshot/parameters/"
#define TOTAL_PATH	PARAMS "snapshot_cow_threshold_total"
#define TOTAL		8U
#define SNAPSHOTS	4U
#define WRITERS		32U
#define LIMIT		(SNAPSHOTS * WRITERS / 2)	/* some more slip through */
#define DELAY_MS	200U

static char old_total[32];

static void restore_total(void)
{
	if (old_total[0])
		write_file(TOTAL_PATH, old_total);
}

static int set_total(unsigned int total)
{
	char value[16];

	snprintf(value, sizeof(value), "%u", total);
	return write_file(TOTAL_PATH, value);
}

FIXTURE(throttle_total) {
	char origin[64];
};

FIXTURE_SETUP(throttle_total)
{
	/* What a test that was killed has left */
	remove_all();
	strcpy(self->origin, disk_path("origin"));
	ASSERT_EQ(0, disk_new("origin", SIZE / 2048, 0));
	ASSERT_EQ(0, put(self->origin, 0, SIZE, 'O'));
}

FIXTURE_TEARDOWN(throttle_total)
{
	restore_total();
	remove_all();
}

/* Write to @top at once, a chunk each; returns how many did not succeed */
static unsigned int write_all(const char *top, unsigned int snapshots,
			      unsigned int *most)
{
	unsigned int i, n, left = WRITERS, failed = 0;
	char name[16];
	int status;
	pid_t pid;

	for (i = 0; i < WRITERS; i++) {
		pid = fork();
		if (pid < 0)
			return WRITERS;
		if (!pid)
			_exit(put(top, i * CHUNK, CHUNK, 'N') ? 1 : 0);
	}
	while (left) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid < 0)
			return left;
		if (pid) {
			left--;
			failed += !!status;
			continue;
		}
		for (i = 0, n = 0; i < snapshots; i++) {
			snprintf(name, sizeof(name), "delay%u", i);
			n += delayed_writes(name);
		}
		if (n > *most)
			*most = n;
		sleep_ms(2);
	}
	return failed;
}

static void new_snapshot(struct __test_metadata *_metadata, const char *origin,
			 unsigned int i)
{
	char cow[16], delay[16], snap[16];

	snprintf(cow, sizeof(cow), "cow%u", i);
	snprintf(delay, sizeof(delay), "delay%u", i);
	snprintf(snap, sizeof(snap), "snap%u", i);
	ASSERT_EQ(0, disk_new(cow, SIZE / 2048, 0));
	/* No delay for reads, and a delay for writes */
	ASSERT_EQ(0, dm_new(delay, "0 %u delay %s 0 0 %s 0 %u", SIZE,
			    disk_path(cow), disk_path(cow), DELAY_MS));
	ASSERT_EQ(0, dm_new(snap, "0 %u snapshot %s %s N %u", SIZE, origin,
			    dm_path(delay), CHUNK));
}

/* No limit, as is the default. This passes with and without the parameter */
TEST_F(throttle_total, unlimited)
{
	unsigned int i, most = 0;

	for (i = 0; i < SNAPSHOTS; i++)
		new_snapshot(_metadata, self->origin, i);
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
			    self->origin));
	EXPECT_EQ(0, write_all(dm_path("top"), SNAPSHOTS, &most));
	EXPECT_LT(LIMIT, most);
}

TEST_F_TIMEOUT(throttle_total, limit, 55)
{
	unsigned int i, most = 0;
	char snap[16];

	EXPECT_EQ(0, set_total(TOTAL))
		TH_LOG("there is no %s", TOTAL_PATH);
	for (i = 0; i < SNAPSHOTS; i++)
		new_snapshot(_metadata, self->origin, i);
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
			    self->origin));
	EXPECT_EQ(0, write_all(dm_path("top"), SNAPSHOTS, &most));
	TH_LOG("%u writes, %u snapshots, threshold %u: %u copies at a time",
	       WRITERS, SNAPSHOTS, TOTAL, most);
	EXPECT_LT(0, most);
	EXPECT_GE(LIMIT, most) {
		TH_LOG("%u copies at a time, expected at most %u", most, LIMIT);
	}
	for (i = 0; i < SNAPSHOTS; i++) {
		snprintf(snap, sizeof(snap), "snap%u", i);
		expect_data(_metadata, dm_path(snap), 0, SIZE, 'O', snap);
	}
	expect_data(_metadata, self->origin, 0, WRITERS * CHUNK, 'N', "origin");
}

/* The copies to a snapshot wait for those to the snapshot of its COW device */
TEST_F_TIMEOUT(throttle_total, stacked, 55)
{
	unsigned int most = 0;
	char cow[64];

	set_total(0);
	strcpy(cow, disk_path("cow"));
	ASSERT_EQ(0, disk_new("cow", SIZE / 2048, 0));
	ASSERT_EQ(0, put(cow, 0, SIZE, 'C'));
	new_snapshot(_metadata, cow, 0);
	ASSERT_EQ(0, dm_new("cow", "0 %u snapshot-origin %s", SIZE, cow));
	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s N %u", SIZE,
			    self->origin, dm_path("cow"), CHUNK));
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
			    self->origin));
	EXPECT_EQ(0, write_all(dm_path("top"), 1, &most));
	expect_data(_metadata, dm_path("snap"), 0, SIZE, 'O', "snapshot");
	expect_data(_metadata, dm_path("snap0"), 0, SIZE, 'C',
		    "snapshot of the COW device");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "delay", NULL
	};

	dm_snapshot_test_init(restore_total, targets);
	read_file(TOTAL_PATH, old_total, sizeof(old_total));
	return test_harness_run(argc, argv);
}
