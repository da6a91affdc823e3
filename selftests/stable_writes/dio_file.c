// SPDX-License-Identifier: GPL-2.0
/*
 * O_DIRECT writes to files of filesystems that could make the checksums, and a
 * copy of the data for it, themselves. Where the block layer settles conflicts
 * that is left to it: it copies only after a guard error. An error that stays,
 * and one in a mode that settles nothing, is reported as ever.
 */
#define MEGABYTES	320	/* xfs is not made smaller */
#include "../kselftest_harness.h"
#include "settle.h"

#define NAME	MNT "/file"

FIXTURE(file) {
};

FIXTURE_VARIANT(file) {
	const char *type, *mkfs;
};

FIXTURE_VARIANT_ADD(file, xfs) { "xfs", "mkfs.xfs -q -f" };
FIXTURE_VARIANT_ADD(file, ext4) { "ext4", "mkfs.ext4 -q -F" };

FIXTURE_SETUP(file)
{
	int fd;

	insert(_metadata, "dif=1");
	if (run("%s %s >/dev/null 2>&1", variant->mkfs, pi) ||
	    mount(pi, MNT, variant->type, 0, NULL))
		SKIP(return, "no %s", variant->type);
	fd = open(NAME, O_RDWR | O_CREAT, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(BUFFER, pwrite(fd, buffer, BUFFER, 0));
	ASSERT_EQ(0, fsync(fd));
	ASSERT_EQ(0, syncfs(fd));
	close(fd);
}

FIXTURE_TEARDOWN(file)
{
	inject(WRITE_10, 0);
	EXPECT_EQ(0, umount(MNT));
}

static int write_file_with(int errors)
{
	struct io io;
	int r;

	memset(buffer, 'D', PAGE);
	set_io(&io, true, 0, buffer, PAGE);
	io.dev = NAME;
	if (inject(WRITE_10, errors))
		return -1;
	r = do_io(&io);
	inject(WRITE_10, 0);
	return r;
}

TEST_F(file, settled)
{
	long long conflicts = counter("conflicts");
	int r = write_file_with(1);

	ksft_print_msg("%s, one guard error: %s, %lld conflicts\n", variant->type,
		       r ? strerror(r) : "written", counter("conflicts") - conflicts);
	EXPECT_EQ(0, r);
	EXPECT_EQ(conflicts + 1, counter("conflicts"));
	check_data(_metadata, NAME, 0, buffer, PAGE);
}

TEST_F(file, lasting)
{
	int r = write_file_with(100);

	ksft_print_msg("%s, guard errors that stay: %s\n", variant->type,
		       r ? strerror(r) : "WRITTEN");
	EXPECT_LT(0, r);
}

TEST_F(file, off)
{
	int r;

	set_mode("off");
	r = write_file_with(1);
	ksft_print_msg("%s, one guard error, mode off: %s\n", variant->type,
		       r ? strerror(r) : "WRITTEN");
	EXPECT_LT(0, r);
}

static void restore(void)
{
	umount(MNT);
	scsi_debug_loaded = disk->dev[0];
}

int main(int argc, char **argv)
{
	settle_init(restore);
	return test_harness_run(argc, argv);
}
