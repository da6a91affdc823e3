#!/usr/bin/env bash
# usage: compat.sh BASE...
# COW devices that go from kernel to kernel: what the unpatched one has written the patched one has to
# read, change and merge, and the other way round, within a base and from the last one to the first. Needs
# their kernels and kselftests in the cache. Prints one line an item and a count.
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../tally.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# chain NAME BASE:KERNEL:TASK...: boot one after the other on one disk (tasks: selftests/dm_snapshot/compat.c)
chain()
{
	local name=$1 n=0 step base kernel task why
	shift
	truncate -s 64M "$work/$name.img"
	printf 'dm_snapshot\tcompat\tdrive=file=%s,if=virtio,format=raw\t-\n' "$work/$name.img" >"$work/$name.rows"
	for step; do
		IFS=: read -r base kernel task <<<"$step"
		n=$((n + 1))
		printf '%-512s' "$task" | sed '1s/^\([a-z]*\) /\1\n/' | dd of="$work/$name.img" conv=notrunc status=none
		STEADY_TESTS=$work/$name.rows STEADY_TIMEOUT=120 \
			"$top/scripts/run" "$base" "$kernel" all "$work/$name-$n" >"$work/$name-$n.log" 2>&1 ||
			{ echo "boot $n: $(tail -n 1 "$work/$name-$n.log")"; return 1; }
		why=$(awk -F'\t' '$2 != "pass" { print $2 ": " $4 }' "$work/$name-$n/tests.tsv")
		[ -z "$why" ] || {
			echo "boot $n, $kernel $base, $task: $why: $(grep -m 1 -E '^ *# .*(differ|status|Expected)' \
				"$work/$name-$n/dm_snapshot.compat.ktap" || :)"
			return 1
		}
	done
}

for base; do
	valid_base "$base"
	item "$base: a COW device of the unpatched kernel, written and merged by the patched one" \
		chain "$base-old" "$base:base:create" "$base:patched:write" "$base:base:write" "$base:patched:merge"
	item "$base: a COW device of the patched kernel, written and merged by the unpatched one" \
		chain "$base-new" "$base:patched:create" "$base:base:write" "$base:patched:write" "$base:base:merge"
done
new=$1 old=${*: -1}
if [ "$new" != "$old" ]; then
	item "$old to $new: a COW device of the unpatched kernel goes to the patched one and back" \
		chain across "$old:base:create" "$new:patched:write" "$old:base:write" "$new:patched:merge"
fi
tally_end
