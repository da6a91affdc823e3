// SPDX-License-Identifier: GPL-2.0
/*
 * Write to blocks that files share: the file gets new blocks, which have what was
 * written and around it the old data, whatever goes wrong.
 */
#include "../kselftest_harness.h"
#include <sys/uio.h>
#include "dax_test.h"
#include "dax_poison.h"

#define SIZE	PMD
#define AT	(5 * PAGE)

FIXTURE(cow_write)
{
	int fd, other;
	uint64_t pfn;		/* of the page AT */
};

FIXTURE_SETUP(cow_write)
{
	char *map;
	int r = dax_mount(DAX_XFS);

	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[DAX_XFS]);
	ASSERT_EQ(0, r);
	self->fd = dax_file("file", SIZE, 'a');
	ASSERT_LE(0, self->fd);
	map = dax_map(self->fd, 0, SIZE, PROT_READ, MAP_SHARED, PAGE);
	ASSERT_NE(NULL, map);
	dax_touch(map + AT);
	self->pfn = page_frame(map + AT);
	munmap(map, SIZE);
	ASSERT_NE(0, self->pfn);
	self->other = dax_reflink("other", self->fd);
	ASSERT_LE(0, self->other);
}

FIXTURE_TEARDOWN(cow_write)
{
	close(self->fd);
	close(self->other);
	EXPECT_EQ(0, poison_undo());
}

/* Expect @len bytes of @value from @skip on, and what was there in the rest */
static void check(struct __test_metadata *_metadata, int fd, uint64_t at,
		  unsigned int skip, unsigned int len, unsigned char value)
{
	static unsigned char buf[PAGE];
	unsigned int i, wrong = 0, lost = 0;
	uint64_t word;

	ASSERT_EQ(PAGE, pread(fd, buf, PAGE, at));
	for (i = 0; i < PAGE; i++) {
		if (i >= skip && i < skip + len) {
			wrong += buf[i] != value;
			continue;
		}
		word = dax_word('a', at + (i & ~7U));
		lost += buf[i] != ((unsigned char *)&word)[i & 7];
	}
	EXPECT_EQ(0, wrong)
		TH_LOG("%u of the %u written bytes differ", wrong, len);
	EXPECT_EQ(0, lost)
		TH_LOG("%u of the %lu bytes that were not written differ", lost,
		       PAGE - len);
}

/* 50 bytes, and then memory that is not there */
static ssize_t write_short(int fd, uint64_t at, unsigned int good,
			   unsigned int bad)
{
	static char data[2 * PAGE];
	struct iovec v[2] = { { data, good }, { (void *)8, bad } };

	memset(data, 'w', sizeof(data));
	return pwritev(fd, v, 2, at);
}

TEST_F(cow_write, short_in_block)
{
	ASSERT_EQ(50, write_short(self->fd, AT + 100, 50, 1000));
	check(_metadata, self->fd, AT, 100, 50, 'w');
	check(_metadata, self->other, AT, 0, 0, 0);
}

TEST_F(cow_write, short_in_second_block)
{
	ASSERT_EQ(PAGE, write_short(self->fd, AT + 100, PAGE, PAGE));
	check(_metadata, self->fd, AT, 100, PAGE - 100, 'w');
	check(_metadata, self->fd, AT + PAGE, 0, 100, 'w');
	check(_metadata, self->fd, AT + 2 * PAGE, 0, 0, 0);
}

/* What always worked */
TEST_F(cow_write, whole)
{
	static char data[3 * PAGE];

	memset(data, 'w', sizeof(data));
	ASSERT_EQ(2 * PAGE, pwrite(self->fd, data, 2 * PAGE, AT + 100));
	check(_metadata, self->fd, AT - PAGE, 0, 0, 0);
	check(_metadata, self->fd, AT, 100, PAGE - 100, 'w');
	check(_metadata, self->fd, AT + PAGE, 0, PAGE, 'w');
	check(_metadata, self->fd, AT + 2 * PAGE, 0, 100, 'w');
	check(_metadata, self->other, AT, 0, 0, 0);
	ASSERT_EQ(7, pwrite(self->other, data, 7, AT + 100));
	check(_metadata, self->other, AT, 100, 7, 'w');
}

/* The data of the bad block is not needed: nothing is left of it */
TEST_F(cow_write, over_bad_block)
{
	static char data[3 * PAGE];

	memset(data, 'w', sizeof(data));
	ASSERT_EQ(0, bad_block(self->pfn));
	EXPECT_EQ(3 * PAGE, pwrite(self->fd, data, 3 * PAGE, AT - PAGE))
		TH_LOG("overwriting a shared bad block: %s", strerror(errno));
	check(_metadata, self->fd, AT, 0, PAGE, 'w');
}

/* What always worked: here it is needed */
TEST_F(cow_write, into_bad_block)
{
	ASSERT_EQ(0, bad_block(self->pfn));
	EXPECT_EQ(-1, pwrite(self->fd, "w", 1, AT + 100));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, pread(self->fd, &self->pfn, 1, AT));
	EXPECT_EQ(EIO, errno);
}

TEST_F(cow_write, dedupe_bad_block)
{
	struct {
		struct file_dedupe_range range;
		struct file_dedupe_range_info info;
	} arg = { .range = { .src_length = SIZE, .dest_count = 1 } };
	int fd = dax_file("twin", SIZE, 'a');

	ASSERT_LE(0, fd);
	arg.info.dest_fd = fd;
	ASSERT_EQ(0, ioctl(self->fd, FIDEDUPERANGE, &arg));
	EXPECT_EQ(FILE_DEDUPE_RANGE_SAME, arg.info.status);
	EXPECT_EQ(SIZE, arg.info.bytes_deduped);
	close(fd);

	fd = dax_file("twin", SIZE, 'a');
	ASSERT_LE(0, fd);
	arg.info.dest_fd = fd;
	ASSERT_EQ(0, bad_block(self->pfn));
	ASSERT_EQ(0, ioctl(self->fd, FIDEDUPERANGE, &arg));
	EXPECT_EQ(-EIO, arg.info.status)
		TH_LOG("dedupe of a bad block: status %d, %lld bytes",
		       arg.info.status, (long long)arg.info.bytes_deduped);
	close(fd);
}

int main(int argc, char **argv)
{
	dax_poison_init();
	return test_harness_run(argc, argv);
}
