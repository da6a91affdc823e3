/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the dm_snapshot selftests share. Include after kselftest_harness.h.
 *
 *  - memory backed null_blk disks: disk_new()
 *  - device-mapper devices, by name, through the ioctls of /dev/mapper/control
 *    and without udev: dm_new(), dm_reload(), dm_suspend(), ...
 *  - a pattern that tells which sector was written where and when: put(),
 *    expect_data()
 *  - what is in the persistent exception store: store_entry(), store_write()
 *  - whether the kernel has complained: kernel_warned()
 *
 * All names begin with PREFIX, so that cleanup() finds what a test has left.
 */
#ifndef _DM_SNAPSHOT_TEST_H
#define _DM_SNAPSHOT_TEST_H

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PREFIX		"dmsnaptest_"
#include "../storage/dm.h"

#define SECTOR		512ULL
#define MAX_IO		(1U << 20)

/* The persistent exception store: a header, then areas of entries and data */
#define EXCEPTION_SIZE	16
#define SNAP_MAGIC	0x70416e53U
#define SNAP_VERSION	1U

static pid_t main_pid;
static bool module_loaded;
static void (*extra_cleanup)(void);

/* device-mapper */

static inline int dm_suspend(const char *name)
{
	return dm_simple(DM_DEV_SUSPEND, name, DM_SUSPEND_FLAG);
}

/* Change the table of a live device */
static inline __attribute__((format(printf, 2, 3)))
int dm_reload(const char *name, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = dm_vload(name, fmt, ap);
	va_end(ap);
	if (!r)
		r = dm_suspend(name);
	if (!r)
		r = dm_resume(name);
	return r;
}

static inline int dm_message(const char *name, const char *message)
{
	struct dm_request req = {};
	struct dm_target_msg *msg = (struct dm_target_msg *)req.data;

	strcpy(msg->message, message);
	return dm_call(DM_TARGET_MSG, name, 0, &req);
}

/* The status of the first target */
static inline const char *dm_status(const char *name)
{
	static char status[2][256];
	static unsigned int n;
	struct dm_request req = {};
	char *p = status[n++ % 2];
	int r;

	r = dm_call(DM_TABLE_STATUS, name, DM_NOFLUSH_FLAG, &req);
	if (r)
		snprintf(p, sizeof(status[0]), "(%s)", strerror(-r));
	else if (!req.io.target_count)
		snprintf(p, sizeof(status[0]), "(no table)");
	else
		snprintf(p, sizeof(status[0]), "%.200s", req.data +
			 req.io.data_start - offsetof(struct dm_request, data) +
			 sizeof(struct dm_target_spec));
	return p;
}

/* Wait until the status is @want; returns whether it came to be */
static inline bool wait_status(const char *name, const char *want,
			       unsigned int seconds)
{
	unsigned int i;

	for (i = 0; i < seconds * 20; i++) {
		if (!strcmp(dm_status(name), want))
			return true;
		sleep_ms(50);
	}
	return !strcmp(dm_status(name), want);
}

/* How many writes a dm-delay device holds back: its status is "READS WRITES" */
static inline unsigned int delayed_writes(const char *name)
{
	unsigned int reads, writes;

	if (sscanf(dm_status(name), "%u %u", &reads, &writes) != 2)
		return 0;
	return writes;
}

/* Data: each word of a sector holds @tag and the sector's number */

static inline uint64_t pattern(unsigned char tag, uint64_t sector)
{
	return (uint64_t)tag << 56 | sector;
}

static inline void *io_buffer(void)
{
	static void *buf;

	if (!buf && posix_memalign(&buf, 4096, MAX_IO))
		buf = NULL;
	return buf;
}

static inline int do_io(const char *path, bool write, uint64_t sector,
			unsigned int nr)
{
	int fd = open(path, (write ? O_WRONLY : O_RDONLY) | O_DIRECT |
		      O_CLOEXEC);
	size_t size = nr * SECTOR;
	ssize_t done;
	int r = 0;

	if (fd < 0)
		return -errno;
	done = write ? pwrite(fd, io_buffer(), size, sector * SECTOR) :
		       pread(fd, io_buffer(), size, sector * SECTOR);
	if (done != (ssize_t)size)
		r = done < 0 ? -errno : -EIO;
	close(fd);
	return r;
}

/* Write @nr sectors, @unit of them at a time */
static inline int put_by(const char *path, uint64_t sector, uint64_t nr,
			 unsigned char tag, unsigned int unit)
{
	uint64_t *p = io_buffer(), s;
	unsigned int i, n;
	int r;

	for (s = sector; s < sector + nr; s += n) {
		n = sector + nr - s < unit ? sector + nr - s : unit;
		for (i = 0; i < n * 64; i++)
			p[i] = htole64(pattern(tag, s + i / 64));
		r = do_io(path, true, s, n);
		if (r)
			return r;
	}
	return 0;
}

static inline int put(const char *path, uint64_t sector, uint64_t nr,
		      unsigned char tag)
{
	return put_by(path, sector, nr, tag, MAX_IO / SECTOR);
}

