# SPDX-License-Identifier: GPL-2.0-only
"""Debian packages of an instance, made by dpkg-deb alone: the templates are in deb/."""

import email.utils
import gzip
import hashlib
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from . import house
from .elf import Object
from .failure import NotFound, Refused, System

TEMPLATES = Path(__file__).resolve().parent / "deb"
MAINTAINER = "multi-kvm maintainers <maintainers@multi-kvm.invalid>"
SIGNED = b"~Module signature appended~\n"
COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: Linux
Comment: This is KVM of the Linux kernel, as multi-kvm changed it.

Files: *
Copyright: 2006-@YEAR@ the authors of Linux and of multi-kvm
License: GPL-2.0-only
 This package is free software; you can redistribute it and/or modify it under
 the terms of the GNU General Public License, version 2, as published by the
 Free Software Foundation.
 .
 This package is distributed in the hope that it will be useful, but WITHOUT
 ANY WARRANTY; without even the implied warranty of MERCHANTABILITY or FITNESS
 FOR A PARTICULAR PURPOSE. See the GNU General Public License for more details.
 .
 On Debian systems its text is in /usr/share/common-licenses/GPL-2.
"""


def now():
    return int(os.environ.get("SOURCE_DATE_EPOCH") or time.time())


def stamp():
    return time.strftime("%Y%m%d.%H%M%S", time.gmtime(now()))


def package_name(tag):
    """A name may not have "_". It has no "-" of its own, so two tags stay two names."""
    return f"kvm-{tag.replace('_', '-')}"


def version(own):
    """dpkg's version of one of ours, RELEASE.rDIGEST: digests have no order, so time comes first.

    A fix on the same release is then newer than what it replaces.
    """
    release, dot, rest = own.partition(".r")
    text = re.sub(r"[^A-Za-z0-9.+~-]", ".", f"{release}+{stamp()}{dot}{rest}")
    if subprocess.run(["dpkg", "--validate-version", text], capture_output=True).returncode:
        raise Refused(f"{own} cannot be the version of a Debian package")
    return text


def vac_version():
    return re.search(r'^PACKAGE_VERSION="(.+)"$', (house.ROOT / "dkms.conf").read_text(), re.M)[1]


def vac_major(header):
    """Of its interface: an instance of another one is refused (vac/README.md)."""
    if not header.is_file():
        raise NotFound(f"no {header}, which says for which vac it is\n"
                       "  next: scripts/rewrite, which makes it")
    return re.search(r"^#define VAC_MAJOR\s+(\d+)$", header.read_text(), re.M)[1]


def _template(name):
    """Without the licence line of what is no file of its own in a package."""
    return (TEMPLATES / name).read_text().removeprefix("# SPDX-License-Identifier: GPL-2.0-only\n")


def _expand(name, values):
    text = _template(name)
    if values.get("TELL"):
        text = text.replace("@TELL@\n", _template(values["TELL"]))
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text.replace("\n#DEBHELPER#\n", "")


def _put(root, path, content, mode=0o644):
    place = Path(root) / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    place.chmod(mode)


def _kib(root):
    """Installed-Size as the policy has it: each file rounded up, one for all else."""
    return sum((path.stat().st_size + 1023) // 1024 if path.is_file() else 1
               for path in root.rglob("*"))


def make(out, kind, values, files):
    """Make the package that deb/KIND.control describes, of {path: content}; return its path."""
    values = values | {"MAINTAINER": _maintainer()}
    control = _expand(f"{kind}.control", values)
    name, architecture = (re.search(rf"^{field}: (.+)$", control, re.M)[1]
                          for field in ("Package", "Architecture"))
    values |= {"PACKAGE": name}
    with tempfile.TemporaryDirectory() as work:
        root = Path(work) / "root"
        root.mkdir()
        for path, content in files.items():
            _put(root, path, content, 0o755 if content.startswith(b"#!") else 0o644)
        year = time.strftime("%Y", time.gmtime(now()))
        doc = f"usr/share/doc/{name}"
        _put(root, f"{doc}/copyright", COPYRIGHT.replace("@YEAR@", year).encode())
        log = (f"{name} ({values['VERSION_DEB']}) unstable; urgency=medium\n\n"
               f"  * {values['WHAT']}.\n\n"
               f" -- {values['MAINTAINER']}  {email.utils.formatdate(now())}\n")
        kind_of = "changelog.Debian" if "-" in values["VERSION_DEB"] else "changelog"
        _put(root, f"{doc}/{kind_of}.gz", gzip.compress(log.encode(), mtime=0))
        overrides = f"{kind.split('.')[0]}.lintian-overrides"
        if (TEMPLATES / overrides).exists():
            _put(root, f"usr/share/lintian/overrides/{name}", _expand(overrides, values).encode())
        sums = "".join(f"{hashlib.md5(path.read_bytes()).hexdigest()}  "
                       f"{path.relative_to(root).as_posix()}\n"
                       for path in sorted(root.rglob("*")) if path.is_file())
        _put(root, "DEBIAN/control", control.replace("@SIZE@", str(_kib(root))).encode())
        _put(root, "DEBIAN/md5sums", sums.encode())
        for script in ("postinst", "prerm", "postrm"):
            template = f"{kind.split('.')[0]}.{script}"
            if (TEMPLATES / template).exists():
                _put(root, f"DEBIAN/{script}", _expand(template, values).encode(), 0o755)
        for folder in (root, *root.rglob("*")):
            if folder.is_dir():
                folder.chmod(0o755)
        place = Path(out) / f"{name}_{values['VERSION_DEB']}_{architecture}.deb"
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_name(f".{place.name}.{os.getpid()}")
        done = subprocess.run(["dpkg-deb", "--root-owner-group", "--build", str(root), str(fresh)],
                              env=os.environ | {"SOURCE_DATE_EPOCH": str(now())},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            fresh.unlink(missing_ok=True)
            raise System(f"dpkg-deb does not make {place.name}\n  " +
                         done.stdout.strip().replace("\n", "\n  "))
        os.rename(fresh, place)
    return place


def _maintainer():
    name, address = os.environ.get("DEBFULLNAME"), os.environ.get("DEBEMAIL")
    return f"{name or 'multi-kvm'} <{address}>" if address else MAINTAINER


class Source:
    """An instance's source package, as scripts/rewrite makes it."""

    def __init__(self, folder):
        self.folder = Path(folder)
        conf = self.folder / "dkms.conf"
        if not conf.is_file():
            raise NotFound(f"{folder} is no source package: it has no dkms.conf\n"
                           "  next: scripts/rewrite, which prints the path of one")
        text = conf.read_text()
        self.module, self.version, self.series = (
            (re.search(rf'^{key}="(.+)"$', text, re.M) or [0, ""])[1]
            for key in ("PACKAGE_NAME", "PACKAGE_VERSION", "SERIES"))
        if not self.module.startswith("kvm-") or not self.version:
            raise Refused(f"{folder} is not of an instance: its dkms.conf says {self.module}")
        self.tag = self.module.removeprefix("kvm-")

    def values(self):
        release = self.version.partition(".r")[0]
        return {"TAG": self.tag, "NAME": self.module, "VERSION": self.version, "RELEASE": release,
                "WHAT": f"KVM of Linux {release}, multi-kvm's {self.version}",
                "DEB": package_name(self.tag), "VERSION_DEB": version(self.version),
                "VAC_VERSION": vac_version(), "TELL": "instance.tell",
                "MAJOR": vac_major(self.folder / "vac/vac.h")}


