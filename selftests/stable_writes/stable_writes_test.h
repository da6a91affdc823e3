/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the stable_writes selftests share. Include after kselftest_harness.h.
 *
 *  - memory backed null_blk disks: disk_remove(), disk_stable()
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
#include <linux/loop.h>
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
#include <sys/wait.h>
#include <unistd.h>

#define PREFIX		"stabletest_"
#include "../storage/dm.h"
#include "../storage/scsi_debug.h"

#define MNT		"/tmp/" PREFIX "mnt"

static pid_t main_pid;
static bool null_blk_loaded, scsi_debug_loaded;
static void (*extra_cleanup)(void);

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

/* A number below integrity/ of /dev/NAME, -1 if there is none */
static inline long long integrity_attr(const char *dev, const char *attr)
{
	char path[128], buf[64];

	snprintf(path, sizeof(path), "/sys/block/%s/integrity/%s",
		 strrchr(dev, '/') + 1, attr);
	return read_file(path, buf, sizeof(buf)) ? -1 : atoll(buf);
}

/* Disks in memory */

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

/* A filesystem on it stays as it is: nothing is synced, nothing frozen */
static inline int dm_suspend(const char *name)
{
	return dm_simple(DM_DEV_SUSPEND, name,
			 DM_SUSPEND_FLAG | DM_SKIP_LOCKFS_FLAG);
}

/*
 * A disk with protection information that is checked on every write, or NULL.
 * One command at a time, so that writes wait in the scheduler after their
 * checksum was made: what is changed meanwhile does not match it any more.
 */
static inline const char *pi_disk_of(unsigned int megabytes,
				     const char *parameters)
{
	char text[256];
	const char *path;

	snprintf(text, sizeof(text), "dev_size_mb=%u dix=1 ato=1 lbpu=0 "
		 "max_queue=1 can_queue=1 delay=0 %s", megabytes, parameters);
	path = scsi_debug_new(text, &scsi_debug_loaded);
	if (!path)
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

/*
 * The NVMe disk with protection information that the guest has, or the zoned
 * one, or NULL
 */
static inline const char *pi_nvme(bool zoned)
{
	uint64_t range[2] = {};
	static char path[64];
	char name[128], format[64], zones[32];
	struct dirent *de;
	DIR *dir;
	int fd;

	path[0] = '\0';
	dir = opendir("/sys/block");
	while (dir && !path[0] && (de = readdir(dir))) {
		snprintf(name, sizeof(name), "/sys/block/%.64s/integrity/format",
			 de->d_name);
		if (strncmp(de->d_name, "nvme", 4) ||
		    read_file(name, format, sizeof(format)) ||
		    !strstr(format, "T10-DIF-TYPE1-CRC"))
			continue;
		snprintf(name, sizeof(name), "/sys/block/%.64s/queue/zoned",
			 de->d_name);
		if (!read_file(name, zones, sizeof(zones)) &&
		    !strncmp(zones, "none", 4) != zoned)
			snprintf(path, sizeof(path), "/dev/%.40s", de->d_name);
	}
	if (dir)
		closedir(dir);
	if (zoned)
		return path[0] ? path : NULL;
	/* What was never written has no reference tags, and cannot be read */
	fd = path[0] ? open(path, O_RDWR) : -1;
	if (fd < 0)
		return NULL;
	if (ioctl(fd, BLKGETSIZE64, &range[1]) || ioctl(fd, BLKZEROOUT, range))
		path[0] = '\0';
	close(fd);
	return path[0] ? path : NULL;
}

/* By its own requirement, or as it has protection information itself */
static inline bool needs_stable(const char *dev)
{
	char path[128], format[64];

	snprintf(path, sizeof(path), "/sys/block/%s/integrity/format",
		 strrchr(dev, '/') + 1);
	if (!read_file(path, format, sizeof(format)) &&
	    strncmp(format, "none", 4))
		return true;
	return queue_attr(dev, "stable_writes") == 1;
}

/* Loop devices, one at a time */

static char loop_dev[64];

/* A loop device on @file, with direct I/O */
static inline int loop_new(const char *file)
{
	struct loop_config config = { .block_size = 512 };
	int control, fd, n, r = 0;

	control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	if (control < 0)
		return -errno;
	n = ioctl(control, LOOP_CTL_GET_FREE);
	close(control);
	if (n < 0)
		return -errno;
	config.fd = open(file, O_RDWR | O_CLOEXEC);
	if ((int)config.fd < 0)
		return -errno;
	snprintf(loop_dev, sizeof(loop_dev), "/dev/loop%d", n);
	fd = open(loop_dev, O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, LOOP_CONFIGURE, &config))
		r = -errno;
	close(config.fd);
	if (!r && needs_stable(loop_dev))
		r = -EEXIST;	/* not as long as it is buffered */
	if (!r && ioctl(fd, LOOP_SET_DIRECT_IO, 1UL))
		r = -errno;
	close(fd);
	return r;
}

static inline void loop_remove(void)
{
	int fd;

	if (!loop_dev[0])
		return;
	fd = open(loop_dev, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		ioctl(fd, LOOP_CLR_FD, 0);
	close(fd);
	loop_dev[0] = '\0';
}

/* A thin device, whose metadata is on a disk in memory */
static inline int thin_new(const char *name, const char *data,
			   unsigned long long size)
{
	struct dm_request req = {};
	struct dm_target_msg *msg = (struct dm_target_msg *)req.data;
	int r;

	r = disk_new("meta", 4, 0);
	if (!r)
		r = dm_new("pool", "0 %llu thin-pool %s %s 128 0", size,
			   disk_path("meta"), data);
	if (r)
		return r;
	strcpy(msg->message, "create_thin 0");
	r = dm_call(DM_TARGET_MSG, "pool", 0, &req);
	return r ? r : dm_new(name, "0 %llu thin %s 0", size, dm_path("pool"));
}

/* Clean up */

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
	umount2(MNT, MNT_DETACH);
	rmdir(MNT);
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
