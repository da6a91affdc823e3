// SPDX-License-Identifier: GPL-2.0
/*
 * Let user space ioremap() reserved RAM and look at the memory types that the
 * page tables hold for it. See test_ioremap.h for the interface.
 */
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kprobes.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pgtable.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <asm/memtype.h>
#include <asm/msr.h>
#include <asm/set_memory.h>

#include "test_ioremap.h"

#define RECYCLE_TRIES	32

struct test_map {
	void __iomem *addr;
	u64 offset;
	u64 size;
};

struct test_file {
	struct mutex lock;	/* one command at a time */
	struct page *block;
	unsigned int order;
	struct test_map maps[TEST_IOREMAP_MAPS];
};

static u8 page_type(unsigned long addr)
{
	unsigned int level, slot;
	u32 low, high;
	pteval_t val;
	pte_t *pte;

	pte = lookup_address(addr, &level);
	if (!pte)
		return TEST_IOREMAP_UNMAPPED;

	val = pte_val(READ_ONCE(*pte));
	if (!(val & _PAGE_PRESENT))
		return TEST_IOREMAP_UNMAPPED;

	slot = (val & _PAGE_PWT ? 1 : 0) + (val & _PAGE_PCD ? 2 : 0);
	if (val & (level == PG_LEVEL_4K ? _PAGE_PAT : _PAGE_PAT_LARGE))
		slot += 4;

	rdmsr(MSR_IA32_CR_PAT, low, high);
	return ((u64)high << 32 | low) >> (slot * 8) & 7;
}

static unsigned long block_size(const struct test_file *tf)
{
	return PAGE_SIZE << tf->order;
}

static unsigned long count_not_wb(struct page *page, unsigned int order)
{
	unsigned long addr = (unsigned long)page_address(page);
	unsigned long i, n = 0;

	for (i = 0; i < 1UL << order; i++)
		n += page_type(addr + i * PAGE_SIZE) != TEST_IOREMAP_WB;
	return n;
}

static int heal(struct page *page, unsigned int order)
{
	return set_memory_wb((unsigned long)page_address(page), 1 << order);
}

static void reserve_block(struct page *page, unsigned int order)
{
	unsigned long i;

	for (i = 0; i < 1UL << order; i++)
		SetPageReserved(page + i);
}

static void unreserve_block(struct page *page, unsigned int order)
{
	unsigned long i;

	for (i = 0; i < 1UL << order; i++)
		ClearPageReserved(page + i);
}

static bool is_large(struct page *page, unsigned int order)
{
	unsigned long addr = (unsigned long)page_address(page);
	unsigned long end = addr + (PAGE_SIZE << order);
	unsigned int level;

	for (; addr < end; addr += PMD_SIZE)
		if (!lookup_address(addr, &level) || level == PG_LEVEL_4K)
			return false;
	return true;
}

static struct page *alloc_block(unsigned int order)
{
	return alloc_pages(GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY, order);
}

/*
 * A kprobe that sends callers elsewhere needs a post_handler: it keeps the
 * probe from being optimized to a jump, which could not do that.
 */
#ifdef CONFIG_KPROBES
static DEFINE_MUTEX(fail_lock);
static struct test_file *fail_file;
static struct task_struct *fail_task;
static int fail_hits;

static int fail_wb(unsigned long addr, int numpages)
{
	return -ENOMEM;
}

static int fail_pre(struct kprobe *p, struct pt_regs *regs)
{
	if (cmpxchg(&fail_task, current, NULL) != current)
		return 0;
	fail_hits++;
	instruction_pointer_set(regs, (unsigned long)fail_wb);
	return 1;
}

static void fail_post(struct kprobe *p, struct pt_regs *regs,
		      unsigned long flags)
{
}

static struct kprobe fail_probe;

static long do_fail_wb(struct test_file *tf, unsigned long arg)
{
	long ret = 0;

	if (arg > 1)
		return -EINVAL;

	mutex_lock(&fail_lock);
	if (arg && fail_file) {
		ret = -EBUSY;
	} else if (arg) {
		fail_probe = (struct kprobe) {
			.symbol_name	= "_set_memory_wb",
			.pre_handler	= fail_pre,
			.post_handler	= fail_post,
		};
		if (register_kprobe(&fail_probe)) {
			ret = -EOPNOTSUPP;
		} else {
			fail_file = tf;
			fail_hits = 0;
			WRITE_ONCE(fail_task, current);
		}
	} else if (fail_file == tf) {
		WRITE_ONCE(fail_task, NULL);
		unregister_kprobe(&fail_probe);
		fail_file = NULL;
		ret = fail_hits;
	}
	mutex_unlock(&fail_lock);
	return ret;
}
#else
static long do_fail_wb(struct test_file *tf, unsigned long arg)
{
	return arg ? -EOPNOTSUPP : 0;
}
#endif

