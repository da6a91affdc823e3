// SPDX-License-Identifier: GPL-2.0
/*
 * What a power failure leaves of a snapshot. dm-log-writes records what is
 * written to the COW device, in the order in which it is on the disk for sure:
 * a write is logged with the flush that follows it, or at once with FUA. A
 * COW device that has got the first so many of these writes is what there is
 * after a power failure. The origin is supposed to have got all.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		2048U	/* of the origin */
#define FIT		6U	/* exceptions, with header and first area: */
#define COW		((FIT + 2) * CHUNK)
#define LOG_SIZE	(16U * 2048)

#define LOG_MAGIC	0x6a736677736872ULL
#define LOG_FLUSH	1U
#define LOG_FUA		2U
#define LOG_MARK	8U

FIXTURE(power_cut) {
	char origin[64];
	char cow[64];
	char log[64];
	char replay[64];
	unsigned char *image;	/* of the COW device */
	uint64_t next;		/* sector of the log */
	uint64_t entries;	/* that are left there */
};

FIXTURE_SETUP(power_cut)
{
	/* What a test that was killed has left */
	remove_all();
	strcpy(self->origin, disk_path("origin"));
	strcpy(self->cow, disk_path("cow"));
	strcpy(self->log, disk_path("log"));
	strcpy(self->replay, disk_path("replay"));
	self->image = calloc(COW, SECTOR);
	ASSERT_NE(NULL, self->image);
	ASSERT_EQ(0, disk_new("origin", 1, 0));
	ASSERT_EQ(0, disk_new("cow", 1, 0));
	ASSERT_EQ(0, disk_new("replay", 1, 0));
	ASSERT_EQ(0, disk_new("log", LOG_SIZE / 2048, 0));
	ASSERT_EQ(0, put(self->origin, 0, SIZE, 'O'));
}

FIXTURE_TEARDOWN(power_cut)
{
	free(self->image);
	remove_all();
}

static int create(FIXTURE_DATA(power_cut) *self)
{
	int r;

	r = dm_new("logged", "0 %u log-writes %s %s", COW, self->cow, self->log);
	if (!r)
		r = dm_new("snap", "0 %u snapshot %s %s P %u", SIZE,
			   self->origin, dm_path("logged"), CHUNK);
	if (!r)
		r = dm_new("top", "0 %u snapshot-origin %s", SIZE, self->origin);
	return r;
}

/* Ends the log, too */
static int destroy(FIXTURE_DATA(power_cut) *self)
{
	uint64_t *p = io_buffer();
	int r;

	r = dm_remove("top");
	if (!r)
		r = dm_remove("snap");
	if (!r)
		r = dm_remove("logged");
	if (!r)
		r = do_io(self->log, false, 0, 1);
	if (r)
		return r;
	self->next = 1;
	self->entries = le64toh(p[2]);
	return le64toh(p[0]) == LOG_MAGIC ? 0 : -EINVAL;
}

/* Apply the next write of the log to the image. Returns the mark, if it is one */
static const char *replay_next(struct __test_metadata *_metadata,
			       FIXTURE_DATA(power_cut) *self)
{
	static char mark[64];
	uint64_t *p = io_buffer(), sector, nr, flags;

	ASSERT_LT(0, self->entries);
	ASSERT_EQ(0, do_io(self->log, false, self->next, 1));
	sector = le64toh(p[0]);
	nr = le64toh(p[1]);
	flags = le64toh(p[2]);
	self->next++;
	self->entries--;
	if (flags & LOG_MARK) {
		snprintf(mark, sizeof(mark), "%.*s", (int)le64toh(p[3]),
			 (char *)(p + 4));
		return mark;
	}
	ASSERT_GE(COW, sector + nr);
	if (nr) {
		ASSERT_EQ(0, do_io(self->log, false, self->next, nr));
		memcpy(self->image + sector * SECTOR, p, nr * SECTOR);
		self->next += nr;
	}
	return NULL;
}

/* Activate the snapshot after a power failure */
static int activate(FIXTURE_DATA(power_cut) *self, const char *origin)
{
	int r;

	memcpy(io_buffer(), self->image, COW * SECTOR);
	r = do_io(self->replay, true, 0, COW);
	if (!r)
		r = dm_new("replay_cow", "0 %u linear %s 0", COW, self->replay);
	if (!r)
		r = dm_new("after", "0 %u snapshot %s %s P %u", SIZE, origin,
			   dm_path("replay_cow"), CHUNK);
	return r;
}

