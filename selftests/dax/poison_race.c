// SPDX-License-Identifier: GPL-2.0
/*
 * An error in a page of a file, and while it is handled another file that shares
 * the page maps it for the first time. The process that touched the page gets its
 * SIGBUS, and the entry of the file does not stay locked.
 */
#include "../kselftest_harness.h"
#include <sched.h>
#include "dax_test.h"
#include "dax_poison.h"

#define SIZE	(2 * PMD)
#define BAD	(PMD + 5 * PAGE)

static void run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* In another process: when the error is being handled, map the page */
static pid_t map_when_held(const char *page)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	run_on(1);
	if (ioctl(poison_fd, TEST_DAX_WAIT))
		_exit(errno == ETIME ? KSFT_SKIP : 1);
	dax_touch(page);
	_exit(0);
}

FIXTURE(poison_race)
{
	char *map, *map2;
	int fd, fd2;
	uint64_t pfn;
};

FIXTURE_VARIANT(poison_race)
{
	/* Either way the page names its file on some kernels only */
	bool reflink_first;
};

FIXTURE_VARIANT_ADD(poison_race, reflink_after_fault) {
	.reflink_first = false,
};

FIXTURE_VARIANT_ADD(poison_race, reflink_before_fault) {
	.reflink_first = true,
};

FIXTURE_SETUP(poison_race)
{
	int r;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "needs two processors");
	r = dax_mount(DAX_XFS);
	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[DAX_XFS]);
	ASSERT_EQ(0, r);
	self->fd = dax_file("file", SIZE, 'a');
	ASSERT_LE(0, self->fd);
	if (variant->reflink_first)
		self->fd2 = dax_reflink("other", self->fd);
	self->map = dax_map(self->fd, 0, SIZE, PROT_READ, MAP_SHARED, PAGE);
	ASSERT_NE(NULL, self->map);
	dax_touch(self->map + BAD);
	self->pfn = page_frame(self->map + BAD);
	ASSERT_NE(0, self->pfn);
	if (!variant->reflink_first)
		self->fd2 = dax_reflink("other", self->fd);
	ASSERT_LE(0, self->fd2);
	self->map2 = dax_map(self->fd2, 0, SIZE, PROT_READ, MAP_SHARED, PAGE);
	ASSERT_NE(NULL, self->map2);
	bus_catch();
}

FIXTURE_TEARDOWN(poison_race)
{
	munmap(self->map, SIZE);
	munmap(self->map2, SIZE);
	close(self->fd);
	close(self->fd2);
	EXPECT_EQ(0, poison_undo());
}

TEST_F(poison_race, first_mapping)
{
	int status, r;
	pid_t pid;

	ASSERT_EQ(0, ioctl(poison_fd, TEST_DAX_HOLD, &self->pfn));
	pid = map_when_held(self->map2 + BAD);
	ASSERT_LE(0, pid);
	run_on(0);
	r = machine_check(self->pfn, true);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	if (WIFEXITED(status) && WEXITSTATUS(status) == KSFT_SKIP)
		SKIP(return, "the page does not name its file");
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, r);
	EXPECT_EQ(1, poisoned(self->pfn, 1, NULL));
	if (variant->reflink_first) {
		EXPECT_EQ(1, bus_count);
		EXPECT_EQ(BUS_MCEERR_AR, bus_info.si_code);
		EXPECT_EQ(self->map + BAD, bus_info.si_addr);
	}
	/* An entry that is locked for ever would make this hang */
	munmap(self->map, SIZE);
	munmap(self->map2, SIZE);
	EXPECT_EQ(0, ftruncate(self->fd, 0));
}

int main(int argc, char **argv)
{
	dax_poison_init();
	return test_harness_run(argc, argv);
}
