# shellcheck shell=bash
# What the scripts share. Source it first; it sets -eu, $top and $cache.
#
#   die WHAT [HOW]           one line on stderr, exit 1
#   has LINE                 is LINE one of the lines on standard input?
#   base_field BASE COLUMN   a field of config/bases, by the name in its head line
#   bases                    the bases, newest first
#   series_file BASE         path of the base's series
#   series_list BASE         its patches, in order, as paths below patches/
#   patch_notes FILE         what stands between '---' and the diffstat
#   patch_tags FILE TAG      values of a tag in there
#   hunk_list BASE           the hunks that bring a fixed bug back, as paths below the checkout
#   hunk_tags FILE TAG       values of a tag in the head of such a hunk
#   touched BASE             kernel files that the series changes, sorted
#   place NEW DIR LIST       make the files of LIST in DIR what they are in NEW, all or none
#   kernel_release DIR       the point release of the kernel source in DIR, by its Makefile
#   area_targets             area<TAB>ARCH<TAB>kselftest target, of all areas
#   area_arch AREA           the ARCH that its tests run under
#   target_arch TARGET       the same by kselftest target
#   out_dir ARCH             where below a tree the build for it goes
#   kernel_image ARCH        and where the kernel is that it boots
#   config_hash [ARCH]       sha256 over what shapes the guest kernel
#   test_rows [AREA [ARCH]]  target<TAB>test<TAB>options<TAB>guards, of one area or all
#   bench_rows [AREA [ARCH]] target<TAB>bench/job<TAB>options<TAB>measures
#   test_sums TARGET         the sums of all files that say what a target's tests do
#   test_result DIR TEST     pass, fail or skip in that run, or lost: it was never begun, which proves nothing
#   step TEXT LOG CMD...     run CMD with its output in LOG, show progress
#   prepare_packages GROUP... a step that installs what is missing
#   lock_cache               refuse a second run in the same cache
#
# Environment: STEADY_CACHE (default: XDG cache folder), BASE, ARCH, KERNEL, AREA, FRAGMENTS (of config/, on
# top of those that every build gets; such builds have places of their own, which $o_suffix tells apart).

set -eu -o pipefail
export LC_ALL=C.UTF-8
umask 022
# Of a worktree's hooks or a caller's repository nothing may reach the git commands here.
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
# Nor of this make's variables (BASE=, KDIR=, ...) the makes of the kernel.
unset MAKEFLAGS MFLAGS MAKEOVERRIDES MAKELEVEL

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${STEADY_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/linux-steady}
case $cache in
/*[!-A-Za-z0-9_./+]* | [!/]*)
	printf 'steady: %s - STEADY_CACHE must be an absolute path without spaces, colons or quotes\n' "$cache" >&2
	exit 1 ;;
esac

die()
{
	printf 'steady: %s%s\n' "$1" "${2:+ - $2}" >&2
	exit 1
}

o_suffix=
for f in ${FRAGMENTS:-}; do
	[ -f "$top/config/$f" ] || die "FRAGMENTS=$f is unknown" "fragments are the files in config/"
	o_suffix=$o_suffix-$f
done

# What goes into evidence/ and README.md is of the kernels that everybody gets.
no_fragments() { [ -z "$o_suffix" ] || die "FRAGMENTS=$FRAGMENTS is not for make $1" "leave it out; make FRAGMENTS=$FRAGMENTS runs the tests"; }

# Scratch files, of the compiler too, stay in the cache: nothing else is written.
mkdir -p "$cache/scratch" 2>/dev/null || die "cannot create $cache" "set STEADY_CACHE to a folder you can write"
export TMPDIR=$cache/scratch

# grep -q would leave while the writer still writes, which pipefail takes for a failure.
has() { [ "$(grep -cFx -- "$1")" -gt 0 ]; }

bases() { awk '!/^#/ && NF { print $1 }' "$top/config/bases"; }

base_field()
{
	awk -v b="$1" -v c="$2" '
		/^# base/ { for (i = 2; i <= NF; i++) if ($i == c) col = i - 1 }
		!/^#/ && $1 == b { print $col }' "$top/config/bases"
}

valid_base()
{
	bases | has "$1" ||
		die "BASE=$1 is unknown" "use one of: $(bases | xargs)"
}

valid_area()
{
	[ "$1" = all ] || awk '!/^#/ && NF { print $1 }' "$top/config/areas" | has "$1" ||
		die "AREA=$1 is unknown" "use one of: $(awk '!/^#/ && NF { print $1 }' "$top/config/areas" | xargs)"
}

valid_kernel()
{
	case $1 in base | patched) ;; *) die "KERNEL=$1 is unknown" "use base or patched" ;; esac
}

valid_arch()
{
	case $1 in
	x86_64 | um) ;;
	*) die "ARCH=$1 cannot be built and booted" "use ARCH=x86_64 or ARCH=um" ;;
	esac
}

area_targets()
{
	awk '!/^#/ && NF {
		arch = "x86_64"
		for (i = 2; i <= NF; i++)
			if ($i ~ /^arch=/) arch = substr($i, 6); else print $1 "\t" arch "\t" $i
	}' "$top/config/areas"
}
area_arch() { area_targets | awk -F'\t' -v a="$1" '$1 == a { print $2; exit }'; }
target_arch() { area_targets | awk -F'\t' -v t="$1" '$3 == t { print $2; exit }'; }
out_dir() { if [ "$1" = um ]; then echo "o-um$o_suffix"; else echo "o$o_suffix"; fi; }
kernel_image() { if [ "$1" = um ]; then echo "o-um$o_suffix/linux"; else echo "o$o_suffix/arch/x86/boot/bzImage"; fi; }

series_file() { echo "$top/$(base_field "$1" series)"; }
series_list() { sed -e 's/[[:space:]]*#.*//' -e '/^[[:space:]]*$/d' "$(series_file "$1")"; }

