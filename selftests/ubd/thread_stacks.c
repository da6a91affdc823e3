// SPDX-License-Identifier: GPL-2.0
/*
 * UML's threads make calls of the host, and need little stack for that. With
 * many devices that have many threads, what libc gives by default adds up.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"
#include "host_pids.h"

#define DEVICES		16
#define LARGEST		256		/* KiB, several times of what it takes */

GUEST(look)
{
	char name[8];
	int i;

	for (i = 0; i < DEVICES; i++) {
		snprintf(name, sizeof(name), "ubd%c", 'a' + i);
		if (dev_open(name, O_DIRECT) < 0)
			return 1;
	}
	call_host("look");
	/* Until it is done */
	usleep(300000);
	return 0;
}

static long largest, stacks, all;

/* A stack is memory without a name behind a page that nobody may touch. */
static void look(const char *text)
{
	unsigned long from, to, end = 0;
	pid_t pids[64];
	int i, n = uml_pids(pids, 64);
	char path[64], line[512];
	FILE *f;

	(void)text;
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/proc/%d/maps", pids[i]);
		f = fopen(path, "re");
		while (f && fgets(line, sizeof(line), f)) {
			char mode[8];
			int name = 0;

			if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %n", &from, &to, mode, &name) < 3)
				continue;
			if (from == end && !strncmp(mode, "rw-p", 4) && !strcspn(line + name, "\n")) {
				long kib = (to - from) >> 10;

				stacks++;
				all += kib;
				if (kib > largest)
					largest = kib;
			}
			end = strncmp(mode, "---p", 4) ? 0 : to;
		}
		if (f)
			fclose(f);
	}
}

TEST_F(ubd, small)
{
	char args[1024] = "", name[16];
	int i;

	for (i = 0; i < DEVICES; i++) {
		snprintf(name, sizeof(name), "disk%d", i);
		ASSERT_EQ(0, image(name, 1 << 20, NULL));
		snprintf(args + strlen(args), 32, "ubd%d=%s ", i, name);
	}
	uml_hook = look;
	ASSERT_EQ(0, uml("look", args, NULL));
	TH_LOG("%ld stacks of threads, %ld KiB, the largest %ld KiB, expected up to %d KiB",
	       stacks, all, largest, LARGEST);
	EXPECT_GE(LARGEST, largest);
}

TEST_HARNESS_MAIN
