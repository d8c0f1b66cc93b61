#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# The Debian packages, by apt out of a local repository in a clean Debian 12: installed, upgraded,
# downgraded and purged, with builds that fail and kernels that come and go. Whatever happens to
# the modules, no package is left half-configured, and no module that isn't ours is loaded in another
# way than before. The kernels' packages are stand-ins with the stock modules, which call the hooks
# as Debian's do; the instances are tiny ones out of the same templates.
#
# It failed when
#   a failing build was an error of postinst  an upgrade that does not build left apt half-configured
#   the hook ended with multikvm's status     so did a kernel for which one does not build
#   dkms.conf had AUTOINSTALL                 so did the same, by dkms's own hook
#   prerm kept no copy of the source          dkms: "Could not locate dkms.conf file", of kvm-tiny/1.0
#   prerm removed the modules on an upgrade   "the old module stays" was not ok
#   multi-kvm had the blacklist in /etc       the CPU's alias loaded nothing
#   the blacklist was left by a removal       "the next boot has the stock KVM" was not ok
#   the state was left by a purge             "leaves nothing" was not ok
#   nobody looked for VMs                     "it is told that they run on" was not ok
#   a refusal was told as a failure           "nobody is sent to mend it" was not ok
#   prerm waited for the lock in silence      "and says so" was not ok
#   prebuilt hosts were told nothing          the package to look for was not named
#   depmod was not called for prebuilt ones   modprobe did not find vac
#   the Conflicts were left out               kvm-tiny was there twice
#   multi-kvm was no Pre-Depends              it was refused, and the others were left unpacked
#   a vac of any interface was enough         the instance did not make it wait
#   a vac of any version was enough           "so is a vac that is too old" was not ok
#   the preinst looked for another file       the tool was installed beside the checkout
#   a module did not need its kernel          "with the name of its package" was not ok
# Functions below are called by their names, through ok.
# shellcheck disable=SC2317
set -eu
cd "$(dirname "$0")/../.."
. tests/dkms/chroot.sh
. tests/deb/lib.sh

