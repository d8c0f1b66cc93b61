#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The DKMS packages and `multikvm install`, `remove` and `doctor`, in a clean Debian 12 without
# Coccinelle, for a kernel whose headers alone are there. Whatever fails or is interrupted leaves
# the host as it was.
#
# It failed when
#   keep-symvers.sh was left out          kvm-a: "multi-kvm is not installed for it"
#   dkms called make, not build.sh        the last line was make's "Error 2"
#   the snapshot's series was 6.1 6.12    kvm-tiny was built for a kernel of the other one
#   remove left the udev rule             the list of files before and after differed
#   the audit was not asked               what it finds was installed
#   build.sh did not read sh's "not found" a missing compiler was not named
#   transaction.c's failed() took the last line   of a full disk it said: "cmp: EOF on ..."
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
	make -s -C scripts/multikvm OUT="$PWD/build/test/dkms" SCRIPTS=/work/scripts
	as_root tests/dkms.t "$kernel" "$package" "$modules"
fi
kernel=$1
package=$2
modules=$3
version=${package##*/kvm-a-}
unsupported=6.11.0-1-amd64
other=$(scripts/sources series | grep -vxF -m1 "$(scripts/sources series "$kernel")").0-1-amd64

files() { (cd "$root" && find usr/src etc lib/modules var/lib/dkms | grep -v '/mok\.\|/modules\.' | sort); }
same_as_installed() { files | diff "$folder/installed" - >"$said"; }
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
	"$root/work/host/etc/udev/rules.d" "$root/etc/udev/rules.d"
cp -R dkms.conf vac "$root/work"
cp scripts/host/65-multi-kvm.rules "$root/work/host/etc/udev/rules.d"
cp -R "$package" "$root/work/package"
cp build/test/dkms/multikvm "$root/usr/bin"
install=(multikvm install --vac /work --host-files /work/host)
cp -R "$modules/kernel/arch/x86/kvm" "$modules/kernel/virt/lib" "$modules/kernel/drivers/crypto/ccp" \
	"$root/lib/modules/$kernel"
cp "$modules"/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$kernel"
inside depmod "$kernel"
cp "$root/lib/modules/$kernel/modules.dep" "$root/lib/modules/$kernel/modules.symbols" "$folder"
files >"$folder/before"
ok "there is no Coccinelle" test ! -e "$root/usr/bin/spatch"

# Refusals.
run setpriv --reuid=65534 --clear-groups "${install[@]}" /work/package
ok "without root it is refused" test "$status" -eq 3
ok "and told so" says "next: sudo multikvm install"
run "${install[@]}" /work/package --kernel 6.1.0-1-amd64
ok "without headers it is refused" test "$status" -eq 2
ok "and the package is named" says "linux-headers-6.1.0-1-amd64"
run "${install[@]}" /work/package --kernel $unsupported
ok "an unsupported kernel is refused to who names it" test "$status" -eq 3
run "${install[@]}" /work
ok "vac is no instance" test "$status" -eq 1
run "${install[@]}" /work/scripts
ok "nor is a folder without a dkms.conf" test "$status" -eq 2
run multikvm install /work/package
ok "an instance without vac is refused" test "$status" -eq 2
ok "and vac's package is named" says "apt-get install multi-kvm-dkms"
run multikvm install
ok "with nothing of ours there is nothing to do" test "$status" -eq 0
run multikvm remove a
ok "what is not installed cannot be removed" test "$status" -eq 2
ok "all that leaves nothing" same_files

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

# As the postinst of any kernel does, and by hand.
run dkms autoinstall -k "$kernel"
ok "dkms builds nothing of ours by itself, so that it cannot fail" test "$status" -eq 0
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

run multikvm install
ok "multikvm builds what is there" test "$status" -eq 0
ok "vac before the instance" before "multi-kvm 1.0 installed" "kvm-tiny 1.0 installed"
ok "and skips an unsupported kernel" says "kernel $unsupported: multi-kvm 1.0 skipped"
run multikvm install --kernel "$kernel"
ok "again there is nothing to do" says "kernel $kernel: kvm-tiny 1.0 is installed"

tiny 1.1 no_such_export
run dkms install kvm-tiny/1.1 -k "$kernel"
ok "a call of what the kernel does not export fails" test "$status" -eq 10
ok "its last line names it" ends_with kvm-tiny 1.1 "the kernel does not export no_such_export"
tiny 1.2 vac_from_the_future
run dkms install kvm-tiny/1.2 -k "$kernel"
ok "so does one of what this vac does not have" test "$status" -eq 10
ok "its last line names it, too" \
	ends_with kvm-tiny 1.2 "this multi-kvm has no vac_from_the_future()"
run multikvm install
ok "one that cannot be built does not stop multikvm" says "kvm-tiny 1.2 not built: kvm-tiny: not built"
ok "but is told" test "$status" -eq 4
ok "and what was installed stays" test -e "$root/lib/modules/$kernel/updates/dkms/kvm-tiny.ko"
run multikvm remove tiny
ok "all versions are removed" test "$status" -eq 0 -a ! -e "$root/var/lib/dkms/kvm-tiny" -a \
	-z "$(find "$root/usr/src" -name 'kvm-tiny-*')"

# Upgrade and rollback of a tag, the second with another vac of the same version.
tiny 2.0 "" /work
tiny 2.1 "" /work
run "${install[@]}" /work/kvm-tiny-2.1 --kernel "$kernel"
run "${install[@]}" /work/kvm-tiny-2.0 --kernel "$kernel"
ok "an older version of a tag replaces a newer one" test "$status" -eq 0 -a \
	-d "$root/usr/src/kvm-tiny-2.0" -a ! -e "$root/usr/src/kvm-tiny-2.1"
echo 'MODULE_INFO(another, "vac");' >>"$root/work/vac/main.c"
tiny 2.2 "" /work
run "${install[@]}" /work/kvm-tiny-2.2
run dkms status
ok "a newer one on a changed vac, too" test "$(cat "$said")" = \
	"kvm-tiny/2.2, $kernel, x86_64: installed
multi-kvm/1.0, $kernel, x86_64: installed"
run modinfo -k "$kernel" -F another vac
ok "and the changed vac is what is installed" says vac

# Where the audit is there it is asked; here it is a stub.
stub() { printf '#!/bin/sh\n%s\n' "$2" >"$root/work/scripts/$1" && chmod 755 "$root/work/scripts/$1"; }
tiny 2.3 "" /work
# shellcheck disable=SC2016	# the stub's own
stub audit 'echo "# a note"; echo "$1: hazard 2: uses it"; test ! -s "$1" || exit 3'
run "${install[@]}" /work/kvm-tiny-2.3 --kernel "$kernel"
ok "what the audit finds is not installed" test "$status" -eq 3
ok "the finding is told" says "multikvm: kvm-tiny.ko: hazard 2: uses it"
run dkms status kvm-tiny
ok "the version before it stays, and nothing else" test "$(cat "$said")" = \
	"kvm-tiny/2.2, $kernel, x86_64: installed" -a ! -e "$root/usr/src/kvm-tiny-2.3"
# shellcheck disable=SC2016
stub audit 'test -s "$1"'
run "${install[@]}" /work/kvm-tiny-2.3 --kernel "$kernel"
ok "what it finds to be clean is" test "$status" -eq 0 -a -d "$root/usr/src/kvm-tiny-2.3"

# What its source calls is not there; the installed version must stay.
tiny 2.4 "" /work
echo 'int doctored(void); int doctored(void) { return no_such_helper() + nor_this_one(); }' \
	>>"$root/work/kvm-tiny-2.4/one.c"
run "${install[@]}" /work/kvm-tiny-2.4 --kernel "$kernel"
ok "a doctored package is not installed" test "$status" -eq 4
ok "the first line names interface and file" grep -q \
	'^multikvm: kvm-tiny: not built for this kernel: the kernel has no no_such_helper() (.*one.c:' "$said"
ok "and so is each other, with its place" \
	grep -q '^  the kernel has no nor_this_one() (.*one.c:' "$said"
ok "and the first is the last line of a log that is kept" test "multikvm: $(tail -n 1 \
	"$root/var/log/multi-kvm/kvm-tiny-2.4-$kernel.log")" = "$(grep -m1 ^multikvm: "$said")"
run dkms status kvm-tiny
ok "the version before it is still installed" says "kvm-tiny/2.3, $kernel, x86_64: installed"

# What is on the disk is not what was built.
: >"$root/lib/modules/$kernel/updates/dkms/kvm-tiny.ko"
run multikvm doctor
ok "doctor finds a module that is not what was built" test "$status" -eq 3
ok "and says what to type" says "next: sudo multikvm install --kernel $kernel"
run multikvm install --kernel "$kernel"
ok "which puts it right" test "$status" -eq 0 -a -s "$root/lib/modules/$kernel/updates/dkms/kvm-tiny.ko"
run multikvm doctor
ok "then nothing is wrong" test "$status" -eq 0
rm "$root/lib/modules/$kernel/updates/dkms/kvm-tiny.ko"
mkdir -p "$root/var/lib/multi-kvm/packages"
cp -R "$root/work/kvm-tiny-2.3" "$root/var/lib/multi-kvm/packages"
run multikvm install tiny --kernel "$kernel"
ok "what was built for a tag is installed by the tag's name" test "$status" -eq 0 -a \
	-s "$root/lib/modules/$kernel/updates/dkms/kvm-tiny.ko"
rm -r "$root/var/lib/multi-kvm/packages"

# There is no compiler, and no room: for the package, for what is built, for what is installed.
files >"$folder/installed"
tiny 2.5 "" /work
mv "$root/usr/bin/gcc-12" "$root/away"
run "${install[@]}" /work/kvm-tiny-2.5
mv "$root/away" "$root/usr/bin/gcc-12"
ok "without its compiler it is not installed" test "$status" -eq 4
ok "and the compiler is named" says "kvm-tiny: not built for this kernel: gcc-12 is not installed"
ok "and nothing of it is left" same_as_installed
echo 'char kvm_tiny_room[65536] = { 1 };' >>"$root/work/kvm-tiny-2.5/one.c"
for place in usr/src var/lib/dkms "lib/modules/$kernel/updates/dkms"; do
	mkdir "$folder/small"
	pages=$(find "$root/$place" -type f -printf '%s\n' | awk '{ n += int(($1 + 4095) / 4096) } END { print n }')
	mount -t tmpfs -o "size=$((pages * 4 + 4))k" small "$folder/small"
	cp -a "$root/$place/." "$folder/small"
	mount --move "$folder/small" "$root/$place"
	rmdir "$folder/small"
	run "${install[@]}" /work/kvm-tiny-2.5
	ok "a full disk at /$place: it is not installed" test "$status" -eq 4
	ok "that is said" says "No space left on device"
	ok "and nothing of it is left" same_as_installed
	umount "$root/$place"
	ok "nor in what was there" same_as_installed
done

# Killed in the middle of it, at a time when dkms has been called already.
# shellcheck disable=SC2016
stub dkms 'case $1 in install) kill -9 $PPID; exit 1;; esac; exec /usr/sbin/dkms "$@"'
run env PATH=/work/scripts:/usr/sbin:/usr/bin:/sbin:/bin "${install[@]}" /work/kvm-tiny-2.5
ok "a killed install" test "$status" -eq 137
run multikvm doctor
ok "is undone by the next multikvm" says "undoing a change that was interrupted"
ok "and nothing of it is left" same_as_installed
rm "$root/work/scripts/dkms"
run dkms status
ok "dkms knows what it knew before" test "$(cat "$said")" = \
	"kvm-tiny/2.3, $kernel, x86_64: installed
multi-kvm/1.0, $kernel, x86_64: installed"

run multikvm remove tiny
ok "removing the last instance takes vac along" same_files

# The whole thing, as on a host.
run "${install[@]}" /work/package
ok "install builds for every supported kernel here" test "$status" -eq 0
ok "and says which it skipped" says "kernel $unsupported: multi-kvm 1.0 skipped"
ok "and what the next boot does" says "next boot: the stock KVM, as long as none is chosen"
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
ok "no configuration of modprobe is there, which is for use" test ! -e "$root/etc/modprobe.d/multi-kvm.conf"
started=$SECONDS
run "${install[@]}" /work/package
ok "a second install builds nothing" test "$status" -eq 0 -a $((SECONDS - started)) -lt 40

run multikvm remove a
ok "remove" test "$status" -eq 0
ok "it leaves nothing" same_files
ok "nor does depmod know of it" same_depends
echo "1..$count"
exit $failed
