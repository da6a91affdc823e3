// SPDX-License-Identifier: GPL-2.0
/*
 * A store gives a file a block of its own in place of a shared one, and one of
 * the allocations on the way fails, such as that of the page table. The page
 * that the file has an entry for then must be that of the block it has: what
 * else it may be is free for other files.
 *
 * The store is one of a system call: it fails, where a process would try again.
 */
#include "../kselftest_harness.h"
#include "dax_test.h"
#include "dax_poison.h"

#define SIZE	PMD
#define AT	(5 * PAGE)
#define MAX_NTH	40

#define FAIL	"/sys/kernel/debug/fail_page_alloc/"

static struct knob knobs[] = {
	{ FAIL "times", "-1" },
	{ FAIL "min-order", "0" },
	{ FAIL "ignore-gfp-wait", "N" },
	{ FAIL "verbose", "0" },
};

FIXTURE(cow_no_memory)
{
	struct dax_share s;
};

FIXTURE_SETUP(cow_no_memory)
{
	if (!set_knobs(knobs, ARRAY_SIZE(knobs)))
		SKIP(return, "no fault injection (debugfs)");
}

FIXTURE_TEARDOWN(cow_no_memory)
{
	restore_knobs(knobs, ARRAY_SIZE(knobs));
	EXPECT_EQ(0, poison_undo());
}

/*
 * Store once more what the file has at @pos, which is its position, and let the
 * @nth allocation of a page fail meanwhile. What stores it is put_user(): how
 * much is in a pipe. Return: 0; the errno of the store; -1 if there were fewer
 * allocations; less if it cannot be done.
 */
static int store(char *p, unsigned int pos, unsigned int nth)
{
	static const char path[] = "/proc/thread-self/fail-nth";
	static char zero[AT];
	char buf[16];
	int fd[2], error = 0;

	if (pipe(fd) || write(fd[1], zero, pos) != (ssize_t)pos)
		return -2;
	snprintf(buf, sizeof(buf), "%u", nth);
	if (write_file(path, buf))
		return -3;
	if (ioctl(fd[0], FIONREAD, p))
		error = errno;
	if (read_file(path, buf, sizeof(buf)) || write_file(path, "0"))
		return -4;
	close(fd[0]);
	close(fd[1]);
	return !error && atoi(buf) ? -1 : error;
}

TEST_F(cow_no_memory, store)
{
	unsigned int nth, failed = 0, lost = 0;
	int r;

	for (nth = 1; nth <= MAX_NTH; nth++) {
		uint64_t entry = 0, page;
		long used;
		int ended;

		/* No PMD: that needs no page table on x86 */
		r = dax_share(&self->s, SIZE, PROT_READ | PROT_WRITE, PAGE);
		if (r == -EOPNOTSUPP)
			SKIP(return, "no %s", dax_fs_name[DAX_XFS]);
		ASSERT_EQ(0, r);
		ended = store(self->s.map + AT, AT, nth);
		ASSERT_LE(-1, ended)
			TH_LOG("fail-nth: %d", ended);
		used = first_in_use(&entry);
		ASSERT_LE(0, used);
		/* A fault looks at the block, and mends the entry */
		dax_touch(self->s.map + AT);
		page = page_frame(self->s.map + AT);
		ASSERT_NE(0, page);
		failed += ended > 0;
		if (used && entry != page) {
			lost++;
			ksft_print_msg("allocation %u fails: the entry is of page %lld of the disk, the block of the file is page %lld\n",
				       nth, (long long)(entry - pmem_pfn),
				       (long long)(page - pmem_pfn));
		}
		EXPECT_EQ(0, dax_differ(self->s.map, 0, SIZE, 'a'));
		dax_share_end(&self->s);
		if (ended < 0)
			break;
	}
	ksft_print_msg("%u of %u stores failed\n", failed, nth - 1);
	EXPECT_LT(0, failed)
		TH_LOG("no store failed");
	EXPECT_EQ(0, lost)
		TH_LOG("%u times the file had an entry for a page that is not its own, expected none",
		       lost);
}

int main(int argc, char **argv)
{
	dax_poison_init();
	return test_harness_run(argc, argv);
}
