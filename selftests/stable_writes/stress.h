/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Write to a disk that verifies protection information, in all the ways in
 * which a page can change between its checksum and the disk. Nobody may hear of
 * a guard error, and what was written last has to be there.
 *
 * A row is a filesystem (or none) on a device, a cell one mode of writing to it
 * for STRESS_MS milliseconds (environment; the default is for a quick run).
 * After each cell everything is read back from the disk. After each row, and
 * each cell with an error, the filesystem is unmounted and checked.
 * STRESS_MODES (environment) has the modes to run, if not all.
 *
 * Threads share pages, but each has its own slots in them, so it is known what
 * has to be in a slot. Where the memory is changed while it is written (S, P,
 * V, U), it is not: there the disk only has to take it. Nor can it be read: a
 * disk may verify the memory, transfer it once more and store that, as
 * scsi_debug does, and what was changed in between is stored with a checksum
 * that it does not match. A later read of that fails, and rightly so. It is
 * written over when nobody changes it any more, and then read.
 *
 * Lines of the log that begin with TABLE are the matrix: a line for each row, a
 * column for each mode with failed/calls, then the conflicts that were settled,
 * the lines in the kernel's log, the slots lost and the filesystems damaged.
 */
#ifndef _STRESS_H
#define _STRESS_H

#include <linux/io_uring.h>
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "stable_writes_test.h"

#define PAGE		4096
#define PAGES		32
#define SIZE		(PAGES * PAGE)
#define WRITERS		4
#define SLOT		(PAGE / WRITERS)	/* of one writer in each page */
#define HOT		4			/* pages that writers share */
#define AREA		(SIZE / WRITERS)	/* of one writer in the file */
#define WORKERS		6
#define UNKNOWN		(~0ULL)

/*
 * Modes that are right as soon as everybody waits who should: with a journal, or
 * no filesystem, there is nothing to settle. In the others memory is changed
 * that nobody can wait for.
 */
#define WAITING		"ABCDEFTM"

enum { DATA, SOURCE, FILES };

struct worker {
	unsigned int nr, seed;
	void (*work)(struct worker *w);
	unsigned long calls, failed, lost;
	int error;
	sigjmp_buf bus;
	/* What some of them set up when they begin */
	char *buf, *page;
	int pipe[2], fd, ring;
	struct io_uring_params params;
	char *sq, *cq;
	struct io_uring_sqe *sqes;
};

struct mode {
	char id;
	const char *what;
	void (*work[WORKERS])(struct worker *w);
	bool files_only;
	bool scribbled;		/* memory that the disk is reading */
};

struct row {
	const char *device, *name, *dev, *type, *options, *mkfs, *fsck;
	const char *without;	/* modes that are not right on it */
	bool journal;		/* of metadata, or it has memory of its own */
	bool mounted;
	unsigned long failed, log, lost;
	long settled, hidden;	/* where there should be nothing to settle */
	int checks;		/* that found something */
	char cells[256];
};

static struct {
	bool device;
	volatile bool stop;
	int fd[FILES], direct[FILES];
	off_t pos[FILES];
	char *map, *scribble;
	uint64_t is[FILES][PAGES][WRITERS];
} t;

static __thread struct worker *me;

static const char *pi;		/* the disk below all of it */
static unsigned int cell_ms = 200;
static const char *only_modes;

/* With errors everything takes longer: then not all rows are needed */
#define RED_MS		60000

static struct {
	unsigned long long began;
	volatile bool red;
} *all_rows;

static bool did(struct worker *w, bool ok)
{
	w->calls++;
	if (!ok) {
		w->failed++;
		if (!w->error)
			w->error = errno;
	}
	return ok;
}

static void fill(char *buf, size_t len, uint64_t value)
{
	uint64_t *p = (uint64_t *)buf;

	for (; len; len -= sizeof(*p))
		*p++ = value;
}

static bool filled(const char *buf, size_t len, uint64_t value)
{
	const uint64_t *p = (const uint64_t *)buf;

	for (; len; len -= sizeof(*p))
		if (*p++ != value)
			return false;
	return true;
}

