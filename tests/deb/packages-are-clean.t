#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make deb and scripts/package make packages of which lintian says nothing, the same bytes each
# time, with each file where the host looks for it; and refuse what is no module for that kernel.
#
# It failed when
#   the copyright named no year           lintian: copyright-without-copyright-notice
#   a changelog had the other kind's name lintian: debian-changelog-file-missing-or-wrong-name
#   the name of a file was too long       lintian: package-has-long-file-name, now overridden
#   the time of making was in it          "made again they are the same" was not ok
#   the unit said Type=oneshoot           systemd-analyze named the line
#   a hook was no program                 its mode was -rw-r--r--
#   the blacklist was put to /etc         "nothing holds the stock KVM back" was not ok
#   each version had the same time        "one that is made later is newer" was not ok
#   vermagic was not compared             modules of another kernel were packed
#   a signature was not looked for        a module had two
# Functions below are called by their names, through ok.
# shellcheck disable=SC2317
set -eu
cd "$(dirname "$0")/../.."
. tests/dkms/chroot.sh
. tests/deb/lib.sh

for program in lintian dpkg-buildpackage dh openssl; do
	command -v "$program" >/dev/null || skip_all "$program is missing; next: scripts/setup deb"
done
kernel=${KVER:-$(scripts/sources kver newest)}
series=$(scripts/sources series "$kernel")
folder=$PWD/build/test/deb/clean
rm -rf "$folder"
mkdir -p "$folder"
said=$folder/said
: >"$said"
export SOURCE_DATE_EPOCH=1700000000

clean() { lintian --fail-on error,warning,info "$@" >"$said" 2>&1; }
run() {
	status=0
	echo "# $*"
	"$@" >"$said" 2>&1 || status=$?
}
has() { # has DEB PATH [MODE]
	dpkg-deb -c "$1" >"$said"
	grep -q "^${3:-.*} .* \.$2\$" "$said"
}
lacks() { ! has "$@"; }

# Ours.
run scripts/deb --out "$folder/a"
ok "the packages are made" test "$status" -eq 0
version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"$/\1/p' dkms.conf)
tool=$folder/a/multi-kvm_${version}_amd64.deb
vac=$folder/a/multi-kvm-dkms_${version}_all.deb
maker=$folder/a/multi-kvm-build_${version}_all.deb
ok "lintian says nothing of them" clean "$folder/a/multi-kvm_${version}_amd64.changes"
run scripts/deb --out "$folder/b"
ok "made again they are the same" \
	cmp <(cd "$folder/a" && sha256sum -- *.deb) <(cd "$folder/b" && sha256sum -- *.deb)
run scripts/deb --out "$folder/c" --version 7.1
# shellcheck disable=SC2016	# dkms's own variable
ok "the version of dkms.conf follows the package's" test -n "$(dpkg-deb --fsys-tarfile \
	"$folder"/c/multi-kvm-dkms_7.1_all.deb | tar -xO ./usr/src/multi-kvm-7.1/dkms.conf |
	grep 'M=$dkms_tree/multi-kvm/7.1/build/vac modules')"
rm -rf "$folder/b" "$folder/c"

ok "udev finds the rule" has "$tool" /lib/udev/rules.d/65-multi-kvm.rules -rw-r--r--
ok "libvirt's AppArmor profiles include the drop-in" \
	has "$tool" /etc/apparmor.d/abstractions/consoles.d/multi-kvm -rw-r--r--
ok "the kernel's hooks are programs" has "$tool" /etc/kernel/postinst.d/zz-multi-kvm -rwxr-xr-x
ok "the headers' as well" has "$tool" /etc/kernel/header_postinst.d/multi-kvm -rwxr-xr-x
ok "nothing in the package holds the stock KVM back" lacks "$tool" '/etc/modprobe.d/.*'
ok "what the tool writes there it has as a template" \
	has "$tool" /usr/share/multi-kvm/multi-kvm.conf
ok "what makes instances is where the tool looks" \
	has "$maker" /usr/lib/multi-kvm/scripts/rewrite -rwxr-xr-x
ok "without what hosts or packages are made of" lacks "$maker" '/usr/lib/multi-kvm/scripts/debian/.*'
ok "no package has dkms's own snippets" test -z "$(for deb in "$tool" "$vac"; do
	dpkg-deb --ctrl-tarfile "$deb" | tar -xO | grep common.postinst
done)"
mkdir "$folder/root"
dpkg-deb -x "$tool" "$folder/root"
if command -v systemd-analyze >/dev/null; then
	for target in sysinit local-fs shutdown; do
		cp "/lib/systemd/system/$target.target" "$folder/root/lib/systemd/system"
	done
	cp /lib/systemd/system/systemd-modules-load.service "$folder/root/lib/systemd/system"
	run systemd-analyze verify --man=no --recursive-errors=no --root="$folder/root" \
		multi-kvm.service
	ok "systemd has no complaint about the unit" test "$status" -eq 0 -a ! -s "$said"
