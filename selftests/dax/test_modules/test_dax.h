/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * ioctl interface of /dev/test_dax, shared with the test programs: what user
 * space cannot see of the pages of a pmem disk, and memory errors in them.
 *
 * A range is @nr pages from page frame @pfn on, all of which have to be
 * ZONE_DEVICE pages: -EINVAL if not.
 */
#ifndef _TEST_DAX_H
#define _TEST_DAX_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define TEST_DAX_NAME	"test_dax"

/* @count of the range are marked as poisoned, the first of them is @first */
struct test_dax_range {
	__u64 pfn;
	__u64 nr;
	__u64 count;
	__u64 first;
};

/*
 * An error in page @pfn, as a machine check reports it: @action if the current
 * process touched it. @result is what memory_failure() returned; if it is 0 the
 * page is not in the direct map any more.
 */
struct test_dax_fail {
	__u64 pfn;
	__u32 action;
	__s32 result;
};

/* read() gives these: what was passed to arch_wb_cache_pmem(), oldest first */
struct test_dax_flush {
	__u64 addr;		/* physical */
	__u64 size;
};

#define TEST_DAX_POISONED	_IOWR('D', 1, struct test_dax_range)
/* @count of the range are in the direct map, the first of them is @first */
#define TEST_DAX_PRESENT	_IOWR('D', 2, struct test_dax_range)
/* Take all marks away, put the range back into the direct map */
#define TEST_DAX_HEAL		_IOWR('D', 3, struct test_dax_range)
#define TEST_DAX_FAIL		_IOWR('D', 4, struct test_dax_fail)
/* Forget the flushes that were recorded, and record; -EOVERFLOW from read() if too many */
#define TEST_DAX_RECORD		_IO('D', 5)
/*
 * Hold the current process where its memory_failure() of page @pfn is about to
 * unlock the entry of the file that the page names, until the page no longer
 * does, for 2 seconds at most.
 */
#define TEST_DAX_HOLD		_IOW('D', 6, __u64)
/* Wait for it to be held. -ETIME if it is not, within 2 seconds */
#define TEST_DAX_WAIT		_IO('D', 7)
/* @count of the range belong to a file, the first of them is @first */
#define TEST_DAX_USED		_IOWR('D', 8, struct test_dax_range)

#endif /* _TEST_DAX_H */
