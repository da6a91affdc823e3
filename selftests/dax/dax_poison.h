/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory errors in the pages of the pmem disk, and what was flushed: what the
 * tests of them share. Include after dax_test.h; call dax_poison_init() in
 * place of dax_test_init().
 */
#ifndef _DAX_POISON_H
#define _DAX_POISON_H

#include <sys/prctl.h>
#include <sys/syscall.h>

#include "test_modules/test_dax.h"

#ifndef BUS_MCEERR_AR
#define BUS_MCEERR_AR	4
#define BUS_MCEERR_AO	5
#endif
#ifndef MADV_HWPOISON
#define MADV_HWPOISON	100
#endif

static int poison_fd = -1;
static bool poison_module;
static uint64_t pmem_pfn, pmem_pages;

/* The last SIGBUS, and how many there were */
static volatile sig_atomic_t bus_count;
static siginfo_t bus_info;

static inline void on_bus(int sig, siginfo_t *info, void *context)
{
	/* An access that faults again and again would not end */
	if (bus_count > 8)
		_exit(99);
	bus_info = *info;
	bus_count++;
}

static inline void bus_catch(void)
{
	struct sigaction sa = { .sa_flags = SA_SIGINFO };

	sa.sa_sigaction = on_bus;
	bus_count = 0;
	memset(&bus_info, 0, sizeof(bus_info));
	sigaction(SIGBUS, &sa, NULL);
}

/* A file of the pmem disk in sysfs */
static inline const char *pmem_sysfs(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "/sys/block/%s/%s",
		 strrchr(dax_dev, '/') + 1, name);
	return path;
}

/* The frame of the page at @p, which has to be present. 0 if it cannot be told */
static inline uint64_t page_frame(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t entry = 0;

	if (fd < 0)
		return 0;
	if (pread(fd, &entry, sizeof(entry), (uintptr_t)p / PAGE * sizeof(entry)) !=
	    sizeof(entry) || !(entry >> 63))
		entry = 0;
	close(fd);
	return entry & ((1ULL << 55) - 1);
}

/* How many of @nr pages are marked as poisoned, and which is the first */
static inline long poisoned(uint64_t pfn, uint64_t nr, uint64_t *first)
{
	struct test_dax_range req = { .pfn = pfn, .nr = nr };

	if (ioctl(poison_fd, TEST_DAX_POISONED, &req))
		return -errno;
	if (first)
		*first = req.first;
	return req.count;
}

/* How many pages of the disk belong to a file, and which is the first */
static inline long first_in_use(uint64_t *first)
{
	struct test_dax_range req = { .pfn = pmem_pfn, .nr = pmem_pages };

	if (ioctl(poison_fd, TEST_DAX_USED, &req))
		return -errno;
	if (first)
		*first = req.first;
	return req.count;
}

static inline long pages_in_use(void)
{
	return first_in_use(NULL);
}

/* Whether the direct map has the page */
static inline long in_direct_map(uint64_t pfn)
{
	struct test_dax_range req = { .pfn = pfn, .nr = 1 };

	return ioctl(poison_fd, TEST_DAX_PRESENT, &req) ? -errno : (long)req.count;
}

static inline int heal(void)
{
	struct test_dax_range req = { .pfn = pmem_pfn, .nr = pmem_pages };

	return ioctl(poison_fd, TEST_DAX_HEAL, &req) ? -errno : 0;
}

/* A machine check for a page. Returns what memory_failure() did */
static inline int machine_check(uint64_t pfn, bool action)
{
	struct test_dax_fail req = { .pfn = pfn, .action = action };

	return ioctl(poison_fd, TEST_DAX_FAIL, &req) ? -errno : req.result;
}

/* Tell the pmem driver of an error, as the firmware does */
static inline int bad_block(uint64_t pfn)
{
	char line[64];

	snprintf(line, sizeof(line), "%llu %lu\n",
		 (unsigned long long)(pfn - pmem_pfn) * (PAGE / 512), PAGE / 512);
	return write_file(pmem_sysfs("badblocks"), line);
}

/**
 * bad_blocks - what the pmem driver knows of errors
 * @first: where the byte offset of the first of them goes, may be NULL
 *
 * Return: how many ranges there are, those counted that the first page of
 * sysfs lists
 */
