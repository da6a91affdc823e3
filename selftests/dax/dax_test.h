/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the fsdax selftests share. Include after kselftest_harness.h.
 *
 *  - an emulated pmem disk and a DAX file system on it: dax_test_init(),
 *    dax_mount(), dax_umount(), dax_file()
 *  - mappings that get PMDs, or that cannot: dax_map()
 *  - what the kernel did, by its trace events and by kprobes: dax_trace.h
 *  - a child without privileges: as_nobody()
 *
 * Functions return 0 or a count, and a negative errno if they fail, unless
 * they say otherwise. One test runs at a time: all of them use the same disk.
 */
#ifndef _DAX_TEST_H
#define _DAX_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../storage/files.h"
#include "dax_trace.h"

/*
 * The limit for the whole program is in the file settings, and a kernel with
 * KASAN and lockdep needs more than 30 s for what takes 3 without
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	1200

#define PAGE		4096UL
#define PMD		(2UL << 20)
#define PMD_PAGES	(PMD / PAGE)

#define NOBODY		65534
#define TAINT_WARN	(1UL << 9)

/* File systems for dax_mount() */
enum dax_fs {
	DAX_EXT4,		/* 4 KiB blocks, extents aligned to 2 MiB */
	DAX_XFS,		/* the same, with reflink, without rmapbt */
	DAX_XFS_RMAP,		/* with reflink and with rmapbt */
};

static const char * const dax_fs_name[] = { "ext4", "xfs", "xfs-rmap" };

static pid_t main_pid;
static char dax_dev[64];	/* the pmem disk */
static char dax_dir[64];	/* where the file system is mounted */
static bool *dax_broken;	/* set: what is mounted is not to be unmounted */
static void (*extra_cleanup)(void);

/* Not 0 if the kernel has warned since boot */
static inline unsigned long tainted(void)
{
	char buf[32];

	if (read_file("/proc/sys/kernel/tainted", buf, sizeof(buf)))
		return 0;
	return strtoul(buf, NULL, 0) & TAINT_WARN;
}

/* The file system */

static inline __attribute__((format(printf, 1, 2)))
int dax_system(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;
	int r;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	r = system(cmd);
	return r < 0 ? -errno : r ? -EIO : 0;
}

/* Unmount it. Whoever mounted it: each test is a process of its own */
static inline int dax_umount(void)
{
	int i;

	/* A process that was killed may not be gone yet */
	for (i = 0; i < 50; i++) {
		if (umount(dax_dir)) {
			if (errno == EINVAL)
				return 0;
			if (errno != EBUSY)
				return -errno;
			sleep_ms(20);
		}
	}
	return -EBUSY;
}

/**
 * dax_mount - make a file system on the pmem disk and mount it with dax=always
 * @fs: which one
 *
 * The root of the file system is dax_dir, where everybody may write. Large
 * files get extents of 2 MiB that are aligned to 2 MiB. What was mounted
 * before is unmounted, its files are lost.
 *
 * Return: 0; -EOPNOTSUPP if there is no mkfs program for it or the kernel
 * cannot mount it; another negative errno
 */
static inline int dax_mount(enum dax_fs fs)
{
	int r = dax_umount(), fd;

	if (r)
		return r;
	if (fs == DAX_EXT4)
		r = dax_system("mkfs.ext4 -q -F -b 4096 -E stride=512,stripe_width=512 %s >/dev/null",
			       dax_dev);
	else
		r = dax_system("mkfs.xfs -q -f -d su=2m,sw=1,agcount=2 -l size=64m,sunit=8 -m reflink=1,rmapbt=%d %s >/dev/null",
			       fs == DAX_XFS_RMAP, dax_dev);
	if (r)
		return -EOPNOTSUPP;
	if (mount(dax_dev, dax_dir, fs == DAX_EXT4 ? "ext4" : "xfs", 0,
		  "dax=always"))
		return errno == EINVAL || errno == ENODEV ? -EOPNOTSUPP : -errno;
	if (chmod(dax_dir, 01777))
		return -errno;
	if (fs != DAX_EXT4) {
		struct fsxattr attr;

		fd = open(dax_dir, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		r = ioctl(fd, FS_IOC_FSGETXATTR, &attr);
		if (!r) {
			attr.fsx_xflags |= FS_XFLAG_EXTSZINHERIT;
			attr.fsx_extsize = PMD;
			r = ioctl(fd, FS_IOC_FSSETXATTR, &attr);
		}
		r = r ? -errno : 0;
		close(fd);
	}
	return r;
}

/* The path of file @name: good until the fourth call from now */
static inline const char *dax_path(const char *name)
{
	static char path[4][128];
	static unsigned int n;
	char *p = path[n++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dax_dir, name);
	return p;
}

/* The word at byte offset @pos of a file of dax_file() */
static inline uint64_t dax_word(unsigned char tag, uint64_t pos)
{
	return (uint64_t)tag << 56 | pos;
}

/**
 * dax_file - make a file whose blocks are written
 * @name: its name below dax_dir; what has that name is removed
 * @size: in bytes, a multiple of the page size
 * @tag: the words of the file are dax_word(@tag, position)
 *
 * Return: a file descriptor, O_RDWR, of a clean file, or a negative errno
 */
static inline int dax_file(const char *name, uint64_t size, unsigned char tag)
{
	static uint64_t buf[PMD / sizeof(uint64_t)];
	const char *path = dax_path(name);
	uint64_t pos, n, i;
	int fd, r = 0;

	if (unlink(path) && errno != ENOENT)
		return -errno;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	for (pos = 0; pos < size && !r; pos += n) {
		n = size - pos < PMD ? size - pos : PMD;
		for (i = 0; i < n / sizeof(*buf); i++)
			buf[i] = dax_word(tag, pos + i * sizeof(*buf));
		if (pwrite(fd, buf, n, pos) != (ssize_t)n)
			r = -(errno ? errno : EIO);
	}
	if (!r && fsync(fd))
		r = -errno;
	if (r) {
		close(fd);
		return r;
	}
	return fd;
}

/* How many of the words of @size bytes at @map, position @pos of the file, differ */
static inline unsigned long dax_differ(const void *map, uint64_t pos,
				       uint64_t size, unsigned char tag)
{
	const uint64_t *p = map;
	unsigned long wrong = 0;
	uint64_t i;

	for (i = 0; i < size / sizeof(*p); i++)
		wrong += p[i] != dax_word(tag, pos + i * sizeof(*p));
	return wrong;
}

/* Make @name share all blocks of @src. Return: a file descriptor, or -errno */
static inline int dax_reflink(const char *name, int src)
{
	int fd = open(dax_path(name), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
		      0666);
	int r;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, FICLONE, src)) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* Mappings */

