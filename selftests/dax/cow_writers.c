// SPDX-License-Identifier: GPL-2.0
/*
 * write(2) and a store through a mapping change different bytes of the same
 * shared page at the same time. The file gets a block of its own, once: neither
 * may be lost. The write is made to last: the second page of its source has to
 * be read from a slow disk.
 */
#include <sys/prctl.h>

#define PREFIX "daxtest-"
#include "../kselftest_harness.h"
#include "dax_test.h"
#include "../storage/dm.h"

#define SIZE	PMD
#define AT	(5 * PAGE)
#define BYTE	100
#define DISK	"slow"

FIXTURE(cow_writers)
{
	struct dax_share s;
	char *source;
};

FIXTURE_VARIANT(cow_writers)
{
	unsigned long skew;
};

FIXTURE_VARIANT_ADD(cow_writers, pte)
{
	.skew = PAGE,
};

FIXTURE_VARIANT_ADD(cow_writers, pmd)
{
};

/* A disk that needs half a second for whatever it does */
static int slow_disk(void)
{
	int r;

	dax_system("modprobe -q null_blk nr_devices=0");
	r = disk_prepare(DISK, 16);
	if (r)
		return r == -ENOENT ? -EOPNOTSUPP : r;
	r = disk_set(DISK, "irqmode", "2");
	if (!r)
		r = disk_set(DISK, "completion_nsec", "500000000");
	return r ? r : disk_on(DISK);
}

static void remove_disk(void)
{
	disk_set(DISK, "power", "0");
	rmdir(NULLB PREFIX DISK);
}

FIXTURE_SETUP(cow_writers)
{
	int r = dax_share(&self->s, SIZE, PROT_READ | PROT_WRITE,
			  variant->skew);
	int disk;

	if (r == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[DAX_XFS]);
	ASSERT_EQ(0, r);

	r = slow_disk();
	if (r == -EOPNOTSUPP)
		SKIP(return, "no null_blk");
	ASSERT_EQ(0, r);
	self->source = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->source);
	memset(self->source, 'n', PAGE);
	disk = open(disk_path(DISK), O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, disk);
	ASSERT_NE(MAP_FAILED, mmap(self->source + PAGE, PAGE, PROT_READ,
				   MAP_SHARED | MAP_FIXED, disk, 8 << 20));
	close(disk);
}

FIXTURE_TEARDOWN(cow_writers)
{
	dax_share_end(&self->s);
	munmap(self->source, 2 * PAGE);
	remove_disk();
}

TEST_F(cow_writers, both)
{
	unsigned int i, wrong = 0;
	static char buf[PAGE];
	int status;
	pid_t pid;

	dax_touch(self->s.map + AT);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(pwrite(self->s.fd, self->source, 2 * PAGE, AT) != 2 * PAGE);
	}
	sleep_ms(200);
	ASSERT_EQ(0, waitpid(pid, &status, WNOHANG))
		TH_LOG("the write was not slow");
	*(volatile char *)(self->s.map + AT + BYTE) = 's';
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);

	ASSERT_EQ(PAGE, pread(self->s.fd, buf, PAGE, AT));
	for (i = 0; i < PAGE; i++)
		wrong += i != BYTE && buf[i] != 'n';
	EXPECT_EQ(0, wrong)
		TH_LOG("%u of %lu bytes are not what was written", wrong,
		       PAGE - 1);
	/* Whichever came last */
	EXPECT_TRUE(buf[BYTE] == 'n' || buf[BYTE] == 's');
	EXPECT_EQ(0, memcmp(buf, self->s.map + AT, PAGE))
		TH_LOG("the mapping is not the file");
	ASSERT_EQ(PAGE, pread(self->s.other, buf, PAGE, AT));
	EXPECT_EQ(0, dax_differ(buf, AT, PAGE, 'a'))
		TH_LOG("the other file was changed");
}

int main(int argc, char **argv)
{
	dax_test_init(remove_disk);
	return test_harness_run(argc, argv);
}
