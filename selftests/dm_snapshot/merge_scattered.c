// SPDX-License-Identifier: GPL-2.0
/*
 * snapshot-merge of chunks that do not follow each other. It takes one flush
 * of the origin and one of the COW device for many of them, and stays right
 * when a copy fails, when there are writes to what is being merged, and when
 * there is another snapshot of the origin.
 */
#include "../kselftest_harness.h"
#include <pthread.h>
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define PER_AREA	(CHUNK * 512 / EXCEPTION_SIZE)
#define AREAS		16U
#define NR		(AREAS * PER_AREA)	/* chunks with an exception */
#define ORIGIN		(2 * NR * CHUNK)
#define COW		((NR + AREAS + 2) * CHUNK)
#define MAX_FLUSHES	64
#define SUSPENDS	6U

FIXTURE(merge_scattered) {
	char origin_disk[64];
	char cow_disk[64];
	char origin[64];
	char want[ORIGIN / CHUNK];
};

/* A different chunk for each @i, no two in a row */
static unsigned int chunk_of(unsigned int i)
{
	return i * 2531 % NR * 2 + 1;
}

/* A disk with a write cache, so that it gets flushes */
static int cached_disk_new(const char *name, unsigned long megabytes)
{
	int r = disk_prepare(name, megabytes);

	if (!r)
		r = disk_set(name, "cache_size", "64");
	return r ? r : disk_on(name);
}

/* A COW device that has the exceptions 0 to @nr of chunk_of(), with 'S' */
static int fill_cow(const char *path, unsigned int nr)
{
	uint64_t *area = io_buffer(), *data = area + CHUNK * 64;
	unsigned int i, j, n, e;
	uint64_t next = 1;
	int r;

	r = store_write(path, CHUNK, SNAP_MAGIC, NULL, 0);
	for (e = 0; !r && e <= nr; e += PER_AREA) {
		n = nr - e < PER_AREA ? nr - e : PER_AREA;
		memset(area, 0, CHUNK * SECTOR);
		for (i = 0; i < n; i++) {
			area[2 * i] = htole64(chunk_of(e + i));
			area[2 * i + 1] = htole64(next + 1 + i);
		}
		r = do_io(path, true, next++ * CHUNK, CHUNK);
		for (i = 0; !r && i < n; i++, next++) {
			for (j = 0; j < CHUNK * 64; j++)
				data[j] = htole64(pattern('S',
					chunk_of(e + i) * CHUNK + j / 64));
			memcpy(area, data, CHUNK * SECTOR);
			r = do_io(path, true, next * CHUNK, CHUNK);
		}
	}
	return r;
}

FIXTURE_SETUP(merge_scattered)
{
	/* What a test that was killed has left */
	remove_all();
	strcpy(self->origin_disk, disk_path("origin"));
	strcpy(self->cow_disk, disk_path("cow"));
	ASSERT_EQ(0, cached_disk_new("origin", ORIGIN / 2048));
	ASSERT_EQ(0, cached_disk_new("cow", COW / 2048 + 1));
	ASSERT_EQ(0, put(self->origin_disk, 0, ORIGIN, 'O'));
	memset(self->want, 'O', sizeof(self->want));
	ASSERT_EQ(0, dm_new("origin", "0 %u linear %s 0", ORIGIN,
			    self->origin_disk));
	strcpy(self->origin, dm_path("origin"));
}

FIXTURE_TEARDOWN(merge_scattered)
{
	remove_all();
}

static void fill(struct __test_metadata *_metadata,
		 FIXTURE_DATA(merge_scattered) *self, unsigned int nr)
{
	unsigned int i;

	ASSERT_EQ(0, fill_cow(self->cow_disk, nr));
	for (i = 0; i < nr; i++)
		self->want[chunk_of(i)] = 'S';
	ASSERT_EQ(0, dm_create("merge"));
	ASSERT_EQ(0, dm_load("merge", "0 %u snapshot-merge %s %s P %u", ORIGIN,
			     self->origin, self->cow_disk, CHUNK));
}