static long do_alloc(struct test_file *tf, const struct test_ioremap_alloc *req)
{
	struct page *page, *found = NULL;
	unsigned long i, tries = 1;
	LIST_HEAD(rejected);

	if (tf->block)
		return -EBUSY;
	if (req->order > TEST_IOREMAP_MAX_ORDER ||
	    req->flags & ~TEST_IOREMAP_LARGE ||
	    (req->flags && PAGE_SIZE << req->order < PMD_SIZE))
		return -EINVAL;

	/* Looking for large pages must not take more than a quarter of RAM */
	if (req->flags)
		tries = max(totalram_pages() / 4 >> req->order, 1UL);

	for (i = 0; i < tries; i++) {
		page = alloc_block(req->order);
		if (!page)
			break;
		if (!req->flags || is_large(page, req->order)) {
			found = page;
			break;
		}
		list_add(&page->lru, &rejected);
	}

	while (!list_empty(&rejected)) {
		page = list_first_entry(&rejected, struct page, lru);
		list_del(&page->lru);
		__free_pages(page, req->order);
	}

	if (!found)
		return i ? -ENOENT : -ENOMEM;

	reserve_block(found, req->order);
	tf->block = found;
	tf->order = req->order;
	return 0;
}

static void unmap_all(struct test_file *tf)
{
	int i;

	for (i = 0; i < TEST_IOREMAP_MAPS; i++) {
		if (tf->maps[i].addr)
			iounmap(tf->maps[i].addr);
		tf->maps[i].addr = NULL;
	}
}

static long do_free(struct test_file *tf)
{
	do_fail_wb(tf, 0);

	if (!tf->block)
		return -ENXIO;

	unmap_all(tf);
	if (heal(tf->block, tf->order)) {
		pr_err("direct map of %#llx not restored, leaking it\n",
		       (u64)page_to_phys(tf->block));
	} else {
		unreserve_block(tf->block, tf->order);
		__free_pages(tf->block, tf->order);
	}
	tf->block = NULL;
	return 0;
}

static long do_map(struct test_file *tf, struct test_ioremap_map *req)
{
	void __iomem *addr;
	resource_size_t phys;
	int id;

	if (!tf->block)
		return -ENXIO;
	if (!req->size || req->size > block_size(tf) ||
	    req->offset > block_size(tf) - req->size)
		return -EINVAL;

	for (id = 0; id < TEST_IOREMAP_MAPS; id++)
		if (!tf->maps[id].addr)
			break;
	if (id == TEST_IOREMAP_MAPS)
		return -ENOSPC;

	phys = page_to_phys(tf->block) + req->offset;
	switch (req->type) {
	case TEST_IOREMAP_UC:
		addr = ioremap_uc(phys, req->size);
		break;
	case TEST_IOREMAP_UC_MINUS:
		addr = ioremap(phys, req->size);
		break;
	case TEST_IOREMAP_WC:
		addr = ioremap_wc(phys, req->size);
		break;
	case TEST_IOREMAP_WT:
		addr = ioremap_wt(phys, req->size);
		break;
	case TEST_IOREMAP_WB:
		addr = ioremap_cache(phys, req->size);
		break;
	default:
		return -EINVAL;
	}
	if (!addr)
		return -EIO;

	tf->maps[id].addr = addr;
	tf->maps[id].offset = req->offset;
	tf->maps[id].size = req->size;
	req->id = id;
	return 0;
}

static long do_unmap(struct test_file *tf, unsigned long id)
{
	if (id >= TEST_IOREMAP_MAPS || !tf->maps[id].addr)
		return -EINVAL;

	iounmap(tf->maps[id].addr);
	tf->maps[id].addr = NULL;
	return 0;
}

static long do_query(struct test_file *tf, const struct test_ioremap_query *req)
{
	u8 __user *types = u64_to_user_ptr(req->types);
	unsigned long base, size;
	u32 i;

	if (!tf->block)
		return -ENXIO;

	if (req->id == TEST_IOREMAP_DIRECT) {
		base = (unsigned long)page_address(tf->block);
		size = block_size(tf);
	} else if (req->id < TEST_IOREMAP_MAPS && tf->maps[req->id].addr) {
		base = (unsigned long)tf->maps[req->id].addr;
		size = PAGE_ALIGN(offset_in_page(base) +
				  tf->maps[req->id].size);
		base &= PAGE_MASK;
	} else {
		return -EINVAL;
	}

	if (req->offset >= size ||
	    req->nr > (size - (req->offset & PAGE_MASK)) >> PAGE_SHIFT)
		return -EINVAL;

	base += req->offset & PAGE_MASK;
	for (i = 0; i < req->nr; i++, base += PAGE_SIZE)
		if (put_user(page_type(base), types + i))
			return -EFAULT;
	return 0;
}

