// SPDX-License-Identifier: GPL-2.0
/*
 * What a power failure leaves of an origin and its snapshots, at every moment
 * of their life: creation, writes to the origin and to a snapshot at the same
 * time, a merge that is written to while another snapshot needs the old data,
 * and an overflow.
 *
 * The disks have a volatile cache each and write down what is done to them, in
 * one order. For each write and each flush, these are the disks after a power
 * failure at that moment: with nothing but what was flushed, with all that was
 * written, one in this state and the other in that, and with some of the writes
 * or parts of them. None of them may lose or change a sector that was flushed,
 * nor a sector of a snapshot, which may be invalid only from the moment on when
 * its COW device is too small.
 *
 * The metadata is read here; some states are activated by the kernel, too.
 */
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"
#include "snapdisk.h"
#include "snapshot_model.h"

#define SIZE		512U	/* of the origin, in sectors */
#define COW		2048U
#define MAX_STEPS	64U
#define MAX_EXTENTS	64U
#define ACTIVATIONS	12U
#define MERGE_MS	20000U
#define SNAP		1
#define OTHER		2

enum step_type { WRITE = 1, FLUSH, INVALID, MERGE, NEW_SNAP };

/* What is known from a mark on */
struct step {
	enum step_type type;
	unsigned int view, chunk, nr;
	unsigned char tag;
	struct extent e[MAX_EXTENTS];
};

struct request {
	const unsigned char *data;
	size_t submitted, done;		/* records of the journal */
	uint64_t sector;
	unsigned int disk, nr, flags;
	bool durable, taken;
};

struct image {
	unsigned char *data;
	uint32_t *version;	/* of each sector: the request it is from */
};

FIXTURE(replay) {
	struct snapshot_model model;
	struct step step[MAX_STEPS];
	unsigned int nr_steps;
	unsigned int cow_size[TEST_DISKS];
	struct image durable[TEST_DISKS], newest[TEST_DISKS];
	unsigned char *some[TEST_DISKS];
	struct request *req;
	uint64_t first_id, nr_req, oldest;
	unsigned int states, wrong, activated;
	uint32_t random;
};

FIXTURE_VARIANT(replay) {
	unsigned int chunk;	/* of the snapshot */
	unsigned int other;	/* of the other one */
	unsigned int cow;	/* size of the first COW device */
	unsigned int delay_us;
	bool merge;
};

/* Areas are full after 32 exceptions */
FIXTURE_VARIANT_ADD(replay, sector_chunks) {
	.chunk = 1, .other = 2, .cow = COW, .delay_us = 200, .merge = true,
};

FIXTURE_VARIANT_ADD(replay, page_chunks) {
	.chunk = 8, .other = 4, .cow = COW, .delay_us = 500, .merge = true,
};

/* Requests end at once */
FIXTURE_VARIANT_ADD(replay, no_delay) {
	.chunk = 2, .other = 1, .cow = COW, .merge = true,
};

/* Chunks are read once for both, and some exceptions do not wait for others */
FIXTURE_VARIANT_ADD(replay, slow) {
	.chunk = 2, .other = 2, .cow = COW, .delay_us = 4000, .merge = true,
};

/* The snapshot is invalid after some writes */
FIXTURE_VARIANT_ADD(replay, overflow) {
	.chunk = 2, .other = 2, .cow = 64, .delay_us = 200,
};

static uint32_t rnd(FIXTURE_DATA(replay) *self, uint32_t below)
{
	self->random = self->random * 1664525 + 1013904223;
	return (self->random >> 8) % below;
}

FIXTURE_SETUP(replay)
{
	unsigned int i;

	/* What a test that was killed has left */
	remove_all();
	ASSERT_EQ(0, snapdisk_set("reset", 1));
	self->random = 1;
	self->cow_size[SNAP] = variant->cow;
	self->cow_size[OTHER] = COW;
	for (i = 0; i < TEST_DISKS; i++) {
		size_t n = i ? COW : SIZE;

		self->durable[i].data = malloc(n * SECTOR);
		self->durable[i].version = calloc(n, sizeof(uint32_t));
		self->newest[i].data = malloc(n * SECTOR);
		self->newest[i].version = calloc(n, sizeof(uint32_t));
		self->some[i] = malloc(n * SECTOR);
		ASSERT_NE(NULL, self->some[i]);
	}
	ASSERT_EQ(0, model_init(&self->model, SIZE, 'O'));
	ASSERT_EQ(0, put(snapdisk(0), 0, SIZE, 'O'));
	/* An old snapshot, of which LVM has zeroed the start */
	ASSERT_EQ(0, put(snapdisk(1), variant->chunk, COW - variant->chunk,
			 'X'));
	for (i = 0; i < TEST_DISKS; i++) {
		size_t n = i ? COW : SIZE;

		ASSERT_EQ(0, do_io(snapdisk(i), false, 0, n));
		memcpy(self->durable[i].data, io_buffer(), n * SECTOR);
		memcpy(self->newest[i].data, io_buffer(), n * SECTOR);
	}
	ASSERT_EQ(0, snapdisk_set("delay_us", variant->delay_us));
	ASSERT_EQ(0, snapdisk_set("record", 1));
	ASSERT_EQ(0, dm_new("cow", "0 %u linear %s 0", variant->cow,
			    snapdisk(SNAP)));
}

