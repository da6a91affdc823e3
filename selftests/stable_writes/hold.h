/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Change a page of a filesystem while it is under writeback.
 *
 * The device is a dm-delay that holds what is written to it. While the page is
 * held it is changed by another process, until that has done it or sleeps.
 * Then what was held, and nothing later, goes to the disk below, where one can
 * see whether it was the page as it was when its writeback began.
 */
#ifndef _HOLD_H
#define _HOLD_H

#include <linux/fiemap.h>
#include <sys/mman.h>

#include "stable_writes_test.h"

#define PAGE		4096
#define SECTOR		512
#define PAGES		3
#define HELD		PAGE	/* the second page of the file, */
#define TAIL		256	/* and in it what will be changed */
#define CHUNK		(1 << 20)
#define ALLOCATED	(16 * PAGE)
#define MAGIC		0x73746162u

/* Without the thread that zeroes inode tables, and writes when it likes */
#define EXT4		"mkfs.ext4 -q -F -E lazy_itable_init=0"

enum path {
	FAULT, WRITE, TRUNCATE, BESIDE, DIRECTORY, PATHS,
	/* What a bitmap of blocks is changed by */
	ALLOCATE = PATHS, FREE
};

enum result { STABLE, CHANGED, NOT_HELD, FAILED };

static const char * const path_name[PATHS] = {
	"fault", "write", "truncate", "beside", "directory"
};

struct tag {
	uint32_t magic;
	uint16_t path;
	uint16_t generation;
	uint32_t nr;
};

static struct shared {
	volatile int go, begun, ret;
} *shared;

static uint32_t run_nr;
static bool waited;
/*
 * Data as well: what is held is the page at its own place, or the commit. An
 * inode in the same commit would be waited for, and nobody would come to the
 * page. What keeps it out depends on the kernel: lazytime (6.12 counts i_version
 * even so), or a write at the time that it has already (7.3 counts it then).
 */
static enum { NOT_JOURNALLED, CHECKPOINT, COMMIT, COMMIT_SAME_TIME } journal;
static char centisecs[32];
static unsigned long long sectors;

static void restore_flusher(void)
{
	if (centisecs[0])
		write_file("/proc/sys/vm/dirty_writeback_centisecs", centisecs);
}

static int renew(const char *name)
{
	int r = dm_suspend(name);

	return r ? r : dm_resume(name);
}

/* Hold what is written from now on, or let everything through */
static int hold(bool on)
{
	int r = dm_load("gate", "0 %llu linear %s 0", sectors, disk_path("d"));

	/* First, so that what is on top of it finds what it requires */
	if (!r)
		r = renew("gate");
	if (!r)
		r = dm_load("hold", "0 %llu delay %s 0 0 %s 0 %u", sectors,
			    dm_path("gate"), dm_path("gate"), on ? 120000 : 0);
	return r ? r : renew("hold");
}

/*
 * Let through what is held now, but nothing that comes later. When dm-delay is
 * suspended it lets go first what it holds, and what comes then, until dm lets
 * nothing in. With the gate closed until then nobody learns that his write is
 * done, and goes on to the next one.
 */
static int let_through(void)
{
	int r = dm_suspend("gate"), status = 0;
	pid_t pid;

	if (r)
		return r;
	pid = fork();
	if (!pid)
		_exit(-dm_suspend("hold"));
	/* It sleeps so only when nothing is left but to wait for the gate */
	await_state(pid, "SZ", 5000);
	r = dm_resume("gate");
	waitpid(pid, &status, 0);
	if (!r && status)
		r = -EIO;
	return r ? r : dm_resume("hold");
}

/* dm-delay accounts them when it lets them go, but has their number */
static unsigned int writes_held(void)
{
	struct dm_request req = {};
	unsigned int r, w = 0;

	if (dm_call(DM_TABLE_STATUS, "hold", DM_NOFLUSH_FLAG, &req) ||
	    sscanf(req.data + req.io.data_start -
		   offsetof(struct dm_request, data) +
		   sizeof(struct dm_target_spec), "%u %u", &r, &w) != 2)
		return 0;
	return w;
}

