// SPDX-License-Identifier: GPL-2.0
/*
 * While two copies to the COW device are on their way, reads and writes of
 * other chunks go on, and so do reads of the chunks that are copied. This
 * passes with and without the bugs that the other tests are about.
 */
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		2048U
#define DELAY_MS	1500U
#define ASLEEP_MS	5000U

FIXTURE(parallel) {
	struct snapshot_disks d;
};

FIXTURE_SETUP(parallel)
{
	/* What a test that was killed has left */
	remove_all();
	ASSERT_EQ(0, snapshot_disks_new(&self->d, SIZE));
	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s P %u", SIZE,
			    self->d.origin, self->d.cow, CHUNK));
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
			    self->d.origin));
	/* These have exceptions */
	ASSERT_EQ(0, put(dm_path("snap"), 0, CHUNK, 'S'));
	ASSERT_EQ(0, put(dm_path("top"), CHUNK, CHUNK, 'N'));
	/* No delay for reads, and a delay for writes */
	ASSERT_EQ(0, dm_reload("cow", "0 %u delay %s 0 0 %s 0 %u", SIZE,
			       self->d.cow_disk, self->d.cow_disk, DELAY_MS));
}

FIXTURE_TEARDOWN(parallel)
{
	remove_all();
}

TEST_F(parallel, chunks)
{
	char snap[64], top[64];
	unsigned long long start;
	unsigned int i;
	pid_t pid[2];
	int status;

	strcpy(snap, dm_path("snap"));
	strcpy(top, dm_path("top"));
	for (i = 0; i < 2; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i])
			_exit(!!put(i ? snap : top, (10 + i) * CHUNK, 1, 'W'));
	}
	start = now_ms();
	while (delayed_writes("cow") < 2 && now_ms() < start + ASLEEP_MS)
		sleep_ms(2);
	ASSERT_EQ(2, delayed_writes("cow"))
		TH_LOG("%u writes are held back", delayed_writes("cow"));

	expect_data(_metadata, snap, 0, CHUNK, 'S', "chunk of the COW device");
	expect_data(_metadata, snap, CHUNK, CHUNK, 'O', "copied chunk");
	expect_data(_metadata, snap, 20 * CHUNK, CHUNK, 'O',
		    "chunk of the origin");
	expect_data(_metadata, snap, 10 * CHUNK, 2 * CHUNK, 'O',
		    "chunks that are being copied");
	expect_data(_metadata, top, 10 * CHUNK, 2 * CHUNK, 'O',
		    "chunks that are being copied, origin");
	EXPECT_EQ(0, put(top, CHUNK, CHUNK, 'M'));
	expect_data(_metadata, top, CHUNK, CHUNK, 'M', "origin");

	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, waitpid(pid[i], &status, WNOHANG))
			TH_LOG("writer %u was not waiting anymore after %llu ms",
			       i, now_ms() - start);
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status);
	}
	expect_data(_metadata, top, 10 * CHUNK, 1, 'W', "origin");
	expect_data(_metadata, snap, 10 * CHUNK, CHUNK, 'O', "snapshot");
	expect_data(_metadata, snap, 11 * CHUNK, 1, 'W', "snapshot");
	expect_data(_metadata, snap, 11 * CHUNK + 1, CHUNK - 1, 'O',
		    "snapshot");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "linear", "delay", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
