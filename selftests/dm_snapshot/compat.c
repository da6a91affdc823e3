// SPDX-License-Identifier: GPL-2.0
/*
 * What one kernel has left in a COW device, another one has to find. This is
 * run once in each boot of a chain of kernels, on a disk that stays; who boots
 * them says in the first sector of /dev/vda what comes next:
 *
 *   create   an origin, a snapshot, and one that gets full
 *   write    to both sides, after all of it was compared
 *   merge    after all of it was compared
 *
 * Two kernels that read and write one format can follow each other in any order.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define DISK		"/dev/vda"
#define CHUNK		8U
#define CHUNKS		2048U
#define SIZE		(CHUNKS * CHUNK)
#define COW		(CHUNKS * CHUNK)
#define FIT		4U	/* chunks, in the COW device that gets full */
#define SMALL		((2 + FIT) * CHUNK)
/* Of each side, by one boot: some in a row and some not, beyond an area */
#define WRITES		72U
#define MOST_WRITES	8U

/* In the second sector: the boots that have written */
static int count_get(uint64_t *count)
{
	int r = do_io(DISK, false, 1, 1);

	*count = le64toh(*(uint64_t *)io_buffer());
	return r;
}

static int count_set(uint64_t count)
{
	memset(io_buffer(), 0, SECTOR);
	*(uint64_t *)io_buffer() = htole64(count);
	return do_io(DISK, true, 1, 1);
}

static unsigned int chunk_of(unsigned int boot, unsigned int i)
{
	unsigned int first = boot * WRITES;

	return first + (i < WRITES / 2 ? i : WRITES / 2 + i * 7 % (WRITES / 2));
}

static int write_all(const char *path, unsigned int boot, unsigned int skip,
		     unsigned char tag)
{
	unsigned int i;
	int r = 0;

	for (i = 0; !r && i < WRITES; i++)
		r = put(path, (skip + chunk_of(boot, i)) * CHUNK, CHUNK, tag);
	return r;
}

#define HALF		(CHUNKS / 2)

static void expect_all(struct __test_metadata *_metadata, uint64_t boots,
		       const char *origin, const char *snap)
{
	unsigned int i, nr = WRITES * CHUNK;

	for (i = 0; i < boots; i++) {
		expect_data(_metadata, origin, i * nr, nr, 'A' + i,
			    "written to the origin");
		expect_data(_metadata, snap, HALF * CHUNK + i * nr, nr, 'a' + i,
			    "written to the snapshot");
	}
	expect_data(_metadata, snap, 0, HALF * CHUNK, 'O', "the snapshot");
	expect_data(_metadata, snap, HALF * CHUNK + boots * nr,
		    HALF * CHUNK - boots * nr, 'O', "the snapshot's end");
	expect_data(_metadata, origin, boots * nr, SIZE - boots * nr, 'O',
		    "the origin");
}

TEST(compat)
{
	const char *what = (char *)io_buffer();
	char origin[64], cow[64], small[64], snap[64], task[16];
	uint64_t boots = 0, from = CHUNK;
	unsigned int i;

	if (access(DISK, R_OK | W_OK))
		SKIP(return, "no " DISK ", see scripts/tests/compat.sh");
	ASSERT_EQ(0, do_io(DISK, false, 0, 1));
	snprintf(task, sizeof(task), "%.*s", (int)strcspn(what, "\n"), what);
	if (strcmp(task, "create"))
		ASSERT_EQ(0, count_get(&boots));
	ASSERT_GT(MOST_WRITES, boots);
	TH_LOG("%s, after %llu boots that have written", task,
	       (unsigned long long)boots);

	ASSERT_EQ(0, dm_new("origin", "0 %u linear " DISK " %llu", SIZE,
			    (unsigned long long)from));
	ASSERT_EQ(0, dm_new("cow", "0 %u linear " DISK " %llu", COW,
			    (unsigned long long)(from += SIZE)));
	ASSERT_EQ(0, dm_new("small", "0 %u linear " DISK " %llu", SMALL,
			    (unsigned long long)(from += COW)));
	strcpy(origin, dm_path("origin"));
	strcpy(cow, dm_path("cow"));
	strcpy(small, dm_path("small"));
	if (!strcmp(task, "create")) {
		ASSERT_EQ(0, put(origin, 0, SIZE, 'O'));
		/* All but the header may be anything */
		ASSERT_EQ(0, put(cow, 0, COW, 'X'));
		ASSERT_EQ(0, put(small, 0, SMALL, 'X'));
		memset(io_buffer(), 0, CHUNK * SECTOR);
		ASSERT_EQ(0, do_io(cow, true, 0, CHUNK));
		ASSERT_EQ(0, do_io(small, true, 0, CHUNK));
	}
	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s P %u", SIZE, origin,
			    cow, CHUNK));
	ASSERT_EQ(0, dm_new("full", "0 %u snapshot %s %s P %u", SIZE, origin,
			    small, CHUNK));
	strcpy(snap, dm_path("snap"));
	expect_all(_metadata, boots, origin, snap);
	if (strcmp(task, "create"))
		EXPECT_STREQ("Invalid", dm_status("full"));

	if (strcmp(task, "merge")) {
		ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
				    origin));
		ASSERT_EQ(0, write_all(dm_path("top"), boots, 0, 'A' + boots));
		ASSERT_EQ(0, write_all(snap, boots, HALF, 'a' + boots));
		boots++;
		expect_all(_metadata, boots, origin, snap);
		EXPECT_STREQ("Invalid", dm_status("full"));
		ASSERT_EQ(0, dm_remove("top"));
	}
	ASSERT_EQ(0, dm_remove("full"));
	ASSERT_EQ(0, dm_remove("snap"));
	ASSERT_EQ(0, count_set(boots));
	if (!strcmp(task, "merge")) {
		ASSERT_EQ(0, dm_new("merge", "0 %u snapshot-merge %s %s P %u",
				    SIZE, origin, cow, CHUNK));
		EXPECT_TRUE(wait_merged(cow, CHUNK, 20))
			TH_LOG("status '%s'", dm_status("merge"));
		ASSERT_EQ(0, dm_remove("merge"));
		expect_data(_metadata, origin, 0, HALF * CHUNK, 'O', "merged");
		for (i = 0; i < boots; i++)
			expect_data(_metadata, origin,
				    HALF * CHUNK + i * WRITES * CHUNK,
				    WRITES * CHUNK, 'a' + i, "merged");
	}
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"linear", "snapshot", "snapshot-origin", "snapshot-merge", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
