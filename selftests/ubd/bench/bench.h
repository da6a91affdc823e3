/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Some I/O and how fast it was, in the guest and on the host. Include after
 * uml.h, and after SIZE (of an image) and SECONDS (of a run), if they are to
 * differ.
 */
#ifndef _UBD_BENCH_H
#define _UBD_BENCH_H

#include <dirent.h>
#include <linux/aio_abi.h>
#include <sys/syscall.h>

#ifndef SIZE
#define SIZE		(96ULL << 20)
#define SECONDS		0.7
#endif
#define MAX_DEPTH	32

struct way {
	const char *name, *unit;
	int op;
	unsigned int depth, block;
	bool random;
};

static inline void tell_host(const char *what, const char *name, double value, const char *unit,
			     const char *better)
{
	char text[128];

	snprintf(text, sizeof(text), "%s %s %.2f %s %s", what, name, value, unit, better);
	call_host(text);
}

/*
 * Read or write at @fd as @w says, by AIO, for some time, or until all of what
 * is "cold" was read. *@ios: how many. *@rate: @w->unit. Return: not 0 if one
 * failed.
 */
static inline int run(int fd, const struct way *w, unsigned long long *ios, double *rate)
{
	unsigned long long blocks = SIZE / w->block, next = 0, done = 0;
	struct iocb iocb[MAX_DEPTH] = {}, *io[MAX_DEPTH];
	struct io_event events[MAX_DEPTH];
	char *buf;
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
	*ios = done + n;
	*rate = done / (end - began) * (strchr(w->unit, 'O') ? 1 : w->block / 1048576.0);
	syscall(SYS_io_destroy, ctx);
	free(buf);
	return 0;
}

/* Make an image, and append to @args, of @len bytes, what makes it device @nr */
static inline int add_device(char *args, size_t len, int nr)
{
	size_t used = strlen(args);
	char name[16];

	snprintf(name, sizeof(name), "disk%d", nr);
	snprintf(args + used, len - used, " ubd%dd=%s", nr, name);
	return image(name, SIZE, "DISK");
}

static inline long long status_lines(const char *path, const char *a, const char *b)
{
	long long sum = 0;
	char line[256];
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, a, strlen(a)))
			sum += atoll(line + strlen(a));
		else if (!strncmp(line, b, strlen(b)))
			sum += atoll(line + strlen(b));
	if (f)
		fclose(f);
	return sum;
}

/*
 * What the lines that begin with @a or @b in /proc say of all that UML has on
 * the host, taken together: its processes, or their threads
 */
static inline long long sum_status(bool threads, const char *a, const char *b)
{
	char path[512], cwd[4096], is[4096];
	long long sum = 0;
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
		snprintf(path, sizeof(path), "/proc/%.20s/status", p->d_name);
		if (!threads)
			sum += status_lines(path, a, b);
		snprintf(path, sizeof(path), "/proc/%.20s/task", p->d_name);
		task = threads ? opendir(path) : NULL;
		while (task && (t = readdir(task))) {
			snprintf(path, sizeof(path), "/proc/%.20s/task/%.20s/status", p->d_name, t->d_name);
			sum += status_lines(path, a, b);
		}
		if (task)
			closedir(task);
	}
	closedir(proc);
	return sum;
}

#endif /* _UBD_BENCH_H */