static uint64_t next_value(struct worker *w)
{
	return (w->nr + 1ULL) << 56 | w->calls << 24 | rand_r(&w->seed) >> 8;
}

static void wrote(int file, unsigned int page, uint64_t value)
{
	for (int i = 0; i < WRITERS; i++)
		t.is[file][page][i] = value;
}

static unsigned int own_page(struct worker *w)
{
	return rand_r(&w->seed) % (PAGES / WRITERS) * WRITERS + w->nr % WRITERS;
}

static void start_writeback(struct worker *w, unsigned int page)
{
	did(w, !sync_file_range(t.fd[DATA], t.pos[DATA] + page * PAGE, PAGE,
				SYNC_FILE_RANGE_WRITE |
				(rand_r(&w->seed) % 4 ? 0 :
				 SYNC_FILE_RANGE_WAIT_AFTER)));
}

static void write_slot(struct worker *w, int file)
{
	unsigned int page = rand_r(&w->seed) % HOT, slot = w->nr % WRITERS;
	uint64_t value = next_value(w);
	char buf[SLOT];

	fill(buf, SLOT, value);
	if (did(w, pwrite(t.fd[file], buf, SLOT, t.pos[file] + page * PAGE +
			  slot * SLOT) == SLOT))
		t.is[file][page][slot] = value;
	if (file == DATA)
		start_writeback(w, page);
}

static void buffered(struct worker *w)
{
	write_slot(w, DATA);
}

static void on_bus(int sig)
{
	if (!me)
		_exit(128 + sig);
	errno = EFAULT;
	siglongjmp(me->bus, 1);
}

/* A store to the mapping, which may end with SIGBUS */
static bool store(struct worker *w, size_t pos, size_t len, uint64_t value)
{
	if (sigsetjmp(w->bus, 1))
		return did(w, false);
	fill(t.map + pos, len, value);
	return true;
}

static void sync_map(struct worker *w, unsigned int page)
{
	if (rand_r(&w->seed) % 2)
		did(w, !msync(t.map + page * PAGE, PAGE, MS_SYNC));
	else
		start_writeback(w, page);
}

static void mapped(struct worker *w)
{
	unsigned int page = rand_r(&w->seed) % HOT, slot = w->nr % WRITERS;
	uint64_t value = next_value(w);

	if (store(w, page * PAGE + slot * SLOT, SLOT, value))
		t.is[DATA][page][slot] = value;
	sync_map(w, page);
}

/* Beside direct I/O, which has other pages of the same file */
static void mapped_own(struct worker *w)
{
	unsigned int page = own_page(w);
	uint64_t value = next_value(w);

	if (store(w, page * PAGE, PAGE, value))
		wrote(DATA, page, value);
	sync_map(w, page);
}

static char *page_of(struct worker *w)
{
	if (!w->page)
		w->page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return w->page;
}

static void direct(struct worker *w)
{
	unsigned int page = own_page(w);
	uint64_t value = next_value(w);

	fill(page_of(w), PAGE, value);
	if (did(w, pwrite(t.direct[DATA], w->page, PAGE,
			  t.pos[DATA] + page * PAGE) == PAGE))
		wrote(DATA, page, value);
	else
		wrote(DATA, page, UNKNOWN);
}

static void read_own(struct worker *w)
{
	unsigned int page = own_page(w);

	if (did(w, pread(t.direct[DATA], page_of(w), PAGE,
			 t.pos[DATA] + page * PAGE) == PAGE) &&
	    !filled(w->page, SLOT, t.is[DATA][page][0]))
		w->lost++;
}

/* Changes the memory that others write from or read into */
static void scribble(struct worker *w)
{
	uint64_t *p = (uint64_t *)t.scribble;
	int i;

	for (i = 0; i < 1024; i++)
		p[rand_r(&w->seed) % (AREA / sizeof(*p))] += i + 1;
}

static off_t area(struct worker *w)
{
	unsigned int first = w->nr % WRITERS * (PAGES / WRITERS), i;

	for (i = 0; i < PAGES / WRITERS; i++)
		wrote(DATA, first + i, UNKNOWN);
	return t.pos[DATA] + first * PAGE;
}

