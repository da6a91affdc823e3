// SPDX-License-Identifier: GPL-2.0
/*
 * Processes fault, truncate, punch, clone and fsync the same few files at the
 * same time, by mappings that get PMDs and others that cannot, while pages of
 * them go bad and are repaired. None may hang, the kernel must not warn, and
 * the files have to go without a trace.
 */
#include <sys/prctl.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"
#include "dax_test.h"
#include "dax_poison.h"

#define FILES		3
#define SIZE		(2 * PMD)
#define WORKERS		4
#define RUN_US		5000000ULL
#define MAX_BAD		4	/* at a time */

/* What happened, in all processes */
static struct {
	unsigned int errors, sigbus, repairs;
} *count;

FIXTURE(churn) {
};

FIXTURE_VARIANT(churn) {
	enum dax_fs fs;
};

FIXTURE_VARIANT_ADD(churn, ext4) {
	.fs = DAX_EXT4,
};

FIXTURE_VARIANT_ADD(churn, xfs) {
	.fs = DAX_XFS,
};

FIXTURE_VARIANT_ADD(churn, xfs_rmap) {
	.fs = DAX_XFS_RMAP,
};

FIXTURE_SETUP(churn)
{
	int r = dax_mount(variant->fs);

	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[variant->fs]);
	ASSERT_EQ(0, r)
		TH_LOG("%s: %s", dax_fs_name[variant->fs], strerror(-r));
	count = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, count);
}

FIXTURE_TEARDOWN(churn)
{
	EXPECT_EQ(0, poison_undo());
}

/* A page that is beyond the end just now, or bad */
static void on_sigbus(int sig)
{
	__atomic_add_fetch(&count->sigbus, 1, __ATOMIC_RELAXED);
	_exit(0);
}

/*
 * An error in the page at @p. It is in a pipe meanwhile: nothing else, such as
 * the zero page, can come into its place.
 */
static void go_bad(char *p)
{
	struct iovec iov = { .iov_base = p, .iov_len = PAGE };
	uint64_t pfn;
	int fd[2];

	if (bad_blocks(NULL) >= MAX_BAD || pipe(fd))
		return;
	dax_touch(p);
	pfn = page_frame(p);
	if (pfn >= pmem_pfn && pfn < pmem_pfn + pmem_pages &&
	    vmsplice(fd[1], &iov, 1, 0) == (ssize_t)PAGE &&
	    page_frame(p) == pfn && !bad_block(pfn)) {
		__atomic_add_fetch(&count->errors, 1, __ATOMIC_RELAXED);
		/* Does not return unless the page is not mapped any more */
		madvise(p, PAGE, MADV_HWPOISON);
	}
	close(fd[0]);
	close(fd[1]);
}

/* A write to a bad block repairs it, or gives the file another one */
static int repair(int fd)
{
	static char buf[PMD];
	unsigned int before = bad_blocks(NULL);
	off_t pos;

	for (pos = 0; pos < (off_t)SIZE; pos += PMD)
		if (pwrite(fd, buf, PMD, pos) != (ssize_t)PMD)
			return -errno;
	if (bad_blocks(NULL) < before)
		__atomic_add_fetch(&count->repairs, 1, __ATOMIC_RELAXED);
	return 0;
}

static bool readable(int fd)
{
	static char buf[PMD];
	off_t pos;

	for (pos = 0; pos < (off_t)SIZE; pos += PMD)
		if (pread(fd, buf, PMD, pos) != (ssize_t)PMD)
			return false;
	return true;
}

/*
 * One step in a process of its own, as it may get SIGBUS: some faults, then
 * something that changes the file.
 */
static void step(const int *fd, unsigned int seed)
{
	int a = fd[rand_r(&seed) % FILES], b = fd[rand_r(&seed) % FILES];
	unsigned long skew = rand_r(&seed) % 2 ? PAGE : 0;
	unsigned int i;
	char *map;

	map = dax_map(a, 0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, skew);
	if (!map)
		_exit(1);
	for (i = 0; i < 8; i++) {
		char *p = map + rand_r(&seed) % (SIZE / PAGE) * PAGE;

		if (rand_r(&seed) % 2)
			dax_touch(p);
		else
			dax_dirty(p);
	}
	switch (rand_r(&seed) % 8) {
	case 0:
		fsync(a);
		break;
	case 1:
		ftruncate(a, rand_r(&seed) % (SIZE / PAGE) * PAGE);
		ftruncate(a, SIZE);
		break;
	case 2:
		fallocate(a, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  rand_r(&seed) % (SIZE / PAGE) * PAGE, 3 * PAGE);
		break;
	case 3:
	case 4:
		if (a != b)
			ioctl(a, FICLONE, b);
		break;
	case 5:
		pwrite(a, map, PAGE, rand_r(&seed) % (SIZE - PAGE));
		break;
	case 6:
		go_bad(map + rand_r(&seed) % (SIZE / PAGE) * PAGE);
		break;
	case 7:
		if (bad_blocks(NULL) && repair(a))
			_exit(2);
		break;
	}
	for (i = 0; i < 8; i++)
		dax_dirty(map + rand_r(&seed) % (SIZE / PAGE) * PAGE);
	_exit(0);
}

static void work(const int *fd, unsigned int seed)
{
	unsigned long long start = now_us();
	int status;
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGBUS, on_sigbus);
	while (now_us() - start < RUN_US) {
		seed = seed * 1103515245 + 12345;
		pid = fork();
		if (!pid)
			step(fd, seed >> 8);
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
			_exit(1);
	}
	_exit(0);
}

TEST_F(churn, all)
{
	unsigned long before = tainted();
	int fd[FILES], status;
	pid_t pid[WORKERS];
	char name[16];
	int i;

	for (i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		fd[i] = dax_file(name, SIZE, 'a' + i);
		ASSERT_LE(0, fd[i]);
	}
	for (i = 0; i < WORKERS; i++) {
		pid[i] = fork();
		ASSERT_LE(0, pid[i]);
		if (!pid[i])
			work(fd, i + 1);
	}
	for (i = 0; i < WORKERS; i++) {
		ASSERT_EQ(pid[i], waitpid(pid[i], &status, 0));
		EXPECT_EQ(0, status)
			TH_LOG("a worker failed or was killed: %#x", status);
	}
	for (i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		EXPECT_EQ(0, repair(fd[i]));
		EXPECT_EQ(true, readable(fd[i]))
			TH_LOG("an error is left after the file was overwritten");
		EXPECT_EQ(0, fsync(fd[i]));
		close(fd[i]);
		EXPECT_EQ(0, unlink(dax_path(name)));
	}
	EXPECT_EQ(before, tainted())
		TH_LOG("the kernel has warned");
	TH_LOG("%s: %u pages went bad, %u SIGBUS, %u repairs",
	       dax_fs_name[variant->fs], count->errors, count->sigbus,
	       count->repairs);
	EXPECT_LT(0, count->errors);

	EXPECT_EQ(0, dax_umount());
	EXPECT_EQ(0, pages_in_use())
		TH_LOG("pages belong to files that are gone");
}

int main(int argc, char **argv)
{
	dax_poison_init();
	return test_harness_run(argc, argv);
}
