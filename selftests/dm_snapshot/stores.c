// SPDX-License-Identifier: GPL-2.0
/*
 * Each exception store with small and large chunks: fill it to the last chunk,
 * suspend, reload and activate it again, merge it, and write more than fits.
 *
 * A negative control: this passes on kernels with the bugs that the other tests
 * are for.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNKS		6U	/* of the origin */
#define FIT		4U	/* exceptions: one for the origin, the others for the snapshot */
#define PART		8U	/* sectors of a chunk that are written to */

FIXTURE(stores) {
	unsigned int chunk, size, cow;
};

FIXTURE_VARIANT(stores) {
	const char *store;
	unsigned int chunk;
};

#define STORE_VARIANTS(size)						\
	FIXTURE_VARIANT_ADD(stores, P_##size) {				\
		.store = "P", .chunk = size,				\
	};								\
	FIXTURE_VARIANT_ADD(stores, PO_##size) {			\
		.store = "PO", .chunk = size,				\
	};								\
	FIXTURE_VARIANT_ADD(stores, N_##size) {				\
		.store = "N", .chunk = size,				\
	}

STORE_VARIANTS(8);
STORE_VARIANTS(128);
STORE_VARIANTS(1024);
STORE_VARIANTS(8192);

static int create(FIXTURE_DATA(stores) *self,
		  const FIXTURE_VARIANT(stores) *variant, const char *name,
		  const char *target)
{
	return dm_new(name, "0 %u %s %s %s %s %u", self->size, target,
		      disk_path("origin"), dm_path("cow"), variant->store,
		      self->chunk);
}

FIXTURE_SETUP(stores)
{
	/* What a test that was killed has left */
	remove_all();
	self->chunk = variant->chunk;
	self->size = CHUNKS * self->chunk;
	/* The persistent ones have a header and an area, too */
	self->cow = (FIT + (*variant->store == 'P' ? 2 : 0)) * self->chunk;
	ASSERT_EQ(0, disk_new("origin", self->size / 2048 + 1, 0));
	ASSERT_EQ(0, disk_new("cow", self->cow / 2048 + 1, 0));
	ASSERT_EQ(0, put(disk_path("origin"), 0, self->size, 'O'));
	ASSERT_EQ(0, dm_new("cow", "0 %u linear %s 0", self->cow,
			    disk_path("cow")));
	ASSERT_EQ(0, create(self, variant, "snap", "snapshot"));
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", self->size,
			    disk_path("origin")));
}

FIXTURE_TEARDOWN(stores)
{
	remove_all();
}

/* Chunks @from to @to start with @tag */
static void expect_chunks(struct __test_metadata *_metadata,
			  FIXTURE_DATA(stores) *self, const char *path,
			  unsigned int from, unsigned int to, unsigned char tag,
			  const char *when)
{
	unsigned int i, start;

	for (i = 0; i < CHUNKS; i++) {
		start = i * self->chunk;
		expect_data(_metadata, path, start, PART,
			    from <= i && i < to ? tag : 'O', when);
		expect_data(_metadata, path, start + PART, self->chunk - PART,
			    'O', when);
	}
}

static void fill(struct __test_metadata *_metadata, FIXTURE_DATA(stores) *self,
		 const FIXTURE_VARIANT(stores) *variant)
{
	unsigned long long used, total;
	unsigned int i;

	ASSERT_EQ(0, put(dm_path("top"), 0, PART, 'N'));
	for (i = 1; i < FIT; i++)
		ASSERT_EQ(0, put(dm_path("snap"), i * self->chunk, PART, 'S'));
	ASSERT_EQ(2, sscanf(dm_status("snap"), "%llu/%llu", &used, &total))
		TH_LOG("status '%s'", dm_status("snap"));
	EXPECT_EQ(total, used);
	EXPECT_EQ(self->cow, total);
	expect_chunks(_metadata, self, dm_path("snap"), 1, FIT, 'S', "full");
	expect_chunks(_metadata, self, dm_path("top"), 0, 1, 'N', "origin");
}

TEST_F(stores, suspend_reload_merge)
{
	char done[64];

	fill(_metadata, self, variant);
	ASSERT_EQ(0, dm_suspend("top"));
	ASSERT_EQ(0, dm_suspend("snap"));
	ASSERT_EQ(0, dm_resume("snap"));
	ASSERT_EQ(0, dm_resume("top"));
	expect_chunks(_metadata, self, dm_path("snap"), 1, FIT, 'S', "resumed");
	/* The new table takes the exceptions over */
	ASSERT_EQ(0, dm_reload("snap", "0 %u snapshot %s %s %s %u", self->size,
			       disk_path("origin"), dm_path("cow"),
			       variant->store, self->chunk));
	expect_chunks(_metadata, self, dm_path("snap"), 1, FIT, 'S',
		      "reloaded");
	ASSERT_EQ(0, put(dm_path("snap"), self->chunk, PART, 'S'));
	ASSERT_EQ(0, dm_remove("snap"));
	if (*variant->store != 'P')
		return;

	ASSERT_EQ(0, create(self, variant, "snap", "snapshot"));
	expect_chunks(_metadata, self, dm_path("snap"), 1, FIT, 'S',
		      "activated again");
	ASSERT_EQ(0, dm_remove("snap"));
	ASSERT_EQ(0, dm_remove("top"));
	ASSERT_EQ(0, create(self, variant, "merge", "snapshot-merge"));
	snprintf(done, sizeof(done), "%u/%u %u", 2 * self->chunk, self->cow,
		 2 * self->chunk);
	EXPECT_TRUE(wait_status("merge", done, 10)) {
		TH_LOG("status '%s', expected '%s'", dm_status("merge"), done);
	}
	ASSERT_EQ(0, dm_remove("merge"));
	expect_chunks(_metadata, self, disk_path("origin"), 1, FIT, 'S',
		      "merged");
}

