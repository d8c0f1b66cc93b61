#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
# series: first
#
# The same snapshot, tag and rules give the same package, byte for byte: without the cache, with
# it, with one worker or two; and the package is complete.
# It failed when rewrite.diff had times in it, and when files were left with the user's umask.

import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tap import Tap, rewrite, snapshot  # noqa: E402
from mkvm import digest, package, rewriting, tree  # noqa: E402


def main():
    tap = Tap()
    true = snapshot()
    os.umask(0o077)
    status, one, err = rewrite(true, tap.folder / "one", "--no-cache")
    if status:
        tap.ok(False, "the snapshot is rewritten", err)
        tap.done()
    first = tree.read(one)
    two = rewriting.rewrite(true, "test", tap.folder / "two", cache=False, workers=1)
    tap.ok(first == tree.read(two), "two runs without a cache, with two workers and with one")
    for name in ("three", "four"):
        status, path, err = rewrite(true, tap.folder / name)
        tap.ok(status == 0 and first == tree.read(path), f"a run with the cache: {name}", err)
    modes = {oct(path.stat().st_mode & 0o777) for path in Path(one).rglob("*") if path.is_file()}
    tap.ok(modes == {"0o644"}, "the user's umask does not show", modes)

    status, other, err = rewrite(true, tap.folder / "other", tag="another")
    differ = sorted(name for name, content in tree.read(other).items()
                    if first.get(name) != content)
    tap.ok(set(differ) == {"glue/names.h", "Kbuild", "Makefile", "dkms.conf", "halves.sh"},
           "another tag differs in names and build files only", differ)

    for name in ("Kbuild", "Makefile", "dkms.conf", "rewrite.diff", "PROVENANCE",
                 "virt/kvm/kvm_main.c", "arch/x86/kvm/x86.c", "glue/names.h"):
        tap.ok(name in first, f"the package has {name}")
    version = re.search(rb'PACKAGE_VERSION="(.*)"', first["dkms.conf"])[1].decode()
    tap.ok(Path(one).name == f"kvm-test-{version}", "its folder is called by name and version",
           one, version)
    said = first["PROVENANCE"].decode()
    tap.has(said, [f"snapshot {(true / 'RELEASE').read_text().strip()} "
                   f"{(true / 'DIGEST').read_text().strip()}", "tool spatch"],
            "PROVENANCE names snapshot and tools")
    glue = package.glue_files()
    tap.has(said, [f"glue {name} {digest.of_bytes(content)}" for name, content in glue.items()],
            "and the glue, each by its digest")
    tap.ok(not re.search(rb"^[-+]{3} .*\t", first["rewrite.diff"], re.M),
           "rewrite.diff has no times")
    tap.done()


main()
