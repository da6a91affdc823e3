/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A disk of scsi_debug, for the selftests of storage.
 */
#ifndef _STORAGE_SCSI_DEBUG_H
#define _STORAGE_SCSI_DEBUG_H

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

/*
 * Load it with these parameters, unless somebody else has. Returns the node of
 * its disk, which is good until the next call, or NULL. Sets @loaded if it has
 * to be unloaded, which may be the case even then.
 */
static inline const char *scsi_debug_new(const char *parameters, bool *loaded)
{
	static char path[64];
	char text[512], model[32];
	struct dirent *de;
	DIR *dir;
	int i;

	if (!access("/sys/module/scsi_debug", F_OK))
		return NULL;
	snprintf(text, sizeof(text),
		 "modprobe -q scsi_debug %s >/dev/null 2>&1", parameters);
	if (system(text))
		return NULL;
	*loaded = true;
	path[0] = '\0';
	for (i = 0; !path[0] && i < 250; i++, sleep_ms(20)) {
		dir = opendir("/sys/block");
		while (dir && (de = readdir(dir))) {
			snprintf(text, sizeof(text),
				 "/sys/block/%.64s/device/model", de->d_name);
			if (!strncmp(de->d_name, "sd", 2) &&
			    !read_file(text, model, sizeof(model)) &&
			    !strncmp(model, "scsi_debug", 10))
				snprintf(path, sizeof(path), "/dev/%.40s",
					 de->d_name);
		}
		if (dir)
			closedir(dir);
		if (path[0] && access(path, F_OK))
			path[0] = '\0';
	}
	return path[0] ? path : NULL;
}

#endif /* _STORAGE_SCSI_DEBUG_H */
