// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded into a User Mode Linux, this traces what it asks of the host and
 * lets it fail. $HOST_IO holds rules, separated by blanks:
 *
 *	trace=FILE		a line for each call, "pwrite NAME 512 1024 = 1024 main":
 *				file, offset, length, result; whether by UML's
 *				first thread, or another
 *	CALL:NAME:WHEN:WHAT	on calls of pread, pwrite, write, fsync, fallocate
 *				or cached (a pread that must not wait; all of
 *				them fail if there is a rule for pread)
 *				(and what is another form of the same) to files
 *				with that last component, or any ('*'), or to
 *				any "socket" or "pipe"; WHEN is '*', '3' (the
 *				third only), '3+' (from it on) or '/3' (each
 *				third one),
 *				and may end in '<OFFSET' or '>OFFSET' (of a write:
 *				LENGTH): others are not counted; WHAT is an error (EIO, ...), short=BYTES (no more
 *				than that many), zero (does nothing, returns 0),
 *				delay=MICROSECONDS, hold=FILE (makes
 *				FILE.held, and goes on when FILE is there), or
 *				idle (goes on when UML's first thread is about
 *				to sleep, which the interrupt comes before;
 *				traces whether that is "seen" or "lost")
 *	all_cached		files can be read without waiting, even those on a
 *				tmpfs
 *	sndbuf=BYTES		socket pairs hold no more than that
 *	xstate=BYTES		the registers of a process take that many, as on a
 *				host CPU with more of them
 *
 * Small stacks, no locks: UML calls it from its kernel stacks and from signal
 * handlers, and in 6.12 from a thread that libc does not know.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define MAX_RULES	16

struct rule {
	char call[16];
	char name[64];
	int from, to, each;	/* calls, counted from 1 */
	long long low, high;	/* offsets */
	int seen;
	int error;
	long limit;
	long delay;
	char hold[64];		/* a file to wait for */
	bool idle;
};

static struct rule rules[MAX_RULES];
static int n_rules, trace = -1, sndbuf, xstate;
static bool all_cached, pread_rules;
static pid_t first_thread;

static int error_of(const char *name)
{
	static const struct { const char *name; int error; } errors[] = {
		{ "EAGAIN", EAGAIN }, { "EINTR", EINTR }, { "EIO", EIO },
		{ "ENOSPC", ENOSPC }, { "EOPNOTSUPP", EOPNOTSUPP },
		{ "EINVAL", EINVAL }, { "ENOMEM", ENOMEM },
	};
	unsigned int i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (!strcmp(errors[i].name, name))
			return errors[i].error;
	fprintf(stderr, "host_io: no error %s\n", name);
	abort();
}

__attribute__((constructor)) static void parse(void)
{
	char *env = getenv("HOST_IO"), *text, *word, *save, when[32], what[32];

	if (!env)
		return;
	first_thread = syscall(SYS_gettid);
	text = strdup(env);
	for (word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		struct rule *r = &rules[n_rules];

		if (!strncmp(word, "trace=", 6)) {
			trace = open(word + 6, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		} else if (!strncmp(word, "sndbuf=", 7)) {
			sndbuf = atoi(word + 7);
		} else if (!strncmp(word, "xstate=", 7)) {
			xstate = atoi(word + 7);
		} else if (!strcmp(word, "all_cached")) {
			all_cached = true;
		} else if (n_rules < MAX_RULES &&
			   sscanf(word, "%15[^:]:%63[^:]:%31[^:]:%31s", r->call,
				  r->name, when, what) == 4) {
			r->each = *when == '/' ? atoi(when + 1) : 1;
			r->from = strpbrk(when, "*/") ? 1 : atoi(when);
			r->to = strpbrk(when, "*+/") ? 0x7fffffff : r->from;
			r->low = -1;
			r->high = 0x7fffffffffffffff;
			if (strchr(when, '<'))
				r->high = atoll(strchr(when, '<') + 1) - 1;
			if (strchr(when, '>'))
				r->low = atoll(strchr(when, '>') + 1) + 1;
			r->limit = 0x7fffffffffffffff;
			if (!strcmp(what, "zero"))
				r->limit = 0;
			else if (!strncmp(what, "short=", 6))
				r->limit = atol(what + 6);
			else if (!strncmp(what, "delay=", 6))
				r->delay = atol(what + 6);
			else if (!strncmp(what, "hold=", 5))
				snprintf(r->hold, sizeof(r->hold), "%s", what + 5);
			else if (!strcmp(what, "idle"))
				r->idle = true;
			else
				r->error = error_of(what);
			pread_rules |= !strcmp(r->call, "pread");
			n_rules++;
		} else {
			fprintf(stderr, "host_io: what is %s?\n", word);
			abort();
		}
	}
	free(text);
}

static const char *name_of(int fd, char *path, size_t size)
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, size - 1);
	path[n < 0 ? 0 : n] = '\0';
	return strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
}

