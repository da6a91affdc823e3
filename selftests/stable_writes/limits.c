// SPDX-License-Identifier: GPL-2.0
/*
 * A disk with protection information needs pages that do not change while they
 * are written. So does every device that passes these pages on to it, whether
 * or not it passes the protection information on, too.
 *
 * Asked of the limits of each such device, and then of the disk: processes
 * write to the same few pages of the device's page cache and start their
 * writeback all the time, and no write may be refused because of its checksum.
 */
#include <sys/mman.h>

#include "../kselftest_harness.h"
#include "stable_writes_test.h"

#define MEGABYTES	64
#define SECTORS		(MEGABYTES * 2048ULL)
#define DEV_SECTORS	(SECTORS / 2)
#define PAGE		4096
#define PAGES		8
#define WRITERS		4
#define STRESS_MS	1500
#define SET_UUID	"5374ab1e-5374-ab1e-5374-ab1e5374ab1e"

static const char *pi;			/* the disk */
static volatile unsigned long *errors;	/* of the writers */

static void undo(void)
{
	loop_remove();
	write_file("/sys/block/bcache0/bcache/stop", "1");
	write_file("/sys/fs/bcache/" SET_UUID "/stop", "1");
}

static void writer(const char *dev, unsigned long long end)
{
	int fd = open(dev, O_RDWR);
	unsigned int seed = getpid();
	char page[PAGE];
	off_t pos;

	while (fd >= 0 && now_ms() < end) {
		pos = (rand_r(&seed) % PAGES) * PAGE;
		memset(page, rand_r(&seed), sizeof(page));
		if (pwrite(fd, page, sizeof(page), pos) != sizeof(page) ||
		    sync_file_range(fd, pos, PAGE, SYNC_FILE_RANGE_WRITE |
				    (seed % 4 ? 0 :
				     SYNC_FILE_RANGE_WAIT_AFTER)))
			__atomic_fetch_add(errors, 1, __ATOMIC_RELAXED);
	}
	_exit(0);
}

static unsigned long stress(const char *dev)
{
	unsigned long long end = now_ms() + STRESS_MS;
	int i;

	*errors = 0;
	for (i = 0; i < WRITERS; i++)
		if (!fork())
			writer(dev, end);
	for (i = 0; i < WRITERS; i++)
		wait(NULL);
	return *errors;
}

/*
 * @fragile: what it does about a write that fails (take the disk out, stop for
 * good) would get in the way, so no writes if it is known that they fail
 */
static void check(struct __test_metadata *_metadata, const char *what,
		  const char *dev, bool fragile)
{
	unsigned long failed = 0;
	bool stable;

	stable = needs_stable(dev);
	if (stable || !fragile)
		failed = stress(dev);
	ksft_print_msg("%s: needs stable pages: %s; writes that failed: %lu\n",
		       what, stable ? "yes" : "NO", failed);
	EXPECT_TRUE(stable);
	EXPECT_EQ(0, failed);
}

static void set_up(struct __test_metadata *_metadata)
{
	int fd = open(pi, O_WRONLY | O_DIRECT);
	void *zeroes;
	int i;

	/* Nothing of what the last one has left */
	ASSERT_EQ(0, posix_memalign(&zeroes, PAGE, 1 << 20));
	memset(zeroes, 0, 1 << 20);
	ASSERT_LE(0, fd);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(1 << 20, write(fd, zeroes, 1 << 20));
	close(fd);
	free(zeroes);
	ASSERT_EQ(0, disk_new("d", MEGABYTES, 0));
}

static void tear_down(void)
{
	undo();
	umount2(MNT, 0);
	dm_remove("top");
	dm_remove("pool");
	disk_remove("d");
	disk_remove("meta");
}

FIXTURE(dm) {
};

FIXTURE_VARIANT(dm) {
	const char *target, *table;
};

#define TARGET(_id, _target, _table)					\
	FIXTURE_VARIANT_ADD(dm, _id) {					\
		.target = _target, .table = _table,			\
	}

/* %1$s is the disk with protection information, %2$s one without */
TARGET(linear, "linear", "%1$s 0");
TARGET(origin, "snapshot-origin", "%1$s");
TARGET(cow, "snapshot", "%2$s %1$s P 8");
TARGET(flakey, "flakey", "%1$s 0 3600 0");
TARGET(dust, "dust", "%1$s 0 512");
TARGET(log_writes, "log-writes", "%1$s %2$s");
TARGET(raid1, "raid", "raid1 2 0 nosync 2 - %1$s - %2$s");

FIXTURE_SETUP(dm)
{
	set_up(_metadata);
}

FIXTURE_TEARDOWN(dm)
{
	tear_down();
}

TEST_F(dm, target)
{
	char args[256];

	if (!dm_has_target(variant->target))
		SKIP(return, "no dm target %s", variant->target);
	snprintf(args, sizeof(args), variant->table, pi, disk_path("d"));
	ASSERT_EQ(0, dm_new("top", "0 %llu %s %s", DEV_SECTORS,
			    variant->target, args));
	check(_metadata, variant->target, dm_path("top"),
	      !strcmp(variant->target, "raid"));
}

FIXTURE(other) {
};

FIXTURE_SETUP(other)
{
	set_up(_metadata);
}

FIXTURE_TEARDOWN(other)
{
	tear_down();
}

TEST_F(other, dm_thin)
{
	if (!dm_has_target("thin"))
		SKIP(return, "no dm target thin");
	ASSERT_EQ(0, thin_new("top", pi, DEV_SECTORS / 2));
	check(_metadata, "thin", dm_path("top"), true);
}

