#!/usr/bin/env bash
# usage: bad-input.sh BASE
# What is wrong has to be refused in one clear line, with nothing changed. Needs the pristine source
# of BASE in the cache. Prints one line an item and a count.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../tally.sh"

base=$1
other=$(bases | grep -vx -e "$base" | sed -n 1p)
src=$cache/$base/base
series=$(basename "$(series_file "$base")")
work=$(mktemp -d)
trap 'umount "$work/small" 2>/dev/null || :; rm -rf "$work"' EXIT
# A copy of the checkout to spoil, with a cache of its own.
fresh()
{
	rm -rf "$work/repo"
	mkdir "$work/repo"
	(cd "$top" && cp -r Makefile README.md MAINTAINERS.md config evidence patches scripts selftests series series-6.12 "$work/repo")
}
# The part of a kernel tree that the series touches.
kdir()
{
	rm -rf "$work/kdir"
	mkdir "$work/kdir"
	# Not the files that patches add.
	(cd "$src" && { touched "$base" | while read -r f; do [ ! -e "$f" ] || echo "$f"; done; } |
		xargs cp --parents -t "$work/kdir" Makefile Kbuild)
}
state() { (cd "$1" && find . -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum); }

# refuse NAME REGEX CMD...: fails, and the last line it says on stderr matches and is the only one of its kind
refuse()
{
	local name=$1 regex=$2 out lines
	shift 2
	if out=$(unset STEADY_LOCKED; "$@" 2>&1); then
		tally fail "$name is refused" "exit status 0: $(printf '%s\n' "$out" | tail -n 1)"
		return
	fi
	lines=$(printf '%s\n' "$out" | grep -cE '^steady: |^[^ ]+:[0-9]+: ' || :)
	if [ "$lines" = 1 ] && [ "$(printf '%s\n' "$out" | grep -E '^steady: |^[^ ]+:[0-9]+: ' | grep ' - ' | grep -cE -- "$regex")" = 1 ]; then
		tally ok "$name is refused"
	else
		tally fail "$name is refused" "wanted one line with '$regex', got: $(printf '%s\n' "$out" | tail -n 3)"
	fi
}
# The same for a command that must leave a kernel tree as it is.
refuse_kdir()
{
	local before
	before=$(state "$work/kdir")
	refuse "$@"
	[ "$before" = "$(state "$work/kdir")" ] || tally fail "$1: the tree is as before" "it was changed"
}

