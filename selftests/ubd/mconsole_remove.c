// SPDX-License-Identifier: GPL-2.0
/*
 * Devices that could not be set up are removed and configured again over the
 * mconsole.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"
#include "mconsole.h"

/* While the host talks to the mconsole */
GUEST(wait)
{
	call_host("go");
	sleep(2);
	printf("still there\n");
	return 0;
}

static int answers[3];

static void remove_failed(const char *text)
{
	(void)text;
	/* Whether there is anything to remove is up to the driver. */
	mconsole("remove ubd1");
	answers[0] = mconsole("config ubd1=disk");
	answers[1] = answers[0] ? -1 : mconsole_remove("ubd1");
}

TEST_F(ubd, failed_at_boot)
{
	uml_hook = remove_failed;
	ASSERT_EQ(0, image("disk", 1 << 20, "IMAGE"));
	ASSERT_EQ(0, uml("wait", "ubd1=missing", NULL));
	EXPECT_EQ(0, answers[0]);
	EXPECT_EQ(0, answers[1]);
}

static void config_failed(const char *text)
{
	(void)text;
	answers[0] = mconsole("config ubd1d=missing");
	mconsole("remove ubd1");
	answers[1] = mconsole("config ubd1=cow,disk");
	answers[2] = answers[1] ? -1 : mconsole_remove("ubd1");
}

/* What the failed one was told to be does not stick to the next. */
TEST_F(ubd, failed_config)
{
	uml_hook = config_failed;
	ASSERT_EQ(0, image("disk", 1 << 20, "IMAGE"));
	ASSERT_EQ(0, uml("wait", "", NULL));
	EXPECT_EQ(1, answers[0]);
	EXPECT_EQ(0, answers[1]);
	EXPECT_EQ(0, answers[2]);
}

TEST_HARNESS_MAIN
