// SPDX-License-Identifier: GPL-2.0
/*
 * A snapshot is created, filled and merged, over and over, and each time one
 * request fails, the next one than the last time, until none is left that could
 * fail. Whatever fails: a write that was reported as done is there, the snapshot
 * is what it was or is reported as invalid and stays so, and a merge that failed
 * goes on with the next resume, and ends. So it does when the machine has gone
 * down before. A request that fails has done nothing, or its work all the same.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"
#include "snapdisk.h"
#include "snapshot_model.h"

#define CHUNK		1U	/* so an area is full after 32 exceptions */
#define SIZE		96U	/* of the origin, in sectors */
#define SNAP		1
#define FIRST		30U	/* chunks in a row, and some more */
#define MERGE_MS	5000U
#define MAX_REQUESTS	2000U

/* The disks, and how large they are */
#define LARGE		1U
#define SMALL		2U	/* a COW device that overflows */
#define DISKS		"sectors=96,128,20"

static const unsigned int cow_size[] = { 0, 128, 20 };

FIXTURE(nth_error) {
	struct snapshot_model model;
	char what[96];
	unsigned char *crash[2];	/* origin and COW device */
	unsigned int invalid, failed_merges, failed_writes;
};

FIXTURE_VARIANT(nth_error) {
	const char *store;
	unsigned int cow;
	unsigned int disks;	/* bit mask: requests to them fail */
	unsigned int nr;	/* that fail, in a row */
	unsigned int done;	/* the first ones of them do their work */
	bool merge_only;	/* requests are counted from the merge on */
};

FIXTURE_VARIANT_ADD(nth_error, origin) {
	.store = "P", .cow = LARGE, .disks = 1 << 0, .nr = 1,
};

FIXTURE_VARIANT_ADD(nth_error, cow) {
	.store = "PO", .cow = LARGE, .disks = 1 << LARGE, .nr = 1,
};

FIXTURE_VARIANT_ADD(nth_error, cow_done) {
	.store = "P", .cow = LARGE, .disks = 1 << LARGE, .nr = 1, .done = 1,
};

FIXTURE_VARIANT_ADD(nth_error, merge_twice) {
	.store = "P", .cow = LARGE, .disks = 1 << LARGE, .nr = 2, .done = 1,
	.merge_only = true,
};

FIXTURE_VARIANT_ADD(nth_error, overflow) {
	.store = "P", .cow = SMALL, .disks = 1 << SMALL, .nr = 1,
};

/* This passes with and without the bugs */
FIXTURE_VARIANT_ADD(nth_error, transient) {
	.store = "N", .cow = LARGE, .disks = 1 << 0 | 1 << LARGE, .nr = 1,
};

FIXTURE_SETUP(nth_error)
{
	/* What a test that was killed has left */
	remove_all();
	self->crash[0] = malloc(SIZE * SECTOR);
	self->crash[1] = malloc(cow_size[variant->cow] * SECTOR);
	ASSERT_NE(NULL, self->crash[0]);
	ASSERT_NE(NULL, self->crash[1]);
}

FIXTURE_TEARDOWN(nth_error)
{
	remove_all();
	snapdisk_set("reset", 1);
	model_free(&self->model);
	free(self->crash[0]);
	free(self->crash[1]);
}

static bool has_failed(unsigned int n)
{
	return snapdisk_get("requests") >= n;
}

/* Write, and tell the model. It has to work unless there were @n requests */
static void write_to(struct __test_metadata *_metadata,
		     FIXTURE_DATA(nth_error) *self, const char *name,
		     unsigned int view, unsigned int sector, unsigned int nr,
		     unsigned char tag, unsigned int n)
{
	struct view_model *v = &self->model.view[view];
	unsigned int i;
	int r;

	r = put(dm_path(name), sector, nr, tag);
	model_write(v, sector, nr, tag);
	if (r) {
		self->failed_writes++;
		EXPECT_TRUE(has_failed(n))
			TH_LOG("%s: a write to %s failed, and no request has",
			       self->what, name);
		return;
	}
	for (i = sector; i < sector + nr; i++) {
		v->s[i].tag[0] = tag;
		v->s[i].nr = 1;
	}
}

/* For requests that neither fail nor count */
static int pause_failures(const FIXTURE_VARIANT(nth_error) *variant, bool pause)
{
	return snapdisk_set("fail_disks", pause ? 0 : variant->disks);
}