/* Of a socket or a pipe, the number is left out */
static bool is_name(const char *name, const char *rule)
{
	size_t len = strlen(rule);

	return !strcmp(name, rule) || (!strncmp(name, rule, len) && name[len] == ':');
}

/* Say so, and wait for FILE */
static void hold(const char *file)
{
	struct timespec ts = { 0, 1000000 };
	char held[80];

	snprintf(held, sizeof(held), "%s.held", file);
	syscall(SYS_close, syscall(SYS_open, held, O_WRONLY | O_CREAT, 0600));
	while (syscall(SYS_access, file, F_OK))
		syscall(SYS_nanosleep, &ts, NULL);
}

static int idle_wanted, idle, rung;

/* By another thread: have the first one call may_miss() */
static void until_idle(void)
{
	struct timespec ts = { 0, 20000 };
	int i;

	__atomic_store_n(&idle, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&rung, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&idle_wanted, 1, __ATOMIC_SEQ_CST);
	/* It may be asleep, and wakes up with the next tick. */
	for (i = 0; i < 10000 && !__atomic_load_n(&idle, __ATOMIC_SEQ_CST); i++)
		syscall(SYS_nanosleep, &ts, NULL);
}

/* Whether an interrupt has just come that the caller must not sleep upon */
static bool may_miss(void)
{
	struct timespec ts = { 0, 20000 };
	int i;

	if (syscall(SYS_gettid) != first_thread ||
	    !__atomic_exchange_n(&idle_wanted, 0, __ATOMIC_SEQ_CST))
		return false;
	__atomic_store_n(&idle, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < 10000 && !__atomic_load_n(&rung, __ATOMIC_SEQ_CST); i++)
		syscall(SYS_nanosleep, &ts, NULL);
	return __atomic_load_n(&rung, __ATOMIC_SEQ_CST);
}

static void missed(bool lost)
{
	if (trace >= 0)
		syscall(SYS_write, trace, lost ? "lost\n" : "seen\n", 5);
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	struct timespec ts = { timeout / 1000, timeout % 1000 * 1000000L };
	long ret;

	if (timeout < 0 && may_miss()) {
		ret = syscall(SYS_poll, fds, n, 0);
		missed(!ret);
		if (ret)
			return ret;
	}
	/* A thread in there can be cancelled, unlike one in syscall(). */
	return ppoll(fds, n, timeout < 0 ? NULL : &ts, NULL);
}

int sigsuspend(const sigset_t *mask)
{
	bool lost = true;
	sigset_t set;
	int i;

	if (may_miss()) {
		sigpending(&set);
		for (i = 1; i < NSIG; i++)
			if (sigismember(&set, i) == 1 && !sigismember(mask, i))
				lost = false;
		missed(lost);
	}
	return syscall(SYS_rt_sigsuspend, mask, 8L);
}