TEST_F(stores, overflow_of_snapshot)
{
	bool overflow = !strcmp(variant->store, "PO");

	fill(_metadata, self, variant);
	EXPECT_EQ(-EIO, put(dm_path("snap"), FIT * self->chunk, PART, 'S'));
	EXPECT_STREQ(overflow ? "Overflow" : "Invalid", dm_status("snap"));
	if (overflow) {
		expect_chunks(_metadata, self, dm_path("snap"), 1, FIT, 'S',
			      "overflow");
	} else {
		EXPECT_EQ(-EIO, do_io(dm_path("snap"), false, 0, PART));
	}
	expect_chunks(_metadata, self, dm_path("top"), 0, 1, 'N', "origin");
}

/* The origin goes on, and no store can keep its snapshot */
TEST_F(stores, overflow_of_origin)
{
	fill(_metadata, self, variant);
	ASSERT_EQ(0, put(dm_path("top"), FIT * self->chunk, PART, 'O'));
	EXPECT_STREQ("Invalid", dm_status("snap"));
	EXPECT_EQ(-EIO, do_io(dm_path("snap"), false, 0, PART));
	expect_chunks(_metadata, self, dm_path("top"), 0, 1, 'N', "origin");
	if (*variant->store != 'P')
		return;
	ASSERT_EQ(0, dm_remove("snap"));
	ASSERT_EQ(0, create(self, variant, "snap", "snapshot"));
	EXPECT_STREQ("Invalid", dm_status("snap"));
}

/* A second table for the same COW device takes over what the first one has */
FIXTURE(handover) {
	char table[256];
};

#define HANDOVER	1024U	/* sectors of origin and COW device */
#define HANDOVER_CHUNK	8U

FIXTURE_SETUP(handover)
{
	remove_all();
	ASSERT_EQ(0, disk_new("origin", 1, 0));
	ASSERT_EQ(0, disk_new("cow", 1, 0));
	ASSERT_EQ(0, put(disk_path("origin"), 0, HANDOVER, 'O'));
	snprintf(self->table, sizeof(self->table), "0 %u snapshot %s %s P %u",
		 HANDOVER, disk_path("origin"), disk_path("cow"),
		 HANDOVER_CHUNK);
	ASSERT_EQ(0, dm_new("snap", "%s", self->table));
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", HANDOVER,
			    disk_path("origin")));
	ASSERT_EQ(0, put(dm_path("snap"), 0, 20, 'S'));
	ASSERT_EQ(0, dm_create("heir"));
	ASSERT_EQ(0, dm_load("heir", "%s", self->table));
}

FIXTURE_TEARDOWN(handover)
{
	remove_all();
}

static void expect_snapshot(struct __test_metadata *_metadata,
			    const char *name, const char *when)
{
	expect_data(_metadata, dm_path(name), 0, 20, 'S', when);
	expect_data(_metadata, dm_path(name), 20, HANDOVER - 20, 'O', when);
}

TEST_F(handover, to_another_device)
{
	EXPECT_EQ(-EINVAL, dm_resume("heir"))
		TH_LOG("the source is not suspended");
	ASSERT_EQ(0, dm_create("third"));
	EXPECT_GT(0, dm_load("third", "%s", self->table))
		TH_LOG("there is an heir");
	ASSERT_EQ(0, dm_suspend("snap"));
	ASSERT_EQ(0, dm_resume("heir"));
	expect_snapshot(_metadata, "heir", "heir");
	/* The source is dead, also when it is resumed */
	ASSERT_EQ(0, dm_resume("snap"));
	EXPECT_STREQ("Invalid", dm_status("snap"));
	EXPECT_EQ(-EIO, do_io(dm_path("snap"), false, 0, 8));
	ASSERT_EQ(0, dm_remove("snap"));
	ASSERT_EQ(0, put(dm_path("top"), 0, 100, 'N'));
	expect_snapshot(_metadata, "heir", "origin written to");
	ASSERT_EQ(0, dm_remove("heir"));
	ASSERT_EQ(0, dm_new("heir", "%s", self->table));
	expect_snapshot(_metadata, "heir", "activated again");
}

/* Nothing to take over, and nothing is lost */
TEST_F(handover, source_removed)
{
	ASSERT_EQ(0, dm_remove("snap"));
	ASSERT_EQ(0, dm_resume("heir"));
	EXPECT_STREQ("Invalid", dm_status("heir"));
	EXPECT_EQ(-EIO, do_io(dm_path("heir"), false, 0, 8));
	ASSERT_EQ(0, dm_remove("heir"));
	ASSERT_EQ(0, dm_new("heir", "%s", self->table));
	expect_snapshot(_metadata, "heir", "activated again");
}

/* No power of 2, and one more than there can be */
TEST(wrong_chunks)
{
	static const unsigned int chunk[] = { 3, 12, 1U << 22, 1U << 31 };
	unsigned int i;
	int r;

	remove_all();
	ASSERT_EQ(0, disk_new("origin", 1, 0));
	ASSERT_EQ(0, disk_new("cow", 1, 0));
	for (i = 0; i < ARRAY_SIZE(chunk); i++) {
		r = dm_new("snap", "0 2048 snapshot %s %s P %u",
			   disk_path("origin"), disk_path("cow"), chunk[i]);
		EXPECT_EQ(-EINVAL, r)
			TH_LOG("chunks of %u sectors: %d", chunk[i], r);
		if (!r)
			ASSERT_EQ(0, dm_remove("snap"));
	}
	remove_all();
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "snapshot-merge", "linear", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
