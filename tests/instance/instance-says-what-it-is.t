#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Claim: a built instance says what it was made from, has every parameter of the stock modules under
# its stock name and no other but allow_unmitigated, exports nothing, loads by name only, puts its
# name before what it logs, and passes the audit; the stock module does not.
#
# fails when: the rule fold leaves out a vendor's "nested" and the glue does not have it (the
# parameters differ), the rule drop-cpu-autoload is left out (an alias), or log-level
# (messages that say only "kvm: ").
# Functions below are called by their names, through ok.
# shellcheck disable=SC2317
set -eu
cd "$(dirname "$0")/../.."

KVER=${KVER:-$(scripts/sources kver newest)}
modules=build/test/$KVER
instance=$modules/kvm-a.ko
release=$(scripts/sources releases newest --kernel "$KVER")
n=0
failed=0

ok() { # NAME COMMAND...
	n=$((n + 1))
	if "${@:2}" >"$modules/said" 2>&1; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		sed 's/^/#   /' "$modules/said"
		failed=1
	fi
}

says() { # FIELD REGULAR-EXPRESSION
	local value
	value=$(modinfo -F "$1" "$instance")
	echo "$1: $value"
	[[ $value =~ ^$2$ ]]
}

parameters() { modinfo -F parm "$@" | sed 's/:.*//' | sort -u; }

same_parameters() {
	diff <({
		parameters "$modules/kvm.ko" "$modules/kvm-amd.ko" "$modules/kvm-intel.ko"
		echo allow_unmitigated
	} | sort) \
		<(parameters "$instance")
}

nothing() { # COMMAND...
	local said
	said=$("$@")
	echo "$said"
	[ -z "$said" ]
}

fails() { # COMMAND...
	! "$@"
}

# What a module can log: its strings that have a level, KERN_SOH. Those that do not begin with the name.
untagged() { # MODULE NAME
	local section
	for section in 1.1 1.8; do
		objcopy -O binary --only-section=".rodata.str$section" "$1" "$modules/strings"
		grep -azP '^\x01[0-7][\n -~]{4,}$' "$modules/strings" || true
	done | tr '\n\0' ' \n' | tr -d '\001' | grep -v "^[0-7]$2: " || true
}

exports() { nm "$1" | grep -E ' (__ksymtab|__kstrtab)' || true; }

echo 1..13
ok "its name is the tag's" says name 'kvm_a'
ok "it names the release of its snapshot" says snapshot "${release//./\\.}"
ok "and the snapshot's digest" says snapshot_digest '[0-9a-f]{64}'
ok "and the rule set's" says rules_digest '[0-9a-f]{64}'
ok "and the user's patches" says patches 'none'
ok "and the vac interface it wants" says vac_interface '[0-9]+\.[0-9]+'
ok "its parameters are those of the three stock modules" same_parameters
ok "it exports nothing" nothing exports "$instance"
ok "it has no alias" nothing modinfo -F alias "$instance"
ok "all that it can log begins with its name" nothing untagged "$instance" kvm_a
ok "which does not go for the stock module" fails nothing untagged "$modules/kvm.ko" kvm
ok "it passes the audit" scripts/audit "$instance"
ok "the stock module does not" fails scripts/audit "$modules/kvm-amd.ko"
exit "$failed"
