/* SPDX-License-Identifier: GPL-2.0 */
/*
 * run_kunit(suite) has the guest's kernel run a KUnit suite, and passes on what
 * it says, a result a case. It does not return.
 *
 * Needs the suite, CONFIG_KUNIT_DEBUGFS and kunit.enable=1.
 */
#ifndef _STORAGE_KUNIT_H
#define _STORAGE_KUNIT_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "../kselftest.h"

static inline FILE *kunit_file(const char *suite, const char *name, const char *mode)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/debug/kunit/%s/%s", suite, name);
	f = fopen(path, mode);
	if (!f) {
		ksft_set_plan(1);
		ksft_test_result_fail("no suite %s in this kernel (or kunit.enable=0): %s: %s\n",
				      suite, path, strerror(errno));
		ksft_finished();
	}
	return f;
}

static inline void __attribute__((noreturn)) run_kunit(const char *suite)
{
	unsigned int plan = 0, n;
	char line[1024], name[256];
	FILE *f;

	ksft_print_header();
	mount("none", "/sys/kernel/debug", "debugfs", 0, NULL);
	f = kunit_file(suite, "run", "w");
	if (fputs("1", f) < 0 || fclose(f))
		ksft_exit_fail_msg("%s does not run: %s\n", suite, strerror(errno));

	f = kunit_file(suite, "results", "r");
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

#endif
