# SPDX-License-Identifier: GPL-2.0
# The front door of linux-steady; "make help" lists what there is. The work is done by scripts/.

export BASE KERNEL AREA ARCH STEADY_CACHE LINUX_TARBALL FULL SEED MINUTES PAIRS JOB
BASE_GIVEN := $(BASE)
export BASE_GIVEN

# KDIR is a source for the main job, and the tree to change for apply and unapply.
export KDIR

# One job at a time: the kernel build below uses all processors.
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

.PHONY: run
run:
	@scripts/job

.PHONY: test
test:
	@scripts/test

.PHONY: check
check:
	@scripts/check

.PHONY: matrix
matrix:
	@scripts/matrix

.PHONY: bench
bench:
	@scripts/bench

.PHONY: apply unapply
apply:
	@scripts/apply "$(KDIR)"
unapply:
	@scripts/apply "$(KDIR)" -R

.PHONY: tree refresh
tree:
	@scripts/tree
refresh:
	@scripts/refresh

.PHONY: help
help:
	@sed -n 's/^#: //p' Makefile

#: make                  fetch a stable kernel, apply the series, build, boot in QEMU, run the
#:                       kselftests, print the table
#:                         BASE=6.12|7.3  KERNEL=patched|base  AREA=x86|dm|dax|block|um  LINUX_TARBALL=FILE  KDIR=DIR
#:                         ARCH=um for User Mode Linux and its tests (AREA=um says it, too)
#: make test             everything: static checks, tests of the harness, green on both patched
#:                       bases, red on the unpatched ones; FULL=1 proves all of it anew, SEED=N
#:                       repeats a sample
#: make check            the static checks alone
#: make matrix           take each patch out, put each old bug back: exactly the tests that guard it
#:                       turn red; AREA=, BASE=; MINUTES=N stops then, and the next run goes on
#: make bench            what the series costs and gains: unpatched against patched, in alternating
#:                       boots; AREA=, BASE=, ARCH=, JOB=TARGET/JOB, PAIRS=6, SEED=, MINUTES=
#: make apply KDIR=DIR   put the series into your own kernel tree
#: make unapply KDIR=DIR take it out again
#: make tree             a git worktree with one commit a patch, in the cache; BASE=
#: make refresh          the patches regenerated from it; BASE=
#:
#: STEADY_CACHE=DIR      where sources and builds are kept (default: XDG cache folder)
