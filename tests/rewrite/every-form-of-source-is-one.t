#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
# series: first
#
# A kernel source gives the same snapshot whatever it comes as: a folder, a tarball of any
# compression, a revision of a git repository of any kind. What cannot be read whole, or is no
# kernel, is refused with one error, and nothing is made.
# It failed when the manifests named no leftover (what a build left behind), when git archive
# was left to the user's core.autocrlf, when the exit status of xz was not looked at (cut off),
# and when the end of a tar archive was not (cut between two files).

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tap import HEADERS, KNOWN, Tap, run, snapshot  # noqa: E402
from mkvm import tree  # noqa: E402

LEFT = ("x86.o", ".x86.o.cmd", "kvm.ko", "kvm.mod", "kvm.mod.c", "x86.s", "x86.i", "built-in.a",
        "modules.order", "x86.c.rej", "x86.c.orig", "x86.c~", ".x86.c.swp", "tags", "TAGS",
        "cscope.out")
MAKEFILE = b"# a comment\nVERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 999\nEXTRAVERSION =\n"
COMPRESSORS = {"tar": ["cat"], "tar.gz": ["gzip", "-1"], "tar.bz2": ["bzip2", "-1"],
               "tar.xz": ["xz", "-0"], "tar.zst": ["zstd", "-q"]}
ENV = os.environ | {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
                    for what, value in (("NAME", "t"), ("EMAIL", "t@example.org"))}


