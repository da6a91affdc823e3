// SPDX-License-Identifier: GPL-2.0
/*
 * fsync() in the guest of a copy-on-write device is one of the COW file on
 * the host, which has the data, not of the backing file.
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
	trace_file = "cow";
	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	ASSERT_EQ(0, uml("write_and_sync", "ubd0=cow,backing", "trace=trace"));
	TH_LOG("when fsync() returned, the host had seen %d writes to the COW file and after the last of them %d syncs",
	       trace_writes, trace_syncs);
	EXPECT_LE(2, trace_writes);
	EXPECT_LE(1, trace_syncs);
}

TEST_F(ubd, error)
{
	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	ASSERT_EQ(EIO, uml("write_and_sync", "ubd0=cow,backing", "fsync:cow:*:EIO"));
}

TEST_HARNESS_MAIN
