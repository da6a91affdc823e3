// SPDX-License-Identifier: GPL-2.0
/*
 * A process of UML runs only while UML waits for it. It has to be on the CPU of
 * the host where UML has run, or each system call wakes up another CPU twice.
 */
#define _GNU_SOURCE
#include <sched.h>
#include "../kselftest_harness.h"
#include "uml.h"
#include "host_pids.h"

#define MOVES		3
#define NOT_SEEN	-2

GUEST(work)
{
	double began;
	char name[8];
	int i;

	for (i = 0; i <= MOVES; i++) {
		for (began = uml_clock(); uml_clock() < began + 0.05;)
			getppid();
		snprintf(name, sizeof(name), "%d", i);
		call_host(name);
		/* Until UML was moved */
		usleep(100000);
	}
	return 0;
}

static int cpus[2];
static int seen[MOVES + 1];	/* the only CPU where the process may run, -1: several */

/* The only CPU where @pid may run, -1 if it is not the only one */
static int only_cpu(pid_t pid)
{
	cpu_set_t set;
	int cpu = 0;

	if (sched_getaffinity(pid, sizeof(set), &set) || CPU_COUNT(&set) != 1)
		return -1;
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	return cpu;
}

/* UML traces the processes of its guest, of which this one has only one. */
static void look(const char *text)
{
	int i, j, n, at = atoi(text);
	pid_t umls[16], pid, uml = 0;
	struct dirent *de;
	cpu_set_t set;
	DIR *proc;

	n = uml_pids(umls, 16);
	proc = opendir("/proc");
	while (proc && !uml && (de = readdir(proc))) {
		pid = atoi(de->d_name);
		i = pid > 0 ? pid_status(pid, "TracerPid") : 0;
		for (j = 0; j < n && umls[j] != i; j++)
			;
		if (j == n)
			continue;
		uml = umls[j];
		seen[at] = only_cpu(pid);
	}
	if (proc)
		closedir(proc);
	CPU_ZERO(&set);
	CPU_SET(cpus[at % 2], &set);
	if (!uml || sched_setaffinity(uml, sizeof(set), &set))
		seen[at] = NOT_SEEN;
}

static int boot(const char *args)
{
	cpu_set_t set;
	int cpu, n = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		return -1;
	for (cpu = 0; cpu < CPU_SETSIZE && n < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[n++] = cpu;
	if (n < 2)
		return 1;
	for (cpu = 0; cpu <= MOVES; cpu++)
		seen[cpu] = NOT_SEEN;
	uml_hook = look;
	return uml("work", args, NULL) ? -1 : 0;
}

TEST_F(ubd, follows)
{
	int ret = boot(""), i;

	if (ret == 1)
		SKIP(return, "the host has one CPU");
	ASSERT_EQ(0, ret);
	for (i = 1; i <= MOVES; i++) {
		TH_LOG("UML was moved to CPU %d, its process may run on %d (-1: any), expected %d",
		       cpus[(i - 1) % 2], seen[i], cpus[(i - 1) % 2]);
		EXPECT_EQ(cpus[(i - 1) % 2], seen[i]);
	}
}

TEST_F(ubd, left_alone)
{
	int ret = boot("stub_cpu=any"), i;

	if (ret == 1)
		SKIP(return, "the host has one CPU");
	ASSERT_EQ(0, ret);
	for (i = 1; i <= MOVES; i++)
		EXPECT_EQ(-1, seen[i]);
}

TEST_HARNESS_MAIN
