// SPDX-License-Identifier: GPL-2.0
/*
 * Metadata in buffer_heads. Nobody changes it while it is written here: a
 * kernel that does not settle such a conflict says so in its log, and has no
 * figure.
 */
#include "bench.h"

#define ROUNDS	3000
#define SYNC	8

int main(void)
{
	const char *dev = bench_disk("dif=1 max_queue=64 can_queue=64");
	unsigned long errors = 0;
	char name[64];
	int i, fd, dir;

	if (bench_mount(dev, "ext2", "mkfs.ext2 -q -F $D 64m"))
		return failed("ext2");
	dir = open(MNT, O_RDONLY | O_DIRECTORY);
	begin();
	for (i = 0; i < ROUNDS; i++) {
		snprintf(name, sizeof(name), MNT "/dir%d", i);
		errors += !!mkdir(name, 0700);
		snprintf(name, sizeof(name), MNT "/dir%d/file", i);
		fd = open(name, O_CREAT | O_WRONLY, 0600);
		errors += write(fd, name, sizeof(name)) != sizeof(name);
		close(fd);
		if (i % SYNC == 0)
			errors += !!syncfs(dir);
		errors += !!unlink(name);
		snprintf(name, sizeof(name), MNT "/dir%d", i);
		errors += !!rmdir(name);
	}
	end("ext2_metadata", ROUNDS, "round");
	close(dir);
	if (errors)
		return failed("ext2");
	return 0;
}
