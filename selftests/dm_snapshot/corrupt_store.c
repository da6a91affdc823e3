// SPDX-License-Identifier: GPL-2.0
/*
 * A snapshot whose metadata on the COW device points to where no exception can
 * be must not be activated. With the bug, the data that is written to the
 * snapshot overwrites the metadata, or the kernel dies.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		8192U	/* of origin and COW device */
#define CHUNKS		(SIZE / CHUNK)
#define PER_AREA	(CHUNK * 512 / EXCEPTION_SIZE)
#define AREA(n)		(1 + (PER_AREA + 1) * (n))
#define NEW_CHUNK	200U	/* without an exception */

FIXTURE(corrupt_store) {
	struct snapshot_disks d;
};

FIXTURE_VARIANT(corrupt_store) {
	struct exception e[4];
	unsigned int nr;
	bool valid;
};

/* These pass with and without the bug */
FIXTURE_VARIANT_ADD(corrupt_store, first_and_last_chunks) {
	.e = { { 5, 2 }, { 6, AREA(1) - 1 }, { 7, AREA(1) + 1 },
	       { 8, CHUNKS - 1 } },
	.nr = 4, .valid = true,
};

FIXTURE_VARIANT_ADD(corrupt_store, consecutive_backwards) {
	.e = { { 8, 11 }, { 7, 10 }, { 6, 9 }, { 5, 8 } },
	.nr = 4, .valid = true,
};

/* As after the origin was made smaller */
FIXTURE_VARIANT_ADD(corrupt_store, behind_the_origin) {
	.e = { { 5, 2 }, { CHUNKS + 10, 3 }, { 6, 4 } },
	.nr = 3, .valid = true,
};

FIXTURE_VARIANT_ADD(corrupt_store, first_area) {
	.e = { { 5, AREA(0) } }, .nr = 1,
};

FIXTURE_VARIANT_ADD(corrupt_store, another_area) {
	.e = { { 6, 2 }, { 5, AREA(2) } }, .nr = 2,
};

FIXTURE_VARIANT_ADD(corrupt_store, behind_the_end) {
	.e = { { 5, CHUNKS } }, .nr = 1,
};

/* The sectors up to the next chunk are 2^64 + CHUNK */
FIXTURE_VARIANT_ADD(corrupt_store, allocation_wraps) {
	.e = { { 5, (1ULL << 61) - 1 } }, .nr = 1,
};

/* A kernel with the bug does not survive this: it has to be the last one */
FIXTURE_VARIANT_ADD(corrupt_store, number_of_chunks) {
	.e = { { 5, 0xffULL << 56 | 10 }, { 4, 9 } }, .nr = 2,
};

FIXTURE_SETUP(corrupt_store)
{
	/* What a test that was killed has left */
	remove_all();
	ASSERT_EQ(0, snapshot_disks_new(&self->d, SIZE));
	ASSERT_EQ(0, put(self->d.cow_disk, 0, SIZE, 'S'));
	ASSERT_EQ(0, store_write(self->d.cow_disk, CHUNK, SNAP_MAGIC,
				 variant->e, variant->nr));
}

FIXTURE_TEARDOWN(corrupt_store)
{
	remove_all();
}

static void expect_first_words(struct __test_metadata *_metadata,
			       const char *cow, uint64_t sector, uint64_t w0,
			       uint64_t w1, const char *what)
{
	uint64_t *p = io_buffer();
	bool same;

	ASSERT_EQ(0, do_io(cow, false, sector, 1));
	same = le64toh(p[0]) == w0 && le64toh(p[1]) == w1;
	EXPECT_TRUE(same) {
		TH_LOG("%s: %016llx %016llx, expected %016llx %016llx", what,
		       (unsigned long long)le64toh(p[0]),
		       (unsigned long long)le64toh(p[1]),
		       (unsigned long long)w0, (unsigned long long)w1);
	}
}

