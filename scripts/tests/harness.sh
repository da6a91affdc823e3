#!/usr/bin/env bash
# usage: harness.sh BASE [ARCH]
# The harness itself: guests that pass, skip, fail, lie, hang, panic, and an interrupted run.
# Needs a built, unpatched kernel of BASE for ARCH (x86_64). Prints one line an item and a count.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../tally.sh"

base=$1
export ARCH=${2:-x86_64}
work=$(mktemp -d "$cache/tmp.harness.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/tests"
cp -r "$top/scripts/tests/guest" "$work/tests/harness"
# A boot's limit is what ends the guest that hangs; the others end by themselves long before.
grep -v '^#' "$top/scripts/tests/expected" | awk -F'\t' -v OFS='\t' '{ print "harness", $1, $2, "-" }' >"$work/rows"
STEADY_SELFTESTS=$work/tests STEADY_TESTS=$work/rows STEADY_LIMIT=90 \
	"$top/scripts/run" "$base" base all "$work/results" >"$work/log" 2>&1 || :
while IFS=$'\t' read -r name _ result why; do
	got=$(awk -F'\t' -v n="harness/$name" '$1 == n { print $2 "\t" $4 }' "$work/results/tests.tsv" 2>/dev/null || :)
	if [ "${got%%$'\t'*}" = "$result" ] && printf '%s\n' "${got#*$'\t'}" | grep -qE -- "$why"; then
		tally ok "$ARCH guest program '$name' is judged '$result'"
	else
		tally fail "$ARCH guest program '$name' is judged '$result'" "got '$got', wanted '$why'"
		tail -n 5 "$work/log"
	fi
done < <(grep -v '^#' "$top/scripts/tests/expected")

item "$ARCH: the results are one JSON summary" jq -e '.release and .base and .date and (.tests | length == 15)' "$work/results/summary.json"

# Interrupted: SIGTERM to one, SIGKILL to another, while the guest that hangs is running.
for signal in TERM KILL; do
	grep -P '\thang\t' "$work/rows" >"$work/hang"
	mkdir -p "$work/$signal"
	(
		export STEADY_SELFTESTS=$work/tests STEADY_TESTS=$work/hang
		# shellcheck disable=SC2034
		steps=1
		step hang "$work/$signal/log" "$top/scripts/run" "$base" base all "$work/$signal/results"
	) >/dev/null 2>&1 &
	pid=$!
	until grep -q 'start harness/hang' "$work/$signal/results/boot-1/verdict" 2>/dev/null || ! kill -0 $pid; do
		sleep 0.2
	done
	kill -s "$signal" $pid
	wait $pid 2>/dev/null || :
	for _ in $(seq 100); do
		left=$(pgrep -f -- "$work/$signal|$cache/tmp\.run\." | xargs || :)
		[ -n "$left" ] || break
		sleep 0.2
	done
	if [ -z "$left" ]; then
		tally ok "$ARCH: nothing runs on after SIG$signal"
	else
		tally fail "$ARCH: nothing runs on after SIG$signal" "$(ps -o pid=,args= -p "${left// /,}" | cut -c1-100 | xargs)"
	fi
done

if [ "$ARCH" != x86_64 ]; then
	tally_end
	exit
fi
# What never ran is no evidence of a bug.
printf '%s\n' 't/a	fail	-	the guest did not reach user space: Kernel panic' 't/b	fail	-	not reached: the guest hung' \
	't/c	fail	1.0	the guest hung' 't/d	pass	1.0	-' >"$work/tests.tsv"
item "a test that was never begun is not red" test "$(for t in a b c d; do test_result "$work" t/$t; done | xargs)" = "lost lost fail pass"
# What tests printed on both kernels, with the ids of what they found.
for kernel in base patched; do
	mkdir -p "$work/found/$base-$kernel"
	jq -n --arg kernel "$kernel" '{ release: "1.2.3", $kernel }' >"$work/found/$base-$kernel/summary.json"
	for t in dax/pmem_kconfig.sh dax/poison_race dax/cow_pmd dax/kunit; do
		if [ "$kernel" = base ]; then
			printf '%s\tfail\t1.0\texit status 1\n' "$t" >>"$work/found/$base-$kernel/tests.tsv"
			printf '# x.c:1:case:seen\nnot ok 1 case\n' >"$work/found/$base-$kernel/${t//\//.}.ktap"
		else
			printf '%s\tpass\t1.0\t-\n' "$t" >>"$work/found/$base-$kernel/tests.tsv"
			printf 'ok 1 case\n' >"$work/found/$base-$kernel/${t//\//.}.ktap"
		fi
	done
done
"$top/scripts/findings" "$work/found"
item "the table of findings is sorted by their ids" diff <(sed 1d "$work/found/findings.tsv") <(
	printf '1.2.3\t%s\tseen\tpass, cases: 1\n' $'D1\tdax/cow_pmd' $'D4, D11\tdax/poison_race' $'D10\tdax/pmem_kconfig.sh' $'-\tdax/kunit')
# A build step that is interrupted while it unpacks leaves no half a tree.
mkdir "$work/cache"
cp -rl "$cache/dl" "$work/cache/dl"
STEADY_CACHE=$work/cache setsid "$top/scripts/fetch" "$base" >/dev/null 2>&1 &
pid=$!
until [ -n "$(ls -A "$work"/cache/"$base"/tmp.*/* 2>/dev/null)" ] || ! kill -0 $pid 2>/dev/null; do
	sleep 0.1
done
kill -TERM -- -$pid 2>/dev/null || :
wait $pid 2>/dev/null || :
item "an interrupted unpacking leaves no tree" test ! -e "$work/cache/$base/base"
item "the next run starts afresh" env STEADY_CACHE="$work/cache" "$top/scripts/fetch" "$base"
item "and leaves nothing of the first" test -z "$(find "$work/cache/$base" -maxdepth 1 -name 'tmp.*')"
tally_end
