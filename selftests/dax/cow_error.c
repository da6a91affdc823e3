// SPDX-License-Identifier: GPL-2.0
/*
 * A store gives a file blocks of its own in place of shared ones, and one of
 * those cannot be read. What was not copied must not get into the file: the
 * pages beside the bad one have to be what they were.
 */
#include "../kselftest_harness.h"
#include "dax_test.h"
#include "dax_poison.h"

#define SIZE	PMD
#define AT	(3 * PAGE)
#define BAD	(7 * PAGE)

FIXTURE(cow_error)
{
	struct dax_share s;
};

FIXTURE_VARIANT(cow_error)
{
	unsigned long skew;
	bool read_first;
};

FIXTURE_VARIANT_ADD(cow_error, pte)
{
	.skew = PAGE,
};

FIXTURE_VARIANT_ADD(cow_error, pmd)
{
};

FIXTURE_VARIANT_ADD(cow_error, mapped_pmd)
{
	.read_first = true,
};

FIXTURE_SETUP(cow_error)
{
	int r = dax_share(&self->s, SIZE, PROT_READ | PROT_WRITE,
			  variant->skew);
	uint64_t pfn;
	char *map;

	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[DAX_XFS]);
	ASSERT_EQ(0, r);
	if (variant->read_first)
		dax_touch(self->s.map);

	map = dax_map(self->s.other, 0, SIZE, PROT_READ, MAP_SHARED,
		      variant->skew);
	ASSERT_NE(NULL, map);
	dax_touch(map + BAD);
	pfn = page_frame(map + BAD);
	ASSERT_NE(0, pfn);
	munmap(map, SIZE);
	ASSERT_EQ(0, bad_block(pfn));
}

FIXTURE_TEARDOWN(cow_error)
{
	dax_share_end(&self->s);
	EXPECT_EQ(0, poison_undo());
}

/* Store a word of the file once more. Return: as dax_store() */
static int store(char *map, unsigned long at)
{
	return dax_store(map + at, dax_word('a', at));
}

/* Return: how many words beside the bad page differ */
static long differ(int fd)
{
	static char buf[PAGE];
	unsigned long pos;
	long wrong = 0;

	for (pos = 0; pos < SIZE; pos += PAGE) {
		if (pos == BAD)
			continue;
		if (pread(fd, buf, PAGE, pos) != (ssize_t)PAGE)
			return -errno;
		wrong += dax_differ(buf, pos, PAGE, 'a');
	}
	return wrong;
}

static void check(struct __test_metadata *_metadata, int fd, int other)
{
	long wrong = differ(fd);

	EXPECT_EQ(0, wrong)
		TH_LOG("%ld of %lu words beside the bad page are not those of the file, expected none",
		       wrong, (SIZE - PAGE) / 8);
	EXPECT_EQ(0, differ(other));
}

TEST_F(cow_error, store_beside)
{
	int sig = store(self->s.map, AT);

	EXPECT_EQ(0, sig)
		TH_LOG("a store to a good page ends with signal %d, expected none",
		       sig);
	check(_metadata, self->s.fd, self->s.other);
}

TEST_F(cow_error, store_to_bad)
{
	static char buf[PAGE];

	EXPECT_EQ(SIGBUS, store(self->s.map, BAD));
	check(_metadata, self->s.fd, self->s.other);
	EXPECT_EQ(-1, pread(self->s.fd, buf, PAGE, BAD))
		TH_LOG("the bad page can be read");
}

int main(int argc, char **argv)
{
	dax_poison_init();
	return test_harness_run(argc, argv);
}