def make_dkms(source, out):
    place = f"usr/src/{source.module}-{source.version}"
    files = {f"{place}/{path.relative_to(source.folder).as_posix()}": path.read_bytes()
             for path in source.folder.rglob("*") if path.is_file()}
    return make(out, "dkms", source.values(), files)


def check_module(path, kver):
    """The content of a module for that kernel, which nobody has signed yet."""
    for text in Object(path).content(".modinfo").decode(errors="replace").split("\0"):
        if text.startswith("vermagic="):
            magic = text.removeprefix("vermagic=").split()[0]
            if magic != kver:
                raise Refused(f"{path} is for the kernel {magic}, not for {kver}")
            return Path(path).read_bytes()
    raise Refused(f"{path} is no module: it has no vermagic")


def sign(content, kdir, key, cert):
    """The module with a signature, by the kernel's own program and with its kind of digest."""
    if content.endswith(SIGNED):
        raise Refused("the module is signed already\n  next: without --key, or the unsigned one")
    program = Path(kdir) / "scripts/sign-file"
    if not program.is_file():
        raise NotFound(f"no {program}: the kernel's headers bring it")
    kind = re.search(r'^CONFIG_MODULE_SIG_HASH="(.+)"$',
                     (Path(kdir) / "include/config/auto.conf").read_text(), re.M)
    with tempfile.TemporaryDirectory() as work:
        module = Path(work) / "module.ko"
        module.write_bytes(content)
        done = subprocess.run([str(program), kind[1] if kind else "sha256", str(key), str(cert),
                               str(module)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
        content = module.read_bytes()
        if done.returncode or not content.endswith(SIGNED):
            raise System(f"sign-file does not sign with {key}\n  " +
                         done.stdout.strip()[-200:].replace("\n", "\n  "))
    return content


def make_modules(source, kver, modules, out):
    """Packages of {name of a module: content}: vac's, and the instance's."""
    own = f"{source.module}.ko"
    place = f"lib/modules/{kver}/updates/multi-kvm"
    values = source.values() | {"KVER": kver}
    made = []
    vac = {name: content for name, content in modules.items() if name != own}
    if vac:
        made.append(make(out, "modules.vac", values | {
            "TELL": "vac.tell", "VERSION_DEB": version(vac_version()),
            "MAJOR": vac_major(house.ROOT / "vac/include/vac.h"),
            "WHAT": f"vac {vac_version()} for {kver}"},
            {f"{place}/{name}": content for name, content in vac.items()}))
    if own in modules:
        files = {f"{place}/{own}": modules[own]}
        told = source.folder / "PROVENANCE"
        if told.is_file():
            files[f"usr/share/doc/{values['DEB']}-modules-{kver}/PROVENANCE"] = told.read_bytes()
        made.append(make(out, "modules", values, files))
    return made
