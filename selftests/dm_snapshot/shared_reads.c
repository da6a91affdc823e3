// SPDX-License-Identifier: GPL-2.0
/*
 * A chunk of the origin that several snapshots need is read once. Apart from
 * that they have nothing to do with each other: the COW device of one may fail
 * or stand still, or its snapshot go, and the others have their copy.
 */
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		2048U
#define WRITES		32U
#define MAX_SNAPSHOTS	9U
#define ASLEEP_MS	10000U

static const char *numbered(const char *name, unsigned int i)
{
	static char buf[8][16];
	static unsigned int n;
	char *p = buf[n++ % 8];

	snprintf(p, sizeof(buf[0]), "%s%u", name, i);
	return p;
}

static unsigned long sectors_read(const char *disk)
{
	unsigned long reads, merged, sectors = 0;
	char path[128], stat[512];

	snprintf(path, sizeof(path), "/sys/block/" PREFIX "%s/stat", disk);
	if (read_file(path, stat, sizeof(stat)) ||
	    sscanf(stat, "%lu %lu %lu", &reads, &merged, &sectors) != 3)
		return 0;
	return sectors;
}

/* top is the origin */
static void new_snapshots(struct __test_metadata *_metadata, unsigned int nr,
			  const unsigned int *chunk)
{
	unsigned int i;

	/* What a test that was killed has left */
	remove_all();
	ASSERT_EQ(0, disk_new("origin", SIZE / 2048, 0));
	ASSERT_EQ(0, put(disk_path("origin"), 0, SIZE, 'O'));
	for (i = 0; i < nr; i++) {
		const char *cow = numbered("cow", i);

		ASSERT_EQ(0, disk_new(numbered("disk", i), SIZE / 2048 + 1, 0));
		ASSERT_EQ(0, dm_new(cow, "0 %u linear %s 0", SIZE + 2048,
				    disk_path(numbered("disk", i))));
		ASSERT_EQ(0, dm_new(numbered("snap", i),
				    "0 %u snapshot %s %s P %u", SIZE,
				    disk_path("origin"), dm_path(cow),
				    chunk[i]));
	}
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
			    disk_path("origin")));
}

FIXTURE(count) {
};

FIXTURE_VARIANT(count) {
	unsigned int nr;
	unsigned int chunk[MAX_SNAPSHOTS];
	unsigned int sectors;	/* to be read for each write */
};

FIXTURE_VARIANT_ADD(count, one) {
	.nr = 1, .chunk = { 8 }, .sectors = 8,
};

FIXTURE_VARIANT_ADD(count, two) {
	.nr = 2, .chunk = { 8, 8 }, .sectors = 8,
};

FIXTURE_VARIANT_ADD(count, nine) {
	.nr = 9, .chunk = { 8, 8, 8, 8, 8, 8, 8, 8, 8 }, .sectors = 8,
};

/* Each write is to the start of 32 sectors */
FIXTURE_VARIANT_ADD(count, of_two_sizes) {
	.nr = 4, .chunk = { 32, 8, 32, 8 }, .sectors = 40,
};

FIXTURE_SETUP(count)
{
	new_snapshots(_metadata, variant->nr, variant->chunk);
}

FIXTURE_TEARDOWN(count)
{
	remove_all();
}

TEST_F(count, reads)
{
	unsigned int i;
	unsigned long was, reads;

	was = sectors_read("origin");
	for (i = 0; i < WRITES; i++)
		ASSERT_EQ(0, put(dm_path("top"), i * 32, CHUNK, 'N'));
	reads = sectors_read("origin") - was;
	TH_LOG("%u writes, %u snapshots: %lu sectors of the origin were read",
	       WRITES, variant->nr, reads);
	EXPECT_EQ(WRITES * variant->sectors, reads);
	for (i = 0; i < variant->nr; i++)
		expect_data(_metadata, dm_path(numbered("snap", i)), 0, SIZE,
			    'O', numbered("snap", i));
	for (i = 0; i < WRITES; i++)
		expect_data(_metadata, dm_path("top"), i * 32, CHUNK, 'N',
			    "origin");
}

/* What is below passes with and without shared reads. */

FIXTURE(others) {
	pid_t writer;
};

FIXTURE_VARIANT(others) {
	unsigned int which;	/* of three */
};

FIXTURE_VARIANT_ADD(others, of_first) {
	.which = 0,
};

FIXTURE_VARIANT_ADD(others, of_second) {
	.which = 1,
};

FIXTURE_VARIANT_ADD(others, of_third) {
	.which = 2,
};

