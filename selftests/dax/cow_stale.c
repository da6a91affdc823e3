// SPDX-License-Identifier: GPL-2.0
/*
 * write(2) gives a file a new block in place of a shared one while a process
 * has the file mapped. A fault that comes in the middle of it must not leave
 * the old block mapped: it is not the file's any more, and another file may get
 * it. Here the fault comes from the write itself, whose source is the mapping.
 */
#include "../kselftest_harness.h"
#include "dax_test.h"

#define SIZE	PMD
#define AT	(5 * PAGE)
#define OTHER	(9 * PAGE)

FIXTURE(cow_stale)
{
	struct dax_share s;
};

FIXTURE_VARIANT(cow_stale)
{
	unsigned long skew;
};

FIXTURE_VARIANT_ADD(cow_stale, pte)
{
	.skew = PAGE,
};

FIXTURE_VARIANT_ADD(cow_stale, pmd)
{
	.skew = 0,
};

FIXTURE_SETUP(cow_stale)
{
	int r = dax_share(&self->s, SIZE, PROT_READ | PROT_WRITE,
			  variant->skew);

	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[DAX_XFS]);
	ASSERT_EQ(0, r);
}

FIXTURE_TEARDOWN(cow_stale)
{
	dax_share_end(&self->s);
}

TEST_F(cow_stale, file_and_mapping)
{
	static char buf[PAGE];
	unsigned int i, wrong = 0;

	dax_touch(self->s.map + AT);
	ASSERT_EQ(PAGE, pwrite(self->s.fd, self->s.map + AT + 8, PAGE, AT));
	ASSERT_EQ(PAGE, pread(self->s.fd, buf, PAGE, AT));
	for (i = 0; i < PAGE; i += 8)
		wrong += memcmp(buf + i, self->s.map + AT + i, 8) != 0;
	EXPECT_EQ(0, wrong)
		TH_LOG("%u of %lu words of the mapping are not those of the file",
		       wrong, PAGE / 8);
}

/* The block goes to another file, which the process could not even open */
TEST_F(cow_stale, block_of_another_file)
{
	static uint64_t secret[PMD / 8];
	unsigned int i, seen = 0;
	off_t end = 0, size;
	int fill, fd;

	ASSERT_EQ(SIZE, pwrite(self->s.fd, self->s.map, SIZE, 0));

	/* Leave nothing but that block, and what is reserved */
	fill = open(dax_path("fill"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	ASSERT_LE(0, fill);
	for (size = 64 * PMD; size >= (off_t)PMD; size /= 2)
		while (!fallocate(fill, 0, end, size))
			end += size;
	close(self->s.other);
	self->s.other = -1;
	ASSERT_EQ(0, unlink(dax_path("other")));
	ASSERT_EQ(0, syncfs(fill));

	for (i = 0; i < PMD / 8; i++)
		secret[i] = dax_word('s', 0);
	fd = open(dax_path("secret"), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		  0600);
	ASSERT_LE(0, fd);
	EXPECT_EQ(PMD, pwrite(fd, secret, PMD, 0));
	close(fd);
	close(fill);
	for (i = 0; i < PAGE; i += 8)
		seen += !memcmp(self->s.map + AT + i, secret, 8);
	EXPECT_EQ(0, seen)
		TH_LOG("%u of %lu words of the mapping are those of another file",
		       seen, PAGE / 8);
}

/*
 * A page of a PMD is written, and then the file gets a new block for another
 * page of the PMD: what was written is still to be written back.
 */
TEST_F(cow_stale, page_beside)
{
	static char buf[PAGE];
	long n;

	if (variant->skew)
		SKIP(return, "no PMD");
	dax_touch(self->s.map);
	ASSERT_EQ(PAGE, pwrite(self->s.other, buf, PAGE, OTHER));
	ASSERT_EQ(0, trace_on("fs_dax/dax_writeback_one"));
	dax_dirty(self->s.map + OTHER);
	ASSERT_EQ(PAGE, pwrite(self->s.fd, buf, PAGE, AT));
	ASSERT_EQ(0, fsync(self->s.fd));
	trace_off();
	n = trace_writeback(self->s.fd, NULL);
	EXPECT_LE(1, n)
		TH_LOG("the page beside was not written back");
}

int main(int argc, char **argv)
{
	dax_test_init(NULL);
	return test_harness_run(argc, argv);
}
