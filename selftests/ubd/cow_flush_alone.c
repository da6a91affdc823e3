// SPDX-License-Identifier: GPL-2.0
/*
 * A flush of a copy-on-write device writes the bits of the sectors whose data
 * it has synced before, and not of those that are written meanwhile: their data
 * may not be on the disk. They are there with the next flush.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#define SIZE		(1 << 20)
/* In a COW file of this size */
#define BITMAP		8192
#define DATA		12288
#define FIRST		0
#define SECOND		64

/* The host writes to ubdb when it is time to go on */
static void wait_for_host(void)
{
	int fd = dev_open("ubdb", O_DIRECT);
	char *buf = aligned(SECTOR);

	while (pread(fd, buf, SECTOR, 0) != SECTOR || !*buf)
		usleep(10000);
}

GUEST(write_while_flushing)
{
	int fd = dev_open("ubda", O_DIRECT), status;
	pid_t pid;

	if (fd < 0 || put(fd, FIRST, 8, "FIRST"))
		return 1;
	pid = fork();
	if (!pid)
		_exit(fsync(fd) ? 1 : 0);
	call_host("start");
	wait_for_host();
	call_host("second");
	if (put(fd, SECOND, 8, "SECOND") || waitpid(pid, &status, 0) != pid || status)
		return 2;
	return fsync(fd) || wrong(fd, FIRST, 8, "FIRST") ||
	       wrong(fd, SECOND, 8, "SECOND") ? 3 : 0;
}

GUEST(compare)
{
	int fd = dev_open("ubda", O_DIRECT);

	return fd < 0 || wrong(fd, FIRST, 8, "FIRST") || wrong(fd, SECOND, 8, "SECOND");
}

static bool wait_for_file(const char *name)
{
	double end = uml_clock() + 4;

	while (access(name, F_OK) && uml_clock() < end)
		usleep(1000);
	return !access(name, F_OK);
}

static bool data_written(unsigned long long sector)
{
	double end = uml_clock() + 4;
	char line[256], want[64];
	bool found = false;
	FILE *f;

	snprintf(want, sizeof(want), "pwrite cow %llu ", DATA + sector * SECTOR);
	while (!found && uml_clock() < end) {
		f = fopen("trace", "re");
		while (f && fgets(line, sizeof(line), f))
			found |= !strncmp(line, want, strlen(want));
		if (f)
			fclose(f);
		usleep(1000);
	}
	return found;
}

static bool flush_held, second_held, written, first_bits, second_bits;

static void orchestrate(const char *text)
{
	unsigned char map[32];
	int fd;

	if (!strcmp(text, "start")) {
		flush_held = wait_for_file("one.held");
		put(open("signal", O_WRONLY | O_CLOEXEC), 0, 1, "GO");
		return;
	}
	/* The first sync is under way, and of the data. */
	written = data_written(SECOND);
	/* Were the bits set in memory, it would be soon. */
	usleep(100000);
	close(open("one", O_WRONLY | O_CREAT, 0600));
	second_held = wait_for_file("two.held");
	fd = open("cow", O_RDONLY | O_CLOEXEC);
	if (pread(fd, map, sizeof(map), BITMAP) == sizeof(map)) {
		first_bits = map[FIRST / 8];
		second_bits = map[SECOND / 8];
	}
	close(fd);
	close(open("two", O_WRONLY | O_CREAT, 0600));
}

TEST_F(ubd, alone)
{
	ASSERT_EQ(0, image("backing", SIZE, "BACKING"));
	ASSERT_EQ(0, image("signal", SIZE, NULL));
	uml_hook = orchestrate;
	EXPECT_EQ(0, uml("write_while_flushing", "ubd0=cow,backing ubd1=signal",
			 "trace=trace fsync:cow:1:hold=one fsync:cow:2:hold=two"));
	TH_LOG("sync of the data held: %d, of the bitmap: %d; data written meanwhile: %d, expected 1, 1, 1",
	       flush_held, second_held, written);
	EXPECT_TRUE(flush_held && second_held && written);
	TH_LOG("bits in the file: of the first write %d, of the second %d, expected 1, 0",
	       first_bits, second_bits);
	EXPECT_TRUE(first_bits);
	EXPECT_FALSE(second_bits);
	ASSERT_EQ(0, uml("compare", "ubd0=cow,backing", NULL));
}

TEST_HARNESS_MAIN
