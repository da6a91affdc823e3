// SPDX-License-Identifier: GPL-2.0
/*
 * Fill the COW device of a snapshot. With user space that knows of overflows
 * ("PO"), the write that does not fit fails, and everything else stays
 * readable and can be activated again, also on a larger COW device.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define PER_AREA	(CHUNK * 512 / EXCEPTION_SIZE)
#define DISK		16384U
#define SIZE		8192U	/* of the origin */

FIXTURE(cow_full) {
	char origin[64];
	char cow_disk[64];
	char cow[64];
	unsigned int cow_chunks;
};

FIXTURE_VARIANT(cow_full) {
	unsigned int areas;
	int extra;		/* chunks after the last one of the areas */
	unsigned int fit;	/* exceptions */
};

/* Metadata areas that can be filled, and nothing behind: one too many */
FIXTURE_VARIANT_ADD(cow_full, one_area) {
	.areas = 1, .extra = 0, .fit = PER_AREA - 1,
};

FIXTURE_VARIANT_ADD(cow_full, two_areas) {
	.areas = 2, .extra = 0, .fit = 2 * PER_AREA - 1,
};

/* These pass with and without the bug */
FIXTURE_VARIANT_ADD(cow_full, one_chunk_less) {
	.areas = 1, .extra = -1, .fit = PER_AREA - 1,
};

FIXTURE_VARIANT_ADD(cow_full, one_chunk_more) {
	.areas = 1, .extra = 1, .fit = PER_AREA,
};

FIXTURE_VARIANT_ADD(cow_full, two_chunks_more) {
	.areas = 1, .extra = 2, .fit = PER_AREA + 1,
};

static int activate(FIXTURE_DATA(cow_full) *self)
{
	return dm_new("snap", "0 %u snapshot %s %s PO %u", SIZE, self->origin,
		      self->cow, CHUNK);
}

FIXTURE_SETUP(cow_full)
{
	/* What a test that was killed has left */
	remove_all();
	self->cow_chunks = 1 + variant->areas * (PER_AREA + 1) + variant->extra;
	strcpy(self->origin, disk_path("origin"));
	strcpy(self->cow_disk, disk_path("cow"));
	ASSERT_EQ(0, disk_new("origin", SIZE / 2048, 0));
	ASSERT_EQ(0, disk_new("cow", DISK / 2048, 0));
	ASSERT_EQ(0, put(self->origin, 0, SIZE, 'O'));
	/* So that an area which was not zeroed is seen */
	ASSERT_EQ(0, put(self->cow_disk, 0, DISK, 'X'));
	ASSERT_EQ(0, dm_new("cow", "0 %u linear %s 0",
			    self->cow_chunks * CHUNK, self->cow_disk));
	strcpy(self->cow, dm_path("cow"));
	memset(io_buffer(), 0, CHUNK * SECTOR);
	ASSERT_EQ(0, do_io(self->cow, true, 0, CHUNK));
	ASSERT_EQ(0, activate(self));
}

FIXTURE_TEARDOWN(cow_full)
{
	remove_all();
}

static void expect_exceptions(struct __test_metadata *_metadata,
			      unsigned int nr, const char *when)
{
	if (!strcmp(dm_status("snap"), "Invalid")) {
		EXPECT_STREQ("valid", dm_status("snap"))
			TH_LOG("%s: status 'Invalid', nothing can be read",
			       when);
		return;
	}
	expect_data(_metadata, dm_path("snap"), 0, nr * CHUNK, 'S', when);
	expect_data(_metadata, dm_path("snap"), nr * CHUNK, SIZE - nr * CHUNK,
		    'O', when);
}

TEST_F(cow_full, fill)
{
	unsigned int i, meta;
	char full[64];
	int r;

	for (i = 0; i < variant->fit; i++) {
		r = put(dm_path("snap"), i * CHUNK, CHUNK, 'S');
		ASSERT_EQ(0, r)
			TH_LOG("exception %u of %u: %s, status '%s'", i,
			       variant->fit, strerror(-r), dm_status("snap"));
	}
	/* The header, the areas, and the next one if there is a chunk for it */
	meta = 1 + variant->areas + (variant->extra > 0);
	snprintf(full, sizeof(full), "%u/%u %u", (variant->fit + meta) * CHUNK,
		 self->cow_chunks * CHUNK, meta * CHUNK);
	EXPECT_STREQ(full, dm_status("snap"));
	expect_exceptions(_metadata, variant->fit, "full");

	r = put(dm_path("snap"), i * CHUNK, CHUNK, 'S');
	EXPECT_EQ(-EIO, r);
	EXPECT_STREQ("Overflow", dm_status("snap")) {
		TH_LOG("after the write that does not fit: status '%s', expected 'Overflow'",
		       dm_status("snap"));
	}
	expect_exceptions(_metadata, variant->fit, "overflow");

	ASSERT_EQ(0, dm_remove("snap"));
	ASSERT_EQ(0, activate(self));
	EXPECT_STREQ(full, dm_status("snap"));
	expect_exceptions(_metadata, variant->fit, "activated again");

	/* With a larger COW device, it goes on */
	ASSERT_EQ(0, dm_remove("snap"));
	ASSERT_EQ(0, dm_reload("cow", "0 %u linear %s 0", DISK, self->cow_disk));
	ASSERT_EQ(0, activate(self));
	for (; i < variant->fit + 4; i++) {
		r = put(dm_path("snap"), i * CHUNK, CHUNK, 'S');
		EXPECT_EQ(0, r);
		if (r)
			break;
	}
	expect_exceptions(_metadata, variant->fit + 4, "extended");
	ASSERT_EQ(0, dm_remove("snap"));
	ASSERT_EQ(0, activate(self));
	expect_exceptions(_metadata, variant->fit + 4,
			  "extended, activated again");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "linear", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
