// SPDX-License-Identifier: GPL-2.0
/*
 * When the host kills what does the I/O, requests do not wait for ever: either
 * all of UML ends with it, or the guest gets its data nevertheless.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"
#include "host_pids.h"

GUEST(read_on)
{
	int fd = dev_open("ubda", O_DIRECT);
	int i;

	if (fd < 0 || wrong(fd, 0, 8, "DISK"))
		return 1;
	call_host("kill");
	for (i = 0; i < 10; i++) {
		usleep(50000);
		if (wrong(fd, 8 * i, 8, "DISK"))
			return 2;
	}
	printf("all was read\n");
	return 0;
}

static int killed;

/*
 * Processes of UML that no other one traces, but for the first: that is the
 * kernel, which has started them.
 */
static void kill_helpers(const char *text)
{
	pid_t pids[64];
	int i, j, n = uml_pids(pids, 64);

	(void)text;
	for (i = 0; i < n; i++) {
		int parent = pid_status(pids[i], "PPid");
		bool child = false;

		for (j = 0; j < n; j++)
			child |= pids[j] == parent;
		if (child && !pid_status(pids[i], "TracerPid") && !kill(pids[i], SIGKILL))
			killed++;
	}
}

TEST_F(ubd, killed)
{
	int ret;

	ASSERT_EQ(0, image("disk", 1 << 20, "DISK"));
	uml_hook = kill_helpers;
	ret = uml("read_on", "ubd0=disk", NULL);
	TH_LOG("%d processes killed, UML %s", killed,
	       ret == 0 ? "goes on" : ret == UML_DIED ? "has ended" : "neither goes on nor ends");
	EXPECT_TRUE(ret == 0 || ret == UML_DIED);
}

TEST_HARNESS_MAIN
