// SPDX-License-Identifier: GPL-2.0
/*
 * Let user space look at the pages of a pmem disk and report errors in them.
 * See test_dax.h for the interface.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pgtable.h>
#include <linux/sched.h>
#include <linux/set_memory.h>
#include <linux/spinlock.h>
#include <linux/uaccess.h>
#include <asm/ptrace.h>

#include "test_dax.h"

#define MAX_FLUSHES	4096
#define HOLD_MS		2000

static int (*mce_nospec)(unsigned long pfn);

static DEFINE_MUTEX(lock);	/* one command at a time */
static DEFINE_SPINLOCK(flush_lock);
static struct test_dax_flush flushes[MAX_FLUSHES];
static unsigned int nr_flushes;
static bool recording;

static struct task_struct *hold_task;
static struct page *hold_page;
static bool held;

static int flush_hit(struct kprobe *p, struct pt_regs *regs)
{
	unsigned long addr = regs_get_kernel_argument(regs, 0);
	unsigned long size = regs_get_kernel_argument(regs, 1);
	unsigned long flags;

	if (!READ_ONCE(recording))
		return 0;
	spin_lock_irqsave(&flush_lock, flags);
	if (nr_flushes < MAX_FLUSHES) {
		flushes[nr_flushes].addr = __pa(addr);
		flushes[nr_flushes].size = size;
	}
	nr_flushes++;
	spin_unlock_irqrestore(&flush_lock, flags);
	return 0;
}

static int unlock_hit(struct kprobe *p, struct pt_regs *regs)
{
	struct address_space *mapping;
	unsigned int ms;

	if (READ_ONCE(hold_task) != current)
		return 0;
	WRITE_ONCE(hold_task, NULL);
	mapping = READ_ONCE(page_folio(hold_page)->mapping);
	WRITE_ONCE(held, true);
	for (ms = 0; ms < HOLD_MS; ms++) {
		if (READ_ONCE(page_folio(hold_page)->mapping) != mapping)
			break;
		mdelay(1);
	}
	return 0;
}

static struct kprobe flush_probe = {
	.symbol_name = "arch_wb_cache_pmem",
	.pre_handler = flush_hit,
};

static struct kprobe unlock_probe = {
	.symbol_name = "dax_unlock_folio",
	.pre_handler = unlock_hit,
};

static bool in_direct_map(unsigned long pfn)
{
	unsigned int level;
	pte_t *pte = lookup_address((unsigned long)pfn_to_kaddr(pfn), &level);

	return pte && pte_val(READ_ONCE(*pte)) & _PAGE_PRESENT;
}

static bool good_range(const struct test_dax_range *req)
{
	u64 i;

	if (!req->nr || req->nr > 1U << 20)
		return false;
	for (i = 0; i < req->nr; i++)
		if (!pfn_valid(req->pfn + i) ||
		    !is_zone_device_page(pfn_to_page(req->pfn + i)))
			return false;
	return true;
}

static void test_dax_look(unsigned int cmd, struct test_dax_range *req)
{
	u64 i;

	req->count = 0;
	req->first = 0;
	for (i = 0; i < req->nr; i++) {
		unsigned long pfn = req->pfn + i;
		bool hit;

		if (cmd == TEST_DAX_HEAL) {
			hit = TestClearPageHWPoison(pfn_to_page(pfn));
			if (!in_direct_map(pfn))
				clear_mce_nospec(pfn);
		} else if (cmd == TEST_DAX_PRESENT) {
			hit = in_direct_map(pfn);
		} else if (cmd == TEST_DAX_USED) {
			hit = page_folio(pfn_to_page(pfn))->mapping;
		} else {
			hit = PageHWPoison(pfn_to_page(pfn));
		}
		if (hit && !req->count++)
			req->first = pfn;
	}
}

static long test_dax_range_cmd(unsigned int cmd, void __user *arg)
{
	struct test_dax_range req;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	if (!good_range(&req))
		return -EINVAL;
	test_dax_look(cmd, &req);
	return copy_to_user(arg, &req, sizeof(req)) ? -EFAULT : 0;
}

static long test_dax_fail_cmd(void __user *arg)
{
	struct test_dax_range range = { .nr = 1 };
	struct test_dax_fail req;

	if (copy_from_user(&req, arg, sizeof(req)))
		return -EFAULT;
	range.pfn = req.pfn;
	if (!good_range(&range))
		return -EINVAL;
	/* What kill_me_maybe() and kill_me_never() do */
	req.result = memory_failure(req.pfn, MF_SW_SIMULATED |
				    (req.action ? MF_ACTION_REQUIRED : 0));
	if (!req.result)
		mce_nospec(req.pfn);
	return copy_to_user(arg, &req, sizeof(req)) ? -EFAULT : 0;
}

