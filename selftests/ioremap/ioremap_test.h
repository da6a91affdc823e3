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
#include <sys/syscall.h>
#include <unistd.h>

#include "test_modules/test_ioremap.h"

#define DEVICE		"/dev/" TEST_IOREMAP_NAME
#define SZ_LARGE	(2UL << 20)
#define ORDER_2_LARGE	10
#define NR_2_LARGE	(1UL << ORDER_2_LARGE)
#define PAGE		4096UL

static void (*extra_cleanup)(void);
static bool module_loaded;
static pid_t main_pid;

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

/* Returns the mapping's id or a negative error */
static inline int block_map(int fd, unsigned long offset, unsigned long size,
			    unsigned int type)
{
	struct test_ioremap_map req = {
		.offset = offset, .size = size, .type = type,
	};

	return ioctl(fd, TEST_IOREMAP_MAP, &req) ? -errno : (int)req.id;
}

static inline int block_unmap(int fd, int id)
{
	return ioctl(fd, TEST_IOREMAP_UNMAP, id) ? -errno : 0;
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
	struct test_ioremap_query req = {
		.offset = offset, .id = id, .nr = nr,
		.types = (unsigned long)types,
	};
	unsigned long i, wrong = 0, first = 0;

	if (!nr)
		return;
	ASSERT_LE(nr, NR_2_LARGE);
	ASSERT_EQ(0, ioctl(fd, TEST_IOREMAP_QUERY, &req));
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

static inline bool have_pat(int fd)
{
	struct test_ioremap_info info;

	return !ioctl(fd, TEST_IOREMAP_INFO, &info) && info.pat;
}

static void cleanup(void)
{
	if (getpid() != main_pid)
		return;
	if (extra_cleanup)
		extra_cleanup();
	if (module_loaded)
		syscall(SYS_delete_module, TEST_IOREMAP_NAME, O_NONBLOCK);
}

static void on_signal(int sig)
{
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
	strcpy(slash, name);

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	module_loaded = !syscall(SYS_finit_module, fd, "", 0);
	close(fd);
}

/* Set up, or exit saying why the tests cannot run. */
static inline void ioremap_test_init(void (*undo)(void), bool need_pat)
{
	struct sigaction sa = { .sa_handler = on_signal };
	bool pat;
	int fd;

	main_pid = getpid();
	extra_cleanup = undo;
	atexit(cleanup);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);

	if (access(DEVICE, F_OK))
		load_module();

	fd = open(DEVICE, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		ksft_exit_skip("%s: %s\n", DEVICE, strerror(errno));

	pat = have_pat(fd);
	close(fd);
	if (need_pat && !pat)
		ksft_exit_skip("PAT is not enabled\n");
}

#endif /* _IOREMAP_TEST_H */
