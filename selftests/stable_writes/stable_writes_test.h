/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the stable_writes selftests share. Include after kselftest_harness.h.
 *
 *  - memory backed null_blk disks: disk_new(), disk_set()
 *  - device-mapper devices through the ioctls of /dev/mapper/control and
 *    without udev: dm_new(), dm_load(), dm_suspend(), dm_resume(), ...
 *  - a disk with protection information that is verified on write: pi_disk()
 *
 * All names begin with PREFIX, so that cleanup() finds what a test has left.
 */
#ifndef _STABLE_WRITES_TEST_H
#define _STABLE_WRITES_TEST_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PREFIX		"stabletest_"
#define CONTROL		"/dev/mapper/control"
#define NULLB		"/sys/kernel/config/nullb/"
#define MNT		"/tmp/" PREFIX "mnt"

static pid_t main_pid;
static bool null_blk_loaded, scsi_debug_loaded;
static void (*extra_cleanup)(void);

static inline void sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, (ms % 1000) * 1000000L };

	nanosleep(&ts, NULL);
}

static inline unsigned long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

static inline int write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, value, strlen(value));
	if (ret < 0)
		ret = -errno;
	close(fd);
	return ret < 0 ? ret : 0;
}

static inline int read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t ret;

	buf[0] = '\0';
	if (fd < 0)
		return -errno;
	ret = read(fd, buf, size - 1);
	if (ret < 0)
		ret = -errno;
	else
		buf[ret] = '\0';
	close(fd);
	return ret < 0 ? ret : 0;
}

static inline __attribute__((format(printf, 1, 2)))
int run(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}

/* The value of a queue attribute of /dev/NAME, -1 if there is none */
static inline long queue_attr(const char *dev, const char *attr)
{
	const char *name = strrchr(dev, '/') ? strrchr(dev, '/') + 1 : dev;
	char path[128], buf[64];

	snprintf(path, sizeof(path), "/sys/block/%s/queue/%s", name, attr);
	return read_file(path, buf, sizeof(buf)) ? -1 : atol(buf);
}

/* Disks in memory */

static inline int disk_set(const char *name, const char *key, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), NULLB PREFIX "%s/%s", name, key);
	return write_file(path, value);
}

static inline const char *disk_path(const char *name)
{
	static char path[4][64];
	static unsigned int n;
	char *p = path[n++ % 4];

	snprintf(p, sizeof(path[0]), "/dev/" PREFIX "%s", name);
	return p;
}

static inline int disk_new(const char *name, unsigned long megabytes)
{
	char path[128], value[32];
	int r, i;

	snprintf(path, sizeof(path), NULLB PREFIX "%s", name);
	if (mkdir(path, 0755))
		return -errno;
	snprintf(value, sizeof(value), "%lu", megabytes);
	r = disk_set(name, "size", value);
	if (!r)
		r = disk_set(name, "blocksize", "512");
	if (!r)
		r = disk_set(name, "memory_backed", "1");
	if (!r)
		r = disk_set(name, "power", "1");
	for (i = 0; !r && access(disk_path(name), F_OK) && i < 100; i++)
		sleep_ms(20);
	return r ? r : access(disk_path(name), F_OK) ? -errno : 0;
}

static inline void disk_remove(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), NULLB PREFIX "%s", name);
	rmdir(path);
}

/* Does a write to /dev/NAME have to be stable? */
static inline int disk_stable(const char *name, bool stable)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/block/%s/queue/stable_writes", name);
	return write_file(path, stable ? "1" : "0");
}

/* device-mapper */

struct dm_request {
	struct dm_ioctl io;
	char data[4096];
};

static inline int dm_call(unsigned long cmd, const char *name, uint32_t flags,
			  struct dm_request *req)
{
	int fd = open(CONTROL, O_RDWR | O_CLOEXEC), r = 0;

	if (fd < 0)
		return -errno;
	req->io.version[0] = DM_VERSION_MAJOR;
	req->io.data_size = sizeof(*req);
	req->io.data_start = offsetof(struct dm_request, data);
	req->io.flags = flags;
	if (name)
		snprintf(req->io.name, sizeof(req->io.name), PREFIX "%s", name);
	if (ioctl(fd, cmd, req))
		r = -errno;
	close(fd);
	return r;
}

