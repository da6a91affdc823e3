// SPDX-License-Identifier: GPL-2.0
/*
 * The stressor of stress.h with each type of protection information and each
 * kind of checksum, for the device and for a filesystem whose metadata is in
 * buffer_heads.
 */
#include "../kselftest_harness.h"
#include "stress.h"

FIXTURE(formats) {
};

FIXTURE_VARIANT(formats) {
	const char *name, *parameters;
};

/* The first with the CRC is what stress has */
#define FORMAT(_dif, _guard, _kind)					\
	FIXTURE_VARIANT_ADD(formats, dif##_dif##_##_kind) {		\
		.name = "dif" #_dif "_" #_kind,				\
		.parameters = "dif=" #_dif " guard=" #_guard,		\
	}

FORMAT(1, 1, ip);
FORMAT(2, 0, crc);
FORMAT(2, 1, ip);
FORMAT(3, 0, crc);
FORMAT(3, 1, ip);

FIXTURE_SETUP(formats)
{
	pi = pi_disk_of(32, variant->parameters);
	ASSERT_NE(NULL, pi);
}

FIXTURE_TEARDOWN(formats)
{
	umount2(MNT, MNT_DETACH);
	unload("scsi_debug", scsi_debug_loaded);
}

TEST_F_TIMEOUT(formats, modes, 100)
{
	struct row device = {
		.device = variant->name, .dev = pi, .name = "none",
	};
	struct row ext2 = {
		.device = variant->name, .dev = pi, .name = "ext2",
		.type = "ext2", .options = "", .mkfs = "mkfs.ext2 -q -F $D",
		.fsck = "e2fsck -fn $D",
	};

	run_row(_metadata, &device);
	run_row(_metadata, &ext2);
	print_counters();
}

int main(int argc, char **argv)
{
	stress_init(NULL);
	cell_ms /= 2;
	if (!pi_disk(8))
		ksft_exit_skip("no scsi_debug, or it is in use\n");
	unload("scsi_debug", scsi_debug_loaded);
	scsi_debug_loaded = false;
	print_head();
	return test_harness_run(argc, argv);
}
