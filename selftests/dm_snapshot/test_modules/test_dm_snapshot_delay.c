// SPDX-License-Identifier: GPL-2.0
/*
 * When @armed, the next interrupt on CPU @cpu that wants to wake up the thread
 * of a kcopyd client takes @delay_ms longer for that: it is about to call
 * queue_work_on(). @armed is 0 again when the delay begins, and @freed tells
 * whether the client was freed meanwhile. That takes slub_debug=P to see.
 */
#include <linux/delay.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/poison.h>
#include <linux/ptrace.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/workqueue.h>

static unsigned int cpu = 1;
module_param(cpu, uint, 0444);
static unsigned int delay_ms = 2500;
module_param(delay_ms, uint, 0444);
static int armed;
module_param(armed, int, 0644);
static bool freed;
module_param(freed, bool, 0444);

static int delay_pre(struct kprobe *p, struct pt_regs *regs)
{
	struct work_struct *work = (void *)regs_get_kernel_argument(regs, 2);
	char func[KSYM_NAME_LEN];

	if (!READ_ONCE(armed) || !in_interrupt() || smp_processor_id() != cpu)
		return 0;
	/* The one of kcopyd is static */
	snprintf(func, sizeof(func), "%ps", (void *)work->func);
	if (strncmp(func, "do_work", strlen("do_work")) || !xchg(&armed, 0))
		return 0;
	mdelay(delay_ms);
	freed = !memchr_inv(&work->entry, POISON_FREE, sizeof(work->entry));
	return 0;
}

static struct kprobe delay_probe = {
	.symbol_name	= "queue_work_on",
	.pre_handler	= delay_pre,
};

static int __init test_delay_init(void)
{
	return register_kprobe(&delay_probe);
}
module_init(test_delay_init);

static void __exit test_delay_exit(void)
{
	unregister_kprobe(&delay_probe);
}
module_exit(test_delay_exit);

MODULE_DESCRIPTION("dm_snapshot selftests: widen a race");
MODULE_LICENSE("GPL");