fi

# Instances.
tiny a_b 1.0-2.r12345678 "" "$folder"
run scripts/package "$folder/kvm-a_b-1.0-2.r12345678" --out "$folder/i"
deb=$folder/i/kvm-a-b-dkms_1.0-2+20231114.221320.r12345678_all.deb
ok "the package of an instance is made" test "$status" -eq 0 -a -f "$deb"
ok "lintian says nothing of it" clean "$deb"
ok "its source is where dkms looks" has "$deb" /usr/src/kvm-a_b-1.0-2.r12345678/dkms.conf
SOURCE_DATE_EPOCH=1700000001 run scripts/package "$folder/kvm-a_b-1.0-2.r12345678" --out "$folder/i"
ok "one that is made later is newer" dpkg --compare-versions \
	"$(dpkg-deb -f "$(cat "$said")" Version)" gt "$(dpkg-deb -f "$deb" Version)"
make -s multikvm
(cd "$folder" && run "$OLDPWD/build/multikvm" package kvm-a_b-1.0-2.r12345678 --out i --json)
ok "multikvm names it as JSON, paths of here" test "$(tr -d ' \n' <"$said")" = \
	"{\"packaged\":[\"$(tr -d ' ' <<<"i/${deb##*/}")\"]}"
run scripts/package "$folder" --out "$folder/i"
ok "what is no source package is not found" test "$status" -eq 2
run scripts/package "$folder/kvm-a_b-1.0-2.r12345678" --key x --cert y --out "$folder/i"
ok "a key for what has no module is a mistake" test "$status" -eq 1

# Modules: vac as scripts/build makes it, and the tiny instance.
vac_ko=$(scripts/build vac --kernel "$kernel" 2>"$said" | sed -n 1p)
kdir=$(scripts/sources headers "$kernel")
make -C "$kdir" M="$folder/kvm-a_b-1.0-2.r12345678" \
	KBUILD_EXTRA_SYMBOLS="$(realpath "${vac_ko%.ko}.symvers")" modules >"$said" 2>&1
modules=("$vac_ko" "${vac_ko%.ko}-vfio.ko" "$folder/kvm-a_b-1.0-2.r12345678/kvm-a_b.ko")
package() { run scripts/package "$folder/kvm-a_b-1.0-2.r12345678" --out "$folder/m" "$@"; }
package --kernel "$kernel" --modules "${modules[@]}"
ok "the packages of modules are made" test "$status" -eq 0 -a "$(wc -l <"$said")" -eq 2
mapfile -t made <"$said"
ok "lintian says nothing of them" clean "${made[@]}"
ok "vac's has vac and vac-vfio" has "${made[0]}" \
	"/lib/modules/$kernel/updates/multi-kvm/vac-vfio.ko"
ok "the instance's has that alone" test "$(dpkg-deb -c "${made[1]}" | grep -c '\.ko$')" -eq 1
ok "nobody signed it" test -z "$(dpkg-deb --fsys-tarfile "${made[1]}" |
	tar -xO "./lib/modules/$kernel/updates/multi-kvm/kvm-a_b.ko" | grep -ac '^~Module sig' | grep -v 0)"
openssl req -new -x509 -newkey rsa:2048 -nodes -days 9 -subj "/CN=fleet key" \
	-keyout "$folder/key" -out "$folder/cert" 2>/dev/null
package --kernel "$kernel" --modules "${modules[@]}" --key "$folder/key" --cert "$folder/cert"
ok "with a key they are made, too" test "$status" -eq 0
dpkg-deb -x "$(tail -n 1 "$said")" "$folder/signed"
ok "and signed by it" test "$(modinfo -F signer \
	"$folder/signed/lib/modules/$kernel/updates/multi-kvm/kvm-a_b.ko")" = "fleet key"
package --kernel "$kernel" --key "$folder/key" --cert "$folder/cert" --modules \
	"$folder/signed/lib/modules/$kernel/updates/multi-kvm/kvm-a_b.ko"
ok "what is signed is not signed again" test "$status" -eq 3
package --kernel 6.1.0-1-amd64 --modules "${modules[@]}"
ok "modules of another kernel are refused" test "$status" -eq 3
ok "with both kernels" grep -q "for the kernel $kernel, not for 6.1.0-1-amd64" "$said"
package --kernel "$kernel" --modules "${modules[0]}"
ok "vac without vac-vfio is a mistake" test "$status" -eq 1
package --kernel "$kernel" --modules "$said"
ok "so is a file of another name" test "$status" -eq 1
package --kernel "$kernel" --modules "${modules[@]}" --key "$folder/none" --cert "$folder/cert"
ok "a key that is not there is not found" test "$status" -eq 2
echo "1..$count"
exit $failed
