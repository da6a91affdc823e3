/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Time, small files such as those of sysfs, and what a process does, for the
 * selftests of storage.
 *
 * Functions return 0, or a negative errno if they fail, unless they say
 * otherwise.
 */
#ifndef _STORAGE_FILES_H
#define _STORAGE_FILES_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static inline void sleep_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, (ms % 1000) * 1000000L };

	nanosleep(&ts, NULL);
}

static inline unsigned long long now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

static inline unsigned long long now_ms(void)
{
	return now_us() / 1000;
}

/* @flags: of open(), beside O_WRONLY */
static inline int write_flags(const char *path, const char *value, int flags)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | flags);
	ssize_t ret;

	if (fd < 0)
		return -errno;
	ret = write(fd, value, strlen(value));
	if (ret < 0)
		ret = -errno;
	close(fd);
	return ret < 0 ? ret : 0;
}

static inline int write_file(const char *path, const char *value)
{
	return write_flags(path, value, 0);
}

/* @buf gets a string, an empty one if the file cannot be read */
static inline int read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t ret;

	buf[0] = '\0';
	if (fd < 0)
		return -errno;
	ret = read(fd, buf, size - 1);
	if (ret < 0)
		ret = -errno;
	else
		buf[ret] = '\0';
	close(fd);
	return ret < 0 ? ret : 0;
}

/* As in /proc/PID/stat; 'Z' if it is gone */
static inline char state_of(pid_t pid)
{
	char path[64], buf[512], *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (read_file(path, buf, sizeof(buf)))
		return 'Z';
	p = strrchr(buf, ')');
	return p && p[1] ? p[2] : '?';
}

/* Until it is in one of these states, or @ms have gone by; returns which */
static inline char await_state(pid_t pid, const char *states, unsigned int ms)
{
	unsigned long long end = now_ms() + ms;
	char state;

	while (!strchr(states, state = state_of(pid)) && now_ms() < end)
		sleep_ms(1);
	return state;
}

/* Wait until it is in one of these states, and stays so; returns whether it does */
static inline bool wait_stays(pid_t pid, const char *states,
			      unsigned int seconds)
{
	unsigned long long until = now_ms() + seconds * 1000;
	unsigned int n = 0;

	while (n < 10 && now_ms() < until) {
		sleep_ms(10);
		n = strchr(states, state_of(pid)) ? n + 1 : 0;
	}
	return n == 10;
}

static inline bool wait_asleep(pid_t pid, unsigned int seconds)
{
	return wait_stays(pid, "D", seconds);
}

/* A file that says how the kernel is to behave, and what it said before */
struct knob {
	const char *path;
	const char *value;
	char old[16];
};

/* Returns false if one of them is not there or does not take its value */
static inline bool set_knobs(struct knob *knobs, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (read_file(knobs[i].path, knobs[i].old,
			      sizeof(knobs[i].old)) ||
		    write_file(knobs[i].path, knobs[i].value))
			return false;
	return true;
}

static inline void restore_knobs(const struct knob *knobs, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (knobs[i].old[0])
			write_file(knobs[i].path, knobs[i].old);
}

#endif /* _STORAGE_FILES_H */
