#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# The pmem driver claims its namespaces with code that is built under
# CONFIG_ND_CLAIM alone. Without it there is a stub that fails, and no device.
# No prompt has that symbol: ask Kconfig what it becomes, whatever else of
# libnvdimm is built.
#
# Runs where the kernel source is: LINUX, else the one this file is in.

linux=${LINUX:-$(dirname "$0")/../../../..}
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

echo "TAP version 13"
if [ ! -f "$linux/drivers/nvdimm/Kconfig" ]; then
	echo "1..0 # SKIP no kernel source in $linux: set LINUX"
	exit 4
fi
echo "1..3"
n=0
failed=0

# expect VALUE SYMBOL...: with these libnvdimm symbols, all others off
expect()
{
	want=$1
	shift
	n=$((n + 1))
	{
		# What the symbols depend on
		printf 'CONFIG_%s=y\n' 64BIT BLOCK BLK_DEV
		printf '# CONFIG_%s is not set\n' BLK_DEV_PMEM BTT NVDIMM_PFN
		printf 'CONFIG_%s\n' "$@"
	} >"$tmp/fragment"
	if ! make -s -C "$linux" O="$tmp/o" ARCH=x86_64 \
		KCONFIG_ALLCONFIG="$tmp/fragment" allnoconfig >"$tmp/log" 2>&1; then
		sed 's/^/# /' "$tmp/log"
		echo "not ok $n - $*: kconfig failed"
		failed=1
		return
	fi
	for symbol; do
		if ! grep -qx "CONFIG_$symbol" "$tmp/o/.config"; then
			echo "ok $n - $* # SKIP CONFIG_$symbol is not to be had"
			return
		fi
	done
	got=$(sed -n 's/^CONFIG_ND_CLAIM=//p' "$tmp/o/.config")
	echo "# $*: ND_CLAIM is ${got:-n}, expected $want"
	if [ "${got:-n}" = "$want" ]; then
		echo "ok $n - $*"
	else
		echo "not ok $n - $*"
		failed=1
	fi
}

expect y LIBNVDIMM=y BLK_DEV_PMEM=y
expect y LIBNVDIMM=y BLK_DEV_PMEM=y BTT=y
# Nobody needs it then
expect n LIBNVDIMM=y
exit $failed
