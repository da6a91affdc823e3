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
#include <sched.h>

#include "../kselftest_harness.h"
#include "settle.h"

#define PART_START	(2 << 20)
#define OTHER		(6 << 20)	/* where nobody looks */
#define TRIES		5
#define HOLD		100		/* ms, at first */
#define WRITE_16	0x8a
#define READ_10		0x28

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

FIXTURE(write) {
};

FIXTURE_VARIANT(write) {
	size_t len, step;
	int flags;
	const char *max_sectors_kb;
};

FIXTURE_VARIANT_ADD(write, large) { .len = BUFFER, .step = 64 << 10 };
FIXTURE_VARIANT_ADD(write, sync) {
	.len = PAGE, .step = PAGE, .flags = O_DSYNC
};
/* Each of the parts has checksums of its own */
FIXTURE_VARIANT_ADD(write, split) {
	.len = 6 * PAGE, .step = 2 * PAGE, .max_sectors_kb = "4"
};

FIXTURE_SETUP(write)
{
	insert(_metadata, "dif=1");
}

FIXTURE_TEARDOWN(write)
{
}

TEST_F(write, changed)
{
	struct io io;

	if (variant->max_sectors_kb)
		ASSERT_EQ(0, queue_set("queue/max_sectors_kb",
				       variant->max_sectors_kb));
	set_io(&io, true, 1 << 20, buffer, variant->len);
	io.flags = variant->flags;
	conflict(_metadata, &io, 1, variant->step);
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

/*
 * They are one request, but three bios. The checksums of the first are made
 * before it waits, those of the others when it does not any more.
 */
TEST_F(disk, merged)
{
	long long conflicts = counter("conflicts");
	struct io io;
	int i;

	set_io(&io, true, 0, buffer, PAGE);
	io.together = true;
	for (io.nr = 1; io.nr < 3; io.nr++) {
		i = io.nr;
		io.iov[i].iov_base = buffer + i * 2 * PAGE;
		io.iov[i].iov_len = i * PAGE;
	}
	conflict(_metadata, &io, 1, PAGE);
	if (conflicts >= 0)
		EXPECT_EQ(0, (counter("conflicts") - conflicts) % 3);
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

FIXTURE(error) {
};

FIXTURE_VARIANT(error) {
	int times;
	bool real;
};

/* One that goes away when the data is sent again is none; one that stays is */
FIXTURE_VARIANT_ADD(error, once) { .times = 1 };
FIXTURE_VARIANT_ADD(error, twice) { .times = 2, .real = true };

FIXTURE_SETUP(error)
{
	insert(_metadata, "dif=1");
}

FIXTURE_TEARDOWN(error)
{
}

TEST_F(error, write)
{
	unsigned int reported;
	int r = write_with_errors(_metadata, PAGE, WRITE_10, variant->times,
				  &reported);

	ksft_print_msg("%d guard errors: %s, %u reported\n", variant->times,
		       r ? strerror(r) : "written", reported);
	EXPECT_EQ(variant->real, !!r);
	EXPECT_EQ(variant->real, !!reported);
	if (!r)
		check_data(_metadata, NULL, 0, buffer, PAGE);
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

/*
 * scsi_debug may need memory for a command, which it gets from what a command
 * before has left on this processor.
 */
static void write_on_each_cpu(void)
{
	int i, n = sysconf(_SC_NPROCESSORS_CONF);
	cpu_set_t all, one;
	struct io io;

	sched_getaffinity(0, sizeof(all), &all);
	for (i = 0; i < n; i++) {
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		sched_setaffinity(0, sizeof(one), &one);
		set_io(&io, true, OTHER, buffer, PAGE);
		do_io(&io);
	}
	sched_setaffinity(0, sizeof(all), &all);
}

/* It goes through a small reserve, in as many parts as it takes */
TEST_F(disk, memory)
{
	long long copies = counter("conflict_copies");
	unsigned int reported;
	int r;

	write_on_each_cpu();
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

/* That of the device is: it may be metadata, whose users do not wait */
TEST_F(disk, copy_device)
{
	long long copies = counter("conflict_copies");
	int fd = open(pi, O_RDWR);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, set_mode("copy"))
		TH_LOG("no integrity/conflict_mode");
	EXPECT_EQ(2 * PAGE, pwrite(fd, buffer, 2 * PAGE, 0));
	EXPECT_EQ(0, fsync(fd));
	close(fd);
	ksft_print_msg("%lld copies for page cache of the device\n",
		       counter("conflict_copies") - copies);
	EXPECT_LT(copies, counter("conflict_copies"));
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
	long long conflicts;
	int fd, r;

	insert(_metadata, "dif=1 zbc=managed zone_size_mb=1 zone_nr_conv=0");
	fd = open(pi, O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ioctl(fd, BLKRESETZONE, &range));
	close(fd);
	conflicts = counter("conflicts");
	r = write_with_errors(_metadata, PAGE, WRITE_16, 1, &reported);
	ksft_print_msg("a guard error in a sequential zone: %s\n",
		       r ? strerror(r) : "WRITTEN");
	EXPECT_NE(0, r);
	EXPECT_EQ(conflicts, counter("conflicts"));
}

/* For SCSI the block layer makes a write of it, which waits for its turn */
TEST_F(other, zone_append)
{
	insert(_metadata, "dif=1 dev_size_mb=64 zbc=managed zone_size_mb=4 "
	       "zone_nr_conv=0");
	append_with_error(_metadata, WRITE_16, "(WRITE)");
}

int main(int argc, char **argv)
{
	settle_init(restore);
	return test_harness_run(argc, argv);
}
