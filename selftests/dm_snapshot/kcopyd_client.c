// SPDX-License-Identifier: GPL-2.0
/*
 * Remove a snapshot while the interrupt of its second but last copy has not yet
 * woken up kcopyd, which the last copy has done meanwhile. The interrupt must
 * not use what the removal has freed.
 *
 * test_dm_snapshot_delay.ko makes the interrupt late, and looks whether the
 * kcopyd client is gone by then: that takes slub_debug=P.
 */
#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define MODULE		"test_dm_snapshot_delay"
#define PARAM		"/sys/module/" MODULE "/parameters/"
#define CHUNK		8U
#define SIZE		8192U
#define COPY_NS		"2000000000"
#define DONE_MS		20000U

static bool loaded;
static pid_t hog;

static void stop(void)
{
	if (hog > 0) {
		kill(hog, SIGKILL);
		waitpid(hog, NULL, 0);
	}
	hog = 0;
	remove_all();
	if (loaded && syscall(SYS_delete_module, MODULE, 0))
		ksft_print_msg(MODULE ": %s\n", strerror(errno));
	loaded = false;
}

FIXTURE(kcopyd_client) {
	char top[64];
};

FIXTURE_SETUP(kcopyd_client)
{
	int r;

	/* What a test that was killed has left */
	remove_all();
	if (run_on(1, SCHED_OTHER))
		SKIP(return, "cannot run on CPU 1");
	ASSERT_EQ(0, run_on(0, SCHED_OTHER));
	r = load_test_module(MODULE, "");
	if (r)
		SKIP(return, MODULE ".ko: %s", strerror(-r));
	loaded = true;
	/* So that what is free to choose chooses CPU 0 */
	hog = fork();
	ASSERT_LE(0, hog);
	if (!hog) {
		run_on(1, SCHED_OTHER);
		for (;;)
			;
	}

	ASSERT_EQ(0, disk_new("origin", SIZE / 2048, 0));
	ASSERT_EQ(0, disk_prepare("cow", SIZE / 2048));
	/* The interrupt is on the CPU on which the copy was started */
	ASSERT_EQ(0, disk_set("cow", "irqmode", "2"));
	ASSERT_EQ(0, disk_set("cow", "completion_nsec", COPY_NS));
	ASSERT_EQ(0, disk_on("cow"));
	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s N %u", SIZE,
			    disk_path("origin"), disk_path("cow"), CHUNK));
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
			    disk_path("origin")));
	strcpy(self->top, dm_path("top"));
}

FIXTURE_TEARDOWN(kcopyd_client)
{
	stop();
}

static pid_t writer(FIXTURE_DATA(kcopyd_client) *self, unsigned int cpu)
{
	pid_t pid = fork();

	if (!pid)
		_exit(run_on(cpu, SCHED_OTHER) ||
		      put(self->top, cpu * CHUNK, CHUNK, 'N'));
	return pid;
}

TEST_F(kcopyd_client, remove)
{
	unsigned int failed = 0;
	char armed[16], freed[16];
	pid_t pid;

	pid = writer(self, 1);
	ASSERT_LT(0, pid);
	ASSERT_TRUE(wait_asleep(pid, 1));
	ASSERT_EQ(0, write_file(PARAM "armed", "1"));
	ASSERT_LT(0, writer(self, 0));
	/* It waits for the copies, with all of RCU done that it needs CPU 1 for */
	EXPECT_EQ(0, dm_remove("snap"));
	EXPECT_EQ(0, wait_children(2, now_ms() + DONE_MS, &failed));
	EXPECT_EQ(0, failed);
	sleep_ms(3000);

	ASSERT_EQ(0, read_file(PARAM "armed", armed, sizeof(armed)));
	EXPECT_EQ(0, atoi(armed))
		TH_LOG("no interrupt on CPU 1 to delay");
	ASSERT_EQ(0, read_file(PARAM "freed", freed, sizeof(freed)));
	EXPECT_EQ('N', freed[0])
		TH_LOG("the kcopyd client was freed before its thread was woken up");
	expect_data(_metadata, self->top, 0, 2 * CHUNK, 'N', "origin");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", NULL
	};

	dm_snapshot_test_init(stop, targets);
	return test_harness_run(argc, argv);
}