static void direct_scribbled(struct worker *w)
{
	did(w, pwrite(t.direct[DATA], t.scribble, AREA, area(w)) == AREA);
}

static void read_scribbled(struct worker *w)
{
	did(w, pread(t.direct[DATA], t.scribble, AREA, t.pos[DATA] +
		     w->nr % WRITERS * AREA) == AREA);
}

static void write_source(struct worker *w)
{
	write_slot(w, SOURCE);
}

static int pipe_of(struct worker *w, int end)
{
	if (!w->pipe[1] && pipe(w->pipe))
		w->pipe[end] = -1;
	return w->pipe[end];
}

static void pipe_to_disk(struct worker *w)
{
	loff_t pos = area(w);
	ssize_t n, left;

	for (left = AREA; left > 0; left -= n) {
		n = splice(w->pipe[0], NULL, t.direct[DATA], &pos, left, 0);
		if (!did(w, n > 0))
			break;
	}
	if (left > 0) {
		/* What the disk has refused is still in the pipe */
		close(w->pipe[0]);
		close(w->pipe[1]);
		w->pipe[0] = w->pipe[1] = 0;
	}
}

static void splice_source(struct worker *w)
{
	loff_t pos = t.pos[SOURCE];
	ssize_t n, left;

	for (left = AREA; left > 0; left -= n) {
		n = splice(t.fd[SOURCE], &pos, pipe_of(w, 1), NULL, left, 0);
		if (!did(w, n > 0))
			return;
	}
	pipe_to_disk(w);
}

static void vmsplice_scribbled(struct worker *w)
{
	struct iovec iov = { t.scribble, AREA };

	if (did(w, vmsplice(pipe_of(w, 1), &iov, 1, 0) == AREA))
		pipe_to_disk(w);
}

/* Direct I/O from the other file into mapped pages under writeback */
static void read_into_map(struct worker *w)
{
	unsigned int page = own_page(w), from = rand_r(&w->seed) % PAGES;

	store(w, page * PAGE, PAGE, next_value(w));
	start_writeback(w, page);
	wrote(DATA, page, UNKNOWN);
	if (did(w, pread(t.direct[SOURCE], t.map + page * PAGE, PAGE,
			 t.pos[SOURCE] + from * PAGE) == PAGE))
		memcpy(t.is[DATA][page], t.is[SOURCE][from],
		       sizeof(t.is[DATA][page]));
	start_writeback(w, page);
}

static bool ring_of(struct worker *w)
{
	struct iovec iov = { t.scribble, AREA };
	struct io_uring_params *p = &w->params;

	if (w->sqes)
		return true;
	w->ring = syscall(__NR_io_uring_setup, 1, p);
	if (w->ring < 0 ||
	    syscall(__NR_io_uring_register, w->ring, IORING_REGISTER_BUFFERS,
		    &iov, 1))
		return false;
	w->sq = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, w->ring, IORING_OFF_SQ_RING);
	w->cq = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_POPULATE, w->ring, IORING_OFF_CQ_RING);
	w->sqes = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, w->ring, IORING_OFF_SQES);
	if (w->sq != MAP_FAILED && w->cq != MAP_FAILED &&
	    w->sqes != MAP_FAILED)
		return true;
	w->sqes = NULL;
	return false;
}

static void uring_fixed(struct worker *w)
{
	struct io_uring_params *p = &w->params;
	unsigned int *tail, *head;
	struct io_uring_cqe *cqe;

	if (!ring_of(w)) {
		did(w, false);
		return;
	}
	tail = (unsigned int *)(w->sq + p->sq_off.tail);
	head = (unsigned int *)(w->cq + p->cq_off.head);
	memset(w->sqes, 0, sizeof(*w->sqes));
	w->sqes->opcode = IORING_OP_WRITE_FIXED;
	w->sqes->fd = t.direct[DATA];
	w->sqes->addr = (uintptr_t)t.scribble;
	w->sqes->len = AREA;
	w->sqes->off = area(w);
	*(unsigned int *)(w->sq + p->sq_off.array) = 0;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (!did(w, syscall(__NR_io_uring_enter, w->ring, 1, 1,
			    IORING_ENTER_GETEVENTS, NULL, 0) == 1))
		return;
	cqe = (struct io_uring_cqe *)(w->cq + p->cq_off.cqes) +
	      (*head & (p->cq_entries - 1));
	errno = cqe->res < 0 ? -cqe->res : EIO;
	did(w, cqe->res == AREA);
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
}

