/* SPDX-License-Identifier: GPL-2.0 */
/* What the ioremap selftests share. Include after kselftest_harness.h. */
#ifndef _IOREMAP_TEST_H
#define _IOREMAP_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test_modules/test_ioremap.h"

#define DEVICE		"/dev/" TEST_IOREMAP_NAME
#define SZ_LARGE	(2UL << 20)
#define ORDER_2_LARGE	10
#define PAGE		4096UL
#define NR_2_LARGE	(2 * SZ_LARGE / PAGE)

/* All pairs of types, as variants of a fixture with @first and @second */
#define PAIR(fixture, name, a, b)					\
	FIXTURE_VARIANT_ADD(fixture, name) {				\
		.first = TEST_IOREMAP_##a, .second = TEST_IOREMAP_##b	\
	}

#define ALL_PAIRS(fixture)						\
	PAIR(fixture, uc_minus_uc_minus, UC_MINUS, UC_MINUS);		\
	PAIR(fixture, uc_minus_wc, UC_MINUS, WC);			\
	PAIR(fixture, uc_minus_wt, UC_MINUS, WT);			\
	PAIR(fixture, uc_minus_wb, UC_MINUS, WB);			\
	PAIR(fixture, wc_uc_minus, WC, UC_MINUS);			\
	PAIR(fixture, wc_wc, WC, WC);					\
	PAIR(fixture, wc_wt, WC, WT);					\
	PAIR(fixture, wc_wb, WC, WB);					\
	PAIR(fixture, wt_uc_minus, WT, UC_MINUS);			\
	PAIR(fixture, wt_wc, WT, WC);					\
	PAIR(fixture, wt_wt, WT, WT);					\
	PAIR(fixture, wt_wb, WT, WB);					\
	PAIR(fixture, wb_uc_minus, WB, UC_MINUS);			\
	PAIR(fixture, wb_wc, WB, WC);					\
	PAIR(fixture, wb_wt, WB, WT);					\
	PAIR(fixture, wb_wb, WB, WB)

static void (*extra_cleanup)(void);
static struct test_ioremap_info info;
static bool module_loaded;
static pid_t main_pid;
/* Process group of the running test, shared with its process */
static pid_t *test_group;

static inline const char *type_name(unsigned int type)
{
	switch (type) {
	case TEST_IOREMAP_UC:
		return "UC";
	case TEST_IOREMAP_WC:
		return "WC";
	case TEST_IOREMAP_WT:
		return "WT";
	case TEST_IOREMAP_WP:
		return "WP";
	case TEST_IOREMAP_WB:
		return "WB";
	case TEST_IOREMAP_UC_MINUS:
		return "UC-";
	default:
		return "unmapped";
	}
}

/*
 * All types that RAM can have. Not TEST_IOREMAP_UC: ioremap_uc() of RAM makes
 * the kernel warn and use UC-.
 */
static const unsigned int all_types[] = {
	TEST_IOREMAP_UC_MINUS, TEST_IOREMAP_WC, TEST_IOREMAP_WT,
	TEST_IOREMAP_WB,
};

static inline int block_alloc(int fd, unsigned int order, unsigned int flags)
{
	struct test_ioremap_alloc req = { .order = order, .flags = flags };

	return ioctl(fd, TEST_IOREMAP_ALLOC, &req) ? -errno : 0;
}

/*
 * Map with the @nth allocation failing, or none if @nth is 0. Returns the
 * mapping's id or a negative error: -ENOMEM if an allocation failed, -EIO if
 * the mapping was refused.
 */
static inline int block_map_fail(int fd, unsigned long offset,
				 unsigned long size, unsigned int type, int nth,
				 bool *injected)
{
	struct test_ioremap_map req = {
		.offset = offset, .size = size, .type = type, .fail_nth = nth,
	};
	int ret = ioctl(fd, TEST_IOREMAP_MAP, &req) ? -errno : (int)req.id;

	*injected = nth && (ret == -ENOMEM || (ret >= 0 && !req.fail_nth));
	return ret;
}

static inline int block_map(int fd, unsigned long offset, unsigned long size,
			    unsigned int type)
{
	bool injected;

	return block_map_fail(fd, offset, size, type, 0, &injected);
}

static inline int block_unmap(int fd, int id)
{
	return ioctl(fd, TEST_IOREMAP_UNMAP, id) ? -errno : 0;
}

static inline int block_query(int fd, unsigned int id, unsigned long offset,
			      unsigned long nr, unsigned char *types)
{
	struct test_ioremap_query req = {
		.offset = offset, .id = id, .nr = nr,
		.types = (unsigned long)types,
	};

	return ioctl(fd, TEST_IOREMAP_QUERY, &req) ? -errno : 0;
}

/*
 * Expect @nr pages from byte @offset on to have memory type @type, in the
 * mapping @id or, if that is TEST_IOREMAP_DIRECT, in the direct map.
 */
