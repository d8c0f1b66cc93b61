#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# test-all
# Claim: with the module of the package multi-kvm a policy gives the nodes of instances the type of
# /dev/kvm, and nothing else another one.
#
# fails when: its path matches one letter only (/dev/kvm-fix_2 has no type), or any word after kvm
# (/dev/kvm-2 and /dev/kvmx have it).
# Functions below are called by their names, through ok.
# shellcheck disable=SC2317
set -eu
cd "$(dirname "$0")/../.."
. tests/dkms/chroot.sh

[ $# -gt 0 ] || as_root "$0" in
new_root selinux
tests/host/apt "$root" install selinux-policy-default policycoreutils selinux-utils \
	>"$said" 2>&1 9>&- || skip_all "SELinux's packages cannot be installed"
contexts=/etc/selinux/default/contexts/files/file_contexts

type_of() { # NODE
	inside matchpathcon -n -f $contexts -m chr "$1" | cut -d : -f 3
}
is() { # TYPE NODE
	type_of "$2" >"$said" 2>&1
	[ "$(cat "$said")" = "$1" ]
}

ok "the policy knows /dev/kvm" is kvm_device_t /dev/kvm
before=$(type_of /dev/kvm-a)
ok "and no node of an instance" test "$before" != kvm_device_t
cp "$root$contexts" "$folder/before"
cp scripts/host/multi-kvm.cil "$root/tmp"
run semodule -n -s default -i /tmp/multi-kvm.cil
ok "the module is installed" test "$status" -eq 0
for node in /dev/kvm /dev/kvm-a /dev/kvm-fix_2; do
	ok "$node has that type" is kvm_device_t $node
done
for node in /dev/kvm-2 /dev/kvmx /dev/null; do
	ok "$node has not" test "$(type_of $node)" != kvm_device_t
done
diff "$folder/before" "$root$contexts" >"$said" || true
ok "one line is new" test "$(grep -c '^[<>]' "$said")" -eq 1
run semodule -n -s default -r multi-kvm
ok "the module is removed" test "$status" -eq 0
ok "and with it the type" is "$before" /dev/kvm-a
echo "1..$count"
exit $failed
