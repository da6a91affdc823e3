// SPDX-License-Identifier: GPL-2.0
/*
 * Copy-on-write, unshare and dedupe on a device-mapper device whose segments lie
 * in reverse order on the disk: whatever goes on at the end of a segment, beyond
 * it are other blocks of the same file system.
 */
#include "../kselftest_harness.h"
#include "dax_test.h"

#define DM_NAME		"daxtest"
#define SEGMENT		(7UL << 20)	/* so that some 2 MiB blocks are in two */
#define SEGMENTS	61		/* odd: the other blocks stay aligned */
#define SIZE		(24UL << 20)
#define SECTOR		512UL

static char pmem[64];

FIXTURE(cow_segments)
{
	char *map;
	int fd, other;
};

static void remove_dm(void)
{
	dax_umount();
	dax_system("dmsetup remove --noudevsync --noudevrules --retry " DM_NAME " 2>/dev/null");
}

static int make_dm(void)
{
	char table[128];
	FILE *f;
	int i;

	f = popen("dmsetup create --noudevsync --noudevrules " DM_NAME, "w");
	if (!f)
		return -errno;
	for (i = 0; i < SEGMENTS; i++) {
		snprintf(table, sizeof(table), "%lu %lu linear %s %lu\n",
			 i * SEGMENT / SECTOR, SEGMENT / SECTOR, pmem,
			 PMD / SECTOR + (SEGMENTS - 1 - i) * SEGMENT / SECTOR);
		fputs(table, f);
	}
	if (pclose(f))
		return -EIO;
	return dax_system("dmsetup mknodes " DM_NAME);
}

FIXTURE_SETUP(cow_segments)
{
	int r = dax_mount(DAX_XFS);

	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s with dax on device-mapper",
		     dax_fs_name[DAX_XFS]);
	ASSERT_EQ(0, r);
	self->fd = dax_file("file", SIZE, 'a');
	ASSERT_LE(0, self->fd);
	self->other = dax_reflink("other", self->fd);
	ASSERT_LE(0, self->other);
	self->map = dax_map(self->fd, 0, SIZE, PROT_READ | PROT_WRITE,
			    MAP_SHARED, 0);
	ASSERT_NE(NULL, self->map);
}

FIXTURE_TEARDOWN(cow_segments)
{
	munmap(self->map, SIZE);
	close(self->fd);
	close(self->other);
	EXPECT_EQ(0, dax_umount());
}

/* How many words of [@pos, @end) differ from what dax_file() wrote */
static unsigned long differ(int fd, uint64_t pos, uint64_t end)
{
	static uint64_t buf[PMD / sizeof(uint64_t)];
	unsigned long wrong = 0, n;

	for (; pos < end; pos += n) {
		n = end - pos < PMD ? end - pos : PMD;
		if (pread(fd, buf, n, pos) != (ssize_t)n)
			return ~0UL;
		wrong += dax_differ(buf, pos, n, 'a');
	}
	return wrong;
}

static void expect_same(struct __test_metadata *_metadata, const char *what,
			int fd, uint64_t pos, uint64_t end)
{
	unsigned long wrong = differ(fd, pos, end);

	EXPECT_EQ(0, wrong)
		TH_LOG("%s: %lu of %lu words differ", what, wrong,
		       (end - pos) / sizeof(uint64_t));
}

TEST_F(cow_segments, write)
{
	static char data[SIZE - PMD];
	uint64_t from = PAGE / 2, to = from + sizeof(data);

	ASSERT_EQ(sizeof(data), pwrite(self->fd, data, sizeof(data), from));
	expect_same(_metadata, "before the write", self->fd, 0, from);
	expect_same(_metadata, "after the write", self->fd, to, SIZE);
	expect_same(_metadata, "the other file", self->other, 0, SIZE);
}

TEST_F(cow_segments, unshare)
{
	ASSERT_EQ(0, fallocate(self->fd, FALLOC_FL_UNSHARE_RANGE, 0, SIZE));
	expect_same(_metadata, "unshared file", self->fd, 0, SIZE);
	expect_same(_metadata, "the other file", self->other, 0, SIZE);
}

/* Each fault that can be a PMD fault copies 2 MiB */
TEST_F(cow_segments, write_faults)
{
	unsigned long i, wrong;

	for (i = 0; i < SIZE; i += PMD)
		*(volatile uint64_t *)(self->map + i) = dax_word('a', i);
	wrong = dax_differ(self->map, 0, SIZE, 'a');
	EXPECT_EQ(0, wrong)
		TH_LOG("written file: %lu words differ", wrong);
	expect_same(_metadata, "the other file", self->other, 0, SIZE);
}

TEST_F(cow_segments, dedupe)
{
	struct {
		struct file_dedupe_range range;
		struct file_dedupe_range_info info;
	} arg = { .range = { .src_length = SIZE, .dest_count = 1 } };

	arg.info.dest_fd = dax_file("twin", SIZE, 'a');
	ASSERT_LE(0, arg.info.dest_fd);
	ASSERT_EQ(0, ioctl(self->fd, FIDEDUPERANGE, &arg));
	EXPECT_EQ(FILE_DEDUPE_RANGE_SAME, arg.info.status)
		TH_LOG("dedupe of equal files: status %d", arg.info.status);

	/* A word in the last block: it was compared, too */
	ASSERT_EQ(1, pwrite(arg.info.dest_fd, "x", 1, SIZE - 1));
	ASSERT_EQ(0, ioctl(self->fd, FIDEDUPERANGE, &arg));
	EXPECT_EQ(FILE_DEDUPE_RANGE_DIFFERS, arg.info.status);
	close(arg.info.dest_fd);
	expect_same(_metadata, "the file", self->fd, 0, SIZE);
}

int main(int argc, char **argv)
{
	dax_test_init(remove_dm);
	strcpy(pmem, dax_dev);
	if (make_dm())
		ksft_exit_skip("no device-mapper device of %s\n", pmem);
	strcpy(dax_dev, "/dev/mapper/" DM_NAME);
	return test_harness_run(argc, argv);
}
