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
 *
 * ntfs keeps the bitmap of its clusters in page cache, too, and lets one open it.
 */
#include "../kselftest_harness.h"
#include "hold.h"

FIXTURE(hold) {
};

FIXTURE_VARIANT(hold) {
	const char *name, *type, *mkfs, *options;
	unsigned int megabytes;
};

#define NTFS		"mkfs.ntfs -Q -F -q $D"

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
FS(ntfs3, "ntfs3", 16, "", NTFS);
FS(ntfs, "ntfs", 16, "", NTFS);
FS(f2fs, "f2fs", 64, "", "mkfs.f2fs -q -f $D");
FS(f2fs_second, "f2fs", 64, "", "mkfs.f2fs -q -f -a 1 -c $D $FIRST");

FS(hfsplus, "hfsplus", 16, "", "./mkfs_hfsplus $D");

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

FIXTURE(bitmap) {
};

FIXTURE_VARIANT(bitmap) {
	const char *name;
	enum path path;
};

FIXTURE_VARIANT_ADD(bitmap, allocate) {
	.name = "allocate", .path = ALLOCATE,
};

FIXTURE_VARIANT_ADD(bitmap, free) {
	.name = "free", .path = FREE,
};

FIXTURE_SETUP(bitmap)
{
	make(_metadata, "ntfs", 16, "", NTFS, true);
}

FIXTURE_TEARDOWN(bitmap)
{
	hold(false);
	unmake();
}

TEST_F_TIMEOUT(bitmap, stable, 60)
{
	char before[PAGE] = {}, after[PAGE] = {};
	unsigned long long place;
	bool changed;
	void *held;
	int fd, first, second, disk, i;
	pid_t pid;

	ASSERT_EQ(0, posix_memalign(&held, PAGE, PAGE));
	first = open(MNT "/first", O_RDWR | O_CREAT, 0600);
	second = open(MNT "/second", O_RDWR | O_CREAT, 0600);
	ASSERT_EQ(0, fallocate(first, 0, 0, ALLOCATED));
	ASSERT_EQ(0, fallocate(second, 0, 0, ALLOCATED));
	ASSERT_EQ(0, syncfs(first));
	fd = open(MNT "/$Bitmap", O_RDONLY);
	ASSERT_LE(0, fd);
	place = place_of(fd, 0);
	ASSERT_NE(0, place);

	ASSERT_EQ(0, fallocate(first, 0, ALLOCATED, ALLOCATED));
	ASSERT_LT(0, pread(fd, before, PAGE, 0));
	pid = start_change(variant->path, MNT "/second");
	EXPECT_EQ(0, hold(true));
	EXPECT_EQ(0, sync_file_range(fd, 0, PAGE, SYNC_FILE_RANGE_WRITE));
	for (i = 0; i < 1000 && !writes_held(); i++)
		sleep_ms(10);
	EXPECT_LT(0, writes_held());
	let_change(pid);
	EXPECT_EQ(0, let_through());
	disk = open(disk_path("d"), O_RDONLY | O_DIRECT);
	EXPECT_EQ(PAGE, pread(disk, held, PAGE, place));
	close(disk);
	EXPECT_EQ(0, hold(false));
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(0, shared->ret);

	changed = memcmp(held, before, SECTOR);
	ksft_print_msg("%-12s %-10s %s%s\n", "ntfs $Bitmap", variant->name,
		       changed ? "CHANGED under writeback" : "stable",
		       !changed && waited ? ", waited" : "");
	EXPECT_FALSE(changed);
	EXPECT_LT(0, pread(fd, after, PAGE, 0));
	EXPECT_NE(0, memcmp(after, before, SECTOR))
		TH_LOG("the bitmap was not changed at all");
	close(fd);
	close(first);
	close(second);
	free(held);
}

int main(int argc, char **argv)
{
	hold_init();
	return test_harness_run(argc, argv);
}