/* Cut a file in the middle of what is under writeback, and make it longer */
static void truncated(struct worker *w)
{
	unsigned int odd = rand_r(&w->seed) % 255 * 16 + 8;
	uint64_t value = next_value(w);
	char name[64], *p = page_of(w);

	if (!w->fd) {
		snprintf(name, sizeof(name), MNT "/cut%u", w->nr);
		w->fd = open(name, O_RDWR | O_CREAT, 0600);
	}
	fill(p, PAGE, value);
	did(w, pwrite(w->fd, p, PAGE, 0) == PAGE);
	did(w, !sync_file_range(w->fd, 0, PAGE, SYNC_FILE_RANGE_WRITE));
	did(w, !ftruncate(w->fd, odd));
	did(w, !ftruncate(w->fd, PAGE + odd));
	if (!t.stop)
		return;
	did(w, !fsync(w->fd));
	posix_fadvise(w->fd, 0, 0, POSIX_FADV_DONTNEED);
	if (did(w, pread(w->fd, p, PAGE, 0) == PAGE) &&
	    (!filled(p, odd, value) || !filled(p + odd, PAGE - odd, 0)))
		w->lost++;
}

static void churn(struct worker *w)
{
	char dir[64], old[96], new[96], there[64];
	struct stat st;
	int fd;

	snprintf(dir, sizeof(dir), MNT "/dir%u.%lu", w->nr, w->calls % 97);
	snprintf(old, sizeof(old), "%s/old", dir);
	snprintf(new, sizeof(new), "%s/a_somewhat_longer_new_name", dir);
	snprintf(there, sizeof(there), MNT "/there%u.%lu", w->nr,
		 w->calls % 13);
	did(w, !mkdir(dir, 0700));
	fd = open(old, O_CREAT | O_EXCL | O_WRONLY, 0600);
	did(w, fd >= 0);
	did(w, write(fd, dir, sizeof(dir)) == sizeof(dir));
	close(fd);
	did(w, !rename(old, new));
	did(w, !stat(new, &st) && st.st_size == sizeof(dir));
	fd = open(there, O_CREAT | O_WRONLY | O_TRUNC, 0600);
	did(w, fd >= 0);
	close(fd);
	did(w, !unlink(new));
	did(w, !rmdir(dir));
}

static void sync_all(struct worker *w)
{
	did(w, !syncfs(t.fd[DATA]));
}

static const struct mode modes[] = {
	{ 'A', "write", { buffered, buffered, buffered, buffered } },
	{ 'B', "mmap", { mapped, mapped, mapped, mapped } },
	{ 'C', "write and mmap", { buffered, buffered, mapped, mapped } },
	{ 'D', "O_DIRECT", { direct, direct, direct, direct } },
	{ 'E', "mmap beside O_DIRECT reads", { mapped_own, mapped_own,
					       read_own, read_own } },
	{ 'F', "O_DIRECT and mmap", { direct, direct, mapped_own, mapped_own } },
	{ 'S', "O_DIRECT, scribbled", { direct_scribbled, direct_scribbled,
					scribble }, .scribbled = true },
	{ 'T', "truncate, extend", { truncated, truncated, truncated, sync_all },
	  .files_only = true },
	{ 'M', "metadata", { churn, churn, churn, sync_all },
	  .files_only = true },
	{ 'P', "splice", { splice_source, splice_source, write_source,
			   write_source }, .scribbled = true },
	{ 'V', "vmsplice", { vmsplice_scribbled, vmsplice_scribbled,
			     scribble }, .scribbled = true },
	{ 'U', "io_uring fixed buffer", { uring_fixed, uring_fixed, scribble },
	  .scribbled = true },
	{ 'G', "O_DIRECT read into mmap", { read_into_map, read_into_map,
					    read_into_map } },
	{ 'R', "O_DIRECT read, scribbled", { read_scribbled, read_scribbled,
					     scribble } },
};

