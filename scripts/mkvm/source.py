# SPDX-License-Identifier: GPL-2.0-only
"""Kernel sources of every kind: a Debian version, a folder, a tarball, a git revision.

Each has an identity (None when only reading it tells), and picks the files that a manifest
claims, without unpacking the rest. The top Makefile is picked for the version.
A source that cannot be read to its end is refused.
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
COMPRESSED = {b"\xfd7zXZ\0": ("xz", "-dc", "-T0"), b"\x1f\x8b": ("gzip", "-dc"),
              b"BZh": ("bzip2", "-dc"), b"\x28\xb5\x2f\xfd": ("zstd", "-dc")}


class Folder:
    def __init__(self, path):
        self.path = Path(path)
        self.identity = None
        self.release = None
        self.suffix = None

    def pick(self, manifest):
        names = [MAKEFILE] + [name for name in self._names(manifest.roots())
                              if manifest.claims(name)]
        return {name: (self.path / name).read_bytes() for name in names
                if (self.path / name).is_file()}

    def _names(self, roots):
        """What lies there; of a git checkout only what git would list, not what a build left."""
        if (self.path / ".git").exists():
            return _git(self.path, "ls-files", "-z", "--cached", "--others",
                        "--exclude-standard", "--", *roots).decode().split("\0")
        return [path.relative_to(self.path).as_posix() for root in roots
                for path in sorted((self.path / root).rglob("*"))]


class Tarball:
    def __init__(self, path):
        self.path = Path(path)
        stat = self.path.stat()
        self.identity = f"tarball {self.path.resolve()} {stat.st_size} {stat.st_mtime_ns}"
        self.release = None
        self.suffix = None

    def pick(self, manifest):
        with open(self.path, "rb") as file:
            head = file.read(6)
        command = next((words for magic, words in COMPRESSED.items() if head.startswith(magic)),
                       ("cat",))
        return _unpack([*command, str(self.path)], None, manifest, self.path)


class Git:
    def __init__(self, folder, revision):
        self.folder = folder
        shallow = _git(folder, "rev-parse", "--is-shallow-repository").strip() == b"true"
        try:
            self.commit = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options",
                               revision + "^{commit}").decode().strip()
        except NotFound:
            raise NotFound(f"{folder} has no revision {revision}" + shallow *
                           "\n  it is a shallow clone, which has few"
                           f"\n  next: git -C {folder} fetch origin {revision}") from None
        self.identity = f"git {self.commit}"
        self.release = None
        self.suffix = f"-g{self.commit[:12]}"

    def pick(self, manifest):
        listed = _git(self.folder, "ls-tree", "-r", "-z", "--name-only", "--full-tree",
                      self.commit, "--", MAKEFILE, *(root + "/" for root in manifest.roots()))
        names = [name for name in listed.decode().split("\0")
                 if name == MAKEFILE or (name and manifest.claims(name))]
        if not names:
            return {}
        # The user's settings and the tree's attributes do not change a byte.
        archive = _git(self.folder, "-c", "core.autocrlf=false", "-c", "core.eol=lf", "archive",
                       "--format=tar", f"{self.commit}:", "--", *names)
        return _unpack(["cat"], archive, manifest, self.folder)


def _git(folder, *words):
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().removeprefix("fatal: ")
        raise NotFound(f"git cannot read {folder}: {said}")
    return done.stdout


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
                                       manifest, deb)
        raise Refused(f"{deb} holds no linux-source-*.tar.xz")


def _feed(source, pipe):
    try:
        while block := source.read(1 << 20):
            pipe.write(block)
    except BrokenPipeError:
        pass
    finally:
        pipe.close()


def _unpack(command, source, manifest, what):
    """Pick files from the tar stream that command prints, given source (bytes, file or None).

    The tree may be the archive itself or, as in a kernel tarball, its one top folder.
    """
    trees = {}
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL if source is None
                                   else subprocess.PIPE, stdout=subprocess.PIPE,
                                   bufsize=1 << 20, stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise System(f"{what} cannot be read: {command[0]} is not installed") from None
    with process:
        if source is not None:
            if isinstance(source, bytes):
                source = io.BytesIO(source)
            threading.Thread(target=_feed, args=(source, process.stdin), daemon=True).start()
        trouble = ""
        try:
            for path, kind, content in archive.members(process.stdout):
                path = path.removeprefix("./")
                top, _, rest = path.partition("/")
                for tree, name in (("", path), (top, rest)):
                    if kind == archive.FILE and (name == MAKEFILE or manifest.claims(name)):
                        trees.setdefault(tree, {})[name] = content()
                        break
        except ValueError as error:
            trouble = f"not a tar archive, or cut off ({error})"
            process.kill()
        said = process.stderr.read().decode(errors="replace").strip()
    if trouble or process.returncode:
        raise Refused(f"{what} cannot be read to its end: {said or trouble}")
    return max(trees.values(), key=lambda files: (MAKEFILE in files, len(files)), default={})


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
    if hash_sign or "/" in name:
        raise NotFound(f"there is no {folder or name}")
    raise Usage(f"{name} is neither a version (6.1.192-2), a folder, a tarball nor GITDIR#REV")


def version(makefile):
    """VERSION.PATCHLEVEL.SUBLEVEL of the kernel's top Makefile."""
    words = dict(re.findall(r"^(VERSION|PATCHLEVEL|SUBLEVEL|EXTRAVERSION) *= *(\S*)",
                            makefile.decode(errors="replace"), re.M))
    if not {"VERSION", "PATCHLEVEL", "SUBLEVEL"} <= set(words):
        raise Refused("the source's Makefile names no kernel version")
    return (f"{words['VERSION']}.{words['PATCHLEVEL']}.{words['SUBLEVEL']}"
            + words.get("EXTRAVERSION", ""))
