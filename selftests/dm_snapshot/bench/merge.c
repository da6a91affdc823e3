// SPDX-License-Identifier: GPL-2.0
/*
 * How long snapshot-merge takes, and how many flushes.
 */
#include "bench.h"

#define CHUNK		8U
#define PER_AREA	(CHUNK * 512 / EXCEPTION_SIZE)
#define AREAS		16U
#define NR		(AREAS * PER_AREA)
#define ORIGIN		(2 * NR * CHUNK)
#define COW		((NR + AREAS + 2) * CHUNK)

/* The data of the chunks does not matter */
static int fill_cow(const char *path, bool scattered)
{
	uint64_t *area = io_buffer();
	unsigned int a, i, e;
	int r;

	r = store_write(path, CHUNK, SNAP_MAGIC, NULL, 0);
	for (a = 0; !r && a < AREAS; a++) {
		for (i = 0; i < PER_AREA; i++) {
			e = a * PER_AREA + i;
			area[2 * i] = htole64(scattered ?
					      e * 2531 % NR * 2 + 1 : e);
			area[2 * i + 1] = htole64(2 + a * (PER_AREA + 1) + i);
		}
		r = do_io(path, true, (1 + a * (PER_AREA + 1)) * CHUNK, CHUNK);
	}
	memset(area, 0, CHUNK * SECTOR);
	if (!r)
		r = do_io(path, true, (1 + AREAS * (PER_AREA + 1)) * CHUNK,
			  CHUNK);
	return r;
}

static int measure(const char *what, bool scattered)
{
	unsigned long origin, cow;
	uint64_t old_chunk, new_chunk = 1;
	double start;
	int r;

	r = slow_disk_new("origin", ORIGIN / 2048);
	if (!r)
		r = slow_disk_new("cow", COW / 2048 + 1);
	if (!r)
		r = fill_cow(disk_path("cow"), scattered);
	if (!r)
		r = dm_create("merge");
	if (!r)
		r = dm_load("merge", "0 %u snapshot-merge %s %s P %u", ORIGIN,
			    disk_path("origin"), disk_path("cow"), CHUNK);
	if (r)
		return failed(what, r);
	origin = disk_stat("origin", STAT_FLUSHES);
	cow = disk_stat("cow", STAT_FLUSHES);
	start = seconds();
	r = dm_resume("merge");
	while (!r && new_chunk && seconds() - start < 120) {
		sleep_ms(5);
		r = store_entry(disk_path("cow"), CHUNK, 0, 0, &old_chunk,
				&new_chunk);
	}
	if (r || new_chunk)
		return failed(what, r ? r : -ETIMEDOUT);
	printf("bench: %s_time %.3f s lower\n", what, seconds() - start);
	r = dm_remove("merge");
	if (r)
		return failed(what, r);
	printf("bench: %s_flushes_of_origin %lu flushes lower\n", what,
	       disk_stat("origin", STAT_FLUSHES) - origin);
	printf("bench: %s_flushes_of_COW %lu flushes lower\n", what,
	       disk_stat("cow", STAT_FLUSHES) - cow);
	remove_all();
	return 0;
}

int main(void)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-merge", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return measure("merge_scattered", true) ||
		measure("merge_sequential", false);
}