static void expect_view(struct __test_metadata *_metadata,
			FIXTURE_DATA(nth_error) *self,
			const FIXTURE_VARIANT(nth_error) *variant,
			const char *path, unsigned int view, const char *when)
{
	const struct view_model *v = &self->model.view[view];
	unsigned int s, wrong = 0, first = 0;
	uint64_t *p = io_buffer();
	int r;

	ASSERT_EQ(0, pause_failures(variant, true));
	r = do_io(path, false, 0, SIZE);
	ASSERT_EQ(0, pause_failures(variant, false));
	ASSERT_EQ(0, r)
		TH_LOG("%s: %s cannot be read", self->what, when);
	for (s = 0; s < SIZE; s++)
		if (!model_allows(v, s, p[s * 64]) && !wrong++)
			first = s;
	EXPECT_EQ(0, wrong)
		TH_LOG("%s: %s: %u sectors differ, sector %u is %016llx, expected '%.*s'",
		       self->what, when, wrong, first,
		       (unsigned long long)le64toh(p[first * 64]),
		       v->s[first].nr, (char *)v->s[first].tag);
}

/* Errors may make it fail, then the attempt after them works */
static int create(const FIXTURE_VARIANT(nth_error) *variant, const char *name,
		  const char *target, unsigned int n)
{
	unsigned int i;
	int r;

	for (i = 0; i <= variant->nr; i++) {
		r = dm_new(name, "0 %u %s %s %s %s %u", SIZE, target,
			   snapdisk(0), snapdisk(variant->cow), variant->store,
			   CHUNK);
		if (!r || !has_failed(n))
			break;
	}
	return r;
}

/* Returns whether the merge has ended in one way or the other */
static bool wait_for_merge(bool *failed)
{
	unsigned long long used, total, metadata, start = now_ms();
	const char *status;

	do {
		status = dm_status("merge");
		*failed = !strcmp(status, "Merge failed");
		if (*failed || (sscanf(status, "%llu/%llu %llu", &used, &total,
				       &metadata) == 3 && used == metadata))
			return true;
		sleep_ms(1);
	} while (now_ms() < start + MERGE_MS);
	return false;
}

/* What a power failure leaves if the disks have done all they were told */
static int save_disks(FIXTURE_DATA(nth_error) *self,
		      const FIXTURE_VARIANT(nth_error) *variant)
{
	size_t cow = cow_size[variant->cow];
	int r;

	r = pause_failures(variant, true);
	if (!r)
		r = do_io(snapdisk(0), false, 0, SIZE);
	memcpy(self->crash[0], io_buffer(), SIZE * SECTOR);
	if (!r)
		r = do_io(snapdisk(variant->cow), false, 0, cow);
	memcpy(self->crash[1], io_buffer(), cow * SECTOR);
	return r ? r : pause_failures(variant, false);
}

/* The merge goes on after that power failure, and nothing else fails */
static void go_on_after_crash(struct __test_metadata *_metadata,
			      FIXTURE_DATA(nth_error) *self,
			      const FIXTURE_VARIANT(nth_error) *variant)
{
	size_t cow = cow_size[variant->cow];
	bool failed;

	ASSERT_EQ(0, snapdisk_set("fail_last", 0));
	memcpy(io_buffer(), self->crash[0], SIZE * SECTOR);
	ASSERT_EQ(0, do_io(snapdisk(0), true, 0, SIZE));
	memcpy(io_buffer(), self->crash[1], cow * SECTOR);
	ASSERT_EQ(0, do_io(snapdisk(variant->cow), true, 0, cow));
	ASSERT_EQ(0, create(variant, "merge", "snapshot-merge", MAX_REQUESTS));
	EXPECT_TRUE(wait_for_merge(&failed) && !failed)
		TH_LOG("%s: the status is '%s' after a crash", self->what,
		       dm_status("merge"));
	ASSERT_EQ(0, dm_remove("merge"));
	expect_view(_metadata, self, variant, snapdisk(0), SNAP,
		    "origin, merged after a crash");
}

