// SPDX-License-Identifier: GPL-2.0
/*
 * A page that is under writeback to a device that needs stable pages stays as
 * it is until the writeback is over. Asked of every filesystem there is a
 * mkfs for, and of each way in which it changes its page cache:
 *
 *	fault		a store to a shared mapping
 *	write		write()
 *	truncate	ftruncate() into a block, which zeroes the rest of it
 *	beside		a store while a write() waits for the next page
 *	directory	a new name in a directory that is kept in page cache
 */
#include "../kselftest_harness.h"
#include "hold.h"

FIXTURE(hold) {
};

FIXTURE_VARIANT(hold) {
	const char *name, *type, *mkfs, *options;
	unsigned int megabytes;
};

#define FS(_id, _type, _megabytes, _options, _mkfs)			\
	FIXTURE_VARIANT_ADD(hold, _id) {				\
		.name = #_id, .type = _type, .mkfs = _mkfs,		\
		.options = _options, .megabytes = _megabytes,		\
	}

FS(device, NULL, 16, "", "true");
FS(ext2, "ext2", 16, "", "mkfs.ext2 -q -F -b 1024 $D");
FS(ext4, "ext4", 16, "", EXT4 " -b 1024 $D");
FS(ext4_data, "ext4", 16, "data=journal", EXT4 " -b 4096 $D");
FS(ext4_commit, "ext4", 16, "data=journal,commit=300",
   EXT4 " -b 4096 $D");
FS(ext4_lazytime, "ext4", 16, "data=journal,commit=300,lazytime",
   EXT4 " -b 4096 $D");
FS(ext4_nojournal, "ext4", 16, "", EXT4 " -O ^has_journal $D");
FS(xfs, "xfs", 320, "", "mkfs.xfs -q -f $D");
FS(btrfs, "btrfs", 128, "", "mkfs.btrfs -q -f -m single -d single $D");
FS(btrfs_nodatasum, "btrfs", 128, "nodatasum",
   "mkfs.btrfs -q -f -m single -d single $D");
FS(vfat, "vfat", 16, "", "mkfs.vfat -F 16 -s 4 $D");
FS(exfat, "exfat", 16, "", "mkfs.exfat $D");
FS(udf, "udf", 16, "", "mkudffs --media-type=hd --blocksize=512 $D");
FS(jfs, "jfs", 16, "", "mkfs.jfs -q $D");
FS(minix, "minix", 16, "", "mkfs.minix -3 $D");
FS(ufs, "ufs", 16, "ufstype=44bsd",
   "mkdir -p /tmp/" PREFIX "empty && "
   "makefs -t ffs -o version=1 -s 16m /tmp/" PREFIX "image /tmp/" PREFIX
   "empty && dd if=/tmp/" PREFIX "image of=$D bs=1M conv=fsync");
FS(ntfs3, "ntfs3", 16, "", "mkfs.ntfs -Q -F -q $D");

FIXTURE_SETUP(hold)
{
	if (strstr(variant->options, "data=journal"))
		journal = strstr(variant->options, "lazytime") ? COMMIT :
			  strstr(variant->options, "commit") ? COMMIT_SAME_TIME :
			  CHECKPOINT;
	make(_metadata, variant->type, variant->megabytes, variant->options,
	     variant->mkfs, true);
}

FIXTURE_TEARDOWN(hold)
{
	hold(false);
	unmake();
}

TEST_F_TIMEOUT(hold, paths, 120)
{
	try_paths(_metadata, variant->name, variant->type ?
		  (1 << PATHS) - 1 :
		  1 << FAULT | 1 << WRITE | 1 << BESIDE, false);
}

int main(int argc, char **argv)
{
	hold_init();
	return test_harness_run(argc, argv);
}
