// SPDX-License-Identifier: GPL-2.0
/*
 * Write to a snapshot and to its origin while there is no memory but what the
 * memory pools have in reserve, and while others need the locks: for the status
 * of the snapshot, and to resume another device on the same origin. It is slow,
 * but all of it comes to an end.
 *
 * With the bug nothing does, and the kernel cannot be used any more. The slab
 * caches have to be on their own: slab_nomerge.
 */
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../kselftest_harness.h"
#include "dm_snapshot_test.h"

#define CHUNK		8U
#define SIZE		16384U	/* of origin and COW device */
#define DELAY_MS	400U
#define LIMIT_MS	20000U
#define CACHE		"/sys/kernel/slab/%s/failslab"

/* Let all allocations from the caches that are marked fail. */
static struct knob knobs[] = {
	{ "/sys/kernel/debug/failslab/cache-filter", "Y" },
	{ "/sys/kernel/debug/failslab/task-filter", "N" },
	{ "/sys/kernel/debug/failslab/ignore-gfp-wait", "N" },
	{ "/sys/kernel/debug/failslab/interval", "1" },
	{ "/sys/kernel/debug/failslab/verbose", "0" },
	{ "/sys/kernel/debug/failslab/times", "-1" },
	{ "/sys/kernel/debug/failslab/probability", "0" },
};

#define PROBABILITY	"/sys/kernel/debug/failslab/probability"

static bool have_faults;
/* Shared by all: tasks hang, and whoever waits for them would, too */
static volatile bool *wedged;

static void restore(void)
{
	write_file(PROBABILITY, "0");
	restore_knobs(knobs, ARRAY_SIZE(knobs));
	if (*wedged) {
		fflush(NULL);
		_exit(KSFT_FAIL);
	}
}

FIXTURE(no_memory) {
	char origin[64];
	char cow[64];
	char cache[64];
};

FIXTURE_VARIANT(no_memory) {
	const char *cache;
	const char *device;
	unsigned int writers;
	unsigned int writes;	/* of each of them */
};

/* There is memory: this passes with and without the bug */
FIXTURE_VARIANT_ADD(no_memory, control) {
	.cache = NULL, .device = "top", .writers = 32, .writes = 2,
};

/* The reserve is 8 copies for each snapshot */
FIXTURE_VARIANT_ADD(no_memory, copies) {
	.cache = "kcopyd_job", .device = "top", .writers = 32, .writes = 2,
};

/* The reserve is 256 exceptions for each snapshot */
FIXTURE_VARIANT_ADD(no_memory, exceptions_of_origin) {
	.cache = "dm_snap_pending_exception", .device = "top", .writers = 300,
	.writes = 2,
};

FIXTURE_VARIANT_ADD(no_memory, exceptions_of_snapshot) {
	.cache = "dm_snap_pending_exception", .device = "snap",
	.writers = 300, .writes = 2,
};

FIXTURE_SETUP(no_memory)
{
	if (!have_faults)
		SKIP(return, "no fault injection (failslab, debugfs)");
	ASSERT_FALSE(*wedged)
		TH_LOG("the kernel hangs");
	/* What a test that was killed has left */
	remove_all();
	strcpy(self->origin, disk_path("origin"));
	strcpy(self->cow, disk_path("cow"));
	ASSERT_EQ(0, disk_new("origin", SIZE / 2048, 0));
	ASSERT_EQ(0, disk_new("cow", 2 * SIZE / 2048, 0));
	ASSERT_EQ(0, put(self->origin, 0, SIZE, 'O'));

	/* No delay for reads, and a delay for writes */
	ASSERT_EQ(0, dm_new("delay", "0 %u delay %s 0 0 %s 0 %u", 2 * SIZE,
			    self->cow, self->cow, DELAY_MS));
	ASSERT_EQ(0, dm_new("snap", "0 %u snapshot %s %s N %u", SIZE,
			    self->origin, dm_path("delay"), CHUNK));
	ASSERT_EQ(0, dm_new("top", "0 %u snapshot-origin %s", SIZE,
			    self->origin));
	ASSERT_EQ(0, dm_new("other", "0 %u snapshot-origin %s", SIZE,
			    self->origin));
	if (!variant->cache)
		return;
	snprintf(self->cache, sizeof(self->cache), CACHE, variant->cache);
	if (write_file(self->cache, "1"))
		SKIP(return, "%s: needs slab_nomerge", self->cache);
	ASSERT_EQ(0, write_file(PROBABILITY, "100"));
}

FIXTURE_TEARDOWN(no_memory)
{
	if (!have_faults)
		return;
	write_file(PROBABILITY, "0");
	if (self->cache[0])
		write_file(self->cache, "0");
	if (!*wedged)
		remove_all();
}

/* A child that may hang for ever must not hold anything of the test open. */
static pid_t start(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(0);
		close(1);
		close(2);
	}
	return pid;
}

TEST_F_TIMEOUT(no_memory, all_complete, 50)
{
	unsigned int i, j, left = variant->writers, failed = 0;
	unsigned long long began;
	int gate[2];
	pid_t pid, others[2];
	const char *path;

	ASSERT_EQ(0, pipe(gate));
	path = dm_path(variant->device);
	for (i = 0; i < variant->writers; i++) {
		pid = start();
		ASSERT_LE(0, pid);
		if (pid)
			continue;
		/* All at the same time: until there is no writer */
		close(gate[1]);
		if (read(gate[0], &j, 1))
			_exit(1);
		for (j = 0; j < variant->writes; j++)
			if (put(path, (j * variant->writers + i) * CHUNK,
				CHUNK, 'N'))
				_exit(1);
		_exit(0);
	}

	/* They need the snapshot's lock, and the one of its origin */
	others[0] = start();
	ASSERT_LE(0, others[0]);
	if (!others[0])
		close(gate[1]);
	while (!others[0]) {
		dm_status("snap");
		sleep_ms(1);
	}
	others[1] = start();
	ASSERT_LE(0, others[1]);
	if (!others[1])
		close(gate[1]);
	while (!others[1]) {
		dm_suspend("other");
		dm_resume("other");
	}
	began = now_ms();
	close(gate[1]);

	left = wait_children(left, began + LIMIT_MS, &failed);
	close(gate[0]);
	*wedged = left;
	write_file(PROBABILITY, "0");
	kill(others[0], SIGKILL);
	kill(others[1], SIGKILL);
	EXPECT_EQ(0, failed);
	ASSERT_EQ(0, left) {
		TH_LOG("%u of %u writers hang, after %u seconds", left,
		       variant->writers, LIMIT_MS / 1000);
	}
	TH_LOG("%u writes in %llu ms", variant->writers * variant->writes,
	       now_ms() - began);
	waitpid(others[0], NULL, 0);
	waitpid(others[1], NULL, 0);

	i = variant->writers * variant->writes * CHUNK;
	expect_data(_metadata, path, 0, i, 'N', "written");
	expect_data(_metadata, path, i, SIZE - i, 'O', "not written");
	expect_data(_metadata, strcmp(variant->device, "top") ? self->origin :
		    dm_path("snap"), 0, SIZE, 'O', "the other device");
}

int main(int argc, char **argv)
{
	static const char * const targets[] = {
		"snapshot", "snapshot-origin", "delay", NULL
	};

	wedged = mmap(NULL, sizeof(*wedged), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (wedged == MAP_FAILED)
		ksft_exit_fail_msg("mmap: %s\n", strerror(errno));
	dm_snapshot_test_init(restore, targets);
	have_faults = set_knobs(knobs, ARRAY_SIZE(knobs));
	return test_harness_run(argc, argv);
}