#define MODES (sizeof(modes) / sizeof(modes[0]))

static void *worker(void *arg)
{
	struct worker *w = arg;
	bool last;

	me = w;
	do {
		last = t.stop;
		w->work(w);
	} while (!last);
	if (w->sqes)
		munmap(w->sqes, PAGE);
	if (w->ring > 0)
		close(w->ring);
	if (w->pipe[1]) {
		close(w->pipe[0]);
		close(w->pipe[1]);
	}
	if (w->fd > 0)
		close(w->fd);
	return NULL;
}

static char log_first[160];

/*
 * Lines of the kernel's log that tell of an I/O error, and the first of them.
 * What a device or its driver says of a first attempt is no error yet.
 */
static unsigned long log_lines(bool count)
{
	static int fd = -1;
	static const char * const words[] = {
		" error, dev ", " tag error at ", "Buffer I/O error", "lost ",
	};
	unsigned long n = 0;
	char rec[2048];
	ssize_t len;
	size_t i;

	if (fd < 0)
		fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	log_first[0] = '\0';
	if (!count) {
		lseek(fd, 0, SEEK_END);
		return 0;
	}
	while ((len = read(fd, rec, sizeof(rec) - 1)) > 0 ||
	       (len < 0 && errno == EPIPE)) {
		if (len < 0)
			continue;
		rec[len] = '\0';
		for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
			if (strcasestr(rec, words[i])) {
				if (!n++)
					snprintf(log_first, sizeof(log_first),
						 "%s", strchrnul(rec, ';'));
				break;
			}
	}
	return n;
}

static int open_file(const struct row *r, int file)
{
	static const char * const name[] = { MNT "/data", MNT "/source" };
	const char *path = t.device ? r->dev : name[file];
	char *buf = t.scribble;
	int i, j;

	t.pos[file] = t.device ? (file + 1) << 20 : 0;
	t.fd[file] = open(path, O_RDWR | O_CREAT, 0600);
	t.direct[file] = open(path, O_RDWR | O_DIRECT);
	if (t.fd[file] < 0 || t.direct[file] < 0)
		return -errno;
	for (i = 0; i < PAGES; i++) {
		wrote(file, i, 0x1234567890abcdefULL + i);
		for (j = 0; j < WRITERS; j++)
			fill(buf + j * SLOT, SLOT, t.is[file][i][j]);
		if (pwrite(t.fd[file], buf, PAGE, t.pos[file] + i * PAGE) !=
		    PAGE)
			return -errno;
	}
	if (fsync(t.fd[file]))
		return -errno;
	posix_fadvise(t.fd[file], t.pos[file], SIZE, POSIX_FADV_DONTNEED);
	return 0;
}

static int open_files(const struct row *r)
{
	int i, ret = 0;

	for (i = 0; !ret && i < FILES; i++)
		ret = open_file(r, i);
	if (ret)
		return ret;
	t.map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, t.fd[DATA],
		     t.pos[DATA]);
	if (t.map == MAP_FAILED)
		return -errno;
	/* Small folios, so that direct I/O beside it has folios of its own */
	madvise(t.map, SIZE, MADV_RANDOM);
	return 0;
}

static void close_files(void)
{
	int i;

	if (t.map && t.map != MAP_FAILED)
		munmap(t.map, SIZE);
	t.map = NULL;
	for (i = 0; i < FILES; i++) {
		close(t.fd[i]);
		close(t.direct[i]);
	}
}

/* What nobody can know, see above */
static void write_over(struct worker *w, int file)
{
	uint64_t value;
	int i;

	for (i = 0; i < PAGES; i++) {
		if (t.is[file][i][0] != UNKNOWN)
			continue;
		value = next_value(w);
		fill(page_of(w), PAGE, value);
		if (did(w, pwrite(t.direct[file], w->page, PAGE,
				  t.pos[file] + i * PAGE) == PAGE))
			wrote(file, i, value);
	}
}

