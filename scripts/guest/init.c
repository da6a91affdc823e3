// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of the test guest: runs the tests of /steady/plan one after the other
 * and reports in KTAP on the virtio-serial port "steady", or the serial line
 * that steady_port= names (User Mode Linux has no virtio-serial).
 *
 * A line of the plan: TIMEOUT_SECONDS NAME DIRECTORY PROGRAM
 *
 * The output of a test goes out indented, so that nothing a test prints can
 * pass for a verdict. Every test is followed by
 *
 *	ok N NAME # ...		exit status 0 and a clean kernel log
 *	ok N NAME # SKIP	exit status 4, kselftest's "skipped"
 *	not ok N NAME # why	anything else
 *
 * and the end of the plan by "# steady: end". What is missing on the host was
 * not reached: the guest died or hung.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PLAN		"/steady/plan"
#define PORT		"steady"
#define MAX_TESTS	512
#define KSFT_SKIP	4

struct test {
	int timeout;
	char name[128];
	char dir[128];
	char prog[128];
};

/* Any of these in the kernel log fails the test that ran, whatever it says itself. */
static const char * const splats[] = {
	"BUG:", "kernel BUG at", "WARNING:", "Oops", "general protection fault",
	"Unable to handle kernel", "INFO: task ", "INFO: rcu", "rcu: INFO:",
	"suspicious RCU usage", "inconsistent lock state", "Bad page state",
	"UBSAN:", "kmemleak: ", "stack-protector:", "Kernel panic",
};

static struct test tests[MAX_TESTS];
static int port = -1;
static int kmsg = -1;

static void out(const char *fmt, ...)
{
	char buf[1024];
	size_t done = 0;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (len >= (int)sizeof(buf))
		len = sizeof(buf) - 1;
	while (done < (size_t)len) {
		ssize_t n = write(port, buf + done, len - done);

		if (n < 0 && errno != EINTR)
			return;
		if (n > 0)
			done += n;
	}
}

