// SPDX-License-Identifier: GPL-2.0
/*
 * Give a snapshot a new table while a copy to it has not ended that no write
 * waits for any more, as the snapshot is invalid. The new table takes over the
 * exception store, which the end of the copy still has to find.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		8192U
#define METADATA	(2 * CHUNK)
#define DONE_MS		10000U

/* Disks whose data, but not their metadata, can be held up */
static const char * const gate[] = { "data_a", "data_b" };

static void let_go(void)
{
	dm_resume(gate[0]);
	dm_resume(gate[1]);
}

static int cow_new(const char *name, const char *disk, const char *data,
		   unsigned int chunks)
{
	int r = disk_new(disk, SIZE / 2048, 0);

	if (!r)
		r = dm_new(data, "0 %u linear %s %u", chunks * CHUNK,
			   disk_path(disk), METADATA);
	return r ? r : dm_new(name, "0 %u linear %s 0\n%u %u linear %s 0",
			      METADATA, disk_path(disk), METADATA,
			      chunks * CHUNK, dm_path(data));
}

static int table_of_b(void)
{
	return dm_load("b", "0 %u snapshot %s %s P %u", SIZE,
		       disk_path("origin"), dm_path("cow_b"), CHUNK);
}

static int write_0(void)
{
	return put(dm_path("top"), 0, CHUNK, 'N');
}

static int write_1(void)
{
	return put(dm_path("top"), CHUNK, CHUNK, 'N');
}

static int resume_b(void)
{
	return dm_resume("b");
}

FIXTURE(handover_copies) {
	unsigned int unused;
};

FIXTURE_SETUP(handover_copies)
{
	/* What a test that was killed has left */
	remove_all();
	ASSERT_EQ(0, disk_new("origin", SIZE / 2048, 0));
	ASSERT_EQ(0, put(disk_path("origin"), 0, SIZE, 'O'));
	ASSERT_EQ(0, cow_new("cow_a", "disk_a", "data_a", 16));
	/* One chunk fits */
	ASSERT_EQ(0, cow_new("cow_b", "disk_b", "data_b", 1));
	/* Writes wait for the first snapshot first */
	ASSERT_EQ(0, dm_new("a", "0 %u snapshot %s %s P %u", SIZE,
			    disk_path("origin"), dm_path("cow_a"), CHUNK));
	ASSERT_EQ(0, dm_create("b"));
	ASSERT_EQ(0, table_of_b());
	ASSERT_EQ(0, dm_resume("b"));
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
			    disk_path("origin")));
}

FIXTURE_TEARDOWN(handover_copies)
{
	let_go();
	end_children(DONE_MS);
	remove_all();
}

TEST_F(handover_copies, invalid)
{
	pid_t first, second, admin;
	int status;

	ASSERT_EQ(0, dm_suspend("data_a"));
	ASSERT_EQ(0, dm_suspend("data_b"));
	first = in_background(write_0);
	ASSERT_LT(0, first);
	ASSERT_TRUE(wait_asleep(first, 5));
	/* No room for that one in B */
	second = in_background(write_1);
	ASSERT_LT(0, second);
	ASSERT_TRUE(wait_status("b", "Invalid", 5)) {
		TH_LOG("status '%s', expected 'Invalid'", dm_status("b"));
	}
	ASSERT_EQ(0, dm_resume("data_a"));
	ASSERT_TRUE(ended(first, DONE_MS, &status));
	EXPECT_EQ(0, status);
	ASSERT_TRUE(ended(second, DONE_MS, &status));
	EXPECT_EQ(0, status);

	ASSERT_EQ(0, table_of_b());
	ASSERT_EQ(0, dm_suspend("b"));
	admin = in_background(resume_b);
	ASSERT_LT(0, admin);
	ASSERT_TRUE(wait_asleep(admin, 5))
		TH_LOG("the resume does not wait for the copy");
	TH_LOG("the copy to the old table ends, now that there is a new one");
	ASSERT_EQ(0, dm_resume("data_b"));
	EXPECT_TRUE(ended(admin, DONE_MS, &status))
		TH_LOG("the resume still waits %u ms after the copy", DONE_MS);
	EXPECT_EQ(0, status);

	EXPECT_STREQ("Invalid", dm_status("b")) {
		TH_LOG("status '%s', expected 'Invalid'", dm_status("b"));
	}
	expect_data(_metadata, dm_path("top"), 0, 2 * CHUNK, 'N', "origin");
	expect_data(_metadata, dm_path("a"), 0, SIZE, 'O', "snapshot A");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "linear", NULL
	};

	dm_snapshot_test_init(let_go, targets);
	return test_harness_run(argc, argv);
}
