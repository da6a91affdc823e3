# shellcheck shell=bash
# What is counted: items that hold or do not. Source it after lib.sh.
#
#   tally ok|fail|skip NAME [WHY]   count and print one item; NAME says what holds
#   item NAME CMD...                an item that holds if CMD succeeds; its output is shown if not
#   tally_end                       the closing line; fails if an item failed

passed=0 failed=0 skipped=0
tally()
{
	case $1 in
	ok) passed=$((passed + 1)); printf 'ok - %s\n' "$2" ;;
	skip) skipped=$((skipped + 1)); printf 'ok - %s # SKIP %s\n' "$2" "${3:-}" ;;
	*) failed=$((failed + 1)); printf 'not ok - %s%s\n' "$2" "${3:+: $3}" ;;
	esac
}

item()
{
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		tally ok "$name"
	else
		tally fail "$name"
		printf '%s\n' "$out" | tail -n 20
	fi
}

tally_end()
{
	printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
	[ "$failed" -eq 0 ]
}
