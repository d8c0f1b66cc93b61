#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# test-all
#
# A minimal Debian 12 on which scripts/setup was run has all that make demo and make test call:
# vac and an instance are built there for a kernel of each series, and the emulated machines run.
# Nothing of this machine is visible there except downloads of kernels. A program that a build needs
# and that is missing is named with its package.
#
# It failed when
#   the shell could not read setup's table    scripts/setup ended with 127, and nothing could be built
#   HOME was not set                          each rule: spatch --version: exception Not_found
#   a file was hidden where ldconfig finds it the build without the Python library went on
#   the machines had no msr.ko                "virtualization is off on CPU 0" was not ok
#   a check failed                            make check in it did, too
#   a scenario wanted one more test module    "the Intel machine runs" was not ok
# Some of what setup installs is taken away, one after the other, to see it named: pahole, gcc-12,
# spatch, the Python library.
#
# The system that setup made is cached by the digest of scripts/setup.
# Functions below are called by their names, through ok.
# shellcheck disable=SC2317
set -eu
cd "$(dirname "$0")/.."
. tests/dkms/chroot.sh

if [ $# -eq 0 ]; then
	# As whoever runs the tests: kernels that are not there yet are downloaded here.
	words=("$(id -u)" "$(id -g)" "${MULTIKVM_CACHE:-$PWD/build/sources}")
	for series in $(scripts/sources series); do
		kernel=$(scripts/sources kver newest --series "$series")
		release=$(scripts/sources releases newest --series "$series")
		scripts/sources headers "$kernel" >/dev/null
		scripts/sources image "$kernel" >/dev/null
		scripts/sources source "$release" >/dev/null
		words+=("$kernel" "$release")
	done
	mkdir -p build/dkms
	git ls-files -z --cached --others --exclude-standard |
		tar --null -T - --ignore-failed-read -cf build/dkms/house.tar 2>/dev/null
	as_root "$0" "${words[@]}"
fi
user=$1
group=$2
cache=$3
shift 3
started=$SECONDS
took() { echo "# $1: $((SECONDS - started)) s"; started=$SECONDS; }

# The clean system, with where this machine's apt gets things from, and how.
new_root fresh
mkdir -p "$root/work/build/sources"
tar -C "$root/work" -xf build/dkms/house.tar
chown -R "$user:$group" "$root/work"
for node in null zero full random urandom tty; do
	[ -e "$root/dev/$node" ] || touch "$root/dev/$node"
	mount --bind "/dev/$node" "$root/dev/$node"
done
mount --bind "$cache" "$root/work/build/sources"
# shellcheck disable=SC2016	# apt's own variables
apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' \
	'Origin: Debian' | sort -u >"$folder/sources.list"
apt-config dump | grep '^Acquire::' >"$folder/apt.conf"
echo 'APT::Sandbox::User "root";' >>"$folder/apt.conf"
took "a clean system"

# setup, as make demo and make test call it.
prepared=build/dkms/setup-$(sha256sum scripts/setup | cut -c 1-16).tar.zst
if [ -e "$prepared" ]; then
	tar -C "$root" --exclude ./dev --zstd -xf "$prepared"
	echo "# scripts/setup is the same as before: $(basename "$prepared")"
else
	cp "$folder/sources.list" "$root/etc/apt/sources.list"
	cp "$folder/apt.conf" "$root/etc/apt/apt.conf.d/50-tests"
	cp -L /etc/resolv.conf /etc/hosts "$root/etc"
	echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/tests"
	mount --bind build/dkms/debs "$root/var/cache/apt/archives"
	ok "nothing of this machine is there" test ! -e "$root/usr/bin/python3" -a \
		! -e "$root/usr/bin/gcc" -a ! -e "$root/usr/bin/make"
	for mode in '' check; do
		run /work/scripts/setup ${mode:+$mode}
		ok "scripts/setup $mode ends well" test "$status" -eq 0
	done
	umount "$root/var/cache/apt/archives"
	if [ $failed -ne 0 ]; then
		echo "1..$count"
		exit 1
	fi
	rm -f build/dkms/setup-*
	tar -C "$root" --one-file-system --exclude ./work --exclude ./dev --zstd -cf "$folder/tar" .
	mv "$folder/tar" "$prepared"
fi
took "scripts/setup"

as=(setpriv --reuid "$user" --regid "$group" --clear-groups)
run /work/scripts/setup check
ok "setup has nothing more to do, and needs no root for that" test "$status" -eq 0 -a ! -s "$said"
run /work/scripts/sources kver newest
ok "the archive's kernels are known" test "$status" -eq 0

# What a build calls and is not there is named before it starts.
names_missing() { # names_missing FILE WHAT PACKAGE KERNEL WORDS...
	mv "$root$1" "$root/away"
	chroot "$root" ldconfig
	run /work/scripts/build "${@:5}" --kernel "$4"
	mv "$root/away" "$root$1"
	chroot "$root" ldconfig
	ok "without $2 nothing is built" test "$status" -eq 4
	ok "and the first line says what is missing" \
		test "$(head -n 1 "$said")" = "build: this needs what is not installed: $2"
	ok "the next where it is" says "$2 is in the package $3"
	ok "and the last what to type" test "$(tail -n 1 "$said")" = \
		"  next: make setup; or only these: sudo apt-get install $3"
}
mkdir -p "$root/work/build/none"
touch "$root/work/build/none/vac.symvers"
instance=(instance --tag a --from "$2" --vac /work/build/none/vac.ko)
library=$(chroot "$root" sh -c 'echo /usr/lib/x86_64-linux-gnu/libpython3.*.so.1.0')
name=${library##*/}
names_missing /usr/bin/pahole pahole pahole "${*: -2:1}" vac
names_missing /usr/bin/gcc-12 gcc-12 gcc-12 "$1" vac
names_missing /usr/bin/spatch spatch coccinelle "$1" "${instance[@]}"
names_missing "$library" "${name%.1.0}" "${name%.so.1.0}" "$1" "${instance[@]}"
took "what is missing"

# A build of each series.
kernels=()
while [ $# -gt 0 ]; do
	kernel=$1
	release=$2
	shift 2
	out=/work/build/test/$kernel
	run /work/scripts/build vac --kernel "$kernel" --out "$out/vac.ko"
	ok "vac is built for $kernel" test "$status" -eq 0 -a -s "$root$out/vac.ko"
	run /work/scripts/build instance --kernel "$kernel" --tag a --from "$release" \
		--vac "$out/vac.ko" --out "$out/kvm-a.ko"
	ok "KVM of $release is rewritten, built and audited for it" test "$status" -eq 0 -a \
		-s "$root$out/kvm-a.ko"
	kernels+=("$kernel")
	took "$kernel"
done

# On a host that has dkms and its kernel's headers, `make install` and its way back. dkms comes by this
# machine's apt, as in tests/dkms/root.
kernel=${kernels[0]}
files() {
	(cd "$root" && find etc lib/modules usr/src usr/local var/lib -type f ! -path '*/apt/*' \
		! -path '*/multi-kvm/*' ! -name 'modules.*' ! -path '*/mok.*' | sort)
}
apt-get -y --no-install-recommends -o Dir::State::status="$root/var/lib/dpkg/status" \
	-o Dir::State::extended_states="$root/var/lib/apt/extended_states" \
	-o Dir::Cache::archives="$root/var/cache/apt/archives" \
	-o DPkg::Chroot-Directory="$root" -o Debug::NoLocking=true \
	-o DPkg::Options::=--force-unsafe-io -o APT::Sandbox::User=root \
	install dkms </dev/null >"$said" 2>&1 9>&-
mkdir -p "$root/lib/modules/$kernel"
ln -s "$(cd "$root" && echo work/build/sources/headers/"$kernel"_*/usr/src/linux-headers-"$kernel" |
	sed 's|^|/|')" "$root/lib/modules/$kernel/build"
files >"$folder/before"
as=()
run make -C /work install TAG=first
ok "make install makes and installs an instance" test "$status" -eq 0 -a \
	-s "$root/lib/modules/$kernel/updates/dkms/kvm-first.ko"
ok "says what the next boot does" says "next boot: the stock KVM, as long as none is chosen"
tool=/usr/local/sbin/multikvm
built() { # built FILE: what --json printed is of the schema; where the package is
	python3 -c 'import json, jsonschema, sys
said, schema = (json.load(open(name)) for name in sys.argv[1:])
jsonschema.validate(said, schema)
print(said["built"]["package"])' "$1" scripts/multikvm/multikvm.schema.json
}
run $tool --help
ok "with the tool" says "usage: multikvm"
run sh -c "$tool --json build second --from oldest 2>/dev/null"
ok "multikvm --json build makes another" test "$status" -eq 0 -a -s "$root$(built "$said")/dkms.conf"
run $tool install second
ok "which is installed by its tag" test "$status" -eq 0 -a \
	-s "$root/lib/modules/$kernel/updates/dkms/kvm-second.ko"
for tag in second first; do
	run make -C /work uninstall TAG=$tag
	ok "make uninstall TAG=$tag" test "$status" -eq 0
done
files >"$folder/after"
ok "leaves nothing" diff "$folder/before" "$folder/after"
as=(setpriv --reuid "$user" --regid "$group" --clear-groups)
took "make install"

# The checks, and one emulated machine of each kind, with what was built for the first series.
inside git init -q /work
run /work/tests/check/run
ok "make check passes" test "$status" -eq 0
took "make check"
kernel=${kernels[0]}
for module in msr irqbypass ccp kvm kvm-amd kvm-intel; do
	inside find /work/build/sources/image -path "*/lib/modules/$kernel/*" -name "$module.ko*" \
		-exec cp {} "/work/build/test/$kernel" ';'
done
inside sh -c "xz -df /work/build/test/$kernel/*.ko.xz 2>/dev/null" || true
for module in control-registers pose-as-measured; do
	run /work/tests/vm/build-module "$kernel" "tests/vm/modules/$module.c" "build/test/$kernel"
	ok "$module, a module for the machines, is built" test "$status" -eq 0
done
run env KVER="$kernel" MODULES="build/test/$kernel" /work/tests/one amd:tests/vm/scenarios/stock-kvm-runs-guests.c
ok "the AMD machine runs guests" test "$status" -eq 0
took "the AMD machine"
# With Debian's Bochs alone guests would take minutes.
run env KVER="$kernel" MODULES="build/test/$kernel" /work/tests/one intel:tests/vm/scenarios/vmx-locked-off-is-refused.c
ok "the Intel machine runs" test "$status" -eq 0
took "the Intel machine"

echo "1..$count"
exit $failed
