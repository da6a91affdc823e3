#!/usr/bin/env bash
# usage: bench.sh
# The statistics of the bench, with figures whose result is known. Prints one line an item and a count.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../tally.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# figures KIND METRIC BETTER A:B...: a pair of boots each
figures()
{
	local kind=$1 metric=$2 better=$3 pair=0 v
	shift 3
	for v; do
		pair=$((pair + 1))
		[ -z "${v%:*}" ] || printf '%s\t%s\ta\ticount\tt/j\t%s\t%s\tns\t%s\n' "$kind" "$pair" "$metric" "${v%:*}" "$better"
		[ -z "${v#*:}" ] || printf '%s\t%s\tb\ticount\tt/j\t%s\t%s\tns\t%s\n' "$kind" "$pair" "$metric" "${v#*:}" "$better"
	done
}
is()
{
	local got
	got=$(awk -F'\t' -v OFS=' ' -v m="$1" '$3 == m { print $8, $9, $10, $11, $12, $13, $15, $16, $17 }' "$work/stats")
	if [ "$got" = "$2" ]; then tally ok "statistics: $1"; else tally fail "statistics: $1" "got '$got', wanted '$2'"; fi
}

quiet="100:100 100:101 100:99 100:100 100:100 100:100"
loud="100:80 100:130 100:100 100:100 100:100 100:100"
{
	# shellcheck disable=SC2086
	for m in six_pairs five_pairs four_pairs twelve_pairs lost_partner zero_both zero_base within even_median; do
		figures aa $m lower $quiet
	done
	# shellcheck disable=SC2086
	for m in loud_and_small loud_and_large; do figures aa $m higher $loud; done
	figures ab six_pairs lower 100:50 100:51 100:52 100:53 100:54 100:55
	figures ab five_pairs lower 100:150 100:151 100:152 100:153 100:154
	figures ab four_pairs lower 100:50 100:51 100:52 100:53
	figures ab twelve_pairs lower 100:112 100:111 100:110 100:109 100:108 100:107 100:106 100:105 100:104 100:103 100:102 100:101
	figures ab lost_partner lower 100:50 100: 100:52 100:53 100:54 100:55 100:56
	figures ab zero_both lower 0:0 0:0 0:0 0:0 0:0 0:0
	figures ab zero_base lower 0:1 0:1 0:1 0:1 0:1 0:1
	figures ab within lower 100:100.5 100:100.5 100:100.5 100:100.5 100:100.5 100:100.5
	figures ab even_median lower 100:200 100:300 200:400 200:600 50:100 50:150
	figures ab patched_only lower :5 :6 :7 :8 :9 :10
	figures ab patched_twice lower :5 :6
	figures ab loud_and_small higher 100:110 100:111 100:112 100:110 100:111 100:112
	figures ab loud_and_large higher 100:210 100:211 100:212 100:210 100:211 100:212
} >"$work/figures"
"$top/scripts/bench-stats" "$work/figures" >"$work/stats"
# pairs, ratio, low, high, coverage, pairs against itself, lowest, highest, says
is six_pairs "6 0.5250 0.5000 0.5500 0.9688 6 0.9900 1.0100 better"
is five_pairs "5 1.5200 1.5000 1.5400 0.9375 6 0.9900 1.0100 worse"
is four_pairs "4 0.5150 0.5000 0.5300 0.8750 6 0.9900 1.0100 few"
# The third of twelve: 1 - 2 * (1 + 12 + 66) / 4096
is twelve_pairs "12 1.0650 1.0300 1.1000 0.9614 6 0.9900 1.0100 worse"
is lost_partner "6 0.5350 0.5000 0.5600 0.9688 6 0.9900 1.0100 better"
is zero_both "6 1.0000 1.0000 1.0000 0.9688 6 0.9900 1.0100 same"
is zero_base "0 - - - - 6 0.9900 1.0100 no-ratio"
is within "6 1.0050 1.0050 1.0050 0.9688 6 0.9900 1.0100 same"
is even_median "6 2.5000 2.0000 3.0000 0.9688 6 0.9900 1.0100 worse"
is patched_only "6 - 5.0000 10.0000 - 0 - - alone"
is patched_twice "2 - 5.0000 6.0000 - 0 - - few"
is loud_and_small "6 1.1100 1.1000 1.1200 0.9688 6 0.8000 1.3000 noisy"
is loud_and_large "6 2.1100 2.1000 2.1200 0.9688 6 0.8000 1.3000 better"

# How cost grows. point METRIC N BETTER UNPATCHED PATCHED
point() { printf 'icount\tt/j\t%s/n=%s\tns\t%s\t%s\t%s\n' "$1" "$2" "$3" "$4" "$5"; }
{
	point late 100 lower 100 10000
	point late 1 lower 1 1
	point late 10 lower 10 12
	point fixed 1 lower 1000 1000
	point fixed 10 lower 1009 1090
	point fixed 100 lower 1099 101000
	point rate 1 higher 100 100
	point rate 100 higher 1 0.005
	point nothing 0 lower 5 -
	point nothing 1 lower 0 -
	point nothing 2 lower 0 7
	point lonely 1 lower 1 1
} >"$work/points"
"$top/scripts/bench-growth" "$work/points" | cut -f3,7- | tr '\t' ' ' >"$work/growth"
# metric, from, to, points, exponent and bend of both
grows() { item "growth: ${1%% *}" grep -qxF "$1" "$work/growth"; }
grows "late 1 100 3 1.00 - 2.00 100"
grows "fixed 1 100 3 0.02 - 1.00 100"
grows "rate 1 100 2 1.00 - 2.15 100"
grows "nothing 0 2 3 - - - -"
item "growth: a point alone is no curve" test "$(wc -l <"$work/growth")" = 4

# What a job may print, and what it may not.
judge()
{
	printf '60 t/bench/j /kselftest/t ./bench/j\n' >"$work/plan"
	{ echo '# steady: start t/bench/j'; printf '  %s\n' "$@"; echo 'ok 1 t/bench/j # time=1.0s'; } >"$work/verdict"
	: >"$work/console"
	"$top/scripts/verdict" "$work/plan" "$work/verdict" "$work/console" "$work/out" none | cut -f2,4 | tr '\t' ' '
}
item "a job with figures passes" test "$(judge 'what else it says' 'bench: a/N=4 1.5e+3 op/s higher')" = "pass -"
item "a job without figures fails" test "$(judge 'nothing')" = "fail no figures"
item "a figure without a direction fails" test "$(judge 'bench: a 1 s')" = "fail not METRIC VALUE UNIT higher|lower: bench: a 1 s"
item "a figure that is no number fails" test "$(judge 'bench: a nan s lower')" = "fail not METRIC VALUE UNIT higher|lower: bench: a nan s lower"
tally_end
