// SPDX-License-Identifier: GPL-2.0
/*
 * Zeroing or discarding that the host cannot do fails, and what is written
 * to the same sectors afterwards is there after the next boot.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#define SECTORS		16

/* Argument: zero or discard */
GUEST(clear_and_write)
{
	int fd = dev_open("ubda", O_DIRECT), err = 0;
	uint64_t range[2] = { 0, SECTORS * SECTOR };

	if (fd < 0)
		return 255;
	if (ioctl(fd, strcmp(argv[1], "zero") ? BLKDISCARD : BLKZEROOUT, range))
		err = errno;
	printf("%s: %s\n", argv[1], strerror(err));
	/* A failed discard has to leave what was there, zeroing may not fail. */
	if (!strcmp(argv[1], "zero") ? err || wrong(fd, 0, SECTORS, NULL) :
	    err && wrong(fd, 0, SECTORS, "BACKING"))
		return 1;
	if (put(fd, 0, SECTORS, "NEW") || fsync(fd) || wrong(fd, 0, SECTORS, "NEW"))
		return 2;
	return 0;
}

GUEST(zero)
{
	int fd = dev_open("ubda", O_DIRECT);
	uint64_t range[2] = { 0, SECTORS * SECTOR };

	return fd < 0 || ioctl(fd, BLKZEROOUT, range) || fsync(fd);
}

/* Argument: who has written */
GUEST(compare)
{
	int fd = dev_open("ubda", O_DIRECT);

	return fd < 0 ? 255 : wrong(fd, 0, SECTORS, strcmp(argv[1], "zeroes") ? argv[1] : NULL);
}

TEST_F(ubd, zeroout)
{
	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	ASSERT_EQ(0, uml("clear_and_write zero", "ubd0=cow,backing", "fallocate:cow:*:EOPNOTSUPP"));
	/* The first boot has read it all back; what does the second find? */
	ASSERT_EQ(0, uml("compare NEW", "ubd0=cow,backing", NULL));
}

TEST_F(ubd, discard)
{
	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	ASSERT_EQ(0, uml("clear_and_write discard", "ubd0=cow,backing", "fallocate:cow:*:EOPNOTSUPP"));
	ASSERT_EQ(0, uml("compare NEW", "ubd0=cow,backing", NULL));
}

TEST_F(ubd, only_zeroes)
{
	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	ASSERT_EQ(0, uml("zero", "ubd0=cow,backing", "fallocate:cow:*:EOPNOTSUPP"));
	ASSERT_EQ(0, uml("compare zeroes", "ubd0=cow,backing", NULL));
}

TEST_HARNESS_MAIN
