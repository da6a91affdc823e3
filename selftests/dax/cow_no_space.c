// SPDX-License-Identifier: GPL-2.0
/*
 * A process gets a block of its own for a page that files share, and the disk is
 * so full that the file system cannot put the block into the file. Then the
 * store, or what else was to be written, must not be said to have succeeded.
 *
 * The block itself was allocated before, together with another one.
 */
#include "../kselftest_harness.h"
#include "dax_test.h"

#define SIZE	(2 * PMD)
#define AT	(PMD + 5 * PAGE)
#define STORED	0x1234567887654321ULL

/* <xfs/xfs_fs.h> */
struct xfs_fsop_resblks {
	uint64_t resblks;
	uint64_t resblks_avail;
};

#define XFS_IOC_SET_RESBLKS _IOWR('X', 114, struct xfs_fsop_resblks)

FIXTURE(cow_no_space)
{
	struct dax_share s;
	int fill;
};

FIXTURE_VARIANT(cow_no_space)
{
	unsigned long skew;
};

FIXTURE_VARIANT_ADD(cow_no_space, pte)
{
	.skew = PAGE,
};

FIXTURE_VARIANT_ADD(cow_no_space, pmd)
{
};

/* Let the file have copied blocks ahead of where it stores, for all of its size */
static int copy_ahead(int fd)
{
	struct fsxattr attr;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &attr))
		return -errno;
	attr.fsx_xflags |= FS_XFLAG_COWEXTSIZE;
	attr.fsx_cowextsize = SIZE;
	return ioctl(fd, FS_IOC_FSSETXATTR, &attr) ? -errno : 0;
}

/* How many blocks the file system keeps for when the disk is full */
static int keep_blocks(int fd, uint64_t nr)
{
	struct xfs_fsop_resblks req = { .resblks = nr };

	return ioctl(fd, XFS_IOC_SET_RESBLKS, &req) ? -errno : 0;
}

/*
 * Fill the disk. A block can be allocated as long as there are more than may be
 * needed to put one into a file: of those that are left, lay one aside.
 * Return: a file descriptor of what fills it, or a negative errno
 */
static int fill_disk(void)
{
	struct fsxattr attr;
	off_t pos = 0, size;
	int fd, r;

	fd = open(dax_path("fill"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (ioctl(fd, FS_IOC_FSGETXATTR, &attr))
		return -errno;
	attr.fsx_xflags &= ~FS_XFLAG_EXTSIZE;
	attr.fsx_extsize = 0;
	if (ioctl(fd, FS_IOC_FSSETXATTR, &attr))
		return -errno;
	r = keep_blocks(fd, 0);
	for (size = 256UL << 20; size >= (off_t)PAGE && !r; size /= 2)
		while (!fallocate(fd, 0, pos, size))
			pos += size;
	if (!r)
		r = keep_blocks(fd, 1);
	return r ? r : fd;
}

FIXTURE_SETUP(cow_no_space)
{
	int r = dax_share(&self->s, SIZE, PROT_READ | PROT_WRITE, variant->skew);

	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[DAX_XFS]);
	ASSERT_EQ(0, r);
	ASSERT_EQ(0, copy_ahead(self->s.fd));
	dax_dirty(self->s.map);
	self->fill = fill_disk();
	ASSERT_LE(0, self->fill);
}

FIXTURE_TEARDOWN(cow_no_space)
{
	close(self->fill);
	dax_share_end(&self->s);
}

static uint64_t word_at(int fd, off_t pos)
{
	uint64_t word = 0;

	if (pread(fd, &word, sizeof(word), pos) != sizeof(word))
		ksft_print_msg("read: %s\n", strerror(errno));
	return word;
}

TEST_F(cow_no_space, store)
{
	uint64_t *p = (uint64_t *)(self->s.map + AT);
	int sig, fd;

	sig = dax_store(p, STORED);
	EXPECT_EQ(SIGBUS, sig)
		TH_LOG("a store ends with signal %d, expected %d: the file cannot have it",
		       sig, SIGBUS);
	if (!sig) {
		EXPECT_EQ(STORED, word_at(self->s.fd, AT))
			TH_LOG("a store has succeeded, and a read of the file gives the old data");
	}
	EXPECT_EQ(word_at(self->s.fd, AT), *p)
		TH_LOG("a read and the mapping differ");
	EXPECT_EQ(dax_word('a', AT), word_at(self->s.other, AT));

	/* With space all is well */
	ASSERT_EQ(0, ftruncate(self->fill, 0));
	ASSERT_EQ(0, trace_on("fs_dax/dax_pmd_fault_done"));
	EXPECT_EQ(0, dax_store(p, STORED));
	EXPECT_EQ(!variant->skew,
		  trace_count("dax_pmd_fault_done", "NOPAGE", NULL, NULL));
	trace_off();
	EXPECT_EQ(0, fsync(self->s.fd));
	dax_share_end(&self->s);
	close(self->fill);
	ASSERT_EQ(0, dax_umount());
	ASSERT_EQ(0, mount(dax_dev, dax_dir, "xfs", 0, "dax=always"));
	fd = open(dax_path("file"), O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(STORED, word_at(fd, AT));
	EXPECT_EQ(dax_word('a', AT + 8), word_at(fd, AT + 8));
	EXPECT_EQ(dax_word('a', AT + PAGE), word_at(fd, AT + PAGE));
	close(fd);
}

/* The rest of the last block is zeroed */
TEST_F(cow_no_space, shrink)
{
	struct stat st;
	int r;

	r = ftruncate(self->s.fd, AT + 8);
	EXPECT_EQ(-1, r)
		TH_LOG("ftruncate() has succeeded, expected ENOSPC: the block cannot be zeroed");
	ASSERT_EQ(0, fstat(self->s.fd, &st));
	if (r) {
		EXPECT_EQ((off_t)SIZE, st.st_size);
		EXPECT_EQ(dax_word('a', AT + 8), word_at(self->s.fd, AT + 8));
	} else {
		EXPECT_EQ(0, *(uint64_t *)(self->s.map + AT + 8))
			TH_LOG("what was cut off is still there");
	}
}

int main(int argc, char **argv)
{
	dax_test_init(NULL);
	return test_harness_run(argc, argv);
}