static void fill_page(char *page, enum path path, unsigned int generation)
{
	struct tag tag = { MAGIC, path, generation, run_nr };
	int i;

	memset(page, 'A', PAGE);
	for (i = 0; i < PAGE; i += SECTOR)
		memcpy(page + i, &tag, sizeof(tag));
}

/* Change the held page; runs in a process of its own */
static int change(enum path path, const char *name)
{
	char tail[TAIL];
	char other[256];
	int fd, r = 0;
	char *map;

	if (path == DIRECTORY) {
		snprintf(other, sizeof(other), "%s/heldB%04u", name, run_nr);
		fd = open(other, O_CREAT | O_EXCL | O_WRONLY, 0600);
		return fd < 0 ? errno : 0;
	}
	fd = open(name, O_RDWR);
	if (fd < 0)
		return errno;
	memset(tail, 'B', sizeof(tail));
	switch (path) {
	case FAULT:
	case BESIDE:
		map = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			   HELD);
		if (map == MAP_FAILED)
			return errno;
		memcpy(map + TAIL, tail, sizeof(tail));
		break;
	case WRITE:
		if (pwrite(fd, tail, sizeof(tail), HELD + TAIL) != sizeof(tail))
			r = errno;
		break;
	case ALLOCATE:
		if (fallocate(fd, 0, ALLOCATED, ALLOCATED))
			r = errno;
		break;
	default:
		if (ftruncate(fd, path == FREE ? 0 : HELD + TAIL))
			r = errno;
	}
	return r;
}

static pid_t start_change(enum path path, const char *name)
{
	pid_t pid;

	shared->go = shared->begun = 0;
	shared->ret = -1;
	pid = fork();
	if (!pid) {
		while (!shared->go)
			sleep_ms(2);
		shared->begun = 1;
		shared->ret = change(path, name);
		_exit(0);
	}
	return pid;
}

/* A name that comes before it; some filesystems write the directory at once */
static pid_t start_name(const char *name, int fd)
{
	char path[256];
	pid_t pid = fork();

	if (!pid) {
		snprintf(path, sizeof(path), "%s/heldA%04u", name, run_nr);
		if (open(path, O_CREAT | O_EXCL | O_WRONLY, 0600) >= 0)
			sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
		_exit(0);
	}
	return pid;
}

/* Set the clock back to the file's time, where it stays until the next tick */
static void write_at_same_time(int fd, const char *page)
{
	struct timespec real, began, now;
	struct stat before, after;
	int i;

	for (i = 0; i < 20; i++) {
		fsync(fd);
		fstat(fd, &before);
		clock_gettime(CLOCK_MONOTONIC, &began);
		clock_gettime(CLOCK_REALTIME, &real);
		clock_settime(CLOCK_REALTIME, &before.st_mtim);
		pwrite(fd, page, PAGE, HELD);
		clock_gettime(CLOCK_MONOTONIC, &now);
		real.tv_sec += now.tv_sec - began.tv_sec;
		real.tv_nsec += now.tv_nsec - began.tv_nsec;
		if (real.tv_nsec < 0 || real.tv_nsec > 999999999) {
			now.tv_sec = real.tv_nsec < 0 ? -1 : 1;
			real.tv_sec += now.tv_sec;
			real.tv_nsec -= now.tv_sec * 1000000000;
		}
		clock_settime(CLOCK_REALTIME, &real);
		fstat(fd, &after);
		if (after.st_mtim.tv_sec == before.st_mtim.tv_sec &&
		    after.st_mtim.tv_nsec == before.st_mtim.tv_nsec)
			break;
	}
}

