// SPDX-License-Identifier: GPL-2.0
/*
 * A snapshot that has overflowed because of a write to it ("PO") can be used
 * again when its COW device was extended and it is resumed.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		8192U	/* of the origin, and of its COW disk */
#define FIT		10U	/* exceptions, with header and first area: */
#define COW		((FIT + 2) * CHUNK)

FIXTURE(overflow_extend) {
	struct snapshot_disks d;
	char full[64];
};

static int load(FIXTURE_DATA(overflow_extend) *self, const char *target)
{
	return dm_load("snap", "0 %u %s %s %s PO %u", SIZE, target,
		       self->d.origin, self->d.cow, CHUNK);
}

FIXTURE_SETUP(overflow_extend)
{
	/* What a test that was killed has left */
	remove_all();
	ASSERT_EQ(0, snapshot_disks_new(&self->d, SIZE));
	ASSERT_EQ(0, dm_reload("cow", "0 %u linear %s 0", COW,
			       self->d.cow_disk));
	ASSERT_EQ(0, dm_create("snap"));
	ASSERT_EQ(0, load(self, "snapshot"));
	ASSERT_EQ(0, dm_resume("snap"));
	ASSERT_EQ(0, put_by(dm_path("snap"), 0, FIT * CHUNK, 'S', CHUNK));
	ASSERT_EQ(-EIO, put(dm_path("snap"), FIT * CHUNK, CHUNK, 'S'));
	ASSERT_STREQ("Overflow", dm_status("snap"));
}

FIXTURE_TEARDOWN(overflow_extend)
{
	remove_all();
}

static int extend(FIXTURE_DATA(overflow_extend) *self)
{
	return dm_reload("cow", "0 %u linear %s 0", SIZE, self->d.cow_disk);
}

static void expect_usable(struct __test_metadata *_metadata)
{
	char want[64];
	int r;

	r = put(dm_path("snap"), FIT * CHUNK, CHUNK, 'S');
	EXPECT_EQ(0, r)
		TH_LOG("write: %s", strerror(-r));
	snprintf(want, sizeof(want), "%u/%u %u", (FIT + 3) * CHUNK, SIZE,
		 2 * CHUNK);
	EXPECT_STREQ(want, dm_status("snap")) {
		TH_LOG("status '%s', expected '%s'", dm_status("snap"), want);
	}
	expect_data(_metadata, dm_path("snap"), 0, (FIT + 1) * CHUNK, 'S',
		    "written");
	expect_data(_metadata, dm_path("snap"), (FIT + 1) * CHUNK,
		    SIZE - (FIT + 1) * CHUNK, 'O', "not written");
}

TEST_F(overflow_extend, resume)
{
	ASSERT_EQ(0, dm_suspend("snap"));
	ASSERT_EQ(0, extend(self));
	ASSERT_EQ(0, dm_resume("snap"));
	expect_usable(_metadata);
}

TEST_F(overflow_extend, reload)
{
	ASSERT_EQ(0, load(self, "snapshot"));
	ASSERT_EQ(0, dm_suspend("snap"));
	ASSERT_EQ(0, extend(self));
	ASSERT_EQ(0, dm_resume("snap"));
	expect_usable(_metadata);
}

/* A merge can be watched to its end */
TEST_F(overflow_extend, merge)
{
	char want[64];

	ASSERT_EQ(0, load(self, "snapshot-merge"));
	ASSERT_EQ(0, dm_suspend("snap"));
	ASSERT_EQ(0, dm_resume("snap"));
	snprintf(want, sizeof(want), "%u/%u %u", 2 * CHUNK, COW, 2 * CHUNK);
	EXPECT_TRUE(wait_status("snap", want, 5)) {
		TH_LOG("merging: status '%s', expected '%s'",
		       dm_status("snap"), want);
	}
	expect_data(_metadata, self->d.origin, 0, FIT * CHUNK, 'S', "origin");
	expect_data(_metadata, self->d.origin, FIT * CHUNK, SIZE - FIT * CHUNK,
		    'O', "origin");
}

/* It overflows again. This passes with and without the bug */
TEST_F(overflow_extend, not_extended)
{
	ASSERT_EQ(0, dm_suspend("snap"));
	ASSERT_EQ(0, dm_resume("snap"));
	EXPECT_EQ(-EIO, put(dm_path("snap"), FIT * CHUNK, CHUNK, 'S'));
	EXPECT_STREQ("Overflow", dm_status("snap"));
	expect_data(_metadata, dm_path("snap"), 0, FIT * CHUNK, 'S', "full");
	expect_data(_metadata, dm_path("snap"), FIT * CHUNK, SIZE - FIT * CHUNK,
		    'O', "full");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-merge", "linear", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
