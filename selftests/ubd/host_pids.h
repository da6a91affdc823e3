/* SPDX-License-Identifier: GPL-2.0 */
/* The host's processes that run the kernel of $UML, those of guests included */
#ifndef _UBD_HOST_PIDS_H
#define _UBD_HOST_PIDS_H

#include <dirent.h>

/* Where a link of /proc/PID leads to; "" if nowhere */
static inline char *pid_link(pid_t pid, const char *link, char *to, size_t size)
{
	char path[96];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, link);
	n = readlink(path, to, size - 1);
	to[n < 0 ? 0 : n] = '\0';
	return to;
}

/* Those of this test: they have its folder as theirs. */
static inline int uml_pids(pid_t *pids, int max)
{
	char is[4096], exe[4096], dir[4096];
	DIR *proc = opendir("/proc");
	struct dirent *de;
	int n = 0;

	if (!proc || !realpath(getenv("UML"), exe) || !getcwd(dir, sizeof(dir)))
		return 0;
	while (n < max && (de = readdir(proc))) {
		pid_t pid = atoi(de->d_name);

		if (pid > 0 && !strcmp(pid_link(pid, "exe", is, sizeof(is)), exe) &&
		    !strcmp(pid_link(pid, "cwd", is, sizeof(is)), dir))
			pids[n++] = pid;
	}
	closedir(proc);
	return n;
}

/* A number out of /proc/PID/status, -1 if there is none */
static inline int pid_status(pid_t pid, const char *key)
{
	char path[64], line[256];
	int value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			value = atoi(line + strlen(key) + 1);
	if (f)
		fclose(f);
	return value;
}

#endif
