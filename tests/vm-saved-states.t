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

if [ "${BOCHS-}" = package ] || [ ! -e build/bochs/bochs ]; then
	echo "1..0 # SKIP Debian's Bochs is used, which saves no machine"
	exit
fi
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
# The folder of that state, and of one that is being made.
state() { # MEMORY
	grep -l "^memory: guest=$1," build/vm/state-*/config 2>/dev/null | sed 's|/config$||'
}
being_made() { # MEMORY
	grep -l "^memory: guest=$1," build/vm/state-*.new/bochsrc 2>/dev/null | sed 's|/bochsrc$||'
}
tidy() {
	# shellcheck disable=SC2046	# words
	kill $(jobs -pr) 2>/dev/null || true
	for memory in $FIRST $SECOND $THIRD; do
		{
			state "$memory"
			being_made "$memory" | sed 's/\.new$//'
		} | xargs -r -I {} rm -rf {} {}.new {}.lock
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

damaged=$(state $FIRST)
[ -z "$damaged" ] || truncate -s 1M "$damaged/memory.ram"
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

# Killed while it boots: its emulator dies with it.
setsid tests/vm/machine --machine intel --kernel "$KVER" --scenario saved-killed --memory $THIRD \
	--program "$folder/selftest" --arg pass --keep "$folder/killed" >"$folder/said.killed" 2>&1 &
killed=$!
while rest=$(being_made $THIRD) && [ -z "$rest" ] && kill -0 "$killed" 2>/dev/null; do
	sleep 0.1
done
kill -9 "$killed"
wait "$killed" 2>/dev/null || true
ok "one that is killed while it boots leaves no state" test -n "$rest" -a ! -e "${rest%.new}"
machine after $THIRD pass
ok "the next one boots" booted after
ok "runs" verdict after pass
ok "and leaves no rest" test ! -e "$rest"

echo "1..$n"
exit $failed
