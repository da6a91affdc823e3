// SPDX-License-Identifier: GPL-2.0
/*
 * Disks in memory that write down what is done to them, and that fail on
 * demand. See test_dm_snapshot.h for the interface.
 */
#include <linux/blkdev.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

#include "test_dm_snapshot.h"

#define JOURNAL_SIZE	(64UL << 20)

struct test_disk {
	struct gendisk *gd;
	u8 *data;
};

struct test_request {
	struct list_head list;
	struct bio *bio;
	u64 id;
	u32 disk;
	bool recorded;
	bool failed;
};

static unsigned int sectors[TEST_DISKS] = { 4096, 4096, 4096 };
module_param_array(sectors, uint, NULL, 0444);
static unsigned int max_discard;
module_param(max_discard, uint, 0444);
static unsigned int delay_us;
module_param(delay_us, uint, 0644);
static unsigned long long seed = 1;
module_param(seed, ullong, 0444);
static bool record;
module_param(record, bool, 0644);
static unsigned int requests;
module_param(requests, uint, 0644);
static unsigned int fail_disks = ~0U;
module_param(fail_disks, uint, 0644);
static unsigned int fail_first;
module_param(fail_first, uint, 0644);
static unsigned int fail_last;
module_param(fail_last, uint, 0644);
static unsigned int fail_done;
module_param(fail_done, uint, 0644);
static unsigned int lost;
module_param(lost, uint, 0444);

static struct test_disk disks[TEST_DISKS];
static struct debugfs_blob_wrapper journal;
static struct dentry *debugfs_dir;
static struct task_struct *ender;
static DECLARE_WAIT_QUEUE_HEAD(ender_wait);
static LIST_HEAD(pending);
static unsigned int nr_pending;
static struct rnd_state rnd;
static u64 last_id;

/* Protects the data of all disks, the journal, and the pending requests */
static DEFINE_SPINLOCK(lock);

static void *journal_add(const struct test_record *rec)
{
	size_t size = sizeof(*rec);
	u8 *p = journal.data + journal.size;

	lockdep_assert_held(&lock);
	if (rec->type == TEST_SUBMIT)
		size += (size_t)rec->nr << SECTOR_SHIFT;
	if (journal.size + size > JOURNAL_SIZE) {
		lost++;
		return NULL;
	}
	memcpy(p, rec, sizeof(*rec));
	journal.size += size;
	return p + sizeof(*rec);
}

static int set_mark(const char *val, const struct kernel_param *kp)
{
	struct test_record rec = { .type = TEST_MARK };
	unsigned long flags;
	int r = kstrtou64(val, 0, &rec.id);

	if (r)
		return r;
	spin_lock_irqsave(&lock, flags);
	if (record)
		journal_add(&rec);
	spin_unlock_irqrestore(&lock, flags);
	return 0;
}

static const struct kernel_param_ops mark_ops = { .set = set_mark };
module_param_cb(mark, &mark_ops, NULL, 0200);

static int set_reset(const char *val, const struct kernel_param *kp)
{
	unsigned long flags;
	int i;

	spin_lock_irqsave(&lock, flags);
	for (i = 0; i < TEST_DISKS; i++)
		if (disks[i].data)
			memset(disks[i].data, 0,
			       (size_t)sectors[i] << SECTOR_SHIFT);
	journal.size = 0;
	requests = 0;
	fail_disks = ~0U;
	fail_first = 0;
	fail_last = 0;
	fail_done = 0;
	record = false;
	delay_us = 0;
	lost = 0;
	prandom_seed_state(&rnd, seed);
	spin_unlock_irqrestore(&lock, flags);
	return 0;
}

static const struct kernel_param_ops reset_ops = { .set = set_reset };
module_param_cb(reset, &reset_ops, NULL, 0200);

static void end_request(struct test_request *req)
{
	struct test_record rec = {
		.type = TEST_DONE,
		.disk = req->disk,
		.id = req->id,
		.flags = req->failed ? TEST_FAILED : 0,
	};
	struct bio *bio = req->bio;
	unsigned long flags;

	if (req->recorded) {
		spin_lock_irqsave(&lock, flags);
		if (record)
			journal_add(&rec);
		spin_unlock_irqrestore(&lock, flags);
	}
	if (req->failed)
		bio->bi_status = BLK_STS_IOERR;
	kfree(req);
	bio_endio(bio);
}

/* Some of the requests that are pending, each time others */
static int end_requests(void *unused)
{
	struct test_request *req;
	unsigned long flags;
	unsigned int i, n;

	while (!kthread_should_stop()) {
		wait_event_interruptible(ender_wait, READ_ONCE(nr_pending) ||
					 kthread_should_stop());
		usleep_range(delay_us / 2, delay_us + 1);
		spin_lock_irqsave(&lock, flags);
		n = nr_pending ? 1 + prandom_u32_state(&rnd) % nr_pending : 0;
		spin_unlock_irqrestore(&lock, flags);
		for (; n; n--) {
			spin_lock_irqsave(&lock, flags);
			i = prandom_u32_state(&rnd) % nr_pending;
			list_for_each_entry(req, &pending, list)
				if (!i--)
					break;
			list_del(&req->list);
			nr_pending--;
			spin_unlock_irqrestore(&lock, flags);
			end_request(req);
		}
	}
	return 0;
}

