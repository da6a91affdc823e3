// SPDX-License-Identifier: GPL-2.0
/*
 * An interrupt that comes when the guest has looked for the last time whether
 * there is something to do, and is not yet asleep, keeps it from sleeping.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#define WRITES		20

GUEST(write_some)
{
	int i, fd = dev_open("ubda", O_DIRECT);

	for (i = 0; i < WRITES; i++)
		if (put(fd, i * 8, 8, "NEW"))
			return 1;
	return 0;
}

static int lines(const char *what)
{
	FILE *f = fopen("trace", "re");
	char line[256];
	int n = 0;

	while (f && fgets(line, sizeof(line), f))
		n += !strcmp(line, what);
	if (f)
		fclose(f);
	return n;
}

/* Each write is done when the guest is about to sleep */
TEST_F(ubd, wakes)
{
	int lost, seen;

	ASSERT_EQ(0, image("disk", 1 << 20, "OLD"));
	ASSERT_EQ(0, uml("write_some", "ubd0=disk", "trace=trace pwrite:disk:*:idle"));
	lost = lines("lost\n");
	seen = lines("seen\n");
	TH_LOG("%d interrupts before sleep, %d of them lost, expected 0", lost + seen, lost);
	EXPECT_LT(0, lost + seen);
	EXPECT_EQ(0, lost);
}

TEST_HARNESS_MAIN
