// SPDX-License-Identifier: GPL-2.0
/*
 * UML is killed at a random moment, while processes write and flush: what has
 * been flushed by then is there at the next boot, and each sector is a whole
 * one of before or after.
 *
 * SEED can be given in the environment; it is printed.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"

#define WRITERS		8
#define EACH		32		/* sectors */
#define ROUNDS		2		/* of boots */

/* Each has its own sectors and writes them anew and anew, with its round in them */
static void writer(int fd, unsigned int n, unsigned int from)
{
	char who[16], text[32];
	unsigned int round;

	for (round = from; ; round++) {
		snprintf(who, sizeof(who), "R%u", round);
		if (put(fd, n * EACH, EACH, who) || fsync(fd))
			_exit(1);
		snprintf(text, sizeof(text), "%u %u", n, round);
		call_host(text);
	}
}

GUEST(write_for_ever)
{
	int fd = dev_open("ubda", O_DIRECT);
	unsigned int i;

	for (i = 0; fd >= 0 && i < WRITERS; i++)
		if (!fork())
			writer(fd, i, atoi(argv[1]));
	pause();
	return 1;
}

/* Arguments: the round that each had flushed */
GUEST(compare)
{
	int fd = dev_open("ubda", O_DIRECT), i, j, bad = 0;
	char *buf = aligned(EACH * SECTOR), want[SECTOR], who[16];

	for (i = 0; fd >= 0 && i < WRITERS; i++) {
		unsigned int least = atoi(argv[1 + i]), round;

		if (pread(fd, buf, EACH * SECTOR, i * EACH * SECTOR) != EACH * SECTOR)
			return 255;
		for (j = 0; j < EACH; j++) {
			if (sscanf(buf + j * SECTOR, "R%u:", &round) != 1) {
				if (least) {
					printf("writer %d, sector %d: '%.*s', flushed was R%u\n", i, j,
					       (int)strcspn(buf + j * SECTOR, "\n") % 20,
					       buf + j * SECTOR, least);
					bad++;
				}
				continue;
			}
			snprintf(who, sizeof(who), "R%u", round);
			fill(want, i * EACH + j, who);
			if (round < least || memcmp(want, buf + j * SECTOR, SECTOR)) {
				printf("writer %d, sector %d: R%u, flushed was R%u\n", i, j,
				       round, least);
				bad++;
			}
		}
	}
	return fd < 0 ? 255 : bad > 200 ? 200 : bad;
}

static unsigned int flushed[WRITERS];
static bool started;
static unsigned int after;

static void heard(const char *text)
{
	unsigned int n, round;

	if (sscanf(text, "%u %u", &n, &round) == 2 && n < WRITERS)
		flushed[n] = round;
	if (!started && !fork()) {
		usleep(after);
		kill(uml_pid, SIGKILL);
		_exit(0);
	}
	started = true;
}

FIXTURE_VARIANT(ubd) {
	const char *args;
};

FIXTURE_VARIANT_ADD(ubd, raw) { .args = "ubd0=disk" };
FIXTURE_VARIANT_ADD(ubd, cow) { .args = "ubd0=cow,disk" };

TEST_F(ubd, killed)
{
	unsigned int seed = getenv("SEED") ? (unsigned int)atoi(getenv("SEED")) :
					     (unsigned int)time(NULL);
	unsigned int i, r, base = 1;
	char guest[256];

	TH_LOG("SEED=%u", seed);
	srand(seed);
	ASSERT_EQ(0, image("disk", 1 << 20, "OLD"));
	uml_hook = heard;
	for (r = 0; r < ROUNDS; r++) {
		/* New sectors are what a COW file has to keep track of. */
		unlink("cow");
		memset(flushed, 0, sizeof(flushed));
		ASSERT_EQ(0, image("disk", 1 << 20, "OLD"));
		started = false;
		after = rand() % 30000;
		snprintf(guest, sizeof(guest), "write_for_ever %u", base);
		ASSERT_EQ(UML_DIED, uml(guest, variant->args, NULL));
		snprintf(guest, sizeof(guest), "compare");
		for (i = 0; i < WRITERS; i++)
			snprintf(guest + strlen(guest), 16, " %u", flushed[i]);
		TH_LOG("killed after %u us: %s", after, guest);
		ASSERT_EQ(0, uml(guest, variant->args, NULL));
	}
}

TEST_HARNESS_MAIN