static inline unsigned int bad_blocks(uint64_t *first)
{
	static char buf[PAGE];
	unsigned int n = 0;
	const char *p;

	read_file(pmem_sysfs("badblocks"), buf, sizeof(buf));
	if (first)
		*first = strtoull(buf, NULL, 0) * 512;
	for (p = buf; (p = strchr(p, '\n')); p++)
		n++;
	return n;
}

/* Undo all errors and unmount: no file system may be left with a bad block */
static inline int poison_undo(void)
{
	static char zero[PAGE] __attribute__((aligned(PAGE)));
	int r = heal(), fd, i;
	uint64_t pos;

	if (!r)
		r = dax_umount();
	if (r || !bad_blocks(NULL))
		return r;
	fd = open(dax_dev, O_WRONLY | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (i = 0; i < 1000 && bad_blocks(&pos) && !r; i++)
		if (pwrite(fd, zero, PAGE, pos & ~(PAGE - 1)) != (ssize_t)PAGE)
			r = -EIO;
	close(fd);
	return r ? r : bad_blocks(NULL) ? -EIO : 0;
}

static inline int record_flushes(void)
{
	return ioctl(poison_fd, TEST_DAX_RECORD) ? -errno : 0;
}

/**
 * flushed - stop recording and count what of a range was flushed
 * @pfn: the page of its first byte
 * @offset: of the first byte
 * @size: in bytes
 *
 * Cache lines that the range has only a part of do not count as flushed for
 * the rest of it, and count once however often they were flushed.
 *
 * Return: the number of bytes or a negative errno
 */
static inline long flushed(uint64_t pfn, unsigned long offset, unsigned long size)
{
	static struct test_dax_flush flush[4096];
	uint64_t start = pfn * PAGE + offset, i, from, to;
	ssize_t nr = read(poison_fd, flush, sizeof(flush)), n;
	unsigned char *hit;
	long sum = 0;

	if (nr < 0)
		return -errno;
	hit = calloc(1, size);
	if (!hit)
		return -ENOMEM;
	for (n = 0; n < nr / (ssize_t)sizeof(*flush); n++) {
		from = flush[n].addr;
		to = from + flush[n].size;
		if (from < start)
			from = start;
		if (to > start + size)
			to = start + size;
		for (i = from; i < to; i++)
			hit[i - start] = 1;
	}
	for (i = 0; i < size; i++)
		sum += hit[i];
	free(hit);
	return sum;
}

static void poison_cleanup(void)
{
	if (poison_fd >= 0) {
		if (heal())
			ksft_print_msg("the poison could not be cleared\n");
		close(poison_fd);
		poison_fd = -1;
	}
	if (poison_module)
		syscall(SYS_delete_module, TEST_DAX_NAME, 0);
}

/* dax_test_init(), and what these tests need */
static inline void dax_poison_init(void)
{
	static const char module[] = "/test_modules/" TEST_DAX_NAME ".ko";
	char path[512], buf[64];
	ssize_t len;
	int fd;

	dax_test_init(poison_cleanup);

	if (read_file(pmem_sysfs("device/resource"), buf, sizeof(buf)))
		ksft_exit_skip("%s has no resource in sysfs\n", dax_dev);
	pmem_pfn = strtoull(buf, NULL, 0) / PAGE;
	if (read_file(pmem_sysfs("size"), buf, sizeof(buf)))
		ksft_exit_skip("%s has no size in sysfs\n", dax_dev);
	pmem_pages = strtoull(buf, NULL, 0) * 512 / PAGE;

	len = readlink("/proc/self/exe", path, sizeof(path) - sizeof(module));
	if (len < 0)
		ksft_exit_skip("/proc/self/exe: %s\n", strerror(errno));
	path[len] = '\0';
	strcpy(strrchr(path, '/'), module);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		ksft_exit_skip("%s: %s\n", path, strerror(errno));
	poison_module = !syscall(SYS_finit_module, fd, "", 0);
	if (!poison_module && errno != EEXIST)
		ksft_exit_skip("%s: %s\n", path, strerror(errno));
	close(fd);
	poison_fd = open("/dev/" TEST_DAX_NAME, O_RDWR | O_CLOEXEC);
	if (poison_fd < 0)
		ksft_exit_skip("/dev/" TEST_DAX_NAME ": %s\n", strerror(errno));
}

#endif /* _DAX_POISON_H */
