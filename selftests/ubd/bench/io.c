// SPDX-License-Identifier: GPL-2.0
/*
 * Boots User Mode Linux with an image, and with a COW file over it, and has the
 * guest read and write for a while in each of some ways. The image is in the
 * host's cache, but for the "cold" reads. Context switches are those of all of
 * UML's threads and processes, seen from the host.
 *
 * fsync() is slower where it does what it is for. host_fdatasync is what the
 * host takes for the same on the same file.
 */
#define _GNU_SOURCE
#include "../../kselftest_harness.h"
#include "../uml.h"

#include <dirent.h>
#include <linux/aio_abi.h>
#include <sys/syscall.h>

#define SIZE		(96ULL << 20)
#define SECONDS		0.7
#define MAX_DEPTH	32

struct way {
	const char *name, *unit;
	int op;
	unsigned int depth, block;
	bool random;
} ways[] = {
	{ "random_read", "IO/s", IOCB_CMD_PREAD, 32, 4096, true },
	{ "cold_random_read", "IO/s", IOCB_CMD_PREAD, 32, 4096, true },
	{ "random_write", "IO/s", IOCB_CMD_PWRITE, 32, 4096, true },
	{ "sequential_write", "MiB/s", IOCB_CMD_PWRITE, 4, 1 << 20, false },
	{ "sequential_read", "MiB/s", IOCB_CMD_PREAD, 4, 1 << 20, false },
};

/* Guest */

static void tell(const char *what, const char *name, double value, const char *unit,
		 const char *better)
{
	char text[128];

	snprintf(text, sizeof(text), "%s %s %.2f %s %s", what, name, value, unit, better);
	call_host(text);
}

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

static int run(int fd, struct way *w)
{
	unsigned long long blocks = SIZE / w->block, next = 0, done = 0;
	struct iocb iocb[MAX_DEPTH] = {}, *io[MAX_DEPTH];
	struct io_event events[MAX_DEPTH];
	char name[32], *buf;
	unsigned int i, out = 0;
	aio_context_t ctx = 0;
	double began, end;
	long n;

	buf = aligned(w->depth * w->block);
	memset(buf, 'x', w->depth * w->block);
	if (syscall(SYS_io_setup, MAX_DEPTH, &ctx))
		return 1;
	for (i = 0; i < w->depth; i++)
		io[i] = &iocb[i];
	n = w->depth;
	began = uml_clock();
	end = began + SECONDS;
	do {
		/* What has ended begins anew, together. */
		for (i = 0; i < n; i++) {
			unsigned long long at = next++ % blocks;
			struct iocb *one = io[i];

			/* Each block once, before one is again */
			if (w->random)
				at = at * 7919 % blocks;
			memset(one, 0, sizeof(*one));
			one->aio_fildes = fd;
			one->aio_lio_opcode = w->op;
			one->aio_buf = (uintptr_t)buf + (one - iocb) * w->block;
			one->aio_nbytes = w->block;
			one->aio_offset = at * w->block;
		}
		if (syscall(SYS_io_submit, ctx, n, io) != n)
			return 2;
		out += n;
		n = syscall(SYS_io_getevents, ctx, 1, MAX_DEPTH, events, NULL);
		for (i = 0; i < n; i++) {
			if (events[i].res != w->block)
				return 3;
			io[i] = (struct iocb *)(uintptr_t)events[i].obj;
		}
		out -= n;
		done += n;
	} while (uml_clock() < end && (strncmp(w->name, "cold", 4) || next + n <= blocks));
	end = uml_clock();
	n = out ? syscall(SYS_io_getevents, ctx, out, MAX_DEPTH, events, NULL) : 0;
	snprintf(name, sizeof(name), "%s", w->name);
	tell("end", name, done + n, w->unit, "-");
	tell("bench", name, done / (end - began) * (w->block >= 1 << 20 ? w->block >> 20 : 1), w->unit,
	     "higher");
	syscall(SYS_io_destroy, ctx);
	free(buf);
	return 0;
}

GUEST(measure)
{
	int fd = dev_open("ubda", O_DIRECT), ret = 0, n = 0;
	unsigned int i;
	double began;

	for (i = 0; !ret && i < sizeof(ways) / sizeof(ways[0]); i++) {
		tell("begin", ways[i].name, 0, "-", "-");
		wait_for_host(i + 1);
		ret = run(fd, &ways[i]);
	}
	began = uml_clock();
	while (!ret && uml_clock() < began + SECONDS) {
		ret = put(fd, n * 8ULL % 4096, 8, "SYNC") || fsync(fd);
		n++;
	}
	tell("bench", "fsync", (uml_clock() - began) * 1e6 / n, "us", "lower");
	return ret;
}

/* Host */

static const char *prefix;
static unsigned int begun;
static long long switches;

static long long count_switches(void)
{
	char path[512], cwd[4096], is[4096], line[256];
	long long sum = 0, value;
	DIR *proc = opendir("/proc"), *task;
	struct dirent *p, *t;
	ssize_t n;

	if (!proc || !getcwd(cwd, sizeof(cwd)))
		return 0;
	while ((p = readdir(proc))) {
		if (atoi(p->d_name) <= 0 || atoi(p->d_name) == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/cwd", p->d_name);
		n = readlink(path, is, sizeof(is) - 1);
		is[n < 0 ? 0 : n] = '\0';
		if (strcmp(cwd, is))
			continue;
		snprintf(path, sizeof(path), "/proc/%.20s/task", p->d_name);
		task = opendir(path);
		while (task && (t = readdir(task))) {
			FILE *f;

			snprintf(path, sizeof(path), "/proc/%.20s/task/%.20s/status", p->d_name, t->d_name);
			f = fopen(path, "re");
			while (f && fgets(line, sizeof(line), f))
				if (sscanf(line, "voluntary_ctxt_switches: %lld", &value) == 1 ||
				    sscanf(line, "nonvoluntary_ctxt_switches: %lld", &value) == 1)
					sum += value;
			if (f)
				fclose(f);
		}
		if (task)
			closedir(task);
	}
	closedir(proc);
	return sum;
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

TEST_F(ubd, io)
{
	double began;
	int fd, n;

	uml_hook = heard;
	ASSERT_EQ(0, image("disk", SIZE, "DISK"));
	ASSERT_EQ(0, boot("raw", "ubd0d=disk ubd1d=signal"));
	ASSERT_EQ(0, boot("cow", "ubd0=cow,disk ubd1d=signal"));
	fd = open("disk", O_RDWR | O_CLOEXEC);
	began = uml_clock();
	for (n = 0; uml_clock() < began + SECONDS; n++)
		ASSERT_EQ(0, put(fd, n * 8ULL % 4096, 8, "SYNC") || fdatasync(fd));
	printf("bench: host_fdatasync %.2f us lower\n", (uml_clock() - began) * 1e6 / n);
	close(fd);
}

TEST_HARNESS_MAIN