static pid_t children[8];
static unsigned int nr_children;

/* Run @fn in the background */
static inline pid_t in_background(int (*fn)(void))
{
	pid_t pid = fork();

	if (!pid)
		_exit(!!fn());
	if (pid > 0)
		children[nr_children++] = pid;
	return pid;
}

static inline bool ended(pid_t pid, unsigned int ms, int *status)
{
	unsigned long long until = now_ms() + ms;

	while (waitpid(pid, status, WNOHANG) != pid) {
		if (now_ms() >= until)
			return false;
		sleep_ms(10);
	}
	return true;
}

/* Kill what runs in the background; returns whether all of it has ended */
static inline bool end_children(unsigned int ms)
{
	unsigned long long until = now_ms() + ms;
	pid_t pid;

	while (nr_children)
		kill(children[--nr_children], SIGKILL);
	while ((pid = waitpid(-1, NULL, WNOHANG)) >= 0 && now_ms() < until)
		sleep_ms(10);
	return pid < 0;
}

/*
 * Wait for @n children, but not beyond @until (as now_ms() counts). Returns how
 * many are left; *@failed grows by the number of those that failed.
 */
static inline unsigned int wait_children(unsigned int n,
					 unsigned long long until,
					 unsigned int *failed)
{
	int status;
	pid_t pid;

	while (n && now_ms() < until) {
		pid = waitpid(-1, &status, WNOHANG);
		if (pid < 0)
			break;
		if (!pid) {
			sleep_ms(5);
			continue;
		}
		n--;
		*failed += !!status;
	}
	return n;
}

/* Load one of test_modules. @args: its parameters */
static inline int load_test_module(const char *name, const char *args)
{
	char exe[256], path[512];
	ssize_t len;
	int fd, r = 0;

	len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (len < 0)
		return -errno;
	exe[len] = '\0';
	*strrchr(exe, '/') = '\0';
	snprintf(path, sizeof(path), "%s/test_modules/%s.ko", exe, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (syscall(SYS_finit_module, fd, args, 0))
		r = -errno;
	close(fd);
	return r;
}

static inline int run_on(int cpu, int policy)
{
	struct sched_param param = {};
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) ||
	    sched_setscheduler(0, policy, &param))
		return -errno;
	return 0;
}

/* The limit of copies to a snapshot: once saved, it can be changed and restored */
#define THRESHOLD_PATH	"/sys/module/dm_snapshot/parameters/snapshot_cow_threshold"

static char old_threshold[32];

static inline bool save_threshold(void)
{
	return !read_file(THRESHOLD_PATH, old_threshold, sizeof(old_threshold));
}

static inline void restore_threshold(void)
{
	if (old_threshold[0])
		write_file(THRESHOLD_PATH, old_threshold);
}

/* Expect what put() has written; @tag 0 stands for zeroes */
static inline void expect_data(struct __test_metadata *_metadata,
			       const char *path, uint64_t sector, uint64_t nr,
			       unsigned char tag, const char *what)
{
	uint64_t s, want, wrong = 0, first = 0, *p = io_buffer();
	unsigned char saw[16] = {};
	unsigned int i, j, n;
	int r;

	for (s = sector; s < sector + nr; s += n) {
		n = MAX_IO / SECTOR;
		if (n > sector + nr - s)
			n = sector + nr - s;
		r = do_io(path, false, s, n);
		ASSERT_EQ(0, r)
			TH_LOG("%s: sector %llu: %s", what,
			       (unsigned long long)s, strerror(-r));
		for (i = 0; i < n; i++) {
			want = tag ? pattern(tag, s + i) : 0;
			for (j = 0; j < 64; j++)
				if (p[i * 64 + j] != htole64(want))
					break;
			if (j < 64 && !wrong++) {
				first = s + i;
				memcpy(saw, &p[i * 64], sizeof(saw));
			}
		}
	}
	EXPECT_EQ(0, wrong) {
		char hex[3 * sizeof(saw) + 1];

		for (i = 0; i < sizeof(saw); i++)
			sprintf(hex + 3 * i, "%02x ", saw[i]);
		TH_LOG("%s: %llu of %llu sectors differ, sector %llu is %s, expected '%c'",
		       what, (unsigned long long)wrong, (unsigned long long)nr,
		       (unsigned long long)first, hex, tag ? tag : '0');
	}
}

/*
 * Read entry @i of the metadata area @area of a COW device. The caller knows
 * the chunk size in sectors.
 */
static inline int store_entry(const char *path, unsigned int chunk,
			      unsigned int area, unsigned int i,
			      uint64_t *old_chunk, uint64_t *new_chunk)
{
	unsigned int per_area = chunk * SECTOR / EXCEPTION_SIZE;
	uint64_t sector = (1 + (per_area + 1ULL) * area) * chunk;
	uint64_t *p = io_buffer();
	int r;

	r = do_io(path, false, sector + i * EXCEPTION_SIZE / SECTOR, 1);
	if (r)
		return r;
	p += i * EXCEPTION_SIZE % SECTOR / sizeof(*p);
	*old_chunk = le64toh(p[0]);
	*new_chunk = le64toh(p[1]);
	return 0;
}