FIXTURE_SETUP(others)
{
	static const unsigned int chunk[] = { CHUNK, CHUNK, CHUNK };

	new_snapshots(_metadata, 3, chunk);
}

FIXTURE_TEARDOWN(others)
{
	dm_resume(numbered("cow", variant->which));
	remove_all();
}

TEST_F(others, are_valid)
{
	unsigned int i;

	ASSERT_EQ(0, dm_reload(numbered("cow", variant->which), "0 %u error",
			       SIZE + 2048));
	ASSERT_EQ(0, put_by(dm_path("top"), 0, WRITES * CHUNK, 'N', CHUNK));
	expect_data(_metadata, dm_path("top"), 0, WRITES * CHUNK, 'N',
		    "origin");
	for (i = 0; i < 3; i++) {
		if (i == variant->which) {
			EXPECT_STREQ("Invalid", dm_status(numbered("snap", i)));
			continue;
		}
		expect_data(_metadata, dm_path(numbered("snap", i)), 0, SIZE,
			    'O', numbered("snap", i));
	}
}

/* Neither can be read nor copied, for any of them */
TEST_F(others, are_as_lost)
{
	unsigned int i;

	ASSERT_EQ(0, dm_remove("top"));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, dm_remove(numbered("snap", i)));
	ASSERT_EQ(0, dm_new("broken", "0 %u linear %s 0\n%u %u error\n%u %u linear %s %u",
			    CHUNK, disk_path("origin"), CHUNK, CHUNK,
			    2 * CHUNK, SIZE - 2 * CHUNK, disk_path("origin"),
			    2 * CHUNK));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, dm_new(numbered("snap", i),
				    "0 %u snapshot %s %s P %u", SIZE,
				    dm_path("broken"),
				    dm_path(numbered("cow", i)), CHUNK));
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
			    dm_path("broken")));
	EXPECT_EQ(0, put(dm_path("top"), 0, CHUNK, 'N'));
	for (i = 0; i < 3; i++)
		expect_data(_metadata, dm_path(numbered("snap", i)), 0, CHUNK,
			    'O', numbered("snap", i));
	EXPECT_EQ(-EIO, put(dm_path("top"), CHUNK, CHUNK, 'N'));
	for (i = 0; i < 3; i++)
		EXPECT_STREQ("Invalid", dm_status(numbered("snap", i)));
}

static bool has_exception(unsigned int i, unsigned int chunk)
{
	unsigned long long start = now_ms();
	uint64_t old_chunk, new_chunk;
	unsigned int e;

	do {
		for (e = 0; e < 2; e++)
			if (!store_entry(disk_path(numbered("disk", i)), CHUNK,
					 0, e, &old_chunk, &new_chunk) &&
			    new_chunk && old_chunk == chunk)
				return true;
		sleep_ms(5);
	} while (now_ms() < start + ASLEEP_MS);
	return false;
}

TEST_F(others, go_on)
{
	unsigned int i, other = (variant->which + 1) % 3;
	int status;

	ASSERT_EQ(0, dm_suspend(numbered("cow", variant->which)));
	self->writer = fork();
	ASSERT_LE(0, self->writer);
	if (!self->writer)
		_exit(!!put(dm_path("top"), 0, 1, 'N'));
	for (i = 0; i < 3; i++) {
		if (i == variant->which)
			continue;
		EXPECT_TRUE(has_exception(i, 0))
			TH_LOG("snapshot %u waits for the COW device of snapshot %u",
			       i, variant->which);
	}
	/* They can be used, and one can go */
	EXPECT_EQ(0, put(dm_path(numbered("snap", other)), 5 * CHUNK, 1, 'S'));
	EXPECT_EQ(0, dm_remove(numbered("snap", other)));
	EXPECT_EQ(0, waitpid(self->writer, &status, WNOHANG))
		TH_LOG("the origin was written before all have their copy");
	ASSERT_EQ(0, dm_resume(numbered("cow", variant->which)));
	ASSERT_EQ(self->writer, waitpid(self->writer, &status, 0));
	EXPECT_EQ(0, status);
	for (i = 0; i < 3; i++) {
		if (i != other)
			expect_data(_metadata, dm_path(numbered("snap", i)), 0,
				    SIZE, 'O', numbered("snap", i));
	}
	expect_data(_metadata, dm_path("top"), 0, 1, 'N', "origin");
	expect_data(_metadata, dm_path("top"), 1, SIZE - 1, 'O', "origin");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "linear", "error", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
