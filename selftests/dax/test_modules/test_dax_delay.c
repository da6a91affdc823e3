// SPDX-License-Identifier: GPL-2.0
/*
 * Delay the making of a DAX folio: whoever runs a program of the name @comm
 * takes @delay_ms longer in prep_compound_page(), with a device page. That
 * widens races about who else uses the page. @hits: how often that was.
 */
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/string.h>

static char *comm = "";
module_param(comm, charp, 0444);

static unsigned int delay_ms = 20;
module_param(delay_ms, uint, 0444);

static unsigned int hits;
module_param(hits, uint, 0444);

static int delay_pre(struct kprobe *p, struct pt_regs *regs)
{
	struct page *page = (struct page *)regs_get_kernel_argument(regs, 0);

	if (strcmp(current->comm, comm) || !is_zone_device_page(page))
		return 0;
	hits++;
	mdelay(delay_ms);
	return 0;
}

static struct kprobe delay_probe = {
	.symbol_name	= "prep_compound_page",
	.pre_handler	= delay_pre,
};

static int __init test_dax_delay_init(void)
{
	return register_kprobe(&delay_probe);
}
module_init(test_dax_delay_init);

static void __exit test_dax_delay_exit(void)
{
	unregister_kprobe(&delay_probe);
}
module_exit(test_dax_delay_exit);

MODULE_DESCRIPTION("fsdax selftests: widen a race");
MODULE_LICENSE("GPL");
