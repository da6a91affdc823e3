// SPDX-License-Identifier: GPL-2.0
/*
 * What was broken once, and shows in the simplest use: an origin without
 * snapshots, a chunk size of zero, the life of a snapshot of each kind, and the
 * number of copies in progress, about which the kernel warns when a snapshot
 * goes and it is not zero. Boot with slub_debug=P: what is not zeroed when a
 * snapshot is created makes trouble when it is removed.
 */
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		8192U	/* of origin and COW device */
#define COPIES		24U
#define BIG_CHUNK	1024U	/* smaller ones divide by zero without the fix for them */
#define ZEROED		6U
#define WRITE_MS	5000U

FIXTURE(basics) {
	char origin[64];
	char cow[64];
	int kmsg;
};

FIXTURE_SETUP(basics)
{
	/* What a test that was killed has left */
	remove_all();
	strcpy(self->origin, disk_path("origin"));
	strcpy(self->cow, disk_path("cow"));
	ASSERT_EQ(0, disk_new("origin", SIZE / 2048, 1));
	ASSERT_EQ(0, disk_new("cow", SIZE / 2048, 1));
	ASSERT_EQ(0, put(self->origin, 0, SIZE, 'O'));
	self->kmsg = kernel_log();
}

FIXTURE_TEARDOWN(basics)
{
	remove_all();
	close(self->kmsg);
}

static void expect_no_warning(struct __test_metadata *_metadata, int kmsg,
			      const char *when)
{
	char line[256] = "";

	EXPECT_FALSE(kernel_warned(kmsg, line, sizeof(line)))
		TH_LOG("%s: '%s', expected no warning", when, line);
}

TEST_F(basics, stores)
{
	static const char * const store[] = { "P", "PO", "N" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(store); i++) {
		memset(io_buffer(), 0, CHUNK * SECTOR);
		ASSERT_EQ(0, do_io(self->cow, true, 0, CHUNK));
		ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s %s %u", SIZE,
				    self->origin, self->cow, store[i], CHUNK));
		ASSERT_EQ(0, put(dm_path("snap"), 0, 2 * CHUNK, 'S'));
		expect_data(_metadata, dm_path("snap"), 0, 2 * CHUNK, 'S',
			    "snapshot");
		expect_data(_metadata, dm_path("snap"), 2 * CHUNK,
			    SIZE - 2 * CHUNK, 'O', "snapshot");
		expect_data(_metadata, self->origin, 0, SIZE, 'O', "origin");
		ASSERT_EQ(0, dm_remove("snap"));
	}
	expect_no_warning(_metadata, self->kmsg, "snapshots came and went");
}

TEST_F(basics, zero_chunk)
{
	int r;

	r = dm_new("snap", "0 %u snapshot %s %s N 0", SIZE, self->origin,
		   self->cow);
	EXPECT_EQ(-EINVAL, r)
		TH_LOG("a snapshot with chunks of size 0: %d, expected %d", r,
		       -EINVAL);
}

TEST_F(basics, copies_end)
{
	unsigned int i;

	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s P %u", SIZE,
			    self->origin, self->cow, CHUNK));
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
			    self->origin));
	for (i = 0; i < COPIES; i++) {
		/* A copy for the origin, one for the snapshot, and no copy */
		ASSERT_EQ(0, put(dm_path("top"), 3 * i * CHUNK, 1, 'N'));
		ASSERT_EQ(0, put(dm_path("snap"), (3 * i + 1) * CHUNK, 1, 'S'));
		ASSERT_EQ(0, put(dm_path("snap"), (3 * i + 2) * CHUNK, CHUNK,
				 'S'));
	}
	ASSERT_EQ(0, dm_remove("top"));
	ASSERT_EQ(0, dm_remove("snap"));
	expect_no_warning(_metadata, self->kmsg, "after copies");
}

TEST_F(basics, zeroing_ends)
{
	uint64_t range[2];
	unsigned int i;
	int fd;

	ASSERT_EQ(0, dm_new("snap",
			    "0 %u snapshot %s %s P %u 1 discard_zeroes_cow",
			    SIZE, self->origin, self->cow, BIG_CHUNK));
	for (i = 0; i < ZEROED; i++) {
		ASSERT_EQ(0, put(dm_path("snap"), i * BIG_CHUNK, BIG_CHUNK,
				 'S'));
		fd = open(dm_path("snap"), O_WRONLY | O_CLOEXEC);
		ASSERT_LE(0, fd);
		range[0] = i * BIG_CHUNK * SECTOR;
		range[1] = BIG_CHUNK * SECTOR;
		ASSERT_EQ(0, ioctl(fd, BLKDISCARD, range));
		close(fd);
		expect_data(_metadata, dm_path("snap"), i * BIG_CHUNK,
			    BIG_CHUNK, 0, "discarded chunk");
	}
	ASSERT_EQ(0, dm_remove("snap"));
	expect_no_warning(_metadata, self->kmsg, "after discards");
}

/* Last: a write that does not end cannot be killed */
TEST_F(basics, without_snapshots)
{
	unsigned long long start = now_ms();
	int status;
	pid_t pid;

	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
			    self->origin));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(!!put(dm_path("top"), 0, CHUNK, 'N'));
	while (!waitpid(pid, &status, WNOHANG)) {
		ASSERT_LT(now_ms(), start + WRITE_MS)
			TH_LOG("a write to sector 0 has not ended after %u ms",
			       WRITE_MS);
		sleep_ms(5);
	}
	ASSERT_EQ(0, status);
	expect_data(_metadata, self->origin, 0, CHUNK, 'N', "origin");
	ASSERT_EQ(0, dm_remove("top"));
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
