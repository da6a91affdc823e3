// SPDX-License-Identifier: GPL-2.0
/*
 * UML reaches user space whatever the size of the host CPU's registers: that
 * of this host, and 11008 bytes, as on one with AMX. Threads keep theirs.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#include <pthread.h>
#include <sys/syscall.h>

/* Others run while a register that has an upper half holds a pattern. */
static void *keep(void *arg)
{
	unsigned char in[32], out[32];
	long i, n, lost = 0;

	memset(in, (long)arg, sizeof(in));
	for (i = 0; i < 500; i++) {
#ifdef __x86_64__
		n = SYS_sched_yield;
		asm volatile("vmovdqu %2, %%ymm5; syscall; vmovdqu %%ymm5, %1"
			     : "+a"(n), "=m"(out) : "m"(in)
			     : "rcx", "r11", "xmm5", "memory");
		lost += !!memcmp(in, out, sizeof(in));
#endif
	}
	(void)n;
	(void)out;
	return (void *)lost;
}

GUEST(hello)
{
	long lost[2] = {};
	pthread_t other;

	printf("in user space\n");
#ifdef __x86_64__
	if (!__builtin_cpu_supports("avx"))
		return 0;
#endif
	if (pthread_create(&other, NULL, keep, (void *)1))
		return 255;
	lost[0] = (long)keep((void *)2);
	pthread_join(other, (void **)&lost[1]);
	printf("registers of two threads were lost %ld and %ld times of 500\n", lost[0], lost[1]);
	return lost[0] || lost[1];
}

TEST_F(ubd, of_this_host)
{
	ASSERT_EQ(0, uml("hello", "", NULL));
}

TEST_F(ubd, large)
{
	ASSERT_EQ(0, uml("hello", "", "xstate=11008"));
}

TEST_HARNESS_MAIN
