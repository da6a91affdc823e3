// SPDX-License-Identifier: GPL-2.0
/*
 * How the cost of truncate grows with what is mapped, page by page, by a factor
 * of 100: of a page at the end, and of all. And what memory the kernel takes
 * for the entries and the page tables.
 */
#include "bench.h"

static long used_kib(void)
{
	char line[128];
	long value, used = 0;
	FILE *f;

	/* What each processor has yet to add to the sums */
	write_file("/proc/sys/vm/stat_refresh", "1");
	f = fopen("/proc/meminfo", "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Slab: %ld", &value) == 1 ||
		    sscanf(line, "PageTables: %ld", &value) == 1)
			used += value;
	if (f)
		fclose(f);
	return used;
}

static void measure(enum dax_fs fs, unsigned int mib, bool all)
{
	off_t size = (off_t)mib << 20;
	double ns[ROUNDS], kib[ROUNDS];
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		int fd = dax_file("file", size, 'a');
		unsigned long long start;
		char *map;

		if (fd < 0)
			fail("cannot make a file");
		kib[i] = used_kib();
		map = dax_map(fd, 0, size, PROT_READ, MAP_SHARED, PAGE);
		if (!map || madvise(map, size, MADV_POPULATE_READ))
			fail("cannot map");
		kib[i] = used_kib() - kib[i];
		start = now_ns();
		if (ftruncate(fd, all ? 0 : size - PAGE))
			fail("ftruncate");
		ns[i] = now_ns() - start;
		munmap(map, size);
		close(fd);
	}
	printf("bench: %s_%s_by_size/MiB=%u %.0f ns lower\n", dax_fs_name[fs],
	       all ? "truncate" : "shrink", mib, median(ns, ROUNDS));
	if (all)
		printf("bench: %s_memory_of_mapping/MiB=%u %.0f KiB lower\n",
		       dax_fs_name[fs], mib, median(kib, ROUNDS));
}

int main(void)
{
	static const unsigned int sizes[] = { 1, 10, 100 };
	static const enum dax_fs fs[] = { DAX_EXT4, DAX_XFS };
	unsigned int f, s;

	dax_test_init(NULL);
	for (f = 0; f < 2; f++) {
		if (dax_mount(fs[f]))
			fail(dax_fs_name[fs[f]]);
		for (s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
			measure(fs[f], sizes[s], false);
			measure(fs[f], sizes[s], true);
		}
	}
	return 0;
}
