// SPDX-License-Identifier: GPL-2.0
/*
 * The stressor of stress.h on a disk with protection information, for the
 * device itself and for filesystems on it.
 */
#include "../kselftest_harness.h"
#include "stress.h"

static const char *pi;

FIXTURE(stress) {
};

FIXTURE_VARIANT(stress) {
	const char *name, *type, *options, *mkfs, *fsck, *modes;
};

#define FS(_id, _type, _options, _mkfs, _fsck, _modes)			\
	FIXTURE_VARIANT_ADD(stress, _id) {				\
		.name = #_id, .type = _type, .options = _options,	\
		.mkfs = _mkfs, .fsck = _fsck, .modes = _modes,		\
	}

FS(device, NULL, "", NULL, NULL, WAITING);
FS(ext2, "ext2", "", "mkfs.ext2 -q -F $D 16m", "e2fsck -fn $D", WAITING);
FS(ext4, "ext4", "", "mkfs.ext4 -q -F $D 16m", "e2fsck -fn $D", JOURNAL);
FS(ext4_data, "ext4", "data=journal", "mkfs.ext4 -q -F $D 16m",
   "e2fsck -fn $D", JOURNAL);
FS(ext4_nojnl, "ext4", "", "mkfs.ext4 -q -F -O ^has_journal $D 16m",
   "e2fsck -fn $D", WAITING);
FS(xfs, "xfs", "", "mkfs.xfs -q -f $D", "xfs_repair -n $D", JOURNAL);
FS(btrfs, "btrfs", "", "mkfs.btrfs -q -f -m single -d single -b 128m $D",
   "btrfs check $D", JOURNAL);
FS(btrfs_nosum, "btrfs", "nodatasum",
   "mkfs.btrfs -q -f -m single -d single -b 128m $D", "btrfs check $D", JOURNAL);
FS(vfat, "vfat", "", "mkfs.vfat -F 16 -s 4 $D 16384", "fsck.vfat -n $D", WAITING);
FS(exfat, "exfat", "", "mkfs.exfat $D", "fsck.exfat -n $D", WAITING);

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
		.name = variant->name, .dev = pi, .type = variant->type,
		.options = variant->options, .mkfs = variant->mkfs,
		.fsck = variant->fsck, .modes = variant->modes,
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
	print_counters(pi);
	return ret;
}