FIXTURE_TEARDOWN(replay)
{
	unsigned int i;

	remove_all();
	for (i = 0; i < TEST_DISKS; i++) {
		free(self->durable[i].data);
		free(self->durable[i].version);
		free(self->newest[i].data);
		free(self->newest[i].version);
		free(self->some[i]);
	}
	model_free(&self->model);
}

/* The workload: each step is marked in the journal */

static struct step *add_step(struct __test_metadata *_metadata,
			     FIXTURE_DATA(replay) *self, enum step_type type,
			     unsigned int view)
{
	struct step *step = &self->step[self->nr_steps];

	ASSERT_GT(MAX_STEPS, self->nr_steps);
	step->type = type;
	step->view = view;
	return step;
}

static void mark(struct __test_metadata *_metadata, FIXTURE_DATA(replay) *self)
{
	ASSERT_EQ(0, snapdisk_set("mark", self->nr_steps++));
}

/* @nr writes to one of every @every units of @unit sectors, or parts of them */
static struct step *add_writes(struct __test_metadata *_metadata,
			       FIXTURE_DATA(replay) *self, unsigned int view,
			       unsigned char tag, unsigned int first,
			       unsigned int every, unsigned int unit,
			       unsigned int nr)
{
	struct step *step = add_step(_metadata, self, WRITE, view);
	unsigned int i;

	step->tag = tag;
	for (i = 0; i < nr && (first + i * every + 1) * unit <= SIZE; i++) {
		step->e[i].sector = (first + i * every) * unit;
		step->e[i].nr = unit;
	}
	step->nr = i;
	mark(_metadata, self);
	return step;
}

static void flush(struct __test_metadata *_metadata,
		  FIXTURE_DATA(replay) *self, const char *path,
		  unsigned int view)
{
	ASSERT_EQ(0, flush_disk(path));
	add_step(_metadata, self, FLUSH, view);
	mark(_metadata, self);
}

/* Two writers, at the same time */
static void write_both(struct __test_metadata *_metadata,
		       const char *path1, const struct step *step1,
		       const char *path2, const struct step *step2)
{
	pid_t pid = fork();
	int status, r;

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(!!put_async(path2, step2->e, step2->nr, step2->tag));
	r = put_async(path1, step1->e, step1->nr, step1->tag);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, r);
	ASSERT_EQ(0, status);
}

static bool is_merged(const char *name)
{
	unsigned long long used, total, metadata;

	return sscanf(dm_status(name), "%llu/%llu %llu", &used, &total,
		      &metadata) == 3 && used == metadata;
}

static bool wait_until_merged(const char *name)
{
	unsigned long long start = now_ms();

	while (!is_merged(name)) {
		if (now_ms() > start + MERGE_MS)
			return false;
		sleep_ms(2);
	}
	return true;
}

/* What follows the workload: the disks after a power failure */

static void apply(struct image *img, const struct request *r, uint32_t id)
{
	unsigned int i;

	for (i = 0; i < r->nr; i++) {
		if (img->version[r->sector + i] > id)
			continue;
		img->version[r->sector + i] = id;
		memcpy(img->data + (r->sector + i) * SECTOR,
		       r->data + i * SECTOR, SECTOR);
	}
}

static void apply_step(FIXTURE_DATA(replay) *self, unsigned int i)
{
	const struct step *step = &self->step[i];
	struct view_model *v = &self->model.view[step->view];
	unsigned int j;

	switch (step->type) {
	case NEW_SNAP:
		v->chunk = step->chunk;
		break;
	case WRITE:
		for (j = 0; j < step->nr; j++)
			model_write(v, step->e[j].sector, step->e[j].nr,
				    step->tag);
		break;
	case FLUSH:
		model_flush(v, SIZE);
		break;
	case INVALID:
		v->may_be_invalid = true;
		break;
	case MERGE:
		v->merging = true;
		break;
	}
}

