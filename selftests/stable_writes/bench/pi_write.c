// SPDX-License-Identifier: GPL-2.0
/*
 * What a write costs that has no conflict.
 */
#include "bench.h"

#define FILE_SIZE	(8 << 20)
#define TOTAL		(16 << 20)
#ifndef CHECKSUM
#define CHECKSUM	""	/* CRC */
#endif

static int measure(const char *where, const char *path, bool direct,
		   size_t size)
{
	size_t done;
	char what[64];
	void *buf;
	int fd;

	fd = open(path, O_RDWR | O_CREAT | (direct ? O_DIRECT : 0), 0600);
	if (fd < 0 || posix_memalign(&buf, PAGE, size))
		return failed(path);
	memset(buf, 'x', size);
	/* The first round allocates, and is not counted */
	for (done = 0; done < FILE_SIZE; done += size)
		if (pwrite(fd, buf, size, done) != (ssize_t)size)
			return failed("pwrite");
	if (fsync(fd))
		return failed("fsync");
	begin();
	for (done = 0; done < TOTAL; done += size) {
		if (pwrite(fd, buf, size, done % FILE_SIZE) != (ssize_t)size)
			return failed("pwrite");
		if (!direct && (done + size) % (1 << 20) == 0 && fsync(fd))
			return failed("fsync");
	}
	snprintf(what, sizeof(what), "%s_%s_%s", where,
		 direct ? "direct" : "buffered", size == PAGE ? "4k" : "1m");
	end(what, TOTAL, "B");
	close(fd);
	free(buf);
	return 0;
}

static int measure_all(const char *where, const char *path)
{
	return measure(where, path, true, PAGE) ||
	       measure(where, path, true, 1 << 20) ||
	       measure(where, path, false, PAGE) ||
	       measure(where, path, false, 1 << 20);
}

int main(void)
{
	const char *dev = bench_disk("dif=1 max_queue=64 can_queue=64" CHECKSUM);

	if (measure_all("device", dev))
		return 1;
	if (bench_mount(dev, "xfs", "mkfs.xfs -q -f $D"))
		return failed("xfs");
	return measure_all("xfs", MNT "/file");
}
