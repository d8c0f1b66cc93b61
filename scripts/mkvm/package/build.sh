#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Run the build given as arguments; when it fails, say in the last line what it lacked.
set -eu

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
{ { { "$@" 2>&1; echo "$?" >&3; } | tee "$log" >&4; } 3>&1 | { read -r code; exit "$code"; }; } \
	4>&1 || status=$?
[ "$status" -ne 0 ] || exit 0

first=$(sed -n \
	-e 's/^ERROR: modpost: "\(vac_[^"]*\)" \[.*\] undefined!.*/this multi-kvm has no \1()/p' \
	-e 's/^ERROR: modpost: "\([^"]*\)" \[.*\] undefined!.*/the kernel does not export \1/p' \
	-e 's/^\(.*\): error: implicit declaration of function .\([A-Za-z0-9_]*\).*/the kernel has no \2() (\1)/p' \
	-e 's/^\(.*\): fatal error: \(.*\): No such file.*/the kernel has no header \2 (\1)/p' \
	-e "s/^ld: .*: \(multiple definition of .*\);.*/\1/p" \
	-e 's/^\(.*\): error: \(.*\)/\2 (\1)/p' "$log" | head -n 1)
echo "@MODULE@: not built for this kernel: ${first:-see the messages above}" >&2
exit 2
