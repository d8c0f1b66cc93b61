#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Claim: an Intel machine of a kind is booted and saved once; those after it go on from there with their
# own scenario; another kind, a state that is damaged and one whose maker was killed are made anew.
#
# A kind is one that nobody else has, by its size of memory.
#
# fails when: state() leaves the configuration out of the digest (another kind is not booted), is_whole()
# asks for nothing (the damaged one dies), or the state has no lock (two boot at once).
# Functions below are called by their names, through ok.
# shellcheck disable=SC2317
set -eu
cd "$(dirname "$0")/.."

n=0
failed=0
folder=build/test/saved-states
rm -rf "$folder"
mkdir -p "$folder"
FIRST=321
SECOND=322
THIRD=323
ok() { # CLAIM COMMAND...
	n=$((n + 1))
	if "${@:2}"; then
		echo "ok $n - $1"
		return
	fi
	failed=1
	echo "not ok $n - $1"
	tail -n 15 "$folder"/said.* | sed 's/^/#   /'
}

KVER=${KVER:-$(scripts/sources kver newest)}
gcc -static -std=gnu11 -O2 -Wall -Wextra -Werror -o "$folder/selftest" tests/vm/selftest.c

# What it said is in said.NAME.
machine() { # NAME MEMORY ARGUMENT
	tests/vm/machine --machine intel --kernel "$KVER" --scenario "saved-$1" --memory "$2" \
		--program "$folder/selftest" --arg "$3" \
		--keep "$folder/$1" >"$folder/said.$1" 2>&1 || true
}
booted() { grep -q '^# booted and saved' "$folder/said.$1"; }
verdict() { grep -q "^# verdict: $2 " "$folder/said.$1"; }
# Folders of states, also of one that is being made.
states() { # MEMORY
	find build/vm -path 'build/vm/state-*/memory.ram' -size "$1M" -printf '%h\n' |
		sed 's|/state$||'
}
tidy() {
	# shellcheck disable=SC2046	# words
	kill $(jobs -pr) 2>/dev/null || true
	for memory in $FIRST $SECOND $THIRD; do
		states "$memory" | xargs -r -I {} rm -rf {} {}.lock
	done
}
tidy	# after one that was killed
trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

machine first $FIRST pass
ok "the first machine of a kind is booted and saved" booted first
ok "and runs its scenario" verdict first pass
machine second $FIRST status
ok "the second goes on from there" eval '! booted second'
ok "with its own" verdict second fail

truncate -s 1M "$(states $FIRST)/memory.ram"
machine damaged $FIRST pass
ok "what was damaged is made anew" booted damaged
ok "and works" verdict damaged pass

machine third $SECOND pass &
third=$!
machine fourth $SECOND pass
wait "$third"
ok "of two at once of another kind one boots" \
	test "$(cat "$folder"/said.third "$folder"/said.fourth | grep -c '^# booted and saved')" = 1
ok "and both run" eval 'verdict third pass && verdict fourth pass'

# Killed while it boots, when its memory is a file: its emulator dies with it.
machine killed $THIRD pass 2>/dev/null &
killed=$!
while [ -z "$(states $THIRD)" ] && kill -0 "$killed"; do
	sleep 0.1
done
rest=$(states $THIRD)
pkill -9 -P "$killed"
wait "$killed" 2>/dev/null || true
ok "one that is killed leaves no state" test "${rest%.new}" != "$rest" -a ! -e "${rest%.new}"
machine after $THIRD pass
ok "the next one boots" booted after
ok "runs" verdict after pass
ok "and leaves no rest" test ! -e "$rest"

echo "1..$n"
exit $failed