static inline int dm_simple(unsigned long cmd, const char *name, uint32_t flags)
{
	struct dm_request req = {};

	return dm_call(cmd, name, flags, &req);
}

/* A filesystem on it stays as it is: nothing is synced, nothing frozen */
static inline int dm_suspend(const char *name)
{
	return dm_simple(DM_DEV_SUSPEND, name,
			 DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG);
}

static inline int dm_resume(const char *name)
{
	return dm_simple(DM_DEV_SUSPEND, name, 0);
}

static inline int dm_remove(const char *name)
{
	int r, i;

	/* Something may still have it open, for a moment */
	for (i = 0; i < 250; i++) {
		r = dm_simple(DM_DEV_REMOVE, name, 0);
		if (r != -EBUSY)
			break;
		sleep_ms(20);
	}
	return r;
}

static inline const char *dm_path(const char *name)
{
	static char path[4][64];
	static unsigned int n;
	struct dm_request req = {};
	char *p = path[n++ % 4];

	if (dm_call(DM_DEV_STATUS, name, 0, &req))
		snprintf(p, sizeof(path[0]), "/nonexistent/%s", name);
	else
		snprintf(p, sizeof(path[0]), "/dev/dm-%u", minor(req.io.dev));
	return p;
}

static inline int dm_vload(const char *name, const char *fmt, va_list ap)
{
	struct dm_request req = {};
	struct dm_target_spec *spec = (struct dm_target_spec *)req.data;
	unsigned long long start, length;
	char table[1024];
	int n;

	vsnprintf(table, sizeof(table), fmt, ap);
	if (sscanf(table, "%llu %llu %15s %n", &start, &length,
		   spec->target_type, &n) < 3)
		return -EINVAL;
	spec->sector_start = start;
	spec->length = length;
	strcpy((char *)(spec + 1), table + n);
	req.io.target_count = 1;
	return dm_call(DM_TABLE_LOAD, name, 0, &req);
}

/* Load a table of one line, written as for dmsetup */
static inline __attribute__((format(printf, 2, 3)))
int dm_load(const char *name, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = dm_vload(name, fmt, ap);
	va_end(ap);
	return r;
}

static inline __attribute__((format(printf, 2, 3)))
int dm_new(const char *name, const char *fmt, ...)
{
	va_list ap;
	int r = dm_simple(DM_DEV_CREATE, name, 0);

	if (r)
		return r;
	va_start(ap, fmt);
	r = dm_vload(name, fmt, ap);
	va_end(ap);
	if (!r)
		r = dm_resume(name);
	if (r)
		dm_remove(name);
	return r;
}

static inline bool dm_has_target(const char *name)
{
	struct dm_request req = {};
	struct dm_target_versions *v;
	char *p;

	if (dm_call(DM_LIST_VERSIONS, NULL, 0, &req))
		return false;
	p = (char *)&req + req.io.data_start;
	for (;;) {
		v = (struct dm_target_versions *)p;
		if (!strcmp(v->name, name))
			return true;
		if (!v->next)
			return false;
		p += v->next;
	}
}

/*
 * A disk with protection information that is checked on every write, or NULL.
 * One command at a time, so that writes wait in the scheduler after their
 * checksum was made: what is changed meanwhile does not match it any more.
 */
