# SPDX-License-Identifier: GPL-2.0-only
"""Kernel sources of every kind: a Debian version, a folder, a tarball, a git revision.

Each gives an identity (None when only reading it tells), and picks the files that a manifest
claims, without unpacking the rest. A file of the top, Makefile, is picked for the version.
"""

import io
import re
import subprocess
import tarfile
import threading
from pathlib import Path

from . import archive, house
from .failure import NotFound, Refused, System, Usage

DEBIAN = re.compile(r"[0-9]+\.[0-9]+(\.[0-9]+)?(~?[a-z0-9.+~]*)?(-[0-9][A-Za-z0-9.+~]*)?$")
MAKEFILE = "Makefile"
UNPACKERS = {b"\xfd7zXZ": ["xz", "-dc", "-T0"], b"\x1f\x8b": ["gzip", "-dc"],
             b"BZh": ["bzip2", "-dc"], b"\x28\xb5\x2f\xfd": ["zstd", "-dc"]}


class Folder:
    def __init__(self, path):
        self.path = Path(path)
        self.identity = None
        self.release = None
        self.suffix = None

    def pick(self, manifest):
        files = {}
        for root in manifest.roots():
            for path in sorted((self.path / root).rglob("*")):
                name = path.relative_to(self.path).as_posix()
                if path.is_file() and manifest.claims(name):
                    files[name] = path.read_bytes()
        if (self.path / MAKEFILE).is_file():
            files[MAKEFILE] = (self.path / MAKEFILE).read_bytes()
        return files


class Tarball:
    def __init__(self, path):
        self.path = Path(path)
        stat = self.path.stat()
        self.identity = f"tarball {self.path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
        self.release = None
        self.suffix = None

    def pick(self, manifest):
        with self.path.open("rb") as tarball:
            start = tarball.read(max(map(len, UNPACKERS)))
        unpacker = next((words for magic, words in UNPACKERS.items()
                         if start.startswith(magic)), ["cat"])
        return _unpack([*unpacker, str(self.path)], None, manifest)


class Git:
    def __init__(self, folder, revision):
        self.folder = folder
        self.commit = self._git("rev-parse", "--verify", "--end-of-options",
                                revision + "^{commit}").decode().strip()
        self.identity = f"git {self.commit}"
        self.release = None
        self.suffix = f"-g{self.commit[:12]}"

    def _git(self, *words):
        done = subprocess.run(["git", "-C", self.folder, *words], capture_output=True)
        if done.returncode:
            raise NotFound(f"git {words[0]} in {self.folder}: "
                           + done.stderr.decode(errors="replace").strip())
        return done.stdout

    def pick(self, manifest):
        listed = self._git("ls-tree", "-r", "-z", "--name-only", self.commit, "--", MAKEFILE,
                           *(root + "/" for root in manifest.roots())).decode()
        names = [name for name in listed.split("\0")
                 if name == MAKEFILE or (name and manifest.claims(name))]
        archive = self._git("archive", "--format=tar", self.commit, "--", *names)
        return _unpack(["cat"], archive, manifest, strip=False)


class Debian:
    """linux-source-<series> of the distribution's archive; scripts/sources finds and fetches."""

    def __init__(self, version):
        if "-" in version:
            self.release, self.deb = version, None
        else:
            self.deb = self._fetch(version)
            self.release = self.deb.name.split("_")[1]
        self.identity = f"debian {self.release}"
        self.suffix = None

    @staticmethod
    def _fetch(version):
        tool = house.ROOT / "scripts" / "sources"
        done = subprocess.run([str(tool), "source", version], stdout=subprocess.PIPE)
        if done.returncode == 2:
            raise NotFound(f"no kernel source {version}")
        if done.returncode:
            raise System(f"scripts/sources source {version} ended with {done.returncode}")
        return Path(done.stdout.decode().strip())

    def pick(self, manifest):
        deb = self.deb or self._fetch(self.release)
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)],
                              stdout=subprocess.PIPE) as outer:
            with tarfile.open(fileobj=outer.stdout, mode="r|") as archive:
                for member in archive:
                    if re.search(r"/linux-source-[^/]*\.tar\.xz$", member.name):
                        return _unpack(["xz", "-dc", "-T0"], archive.extractfile(member),
                                       manifest)
        raise Refused(f"{deb} holds no linux-source-*.tar.xz")


def _feed(source, pipe):
    try:
        while block := source.read(1 << 20):
            pipe.write(block)
    except BrokenPipeError:
        pass
    finally:
        pipe.close()


def _unpack(command, source, manifest, strip=None):
    """Pick files from the tar stream that command prints, given source (bytes, file or None).

    A kernel tarball has one top folder, which is not part of the names; strip says so when it
    is known, else the first member decides.
    """
    files = {}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL if source is None
                          else subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1 << 20,
                          stderr=subprocess.PIPE) as process:
        if source is not None:
            if isinstance(source, bytes):
                source = io.BytesIO(source)
            threading.Thread(target=_feed, args=(source, process.stdin), daemon=True).start()
        try:
            for name, kind, content in archive.members(process.stdout):
                name = name.removeprefix("./")
                if strip is None:
                    strip = "/" in name or kind == archive.FOLDER
                if strip:
                    name = name.partition("/")[2]
                if kind == archive.FILE and (name == MAKEFILE or manifest.claims(name)):
                    files[name] = content()
        except ValueError as error:
            process.kill()
            raise Refused(f"not a readable tar archive: {error}") from error
        why = process.stderr.read().decode(errors="replace").strip()
    if process.returncode:
        raise Refused(f"not a readable tar archive: {why or process.returncode}")
    return files


def find(name):
    """The source that FROM names."""
    path = Path(name)
    if path.is_dir():
        return Folder(path)
    if path.is_file():
        return Tarball(path)
    folder, hash_sign, revision = name.rpartition("#")
    if hash_sign and Path(folder).is_dir():
        return Git(folder, revision)
    if DEBIAN.match(name):
        return Debian(name)
    raise Usage(f"{name} is neither a version (6.1.192-2), a folder, a tarball nor GITDIR#REV")


def version(makefile):
    """VERSION.PATCHLEVEL.SUBLEVEL of the kernel's top Makefile."""
    words = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*)",
                            makefile.decode(errors="replace"), re.M))
    if not {"VERSION", "PATCHLEVEL", "SUBLEVEL"} <= set(words):
        raise Refused("the source's Makefile names no kernel version")
    return (f"{words['VERSION']}.{words['PATCHLEVEL']}.{words['SUBLEVEL']}"
            + words.get("EXTRAVERSION", ""))
