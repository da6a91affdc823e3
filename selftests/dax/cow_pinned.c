// SPDX-License-Identifier: GPL-2.0
/*
 * A page of a shared block is in a pipe, as it would be under DMA, and the file
 * gets another block in its place. The reference is dropped from the folio that
 * it was taken from, whatever becomes of the block, and nobody waits for it.
 */
#include <sys/prctl.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"
#include "dax_test.h"

#define SIZE	PMD
#define AT	(5 * PAGE)

FIXTURE(cow_pinned)
{
	struct dax_share s;
	int pipe[2];
	char *store;
};

FIXTURE_VARIANT(cow_pinned)
{
	unsigned long skew;
	unsigned long store_skew;	/* of the mapping that is stored to */
	bool write;
};

FIXTURE_VARIANT_ADD(cow_pinned, store_pte)
{
	.skew = PAGE,
	.store_skew = PAGE,
};

FIXTURE_VARIANT_ADD(cow_pinned, store_pmd)
{
};

FIXTURE_VARIANT_ADD(cow_pinned, store_pte_of_pmd)
{
	.store_skew = PAGE,
};

FIXTURE_VARIANT_ADD(cow_pinned, write_pte)
{
	.skew = PAGE,
	.write = true,
};

FIXTURE_VARIANT_ADD(cow_pinned, write_pmd)
{
	.write = true,
};

FIXTURE_SETUP(cow_pinned)
{
	int r;

	ASSERT_FALSE(*dax_broken)
		TH_LOG("the kernel has warned before");
	r = dax_share(&self->s, SIZE, PROT_READ | PROT_WRITE, variant->skew);
	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[DAX_XFS]);
	ASSERT_EQ(0, r);
	self->store = dax_map(self->s.fd, 0, SIZE, PROT_READ | PROT_WRITE,
			      MAP_SHARED, variant->store_skew);
	ASSERT_NE(NULL, self->store);
	ASSERT_EQ(0, pipe(self->pipe));
}

FIXTURE_TEARDOWN(cow_pinned)
{
	dax_share_end(&self->s);
	munmap(self->store, SIZE);
	close(self->pipe[0]);
	close(self->pipe[1]);
}

/* Map all blocks of the other file. Return: how many words are wrong, or -1 */
static long use_again(int fd, unsigned long skew)
{
	char *map = dax_map(fd, 0, SIZE, PROT_READ, MAP_SHARED, skew);
	long wrong;

	if (!map)
		return -1;
	wrong = dax_differ(map, 0, SIZE, 'a');
	munmap(map, SIZE);
	return wrong;
}

static pid_t change(const FIXTURE_DATA(cow_pinned) *self, bool write)
{
	static char buf[PAGE];
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(20);
	memset(buf, 'n', sizeof(buf));
	if (write)
		_exit(pwrite(self->s.fd, buf, PAGE, AT) != PAGE);
	*(volatile char *)(self->store + AT) = 'n';
	_exit(0);
}

/* Change a page that is in a pipe, and have all its blocks used again */
TEST_F(cow_pinned, change)
{
	struct iovec iov = { .iov_base = self->s.map + AT, .iov_len = PAGE };
	unsigned long before = tainted();
	static char buf[PAGE];
	int status;
	pid_t pid;

	dax_touch(self->s.map + AT);
	ASSERT_EQ(PAGE, vmsplice(self->pipe[1], &iov, 1, 0));
	pid = change(self, variant->write);
	ASSERT_LT(0, pid);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status)
		TH_LOG("who changes the page has ended with %#x", status);
	ASSERT_EQ(PAGE, pread(self->s.fd, buf, PAGE, AT));
	EXPECT_EQ('n', buf[0]);
	EXPECT_EQ('n', self->s.map[AT]);
	EXPECT_EQ(0, use_again(self->s.other, variant->skew));
	/* An unmount, or one more use, could last for ever then */
	*dax_broken = tainted() != before;
	ASSERT_FALSE(*dax_broken)
		TH_LOG("the kernel warns of a page that is in a pipe");

	/* Only now does the reference go */
	ASSERT_EQ(PAGE, read(self->pipe[0], buf, PAGE));
	EXPECT_EQ(0, dax_differ(buf, AT, PAGE, 'a'))
		TH_LOG("the pipe has other data");
	EXPECT_EQ(0, use_again(self->s.other, 0));
	EXPECT_EQ(0, use_again(self->s.other, PAGE));
	EXPECT_EQ(before, tainted())
		TH_LOG("the kernel has warned");
}

/* The store comes from a read() of the pipe that the page is in */
TEST_F(cow_pinned, read_into_itself)
{
	struct iovec iov = { .iov_base = self->s.map + AT, .iov_len = PAGE };
	unsigned long before = tainted();
	int status, i;
	pid_t pid;

	if (variant->write)
		SKIP(return, "write(2) does not read the pipe");
	dax_touch(self->s.map + AT);
	ASSERT_EQ(PAGE, vmsplice(self->pipe[1], &iov, 1, 0));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(read(self->pipe[0], self->store + AT, PAGE) != PAGE);
	}
	for (i = 0; i < 200 && !waitpid(pid, &status, WNOHANG); i++)
		sleep_ms(50);
	*dax_broken = i == 200 || tainted() != before;
	ASSERT_FALSE(*dax_broken)
		TH_LOG("%s", i == 200 ? "read() hangs" : "the kernel has warned");
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, dax_differ(self->store, 0, SIZE, 'a'));
	EXPECT_EQ(0, dax_differ(self->s.map, 0, SIZE, 'a'));
}

int main(int argc, char **argv)
{
	dax_test_init(NULL);
	return test_harness_run(argc, argv);
}
