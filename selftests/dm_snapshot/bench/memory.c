// SPDX-License-Identifier: GPL-2.0
/*
 * What memory random writes to an origin take, at most, above what is taken
 * before them, with 1 to 100 snapshots that have yet to copy each chunk; and
 * the time, when nobody watches.
 */
#include "writes.h"
#include "../../storage/bench/memory.h"

#define WRITES		256U
#define CHUNK		8U
#define ORIGIN		((uint64_t)WRITES * CHUNK)
#define MEGABYTE	2048U

/* It takes no more memory when it is written to */
static void full_disk_new(const char *name, uint64_t sectors)
{
	uint64_t s;

	must(disk_prepare(name, sectors / MEGABYTE), name);
	must(disk_set(name, "irqmode", "2"), "irqmode");
	must(disk_set(name, "completion_nsec", DISK_NS), "completion_nsec");
	must(disk_set(name, "hw_queue_depth", disk_queue), "hw_queue_depth");
	must(disk_on(name), name);
	memset(io_buffer(), 0, MAX_IO);
	for (s = 0; s < sectors; s += MAX_IO / SECTOR)
		must(do_io(disk_path(name), true, s, MAX_IO / SECTOR), name);
}

static void measure(unsigned int snapshots, bool watch)
{
	char where[32];
	unsigned int i;
	double time;

	full_disk_new("origin", ORIGIN);
	for (i = 0; i < snapshots; i++) {
		full_disk_new(numbered("cow", i), ORIGIN + MEGABYTE);
		must(dm_new(numbered("snap", i), "0 %llu snapshot %s %s P %u",
			    (unsigned long long)ORIGIN, disk_path("origin"),
			    disk_path(numbered("cow", i)), CHUNK), "snapshot");
	}
	must(dm_new("top", "0 %llu snapshot-origin %s",
		    (unsigned long long)ORIGIN, disk_path("origin")),
	     "snapshot-origin");
	snprintf(where, sizeof(where), "/snapshots=%u", snapshots);
	if (watch)
		must(memory_begin(), "thread");
	time = write_scattered(dm_path("top"), WRITES, CHUNK * SECTOR);
	if (watch)
		memory_end("writes", where);
	else
		printf("bench: writes_time%s %.3f us/IO lower\n", where,
		       time * 1e6 / WRITES);
	remove_all();
}

int main(void)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", NULL
	};
	static const unsigned int snapshots[] = { 1, 8, 16, 100 };
	unsigned int i;

	dm_snapshot_test_init(NULL, targets);
	for (i = 0; i < 4; i++) {
		measure(snapshots[i], true);
		measure(snapshots[i], false);
	}
	return 0;
}
