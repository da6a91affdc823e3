// SPDX-License-Identifier: GPL-2.0
/*
 * Let user space ioremap() reserved RAM and look at the memory types that the
 * page tables hold for it. See test_ioremap.h for the interface.
 */
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/ioport.h>
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
/* IA32_PAT after reset, and what page table bits mean without it */
#define PAT_RESET	0x0007040600070406ULL

struct test_map {
	void __iomem *addr;
	u64 size;
};

struct test_file {
	struct mutex lock;	/* one command at a time */
	struct page *block;
	unsigned int order;
	bool low;
	struct test_map maps[TEST_IOREMAP_MAPS];
	struct test_map *leaving;
};

static unsigned long low_taken;

static u64 pat_msr(void)
{
	u32 low, high;

	if (rdmsr_safe(MSR_IA32_CR_PAT, &low, &high))
		return PAT_RESET;
	return (u64)high << 32 | low;
}

static u32 pat_types(void)
{
	u64 pat = pat_msr();
	u32 types = 0;

	for (; pat; pat >>= 8)
		types |= 1U << (pat & 7);
	return types;
}

static u8 page_type(unsigned long addr)
{
	unsigned int level, slot;
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

	return pat_msr() >> (slot * 8) & 7;
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

static unsigned long map_first(const struct test_map *map)
{
	return (unsigned long)map->addr & PAGE_MASK;
}

static unsigned long map_pages(const struct test_map *map)
{
	return PFN_UP(offset_in_page(map->addr) + map->size);
}

static int heal(const struct test_file *tf)
{
	unsigned long addr = (unsigned long)page_address(tf->block);

	/*
	 * Below 1 MiB set_memory_wb() releases an entry of the memory type
	 * tree, so there has to be one.
	 */
	if (tf->low) {
		int ret = set_memory_uc(addr, 1 << tf->order);

		if (ret)
			return ret;
	}
	return set_memory_wb(addr, 1 << tf->order);
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

static unsigned long count_large(struct page *page, unsigned int order)
{
	unsigned long addr = (unsigned long)page_address(page);
	unsigned long end = addr + (PAGE_SIZE << order);
	unsigned long n = 0;
	unsigned int level;

	for (; addr < end; addr += PMD_SIZE)
		n += lookup_address(addr, &level) && level != PG_LEVEL_4K;
	return n;
}

static bool is_large(struct page *page, unsigned int order)
{
	return count_large(page, order) == PAGE_SIZE << order >> PMD_SHIFT;
}

static struct page *alloc_block(unsigned int order)
{
	return alloc_pages(GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY, order);
}

#ifdef CONFIG_KPROBES
static DEFINE_MUTEX(hook_lock);
static struct test_file *hook_file;
static struct task_struct *hook_task;
static struct test_ioremap_hook hook_seen;

/* Runs instead of _set_memory_wb(), as if its caller had called this */
static int hooked_wb(unsigned long addr, int numpages)
{
	const struct test_map *map = hook_file->leaving;
	void __iomem *other;
	unsigned long i;

	hook_seen.hits++;
	if (hook_seen.mode == TEST_IOREMAP_HOOK_FAIL)
		return -ENOMEM;

	for (i = 0; map && i < map_pages(map); i++)
		hook_seen.mapped += page_type(map_first(map) + i * PAGE_SIZE) !=
				    TEST_IOREMAP_UNMAPPED;

	other = ioremap_cache(__pa(addr), (unsigned long)numpages << PAGE_SHIFT);
	hook_seen.reserved = !other;
	if (other)
		iounmap(other);

	/*
	 * _set_memory_wb() is not exported. This one also releases the type,
	 * as the caller will; twice is the same as once for RAM above 1 MiB.
	 */
	return set_memory_wb(addr, numpages);
}

static int hook_pre(struct kprobe *p, struct pt_regs *regs)
{
	if (cmpxchg(&hook_task, current, NULL) != current)
		return 0;
	instruction_pointer_set(regs, (unsigned long)hooked_wb);
	return 1;
}

/*
 * A kprobe that sends callers elsewhere needs a post_handler: it keeps the
 * probe from being optimized to a jump, which could not do that.
 */
static void hook_post(struct kprobe *p, struct pt_regs *regs,
		      unsigned long flags)
{
}

static struct kprobe hook_probe;

static long hook_start(struct test_file *tf, u32 mode)
{
	hook_probe = (struct kprobe) {
		.symbol_name	= "_set_memory_wb",
		.pre_handler	= hook_pre,
		.post_handler	= hook_post,
	};
	if (register_kprobe(&hook_probe))
		return -EOPNOTSUPP;

	hook_file = tf;
	hook_seen = (struct test_ioremap_hook) { .mode = mode };
	WRITE_ONCE(hook_task, current);
	return 0;
}

static void hook_stop(void)
{
	WRITE_ONCE(hook_task, NULL);
	unregister_kprobe(&hook_probe);
	hook_file = NULL;
}

static long do_hook_wb(struct test_file *tf, struct test_ioremap_hook *req)
{
	u32 mode = req->mode;
	long ret = 0;

	if (mode > TEST_IOREMAP_HOOK_WATCH)
		return -EINVAL;
	if (mode != TEST_IOREMAP_HOOK_OFF && (!tf->block || tf->low))
		return -ENXIO;

	memset(req, 0, sizeof(*req));
	mutex_lock(&hook_lock);
	if (hook_file == tf) {
		hook_stop();
		*req = hook_seen;
	}
	if (mode != TEST_IOREMAP_HOOK_OFF)
		ret = hook_file ? -EBUSY : hook_start(tf, mode);
	mutex_unlock(&hook_lock);
	return ret;
}
#else
static long do_hook_wb(struct test_file *tf, struct test_ioremap_hook *req)
{
	if (req->mode != TEST_IOREMAP_HOOK_OFF)
		return -EOPNOTSUPP;
	memset(req, 0, sizeof(*req));
	return 0;
}
#endif

static void free_list(struct list_head *pages, unsigned int order)
{
	struct page *page;

	while (!list_empty(pages)) {
		page = list_first_entry(pages, struct page, lru);
		list_del(&page->lru);
		__free_pages(page, order);
	}
}

static long take_low(struct test_file *tf, unsigned int order)
{
	unsigned long pfn = PHYS_PFN(TEST_IOREMAP_LOW_ADDR), i;

	for (i = pfn; i < pfn + (1UL << order); i++)
		if (!pfn_valid(i) || !page_is_ram(i) ||
		    !PageReserved(pfn_to_page(i)))
			return -ENODEV;

	if (test_and_set_bit(0, &low_taken))
		return -EBUSY;
	tf->block = pfn_to_page(pfn);
	tf->order = order;
	tf->low = true;
	return 0;
}

static long do_alloc(struct test_file *tf, const struct test_ioremap_alloc *req)
{
	struct page *page, *found = NULL;
	unsigned long i, tries = 1;
	LIST_HEAD(rejected);

	if (tf->block)
		return -EBUSY;
	if (req->flags == TEST_IOREMAP_LOW &&
	    req->order <= TEST_IOREMAP_LOW_ORDER)
		return take_low(tf, req->order);
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

	free_list(&rejected, req->order);

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
	struct test_ioremap_hook off = { .mode = TEST_IOREMAP_HOOK_OFF };

	do_hook_wb(tf, &off);

	if (!tf->block)
		return -ENXIO;

	unmap_all(tf);
	if (heal(tf)) {
		pr_err("direct map of %#llx not restored, leaking it\n",
		       (u64)page_to_phys(tf->block));
	} else if (tf->low) {
		clear_bit(0, &low_taken);
	} else {
		unreserve_block(tf->block, tf->order);
		__free_pages(tf->block, tf->order);
	}
	tf->block = NULL;
	tf->low = false;
	return 0;
}

static void __iomem *map_type(resource_size_t phys, unsigned long size,
			      u32 type)
{
	switch (type) {
	case TEST_IOREMAP_UC:
		return ioremap_uc(phys, size);
	case TEST_IOREMAP_WC:
		return ioremap_wc(phys, size);
	case TEST_IOREMAP_WT:
		return ioremap_wt(phys, size);
	case TEST_IOREMAP_WB:
		return ioremap_cache(phys, size);
	case TEST_IOREMAP_UC_MINUS:
		return ioremap(phys, size);
	default:
		return IOMEM_ERR_PTR(-EINVAL);
	}
}

/* As map_type(), with the *@nth possible fault injected; *@nth: how many short */
static void __iomem *map_type_fail_nth(resource_size_t phys, unsigned long size,
				       u32 type, u32 *nth)
{
	void __iomem *addr;
#ifdef CONFIG_FAULT_INJECTION
	unsigned int old = current->fail_nth;

	WRITE_ONCE(current->fail_nth, *nth);
#endif
	addr = map_type(phys, size, type);
#ifdef CONFIG_FAULT_INJECTION
	*nth = READ_ONCE(current->fail_nth);
	WRITE_ONCE(current->fail_nth, old);
#endif
	return addr;
}

static long do_map(struct test_file *tf, struct test_ioremap_map *req)
{
	bool fail = req->fail_nth;
	void __iomem *addr;
	int id;

	if (!tf->block)
		return -ENXIO;
	if (!req->size || req->size > block_size(tf) ||
	    req->offset > block_size(tf) - req->size)
		return -EINVAL;
	if (fail && !IS_ENABLED(CONFIG_FAULT_INJECTION))
		return -EOPNOTSUPP;

	for (id = 0; id < TEST_IOREMAP_MAPS; id++)
		if (!tf->maps[id].addr)
			break;
	if (id == TEST_IOREMAP_MAPS)
		return -ENOSPC;

	addr = map_type_fail_nth(page_to_phys(tf->block) + req->offset,
				 req->size, req->type, &req->fail_nth);
	if (IS_ERR(addr))
		return PTR_ERR(addr);
	if (!addr)
		return fail && !req->fail_nth ? -ENOMEM : -EIO;

	tf->maps[id].addr = addr;
	tf->maps[id].size = req->size;
	req->id = id;
	return 0;
}

static long do_unmap(struct test_file *tf, unsigned long id)
{
	if (id >= TEST_IOREMAP_MAPS || !tf->maps[id].addr)
		return -EINVAL;

	tf->leaving = &tf->maps[id];
	iounmap(tf->leaving->addr);
	tf->leaving->addr = NULL;
	tf->leaving = NULL;
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
		base = map_first(&tf->maps[req->id]);
		size = map_pages(&tf->maps[req->id]) << PAGE_SHIFT;
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

/*
 * Pages that the kernel left uncached are in the allocator for a moment. Only
 * what comes back from it may be touched: the rest belongs to someone else.
 */
static long do_recycle(struct test_file *tf, struct test_ioremap_recycle *res)
{
	struct page *old = tf->block, *page;
	unsigned long stale;
	LIST_HEAD(others);
	int i;

	if (!old || tf->low)
		return -ENXIO;
	for (i = 0; i < TEST_IOREMAP_MAPS; i++)
		if (tf->maps[i].addr)
			return -EBUSY;

	memset(res, 0, sizeof(*res));
	stale = count_not_wb(old, tf->order);
	tf->block = NULL;
	unreserve_block(old, tf->order);
	__free_pages(old, tf->order);

	for (i = 0; i < RECYCLE_TRIES && !tf->block; i++) {
		page = alloc_block(tf->order);
		if (!page)
			break;
		if (page == old)
			tf->block = page;
		else
			list_add(&page->lru, &others);
	}
	free_list(&others, tf->order);

	if (tf->block) {
		res->found = 1U << tf->order;
		res->not_wb = count_not_wb(old, tf->order);
		reserve_block(old, tf->order);
		do_free(tf);
	} else if (stale) {
		pr_warn("%lu pages from %#llx on were freed, not write-back, and not found again\n",
			stale, (u64)page_to_phys(old));
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
		struct test_ioremap_hook hook;
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
		u.info.types = pat_types();
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
		return tf->block ? heal(tf) : -ENXIO;
	case TEST_IOREMAP_HOOK_WB:
		ret = do_hook_wb(tf, &u.hook);
		break;
	case TEST_IOREMAP_NR_LARGE:
		return tf->block ? count_large(tf->block, tf->order) : -ENXIO;
	default:
		return -ENOTTY;
	}

	if (!ret && copy_to_user(argp, &u, _IOC_SIZE(cmd))) {
		/* Nobody knows the mapping's name */
		if (cmd == TEST_IOREMAP_MAP)
			do_unmap(tf, u.map.id);
		return -EFAULT;
	}
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
