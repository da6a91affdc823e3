// SPDX-License-Identifier: GPL-2.0
/*
 * What happens to one origin and its snapshots does not hold up another origin:
 * neither its writes when the first one's snapshot cannot write that it is
 * invalid, nor its merge, which the first one's copies have nothing to do with.
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		8192U	/* of origins and COW disks */
#define FIT		10U	/* exceptions, with header and first area: */
#define COW		((FIT + 2) * CHUNK)
#define WRITE_MS	3000U
#define DONE_MS		20000U
#define COPIES		50U
#define MAX_SWITCHES	(COPIES / 2)

static int write_a(void)
{
	return put(dm_path("top_a"), FIT * CHUNK, CHUNK, 'A');
}

static int write_b(void)
{
	return put(dm_path("top_b"), 0, CHUNK, 'B');
}

static int load_a(void)
{
	return dm_load("snap_a", "0 %u snapshot %s %s P %u", SIZE,
		       disk_path("a"), dm_path("cow"), CHUNK);
}

static int new_snapshot_of_b(void)
{
	return dm_new("snap_b2", "0 %u snapshot %s %s N %u", SIZE,
		      disk_path("b"), disk_path("cow_b2"), CHUNK);
}

/* Nothing can be removed while it waits */
static void let_go(void)
{
	dm_resume("cow");
}

/* On a COW device that can be suspended */
static int new_snapshot_of_a(const char *cow_disk, unsigned int sectors,
			     char store)
{
	int r = dm_new("cow", "0 %u linear %s 0", sectors, cow_disk);

	return r ? r : dm_new("snap_a", "0 %u snapshot %s %s %c %u", SIZE,
			      disk_path("a"), dm_path("cow"), store, CHUNK);
}

FIXTURE(origins_apart) {
	unsigned int unused;
};

FIXTURE_SETUP(origins_apart)
{
	/* What a test that was killed has left */
	remove_all();
	ASSERT_EQ(0, disk_new("a", SIZE / 2048, 0));
	ASSERT_EQ(0, disk_new("b", SIZE / 2048, 0));
	ASSERT_EQ(0, disk_new("cow_a", SIZE / 2048, 0));
	ASSERT_EQ(0, disk_new("cow_b", SIZE / 2048, 0));
	ASSERT_EQ(0, disk_new("cow_b2", SIZE / 2048, 0));
	ASSERT_EQ(0, put(disk_path("a"), 0, SIZE, 'O'));
	ASSERT_EQ(0, put(disk_path("b"), 0, SIZE, 'O'));
	ASSERT_EQ(0, dm_new("snap_b", "0 %u snapshot %s %s N %u", SIZE,
			    disk_path("b"), disk_path("cow_b"), CHUNK));
	ASSERT_EQ(0, dm_new("top_b", "0 %u snapshot-origin %s", SIZE,
			    disk_path("b")));
}

FIXTURE_TEARDOWN(origins_apart)
{
	let_go();
	end_children(DONE_MS);
	remove_all();
}

/*
 * The COW device of origin A is full and does not answer, and somebody wants
 * to write that its snapshot is invalid.
 */
static void writes_to_b(struct __test_metadata *_metadata, int (*step)(void),
			bool step_ends)
{
	pid_t writer_a, writer_b, admin = 0;
	int status;
	bool ok;

	ASSERT_EQ(0, new_snapshot_of_a(disk_path("cow_a"), COW, 'P'));
	ASSERT_EQ(0, dm_new("top_a", "0 %u snapshot-origin %s", SIZE,
			    disk_path("a")));
	ASSERT_EQ(0, put_by(dm_path("top_a"), 0, FIT * CHUNK, 'A', CHUNK));
	ASSERT_EQ(0, dm_suspend("cow"));

	writer_a = in_background(write_a);
	ASSERT_LT(0, writer_a);
	ASSERT_TRUE(wait_asleep(writer_a, 5))
		TH_LOG("the write to A does not wait for its COW device");
	if (step) {
		admin = in_background(step);
		ASSERT_LT(0, admin);
		if (step_ends) {
			ok = ended(admin, WRITE_MS, &status);
			EXPECT_TRUE(ok)
				TH_LOG("no snapshot of B after %u ms", WRITE_MS);
			if (ok)
				admin = 0;
		} else {
			ASSERT_TRUE(wait_asleep(admin, 5));
		}
	}
	writer_b = in_background(write_b);
	ASSERT_LT(0, writer_b);
	ok = ended(writer_b, WRITE_MS, &status);
	EXPECT_TRUE(ok)
		TH_LOG("a write to B waits for the COW device of A, for %u ms",
		       WRITE_MS);

	ASSERT_EQ(0, dm_resume("cow"));
	if (!ok)
		EXPECT_TRUE(ended(writer_b, DONE_MS, &status));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(ended(writer_a, DONE_MS, &status));
	EXPECT_EQ(0, status);
	if (admin) {
		EXPECT_TRUE(ended(admin, DONE_MS, &status));
		EXPECT_EQ(0, status);
	}
	EXPECT_STREQ("Invalid", dm_status("snap_a")) {
		TH_LOG("status '%s'", dm_status("snap_a"));
	}
	expect_data(_metadata, dm_path("top_b"), 0, CHUNK, 'B', "origin B");
	expect_data(_metadata, dm_path("snap_b"), 0, SIZE, 'O', "snapshot of B");
}

