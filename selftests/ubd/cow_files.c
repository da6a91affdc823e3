// SPDX-License-Identifier: GPL-2.0
/*
 * What is taken from a COW file at the start: its size, its bitmap, its
 * backing file. It is this or no device, never a part of it.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include <endian.h>
#include "uml.h"

#define SIZE		(1 << 20)
#define SECTORS		16

struct header_v2 {
	uint32_t magic;
	uint32_t version;
	char backing_file[4096];
	uint32_t mtime;
	uint64_t size;
	int32_t sectorsize;
} __attribute__((packed));

#define V2_BITMAP	sizeof(struct header_v2)
#define V2_DATA		4608

GUEST(write)
{
	int fd = dev_open("ubda", O_DIRECT);

	return fd < 0 || put(fd, 0, SECTORS, "NEW") || fsync(fd);
}

GUEST(compare)
{
	int fd = dev_open("ubda", O_DIRECT);

	return fd < 0 ? 255 : wrong(fd, 0, SECTORS, "NEW") +
			      wrong(fd, SECTORS, 64, "BACKING");
}

GUEST(absent)
{
	return !access("/dev/ubda", F_OK);
}

/* Argument: how many KiB the device has */
GUEST(size)
{
	int fd = dev_open("ubda", O_DIRECT);
	unsigned long long is = 0, want = atoi(argv[1]) * 1024ULL;

	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &is))
		return 255;
	printf("size is %llu, expected %llu\n", is, want);
	return is != want;
}

static int cow_of_backing(void)
{
	if (image("backing", SIZE, "BACKING"))
		return 1;
	return uml("write", "ubd0=cow,backing", NULL);
}

static bool console_has(const char *text)
{
	FILE *f = fopen("console", "re");
	char line[512];
	bool found = false;

	while (f && fgets(line, sizeof(line), f))
		found |= !!strstr(line, text);
	if (f)
		fclose(f);
	printf("# console: \"%s\" is %sthere\n", text, found ? "" : "not ");
	return found;
}

/* It is an image then, as long as header, bitmap and data. */
TEST_F(ubd, d_flag)
{
	ASSERT_EQ(0, cow_of_backing());
	ASSERT_EQ(0, truncate("cow", 12288 + SIZE));
	ASSERT_EQ(0, uml("size 1036", "ubd0d=cow", NULL));
}

TEST_F(ubd, bitmap_cut)
{
	ASSERT_EQ(0, cow_of_backing());
	ASSERT_EQ(0, truncate("cow", 8192 + 8));
	ASSERT_EQ(0, uml("absent", "ubd0=cow,backing", NULL));
}

TEST_F(ubd, bitmap_short_read)
{
	ASSERT_EQ(0, cow_of_backing());
	ASSERT_EQ(0, uml("compare", "ubd0=cow,backing", "pread:cow:*:short=1"));
}

/* The one of the header is used, so its size is right. */
TEST_F(ubd, other_backing)
{
	ASSERT_EQ(0, cow_of_backing());
	ASSERT_EQ(0, image("other", 64 << 20, NULL));
	ASSERT_EQ(0, uml("size 1024", "ubd0=cow,other", NULL));
	ASSERT_EQ(0, uml("compare", "ubd0=cow,other", NULL));
}

/* The device has no file then, and not the one with that number. */
TEST_F(ubd, no_space_for_header)
{
	ASSERT_EQ(0, image("backing", SIZE, "BACKING"));
	ASSERT_EQ(0, uml("absent", "ubd0=cow,backing",
			 "write:cow:1:short=9 write:cow:2+:ENOSPC"));
}

/* Whoever starts a guest has to know which file of the host it gets to see. */
TEST_F(ubd, header_decides)
{
	ASSERT_EQ(0, cow_of_backing());
	ASSERT_EQ(0, uml("compare", "ubd0=cow", NULL));
	ASSERT_TRUE(console_has("has a COW header"));
	ASSERT_EQ(0, uml("compare", "ubd0=cow,backing", NULL));
	ASSERT_FALSE(console_has("has a COW header"));
}

/* The header of another version would be in the wrong place. */
TEST_F(ubd, old_header)
{
	struct header_v2 h = {
		.magic = htobe32(0x4f4f4f4d), .version = htobe32(2),
		.size = htobe64(SIZE), .sectorsize = htobe32(512),
	};
	struct timespec ts[2];
	struct stat st;
	int fd, i;

	ASSERT_EQ(0, image("backing", SIZE, "BACKING"));
	ASSERT_EQ(0, image("other", SIZE, "BACKING"));
	ASSERT_EQ(0, stat("backing", &st));
	ts[0] = st.st_atim;
	ts[1] = st.st_mtim;
	ASSERT_EQ(0, utimensat(AT_FDCWD, "other", ts, 0));
	ASSERT_NE(NULL, realpath("backing", h.backing_file));
	h.mtime = htobe32(st.st_mtime);
	fd = open("cow", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	ASSERT_EQ(sizeof(h), write(fd, &h, sizeof(h)));
	ASSERT_EQ(0, ftruncate(fd, V2_DATA + SIZE));
	close(fd);

	ASSERT_EQ(0, uml("write", "ubd0=cow,backing", NULL));
	/* Whether that is a device or not */
	for (i = 0; i < 2; i++)
		uml("absent", "ubd0=cow,other", NULL);
	EXPECT_EQ(0, uml("compare", "ubd0=cow", NULL));
}

TEST_HARNESS_MAIN