/**
 * dax_map - map a file at an address with a given offset from a 2 MiB boundary
 * @fd: the file
 * @pos: where in the file, in bytes, a multiple of the page size
 * @size: in bytes
 * @prot: PROT_...
 * @flags: MAP_SHARED, MAP_PRIVATE or MAP_SHARED_VALIDATE | MAP_SYNC
 * @skew: 0 for an address that is as far from a 2 MiB boundary as @pos is, so
 *	that faults can be PMD faults; a multiple of the page size below 2 MiB
 *	moves it by as much, and then no fault can be
 *
 * Return: the address; NULL, and errno, if it fails. munmap() ends it.
 */
static inline void *dax_map(int fd, uint64_t pos, size_t size, int prot,
			    int flags, unsigned long skew)
{
	size_t room = size + 2 * PMD;
	char *area, *p;

	area = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		    MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED)
		return NULL;
	p = (char *)(((uintptr_t)area + PMD - 1) & ~(PMD - 1));
	p += (pos + skew) % PMD;
	if (mmap(p, size, prot, flags | MAP_FIXED, fd, pos) == MAP_FAILED) {
		int err = errno;

		munmap(area, room);
		errno = err;
		return NULL;
	}
	if (p > area)
		munmap(area, p - area);
	size = (size + PAGE - 1) & ~(PAGE - 1);
	munmap(p + size, area + room - (p + size));
	return p;
}

/**
 * dax_one_file - make a file on a new file system, and map it
 * @fs: which one
 * @size: of the file, in bytes, a multiple of the page size
 * @prot: of the mapping, which is MAP_SHARED
 * @skew: as for dax_map()
 * @map: where its address goes
 *
 * The words of the file are those of dax_file() for the tag 'a'.
 *
 * Return: a file descriptor; -EOPNOTSUPP if there is no such file system;
 * another negative errno
 */
static inline int dax_one_file(enum dax_fs fs, size_t size, int prot,
			       unsigned long skew, char **map)
{
	int r = dax_mount(fs), fd;

	if (r)
		return r;
	fd = dax_file("file", size, 'a');
	if (fd < 0)
		return fd;
	*map = dax_map(fd, 0, size, prot, MAP_SHARED, skew);
	if (!*map) {
		r = -errno;
		close(fd);
		return r;
	}
	return fd;
}

/* Two files that share their blocks, and a mapping of the first */
struct dax_share {
	int fd, other;
	char *map;
	size_t size;
};

/**
 * dax_share - make such files on a new file system, one that can share blocks
 * @s: where they go; dax_share_end() closes them
 * @size: of the files, in bytes, a multiple of the page size
 * @prot: of the mapping, which is MAP_SHARED
 * @skew: as for dax_map()
 *
 * The words of both are those of dax_file() for the tag 'a'.
 *
 * Return: 0; -EOPNOTSUPP if there is no such file system; another negative errno
 */
static inline int dax_share(struct dax_share *s, size_t size, int prot,
			    unsigned long skew)
{
	*s = (struct dax_share){ .other = -1, .size = size };
	s->fd = dax_one_file(DAX_XFS, size, prot, skew, &s->map);
	if (s->fd < 0)
		return s->fd;
	s->other = dax_reflink("other", s->fd);
	return s->other < 0 ? s->other : 0;
}

