/* SPDX-License-Identifier: GPL-2.0 */
/*
 * null_blk disks, and device-mapper devices through the ioctls of
 * /dev/mapper/control and without udev, for the selftests of storage.
 *
 * Define PREFIX first: the names of all disks and devices begin with it, so
 * that remove_all() finds what a test has left.
 *
 * Functions return 0, or a negative errno if they fail, unless they say
 * otherwise.
 */
#ifndef _STORAGE_DM_H
#define _STORAGE_DM_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "files.h"

#define CONTROL		"/dev/mapper/control"
#define NULLB		"/sys/kernel/config/nullb/"

/* The node of a disk: good until the fourth call from now */
static inline const char *disk_path(const char *name)
{
	static char path[4][64];
	static unsigned int n;
	char *p = path[n++ % 4];

	snprintf(p, sizeof(path[0]), "/dev/" PREFIX "%s", name);
	return p;
}

static inline int disk_set(const char *name, const char *key, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), NULLB PREFIX "%s/%s", name, key);
	return write_file(path, value);
}

/* A disk in memory that is still to be set up, and switched on by disk_on() */
static inline int disk_prepare(const char *name, unsigned long megabytes)
{
	char path[128], value[32];
	int r;

	snprintf(path, sizeof(path), NULLB PREFIX "%s", name);
	if (mkdir(path, 0755))
		return -errno;
	snprintf(value, sizeof(value), "%lu", megabytes);
	r = disk_set(name, "size", value);
	if (!r)
		r = disk_set(name, "blocksize", "512");
	if (!r)
		r = disk_set(name, "memory_backed", "1");
	return r;
}

static inline int disk_on(const char *name)
{
	int r = disk_set(name, "power", "1"), i;

	for (i = 0; !r && access(disk_path(name), F_OK) && i < 100; i++)
		sleep_ms(20);
	return r ? r : access(disk_path(name), F_OK) ? -errno : 0;
}

/* A disk in memory. @discard: 1 if it shall support discard, otherwise 0 */
static inline int disk_new(const char *name, unsigned long megabytes,
			   int discard)
{
	int r = disk_prepare(name, megabytes);

	if (!r && discard)
		r = disk_set(name, "discard", "1");
	return r ? r : disk_on(name);
}

/* A field of the disk's statistics */
#define STAT_READS	0U
#define STAT_WRITES	4U
#define STAT_FLUSHES	15U

static inline unsigned long disk_stat(const char *name, unsigned int field)
{
	char path[128], stat[512], *p = stat;
	unsigned long v = 0;
	unsigned int i;

	snprintf(path, sizeof(path), "/sys/block/" PREFIX "%s/stat", name);
	if (read_file(path, stat, sizeof(stat)))
		return 0;
	for (i = 0; i <= field; i++)
		v = strtoul(p, &p, 10);
	return v;
}

struct dm_request {
	struct dm_ioctl io;
	char data[8192];
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

static inline int dm_resume(const char *name)
{
	return dm_simple(DM_DEV_SUSPEND, name, 0);
}

static inline int dm_create(const char *name)
{
	return dm_simple(DM_DEV_CREATE, name, 0);
}

static inline int dm_remove(const char *name)
{
	int r, i;

	/* Something may still have it open, for a moment */
	for (i = 0; i < 500; i++) {
		r = dm_simple(DM_DEV_REMOVE, name, 0);
		if (r != -EBUSY)
			break;
		sleep_ms(20);
	}
	return r;
}

/* The node that devtmpfs has for the device */
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

/* Load a table, written as for dmsetup: lines of START LENGTH TARGET ARGS */
static inline int dm_vload(const char *name, const char *fmt, va_list ap)
{
	struct dm_request req = {};
	char table[2048], *line, *save;
	char *p = req.data;

	vsnprintf(table, sizeof(table), fmt, ap);
	for (line = strtok_r(table, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		struct dm_target_spec *spec = (struct dm_target_spec *)p;
		unsigned long long start, length;
		int n;

		if (sscanf(line, "%llu %llu %15s %n", &start, &length,
			   spec->target_type, &n) < 3)
			return -EINVAL;
		spec->sector_start = start;
		spec->length = length;
		strcpy((char *)(spec + 1), line + n);
		p += (sizeof(*spec) + strlen(line + n) + 1 + 7) & ~7UL;
		spec->next = p - (char *)spec;
		req.io.target_count++;
	}
	return dm_call(DM_TABLE_LOAD, name, 0, &req);
}

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
	int r = dm_create(name);

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

static inline void remove_all(void)
{
	struct dm_request req;
	struct dm_name_list *l;
	struct dirent *d;
	char path[512], *p;
	int i, left = 1;
	DIR *dir;

	/* A device goes when those on top of it are gone */
	for (i = 0; i < 20 && left; i++) {
		memset(&req, 0, sizeof(req));
		if (dm_call(DM_LIST_DEVICES, NULL, 0, &req))
			break;
		left = 0;
		p = (char *)&req + req.io.data_start;
		do {
			l = (struct dm_name_list *)p;
			if (l->dev && !strncmp(l->name, PREFIX,
					       strlen(PREFIX)) &&
			    dm_simple(DM_DEV_REMOVE, l->name + strlen(PREFIX), 0))
				left++;
			p += l->next;
		} while (l->next);
		if (left)
			sleep_ms(50);
	}

	dir = opendir(NULLB);
	while (dir && (d = readdir(dir))) {
		if (strncmp(d->d_name, PREFIX, strlen(PREFIX)))
			continue;
		snprintf(path, sizeof(path), NULLB "%s", d->d_name);
		rmdir(path);
	}
	if (dir)
		closedir(dir);
}

#endif /* _STORAGE_DM_H */