work=$PWD/build/test/deb/apt
repo=$work/repo
if [ $# -eq 0 ]; then
	command -v dh >/dev/null || skip_all "debhelper is missing; next: scripts/setup deb"
	# As whoever runs the tests: what is made under build/ is theirs.
	kernel=${KVER:-$(scripts/sources kver newest)}
	series=$(scripts/sources series "$kernel")
	modules=$(scripts/sources image "$kernel")/lib/modules/$kernel
	rm -rf "$work"
	mkdir -p "$repo"
	for version in 1.0 1.1; do
		scripts/deb --version "$version" --out "$work/$version" >/dev/null
		mv "$work/$version"/multi-kvm{,-dkms,-build}_*.deb "$repo"
	done
	as_root "$0" "$kernel" "$series" "$modules"
fi
kernel=$1
series=$2
modules=$3

# shellcheck disable=SC2016	# what is in single quotes is for the shell of another
# A package of a kernel: the stock modules, and the hooks on what is there then.
kernel_package() { # kernel_package KVER VERSION
	local tree=$work/kernel
	rm -rf "$tree"
	mkdir -p "$tree/DEBIAN" "$tree/lib/modules/$1/kernel/arch/x86" \
		"$tree/lib/modules/$1/kernel/virt" "$tree/lib/modules/$1/kernel/drivers/crypto"
	cp -R "$modules/kernel/arch/x86/kvm" "$tree/lib/modules/$1/kernel/arch/x86"
	cp -R "$modules/kernel/virt/lib" "$tree/lib/modules/$1/kernel/virt"
	cp -R "$modules/kernel/drivers/crypto/ccp" "$tree/lib/modules/$1/kernel/drivers/crypto"
	cp "$modules"/modules.{order,builtin,builtin.modinfo} "$tree/lib/modules/$1"
	printf '%s\n' "Package: linux-image-$1" "Version: $2" "Architecture: amd64" \
		"Maintainer: nobody <nobody@localhost>" "Description: stand-in" >"$tree/DEBIAN/control"
	printf '#!/bin/sh\nset -e\ndepmod %s\nrun-parts --report --exit-on-error --arg=%s %s\n' \
		"$1" "$1" /etc/kernel/postinst.d >"$tree/DEBIAN/postinst"
	printf '#!/bin/sh\nset -e\n[ "$1" != remove ] || rm -f /lib/modules/%s/modules.*\n' "$1" \
		>"$tree/DEBIAN/postrm"
	printf '#!/bin/sh\nset -e\n[ "$1" != remove ] || [ ! -d %s ] || %s\n' /etc/kernel/prerm.d \
		"run-parts --report --exit-on-error --arg=$1 /etc/kernel/prerm.d" >"$tree/DEBIAN/prerm"
	chmod 755 "$tree"/DEBIAN/p*
	dpkg-deb --root-owner-group -Znone --build "$tree" "$repo" >/dev/null
}
instance() { # instance TAG VERSION LACKS SECONDS
	tiny "$1" "$2" "$3" "$work"
	SOURCE_DATE_EPOCH=$((1700000000 + $4)) scripts/package "$work/kvm-$1-$2" --out "$repo" 9>&- |
		sed 's/.*_\(.*\)_.*/\1/'
}
publish() {
	as_repository "$repo"
	rm -rf "$root/repo"
	cp -R "$repo" "$root/repo"
	inside apt-get -q update >"$said" 2>&1 9>&-
}
apt() { # apt WORD...: as an administrator, to whom it must not say more than it does
	run env DEBIAN_FRONTEND=noninteractive apt-get -qy --no-install-recommends \
		--allow-downgrades -o "DPkg::Path=$path" -o Dpkg::Use-Pty=0 \
		-o DPkg::Options::=--force-unsafe-io "$@"
	cp "$said" "$folder/apt"
	inside dpkg --audit >"$folder/audit" 2>&1
	inside dpkg -l >"$folder/list"
	[ "$status" -eq 0 ] || sed 's/^/# /' "$said" | tail -n 30
}
settled() { # each package is either installed or gone
	[ ! -s "$folder/audit" ] && ! grep '^[a-z]\([^cin ]\|.[^ ]\)' "$folder/list" >"$said"
}
fine() { [ "$status" -eq 0 ] && settled; }	# so the last apt ended
refused() { [ "$status" -eq 100 ] && settled; }
told() { grep -qF -- "$1" "$folder/apt"; }
nobody_told() { ! told "$1"; }
told_once() { [ "$(grep -cF -- "$1" "$folder/apt")" -eq 1 ]; }
installed() { grep -q "^ii  $1 \+$2[ +]" "$folder/list"; }
module() { # module FILE VERSION: what modprobe would load has that version
	inside modinfo -k "${3:-$kernel}" -F version "$1" >"$said" 2>&1 && says "$2"
}
no_module() { ! calls modinfo -k "${2:-$kernel}" "$1"; }
calls() { inside "$@" >"$said" 2>&1; }
files() {
	(cd "$root" && find usr etc lib/modules var/lib/dkms var/lib/multi-kvm var/cache/multi-kvm \
		2>/dev/null | grep -v -e '/mok\.' -e '\.pyc$' -e __pycache__ | sort)
}
same_files() { files | diff "$folder/${1:-before}" - >"$said"; }
# What modprobe does for each stock module, by its name and by the CPU's alias.
loads() {
	local name
	for name in $(cd "$root/lib/modules/$kernel" && find kernel -name '*.ko*' -printf '%f\n' |
		sed 's/\.ko.*//' | sort) 'cpu:type:x86,ven0002fam0017mod0001:feature:,0000,0057,00C2,' \
		'cpu:type:x86,ven0000fam0006mod009E:feature:,0085,'; do
		echo "$name:"
		inside modprobe -S "$kernel" --show-depends "$name" 2>&1 || true
	done
}
same_loads() { loads | diff "$folder/loads" - >"$said"; }
unhurt() { # dkms works for a kernel that has nothing of ours, and whose modules are others
	mkdir -p "$root/lib/modules/$series.0-96-amd64"
	cp -a "$root/lib/modules/$kernel/build" "$root/lib/modules/$series.0-96-amd64"
	run dkms autoinstall -k "$series.0-96-amd64"
	rm -r "$root/lib/modules/$series.0-96-amd64"
	[ "$status" -eq 0 ] && ! says "Error!"	# which can end with 0
}
conflicts() { # conflicts A B MORE...: apt takes B away when A (with MORE) is installed
	calls apt-get -s --no-install-recommends install "$1" "${@:3}" && says "Remv $2 "
}

new_root deb "$kernel"
path=/usr/sbin:/usr/bin:/sbin:/bin
echo "deb [trusted=yes] file:/repo ./" >"$root/etc/apt/sources.list"
kernel_package "$kernel" 1
kernel_package "$series.0-98-amd64" 1
kernel_package "$series.0-99-amd64" 1
one=$(instance tiny 1.0 "" 1)
bad=$(instance tiny 1.1 no_such_export 2)
two=$(instance tiny 2.0 "" 3)
instance a_b 1.0 "" 1 >/dev/null
publish
apt install "linux-image-$kernel"
ok "a kernel is there" fine
files >"$folder/before"
loads >"$folder/loads"
ok "whose stock KVM the CPU loads" grep -q '^insmod.*/kvm-amd\.ko' "$folder/loads"

# The tool alone.
apt install multi-kvm=1.0
ok "the tool is installed" fine
ok "it runs" calls /usr/sbin/multikvm --help
ok "its unit will run at boot" test \
	-L "$root/etc/systemd/system/sysinit.target.wants/multi-kvm.service"
ok "stock modules are loaded as before" same_loads
apt purge multi-kvm
ok "purged, it leaves nothing" same_files

# Beside the install of a checkout, which has one more tag.
beside_a_checkout() { # beside_a_checkout WHAT PACKAGE...: it is refused
	apt install "${@:2}"
	ok "beside the install of a checkout $1 is refused" refused
	ok "the cause is said once" told_once "a checkout has installed it here (make install)"
	ok "and what to type" told_once "next: sudo multikvm remove own"
	ok "nothing has changed" same_files checkout
}
mkdir -p "$root/var/lib/multi-kvm" "$root/var/lib/dkms/kvm-own/1.0"
echo '["/usr/local/sbin/multikvm"]' >"$root/var/lib/multi-kvm/host-files"
files >"$folder/checkout"
beside_a_checkout "the tool" multi-kvm=1.0
beside_a_checkout "an instance" "kvm-tiny-dkms=$one" multi-kvm-dkms=1.0 multi-kvm=1.0
rm -r "$root/var/lib/multi-kvm" "$root/var/lib/dkms/kvm-own"

# Two tags.
apt install "kvm-tiny-dkms=$one" multi-kvm-dkms=1.0 multi-kvm=1.0
ok "an instance is installed, and vac with it" fine
ok "vac is built" calls modinfo -k "$kernel" vac
ok "so is the instance" module kvm-tiny 1.0
apt install kvm-a-b-dkms
ok "a second tag is a second package" fine
ok "whose module keeps the name of the tag" module kvm-a_b 1.0
ok "beside the first" module kvm-tiny 1.0
ok "stock modules are still loaded as before" same_loads
ok "nothing holds them back at the next boot" test ! -e "$root/etc/modprobe.d/multi-kvm.conf"

# Upgrades, one of which does not build.
apt install "kvm-tiny-dkms=$bad"
ok "an upgrade that does not build is no failure of apt" fine
ok "it is told what to type next" told "next: multikvm install"
ok "the old module stays" module kvm-tiny 1.0
ok "dkms still works for other modules" unhurt
apt install --reinstall "kvm-tiny-dkms=$bad"
ok "nor is it the second time" fine
apt install "kvm-tiny-dkms=$two"
ok "the next one builds" fine
ok "and is what modprobe finds" module kvm-tiny 2.0
ok "nothing of the others is left" test "$(inside dkms status kvm-tiny)" = \
	"kvm-tiny/2.0, $kernel, x86_64: installed"
apt install "kvm-tiny-dkms=$one"
ok "a downgrade is done as well" fine
ok "and gives the old module back" module kvm-tiny 1.0
apt install multi-kvm-dkms multi-kvm
ok "vac and tool are upgraded below them" fine
ok "to the new version" installed multi-kvm-dkms 1.1
ok "of which dkms has one" test "$(inside dkms status multi-kvm)" = \
	"multi-kvm/1.1, $kernel, x86_64: installed"

# Somebody else holds the lock, until it was noticed.
until_noticed() {
	local seconds
	# apt gets there in seconds, but on a machine that does other things in minutes.
	for ((seconds = 0; seconds < 900; seconds++)); do
		! grep -qsF "waiting for another multikvm" "$said" || return 0
		sleep 1
	done
}
exec 8>"$root/run/multikvm.lock"
flock 8
until_noticed 9>&- &
exec 8>&-
apt install --reinstall "kvm-tiny-dkms=$one"
ok "apt waits while another multikvm works" fine
ok "and says so" told "waiting for another multikvm"
ok "then goes on" module kvm-tiny 1.0
wait

# Kernels.
headers=$(readlink "$root/lib/modules/$kernel/build")
apt install "linux-image-$series.0-99-amd64"
ok "a kernel without headers is configured" fine
ok "and has no modules of ours" no_module vac "$series.0-99-amd64"
mkdir -p "$root/lib/modules/$series.0-98-amd64"
ln -s "$headers" "$root/lib/modules/$series.0-98-amd64/build"
apt install "linux-image-$series.0-98-amd64"
ok "a kernel with headers is configured" fine
ok "and gets the modules" module kvm-tiny 1.0 "$series.0-98-amd64"
kernel_package 6.11.0-1-amd64 1
publish
mkdir -p "$root/lib/modules/6.11.0-1-amd64"
ln -s "$headers" "$root/lib/modules/6.11.0-1-amd64/build"
apt install linux-image-6.11.0-1-amd64
ok "a kernel that is not supported is configured" fine
ok "and nobody is sent to mend it" nobody_told "next: multikvm install"
apt install "kvm-tiny-dkms=$bad"
kernel_package "$series.0-97-amd64" 1
publish
mkdir -p "$root/lib/modules/$series.0-97-amd64"
ln -s "$headers" "$root/lib/modules/$series.0-97-amd64/build"
apt install "linux-image-$series.0-97-amd64"
ok "a kernel for which one does not build is configured" fine
ok "and it is told" told "next: multikvm install --kernel $series.0-97-amd64"
ok "it gets the others" module kvm-a_b 1.0 "$series.0-97-amd64"
for other_kernel in 6.11.0-1-amd64 "$series".0-9{7,8,9}-amd64; do
	rm -f "$root/lib/modules/$other_kernel/build"	# as the package of its headers does
	apt purge "linux-image-$other_kernel"
	ok "the kernel $other_kernel can be removed" fine
done

cp "$root/lib/modules/$kernel"/updates/dkms/{vac,vac-vfio,kvm-tiny,kvm-a_b}.ko "$work"

# VMs, which a chroot does not have: what vac would say.
mkdir -p "$root/sys/kernel/vac/instances/tiny" "$root/var/lib/multi-kvm"
echo 3 >"$root/sys/kernel/vac/instances/tiny/vms"
echo "1700000000 tiny" >"$root/var/lib/multi-kvm/history"
echo tiny >"$root/var/lib/multi-kvm/default"
touch "$root/etc/modprobe.d/multi-kvm.conf"
apt remove kvm-tiny-dkms
ok "an instance with VMs is removed" fine
ok "and it is told that they run on" told "3 VMs run on kvm-tiny; the loaded module and its VMs are not touched"
ok "and that it was the default" told "tiny is the default: without it the next boot has no KVM"
ok "its module is gone" no_module kvm-tiny
ok "the other tag's is not" module kvm-a_b 1.0
rm -r "$root/sys/kernel"

# vac without the tool.
apt remove multi-kvm-dkms
ok "that the next boot has no KVM without vac is told" \
	told "without vac the next boot has no KVM: the stock one is held back"

# The way back.
apt remove multi-kvm
ok "all is removed with the tool" fine
ok "the next boot has the stock KVM" test ! -e "$root/etc/modprobe.d/multi-kvm.conf"
ok "it is said so" told "the stock KVM returns at the next boot"
ok "and nothing is chosen for the time after" test ! -e "$root/var/lib/multi-kvm/default"
ok "what was chosen is still known" test -s "$root/var/lib/multi-kvm/history"
apt purge multi-kvm multi-kvm-dkms kvm-a-b-dkms kvm-tiny-dkms
ok "purge" fine
ok "leaves nothing" same_files
ok "stock modules are loaded as at first" same_loads

# Prebuilt modules, without dkms.
prebuilt() { # prebuilt TAG VERSION SECONDS FILE...
	SOURCE_DATE_EPOCH=$((1700000000 + $3)) scripts/package "$work/kvm-$1-$2" --out "$repo" \
		--kernel "$kernel" --modules "${@:4}" 9>&- >/dev/null
}
prebuilt tiny 1.0 1 "$work"/{vac,vac-vfio,kvm-tiny}.ko
prebuilt a_b 1.0 1 "$work/kvm-a_b.ko"
publish
apt install "kvm-tiny-modules-$kernel"
ok "prebuilt modules are installed" fine
ok "with vac's package" installed "multi-kvm-modules-$kernel" 1.0
ok "modprobe finds them" module kvm-tiny 1.0
ok "where they are ours" test "$(inside modinfo -k "$kernel" -F filename vac)" = \
	"/lib/modules/$kernel/updates/multi-kvm/vac.ko"
apt install "kvm-a-b-modules-$kernel"
ok "a second tag as well" fine
ok "beside the first" calls modprobe -S "$kernel" --show-depends kvm-a_b
ok "stock modules are loaded as before" same_loads
ok "a tag is there once, as source or prebuilt" \
	conflicts kvm-tiny-dkms "kvm-tiny-modules-$kernel" "multi-kvm-modules-$kernel-"
apt purge multi-kvm "multi-kvm-modules-$kernel" kvm-{tiny,a-b}-modules-"$kernel"
ok "purge" fine
ok "leaves nothing of them either" same_files
apt purge dkms
apt install "kvm-tiny-modules-$kernel"
ok "they need no dkms" fine
apt install "linux-image-$series.0-98-amd64"
ok "a kernel for which there are none is configured" fine
ok "and it is told which package to look for" told "apt-get install kvm-TAG-modules-$series.0-98-amd64"

# Prebuilt modules for a kernel that is not here, and for another vac.
for_kernel() { # for_kernel KVER: the packages of modules are for another kernel
	local deb path tree=$work/prebuilt
	for deb in "$repo"/{multi-kvm,kvm-tiny}-modules-"$kernel"_1.0*.deb; do
		rm -rf "$tree"
		dpkg-deb --raw-extract "$deb" "$tree"
		grep -rlF "$kernel" "$tree/DEBIAN" | xargs sed -i "s/$kernel/$1/g"
		find "$tree" -depth -name "*$kernel*" | while read -r path; do
			mv "$path" "${path%/*}/$(basename "$path" | sed "s/$kernel/$1/")"
		done
		dpkg-deb --root-owner-group -Znone --build "$tree" "$repo" >/dev/null
	done
}
for_kernel "$series.0-99-amd64"
for_kernel "$series.0-96-amd64"
publish
files >"$folder/prebuilt"
apt install "kvm-tiny-modules-$series.0-96-amd64"
ok "modules for a kernel that no archive has are refused" refused
ok "with the name of its package" told "linux-image-$series.0-96-amd64"
ok "nothing has changed" same_files prebuilt
apt install "kvm-tiny-modules-$series.0-99-amd64"
ok "those for a kernel that an archive has are installed with it" fine
ok "modprobe finds them" module kvm-tiny 1.0 "$series.0-99-amd64"
ok "and nobody is sent to look for them" nobody_told "apt-get install kvm-TAG-modules"
apt purge "linux-image-$series.0-99-amd64"
ok "and go with it" fine
files >"$folder/prebuilt"

other_vac() { # other_vac VERSION MAJOR: the package of vac's modules is of that one
	local tree=$work/prebuilt
	rm -rf "$tree"
	dpkg-deb --raw-extract "$repo/multi-kvm-modules-${kernel}_1.0"*.deb "$tree"
	sed -i "s/^Version: .*/Version: $1/; s/\(multi-kvm-vac\)-[0-9]*/\1-$2/" \
		"$tree/DEBIAN/control"
	dpkg-deb --root-owner-group -Znone --build "$tree" "$repo" >/dev/null
}
other_vac 2.0 2
other_vac 0.9 1
publish
apt upgrade
ok "a vac of another interface does not come with an upgrade" fine
ok "it waits for the instance" installed "multi-kvm-modules-$kernel" 1.0
apt install "multi-kvm-modules-$kernel=2.0" "kvm-tiny-modules-$kernel"
ok "both together are refused" refused
ok "with what the instance needs" told "kvm-tiny-modules-$kernel : Depends: multi-kvm-vac-1"
ok "nothing has changed" same_files prebuilt
apt install "multi-kvm-modules-$kernel=0.9" "kvm-tiny-modules-$kernel"
ok "so is a vac that is too old" refused
ok "with what the instance needs" told "Depends: multi-kvm-modules-$kernel (>= 1.0)"
ok "nothing has changed" same_files prebuilt

apt purge "linux-image-$kernel"
ok "without their kernel they go" fine
ok "and depmod is not asked for it" test ! -e "$root/lib/modules/$kernel/modules.dep"
echo "1..$count"
exit $failed
