// SPDX-License-Identifier: GPL-2.0
/*
 * A write whose chunk was copied does not wait for other copies, which may take
 * any time. Here the origin has a part that stands still.
 */
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		2048U
#define HALF		(SIZE / 2)
#define READ_MS		300U
#define LIMIT_MS	10000U
#define WRITERS		3U

FIXTURE(commit_wait) {
	struct snapshot_disks d;
};

FIXTURE_SETUP(commit_wait)
{
	/* What a test that was killed has left */
	remove_all();
	ASSERT_EQ(0, snapshot_disks_new(&self->d, SIZE));
	ASSERT_EQ(0, dm_new("half", "0 %u linear %s %u", HALF, self->d.origin,
			    HALF));
	/* Reads of the first half take their time, writes do not */
	ASSERT_EQ(0, dm_new("halves", "0 %u delay %s 0 %u %s 0 0\n%u %u linear %s 0",
			    HALF, self->d.origin, READ_MS, self->d.origin,
			    HALF, HALF, dm_path("half")));
	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s P %u", SIZE,
			    dm_path("halves"), self->d.cow, CHUNK));
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
			    dm_path("halves")));
}

FIXTURE_TEARDOWN(commit_wait)
{
	dm_resume("half");
	remove_all();
}

static unsigned int delayed_reads(const char *name)
{
	unsigned int reads, writes;

	if (sscanf(dm_status(name), "%u %u", &reads, &writes) != 2)
		return 0;
	return reads;
}

static pid_t write_to(unsigned int chunk)
{
	pid_t pid = fork();

	if (!pid)
		_exit(!!put(dm_path("top"), chunk * CHUNK, 1, 'N'));
	return pid;
}

TEST_F(commit_wait, is_bounded)
{
	unsigned long long start = now_ms();
	unsigned int i, left = WRITERS, copied;
	uint64_t old_chunk, new_chunk;
	pid_t held, pid[WRITERS];
	int status;

	ASSERT_EQ(0, dm_suspend("half"));
	for (i = 0; i < WRITERS; i++) {
		pid[i] = write_to(2 * i);
		ASSERT_LE(0, pid[i]);
	}
	while (delayed_reads("halves") < WRITERS && now_ms() < start + LIMIT_MS)
		sleep_ms(2);
	ASSERT_EQ(WRITERS, delayed_reads("halves"))
		TH_LOG("%u reads are held back", delayed_reads("halves"));
	held = write_to(HALF / CHUNK);
	ASSERT_LE(0, held);

	start = now_ms();
	while (left && now_ms() < start + LIMIT_MS) {
		for (i = 0; i < WRITERS; i++) {
			if (!pid[i] ||
			    waitpid(pid[i], &status, WNOHANG) != pid[i])
				continue;
			EXPECT_EQ(0, status);
			pid[i] = 0;
			left--;
		}
		sleep_ms(2);
	}
	EXPECT_EQ(0, left) {
		TH_LOG("%u of %u writes still wait for the copy of another chunk",
		       left, WRITERS);
	}
	EXPECT_EQ(0, waitpid(held, &status, WNOHANG))
		TH_LOG("the write to the half that stands still is done");

	/* What was written has its exception on the disk */
	for (copied = 0; copied < WRITERS; copied++) {
		ASSERT_EQ(0, store_entry(self->d.cow_disk, CHUNK, 0, copied,
					 &old_chunk, &new_chunk));
		if (!new_chunk)
			break;
	}
	EXPECT_EQ(WRITERS - left, copied);

	ASSERT_EQ(0, dm_resume("half"));
	ASSERT_EQ(held, waitpid(held, &status, 0));
	EXPECT_EQ(0, status);
	for (i = 0; i < WRITERS; i++) {
		if (pid[i]) {
			ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
			EXPECT_EQ(0, status);
		}
		expect_data(_metadata, dm_path("top"), 2 * i * CHUNK, 1, 'N',
			    "origin");
	}
	expect_data(_metadata, dm_path("top"), HALF, 1, 'N', "origin");
	expect_data(_metadata, dm_path("snap"), 0, SIZE, 'O', "snapshot");

	/* And it is what a new table finds there */
	ASSERT_EQ(0, dm_remove("snap"));
	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s P %u", SIZE,
			    dm_path("halves"), self->d.cow, CHUNK));
	expect_data(_metadata, dm_path("snap"), 0, SIZE, 'O', "snapshot");
}

/*
 * Those whose copies end soon after each other are committed together. This
 * passes with and without the bug.
 */
TEST_F(commit_wait, is_for_many)
{
	unsigned int i, n = 32, failed = 0;
	unsigned long before, after, v;
	char path[128], stat[512];

	snprintf(path, sizeof(path), "/sys/block/%s/stat",
		 strrchr(self->d.cow_disk, '/') + 1);
	ASSERT_EQ(0, read_file(path, stat, sizeof(stat)));
	ASSERT_EQ(7, sscanf(stat, "%lu %lu %lu %lu %lu %lu %lu", &v, &v, &v, &v,
			    &v, &v, &before));
	for (i = 0; i < n; i++)
		ASSERT_LE(0, write_to(2 * i));
	EXPECT_EQ(0, wait_children(n, now_ms() + LIMIT_MS, &failed));
	EXPECT_EQ(0, failed);
	ASSERT_EQ(0, read_file(path, stat, sizeof(stat)));
	ASSERT_EQ(7, sscanf(stat, "%lu %lu %lu %lu %lu %lu %lu", &v, &v, &v, &v,
			    &v, &v, &after));
	/* In chunks: the copies, and as many again for the metadata */
	after = (after - before) / CHUNK - n;
	TH_LOG("%u writes took %lu writes of the metadata", n, after);
	EXPECT_GE(n / 2, after) {
		TH_LOG("%lu writes of the metadata for %u chunks", after, n);
	}
	expect_data(_metadata, dm_path("snap"), 0, SIZE, 'O', "snapshot");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "linear", "delay", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
