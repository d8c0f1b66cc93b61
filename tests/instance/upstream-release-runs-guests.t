#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# test-all
# series: first
# Claim: KVM of an upstream release, out of a released tarball, a folder or a git repository,
# becomes an instance for the distribution's kernel of that series, says so, and runs guests
# beside the KVM of the distribution.
#
# fails when: a rule does not hit what it should in that release (its instance is not built).
# Functions below are called by their names, through ok.
# shellcheck disable=SC2317
set -eu
cd "$(dirname "$0")/../.."

KVER=${KVER:-$(scripts/sources kver newest)}
export KVER
series=$(sed -E 's/^([0-9]+\.[0-9]+)\..*/\1/' <<<"$KVER")
place=$PWD/build/test/upstream/$KVER
mkdir -p "$place"
exec 8>"$place/.lock"
flock 8

if ! tarball=$(tests/sources/vanilla "$series" 2>"$place/said"); then
	echo "1..0 # SKIP no vanilla tarball: $(tail -n 1 "$place/said")"
	exit
fi
release=$(basename "$tarball" | sed -E 's/^linux[^_]*_(.*)\.orig\..*/\1/')

n=0
failed=0
ok() { # NAME COMMAND...
	n=$((n + 1))
	if "${@:2}" >"$place/said" 2>&1; then
		echo "ok $n - $1"
	else
		echo "not ok $n - $1"
		sed 's/^/#   /' "$place/said"
		failed=1
	fi
}

# A repository of the parts that KVM is in; always the same commit.
repository() {
	local as=(-c user.name=test -c user.email=test@example.org)
	rm -rf "$place/linux"
	mkdir "$place/linux"
	tar -x -f "$tarball" -C "$place/linux" --strip-components=1 --wildcards \
		--no-wildcards-match-slash 'linux*/Makefile' 'linux*/virt' 'linux*/include' \
		'linux*/arch/x86/kvm' 'linux*/arch/x86/include'
	git init -q -b main "$place/linux"
	git -C "$place/linux" add --force .
	GIT_AUTHOR_DATE=2000-01-01T00:00:00Z GIT_COMMITTER_DATE=2000-01-01T00:00:00Z \
		git -C "$place/linux" "${as[@]}" commit -q -m "Linux $release"
	git -C "$place/linux" tag "v$release"
}

snapshot() { # FORM FROM
	rm -rf "${place:?}/$1"
	scripts/snapshot "$2" --out "$place/$1"
}

same_digest() { cmp "$place/tarball/DIGEST" "$place/$1/DIGEST"; }

says() { # FIELD REGULAR-EXPRESSION
	local value
	value=$(modinfo -F "$1" "$place/kvm-a.ko")
	echo "$1: $value"
	[[ $value =~ ^$2$ ]]
}

runs_guests() {
	local module
	for module in build/test/"$KVER"/*.ko; do
		[ "${module##*/}" = kvm-a.ko ] || ln -sf "$PWD/$module" "$place"
	done
	MODULES=$place tests/one "amd:tests/vm/scenarios/two-instances-run-guests.c" \
		--keep "build/vm/$KVER/amd/upstream-release"
}

ok "$release has a snapshot, from its tarball" snapshot tarball "$tarball"
ok "its tree is put into a repository" repository
ok "a snapshot from the folder" snapshot folder "$place/linux"
ok "is the same" same_digest folder
ok "one from the tag v$release" snapshot git "$place/linux#v$release"
ok "is the same" same_digest git
commit=$(git -C "$place/linux" rev-parse --short=12 "v$release")
ok "it becomes an instance for $KVER, and passes the audit" scripts/build instance \
	--kernel "$KVER" --vac "build/test/$KVER/vac.ko" --tag a --out "$place/kvm-a.ko" \
	--from "$place/linux#v$release"
ok "which says release and commit" says snapshot "${release//./\\.}-g$commit"
ok "and the digest" says snapshot_digest "$(cat "$place/git/DIGEST")"
ok "it runs guests beside the distribution's" runs_guests
echo "1..$n"
exit "$failed"
