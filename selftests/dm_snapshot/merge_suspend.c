// SPDX-License-Identifier: GPL-2.0
/*
 * A merge stops when its device is suspended. It has to go on when that is given
 * up because of a signal, or does not succeed.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		8192U
/* More than one area of exceptions: these are not merged together */
#define CHUNKS		300U
#define DONE_S		10U

static void let_go(void)
{
	dm_resume("cow");
	dm_resume("gate");
}

static int read_beside(void)
{
	return do_io(dm_path("merge"), false, SIZE, CHUNK);
}

static int suspend_merge(void)
{
	return dm_suspend("merge");
}

FIXTURE(merge_suspend) {
	unsigned int unused;
};

FIXTURE_SETUP(merge_suspend)
{
	/* What a test that was killed has left */
	remove_all();
	ASSERT_EQ(0, disk_new("origin", SIZE / 2048, 0));
	ASSERT_EQ(0, disk_new("cow_disk", SIZE / 2048, 0));
	ASSERT_EQ(0, put(disk_path("origin"), 0, SIZE, 'O'));
	ASSERT_EQ(0, dm_new("cow", "0 %u linear %s 0", SIZE,
			    disk_path("cow_disk")));
	ASSERT_EQ(0, dm_new("gate", "0 %u linear %s 0", SIZE,
			    disk_path("cow_disk")));
	ASSERT_EQ(0, dm_new("merge", "0 %u snapshot %s %s P %u", SIZE,
			    disk_path("origin"), dm_path("cow"), CHUNK));
	ASSERT_EQ(0, put(dm_path("merge"), 0, CHUNKS * CHUNK, 'M'));
	ASSERT_EQ(0, dm_remove("merge"));
	/* What is read beside the merge waits for the gate */
	ASSERT_EQ(0, dm_create("merge"));
	ASSERT_EQ(0, dm_load("merge", "0 %u snapshot-merge %s %s P %u\n"
			     "%u %u linear %s 0", SIZE, disk_path("origin"),
			     dm_path("cow"), CHUNK, SIZE, SIZE,
			     dm_path("gate")));
	ASSERT_EQ(0, dm_suspend("cow"));
	ASSERT_EQ(0, dm_resume("merge"));
	ASSERT_EQ(0, dm_suspend("gate"));
}

FIXTURE_TEARDOWN(merge_suspend)
{
	let_go();
	end_children(DONE_S * 1000);
	remove_all();
}

TEST_F(merge_suspend, given_up)
{
	pid_t reader, suspender;
	int status = 0;

	reader = in_background(read_beside);
	ASSERT_LT(0, reader);
	ASSERT_TRUE(wait_asleep(reader, 5));
	suspender = in_background(suspend_merge);
	ASSERT_LT(0, suspender);
	ASSERT_TRUE(wait_asleep(suspender, 5))
		TH_LOG("to suspend the device does not wait for the merge");
	ASSERT_EQ(0, dm_resume("cow"));
	ASSERT_TRUE(wait_stays(suspender, "S", 5))
		TH_LOG("to suspend the device does not wait for the read");
	ASSERT_EQ(0, kill(suspender, SIGKILL));
	ASSERT_TRUE(ended(suspender, DONE_S * 1000, &status));
	ASSERT_TRUE(WIFSIGNALED(status));

	EXPECT_TRUE(wait_merged(disk_path("cow_disk"), CHUNK, DONE_S)) {
		TH_LOG("status '%s' %u s after it was not suspended",
		       dm_status("merge"), DONE_S);
	}
	ASSERT_EQ(0, dm_resume("gate"));
	ASSERT_TRUE(ended(reader, DONE_S * 1000, &status));
	EXPECT_EQ(0, status);
	/* As often as one likes */
	EXPECT_EQ(0, dm_suspend("merge"));
	EXPECT_EQ(0, dm_resume("merge"));
	EXPECT_TRUE(wait_merged(disk_path("cow_disk"), CHUNK, DONE_S));
	expect_data(_metadata, disk_path("origin"), 0, CHUNKS * CHUNK, 'M',
		    "origin");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-merge", "linear", NULL
	};

	dm_snapshot_test_init(let_go, targets);
	return test_harness_run(argc, argv);
}
