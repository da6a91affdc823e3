// SPDX-License-Identifier: GPL-2.0
/*
 * Run in a guest with an empty /dev/ubda of 50 MB: file systems and fio find
 * what they wrote. mkfs.vfat on a fresh system was what showed that requests
 * were sent twice, see commit fc6b6a872dcd ("um: ubd: Submit all data segments
 * atomically").
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEV	"/dev/ubda"

static int sh(const char *command)
{
	printf("# %s\n", command);
	fflush(stdout);
	return system(command);
}

FIXTURE(filesystems) {};

FIXTURE_SETUP(filesystems)
{
	if (access(DEV, R_OK | W_OK))
		SKIP(return, "no " DEV " here");
}

FIXTURE_TEARDOWN(filesystems) {}

TEST_F(filesystems, vfat)
{
	ASSERT_EQ(0, sh("mkfs.vfat -I " DEV));
	EXPECT_EQ(0, sh("fsck.vfat -n " DEV));
}

TEST_F(filesystems, ext4)
{
	ASSERT_EQ(0, sh("mkfs.ext4 -q -F " DEV));
	ASSERT_EQ(0, sh("mkdir -p /tmp/mnt && mount " DEV " /tmp/mnt"));
	EXPECT_EQ(0, sh("dd if=/dev/urandom of=/tmp/a bs=1M count=8 2>/dev/null && "
			"cp /tmp/a /tmp/mnt/a && cp -r /sys/block /tmp/mnt 2>/dev/null; sync"));
	ASSERT_EQ(0, sh("umount /tmp/mnt"));
	EXPECT_EQ(0, sh("e2fsck -f -n " DEV));
	ASSERT_EQ(0, sh("mount " DEV " /tmp/mnt"));
	EXPECT_EQ(0, sh("cmp /tmp/a /tmp/mnt/a"));
	ASSERT_EQ(0, sh("umount /tmp/mnt"));
}

TEST_F(filesystems, fio)
{
	ASSERT_EQ(0, sh("fio --name=verify --filename=" DEV " --rw=randwrite --bs=4k-64k "
			"--size=32M --ioengine=libaio --iodepth=64 --direct=1 --verify=crc32c "
			"--verify_fatal=1 --allow_file_create=0 --minimal >/dev/null"));
}

TEST_HARNESS_MAIN
