// SPDX-License-Identifier: GPL-2.0
/*
 * Change a part of a block that files share, and fsync() it. The file gets a new
 * block: all of its bytes have to be flushed to the persistence domain, those
 * that were copied from the old block too. They were durable before.
 *
 * Counted is what is passed to arch_wb_cache_pmem() from before the change until
 * fsync() has returned. What write(2) itself brings goes past the caches and is
 * not counted.
 */
#include "../kselftest_harness.h"
#include "dax_test.h"
#include "dax_poison.h"

#define SIZE	(4 * PMD)
#define LEN	100UL

FIXTURE(cow_flush)
{
	char *map;
	int fd, other;
};

FIXTURE_SETUP(cow_flush)
{
	self->fd = dax_one_file(DAX_XFS, SIZE, PROT_READ | PROT_WRITE, PAGE,
				&self->map);
	if (self->fd == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[DAX_XFS]);
	ASSERT_LE(0, self->fd);
	self->other = -1;
}

FIXTURE_TEARDOWN(cow_flush)
{
	munmap(self->map, SIZE);
	close(self->fd);
	close(self->other);
	EXPECT_EQ(0, poison_undo());
}

static void share(struct __test_metadata *_metadata, int fd, int *other)
{
	*other = dax_reflink("other", fd);
	ASSERT_LE(0, *other);
	ASSERT_EQ(0, fsync(fd));
	ASSERT_EQ(0, record_flushes());
}

/*
 * All of the block at @pos but @len bytes from @skip on were copied, and have
 * their old values and are flushed.
 */
static void check(struct __test_metadata *_metadata, const char *what, int fd,
		  const char *map, unsigned long pos, unsigned long skip,
		  unsigned long len)
{
	unsigned long start = pos & ~(PAGE - 1), head = skip, end = skip + len;
	uint64_t words[PAGE / sizeof(uint64_t)], pfn;
	unsigned long i, wrong = 0;
	long n[2];

	dax_touch(map + start);
	pfn = page_frame(map + start);
	ASSERT_NE(0, pfn);
	n[0] = flushed(pfn, 0, head);
	n[1] = flushed(pfn, end, PAGE - end);
	ASSERT_LE(0, n[0]);
	ASSERT_LE(0, n[1]);
	EXPECT_EQ(PAGE - len, n[0] + n[1])
		TH_LOG("%s: %ld of the %lu copied bytes were flushed", what,
		       n[0] + n[1], PAGE - len);

	ASSERT_EQ(PAGE, pread(fd, words, PAGE, start));
	for (i = 0; i < PAGE / sizeof(*words); i++) {
		if ((i + 1) * sizeof(*words) > head && i * sizeof(*words) < end)
			continue;
		wrong += words[i] != dax_word('a', start + i * sizeof(*words));
	}
	EXPECT_EQ(0, wrong)
		TH_LOG("%s: %lu copied words differ", what, wrong);
}

/* Both edges are in one block */
TEST_F(cow_flush, write_inside)
{
	char buf[LEN] = {};

	share(_metadata, self->fd, &self->other);
	ASSERT_EQ(LEN, pwrite(self->fd, buf, LEN, PAGE + 1000));
	ASSERT_EQ(0, fsync(self->fd));
	check(_metadata, "write of 100 bytes", self->fd, self->map, PAGE, 1000,
	      LEN);
}

/* The head of one block and the tail of another */
TEST_F(cow_flush, write_across)
{
	static char buf[3 * PAGE];

	share(_metadata, self->fd, &self->other);
	ASSERT_EQ(2 * PAGE, pwrite(self->fd, buf, 2 * PAGE, PAGE + 1000));
	ASSERT_EQ(0, fsync(self->fd));
	check(_metadata, "head of a write of 8192 bytes", self->fd, self->map,
	      PAGE, 1000, PAGE - 1000);
	ASSERT_EQ(0, record_flushes());
	ASSERT_EQ(2 * PAGE, pwrite(self->fd, buf, 2 * PAGE, 5 * PAGE + 1000));
	ASSERT_EQ(0, fsync(self->fd));
	check(_metadata, "tail of a write of 8192 bytes", self->fd, self->map,
	      7 * PAGE, 0, 1000);
}

TEST_F(cow_flush, unshare)
{
	share(_metadata, self->fd, &self->other);
	ASSERT_EQ(0, fallocate(self->fd, FALLOC_FL_UNSHARE_RANGE, 3 * PAGE,
			       PAGE));
	ASSERT_EQ(0, fsync(self->fd));
	check(_metadata, "unshare", self->fd, self->map, 3 * PAGE, 0, 0);
}

TEST_F(cow_flush, zero_range)
{
	share(_metadata, self->fd, &self->other);
	ASSERT_EQ(0, fallocate(self->fd, FALLOC_FL_ZERO_RANGE, PAGE + 1000,
			       LEN));
	ASSERT_EQ(0, fsync(self->fd));
	check(_metadata, "zero range", self->fd, self->map, PAGE, 1000, LEN);
}

TEST_F(cow_flush, truncate)
{
	unsigned long at = 1000;
	uint64_t pfn;
	long n;

	share(_metadata, self->fd, &self->other);
	ASSERT_EQ(0, ftruncate(self->fd, PMD + at));
	ASSERT_EQ(0, fsync(self->fd));
	dax_touch(self->map + PMD);
	pfn = page_frame(self->map + PMD);
	n = flushed(pfn, 0, PAGE);
	EXPECT_EQ(PAGE, n)
		TH_LOG("truncate of a shared block: %ld of 4096 bytes were flushed",
		       n);
	EXPECT_EQ(0, dax_differ(self->map + PMD, PMD, at, 'a'));
}

/* What always worked */
TEST_F(cow_flush, truncate_not_shared)
{
	unsigned long at = 1000;
	uint64_t pfn;
	long n;

	ASSERT_EQ(0, fsync(self->fd));
	ASSERT_EQ(0, record_flushes());
	ASSERT_EQ(0, ftruncate(self->fd, PMD + at));
	ASSERT_EQ(0, fsync(self->fd));
	dax_touch(self->map + PMD);
	pfn = page_frame(self->map + PMD);
	n = flushed(pfn, at, PAGE - at);
	EXPECT_EQ(PAGE - at, n)
		TH_LOG("truncate of a block of its own: %ld of %lu bytes were flushed",
		       n, PAGE - at);
}

TEST_F(cow_flush, write_fault)
{
	share(_metadata, self->fd, &self->other);
	dax_dirty(self->map + PAGE + 1000);
	ASSERT_EQ(0, fsync(self->fd));
	check(_metadata, "write fault", self->fd, self->map, PAGE, 1000, 8);
}

/* With MAP_SYNC, the program that writes need not call fsync() */
TEST_F(cow_flush, sync_write_fault)
{
	uint64_t pfn;
	char *map;
	long n;

	share(_metadata, self->fd, &self->other);
	map = dax_map(self->fd, 0, PMD, PROT_READ | PROT_WRITE,
		      MAP_SHARED_VALIDATE | MAP_SYNC, PAGE);
	if (!map)
		SKIP(return, "no MAP_SYNC: %s", strerror(errno));
	dax_dirty(map + PAGE + 1000);
	pfn = page_frame(map + PAGE);
	n = flushed(pfn, 0, PAGE);
	EXPECT_EQ(PAGE, n)
		TH_LOG("write fault with MAP_SYNC: %ld of the 4096 copied bytes were flushed",
		       n);
	munmap(map, PMD);
}

int main(int argc, char **argv)
{
	dax_poison_init();
	return test_harness_run(argc, argv);
}
