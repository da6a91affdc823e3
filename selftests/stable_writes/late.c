// SPDX-License-Identifier: GPL-2.0
/*
 * A device may begin to need stable pages while it is open and mounted: a dm
 * table is loaded onto a disk with protection information (pvmove), an NVMe
 * namespace is formatted with it, an array or a DRBD gets such a member, or
 * someone writes to queue/stable_writes. From then on nobody may change a page
 * that is under writeback to it.
 */
#include "../kselftest_harness.h"
#include "hold.h"

FIXTURE(late) {
};

FIXTURE_VARIANT(late) {
	const char *name, *type, *mkfs;
	unsigned int megabytes;
};

#define FS(_id, _type, _megabytes, _mkfs)				\
	FIXTURE_VARIANT_ADD(late, _id) {				\
		.name = #_id, .type = _type, .mkfs = _mkfs,		\
		.megabytes = _megabytes,				\
	}

FS(device, NULL, 16, "true");
FS(ext2, "ext2", 16, "mkfs.ext2 -q -F -b 1024 $D");
FS(ext4, "ext4", 16, EXT4 " -b 1024 $D");
FS(xfs, "xfs", 320, "mkfs.xfs -q -f $D");
FS(vfat, "vfat", 16, "mkfs.vfat -F 16 -s 4 $D");

FIXTURE_SETUP(late)
{
	make(_metadata, variant->type, variant->megabytes, "", variant->mkfs,
	     false);
}

FIXTURE_TEARDOWN(late)
{
	hold(false);
	unmake();
}

TEST_F_TIMEOUT(late, paths, 120)
{
	try_paths(_metadata, variant->name, 1 << FAULT | 1 << WRITE, true);
}

int main(int argc, char **argv)
{
	hold_init();
	return test_harness_run(argc, argv);
}
