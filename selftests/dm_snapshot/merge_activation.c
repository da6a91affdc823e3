// SPDX-License-Identifier: GPL-2.0
/*
 * Activate a snapshot while another one of the same origin is merged. It must
 * not change when the merge goes on, whatever else is there or happens then.
 *
 * "table" goes on to use a table that was freed. slub_debug=P makes that wait
 * for ever; without it nothing may be seen.
 */
#include <sys/mman.h>

#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		8192U
#define DONE_MS		10000U

static void let_go(void)
{
	dm_resume("cow");
	dm_resume("gate");
}

/* Nothing can be removed while something hangs */
static bool *hangs;

static void give_up(void)
{
	if (*hangs)
		_exit(KSFT_FAIL);
	let_go();
}

static int read_merge(void)
{
	return do_io(dm_path("merge"), false, 0, CHUNK);
}

static int suspend_merge(void)
{
	return dm_suspend("merge");
}

static int remove_merge(void)
{
	return dm_remove("merge");
}

static int resume_snap(void)
{
	return dm_resume("snap");
}

FIXTURE(merge_activation) {
	unsigned int unused;
};

/* Chunk 0 is to be merged. A snapshot is to be resumed. */
FIXTURE_SETUP(merge_activation)
{
	/* What a test that was killed has left */
	remove_all();
	ASSERT_EQ(0, disk_new("origin", SIZE / 2048, 0));
	ASSERT_EQ(0, disk_new("cow_m", SIZE / 2048, 0));
	ASSERT_EQ(0, disk_new("cow_s", SIZE / 2048, 0));
	ASSERT_EQ(0, put(disk_path("origin"), 0, SIZE, 'O'));
	ASSERT_EQ(0, dm_new("cow", "0 %u linear %s 0", SIZE,
			    disk_path("cow_m")));
	ASSERT_EQ(0, dm_new("merge", "0 %u snapshot %s %s P %u", SIZE,
			    disk_path("origin"), dm_path("cow"), CHUNK));
	ASSERT_EQ(0, put(dm_path("merge"), 0, CHUNK, 'M'));
	ASSERT_EQ(0, dm_remove("merge"));
	ASSERT_EQ(0, dm_create("snap"));
	ASSERT_EQ(0, dm_load("snap", "0 %u snapshot %s %s N %u", SIZE,
			     disk_path("origin"), disk_path("cow_s"), CHUNK));
}

FIXTURE_TEARDOWN(merge_activation)
{
	let_go();
	if (!end_children(DONE_MS))
		*hangs = true;
	if (!*hangs)
		remove_all();
}

static int table_of_merge(void)
{
	return dm_load("merge", "0 %u snapshot-merge %s %s P %u", SIZE,
		       disk_path("origin"), dm_path("cow"), CHUNK);
}

/* Whether chunk 0 is that of the origin or that of the other snapshot */
static unsigned char tag_of_snap(struct __test_metadata *_metadata)
{
	uint64_t *p = io_buffer();

	EXPECT_EQ(0, do_io(dm_path("snap"), false, 0, CHUNK));
	return le64toh(*p) >> 56;
}

enum beside {
	ALONE,
	ORIGIN,		/* a snapshot-origin, too */
	REMOVED,	/* the merge is about to be removed */
};

/* The first copy of the merge waits for its COW device */
static void activate(struct __test_metadata *_metadata, enum beside beside)
{
	pid_t admin, remover = 0;
	unsigned char tag = 0;
	int status;

	ASSERT_EQ(0, dm_create("merge"));
	ASSERT_EQ(0, table_of_merge());
	ASSERT_EQ(0, dm_suspend("cow"));
	ASSERT_EQ(0, dm_resume("merge"));
	if (beside == ORIGIN)
		ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
				    disk_path("origin")));
	if (beside == REMOVED) {
		remover = in_background(remove_merge);
		ASSERT_LT(0, remover);
		ASSERT_TRUE(wait_asleep(remover, 5))
			TH_LOG("the removal does not wait for the merge");
	}

	admin = in_background(resume_snap);
	ASSERT_LT(0, admin);
	if (!wait_asleep(admin, 2)) {
		ASSERT_TRUE(ended(admin, DONE_MS, &status));
		admin = 0;
		tag = tag_of_snap(_metadata);
		TH_LOG("active while the chunk is merged, of which it has '%c'",
		       tag);
	}
	ASSERT_EQ(0, dm_resume("cow"));
	if (admin) {
		ASSERT_TRUE(ended(admin, DONE_MS, &status));
		tag = tag_of_snap(_metadata);
	}
	EXPECT_EQ(0, status);
	if (remover) {
		EXPECT_TRUE(ended(remover, DONE_MS, &status));
		EXPECT_EQ(0, status);
	}
	EXPECT_TRUE(wait_merged(disk_path("cow_m"), CHUNK, DONE_MS / 1000));
	expect_data(_metadata, disk_path("origin"), 0, CHUNK, 'M', "origin");
	expect_data(_metadata, dm_path("snap"), 0, CHUNK, tag,
		    "snapshot, after the merge");
}

/* This passes with and without the bug */
TEST_F(merge_activation, alone)
{
	activate(_metadata, ALONE);
}

TEST_F(merge_activation, origin)
{
	activate(_metadata, ORIGIN);
}

TEST_F(merge_activation, removed)
{
	activate(_metadata, REMOVED);
}

/*
 * The activation finds the merge in a table that waits to become active. While
 * it waits for the one who suspends the device, the table is cleared.
 */
TEST_F(merge_activation, table)
{
	pid_t reader, suspender, admin;
	int status = 0;

	ASSERT_EQ(0, dm_new("gate", "0 %u linear %s 0", SIZE,
			    disk_path("origin")));
	ASSERT_EQ(0, dm_new("merge", "0 %u linear %s 0", SIZE, dm_path("gate")));
	ASSERT_EQ(0, table_of_merge());
	ASSERT_EQ(0, dm_suspend("gate"));
	reader = in_background(read_merge);
	ASSERT_LT(0, reader);
	ASSERT_TRUE(wait_asleep(reader, 5));
	suspender = in_background(suspend_merge);
	ASSERT_LT(0, suspender);
	ASSERT_TRUE(wait_stays(suspender, "SD", 5));
	admin = in_background(resume_snap);
	ASSERT_LT(0, admin);
	/* If it does not wait it has not found the merge, which is fine */
	wait_asleep(admin, 2);
	ASSERT_EQ(0, dm_simple(DM_TABLE_CLEAR, "merge", 0));

	ASSERT_EQ(0, dm_resume("gate"));
	ASSERT_TRUE(ended(reader, DONE_MS, &status));
	EXPECT_EQ(0, status);
	ASSERT_TRUE(ended(suspender, DONE_MS, &status));
	EXPECT_EQ(0, status);
	*hangs = !ended(admin, DONE_MS, &status);
	ASSERT_FALSE(*hangs)
		TH_LOG("the activation waits for a merge that is gone, for %u ms",
		       DONE_MS);
	EXPECT_EQ(0, status);
	expect_data(_metadata, dm_path("snap"), 0, SIZE, 'O', "snapshot");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "snapshot-merge", "linear", NULL
	};

	hangs = mmap(NULL, sizeof(*hangs), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (hangs == MAP_FAILED)
		ksft_exit_fail_msg("mmap: %s\n", strerror(errno));
	dm_snapshot_test_init(give_up, targets);
	return test_harness_run(argc, argv);
}
