// SPDX-License-Identifier: GPL-2.0
/*
 * A write fails if its data changes after the checksum was made, and a read if
 * its buffer is written to before the checksum is verified, though neither the
 * disk nor the way to it has done anything wrong. So the block layer tries once
 * more with a copy that nobody can change, and only what fails then has failed.
 *
 * scsi_debug does one command at a time, takes its time for it, and has the
 * data of a command transferred when it begins: a write that waits for another
 * one, and a read that is not yet completed, have changed in any case when
 * their checksum is looked at. It can also be told to find errors.
 *
 * Disks are left to the next test, which may need the same.
 */
#include <linux/blkpg.h>
#include <linux/blkzoned.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../kselftest_harness.h"
#include "stable_writes_test.h"

#define MEGABYTES	8
#define SECTOR		512
#define PAGE		4096
#define BUFFER		(1 << 20)
#define OTHER		(6 << 20)	/* where nobody looks */
#define PART_START	(2 << 20)
#define TRIES		5
#define HOLD		100		/* ms, at first */
#define DELAY		"/sys/module/scsi_debug/parameters/ndelay"
#define WRITE_10	0x2a
#define WRITE_16	0x8a
#define WRITE_ATOMIC_16	0x9c
#ifndef RWF_ATOMIC
#define RWF_ATOMIC	0x40
#endif
#define READ_10		0x28

static const char *pi, *pi_name;
static char scsi_id[32];
static char *buffer;		/* shared with those who write and read */
static struct {			/* shared, too */
	char options[128], dev[64];
} *disk;
static int kmsg = -1;

struct io {
	bool write;
	int flags, rwf;
	const char *dev;
	off_t pos;
	struct iovec iov[4];
	int nr;
	pid_t pid;
};

/* Commands that begin from now on take so long */
static void set_delay(unsigned int ms)
{
	char value[32];

	snprintf(value, sizeof(value), "%u", ms ? ms * 1000000 : 1);
	write_file(DELAY, value);
}

static int queue_set(const char *attr, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/block/%s/%s", pi_name, attr);
	return write_file(path, value);
}

/* A counter below integrity/, -1 if there is none */
static long long counter(const char *name)
{
	char path[128], value[32];

	snprintf(path, sizeof(path), "/sys/block/%s/integrity/%s", pi_name,
		 name);
	return read_file(path, value, sizeof(value)) ? -1 : atoll(value);
}

/* Let the next @nr commands of this kind fail with a guard error */
static int inject(int command, int nr)
{
	char path[128], line[64];

	snprintf(path, sizeof(path), "/sys/kernel/debug/scsi_debug/%s/error",
		 scsi_id);
	snprintf(line, sizeof(line), "2 -%d 0x%x 0 0 0x2 0xb 0x10 0x1", nr,
		 command);
	return write_file(path, line);
}

/* Lines in the log since the last call that say @what */
static unsigned int log_lines(const char *what)
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

static void forget_log(void)
{
	lseek(kmsg, 0, SEEK_END);
}

static int do_io(struct io *io)
{
	ssize_t len = 0, r;
	int fd, i;

	fd = open(io->dev ? io->dev : pi, O_RDWR | O_DIRECT | io->flags);
	if (fd < 0)
		return errno;
	for (i = 0; i < io->nr; i++)
		len += io->iov[i].iov_len;
	if (io->write)
		r = pwritev2(fd, io->iov, io->nr, io->pos, io->rwf);
	else
		r = preadv(fd, io->iov, io->nr, io->pos);
	r = r == len ? 0 : r < 0 ? errno : EIO;
	close(fd);
	return r;
}

static char state_of(pid_t pid)
{
	char path[64], buf[512], *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_file(path, buf, sizeof(buf)))
		return 'Z';
	p = strrchr(buf, ')');
	return p && p[1] ? p[2] : '?';
}

/* In a process of its own, until that waits for the disk */
static void start_io(struct io *io)
{
	int i;

	io->pid = fork();
	if (!io->pid)
		_exit(do_io(io));
	for (i = 0; i < 2000 && !strchr("DZ", state_of(io->pid)); i++)
		sleep_ms(1);
}