static _Noreturn void power_off(void)
{
	sync();
	/* User Mode Linux would start anew on a reboot. */
	if (getenv("steady_port"))
		reboot(RB_POWER_OFF);
	/* QEMU runs with -no-reboot, which every machine type understands. */
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void mount_one(const char *type, const char *where)
{
	mkdir(where, 0755);
	mount(type, where, type, 0, NULL);
}

static bool read_line(const char *path, char *buf, int size)
{
	FILE *f = fopen(path, "re");
	bool ok = f && fgets(buf, size, f);

	if (f)
		fclose(f);
	if (ok)
		buf[strcspn(buf, "\n")] = '\0';
	return ok;
}

/* There is no udev: the port's name is in sysfs, its node in devtmpfs. */
static void open_port(void)
{
	static const char class[] = "/sys/class/virtio-ports";
	char path[512], name[64];
	const char *line = getenv("steady_port");
	struct dirent *d;
	DIR *dir = opendir(class);

	if (line) {
		struct termios tio;

		port = open(line, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		if (port >= 0 && !tcgetattr(port, &tio)) {
			cfmakeraw(&tio);
			tcsetattr(port, TCSANOW, &tio);
		}
	}
	while (dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%s/name", class, d->d_name);
		if (!read_line(path, name, sizeof(name)) || strcmp(name, PORT))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", d->d_name);
		port = open(path, O_WRONLY | O_CLOEXEC);
	}
	if (dir)
		closedir(dir);
	if (port < 0) {
		fprintf(stderr, "steady: no %s, no virtio port called %s\n",
			line ? line : "steady_port=", PORT);
		power_off();
	}
}

static int read_plan(void)
{
	char line[512];
	FILE *f = fopen(PLAN, "re");
	int n = 0;

	while (f && n < MAX_TESTS && fgets(line, sizeof(line), f)) {
		struct test *t = &tests[n];

		if (sscanf(line, "%d %127s %127s %127s", &t->timeout, t->name,
			   t->dir, t->prog) != 4) {
			out("Bail out! bad line in the plan: %s", line);
			power_off();
		}
		n++;
	}
	if (f)
		fclose(f);
	return n;
}

/* Report the splats since the last call; returns how many. */
static int scan_kernel_log(void)
{
	char rec[8192];
	int found = 0;

	for (;;) {
		ssize_t n = read(kmsg, rec, sizeof(rec) - 1);
		char *text;
		size_t i;

		if (n < 0 && errno == EPIPE)	/* overtaken by the ring buffer */
			continue;
		if (n <= 0)
			return found;
		rec[n] = '\0';
		/* "prio,seq,time,flags;text": facility 0 is the kernel's own */
		if (atoi(rec) >> 3)
			continue;
		text = strchr(rec, ';');
		if (!text)
			continue;
		text[strcspn(text, "\n")] = '\0';
		for (i = 0; i < sizeof(splats) / sizeof(splats[0]); i++) {
			if (!strstr(text, splats[i]))
				continue;
			out("# dmesg: %s\n", text + 1);
			found++;
			break;
		}
	}
}

static _Noreturn void run_child(const struct test *t, int fd)
{
	int null = open("/dev/null", O_RDONLY);

	setsid();
	dup2(null, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	setenv("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin", 1);
	setenv("HOME", "/root", 1);
	setenv("TMPDIR", "/tmp", 1);
	if (!chdir(t->dir))
		execl(t->prog, t->prog, (char *)NULL);
	dprintf(1, "# %s/%s: %s\n", t->dir, t->prog, strerror(errno));
	_exit(127);
}

/* Forward what the test prints, each line indented, until it has ended and said all. */
static void forward(int fd, char *line, size_t size, size_t *used)
{
	char buf[4096];
	ssize_t n = read(fd, buf, sizeof(buf));
	ssize_t i;

	for (i = 0; i < n; i++) {
		if (buf[i] != '\n' && buf[i] != '\r')
			line[(*used)++] = buf[i] ? buf[i] : '?';
		if (buf[i] == '\n' || *used == size - 1) {
			line[*used] = '\0';
			out("  %s\n", line);
			*used = 0;
		}
	}
}

/* Returns false if the guest cannot go on: something of the test cannot be killed. */
static bool run_test(int no, const struct test *t)
{
	double start = now(), killed = 0;
	int pipefd[2], status = 0, splat;
	bool timed_out = false, dead = false;
	char line[900], why[64];
	size_t used = 0;
	pid_t pid;
	int i;

	scan_kernel_log();
	out("# steady: start %s\n", t->name);
	if (pipe2(pipefd, O_CLOEXEC | O_NONBLOCK))
		return false;
	fcntl(pipefd[1], F_SETFL, 0);
	pid = fork();
	if (!pid)
		run_child(t, pipefd[1]);
	close(pipefd[1]);

	while (!dead && (!killed || now() - killed < 30)) {
		struct pollfd p = { .fd = pipefd[0], .events = POLLIN };

		if (poll(&p, 1, 100) > 0 && (p.revents & POLLIN))
			forward(pipefd[0], line, sizeof(line), &used);
		else if (p.revents & POLLHUP)
			usleep(20000);
		dead = waitpid(pid, &status, WNOHANG) == pid;
		if (!dead && !killed && now() - start > t->timeout) {
			timed_out = true;
			killed = now();
			kill(-1, SIGKILL);
		}
	}
	/* What the test left running goes with it; orphans are ours to reap. */
	kill(-1, SIGKILL);
	for (i = 0; i < 100 && waitpid(-1, NULL, WNOHANG) >= 0; i++)
		usleep(100000);
	dead = waitpid(-1, NULL, WNOHANG) < 0;
	for (;;) {
		struct pollfd p = { .fd = pipefd[0], .events = POLLIN };

		if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLIN))
			break;
		forward(pipefd[0], line, sizeof(line), &used);
	}
	if (used) {
		line[used] = '\0';
		out("  %s\n", line);
	}
	close(pipefd[0]);

	splat = scan_kernel_log();
	if (!dead)
		snprintf(why, sizeof(why), "%sa process cannot be killed",
			 timed_out ? "timeout, and " : "");
	else if (timed_out)
		snprintf(why, sizeof(why), "timeout after %d s", t->timeout);
	else if (WIFSIGNALED(status))
		snprintf(why, sizeof(why), "killed by signal %d", WTERMSIG(status));
	else if (splat)
		snprintf(why, sizeof(why), "kernel log: %d splat(s)", splat);
	else if (WEXITSTATUS(status) == KSFT_SKIP)
		snprintf(why, sizeof(why), "SKIP");
	else if (WEXITSTATUS(status))
		snprintf(why, sizeof(why), "exit status %d", WEXITSTATUS(status));
	else
		why[0] = '\0';
	out("%sok %d %s # %s%stime=%.1fs\n",
	    !why[0] || !strcmp(why, "SKIP") ? "" : "not ", no, t->name,
	    why, why[0] ? " " : "", now() - start);
	return dead;
}

int main(void)
{
	struct utsname uts;
	int i, n;

	mount_one("proc", "/proc");
	mount_one("sysfs", "/sys");
	mount_one("devtmpfs", "/dev");
	mount_one("tmpfs", "/tmp");
	mount_one("tmpfs", "/run");
	mount_one("debugfs", "/sys/kernel/debug");
	mount_one("tracefs", "/sys/kernel/tracing");
	mount_one("configfs", "/sys/kernel/config");
	mkdir("/dev/pts", 0755);
	mount_one("devpts", "/dev/pts");
	mkdir("/dev/shm", 0755);
	mount_one("tmpfs", "/dev/shm");
	mkdir("/root", 0700);
	i = open("/dev/console", O_RDWR);
	if (i >= 0) {
		dup2(i, 0);
		dup2(i, 1);
		dup2(i, 2);
	}
	/* Only names that the packages have not brought. */
	if (!fork()) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 2);
		execl("/bin/busybox", "busybox", "--install", "-s", (char *)NULL);
		_exit(127);
	}
	wait(NULL);

	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	open_port();
	uname(&uts);
	out("KTAP version 1\n");
	out("# steady: release %s, in user space after %.1f s\n", uts.release, now());
	n = read_plan();
	out("1..%d\n", n);
	for (i = 0; i < n; i++)
		if (!run_test(i + 1, &tests[i]))
			break;
	out("# steady: end\n");
	power_off();
}
