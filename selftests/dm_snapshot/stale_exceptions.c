// SPDX-License-Identifier: GPL-2.0
/*
 * A metadata area takes several sectors, and after a power failure some of them
 * can be as they were before the last write and the others as after it. Then
 * there are entries behind the one that ends the exceptions. They do not count,
 * also not later, when other exceptions fill the gap.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		2048U	/* of origin and COW device */
#define STALE		50U	/* a chunk of the origin */

FIXTURE(stale_exceptions) {
	struct snapshot_disks d;
};

FIXTURE_SETUP(stale_exceptions)
{
	/* Two exceptions, the end, one that is left, on the chunk that is next */
	static const struct exception e[] = {
		{ 10, 2 }, { 11, 3 }, { 0, 0 }, { STALE, 4 },
	};

	/* What a test that was killed has left */
	remove_all();
	ASSERT_EQ(0, snapshot_disks_new(&self->d, SIZE));
	ASSERT_EQ(0, store_write(self->d.cow_disk, CHUNK, SNAP_MAGIC, e, 4));
}

FIXTURE_TEARDOWN(stale_exceptions)
{
	remove_all();
}

static int activate(FIXTURE_DATA(stale_exceptions) *self)
{
	return dm_new("snap", "0 %u snapshot %s %s P %u", SIZE, self->d.origin,
		      self->d.cow, CHUNK);
}

TEST_F(stale_exceptions, gap_is_filled)
{
	ASSERT_EQ(0, activate(self));
	expect_data(_metadata, dm_path("snap"), STALE * CHUNK, CHUNK, 'O',
		    "as activated");
	ASSERT_EQ(0, put(dm_path("snap"), 20 * CHUNK, CHUNK, 'N'));
	ASSERT_EQ(0, dm_remove("snap"));

	ASSERT_EQ(0, activate(self));
	expect_data(_metadata, dm_path("snap"), 20 * CHUNK, CHUNK, 'N',
		    "what was written");
	expect_data(_metadata, dm_path("snap"), STALE * CHUNK, CHUNK, 'O',
		    "a chunk that was not");
	ASSERT_EQ(0, dm_remove("snap"));
}

int main(int argc, char **argv)
{
	static const char * const targets[] = { "snapshot", "linear", NULL };

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