# As git format-patch --notes lays it: a head line "Notes:", the text indented by four, an empty line.
patch_notes()
{
	awk '
		/^diff --git / { exit }
		below && /^ [^ ].* \| / { exit }
		below && /^    / { print substr($0, 5) }
		/^---$/ { below = 1 }' "$1"
}

patch_tags()
{
	patch_notes "$1" | awk -v tag="$2:" '$1 == tag { sub(/^[^ \t]+[ \t]+/, ""); print }'
}

# selftests/TARGET/reintroduce/NAME.patch is for every base, BASE/NAME.patch beside it for that base alone
# and in its place.
hunk_list()
{
	local d f
	for d in "$top"/selftests/*/reintroduce; do
		[ -d "$d" ] || continue
		for f in "$d"/*.patch "$d/$1"/*.patch; do
			[ -f "$f" ] || continue
			[ "${f%/*}" != "$d" ] || [ ! -f "$d/$1/${f##*/}" ] || continue
			echo "${f#"$top/"}"
		done
	done
}

hunk_tags()
{
	awk -v tag="$2:" '/^(diff|---|index) / { exit } $1 == tag { sub(/^[^ \t]+[ \t]+/, ""); print }' "$1"
}

touched()
{
	series_list "$1" | sed "s|^|$top/patches/|" | xargs -r lsdiff --no-filename --strip=1 | sort -u
}

# Copies go beside their targets first, so that a full disk is met before anything is changed; files
# that do not differ keep their time stamps, the others get new ones, or make would keep old objects; a
# rename never writes through a hard link.
place()
{
	local f g todo
	todo=$(while read -r f; do
		if [ -e "$1/$f" ] || [ -e "$2/$f" ]; then cmp -s "$1/$f" "$2/$f" || echo "$f"; fi
	done <"$3")
	for f in $todo; do
		[ -e "$1/$f" ] || continue
		if ! mkdir -p "$(dirname "$2/$f")" || ! cp --preserve=mode "$1/$f" "$2/$f.steady-new"; then
			for g in $todo; do rm -f "$2/$g.steady-new"; done
			die "cannot write to $2" "nothing was changed; is the disk full?"
		fi
	done
	for f in $todo; do
		if [ -e "$1/$f" ]; then
			mv "$2/$f.steady-new" "$2/$f"
		else
			rm "$2/$f"
		fi
	done
}

kernel_release()
{
	awk '$2 == "=" && /^(VERSION|PATCHLEVEL|SUBLEVEL) / { v = v d $3; d = "." } /^NAME/ { exit } END { print v }' "$1/Makefile"
}

config_hash()
{
	local fragments="common storage x86_64"
	[ "${1:-x86_64}" != um ] || fragments="common um"
	# shellcheck disable=SC2086
	(cd "$top/config" && cat $fragments ${FRAGMENTS:-}) | sha256sum | cut -c1-16
}