static inline const char *pi_disk_of(unsigned int megabytes,
				     const char *parameters)
{
	static char path[64];
	char name[256], model[32];
	struct dirent *de;
	DIR *dir;
	int i;

	path[0] = '\0';
	if (!access("/sys/module/scsi_debug", F_OK) ||
	    run("modprobe -q scsi_debug dev_size_mb=%u dix=1 ato=1 lbpu=0 "
		"max_queue=1 can_queue=1 delay=0 %s >/dev/null 2>&1", megabytes,
		parameters))
		return NULL;
	scsi_debug_loaded = true;
	for (i = 0; !path[0] && i < 250; i++, sleep_ms(20)) {
		dir = opendir("/sys/block");
		while (dir && (de = readdir(dir))) {
			snprintf(name, sizeof(name),
				 "/sys/block/%.64s/device/model", de->d_name);
			if (!strncmp(de->d_name, "sd", 2) &&
			    !read_file(name, model, sizeof(model)) &&
			    !strncmp(model, "scsi_debug", 10))
				snprintf(path, sizeof(path), "/dev/%.40s",
					 de->d_name);
		}
		if (dir)
			closedir(dir);
		if (path[0] && access(path, F_OK))
			path[0] = '\0';
	}
	if (!path[0])
		return NULL;
	/* Its WRITE SAME leaves the protection information as it was */
	run("echo 0 | tee /sys/block/%s/device/scsi_disk/*/max_write_same_blocks "
	    ">/dev/null", strrchr(path, '/') + 1);
	return path;
}

static inline const char *pi_disk(unsigned int megabytes)
{
	return pi_disk_of(megabytes, "dif=1");
}

/* Clean up */

static inline void remove_all(void)
{
	struct dm_request req = {};
	struct dirent *de;
	char path[512];
	int i;
	DIR *dir;

	umount2(MNT, MNT_DETACH);
	rmdir(MNT);
	/* One device may lie on another: the one on top goes first */
	for (i = 0; i < 8; i++) {
		struct dm_name_list *nl;
		char *p;
		bool any = false;

		memset(&req, 0, sizeof(req));
		if (dm_call(DM_LIST_DEVICES, NULL, 0, &req))
			break;
		p = (char *)&req + req.io.data_start;
		for (nl = (struct dm_name_list *)p; nl->dev;
		     nl = (struct dm_name_list *)((char *)nl + nl->next)) {
			if (!strncmp(nl->name, PREFIX, strlen(PREFIX))) {
				any = true;
				dm_simple(DM_DEV_REMOVE,
					  nl->name + strlen(PREFIX), 0);
			}
			if (!nl->next)
				break;
		}
		if (!any)
			break;
		sleep_ms(50);
	}
	dir = opendir(NULLB);
	while (dir && (de = readdir(dir))) {
		if (strncmp(de->d_name, PREFIX, strlen(PREFIX)))
			continue;
		snprintf(path, sizeof(path), NULLB "%s", de->d_name);
		rmdir(path);
	}
	if (dir)
		closedir(dir);
}

static inline void unload(const char *module, bool loaded)
{
	int i;

	/* What was on it may be let go of a little later */
	for (i = 0; loaded && i < 50; i++, sleep_ms(50))
		if (!run("modprobe -r %s 2>/dev/null", module))
			return;
	if (loaded)
		ksft_print_msg("%s stays loaded\n", module);
}

static void cleanup(void)
{
	if (getpid() != main_pid)
		return;
	if (extra_cleanup)
		extra_cleanup();
	remove_all();
	unload("scsi_debug", scsi_debug_loaded);
	unload("null_blk", null_blk_loaded);
}

static void on_signal(int sig)
{
	cleanup();
	_exit(128 + sig);
}

/* Set up, or exit saying why the tests cannot run */
static inline void stable_writes_test_init(void (*undo)(void))
{
	struct sigaction sa = { .sa_handler = on_signal };

	if (geteuid())
		ksft_exit_skip("has to be root\n");
	if (access(CONTROL, R_OK | W_OK))
		ksft_exit_skip("%s: %s\n", CONTROL, strerror(errno));
	main_pid = getpid();
	extra_cleanup = undo;
	atexit(cleanup);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	mkdir("/tmp", 0755);
	mkdir(MNT, 0755);
}

static inline void need_null_blk(void)
{
	if (access("/sys/module/null_blk", F_OK))
		null_blk_loaded = !system("modprobe -q null_blk nr_devices=0");
	if (access(NULLB, F_OK))
		ksft_exit_skip("no null_blk with configfs\n");
}

static inline void need_target(const char *name)
{
	if (!dm_has_target(name) &&
	    (run("modprobe -q dm-%s", name) || !dm_has_target(name)))
		ksft_exit_skip("no dm target %s\n", name);
}

#endif /* _STABLE_WRITES_TEST_H */
