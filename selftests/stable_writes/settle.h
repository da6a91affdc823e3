/* SPDX-License-Identifier: GPL-2.0 */
/*
 * I/O on a disk with protection information, for tests of what the block layer
 * does when it does not match. The disk is from scsi_debug, see insert(), or
 * pi and pi_name say which it is.
 */
#ifndef _SETTLE_H
#define _SETTLE_H

#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "stable_writes_test.h"

#define MEGABYTES	8
#define SECTOR		512
#define PAGE		4096
#define BUFFER		(1 << 20)
#define DELAY		"/sys/module/scsi_debug/parameters/ndelay"
#define WRITE_10	0x2a
#define WRITE_ATOMIC_16	0x9c
#ifndef RWF_ATOMIC
#define RWF_ATOMIC	0x40
#endif

static const char *pi, *pi_name;
static char scsi_id[32];
static char *buffer;		/* shared with those who write and read */
static struct {			/* shared, too */
	char options[128], dev[64];
} *disk;
static int kmsg = -1;

struct io {
	bool write;
	bool together;		/* a bio for each of iov, sent off as one */
	int flags, rwf;
	const char *dev;
	off_t pos;
	struct iovec iov[4];
	int nr;
	pid_t pid;
};

/* Commands that begin from now on take so long */
static inline void set_delay(unsigned int ms)
{
	char value[32];

	snprintf(value, sizeof(value), "%u", ms ? ms * 1000000 : 1);
	write_file(DELAY, value);
}

static inline int queue_set(const char *attr, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/block/%s/%s", pi_name, attr);
	return write_file(path, value);
}

/* A counter below integrity/, -1 if there is none */
static inline long long counter(const char *name)
{
	return integrity_attr(pi, name);
}

/* The same on NVMe, for commands of any kind */
static inline int inject_nvme(int nr)
{
	static const char * const name[] = {
		"status", "dont_retry", "interval", "times", "probability",
	};
	const char *value[] = { "0x282", "Y", "1", NULL, nr ? "100" : "0" };
	char path[128], times[16];
	int i, r = 0;

	snprintf(times, sizeof(times), "%d", nr);
	value[3] = times;
	for (i = 0; !r && i < 5; i++) {
		snprintf(path, sizeof(path),
			 "/sys/kernel/debug/%s/fault_inject/%s", pi_name,
			 name[i]);
		r = write_file(path, value[i]);
	}
	return r;
}

/* Let the next @nr commands of this kind fail with a guard error */
static inline int inject(int command, int nr)
{
	char path[128], line[64];

	if (!strncmp(pi_name, "nvme", 4))
		return inject_nvme(nr);
	snprintf(path, sizeof(path), "/sys/kernel/debug/scsi_debug/%s/error",
		 scsi_id);
	snprintf(line, sizeof(line), "2 -%d 0x%x 0 0 0x2 0xb 0x10 0x1", nr,
		 command);
	return write_file(path, line);
}

/* Lines in the log since the last call that say @what */
static inline unsigned int log_lines(const char *what)
{
	char line[1024];
	unsigned int n = 0;
	ssize_t len;

	for (;;) {
		len = read(kmsg, line, sizeof(line) - 1);
		if (len < 0 && errno == EPIPE)
			continue;
		if (len <= 0)
			return n;
		line[len] = '\0';
		if (strstr(line, what))
			n++;
	}
}

static inline void forget_log(void)
{
	lseek(kmsg, 0, SEEK_END);
}

/* Three or more of them are collected in a plug, where they are merged */
static inline ssize_t write_together(int fd, const struct io *io)
{
	struct iocb iocb[4] = {}, *p[4];
	struct io_event event[4];
	aio_context_t ctx = 0;
	off_t pos = io->pos;
	ssize_t len = 0;
	int i;

	for (i = 0; i < io->nr; i++) {
		p[i] = &iocb[i];
		iocb[i].aio_lio_opcode = IOCB_CMD_PWRITE;
		iocb[i].aio_fildes = fd;
		iocb[i].aio_buf = (unsigned long)io->iov[i].iov_base;
		iocb[i].aio_nbytes = io->iov[i].iov_len;
		iocb[i].aio_offset = pos;
		pos += io->iov[i].iov_len;
	}
	if (syscall(__NR_io_setup, io->nr, &ctx) ||
	    syscall(__NR_io_submit, ctx, io->nr, p) != io->nr ||
	    syscall(__NR_io_getevents, ctx, io->nr, io->nr, event, NULL) !=
	    io->nr)
		return -1;
	for (i = 0; i < io->nr; i++) {
		if (event[i].res < 0) {
			errno = -event[i].res;
			return -1;
		}
		len += event[i].res;
	}
	return len;
}

