// SPDX-License-Identifier: GPL-2.0
/*
 * Devices come and go over the mconsole, asked for by several clients at a
 * time, while the guest opens, reads, writes, and looks at them.
 */
#define _GNU_SOURCE
#include "../kselftest_harness.h"
#include "uml.h"
#include "host_pids.h"
#include "mconsole.h"

#include <linux/hdreg.h>

#define SECONDS		4
#define CLIENTS		4
#define SIZE		(1 << 20)
#define REGION		64		/* sectors of each process of the guest */

static const char * const devs[] = { "ubdb", "ubdc" };

/* Guest */

/* What is written to a device that is open can be read, and is synced */
static int use(const char *dev, unsigned int n, int flags, const char *who)
{
	char path[32];
	int fd, err;

	snprintf(path, sizeof(path), "/dev/%s", dev);
	fd = open(path, O_RDWR | flags);
	if (fd < 0)
		return errno == ENOENT || errno == ENXIO || errno == ENODEV ? 0 : 1;
	err = put(fd, n * REGION, 8, who);
	if (err)
		printf("%s: write: %s\n", dev, strerror(err));
	else if (wrong(fd, n * REGION, 8, who))
		err = EIO;
	else if (fsync(fd)) {
		err = errno;
		printf("%s: fsync: %s\n", dev, strerror(err));
	}
	close(fd);
	return err ? 1 : 0;
}

static void look(const char *dev)
{
	static const char * const files[] = {
		"/sys/block/%s/serial", "/sys/block/%s/stat", "/sys/block/%s/size",
		"/sys/block/%s/queue/write_cache", "/proc/partitions",
	};
	char path[64], buf[4096], id[512];
	unsigned int i;
	int fd;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), files[i], dev);
		fd = open(path, O_RDONLY);
		while (fd >= 0 && read(fd, buf, sizeof(buf)) > 0)
			;
		close(fd);
	}
	snprintf(path, sizeof(path), "/dev/%s", dev);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return;
	ioctl(fd, HDIO_GET_IDENTITY, id);
	ioctl(fd, BLKRRPART);
	close(fd);
}

/* The host answers by writing to ubda. */
static void wait_for_host(const char *text)
{
	int fd = dev_open("ubda", O_DIRECT);
	char *buf = aligned(SECTOR);

	call_host(text);
	while (pread(fd, buf, SECTOR, 0) != SECTOR || strcmp(buf, text))
		usleep(10000);
	free(buf);
	close(fd);
}

GUEST(stress)
{
	double end;
	int i, status, bad = 0, fd;
	char who[16];

	wait_for_host("count");
	call_host("clients");
	end = uml_clock() + SECONDS;
	for (i = 0; i < 6; i++) {
		if (fork())
			continue;
		snprintf(who, sizeof(who), "P%d", i);
		for (bad = 0; !bad && uml_clock() < end;) {
			const char *dev = devs[i % 2];

			if (i < 4)
				bad = use(dev, i + 1, i < 2 ? O_DIRECT : 0, who);
			else
				look(dev);
			usleep(i * 300);
		}
		exit(bad);
	}
	while (wait(&status) > 0)
		bad += !!status;
	printf("%d of 6 processes failed\n", bad);
	wait_for_host("done");
	fd = dev_open("ubdb", O_DIRECT);
	if (fd < 0)
		return 2;
	if (wrong(fd, SIZE / SECTOR - REGION, REGION, "OLD"))
		return 3;
	close(fd);
	return bad ? 4 : 0;
}

/* Host */

static const char * const commands[] = {
	"config ubd1=disk1,,one", "config ubd1=cow1,disk1", "config ubd1d=disk1",
	"config ubd1=missing", "config ubd1=cow3,missing", "config ubd1",
	"config ubd2=cow2,disk2", "config ubd2t=disk2", "config ubd2=,disk2", "config ubd2",
	"remove ubd1", "remove ubd1", "remove ubd1", "remove ubd2", "remove ubd2",
	"config ubd1=toosmall,disk1", "config ubd2=cow1x,disk2,,",
};

static pid_t clients[CLIENTS];
static int fds[2], answer, silent;
static unsigned int seed;

/* How many files of the test UML has open */
static int open_files(void)
{
	char path[64], is[4096], dir[4096];
	pid_t pids[64], first = 0;
	int n, i, sum = 0;
	struct dirent *de;
	DIR *fd;

	n = uml_pids(pids, 64);
	for (i = 0; i < n; i++)
		if (!first || pids[i] < first)
			first = pids[i];
	snprintf(path, sizeof(path), "/proc/%d/fd", first);
	fd = opendir(path);
	if (!fd || !getcwd(dir, sizeof(dir)))
		return -1;
	while ((de = readdir(fd))) {
		snprintf(path, sizeof(path), "fd/%.20s", de->d_name);
		sum += !strncmp(pid_link(first, path, is, sizeof(is)), dir, strlen(dir));
	}
	closedir(fd);
	return sum;
}

static void answer_guest(const char *text)
{
	char buf[SECTOR] = "";
	int fd = open("signal", O_WRONLY | O_CLOEXEC);

	strcpy(buf, text);
	if (pwrite(fd, buf, SECTOR, 0) != SECTOR)
		printf("the guest gets no answer\n");
	close(fd);
}