static void deactivate(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, dm_remove("after"));
	ASSERT_EQ(0, dm_remove("replay_cow"));
}

/*
 * A write to the origin that does not fit into the COW device invalidates the
 * snapshot. When the write is complete, the snapshot must stay invalid.
 */
TEST_F(power_cut, invalid)
{
	const char *mark;

	ASSERT_EQ(0, create(self));
	ASSERT_EQ(0, put_by(dm_path("top"), 0, (FIT + 1) * CHUNK, 'N', CHUNK));
	ASSERT_STREQ("Invalid", dm_status("snap"));
	ASSERT_EQ(0, dm_message("logged", "mark written"));
	ASSERT_EQ(0, destroy(self));

	do {
		mark = replay_next(_metadata, self);
	} while (!mark || strcmp(mark, "written"));
	ASSERT_EQ(0, activate(self, self->origin));
	EXPECT_STREQ("Invalid", dm_status("after")) {
		TH_LOG("after a power cut: status '%s', expected 'Invalid'",
		       dm_status("after"));
	}
	if (strcmp("Invalid", dm_status("after")))
		expect_data(_metadata, dm_path("after"), 0, SIZE, 'O',
			    "snapshot after a power cut");
	deactivate(_metadata);
}

/*
 * The blocks of the new COW device have been one before, and only the header
 * is zeroed, as LVM does it.
 */
TEST_F(power_cut, create)
{
	struct exception e[FIT];
	unsigned int i;
	char what[64];

	for (i = 0; i < FIT; i++) {
		e[i].old_chunk = i;
		e[i].new_chunk = 2 + i;
	}
	ASSERT_EQ(0, put(self->cow, 0, COW, 'X'));
	ASSERT_EQ(0, store_write(self->cow, CHUNK, SNAP_MAGIC, e, FIT));
	memset(io_buffer(), 0, CHUNK * SECTOR);
	ASSERT_EQ(0, do_io(self->cow, true, 0, CHUNK));
	ASSERT_EQ(0, do_io(self->cow, false, 0, COW));
	memcpy(self->image, io_buffer(), COW * SECTOR);

	ASSERT_EQ(0, create(self));
	ASSERT_EQ(0, destroy(self));
	for (i = 0; ; i++) {
		snprintf(what, sizeof(what), "snapshot after a power cut, %u writes",
			 i);
		ASSERT_EQ(0, activate(self, self->origin));
		expect_data(_metadata, dm_path("after"), 0, SIZE, 'O', what);
		deactivate(_metadata);
		if (!self->entries)
			break;
		replay_next(_metadata, self);
	}
}

/*
 * Power cuts while the origin is written to. It does not get a write before
 * the snapshot has its exception. This passes with and without the bugs.
 */
TEST_F(power_cut, use)
{
	/* One after the other, together, and one that is there */
	static const struct { unsigned int first, nr; } writes[] = {
		{ 9, 1 }, { 30, 3 }, { 10, 1 }, { 31, 1 }, { 2, 1 },
	};
	unsigned int i, done = 0, points = 0;
	const char *mark;
	char what[64];

	ASSERT_EQ(0, create(self));
	for (i = 0; i < ARRAY_SIZE(writes); i++) {
		ASSERT_EQ(0, put(dm_path("top"), writes[i].first * CHUNK,
				 writes[i].nr * CHUNK, 'N'));
		snprintf(what, sizeof(what), "mark %u", i);
		ASSERT_EQ(0, dm_message("logged", what));
	}
	ASSERT_EQ(0, destroy(self));

	ASSERT_EQ(0, disk_new("model", 1, 0));
	ASSERT_EQ(0, put(disk_path("model"), 0, SIZE, 'O'));
	for (; ; points++) {
		snprintf(what, sizeof(what), "after %u writes, log entry %u",
			 done, points);
		ASSERT_EQ(0, activate(self, disk_path("model")));
		expect_data(_metadata, dm_path("after"), 0, SIZE, 'O', what);
		deactivate(_metadata);
		if (!self->entries)
			break;
		mark = replay_next(_metadata, self);
		if (mark && *mark >= '0' && *mark <= '9') {
			i = atoi(mark);
			ASSERT_EQ(0, put(disk_path("model"),
					 writes[i].first * CHUNK,
					 writes[i].nr * CHUNK, 'N'));
			done = i + 1;
		}
	}
	EXPECT_EQ(ARRAY_SIZE(writes), done);
	TH_LOG("%u points of the log", points);
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "linear", "log-writes", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
