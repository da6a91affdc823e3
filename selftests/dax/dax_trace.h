/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel did, by its trace events and by kprobes. dax_test.h includes
 * this, and dax_test_init() sets it up.
 *
 * Functions return 0 or a count, and a negative errno if they fail.
 */
#ifndef _DAX_TRACE_H
#define _DAX_TRACE_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../storage/files.h"

#define TRACEFS		"/sys/kernel/tracing"
#define TRACE_INSTANCE	TRACEFS "/instances/daxtest"
#define KPROBE_GROUP	"daxtest"

/* Trace events are in an instance of our own: nobody else's are touched */

/**
 * trace_on - forget what was recorded, and record these events
 * @events: "GROUP/EVENT" or "GROUP", separated by blanks
 *
 * Return: 0; -ENOENT if there is no such event; another negative errno
 */
static inline int trace_on(const char *events)
{
	char copy[256], path[192], *event, *save;
	int r;

	r = write_file(TRACE_INSTANCE "/tracing_on", "0");
	if (!r)
		r = write_file(TRACE_INSTANCE "/events/enable", "0");
	if (!r)
		r = write_flags(TRACE_INSTANCE "/trace", "", O_TRUNC);
	snprintf(copy, sizeof(copy), "%s", events);
	for (event = strtok_r(copy, " ", &save); !r && event;
	     event = strtok_r(NULL, " ", &save)) {
		snprintf(path, sizeof(path), TRACE_INSTANCE "/events/%s/enable",
			 event);
		r = write_file(path, "1");
	}
	return r ? r : write_file(TRACE_INSTANCE "/tracing_on", "1");
}

/* Record no more. What was recorded stays, for trace_count() */
static inline int trace_off(void)
{
	int r = write_file(TRACE_INSTANCE "/tracing_on", "0");

	write_file(TRACE_INSTANCE "/events/enable", "0");
	return r;
}

/**
 * trace_count - count recorded events
 * @event: the name of the event, without its group
 * @match: text that its line has to have, "" for any
 * @field: NULL, or the name of a number whose values are summed up
 * @sum: where the sum goes, may be NULL
 *
 * Return: how many there are. -EOVERFLOW if the buffer was too small for all
 */
static inline long trace_count(const char *event, const char *match,
			       const char *field, unsigned long long *sum)
{
	FILE *f = fopen(TRACE_INSTANCE "/trace", "re");
	unsigned long long written, entries;
	char line[1024], name[80];
	const char *p, *q;
	long n = 0;

	if (sum)
		*sum = 0;
	if (!f)
		return -errno;
	snprintf(name, sizeof(name), ": %s: ", event);
	while (fgets(line, sizeof(line), f)) {
		p = strstr(line, "entries-in-buffer/entries-written: ");
		if (p && sscanf(p, "%*s %llu/%llu", &entries, &written) == 2 &&
		    entries != written) {
			fclose(f);
			return -EOVERFLOW;
		}
		if (line[0] == '#')
			continue;
		p = strstr(line, name);
		if (!p || !strstr(p, match))
			continue;
		n++;
		for (q = p; field && sum && (q = strstr(q, field)); q++) {
			size_t len = strlen(field);

			/* "FIELD VALUE" as fs_dax has it, "FIELD=VALUE" as a kprobe */
			if (q[-1] != ' ' || (q[len] != ' ' && q[len] != '='))
				continue;
			*sum += strtoull(q + len + 1, NULL, 0);
			break;
		}
	}
	fclose(f);
	return n;
}

/**
 * trace_writeback - how much of a file was written back since trace_on()
 * @fd: the file
 * @pages: its number of pages, may be NULL
 *
 * The events of "fs_dax/dax_writeback_one" have to be recorded.
 *
 * Return: the number of entries, a PMD being one. Or a negative errno
 */
static inline long trace_writeback(int fd, unsigned long long *pages)
{
	char match[64];
	struct stat st;

	if (fstat(fd, &st))
		return -errno;
	snprintf(match, sizeof(match), " ino %#llx ",
		 (unsigned long long)st.st_ino);
	return trace_count("dax_writeback_one", match, "pglen", pages);
}

/**
 * trace_kprobe - make an event "daxtest/NAME" of a kprobe or a kretprobe
 * @name: the name of the event
 * @ret: true for a probe on the return of the function
 * @def: the function, then what to fetch: "FUNCTION size=$arg2:u64"
 *
 * It is removed when the test ends.
 *
 * Return: 0; -ENOENT or -EINVAL if there is no such function to be probed
 */
static inline int trace_kprobe(const char *name, bool ret, const char *def)
{
	char line[256];

	snprintf(line, sizeof(line), "%c:" KPROBE_GROUP "/%s %s\n",
		 ret ? 'r' : 'p', name, def);
	return write_flags(TRACEFS "/kprobe_events", line, O_APPEND);
}

static inline void remove_kprobes(void)
{
	char line[256], del[128], *end;
	FILE *f = fopen(TRACEFS "/kprobe_events", "re");
	bool again;

	do {
		again = false;
		if (!f)
			return;
		while (fgets(line, sizeof(line), f)) {
			char *p = strstr(line, ":" KPROBE_GROUP "/");

			if (!p)
				continue;
			end = strchr(p, ' ');
			if (end)
				*end = '\0';
			snprintf(del, sizeof(del), "-%s\n", p);
			if (!write_flags(TRACEFS "/kprobe_events", del, O_APPEND))
				again = true;
			break;
		}
		fclose(f);
		f = again ? fopen(TRACEFS "/kprobe_events", "re") : NULL;
	} while (again);
}

#endif /* _DAX_TRACE_H */