static void expect_chunks(struct __test_metadata *_metadata,
			  FIXTURE_DATA(merge_scattered) *self,
			  const char *path, const char *what)
{
	unsigned int i, n, wrong = 0, first = 0;
	uint64_t *p = io_buffer(), s;

	for (i = 0; i < ORIGIN / CHUNK; i += MAX_IO / SECTOR / CHUNK) {
		ASSERT_EQ(0, do_io(path, false, i * CHUNK, MAX_IO / SECTOR));
		for (n = 0; n < MAX_IO / SECTOR; n++) {
			s = i * CHUNK + n;
			if (p[n * 64] == htole64(pattern(self->want[s / CHUNK],
							 s)))
				continue;
			if (!wrong++)
				first = s;
		}
	}
	EXPECT_EQ(0, wrong) {
		ASSERT_EQ(0, do_io(path, false, first, 1));
		TH_LOG("%s: %u sectors differ, sector %u has '%c', expected '%c'",
		       what, wrong, first, (char)(le64toh(p[0]) >> 56),
		       self->want[first / CHUNK]);
	}
}

static void expect_merged(struct __test_metadata *_metadata,
			  FIXTURE_DATA(merge_scattered) *self)
{
	EXPECT_TRUE(wait_merged(self->cow_disk, CHUNK, 40)) {
		TH_LOG("not merged, status '%s'", dm_status("merge"));
	}
	ASSERT_EQ(0, dm_remove("merge"));
	expect_chunks(_metadata, self, self->origin, "merged origin");
}

TEST_F(merge_scattered, flushes)
{
	unsigned int origin, cow;
	unsigned long long ms;

	fill(_metadata, self, NR);
	origin = disk_stat("origin", STAT_FLUSHES);
	cow = disk_stat("cow", STAT_FLUSHES);
	ms = now_ms();
	ASSERT_EQ(0, dm_resume("merge"));
	expect_merged(_metadata, self);
	ms = now_ms() - ms;
	origin = disk_stat("origin", STAT_FLUSHES) - origin;
	cow = disk_stat("cow", STAT_FLUSHES) - cow;
	TH_LOG("%u chunks in %llu ms: %u flushes of the origin, %u of the COW device",
	       NR, ms, origin, cow);
	/* None would be wrong, too */
	EXPECT_LT(0, origin);
	EXPECT_LT(0, cow);
	EXPECT_GE(MAX_FLUSHES, origin);
	EXPECT_GE(MAX_FLUSHES, cow);
}

/* The last area, and a part of the one before: all of it or nothing */
TEST_F(merge_scattered, copy_error)
{
	unsigned int nr = PER_AREA + 40, bad = chunk_of(nr - 20) * CHUNK;
	uint64_t old_chunk, new_chunk;

	fill(_metadata, self, nr);
	ASSERT_EQ(0, dm_reload("origin",
			       "0 %u linear %s 0\n%u %u error\n%u %u linear %s %u",
			       bad, self->origin_disk, bad, CHUNK, bad + CHUNK,
			       ORIGIN - bad - CHUNK, self->origin_disk,
			       bad + CHUNK));
	ASSERT_EQ(0, dm_resume("merge"));
	ASSERT_TRUE(wait_status("merge", "Merge failed", 10)) {
		TH_LOG("status '%s', expected 'Merge failed'",
		       dm_status("merge"));
	}
	ASSERT_EQ(0, store_entry(self->cow_disk, CHUNK, 1, 20, &old_chunk,
				 &new_chunk));
	EXPECT_EQ(chunk_of(nr - 20), old_chunk);
	/* What has an exception still goes there, copied or not */
	ASSERT_EQ(0, put(dm_path("merge"), chunk_of(nr - 1) * CHUNK, CHUNK,
			 'N'));
	ASSERT_EQ(0, put(dm_path("merge"), chunk_of(0) * CHUNK, CHUNK, 'N'));
	self->want[chunk_of(nr - 1)] = 'N';
	self->want[chunk_of(0)] = 'N';

	ASSERT_EQ(0, dm_reload("origin", "0 %u linear %s 0", ORIGIN,
			       self->origin_disk));
	expect_chunks(_metadata, self, dm_path("merge"), "after the error");
	ASSERT_EQ(0, dm_suspend("merge"));
	ASSERT_EQ(0, dm_resume("merge"));
	expect_merged(_metadata, self);
}