kdir
apply() { echo "$work/repo/scripts/apply"; }
fresh
pristine=$(state "$work/kdir")
item "make apply" make -s -C "$work/repo" apply KDIR="$work/kdir"
refuse_kdir "a tree that has the series" "already has the series" "$(apply)" "$work/kdir"
item "make unapply" make -s -C "$work/repo" unapply KDIR="$work/kdir"
item "and the tree is what it was" test "$pristine" = "$(state "$work/kdir")"
mkdir -p "$work/empty"
refuse "a KDIR that is no kernel" "is no kernel source" "$(apply)" "$work/empty"
refuse "no KDIR" "is no kernel source" "$(apply)" ""
sed -i 's/^PATCHLEVEL = .*/PATCHLEVEL = 1/' "$work/kdir/Makefile"
refuse_kdir "another kernel version" "is Linux [0-9.]*, not" "$(apply)" "$work/kdir"
kdir
refuse_kdir "a BASE that is not the tree's" "not $other" env BASE_GIVEN="$other" "$(apply)" "$work/kdir"
if [ -s "$top/$series" ] && [ -n "$(series_list "$base")" ]; then
	last=$(series_list "$base" | tail -n 1)
	file=$(lsdiff --strip=1 "$top/patches/$last" | sed -n 1p)
	(cd "$work/kdir" && git init -q && git add -A -f && git -c user.name=t -c user.email=t@localhost commit -q -m t)
	echo >>"$work/kdir/$file"
	refuse_kdir "a tree with local changes where a patch goes" "local changes in: $file" "$(apply)" "$work/kdir"
	kdir
	: >"$work/kdir/$file"
	refuse_kdir "a tree where a patch in the middle fails" "does not apply" "$(apply)" "$work/kdir"
	kdir
	if mkdir -p "$work/small" && mount -t tmpfs -o size=16m none "$work/small" 2>/dev/null; then
		cp -r "$work/kdir" "$work/small/kdir"
		dd if=/dev/zero of="$work/small/fill" bs=1k 2>/dev/null || :
		before=$(state "$work/small/kdir")
		refuse "a tree on a full disk" "cannot write" "$(apply)" "$work/small/kdir"
		item "and it is as before" test "$before" = "$(state "$work/small/kdir")"
		umount "$work/small"
	else
		tally skip "a tree on a full disk is refused" "cannot mount a tmpfs here"
	fi
	# Patches and series, spoilt one way each.
	patch=$work/repo/patches/$last
	check() { echo "$work/repo/scripts/check-patches"; }
	one_test() { fresh; sed -i '0,/^    Test:/!{/^    Test:/d}' "$patch"; }
	hunk=$(grep -n -m1 '^@@' "$patch" | cut -d: -f1)
	fresh; sed -i "${hunk}s/,\([0-9]*\) @@/,9\1 @@/" "$patch"
	refuse "a wrong hunk count" "patches/$last:[0-9]+: the hunk does not have" "$(check)"
	fresh; sed -i '/^    Upstream-Status:/d' "$patch"
	refuse "a missing Upstream-Status" "patches/$last:[0-9]+: no Upstream-Status" "$(check)"
	fresh; sed -i '/^    Test:/d' "$patch"
	refuse "a missing Test" "patches/$last:[0-9]+: no Test" "$(check)"
	fresh; sed -i '0,/^    Test:/s/^    Test:.*/&\n    Test: none/' "$patch"
	refuse "a test and none" "patches/$last:[0-9]+: Test: none beside another" "$(check)"
	one_test; sed -i 's/^    Test:.*/    Test: ioremap\/no_such/' "$patch"
	refuse "a Test that does not exist" "patches/$last:[0-9]+: there is no test" "$(check)"
	one_test; sed -i 's/^    Test:.*/    Test: none nobody looks/' "$patch"
	refuse "code that is said to need no test" "patches/$last:[0-9]+: Test: none, but" "$(check)"
	one_test; sed -i 's/^    Test:.*/    Test: none/' "$patch"
	refuse "a patch without a test or a reason" "patches/$last:[0-9]+: Test: none without" "$(check)"
	fresh; sed -i 's/^Subject: .*/&\n/; s/^---$/Signed-off-by: A B <a@localhost>\n---/' "$patch"
	refuse "a sign-off in the tree" "patches/$last:[0-9]+: signed off" "$(check)"
	fresh; sed -i "\|^$last|d" "$work/repo/series" "$work/repo/series-6.12"
	refuse "a patch in no series" "patches/$last:1: in no series" "$(check)"
	fresh; echo x86/nothing.patch >>"$work/repo/$series"
	refuse "an entry without a file" "$series:[0-9]+: x86/nothing.patch has no file" "$(check)"
	if [ "$(series_list "$base" | wc -l)" -gt 1 ]; then
		fresh; tac "$work/repo/series-6.12" >"$work/tac"; mv "$work/tac" "$work/repo/series-6.12"
		refuse "an order that differs" "series-6.12:[0-9]+: .* another order" "$(check)"
	fi
	# A context line that a hand has changed.
	fresh; line=$(awk -v h="$hunk" 'NR > h && /^ ./ { print NR; exit }' "$patch"); sed -i "${line}s/\$/ /" "$patch"
	refuse "a changed context line" "patches/$last" env STEADY_CACHE="$cache" "$work/repo/scripts/check-base" "$base"
	fresh; sed -i 's/\tfail\tpass\t/\tpass\tpass\t/' "$work/repo/evidence/$base.tsv" 2>/dev/null || :
	item "evidence that shows no red is stale" test -n "$(STEADY_CACHE=$cache "$work/repo/scripts/evidence" stale "$base" patches)"
