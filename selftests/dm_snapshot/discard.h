/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For the tests of discards on a snapshot. Include after dm_snapshot_test.h.
 */
#ifndef _DISCARD_H
#define _DISCARD_H

#define CHUNKS		16U	/* of the origin */
#define NR		10U	/* of them that have an exception */

/* Neighbours on the COW device are none on the origin */
static const unsigned int chunks[NR] = { 0, 10, 1, 11, 2, 12, 3, 5, 6, 7 };

static inline int discard(const char *path, uint64_t sector, uint64_t nr)
{
	uint64_t range[2] = { sector * SECTOR, nr * SECTOR };
	int fd = open(path, O_RDWR | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, BLKDISCARD, range))
		r = -errno;
	close(fd);
	return r;
}

static inline int queue_attr(const char *path, const char *attr, unsigned long *value)
{
	char name[128], buf[32];
	int r;

	snprintf(name, sizeof(name), "/sys/block/%s/queue/%s",
		 strrchr(path, '/') + 1, attr);
	r = read_file(name, buf, sizeof(buf));
	*value = strtoul(buf, NULL, 0);
	return r;
}

/*
 * Sectors from @from to @to were discarded, and nothing else has changed.
 * @zeroed: whether the chunks in between must be zero
 */
static inline void check(struct __test_metadata *_metadata, const char *path,
			 unsigned int chunk, unsigned int from,
			 unsigned int to, bool zeroed, const char *when)
{
	bool has[CHUNKS] = {};
	unsigned int i;

	for (i = 0; i < NR; i++)
		has[chunks[i]] = true;
	for (i = 0; i < CHUNKS; i++) {
		unsigned int begin = i * chunk, end = begin + chunk;
		unsigned char tag = has[i] ? 'S' : 'O';

		if (from <= begin && end <= to) {
			if (has[i] && zeroed)
				expect_data(_metadata, path, begin, chunk, 0,
					    when);
			continue;
		}
		if (begin < from)
			expect_data(_metadata, path, begin,
				    (end < from ? end : from) - begin, tag,
				    when);
		if (end > to)
			expect_data(_metadata, path, begin > to ? begin : to,
				    end - (begin > to ? begin : to), tag, when);
	}
}

#endif /* _DISCARD_H */
