/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What an origin and its snapshots must contain, and what they do contain on
 * disks that lost power. Include after dm_snapshot_test.h.
 *
 * The model knows for each sector of each view what it may be: one tag, or
 * several while it is written to or was not flushed. The on-disk format is read
 * here anew: header, then areas of exceptions (old chunk, new chunk), each
 * followed by as many chunks of data, up to the first new chunk that is 0.
 */
#ifndef _SNAPSHOT_MODEL_H
#define _SNAPSHOT_MODEL_H

#define MAX_TAGS	8
#define MAX_SNAPS	2

/* The views: the origin, and its snapshots */
#define ORIGIN		0

struct sector_model {
	unsigned char tag[MAX_TAGS];	/* oldest first */
	unsigned char nr;
};

struct view_model {
	struct sector_model *s;
	unsigned int chunk;	/* of a snapshot, in sectors; 0: there is none */
	bool may_be_invalid;
	bool merging;
};

struct snapshot_model {
	unsigned int size;	/* of the origin */
	struct view_model view[1 + MAX_SNAPS];
};

static inline int model_init(struct snapshot_model *m, unsigned int size,
			     unsigned char tag)
{
	unsigned int v, s;

	m->size = size;
	for (v = 0; v <= MAX_SNAPS; v++) {
		free(m->view[v].s);
		memset(&m->view[v], 0, sizeof(m->view[v]));
		m->view[v].s = calloc(size, sizeof(struct sector_model));
		if (!m->view[v].s)
			return -ENOMEM;
		for (s = 0; s < size; s++) {
			m->view[v].s[s].tag[0] = tag;
			m->view[v].s[s].nr = 1;
		}
	}
	return 0;
}

static inline void model_free(struct snapshot_model *m)
{
	unsigned int v;

	for (v = 0; v <= MAX_SNAPS; v++)
		free(m->view[v].s);
	memset(m, 0, sizeof(*m));
}

/* A write of @tag is on its way, or done and not flushed */
static inline void model_write(struct view_model *v, unsigned int sector,
			       unsigned int nr, unsigned char tag)
{
	struct sector_model *s;

	for (s = v->s + sector; s < v->s + sector + nr; s++) {
		if (s->tag[s->nr - 1] == tag)
			continue;
		if (s->nr == MAX_TAGS)
			abort();
		s->tag[s->nr++] = tag;
	}
}

/* All that was written is there for sure */
static inline void model_flush(struct view_model *v, unsigned int size)
{
	struct sector_model *s;

	for (s = v->s; s < v->s + size; s++) {
		s->tag[0] = s->tag[s->nr - 1];
		s->nr = 1;
	}
}

static inline bool model_allows(const struct view_model *v, unsigned int sector,
				uint64_t word)
{
	const struct sector_model *s = v->s + sector;
	unsigned int i;

	for (i = s->nr; i--; )
		if (word == htole64(pattern(s->tag[i], sector)))
			return true;
	return false;
}

/* What a COW device says */
struct store {
	unsigned int chunk;
	bool fresh;		/* no header yet: nothing else counts */
	bool invalid;
	unsigned int nr;	/* exceptions, in the order of the store */
	unsigned int areas;	/* with the one that is not full */
	uint64_t *map;		/* new chunk of each chunk of the origin, or 0 */
	char error[160];	/* what makes no sense */
};

static inline void store_free(struct store *st)
{
	free(st->map);
	st->map = NULL;
}

