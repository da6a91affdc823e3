// SPDX-License-Identifier: GPL-2.0
/*
 * What the guest reads and writes by depth, by the size of a block and by the
 * number of devices, all in the host's cache.
 */
#define _GNU_SOURCE
#include "../../kselftest_harness.h"
#include "../uml.h"

#define SIZE		(16ULL << 20)
#define SECONDS		0.35
#include "bench.h"

#include <pthread.h>

#define DEVICES	8

struct device {
	struct way way;
	pthread_t thread;
	double rate;
	int fd, ret;
};

static void *one(void *arg)
{
	struct device *d = arg;
	unsigned long long ios;

	d->ret = run(d->fd, &d->way, &ios, &d->rate);
	return NULL;
}

/* On that many devices at a time, as @w says on each */
static int on(unsigned int devices, const struct way *w, const char *axis, unsigned int value)
{
	struct device d[DEVICES];
	double rate = 0;
	char name[64];
	unsigned int i;
	int ret = 0;

	for (i = 0; i < devices; i++) {
		snprintf(name, sizeof(name), "ubd%c", 'a' + i);
		d[i].way = *w;
		d[i].fd = dev_open(name, O_DIRECT);
		ret |= pthread_create(&d[i].thread, NULL, one, &d[i]);
	}
	for (i = 0; !ret && i < devices; i++) {
		ret = pthread_join(d[i].thread, NULL) || d[i].ret;
		rate += d[i].rate;
		close(d[i].fd);
	}
	snprintf(name, sizeof(name), "%s/%s=%u", w->name, axis, value);
	tell_host("bench", name, rate, w->unit, "higher");
	return ret;
}

GUEST(measure)
{
	static const unsigned int depths[] = { 1, 4, 16, 32 }, blocks[] = { 4, 64, 1024 },
				  devices[] = { 1, 4, DEVICES };
	static const struct {
		const char *random, *sequential;
		int op;
	} ops[] = {
		{ "random_read", "sequential_read", IOCB_CMD_PREAD },
		{ "random_write", "sequential_write", IOCB_CMD_PWRITE },
	};
	unsigned int o, i;
	int ret = 0;

	for (o = 0; o < 2; o++) {
		struct way w = { ops[o].random, "IO/s", ops[o].op, 8, 4096, true };

		for (i = 0; !ret && i < 4; i++) {
			w.depth = depths[i];
			ret = on(1, &w, "depth", depths[i]);
		}
		w.depth = 8;
		for (i = 0; !ret && i < 3; i++)
			ret = on(devices[i], &w, "devices", devices[i]);
		w = (struct way){ ops[o].sequential, "MiB/s", ops[o].op, 4, 4096, false };
		for (i = 0; !ret && i < 3; i++) {
			w.block = blocks[i] << 10;
			ret = on(1, &w, "KiB", blocks[i]);
		}
	}
	return ret;
}

static void heard(const char *text)
{
	if (!strncmp(text, "bench ", 6))
		printf("bench: %s\n", text + 6);
	fflush(stdout);
}

TEST_F(ubd, scaling)
{
	char args[512] = "";
	int i;

	uml_hook = heard;
	for (i = 0; i < DEVICES; i++)
		ASSERT_EQ(0, add_device(args, sizeof(args), i));
	ASSERT_EQ(0, uml("measure", args, NULL));
}

TEST_HARNESS_MAIN