/* What the kernel makes of it */
static void activate(struct __test_metadata *_metadata,
		     FIXTURE_DATA(replay) *self, unsigned char * const image[],
		     const char *what)
{
	static unsigned char *view[TEST_DISKS];
	const struct view_model *v;
	unsigned int i, s, wrong;
	struct store st;
	uint64_t *p;

	for (i = 0; i < TEST_DISKS; i++) {
		memcpy(io_buffer(), image[i], (i ? COW : SIZE) * SECTOR);
		ASSERT_EQ(0, do_io(snapdisk(i), true, 0, i ? COW : SIZE));
		if (!view[i])
			view[i] = malloc(SIZE * SECTOR);
	}
	for (i = 1; i < TEST_DISKS; i++) {
		v = &self->model.view[i];
		if (!v->chunk)
			continue;
		ASSERT_EQ(0, store_parse(&st, image[i], self->cow_size[i],
					 SIZE, v->chunk));
		store_free(&st);
		ASSERT_EQ(0, dm_new("after_cow", "0 %u linear %s 0",
				    self->cow_size[i], snapdisk(i)));
		ASSERT_EQ(0, dm_new("after", "0 %u snapshot %s %s P %u", SIZE,
				    snapdisk(0), dm_path("after_cow"),
				    v->chunk));
		if (st.invalid) {
			EXPECT_STREQ("Invalid", dm_status("after"));
		} else {
			ASSERT_EQ(0, do_io(dm_path("after"), false, 0, SIZE));
			p = io_buffer();
			for (s = 0, wrong = 0; s < SIZE; s++)
				wrong += !model_allows(v, s, p[s * 64]);
			EXPECT_EQ(0, wrong)
				TH_LOG("%s: %u sectors of snapshot %u differ when it is activated",
				       what, wrong, i);
		}
		ASSERT_EQ(0, dm_remove("after"));

		/* Go on with the merge */
		if (v->merging && !st.invalid) {
			ASSERT_EQ(0, dm_new("after",
					    "0 %u snapshot-merge %s %s P %u",
					    SIZE, snapdisk(0),
					    dm_path("after_cow"), v->chunk));
			EXPECT_TRUE(wait_until_merged("after"))
				TH_LOG("%s: the status of the merge is '%s'",
				       what, dm_status("after"));
			ASSERT_EQ(0, dm_remove("after"));
			ASSERT_EQ(0, do_io(snapdisk(0), false, 0, SIZE));
			p = io_buffer();
			for (s = 0, wrong = 0; s < SIZE; s++)
				wrong += !model_allows(v, s, p[s * 64]);
			EXPECT_EQ(0, wrong)
				TH_LOG("%s: %u sectors of the origin differ when the merge went on",
				       what, wrong);
			memcpy(io_buffer(), image[0], SIZE * SECTOR);
			ASSERT_EQ(0, do_io(snapdisk(0), true, 0, SIZE));
		}
		ASSERT_EQ(0, dm_remove("after_cow"));
	}
	self->activated++;
}

static void check(struct __test_metadata *_metadata,
		  FIXTURE_DATA(replay) *self, unsigned char *origin,
		  unsigned char *cow1, unsigned char *cow2, const char *which,
		  size_t record, bool kernel)
{
	unsigned char * const image[] = { origin, cow1, cow2 };
	char why[256], what[96];

	snprintf(what, sizeof(what), "record %zu, %s", record, which);
	self->states++;
	if (!model_check(&self->model, image, self->cow_size, why,
			 sizeof(why))) {
		if (self->wrong++ < 5)
			TH_LOG("%s: %s", what, why);
		return;
	}
	if (kernel)
		activate(_metadata, self, image, what);
}

/*
 * Each write that is not durable is there, or a part of it, or it is not. If
 * one is there that has a flush in front of it, the flush is done.
 */
static void some_writes(FIXTURE_DATA(replay) *self, size_t nr)
{
	size_t flushed[TEST_DISKS] = {};
	const struct request *r;
	unsigned int i, part;
	uint64_t id;

	for (i = 0; i < TEST_DISKS; i++)
		memcpy(self->some[i], self->durable[i].data,
		       (i ? COW : SIZE) * SECTOR);
	for (id = self->oldest; id < nr; id++) {
		r = &self->req[id];
		self->req[id].taken = r->nr && !r->durable && rnd(self, 2);
		if (r->flags & TEST_PREFLUSH && self->req[id].taken)
			flushed[r->disk] = r->submitted;
	}
	for (id = self->oldest; id < nr; id++) {
		r = &self->req[id];
		part = r->nr;
		if (r->durable || !part)
			continue;
		if (!r->done || r->done > flushed[r->disk]) {
			if (!r->taken)
				continue;
			if (rnd(self, 4) == 0)
				part = 1 + rnd(self, part);
		}
		/* A later one that is durable stays */
		for (i = 0; i < part; i++)
			if (self->durable[r->disk].version[r->sector + i] <= id)
				memcpy(self->some[r->disk] +
				       (r->sector + i) * SECTOR,
				       r->data + i * SECTOR, SECTOR);
	}
}

