// SPDX-License-Identifier: GPL-2.0
/*
 * A discard on a snapshot with "discard_zeroes_cow" zeroes the chunks that it
 * covers, on the COW device. It may change nothing outside of what was
 * discarded, wherever it begins and ends.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"
#include "discard.h"

#define SMALL_CHUNK	8U	/* of a page */

FIXTURE(discard_zeroes_cow) {
	char origin[64];
	char cow[64];
	unsigned int size;
	unsigned int chunk;
};

FIXTURE_VARIANT(discard_zeroes_cow) {
	unsigned int chunk;
	const char *features;
};

/* Larger than 256 first: with the others, an unpatched kernel may oops */
FIXTURE_VARIANT_ADD(discard_zeroes_cow, chunk_512k) {
	.chunk = 1024, .features = "1 discard_zeroes_cow",
};

FIXTURE_VARIANT_ADD(discard_zeroes_cow, chunk_512k_passdown) {
	.chunk = 1024,
	.features = "2 discard_zeroes_cow discard_passdown_origin",
};

FIXTURE_VARIANT_ADD(discard_zeroes_cow, chunk_64k) {
	.chunk = 128, .features = "1 discard_zeroes_cow",
};

FIXTURE_VARIANT_ADD(discard_zeroes_cow, chunk_4k) {
	.chunk = 8, .features = "1 discard_zeroes_cow",
};

static int activate(FIXTURE_DATA(discard_zeroes_cow) *self,
		    const FIXTURE_VARIANT(discard_zeroes_cow) *variant)
{
	return dm_new("snap", "0 %u snapshot %s %s P %u %s", self->size,
		      self->origin, self->cow, self->chunk, variant->features);
}

FIXTURE_SETUP(discard_zeroes_cow)
{
	unsigned int i;

	/* What a test that was killed has left */
	remove_all();
	self->chunk = variant->chunk;
	self->size = CHUNKS * self->chunk;
	strcpy(self->origin, disk_path("origin"));
	strcpy(self->cow, disk_path("cow"));
	ASSERT_EQ(0, disk_new("origin", 8, 1));
	ASSERT_EQ(0, disk_new("cow", 16, 1));
	ASSERT_EQ(0, put(self->origin, 0, self->size, 'O'));
	TH_LOG("create a snapshot with chunks of %u sectors", self->chunk);
	ASSERT_EQ(0, activate(self, variant));
	for (i = 0; i < NR; i++)
		ASSERT_EQ(0, put(dm_path("snap"), chunks[i] * self->chunk,
				 self->chunk, 'S'));
}

FIXTURE_TEARDOWN(discard_zeroes_cow)
{
	remove_all();
}

static void discard_and_check(struct __test_metadata *_metadata,
			      FIXTURE_DATA(discard_zeroes_cow) *self,
			      const FIXTURE_VARIANT(discard_zeroes_cow) *variant,
			      unsigned int from, unsigned int to)
{
	char when[80];
	int r;

	snprintf(when, sizeof(when), "sectors %u to %u discarded", from, to);
	r = discard(dm_path("snap"), from, to - from);
	ASSERT_EQ(0, r)
		TH_LOG("BLKDISCARD: %s", strerror(-r));
	check(_metadata, dm_path("snap"), self->chunk, from, to, true, when);

	/* And on the disk */
	ASSERT_EQ(0, dm_remove("snap"));
	ASSERT_EQ(0, activate(self, variant));
	strcat(when, ", activated again");
	check(_metadata, dm_path("snap"), self->chunk, from, to, true, when);
}

/* These pass with and without the bug, if there is no oops */
TEST_F(discard_zeroes_cow, one_chunk)
{
	discard_and_check(_metadata, self, variant, self->chunk,
			  2 * self->chunk);
}

TEST_F(discard_zeroes_cow, part_of_a_chunk)
{
	discard_and_check(_metadata, self, variant, self->chunk + 1,
			  2 * self->chunk - 1);
}

TEST_F(discard_zeroes_cow, whole_chunks)
{
	discard_and_check(_metadata, self, variant, 0, 4 * self->chunk);
}

/* As long as a chunk, but in two of them */
TEST_F(discard_zeroes_cow, unaligned)
{
	discard_and_check(_metadata, self, variant, self->chunk / 2,
			  self->chunk / 2 + self->chunk);
}

