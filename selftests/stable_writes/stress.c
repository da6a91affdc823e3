// SPDX-License-Identifier: GPL-2.0
/*
 * The stressor of stress.h on a disk with protection information, for the
 * device itself and for filesystems on it.
 */
#include "../kselftest_harness.h"
#include "stress.h"

FIXTURE(stress) {
};

FIXTURE_VARIANT(stress) {
	const char *name, *type, *options, *mkfs, *fsck, *without;
	bool journal;
};

#define FS(_id, _type, _options, _mkfs, _fsck, _journal, _without)	\
	FIXTURE_VARIANT_ADD(stress, _id) {				\
		.name = #_id, .type = _type, .options = _options,	\
		.mkfs = _mkfs, .fsck = _fsck, .journal = _journal,	\
		.without = _without,					\
	}

FS(none, NULL, "", NULL, NULL, false, NULL);
FS(ext2, "ext2", "", "mkfs.ext2 -q -F $D 16m", "e2fsck -fn $D", false, NULL);
FS(ext4, "ext4", "", "mkfs.ext4 -q -F $D 16m", "e2fsck -fn $D", true, NULL);
FS(ext4_data, "ext4", "data=journal", "mkfs.ext4 -q -F $D 16m",
   "e2fsck -fn $D", true, NULL);
FS(ext4_nojnl, "ext4", "", "mkfs.ext4 -q -F -O ^has_journal $D 16m",
   "e2fsck -fn $D", false, NULL);
FS(xfs, "xfs", "", "mkfs.xfs -q -f $D", "xfs_repair -n $D", true, NULL);
/*
 * It has checksums of its own, and says so when a buffer is written to; and it
 * may take a page that direct I/O has dirtied for corrupted.
 */
FS(btrfs, "btrfs", "", "mkfs.btrfs -q -f -m single -d single -b 128m $D",
   "btrfs check $D", true, "GR");
FS(btrfs_nosum, "btrfs", "nodatasum",
   "mkfs.btrfs -q -f -m single -d single -b 128m $D", "btrfs check $D", true,
   "G");
FS(vfat, "vfat", "", "mkfs.vfat -F 16 -s 4 $D 16384", "fsck.vfat -n $D", false,
   NULL);
FS(exfat, "exfat", "", "mkfs.exfat $D", "fsck.exfat -n $D", false, NULL);

FIXTURE_SETUP(stress)
{
}

FIXTURE_TEARDOWN(stress)
{
	umount2(MNT, MNT_DETACH);
}

TEST_F_TIMEOUT(stress, modes, 200)
{
	struct row r = {
		.device = "disk", .dev = pi, .name = variant->name,
		.type = variant->type, .options = variant->options,
		.mkfs = variant->mkfs, .fsck = variant->fsck,
		.journal = variant->journal, .without = variant->without,
	};

	run_row(_metadata, &r);
}

int main(int argc, char **argv)
{
	int ret;

	stress_init(NULL);
	pi = pi_disk(320);	/* xfs is not made smaller */
	if (!pi)
		ksft_exit_skip("no disk with protection information\n");
	print_head();
	ret = test_harness_run(argc, argv);
	print_counters();
	return ret;
}