def call(*words, data=None):
    done = subprocess.run([str(word) for word in words], input=data, env=ENV, check=True,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    return done.stdout


class Test(Tap):
    def take(self, name, env=None):
        """(status, snapshot's folder, error) of FROM=name."""
        out = self.folder / f"snapshot-{self.count}"
        status, _, err = run("scripts/snapshot", name, "--out", out, env=env)
        return status, out, err

    def same(self, name, release, claim, env=None):
        status, out, err = self.take(name, env)
        if status:
            self.ok(False, claim, f"status {status}", err)
            return
        made = tree.read(out)
        named = made.pop("RELEASE").decode().strip()
        self.ok(made == self.files | {"DIGEST": self.digest, "KNOWN": KNOWN}
                and named == release, claim,
                f"release {named}, expected {release}",
                *sorted(path for path in made.keys() | self.files.keys()
                        if made.get(path) != self.files.get(path)))

    def refused(self, name, expected, claim, *words):
        status, out, err = self.take(name)
        missing = [word for word in words if word not in err]
        self.ok(status == expected and not missing and not out.exists()
                and "Traceback" not in err, claim, f"status {status}", f"missing: {missing}", err)


def main():
    tap = Test()
    tap.files = tree.read(snapshot())
    tap.files.pop("RELEASE")
    tap.files.pop("KNOWN")
    tap.digest = tap.files.pop("DIGEST")
    version = f"6.1.999-tree{tap.digest.decode()[:8]}"
    top = tap.folder / "top"
    linux = top / "linux-6.1.999"
    tree.replace(linux, tap.files | HEADERS | {"Makefile": MAKEFILE, "tools/Makefile": b"all:\n"})

    tap.same(linux, version, "a folder")
    kvm = linux / "arch/x86/kvm"
    left = [folder / name for name in LEFT for folder in (kvm, linux / "virt/kvm")]
    left.append(kvm / "kvm-asm-offsets.h")
    for path in left:
        path.write_text("left\n")
    tap.same(linux, version, "a folder in which somebody built, patched and edited")
    for name in ("left.c", "left.S", "left.h"):
        (kvm / name).write_text("left\n")
        tap.refused(linux, 3, f"a folder with {name}, which nobody knows", f"arch/x86/kvm/{name}")
        (kvm / name).unlink()
    for path in left:
        path.unlink()
    tars = {"the files of a folder": call("tar", "-c", "-C", linux, "Makefile", "include", "arch",
                                          "virt", "tools"),
            "its files, folders first": call("tar", "-c", "-C", linux, "arch", "include", "tools",
                                             "virt", "Makefile"),
            "a folder as .": call("tar", "-c", "-C", linux, ".")}
    tree.replace(top / "debian", {"Makefile": b"all:\n", "patches/series": b"\n"})
    tars["two folders"] = call("tar", "-c", "-C", top, "debian", linux.name)
    plain = call("tar", "-c", "-C", top, linux.name)
    for number, (what, content) in enumerate(tars.items()):
        path = tap.folder / f"{number}.tar"
        path.write_bytes(content)
        tap.same(path, version, f"a tarball of {what}")
    for kind, command in COMPRESSORS.items():
        path = tap.folder / f"linux-6.1.999.{kind}"
        path.write_bytes(call(*command, data=plain))
        tap.same(path, version, f"a release as .{kind}")
        cut = tap.folder / f"cut.{kind}"
        cut.write_bytes(path.read_bytes()[:path.stat().st_size * 2 // 3])
        tap.refused(cut, 3, f".{kind} that is cut off", f"{cut} cannot be read to its end")
        cut.write_bytes(path.read_bytes()[:-1024 if kind == "tar" else -4])
        if kind == "tar":
            cut.write_bytes(plain.rstrip(b"\0") + b"\0" * (-len(plain.rstrip(b"\0")) % 512))
        tap.refused(cut, 3, f".{kind} that lacks only its end", "cannot be read to its end")

    git = ["git", "-C", linux]
    call("git", "init", "-q", "-b", "main", linux)
    (linux / ".gitignore").write_text(".*\n*.o\n*.s\n")
    call(*git, "add", "-A")
    call(*git, "commit", "-q", "-m", "6.1.999")
    call(*git, "tag", "-a", "-m", "release", "v6.1.999")
    commit = call(*git, "rev-parse", "HEAD").decode().strip()
    revision = f"6.1.999-g{commit[:12]}"
    for name in ("x86.o", ".x86.o.cmd", "kvm-asm-offsets.s"):
        (linux / "arch/x86/kvm" / name).write_text("built\n")
    tap.same(linux, version, "a checkout in which somebody built")
    call(*git, "rm", "-q", "-r", "--cached", "virt")
    call(*git, "commit", "-q", "-m", "without virt")
    tap.same(f"{linux}#v6.1.999", revision, "a tag")
    tap.same(f"{linux}#{commit[:16]}", revision, "a commit")
    tap.same(f"{linux}#HEAD~1", revision, "a commit by its place")
    tap.same(f"{linux}#v6.1.999", revision, "a tag, for a user who wants CR LF",
             ENV | {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.autocrlf",
                    "GIT_CONFIG_VALUE_0": "true"})
    call("git", "clone", "-q", "--bare", linux, tap.folder / "bare.git")
    tap.same(f"{tap.folder}/bare.git#v6.1.999", revision, "a bare repository")
    call("git", "clone", "-q", "--bare", "--depth", "1", "--branch", "v6.1.999",
         f"file://{linux}", tap.folder / "shallow.git")
    tap.same(f"{tap.folder}/shallow.git#v6.1.999", revision, "a shallow one, what it has")

    tap.refused(f"{tap.folder}/shallow.git#main", 2, "a revision that a shallow clone lacks",
                "has no revision main", "shallow", "next: ")
    tap.refused(f"{linux}#v6.1.1000", 2, "a tag that is not there",
                f"{linux} has no revision v6.1.1000")
    tap.refused(f"{linux}#", 2, "no revision", "has no revision")
    tap.refused(f"{linux}#main", 3, "a revision that lacks files of KVM", "the source lacks")
    tap.refused(f"{top}#v6.1.999", 2, "a folder that is no repository",
                f"git cannot read {top}", "not a git repository")
    tap.refused(f"{top}/linus.git#v6.1", 2, "a folder that is not there",
                f"there is no {top}/linus.git")
    tap.refused(top / "linux.tar.xz", 2, "a tarball that is not there", "there is no ")
    tap.refused("linux", 1, "a word", "neither a version")
    tap.refused(top, 3, "a folder that is no kernel", "no top Makefile")
    other = tap.folder / "other.tar"
    other.write_bytes(call("tar", "-c", "-C", top, "debian/patches"))
    tap.refused(other, 3, "a tarball of something else", "no top Makefile")
    other.write_bytes(call("tar", "-c", "-C", top, "debian"))
    tap.refused(other, 3, "a tarball with some other Makefile", "names no kernel version")
    tree.replace(top / "newer", tap.files | {"Makefile": MAKEFILE.replace(b"= 1\n", b"= 2\n")})
    tap.refused(top / "newer", 3, "a kernel of another series",
                "newer is Linux 6.2.999, of no supported series", "6.1")
    other.write_bytes(b"release notes\n" * 100)
    tap.refused(other, 3, "a file that is no archive", f"{other} cannot be read")
    other.write_bytes(b"")
    tap.refused(other, 3, "an empty file", f"{other} cannot be read")
    tap.done()


main()
