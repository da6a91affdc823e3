// SPDX-License-Identifier: GPL-2.0
/*
 * Calls of the host that are interrupted, or are to be done again, are done
 * again. The guest sees nothing of it, and nothing is done twice or left out.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#define SIZE		(1 << 20)
#define CHUNK		12		/* sectors */
#define CHUNKS		(SIZE / SECTOR / CHUNK)
#define HOLE		(100 * CHUNK)	/* of a chunk that is discarded, */
#define ZEROES		(120 * CHUNK)	/* and one that is zeroed */

static int look(int fd)
{
	unsigned int i, bad = 0;

	for (i = 0; i < CHUNKS; i++) {
		bool zero = i * CHUNK == HOLE || i * CHUNK == ZEROES;

		bad += wrong(fd, i * CHUNK, CHUNK, zero ? NULL : i % 3 ? "OLD" : "NEW");
	}
	return bad;
}

GUEST(work)
{
	uint64_t hole[2] = { HOLE * SECTOR, CHUNK * SECTOR };
	uint64_t zeroes[2] = { ZEROES * SECTOR, CHUNK * SECTOR };
	int fd = dev_open("ubda", O_DIRECT), i, err;

	if (fd < 0)
		return 255;
	for (i = 0; i < (int)CHUNKS; i += 3) {
		err = put(fd, i * CHUNK, CHUNK, "NEW");
		if (!err && i % 6 == 0 && fsync(fd))
			err = errno;
		if (err) {
			printf("write of chunk %d: %s\n", i, strerror(err));
			return 1;
		}
	}
	if (ioctl(fd, BLKDISCARD, hole) || ioctl(fd, BLKZEROOUT, zeroes) || fsync(fd)) {
		printf("discard, zeroes: %s\n", strerror(errno));
		return 2;
	}
	return look(fd) ? 3 : 0;
}

GUEST(compare)
{
	int fd = dev_open("ubda", O_DIRECT);

	return fd < 0 || look(fd);
}

FIXTURE_VARIANT(ubd) {
	const char *args, *storm;
};

#define CASE(_name, _args, _storm)					\
FIXTURE_VARIANT_ADD(ubd, _name) { .args = _args, .storm = _storm }

CASE(raw_interrupted, "ubd0=disk",
     "pread:disk:/2:EINTR pwrite:disk:/2:EINTR fsync:disk:/2:EINTR fallocate:disk:/2:EINTR");
CASE(raw_first_of_all, "ubd0=disk",
     "pread:disk:1:EINTR pwrite:disk:1:EINTR fsync:disk:1:EINTR fallocate:disk:1:EINTR");
CASE(cow_interrupted, "ubd0=cow,disk",
     "pread:cow:/2:EINTR pread:disk:/2:EINTR pwrite:cow:/2:EINTR fsync:cow:/2:EINTR fallocate:cow:/2:EINTR");
CASE(cow_first_of_all, "ubd0=cow,disk",
     "pread:disk:1:EINTR pwrite:cow:1:EINTR fsync:cow:1:EINTR fallocate:cow:1:EINTR");
/* What the kernel and its threads tell each other: eight bytes, now one */
CASE(raw_full, "ubd0=disk", "write:socket:/3<9:EAGAIN write:pipe:/3<2:EAGAIN");
CASE(raw_no_memory, "ubd0=disk", "write:socket:/3<9:ENOMEM write:pipe:/3<2:ENOMEM");
CASE(cow_full, "ubd0=cow,disk", "write:socket:/3<9:EAGAIN write:pipe:/3<2:EAGAIN");

TEST_F(ubd, storm)
{
	ASSERT_EQ(0, image("disk", SIZE, "OLD"));
	ASSERT_EQ(0, uml("work", variant->args, variant->storm));
	ASSERT_EQ(0, uml("compare", variant->args, NULL));
}

TEST_HARNESS_MAIN
