// SPDX-License-Identifier: GPL-2.0
/*
 * snapshot-merge copies chunks that are consecutive on the origin and on the
 * COW device in one go. The run of chunks here has more than 2^32 sectors,
 * most of which are dm-zero's.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		32768ULL
#define DATA		2048ULL	/* the sectors of the last chunk that are kept */
#define META		(2 * CHUNK)	/* header and one area */
#define BUFIO		"/sys/module/dm_bufio/parameters/max_cache_size_bytes"

static char bufio_old[32];

static void restore_bufio(void)
{
	if (bufio_old[0])
		write_file(BUFIO, bufio_old);
}

FIXTURE(merge_long_run) {
	char origin[64];
	char cow[64];
	unsigned long long size;	/* of the origin */
	unsigned long long cow_size;
	unsigned long long last;	/* the first sector of its last chunk */
};

FIXTURE_VARIANT(merge_long_run) {
	unsigned int nr;		/* of chunks, all of them in the run */
};

/* This passes with and without the bug */
FIXTURE_VARIANT_ADD(merge_long_run, three_chunks) {
	.nr = 3,
};

FIXTURE_VARIANT_ADD(merge_long_run, two_tib_and_one_chunk) {
	.nr = (1ULL << 32) / CHUNK + 1,
};

static int write_store(const char *path, unsigned int nr)
{
	uint32_t *header = io_buffer();
	uint64_t *entry = io_buffer();
	unsigned int i, n, per_io = MAX_IO / EXCEPTION_SIZE;
	int r;

	memset(header, 0, SECTOR);
	header[0] = htole32(0x70416e53);
	header[1] = htole32(1);
	header[2] = htole32(1);
	header[3] = htole32(CHUNK);
	r = do_io(path, true, 0, 1);
	for (n = 0; !r && n < CHUNK * SECTOR / EXCEPTION_SIZE; n += per_io) {
		memset(entry, 0, MAX_IO);
		for (i = 0; i < per_io && n + i < nr; i++) {
			entry[2 * i] = htole64(n + i);
			entry[2 * i + 1] = htole64(n + i + 2);
		}
		r = do_io(path, true, CHUNK + n * EXCEPTION_SIZE / SECTOR,
			  MAX_IO / SECTOR);
	}
	return r;
}

FIXTURE_SETUP(merge_long_run)
{
	unsigned long long cow_last;

	/* What a test that was killed has left */
	remove_all();
	self->last = (variant->nr - 1) * CHUNK;
	self->size = variant->nr * CHUNK;
	self->cow_size = META + self->size;
	cow_last = META + self->last;

	ASSERT_EQ(0, disk_new("origin", 1, 0));
	ASSERT_EQ(0, disk_new("cow", 40, 0));
	ASSERT_EQ(0, dm_new("origin", "0 %llu zero\n%llu %llu linear %s 0\n%llu %llu zero",
			    self->last, self->last, DATA, disk_path("origin"),
			    self->last + DATA, CHUNK - DATA));
	ASSERT_EQ(0, dm_new("cow", "0 %llu linear %s 0\n%llu %llu zero\n%llu %llu linear %s %llu\n%llu %llu zero",
			    META, disk_path("cow"), META, self->last,
			    cow_last, DATA, disk_path("cow"), META,
			    cow_last + DATA, CHUNK - DATA));
	strcpy(self->origin, dm_path("origin"));
	strcpy(self->cow, dm_path("cow"));
	ASSERT_EQ(0, put(self->origin, self->last, DATA, 'O'));
	ASSERT_EQ(0, write_store(self->cow, variant->nr));

	/* Where the snapshot has its last chunk, so that the pattern fits */
	ASSERT_EQ(0, dm_new("tail", "0 %llu zero\n%llu %llu linear %s %llu",
			    self->last, self->last, DATA, disk_path("cow"),
			    META));
	ASSERT_EQ(0, put(dm_path("tail"), self->last, DATA, 'S'));
	ASSERT_EQ(0, dm_remove("tail"));
}

FIXTURE_TEARDOWN(merge_long_run)
{
	remove_all();
}

TEST_F_TIMEOUT(merge_long_run, merge, 60)
{
	char before[256], done[64];
	unsigned int i;

	snprintf(done, sizeof(done), "%llu/%llu %llu", META, self->cow_size,
		 META);
	ASSERT_EQ(0, dm_create("merge"));
	ASSERT_EQ(0, dm_load("merge", "0 %llu snapshot-merge %s %s P %llu",
			     self->size, self->origin, self->cow, CHUNK));
	snprintf(before, sizeof(before), "%llu/%llu %llu",
		 META + self->size, self->cow_size, META);

	/* Chunks leave the COW device after they were copied, last one first */
	ASSERT_EQ(0, dm_resume("merge"));
	for (i = 0; i < 800 && !strcmp(dm_status("merge"), before); i++)
		sleep_ms(50);
	TH_LOG("status was '%s', is '%s', expected in the end '%s'", before,
	       dm_status("merge"), done);
	ASSERT_STRNE(before, dm_status("merge"));
	expect_data(_metadata, self->origin, self->last, DATA, 'S',
		    "the last chunk, which is not on the COW device any more");
	if (variant->nr < 1000) {
		EXPECT_TRUE(wait_status("merge", done, 10));
	} else {
		EXPECT_STRNE(done, dm_status("merge"));
	}

	/* This has to wait for the copy that is going on */
	ASSERT_EQ(0, dm_remove("merge"));
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-merge", "linear", "zero", NULL
	};

	dm_snapshot_test_init(restore_bufio, targets);
	/*
	 * 1 means to do with the buffer that is reserved. Otherwise dm-bufio
	 * has several of them, and each is as large as a chunk.
	 */
	if (!read_file(BUFIO, bufio_old, sizeof(bufio_old)))
		write_file(BUFIO, "1");
	return test_harness_run(argc, argv);
}