TEST_F(discard_zeroes_cow, short_across_chunks)
{
	discard_and_check(_metadata, self, variant, self->chunk - 2,
			  self->chunk + 2);
}

TEST_F(discard_zeroes_cow, unaligned_whole_device)
{
	discard_and_check(_metadata, self, variant, 1, self->size - 1);
}

TEST_F(discard_zeroes_cow, limits)
{
	unsigned long value;

	ASSERT_EQ(0, queue_attr(dm_path("snap"), "discard_granularity",
				&value));
	EXPECT_EQ(self->chunk * SECTOR, value) {
		TH_LOG("discard_granularity is %lu, expected %llu", value,
		       self->chunk * SECTOR);
	}
	ASSERT_EQ(0, queue_attr(dm_path("snap"), "discard_max_bytes",
				&value));
	EXPECT_EQ(self->chunk * SECTOR, value) {
		TH_LOG("discard_max_bytes is %lu, expected %llu", value,
		       self->chunk * SECTOR);
	}
}

/* Each start with each end: every alignment, and over up to three chunks */
FIXTURE(discard_alignment) {
	unsigned int unused;
};

FIXTURE_SETUP(discard_alignment)
{
	remove_all();
	ASSERT_EQ(0, disk_new("origin", 1, 1));
	ASSERT_EQ(0, disk_new("cow", 1, 1));
	ASSERT_EQ(0, put(disk_path("origin"), 0, CHUNKS * SMALL_CHUNK, 'O'));
	ASSERT_EQ(0, dm_new("snap",
			    "0 %u snapshot %s %s P %u 1 discard_zeroes_cow",
			    CHUNKS * SMALL_CHUNK, disk_path("origin"),
			    disk_path("cow"), SMALL_CHUNK));
}

FIXTURE_TEARDOWN(discard_alignment)
{
	remove_all();
}

/* Like check(), with one read */
static unsigned int wrong_sectors(unsigned int from, unsigned int to)
{
	unsigned int i, s, begin, wrong = 0;
	uint64_t *p = io_buffer(), want;
	bool has[CHUNKS] = {};

	for (i = 0; i < NR; i++)
		has[chunks[i]] = true;
	if (do_io(dm_path("snap"), false, 0, CHUNKS * SMALL_CHUNK))
		return CHUNKS * SMALL_CHUNK;
	for (s = 0; s < CHUNKS * SMALL_CHUNK; s++) {
		begin = s - s % SMALL_CHUNK;
		want = pattern(has[s / SMALL_CHUNK] ? 'S' : 'O', s);
		if (from <= s && s < to) {
			if (from > begin || begin + SMALL_CHUNK > to ||
			    !has[s / SMALL_CHUNK])
				continue;
			want = 0;
		}
		wrong += le64toh(p[s * 64]) != want;
	}
	return wrong;
}

TEST_F(discard_alignment, all)
{
	/* What has an exception, in a row */
	static const struct { unsigned int first, nr; } run[] = {
		{ 0, 4 }, { 5, 3 }, { 10, 3 },
	};
	unsigned int i, from, to, wrong, discards = 0;

	/* Neighbours on the COW device are none on the origin */
	for (i = 0; i < NR; i++)
		ASSERT_EQ(0, put(dm_path("snap"), chunks[i] * SMALL_CHUNK,
				 SMALL_CHUNK, 'S'));
	for (from = 0; from < 3 * SMALL_CHUNK; from++) {
		for (to = from + 1; to <= 3 * SMALL_CHUNK; to++) {
			ASSERT_EQ(0, discard(dm_path("snap"), from, to - from));
			wrong = wrong_sectors(from, to);
			ASSERT_EQ(0, wrong)
				TH_LOG("sectors %u to %u discarded: %u sectors are wrong",
				       from, to, wrong);
			for (i = 0; i < ARRAY_SIZE(run); i++)
				ASSERT_EQ(0, put(dm_path("snap"),
						 run[i].first * SMALL_CHUNK,
						 run[i].nr * SMALL_CHUNK, 'S'));
			discards++;
		}
	}
	TH_LOG("%u discards", discards);
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
