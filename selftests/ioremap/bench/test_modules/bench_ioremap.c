// SPDX-License-Identifier: GPL-2.0
/*
 * Measure ioremap() and iounmap() in the kernel: what the caller pays, without
 * the system call around it. Loading the module measures, its parameters say
 * what and hold the result.
 */
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>

static unsigned long long phys;
module_param(phys, ullong, 0444);
MODULE_PARM_DESC(phys, "physical address, of no RAM; 0: reserved RAM");

static unsigned long size = PAGE_SIZE;
module_param(size, ulong, 0444);
MODULE_PARM_DESC(size, "bytes of each mapping");

static unsigned int count = 1;
module_param(count, uint, 0444);
MODULE_PARM_DESC(count, "how often to map and unmap");

static bool wc;
module_param(wc, bool, 0444);
MODULE_PARM_DESC(wc, "ioremap_wc() instead of ioremap()");

static unsigned long long map_ns;
module_param(map_ns, ullong, 0444);
MODULE_PARM_DESC(map_ns, "result: nanoseconds in ioremap(), of all");

static unsigned long long unmap_ns;
module_param(unmap_ns, ullong, 0444);
MODULE_PARM_DESC(unmap_ns, "result: nanoseconds in iounmap(), of all");

static int measure(phys_addr_t addr)
{
	unsigned int i;

	for (i = 0; i < count; i++) {
		u64 t0 = ktime_get_ns(), t1;
		void __iomem *p;

		p = wc ? ioremap_wc(addr, size) : ioremap(addr, size);
		t1 = ktime_get_ns();
		if (!p)
			return -ENOMEM;
		iounmap(p);
		unmap_ns += ktime_get_ns() - t1;
		map_ns += t1 - t0;
		cond_resched();
	}
	return 0;
}

static int __init bench_ioremap_init(void)
{
	unsigned int order = get_order(size);
	struct page *page;
	unsigned long i;

	if (!size)
		return -EINVAL;
	if (phys)
		return measure(phys);

	/*
	 * An iounmap() may leave the direct map of these pages uncached, so
	 * they are not given back.
	 */
	page = alloc_pages(GFP_KERNEL | __GFP_NOWARN, order);
	if (!page)
		return -ENOMEM;
	for (i = 0; i < 1UL << order; i++)
		SetPageReserved(page + i);
	return measure(page_to_phys(page));
}

static void __exit bench_ioremap_exit(void)
{
}

module_init(bench_ioremap_init);
module_exit(bench_ioremap_exit);
MODULE_DESCRIPTION("What ioremap() and iounmap() cost");
MODULE_LICENSE("GPL");
