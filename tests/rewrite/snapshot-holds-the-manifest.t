#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
# series: first
#
# A snapshot is exactly what the manifests declare, whatever kind of source it comes from; a file
# of KVM that no manifest knows, or one that is missing, stops it by name.
# It failed when either check was left out of Manifest.check(), when a tarball's top folder was
# not stripped from the names, and when the reader of tarballs took a read that was too short, the
# comment that git puts first for a member, or knew names of 100 characters only.

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tap import HEADERS, KNOWN, ROOT, Tap, run, snapshot  # noqa: E402
from mkvm import tree  # noqa: E402
from mkvm.manifest import Manifest  # noqa: E402

MAKEFILE = b"VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 999\nEXTRAVERSION =\n"


def main():
    tap = Tap()
    true = snapshot()
    files = tree.read(true)
    digest = files.pop("DIGEST").decode().strip()
    files.pop("RELEASE")
    files.pop("KNOWN")

    manifest = Manifest()
    declared = {name for kind in ("file", "objects") for name in manifest.entries[kind]}
    optional = set(manifest.entries["optional"])
    tap.ok(declared <= set(files) <= declared | optional, "it holds what the manifests declare",
           sorted(set(files) ^ declared))

    source = tap.folder / "linux"
    tree.replace(source, files | HEADERS | {"Makefile": MAKEFILE, "virt/kvm/Kconfig": b"",
                                  "virt/lib/other.c": b""})
    out = tap.folder / "snapshot"

    def take(origin, claim):
        status, said, err = run("scripts/snapshot", origin, "--out", out)
        taken = (out / "DIGEST").read_text().strip() if status == 0 else None
        tap.ok(status == 0 and taken == digest, claim, f"status {status}", err)
        release = (out / "RELEASE").read_text().strip() if status == 0 else ""
        shutil.rmtree(out, ignore_errors=True)
        return release

    release = take(source, "a folder gives the same digest as the archive's package")
    run("scripts/snapshot", source, "--out", out)
    known = (out / "KNOWN").read_bytes()
    tap.ok(known == KNOWN, "it has the names of bits and symbols that the kernel's headers know",
           known)
    shutil.rmtree(out)
    tap.ok(release == f"6.1.999-tree{digest[:8]}", "its release is the Makefile's and a digest",
           release)
    for mode, suffix in (("-J", ".tar.xz"), ("-z", ".tar.gz"), ("--no-auto-compress", ".tar")):
        tarball = tap.folder / f"linux{suffix}"
        words = ["tar", "-C", tap.folder, mode, "-cf", tarball, "linux"]
        if suffix == ".tar":
            words.remove(mode)
        run(*words)
        take(tarball, f"so does a tarball, {suffix}")
    for words in (["init", "-q"], ["add", "-A", "-f"],
                  ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "kernel"]):
        run("git", "-C", source, *words)
    run("git", "-C", source, "archive", "--prefix", f"{'long' * 40}/", "-o",
        tap.folder / "archive.tar", "HEAD")
    take(tap.folder / "archive.tar", "so does git's own tarball, with names of any length")
    whole = (tap.folder / "linux.tar.xz").read_bytes()
    (tap.folder / "half.tar.xz").write_bytes(whole[:len(whole) // 2])
    (tap.folder / "half.tar").write_bytes((tap.folder / "linux.tar").read_bytes()[:1 << 20])
    (tap.folder / "none.tar").write_bytes(b"VERSION = 6\n" * 1000)
    for name in ("half.tar.xz", "half.tar", "none.tar"):
        status, _, err = run("scripts/snapshot", tap.folder / name, "--out", out)
        tap.ok(status == 3 and "cannot be read to its end" in err and not out.exists(),
               f"a tarball that is not whole is refused: {name}", f"status {status}", err)
    release = take(f"{source}#HEAD", "so does a git revision")
    _, commit, _ = run("git", "-C", source, "rev-parse", "HEAD")
    tap.ok(release == f"6.1.999-g{commit[:12]}", "its release names the commit", release)

    def refused(claim, *words):
        status, said, err = run("scripts/snapshot", source, "--out", out)
        tap.ok(status == 3 and not out.exists() and all(word in err for word in words), claim,
               f"status {status}", err)

    surprise = source / "arch/x86/kvm/vmx/surprise.c"
    surprise.write_text("int surprise;\n")
    refused("a file that no manifest knows stops it, by name", "arch/x86/kvm/vmx/surprise.c",
            "no manifest knows")
    surprise.unlink()
    header = source / "include/linux/kvm_surprise.h"
    header.write_text("\n")
    refused("so does a header that is called like KVM's", "include/linux/kvm_surprise.h")
    header.unlink()
    header = source / "arch/x86/include/asm/cpufeatures.h"
    text = header.read_text()
    header.write_text(text.replace("X86_BUG", "X86_BUGLE"))
    refused("so does a source whose headers know no bug of a CPU", "define no X86_BUG_")
    header.unlink()
    refused("and one that lacks such a header, by name", "lacks arch/x86/include/asm/cpufeatures.h")
    header.write_text(text)
    (source / "virt/kvm/eventfd.c").unlink()
    refused("a file that is missing stops it, by name", "virt/kvm/eventfd.c", "lacks")

    status, _, err = run("scripts/snapshot", "no-such-thing")
    tap.ok(status == 1 and "no-such-thing" in err, "a source of no kind is a usage error", err)
    status, _, err = run("scripts/snapshot", f"{ROOT}#no-such-revision")
    tap.ok(status == 2, "a git revision that does not exist is not found", err)
    tap.done()


main()
