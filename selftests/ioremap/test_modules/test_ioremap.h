/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * ioctl interface of /dev/test_ioremap, shared with the test programs.
 *
 * Each open file owns at most one block of physically contiguous, reserved
 * pages and at most TEST_IOREMAP_MAPS ioremap()s of parts of it.  Closing the
 * file unmaps them, makes the direct map write-back and frees the block.
 *
 * Offsets and sizes are in bytes, offsets count from the start of the block.
 * Memory types are those of the IA32_PAT fields (Intel SDM, "IA32_PAT MSR").
 *
 * Errors common to all: -EFAULT bad pointer, -ENOTTY unknown command,
 * -EINTR interrupted while waiting for another command on the same file.
 */
#ifndef _TEST_IOREMAP_H
#define _TEST_IOREMAP_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define TEST_IOREMAP_NAME	"test_ioremap"
#define TEST_IOREMAP_MAPS	4
#define TEST_IOREMAP_MAX_ORDER	10

enum test_ioremap_type {
	TEST_IOREMAP_UC		= 0,	/* ioremap_uc() */
	TEST_IOREMAP_WC		= 1,	/* ioremap_wc() */
	TEST_IOREMAP_WT		= 4,	/* ioremap_wt() */
	TEST_IOREMAP_WP		= 5,	/* reported only */
	TEST_IOREMAP_WB		= 6,	/* ioremap_cache() */
	TEST_IOREMAP_UC_MINUS	= 7,	/* ioremap() */
	TEST_IOREMAP_UNMAPPED	= 0xff,	/* reported only: not present */
};

/* @pat: the kernel uses PAT, that is, it was not disabled by "nopat". */
struct test_ioremap_info {
	__u32 pat;
};

/*
 * Allocate 2^@order pages, aligned to their size.  With TEST_IOREMAP_LARGE
 * (@order of 9 or more) the direct map of the block uses large pages only.
 * -EBUSY has a block already, -EINVAL bad order or flags, -ENOMEM no memory,
 * -ENOENT no block mapped by large pages found.
 */
#define TEST_IOREMAP_LARGE	1
struct test_ioremap_alloc {
	__u32 order;
	__u32 flags;
};

/*
 * Map [@offset, @offset + @size) of the block; @id names the mapping.
 * -ENXIO no block, -EINVAL bad type or range, -ENOSPC too many mappings,
 * -EIO ioremap() returned NULL.
 */
struct test_ioremap_map {
	__u64 offset;
	__u64 size;
	__u32 type;
	__u32 id;
};

/*
 * Memory type of @nr pages from the page at @offset on, one byte a page, to
 * @types.  @id is a mapping or TEST_IOREMAP_DIRECT; for a mapping, @offset
 * counts from its first page.  Read from the page table and IA32_PAT.
 * -ENXIO no block, -EINVAL no such mapping or range.
 */
#define TEST_IOREMAP_DIRECT	0xffffffffU
struct test_ioremap_query {
	__u64 offset;
	__u64 types;
	__u32 nr;
	__u32 id;
};

/*
 * Free the block as it is, allocate until its pages are seen again, count.
 * Everything is made write-back and freed afterwards: the file has no block.
 * @found: how many pages of the block were allocated again, @not_wb: how many
 * of all the pages allocated were not write-back.
 * -ENXIO no block, -EBUSY the block is still mapped.
 */
struct test_ioremap_recycle {
	__u32 found;
	__u32 not_wb;
};

#define TEST_IOREMAP_INFO	_IOR('i', 0x00, struct test_ioremap_info)
#define TEST_IOREMAP_ALLOC	_IOW('i', 0x01, struct test_ioremap_alloc)
/* Unmap all, make the direct map write-back, free the block.  -ENXIO none. */
#define TEST_IOREMAP_FREE	_IO('i', 0x02)
#define TEST_IOREMAP_MAP	_IOWR('i', 0x03, struct test_ioremap_map)
/* iounmap() the mapping given as the argument.  -EINVAL no such mapping. */
#define TEST_IOREMAP_UNMAP	_IO('i', 0x04)
#define TEST_IOREMAP_QUERY	_IOW('i', 0x05, struct test_ioremap_query)
#define TEST_IOREMAP_RECYCLE	_IOR('i', 0x06, struct test_ioremap_recycle)
/* set_memory_wb() on the block, mapped or not.  -ENXIO no block. */
#define TEST_IOREMAP_HEAL	_IO('i', 0x07)
/*
 * Argument 1: let this task's next change of the direct map to write-back
 * fail with -ENOMEM, through a kprobe.  Argument 0: stop that; returns how
 * often it failed.  -EINVAL other argument, -EBUSY another file does it,
 * -EOPNOTSUPP no kprobes or nothing to probe.
 */
#define TEST_IOREMAP_FAIL_WB	_IO('i', 0x08)

#endif /* _TEST_IOREMAP_H */
