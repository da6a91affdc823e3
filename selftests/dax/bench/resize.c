// SPDX-License-Identifier: GPL-2.0
/*
 * What a small change of a large, clean file costs: if the whole file is
 * looked at for it, the more the larger the file is. And what it costs to
 * truncate all of it, where all entries have to go.
 */
#include "bench.h"

static int shrink(int fd, off_t size)
{
	return ftruncate(fd, size - PAGE);
}

static int truncate_all(int fd, off_t size)
{
	return ftruncate(fd, 0);
}

static int grow(int fd, off_t size)
{
	return ftruncate(fd, size + PAGE);
}

static int extend(int fd, off_t size)
{
	return fallocate(fd, 0, size, PMD);
}

static int punch(int fd, off_t size)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 size - PAGE, PAGE);
}

static int reflink_page(int fd, off_t size)
{
	struct file_clone_range range = {
		.src_fd = fd,
		.src_offset = size - PAGE,
		.src_length = PAGE,
	};
	int r, to = open(dax_path("clone"), O_RDWR | O_CREAT | O_CLOEXEC, 0666);

	if (to < 0)
		return -1;
	r = ioctl(to, FICLONERANGE, &range);
	close(to);
	return r;
}

static const struct {
	const char *name;
	int (*make)(int fd, off_t size);
	bool xfs_only;
} ops[] = {
	{ "shrink", shrink },
	{ "truncate", truncate_all },
	{ "grow", grow },
	{ "fallocate", extend },
	{ "punch", punch },
	{ "reflink", reflink_page, true },
};

static double measure(unsigned int op, unsigned int mib, bool mapped)
{
	off_t size = (off_t)mib << 20;
	double v[ROUNDS];
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		unsigned long long start;
		char *map = NULL;
		int fd;

		fd = dax_file("file", size, 'a');
		if (fd < 0)
			fail("cannot make a file");
		if (mapped) {
			/* One page an entry, as many as there can be */
			map = dax_map(fd, 0, size, PROT_READ, MAP_SHARED, PAGE);
			if (!map || madvise(map, size, MADV_POPULATE_READ))
				fail("cannot map");
		}
		start = now_ns();
		if (ops[op].make(fd, size))
			fail(ops[op].name);
		v[i] = now_ns() - start;
		if (map)
			munmap(map, size);
		close(fd);
		unlink(dax_path("clone"));
	}
	return median(v, ROUNDS);
}

int main(void)
{
	static const unsigned int sizes[] = { 2, 16, 64 };
	static const enum dax_fs fs[] = { DAX_EXT4, DAX_XFS };
	unsigned int f, op, s;

	dax_test_init(NULL);
	for (f = 0; f < 2; f++) {
		if (dax_mount(fs[f]))
			fail(dax_fs_name[fs[f]]);
		for (op = 0; op < sizeof(ops) / sizeof(*ops); op++) {
			if (ops[op].xfs_only && fs[f] == DAX_EXT4)
				continue;
			printf("bench: %s_%s_unmapped/MiB=16 %.0f ns lower\n",
			       dax_fs_name[fs[f]], ops[op].name,
			       measure(op, 16, false));
			for (s = 0; s < sizeof(sizes) / sizeof(*sizes); s++)
				printf("bench: %s_%s/MiB=%u %.0f ns lower\n",
				       dax_fs_name[fs[f]], ops[op].name, sizes[s],
				       measure(op, sizes[s], true));
		}
	}
	return 0;
}
