#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# With vac and vac-vfio installed below updates/, depmod says of each module of the stock kernel what
# it says without them: what it needs, its aliases, the symbols it gives. On the newest kernel of each
# series, or those that are named (tests/flavours does for the other flavours).
#
# usage: tests/stock-modules-load-as-before.t [KVER...]
#
# It failed when vac-vfio exported its names with EXPORT_SYMBOL: kvm-amd, which needs kvm_put_kvm,
# depended on vac-vfio and vac, with our modprobe.d and without.
#
# Functions below are called by their names, through ok.
# shellcheck disable=SC2317
set -eu
cd "$(dirname "$0")/.."

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
said=$folder/said
count=0
failed=0
ok() { # ok CLAIM COMMAND...
	local claim=$1
	shift
	count=$((count + 1))
	if "$@" >"$said" 2>&1; then
		echo "ok $count - $claim"
		return
	fi
	failed=1
	echo "not ok $count - $claim"
	echo "#   false: $*"
	sed 's/^/#   /' "$said" | head -n 20
}

quiet() {
	"$@" && [ ! -s "$said" ]
}

# tree NAME [MODULE]...: the stock kernel's modules, and those as dkms installs them.
tree() {
	local to=$folder/$1/lib/modules/$kernel
	shift
	mkdir -p "$to/updates/dkms"
	ln -s "$image/lib/modules/$kernel/kernel" "$to/kernel"
	cp "$image/lib/modules/$kernel"/modules.{order,builtin,builtin.modinfo} "$to"
	[ $# -eq 0 ] || cp "$@" "$to/updates/dkms"
}
# What depmod wrote to FILE of a tree, but for what is said of vac itself.
stock_lines() {
	grep -v -e '^updates/dkms/vac' -e '^alias symbol:vac_[a-z0-9_]* vac$' \
		"$folder/$1/lib/modules/$kernel/$2" || true
}
same_lines() { diff <(stock_lines without "$1") <(stock_lines with "$1"); }
depends() { # depends TREE MODULE [CONFIGURATION]
	modprobe -d "$folder/$1" -S "$kernel" -C "${3:-/dev/null}" --show-depends "$2" |
		sed "s|$folder/$1||; s/ *$//"
}
same_depends() {
	depends without "$1" >"$folder/one" && depends with "$1" "${2-}" >"$folder/two" &&
		grep -q '^insmod ' "$folder/one" && diff "$folder/one" "$folder/two"
}
all_same_depends() {
	local name
	for name in $kvm_users; do
		same_depends "$name" || return
	done
}

if [ $# -eq 0 ]; then
	for series in $(scripts/sources series); do
		set -- "$@" "$(scripts/sources kver newest --series "$series")"
	done
fi
for kernel; do
	image=$(scripts/sources image "$kernel")
	built=build/stock/$kernel
	scripts/build vac --kernel "$kernel" --out "$built/vac.ko" >/dev/null
	rm -rf "$folder/without" "$folder/with"
	tree without
	tree with "$built/vac.ko" "$built/vac-vfio.ko"
	depmod -b "$folder/without" "$kernel"
	ok "$kernel: depmod warns of nothing" quiet depmod -b "$folder/with" "$kernel"
	for file in dep alias symbols softdep devname; do
		ok "$kernel: modules.$file is the same" same_lines "modules.$file"
	done
	kvm_users=$(sed -n 's|^\([^:]*\):.*/kvm\.ko.*|\1|p' \
		"$folder/without/lib/modules/$kernel/modules.dep" | xargs -n 1 basename | cut -d. -f1 | paste -sd ' ')
	ok "$kernel: modules that need kvm are known: $kvm_users" grep -q kvm-amd <<<"$kvm_users"
	ok "$kernel: each loads as before" all_same_depends
	ok "$kernel: kvm_amd does with our modprobe.d, too" \
		same_depends kvm_amd scripts/host/multi-kvm.conf
	ok "$kernel: vac-vfio is found by its name" test "$(depends with vac-vfio)" = \
		"insmod /lib/modules/$kernel/updates/dkms/vac.ko
insmod /lib/modules/$kernel/updates/dkms/vac-vfio.ko"
done
echo "1..$count"
exit $failed
