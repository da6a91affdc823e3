// SPDX-License-Identifier: GPL-2.0
/*
 * Two files share their blocks, and both take the first fault on a PMD at the
 * same time. The kernel has to know of both of them: when the one is truncated
 * the other one goes on using the pages.
 *
 * With the bug the one that comes second believes it was the first, and the
 * pages are given up while they are still mapped: a warning, and worse.
 */
#include <sched.h>

#include "../kselftest_harness.h"
#include "dax_test.h"

#define PMDS		4
#define SIZE		(PMDS * PMD)
#define MODULE		"test_dax_delay"

static void unload(void)
{
	dax_system("rmmod " MODULE " 2>/dev/null");
}

/* Fault a PMD of @map in when the time has come, and again when told to */
static void fault(volatile int *go, char *map, int cpu)
{
	cpu_set_t set;
	int i;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (i = 0; i < PMDS; i++) {
		__sync_fetch_and_add(go, 1);
		while (*go < 2 * (i + 1))
			sched_yield();
		dax_touch(map + i * PMD);
	}
}

TEST(first_faults)
{
	unsigned long before, wrong;
	int fd[2], status, r, i;
	char *map[2], buf[32];
	volatile int *go;
	pid_t pid;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "needs two CPUs");
	r = dax_mount(DAX_XFS);
	if (r == -EOPNOTSUPP)
		SKIP(return, "no xfs");
	ASSERT_EQ(0, r);
	before = tainted();

	go = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	fd[0] = dax_file("first", SIZE, 'a');
	ASSERT_LE(0, fd[0]);
	fd[1] = dax_reflink("second", fd[0]);
	ASSERT_LE(0, fd[1]);
	for (i = 0; i < 2; i++) {
		map[i] = dax_map(fd[i], 0, SIZE, PROT_READ, MAP_SHARED, 0);
		ASSERT_NE(NULL, map[i]);
	}
	ASSERT_EQ(0, trace_on("fs_dax/dax_pmd_fault_done"));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		fault(go, map[0], 1);
		_exit(0);
	}
	fault(go, map[1], 0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	ASSERT_EQ(0, trace_off());
	read_file("/sys/module/" MODULE "/parameters/hits", buf, sizeof(buf));
	ksft_print_msg("%ld PMD faults, delayed in making a folio: %s",
		       trace_count("dax_pmd_fault_done", "NOPAGE", NULL, NULL),
		       buf);

	/* If it warns now, a truncate or an unmount would wait for ever */
	*dax_broken = tainted() != before;
	ASSERT_FALSE(*dax_broken)
		TH_LOG("the kernel warns of a PMD that two files fault in at the same time, expected no warning");

	munmap(map[0], SIZE);
	EXPECT_EQ(0, ftruncate(fd[0], 0));
	EXPECT_EQ(before, tainted())
		TH_LOG("the kernel warns when one of the files is truncated, expected no warning");
	wrong = dax_differ(map[1], 0, SIZE, 'a');
	EXPECT_EQ(0, wrong);
	munmap(map[1], SIZE);
	EXPECT_EQ(0, ftruncate(fd[1], 0));
	EXPECT_EQ(before, tainted());
	close(fd[0]);
	close(fd[1]);
	EXPECT_EQ(0, dax_umount());
}

int main(int argc, char **argv)
{
	dax_test_init(unload);
	if (access("/sys/module/" MODULE, F_OK) &&
	    dax_system("insmod test_modules/" MODULE ".ko comm=first_faults 2>/dev/null") &&
	    dax_system("insmod " MODULE ".ko comm=first_faults 2>/dev/null") &&
	    dax_system("modprobe " MODULE " comm=first_faults 2>/dev/null"))
		ksft_exit_skip("no module " MODULE ", or nothing it could delay\n");
	return test_harness_run(argc, argv);
}
