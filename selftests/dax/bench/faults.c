// SPDX-License-Identifier: GPL-2.0
/*
 * What faults cost, what a process that has a file mapped pays when another
 * part of the file changes, and what it costs to delete all entries of a file.
 */
#include "bench.h"

#define SIZE		(32UL << 20)
#define HOT		(16UL << 20)	/* what is mapped */

/* Touch @size bytes page by page. Return: ns; the faults go to *@count */
static double touch(char *map, size_t size, size_t step, bool dirty, long *count)
{
	unsigned long long start;
	size_t pos;
	long before;

	before = minor_faults();
	start = now_ns();
	for (pos = 0; pos < size; pos += step) {
		if (dirty)
			dax_dirty(map + pos);
		else
			dax_touch(map + pos);
	}
	start = now_ns() - start;
	if (count)
		*count = minor_faults() - before;
	return start;
}

static char *map_hot(int fd, unsigned long skew)
{
	char *map = dax_map(fd, 0, HOT, PROT_READ | PROT_WRITE, MAP_SHARED, skew);

	if (!map)
		fail("mmap");
	/* One page a fault */
	madvise(map, HOT, MADV_RANDOM);
	return map;
}

/* Faults of a new file: read or write, by pages or by PMDs, shared or not */
static void faults(enum dax_fs fs, unsigned long skew, bool dirty, bool shared)
{
	size_t step = skew ? PAGE : PMD;
	double v[ROUNDS];
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		int fd = dax_file("file", HOT, 'a'), clone = -1;
		char *map;

		if (fd < 0)
			fail("cannot make a file");
		if (shared) {
			clone = dax_reflink("clone", fd);
			if (clone < 0)
				fail("reflink");
		}
		map = map_hot(fd, skew);
		v[i] = touch(map, HOT, step, dirty, NULL) / (HOT / step);
		munmap(map, HOT);
		close(fd);
		if (shared)
			close(clone);
	}
	printf("bench: %s_%s%s_%s %.1f ns/fault lower\n", dax_fs_name[fs],
	       shared ? "shared_" : "", dirty ? "write" : "read",
	       skew ? "pte" : "pmd", median(v, ROUNDS));
}

/* A page at the end of the file goes: what does the hot part cost then? */
static void refault(enum dax_fs fs, unsigned long skew)
{
	double v[ROUNDS];
	unsigned int i;
	long n = 0;

	for (i = 0; i < ROUNDS; i++) {
		int fd = dax_file("file", SIZE, 'a');
		char *map;

		if (fd < 0)
			fail("cannot make a file");
		map = map_hot(fd, skew);
		touch(map, HOT, PAGE, false, NULL);
		if (ftruncate(fd, SIZE - PAGE))
			fail("ftruncate");
		v[i] = touch(map, HOT, PAGE, false, &n);
		munmap(map, HOT);
		close(fd);
	}
	printf("bench: %s_hot_%s_faults %ld faults lower\n", dax_fs_name[fs],
	       skew ? "pte" : "pmd", n);
	printf("bench: %s_hot_%s_time %.0f ns lower\n", dax_fs_name[fs],
	       skew ? "pte" : "pmd", median(v, ROUNDS));
}

/* Truncate to nothing, and fsync of what was written, per page */
static void delete(enum dax_fs fs)
{
	double del[ROUNDS], sync[ROUNDS];
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		int fd = dax_file("file", HOT, 'a');
		unsigned long long start;
		char *map;

		if (fd < 0)
			fail("cannot make a file");
		map = map_hot(fd, PAGE);
		touch(map, HOT, PAGE, true, NULL);
		start = now_ns();
		if (fsync(fd))
			fail("fsync");
		sync[i] = (now_ns() - start) / (double)(HOT / PAGE);
		munmap(map, HOT);
		start = now_ns();
		if (ftruncate(fd, 0))
			fail("ftruncate");
		del[i] = (now_ns() - start) / (double)(HOT / PAGE);
		close(fd);
	}
	printf("bench: %s_fsync %.1f ns/page lower\n", dax_fs_name[fs],
	       median(sync, ROUNDS));
	printf("bench: %s_delete %.1f ns/page lower\n", dax_fs_name[fs],
	       median(del, ROUNDS));
}

int main(void)
{
	static const enum dax_fs fs[] = { DAX_EXT4, DAX_XFS };
	unsigned int f;

	dax_test_init(NULL);
	for (f = 0; f < 2; f++) {
		if (dax_mount(fs[f]))
			fail(dax_fs_name[fs[f]]);
		faults(fs[f], PAGE, false, false);
		faults(fs[f], PAGE, true, false);
		faults(fs[f], 0, false, false);
		faults(fs[f], 0, true, false);
		if (fs[f] == DAX_XFS) {
			faults(fs[f], PAGE, false, true);
			faults(fs[f], PAGE, true, true);
		}
		refault(fs[f], PAGE);
		refault(fs[f], 0);
		delete(fs[f]);
	}
	return 0;
}
