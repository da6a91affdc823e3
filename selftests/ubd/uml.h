/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the ubd selftests share. Include after kselftest_harness.h.
 *
 * A test runs on the host and boots the User Mode Linux that $UML names as
 * often as it likes, with itself as init: GUEST(name) is what runs in there.
 * So both sides of a test are in one file, and the host sees the images
 * before, between and after the boots.
 *
 *	GUEST(name) { ...; return 0; }		runs as PID 1 of the guest
 *	TEST_F(ubd, what) {			runs on the host, in a new folder
 *		image("disk", 1 << 20, "OLD");
 *		ASSERT_EQ(0, uml("name", "ubd0=disk", NULL));
 *	}
 *
 * uml() returns what GUEST(name) returned (0 to 255, 0 is good), or one of
 * enum uml_end. The guest's output and the console go to the test's output.
 * The third argument tells host_io.so what to do to UML's calls of the host
 * (see host_io.c); NULL: nothing. With uml_hook set, call_host("text") in the
 * guest runs uml_hook("text") on the host while the guest goes on.
 *
 * put() and wrong() write and compare sectors that say who wrote them.
 */
#ifndef _UBD_UML_H
#define _UBD_UML_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/fs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define SECTOR		512ULL
#define UML_TIMEOUT	15	/* a boot takes less than one second */

enum uml_end {
	UML_DIED = 1000,	/* it ended, the guest had not returned */
	UML_HUNG,		/* it did not end in time */
	UML_SPLAT,		/* a BUG or WARNING on the console */
	UML_KILLED,		/* by kill_me() */
};

/* Sectors that tell who wrote them */

static inline void fill(char *buf, unsigned long long sector, const char *who)
{
	int n = snprintf(buf, SECTOR, "%s:%llu\n", who, sector);
	unsigned int i;

	for (i = n; i < SECTOR; i++)
		buf[i] = 'a' + (sector + i) % 26;
}

static inline void *aligned(size_t size)
{
	void *p;

	if (posix_memalign(&p, 4096, size)) {
		perror("posix_memalign");
		exit(1);
	}
	return p;
}

/* Write count sectors with one call; returns 0 or the error */
static inline int put(int fd, unsigned long long first, unsigned int count,
		      const char *who)
{
	char *buf = aligned(count * SECTOR);
	unsigned int i;
	ssize_t n;
	int err;

	for (i = 0; i < count; i++)
		fill(buf + i * SECTOR, first + i, who);
	n = pwrite(fd, buf, count * SECTOR, first * SECTOR);
	err = n < 0 ? errno : n == (ssize_t)(count * SECTOR) ? 0 : EIO;
	free(buf);
	return err;
}

/*
 * Read count sectors with one call; returns how many of them are not as put()
 * by who (NULL: zeroes) left them, all if the read fails.
 */
static inline unsigned int wrong(int fd, unsigned long long first,
				 unsigned int count, const char *who)
{
	char *buf = aligned(count * SECTOR), want[SECTOR];
	unsigned int i, bad = 0;
	ssize_t n = pread(fd, buf, count * SECTOR, first * SECTOR);

	if (n != (ssize_t)(count * SECTOR)) {
		printf("read of sectors %llu to %llu: %zd (%s)\n", first,
		       first + count - 1, n, n < 0 ? strerror(errno) : "short");
		free(buf);
		return count;
	}
	for (i = 0; i < count; i++) {
		char *is = buf + i * SECTOR;

		memset(want, 0, SECTOR);
		if (who)
			fill(want, first + i, who);
		if (!memcmp(is, want, SECTOR))
			continue;
		if (!bad++) {
			int zero = !memcmp(is, memset(want, 0, SECTOR), SECTOR);

			printf("sector %llu holds '%.*s', expected '%s:%llu'\n",
			       first + i, zero ? 6 : (int)strcspn(is, "\n") % 40,
			       zero ? "zeroes" : is, who ? who : "zeroes",
			       first + i);
		}
	}
	if (bad)
		printf("%u of %u sectors wrong\n", bad, count);
	free(buf);
	return bad;
}

/* Guest */

struct guest {
	const char *name;
	int (*fn)(int argc, char **argv);
	struct guest *next;
};

static struct guest *guests;

#define GUEST(_name)							\
static int guest_##_name(int argc, char **argv);			\
__attribute__((constructor(101))) static void register_##_name(void)	\
{									\
	static struct guest g = { #_name, guest_##_name };		\
									\
	g.next = guests;						\
	guests = &g;							\
}									\
static int guest_##_name(int argc __attribute__((unused)),		\
			 char **argv __attribute__((unused)))

/* A device by its name, ubda being the first; O_DIRECT unless flags say otherwise */
static inline int dev_open(const char *name, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", name);
	fd = open(path, flags | O_RDWR | O_CLOEXEC);
	if (fd < 0)
		printf("%s: %s\n", path, strerror(errno));
	return fd;
}

static inline void call_host(const char *text)
{
	printf("=host %s\n", text);
	fflush(stdout);
}

