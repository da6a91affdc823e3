// SPDX-License-Identifier: GPL-2.0
/*
 * Snapshots of dm-snapshot beside those of dm-thin: random writes of 4 KiB, 32
 * at a time, each to a block of 64 KiB that all snapshots share. dm-thin copies
 * such a block, and once for all of them. dm-snapshot copies a chunk for each,
 * of 4 KiB or of 64 KiB.
 */
#include "writes.h"

#define WRITES		256U
#define UNIT		128U	/* sectors: the least that dm-thin takes */
#define ORIGIN		((uint64_t)WRITES * UNIT)

static double thin(unsigned int snapshots)
{
	unsigned long long size = ORIGIN;
	char message[64];
	unsigned int i;
	double time;

	must(slow_disk_new("data", 2 * ORIGIN / 2048), "data");
	must(slow_disk_new("metadata", 8), "metadata");
	must(dm_new("pool", "0 %llu thin-pool %s %s %u 0 1 skip_block_zeroing",
		    2 * size, disk_path("metadata"), disk_path("data"), UNIT),
	     "thin-pool");
	must(dm_message("pool", "create_thin 0"), "create_thin");
	must(dm_new("top", "0 %llu thin %s 0", size, dm_path("pool")), "thin");
	/* Its blocks are there before the snapshots are */
	write_scattered(dm_path("top"), WRITES, UNIT * SECTOR);
	must(dm_suspend("top"), "suspend");
	for (i = 1; i <= snapshots; i++) {
		snprintf(message, sizeof(message), "create_snap %u 0", i);
		must(dm_message("pool", message), message);
	}
	must(dm_resume("top"), "resume");
	time = write_scattered(dm_path("top"), WRITES, UNIT * SECTOR);
	remove_all();
	return WRITES / time;
}

static double classic(unsigned int snapshots, unsigned int chunk)
{
	double time;

	snapshots_new(slow_disk_new, ORIGIN, snapshots, chunk);
	time = write_scattered(dm_path("top"), WRITES, UNIT * SECTOR);
	remove_all();
	return WRITES / time;
}

int main(void)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "thin-pool", "thin", NULL
	};
	static const unsigned int snapshots[] = { 1, 8 };
	unsigned int i;

	dm_snapshot_test_init(NULL, targets);
	for (i = 0; i < 2; i++) {
		unsigned int n = snapshots[i];
		double is_thin = thin(n), small = classic(n, 8),
		       large = classic(n, UNIT);

		printf("bench: thin/snapshots=%u %.2f IO/s higher\n", n,
		       is_thin);
		printf("bench: chunks_of_4_KiB/snapshots=%u %.2f IO/s higher\n",
		       n, small);
		printf("bench: chunks_of_4_KiB_of_thin/snapshots=%u %.4f ratio higher\n",
		       n, small / is_thin);
		printf("bench: chunks_of_64_KiB/snapshots=%u %.2f IO/s higher\n",
		       n, large);
		printf("bench: chunks_of_64_KiB_of_thin/snapshots=%u %.4f ratio higher\n",
		       n, large / is_thin);
	}
	return 0;
}
