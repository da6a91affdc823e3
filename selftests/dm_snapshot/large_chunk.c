// SPDX-License-Identifier: GPL-2.0
/*
 * Activate a snapshot whose chunks are larger than what the page allocator can
 * provide: dm-bufio has to take its buffers from vmalloc, without a warning.
 * As the kernel warns once, this needs a boot of its own to show the bug.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define SIZE		(128U * 2048)	/* of origin and COW device */

FIXTURE(large_chunk) {
	char origin[64];
	char cow[64];
	int kmsg;
};

FIXTURE_VARIANT(large_chunk) {
	unsigned int chunk;
};

/* This passes with and without the bug */
FIXTURE_VARIANT_ADD(large_chunk, page_allocator) {
	.chunk = 1 * 2048,
};

FIXTURE_VARIANT_ADD(large_chunk, vmalloc) {
	.chunk = 16 * 2048,
};

FIXTURE_SETUP(large_chunk)
{
	/* What a test that was killed has left */
	remove_all();
	strcpy(self->origin, disk_path("origin"));
	strcpy(self->cow, disk_path("cow"));
	self->kmsg = kernel_log();
	ASSERT_LE(0, self->kmsg);
	ASSERT_EQ(0, disk_new("origin", SIZE / 2048, 0));
	ASSERT_EQ(0, disk_new("cow", SIZE / 2048, 0));
	ASSERT_EQ(0, put(self->origin, 0, 8, 'O'));
}

FIXTURE_TEARDOWN(large_chunk)
{
	close(self->kmsg);
	remove_all();
}

TEST_F(large_chunk, activate)
{
	char line[256];
	bool warned;
	int i;

	/* The second time there is something to read */
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s P %u", SIZE,
				    self->origin, self->cow, variant->chunk));
		if (!i)
			ASSERT_EQ(0, put(dm_path("snap"), 8, 8, 'S'));
		expect_data(_metadata, dm_path("snap"), 0, 8, 'O', "copied");
		expect_data(_metadata, dm_path("snap"), 8, 8, 'S', "written");
		ASSERT_EQ(0, dm_remove("snap"));
	}
	warned = kernel_warned(self->kmsg, line, sizeof(line));
	EXPECT_FALSE(warned)
		TH_LOG("chunks of %u KiB, kernel: %s", variant->chunk / 2, line);
}

int main(int argc, char **argv)
{
	static const char * const targets[] = { "snapshot", NULL };

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
