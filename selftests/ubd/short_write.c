// SPDX-License-Identifier: GPL-2.0
/*
 * When the host writes less than was asked for, the rest is written, and what
 * prevents that is what the guest is told.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#define SECTORS		64

/* Returns the error of the write, or 250 if there was none and the data is not there */
GUEST(write_all)
{
	int fd = dev_open("ubda", O_DIRECT), err;

	if (fd < 0)
		return 255;
	err = put(fd, 0, SECTORS, "NEW");
	/* The bitmap may be written only now. */
	if (!err && fsync(fd))
		err = errno;
	printf("write: %s\n", strerror(err));
	if (!err && wrong(fd, 0, SECTORS, "NEW"))
		return 250;
	return err;
}

static unsigned int wrong_on_host(const char *name, const char *who)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	unsigned int bad = wrong(fd, 0, SECTORS, who);

	close(fd);
	return bad;
}

TEST_F(ubd, short_by_sectors)
{
	ASSERT_EQ(0, image("disk", 1 << 20, "OLD"));
	ASSERT_EQ(0, uml("write_all", "ubd0=disk", "pwrite:disk:*:short=512"));
	ASSERT_EQ(0, (int)wrong_on_host("disk", "NEW"));
}

TEST_F(ubd, short_by_bytes)
{
	ASSERT_EQ(0, image("disk", 1 << 20, "OLD"));
	ASSERT_EQ(0, uml("write_all", "ubd0=disk", "pwrite:disk:*:short=700"));
	ASSERT_EQ(0, (int)wrong_on_host("disk", "NEW"));
}

/* Neither an error nor done: the guest must not take it for written. */
TEST_F(ubd, nothing)
{
	ASSERT_EQ(0, image("disk", 1 << 20, "OLD"));
	ASSERT_EQ(EIO, uml("write_all", "ubd0=disk", "pwrite:disk:*:zero"));
}

/* As on a host whose disk becomes full in the middle */
TEST_F(ubd, no_space)
{
	ASSERT_EQ(0, image("disk", 1 << 20, "OLD"));
	ASSERT_EQ(ENOSPC, uml("write_all", "ubd0=disk",
			      "pwrite:disk:1:short=512 pwrite:disk:2+:ENOSPC"));
}

TEST_F(ubd, no_space_for_bitmap)
{
	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	/* The bitmap of a file of this size is from 8192 to 12287 */
	ASSERT_EQ(ENOSPC, uml("write_all", "ubd0=cow,backing",
			      "pwrite:cow:1<12288:short=1 pwrite:cow:2+<12288:ENOSPC"));
}

TEST_HARNESS_MAIN
