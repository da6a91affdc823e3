// SPDX-License-Identifier: GPL-2.0
/*
 * One read over sectors of which some are in the COW file and others in the
 * backing file returns what is in each of them.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#define SECTORS		64

/* Argument: the flags to read with */
GUEST(read_mixed)
{
	int fd = dev_open("ubda", O_DIRECT), from = dev_open("ubda", atoi(argv[1]));
	char *buf = aligned(SECTORS * SECTOR), want[SECTOR];
	unsigned int i, bad = 0;

	if (fd < 0 || from < 0 || put(fd, 2, 2, "NEW") || put(fd, 30, 1, "NEW"))
		return 255;
	if (pread(from, buf, SECTORS * SECTOR, 0) != SECTORS * SECTOR)
		return 254;
	for (i = 0; i < SECTORS; i++) {
		fill(want, i, i == 2 || i == 3 || i == 30 ? "NEW" : "BACKING");
		if (!memcmp(want, buf + i * SECTOR, SECTOR))
			continue;
		if (!bad++)
			printf("sector %u holds '%.*s', expected '%.*s'\n", i,
			       (int)strcspn(buf + i * SECTOR, "\n"),
			       buf + i * SECTOR, (int)strcspn(want, "\n"), want);
	}
	printf("%u of %u sectors wrong\n", bad, SECTORS);
	return bad;
}


TEST_F(ubd, direct)
{
	char guest[32];

	snprintf(guest, sizeof(guest), "read_mixed %d", O_DIRECT);
	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	ASSERT_EQ(0, uml(guest, "ubd0=cow,backing", NULL));
}

TEST_F(ubd, page_cache)
{
	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	ASSERT_EQ(0, uml("read_mixed 0", "ubd0=cow,backing", NULL));
}

TEST_HARNESS_MAIN
