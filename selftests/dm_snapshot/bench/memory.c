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
#define MEGABYTE	2048U	/* MAX_IO */

/* It takes no more memory when it is written to */
static int full_disk_new(const char *name, unsigned long megabytes)
{
	unsigned long i;
	int r;

	must(disk_prepare(name, megabytes), name);
	must(disk_set(name, "irqmode", "2"), "irqmode");
	must(disk_set(name, "completion_nsec", DISK_NS), "completion_nsec");
	must(disk_set(name, "hw_queue_depth", disk_queue), "hw_queue_depth");
	r = disk_on(name);
	memset(io_buffer(), 0, MAX_IO);
	for (i = 0; !r && i < megabytes; i++)
		r = do_io(disk_path(name), true, i * MEGABYTE, MEGABYTE);
	return r;
}

static void measure(unsigned int snapshots, bool watch)
{
	char where[32];
	double time;

	snapshots_new(full_disk_new, ORIGIN, snapshots, CHUNK);
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
