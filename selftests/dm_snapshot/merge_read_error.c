// SPDX-License-Identifier: GPL-2.0
/*
 * snapshot-merge goes through the metadata areas of the COW device from the
 * last to the first. When one of them cannot be read, the merge stops, and the
 * next resume tries again: with that area, not with the one before it.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define PER_AREA	(CHUNK * 512 / EXCEPTION_SIZE)
#define LAST		4U	/* exceptions in the last area */
#define FIRST_CHUNK	16U	/* of the origin, that has an exception */
#define SIZE		16384U	/* of origin and COW device */
#define AREA(n)		((1 + (PER_AREA + 1) * (n)) * CHUNK)

FIXTURE(merge_read_error) {
	struct snapshot_disks d;
};

FIXTURE_VARIANT(merge_read_error) {
	unsigned int areas;	/* that are full */
};

FIXTURE_VARIANT_ADD(merge_read_error, second_of_two) {
	.areas = 1,
};

FIXTURE_VARIANT_ADD(merge_read_error, second_of_three) {
	.areas = 2,
};

FIXTURE_SETUP(merge_read_error)
{
	unsigned int nr = variant->areas * PER_AREA + LAST;
	uint64_t old_chunk, new_chunk;

	/* What a test that was killed has left */
	remove_all();
	ASSERT_EQ(0, snapshot_disks_new(&self->d, SIZE));

	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s P %u", SIZE,
			    self->d.origin, self->d.cow, CHUNK));
	ASSERT_EQ(0, put_by(dm_path("snap"), FIRST_CHUNK * CHUNK, nr * CHUNK,
			    'S', CHUNK));
	ASSERT_EQ(0, dm_remove("snap"));
	ASSERT_EQ(0, store_entry(self->d.cow_disk, CHUNK, variant->areas,
				 LAST - 1, &old_chunk, &new_chunk));
	ASSERT_EQ(FIRST_CHUNK + nr - 1, old_chunk);
}

FIXTURE_TEARDOWN(merge_read_error)
{
	remove_all();
}

static void expect_merged(struct __test_metadata *_metadata, const char *origin,
			  unsigned int areas, const char *when)
{
	uint64_t first = FIRST_CHUNK * CHUNK;
	uint64_t nr = (areas * PER_AREA + LAST) * CHUNK;

	expect_data(_metadata, origin, 0, first, 'O', when);
	expect_data(_metadata, origin, first, nr, 'S', when);
	expect_data(_metadata, origin, first + nr, SIZE - first - nr, 'O', when);
}

/* Loading the table reads the metadata, resume starts to merge. */
#define load_merge()							\
do {									\
	ASSERT_EQ(0, dm_create("merge"));				\
	ASSERT_EQ(0, dm_load("merge", "0 %u snapshot-merge %s %s P %u",	\
			     SIZE, self->d.origin, self->d.cow, CHUNK));	\
} while (0)

/* A merge without an error passes with and without the bug */
TEST_F(merge_read_error, no_error)
{
	char done[64];

	snprintf(done, sizeof(done), "%u/%u %u", 2 * CHUNK, SIZE, 2 * CHUNK);
	load_merge();
	ASSERT_EQ(0, dm_resume("merge"));
	EXPECT_TRUE(wait_status("merge", done, 10)) {
		TH_LOG("status '%s', expected '%s'", dm_status("merge"), done);
	}
	ASSERT_EQ(0, dm_remove("merge"));
	expect_merged(_metadata, self->d.origin, variant->areas, "merged");
}

TEST_F(merge_read_error, retry)
{
	unsigned int bad = AREA(variant->areas - 1);
	char done[64];

	snprintf(done, sizeof(done), "%u/%u %u", 2 * CHUNK, SIZE, 2 * CHUNK);
	load_merge();
	ASSERT_EQ(0, dm_reload("cow", "0 %u linear %s 0\n%u %u error\n%u %u linear %s %u",
			       bad, self->d.cow_disk, bad, CHUNK, bad + CHUNK,
			       SIZE - bad - CHUNK, self->d.cow_disk, bad + CHUNK));
	ASSERT_EQ(0, dm_resume("merge"));
	ASSERT_TRUE(wait_status("merge", "Merge failed", 10)) {
		TH_LOG("status '%s', expected 'Merge failed'",
		       dm_status("merge"));
	}
	expect_data(_metadata, dm_path("merge"), FIRST_CHUNK * CHUNK,
		    (variant->areas * PER_AREA + LAST) * CHUNK, 'S',
		    "after the error, through the snapshot");

	/* The COW device is fine again: retry */
	ASSERT_EQ(0, dm_reload("cow", "0 %u linear %s 0", SIZE,
			       self->d.cow_disk));
	ASSERT_EQ(0, dm_suspend("merge"));
	ASSERT_EQ(0, dm_resume("merge"));
	EXPECT_TRUE(wait_merged(self->d.cow_disk, CHUNK, 20))
		TH_LOG("area 0 is not merged");
	ASSERT_EQ(0, dm_remove("merge"));
	expect_merged(_metadata, self->d.origin, variant->areas, "after retry");

	/* This is when user space lets go of the COW device */
	load_merge();
	ASSERT_EQ(0, dm_resume("merge"));
	EXPECT_TRUE(wait_status("merge", done, 10)) {
		TH_LOG("status '%s', expected '%s'", dm_status("merge"), done);
	}
	ASSERT_EQ(0, dm_remove("merge"));
	expect_merged(_metadata, self->d.origin, variant->areas,
		      "activated again, status says that all is merged");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-merge", "linear", "error", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