static long test_dax_hold_cmd(void __user *arg)
{
	struct test_dax_range range = { .nr = 1 };

	if (copy_from_user(&range.pfn, arg, sizeof(range.pfn)))
		return -EFAULT;
	if (!good_range(&range))
		return -EINVAL;
	held = false;
	hold_page = pfn_to_page(range.pfn);
	WRITE_ONCE(hold_task, current);
	return 0;
}

static long test_dax_wait_cmd(void)
{
	unsigned int ms;

	for (ms = 0; ms < HOLD_MS; ms += 2) {
		if (READ_ONCE(held))
			return 0;
		if (msleep_interruptible(2))
			return -EINTR;
	}
	return -ETIME;
}

static long test_dax_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	void __user *uarg = (void __user *)arg;
	long ret;

	if (cmd == TEST_DAX_WAIT)
		return test_dax_wait_cmd();

	mutex_lock(&lock);
	switch (cmd) {
	case TEST_DAX_POISONED:
	case TEST_DAX_PRESENT:
	case TEST_DAX_HEAL:
	case TEST_DAX_USED:
		ret = test_dax_range_cmd(cmd, uarg);
		break;
	case TEST_DAX_FAIL:
		ret = test_dax_fail_cmd(uarg);
		break;
	case TEST_DAX_RECORD:
		WRITE_ONCE(recording, false);
		spin_lock_irq(&flush_lock);
		nr_flushes = 0;
		spin_unlock_irq(&flush_lock);
		WRITE_ONCE(recording, true);
		ret = 0;
		break;
	case TEST_DAX_HOLD:
		ret = test_dax_hold_cmd(uarg);
		break;
	default:
		ret = -ENOTTY;
	}
	mutex_unlock(&lock);
	return ret;
}

static ssize_t test_dax_read(struct file *file, char __user *buf, size_t size,
			     loff_t *pos)
{
	ssize_t ret;

	mutex_lock(&lock);
	WRITE_ONCE(recording, false);
	ret = min(nr_flushes, MAX_FLUSHES) * sizeof(flushes[0]);
	if (nr_flushes > MAX_FLUSHES || ret > size)
		ret = -EOVERFLOW;
	else if (copy_to_user(buf, flushes, ret))
		ret = -EFAULT;
	mutex_unlock(&lock);
	return ret;
}

static int test_dax_release(struct inode *inode, struct file *file)
{
	WRITE_ONCE(recording, false);
	WRITE_ONCE(hold_task, NULL);
	return 0;
}

static const struct file_operations test_dax_fops = {
	.owner		= THIS_MODULE,
	.read		= test_dax_read,
	.unlocked_ioctl	= test_dax_ioctl,
	.release	= test_dax_release,
};

static struct miscdevice test_dax_dev = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= TEST_DAX_NAME,
	.fops	= &test_dax_fops,
	.mode	= 0600,
};

static int __init test_dax_init(void)
{
	struct kprobe sym = { .symbol_name = "set_mce_nospec" };
	int ret;

	/* Not exported by every kernel */
	ret = register_kprobe(&sym);
	if (ret)
		return ret;
	mce_nospec = (void *)sym.addr;
	if (IS_ENABLED(CONFIG_X86_KERNEL_IBT))
		mce_nospec = (void *)sym.addr - 4;	/* the ENDBR */
	unregister_kprobe(&sym);

	ret = register_kprobe(&flush_probe);
	if (ret)
		return ret;
	ret = register_kprobe(&unlock_probe);
	if (ret)
		goto err_flush;
	ret = misc_register(&test_dax_dev);
	if (ret)
		goto err_unlock;
	return 0;

err_unlock:
	unregister_kprobe(&unlock_probe);
err_flush:
	unregister_kprobe(&flush_probe);
	return ret;
}
module_init(test_dax_init);

static void __exit test_dax_exit(void)
{
	misc_deregister(&test_dax_dev);
	unregister_kprobe(&unlock_probe);
	unregister_kprobe(&flush_probe);
}
module_exit(test_dax_exit);

MODULE_DESCRIPTION("Looks at the pages of a pmem disk and reports errors in them");
MODULE_LICENSE("GPL");
