/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * ioctl interface of /dev/test_ioremap, shared with the test programs.
 *
 * Each open file owns at most one block of physically contiguous, reserved
 * pages and at most TEST_IOREMAP_MAPS ioremap()s of parts of it.  Closing the
 * file unmaps them, makes the direct map write-back and frees the block.
 *
 * Pages that are not write-back reach the page allocator in one case only:
 * TEST_IOREMAP_RECYCLE on a kernel with the bug it looks for, and then if
 * something else takes the pages before they are found again.  Then at most
 * one block per call stays uncached until the next boot, as after any
 * iounmap() of RAM on such a kernel; a kernel message says which.
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

/*
 * @pat: the kernel uses PAT, that is, it was not disabled by "nopat".
 * @types: the types that IA32_PAT offers, as bits 1 << type.  A request for
 * another type is valid, but gives an alias of some offered type.
 */
struct test_ioremap_info {
	__u32 pat;
	__u32 types;
};

/*
 * Allocate 2^@order pages, aligned to their size.  With TEST_IOREMAP_LARGE
 * (@order of 9 or more) the direct map of the block uses large pages only.
 * With TEST_IOREMAP_LOW the block is not allocated: it is the one from
 * TEST_IOREMAP_LOW_ADDR on, below 1 MiB, where the kernel keeps all RAM
 * reserved and tracks memory types as it does for MMIO.
 * -EBUSY has a block already or another file has the low one, -EINVAL bad
 * order or flags, -ENOMEM no memory, -ENOENT no block mapped by large pages
 * found, -ENODEV the low block is not reserved System RAM.
 */
#define TEST_IOREMAP_LARGE	1
#define TEST_IOREMAP_LOW	2
#define TEST_IOREMAP_LOW_ADDR	0x20000
#define TEST_IOREMAP_LOW_ORDER	4	/* at most */
struct test_ioremap_alloc {
	__u32 order;
	__u32 flags;
};

/*
 * Map [@offset, @offset + @size) of the block; @id names the mapping.  If
 * @fail_nth is not 0, the @fail_nth'th operation in ioremap() that fault
 * injection can make fail does, as with /proc/thread-self/fail-nth, but nothing
 * outside ioremap() is counted.  Zero on return: a fault was injected.
 * -ENXIO no block, -EINVAL bad type or range, -ENOSPC too many mappings,
 * -EIO ioremap() returned NULL, -ENOMEM it did so and the fault was injected,
 * -EOPNOTSUPP no fault injection.
 */
struct test_ioremap_map {
	__u64 offset;
	__u64 size;
	__u32 type;
	__u32 id;
	__u32 fail_nth;
	__u32 unused;
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
 * Free the block as it is and allocate, a bounded number of times, until the
 * same block is seen again; count, then make it write-back and free it.
 * Either way the file has no block any more.
 * @found: how many pages of the block were allocated again, all or none.
 * @not_wb: how many of them were not write-back.
 * -ENXIO no block or the low one, -EBUSY the block is still mapped.
 */
struct test_ioremap_recycle {
	__u32 found;
	__u32 not_wb;
};

/*
 * Get hold, through a kprobe, of this task's next change of the direct map to
 * write-back, once.  @mode FAIL: it fails with -ENOMEM; WATCH: see what there
 * is at this moment; OFF: stop.  The rest is returned, for the mode before.
 * @hits: 1 if it happened.  @mapped: how many pages of the mapping that is
 * being unmapped were still present.  @reserved: the range that was changed
 * could not be ioremap()ed write-back, so its old type was still reserved.
 * -EINVAL other mode, -ENXIO no block or the low one, -EBUSY another file does
 * it, -EOPNOTSUPP no kprobes or nothing to probe.
 */
enum test_ioremap_hook_mode {
	TEST_IOREMAP_HOOK_OFF	= 0,
	TEST_IOREMAP_HOOK_FAIL	= 1,
	TEST_IOREMAP_HOOK_WATCH	= 2,
};

struct test_ioremap_hook {
	__u32 mode;
	__u32 hits;
	__u32 mapped;
	__u32 reserved;
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
/*
 * Make the direct map of the block write-back, mapped or not.  -ENXIO no block,
 * -EBUSY the low block is mapped with another type than UC-.
 */
#define TEST_IOREMAP_HEAL	_IO('i', 0x07)
#define TEST_IOREMAP_HOOK_WB	_IOWR('i', 0x08, struct test_ioremap_hook)
/* How many large pages the direct map of the block has.  -ENXIO no block. */
#define TEST_IOREMAP_NR_LARGE	_IO('i', 0x09)

#endif /* _TEST_IOREMAP_H */
