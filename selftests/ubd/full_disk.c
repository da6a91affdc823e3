// SPDX-License-Identifier: GPL-2.0
/*
 * The disk of the host is full: the guest is told so, and once there is room
 * again it goes on. What it has written by then is there after a kill -9.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#define SIZE		(4 << 20)	/* of the image, which has no blocks at first */
#define ROOM		"size=1m"
#define FILLER		(256 << 10)
#define CHUNK		24		/* sectors */
#define PATIENCE	5		/* seconds */

static int chunks;

GUEST(fill)
{
	int fd = dev_open("ubda", O_DIRECT), n, err = 0;
	double end;
	char text[16];

	if (fd < 0)
		return 255;
	for (n = 0; !err && (n + 1) * CHUNK * SECTOR <= SIZE; n++)
		err = put(fd, n * CHUNK, CHUNK, "NEW");
	printf("write of chunk %d: %s\n", --n, strerror(err));
	if (err != ENOSPC)
		return 1;
	/* There may be no room for the bitmap, either. */
	fsync(fd);
	snprintf(text, sizeof(text), "%d", n + 1);
	call_host(text);
	end = uml_clock() + PATIENCE;
	do {
		usleep(10000);
		err = put(fd, n * CHUNK, CHUNK, "NEW");
	} while (err == ENOSPC && uml_clock() < end);
	if (err) {
		printf("and again: %s\n", strerror(err));
		return 2;
	}
	if (fsync(fd)) {
		printf("fsync: %s\n", strerror(errno));
		return 3;
	}
	kill_me();
	return 4;
}

/* Arguments: how many chunks are new, and what the others hold */
GUEST(compare)
{
	int fd = dev_open("ubda", O_DIRECT), new = atoi(argv[1]) * CHUNK;

	if (fd < 0)
		return 255;
	return !!wrong(fd, 0, new, "NEW") +
	       !!wrong(fd, new, SIZE / SECTOR - new, *argv[2] == '-' ? NULL : argv[2]);
}

static void make_room(const char *text)
{
	chunks = atoi(text);
	unlink("full/filler");
}

FIXTURE_VARIANT(ubd) {
	const char *args, *rest;
};

FIXTURE_VARIANT_ADD(ubd, raw) { .args = "ubd0d=full/disk", .rest = "-" };
FIXTURE_VARIANT_ADD(ubd, cow) { .args = "ubd0=full/cow,disk", .rest = "OLD" };

TEST_F(ubd, full)
{
	char guest[64];
	int fd;

	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
		SKIP(return, "no mount namespace: %s", strerror(errno));
	ASSERT_EQ(0, mkdir("full", 0700));
	ASSERT_EQ(0, mount("full", "full", "tmpfs", 0, ROOM));
	ASSERT_EQ(0, image("full/filler", FILLER, NULL));
	fd = open("full/filler", O_RDWR | O_CLOEXEC);
	EXPECT_EQ(0, posix_fallocate(fd, 0, FILLER));
	close(fd);
	ASSERT_EQ(0, image("full/disk", SIZE, NULL));
	ASSERT_EQ(0, image("disk", SIZE, "OLD"));
	uml_hook = make_room;
	EXPECT_EQ(UML_KILLED, uml("fill", variant->args, NULL));
	snprintf(guest, sizeof(guest), "compare %d %s", chunks, variant->rest);
	if (chunks)
		EXPECT_EQ(0, uml(guest, variant->args, NULL));
	EXPECT_EQ(0, umount2("full", MNT_DETACH));
}

TEST_HARNESS_MAIN
