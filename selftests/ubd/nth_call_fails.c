// SPDX-License-Identifier: GPL-2.0
/*
 * Whichever call of the host fails once: the guest gets an error for it, and
 * what it was told to be on the disk is there at the next boot.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#define CHUNKS		3
#define PER_CHUNK	12		/* sectors */
#define STRIDE		40
#define SIZE		(1 << 20)

/* Two rounds, the second for what failed in the first; tells the host how it ends */
GUEST(work)
{
	int fd = dev_open("ubda", O_DIRECT), round, i, errors = 0;
	bool written[CHUNKS] = {}, synced = false;
	char text[32];

	if (fd < 0)
		return 1;
	for (round = 0; round < 2; round++) {
		for (i = 0; i < CHUNKS; i++) {
			if (written[i])
				continue;
			written[i] = !put(fd, i * STRIDE, PER_CHUNK, "NEW");
			errors += !written[i];
		}
		if (!synced)
			errors += !(synced = !fsync(fd));
		/* What is written after a sync has to be synced. */
		if (!round && errors)
			synced = false;
	}
	for (i = 0; i < CHUNKS; i++)
		synced &= written[i];
	snprintf(text, sizeof(text), "%d %d", errors, synced);
	call_host(text);
	kill_me();
	return 0;
}

GUEST(compare)
{
	int fd = dev_open("ubda", O_DIRECT), i, bad = 0;

	if (fd < 0)
		return 255;
	for (i = 0; i < CHUNKS; i++) {
		bad += !!wrong(fd, i * STRIDE, PER_CHUNK, "NEW");
		bad += !!wrong(fd, i * STRIDE + PER_CHUNK, STRIDE - PER_CHUNK, "OLD");
	}
	return bad;
}

static int errors, synced;

static void told(const char *text)
{
	if (sscanf(text, "%d %d", &errors, &synced) != 2)
		synced = -1;
}

FIXTURE_VARIANT(ubd) {
	const char *args, *rule;
};

#define CASE(_name, _args, _rule)					\
FIXTURE_VARIANT_ADD(ubd, _name) { .args = _args, .rule = _rule }

CASE(raw_pwrite, "ubd0=disk", "pwrite:disk");
CASE(raw_fsync, "ubd0=disk", "fsync:disk");
CASE(cow_pwrite, "ubd0=cow,disk", "pwrite:cow");
CASE(cow_fsync, "ubd0=cow,disk", "fsync:cow");

static void fresh(void)
{
	unlink("cow");
	errors = 0;
	synced = -1;
}

TEST_F(ubd, fails)
{
	char rule[64], call[16];
	const char *file = strchr(variant->rule, ':') + 1;
	int n, calls = 0;
	char line[256], name[64];
	FILE *f;

	snprintf(call, sizeof(call), "%.*s", (int)(file - variant->rule - 1), variant->rule);
	ASSERT_EQ(0, image("disk", SIZE, "OLD"));
	uml_hook = told;
	fresh();
	ASSERT_EQ(UML_KILLED, uml("work", variant->args, "trace=trace"));
	ASSERT_TRUE(errors == 0 && synced == 1);
	f = fopen("trace", "re");
	while (f && fgets(line, sizeof(line), f)) {
		char is[16];

		calls += sscanf(line, "%15s %63s", is, name) == 2 && !strcmp(is, call) &&
			 !strcmp(name, file);
	}
	if (f)
		fclose(f);
	TH_LOG("%d calls of %s", calls, variant->rule);
	EXPECT_LT(0, calls);
	for (n = 1; n <= calls && n <= 12; n++) {
		if (!strcmp(file, "disk"))
			ASSERT_EQ(0, image("disk", SIZE, "OLD"));
		fresh();
		snprintf(rule, sizeof(rule), "%s:%d:EIO", variant->rule, n);
		ASSERT_EQ(UML_KILLED, uml("work", variant->args, rule));
		EXPECT_TRUE(errors > 0 && synced == 1) {
			TH_LOG("call %d failed: %d errors, the last sync %s, expected an error and a sync",
			       n, errors, synced == 1 ? "was good" : "was not good");
		}
		EXPECT_EQ(0, uml("compare", variant->args, NULL)) {
			TH_LOG("call %d failed: what was synced is not there", n);
		}
	}
}

TEST_HARNESS_MAIN