static long do_recycle(struct test_file *tf, struct test_ioremap_recycle *res)
{
	struct page *old = tf->block, *page;
	unsigned int order = tf->order;
	bool stale;
	LIST_HEAD(fresh);
	int i;

	if (!old)
		return -ENXIO;
	for (i = 0; i < TEST_IOREMAP_MAPS; i++)
		if (tf->maps[i].addr)
			return -EBUSY;

	memset(res, 0, sizeof(*res));
	stale = count_not_wb(old, order);
	tf->block = NULL;
	unreserve_block(old, order);
	__free_pages(old, order);

	for (i = 0; i < RECYCLE_TRIES && !res->found; i++) {
		page = alloc_block(order);
		if (!page)
			break;
		if (page == old)
			res->found = 1U << order;
		res->not_wb += count_not_wb(page, order);
		list_add(&page->lru, &fresh);
	}

	if (stale && !res->found && heal(old, order))
		pr_err("direct map of %#llx not restored\n",
		       (u64)page_to_phys(old));

	while (!list_empty(&fresh)) {
		page = list_first_entry(&fresh, struct page, lru);
		list_del(&page->lru);
		if (heal(page, order))
			pr_err("direct map of %#llx not restored, leaking it\n",
			       (u64)page_to_phys(page));
		else
			__free_pages(page, order);
	}
	return 0;
}

static long test_ioremap_cmd(struct test_file *tf, unsigned int cmd,
			     unsigned long arg)
{
	void __user *argp = (void __user *)arg;
	union {
		struct test_ioremap_info info;
		struct test_ioremap_alloc alloc;
		struct test_ioremap_map map;
		struct test_ioremap_query query;
		struct test_ioremap_recycle recycle;
	} u;
	long ret;

	if (_IOC_DIR(cmd) & _IOC_WRITE) {
		if (_IOC_SIZE(cmd) > sizeof(u))
			return -ENOTTY;
		if (copy_from_user(&u, argp, _IOC_SIZE(cmd)))
			return -EFAULT;
	}

	switch (cmd) {
	case TEST_IOREMAP_INFO:
		u.info.pat = pat_enabled();
		ret = 0;
		break;
	case TEST_IOREMAP_ALLOC:
		return do_alloc(tf, &u.alloc);
	case TEST_IOREMAP_FREE:
		return do_free(tf);
	case TEST_IOREMAP_MAP:
		ret = do_map(tf, &u.map);
		break;
	case TEST_IOREMAP_UNMAP:
		return do_unmap(tf, arg);
	case TEST_IOREMAP_QUERY:
		return do_query(tf, &u.query);
	case TEST_IOREMAP_RECYCLE:
		ret = do_recycle(tf, &u.recycle);
		break;
	case TEST_IOREMAP_HEAL:
		return tf->block ? heal(tf->block, tf->order) : -ENXIO;
	case TEST_IOREMAP_FAIL_WB:
		return do_fail_wb(tf, arg);
	default:
		return -ENOTTY;
	}

	if (!ret && copy_to_user(argp, &u, _IOC_SIZE(cmd)))
		return -EFAULT;
	return ret;
}

static long test_ioremap_ioctl(struct file *file, unsigned int cmd,
			       unsigned long arg)
{
	struct test_file *tf = file->private_data;
	long ret;

	if (mutex_lock_interruptible(&tf->lock))
		return -EINTR;
	ret = test_ioremap_cmd(tf, cmd, arg);
	mutex_unlock(&tf->lock);
	return ret;
}

static int test_ioremap_open(struct inode *inode, struct file *file)
{
	struct test_file *tf;

	tf = kzalloc(sizeof(*tf), GFP_KERNEL);
	if (!tf)
		return -ENOMEM;

	mutex_init(&tf->lock);
	file->private_data = tf;
	return 0;
}

static int test_ioremap_release(struct inode *inode, struct file *file)
{
	struct test_file *tf = file->private_data;

	do_free(tf);
	kfree(tf);
	return 0;
}

static const struct file_operations test_ioremap_fops = {
	.owner		= THIS_MODULE,
	.open		= test_ioremap_open,
	.release	= test_ioremap_release,
	.unlocked_ioctl	= test_ioremap_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

static struct miscdevice test_ioremap_dev = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= TEST_IOREMAP_NAME,
	.fops	= &test_ioremap_fops,
	.mode	= 0600,
};
module_misc_device(test_ioremap_dev);

MODULE_DESCRIPTION("Memory types of ioremap()ed RAM, for the ioremap selftests");
MODULE_LICENSE("GPL");