/* From request @n on, some fail. Returns whether there was one */
static bool cycle(struct __test_metadata *_metadata,
		  FIXTURE_DATA(nth_error) *self,
		  const FIXTURE_VARIANT(nth_error) *variant, unsigned int n)
{
	bool failed, invalid, has_crashed = false, any;
	unsigned int i;

	if (variant->merge_only)
		ASSERT_EQ(0, pause_failures(variant, true));
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
			    snapdisk(0)));
	ASSERT_EQ(0, dm_suspend("top"));
	ASSERT_EQ(0, create(variant, "snap", "snapshot", n))
		TH_LOG("%s: no snapshot", self->what);
	ASSERT_EQ(0, dm_resume("top"));

	/* One after the other, in a row, and without a copy; over an area's end */
	for (i = 0; i < 2; i++)
		write_to(_metadata, self, "top", ORIGIN, 80 + 4 * i, 1, 'a', n);
	if (variant->cow == LARGE)
		write_to(_metadata, self, "top", ORIGIN, 2, FIRST, 'b', n);
	/* No copies beside the write of the header, so that its turn comes */
	for (i = 2; variant->cow == SMALL && i < 2 + FIRST; i++)
		write_to(_metadata, self, "top", ORIGIN, i, 1, 'b', n);
	invalid = !strcmp(dm_status("snap"), "Invalid");
	write_to(_metadata, self, "snap", SNAP, 1, 3, 'c', invalid ? 0 : n);
	write_to(_metadata, self, "snap", SNAP, 90, 4, 'd',
		 invalid ? 0 : n);
	write_to(_metadata, self, "top", ORIGIN, 1, 1, 'e', n);

	invalid = !strcmp(dm_status("snap"), "Invalid");
	any = has_failed(n) && !variant->merge_only;
	if (invalid) {
		self->invalid++;
		EXPECT_TRUE(any || variant->cow == SMALL)
			TH_LOG("%s: the snapshot is invalid, and no request has failed",
			       self->what);
	} else {
		expect_view(_metadata, self, variant, dm_path("snap"), SNAP,
			    "snapshot");
	}
	expect_view(_metadata, self, variant, dm_path("top"), ORIGIN, "origin");
	ASSERT_EQ(0, dm_remove("snap"));
	ASSERT_EQ(0, dm_remove("top"));
	expect_view(_metadata, self, variant, snapdisk(0), ORIGIN, "origin");
	if (*variant->store == 'N')
		return any;

	if (invalid) {
		ASSERT_EQ(0, create(variant, "snap", "snapshot", n));
		EXPECT_STREQ("Invalid", dm_status("snap"))
			TH_LOG("%s: the snapshot was invalid, and is valid",
			       self->what);
		ASSERT_EQ(0, dm_remove("snap"));
		return has_failed(n);
	}

	ASSERT_EQ(0, pause_failures(variant, false));
	ASSERT_EQ(0, create(variant, "merge", "snapshot-merge", n))
		TH_LOG("%s: no merge", self->what);
	/* To a chunk that may be merged by now, and one that was never copied */
	write_to(_metadata, self, "merge", SNAP, 84, 1, 'f', n);
	write_to(_metadata, self, "merge", SNAP, 70, 1, 'g', n);
	EXPECT_TRUE(wait_for_merge(&failed))
		TH_LOG("%s: the merge does not end, '%s'", self->what,
		       dm_status("merge"));
	if (failed) {
		self->failed_merges++;
		EXPECT_TRUE(has_failed(n))
			TH_LOG("%s: the merge failed, and no request has",
			       self->what);
		expect_view(_metadata, self, variant, dm_path("merge"), SNAP,
			    "after a failed merge");
		write_to(_metadata, self, "merge", SNAP, 82, 8, 'h', 0);
		write_to(_metadata, self, "merge", SNAP, 2, 1, 'i', 0);
		ASSERT_EQ(0, save_disks(self, variant));
		has_crashed = true;
		/* The second one may be left */
		for (i = 0; i < variant->nr && failed; i++) {
			ASSERT_EQ(0, dm_suspend("merge"));
			ASSERT_EQ(0, dm_resume("merge"));
			EXPECT_TRUE(wait_for_merge(&failed))
				TH_LOG("%s: the merge does not end, '%s'",
				       self->what, dm_status("merge"));
		}
		EXPECT_FALSE(failed)
			TH_LOG("%s: the status is '%s' after the merge was tried again",
			       self->what, dm_status("merge"));
	}
	expect_view(_metadata, self, variant, dm_path("merge"), SNAP, "merged");
	ASSERT_EQ(0, dm_remove("merge"));
	expect_view(_metadata, self, variant, snapdisk(0), SNAP,
		    "origin, merged");
	any = has_failed(n);
	if (has_crashed)
		go_on_after_crash(_metadata, self, variant);
	return any;
}

TEST_F_TIMEOUT(nth_error, sweep, 120)
{
	unsigned int n;

	for (n = 1; n < MAX_REQUESTS; n++) {
		snprintf(self->what, sizeof(self->what), "request %u", n);
		ASSERT_EQ(0, snapdisk_set("reset", 1));
		ASSERT_EQ(0, model_init(&self->model, SIZE, 'O'));
		ASSERT_EQ(0, put(snapdisk(0), 0, SIZE, 'O'));
		ASSERT_EQ(0, pause_failures(variant, false));
		ASSERT_EQ(0, snapdisk_set("fail_done", variant->done));
		ASSERT_EQ(0, snapdisk_set("fail_last", n + variant->nr - 1));
		ASSERT_EQ(0, snapdisk_set("fail_first", n));
		ASSERT_EQ(0, snapdisk_set("requests", 0));
		if (!cycle(_metadata, self, variant, n))
			break;
	}
	TH_LOG("%u requests failed, %u at a time: %u writes were reported as failed, %u snapshots as invalid, %u merges as failed",
	       n - 1, variant->nr, self->failed_writes, self->invalid,
	       self->failed_merges);
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "snapshot-merge", NULL
	};
	int r;

	dm_snapshot_test_init(snapdisk_cleanup, targets);
	r = snapdisk_load(DISKS);
	if (r)
		ksft_exit_skip("module " SNAPDISK ": %s\n", strerror(-r));
	return test_harness_run(argc, argv);
}