/* A write() that waits for the next page, with the locks it has taken */
static pid_t start_write(const char *name)
{
	char tail[TAIL];
	pid_t pid = fork();
	int fd;

	if (!pid) {
		memset(tail, 'C', sizeof(tail));
		fd = open(name, O_RDWR);
		_exit(pwrite(fd, tail, sizeof(tail), HELD + PAGE) !=
		      sizeof(tail));
	}
	return pid;
}

/* fsync() of another file: the page is in the journal, but not at its place */
static int commit_other(void)
{
	int fd = open(MNT "/other", O_RDWR | O_CREAT, 0600), r;

	r = pwrite(fd, &run_nr, sizeof(run_nr), 0) < 0 || fsync(fd);
	close(fd);
	return r;
}

/* Data that goes to the journal is written when that commits */
static pid_t start_commit(int fd)
{
	pid_t pid = fork();

	if (!pid)
		_exit(!!fdatasync(fd));
	return pid;
}

/* Until it has done it or sleeps for a while in the kernel */
static void let_change(pid_t pid)
{
	unsigned int i, asleep = 0;

	waited = false;
	shared->go = 1;
	for (i = 0; i < 1000 && asleep < 15; i++, sleep_ms(10)) {
		char state = state_of(pid);

		if (shared->ret >= 0 || state == 'Z')
			return;
		asleep = shared->begun && state == 'D' ? asleep + 1 : 0;
	}
	waited = true;
}

/* What has reached the disk: was it changed? */
static enum result look_at(const char *buf, size_t len, enum path path)
{
	enum result result = NOT_HELD;
	char held[16], other[16];
	size_t i, j;

	if (path == DIRECTORY) {
		const char *p = buf;
		const char *end = buf + len;

		snprintf(held, sizeof(held), "heldA%04u", run_nr);
		snprintf(other, sizeof(other), "heldB%04u", run_nr);
		while ((p = memmem(p, end - p, held, strlen(held)))) {
			if (memmem(p, end - p < SECTOR ? end - p : SECTOR,
				   other, strlen(other)))
				return CHANGED;
			result = STABLE;
			p++;
		}
		return result;
	}
	for (i = 0; i < len; i += SECTOR) {
		struct tag *tag = (struct tag *)(buf + i);

		if (tag->magic != MAGIC || tag->path != path ||
		    tag->generation != 2 || tag->nr != run_nr)
			continue;
		for (j = TAIL; j < SECTOR; j++)
			if (buf[i + j] != 'A')
				return CHANGED;
		result = STABLE;
	}
	return result;
}

static enum result look(enum path path, unsigned long long hint)
{
	static void *buf;
	enum result result = NOT_HELD, r;
	unsigned long long pos;
	ssize_t n;
	int fd;

	if (!buf && posix_memalign(&buf, PAGE, CHUNK))
		return FAILED;
	fd = open(disk_path("d"), O_RDONLY | O_DIRECT);
	if (fd < 0)
		return FAILED;
	if (hint && pread(fd, buf, PAGE, hint) == PAGE)
		result = look_at(buf, PAGE, path);
	for (pos = 0; result == NOT_HELD && pos < sectors * SECTOR;
	     pos += CHUNK) {
		n = pread(fd, buf, CHUNK, pos);
		if (n <= 0)
			break;
		r = look_at(buf, n, path);
		if (r != NOT_HELD)
			result = r;
	}
	close(fd);
	return result;
}

/* Where on the disk the page at @pos is, if the filesystem knows, or 0 */
static unsigned long long place_of(int fd, unsigned long long pos)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extent;
	} f = { .map = { .fm_start = pos, .fm_length = PAGE,
			 .fm_extent_count = 1 } };

	if (ioctl(fd, FS_IOC_FIEMAP, &f) || f.map.fm_mapped_extents != 1 ||
	    f.extent.fe_physical % SECTOR)
		return 0;
	return f.extent.fe_physical + (pos - f.extent.fe_logical);
}

