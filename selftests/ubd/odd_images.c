// SPDX-License-Identifier: GPL-2.0
/*
 * Images of a few bytes, or none: the device has all sectors that are begun,
 * and what the file does not have of them reads as zeroes and can be written.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

/* Argument: the size of the image, all of it 'x' */
GUEST(tiny)
{
	unsigned long long size = ~0ULL, file = atoi(argv[1]), i;
	unsigned long long want = (file + SECTOR - 1) / SECTOR * SECTOR;
	int fd = dev_open("ubda", O_DIRECT);
	char *buf = aligned(4096);
	ssize_t n;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size))
		return 255;
	if (size != want) {
		printf("the device has %llu bytes, expected %llu\n", size, want);
		return 1;
	}
	for (i = 0; i < size / SECTOR; i++) {
		n = pread(fd, buf + i * SECTOR, SECTOR, i * SECTOR);
		if (n != SECTOR) {
			printf("sector %llu: %zd (%s)\n", i, n, n < 0 ? strerror(errno) : "short");
			return 2;
		}
	}
	for (i = 0; i < size && buf[i] == (i < file ? 'x' : 0); i++)
		;
	if (i < size) {
		printf("byte %llu of %llu is 0x%02x\n", i, file, (unsigned char)buf[i]);
		return 3;
	}
	/* In one piece as well, and written */
	if (size && pread(fd, buf, size, 0) != (ssize_t)size)
		return 4;
	if (size && (put(fd, 0, size / SECTOR, "NEW") || fsync(fd)))
		return 5;
	return wrong(fd, 0, size / SECTOR, "NEW") ? 6 : 0;
}

GUEST(tiny_again)
{
	int fd = dev_open("ubda", O_DIRECT);

	return fd < 0 || wrong(fd, 0, atoi(argv[1]), "NEW");
}

FIXTURE_VARIANT(ubd) {
	int size;
	bool cow;
};

#define CASE(_size)							\
FIXTURE_VARIANT_ADD(ubd, raw_##_size) { .size = _size };		\
FIXTURE_VARIANT_ADD(ubd, cow_##_size) { .size = _size, .cow = true }

CASE(0);
CASE(1);
CASE(511);
CASE(512);
CASE(513);
CASE(1537);

TEST_F(ubd, tiny)
{
	const char *args = variant->cow ? "ubd0=cow,disk" : "ubd0d=disk";
	char guest[64], data[4096];
	int fd;

	memset(data, 'x', sizeof(data));
	ASSERT_EQ(0, image("disk", 0, NULL));
	fd = open("disk", O_WRONLY | O_CLOEXEC);
	ASSERT_EQ(variant->size, write(fd, data, variant->size));
	close(fd);
	snprintf(guest, sizeof(guest), "tiny %d", variant->size);
	ASSERT_EQ(0, uml(guest, args, NULL));
	snprintf(guest, sizeof(guest), "tiny_again %d", (variant->size + 511) / 512);
	if (variant->size)
		EXPECT_EQ(0, uml(guest, args, NULL));
}

TEST_HARNESS_MAIN