fi

# Hunks that bring a bug back: Kbuild has one line more.
hunk=selftests/ioremap/reintroduce/extra-line.patch
put_back()
{
	fresh
	rm -rf "$work"/repo/selftests/*/reintroduce
	mkdir -p "$work/repo/${hunk%/*}/$base"
	{
		printf 'Kbuild has a line more.\n\nFixed-by: "Kbuild: one line less"\nTest: ioremap/iounmap_restore\n\n'
		(cd "$src" && sed '1i# more' Kbuild | diff -u --label a/Kbuild --label b/Kbuild Kbuild -) || :
	} >"$work/repo/$hunk"
}
hunks() { STEADY_CACHE=$cache "$work/repo/scripts/check-hunks" "$base"; }
put_back; item "a hunk that brings a bug back" hunks
put_back; sed -i '/^Test:/d' "$work/repo/$hunk"; refuse "a hunk without a test" "$hunk:1: no Test:" hunks
put_back; sed -i 's|^Test:.*|Test: ioremap/no_such|' "$work/repo/$hunk"; refuse "a hunk whose test does not exist" "$hunk:[0-9]+: there is no test" hunks
put_back; sed -i '/^Fixed-by:/d' "$work/repo/$hunk"; refuse "a hunk of a bug that nothing fixed" "$hunk:1: no Fixed-by:" hunks
put_back; sed -i 1d "$work/repo/$hunk"; refuse "a hunk that does not say what it brings back" "$hunk:1: does not say" hunks
put_back; sed -i 's/^ # SPDX/ # SPXD/' "$work/repo/$hunk"; refuse "a hunk that does not apply" "$hunk:1: does not apply on the patched" hunks
put_back; cp "$work/repo/$hunk" "$work/repo/${hunk%/*}/$base/"; sed -i 's/^ # SPDX/ # SPXD/' "$work/repo/$hunk"
item "a hunk that another replaces on $base" hunks
put_back; mkdir "$work/repo/${hunk%/*}/5.0"; refuse "hunks for an unknown base" "reintroduce/5.0:1: is no base" hunks
put_back
item "evidence of a hunk that nobody has seen is stale" test "$hunk" = "$(STEADY_CACHE=$cache "$work/repo/scripts/evidence" stale "$base" hunks | cut -f1)"
refuse "MINUTES that are no number" "MINUTES=ten is no number" env MINUTES=ten "$work/repo/scripts/matrix"

bench() { echo "$work/repo/scripts/bench"; }
fresh
refuse "PAIRS that are no number" "PAIRS=few is no number" env PAIRS=few "$(bench)"
refuse "no PAIRS" "PAIRS=0 measures nothing" env PAIRS=0 "$(bench)"
refuse "a SEED that is no number" "SEED=1.5 is no number" env SEED=1.5 "$(bench)"
refuse "MINUTES of a bench that are no number" "MINUTES=ten is no number" env MINUTES=ten "$(bench)"
refuse "a job that does not exist" "no jobs for AREA=all JOB=ioremap/no_such" env JOB=ioremap/no_such "$(bench)"
refuse "a bench of an unknown BASE" "BASE=5.0 is unknown" env BASE=5.0 "$(bench)"
fresh; printf 'iounmap_restore\thost smp=1\tnothing\n' >>"$work/repo/selftests/ioremap/tests"
refuse "boot options of a test on the host" "selftests/ioremap/tests:[0-9]+: host with other options" "$work/repo/scripts/check-text"
fresh
jobs=$work/repo/selftests/ioremap/bench/jobs
printf 'no_such\t-\tnothing\n' >>"$jobs"
refuse "a job without a program" "selftests/ioremap/bench/jobs:1: there is no selftests/ioremap/bench/no_such.c" "$work/repo/scripts/check-text"
fresh; printf 'ioremap_cost -\n' >"$jobs"
refuse "a row of jobs without tabs" "not JOB, OPTIONS, MEASURES" "$work/repo/scripts/check-text"
fresh; printf 'ioremap/no_such\tx\t-\tnothing\n' >>"$work/repo/config/bench"
refuse "a figure of no job in README" "config/bench:[0-9]+: there is no job ioremap/no_such" "$work/repo/scripts/check-text"
fresh; sed -i 's/^<!-- generated: bench -->/&\n| made up |/' "$work/repo/README.md"
refuse "a figure in README that was not measured" "README.md:[0-9]+: the table is not what evidence/ says" "$work/repo/scripts/readme" --check

run() { echo "$work/repo/scripts/job"; }
fresh
refuse "an unknown fragment" "FRAGMENTS=no_such is unknown" env FRAGMENTS=no_such "$(run)"
for job in test matrix bench; do
	refuse "make $job with a fragment" "FRAGMENTS=debug is not for make $job" env FRAGMENTS=debug "$work/repo/scripts/$job"
done
refuse "an unknown BASE" "BASE=5.0 is unknown" env BASE=5.0 "$(run)"
refuse "an unknown KERNEL" "KERNEL=new is unknown" env KERNEL=new "$(run)"
refuse "an unknown AREA" "AREA=net is unknown" env AREA=net "$(run)"
refuse "an unknown ARCH" "ARCH=vax cannot" env ARCH=vax "$(run)"
refuse "an AREA of another ARCH" "AREA=um does not run under ARCH=x86_64" env AREA=um ARCH=x86_64 "$(run)"
refuse "an ARCH that is not the AREA's" "AREA=dm does not run under ARCH=um" env AREA=dm ARCH=um "$(run)"
sed -i 's/arch=um/arch=vax/' "$work/repo/config/areas"
refuse "an area for an unknown ARCH" "config/areas:[0-9]+: arch=vax" "$work/repo/scripts/check-text"
refuse "an unknown boot option of um" "boot option cpu=8 is unknown" "$work/repo/scripts/boot-um" /bin/true /dev/null "$work/boot" 5 cpu=8
fresh
refuse "a STEADY_CACHE with a blank" "/tmp/a b" env STEADY_CACHE="/tmp/a b" "$(run)"

# Sources.
fetch() { echo "$work/repo/scripts/fetch"; }
mkdir "$work/cache"
head -c 1000000 "$cache"/dl/*-"$(base_field "$base" release)".tar.xz >"$work/short.tar.xz"
refuse "a truncated tarball" "truncated" env STEADY_CACHE="$work/cache" LINUX_TARBALL="$work/short.tar.xz" "$(fetch)" "$base"
tar -C "$top" -cJf "$work/wrong.tar.xz" config
refuse "a tarball that is no kernel" "is no kernel source" env STEADY_CACHE="$work/cache" LINUX_TARBALL="$work/wrong.tar.xz" "$(fetch)" "$base"
mkdir -p "$work/cache/dl"
cp "$work/short.tar.xz" "$work/cache/dl/$(base_field "$base" package)-$(base_field "$base" release).tar.xz"
refuse "a download with another sha256" "sha256 is" env STEADY_CACHE="$work/cache" "$(fetch)" "$base"
rm -rf "$work/cache"; mkdir "$work/cache"
if unshare -n true 2>/dev/null; then
	refuse "no network" "no source of $base" env STEADY_CACHE="$work/cache" unshare -n "$(fetch)" "$base"
	item "and nothing of a source is left" test ! -e "$work/cache/$base/base"
else
	tally skip "no network is refused" "cannot make a network namespace here"
fi

# A kernel.org of our own: its sums are signed by the key we trust, then by another one.
release=$(base_field "$base" release)
site=$work/site/v${base%%.*}.x
mkdir -p "$site" "$work/linux-$release" "$work/gpg"
chmod 700 "$work/gpg"
cp "$src/Makefile" "$src/Kbuild" "$work/linux-$release"
tar -C "$work" -cJf "$site/linux-$release.tar.xz" "linux-$release"
sign()
{
	gpg --homedir "$work/gpg" -q --batch --passphrase '' --quick-gen-key "$1" rsa2048 sign never
	gpg --homedir "$work/gpg" -q --batch --export "$1" >"$work/$1.gpg"
	(cd "$site" && sha256sum "linux-$release.tar.xz") |
		gpg --homedir "$work/gpg" -q --batch --yes -u "$1" --clear-sign >"$site/sha256sums.asc"
}
fetch_signed()
{
	rm -rf "$work/cache"
	mkdir "$work/cache"
	STEADY_CACHE=$work/cache KERNEL_ORG=file://$work/site KERNEL_ORG_KEYRING=$work/trusted.gpg \
		unshare -n "$(fetch)" "$base"
}
if unshare -n true 2>/dev/null; then
	item "keys to sign with" sign trusted
	item "a kernel.org tarball whose sums are signed" fetch_signed
	item "is unpacked" test -f "$work/cache/$base/base/Kbuild"
	echo "# added" >>"$work/linux-$release/Kbuild"
	tar -C "$work" -cJf "$site/linux-$release.tar.xz" "linux-$release"
	refuse "a kernel.org tarball that is not the signed one" "sha256 is" fetch_signed
	sign other >/dev/null 2>&1
	refuse "sums signed by an unknown key" "no source of $base: tried kernel.org" fetch_signed
	item "and neither is unpacked" test ! -e "$work/cache/$base/base"
fi
if mkdir -p "$work/small" && mount -t tmpfs -o size=20m none "$work/small" 2>/dev/null; then
	mkdir "$work/small/dl"
	ln -s "$cache"/dl/*-"$(base_field "$base" release)".tar.xz "$work/small/dl/"
	refuse "a full disk" "cannot unpack" env STEADY_CACHE="$work/small" "$(fetch)" "$base"
	item "and no half a tree is left" test ! -e "$work/small/$base/base"
	umount "$work/small"
fi
(
	exec 8>>"$work/cache/lock"
	flock 8
	sleep 30 8>&8 &
	echo $! >"$work/sleeper"
)
refuse "a second run in one cache" "another run is using" env STEADY_CACHE="$work/cache" "$(run)"
kill "$(cat "$work/sleeper")" 2>/dev/null || :

# Tools and configuration.
fresh
refuse "a base as an argument of refresh" "refresh: $base is unknown - the base is in BASE=" "$work/repo/scripts/refresh" "$base"
sed -i 's/^fetch\t.*/fetch\tno-such-package-of-steady/' "$work/repo/config/packages"
mkdir "$work/bin"
printf '#!/bin/sh\necho 65534\n' >"$work/bin/id"
printf '#!/bin/sh\nexit 1\n' >"$work/bin/sudo"
chmod +x "$work/bin"/*
refuse "a missing tool, without root" "packages are missing - run as root: .*apt-get .*install .*no-such-package-of-steady" \
	env PATH="$work/bin:$PATH" "$work/repo/scripts/deps" fetch
fresh; echo 'CONFIG_NO_SUCH_THING=y' >>"$work/repo/config/x86_64"
refuse "a symbol that is lost" "config/x86_64:[0-9]+: CONFIG_NO_SUCH_THING=y was lost" \
	env KBUILD_OUTPUT="$work/o" "$work/repo/scripts/kconfig" "$src" x86_64
fresh; echo 'CONFIG_NET y' >>"$work/repo/config/x86_64"
refuse "a line that is no symbol" "config/x86_64:[0-9]+: not SYMBOL=value" \
	env KBUILD_OUTPUT="$work/o" "$work/repo/scripts/kconfig" "$src" x86_64
tally_end