/* @name: the file or directory; @late: needs stable pages only now */
static enum result try_path(struct __test_metadata *_metadata, enum path path,
			    const char *name, bool late)
{
	unsigned long long hint = 0;
	enum result result = FAILED;
	pid_t pid, other = 0, commit = 0;
	unsigned int wanted;
	char page[PAGE];
	int fd, i;

	run_nr++;
	if (path == DIRECTORY) {
		ASSERT_EQ(0, mkdir(name, 0700));
		fd = open(name, O_RDONLY | O_DIRECTORY);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, syncfs(fd));
	} else {
		fd = open(name, O_RDWR | O_CREAT, 0600);
		ASSERT_LE(0, fd);
		for (i = 0; i < PAGES; i++) {
			fill_page(page, path, 1);
			ASSERT_EQ(PAGE, pwrite(fd, page, PAGE, i * PAGE));
		}
		ASSERT_EQ(0, fsync(fd));
		ASSERT_EQ(0, syncfs(fd));
		hint = place_of(fd, HELD);
	}

	pid = start_change(path, name);
	ASSERT_LT(0, pid);
	if (late)
		EXPECT_EQ(0, disk_stable(PREFIX "d", true));
	fill_page(page, path, 2);
	if (journal == COMMIT_SAME_TIME && path != DIRECTORY)
		write_at_same_time(fd, page);
	else if (journal != NOT_JOURNALLED && path != DIRECTORY)
		EXPECT_EQ(PAGE, pwrite(fd, page, PAGE, HELD));
	if (journal == CHECKPOINT)
		EXPECT_EQ(0, commit_other());
	EXPECT_EQ(0, hold(true));
	EXPECT_EQ(1, queue_attr(dm_path("hold"), "stable_writes"));
	if (path == DIRECTORY) {
		other = start_name(name, fd);
	} else {
		if (journal == NOT_JOURNALLED)
			EXPECT_EQ(PAGE, pwrite(fd, page, PAGE, HELD));
		if (path == BESIDE) {
			memset(page, 'C', PAGE);
			EXPECT_EQ(PAGE, pwrite(fd, page, PAGE, HELD + PAGE));
		}
		EXPECT_EQ(0, sync_file_range(fd, HELD, 2 * PAGE,
					     SYNC_FILE_RANGE_WRITE));
		if (journal >= COMMIT)
			commit = start_commit(fd);
	}
	/*
	 * btrfs submits from a worker. A commit writes a descriptor first, but
	 * has taken by then what goes with it.
	 */
	wanted = commit ? 2 : 1;
	for (i = 0; i < (path == DIRECTORY ? 20 : 1000) &&
	     writes_held() < wanted; i++)
		sleep_ms(10);
	if (writes_held() < wanted) {
		result = NOT_HELD;
	} else {
		if (path == BESIDE) {
			other = start_write(name);
			await_state(other, "D", 500);
		}
		let_change(pid);
		EXPECT_EQ(0, let_through());
		result = look(path, hint);
		/* For a new name, other blocks than the directory's were held */
		if (path != DIRECTORY)
			EXPECT_NE(NOT_HELD, result)
				TH_LOG("%s: what was held is not on the disk",
				       path_name[path]);
	}
	/* Whatever happened, nobody may be left waiting */
	EXPECT_EQ(0, hold(false));
	shared->go = 1;
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	if (other)
		ASSERT_EQ(other, waitpid(other, NULL, 0));
	if (commit)
		ASSERT_EQ(commit, waitpid(commit, NULL, 0));
	EXPECT_EQ(0, shared->ret)
		TH_LOG("%s: %s", path_name[path], strerror(shared->ret));
	close(fd);
	return result;
}