/* What to do with a call: fail (-1, errno set), or go on with so many bytes */
static long before(const char *call, int fd, long long offset, long len)
{
	char path[512];
	const char *name;
	int i, seen, error = 0;

	name = name_of(fd, path, sizeof(path));
	for (i = 0; i < n_rules; i++) {
		struct rule *r = &rules[i];

		if (strcmp(r->call, call) || offset < r->low || offset > r->high ||
		    (strcmp(r->name, "*") && !is_name(name, r->name)))
			continue;
		seen = __atomic_add_fetch(&r->seen, 1, __ATOMIC_RELAXED);
		if (seen < r->from || seen > r->to || seen % r->each)
			continue;
		if (r->delay) {
			struct timespec ts = { 0, r->delay * 1000 };

			syscall(SYS_nanosleep, &ts, NULL);
		}
		if (*r->hold)
			hold(r->hold);
		if (r->idle)
			until_idle();
		if (r->error)
			error = r->error;
		else if (r->limit < len)
			len = r->limit;
	}
	if (error) {
		errno = error;
		return -1;
	}
	return len;
}

static long after(const char *call, int fd, long long offset, long len, long ret)
{
	int err = errno, n;
	char path[512], line[256];

	if (trace >= 0) {
		n = snprintf(line, sizeof(line), "%s %s %lld %ld = %ld %s\n", call,
			     name_of(fd, path, sizeof(path)), offset, len, ret,
			     syscall(SYS_gettid) == first_thread ? "main" : "other");
		syscall(SYS_write, trace, line, n);
	}
	if (ret < 0)
		errno = err;
	return ret;
}

static long io(const char *call, long nr, int fd, const void *buf, long len, long long offset)
{
	long do_len = before(call, fd, offset < 0 ? len : offset, len), ret = do_len;

	if (do_len > 0)
		ret = syscall(nr, fd, buf, do_len, offset);
	return after(call, fd, offset, len, ret);
}

/* Of a vector that has to be short, what fits */
static long iov(const char *call, long nr, long nr1, int fd, const struct iovec *v, int n,
		long long offset, int flags)
{
	long len = 0, do_len, ret, sum = 0;
	int i;

	for (i = 0; i < n; i++)
		len += v[i].iov_len;
	do_len = ret = before(call, fd, offset, len);
	if (do_len > 0 && do_len == len) {
		ret = syscall(nr, fd, v, n, offset, 0L, (long)flags);
	} else if (do_len > 0) {
		for (i = 0; i < n && sum < do_len; i++) {
			long part = v[i].iov_len;

			if (part > do_len - sum)
				part = do_len - sum;
			ret = syscall(nr1, fd, v[i].iov_base, part, offset + sum);
			if (ret < 0)
				break;
			sum += ret;
			if (ret < part)
				break;
		}
		ret = sum ? sum : ret;
	}
	return after(call, fd, offset, len, ret);
}

ssize_t pread(int fd, void *buf, size_t len, off_t off)
{
	return io("pread", SYS_pread64, fd, buf, len, off);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
	return io("pwrite", SYS_pwrite64, fd, buf, len, off);
}

ssize_t write(int fd, const void *buf, size_t len)
{
	long ret = io("write", SYS_write, fd, buf, len, -1);

	if (syscall(SYS_gettid) != first_thread)
		__atomic_store_n(&rung, 1, __ATOMIC_SEQ_CST);
	return ret;
}

ssize_t preadv(int fd, const struct iovec *v, int n, off_t off)
{
	return iov("pread", SYS_preadv, SYS_pread64, fd, v, n, off, 0);
}

/* With RWF_NOWAIT: the only flag that UML gives */
ssize_t preadv2(int fd, const struct iovec *v, int n, off_t off, int flags)
{
	if (pread_rules) {
		errno = EAGAIN;
		return -1;
	}
	return iov("cached", SYS_preadv2, SYS_pread64, fd, v, n, off, all_cached ? 0 : flags);
}

ssize_t pwritev(int fd, const struct iovec *v, int n, off_t off)
{
	return iov("pwrite", SYS_pwritev, SYS_pwrite64, fd, v, n, off, 0);
}