/* The slots that are not what was written to them last */
static unsigned long lost(struct worker *w, int file, int fd)
{
	unsigned long n = 0;
	char *p = page_of(w);
	int i, j;

	for (i = 0; i < PAGES; i++) {
		if (!did(w, pread(fd, p, PAGE, t.pos[file] + i * PAGE) == PAGE))
			continue;
		for (j = 0; j < WRITERS; j++)
			n += t.is[file][i][j] != UNKNOWN &&
			     !filled(p + j * SLOT, SLOT, t.is[file][i][j]);
	}
	return n;
}

static int make_fs(struct row *r)
{
	if (run("D=%s; (%s) >/tmp/" PREFIX "log 2>&1 </dev/null || "
		"{ cat /tmp/" PREFIX "log; false; }", r->dev, r->mkfs))
		return -EINVAL;
	if (mount(r->dev, MNT, r->type, 0, r->options))
		return -errno;
	r->mounted = true;
	return 0;
}

/* Nothing is left that is mounted; returns whether fsck found something */
static bool check_fs(struct row *r)
{
	bool bad;
	int fd;

	r->mounted = false;
	if (umount2(MNT, 0)) {
		ksft_print_msg("%s: umount: %s\n", r->name, strerror(errno));
		umount2(MNT, MNT_DETACH);
		return true;
	}
	/* An error of the last metadata, which mkfs would take for its own */
	fd = open(r->dev, O_RDWR);
	if (fd < 0 || fsync(fd)) {
		ksft_print_msg("%s: left by umount: %s\n", r->name,
			       strerror(errno));
		r->failed++;
	}
	close(fd);
	bad = run("D=%s; (%s) >/tmp/" PREFIX "log 2>&1 </dev/null", r->dev,
		  r->fsck);
	if (bad)
		run("sed 's/^/# fsck: /; 12q' /tmp/" PREFIX "log");
	unlink("/tmp/" PREFIX "log");
	return bad;
}

