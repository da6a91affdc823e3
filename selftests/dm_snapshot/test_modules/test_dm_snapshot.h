/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Disks in memory whose requests are written down in one journal, in the order
 * in which they come and end. dm-log-writes has a log for each device and no
 * order between two of them, which is what a snapshot and its origin rely on.
 *
 * The disks are /dev/snapdisk0 and so on. The journal is in debugfs,
 * test_dm_snapshot/journal: records, each followed by the data of a write.
 *
 * Module parameters:
 *  sectors	size of each disk, at load
 *  max_discard	if not 0, the last disk claims to take discards of so many sectors,
 *		and fails all of them; at load
 *  delay_us	requests end later, in an order that depends on seed; 0 for at once
 *  seed
 *  record	whether the journal is written
 *  mark	write a number, for a record of it
 *  requests	how many there were since this was set to 0, on the disks of
 *		fail_disks
 *  fail_disks	bit mask of the disks that may fail
 *  fail_first, fail_last	these requests fail, as counted by requests
 *  fail_done	so many of them, the first ones, do their work and are reported as
 *		failed all the same
 *  lost	records that did not fit
 *  reset	write something: disks full of zeroes, empty journal, no failures
 */
#ifndef _TEST_DM_SNAPSHOT_H
#define _TEST_DM_SNAPSHOT_H

#include <linux/types.h>

#define TEST_DISKS	3

enum test_record_type {
	TEST_SUBMIT = 1,	/* nr sectors of data follow */
	TEST_DONE,		/* of the submit with this id */
	TEST_MARK,		/* id is what was written */
};

/* What a request is */
#define TEST_PREFLUSH	1	/* those done before are durable when it is done */
#define TEST_FUA	2	/* durable when it is done */
#define TEST_FAILED	4	/* of TEST_DONE */

struct test_record {
	__u32 type;
	__u32 disk;
	__u64 id;
	__u64 sector;
	__u32 nr;
	__u32 flags;
};

#endif /* _TEST_DM_SNAPSHOT_H */
