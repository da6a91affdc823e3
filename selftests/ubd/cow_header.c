// SPDX-License-Identifier: GPL-2.0
/*
 * The header of a COW file: what is written is no memory of the kernel, and
 * what is read is not trusted.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#include <endian.h>
#include <stddef.h>

struct header {
	uint32_t magic, version, mtime;
	uint64_t size;
	uint32_t sectorsize, alignment, format;
	char backing_file[4096];
} __attribute__((packed));

GUEST(hello)
{
	printf("in user space\n");
	return 0;
}

/* Is there no first device? */
GUEST(absent)
{
	int fd = open("/dev/ubda", O_RDONLY | O_CLOEXEC);

	printf("/dev/ubda is %s\n", fd < 0 ? "absent" : "there");
	return fd >= 0;
}

static int get(struct header *h)
{
	int fd = open("cow", O_RDONLY | O_CLOEXEC);
	int ret = fd < 0 || pread(fd, h, sizeof(*h), 0) != sizeof(*h);

	close(fd);
	return ret;
}

/* A COW file with one field that is not as UML made it */
static int spoilt(size_t offset, uint32_t value)
{
	int fd, ret;

	if (image("backing", 1 << 20, "BACKING") || uml("hello", "ubd0=cow,backing", NULL))
		return -1;
	value = htobe32(value);
	fd = open("cow", O_WRONLY | O_CLOEXEC);
	ret = fd < 0 || pwrite(fd, &value, sizeof(value), offset) != sizeof(value);
	close(fd);
	return ret;
}

TEST_F(ubd, padding)
{
	unsigned int i, dirty = 0;
	struct header h;

	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	ASSERT_EQ(0, uml("hello", "ubd0=cow,backing", NULL));
	ASSERT_EQ(0, get(&h));
	ASSERT_EQ(0x4f4f4f4dU, be32toh(h.magic));
	for (i = strnlen(h.backing_file, sizeof(h.backing_file)); i < sizeof(h.backing_file); i++)
		dirty += !!h.backing_file[i];
	TH_LOG("%u of %zu bytes behind the name of the backing file are not zero", dirty,
	       sizeof(h.backing_file) - strlen(h.backing_file));
	ASSERT_EQ(0, (int)dirty);
}

TEST_F(ubd, no_alignment)
{
	ASSERT_EQ(0, spoilt(offsetof(struct header, alignment), 0));
	ASSERT_EQ(0, uml("absent", "ubd0=cow,backing", NULL));
}

TEST_F(ubd, no_sectorsize)
{
	ASSERT_EQ(0, spoilt(offsetof(struct header, sectorsize), 0));
	ASSERT_EQ(0, uml("absent", "ubd0=cow,backing", NULL));
}

TEST_F(ubd, other_sectorsize)
{
	ASSERT_EQ(0, spoilt(offsetof(struct header, sectorsize), 1024));
	ASSERT_EQ(0, uml("absent", "ubd0=cow,backing", NULL));
}

/* As on a host disk that becomes full */
TEST_F(ubd, short_header)
{
	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	ASSERT_EQ(0, uml("absent", "ubd0=cow,backing",
			 "write:cow:1:short=100 write:cow:2+:ENOSPC"));
}

TEST_HARNESS_MAIN