static void try_paths(struct __test_metadata *_metadata, const char *fs,
		      unsigned int paths, bool late)
{
	enum path path;
	char name[256];

	for (path = 0; path < PATHS; path++) {
		enum result result;

		if (!(paths & 1 << path))
			continue;
		if (late)
			ASSERT_EQ(0, disk_stable(PREFIX "d", false));
		if (late)
			ASSERT_EQ(0, hold(false));
		if (!strcmp(fs, "device"))
			snprintf(name, sizeof(name), "%s", dm_path("hold"));
		else
			snprintf(name, sizeof(name), MNT "/%s",
				 path_name[path]);
		result = try_path(_metadata, path, name, late);
		ksft_print_msg("%-12s %-10s %s%s\n", fs, path_name[path],
			       result == STABLE ? "stable" :
			       result == CHANGED ? "CHANGED under writeback" :
			       result == NOT_HELD ? "- (not in page cache)" :
			       "could not be tested",
			       result == STABLE && waited ? ", waited" : "");
		/*
		 * Shown only: what was held may have been another block than
		 * the directory's, and then the second name is there rightly.
		 */
		if (path == DIRECTORY)
			continue;
		EXPECT_EQ(STABLE, result);
	}
}

static void unmake(void)
{
	umount2(MNT, 0);
	dm_remove("hold");
	dm_remove("gate");
	disk_remove("d");
	disk_remove("first");
	unlink("/tmp/" PREFIX "image");
	rmdir("/tmp/" PREFIX "empty");
	unlink("/tmp/" PREFIX "log");
}

/*
 * @mkfs makes the filesystem on $D, or on $FIRST, which needs no stable pages,
 * and on $D as well.
 */
static void make(struct __test_metadata *_metadata, const char *type,
		 unsigned int megabytes, const char *options, const char *mkfs,
		 bool stable)
{
	bool two = strstr(mkfs, "$FIRST");
	const char *dev;
	char tool[32];

	sscanf(mkfs, "%31s", tool);
	if (!strcmp(tool, "mkdir"))
		strcpy(tool, "makefs");
	if (run("command -v %s >/dev/null 2>&1", tool))
		SKIP(return, "no %s", tool);
	if (type) {
		run("modprobe -q %s 2>/dev/null", type);
		if (run("grep -qw %s /proc/filesystems", type))
			SKIP(return, "no filesystem %s", type);
	}
	sectors = megabytes * 2048ULL;
	ASSERT_EQ(0, disk_new("d", megabytes, 0));
	ASSERT_EQ(0, disk_stable(PREFIX "d", stable));
	ASSERT_EQ(0, dm_new("gate", "0 %llu linear %s 0", sectors,
			    disk_path("d")));
	ASSERT_EQ(0, dm_new("hold", "0 %llu delay %s 0 0 %s 0 0", sectors,
			    dm_path("gate"), dm_path("gate")));
	if (!type)
		return;
	if (two) {
		ASSERT_EQ(0, disk_new("first", megabytes, 0));
		ASSERT_EQ(0, disk_stable(PREFIX "first", false));
	}
	ASSERT_EQ(0, run("D=%s FIRST=%s; (%s) >/tmp/" PREFIX "log 2>&1 "
			 "</dev/null || { cat /tmp/" PREFIX "log; false; }",
			 dm_path("hold"), disk_path("first"), mkfs));
	dev = two ? disk_path("first") : dm_path("hold");
	ASSERT_EQ(0, mount(dev, MNT, type, 0, options))
		TH_LOG("%s: %s", type, strerror(errno));
	/* 6.12 knows an ntfs that only reads */
	if (access(MNT, W_OK)) {
		unmake();
		SKIP(return, "%s is read-only", type);
	}
}

static void hold_init(void)
{
	stable_writes_test_init(restore_flusher);
	need_null_blk();
	need_target("delay");
	shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		ksft_exit_fail_msg("mmap: %s\n", strerror(errno));
	/*
	 * What is dirty is to be written when the test says so. With 0 there is
	 * no periodic writeback, but the flusher wakes as soon as anything gets
	 * dirty, and may find that it is much for a new device.
	 */
	read_file("/proc/sys/vm/dirty_writeback_centisecs", centisecs,
		  sizeof(centisecs));
	write_file("/proc/sys/vm/dirty_writeback_centisecs", "360000");
}

#endif /* _HOLD_H */
