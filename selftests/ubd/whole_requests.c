// SPDX-License-Identifier: GPL-2.0
/*
 * A read or write of 1 MiB is one call on the host.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#define SECTORS		2048

GUEST(write_and_read)
{
	int fd = dev_open("ubda", O_DIRECT);

	return fd < 0 || put(fd, 0, SECTORS, "NEW") || fsync(fd) ||
	       wrong(fd, 0, SECTORS, "NEW");
}

/* The calls on the file for what is beyond the offset */
static int calls(const char *which, const char *file, unsigned long long from)
{
	FILE *f = fopen("trace", "re");
	char line[256], call[16], name[64];
	unsigned long long at, len;
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		n += sscanf(line, "%15s %63s %llu %llu", call, name, &at, &len) == 4 &&
		     !strcmp(call, which) && !strcmp(name, file) &&
		     at >= from && len >= SECTOR;
	if (f)
		fclose(f);
	printf("# 1 MiB of %s: %d calls of %s\n", file, n, which);
	return n;
}

/* The partition table is read as well. */
#define SMALL_READS	8

TEST_F(ubd, raw)
{
	ASSERT_EQ(0, image("disk", SECTORS * SECTOR, NULL));
	ASSERT_EQ(0, uml("write_and_read", "ubd0=disk", "trace=trace"));
	EXPECT_EQ(1, calls("pwrite", "disk", 0));
	EXPECT_GE(1 + SMALL_READS, calls("pread", "disk", 0));
}

TEST_F(ubd, cow)
{
	ASSERT_EQ(0, image("backing", SECTORS * SECTOR, NULL));
	ASSERT_EQ(0, uml("write_and_read", "ubd0=cow,backing", "trace=trace"));
	EXPECT_EQ(1, calls("pwrite", "cow", 12288));
	EXPECT_GE(1 + SMALL_READS, calls("pread", "cow", 12288));
}

TEST_HARNESS_MAIN
