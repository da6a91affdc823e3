// SPDX-License-Identifier: GPL-2.0
/*
 * What an application writes with checksums of its own, through io_uring, is
 * never sent again with others: a guard error is for the application.
 */
#include "../kselftest_harness.h"
#include "settle.h"

/*
 * What comes with checksums of its own is what the application says it is. One
 * of 512 zeroes is zero.
 */
#define PI	1	/* type of the attribute */

struct attr_pi {
	uint16_t flags, app_tag;
	uint32_t len;
	uint64_t addr, seed, reserved;
};

static unsigned char checksums[PAGE] __attribute__((aligned(PAGE)));

static int write_own(unsigned int blocks, bool wrong, unsigned int type)
{
	struct attr_pi pi_attr = {
		.flags = 1 | 4,		/* check the guard and the reference */
		.len = blocks * 8,
		.addr = (unsigned long)checksums,
	};
	struct io_uring_sqe sqe = {
		.opcode = IORING_OP_WRITE, .addr = (unsigned long)buffer,
		.len = blocks * SECTOR,
	};
	unsigned int i;
	int r;

	memset(checksums, 0, PAGE);
	checksums[0] = wrong;
	for (i = 0; i < blocks; i++)
		checksums[i * 8 + 7] = i;
	memset(buffer, 0, blocks * SECTOR);
	/* attr_ptr and attr_type_mask, which older headers do not have */
	((uint64_t *)&sqe)[6] = (unsigned long)&pi_attr;
	((uint64_t *)&sqe)[7] = type;
	sqe.fd = open(pi, O_RDWR | O_DIRECT);
	r = sqe.fd < 0 ? -errno : uring_io(0, &sqe);
	close(sqe.fd);
	return r;
}

TEST(own_checksums)
{
	long long conflicts;
	int r;

	insert(_metadata, "dif=1");
	conflicts = counter("conflicts");
	/* A type that nobody knows is refused by those who know the first */
	if (write_own(8, false, ~0) != -EINVAL ||
	    write_own(8, false, PI) != 8 * SECTOR)
		SKIP(return, "no io_uring with protection information");
	r = write_own(8, true, PI);
	ksft_print_msg("a wrong checksum: %s\n",
		       r < 0 ? strerror(-r) : "WRITTEN");
	EXPECT_GT(0, r);
	ASSERT_EQ(0, inject(WRITE_10, 1));
	r = write_own(8, false, PI);
	ksft_print_msg("own checksums, one guard error: %s\n",
		       r < 0 ? strerror(-r) : "WRITTEN");
	EXPECT_GT(0, r);
	EXPECT_EQ(conflicts, counter("conflicts"));
}

static void restore(void)
{
	scsi_debug_loaded = disk->dev[0];
}

int main(int argc, char **argv)
{
	settle_init(restore);
	return test_harness_run(argc, argv);
}
