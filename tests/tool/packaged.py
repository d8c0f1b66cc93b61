# SPDX-License-Identifier: GPL-2.0-only
"""A host's folder on which packages are installed, with a dkms that does what the real one does to
its tree."""

import os
import shutil
import subprocess
from pathlib import Path

from host import build_tool

KERNELS = ("6.1.0-1-amd64", "6.1.0-2-amd64")
FAKES = {
    "dkms": r"""
verb=$1 name= version= kernel=
shift
tree=$MULTIKVM_ROOT/var/lib/dkms
src=$MULTIKVM_ROOT/usr/src
while [ $# -gt 0 ]; do
	case $1 in
	-m) name=$2 ;; -v) version=$2 ;; -k) kernel=$2 ;;
	--dkmstree) tree=$2 ;; --sourcetree) src=$2 ;;
	esac
	shift
done
[ -z "${FAKE-}" ] || eval "$FAKE"
place=$tree/$name/$version/$kernel/x86_64
case $verb in
add)
	mkdir -p "$tree/$name/$version/build"
	ln -s "$src/$name-$version" "$tree/$name/$version/source" ;;
build)
	mkdir -p "$place/module" "$tree/$name/$version/build"
	find "$src/$name-$version" -name '*.ko' -exec cp -t "$place/module" {} + ;;
install)
	to=$MULTIKVM_ROOT/lib/modules/$kernel/updates/dkms
	mkdir -p "$to"
	cp -f "$place"/module/*.ko "$to"
	[ -z "${FULL-}" ] || [ "$name" != "$FULL" ] || : >"$to/$name.ko"
	ln -sfn "$version/$kernel/x86_64" "$tree/$name/kernel-$kernel-x86_64"
	depmod "$kernel" ;;
remove)
	for link in "$tree/$name"/kernel-*; do
		case $(readlink "$link") in
		"$version"/*)
			kernel=${link##*/kernel-}
			kernel=${kernel%-x86_64}
			for module in "$tree/$name/$version/$kernel"/x86_64/module/*.ko; do
				rm -f "$MULTIKVM_ROOT/lib/modules/$kernel/updates/dkms/${module##*/}"
			done
			cd "$MULTIKVM_ROOT/lib/modules/$kernel"
			rmdir -p --ignore-fail-on-non-empty updates/dkms
			rm "$link"
			depmod "$kernel" ;;
		esac
	done
	rm -rf "${tree:?}/$name/$version"
	rmdir --ignore-fail-on-non-empty "$tree/$name" ;;
esac
""",
    "depmod": r"""
cd "$MULTIKVM_ROOT/lib/modules/$1"
for module in updates/dkms/*.ko; do
	case $module in
	*/kvm-*) echo "$module: updates/dkms/vac.ko" ;;
	*\**) ;;
	*) echo "$module:" ;;
	esac
done >modules.dep""",
    "sync": "",
    "dpkg-query": "exit 1",
}


class Host:
    """Two kernels, two versions of an instance, two of vac."""

    def __init__(self, top):
        self.root, self.work = Path(top) / "root", Path(top)
        for kernel in KERNELS:
            for folder in ("build/include", "kernel"):
                (self.root / "lib/modules" / kernel / folder).mkdir(parents=True)
            (self.root / "lib/modules" / kernel / "modules.dep").write_text("")
        for folder in ("usr/src", "var/lib/dkms", "var/log", "etc/modprobe.d", "etc/udev/rules.d",
                       "run"):
            (self.root / folder).mkdir(parents=True)
        fakes = self.work / "fakes"
        fakes.mkdir()
        for name, text in FAKES.items():
            (fakes / name).write_text(f"#!/bin/sh\nset -eu\n{text}\n")
            (fakes / name).chmod(0o755)
        self.packages = self.work / "packages"
        for version in ("1.0", "2.0"):
            self.package("kvm-x", version)
        for version in ("1.0", "1.1"):
            self.package("multi-kvm", version)
        tree = self.work / "tree/etc/udev/rules.d"
        tree.mkdir(parents=True)
        (tree / "65-multi-kvm.rules").write_text("rule\n")

    def package(self, name, version):
        folder = self.packages / f"{name}-{version}"
        folder.mkdir(parents=True, exist_ok=True)
        depends = "" if name == "multi-kvm" else 'BUILD_DEPENDS[0]="multi-kvm"\n'
        (folder / "dkms.conf").write_text(
            f'PACKAGE_NAME="{name}"\nPACKAGE_VERSION="{version}"\n{depends}SERIES="6.1"\n')
        if name == "multi-kvm":
            (folder / "vac").mkdir(exist_ok=True)
            self.module(folder / "vac/vac.ko", version)
            (folder / "vac/Kbuild").write_text("obj-m := vac.o\n")
        else:
            self.module(folder / f"{name}.ko", version)
        return folder

    @staticmethod
    def module(path, version):
        source = path.with_suffix(".c")
        source.write_text('__attribute__((section(".modinfo"), used)) static const char a[] ='
                          f' "version={version}";\n')
        subprocess.run(["gcc", "-c", "-o", path, source], check=True)
        source.unlink()

    def command(self, *words, **environment):
        fakes = f"{self.work}/fakes:{os.environ['PATH']}"
        own = {"MULTIKVM_ROOT": str(self.root), "PATH": fakes}
        return [build_tool(), *words], os.environ | own | {name: str(value) for name, value
                                                           in environment.items()}

    def run(self, *words, tool=None, **environment):
        argv, env = self.command(*words, **environment)
        argv[0] = tool or argv[0]
        done = subprocess.run(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        return done.returncode, done.stdout

    def install(self, version, *words, vac="1.0", **environment):
        return self.run("install", f"{self.packages}/kvm-x-{version}", "--vac",
                        f"{self.packages}/multi-kvm-{vac}", "--host-files", f"{self.work}/tree",
                        *words, **environment)

    def state(self):
        """Every file, folder and link, without what only lives till the next boot, and logs."""
        found = {}
        for path in sorted(self.root.rglob("*")):
            name = str(path.relative_to(self.root))
            if name.startswith(("run", "var/log")):
                continue
            found[name] = os.readlink(path) if path.is_symlink() else \
                path.read_bytes() if path.is_file() else "folder"
        return found

    def copy(self, to):
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(self.root, to, symlinks=True)


def differences(one, other):
    return [f"{name}: {one.get(name, 'missing')!r:.60} / {other.get(name, 'missing')!r:.60}"
            for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)][:6]