TEST_F(other, loop_on_device)
{
	ASSERT_EQ(0, loop_new(pi));
	check(_metadata, "loop on the device", loop_dev, false);
}

TEST_F(other, loop_on_file)
{
	int fd;

	if (run("mkfs.ext4 -q -F %s >/dev/null 2>&1", pi) ||
	    mount(pi, MNT, "ext4", 0, ""))
		SKIP(return, "no ext4");
	fd = open(MNT "/file", O_RDWR | O_CREAT, 0600);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, fallocate(fd, 0, 0, 1 << 20));
	close(fd);
	/* Writing into unwritten extents would serialize everything */
	ASSERT_EQ(0, run("dd if=/dev/zero of=" MNT
			 "/file bs=1M count=1 conv=notrunc,fsync 2>/dev/null"));
	ASSERT_EQ(0, loop_new(MNT "/file"));
	check(_metadata, "loop on a file", loop_dev, false);
}

/* bcache */

static uint64_t bcache_csum(const unsigned char *p, size_t len)
{
	uint64_t crc = ~0ULL;
	int i;

	while (len--) {
		crc ^= (uint64_t)*p++ << 56;
		for (i = 0; i < 8; i++)
			crc = crc << 1 ^
			      (crc >> 63 ? 0x42f0e1eba9ea3693ULL : 0);
	}
	return ~crc;
}

/* What make-bcache writes, 4 KiB into the device */
struct bcache_super {
	uint64_t csum, offset, version;
	unsigned char magic[16], uuid[16], set_uuid[16], label[32];
	uint64_t flags, seq, features[3], pad[5], nbuckets;
	uint16_t block_size, bucket_size, nr_in_set, nr_this_dev;
	uint32_t last_mount;
	uint16_t first_bucket, keys;
};

static int bcache_new(const char *dev, bool cache)
{
	static const unsigned char magic[16] = {
		0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca,
		0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81
	};
	static const unsigned char set[4] = { 0x53, 0x74, 0xab, 0x1e };
	struct bcache_super *sb;
	int fd, i, r = 0;

	if (posix_memalign((void **)&sb, PAGE, PAGE))
		return -ENOMEM;
	memset(sb, 0, PAGE);
	sb->offset = 8;
	sb->version = cache ? 0 : 1;
	memcpy(sb->magic, magic, sizeof(magic));
	memset(sb->uuid, cache ? 'c' : 'b', sizeof(sb->uuid));
	sb->block_size = 8;
	if (cache) {
		for (i = 0; i < 16; i++)
			sb->set_uuid[i] = set[i % 4];
		sb->bucket_size = 128;
		sb->nbuckets = SECTORS / sb->bucket_size;
		sb->nr_in_set = 1;
		sb->first_bucket = 1;
	}
	sb->csum = bcache_csum((void *)&sb->offset,
			       sizeof(*sb) - sizeof(sb->csum));
	fd = open(dev, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, sb, PAGE, PAGE) != PAGE)
		r = -errno;
	close(fd);
	free(sb);
	if (r)
		return r;
	/* One that was stopped lets go of its device some time later */
	for (i = 0; i < 250; i++) {
		r = write_file("/sys/fs/bcache/register", dev);
		if (r != -EBUSY)
			break;
		sleep_ms(20);
	}
	return r;
}

static bool wait_for(const char *path, bool there)
{
	int i;

	for (i = 0; i < 250 && !access(path, F_OK) != there; i++)
		sleep_ms(20);
	return !access(path, F_OK) == there;
}

static bool bcache_there(void)
{
	if (access("/sys/fs/bcache/register", F_OK))
		run("modprobe -q bcache");
	return !access("/sys/fs/bcache/register", F_OK);
}

TEST_F(other, bcache)
{
	if (!bcache_there())
		SKIP(return, "no bcache");
	ASSERT_EQ(0, bcache_new(pi, false));
	ASSERT_TRUE(wait_for("/dev/bcache0", true));
	check(_metadata, "bcache", "/dev/bcache0", true);
	undo();
	EXPECT_TRUE(wait_for("/sys/block/bcache0", false));
}

TEST_F(other, bcache_cache)
{
	if (!bcache_there())
		SKIP(return, "no bcache");
	ASSERT_EQ(0, bcache_new(disk_path("d"), false));
	ASSERT_TRUE(wait_for("/dev/bcache0", true));
	EXPECT_FALSE(needs_stable("/dev/bcache0"));
	ASSERT_EQ(0, bcache_new(pi, true));
	ASSERT_TRUE(wait_for("/sys/fs/bcache/" SET_UUID, true));
	ASSERT_EQ(0, write_file("/sys/block/bcache0/bcache/attach", SET_UUID));
	ASSERT_EQ(0, write_file("/sys/block/bcache0/bcache/cache_mode",
				"writeback"));
	check(_metadata, "bcache with such a cache", "/dev/bcache0", true);
	undo();
	EXPECT_TRUE(wait_for("/sys/block/bcache0", false));
	EXPECT_TRUE(wait_for("/sys/fs/bcache/" SET_UUID, false));
}

int main(int argc, char **argv)
{
	stable_writes_test_init(undo);
	need_null_blk();
	errors = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (errors == MAP_FAILED)
		ksft_exit_fail_msg("mmap: %s\n", strerror(errno));
	pi = pi_disk(MEGABYTES);
	if (!pi)
		ksft_exit_skip("no scsi_debug, or it is in use\n");
	if (!needs_stable(pi))
		ksft_exit_skip("scsi_debug has no protection information\n");
	/* The refused writes would fill the log */
	write_file("/proc/sys/kernel/printk", "1");
	return test_harness_run(argc, argv);
}
