// SPDX-License-Identifier: GPL-2.0
/*
 * A snapshot on disks of other kinds: a file, a SCSI disk, one with large
 * logical blocks, and a COW device with a sector that cannot be read. It is
 * filled, activated again and merged.
 *
 * A negative control: this passes on kernels with the bugs that the other tests
 * are for.
 */
#include "../kselftest_harness.h"
#include <linux/loop.h>
#include "dm_snapshot_test.h"
#include "../storage/scsi_debug.h"

#define CHUNK		16U
#define SIZE		4096U	/* of origin and COW device, on one disk */
#define NR		6U	/* exceptions, of every third chunk */
#define FILE_NAME	"/tmp/" PREFIX "file"
#define BAD		(4 * CHUNK)	/* sector of the COW device: the third exception */

enum kind { FILE_DISK, SCSI_DISK, DUST_DISK };

static int loop_fd = -1;
static bool scsi_loaded;

static void undo(void)
{
	remove_all();
	if (loop_fd >= 0) {
		ioctl(loop_fd, LOOP_CLR_FD, 0);
		close(loop_fd);
		unlink(FILE_NAME);
	}
	loop_fd = -1;
	/* Something may still have it open, for a moment */
	if (scsi_loaded && system("modprobe -r scsi_debug") &&
	    (sleep_ms(500), system("modprobe -r scsi_debug")))
		ksft_print_msg("scsi_debug stays loaded\n");
	scsi_loaded = false;
}

/* Returns the node, or NULL if there is no such disk */
static const char *loop_disk(void)
{
	static char path[32];
	int ctl = open("/dev/loop-control", O_RDWR | O_CLOEXEC), file, n;

	if (ctl < 0)
		return NULL;
	n = ioctl(ctl, LOOP_CTL_GET_FREE);
	close(ctl);
	file = open(FILE_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	snprintf(path, sizeof(path), "/dev/loop%d", n);
	loop_fd = open(path, O_RDWR | O_CLOEXEC);
	if (n < 0 || file < 0 || loop_fd < 0 ||
	    ftruncate(file, 2 * SIZE * SECTOR) ||
	    ioctl(loop_fd, LOOP_SET_FD, file))
		path[0] = '\0';
	if (file >= 0)
		close(file);
	return path[0] ? path : NULL;
}

static const char *scsi_disk(unsigned int block)
{
	char parameters[128];

	snprintf(parameters, sizeof(parameters),
		 "dev_size_mb=%llu sector_size=%u delay=0",
		 2 * SIZE * SECTOR >> 20, block);
	return scsi_debug_new(parameters, &scsi_loaded);
}

FIXTURE(devices) {
	char disk[64];
};

FIXTURE_VARIANT(devices) {
	enum kind kind;
	unsigned int block;	/* bytes */
};

FIXTURE_VARIANT_ADD(devices, loop) {
	.kind = FILE_DISK, .block = 512,
};

FIXTURE_VARIANT_ADD(devices, scsi) {
	.kind = SCSI_DISK, .block = 512,
};

FIXTURE_VARIANT_ADD(devices, scsi_4k) {
	.kind = SCSI_DISK, .block = 4096,
};

FIXTURE_VARIANT_ADD(devices, dust) {
	.kind = DUST_DISK, .block = 512,
};

FIXTURE_SETUP(devices)
{
	const char *disk = NULL;

	undo();
	switch (variant->kind) {
	case FILE_DISK:
		disk = loop_disk();
		break;
	case SCSI_DISK:
		disk = scsi_disk(variant->block);
		break;
	case DUST_DISK:
		ASSERT_EQ(0, disk_new("disk", 2 * SIZE / 2048, 0));
		disk = disk_path("disk");
		break;
	}
	if (!disk)
		SKIP(return, "no such disk");
	strcpy(self->disk, disk);
	ASSERT_EQ(0, dm_new("origin", "0 %u linear %s %u", SIZE, disk, SIZE));
	/* At the start: dm-dust in 6.12 counts from the start of the disk */
	if (variant->kind == DUST_DISK) {
		ASSERT_EQ(0, dm_new("cow", "0 %u dust %s 0 512", SIZE, disk));
	} else {
		ASSERT_EQ(0, dm_new("cow", "0 %u linear %s 0", SIZE, disk));
	}
	ASSERT_EQ(0, put(dm_path("origin"), 0, SIZE, 'O'));
}

FIXTURE_TEARDOWN(devices)
{
	undo();
}

static int create(const char *name, const char *target, unsigned int chunk)
{
	return dm_new(name, "0 %u %s %s %s P %u", SIZE, target,
		      dm_path("origin"), dm_path("cow"), chunk);
}

static void expect_chunks(struct __test_metadata *_metadata, const char *path,
			  const char *when)
{
	unsigned int i;

	for (i = 0; i < NR; i++) {
		expect_data(_metadata, path, 3 * i * CHUNK, CHUNK, 'S', when);
		expect_data(_metadata, path, (3 * i + 1) * CHUNK, 2 * CHUNK,
			    'O', when);
	}
	expect_data(_metadata, path, 3 * NR * CHUNK, SIZE - 3 * NR * CHUNK, 'O',
		    when);
}

TEST_F(devices, use)
{
	char message[64], done[64];
	unsigned int i;
	bool merged;

	if (variant->block > 2048)
		EXPECT_EQ(-EINVAL, create("snap", "snapshot", 4))
			TH_LOG("chunks that are smaller than a block");
	ASSERT_EQ(0, create("snap", "snapshot", CHUNK));
	for (i = 0; i < NR; i++)
		ASSERT_EQ(0, put(dm_path("snap"), 3 * i * CHUNK, CHUNK, 'S'));
	expect_chunks(_metadata, dm_path("snap"), "filled");

	if (variant->kind == DUST_DISK) {
		snprintf(message, sizeof(message), "addbadblock %u", BAD);
		ASSERT_EQ(0, dm_message("cow", message));
		ASSERT_EQ(0, dm_message("cow", "enable"));
		EXPECT_EQ(-EIO, do_io(dm_path("snap"), false, 6 * CHUNK, CHUNK));
		expect_data(_metadata, dm_path("snap"), 3 * CHUNK, CHUNK, 'S',
			    "beside what cannot be read");
	}
	ASSERT_EQ(0, dm_remove("snap"));

	ASSERT_EQ(0, create("merge", "snapshot-merge", CHUNK));
	if (variant->kind == DUST_DISK) {
		EXPECT_TRUE(wait_status("merge", "Merge failed", 10)) {
			TH_LOG("status '%s', expected 'Merge failed'",
			       dm_status("merge"));
		}
		ASSERT_EQ(0, dm_message("cow", "disable"));
		ASSERT_EQ(0, dm_suspend("merge"));
		ASSERT_EQ(0, dm_resume("merge"));
	}
	/* The status may still be that of the failure */
	snprintf(done, sizeof(done), "%u/%u %u", 2 * CHUNK, SIZE, 2 * CHUNK);
	merged = variant->kind == DUST_DISK ?
		 wait_merged(dm_path("cow"), CHUNK, 10) :
		 wait_status("merge", done, 10);
	EXPECT_TRUE(merged) {
		TH_LOG("status '%s', expected '%s'", dm_status("merge"), done);
	}
	ASSERT_EQ(0, dm_remove("merge"));
	expect_chunks(_metadata, dm_path("origin"), "merged");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-merge", "linear", "dust", NULL
	};

	dm_snapshot_test_init(undo, targets);
	return test_harness_run(argc, argv);
}
