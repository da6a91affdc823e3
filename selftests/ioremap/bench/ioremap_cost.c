// SPDX-License-Identifier: GPL-2.0
/*
 * What ioremap() and iounmap() cost by size, of reserved RAM, whose direct map
 * follows, and of addresses that are no RAM, as drivers map them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MODULE		"bench_ioremap"
#define FILE_NAME	"bench/test_modules/" MODULE ".ko"
/* Above the RAM and the PCI windows of a small machine, and in 40 bits */
#define NO_RAM		0x4000000000ULL

static double result(const char *name)
{
	char path[128];
	double value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/module/" MODULE "/parameters/%s",
		 name);
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (fscanf(f, "%lf", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

static int measure(const char *what, unsigned long long phys,
		   const char *extra, unsigned int kib, unsigned int count)
{
	double map_ns, unmap_ns;
	char args[128];
	int fd, ret;

	fd = open(FILE_NAME, O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		perror(FILE_NAME);
		return 1;
	}
	snprintf(args, sizeof(args), "phys=%llu size=%u count=%u%s", phys,
		 kib * 1024, count, extra);
	ret = syscall(SYS_finit_module, fd, args, 0);
	close(fd);
	if (ret) {
		fprintf(stderr, "%s: %s\n", args, strerror(errno));
		return 1;
	}
	map_ns = result("map_ns");
	unmap_ns = result("unmap_ns");
	syscall(SYS_delete_module, MODULE, O_NONBLOCK);
	if (map_ns < 0 || unmap_ns < 0) {
		fprintf(stderr, "no result\n");
		return 1;
	}
	printf("bench: %s_map/KiB=%u %.1f ns/call lower\n", what, kib,
	       map_ns / count);
	printf("bench: %s_unmap/KiB=%u %.1f ns/call lower\n", what, kib,
	       unmap_ns / count);
	return 0;
}

int main(void)
{
	/* At most 4 MiB, as that is what the allocator gives */
	static const unsigned int sizes[] = { 4, 64, 512, 2048, 4096 };
	static const unsigned int counts[] = { 4000, 2000, 500, 200, 100 };
	unsigned int i;

	/* So many that a timer interrupt more or less does not matter */
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		if (measure("ram", 0, "", sizes[i], counts[i]) ||
		    measure("ram_wc", 0, " wc=1", sizes[i], counts[i]) ||
		    measure("mmio", NO_RAM, "", sizes[i], 8000))
			return 1;
	}
	return 0;
}