static void cell(struct row *r, const struct mode *m)
{
	struct worker w[WORKERS + 1] = {}, *all = &w[WORKERS];
	unsigned long calls, failed, missing, log;
	long conflicts = integrity_attr(pi, "conflicts");
	pthread_t thread[WORKERS];
	int i, n, ret;

	t.stop = false;
	log_lines(false);
	ret = open_files(r);
	errno = -ret;
	did(all, !ret);
	for (n = 0; !ret && n < WORKERS && m->work[n]; n++) {
		w[n].nr = n;
		w[n].seed = n + 1;
		w[n].work = m->work[n];
		if (pthread_create(&thread[n], NULL, worker, &w[n]))
			break;
	}
	if (!ret)
		sleep_ms(cell_ms);
	t.stop = true;
	for (i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	for (i = 0; !ret && i < FILES; i++) {
		if (m->scribbled)
			write_over(all, i);
		did(all, !fsync(t.fd[i]));
		all->lost += lost(all, i, t.fd[i]);
		posix_fadvise(t.fd[i], t.pos[i], SIZE, POSIX_FADV_DONTNEED);
		all->lost += lost(all, i, t.direct[i]);
	}
	close_files();
	log = log_lines(true);
	calls = failed = missing = 0;
	for (i = 0; i <= WORKERS; i++) {
		calls += w[i].calls;
		failed += w[i].failed;
		missing += w[i].lost;
		if (w[i].failed && !all->error)
			all->error = w[i].error;
	}
	conflicts = integrity_attr(pi, "conflicts") - conflicts;
	n = strlen(r->cells);
	snprintf(r->cells + n, sizeof(r->cells) - n, " %4lu/%-6lu", failed,
		 calls);
	if (failed || log || missing)
		ksft_print_msg("%s %s, %c %s: %lu of %lu calls failed (%s), %lu slots lost, %lu lines in the log%.100s\n",
			       r->device, r->name, m->id, m->what, failed, calls,
			       failed ? strerrorname_np(all->error) : "-",
			       missing, log, strtok(log_first, "\n") ?: "");
	if (conflicts && (t.device || r->journal) && strchr(WAITING, m->id)) {
		ksft_print_msg("%s %s, %c %s: %ld conflicts where somebody should have waited\n",
			       r->device, r->name, m->id, m->what, conflicts);
		r->hidden += conflicts;
	}
	r->settled += conflicts;
	r->failed += failed;
	r->lost += missing;
	r->log += log;
	/* One with damage would spoil what comes after */
	if ((failed || missing) && !t.device) {
		r->checks += check_fs(r);
		ret = make_fs(r);
		if (ret)
			ksft_print_msg("%s: no new filesystem: %s\n", r->name,
				       strerror(-ret));
	}
}

static void print_head(void)
{
	char line[256];
	size_t i;
	int n = 0;

	for (i = 0; i < MODES; i++)
		ksft_print_msg("%c: %s\n", modes[i].id, modes[i].what);
	for (i = 0; i < MODES; i++)
		n += snprintf(line + n, sizeof(line) - n, " %4c%-7s",
			      modes[i].id, "");
	ksft_print_msg("TABLE %-8s %-12s %s settled   log  lost  fsck\n",
		       "device", "filesystem", line);
}

/* Run all modes on r->dev and print the row of the table */
static void run_row(struct __test_metadata *_metadata, struct row *r)
{
	size_t i;
	unsigned long long began = now_ms();
	char tool[32];
	int n;

	if (all_rows->red && now_ms() - all_rows->began > RED_MS)
		SKIP(return, "the time of a run with errors is up");
	t.device = !r->type;
	if (!t.device) {
		sscanf(r->mkfs, "%31s", tool);
		if (run("command -v %s >/dev/null 2>&1", tool))
			SKIP(return, "no %s", tool);
		if (run("grep -qw %s /proc/filesystems", r->type))
			SKIP(return, "no filesystem %s", r->type);
		ASSERT_EQ(0, make_fs(r));
	}
	for (i = 0; i < MODES; i++) {
		if ((t.device && modes[i].files_only) ||
		    (only_modes && !strchr(only_modes, modes[i].id)) ||
		    (r->without && strchr(r->without, modes[i].id)) ||
		    (!t.device && !r->mounted)) {
			n = strlen(r->cells);
			snprintf(r->cells + n, sizeof(r->cells) - n, " %4s%-7s",
				 "-", "");
			continue;
		}
		cell(r, &modes[i]);
	}
	if (r->mounted)
		r->checks += check_fs(r);
	else if (!t.device)
		r->checks++;
	if (r->failed || r->log || r->lost || r->checks || r->hidden)
		all_rows->red = true;
	ksft_print_msg("%s %s: %llu ms\n", r->device, r->name,
		       now_ms() - began);
	ksft_print_msg("TABLE %-8s %-12s %s %7ld %5lu %5lu %5d\n", r->device,
		       r->name, r->cells, r->settled, r->log, r->lost,
		       r->checks);
	EXPECT_EQ(0, r->hidden) TH_LOG("%s: somebody did not wait", r->name);
	EXPECT_EQ(0, r->failed) TH_LOG("%s: calls failed", r->name);
	EXPECT_EQ(0, r->log) TH_LOG("%s: errors in the log", r->name);
	EXPECT_EQ(0, r->lost) TH_LOG("%s: data lost", r->name);
	EXPECT_EQ(0, r->checks) TH_LOG("%s: damaged", r->name);
}

/* What there is in the disk's integrity group */
static void print_counters(void)
{
	run("cd /sys/block/%s/integrity 2>/dev/null && grep -H . * | "
	    "sed 's/^/# %s: /'", strrchr(pi, '/') + 1, strrchr(pi, '/') + 1);
}

static void stress_init(void (*undo)(void))
{
	struct sigaction sa = { .sa_handler = on_bus };

	stable_writes_test_init(undo);
	if (getenv("STRESS_MS"))
		cell_ms = atoi(getenv("STRESS_MS"));
	only_modes = getenv("STRESS_MODES");
	sigaction(SIGBUS, &sa, NULL);
	t.scribble = mmap(NULL, AREA, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	all_rows = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t.scribble == MAP_FAILED || all_rows == MAP_FAILED)
		ksft_exit_fail_msg("mmap: %s\n", strerror(errno));
	all_rows->began = now_ms();
	/* The refused writes would fill the console */
	write_file("/proc/sys/kernel/printk", "1");
}

#endif /* _STRESS_H */
