// SPDX-License-Identifier: GPL-2.0
/*
 * fsync() in the guest is one on the host, after all that was written before
 * it, and it fails if the host's does.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"
#include "trace.h"

GUEST(write_and_sync)
{
	int fd = dev_open("ubda", O_DIRECT), err;

	if (fd < 0)
		return 1;
	err = put(fd, 8, 16, "NEW");
	if (!err)
		err = put(fd, 100, 1, "NEW");
	if (!err && fsync(fd))
		err = errno;
	printf("fsync: %s\n", strerror(err));
	call_host("fsync has returned");
	usleep(200000);
	return err;
}

TEST_F(ubd, order)
{
	uml_hook = count_trace;
	ASSERT_EQ(0, image("disk", 1 << 20, "OLD"));
	ASSERT_EQ(0, uml("write_and_sync", "ubd0=disk", "trace=trace"));
	TH_LOG("when fsync() returned, the host had seen %d writes and after the last of them %d syncs",
	       trace_writes, trace_syncs);
	EXPECT_LE(2, trace_writes);
	EXPECT_LE(1, trace_syncs);
}

TEST_F(ubd, error)
{
	ASSERT_EQ(0, image("disk", 1 << 20, "OLD"));
	/* fsync() of the guest has to say what the host's says */
	ASSERT_EQ(EIO, uml("write_and_sync", "ubd0=disk", "fsync:disk:1:EIO"));
}

TEST_HARNESS_MAIN
