// SPDX-License-Identifier: GPL-2.0
/*
 * A volume on persistent memory that gets a snapshot. A snapshot-origin has no
 * DAX, and a live device cannot lose it: loading the table fails, and the
 * volume stays what it is. A snapshot-origin that is new works, without DAX.
 * This is what the kernel does today; boot with memmap=512M!1G.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define PMEM		"/dev/pmem0"
#define CHUNK		8U
#define SIZE		8192U

FIXTURE(pmem_origin) {
	char cow[64];
};

FIXTURE_SETUP(pmem_origin)
{
	/* What a test that was killed has left */
	remove_all();
	if (access(PMEM, R_OK | W_OK))
		SKIP(return, "no " PMEM " (memmap=512M!1G)");
	strcpy(self->cow, disk_path("cow"));
	ASSERT_EQ(0, disk_new("cow", SIZE / 2048, 0));
	ASSERT_EQ(0, put(PMEM, 0, SIZE, 'O'));
}

FIXTURE_TEARDOWN(pmem_origin)
{
	remove_all();
}

/* Does the dm device have DAX? Less than 0 if it does not say so */
static int has_dax(const char *name)
{
	char path[128], buf[16];

	snprintf(path, sizeof(path), "/sys/block/%s/queue/dax",
		 strrchr(dm_path(name), '/') + 1);
	if (read_file(path, buf, sizeof(buf)))
		return -1;
	return atoi(buf);
}

TEST_F(pmem_origin, live)
{
	int r;

	ASSERT_EQ(0, dm_new("vol", "0 %u linear " PMEM " 0", SIZE));
	if (has_dax("vol") != 1)
		SKIP(return, "no DAX on " PMEM);
	r = dm_load("vol", "0 %u snapshot-origin " PMEM, SIZE);
	EXPECT_EQ(-EINVAL, r)
		TH_LOG("a snapshot-origin in place of a linear target with DAX: %d, expected %d",
		       r, -EINVAL);
	EXPECT_EQ(0, dm_suspend("vol"));
	EXPECT_EQ(0, dm_resume("vol"));
	EXPECT_EQ(1, has_dax("vol"));
	expect_data(_metadata, dm_path("vol"), 0, SIZE, 'O', "volume");
	ASSERT_EQ(0, put(dm_path("vol"), 0, CHUNK, 'N'));
	expect_data(_metadata, PMEM, 0, CHUNK, 'N', "pmem");
}

TEST_F(pmem_origin, new)
{
	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot " PMEM " %s P %u", SIZE,
			    self->cow, CHUNK));
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin " PMEM, SIZE));
	EXPECT_EQ(0, has_dax("top"));
	EXPECT_EQ(0, has_dax("snap"));
	ASSERT_EQ(0, put(dm_path("top"), 3 * CHUNK, 5 * CHUNK, 'N'));
	expect_data(_metadata, PMEM, 3 * CHUNK, 5 * CHUNK, 'N', "pmem");
	expect_data(_metadata, dm_path("snap"), 0, SIZE, 'O', "snapshot");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "linear", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
