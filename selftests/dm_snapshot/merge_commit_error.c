// SPDX-License-Identifier: GPL-2.0
/*
 * snapshot-merge copies a run of chunks to the origin and then removes it from
 * the metadata of the COW device. When that write fails, the merge stops, and
 * the next resume has to begin with the same run again.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		8192U	/* of origin and COW device */

/* Chunks of the origin that have an exception, in the order of the store */
static const unsigned int chunks[] = { 40, 41, 20, 10, 11, 12 };

#define NR		(sizeof(chunks) / sizeof(chunks[0]))

FIXTURE(merge_commit_error) {
	struct snapshot_disks d;
	char done[64];
};

FIXTURE_SETUP(merge_commit_error)
{
	unsigned int i;

	/* What a test that was killed has left */
	remove_all();
	ASSERT_EQ(0, snapshot_disks_new(&self->d, SIZE));
	snprintf(self->done, sizeof(self->done), "%u/%u %u", 2 * CHUNK, SIZE,
		 2 * CHUNK);

	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s P %u", SIZE,
			    self->d.origin, self->d.cow, CHUNK));
	for (i = 0; i < NR; i++)
		ASSERT_EQ(0, put(dm_path("snap"), chunks[i] * CHUNK, CHUNK,
				 'S'));
	ASSERT_EQ(0, dm_remove("snap"));
}

FIXTURE_TEARDOWN(merge_commit_error)
{
	remove_all();
}

/* Chunks that have no exception keep 'O', the others have 'S', @chunk has @tag */
static void expect_chunks(struct __test_metadata *_metadata, const char *path,
			  unsigned int chunk, unsigned char tag,
			  const char *when)
{
	unsigned char want[SIZE / CHUNK];
	unsigned int i, n;

	memset(want, 'O', sizeof(want));
	for (i = 0; i < NR; i++)
		want[chunks[i]] = 'S';
	want[chunk] = tag;
	for (i = 0; i < sizeof(want); i += n) {
		for (n = 1; i + n < sizeof(want) && want[i + n] == want[i]; n++)
			;
		expect_data(_metadata, path, i * CHUNK, n * CHUNK, want[i],
			    when);
	}
}

/* Loading the table reads the metadata, resume starts to merge. */
#define load_merge()							\
do {									\
	ASSERT_EQ(0, dm_create("merge"));				\
	ASSERT_EQ(0, dm_load("merge", "0 %u snapshot-merge %s %s P %u",	\
			     SIZE, self->d.origin, self->d.cow, CHUNK));	\
} while (0)

/* A merge without an error passes with and without the bug */
TEST_F(merge_commit_error, no_error)
{
	load_merge();
	ASSERT_EQ(0, dm_resume("merge"));
	EXPECT_TRUE(wait_status("merge", self->done, 10)) {
		TH_LOG("status '%s', expected '%s'", dm_status("merge"),
		       self->done);
	}
	ASSERT_EQ(0, dm_remove("merge"));
	expect_chunks(_metadata, self->d.origin, 10, 'S', "merged");
}

TEST_F(merge_commit_error, retry)
{
	unsigned char tag;
	unsigned int i;

	load_merge();
	ASSERT_EQ(0, dm_reload("cow", "0 %u flakey %s 0 0 3600 1 error_writes",
			       SIZE, self->d.cow_disk));
	ASSERT_EQ(0, dm_resume("merge"));

	/* More than one failure leaves what one leaves */
	for (i = 0; i < 2; i++) {
		ASSERT_TRUE(wait_status("merge", "Merge failed", 10)) {
			TH_LOG("status '%s', expected 'Merge failed'",
			       dm_status("merge"));
		}
		expect_chunks(_metadata, dm_path("merge"), 10, 'S',
			      "after the error, through the snapshot");
		if (i)
			break;
		ASSERT_EQ(0, dm_suspend("merge"));
		ASSERT_EQ(0, dm_resume("merge"));
		sleep_ms(500);
	}

	/* The COW device is fine again */
	ASSERT_EQ(0, dm_reload("cow", "0 %u linear %s 0", SIZE,
			       self->d.cow_disk));
	/* To a chunk that was copied and not committed: it fails, or stays */
	tag = put(dm_path("merge"), 11 * CHUNK, CHUNK, 'N') ? 'S' : 'N';

	ASSERT_EQ(0, dm_suspend("merge"));
	ASSERT_EQ(0, dm_resume("merge"));
	EXPECT_TRUE(wait_merged(self->d.cow_disk, CHUNK, 20))
		TH_LOG("not merged");
	expect_chunks(_metadata, dm_path("merge"), 11, tag,
		      "after retry, through the snapshot");
	ASSERT_EQ(0, dm_remove("merge"));
	expect_chunks(_metadata, self->d.origin, 11, tag, "origin after retry");

	load_merge();
	ASSERT_EQ(0, dm_resume("merge"));
	EXPECT_TRUE(wait_status("merge", self->done, 10)) {
		TH_LOG("status '%s', expected '%s'", dm_status("merge"),
		       self->done);
	}
	ASSERT_EQ(0, dm_remove("merge"));
	expect_chunks(_metadata, self->d.origin, 11, tag,
		      "origin after activation");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-merge", "linear", "flakey", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
