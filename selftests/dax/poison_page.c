// SPDX-License-Identifier: GPL-2.0
/*
 * An error in a page of a file: the processes that map it get a SIGBUS that names
 * the page, and the page itself, no other, is marked as poisoned. A page that the
 * machine check handler takes out of the direct map has to have the mark, or the
 * driver does not put it back when a write repairs it.
 */
#include "../kselftest_harness.h"
#include "dax_test.h"
#include "dax_poison.h"

#define SIZE	(2 * PMD)
#define BAD	(PMD + 5 * PAGE)
#define LSB_PAGE	12
#define LSB_PMD		21

FIXTURE(poison_page)
{
	char *map, *other;
	uint64_t pfn;		/* of the bad page */
	uint64_t pfns;		/* the first of its 2 MiB */
	int fd;
	bool pmd;
};

FIXTURE_VARIANT(poison_page)
{
	enum dax_fs fs;
	bool pmd;	/* the file has a PMD entry */
};

#define VARIANT(name, file_system, is_pmd)			\
	FIXTURE_VARIANT_ADD(poison_page, name) {		\
		.fs = file_system, .pmd = is_pmd		\
	}

VARIANT(ext4_pte, DAX_EXT4, false);
VARIANT(ext4_pmd, DAX_EXT4, true);
VARIANT(xfs_pte, DAX_XFS, false);
VARIANT(xfs_pmd, DAX_XFS, true);
VARIANT(xfs_rmap_pte, DAX_XFS_RMAP, false);
VARIANT(xfs_rmap_pmd, DAX_XFS_RMAP, true);

FIXTURE_SETUP(poison_page)
{
	self->fd = dax_one_file(variant->fs, SIZE, PROT_READ | PROT_WRITE,
				variant->pmd ? 0 : PAGE, &self->map);
	if (self->fd == -EOPNOTSUPP)
		SKIP(return, "no %s", dax_fs_name[variant->fs]);
	ASSERT_LE(0, self->fd);
	if (variant->pmd)
		ASSERT_EQ(0, trace_on("fs_dax/dax_pmd_fault_done"));
	dax_dirty(self->map + BAD);
	if (variant->pmd) {
		ASSERT_EQ(0, trace_off());
		if (trace_count("dax_pmd_fault_done", "NOPAGE", NULL, NULL) < 1) {
			dax_system("cat " TRACE_INSTANCE "/trace");
			SKIP(return, "no PMD fault");
		}
	}
	self->pfn = page_frame(self->map + BAD);
	ASSERT_NE(0, self->pfn);
	self->pfns = self->pfn - 5;
	bus_catch();
}

FIXTURE_TEARDOWN(poison_page)
{
	munmap(self->map, SIZE);
	close(self->fd);
	EXPECT_EQ(0, poison_undo());
}

static void expect_mark(struct __test_metadata *_metadata, uint64_t pfns,
			uint64_t pfn)
{
	uint64_t first = 0;

	EXPECT_EQ(1, poisoned(pfns, PMD_PAGES, &first));
	EXPECT_EQ(pfn, first)
		TH_LOG("page %lld of the 2 MiB is marked, the bad one is page %lld",
		       (long long)(first - pfns), (long long)(pfn - pfns));
}

static void expect_bus(struct __test_metadata *_metadata, const char *who,
		       const void *addr, int code, int lsb)
{
	EXPECT_EQ(1, bus_count)
		TH_LOG("%s: %d SIGBUS", who, bus_count);
	EXPECT_EQ(code, bus_info.si_code);
	EXPECT_EQ(addr, bus_info.si_addr)
		TH_LOG("%s: si_addr is %ld pages from the bad page", who,
		       ((long)bus_info.si_addr - (long)addr) / (long)PAGE);
	EXPECT_EQ(lsb, bus_info.si_addr_lsb);
}

/* The process that touched the page */
TEST_F(poison_page, own)
{
	ASSERT_EQ(0, madvise(self->map + BAD, PAGE, MADV_HWPOISON));
	expect_bus(_metadata, "process that touched the page", self->map + BAD,
		   BUS_MCEERR_AR, variant->pmd ? LSB_PMD : LSB_PAGE);
	expect_mark(_metadata, self->pfns, self->pfn);
}

/* Another process, which maps the same page by a PTE and asked to be told */
static int other_process(int fd, int ready, int go)
{
	char *map = dax_map(fd, 0, SIZE, PROT_READ, MAP_SHARED, 3 * PAGE);
	char c;

	bus_catch();
	if (!map || prctl(PR_MCE_KILL, PR_MCE_KILL_SET, PR_MCE_KILL_EARLY, 0, 0))
		return 1;
	dax_touch(map + BAD);
	if (write(ready, "r", 1) != 1)
		return 2;
	while (read(go, &c, 1) < 0)
		if (errno != EINTR)
			return 3;
	if (bus_count != 1 || bus_info.si_code != BUS_MCEERR_AO ||
	    bus_info.si_addr_lsb != LSB_PAGE)
		return 4;
	if (bus_info.si_addr != map + BAD) {
		ksft_print_msg("other process: si_addr is %ld pages from the bad page\n",
			       ((long)bus_info.si_addr - (long)(map + BAD)) /
			       (long)PAGE);
		return 5;
	}
	return 0;
}

TEST_F(poison_page, other)
{
	int ready[2], go[2], status;
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(go[1]);
		_exit(other_process(self->fd, ready[1], go[0]));
	}
	close(ready[1]);
	EXPECT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ(0, madvise(self->map + BAD, PAGE, MADV_HWPOISON));
	close(go[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status)
		TH_LOG("other process: %#x", status);
	expect_mark(_metadata, self->pfns, self->pfn);
}

/*
 * No process maps the page: nobody is signalled. Marked and out of the direct
 * map, or neither.
 */
static void check_unmapped(struct __test_metadata *_metadata, uint64_t pfn)
{
	long mark, present;
	int r;

	r = machine_check(pfn, false);
	mark = poisoned(pfn, 1, NULL);
	present = in_direct_map(pfn);
	EXPECT_EQ(0, bus_count);
	EXPECT_EQ(!present, mark)
		TH_LOG("error %d, %s the direct map, %s", r,
		       present ? "in" : "out of",
		       mark ? "marked" : "not marked");
	EXPECT_EQ(!r, !present);
}

TEST_F(poison_page, unmapped)
{
	munmap(self->map, SIZE);
	check_unmapped(_metadata, self->pfn);
}

/* The file system was just mounted: no file has an entry for the page either */
TEST_F(poison_page, no_entry)
{
	const char *fs = variant->fs == DAX_EXT4 ? "ext4" : "xfs";

	munmap(self->map, SIZE);
	close(self->fd);
	ASSERT_EQ(0, dax_umount());
	ASSERT_EQ(0, mount(dax_dev, dax_dir, fs, 0, "dax=always"));
	self->fd = open(dax_path("file"), O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	check_unmapped(_metadata, self->pfn);
}

int main(int argc, char **argv)
{
	dax_poison_init();
	return test_harness_run(argc, argv);
}
