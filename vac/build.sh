#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run a module's build; when it fails, the last line says what it lacked. When that is more than
# one thing, each has a line above it, "MODULE: lacks: ...", twenty at most.
#
# usage: build.sh MODULE COMMAND... [KBUILD_EXTRA_SYMBOLS=FILE]
#
# dkms keeps the output as make.log. It starts this directly, since a make around
# it would print the last line.
set -eu

module=$1
shift
refuse() {
	echo "$module: not built for this kernel: $1" >&2
	exit 2
}

folder=
kdir=
for word; do
	case $word in
	/*/build) kdir=$word ;;
	M=*) folder=${word#*=}/ ;;
	KBUILD_EXTRA_SYMBOLS=*)
		[ -f "${word#*=}" ] ||
			refuse "multi-kvm is not installed for it (no ${word#*=})"
		;;
	esac
done

# /lib/modules/KERNEL says what that kernel has itself, unless only its headers are here. Of two
# modules of one name modprobe takes ours, and the kernel's own cannot be loaded any more.
if [ -n "$kdir" ]; then
	own=$(cat "${kdir%/build}/modules.order" "${kdir%/build}/modules.builtin" 2>/dev/null |
		awk -v "name=$(echo "$module" | tr - _)" '
			{ what = $0; sub(".*/", "", what); sub("\\.k?o$", "", what); gsub("-", "_", what) }
			what == name { print; exit }')
	[ -z "$own" ] || refuse "it has a module of this name itself ($own)"
fi

# The messages are read below; kbuild itself drops LC_ALL.
unset LC_ALL
export LANG=C LC_CTYPE=C LC_MESSAGES=C
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
status=0
{ { { "$@" -k 2>&1; echo "$?" >&3; } | tee "$log" >&4; } 3>&1 | { read -r code; exit "$code"; }; } \
	4>&1 || status=$?
if [ "$status" -eq 0 ]; then
	# kbuild succeeds when objtool warns of a return, an indirect branch or a missing ENDBR.
	warning=$(sed -n 's/.*warning: objtool: //p' "$log" | head -n 1)
	[ -z "$warning" ] || refuse "objtool: $warning"
	exit 0
fi

# An error in a line that a user's patch added is that patch's; the package lists these lines.
if [ -f "${folder}patched-lines" ]; then
	awk -v folder="$folder" '
		FILENAME != ARGV[ARGC - 1] { if ($1 != "gone") list[++n] = $0; next }
		index($0, folder) == 1 { $0 = substr($0, length(folder) + 1) }
		{ split($0, at, ":") }
		/^[^ ]*:[0-9]+:[0-9]+: (fatal )?error: / {
			for (i = 1; i <= n; i++) {
				split(list[i], range, " ")
				if (at[1] == range[1] && at[2] >= range[2] + 0 && at[2] <= range[3] + 0) {
					what = $0
					sub(/^.*: (fatal )?error: /, "", what)
					$0 = "patch " range[4] " does not compile: " what " (" at[1] ":" at[2] ")"
					break
				}
			}
		}
		{ print }' "${folder}patched-lines" "$log" >"$log.patched"
	mv "$log.patched" "$log"
fi

# Each message once, compared without its place; what follows from an error comes after it.
lacks=$(sed -n \
	-e "s|$folder||" \
	-e '/^patch [^ ]* does not compile: /p' \
	-e 's/^ERROR: modpost: "\(vac_[^"]*\)" \[.*\] undefined!.*/this multi-kvm has no \1()/p' \
	-e 's/^ERROR: modpost: "\([^"]*\)" \[.*\] undefined!.*/the kernel does not export \1/p' \
	-e 's/^\(.*\): error: implicit declaration of function .\([A-Za-z0-9_]*\).*/the kernel has no \2() (\1)/p' \
	-e 's/^\(.*\): fatal error: \(.*\): No such file.*/the kernel has no header \2 (\1)/p' \
	-e 's/^[^ ]*sh: [0-9]*: \([^ :]*\): not found$/\1 is not installed/p' \
	-e "s/^ld: .*: \(multiple definition of .*\);.*/\1/p" \
	-e 's/^\(.*\): error: \(.*\)/\2 (\1)/p' "$log" |
	awk '{ what = $0; sub(/ \([^()]*\)$/, "", what) } !seen[what]++')
count=$(echo "$lacks" | wc -l)
if [ "$count" -gt 1 ]; then
	echo "$lacks" | head -n 20 | sed "s/^/$module: lacks: /" >&2
	refuse "$(echo "$lacks" | head -n 1), and $((count - 1)) more"
fi
refuse "${lacks:-see the messages above}"
