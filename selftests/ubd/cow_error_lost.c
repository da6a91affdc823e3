// SPDX-License-Identifier: GPL-2.0
/*
 * A write to a copy-on-write device that fails on the host leaves the sectors
 * what they were; a later write that succeeds is there after the next boot.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#define SECTORS		16

GUEST(fail_and_write)
{
	int fd = dev_open("ubda", O_DIRECT), err;

	if (fd < 0)
		return 255;
	err = put(fd, 0, SECTORS, "LOST");
	if (!err)
		err = fsync(fd) ? errno : 0;
	printf("first write: %s\n", strerror(err));
	if (!err)
		return 1;
	if (wrong(fd, 0, SECTORS, "BACKING"))
		return 2;
	/* Neighbours share a word of the bitmap. */
	if (put(fd, SECTORS, SECTORS, "NEW") || fsync(fd))
		return 3;
	return 0;
}

GUEST(write_again)
{
	int fd = dev_open("ubda", O_DIRECT);

	if (fd < 0)
		return 255;
	/* The first of these fails */
	if (!put(fd, 0, SECTORS, "LOST") && !fsync(fd))
		return 1;
	if (put(fd, 0, SECTORS, "NEW") || fsync(fd) || wrong(fd, 0, SECTORS, "NEW"))
		return 2;
	return 0;
}

GUEST(compare)
{
	int fd = dev_open("ubda", O_DIRECT);
	unsigned int bad;

	if (fd < 0)
		return 255;
	bad = wrong(fd, 0, SECTORS, argv[1]);
	if (argc > 2)
		bad += wrong(fd, SECTORS, SECTORS, argv[2]);
	return bad;
}

/* The bitmap of a file of this size is from 8192 to 12287, the data behind it. */
TEST_F(ubd, data_is_left)
{
	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	ASSERT_EQ(0, uml("fail_and_write", "ubd0=cow,backing", "pwrite:cow:1>12287:EIO"));
	ASSERT_EQ(0, uml("compare BACKING NEW", "ubd0=cow,backing", NULL));
}

TEST_F(ubd, data_again)
{
	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	ASSERT_EQ(0, uml("write_again", "ubd0=cow,backing", "pwrite:cow:1>12287:EIO"));
	ASSERT_EQ(0, uml("compare NEW", "ubd0=cow,backing", NULL));
}

TEST_F(ubd, bitmap_again)
{
	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	ASSERT_EQ(0, uml("write_again", "ubd0=cow,backing", "pwrite:cow:1<12288:EIO"));
	ASSERT_EQ(0, uml("compare NEW", "ubd0=cow,backing", NULL));
}

TEST_HARNESS_MAIN
