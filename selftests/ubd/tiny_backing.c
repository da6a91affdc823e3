// SPDX-License-Identifier: GPL-2.0
/*
 * A COW file over a backing file of a few sectors can be written, and holds
 * what was written at the next boot. One word of its bitmap is 64 sectors.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

/* Argument: the number of sectors */
GUEST(write_all)
{
	int fd = dev_open("ubda", O_DIRECT), n = atoi(argv[1]);

	if (fd < 0)
		return 255;
	if (put(fd, n - 1, 1, "NEW") || wrong(fd, n - 1, 1, "NEW"))
		return 1;
	if (n > 1 && wrong(fd, 0, n - 1, "BACKING"))
		return 2;
	if (put(fd, 0, n, "NEW") || fsync(fd) || wrong(fd, 0, n, "NEW"))
		return 3;
	return 0;
}

GUEST(compare)
{
	int fd = dev_open("ubda", O_DIRECT);

	return fd < 0 ? 255 : wrong(fd, 0, atoi(argv[1]), "NEW");
}

static int tiny(unsigned int sectors)
{
	char guest[32];
	int ret;

	if (image("backing", sectors * SECTOR, "BACKING"))
		return -1;
	snprintf(guest, sizeof(guest), "write_all %u", sectors);
	ret = uml(guest, "ubd0=cow,backing", NULL);
	if (ret)
		return ret;
	snprintf(guest, sizeof(guest), "compare %u", sectors);
	return uml(guest, "ubd0=cow,backing", NULL);
}

TEST_F(ubd, sectors_8)
{
	ASSERT_EQ(0, tiny(8));
}

TEST_F(ubd, sectors_64)
{
	ASSERT_EQ(0, tiny(64));
}

TEST_F(ubd, sectors_72)
{
	ASSERT_EQ(0, tiny(72));
}

TEST_HARNESS_MAIN