/* Nobody wants to write the lock: this passes with and without the bug */
TEST_F(origins_apart, full)
{
	writes_to_b(_metadata, NULL, false);
}

TEST_F(origins_apart, full_and_step_on_b)
{
	writes_to_b(_metadata, new_snapshot_of_b, true);
}

/* The step waits for the snapshot of A, too; it may. */
TEST_F(origins_apart, full_and_step_on_a)
{
	writes_to_b(_metadata, load_a, false);
}

static int report[2];

/* Merge what the other snapshot of A does not have yet */
static int resume_merge(void)
{
	struct rusage before, after;
	long switches;
	int r;

	getrusage(RUSAGE_SELF, &before);
	r = dm_resume("merge");
	getrusage(RUSAGE_SELF, &after);
	switches = after.ru_nvcsw - before.ru_nvcsw;
	if (write(report[1], &switches, sizeof(switches)) != sizeof(switches))
		r = -EIO;
	return r;
}

/* The resume of a merge waits for its first copies. */
TEST_F(origins_apart, merge)
{
	long switches = 0;
	unsigned int i;
	pid_t merger;
	int status;

	ASSERT_EQ(0, dm_new("merge", "0 %u snapshot %s %s P %u", SIZE,
			    disk_path("a"), disk_path("cow_a"), CHUNK));
	ASSERT_EQ(0, put(dm_path("merge"), 0, CHUNK, 'M'));
	ASSERT_EQ(0, dm_remove("merge"));
	ASSERT_EQ(0, new_snapshot_of_a(disk_path("cow_b2"), SIZE, 'N'));
	ASSERT_EQ(0, dm_suspend("cow"));
	ASSERT_EQ(0, dm_create("merge"));
	ASSERT_EQ(0, dm_load("merge", "0 %u snapshot-merge %s %s P %u", SIZE,
			     disk_path("a"), disk_path("cow_a"), CHUNK));
	ASSERT_EQ(0, pipe(report));
	merger = in_background(resume_merge);
	ASSERT_LT(0, merger);
	ASSERT_TRUE(wait_asleep(merger, 5))
		TH_LOG("the merge does not wait for the copy");

	for (i = 0; i < COPIES; i++) {
		ASSERT_EQ(0, put(dm_path("top_b"), i * CHUNK, CHUNK, 'B'));
		/* Let the merge run, if it wants to */
		sleep_ms(10);
	}
	ASSERT_TRUE(wait_asleep(merger, 5))
		TH_LOG("the merge did not wait for the copy");
	ASSERT_EQ(0, dm_resume("cow"));
	ASSERT_TRUE(ended(merger, DONE_MS, &status));
	EXPECT_EQ(0, status);
	ASSERT_EQ(sizeof(switches), read(report[0], &switches,
					 sizeof(switches)));
	close(report[0]);
	close(report[1]);
	TH_LOG("%u copies of B have ended, the merge of A has slept %ld times",
	       COPIES, switches);
	EXPECT_GE((long)MAX_SWITCHES, switches) {
		TH_LOG("slept %ld times, expected at most %u", switches,
		       MAX_SWITCHES);
	}
	EXPECT_TRUE(wait_merged(disk_path("cow_a"), CHUNK, DONE_MS / 1000));
	expect_data(_metadata, disk_path("a"), 0, CHUNK, 'M', "merged");
	expect_data(_metadata, dm_path("snap_a"), 0, SIZE, 'O', "snapshot of A");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "snapshot-merge", "linear", NULL
	};

	dm_snapshot_test_init(let_go, targets);
	return test_harness_run(argc, argv);
}
