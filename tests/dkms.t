#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The DKMS packages and scripts/install, in a clean Debian 12 without Coccinelle, for a
# kernel whose headers alone are there.
#
# It failed when
#   keep-symvers.sh was left out          kvm-a: "multi-kvm is not installed for it"
#   AUTOINSTALL was "yes" for all kernels autoinstall of an unsupported one ended with 11
#   dkms called make, not build.sh        the last line was make's "Error 2"
#   BUILD_DEPENDS was left out            autoinstall built kvm-tiny before vac
#   the snapshot's series was 6.1 6.12    kvm-tiny was built for a kernel of the other one
#   uninstall left the udev rule          the list of files before and after differed
#   modprobe.d was empty                  the CPU's alias loaded kvm_amd
#   the audit was not asked               what it finds was installed
#   its version was not removed           dkms had kvm-tiny/2.3 as built
# Functions below are called by their names, through ok.
# shellcheck disable=SC2317
set -eu
cd "$(dirname "$0")/.."
. tests/dkms/chroot.sh

if [ $# -eq 0 ]; then
	# As whoever runs the tests: what is made under build/ is theirs.
	kernel=${KVER:-$(scripts/sources kver newest)}
	package=$(scripts/rewrite --tag a --out build/packages \
		--snapshot "$(scripts/snapshot "$(scripts/sources releases newest --kernel "$kernel")")")
	modules=$(scripts/sources image "$kernel")/lib/modules/$kernel
	as_root tests/dkms.t "$kernel" "$package" "$modules"
fi
kernel=$1
package=$2
modules=$3
version=${package##*/kvm-a-}
unsupported=6.11.0-1-amd64
other=$(scripts/sources series | grep -vxF -m1 "$(scripts/sources series "$kernel")").0-1-amd64

files() { (cd "$root" && find usr/src etc lib/modules var/lib/dkms | grep -v '/mok\.\|/modules\.' | sort); }
same_files() { files | diff "$folder/before" - >"$said"; }
# What depmod says, without what it says of ours.
depends() { grep -v '^updates/' "$root/lib/modules/$kernel/modules.dep"; }
stock_depends() { depends | diff "$folder/modules.dep" - >"$said"; }
same_depends() {
	local file
	for file in modules.dep modules.symbols; do
		diff "$folder/$file" "$root/lib/modules/$kernel/$file" >"$said" || return
	done
}
# The last line of what a failed build of PACKAGE VERSION left behind.
last_line() { tail -n 1 "$root/var/lib/dkms/$1/$2/build/make.log" | tee "$said"; }
ends_with() { [ "$(last_line "$1" "$2")" = "$1: not built for this kernel: $3" ]; }
before() { # before A B: A is said in an earlier line than B
	local first second
	first=$(grep -nF -m1 -- "$1" "$said" | cut -d: -f1)
	second=$(grep -nF -m1 -- "$2" "$said" | cut -d: -f1)
	[ -n "$first" ] && [ -n "$second" ] && [ "$first" -lt "$second" ]
}

new_root run "$kernel"
mkdir -p "$root/lib/modules/$unsupported/build/include" "$root/work/scripts" \
	"$root/etc/udev/rules.d"
cp -R dkms.conf vac "$root/work"
cp -R scripts/install scripts/host "$root/work/scripts"
cp -R "$package" "$root/work/package"
install=/work/scripts/install
cp -R "$modules/kernel/arch/x86/kvm" "$modules/kernel/virt/lib" "$modules/kernel/drivers/crypto/ccp" \
	"$root/lib/modules/$kernel"
cp "$modules"/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$kernel"
inside depmod "$kernel"
cp "$root/lib/modules/$kernel/modules.dep" "$root/lib/modules/$kernel/modules.symbols" "$folder"
files >"$folder/before"
ok "there is no Coccinelle" test ! -e "$root/usr/bin/spatch"

# The stock module stays out until it is named.
loads_stock() { # with modprobe's configuration $1, what $2 names
	modprobe -d "$root" -S "$kernel" -C "$1" --show-depends "$2" 2>/dev/null >"$said" || true
	grep -q '^insmod.*/kvm-amd\.ko' "$said"
}
holds_stock() { ! loads_stock "$@"; }
cpu='cpu:type:x86,ven0002fam0017mod0001:feature:,0000,0057,00C2,'
ok "without our file the CPU loads stock KVM" loads_stock /dev/null "$cpu"
ok "with it the CPU loads nothing" holds_stock scripts/host/multi-kvm.conf "$cpu"
ok "its name still loads it" loads_stock scripts/host/multi-kvm.conf kvm_amd

# Refusals.
run setpriv --reuid=65534 --clear-groups $install a --package /work/package
ok "without root it is refused" test "$status" -eq 3
ok "and told so" says "next: the same command with sudo"
run $install a --package /work/package --kernel 6.1.0-1-amd64
ok "without headers it is refused" test "$status" -eq 2
ok "and the package is named" says "linux-headers-6.1.0-1-amd64"
run $install a --package /work/package --kernel $unsupported
ok "an unsupported kernel is refused to who names it" test "$status" -eq 3
run $install a --uninstall
status=0
DESTDIR=$folder/dest scripts/install a --kernel "$kernel" --kernel "$other" >"$said" 2>&1 9>&- ||
	status=$?
ok "the newest release for kernels of two series is refused" test "$status" -eq 1
ok "and the next step says how to choose one" says "next: the same with SERIES=6."
run env DESTDIR=/work/dest $install a --package /work/package
ok "with DESTDIR the files are put there" test "$status" -eq 0 -a \
	-f "$root/work/dest/usr/src/kvm-a-$version/dkms.conf" -a \
	-f "$root/work/dest/usr/src/multi-kvm-1.0/vac/Kbuild" -a \
	-f "$root/work/dest/etc/modprobe.d/multi-kvm.conf"
run env DESTDIR=/work/dest $install a --uninstall
ok "and taken away again" test -z "$(find "$root/work/dest" -type f)"
ok "that leaves nothing" same_files

# A tiny package out of the same templates, for what does not need a whole KVM.
tiny() { # tiny VERSION LACKS [FOLDER]
	local to=$root${3:-/usr/src}/kvm-tiny-$1
	mkdir "$to"
	cp vac/build.sh tests/dkms/one.c "$to"
	sed "s/kvm-a/kvm-tiny/g; s/$version/$1/g" "$package/dkms.conf" >"$to/dkms.conf"
	printf 'obj-m := kvm-tiny.o\nkvm-tiny-y := one.o\n%s\n' \
		"${2:+ccflags-y := -DLACKS=$2}" >"$to/Kbuild"
}
mkdir "$root/usr/src/multi-kvm-1.0"
cp -R dkms.conf vac "$root/usr/src/multi-kvm-1.0"
tiny 1.0 ""
run dkms add multi-kvm/1.0
run dkms add kvm-tiny/1.0

# As the postinst of an unsupported kernel does, and by hand.
run dkms autoinstall -k $unsupported
ok "autoinstall skips an unsupported kernel" test "$status" -eq 0
ok "and is quiet about it" quiet
for one in multi-kvm kvm-tiny; do
	run dkms install $one/1.0 -k $unsupported
	ok "dkms install $one ends with 77 there" test "$status" -eq 77
done
mkdir -p "$root/lib/modules/$other/build/include"
run dkms install kvm-tiny/1.0 -k "$other"
ok "an instance skips kernels of another series than its snapshot's" test "$status" -eq 77
rm -r "$root/lib/modules/$other"

# Failing builds.
run dkms install kvm-tiny/1.0 -k "$kernel"
ok "an instance without multi-kvm is not built" test "$status" -eq 10
ok "its last line says why" ends_with kvm-tiny 1.0 "multi-kvm is not installed for it (no \
/var/lib/dkms/multi-kvm/kernel-$kernel-x86_64/module/Module.symvers)"

run dkms autoinstall -k "$kernel"
ok "autoinstall builds what is there" test "$status" -eq 0
ok "vac before the instance, whose name comes first" before "vac.ko:" "kvm-tiny.ko:"
run dkms autoinstall -k $unsupported
ok "autoinstall of an unsupported kernel is still quiet" quiet

tiny 1.1 no_such_export
run dkms install kvm-tiny/1.1 -k "$kernel"
ok "a call of what the kernel does not export fails" test "$status" -eq 10
ok "its last line names it" ends_with kvm-tiny 1.1 "the kernel does not export no_such_export"
tiny 1.2 vac_from_the_future
run dkms install kvm-tiny/1.2 -k "$kernel"
ok "so does one of what this vac does not have" test "$status" -eq 10
ok "its last line names it, too" \
	ends_with kvm-tiny 1.2 "this multi-kvm has no vac_from_the_future()"
for one in 1.0 1.1 1.2; do
	run dkms remove kvm-tiny/$one --all
	rm -r "$root/usr/src/kvm-tiny-$one"
done

# Upgrade and rollback of a tag, the second with another vac of the same version.
tiny 2.0 "" /work
tiny 2.1 "" /work
run $install tiny --package /work/kvm-tiny-2.1 --kernel "$kernel"
run $install tiny --package /work/kvm-tiny-2.0 --kernel "$kernel"
ok "an older version of a tag replaces a newer one" test "$status" -eq 0 -a \
	-d "$root/usr/src/kvm-tiny-2.0" -a ! -e "$root/usr/src/kvm-tiny-2.1"
echo 'MODULE_INFO(another, "vac");' >>"$root/work/vac/main.c"
tiny 2.2 "" /work
run $install tiny --package /work/kvm-tiny-2.2
run dkms status
ok "a newer one on a changed vac, too" test "$(cat "$said")" = \
	"kvm-tiny/2.2, $kernel, x86_64: installed
multi-kvm/1.0, $kernel, x86_64: installed"
run modinfo -k "$kernel" -F another vac
ok "and the changed vac is what is installed" says vac

# From a source, whose snapshot and rewrite are these two here, so is the audit.
stub() { printf '#!/bin/sh\n%s\n' "$2" >"$root/work/scripts/$1" && chmod 755 "$root/work/scripts/$1"; }
tiny 2.3 "" /work
stub snapshot 'echo a snapshot'
stub rewrite 'echo /work/kvm-tiny-2.3'
# shellcheck disable=SC2016	# the stub's own
stub audit 'echo "# a note"; echo "$1: hazard 2: uses it"; test ! -s "$1" || exit 3'
run $install tiny --from 6.1.999 --kernel "$kernel"
ok "what the audit finds is not installed" test "$status" -eq 3
ok "the finding is told" says "install: kvm-tiny.ko: hazard 2: uses it"
run dkms status kvm-tiny
ok "the version before it stays, and nothing else" test "$(cat "$said")" = \
	"kvm-tiny/2.2, $kernel, x86_64: installed" -a ! -e "$root/usr/src/kvm-tiny-2.3"
# shellcheck disable=SC2016
stub audit 'test -s "$1"'
run $install tiny --from 6.1.999 --kernel "$kernel"
ok "what it finds to be clean is" test "$status" -eq 0 -a -d "$root/usr/src/kvm-tiny-2.3"

# What its source calls is not there; the installed version must stay.
tiny 2.4 "" /work
echo 'int doctored(void); int doctored(void) { return no_such_helper() + nor_this_one(); }' \
	>>"$root/work/kvm-tiny-2.4/one.c"
run $install tiny --package /work/kvm-tiny-2.4 --kernel "$kernel"
ok "a doctored package is not installed" test "$status" -eq 4
ok "the first line names interface and file" grep -q \
	'^install: kvm-tiny: not built for this kernel: the kernel has no no_such_helper() (.*one.c:' "$said"
ok "and so is each other, with its place" \
	grep -q '^  the kernel has no nor_this_one() (.*one.c:' "$said"
ok "and the first is the log's last line" test "install: $(tail -n 1 \
	"$root/var/lib/dkms/kvm-tiny/2.4/build/make.log")" = "$(grep -m1 ^install: "$said")"
run dkms status kvm-tiny
ok "the version before it is still installed" says "kvm-tiny/2.3, $kernel, x86_64: installed"
run $install tiny --uninstall
ok "uninstall of the last instance takes vac along" same_files

# The whole thing, as on a host.
run $install a --package /work/package
ok "install builds for every supported kernel here" test "$status" -eq 0
ok "and says which it skipped" says "$unsupported: skipped"
updates=$root/lib/modules/$kernel/updates/dkms
ok "vac.ko and kvm-a.ko are installed" test -f "$updates/vac.ko" -a -f "$updates/kvm-a.ko"
ok "and vac-vfio.ko, whose names VFIO looks up" test -f "$updates/vac-vfio.ko"
run dkms status multi-kvm
ok "dkms finds there what it built" test "$(cat "$said")" = \
	"multi-kvm/1.0, $kernel, x86_64: installed"
run modprobe -S "$kernel" --show-depends kvm_amd
ok "the stock kvm_amd needs neither" grep -q '^insmod.*/kvm-amd\.ko' "$said"
ok "but the stock kvm" test "$(grep -c -e /kvm.ko -e /updates/ "$said")" -eq 1
ok "and depmod says the same of stock modules as before" stock_depends
run modinfo -k "$kernel" -F depends kvm-a
ok "kvm-a depends on vac" grep -qw vac "$said"
run modprobe -S "$kernel" --show-depends kvm-a
ok "modprobe loads vac first" before vac.ko kvm-a.ko
ok "a udev rule is there, before uaccess is read" \
	grep -q uaccess "$root/etc/udev/rules.d/65-multi-kvm.rules"
ok "a modprobe configuration is there" test -f "$root/etc/modprobe.d/multi-kvm.conf"
started=$SECONDS
run $install a --package /work/package
ok "a second install builds nothing" test "$status" -eq 0 -a $((SECONDS - started)) -lt 40
run dkms autoinstall -k "$kernel"
ok "autoinstall after it has nothing to do" quiet

run $install a --uninstall
ok "uninstall" test "$status" -eq 0
ok "it leaves nothing" same_files
ok "nor does depmod know of it" same_depends
echo "1..$count"
exit $failed