static int end_io(struct io *io)
{
	int status = 0;

	waitpid(io->pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

static void set_io(struct io *io, bool write, off_t pos, char *buf, size_t len)
{
	memset(io, 0, sizeof(*io));
	io->write = write;
	io->pos = pos;
	io->iov[0].iov_base = buf;
	io->iov[0].iov_len = len;
	io->nr = 1;
}

/* Begin @nr writes, which wait @ms for one that is nothing to do with them */
static void start_writes(unsigned int ms, struct io *first, struct io *io,
			 int nr)
{
	int i;

	forget_log();
	set_delay(ms);
	set_io(first, true, OTHER, buffer + BUFFER, PAGE);
	start_io(first);
	for (i = 0; i < nr; i++)
		start_io(&io[i]);
}

static unsigned int end_writes(struct __test_metadata *_metadata,
			       struct io *first, struct io *io, int nr)
{
	unsigned int failed = 0;
	int i;

	set_delay(0);
	EXPECT_EQ(0, end_io(first));
	for (i = 0; i < nr; i++) {
		int r = end_io(&io[i]);

		if (r)
			ksft_print_msg("write of %zu bytes: %s\n",
				       io[i].iov[0].iov_len, strerror(r));
		failed += !!r;
	}
	return failed;
}

static void check_data(struct __test_metadata *_metadata, const char *dev,
		       off_t pos, const char *data, size_t len)
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

/*
 * Write, and change one byte in every @step of the buffer while the writes
 * wait. Now and then the machine is too slow to do it in time.
 */
static void conflict(struct __test_metadata *_metadata, struct io *io, int nr,
		     size_t step)
{
	unsigned int failed = 0, try, ms = HOLD;
	long long conflicts = counter("conflicts");
	bool guard = false, in_time = false;
	struct io first;
	size_t i, j, k;

	for (try = 0; try < TRIES && !failed && !in_time; try++, ms *= 2) {
		for (i = 0; i < nr; i++)
			for (j = 0; j < io[i].nr; j++)
				memset(io[i].iov[j].iov_base, 'A',
				       io[i].iov[j].iov_len);
		start_writes(ms, &first, io, nr);
		for (i = 0; i < nr; i++)
			for (j = 0; j < io[i].nr; j++)
				for (k = 0; k < io[i].iov[j].iov_len; k += step)
					((char *)io[i].iov[j].iov_base)[k] =
						'B';
		in_time = state_of(first.pid) == 'D';
		failed = end_writes(_metadata, &first, io, nr);
		/* The log has not all of them */
		guard = log_lines("GUARD check failed") ||
			counter("conflicts") != conflicts;
	}
	ksft_print_msg("%u of %d writes failed, their data was changed\n",
		       failed, nr);
	EXPECT_TRUE(in_time || failed)
		TH_LOG("the machine is too slow");
	EXPECT_TRUE(guard || failed)
		TH_LOG("no checksum was wrong: nothing was tried");
	EXPECT_EQ(0, failed);
	if (failed || !in_time)
		return;
	if (conflicts >= 0)
		EXPECT_LT(conflicts, counter("conflicts"));
	for (i = 0; i < nr; i++) {
		off_t pos = io[i].pos;

		for (j = 0; j < io[i].nr; j++) {
			check_data(_metadata, io[i].dev, pos,
				   io[i].iov[j].iov_base, io[i].iov[j].iov_len);
			pos += io[i].iov[j].iov_len;
		}
	}
}

/* An empty disk with these parameters, or the one that is there */
static void insert(struct __test_metadata *_metadata, const char *options)
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
static void used_up(void)
{
	disk->options[0] = '\0';
}

FIXTURE(format) {
};

FIXTURE_VARIANT(format) {
	const char *options;
};

#define FORMAT(_id, _options)						\
	FIXTURE_VARIANT_ADD(format, _id) { .options = _options }

FORMAT(type1_ip, "dif=1 guard=1");
FORMAT(type2_crc, "dif=2");
FORMAT(type3_crc, "dif=3");
FORMAT(type3_4k, "dif=3 sector_size=4096");
FORMAT(type1_crc, "dif=1");

FIXTURE_SETUP(format)
{
	insert(_metadata, variant->options);
}

FIXTURE_TEARDOWN(format)
{
}

TEST_F(format, write)
{
	struct io io;

	set_io(&io, true, 0, buffer, 4 * PAGE);
	conflict(_metadata, &io, 1, PAGE);
}

TEST_F(format, read)
{
	unsigned int try, reported = 0;
	bool tried = false;
	struct io io;
	int r = 0;

	memset(buffer, 'A', 4 * PAGE);
	set_io(&io, true, 0, buffer, 4 * PAGE);
	ASSERT_EQ(0, do_io(&io));
	set_io(&io, false, 0, buffer, 4 * PAGE);
	for (try = 0; try < TRIES && !r && !tried; try++) {
		memset(buffer, 0, 4 * PAGE);
		forget_log();
		set_delay(HOLD << try);
		start_io(&io);
		buffer[PAGE + 1] = 'B';
		set_delay(0);
		r = end_io(&io);
		reported = log_lines("guard tag error at");
		/* Read once more, or else written too late */
		tried = buffer[PAGE + 1] == 'A';
	}
	ksft_print_msg("the read, whose buffer was written to: %s\n",
		       r ? strerror(r) : "done");
	EXPECT_EQ(0, r);
	EXPECT_EQ(0, reported)
		TH_LOG("%u errors were reported", reported);
	if (r)
		return;
	EXPECT_TRUE(tried);
	for (r = 0; r < 4 * PAGE && buffer[r] == 'A'; r++)
		;
	EXPECT_EQ(4 * PAGE, r);
}

FIXTURE(disk) {
};

FIXTURE_SETUP(disk)
{
	insert(_metadata, "dif=1");
}

FIXTURE_TEARDOWN(disk)
{
}

/* Segments that are no pages, and more of them than one */
TEST_F(disk, segments)
{
	struct io io;
	int i;

	set_io(&io, true, PAGE + SECTOR, buffer, SECTOR);
	io.nr = 4;
	for (i = 0; i < 4; i++) {
		io.iov[i].iov_base = buffer + i * 4 * PAGE + (3 - i) * SECTOR;
		io.iov[i].iov_len = (2 * i + 1) * 3 * SECTOR;
	}
	conflict(_metadata, &io, 1, SECTOR);
}

TEST_F(disk, large)
{
	struct io io;

	set_io(&io, true, 1 << 20, buffer, BUFFER);
	conflict(_metadata, &io, 1, 64 << 10);
}

/* Each of the parts has checksums of its own */
TEST_F(disk, split)
{
	struct io io;

	ASSERT_EQ(0, queue_set("queue/max_sectors_kb", "4"));
	set_io(&io, true, 0, buffer, 6 * PAGE);
	conflict(_metadata, &io, 1, 2 * PAGE);
}

/* They are one request, but two bios */
TEST_F(disk, merged)
{
	struct io io[2];

	set_io(&io[0], true, 0, buffer, PAGE);
	set_io(&io[1], true, PAGE, buffer + PAGE, 2 * PAGE);
	conflict(_metadata, io, 2, 2 * PAGE);
}

TEST_F(disk, sync)
{
	struct io io;

	set_io(&io, true, 0, buffer, PAGE);
	io.flags = O_DSYNC;
	conflict(_metadata, &io, 1, PAGE);
}

/* Where a partition begins is added once */
TEST_F(disk, partition)
{
	struct blkpg_partition part = {
		.start = PART_START, .length = 1 << 20, .pno = 1,
	};
	struct blkpg_ioctl_arg arg = {
		.op = BLKPG_ADD_PARTITION, .datalen = sizeof(part),
		.data = &part,
	};
	char dev[64], zeroes[PAGE] = {};
	struct io io;
	int fd, i;

	set_io(&io, true, PAGE, buffer, PAGE);
	ASSERT_EQ(0, do_io(&io));
	used_up();
	fd = open(pi, O_RDONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, BLKPG, &arg));
	close(fd);
	snprintf(dev, sizeof(dev), "%s1", pi);
	for (i = 0; i < 100 && access(dev, F_OK); i++)
		sleep_ms(20);
	set_io(&io, true, PAGE, buffer, PAGE);
	io.dev = dev;
	conflict(_metadata, &io, 1, SECTOR);
	check_data(_metadata, pi, PART_START + PAGE, buffer, PAGE);
	check_data(_metadata, pi, PAGE, zeroes, PAGE);
	check_data(_metadata, pi, 2 * PART_START + PAGE, zeroes, PAGE);
}

/* A write whose @nr commands, and those that follow, find guard errors */
static int write_with_errors(struct __test_metadata *_metadata, size_t len,
			     int command, int nr, unsigned int *reported)
{
	struct io io;
	int r;

	memset(buffer, 'C', len);
	set_io(&io, true, 0, buffer, len);
	if (command == WRITE_ATOMIC_16)
		io.rwf = RWF_ATOMIC;
	if (nr && inject(command, nr))
		SKIP(return -1, "scsi_debug cannot inject errors");
	forget_log();
	r = do_io(&io);
	*reported = log_lines(" error, dev sd");
	inject(command, 0);
	return r;
}

/* An error that goes away when the data is sent again is none */
TEST_F(disk, error_once)
{
	unsigned int reported;
	int r = write_with_errors(_metadata, PAGE, WRITE_10, 1, &reported);

	ksft_print_msg("one guard error: %s, %u reported\n",
		       r ? strerror(r) : "written", reported);
	EXPECT_EQ(0, r);
	EXPECT_EQ(0, reported);
	if (!r)
		check_data(_metadata, NULL, 0, buffer, PAGE);
}

/* One that stays is real */
TEST_F(disk, error_twice)
{
	unsigned int reported;
	int r = write_with_errors(_metadata, PAGE, WRITE_10, 2, &reported);

	ksft_print_msg("a guard error that stays: %s, %u reported\n",
		       r ? strerror(r) : "WRITTEN", reported);
	EXPECT_NE(0, r);
	EXPECT_NE(0, reported);
}

/*
 * Two bios, of which one ends the other: with three errors one of them fails
 * twice, which is real, whichever it is, and the other one must not hide it.
 */
TEST_F(disk, error_of_part)
{
	unsigned int reported;
	int r;

	ASSERT_EQ(0, queue_set("queue/max_sectors_kb", "4"));
	r = write_with_errors(_metadata, 2 * PAGE, WRITE_10, 3, &reported);
	ksft_print_msg("two parts, of which one cannot be written: %s\n",
		       r ? strerror(r) : "WRITTEN");
	EXPECT_NE(0, r);
	EXPECT_NE(0, reported);
	r = write_with_errors(_metadata, 2 * PAGE, WRITE_10, 1, &reported);
	ksft_print_msg("two parts, one guard error: %s\n",
		       r ? strerror(r) : "written");
	EXPECT_EQ(0, r);
	if (!r)
		check_data(_metadata, NULL, 0, buffer, 2 * PAGE);
}

/* The device says that what it has stored does not match: nobody else did it */
TEST_F(disk, error_of_read)
{
	struct io io;
	int r;

	set_io(&io, false, 0, buffer, PAGE);
	if (inject(READ_10, 1))
		SKIP(return, "scsi_debug cannot inject errors");
	r = do_io(&io);
	ksft_print_msg("a guard error of a read: %s\n",
		       r ? strerror(r) : "READ");
	EXPECT_NE(0, r);
	EXPECT_EQ(0, do_io(&io));
}

/* The disk goes when it has refused something: nobody is left waiting */
TEST_F(disk, removal)
{
	char path[128];
	struct io io;

	if (inject(WRITE_10, 1))
		SKIP(return, "scsi_debug cannot inject errors");
	used_up();
	set_delay(HOLD);
	set_io(&io, true, 0, buffer, PAGE);
	start_io(&io);
	snprintf(path, sizeof(path), "/sys/block/%s/device/delete", pi_name);
	ASSERT_EQ(0, write_file(path, "1"));
	ksft_print_msg("the write: %s\n", strerror(end_io(&io)));
}

#define FAIL_PAGE	"/sys/kernel/debug/fail_page_alloc/"

/* Let no kernel thread have a page, nor begin another one */
static int no_pages(bool on)
{
	char path[320], comm[64];
	struct dirent *de;
	int r, n = 0;
	DIR *dir;

	r = write_file(FAIL_PAGE "probability", "0");
	if (r)
		return r;
	write_file(FAIL_PAGE "task-filter", on ? "1" : "0");
	write_file(FAIL_PAGE "ignore-gfp-wait", on ? "0" : "1");
	write_file(FAIL_PAGE "min-order", on ? "0" : "1");
	write_file(FAIL_PAGE "verbose", "0");
	write_file(FAIL_PAGE "times", "-1");
	dir = opendir("/proc");
	while (dir && (de = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", de->d_name);
		if (atoi(de->d_name) < 2 ||
		    read_file(path, comm, sizeof(comm)) ||
		    (strncmp(comm, "kworker", 7) &&
		     strncmp(comm, "kthreadd", 8) &&
		     strncmp(comm, "kintegrity", 10)))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/make-it-fail",
			 de->d_name);
		n += !write_file(path, on ? "1" : "0");
	}
	if (dir)
		closedir(dir);
	if (on && n)
		r = write_file(FAIL_PAGE "probability", "100");
	return n ? r : -ENOENT;
}

static void restore(void)
{
	no_pages(false);
	scsi_debug_loaded = disk->dev[0];
}

/* It goes through a small reserve, in as many parts as it takes */
TEST_F(disk, memory)
{
	long long copies = counter("conflict_copies");
	unsigned int reported;
	int r;

	if (no_pages(true)) {
		restore();
		SKIP(return, "no fault injection for pages");
	}
	r = write_with_errors(_metadata, BUFFER, WRITE_10, 1, &reported);
	restore();
	ksft_print_msg("without memory, one guard error: %s\n",
		       r ? strerror(r) : "written");
	EXPECT_EQ(0, r);
	if (r)
		return;
	check_data(_metadata, NULL, 0, buffer, BUFFER);
	if (copies < 0)
		return;
	ksft_print_msg("sent in %lld parts\n",
		       counter("conflict_copies") - copies);
	EXPECT_LT(copies + 1, counter("conflict_copies"))
		TH_LOG("there was enough memory");
}

/*
 * What comes with checksums of its own is what the application says it is. One
 * of 512 zeroes is zero.
 */
struct attr_pi {
	uint16_t flags, app_tag;
	uint32_t len;
	uint64_t addr, seed, reserved;
};

static int write_own(unsigned int blocks, bool wrong)
{
	struct io_uring_params p = {};
	struct attr_pi *pi_attr;
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	unsigned char *pi_buf;
	unsigned int i;
	char *sq, *cq;
	int ring, fd, r = -ENOSYS;

	ring = syscall(__NR_io_uring_setup, 4, &p);
	if (ring < 0)
		return -ENOSYS;
	fd = open(pi, O_RDWR | O_DIRECT);
	sq = mmap(NULL, p.sq_off.array + 4 * p.sq_entries,
		  PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	cq = mmap(NULL, p.cq_off.cqes + p.cq_entries * sizeof(*cqe),
		  PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	sqe = mmap(NULL, p.sq_entries * sizeof(*sqe), PROT_READ | PROT_WRITE,
		   MAP_SHARED, ring, IORING_OFF_SQES);
	pi_attr = calloc(1, sizeof(*pi_attr));
	if (fd < 0 || sq == MAP_FAILED || cq == MAP_FAILED ||
	    sqe == MAP_FAILED || !pi_attr ||
	    posix_memalign((void **)&pi_buf, PAGE, PAGE))
		goto out;
	memset(pi_buf, 0, PAGE);
	pi_buf[0] = wrong;
	for (i = 0; i < blocks; i++)
		pi_buf[i * 8 + 7] = i;
	pi_attr->flags = 1 | 4;		/* check the guard and the reference */
	pi_attr->len = blocks * 8;
	pi_attr->addr = (unsigned long)pi_buf;
	memset(buffer, 0, blocks * SECTOR);
	sqe->opcode = IORING_OP_WRITE;
	sqe->fd = fd;
	sqe->addr = (unsigned long)buffer;
	sqe->len = blocks * SECTOR;
	/* attr_ptr and attr_type_mask, which older headers do not have */
	((uint64_t *)sqe)[6] = (unsigned long)pi_attr;
	((uint64_t *)sqe)[7] = 1;
	*(unsigned int *)(sq + p.sq_off.array) = 0;
	__atomic_store_n((unsigned int *)(sq + p.sq_off.tail), 1,
			 __ATOMIC_RELEASE);
	if (syscall(__NR_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS,
		    NULL, 0) != 1)
		goto out;
	cqe = (struct io_uring_cqe *)(cq + p.cq_off.cqes);
	r = cqe->res;
out:
	close(fd);
	close(ring);
	return r;
}

TEST_F(disk, own)
{
	long long conflicts = counter("conflicts");
	int r;

	r = write_own(8, false);
	if (r != 8 * SECTOR || write_own(8, true) >= 0)
		SKIP(return, "no io_uring with protection information");
	ASSERT_EQ(0, inject(WRITE_10, 1));
	r = write_own(8, false);
	ksft_print_msg("own checksums, one guard error: %s\n",
		       r < 0 ? strerror(-r) : "WRITTEN");
	EXPECT_GT(0, r);
	EXPECT_EQ(conflicts, counter("conflicts"));
}

static int set_mode(const char *mode)
{
	return queue_set("integrity/conflict_mode", mode);
}

TEST_F(disk, mode_off)
{
	long long conflicts = counter("conflicts");
	unsigned int reported;
	int r;

	ASSERT_EQ(0, set_mode("off"))
		TH_LOG("no integrity/conflict_mode");
	r = write_with_errors(_metadata, PAGE, WRITE_10, 1, &reported);
	ksft_print_msg("not settled, one guard error: %s\n",
		       r ? strerror(r) : "WRITTEN");
	EXPECT_NE(0, r);
	EXPECT_NE(0, reported);
	EXPECT_EQ(conflicts, counter("conflicts"));
	EXPECT_NE(0, set_mode("nonsense"));
	EXPECT_EQ(0, set_mode("settle"));
	EXPECT_EQ(0, write_with_errors(_metadata, PAGE, WRITE_10, 1,
				       &reported));
	EXPECT_EQ(conflicts + 1, counter("conflicts"));
}

/* By how much the counters are above what they were */
static void check_counters(struct __test_metadata *_metadata,
			   const long long *was, int conflicts, int copies,
			   int bytes, int errors)
{
	EXPECT_EQ(was[0] + conflicts, counter("conflicts"));
	EXPECT_EQ(was[1] + copies, counter("conflict_copies"));
	EXPECT_EQ(was[2] + bytes, counter("conflict_bytes"));
	EXPECT_EQ(was[3] + errors, counter("conflict_errors"));
}

TEST_F(disk, counters)
{
	unsigned int reported;
	long long was[4] = {
		counter("conflicts"), counter("conflict_copies"),
		counter("conflict_bytes"), counter("conflict_errors"),
	};

	ASSERT_LE(0, was[0])
		TH_LOG("no integrity/conflicts");
	write_with_errors(_metadata, 2 * PAGE, WRITE_10, 1, &reported);
	check_counters(_metadata, was, 1, 1, 2 * PAGE, 0);
	write_with_errors(_metadata, PAGE, WRITE_10, 2, &reported);
	check_counters(_metadata, was, 2, 2, 3 * PAGE, 1);
}

/* Copied in time, it cannot conflict */
TEST_F(disk, copy)
{
	long long conflicts = counter("conflicts"), copies;
	struct io first, io;
	bool tried = false;
	int try;

	ASSERT_EQ(0, set_mode("copy"))
		TH_LOG("no integrity/conflict_mode");
	copies = counter("conflict_copies");
	for (try = 0; try < TRIES && !tried; try++) {
		set_io(&io, true, 0, buffer, 4 * PAGE);
		memset(buffer, 'A', 4 * PAGE);
		start_writes(HOLD << try, &first, &io, 1);
		/* Until it has been copied */
		sleep_ms(HOLD / 4 << try);
		memset(buffer, 'B', 4 * PAGE);
		tried = state_of(first.pid) == 'D';
		EXPECT_EQ(0, end_writes(_metadata, &first, &io, 1));
	}
	ksft_print_msg("%lld copies, %lld conflicts\n",
		       counter("conflict_copies") - copies,
		       counter("conflicts") - conflicts);
	EXPECT_TRUE(tried);
	/* Of the other write, too */
	EXPECT_EQ(copies + 2 * try, counter("conflict_copies"));
	EXPECT_EQ(conflicts, counter("conflicts"));
	memset(buffer, 'A', 4 * PAGE);
	check_data(_metadata, NULL, 0, buffer, 4 * PAGE);
}

/* Page cache whose users wait for writeback is left where it is */
TEST_F(disk, copy_file)
{
	long long copies;
	int fd;

	if (run("mkfs.ext2 -q -F %s >/dev/null 2>&1", pi) ||
	    mount(pi, MNT, "ext2", 0, NULL))
		SKIP(return, "no ext2");
	EXPECT_EQ(0, set_mode("copy"))
		TH_LOG("no integrity/conflict_mode");
	fd = open(MNT "/file", O_RDWR | O_CREAT, 0600);
	EXPECT_LE(0, fd);
	/* No more, or some of its metadata would be written with it */
	EXPECT_EQ(2 * PAGE, pwrite(fd, buffer, 2 * PAGE, 0));
	copies = counter("conflict_copies");
	EXPECT_EQ(0, sync_file_range(fd, 0, PAGE * 2, SYNC_FILE_RANGE_WRITE |
				     SYNC_FILE_RANGE_WAIT_AFTER));
	ksft_print_msg("%lld copies for the data of a file\n",
		       counter("conflict_copies") - copies);
	EXPECT_EQ(copies, counter("conflict_copies"));
	EXPECT_EQ(0, fsync(fd));
	ksft_print_msg("%lld copies for metadata\n",
		       counter("conflict_copies") - copies);
	EXPECT_LT(copies, counter("conflict_copies"));
	close(fd);
	EXPECT_EQ(0, umount(MNT));
}

FIXTURE(other) {
};

FIXTURE_SETUP(other)
{
}

FIXTURE_TEARDOWN(other)
{
}

/* Verified by the host alone: what the disk has stored is wrong */
TEST_F(other, error_of_stored)
{
	unsigned int reported;
	struct io io;
	int r;

	insert(_metadata, "dif=0");
	set_io(&io, true, 0, buffer, 2 * PAGE);
	ASSERT_EQ(0, do_io(&io));
	ASSERT_EQ(0, queue_set("integrity/write_generate", "0"));
	memset(buffer, 'B', 2 * PAGE);
	ASSERT_EQ(0, do_io(&io));
	ASSERT_EQ(0, queue_set("integrity/write_generate", "1"));
	forget_log();
	io.write = false;
	r = do_io(&io);
	reported = log_lines("guard tag error at");
	ksft_print_msg("a read of what has a wrong checksum: %s, %u reported\n",
		       r ? strerror(r) : "READ", reported);
	EXPECT_NE(0, r);
	EXPECT_EQ(1, reported);
}

TEST_F(other, atomic)
{
	unsigned int reported;
	int r;

	insert(_metadata, "dif=1 atomic_wr=1");
	r = write_with_errors(_metadata, PAGE, WRITE_ATOMIC_16, 0, &reported);
	if (r)
		SKIP(return, "no atomic writes: %s", strerror(r));
	r = write_with_errors(_metadata, 4 * PAGE, WRITE_ATOMIC_16, 1,
			      &reported);
	ksft_print_msg("an atomic write, one guard error: %s\n",
		       r ? strerror(r) : "written");
	EXPECT_EQ(0, r);
}

/* Where order is everything nothing is sent again */
TEST_F(other, zone)
{
	struct blk_zone_range range = { .nr_sectors = 1 << 11 };
	unsigned int reported;
	int fd, r;

	insert(_metadata, "dif=1 zbc=managed zone_size_mb=1 zone_nr_conv=0");
	fd = open(pi, O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, BLKRESETZONE, &range));
	close(fd);
	r = write_with_errors(_metadata, PAGE, WRITE_16, 1, &reported);
	ksft_print_msg("a guard error in a sequential zone: %s\n",
		       r ? strerror(r) : "WRITTEN");
	EXPECT_NE(0, r);
}

int main(int argc, char **argv)
{
	buffer = mmap(NULL, 2 * BUFFER + PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	disk = mmap(NULL, sizeof(*disk), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED || disk == MAP_FAILED)
		ksft_exit_fail_msg("mmap: %s\n", strerror(errno));
	stable_writes_test_init(restore);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);
	if (kmsg < 0)
		ksft_exit_skip("/dev/kmsg: %s\n", strerror(errno));
	write_file("/proc/sys/kernel/printk", "1");
	return test_harness_run(argc, argv);
}
