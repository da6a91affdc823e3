// SPDX-License-Identifier: GPL-2.0
/*
 * Load the table of a snapshot with each of its memory allocations failing in
 * turn. What was allocated before is freed, once.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"
/* As many as can be in this time; per-cpu workqueues take one a processor */
#define SWEEP_SECONDS	40
#define SIZE		8192U

/* Let every allocation fail, whether it may sleep or not, without a dump. */
static struct knob knobs[] = {
	{ "/sys/kernel/debug/failslab/ignore-gfp-wait", "N" },
	{ "/sys/kernel/debug/failslab/verbose", "0" },
	{ "/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N" },
	{ "/sys/kernel/debug/fail_page_alloc/min-order", "0" },
	{ "/sys/kernel/debug/fail_page_alloc/verbose", "0" },
};

static void restore(void)
{
	restore_knobs(knobs, ARRAY_SIZE(knobs));
}

static bool have_faults;

FIXTURE(metadata_alloc) {
	char origin[64];
	char cow[64];
	int kmsg;
};

FIXTURE_VARIANT(metadata_alloc) {
	unsigned int chunk;	/* in the table */
};

FIXTURE_VARIANT_ADD(metadata_alloc, chunk_size_as_on_disk) {
	.chunk = 16,
};

/* The areas are allocated again, with the size that is on the disk */
FIXTURE_VARIANT_ADD(metadata_alloc, another_chunk_size) {
	.chunk = 32,
};

FIXTURE_SETUP(metadata_alloc)
{
	/* What a test that was killed has left */
	remove_all();
	strcpy(self->origin, disk_path("origin"));
	strcpy(self->cow, disk_path("cow"));
	ASSERT_EQ(0, disk_new("origin", SIZE / 2048, 0));
	ASSERT_EQ(0, disk_new("cow", SIZE / 2048, 0));
	ASSERT_EQ(0, put(self->origin, 0, SIZE, 'O'));
	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s P 16", SIZE,
			    self->origin, self->cow));
	ASSERT_EQ(0, put(dm_path("snap"), 160, 160, 'S'));
	ASSERT_EQ(0, dm_remove("snap"));
	self->kmsg = kernel_log();
	ASSERT_LE(0, self->kmsg);
}

FIXTURE_TEARDOWN(metadata_alloc)
{
	close(self->kmsg);
	remove_all();
}

static int load(FIXTURE_DATA(metadata_alloc) *self, unsigned int chunk)
{
	return dm_load("snap", "0 %u snapshot %s %s P %u", SIZE, self->origin,
		       self->cow, chunk);
}

/* Passes with and without the bug */
TEST_F(metadata_alloc, no_failure)
{
	char line[256];

	ASSERT_EQ(0, dm_create("snap"));
	ASSERT_EQ(0, load(self, variant->chunk));
	ASSERT_EQ(0, dm_resume("snap"));
	expect_data(_metadata, dm_path("snap"), 0, 160, 'O', "no exception");
	expect_data(_metadata, dm_path("snap"), 160, 160, 'S', "exceptions");
	ASSERT_EQ(0, dm_remove("snap"));
	EXPECT_FALSE(kernel_warned(self->kmsg, line, sizeof(line)))
		TH_LOG("kernel: %s", line);
}

TEST_F_TIMEOUT(metadata_alloc, each_fails, 55)
{
	int nth, fd, len, r, failed = 0;
	bool injected = true, warned = false;
	char buf[16], line[256];
	time_t end = time(NULL) + SWEEP_SECONDS;

	if (!have_faults)
		SKIP(return, "no fault injection (fail-nth, debugfs)");
	fd = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, dm_create("snap"));

	for (nth = 1; time(NULL) < end && injected && !warned; nth++) {
		snprintf(buf, sizeof(buf), "%d", nth);
		ASSERT_LT(0, pwrite(fd, buf, strlen(buf), 0));
		r = load(self, variant->chunk);
		len = pread(fd, buf, sizeof(buf) - 1, 0);
		ASSERT_EQ(1, pwrite(fd, "0", 1, 0));
		ASSERT_LT(0, len);
		buf[len] = '\0';
		injected = !atoi(buf);
		if (!injected)
			EXPECT_EQ(0, r)
				TH_LOG("without a failure: %s", strerror(-r));
		failed += !!r;
		if (!r)
			ASSERT_EQ(0, dm_simple(DM_TABLE_CLEAR, "snap", 0));
		warned = kernel_warned(self->kmsg, line, sizeof(line));
		EXPECT_FALSE(warned) {
			TH_LOG("allocation %d failed, table: %s, kernel: %s",
			       nth, strerror(-r), line);
		}
	}
	close(fd);
	TH_LOG("%d of %d failed allocations failed the table", failed,
	       nth - 2);
	if (!failed && __test_passed(_metadata))
		SKIP(return, "no allocation could be made to fail");
	if (injected && __test_passed(_metadata))
		TH_LOG("time is up at allocation %d", nth - 1);

	ASSERT_EQ(0, load(self, variant->chunk));
	ASSERT_EQ(0, dm_resume("snap"));
	expect_data(_metadata, dm_path("snap"), 160, 160, 'S', "exceptions");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = { "snapshot", NULL };

	dm_snapshot_test_init(restore, targets);
	have_faults = set_knobs(knobs, ARRAY_SIZE(knobs)) &&
		      !access(FAIL_NTH, R_OK | W_OK);
	return test_harness_run(argc, argv);
}