/* Ask for SIGKILL, as when the host goes down */
static inline void kill_me(void)
{
	printf("=kill\n");
	fflush(stdout);
	for (;;)
		pause();
}

__attribute__((constructor)) static void guest_main(int argc, char **argv)
{
	struct termios tio;
	struct guest *g;
	int i, fd, ret = 255;

	if (getpid() != 1)
		return;
	for (i = 1; i < argc && strcmp(argv[i], "guest"); i++)
		;
	if (i + 1 >= argc)
		return;
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	fd = open("/dev/ttyS0", O_RDWR | O_NOCTTY);
	tcgetattr(fd, &tio);
	cfmakeraw(&tio);
	tcsetattr(fd, TCSANOW, &tio);
	dup2(fd, 1);
	dup2(fd, 2);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (g = guests; g; g = g->next) {
		if (strcmp(g->name, argv[i + 1]))
			continue;
		ret = g->fn(argc - i - 1, argv + i + 1);
	}
	printf("=exit %d\n", ret);
	fflush(stdout);
	/* No sync: what has to be on the host by now is up to the test. */
	reboot(RB_POWER_OFF);
	_exit(1);
}

/* Host */

static void (*uml_hook)(const char *text);
static pid_t uml_pid;
static char uml_self[4096];	/* the folder of the test programs */

/* An image of that many bytes, all full sectors of it by who (NULL: sparse) */
static inline int image(const char *name, unsigned long long size,
			const char *who)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int err = fd < 0 ? errno : 0;

	if (!err && ftruncate(fd, size))
		err = errno;
	if (!err && who)
		err = put(fd, 0, size / SECTOR, who);
	if (fd >= 0)
		close(fd);
	return err;
}

static inline void cpio_add(FILE *f, const char *name, unsigned int mode,
			    const char *data, unsigned int size)
{
	static unsigned int ino;
	long pos;

	fprintf(f, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s",
		++ino, mode, 0, 0, 1, 0, size, 0, 0, 0, 0,
		(unsigned int)strlen(name) + 1, 0, name);
	for (pos = ftell(f), fputc(0, f), pos++; pos % 4; pos++)
		fputc(0, f);
	fwrite(data, 1, size, f);
	for (; size % 4; size++)
		fputc(0, f);
}

/* This program as the init of an initramfs */
static inline int make_initrd(const char *path)
{
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	FILE *f = fopen(path, "we");
	struct stat st;
	char *data;

	if (self < 0 || !f || fstat(self, &st))
		return -1;
	data = malloc(st.st_size);
	if (!data || read(self, data, st.st_size) != st.st_size)
		return -1;
	close(self);
	cpio_add(f, "dev", S_IFDIR | 0755, "", 0);
	cpio_add(f, "proc", S_IFDIR | 0755, "", 0);
	cpio_add(f, "sys", S_IFDIR | 0755, "", 0);
	cpio_add(f, "init", S_IFREG | 0755, data, st.st_size);
	cpio_add(f, "TRAILER!!!", 0, "", 0);
	free(data);
	return fclose(f);
}

/*
 * In a PID namespace, so that a killed UML leaves nothing that could go on
 * writing; without the right to make one, the caller has to clean up.
 */
static inline void __attribute__((noreturn)) uml_exec(char **argv)
{
	int status;
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!unshare(CLONE_NEWPID)) {
		pid = fork();
		if (pid) {
			waitpid(pid, &status, 0);
			_exit(0);
		}
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		pid = fork();
		if (pid) {
			while (wait(&status) != pid && errno != ECHILD)
				;
			_exit(0);
		}
	}
	execv(argv[0], argv);
	perror(argv[0]);
	_exit(127);
}

static inline double uml_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Returns the number of splats on the console, shows them, or the end of it all */
static inline int uml_console(bool show)
{
	static char tail[40][256];
	static const char * const splats[] = {
		"BUG:", "kernel BUG at", "WARNING:", "Oops", "Kernel panic",
		"INFO: task ", "rcu: INFO:", "Bad page state", "UBSAN:",
	};
	FILE *f = fopen("console", "re");
	unsigned int i, lines = 0;
	char line[256];
	int found = 0;

	while (f && fgets(line, sizeof(line), f)) {
		bool hit = false;

		line[strcspn(line, "\r\n")] = '\0';
		for (i = 0; i < sizeof(splats) / sizeof(splats[0]); i++)
			hit |= !!strstr(line, splats[i]);
		found += hit;
		if (hit && !show)
			printf("# console: %s\n", line);
		strcpy(tail[lines++ % 40], line);
	}
	for (i = lines > 40 ? lines - 40 : 0; show && i < lines; i++)
		printf("# console: %s\n", tail[i % 40]);
	if (f)
		fclose(f);
	return found;
}

