// SPDX-License-Identifier: GPL-2.0
/*
 * When the host crashes, a sector of a copy-on-write device has its old
 * contents or its new ones: its bit in the bitmap is not written before its
 * data is on the disk. But only the guest has to crash for what has not been
 * flushed for long to be there still.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#define SECTORS		16
/* Of a file of this size, in the COW file */
#define BITMAP		8192
#define DATA		12288

/* Argument: what to do after the write */
GUEST(write)
{
	int fd = dev_open("ubda", O_DIRECT);

	if (fd < 0 || put(fd, 8, SECTORS, "NEW"))
		return 1;
	if (!strcmp(argv[1], "sync"))
		return fsync(fd) ? 2 : 0;
	if (!strcmp(argv[1], "kill")) {
		sleep(3);
		kill_me();
	}
	return 0;
}

GUEST(compare)
{
	int fd = dev_open("ubda", O_DIRECT);

	return fd < 0 ? 255 : wrong(fd, 0, 8, "BACKING") +
			      wrong(fd, 8, SECTORS, "NEW") +
			      wrong(fd, 8 + SECTORS, 64, "BACKING");
}

/* The calls for the COW file: d(ata), b(itmap), s(ync) */
static void calls(char *to, size_t size)
{
	FILE *f = fopen("trace", "re");
	char line[256], call[16], name[64];
	unsigned long long at;
	size_t n = 0;

	while (f && n < size - 1 && fgets(line, sizeof(line), f)) {
		at = 0;
		if (sscanf(line, "%15s %63s %llu", call, name, &at) < 2 || strcmp(name, "cow"))
			continue;
		if (!strcmp(call, "fsync"))
			to[n] = 's';
		else if (!strcmp(call, "pwrite") && at >= DATA)
			to[n] = 'd';
		else if (!strcmp(call, "pwrite") && at >= BITMAP)
			to[n] = 'b';
		else
			continue;
		/* It does not matter how many calls it takes. */
		if (!n || to[n] != to[n - 1])
			n++;
	}
	to[n] = '\0';
	if (f)
		fclose(f);
}

TEST_F(ubd, order)
{
	char seen[64];

	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	ASSERT_EQ(0, uml("write sync", "ubd0=cow,backing", "trace=trace"));
	calls(seen, sizeof(seen));
	TH_LOG("data, bitmap and sync of the COW file: %s, expected dsbs", seen);
	EXPECT_STREQ("dsbs", seen);
	ASSERT_EQ(0, uml("compare", "ubd0=cow,backing", NULL));
}

/* The bitmap stays where it was if the data may not be on the disk. */
TEST_F(ubd, no_data)
{
	char seen[64];

	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	ASSERT_EQ(2, uml("write sync", "ubd0=cow,backing", "trace=trace fsync:cow:*:EIO"));
	calls(seen, sizeof(seen));
	TH_LOG("data, bitmap and sync of the COW file: %s, expected no b", seen);
	EXPECT_EQ(NULL, strchr(seen, 'b'));
}

TEST_F(ubd, killed)
{
	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	ASSERT_EQ(UML_KILLED, uml("write kill", "ubd0=cow,backing", NULL));
	ASSERT_EQ(0, uml("compare", "ubd0=cow,backing", NULL));
}

TEST_F(ubd, powered_off)
{
	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	ASSERT_EQ(0, uml("write nothing", "ubd0=cow,backing", NULL));
	ASSERT_EQ(0, uml("compare", "ubd0=cow,backing", NULL));
}

TEST_F(ubd, synchronous)
{
	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	ASSERT_EQ(0, uml("write nothing", "ubd0s=cow,backing", "trace=trace"));
	ASSERT_EQ(0, uml("compare", "ubd0=cow,backing", NULL));
}

TEST_HARNESS_MAIN
