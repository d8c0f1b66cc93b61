#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# test-all
#
# What multi-kvm-build depends on is enough: on a minimal Debian 12 with that and nothing else an
# ordinary user makes an instance's source package out of a snapshot, the same as here, and a
# Debian package of it; and nothing is written where it is installed.
#
# It failed when
#   coccinelle was no dependency   the rewrite named spatch and its package
#   BUILD was ROOT/build           "Permission denied: '/usr/lib/multi-kvm/build'"
# Functions below are called by their names, through ok.
# shellcheck disable=SC2317
set -eu
cd "$(dirname "$0")/../.."
. tests/dkms/chroot.sh

work=$PWD/build/test/deb/build
if [ $# -eq 0 ]; then
	command -v dh >/dev/null || skip_all "debhelper is missing; next: scripts/setup deb"
	# As whoever runs the tests: what is made under build/ is theirs.
	kernel=${KVER:-$(scripts/sources kver newest)}
	snapshot=$(scripts/snapshot "$(scripts/sources releases newest --kernel "$kernel")")
	package=$(scripts/rewrite --tag a --out build/packages --snapshot "$snapshot")
	rm -rf "$work"
	mkdir -p "$work"
	scripts/deb --out "$work" >/dev/null
	as_root "$0" "$snapshot" "$package"
fi
snapshot=$1
package=$2
deb=$(echo "$work"/multi-kvm-build_*.deb)

new_root build
# This machine's apt, as in tests/dkms/root. A name is installed, a choice or a version is not needed.
mapfile -t needed < <(dpkg-deb -f "$deb" Depends | tr -d ' ' | tr , '\n' | sed 's/[:(|].*//')
if ! apt-get -y --no-install-recommends \
	-o Dir::State::status="$root/var/lib/dpkg/status" \
	-o Dir::State::extended_states="$root/var/lib/apt/extended_states" \
	-o Dir::Cache::archives="$root/var/cache/apt/archives" \
	-o DPkg::Chroot-Directory="$root" -o Debug::NoLocking=true \
	-o DPkg::Options::=--force-unsafe-io -o APT::Sandbox::User=root \
	install "${needed[@]}" </dev/null >"$said" 2>&1 9>&-; then
	skip_all "apt cannot install what it depends on: $(tail -n 1 "$said")"
fi
cp "$deb" "$root/multi-kvm-build.deb"
cp -R "$snapshot" "$root/snapshot"
cp -R "$package" "$root/here"
run dpkg -i /multi-kvm-build.deb
ok "it is installed and configured" test "$status" -eq 0
(cd "$root/usr/lib/multi-kvm" && find . | sort) >"$folder/before"

mkdir -m 777 "$root/out" "$root/tmp/home"
as=(setpriv --reuid=65534 --regid=65534 --clear-groups)
scripts=/usr/lib/multi-kvm/scripts
run env HOME=/tmp/home $scripts/rewrite --snapshot /snapshot --tag a --out /out
ok "the rewrite works" test "$status" -eq 0
ok "and makes what it makes here" diff -r "$root/here" "$root$(tail -n 1 "$said")"
run env HOME=/tmp/home $scripts/package "/out/${package##*/}" --out /out
ok "so does the packaging" test "$status" -eq 0 -a -f "$root$(tail -n 1 "$said")"
run env HOME=/tmp/home $scripts/audit /out/none.ko
ok "the audit can be called" test "$status" -eq 2
ok "its cache is the user's" test -d "$root/tmp/home/.cache/multi-kvm"
ok "nothing is written where it is installed" diff "$folder/before" \
	<(cd "$root/usr/lib/multi-kvm" && find . | sort)
as=()
run dpkg --purge multi-kvm-build
ok "purged, it is gone" test "$status" -eq 0 -a ! -e "$root/usr/lib/multi-kvm"
echo "1..$count"
exit $failed
