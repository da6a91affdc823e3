// SPDX-License-Identifier: GPL-2.0
/*
 * Activate snapshots whose metadata was changed at random, use them and merge
 * them. Whatever they hold then, the kernel has to survive it without a
 * complaint, the header stays a header, and nothing around the COW device is
 * written to. A kernel without the checks for this dies.
 *
 * DM_SNAPSHOT_IMAGES: how many, DM_SNAPSHOT_SEED: which, DM_SNAPSHOT_SECONDS: in
 * what time at most
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		1U
#define PER_AREA	(CHUNK * 512 / EXCEPTION_SIZE)
#define AREA(n)		((1 + (PER_AREA + 1) * (n)) * CHUNK)
#define COW		256U	/* sectors of the COW device, ... */
#define COW_START	512U	/* ... and where it is on its disk */
#define DISK		1024U	/* is what is looked at */
#define AREAS		3U	/* with exceptions */
#define EXCEPTIONS	(2 * PER_AREA + 6)
#define ORIGIN		2048U
#define USED		1024U	/* of the origin */
#define MAX_SECONDS	3600

static unsigned int images = 200;
static unsigned int seconds = 240;
static uint64_t seed;

static uint64_t state;

/* splitmix64 */
static uint64_t rnd(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static uint64_t rnd_chunk(void)
{
	static const uint64_t values[] = {
		0, 1, 2, AREA(1) - 1, AREA(1), AREA(1) + 1, AREA(2), AREA(3),
		COW - 1, COW, COW + 1, ORIGIN - 1, ORIGIN, 1ULL << 32,
		1ULL << 55, 1ULL << 56, 0xffULL << 56 | 10, 0xfeULL << 56 | 5,
		1ULL << 61, (1ULL << 61) - 1, (1ULL << 63) - 1, 1ULL << 63,
		(1ULL << 55) - 2, ~0ULL, ~0ULL - 1,
	};

	switch (rnd() % 4) {
	case 0:
		return rnd();
	case 1:
		return rnd() % COW;
	case 2:
		return rnd() % ORIGIN;
	default:
		return values[rnd() % ARRAY_SIZE(values)];
	}
}

static uint64_t *entry(unsigned char *image, unsigned int i)
{
	return (uint64_t *)(image + AREA(i / PER_AREA) * SECTOR) +
	       i % PER_AREA * 2;
}

static void mutate(unsigned char *image)
{
	static const uint32_t sizes[] = {
		0, 1, 2, 3, 4, 8, 16, 64, 128, 256, 512, 1U << 16, 1U << 20,
		1U << 21, 1U << 22, 1U << 23, 1U << 31, ~0U,
	};
	uint32_t *header = (uint32_t *)image;
	unsigned int n = 1 + rnd() % 3, at;
	uint64_t *e, *f;

	while (n--) {
		/* Also where no exceptions are yet, in the last area */
		at = rnd() % (EXCEPTIONS + 8);
		e = entry(image, at);
		f = entry(image, at + 1);
		switch (rnd() % 16) {
		case 0:
			image[rnd() % 16] ^= 1 << rnd() % 8;
			break;
		case 1:
			header[3] = htole32(sizes[rnd() % ARRAY_SIZE(sizes)]);
			break;
		case 2:
			header[rnd() % 3] = htole32(rnd() % 3);
			break;
		case 3:
		case 4:
		case 5:
			((unsigned char *)e)[rnd() % EXCEPTION_SIZE] ^=
				1 << rnd() % 8;
			break;
		case 6:
		case 7:
		case 8:
			e[1] = htole64(rnd_chunk());
			break;
		case 9:
		case 10:
			e[0] = htole64(rnd_chunk());
			break;
		case 11:
			memcpy(e, entry(image, rnd() % EXCEPTIONS),
			       EXCEPTION_SIZE);
			break;
		case 12:
			memset(image + AREA(rnd() % AREAS) * SECTOR +
			       rnd() % 512, rnd(), 1 + rnd() % 64);
			break;
		case 13:	/* a number of chunks, and one more before it */
			e[0] = htole64(5);
			e[1] = htole64(0xffULL << 56 | 10);
			f[0] = htole64(4);
			f[1] = htole64(9);
			break;
		case 14:	/* consecutive ones, over a metadata chunk */
			e[0] = htole64(100);
			e[1] = htole64(AREA(1) - 1);
			f[0] = htole64(101);
			f[1] = htole64(AREA(1));
			break;
		case 15:	/* an area that is full */
			memset(image + AREA(rnd() % 8) * SECTOR, 1 + rnd() % 255,
			       SECTOR);
			break;
		}
	}
}

/* Is it what the kernel writes, if it writes a header? */
static bool is_header(const uint32_t *sector)
{
	unsigned int i;

	if (le32toh(sector[0]) != SNAP_MAGIC || le32toh(sector[1]) > 1)
		return false;
	for (i = 4; i < SECTOR / 4; i++)
		if (sector[i])
			return false;
	return true;
}

FIXTURE(mutated_store) {
	char origin[64];
	char disk[64];
	unsigned char *image;
	int kmsg;
};

FIXTURE_SETUP(mutated_store)
{
	unsigned int i;

	/* What a test that was killed has left */
	remove_all();
	strcpy(self->origin, disk_path("origin"));
	strcpy(self->disk, disk_path("cow"));
	self->image = malloc(COW * SECTOR);
	ASSERT_NE(NULL, self->image);
	self->kmsg = kernel_log();
	ASSERT_LE(0, self->kmsg);
	ASSERT_EQ(0, disk_new("origin", ORIGIN / 2048, 0));
	ASSERT_EQ(0, disk_new("cow", 1, 0));
	ASSERT_EQ(0, put(self->origin, 0, ORIGIN, 'O'));
	ASSERT_EQ(0, put(self->disk, 0, DISK, 'G'));
	memset(io_buffer(), 0, SECTOR);
	ASSERT_EQ(0, do_io(self->disk, true, COW_START, 1));
	ASSERT_EQ(0, dm_new("cow", "0 %u linear %s %u", COW, self->disk,
			    COW_START));
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", ORIGIN,
			    self->origin));

	/* What is mutated: some consecutive, some scattered */
	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s P %u", ORIGIN,
			    self->origin, dm_path("cow"), CHUNK));
	for (i = 0; i < EXCEPTIONS; i++)
		ASSERT_EQ(0, put(dm_path("snap"),
				 i % 8 < 4 ? i : i * 401 % USED, CHUNK, 'S'));
	ASSERT_EQ(0, dm_remove("snap"));
	ASSERT_EQ(0, do_io(self->disk, false, COW_START, COW));
	memcpy(self->image, io_buffer(), COW * SECTOR);
}

