// SPDX-License-Identifier: GPL-2.0
/*
 * How the cost of snapshots grows: random writes of 4 KiB to an origin, 32 at a
 * time, each to a chunk that all snapshots have yet to copy, with the number of
 * snapshots and with the size of chunks; a merge with the number of chunks.
 * The number of snapshots also on disks that take only as many requests at a
 * time as there are writes.
 */
#include "writes.h"

#define WRITES		1024U
#define MERGE_CHUNK	8U
#define MERGE_APART	4U

static void writes(const char *disks, const char *axis, unsigned int value,
		   unsigned int nr, unsigned int chunk)
{
	unsigned long reads;
	double time;

	snapshots_new(slow_disk_new, (uint64_t)WRITES * chunk, nr, chunk);
	reads = disk_stat("origin", STAT_READS);
	time = write_scattered(dm_path("top"), WRITES, chunk * SECTOR);
	reads = disk_stat("origin", STAT_READS) - reads;
	printf("bench: write%s/%s=%u %.2f IO/s higher\n", disks, axis, value,
	       WRITES / time);
	if (nr) {
		printf("bench: flushes%s/%s=%u %.4f flushes/IO lower\n", disks,
		       axis, value,
		       (double)disk_stat("cow0", STAT_FLUSHES) / WRITES);
		printf("bench: reads%s/%s=%u %.4f reads/IO lower\n", disks,
		       axis, value, (double)reads / WRITES);
	}
	remove_all();
}

static void merge(unsigned int nr)
{
	uint64_t sectors = (uint64_t)nr * MERGE_CHUNK * MERGE_APART;
	unsigned long origin, cow;
	double start;

	/* Disks have whole megabytes */
	sectors = (sectors + 2047) / 2048 * 2048;
	snapshots_new(slow_disk_new, sectors, 1, MERGE_CHUNK);
	write_scattered(dm_path("snap0"), nr,
			MERGE_APART * MERGE_CHUNK * SECTOR);
	must(dm_remove("snap0"), "snapshot");
	must(dm_load("top", "0 %llu snapshot-merge %s %s P %u",
		     (unsigned long long)sectors, disk_path("origin"),
		     disk_path("cow0"), MERGE_CHUNK), "snapshot-merge");
	must(dm_suspend("top"), "suspend");
	origin = disk_stat("origin", STAT_FLUSHES);
	cow = disk_stat("cow0", STAT_FLUSHES);
	start = seconds();
	must(dm_resume("top"), "resume");
	if (!wait_merged(disk_path("cow0"), MERGE_CHUNK, 250))
		exit(failed("merge", -ETIMEDOUT));
	start = seconds() - start;
	origin = disk_stat("origin", STAT_FLUSHES) - origin;
	cow = disk_stat("cow0", STAT_FLUSHES) - cow;
	remove_all();
	printf("bench: merge/chunks=%u %.3f s lower\n", nr, start);
	printf("bench: flushes_of_origin/chunks=%u %lu flushes lower\n", nr,
	       origin);
	printf("bench: flushes_of_COW/chunks=%u %lu flushes lower\n", nr, cow);
}

int main(void)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "snapshot-merge", NULL
	};
	static const unsigned int snapshots[] = { 0, 1, 2, 4, 8, 16 };
	static const unsigned int kib[] = { 4, 16, 64, 256 };
	static const unsigned int chunks[] = { 41, 128, 410, 1280, 4096 };
	unsigned int i;

	dm_snapshot_test_init(NULL, targets);
	for (i = 0; i < sizeof(snapshots) / sizeof(snapshots[0]); i++)
		writes("", "snapshots", snapshots[i], snapshots[i], 8);
	disk_queue = "32";
	for (i = 1; i < 5; i++)
		writes("_queue32", "snapshots", snapshots[i], snapshots[i], 8);
	disk_queue = "256";
	for (i = 0; i < sizeof(kib) / sizeof(kib[0]); i++)
		writes("", "chunk_KiB", kib[i], 1, 2 * kib[i]);
	for (i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++)
		merge(chunks[i]);
	return 0;
}