static void client(int n)
{
	double end = uml_clock() + SECONDS;
	char me[16], text[MCONSOLE_REPLY];
	unsigned int rand = seed * CLIENTS + n, done = 0;
	int ok = 0;

	snprintf(me, sizeof(me), "me%d", n);
	while (uml_clock() < end) {
		int ret;

		rand = rand * 1103515245 + 12345;
		ret = mconsole_ask(me, commands[rand / 65536 % (sizeof(commands) / sizeof(commands[0]))], text);
		if (ret < 0) {
			printf("# client %d: no reply\n", n);
			fflush(stdout);
			_exit(1);
		}
		done++;
		ok += !ret;
		usleep(rand / 65536 % 3000);
	}
	printf("# client %d: %u commands, %d of them OK\n", n, done, ok);
	fflush(stdout);
	_exit(ok ? 0 : 1);
}

static void hook(const char *text)
{
	int i, status;

	if (!strcmp(text, "count")) {
		fds[0] = open_files();
		answer_guest(text);
		return;
	}
	if (!strcmp(text, "clients")) {
		for (i = 0; i < CLIENTS; i++) {
			fflush(stdout);
			clients[i] = fork();
			if (!clients[i])
				client(i);
		}
		return;
	}
	for (i = 0; i < CLIENTS; i++)
		if (waitpid(clients[i], &status, 0) != clients[i] || status)
			silent++;
	mconsole_remove("ubd1");
	mconsole_remove("ubd2");
	fds[1] = open_files();
	answer = mconsole("config ubd1=disk1");
	answer_guest(text);
}

TEST_F(ubd, stress)
{
	const char *env = getenv("SEED");

	seed = env ? atoi(env) : time(NULL);
	TH_LOG("SEED=%u", seed);
	uml_hook = hook;
	ASSERT_EQ(0, image("disk1", SIZE, "OLD"));
	ASSERT_EQ(0, image("disk2", SIZE, "OLD"));
	ASSERT_EQ(0, image("toosmall", 100, NULL));
	ASSERT_EQ(0, image("signal", SECTOR, NULL));
	EXPECT_EQ(0, uml("stress", "ubd0d=signal", NULL));
	EXPECT_EQ(0, silent);
	EXPECT_EQ(0, answer);
	TH_LOG("files of UML: %d before, %d after", fds[0], fds[1]);
	EXPECT_EQ(fds[0], fds[1]);
}

/*
 * A device is closed for the last time, which writes what is dirty. The host
 * holds that, and another process waits to open the device meanwhile: it gets
 * a device, or none, but not one that goes away at once.
 *
 * A close syncs before it takes the lock that keeps others from opening. What
 * was written during that sync, it writes with the lock held.
 */
#define FIRST_PAGE	8
#define SECOND_PAGE	16

/* Wait until the host holds a write, and has done this many */
static void wait_for_write(unsigned int done)
{
	unsigned int now = 0, writes = 0;
	FILE *f;

	while (now != 1 || writes < done) {
		usleep(10000);
		f = fopen("/sys/block/ubdb/stat", "re");
		if (!f || fscanf(f, "%*u %*u %*u %*u %u %*u %*u %*u %u", &writes, &now) != 2)
			now = 0;
		if (f)
			fclose(f);
	}
}

static void wait_for_sleep(pid_t pid)
{
	char path[32], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	while (state != 'D') {
		usleep(10000);
		f = fopen(path, "re");
		if (!f || fscanf(f, "%*d %*s %c", &state) != 1)
			state = 0;
		if (f)
			fclose(f);
	}
}

/* What was opened can be written to, a while later as well */
static int open_again(void)
{
	int fd = open("/dev/ubdb", O_RDWR | O_DIRECT), err;

	if (fd < 0)
		return errno == ENXIO ? 0 : 1;
	printf("ubdb is open\n");
	usleep(300000);
	err = put(fd, 0, 8, "AGAIN");
	if (!err && fsync(fd))
		err = errno;
	if (!err)
		return 0;
	printf("and cannot be written: %s\n", strerror(err));
	return 1;
}

GUEST(reopen)
{
	int fd, status, bad = 0;
	pid_t pid;

	if (!fork()) {
		fd = dev_open("ubdb", 0);
		exit(put(fd, FIRST_PAGE * 8, 8, "FIRST") || close(fd));
	}
	wait_for_write(0);
	fd = dev_open("ubdb", 0);
	if (put(fd, SECOND_PAGE * 8, 8, "SECOND") || close(fd))
		return 1;
	call_host("first");
	wait_for_write(1);
	pid = fork();
	if (!pid)
		exit(open_again());
	wait_for_sleep(pid);
	call_host("second");
	while (wait(&status) > 0)
		bad |= status;
	call_host("removed?");
	return bad ? 2 : 0;
}

static void release(const char *text)
{
	int status;

	if (!strcmp(text, "removed?")) {
		if (waitpid(clients[0], &status, 0) == clients[0] && WIFEXITED(status))
			answer = WEXITSTATUS(status);
		return;
	}
	if (!strcmp(text, "second")) {
		fflush(stdout);
		clients[0] = fork();
		if (!clients[0]) {
			answer = mconsole("remove ubd1");
			fflush(stdout);
			_exit(answer);
		}
		/* Time for the command to get there */
		usleep(300000);
	}
	close(open(text, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
}

TEST_F(ubd, reopen)
{
	answer = -1;
	uml_hook = release;
	ASSERT_EQ(0, image("disk", SIZE, "OLD"));
	EXPECT_EQ(0, uml("reopen", "ubd1d=disk",
			 "pwrite:disk:*>32767<36864:hold=first pwrite:disk:*>65535<69632:hold=second"));
	/* It was open, or was opened: not removed */
	EXPECT_EQ(1, answer);
}

TEST_HARNESS_MAIN