static void transfer(struct test_disk *d, struct bio *bio, u8 *copy)
{
	u8 *p = d->data + (bio->bi_iter.bi_sector << SECTOR_SHIFT);
	struct bvec_iter iter;
	struct bio_vec bv;

	bio_for_each_segment(bv, bio, iter) {
		if (bio_data_dir(bio) == READ) {
			memcpy_to_bvec(&bv, p);
		} else {
			memcpy_from_bvec(p, &bv);
			if (copy)
				memcpy_from_bvec(copy, &bv);
		}
		p += bv.bv_len;
		if (copy)
			copy += bv.bv_len;
	}
}

static void test_submit_bio(struct bio *bio)
{
	u32 nr = bio_sectors(bio), disk;
	struct test_record rec = {
		.type = TEST_SUBMIT,
		.sector = nr ? bio->bi_iter.bi_sector : 0,
		.nr = nr,
	};
	bool write = op_is_write(bio_op(bio)), later;
	struct test_request *req;
	unsigned long flags;
	u8 *copy = NULL;

	for (disk = 0; disks[disk].gd != bio->bi_bdev->bd_disk; disk++)
		;
	if (bio_op(bio) != REQ_OP_READ && bio_op(bio) != REQ_OP_WRITE &&
	    bio_op(bio) != REQ_OP_FLUSH) {
		bio->bi_status = BLK_STS_NOTSUPP;
		bio_endio(bio);
		return;
	}

	req = kzalloc(sizeof(*req), GFP_NOIO | __GFP_NOFAIL);
	req->bio = bio;
	req->disk = disk;
	rec.disk = disk;
	if (bio->bi_opf & REQ_PREFLUSH)
		rec.flags |= TEST_PREFLUSH;
	if (bio->bi_opf & REQ_FUA)
		rec.flags |= TEST_FUA;

	spin_lock_irqsave(&lock, flags);
	if (fail_disks >> disk & 1) {
		requests++;
		req->failed = requests >= fail_first && requests <= fail_last;
	}
	if (!req->failed || requests - fail_first < fail_done) {
		rec.id = req->id = ++last_id;
		if (record && write) {
			copy = journal_add(&rec);
			req->recorded = copy;
		}
		if (nr)
			transfer(&disks[disk], bio, copy);
	}
	later = delay_us;
	if (later) {
		list_add_tail(&req->list, &pending);
		nr_pending++;
	}
	spin_unlock_irqrestore(&lock, flags);

	if (later)
		wake_up(&ender_wait);
	else
		end_request(req);
}

static const struct block_device_operations test_fops = {
	.owner		= THIS_MODULE,
	.submit_bio	= test_submit_bio,
};

static void disk_exit(struct test_disk *d)
{
	if (d->gd) {
		del_gendisk(d->gd);
		put_disk(d->gd);
	}
	vfree(d->data);
}

static int disk_init(struct test_disk *d, unsigned int i)
{
	struct queue_limits lim = {
		.features = BLK_FEAT_WRITE_CACHE | BLK_FEAT_FUA,
	};
	struct gendisk *gd;
	int r;

	if (i == TEST_DISKS - 1) {
		lim.max_hw_discard_sectors = max_discard;
		lim.discard_granularity = max_discard ? SECTOR_SIZE : 0;
	}
	d->data = vzalloc((size_t)sectors[i] << SECTOR_SHIFT);
	if (!d->data)
		return -ENOMEM;
	gd = blk_alloc_disk(&lim, NUMA_NO_NODE);
	if (IS_ERR(gd))
		return PTR_ERR(gd);
	gd->flags |= GENHD_FL_NO_PART;
	gd->fops = &test_fops;
	snprintf(gd->disk_name, DISK_NAME_LEN, "snapdisk%u", i);
	set_capacity(gd, sectors[i]);
	/* It may be read before add_disk() returns */
	d->gd = gd;
	r = add_disk(gd);
	if (r) {
		d->gd = NULL;
		put_disk(gd);
	}
	return r;
}

static void test_cleanup(void)
{
	int i;

	for (i = 0; i < TEST_DISKS; i++)
		disk_exit(&disks[i]);
	if (ender)
		kthread_stop(ender);
	debugfs_remove_recursive(debugfs_dir);
	vfree(journal.data);
}

static int __init test_init(void)
{
	int i, r = 0;

	prandom_seed_state(&rnd, seed);
	journal.data = vmalloc(JOURNAL_SIZE);
	if (!journal.data)
		return -ENOMEM;
	ender = kthread_run(end_requests, NULL, "snapdisk");
	if (IS_ERR(ender)) {
		r = PTR_ERR(ender);
		ender = NULL;
	}
	for (i = 0; !r && i < TEST_DISKS; i++)
		r = disk_init(&disks[i], i);
	if (r) {
		test_cleanup();
		return r;
	}
	debugfs_dir = debugfs_create_dir("test_dm_snapshot", NULL);
	debugfs_create_blob("journal", 0400, debugfs_dir, &journal);
	return 0;
}

static void __exit test_exit(void)
{
	test_cleanup();
}

module_init(test_init);
module_exit(test_exit);
MODULE_DESCRIPTION("Disks for the dm_snapshot selftests");
MODULE_LICENSE("GPL");