static inline int uml_rm(const char *path, const struct stat *st, int flag,
			 struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline int uml(const char *guest, const char *args, const char *host_io)
{
	char words[4096], *argv[64], *save, line[1024], buf[4096];
	const char *uml = getenv("UML");
	double end = uml_clock() + UML_TIMEOUT;
	int out[2], con[2], log, argc = 0, ret = UML_DIED;
	size_t used = 0;
	ssize_t n, i;
	struct statvfs vfs;

	snprintf(words, sizeof(words),
		 "%s mem=64M initrd=initrd uml_dir=./ umid=uml con0=null,fd:2 con=null ssl0=null,fd:1 ssl=null rdinit=/init root=/dev/ram0 console=tty0 panic=-1 loglevel=7 kunit.enable=0 %s -- guest %s",
		 uml, args, guest);
	for (argv[argc] = strtok_r(words, " ", &save); argv[argc];
	     argv[argc] = strtok_r(NULL, " ", &save))
		argc++;

	fflush(NULL);
	/* Of one that was killed: its process number is that of the next */
	nftw("uml", uml_rm, 16, FTW_DEPTH | FTW_PHYS);
	/* Pipes, because UML cannot wait for a regular file */
	log = open("console", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (log < 0 || pipe2(out, O_CLOEXEC) || pipe2(con, O_CLOEXEC))
		return UML_DIED;
	uml_pid = fork();
	if (!uml_pid) {
		int null = open("/dev/null", O_RDWR);

		dup2(null, 0);
		dup2(out[1], 1);
		dup2(con[1], 2);
		/* The guest's memory is a file, and belongs on a tmpfs. */
		if (!statvfs("/dev/shm", &vfs) && !(vfs.f_flag & ST_NOEXEC) &&
		    vfs.f_bavail * vfs.f_bsize > 256ULL << 20)
			setenv("TMPDIR", "/dev/shm", 1);
		if (host_io) {
			char so[4200];

			snprintf(so, sizeof(so), "%s/host_io.so", uml_self);
			setenv("LD_PRELOAD", so, 1);
			setenv("HOST_IO", host_io, 1);
		}
		uml_exec(argv);
	}
	close(out[1]);
	close(con[1]);
	for (;;) {
		struct pollfd p[2] = {
			{ .fd = out[0], .events = POLLIN },
			{ .fd = con[0], .events = POLLIN },
		};
		int left = (end - uml_clock()) * 1000;

		if ((left <= 0 || poll(p, 2, left) <= 0) && ret != UML_HUNG) {
			ret = UML_HUNG;
			end += UML_TIMEOUT;
			kill(uml_pid, SIGKILL);
			continue;
		}
		if (p[1].revents) {
			n = read(con[0], buf, sizeof(buf));
			if (n <= 0 || write(log, buf, n) != n)
				p[1].revents = 0;
		}
		if (!p[0].revents)
			continue;
		n = read(out[0], buf, sizeof(buf));
		/* Once all that held the other end are gone, nothing writes to the images */
		if (n <= 0 && !p[1].revents)
			break;
		for (i = 0; i < n; i++) {
			if (buf[i] != '\n' && used < sizeof(line) - 1) {
				line[used++] = buf[i];
				continue;
			}
			line[used] = '\0';
			used = 0;
			if (!strncmp(line, "=exit ", 6)) {
				ret = atoi(line + 6);
			} else if (!strncmp(line, "=host ", 6)) {
				if (uml_hook)
					uml_hook(line + 6);
			} else if (!strcmp(line, "=kill")) {
				ret = UML_KILLED;
				kill(uml_pid, SIGKILL);
			} else {
				printf("# guest: %s\n", line);
			}
		}
	}
	waitpid(uml_pid, NULL, 0);
	close(out[0]);
	close(con[0]);
	close(log);
	if (uml_console(ret == UML_DIED) && ret != UML_DIED)
		ret = UML_SPLAT;
	if (ret == UML_HUNG)
		printf("# UML did not end within %d s\n", UML_TIMEOUT);
	if (ret == UML_DIED)
		printf("# UML ended, its guest had not\n");
	fflush(stdout);
	return ret;
}

/* Each test has an empty folder */
FIXTURE(ubd) {
	char dir[4096];
};

FIXTURE_SETUP(ubd)
{
	const char *uml = getenv("UML"), *tmp = getenv("TMPDIR");
	ssize_t n;

	if (!uml || access(uml, X_OK))
		SKIP(return, "UML=%s is no User Mode Linux to boot", uml ? uml : "");
	n = readlink("/proc/self/exe", uml_self, sizeof(uml_self) - 1);
	ASSERT_GT(n, 0);
	uml_self[n] = '\0';
	*strrchr(uml_self, '/') = '\0';
	snprintf(self->dir, sizeof(self->dir), "%s/ubd.XXXXXX", tmp ? tmp : "/tmp");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	ASSERT_EQ(0, chdir(self->dir));
	ASSERT_EQ(0, make_initrd("initrd"));
}

FIXTURE_TEARDOWN(ubd)
{
	ASSERT_EQ(0, chdir("/"));
	nftw(self->dir, uml_rm, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