static inline void dax_share_end(struct dax_share *s)
{
	munmap(s->map, s->size);
	close(s->fd);
	close(s->other);
}

/* Write to one word of the page at @p */
static inline void dax_dirty(void *p)
{
	(*(volatile uint64_t *)p)++;
}

static inline void dax_touch(const void *p)
{
	(void)*(volatile const uint64_t *)p;
}

/*
 * Let a child store @value at @p. Return: the signal that ended it, or 0; a
 * negative errno
 */
static inline int dax_store(void *p, uint64_t value)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		*(volatile uint64_t *)p = value;
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -ECHILD;
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/**
 * as_nobody - run @fn in a child process that has no privileges
 * @fn: what to run; what it returns, 0 to 255, is the exit status
 * @arg: its argument
 *
 * Return: the exit status; 256 + the signal that killed it; a negative errno
 */
static inline int as_nobody(int (*fn)(void *arg), void *arg)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
			_exit(255);
		_exit(fn(arg));
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

/* Setting up and leaving nothing behind */

static void dax_cleanup(void)
{
	if (getpid() != main_pid)
		return;
	if (extra_cleanup)
		extra_cleanup();
	trace_off();
	rmdir(TRACE_INSTANCE);
	remove_kprobes();
	if (*dax_broken || dax_umount())
		ksft_print_msg("%s stays mounted\n", dax_dir);
	rmdir(dax_dir);
}

static void dax_on_signal(int sig)
{
	dax_cleanup();
	_exit(128 + sig);
}

/*
 * Only a disk that is emulated in RAM (memmap=SIZE!START) may be overwritten,
 * and any that DAX_TEST_DEV names. There has to be a pmem disk at START.
 */
static inline bool find_pmem(void)
{
	static char cmdline[4096];
	char path[96], buf[64], *p, *end;
	unsigned long long size, start;
	unsigned int i;

	if (getenv("DAX_TEST_DEV")) {
		snprintf(dax_dev, sizeof(dax_dev), "%s", getenv("DAX_TEST_DEV"));
		return true;
	}
	if (read_file("/proc/cmdline", cmdline, sizeof(cmdline)))
		return false;
	for (p = cmdline; (p = strstr(p, "memmap=")); p = end) {
		unsigned long long v[2] = {};

		end = p + strlen("memmap=");
		for (i = 0; i < 2; i++) {
			v[i] = strtoull(end, &end, 0);
			switch (*end) {
			case 'T': case 't':
				v[i] <<= 10;
				/* fall through */
			case 'G': case 'g':
				v[i] <<= 10;
				/* fall through */
			case 'M': case 'm':
				v[i] <<= 10;
				/* fall through */
			case 'K': case 'k':
				v[i] <<= 10;
				end++;
			}
			if (*end++ != '!')
				break;
		}
		size = v[0];
		start = v[1];
		if (!size || !start)
			continue;
		for (i = 0; i < 8; i++) {
			snprintf(path, sizeof(path),
				 "/sys/block/pmem%u/device/resource", i);
			if (read_file(path, buf, sizeof(buf)) ||
			    strtoull(buf, NULL, 0) != start)
				continue;
			snprintf(dax_dev, sizeof(dax_dev), "/dev/pmem%u", i);
			return !access(dax_dev, R_OK | W_OK);
		}
	}
	return false;
}

/**
 * dax_test_init - set up, or exit saying why the tests cannot run
 * @undo: called first when the program ends, also by a signal; may be NULL
 */
static inline void dax_test_init(void (*undo)(void))
{
	struct sigaction sa = { .sa_handler = dax_on_signal };

	main_pid = getpid();
	if (geteuid())
		ksft_exit_skip("has to be root\n");
	if (!find_pmem())
		ksft_exit_skip("no emulated pmem disk: boot with memmap=512M!1G, or set DAX_TEST_DEV to a disk that may be overwritten\n");
	if (access(TRACEFS "/instances", F_OK) &&
	    mount("tracefs", TRACEFS, "tracefs", 0, NULL))
		ksft_exit_skip("no tracefs: %s\n", strerror(errno));
	if (access(TRACEFS "/events/fs_dax", F_OK))
		ksft_exit_skip("no fs_dax trace events\n");
	if (mkdir(TRACE_INSTANCE, 0700) && errno != EEXIST)
		ksft_exit_skip("no trace instance: %s\n", strerror(errno));

	mkdir("/tmp", 01777);
	strcpy(dax_dir, "/tmp/daxtest.XXXXXX");
	if (!mkdtemp(dax_dir))
		ksft_exit_skip("%s: %s\n", dax_dir, strerror(errno));

	dax_broken = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (dax_broken == MAP_FAILED)
		ksft_exit_skip("mmap: %s\n", strerror(errno));

	extra_cleanup = undo;
	atexit(dax_cleanup);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
}

#endif /* _DAX_TEST_H */
