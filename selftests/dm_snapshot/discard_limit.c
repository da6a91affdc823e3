// SPDX-License-Identifier: GPL-2.0
/*
 * A discard on a snapshot with "discard_zeroes_cow" changes nothing outside of
 * what was discarded, either, if another target in the table has a limit that
 * is no multiple of the chunk size: DM splits all discards there. Behind a
 * chunk, the COW device has another one.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"
#include "snapdisk.h"
#include "discard.h"

#define CHUNK		1024U
#define OTHER		64U	/* sectors of a disk that takes no longer discards */
#define LIMIT		1000U	/* than of so many sectors */

FIXTURE(discard_limit) {
	unsigned int size;
};

FIXTURE_SETUP(discard_limit)
{
	unsigned int i;

	/* What a test that was killed has left */
	remove_all();
	self->size = CHUNKS * CHUNK;
	ASSERT_EQ(0, disk_new("origin", 8, 1));
	ASSERT_EQ(0, disk_new("cow", 16, 1));
	ASSERT_EQ(0, put(disk_path("origin"), 0, self->size, 'O'));
	ASSERT_EQ(0, dm_new("snap",
			    "0 %u snapshot %s %s P %u 1 discard_zeroes_cow\n%u %u linear %s 0",
			    self->size, disk_path("origin"), disk_path("cow"),
			    CHUNK, self->size, OTHER,
			    snapdisk(TEST_DISKS - 1)));
	for (i = 0; i < NR; i++)
		ASSERT_EQ(0, put(dm_path("snap"), chunks[i] * CHUNK,
				 CHUNK, 'S'));
}

FIXTURE_TEARDOWN(discard_limit)
{
	remove_all();
}

TEST_F(discard_limit, of_another_target)
{
	unsigned long value;

	ASSERT_EQ(0, queue_attr(dm_path("snap"), "discard_max_bytes",
				&value));
	ASSERT_EQ(LIMIT * SECTOR, value);
	ASSERT_EQ(0, discard(dm_path("snap"), 0, 4 * CHUNK));
	check(_metadata, dm_path("snap"), CHUNK, 0, 4 * CHUNK,
	      false, "discarded in other parts");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "linear", NULL
	};
	char args[64];
	int r;

	dm_snapshot_test_init(snapdisk_cleanup, targets);
	snprintf(args, sizeof(args), "sectors=1,1,%u max_discard=%u", OTHER,
		 LIMIT);
	r = snapdisk_load(args);
	if (r)
		ksft_exit_skip("module " SNAPDISK ": %s\n", strerror(-r));
	return test_harness_run(argc, argv);
}