test_rows() { list_rows tests "" "$@"; }
bench_rows() { list_rows bench/jobs bench/ "$@"; }
list_rows()
{
	local list=$1 prefix=$2 area=${3:-all} arch=${4:-} target
	area_targets | awk -F'\t' -v a="$area" -v b="$arch" '(a == "all" || $1 == a) && (b == "" || $2 == b) { print $3 }' |
		while read -r target; do
		[ "$list" = tests ] || [ -f "$top/selftests/$target/$list" ] || continue
		awk -v t="$target" -v p="$prefix" -F'\t+' -v OFS='\t' '!/^#/ && NF { print t, p $1, $2, $3 }' \
			"$top/selftests/$target/$list"
	done
}

# Neither a bug to put back nor what is measured changes what the tests say; headers that targets share, in
# selftests/storage, do, for those that include them.
test_sums()
{
	local not=(\( -path "$1/reintroduce" -o -path "*/bench" \) -prune -o)
	(
		cd "$top/selftests"
		find "$1" storage "${not[@]}" -type f -print | sort | awk -v target="$1/" '
			index($0, target) != 1 { shared[$0]; next }
			{ used[$0]; todo[++n] = $0 }
			END {
				for (i = 1; i <= n; i++) {
					while ((getline line <todo[i]) > 0)
						if (line ~ /^#include "/) {
							sub(/^#include "(.*\/)?/, "storage/", line); sub(/".*/, "", line)
							if (line in shared && !(line in used)) { used[line]; todo[++n] = line }
						}
				}
				for (file in used) print file
			}' | sort | xargs -d '\n' sha256sum
	)
}

test_result()
{
	awk -F'\t' -v t="$2" '$1 == t {
		print $2 == "fail" && $4 ~ /^(not reached: |the guest did not reach user space)/ ? "lost" : $2 }' "$1/tests.tsv"
}

lock_cache()
{
	[ -z "${STEADY_LOCKED:-}" ] || return 0
	exec 9>>"$cache/lock"
	flock -n 9 || die "another run is using $cache (process $(cat "$cache/lock.pid" 2>/dev/null || echo unknown))" \
		"wait for it, or set STEADY_CACHE to another folder"
	echo $$ >"$cache/lock.pid"
	# What a killed run could not clear away itself.
	rm -rf "$cache"/tmp.*
	find "$cache/scratch" -mindepth 1 -maxdepth 1 -mtime +0 -exec rm -rf {} +
	export STEADY_LOCKED=1
}

# The caller sets steps= to how many there will be.
step_no=0
SECONDS=0
step()
{
	local text=$1 log=$2 pid rc=0 began=$SECONDS said=$SECONDS last
	shift 2
	step_no=$((step_no + 1))
	mkdir -p "$(dirname "$log")"
	: >"$log"
	[ -t 1 ] || step_line "$text"
	# A session of its own, so that an interrupt ends all of it; the parent's death ends it too.
	setpriv --pdeathsig KILL setsid "$@" >"$log" 2>&1 9>&- </dev/null &
	pid=$!
	trap 'kill -TERM -- -'"$pid"' 2>/dev/null; wait '"$pid"' 2>/dev/null; printf "\nsteady: interrupted\n" >&2; exit 130' INT TERM HUP
	while kill -0 "$pid" 2>/dev/null; do
		if [ -t 1 ]; then
			last=$(tail -c 300 "$log" | tr '\r' '\n' | sed -n '$p' | tr -cd '[:print:]')
			printf '\r\033[K%.*s' "$(tput cols 2>/dev/null || echo 80)" "$(step_line "$text"): $last"
		elif [ $((SECONDS - said)) -ge 60 ]; then
			said=$SECONDS
			step_line "$text: $(tail -c 300 "$log" | sed -n '$p' | tr -cd '[:print:]')"
		fi
		sleep 0.5
	done
	wait "$pid" || rc=$?
	trap - INT TERM HUP
	[ ! -t 1 ] || printf '\r\033[K'
	if [ "$rc" -ne 0 ]; then
		step_line "$text: failed after $((SECONDS - began)) s, log: $log"
		grep -E '^steady: |^[^ ]+:[0-9]+: ' "$log" | tail -n 3 >&2 || tail -n 5 "$log" >&2
		return "$rc"
	fi
	step_line "$text: done in $((SECONDS - began)) s"
}

# Tools first: the other steps need what these groups of config/packages hold.
prepare_packages()
{
	step "install missing packages" "$cache/log/deps" "$top/scripts/deps" "$@"
}

step_line() { printf '[%d/%s %d:%02d] %s\n' "$step_no" "${steps:-?}" $((SECONDS / 60)) $((SECONDS % 60)) "$1"; }
