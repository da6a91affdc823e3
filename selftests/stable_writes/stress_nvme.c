// SPDX-License-Identifier: GPL-2.0
/*
 * The stressor of stress.h on an NVMe disk with protection information, which
 * transfers what it is given once, and verifies that.
 */
#include "../kselftest_harness.h"
#include "stress.h"

FIXTURE(nvme) {
};

FIXTURE_VARIANT(nvme) {
	const char *name, *type, *mkfs, *fsck;
	bool journal;
};

#define FS(_id, _type, _mkfs, _fsck, _journal)				\
	FIXTURE_VARIANT_ADD(nvme, _id) {				\
		.name = #_id, .type = _type, .mkfs = _mkfs,		\
		.fsck = _fsck, .journal = _journal,			\
	}

FS(none, NULL, NULL, NULL, false);
FS(ext2, "ext2", "mkfs.ext2 -q -F $D 16m", "e2fsck -fn $D", false);
FS(ext4, "ext4", "mkfs.ext4 -q -F $D 16m", "e2fsck -fn $D", true);
FS(vfat, "vfat", "mkfs.vfat -F 16 -s 4 $D 16384", "fsck.vfat -n $D", false);

FIXTURE_SETUP(nvme)
{
}

FIXTURE_TEARDOWN(nvme)
{
	umount2(MNT, MNT_DETACH);
}

TEST_F_TIMEOUT(nvme, modes, 200)
{
	struct row r = {
		.device = "nvme", .dev = pi, .name = variant->name,
		.type = variant->type, .options = "", .mkfs = variant->mkfs,
		.fsck = variant->fsck, .journal = variant->journal,
	};

	run_row(_metadata, &r);
}

int main(int argc, char **argv)
{
	int ret;

	stress_init(NULL);
	pi = pi_nvme(false);
	if (!pi)
		ksft_exit_skip("no NVMe disk with protection information\n");
	print_head();
	ret = test_harness_run(argc, argv);
	print_counters();
	return ret;
}
