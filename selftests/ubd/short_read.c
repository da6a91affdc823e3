// SPDX-License-Identifier: GPL-2.0
/*
 * When the host returns less than was asked for, the rest is read, and is
 * zeroes behind the end of the image.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#define SECTORS		2048U	/* full ones of the image */
#define REST		100U	/* bytes after them */

GUEST(read_end)
{
	int fd = dev_open("ubda", O_DIRECT);
	char *buf = aligned(SECTOR), want[SECTOR] = "";
	unsigned long long size = 0;
	unsigned int i;
	ssize_t n;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size))
		return 255;
	printf("the device has %llu bytes\n", size);
	if (wrong(fd, SECTORS - 8, 8, "IMAGE"))
		return 1;
	if (size == SECTORS * SECTOR)
		return 0;
	memset(want, 'r', REST);
	n = pread(fd, buf, SECTOR, SECTORS * SECTOR);
	if (n != SECTOR) {
		printf("last sector: %zd (%s)\n", n, n < 0 ? strerror(errno) : "short");
		return 2;
	}
	for (i = 0; i < SECTOR && buf[i] == want[i]; i++)
		;
	if (i == SECTOR)
		return 0;
	printf("byte %u of the last sector is 0x%02x, expected 0x%02x\n", i,
	       (unsigned char)buf[i], (unsigned char)want[i]);
	return 3;
}

GUEST(read_all)
{
	int fd = dev_open("ubda", O_DIRECT);

	return fd < 0 || wrong(fd, 0, 64, "IMAGE");
}

TEST_F(ubd, odd_size)
{
	char rest[REST];
	int fd;

	ASSERT_EQ(0, image("disk", SECTORS * SECTOR, "IMAGE"));
	fd = open("disk", O_WRONLY | O_APPEND | O_CLOEXEC);
	memset(rest, 'r', REST);
	ASSERT_EQ(REST, write(fd, rest, REST));
	close(fd);
	ASSERT_EQ(0, uml("read_end", "ubd0=disk", NULL));
}

TEST_F(ubd, short_by_sectors)
{
	ASSERT_EQ(0, image("disk", SECTORS * SECTOR, "IMAGE"));
	ASSERT_EQ(0, uml("read_all", "ubd0=disk", "pread:disk:*:short=512"));
}

TEST_F(ubd, short_by_bytes)
{
	ASSERT_EQ(0, image("disk", SECTORS * SECTOR, "IMAGE"));
	ASSERT_EQ(0, uml("read_all", "ubd0=disk", "pread:disk:*:short=700"));
}

TEST_F(ubd, short_of_backing)
{
	ASSERT_EQ(0, image("disk", SECTORS * SECTOR, "IMAGE"));
	ASSERT_EQ(0, uml("read_all", "ubd0=cow,disk", "pread:disk:*:short=700"));
}

#define HALF	(SECTORS / 2)
#define TAIL	8U

static int look_at_cut(int fd)
{
	return !!wrong(fd, 0, HALF, "IMAGE") +
	       !!wrong(fd, HALF, HALF - TAIL, NULL) +
	       !!wrong(fd, 2 * HALF - TAIL, TAIL, "NEW");
}

GUEST(use_cut)
{
	int fd = dev_open("ubda", O_DIRECT);
	double end = uml_clock() + 5;

	if (fd < 0 || wrong(fd, 0, 2 * HALF, "IMAGE"))
		return 255;
	call_host("cut");
	while (wrong(fd, HALF, 1, NULL) && uml_clock() < end)
		usleep(10000);
	if (put(fd, 2 * HALF - TAIL, TAIL, "NEW") || fsync(fd))
		return 254;
	return look_at_cut(fd);
}

GUEST(read_cut)
{
	int fd = dev_open("ubda", O_DIRECT);

	return fd < 0 || look_at_cut(fd);
}

static void cut(const char *text)
{
	(void)text;
	if (truncate("disk", HALF * SECTOR))
		printf("the image is not cut\n");
}

/* Somebody makes the image shorter while it is in use; a write makes it as long as it was. */
TEST_F(ubd, cut_in_use)
{
	uml_hook = cut;
	ASSERT_EQ(0, image("disk", SECTORS * SECTOR, "IMAGE"));
	ASSERT_EQ(0, uml("use_cut", "ubd0d=disk", NULL));
	ASSERT_EQ(0, uml("read_cut", "ubd0d=disk", NULL));
}

TEST_HARNESS_MAIN
