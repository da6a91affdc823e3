// SPDX-License-Identifier: GPL-2.0
/*
 * The stressor of stress.h with a filesystem on a device that lies on a disk
 * with protection information, and passes pages on to it.
 */
#include "../kselftest_harness.h"
#include "stress.h"

#define MEGABYTES	64

static void undo(void)
{
	loop_remove();
}

FIXTURE(stacked) {
};

FIXTURE_VARIANT(stacked) {
	const char *name, *target, *table;
};

#define TARGET(_id, _target, _table)					\
	FIXTURE_VARIANT_ADD(stacked, _id) {				\
		.name = #_id, .target = _target, .table = _table,	\
	}

/* %1$s is the disk with protection information, %2$s one without */
TARGET(linear, "linear", "%1$s 0");
TARGET(origin, "snapshot-origin", "%1$s");
TARGET(thin, "thin", NULL);
TARGET(raid1, "raid", "raid1 2 0 nosync 2 - %1$s - %2$s");
TARGET(loop, NULL, NULL);

FIXTURE_SETUP(stacked)
{
	ASSERT_EQ(0, disk_new("d", MEGABYTES, 0));
}

FIXTURE_TEARDOWN(stacked)
{
	umount2(MNT, MNT_DETACH);
	undo();
	umount2("/tmp/" PREFIX "below", MNT_DETACH);
	dm_remove("top");
	dm_remove("pool");
	disk_remove("meta");
	disk_remove("d");
}

static const char *loop_on_file(void)
{
	if (run("mkfs.ext4 -q -F %s >/dev/null 2>&1 && "
		"mkdir -p /tmp/" PREFIX "below && "
		"mount -t ext4 %s /tmp/" PREFIX "below && "
		"dd if=/dev/zero of=/tmp/" PREFIX
		"below/file bs=1M count=32 conv=fsync 2>/dev/null", pi, pi) ||
	    loop_new("/tmp/" PREFIX "below/file"))
		return NULL;
	return loop_dev;
}

TEST_F_TIMEOUT(stacked, modes, 100)
{
	struct row ext4 = {
		.device = variant->name, .name = "ext4", .type = "ext4",
		.options = "", .mkfs = "mkfs.ext4 -q -F $D 16m",
		.fsck = "e2fsck -fn $D", .journal = true,
	};
	char args[256];

	if (!variant->target) {
		ext4.dev = loop_on_file();
		ASSERT_NE(NULL, ext4.dev);
	} else if (!dm_has_target(variant->target)) {
		SKIP(return, "no dm target %s", variant->target);
	} else if (!variant->table) {
		ASSERT_EQ(0, thin_new("top", pi, 32 * 2048));
		ext4.dev = dm_path("top");
	} else {
		snprintf(args, sizeof(args), variant->table, pi,
			 disk_path("d"));
		ASSERT_EQ(0, dm_new("top", "0 %llu %s %s", 32 * 2048ULL,
				    variant->target, args));
		ext4.dev = dm_path("top");
	}
	ksft_print_msg("%s: needs stable pages: %s\n", variant->name,
		       needs_stable(ext4.dev) ? "yes" : "NO");
	/* A write that fails takes the disk out of the array, and may hang it */
	if (variant->target && !strcmp(variant->target, "raid"))
		ASSERT_TRUE(needs_stable(ext4.dev));
	run_row(_metadata, &ext4);
}

int main(int argc, char **argv)
{
	int ret;

	stress_init(undo);
	need_null_blk();
	pi = pi_disk(MEGABYTES);
	if (!pi)
		ksft_exit_skip("no scsi_debug, or it is in use\n");
	print_head();
	ret = test_harness_run(argc, argv);
	print_counters();
	return ret;
}