static inline int do_io(struct io *io)
{
	ssize_t len = 0, r;
	int fd, i;

	fd = open(io->dev ? io->dev : pi, O_RDWR | O_DIRECT | io->flags);
	if (fd < 0)
		return errno;
	for (i = 0; i < io->nr; i++)
		len += io->iov[i].iov_len;
	if (io->together)
		r = write_together(fd, io);
	else if (io->write)
		r = pwritev2(fd, io->iov, io->nr, io->pos, io->rwf);
	else
		r = preadv(fd, io->iov, io->nr, io->pos);
	r = r == len ? 0 : r < 0 ? errno : EIO;
	close(fd);
	return r;
}

/* In a process of its own, until that waits for the disk */
static inline void start_io(struct io *io)
{
	io->pid = fork();
	if (!io->pid)
		_exit(do_io(io));
	await_state(io->pid, "DZ", 2000);
}

static inline int end_io(struct io *io)
{
	int status = 0;

	waitpid(io->pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static inline void set_io(struct io *io, bool write, off_t pos, char *buf,
			  size_t len)
{
	memset(io, 0, sizeof(*io));
	io->write = write;
	io->pos = pos;
	io->iov[0].iov_base = buf;
	io->iov[0].iov_len = len;
	io->nr = 1;
}

static inline void check_data(struct __test_metadata *_metadata,
			      const char *dev, off_t pos, const char *data,
			      size_t len)
{
	char *buf = buffer + BUFFER;
	struct io io;

	set_io(&io, false, pos, buf, len);
	io.dev = dev;
	ASSERT_EQ(0, do_io(&io))
		TH_LOG("what was written cannot be read");
	EXPECT_EQ(0, memcmp(buf, data, len))
		TH_LOG("the disk has something else than the buffer");
}

/* An empty disk with these parameters, or the one that is there */
static inline void insert(struct __test_metadata *_metadata,
			  const char *options)
{
	char path[128], link[256];
	ssize_t len;

	if (strcmp(disk->options, options)) {
		unload("scsi_debug", disk->dev[0]);
		disk->dev[0] = '\0';
		snprintf(path, sizeof(path), "ndelay=1 %s", options);
		pi = pi_disk_of(MEGABYTES, path);
		if (!pi)
			SKIP(return, "no scsi_debug with %s, or it is in use",
			     options);
		snprintf(disk->options, sizeof(disk->options), "%s", options);
		snprintf(disk->dev, sizeof(disk->dev), "%s", pi);
	}
	pi = disk->dev;
	pi_name = strrchr(pi, '/') + 1;
	snprintf(path, sizeof(path), "/sys/block/%s/device", pi_name);
	len = readlink(path, link, sizeof(link) - 1);
	ASSERT_LT(0, len);
	link[len] = '\0';
	snprintf(scsi_id, sizeof(scsi_id), "%.31s", strrchr(link, '/') + 1);
	snprintf(path, sizeof(path), "/sys/block/%s/integrity/format", pi_name);
	ASSERT_EQ(0, read_file(path, link, sizeof(link)));
	if (!strncmp(link, "none", 4))
		SKIP(return, "no protection information with %s", options);
	memset(buffer, 0, 2 * BUFFER);
	set_delay(0);
	queue_set("integrity/conflict_mode", "settle");
	queue_set("integrity/write_generate", "1");
	snprintf(path, sizeof(path), "/sys/block/%s/queue/max_hw_sectors_kb",
		 pi_name);
	ASSERT_EQ(0, read_file(path, link, sizeof(link)));
	ASSERT_EQ(0, queue_set("queue/max_sectors_kb", link));
}

/* The next test needs another disk */
static inline void used_up(void)
{
	disk->options[0] = '\0';
}

/* A write whose @nr commands, and those that follow, find guard errors */
static inline int write_with_errors(struct __test_metadata *_metadata,
				    size_t len, int command, int nr,
				    unsigned int *reported)
{
	struct io io;
	int r;

	memset(buffer, 'C', len);
	set_io(&io, true, 0, buffer, len);
	if (command == WRITE_ATOMIC_16)
		io.rwf = RWF_ATOMIC;
	if (nr && inject(command, nr))
		SKIP(return -1, "errors cannot be injected");
	forget_log();
	r = do_io(&io);
	*reported = log_lines(" error, dev ");
	inject(command, 0);
	return r;
}

/*
 * A guard error of a zone append, with which btrfs writes data to zones. The
 * device says where it has put the data, and cannot be asked to put it there
 * once more. @reported: what the log has of it, once.
 */
static inline void append_with_error(struct __test_metadata *_metadata,
				     int command, const char *reported)
{
	char *buf = buffer + BUFFER;
	long long conflicts;
	int fd, i, r = 0;

	if (run("mkfs.btrfs -q -f -O zoned -d single -m single %s >/dev/null "
		"2>&1", pi) || mount(pi, MNT, "btrfs", 0, NULL))
		SKIP(return, "no zoned btrfs");
	fd = open(MNT "/file", O_RDWR | O_CREAT, 0600);
	EXPECT_LE(0, fd);
	for (i = 0; i < 2; i++) {
		memset(buffer, 'A' + i, PAGE);
		conflicts = counter("conflicts");
		EXPECT_EQ(PAGE, pwrite(fd, buffer, PAGE, 0));
		EXPECT_EQ(0, inject(command, i));
		forget_log();
		r = sync_file_range(fd, 0, PAGE, SYNC_FILE_RANGE_WRITE |
				    SYNC_FILE_RANGE_WAIT_AFTER) ? errno : 0;
		inject(command, 0);
		if (!i)
			EXPECT_EQ(0, r ?: fsync(fd));
	}
	ksft_print_msg("a guard error of a zone append: %s\n",
		       r ? strerror(r) : "WRITTEN");
	EXPECT_NE(0, r);
	EXPECT_EQ(1, log_lines(reported));
	EXPECT_EQ(conflicts, counter("conflicts"));
	close(fd);
	EXPECT_EQ(0, umount(MNT));
	EXPECT_EQ(0, mount(pi, MNT, "btrfs", 0, NULL));
	fd = open(MNT "/file", O_RDONLY);
	EXPECT_LE(0, fd);
	EXPECT_EQ(PAGE, pread(fd, buf, PAGE, 0));
	close(fd);
	memset(buffer, 'A' + !r, PAGE);
	EXPECT_EQ(0, memcmp(buf, buffer, PAGE))
		TH_LOG("the file has not what was written");
	EXPECT_EQ(0, umount(MNT));
}

/*
 * Begin the I/O of @sqe on @fd and wait for it; @setup has the flags of the
 * ring. Returns its result, or -ENOSYS.
 */
static inline int uring_io(unsigned int setup, const struct io_uring_sqe *sqe)
{
	struct io_uring_params p = { .flags = setup };
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqe;
	int ring, r = -ENOSYS;
	char *sq, *cq;

	ring = syscall(__NR_io_uring_setup, 4, &p);
	if (ring < 0)
		return -ENOSYS;
	sq = mmap(NULL, p.sq_off.array + 4 * p.sq_entries,
		  PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(*cqe),
		  PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	sqes = mmap(NULL, p.sq_entries * sizeof(*sqe), PROT_READ | PROT_WRITE,
		    MAP_SHARED, ring, IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED || sqes == MAP_FAILED)
		goto out;
	*sqes = *sqe;
	*(unsigned int *)(sq + p.sq_off.array) = 0;
	__atomic_store_n((unsigned int *)(sq + p.sq_off.tail), 1,
			 __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS,
		    NULL, 0) != 1)
		goto out;
	cqe = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
	r = cqe->res;
out:
	close(ring);
	return r;
}

static inline int set_mode(const char *mode)
{
	return queue_set("integrity/conflict_mode", mode);
}

static inline void settle_init(void (*undo)(void))
{
	buffer = mmap(NULL, 2 * BUFFER + PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	disk = mmap(NULL, sizeof(*disk), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED || disk == MAP_FAILED)
		ksft_exit_fail_msg("mmap: %s\n", strerror(errno));
	stable_writes_test_init(undo);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (kmsg < 0)
		ksft_exit_skip("/dev/kmsg: %s\n", strerror(errno));
	write_file("/proc/sys/kernel/printk", "1");
}

#endif /* _SETTLE_H */