static inline void expect_types(struct __test_metadata *_metadata, int fd,
				unsigned int id, unsigned long offset,
				unsigned long nr, unsigned int type,
				const char *when)
{
	unsigned char types[NR_2_LARGE];
	unsigned long i, wrong = 0, first = 0;

	if (!nr)
		return;
	ASSERT_LE(nr, NR_2_LARGE);
	ASSERT_EQ(0, block_query(fd, id, offset, nr, types));
	for (i = 0; i < nr; i++)
		if (types[i] != type && !wrong++)
			first = i;
	EXPECT_EQ(0, wrong) {
		TH_LOG("%s: %s: %lu of %lu pages differ, page %lu is %s, expected %s",
		       when, id == TEST_IOREMAP_DIRECT ? "direct map" : "mapping",
		       wrong, nr, offset / PAGE + first,
		       type_name(types[first]), type_name(type));
	}
}

static inline void expect_direct(struct __test_metadata *_metadata, int fd,
				 unsigned long offset, unsigned long nr,
				 unsigned int type, const char *when)
{
	expect_types(_metadata, fd, TEST_IOREMAP_DIRECT, offset, nr, type,
		     when);
}

/* Start @mode, return what the mode before has seen */
static inline int hook_wb(int fd, unsigned int mode,
			  struct test_ioremap_hook *seen)
{
	seen->mode = mode;
	return ioctl(fd, TEST_IOREMAP_HOOK_WB, seen) ? -errno : 0;
}

static inline bool have_type(unsigned int type)
{
	return info.types & 1U << type;
}

static inline bool skip_type(struct __test_metadata *_metadata,
			     unsigned int type)
{
	if (have_type(type))
		return false;
	SKIP(return true, "the PAT does not offer %s", type_name(type));
}

/* Open the device with a block, or skip the test if there is none to be had. */
static inline int open_block(struct __test_metadata *_metadata,
			     unsigned int order, unsigned int flags)
{
	int fd, err;

	/* A signal to the harness has to end this process, too. */
	*test_group = getpgrp();
	fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);

	err = block_alloc(fd, order, flags);
	if (err == -ENOENT) {
		TH_LOG("no large pages left: splitting them cannot fail");
		err = block_alloc(fd, order, flags & ~TEST_IOREMAP_LARGE);
	}
	if (err == -ENOMEM)
		SKIP(return fd, "no memory for a block of order %u", order);
	if (err == -ENODEV)
		SKIP(return fd, "no reserved System RAM at %#x",
		     TEST_IOREMAP_LOW_ADDR);
	ASSERT_EQ(0, err);
	return fd;
}

static void cleanup(void)
{
	int i;

	if (getpid() != main_pid)
		return;
	if (extra_cleanup)
		extra_cleanup();
	/* The device of a test that was killed closes a little later. */
	for (i = 0; module_loaded && i < 200; i++) {
		module_loaded = syscall(SYS_delete_module, TEST_IOREMAP_NAME,
					O_NONBLOCK) && errno == EAGAIN;
		if (module_loaded)
			usleep(10000);
	}
}

static void on_signal(int sig)
{
	if (getpid() == main_pid && *test_group && *test_group != getpgrp())
		kill(-*test_group, SIGKILL);
	cleanup();
	_exit(128 + sig);
}

static inline void load_module(void)
{
	static const char name[] = "/test_modules/" TEST_IOREMAP_NAME ".ko";
	char path[4096];
	ssize_t len;
	char *slash;
	int fd;

	len = readlink("/proc/self/exe", path, sizeof(path) - sizeof(name));
	if (len < 0)
		return;
	path[len] = '\0';
	slash = strrchr(path, '/');
	if (!slash)
		return;
	memcpy(slash, name, sizeof(name));

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	module_loaded = !syscall(SYS_finit_module, fd, "", 0);
	close(fd);
}

/* Set up, or exit saying why the tests cannot run. */
static inline void ioremap_test_init(void (*undo)(void), bool need_pat)
{
	static const int signals[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM,
	};
	struct sigaction sa = { .sa_handler = on_signal };
	unsigned int i;
	int fd;

	test_group = mmap(NULL, sizeof(*test_group), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (test_group == MAP_FAILED)
		ksft_exit_fail_msg("mmap: %s\n", strerror(errno));

	main_pid = getpid();
	extra_cleanup = undo;
	atexit(cleanup);
	/* One at a time, so that none interrupts the handler of another */
	sigemptyset(&sa.sa_mask);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaddset(&sa.sa_mask, signals[i]);
	for (i = 0; i < ARRAY_SIZE(signals); i++)
		sigaction(signals[i], &sa, NULL);

	/* No signal between loading the module and knowing that it is loaded */
	sigprocmask(SIG_BLOCK, &sa.sa_mask, NULL);
	if (access(DEVICE, F_OK))
		load_module();
	sigprocmask(SIG_UNBLOCK, &sa.sa_mask, NULL);

	fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		ksft_exit_skip("%s: %s\n", DEVICE, strerror(errno));
	if (ioctl(fd, TEST_IOREMAP_INFO, &info))
		ksft_exit_fail_msg("%s: %s\n", DEVICE, strerror(errno));
	close(fd);

	if (need_pat && !info.pat)
		ksft_exit_skip("PAT is not enabled\n");
}

#endif /* _IOREMAP_TEST_H */