static void replay(struct __test_metadata *_metadata,
		   FIXTURE_DATA(replay) *self)
{
	struct image *d = self->durable, *n = self->newest;
	size_t size, off, record = 0, points = 0, all = 0;
	const struct test_record *rec;
	unsigned char *log;
	struct request *r;
	uint64_t id, last = 0, nr = 0;
	bool kernel;

	remove_all();
	ASSERT_EQ(0, snapdisk_set("record", 0));
	ASSERT_EQ(0, snapdisk_set("delay_us", 0));
	ASSERT_EQ(0, snapdisk_get("lost"));
	log = snapdisk_journal(&size);
	ASSERT_NE(NULL, log);

	for (off = 0; off < size; all++) {
		rec = (void *)(log + off);
		off += sizeof(*rec);
		if (rec->type != TEST_SUBMIT)
			continue;
		off += rec->nr * SECTOR;
		if (!self->first_id)
			self->first_id = rec->id;
		last = rec->id;
	}
	self->nr_req = last + 1 - self->first_id;
	self->req = calloc(self->nr_req, sizeof(*self->req));
	ASSERT_NE(NULL, self->req);

	for (off = 0; off < size; record++) {
		bool changed = false;

		rec = (void *)(log + off);
		off += sizeof(*rec);
		if (rec->type == TEST_MARK) {
			apply_step(self, rec->id);
			changed = true;
		} else if (rec->type == TEST_SUBMIT) {
			nr = rec->id - self->first_id;
			r = &self->req[nr++];
			r->data = log + off;
			r->submitted = record;
			r->sector = rec->sector;
			r->disk = rec->disk;
			r->nr = rec->nr;
			r->flags = rec->flags;
			off += rec->nr * SECTOR;
			if (rec->nr) {
				apply(&n[r->disk], r, nr);
				changed = true;
			}
		} else {
			r = &self->req[rec->id - self->first_id];
			r->done = record;
			if (r->flags & TEST_PREFLUSH) {
				for (id = self->oldest; id < nr; id++) {
					struct request *w = &self->req[id];

					if (w->durable || !w->done ||
					    w->disk != r->disk ||
					    w->done > r->submitted)
						continue;
					apply(&d[w->disk], w, id + 1);
					w->durable = true;
					changed |= w->nr;
				}
			}
			if (r->flags & TEST_FUA && r->nr) {
				apply(&d[r->disk], r,
				      rec->id - self->first_id + 1);
				r->durable = true;
				changed = true;
			}
			while (self->oldest < nr &&
			       (self->req[self->oldest].durable ||
				!self->req[self->oldest].nr))
				self->oldest++;
		}
		if (!changed)
			continue;
		/* Spread over the whole, for all of the five kinds */
		kernel = record >= all * self->activated / ACTIVATIONS;
		points++;
		check(_metadata, self, d[0].data, d[1].data, d[2].data,
		      "what was flushed", record, kernel && points % 5 == 0);
		check(_metadata, self, n[0].data, n[1].data, n[2].data,
		      "all that was written", record,
		      kernel && points % 5 == 1);
		check(_metadata, self, n[0].data, d[1].data, d[2].data,
		      "the origin and nothing of the COW devices", record,
		      kernel && points % 5 == 2);
		check(_metadata, self, d[0].data, n[1].data, n[2].data,
		      "the COW devices and nothing of the origin", record,
		      kernel && points % 5 == 3);
		if (points % 4)
			continue;
		some_writes(self, nr);
		check(_metadata, self, self->some[0], self->some[1],
		      self->some[2], "some of the writes", record, kernel);
	}
	free(self->req);
	free(log);
	TH_LOG("%zu records, %zu points, %u states, %u activated", all, points,
	       self->states, self->activated);
	EXPECT_EQ(0, self->wrong)
		TH_LOG("%u of %u states are wrong", self->wrong, self->states);
}

