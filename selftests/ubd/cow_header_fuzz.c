// SPDX-License-Identifier: GPL-2.0
/*
 * Headers of COW files that somebody has damaged: UML takes them or not, and
 * lives on. What it writes to a header holds nothing of its memory. First some
 * fields have each of some values, then chance does the rest.
 *
 * SEED and COUNT can be given in the environment; the test prints them.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"
#include "mconsole.h"

#define COUNT	150
#define SECONDS	8		/* then another boot goes on */
#define HEADER	8192		/* what can be of interest of the file */
/* Where the name of the backing file is */
#define NAME	32
#define NAME_END (32 + 4096)

GUEST(wait_for_host)
{
	int fd = dev_open("ubda", O_DIRECT);
	char *buf = aligned(SECTOR);

	call_host("fuzz");
	while (pread(fd, buf, SECTOR, 0) == SECTOR && !*buf)
		usleep(10000);
	return *buf ? 0 : 1;
}

static unsigned long long state;

static unsigned int chance(unsigned int below)
{
	state = state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (state >> 33) % below;
}

static const unsigned int words[] = {
	0, 1, 2, 3, 4, 511, 512, 513, 1024, 4096, 0x7fffffff, 0x80000000,
	0xfffff000, 0xffffffff, 0x4f4f4f4d, 0x00100000,
};

/* Alignment, size of a sector, and so on; in old versions they are elsewhere */
static const unsigned int fields[] = { 24, 20, 4, 8, 12, 16, 28, 32, 36, 0, 263, 264,
				       4108, 4112, 4116, 4120, 4124, 4128 };

#define N_WORDS		(sizeof(words) / sizeof(words[0]))
#define N_FIELDS	(sizeof(fields) / sizeof(fields[0]))

static void put_word(unsigned char *at, unsigned int word)
{
	int i;

	for (i = 0; i < 4; i++)
		at[i] = word >> (24 - 8 * i);
}

static void mutate(unsigned char *header)
{
	unsigned int n = 1 + chance(3), i, at;

	/* The version decides how the rest is read. */
	if (!chance(4))
		header[7] = chance(6);
	while (n--) {
		at = chance(2) ? fields[chance(N_FIELDS)] : chance(4200);
		switch (chance(4)) {
		case 0:
			header[at] ^= 1 << chance(8);
			break;
		case 1:
			for (i = chance(300); i; i--)
				header[at + i] = chance(256);
			break;
		default:
			put_word(header + at, words[chance(N_WORDS)]);
		}
	}
}

static unsigned char good[HEADER], bad[HEADER], is[HEADER];
static int count, done, taken, dirty;
static bool gone, stuck;

/* UML has written the header, and what is behind the name is no padding */
static bool written_dirty(void)
{
	unsigned int i = NAME;

	if (!memcmp(is, bad, NAME_END))
		return false;
	while (i < NAME_END && is[i])
		i++;
	while (i < NAME_END && !is[i])
		i++;
	return i < NAME_END;
}

static bool file(const char *name, void *data, size_t size, bool writes)
{
	int fd = open(name, (writes ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	bool ok = fd >= 0 && (writes ? pwrite(fd, data, size, 0) : pread(fd, data, size, 0)) == (ssize_t)size;

	close(fd);
	return ok;
}

static void fuzz(const char *text)
{
	double end = uml_clock() + SECONDS;
	int saved = dup(1), null = open("/dev/null", O_WRONLY | O_CLOEXEC), ret, tries;

	(void)text;
	for (; !gone && !stuck && done < count && uml_clock() < end; done++) {
		memcpy(bad, good, sizeof(bad));
		if (done < (int)(2 * N_WORDS))
			put_word(bad + fields[done / N_WORDS], words[done % N_WORDS]);
		else
			mutate(bad);
		/* All that is behind the header is anew. */
		if (truncate("cow", 4096) || truncate("cow", 2 << 20) ||
		    !file("cow", bad, sizeof(bad), true))
			break;
		/* Not every reply of every command */
		fflush(stdout);
		dup2(null, 1);
		ret = mconsole("config ubd1=cow,backing");
		if (!ret) {
			taken++;
			/* Somebody may still be looking for partitions. */
			for (tries = 0; (ret = mconsole("remove ubd1")) > 0 && tries < 500; tries++)
				usleep(2000);
			stuck = ret > 0;
		}
		gone = ret < 0;
		fflush(stdout);
		dup2(saved, 1);
		if (!file("cow", is, sizeof(is), false))
			break;
		dirty += written_dirty();
	}
	close(saved);
	close(null);
	put(open("signal", O_WRONLY | O_CLOEXEC), 0, 1, "GO");
}

TEST_F_TIMEOUT(ubd, fuzz, 600)
{
	state = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 0) : (unsigned long long)time(NULL);
	count = getenv("COUNT") ? atoi(getenv("COUNT")) : COUNT;
	TH_LOG("SEED=%llu COUNT=%d", state, count);
	ASSERT_EQ(0, image("backing", 1 << 20, "BACKING"));
	/* A good one, to begin with */
	ASSERT_EQ(0, uml("once", "ubd0=cow,backing", NULL));
	ASSERT_TRUE(file("cow", good, sizeof(good), false));
	uml_hook = fuzz;
	do {
		ASSERT_EQ(0, image("signal", SECTOR, NULL));
		EXPECT_EQ(0, uml("wait_for_host", "ubd0=signal", NULL));
	} while (done < count && !gone && !stuck);
	TH_LOG("%d headers, %d were taken, %d written with memory of UML, UML %s", done, taken, dirty,
	       gone ? "has ended at the last one" : "lives on");
	if (gone) {
		int i;

		for (i = 0; i < NAME_END; i++)
			if (bad[i] != good[i])
				TH_LOG("byte %d: %02x, was %02x", i, bad[i], good[i]);
	}
	EXPECT_FALSE(gone || stuck);
	EXPECT_LT(0, taken);
	EXPECT_EQ(0, dirty);
}

GUEST(once)
{
	return 0;
}

TEST_HARNESS_MAIN