/* snapshot-merge empties the first area last. */
static inline bool wait_merged(const char *cow, unsigned int chunk,
			       unsigned int seconds)
{
	uint64_t old_chunk, new_chunk;
	unsigned int i;

	for (i = 0; i < seconds * 20; i++) {
		if (!store_entry(cow, chunk, 0, 0, &old_chunk, &new_chunk) &&
		    !new_chunk)
			return true;
		sleep_ms(50);
	}
	return false;
}

struct exception {
	uint64_t old_chunk;
	uint64_t new_chunk;
};

/* Write a header, and the first area with @nr entries and zeroes */
static inline int store_write(const char *path, unsigned int chunk,
			      uint32_t magic, const struct exception *e,
			      unsigned int nr)
{
	uint32_t *header = io_buffer();
	uint64_t *area = io_buffer();
	unsigned int i;
	int r;

	memset(header, 0, chunk * SECTOR);
	header[0] = htole32(magic);
	header[1] = htole32(1);
	header[2] = htole32(SNAP_VERSION);
	header[3] = htole32(chunk);
	r = do_io(path, true, 0, chunk);
	if (r)
		return r;
	memset(area, 0, chunk * SECTOR);
	for (i = 0; i < nr; i++) {
		area[2 * i] = htole64(e[i].old_chunk);
		area[2 * i + 1] = htole64(e[i].new_chunk);
	}
	return do_io(path, true, chunk, chunk);
}

/* The kernel's log, from here on */
static inline int kernel_log(void)
{
	int kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (kmsg >= 0)
		lseek(kmsg, 0, SEEK_END);
	return kmsg;
}

/* What the kernel complained about since the last call */
static inline bool kernel_warned(int kmsg, char *line, size_t size)
{
	bool warned = false;
	char rec[8192], *text;
	ssize_t n;

	for (;;) {
		n = read(kmsg, rec, sizeof(rec) - 1);
		if (n < 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			return warned;
		rec[n] = '\0';
		text = strchr(rec, ';');
		if (warned || !text || atoi(rec) >> 3)
			continue;
		text++;
		text[strcspn(text, "\n")] = '\0';
		if (!strstr(text, "vfree()") && !strstr(text, "WARNING:") &&
		    !strstr(text, "Unexpected gfp") &&
		    !strstr(text, "kernel BUG at"))
			continue;
		snprintf(line, size, "%s", text);
		warned = true;
	}
}

/* Setting up and leaving nothing behind */

/* An origin that is full of 'O', and a COW device that can be reloaded */
struct snapshot_disks {
	char origin[64];
	char cow_disk[64];
	char cow[64];
};

static inline int snapshot_disks_new(struct snapshot_disks *d, uint64_t size)
{
	int r;

	strcpy(d->origin, disk_path("origin"));
	strcpy(d->cow_disk, disk_path("cow"));
	r = disk_new("origin", size / 2048, 0);
	if (!r)
		r = disk_new("cow", size / 2048, 0);
	if (!r)
		r = put(d->origin, 0, size, 'O');
	if (!r)
		r = dm_new("cow", "0 %llu linear %s 0",
			   (unsigned long long)size, d->cow_disk);
	if (!r)
		strcpy(d->cow, dm_path("cow"));
	return r;
}

static void cleanup(void)
{
	if (getpid() != main_pid)
		return;
	if (extra_cleanup)
		extra_cleanup();
	remove_all();
	if (module_loaded && system("modprobe -r null_blk"))
		ksft_print_msg("null_blk stays loaded\n");
}

static void on_signal(int sig)
{
	cleanup();
	_exit(128 + sig);
}

/* Set up, or exit saying why the tests cannot run. @targets: what is needed */
static inline void dm_snapshot_test_init(void (*undo)(void),
					 const char * const *targets)
{
	struct sigaction sa = { .sa_handler = on_signal };

	main_pid = getpid();
	extra_cleanup = undo;
	atexit(cleanup);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);

	if (geteuid())
		ksft_exit_skip("has to be root\n");
	if (access(CONTROL, R_OK | W_OK))
		ksft_exit_skip("%s: %s\n", CONTROL, strerror(errno));
	if (access("/sys/module/null_blk", F_OK))
		module_loaded = !system("modprobe null_blk nr_devices=0 2>/dev/null");
	if (access(NULLB, F_OK))
		ksft_exit_skip("no null_blk with configfs\n");
	for (; *targets; targets++) {
		char cmd[64];

		if (dm_has_target(*targets))
			continue;
		snprintf(cmd, sizeof(cmd), "modprobe dm-%s 2>/dev/null",
			 *targets);
		if (system(cmd) || !dm_has_target(*targets))
			ksft_exit_skip("no dm target %s\n", *targets);
	}
	remove_all();
}

#endif /* _DM_SNAPSHOT_TEST_H */
