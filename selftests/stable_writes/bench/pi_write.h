/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a write costs that has no conflict; and with all copied beforehand that
 * others may change, where the kernel can be told to. On xfs that is its own
 * IOMAP_DIO_BOUNCE, if it has one. A kernel that has that and cannot be told
 * otherwise bounces always.
 */
#ifndef _STABLE_WRITES_PI_WRITE_H
#define _STABLE_WRITES_PI_WRITE_H

#include "bench.h"

#define FILE_SIZE	(8 << 20)
#define TOTAL		(16 << 20)
#define MODES		2

static const char * const modes[MODES] = { "settle", "copy" };

/* ns a byte, below 0 if it fails */
static inline double one_way(const char *path, bool direct, size_t size)
{
	double ns = -1;
	size_t done;
	void *buf;
	int fd;

	fd = open(path, O_RDWR | O_CREAT | (direct ? O_DIRECT : 0), 0600);
	if (fd < 0 || posix_memalign(&buf, PAGE, size))
		return -1;
	memset(buf, 'x', size);
	/* The first round allocates, and is not counted */
	for (done = 0; done < FILE_SIZE; done += size)
		if (pwrite(fd, buf, size, done) != (ssize_t)size)
			goto out;
	if (fsync(fd))
		goto out;
	begin();
	for (done = 0; done < TOTAL; done += size) {
		if (pwrite(fd, buf, size, done % FILE_SIZE) != (ssize_t)size)
			goto out;
		if (!direct && (done + size) % (1 << 20) == 0 && fsync(fd))
			goto out;
	}
	ns = elapsed() / TOTAL;
out:
	close(fd);
	free(buf);
	return ns;
}

static inline int measure(const char *dev, const char *where, const char *path,
			  bool direct, size_t size)
{
	double ns[MODES];
	char what[64];
	int m;

	snprintf(what, sizeof(what), "%s_%s_%s", where,
		 direct ? "direct" : "buffered", size == PAGE ? "4k" : "1m");
	for (m = 0; m < MODES; m++) {
		/* A kernel without modes has one */
		if (conflict_mode(dev, modes[m]) && m)
			return 0;
		ns[m] = one_way(path, direct, size);
		if (ns[m] < 0)
			return failed(what);
		printf("bench: %s%s %.6g ns/B lower\n", what,
		       m ? "_always_copy" : "", ns[m]);
	}
	printf("bench: %s_copy_of_settle %.4f ratio lower\n", what,
	       ns[1] / ns[0]);
	return 0;
}

static inline int measure_all(const char *dev, const char *where,
			      const char *path)
{
	return measure(dev, where, path, true, PAGE) ||
	       measure(dev, where, path, true, 1 << 20) ||
	       measure(dev, where, path, false, PAGE) ||
	       measure(dev, where, path, false, 1 << 20);
}

/* @checksum: parameters of scsi_debug */
static inline int pi_write(const char *checksum)
{
	char parameters[64];
	const char *dev;

	snprintf(parameters, sizeof(parameters),
		 "dif=1 max_queue=64 can_queue=64 %s", checksum);
	dev = bench_disk(parameters);
	if (measure_all(dev, "device", dev))
		return 1;
	conflict_mode(dev, modes[0]);
	if (bench_mount(dev, "xfs", "mkfs.xfs -q -f $D"))
		return failed("xfs");
	return measure_all(dev, "xfs", MNT "/file");
}

#endif /* _STABLE_WRITES_PI_WRITE_H */