FIXTURE_TEARDOWN(mutated_store)
{
	close(self->kmsg);
	free(self->image);
	remove_all();
}

TEST_F_TIMEOUT(mutated_store, survive, MAX_SECONDS)
{
	unsigned int i, j, loaded = 0, merged = 0;
	time_t end = time(NULL) + seconds;
	unsigned char image[COW * SECTOR], *p = io_buffer();
	bool ok;
	char line[256];
	int r;

	TH_LOG("DM_SNAPSHOT_SEED=%llu DM_SNAPSHOT_IMAGES=%u",
	       (unsigned long long)seed, images);
	for (i = 0; i < images && time(NULL) < end; i++) {
		state = seed * 1000003 + i;
		memcpy(image, self->image, sizeof(image));
		mutate(image);
		memcpy(p, image, sizeof(image));
		ASSERT_EQ(0, do_io(self->disk, true, COW_START, COW));

		r = dm_new("snap", "0 %u snapshot %s %s %s %u", ORIGIN,
			   self->origin, dm_path("cow"), i & 1 ? "PO" : "P",
			   CHUNK);
		if (!r) {
			loaded++;
			do_io(dm_path("snap"), false, 0, USED);
			for (j = 0; j < 8; j++) {
				put(dm_path("snap"), rnd() % ORIGIN, 1, 'W');
				put(dm_path("top"), rnd() % ORIGIN, 1, 'N');
			}
			ASSERT_EQ(0, dm_remove("snap"));
			if (i % 4 == 0 &&
			    !dm_new("merge", "0 %u snapshot-merge %s %s P %u",
				    ORIGIN, self->origin, dm_path("cow"),
				    CHUNK)) {
				merged++;
				put(dm_path("merge"), rnd() % ORIGIN, 1, 'M');
				sleep_ms(rnd() % 20);
				ASSERT_EQ(0, dm_remove("merge"));
			}
		}

		ASSERT_EQ(0, do_io(self->disk, false, 0, DISK));
		ok = !memcmp(p + COW_START * SECTOR, image, SECTOR) ||
		     is_header((uint32_t *)(p + COW_START * SECTOR));
		EXPECT_TRUE(ok) {
			uint64_t *w = (uint64_t *)(p + COW_START * SECTOR);

			TH_LOG("image %u: the header is overwritten: %016llx %016llx",
			       i, (unsigned long long)le64toh(w[0]),
			       (unsigned long long)le64toh(w[1]));
		}
		for (j = 0; j < DISK; j++) {
			if (j >= COW_START && j < COW_START + COW)
				continue;
			ok = le64toh(((uint64_t *)(p + j * SECTOR))[0]) ==
			     pattern('G', j);
			ASSERT_TRUE(ok)
				TH_LOG("image %u: sector %u of the disk is overwritten",
				       i, j);
		}
		ok = !kernel_warned(self->kmsg, line, sizeof(line));
		ASSERT_TRUE(ok)
			TH_LOG("image %u: kernel: %s", i, line);
	}
	TH_LOG("%u images, %u activated, %u merged", i, loaded, merged);
	EXPECT_LT(0, loaded);
	if (i < images)
		TH_LOG("time is up at image %u", i);
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "snapshot-merge", "linear", NULL
	};
	const char *s;

	seed = time(NULL);
	s = getenv("DM_SNAPSHOT_SEED");
	if (s)
		seed = strtoull(s, NULL, 0);
	s = getenv("DM_SNAPSHOT_IMAGES");
	if (s)
		images = strtoul(s, NULL, 0);
	s = getenv("DM_SNAPSHOT_SECONDS");
	if (s)
		seconds = strtoul(s, NULL, 0);
	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
