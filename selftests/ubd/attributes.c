// SPDX-License-Identifier: GPL-2.0
/*
 * What the attributes of a device say.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

/* Argument: the serial number, if there is one */
GUEST(serial)
{
	const char *want = argc > 1 ? argv[1] : "";
	char buf[64] = "";
	int fd = open("/sys/block/ubda/serial", O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (n < 0)
		return 255;
	buf[strcspn(buf, "\n")] = '\0';
	printf("serial is '%s', expected '%s'\n", buf, want);
	return !!strcmp(buf, want);
}

TEST_F(ubd, serial)
{
	ASSERT_EQ(0, image("disk", 1 << 20, NULL));
	ASSERT_EQ(0, uml("serial 4711", "ubd0=disk,,4711", NULL));
}

TEST_F(ubd, no_serial)
{
	ASSERT_EQ(0, image("disk", 1 << 20, NULL));
	ASSERT_EQ(0, uml("serial", "ubd0=disk", NULL));
}

TEST_HARNESS_MAIN
