// SPDX-License-Identifier: GPL-2.0
/*
 * A process of UML runs only while UML waits for it. It has to be on the CPU of
 * the host where UML has run, or each system call wakes up another CPU, and that
 * one wakes up the first.
 */
#define _GNU_SOURCE
#include <sched.h>
#include "../kselftest_harness.h"
#include "uml.h"
#include "host_pids.h"

#define MOVES		6
#define ANY		-1

/* Makes system calls until the host has seen enough. */
GUEST(work)
{
	int fd = dev_open("ubda", O_DIRECT);
	char *buf = aligned(SECTOR);

	call_host("look");
	do {
		if (pread(fd, buf, SECTOR, 0) != SECTOR)
			return 1;
	} while (!buf[0]);
	return 0;
}

static bool follows;
static int cpus[2], seen[MOVES];

/* The only CPU where @pid may run, or ANY */
static int only_cpu(pid_t pid)
{
	cpu_set_t set;
	int cpu = 0;

	if (sched_getaffinity(pid, sizeof(set), &set) || CPU_COUNT(&set) != 1)
		return ANY;
	while (!CPU_ISSET(cpu, &set))
		cpu++;
	return cpu;
}

/* UML and the process of its guest, of which this one has only one */
static bool find(pid_t *uml, pid_t *stub)
{
	int i, n, parent;
	DIR *proc = opendir("/proc");
	struct dirent *de;
	pid_t umls[16];

	*uml = 0;
	n = uml_pids(umls, 16);
	while (proc && !*uml && (de = readdir(proc))) {
		*stub = atoi(de->d_name);
		parent = *stub > 0 ? pid_status(*stub, "PPid") : 0;
		for (i = 0; i < n; i++)
			if (umls[i] == parent)
				*uml = parent;
	}
	if (proc)
		closedir(proc);
	return *uml;
}

/* Moves UML, and sees where its process may run then. */
static void look(const char *text)
{
	int i, fd = open("disk", O_WRONLY | O_CLOEXEC);
	pid_t uml, stub;
	cpu_set_t set;

	(void)text;
	for (i = 0; i < MOVES && find(&uml, &stub); i++) {
		double end = uml_clock() + (follows ? 5 : 0.1);

		CPU_ZERO(&set);
		CPU_SET(cpus[i % 2], &set);
		if (sched_setaffinity(uml, sizeof(set), &set))
			break;
		do {
			usleep(1000);
			seen[i] = only_cpu(stub);
		} while (uml_clock() < end && seen[i] != cpus[i % 2]);
		if (follows && seen[i] != cpus[i % 2])
			break;
	}
	if (pwrite(fd, "1", 1, 0) != 1)
		printf("the guest is not told to end\n");
	close(fd);
}

#define IMPOSSIBLE	1

static int boot(const char *args)
{
	cpu_set_t set;
	char with[128];
	int i, n = 0;

	if (sched_getaffinity(0, sizeof(set), &set) ||
	    sched_setaffinity(0, sizeof(set), &set))
		return IMPOSSIBLE;
	for (i = 0; i < CPU_SETSIZE && n < 2; i++)
		if (CPU_ISSET(i, &set))
			cpus[n++] = i;
	if (n < 2)
		return IMPOSSIBLE;
	for (i = 0; i < MOVES; i++)
		seen[i] = -2;
	if (image("disk", SECTOR, NULL))
		return -1;
	uml_hook = look;
	snprintf(with, sizeof(with), "ubd0d=disk %s", args);
	return uml("work", with, NULL) ? -1 : 0;
}

static int followed(const char *args)
{
	int ret, i;

	follows = true;
	ret = boot(args);
	for (i = 0; !ret && i < MOVES; i++) {
		printf("# UML was moved to CPU %d, its process may run on %d (-1: any), expected %d\n",
		       cpus[i % 2], seen[i], cpus[i % 2]);
		if (seen[i] != cpus[i % 2])
			return -1;
	}
	return ret;
}

TEST_F(ubd, follows)
{
	int ret = followed("");

	if (ret == IMPOSSIBLE)
		SKIP(return, "the host has one CPU, or does not let a program choose");
	EXPECT_EQ(0, ret);
}

/* Where there is no such mode this is the same once more. */
TEST_F(ubd, follows_seccomp)
{
	int ret = followed("seccomp=auto");

	if (ret == IMPOSSIBLE)
		SKIP(return, "the host has one CPU, or does not let a program choose");
	EXPECT_EQ(0, ret);
}

/* Not red on a kernel without the option */
TEST_F(ubd, left_alone)
{
	int i, ret;

	follows = false;
	ret = boot("stub_cpu=any");
	if (ret == IMPOSSIBLE)
		SKIP(return, "the host has one CPU, or does not let a program choose");
	ASSERT_EQ(0, ret);
	for (i = 0; i < MOVES; i++)
		EXPECT_EQ(ANY, seen[i]);
}

TEST_HARNESS_MAIN
