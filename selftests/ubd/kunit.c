// SPDX-License-Identifier: GPL-2.0
/*
 * Run the KUnit suite of COW arithmetic in the guest, and pass on what it says,
 * a result a case.
 *
 * Needs CONFIG_BLK_DEV_UBD_KUNIT_TEST, CONFIG_KUNIT_DEBUGFS and kunit.enable=1.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "../kselftest.h"

#define SUITE	"/sys/kernel/debug/kunit/ubd"

int main(void)
{
	unsigned int plan = 0, n;
	char line[1024], name[256];
	FILE *f;
	int fd;

	ksft_print_header();
	mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
	if (access(SUITE, F_OK)) {
		ksft_set_plan(1);
		ksft_test_result_fail("no suite ubd in this kernel (or kunit.enable=0)\n");
		ksft_finished();
	}

	fd = open(SUITE "/run", O_WRONLY);
	if (fd < 0 || write(fd, "1", 1) != 1)
		ksft_exit_fail_msg(SUITE "/run: %s\n", strerror(errno));
	close(fd);

	f = fopen(SUITE "/results", "r");
	if (!f)
		ksft_exit_fail_msg(SUITE "/results: %s\n", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		/* The cases are indented, the suite is not. */
		if (line[0] != ' ')
			ksft_print_msg("%s\n", line);
		else if (!plan && sscanf(line, " 1..%u", &plan) == 1)
			ksft_set_plan(plan);
		else if (sscanf(line, " ok %u %255s", &n, name) == 2 &&
			 strstr(line, "# SKIP"))
			ksft_test_result_skip("%s\n", name);
		else if (sscanf(line, " ok %u %255s", &n, name) == 2)
			ksft_test_result_pass("%s\n", name);
		else if (sscanf(line, " not ok %u %255s", &n, name) == 2)
			ksft_test_result_fail("%s\n", name);
		else
			ksft_print_msg("%s\n", line);
	}
	fclose(f);
	if (!plan)
		ksft_exit_fail_msg("the suite has no plan\n");
	ksft_finished();
}
