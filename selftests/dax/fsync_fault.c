// SPDX-License-Identifier: GPL-2.0
/*
 * fsync() a dirty page while others take faults on it. Every write that was
 * done before an fsync() has to be written back by it: as many pages as there
 * were writes, as each of them finds the page clean.
 *
 * With the bug fsync() leaves out a page whose entry a fault has locked.
 */
#include <sys/prctl.h>

#include "../kselftest_harness.h"
#include "dax_test.h"

#define SIZE		PMD
#define READERS		2
#define WRITES		2000U
#define MAX_US		8000000ULL

FIXTURE(fsync_fault) {
	pid_t reader[READERS];
};

FIXTURE_VARIANT(fsync_fault) {
	enum dax_fs fs;
	unsigned long skew;
};

FIXTURE_VARIANT_ADD(fsync_fault, page) {
	.fs = DAX_EXT4,
	.skew = PAGE,
};

FIXTURE_VARIANT_ADD(fsync_fault, pmd) {
	.fs = DAX_EXT4,
	.skew = 0,
};

FIXTURE_SETUP(fsync_fault)
{
	int r = dax_mount(variant->fs);

	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[variant->fs]);
	ASSERT_EQ(0, r)
		TH_LOG("%s: %s", dax_fs_name[variant->fs], strerror(-r));
}

FIXTURE_TEARDOWN(fsync_fault)
{
	EXPECT_EQ(0, dax_umount());
}

static void read_forever(int fd, unsigned long skew)
{
	char *map = dax_map(fd, 0, SIZE, PROT_READ, MAP_SHARED, skew);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (map) {
		dax_touch(map);
		madvise(map, SIZE, MADV_DONTNEED);
	}
	_exit(1);
}

TEST_F(fsync_fault, all_writes)
{
	unsigned long long start;
	unsigned int i, writes;
	char *map;
	long n;
	int fd;

	fd = dax_file("file", SIZE, 'a');
	ASSERT_LE(0, fd);
	map = dax_map(fd, 0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		      variant->skew);
	ASSERT_NE(NULL, map);
	ASSERT_EQ(0, trace_on("fs_dax/dax_writeback_one"));

	for (i = 0; i < READERS; i++) {
		self->reader[i] = fork();
		ASSERT_LE(0, self->reader[i]);
		if (!self->reader[i])
			read_forever(fd, variant->skew);
	}
	start = now_us();
	for (writes = 0; writes < WRITES && now_us() - start < MAX_US; writes++) {
		dax_dirty(map);
		if (fsync(fd))
			break;
	}
	for (i = 0; i < READERS; i++) {
		kill(self->reader[i], SIGKILL);
		waitpid(self->reader[i], NULL, 0);
	}
	ASSERT_EQ(0, trace_off());

	n = trace_writeback(fd, NULL);
	EXPECT_EQ(writes, n)
		TH_LOG("%u times a write and fsync(): %ld times written back, expected %u",
		       writes, n, writes);
	munmap(map, SIZE);
	close(fd);
}

int main(int argc, char **argv)
{
	dax_test_init(NULL);
	return test_harness_run(argc, argv);
}
