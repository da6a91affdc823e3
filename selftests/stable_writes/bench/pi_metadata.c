// SPDX-License-Identifier: GPL-2.0
/*
 * Metadata in buffer_heads, which is changed while it is written.
 */
#include "bench.h"

#include <pthread.h>

#define ROUNDS	3000

static volatile bool stop;
static unsigned long errors;

static void *syncer(void *arg)
{
	int fd = open(MNT, O_RDONLY | O_DIRECTORY);

	while (!stop) {
		if (syncfs(fd))
			__atomic_fetch_add(&errors, 1, __ATOMIC_RELAXED);
		sleep_ms(2);
	}
	close(fd);
	return NULL;
}

int main(void)
{
	const char *dev = bench_disk("dif=1");
	pthread_t thread;
	char name[64];
	int i, fd;

	if (bench_mount(dev, "ext2", "mkfs.ext2 -q -F $D 64m"))
		return failed("ext2");
	if (pthread_create(&thread, NULL, syncer, NULL))
		return failed("thread");
	begin();
	for (i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), MNT "/dir%d", i);
		errors += !!mkdir(name, 0700);
		snprintf(name, sizeof(name), MNT "/dir%d/file", i);
		fd = open(name, O_CREAT | O_WRONLY, 0600);
		errors += write(fd, name, sizeof(name)) != sizeof(name);
		close(fd);
		errors += !!unlink(name);
		snprintf(name, sizeof(name), MNT "/dir%d", i);
		errors += !!rmdir(name);
	}
	stop = true;
	pthread_join(thread, NULL);
	end("ext2_metadata", ROUNDS, "round");
	printf("bench: ext2_metadata_errors %lu calls lower\n", errors);
	return 0;
}
