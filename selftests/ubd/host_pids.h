/* SPDX-License-Identifier: GPL-2.0 */
/* The host's processes that run the kernel of $UML, those of guests included */
#ifndef _UBD_HOST_PIDS_H
#define _UBD_HOST_PIDS_H

#include <dirent.h>

static inline int uml_pids(pid_t *pids, int max)
{
	char path[64], exe[4096], want[4096];
	const char *uml = getenv("UML");
	DIR *proc = opendir("/proc");
	struct dirent *de;
	int n = 0;

	while (uml && realpath(uml, want) && proc && n < max && (de = readdir(proc))) {
		pid_t pid = atoi(de->d_name);
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/%d/exe", pid);
		len = pid > 0 ? readlink(path, exe, sizeof(exe) - 1) : -1;
		if (len < 0)
			continue;
		exe[len] = '\0';
		if (strcmp(exe, want))
			continue;
		/* Of this test, and not of another that runs */
		snprintf(path, sizeof(path), "/proc/%d/cwd", pid);
		len = readlink(path, exe, sizeof(exe) - 1);
		if (len > 0 && getcwd(want, sizeof(want)) && !strncmp(exe, want, len) &&
		    !want[len])
			pids[n++] = pid;
		realpath(uml, want);
	}
	if (proc)
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
