// SPDX-License-Identifier: GPL-2.0
/*
 * Who punches a hole waits until a page of it is no more in a pipe, as it would
 * for DMA. It goes on then, though a process has touched the page meanwhile and
 * has it mapped again. So does who removes a file, though another one that
 * shares the page with it has it mapped.
 */
#include <sys/prctl.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"
#include "dax_test.h"

#define SIZE	PMD
#define AT	(5 * PAGE)
#define PATIENCE_MS	5000

FIXTURE(break_wait)
{
	int fd, pipe[2];
	char *map;
};

FIXTURE_VARIANT(break_wait)
{
	enum dax_fs fs;
	unsigned long skew;
};

FIXTURE_VARIANT_ADD(break_wait, ext4_pte) { DAX_EXT4, PAGE };
FIXTURE_VARIANT_ADD(break_wait, ext4_pmd) { DAX_EXT4, 0 };
FIXTURE_VARIANT_ADD(break_wait, xfs_pte) { DAX_XFS, PAGE };
FIXTURE_VARIANT_ADD(break_wait, xfs_pmd) { DAX_XFS, 0 };

FIXTURE_SETUP(break_wait)
{
	self->fd = dax_one_file(variant->fs, SIZE, PROT_READ | PROT_WRITE,
				variant->skew, &self->map);
	if (self->fd == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[variant->fs]);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, pipe(self->pipe));
}

FIXTURE_TEARDOWN(break_wait)
{
	munmap(self->map, SIZE);
	close(self->fd);
	close(self->pipe[0]);
	close(self->pipe[1]);
}

/* Return: ms until @pid had ended, or -1 */
static long ended(pid_t pid, unsigned int ms)
{
	unsigned int i;

	for (i = 0; i < ms; i += 10) {
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return i;
		sleep_ms(10);
	}
	return -1;
}

TEST_F(break_wait, touched_meanwhile)
{
	struct iovec iov = { .iov_base = self->map + AT, .iov_len = PAGE };
	static char buf[PAGE];
	pid_t pid;
	long ms;

	dax_touch(self->map + AT);
	ASSERT_EQ(PAGE, vmsplice(self->pipe[1], &iov, 1, 0));
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(fallocate(self->fd, FALLOC_FL_PUNCH_HOLE |
				FALLOC_FL_KEEP_SIZE, AT, PAGE) != 0);
	}
	ASSERT_LT(0, pid);
	ASSERT_EQ(-1, ended(pid, 500))
		TH_LOG("the hole does not wait for the pipe");
	dax_touch(self->map + AT);
	ASSERT_EQ(-1, ended(pid, 500))
		TH_LOG("the hole does not wait for the pipe");
	ASSERT_EQ(PAGE, read(self->pipe[0], buf, PAGE));
	EXPECT_EQ(0, dax_differ(buf, AT, PAGE, 'a'))
		TH_LOG("the pipe has other data");

	ms = ended(pid, PATIENCE_MS);
	EXPECT_LE(0, ms)
		TH_LOG("no hole %u ms after the page has left the pipe",
		       PATIENCE_MS);
	if (ms >= 0) {
		ksft_print_msg("the hole is there %ld ms later\n", ms);
		EXPECT_EQ(0, self->map[AT]);
		return;
	}
	munmap(self->map, SIZE);
	self->map = NULL;
	ms = ended(pid, PATIENCE_MS);
	ksft_print_msg("the hole is there %ld ms after the munmap\n", ms);
	if (ms < 0)
		kill(pid, SIGKILL);
}

TEST(removed)
{
	static char buf[PAGE];
	struct iovec iov = { .iov_len = PAGE };
	struct dax_share s;
	int pipefd[2], r;
	char *shared;
	pid_t pid;
	long ms;

	r = dax_share(&s, SIZE, PROT_READ, PAGE);
	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[DAX_XFS]);
	ASSERT_EQ(0, r);
	shared = dax_map(s.other, 0, SIZE, PROT_READ, MAP_SHARED, PAGE);
	ASSERT_NE(NULL, shared);
	dax_touch(s.map + AT);
	dax_touch(shared + AT);
	ASSERT_EQ(0, pipe(pipefd));
	iov.iov_base = shared + AT;
	ASSERT_EQ(PAGE, vmsplice(pipefd[1], &iov, 1, 0));
	dax_share_end(&s);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(unlink(dax_path("file")) != 0);
	}
	ASSERT_LT(0, pid);
	sleep_ms(500);
	ASSERT_EQ(PAGE, read(pipefd[0], buf, PAGE));
	ms = ended(pid, PATIENCE_MS);
	EXPECT_LE(0, ms)
		TH_LOG("the file is not removed %u ms after the page has left the pipe",
		       PATIENCE_MS);
	if (ms >= 0)
		ksft_print_msg("the file is removed %ld ms later\n", ms);
	EXPECT_EQ(0, dax_differ(shared, 0, SIZE, 'a'));
	munmap(shared, SIZE);
	if (ms < 0)
		ksft_print_msg("it is %ld ms after the munmap\n",
			       ended(pid, PATIENCE_MS));
	close(pipefd[0]);
	close(pipefd[1]);
}

int main(int argc, char **argv)
{
	dax_test_init(NULL);
	return test_harness_run(argc, argv);
}