ssize_t pread64(int fd, void *buf, size_t len, off64_t off)
	__attribute__((alias("pread")));
ssize_t pwrite64(int fd, const void *buf, size_t len, off64_t off)
	__attribute__((alias("pwrite")));
ssize_t preadv64(int fd, const struct iovec *v, int n, off64_t off)
	__attribute__((alias("preadv")));
ssize_t preadv64v2(int fd, const struct iovec *v, int n, off64_t off, int flags)
	__attribute__((alias("preadv2")));
ssize_t pwritev64(int fd, const struct iovec *v, int n, off64_t off)
	__attribute__((alias("pwritev")));

static int sync_fd(const char *call, long nr, int fd)
{
	/* One name for both: which of them it is makes no difference here */
	long ret = before("fsync", fd, 0, 1);

	if (ret > 0)
		ret = syscall(nr, fd);
	return after(call, fd, 0, 0, ret);
}

int fsync(int fd)
{
	return sync_fd("fsync", SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return sync_fd("fsync", SYS_fdatasync, fd);
}

int fallocate(int fd, int mode, off_t off, off_t len)
{
	long ret = before("fallocate", fd, off, len);

	if (ret > 0)
		ret = syscall(SYS_fallocate, fd, mode, off, len);
	return after("fallocate", fd, off, len, ret);
}

int fallocate64(int fd, int mode, off64_t off, off64_t len)
	__attribute__((alias("fallocate")));

int socketpair(int domain, int type, int protocol, int sv[2])
{
	int i, ret = syscall(SYS_socketpair, domain, type, protocol, sv);

	for (i = 0; !ret && sndbuf && i < 2; i++)
		setsockopt(sv[i], SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	return ret;
}

/*
 * The kernel fills as much of a regset as the buffer holds, but takes back
 * only all of it: see xstateregs_set() in arch/x86/kernel/fpu/regset.c.
 */
static long xstate_regset(int request, pid_t pid, struct iovec *iov)
{
	struct iovec real = { malloc(1 << 20), 1 << 20 };
	long ret = syscall(SYS_ptrace, PTRACE_GETREGSET, pid, NT_X86_XSTATE, &real);
	int err = errno;

	if (!ret && request == PTRACE_GETREGSET) {
		if (iov->iov_len > (size_t)xstate)
			iov->iov_len = xstate;
		memset(iov->iov_base, 0, iov->iov_len);
		memcpy(iov->iov_base, real.iov_base,
		       iov->iov_len < real.iov_len ? iov->iov_len : real.iov_len);
	} else if (!ret && iov->iov_len != (size_t)xstate) {
		ret = -1;
		err = EFAULT;
	} else if (!ret) {
		memcpy(real.iov_base, iov->iov_base, real.iov_len);
		ret = syscall(SYS_ptrace, request, pid, NT_X86_XSTATE, &real);
		err = errno;
	}
	free(real.iov_base);
	errno = err;
	return ret;
}

long ptrace(enum __ptrace_request request, ...)
{
	unsigned long arg[3], data = 0;
	va_list ap;
	long ret;
	int i;

	va_start(ap, request);
	for (i = 0; i < 3; i++)
		arg[i] = va_arg(ap, unsigned long);
	va_end(ap);
	if (xstate && arg[1] == NT_X86_XSTATE &&
	    (request == PTRACE_GETREGSET || request == PTRACE_SETREGSET))
		return xstate_regset(request, arg[0], (struct iovec *)arg[2]);
	/* glibc: what is peeked at is returned */
	if (request >= PTRACE_PEEKTEXT && request <= PTRACE_PEEKUSER) {
		ret = syscall(SYS_ptrace, request, arg[0], arg[1], &data);
		if (!ret)
			errno = 0;
		return ret ? ret : (long)data;
	}
	return syscall(SYS_ptrace, request, arg[0], arg[1], arg[2]);
}
