// SPDX-License-Identifier: GPL-2.0
/*
 * Boots User Mode Linux with an image, and with a COW file over it, and has the
 * guest read and write for a while in each of some ways. The image is in the
 * host's cache, but for the "cold" reads. Context switches are those of all of
 * UML's threads and processes, seen from the host.
 *
 * fsync() is slower where it does what it is for. host_fdatasync is what the
 * host takes for the same on the same file. The host also does each of them
 * itself: what is cold by AIO with O_DIRECT, as deep as the guest, the rest call
 * by call through its cache.
 */
#define _GNU_SOURCE
#include "../../kselftest_harness.h"
#include "../uml.h"
#include "bench.h"

static struct way ways[] = {
	{ "random_read", "IO/s", IOCB_CMD_PREAD, 32, 4096, true },
	{ "cold_random_read", "IO/s", IOCB_CMD_PREAD, 32, 4096, true },
	{ "random_write", "IO/s", IOCB_CMD_PWRITE, 32, 4096, true },
	{ "sequential_write", "MiB/s", IOCB_CMD_PWRITE, 4, 1 << 20, false },
	{ "sequential_read", "MiB/s", IOCB_CMD_PREAD, 4, 1 << 20, false },
};

#define WAYS	(sizeof(ways) / sizeof(ways[0]))

/* Guest */

/* The host writes to ubdb what it was asked to tell */
static void wait_for_host(unsigned int n)
{
	static char *buf;
	static int fd = -1;

	if (fd < 0) {
		fd = dev_open("ubdb", O_DIRECT);
		buf = aligned(SECTOR);
	}
	while (pread(fd, buf, SECTOR, 0) == SECTOR && (unsigned int)atoi(buf) < n)
		usleep(2000);
}

GUEST(measure)
{
	int fd = dev_open("ubda", O_DIRECT), ret = 0, n = 0;
	unsigned long long ios;
	double began, rate;
	unsigned int i;

	for (i = 0; !ret && i < WAYS; i++) {
		tell_host("begin", ways[i].name, 0, "-", "-");
		wait_for_host(i + 1);
		ret = run(fd, &ways[i], &ios, &rate);
		tell_host("end", ways[i].name, ios, ways[i].unit, "-");
		tell_host("bench", ways[i].name, rate, ways[i].unit, "higher");
	}
	began = uml_clock();
	while (!ret && uml_clock() < began + SECONDS) {
		ret = put(fd, n * 8ULL % 4096, 8, "SYNC") || fsync(fd);
		n++;
	}
	tell_host("bench", "fsync", (uml_clock() - began) * 1e6 / n, "us", "lower");
	return ret;
}

/* Host */

static const char *prefix;
static double got[WAYS + 1];	/* the last one: fsync */
static unsigned int begun;
static long long switches;

static long long count_switches(void)
{
	return sum_status(true, "voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:");
}

static void cool_down(const char *name)
{
	int fd = open(name, O_RDWR | O_CLOEXEC);

	if (fd >= 0 && !fdatasync(fd))
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

static void go_on(void)
{
	char buf[SECTOR] = "";
	int fd = open("signal", O_WRONLY | O_CLOEXEC);

	snprintf(buf, sizeof(buf), "%u\n", ++begun);
	if (pwrite(fd, buf, sizeof(buf), 0) != sizeof(buf))
		printf("the guest is not told to go on\n");
	close(fd);
}

static void heard(const char *text)
{
	char what[16], name[64], unit[16], better[16];
	unsigned int i;
	double value;

	if (sscanf(text, "%15s %63s %lf %15s %15s", what, name, &value, unit, better) != 5)
		return;
	if (!strcmp(what, "begin")) {
		if (!strncmp(name, "cold", 4)) {
			cool_down("disk");
			cool_down("cow");
		}
		switches = count_switches();
		go_on();
	} else if (!strcmp(what, "end")) {
		switches = count_switches() - switches;
		if (strchr(unit, 'O') && value)
			printf("bench: %s_%s_switches %.3f per_IO lower\n", prefix, name, switches / value);
	} else {
		for (i = 0; i < WAYS && strcmp(ways[i].name, name); i++)
			;
		got[i] = value;
		printf("bench: %s_%s %.2f %s %s\n", prefix, name, value, unit, better);
	}
	fflush(stdout);
}

static int boot(const char *kind, const char *args)
{
	prefix = kind;
	begun = 0;
	if (image("signal", SECTOR, NULL))
		return -1;
	return uml("measure", args, NULL);
}

/* As @w says, but one after the other. Return: the rate, 0 if a call fails */
static double by_calls(int fd, const struct way *w)
{
	unsigned long long blocks = SIZE / w->block, n;
	char *buf = aligned(w->block);
	double began = uml_clock();

	memset(buf, 'x', w->block);
	for (n = 0; uml_clock() < began + SECONDS; n++) {
		off_t at = (w->random ? n % blocks * 7919 % blocks : n % blocks) * w->block;
		ssize_t did = w->op == IOCB_CMD_PREAD ? pread(fd, buf, w->block, at) :
							pwrite(fd, buf, w->block, at);

		if (did != (ssize_t)w->block)
			return 0;
	}
	free(buf);
	return n / (uml_clock() - began) * (w->random ? 1 : w->block / 1048576.0);
}

static double on_host(const struct way *w)
{
	bool cold = !strncmp(w->name, "cold", 4);
	int fd = open("disk", O_RDWR | O_CLOEXEC | (cold ? O_DIRECT : 0));
	unsigned long long ios;
	double rate = 0;

	if (!cold) {
		rate = by_calls(fd, w);
	} else {
		cool_down("disk");
		if (run(fd, w, &ios, &rate))
			rate = 0;
		/* Back into the cache */
		readahead(fd, 0, SIZE);
	}
	close(fd);
	return rate;
}

static double host_fdatasync(void)
{
	int fd = open("disk", O_RDWR | O_CLOEXEC), n;
	double began = uml_clock();

	for (n = 0; uml_clock() < began + SECONDS; n++)
		if (put(fd, n * 8ULL % 4096, 8, "SYNC") || fdatasync(fd))
			return 0;
	close(fd);
	return (uml_clock() - began) * 1e6 / n;
}

TEST_F(ubd, io)
{
	double raw[WAYS + 1], host;
	unsigned int i;

	uml_hook = heard;
	ASSERT_EQ(0, image("disk", SIZE, "DISK"));
	ASSERT_EQ(0, boot("raw", "ubd0d=disk ubd1d=signal"));
	memcpy(raw, got, sizeof(raw));
	host = host_fdatasync();
	ASSERT_LT(0, host);
	printf("bench: host_fdatasync %.2f us lower\n", host);
	/* It is less where nothing is flushed */
	printf("bench: raw_fsync_above_host %.2f us lower\n",
	       raw[WAYS] > host ? raw[WAYS] - host : 0);
	for (i = 0; i < WAYS; i++) {
		host = on_host(&ways[i]);
		ASSERT_LT(0, host);
		printf("bench: host_%s %.2f %s higher\n", ways[i].name, host, ways[i].unit);
		printf("bench: raw_%s_of_host %.4f ratio higher\n", ways[i].name, raw[i] / host);
	}
	ASSERT_EQ(0, boot("cow", "ubd0=cow,disk ubd1d=signal"));
	for (i = 0; i < WAYS; i++)
		printf("bench: cow_%s_of_raw %.4f ratio higher\n", ways[i].name, got[i] / raw[i]);
}

TEST_HARNESS_MAIN
