/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The disks of test_modules/test_dm_snapshot.ko. Include after
 * dm_snapshot_test.h.
 */
#ifndef _SNAPDISK_H
#define _SNAPDISK_H

#include <linux/aio_abi.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "test_modules/test_dm_snapshot.h"

#define SNAPDISK	"test_dm_snapshot"
#define SNAPDISK_PARAM	"/sys/module/" SNAPDISK "/parameters/"
#define SNAPDISK_LOG	"/sys/kernel/debug/" SNAPDISK "/journal"
#define AIO_DEPTH	64U

static bool snapdisk_loaded;

static inline const char *snapdisk(unsigned int i)
{
	static const char * const path[TEST_DISKS] = {
		"/dev/snapdisk0", "/dev/snapdisk1", "/dev/snapdisk2",
	};

	return path[i];
}

static inline int snapdisk_set(const char *param, unsigned long long value)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), SNAPDISK_PARAM "%s", param);
	snprintf(text, sizeof(text), "%llu", value);
	return write_file(path, text);
}

static inline unsigned int snapdisk_get(const char *param)
{
	char path[128], text[32];

	snprintf(path, sizeof(path), SNAPDISK_PARAM "%s", param);
	if (read_file(path, text, sizeof(text)))
		return ~0U;
	return strtoul(text, NULL, 10);
}

static void snapdisk_cleanup(void)
{
	remove_all();
	if (snapdisk_loaded && syscall(SYS_delete_module, SNAPDISK, 0))
		ksft_print_msg(SNAPDISK ": %s\n", strerror(errno));
	snapdisk_loaded = false;
}

/* Load the module. @args: its parameters */
static inline int snapdisk_load(const char *args)
{
	int r, i;

	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	r = load_test_module(SNAPDISK, args);
	if (r)
		return r;
	snapdisk_loaded = true;
	for (i = 0; access(snapdisk(TEST_DISKS - 1), F_OK) && i < 100; i++)
		sleep_ms(20);
	return access(snapdisk(TEST_DISKS - 1), F_OK) ? -errno : 0;
}

static inline void *snapdisk_journal(size_t *size)
{
	int fd = open(SNAPDISK_LOG, O_RDONLY | O_CLOEXEC);
	size_t have = 0, room = 1 << 20;
	char *buf = malloc(room);
	ssize_t n;

	if (fd < 0)
		return NULL;
	while ((n = read(fd, buf + have, room - have)) > 0) {
		have += n;
		if (have == room)
			buf = realloc(buf, room *= 2);
	}
	close(fd);
	*size = have;
	return buf;
}

/* Writes that are on their way together */

struct extent {
	unsigned int sector;
	unsigned int nr;
};

/* Returns the number of those that failed, or less than 0 */
static inline int put_async(const char *path, const struct extent *e,
			    unsigned int nr, unsigned char tag)
{
	aio_context_t ctx = 0;
	static unsigned char *buf;
	int fd = open(path, O_WRONLY | O_DIRECT | O_CLOEXEC), failed = 0;
	unsigned int i, j, n, sum = 0;
	struct io_event events[AIO_DEPTH];
	struct iocb cb[AIO_DEPTH], *p[AIO_DEPTH];
	uint64_t *word;

	if (fd < 0)
		return -errno;
	if (!buf && posix_memalign((void **)&buf, 4096, MAX_IO))
		return -ENOMEM;
	if (syscall(SYS_io_setup, AIO_DEPTH, &ctx))
		return -errno;
	for (; nr; nr -= n, e += n) {
		n = nr < AIO_DEPTH ? nr : AIO_DEPTH;
		word = (uint64_t *)buf;
		memset(cb, 0, sizeof(cb));
		for (i = 0, sum = 0; i < n; i++) {
			cb[i].aio_fildes = fd;
			cb[i].aio_lio_opcode = IOCB_CMD_PWRITE;
			cb[i].aio_buf = (uintptr_t)word;
			cb[i].aio_nbytes = e[i].nr * SECTOR;
			cb[i].aio_offset = e[i].sector * SECTOR;
			p[i] = &cb[i];
			sum += e[i].nr;
			if (sum * SECTOR > MAX_IO)
				return -EINVAL;
			for (j = 0; j < e[i].nr * 64; j++)
				*word++ = htole64(pattern(tag, e[i].sector +
							  j / 64));
		}
		if (syscall(SYS_io_submit, ctx, n, p) != n)
			return -EIO;
		if (syscall(SYS_io_getevents, ctx, n, n, events, NULL) != n)
			return -EIO;
		for (i = 0; i < n; i++)
			failed += events[i].res < 0;
	}
	syscall(SYS_io_destroy, ctx);
	close(fd);
	return failed;
}

static inline int flush_disk(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), r = 0;

	if (fd < 0 || fsync(fd))
		r = -errno;
	if (fd >= 0)
		close(fd);
	return r;
}

#endif /* _SNAPDISK_H */
