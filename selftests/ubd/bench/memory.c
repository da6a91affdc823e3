// SPDX-License-Identifier: GPL-2.0
/*
 * What User Mode Linux takes of the host's memory beside that of the guest,
 * which is a shared file: by the number of its devices, with nothing to do and
 * with 32 requests of 64 KiB on their way on each.
 */
#define _GNU_SOURCE
#include "../../kselftest_harness.h"
#include "../uml.h"

#define SIZE		(8ULL << 20)
#define SECONDS		0.3
#include "bench.h"

#include <pthread.h>

#define DEVICES	8

static void *use(void *arg)
{
	struct way w = { "use", "IO/s", IOCB_CMD_PWRITE, 32, 1 << 16, true };
	unsigned long long ios;
	double rate;

	return (void *)(intptr_t)run((intptr_t)arg, &w, &ios, &rate);
}

static int measure(unsigned int devices)
{
	pthread_t thread[DEVICES];
	char name[16];
	int fd[DEVICES], ret = 0;
	unsigned int i;
	void *failed;

	for (i = 0; i < devices; i++) {
		snprintf(name, sizeof(name), "ubd%c", 'a' + i);
		fd[i] = dev_open(name, O_DIRECT);
	}
	tell_host("look", "idle", devices, "-", "-");
	usleep(200000);
	for (i = 0; i < devices; i++)
		ret |= pthread_create(&thread[i], NULL, use, (void *)(intptr_t)fd[i]);
	usleep(SECONDS / 2 * 1000000);
	tell_host("look", "busy", devices, "-", "-");
	for (i = 0; !ret && i < devices; i++)
		ret = pthread_join(thread[i], &failed) || failed;
	return ret;
}

GUEST(with_1)
{
	return measure(1);
}

GUEST(with_8)
{
	return measure(DEVICES);
}

static void heard(const char *text)
{
	double devices;
	char name[64];

	if (sscanf(text, "look %63s %lf", name, &devices) != 2)
		return;
	printf("bench: %s_memory/devices=%.0f %lld KiB lower\n", name, devices,
	       sum_status(false, "RssAnon:", "RssFile:"));
	printf("bench: %s_threads/devices=%.0f %lld threads lower\n", name, devices,
	       sum_status(false, "Threads:", "-"));
	fflush(stdout);
}

TEST_F(ubd, memory)
{
	char args[512] = "";
	int i;

	uml_hook = heard;
	for (i = 0; i < DEVICES; i++) {
		ASSERT_EQ(0, add_device(args, sizeof(args), i));
		if (!i)
			ASSERT_EQ(0, uml("with_1", args, NULL));
	}
	ASSERT_EQ(0, uml("with_8", args, NULL));
}

TEST_HARNESS_MAIN