TEST_F(corrupt_store, activate)
{
	uint64_t *p = io_buffer();
	unsigned int i, j;
	int r;

	r = dm_new("snap", "0 %u snapshot %s %s P %u", SIZE, self->d.origin,
		   self->d.cow, CHUNK);
	if (!variant->valid) {
		EXPECT_EQ(-EINVAL, r)
			TH_LOG("chunk %llu on chunk %llu of %u was accepted: %d",
			       (unsigned long long)variant->e[variant->nr - 1].old_chunk,
			       (unsigned long long)variant->e[variant->nr - 1].new_chunk,
			       CHUNKS, r);
		/* What it does */
		for (i = 0; !r && i < variant->nr; i++)
			put(dm_path("snap"), variant->e[i].old_chunk * CHUNK,
			    CHUNK, 'W');
		if (!r)
			put(dm_path("snap"), NEW_CHUNK * CHUNK, CHUNK, 'W');
		expect_first_words(_metadata, self->d.cow_disk, 0,
				   1ULL << 32 | SNAP_MAGIC,
				   (uint64_t)CHUNK << 32 | SNAP_VERSION,
				   "header");
		expect_first_words(_metadata, self->d.cow_disk, CHUNK,
				   variant->e[0].old_chunk,
				   variant->e[0].new_chunk, "first area");
		return;
	}

	ASSERT_EQ(0, r);
	for (i = 0; i < variant->nr; i++) {
		if (variant->e[i].old_chunk >= CHUNKS)
			continue;
		ASSERT_EQ(0, do_io(dm_path("snap"), false,
				   variant->e[i].old_chunk * CHUNK, CHUNK));
		for (j = 0; j < CHUNK; j++)
			EXPECT_EQ(pattern('S', variant->e[i].new_chunk * CHUNK + j),
				  le64toh(p[j * 64]));
	}
	expect_data(_metadata, dm_path("snap"), 0, 5 * CHUNK, 'O', "before");
	expect_data(_metadata, dm_path("snap"), 9 * CHUNK, SIZE - 9 * CHUNK,
		    'O', "behind");
}

/*
 * A block of the origin that has two exceptions is not refused: see "Known and
 * left". Which one counts is not defined, but the others must not suffer.
 */
TEST(twice)
{
	static const struct exception e[] = { { 5, 2 }, { 6, 4 }, { 5, 3 } };
	uint64_t *p = io_buffer();
	struct snapshot_disks d;

	remove_all();
	ASSERT_EQ(0, snapshot_disks_new(&d, SIZE));
	ASSERT_EQ(0, put(d.cow_disk, 0, SIZE, 'S'));
	ASSERT_EQ(0, store_write(d.cow_disk, CHUNK, SNAP_MAGIC, e,
				 ARRAY_SIZE(e)));
	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s P %u", SIZE, d.origin,
			    d.cow, CHUNK));
	ASSERT_EQ(0, put(dm_path("snap"), 5 * CHUNK, CHUNK, 'W'));
	expect_data(_metadata, dm_path("snap"), 5 * CHUNK, CHUNK, 'W', "twice");
	ASSERT_EQ(0, dm_remove("snap"));
	ASSERT_EQ(0, dm_new("merge", "0 %u snapshot-merge %s %s P %u", SIZE,
			    d.origin, d.cow, CHUNK));
	EXPECT_TRUE(wait_merged(d.cow_disk, CHUNK, 10));
	ASSERT_EQ(0, dm_remove("merge"));
	expect_data(_metadata, d.origin, 0, 5 * CHUNK, 'O', "before");
	expect_data(_metadata, d.origin, 7 * CHUNK, SIZE - 7 * CHUNK, 'O',
		    "behind");
	ASSERT_EQ(0, do_io(d.origin, false, 5 * CHUNK, 2 * CHUNK));
	EXPECT_EQ(pattern('S', 4 * CHUNK), le64toh(p[CHUNK * 64]));
	TH_LOG("block 5 was written to and merged, and is %016llx",
	       (unsigned long long)le64toh(p[0]));
	remove_all();
}

/* The first thing that is allocated from it: a chunk larger than the device */
TEST(chunk_size)
{
	struct snapshot_disks d;
	uint32_t *header = io_buffer();

	remove_all();
	ASSERT_EQ(0, snapshot_disks_new(&d, SIZE));
	ASSERT_EQ(0, store_write(d.cow_disk, CHUNK, SNAP_MAGIC, NULL, 0));
	ASSERT_EQ(0, do_io(d.cow_disk, false, 0, 1));
	header[3] = htole32(SIZE);
	ASSERT_EQ(0, do_io(d.cow_disk, true, 0, 1));
	EXPECT_GT(0, dm_new("snap", "0 %u snapshot %s %s P %u", SIZE, d.origin,
			    d.cow, CHUNK));
	remove_all();
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-merge", "linear", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
