// SPDX-License-Identifier: GPL-2.0
/*
 * A snapshot that is created, or loaded again, while its origin is in use has
 * what the origin had then: no write to the origin is missed.
 */
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		8192U	/* of origin and COW devices */
#define WRITE		128U
#define WRITERS		4U

FIXTURE(live_origin) {
	char origin[64];
	char cow[64];
	char writes_to[64];
};

FIXTURE_VARIANT(live_origin) {
	const char *top;	/* target */
	unsigned int other;	/* chunk of a snapshot that is there before */
	bool suspend;		/* as the documentation has it */
	bool second;		/* write through another origin on the disk */
};

/* This passes with and without the bug */
FIXTURE_VARIANT_ADD(live_origin, suspended) {
	.top = "origin", .suspend = true,
};

FIXTURE_VARIANT_ADD(live_origin, first) {
	.top = "origin",
};

FIXTURE_VARIANT_ADD(live_origin, with_smaller_chunks) {
	.top = "origin", .other = 64,
};

FIXTURE_VARIANT_ADD(live_origin, with_larger_chunks) {
	.top = "origin", .other = 4,
};

/* Only one of the two is suspended while the snapshot is activated */
FIXTURE_VARIANT_ADD(live_origin, second_origin) {
	.top = "origin", .second = true,
};

FIXTURE_VARIANT_ADD(live_origin, merging) {
	.top = "merge",
};

FIXTURE_SETUP(live_origin)
{
	/* What a test that was killed has left */
	remove_all();
	strcpy(self->origin, disk_path("origin"));
	strcpy(self->cow, disk_path("cow"));
	ASSERT_EQ(0, disk_new("origin", SIZE / 2048, 0));
	ASSERT_EQ(0, disk_new("cow", 2 * SIZE / 2048, 0));
	ASSERT_EQ(0, disk_new("other_cow", 2 * SIZE / 2048, 0));
	ASSERT_EQ(0, put(self->origin, 0, SIZE, 'O'));
	if (variant->other) {
		ASSERT_EQ(0, dm_new("other", "0 %u snapshot %s %s P %u", SIZE,
				    self->origin, disk_path("other_cow"),
				    variant->other));
	}
	if (!strcmp(variant->top, "merge")) {
		ASSERT_EQ(0, dm_new("top", "0 %u snapshot-merge %s %s P %u",
				    SIZE, self->origin, disk_path("other_cow"),
				    64U));
	} else {
		ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
				    self->origin));
	}
	strcpy(self->writes_to, dm_path("top"));
	if (variant->second) {
		ASSERT_EQ(0, dm_new("second", "0 %u snapshot-origin %s", SIZE,
				    self->origin));
		strcpy(self->writes_to, dm_path("second"));
	}
	if (variant->suspend)
		ASSERT_EQ(0, dm_suspend("top"));
	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s P %u", SIZE,
			    self->origin, self->cow, CHUNK));
	if (variant->suspend)
		ASSERT_EQ(0, dm_resume("top"));
}

FIXTURE_TEARDOWN(live_origin)
{
	remove_all();
}

TEST_F(live_origin, write)
{
	ASSERT_EQ(0, put(self->writes_to, WRITE, WRITE, 'N'));
	ASSERT_EQ(0, put(self->writes_to, 8 * WRITE - 12, WRITE, 'N'));
	expect_data(_metadata, dm_path("snap"), 0, SIZE, 'O', "snapshot");
	if (variant->other)
		expect_data(_metadata, dm_path("other"), 0, SIZE, 'O',
			    "other snapshot");
	expect_data(_metadata, self->writes_to, WRITE, WRITE, 'N', "origin");
	expect_data(_metadata, self->writes_to, 8 * WRITE - 12, WRITE, 'N',
		    "origin");
}

FIXTURE(reload_snapshot) {
	char origin[64];
	char cow[64];
};

FIXTURE_SETUP(reload_snapshot)
{
	remove_all();
	strcpy(self->origin, disk_path("origin"));
	strcpy(self->cow, disk_path("cow"));
	ASSERT_EQ(0, disk_new("origin", SIZE / 2048, 0));
	ASSERT_EQ(0, disk_new("cow", 2 * SIZE / 2048, 0));
	ASSERT_EQ(0, put(self->origin, 0, SIZE, 'O'));
	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s P %u", SIZE,
			    self->origin, self->cow, CHUNK));
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
			    self->origin));
}

FIXTURE_TEARDOWN(reload_snapshot)
{
	remove_all();
}

/* The table is replaced again and again, while a writer is in the middle. */
TEST_F(reload_snapshot, write)
{
	unsigned int i, reloads = 0;
	int status, r = 0;
	pid_t writer[WRITERS];

	for (i = 0; i < WRITERS; i++) {
		writer[i] = fork();
		ASSERT_LE(0, writer[i]);
		if (!writer[i])
			_exit(put_by(dm_path("top"), i * SIZE / WRITERS,
				     SIZE / WRITERS, 'N', CHUNK) ? 1 : 0);
	}
	for (i = 0; i < WRITERS; i++) {
		do {
			r = dm_reload("snap", "0 %u snapshot %s %s P %u", SIZE,
				      self->origin, self->cow, CHUNK);
			ASSERT_EQ(0, r);
			reloads++;
			r = waitpid(writer[i], &status, WNOHANG);
		} while (!r);
		EXPECT_EQ(writer[i], r);
		EXPECT_EQ(0, status);
	}
	TH_LOG("%u reloads", reloads);
	expect_data(_metadata, dm_path("snap"), 0, SIZE, 'O',
		    "snapshot that was reloaded");
	expect_data(_metadata, self->origin, 0, SIZE, 'N', "origin");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "snapshot-merge", NULL
	};

	dm_snapshot_test_init(NULL, targets);
	return test_harness_run(argc, argv);
}
