/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changes of a file of CHANGED_SIZE bytes, none of them in its first half.
 *
 * They return 0, or -1 with errno.
 */
#ifndef _DAX_CHANGES_H
#define _DAX_CHANGES_H

#include "dax_test.h"

#define CHANGED_SIZE	(16UL << 20)

static inline int nothing(int fd)
{
	return 0;
}

static inline int truncate_page(int fd)
{
	return ftruncate(fd, CHANGED_SIZE - PAGE);
}

static inline int truncate_up(int fd)
{
	return ftruncate(fd, CHANGED_SIZE + PMD);
}

static inline int extend(int fd)
{
	return fallocate(fd, 0, CHANGED_SIZE, PMD);
}

static inline int punch(int fd)
{
	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 CHANGED_SIZE - PMD, PAGE);
}

static inline int insert(int fd)
{
	return fallocate(fd, FALLOC_FL_INSERT_RANGE, CHANGED_SIZE - PMD, PMD);
}

#endif /* _DAX_CHANGES_H */