static void create(struct __test_metadata *_metadata,
		   FIXTURE_DATA(replay) *self,
		   const FIXTURE_VARIANT(replay) *variant)
{
	struct step *step;

	step = add_step(_metadata, self, NEW_SNAP, SNAP);
	step->chunk = variant->chunk;
	mark(_metadata, self);
	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s P %u", SIZE,
			    snapdisk(0), dm_path("cow"), variant->chunk));
	step = add_step(_metadata, self, NEW_SNAP, OTHER);
	step->chunk = variant->other;
	mark(_metadata, self);
	ASSERT_EQ(0, dm_new("other", "0 %u snapshot %s %s P %u", SIZE,
			    snapdisk(0), snapdisk(OTHER), variant->other));
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
			    snapdisk(0)));
}

TEST_F_TIMEOUT(replay, life, 120)
{
	struct step *origin, *snap;
	unsigned int c = variant->chunk;

	create(_metadata, self, variant);

	if (variant->cow < COW) {
		add_step(_metadata, self, INVALID, SNAP);
		mark(_metadata, self);
	}
	/* Scattered and together; not flushed, then flushed */
	origin = add_writes(_metadata, self, ORIGIN, 'a', 3, 5, c, 20);
	ASSERT_EQ(0, put_async(dm_path("top"), origin->e, origin->nr, 'a'));
	flush(_metadata, self, dm_path("top"), ORIGIN);
	origin = add_writes(_metadata, self, ORIGIN, 'b', 4, 1, c, 7);
	ASSERT_EQ(0, put_async(dm_path("top"), origin->e, origin->nr, 'b'));

	if (!variant->merge) {
		origin = add_writes(_metadata, self, ORIGIN, 'c', 0, 3, c, 64);
		ASSERT_EQ(0, put_async(dm_path("top"), origin->e, origin->nr,
				       'c'));
		flush(_metadata, self, dm_path("top"), ORIGIN);
		origin = add_writes(_metadata, self, ORIGIN, 'd', 1, 3, c, 64);
		ASSERT_EQ(0, put_async(dm_path("top"), origin->e, origin->nr,
				       'd'));
		EXPECT_STREQ("Invalid", dm_status("snap"));
		replay(_metadata, self);
		return;
	}

	/* Chunks with an exception, without one, and a sector of one */
	origin = add_writes(_metadata, self, ORIGIN, 'c', 1, 4, c, 16);
	snap = add_writes(_metadata, self, SNAP, 'd', 0, 3, c, 21);
	write_both(_metadata, dm_path("top"), origin, dm_path("snap"), snap);
	flush(_metadata, self, dm_path("snap"), SNAP);
	flush(_metadata, self, dm_path("top"), ORIGIN);
	origin = add_writes(_metadata, self, ORIGIN, 'e', SIZE / 2, 2 * c + 1,
			    1, 12);
	snap = add_writes(_metadata, self, SNAP, 'f', SIZE / 2 + 1, 3 * c, 1,
			  12);
	write_both(_metadata, dm_path("top"), origin, dm_path("snap"), snap);
	/* More than a chunk */
	origin = add_writes(_metadata, self, ORIGIN, 'g', 1, 2, 16, 10);
	ASSERT_EQ(0, put_async(dm_path("top"), origin->e, origin->nr, 'g'));
	flush(_metadata, self, dm_path("snap"), SNAP);
	flush(_metadata, self, dm_path("top"), ORIGIN);

	/* Merge, write to it, and let the other snapshot keep what it has */
	ASSERT_EQ(0, dm_remove("top"));
	ASSERT_EQ(0, dm_remove("snap"));
	add_step(_metadata, self, MERGE, SNAP);
	mark(_metadata, self);
	ASSERT_EQ(0, dm_new("merge", "0 %u snapshot-merge %s %s P %u", SIZE,
			    snapdisk(0), dm_path("cow"), c));
	snap = add_writes(_metadata, self, SNAP, 'h', 2, 7, c, 20);
	ASSERT_EQ(0, put_async(dm_path("merge"), snap->e, snap->nr, 'h'));
	flush(_metadata, self, dm_path("merge"), SNAP);
	snap = add_writes(_metadata, self, SNAP, 'i', 0, 5, c, 20);
	ASSERT_EQ(0, put_async(dm_path("merge"), snap->e, snap->nr, 'i'));
	flush(_metadata, self, dm_path("merge"), SNAP);
	EXPECT_TRUE(wait_until_merged("merge"))
		TH_LOG("status '%s', expected all to be merged",
		       dm_status("merge"));
	ASSERT_EQ(0, dm_remove("merge"));
	replay(_metadata, self);
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "snapshot-merge", "linear", NULL
	};
	int r;

	dm_snapshot_test_init(snapdisk_cleanup, targets);
	r = snapdisk_load("sectors=512,2048,2048");
	if (r)
		ksft_exit_skip("module " SNAPDISK ": %s\n", strerror(-r));
	return test_harness_run(argc, argv);
}
