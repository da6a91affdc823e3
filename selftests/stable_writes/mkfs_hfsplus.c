// SPDX-License-Identifier: GPL-2.0
/*
 * usage: mkfs_hfsplus DEVICE
 *
 * An empty HFS+ volume. Distributions no longer have a mkfs for it. Blocks and
 * nodes of 4 KiB; in this order: volume header, bitmap, tree of extents, tree
 * of the catalog, files, the header once more.
 */
#include <endian.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/fs.h>

#define BLOCK		4096
#define EXTENTS		4	/* nodes of the trees */
#define CATALOG		64
#define FIRST_FREE	(2 + EXTENTS + CATALOG)
#define ROOT_PARENT	1
#define ROOT		2
#define FIRST_FILE	16
#define HEADER		1024	/* where it is, and as far from the end */

static int fd;
static unsigned char node[BLOCK];

static void put16(unsigned char *p, uint16_t value)
{
	value = htobe16(value);
	memcpy(p, &value, sizeof(value));
}

static void put32(unsigned char *p, uint32_t value)
{
	value = htobe32(value);
	memcpy(p, &value, sizeof(value));
}

static int put_node(unsigned int block)
{
	ssize_t n = pwrite(fd, node, BLOCK, (off_t)block * BLOCK);

	memset(node, 0, BLOCK);
	return n == BLOCK ? 0 : -1;
}

/* Where the n-th record of the node begins, or what is free behind the last */
static void put_offset(unsigned int n, unsigned int offset)
{
	put16(node + BLOCK - 2 * (n + 1), offset);
}

/* The header of a tree; @records, if any, are in its second node */
static int tree(unsigned int block, unsigned int nodes, unsigned int key,
		unsigned int flags, unsigned int records)
{
	unsigned char *head = node + 14;

	node[8] = 1;			/* a header */
	put16(node + 10, 3);		/* with three records */
	put16(head, !!records);		/* depth */
	put32(head + 2, !!records);	/* root */
	put32(head + 6, records);
	put32(head + 10, !!records);	/* first leaf */
	put32(head + 14, !!records);	/* last leaf */
	put16(head + 18, BLOCK);
	put16(head + 20, key);
	put32(head + 22, nodes);
	put32(head + 26, nodes - 1 - !!records);
	put32(head + 32, nodes * BLOCK);
	put32(head + 38, flags);
	node[248] = records ? 0xc0 : 0x80;
	put_offset(0, 14);
	put_offset(1, 120);
	put_offset(2, 248);
	put_offset(3, BLOCK - 8);
	return put_node(block);
}

/* The root directory: its record, and the one that has its name */
static int root(unsigned int block)
{
	unsigned char *r = node + 14;

	node[8] = 0xff;			/* a leaf */
	node[9] = 1;			/* one above the ground */
	put16(node + 10, 2);
	put16(r, 8);			/* length of the key */
	put32(r + 2, ROOT_PARENT);
	put16(r + 6, 1);
	put16(r + 8, 'x');
	r += 10;
	put16(r, 1);			/* a folder */
	put32(r + 8, ROOT);
	put16(r + 42, 040755);
	r += 88;
	put_offset(1, r - node);
	put16(r, 6);
	put32(r + 2, ROOT);
	r += 8;
	put16(r, 3);			/* the thread of a folder */
	put32(r + 4, ROOT_PARENT);
	put16(r + 8, 1);
	put16(r + 10, 'x');
	put_offset(0, 14);
	put_offset(2, r + 12 - node);
	return put_node(block);
}

static void fork_of(unsigned char *p, unsigned int block, unsigned int blocks)
{
	put32(p + 4, blocks * BLOCK);
	put32(p + 8, blocks * BLOCK);
	put32(p + 12, blocks);
	put32(p + 16, block);
	put32(p + 20, blocks);
}

int main(int argc, char **argv)
{
	unsigned char vh[512] = { 'H', '+', 0, 4, 0, 0, 1 };
	uint64_t size, blocks;
	unsigned int i;
	int failed;

	fd = argc == 2 ? open(argv[1], O_RDWR) : -1;
	if (fd < 0 || ioctl(fd, BLKGETSIZE64, &size)) {
		perror(argc == 2 ? argv[1] : "usage: mkfs_hfsplus DEVICE");
		return 1;
	}
	blocks = size / BLOCK;
	if (blocks <= FIRST_FREE || blocks > BLOCK * 8) {
		fprintf(stderr, "%s: wrong size\n", argv[1]);
		return 1;
	}
	memcpy(vh + 8, "10.0", 4);
	put32(vh + 40, BLOCK);
	put32(vh + 44, blocks);
	put32(vh + 48, blocks - FIRST_FREE - 1);
	put32(vh + 52, FIRST_FREE);
	put32(vh + 56, BLOCK);
	put32(vh + 60, BLOCK);
	put32(vh + 64, FIRST_FILE);
	vh[79] = 1;			/* encodings: Roman */
	fork_of(vh + 112, 1, 1);
	fork_of(vh + 192, 2, EXTENTS);
	fork_of(vh + 272, 2 + EXTENTS, CATALOG);

	failed = 0;
	for (i = 0; i < FIRST_FREE; i++)
		failed |= put_node(i);
	for (i = 0; i < FIRST_FREE; i++)
		node[i / 8] |= 0x80 >> i % 8;
	node[(blocks - 1) / 8] |= 0x80 >> (blocks - 1) % 8;
	failed |= put_node(1);
	failed |= tree(2, EXTENTS, 10, 2, 0);
	failed |= tree(2 + EXTENTS, CATALOG, 516, 6, 2);
	failed |= root(2 + EXTENTS + 1);
	failed |= pwrite(fd, vh, sizeof(vh), HEADER) != sizeof(vh);
	failed |= pwrite(fd, vh, sizeof(vh), size - HEADER) != sizeof(vh);
	failed |= fsync(fd);
	if (failed)
		perror(argv[1]);
	return !!failed;
}