/* The merge makes the exceptions of the other snapshot first */
TEST_F(merge_scattered, other_snapshot)
{
	ASSERT_EQ(0, disk_new("other", 8, 0));
	ASSERT_EQ(0, dm_new("other", "0 %u snapshot %s %s N %u", ORIGIN,
			    self->origin, disk_path("other"), CHUNK));
	fill(_metadata, self, 3 * PER_AREA / 2);
	ASSERT_EQ(0, dm_resume("merge"));
	expect_merged(_metadata, self);
	memset(self->want, 'O', sizeof(self->want));
	expect_chunks(_metadata, self, dm_path("other"), "other snapshot");
}

struct writer {
	pthread_t thread;
	char path[64];
	void *buf;
	unsigned int first;
	int r;
};

#define WRITERS	8U

static void *write_chunks(void *arg)
{
	struct writer *w = arg;
	unsigned int i, j;
	int fd = open(w->path, O_WRONLY | O_DIRECT | O_CLOEXEC);
	uint64_t *p = w->buf, s;

	if (fd < 0)
		w->r = -errno;
	/* The last ones come first, as in the merge */
	for (i = 0; i < PER_AREA && !w->r; i += WRITERS) {
		s = (uint64_t)chunk_of(2 * PER_AREA - 1 - w->first - i) * CHUNK;
		for (j = 0; j < CHUNK * 64; j++)
			p[j] = htole64(pattern('N', s + j / 64));
		if (pwrite(fd, p, CHUNK * SECTOR, s * SECTOR) !=
		    (ssize_t)(CHUNK * SECTOR))
			w->r = -errno;
	}
	if (fd >= 0)
		close(fd);
	return NULL;
}

/* Writes to what is being merged, and what is to be merged */
TEST_F(merge_scattered, writes)
{
	struct writer w[WRITERS] = {};
	unsigned int i;

	fill(_metadata, self, 2 * PER_AREA);
	ASSERT_EQ(0, dm_reload("origin", "0 %u delay %s 0 5", ORIGIN,
			       self->origin_disk));
	ASSERT_EQ(0, dm_resume("merge"));
	for (i = 0; i < WRITERS; i++) {
		w[i].first = i;
		strcpy(w[i].path, dm_path("merge"));
		ASSERT_EQ(0, posix_memalign(&w[i].buf, 4096, CHUNK * SECTOR));
		ASSERT_EQ(0, pthread_create(&w[i].thread, NULL, write_chunks,
					    &w[i]));
	}
	for (i = 0; i < WRITERS; i++) {
		ASSERT_EQ(0, pthread_join(w[i].thread, NULL));
		EXPECT_EQ(0, w[i].r);
		free(w[i].buf);
	}
	for (i = PER_AREA; i < 2 * PER_AREA; i++)
		self->want[chunk_of(i)] = 'N';
	expect_chunks(_metadata, self, dm_path("merge"), "while it is merged");
	expect_merged(_metadata, self);
}

/* The merge is stopped again and again. With and without the bug, it ends */
TEST_F(merge_scattered, suspend)
{
	unsigned int i;

	fill(_metadata, self, 2 * PER_AREA);
	ASSERT_EQ(0, dm_reload("origin", "0 %u delay %s 0 5", ORIGIN,
			       self->origin_disk));
	ASSERT_EQ(0, dm_resume("merge"));
	for (i = 0; i < SUSPENDS; i++) {
		ASSERT_EQ(0, put(dm_path("merge"), chunk_of(i) * CHUNK, CHUNK,
				 'N'));
		self->want[chunk_of(i)] = 'N';
		ASSERT_EQ(0, dm_suspend("merge"));
		ASSERT_EQ(0, dm_resume("merge"));
	}
	expect_chunks(_metadata, self, dm_path("merge"), "while it is merged");
	expect_merged(_metadata, self);
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-merge", "linear", "error", "delay", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