static inline int store_parse(struct store *st, const unsigned char *cow,
			      unsigned int cow_size, unsigned int origin_size,
			      unsigned int chunk)
{
	const uint32_t *header = (const void *)cow;
	unsigned int per_area, chunks, i;
	unsigned long long area;
	const uint64_t *e;

	memset(st, 0, sizeof(*st));
	st->chunk = chunk;
	if (!header[0]) {
		st->fresh = true;
		return 0;
	}
	if (le32toh(header[0]) != SNAP_MAGIC || le32toh(header[1]) > 1 ||
	    le32toh(header[2]) != SNAP_VERSION || le32toh(header[3]) != chunk) {
		snprintf(st->error, sizeof(st->error),
			 "header is %08x %u %u %u", le32toh(header[0]),
			 le32toh(header[1]), le32toh(header[2]),
			 le32toh(header[3]));
		return -EINVAL;
	}
	st->invalid = !header[1];
	if (st->invalid)
		return 0;

	per_area = chunk * SECTOR / EXCEPTION_SIZE;
	chunks = (origin_size + chunk - 1) / chunk;
	st->map = calloc(chunks, sizeof(*st->map));
	if (!st->map)
		return -ENOMEM;
	for (area = 1; ; area += per_area + 1) {
		st->areas++;
		if ((area + 1) * chunk > cow_size) {
			snprintf(st->error, sizeof(st->error),
				 "area %u is behind the end", st->areas - 1);
			return -EINVAL;
		}
		e = (const void *)(cow + area * chunk * SECTOR);
		for (i = 0; i < per_area; i++) {
			uint64_t old = le64toh(e[2 * i]);
			uint64_t new = le64toh(e[2 * i + 1]);

			if (!new)
				return 0;
			if (old >= chunks || (new + 1) * chunk > cow_size ||
			    new % (per_area + 1) == 1 || st->map[old]) {
				snprintf(st->error, sizeof(st->error),
					 "area %u has chunk %llu in %llu%s",
					 st->areas - 1, (unsigned long long)old,
					 (unsigned long long)new,
					 old < chunks && st->map[old] ?
					 ", again" : "");
				return -EINVAL;
			}
			st->map[old] = new;
			st->nr++;
		}
	}
}

/* Sector of the snapshot that the store and the origin make up */
static inline const uint64_t *store_view(const struct store *st,
					 const unsigned char *origin,
					 const unsigned char *cow,
					 unsigned int sector)
{
	uint64_t new = st->map ? st->map[sector / st->chunk] : 0;

	if (!new)
		return (const void *)(origin + sector * SECTOR);
	return (const void *)(cow + (new * st->chunk + sector % st->chunk) *
			      SECTOR);
}

/*
 * Compare disks with the model. @image: the origin, and the COW devices.
 * Returns whether they agree; if not, @why says where they do not.
 */
static inline bool model_check(const struct snapshot_model *m,
			       unsigned char * const image[],
			       const unsigned int cow_size[],
			       char *why, size_t len)
{
	const struct view_model *v, *o = &m->view[ORIGIN];
	const uint64_t *p;
	struct store st;
	unsigned int i, s, wrong, first;
	bool ok;

	for (i = 1; i <= MAX_SNAPS; i++) {
		v = &m->view[i];
		if (!v->chunk)
			continue;
		if (store_parse(&st, image[i], cow_size[i], m->size,
				v->chunk)) {
			snprintf(why, len, "COW device %u: %s", i, st.error);
			store_free(&st);
			return false;
		}
		if (st.invalid) {
			if (v->may_be_invalid)
				continue;
			snprintf(why, len, "snapshot %u is invalid", i);
			return false;
		}
		for (s = 0, wrong = 0, first = 0; s < m->size; s++) {
			p = store_view(&st, image[0], image[i], s);
			if (!model_allows(v, s, p[0]) || p[63] != p[0])
				if (!wrong++)
					first = s;
		}
		if (wrong) {
			p = store_view(&st, image[0], image[i], first);
			snprintf(why, len,
				 "snapshot %u: %u sectors differ, sector %u is %016llx, expected '%.*s'%s",
				 i, wrong, first,
				 (unsigned long long)le64toh(p[0]),
				 v->s[first].nr, (char *)v->s[first].tag,
				 st.map && st.map[first / st.chunk] ?
				 ", it has an exception" : "");
		}
		store_free(&st);
		if (wrong)
			return false;
	}

	for (s = 0, wrong = 0, first = 0; s < m->size; s++) {
		p = (const void *)(image[0] + s * SECTOR);
		ok = model_allows(o, s, p[0]) && p[63] == p[0];
		for (i = 1; !ok && i <= MAX_SNAPS; i++)
			ok = m->view[i].merging &&
			     model_allows(&m->view[i], s, p[0]);
		if (!ok && !wrong++)
			first = s;
	}
	if (wrong) {
		p = (const void *)(image[0] + first * SECTOR);
		snprintf(why, len,
			 "origin: %u sectors differ, sector %u is %016llx, expected '%.*s'",
			 wrong, first, (unsigned long long)le64toh(p[0]),
			 o->s[first].nr, (char *)o->s[first].tag);
	}
	return !wrong;
}

#endif /* _SNAPSHOT_MODEL_H */
