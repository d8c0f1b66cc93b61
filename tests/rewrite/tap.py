# SPDX-License-Identifier: GPL-2.0-only
"""Test Anything Protocol, and what the tests of the rewrite share."""

import contextlib
import difflib
import functools
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
sys.dont_write_bytecode = True

from mkvm import digest, failure, tree  # noqa: E402
from mkvm.patch import Patch, apply_patches  # noqa: E402
from mkvm.snapshot import Snapshot  # noqa: E402
from mkvm.store import Store  # noqa: E402


class Tap:
    def __init__(self):
        self.count = self.failed = 0
        self.folder = Path(tempfile.mkdtemp(prefix="rewrite-test."))

    def ok(self, passed, claim, *evidence):
        """One test; the evidence is printed when it fails."""
        self.count += 1
        self.failed += not passed
        print(f"{'' if passed else 'not '}ok {self.count} - {claim}")
        if not passed:
            for text in evidence:
                for line in str(text).splitlines():
                    print(f"#   {line}")
        sys.stdout.flush()

    def has(self, text, words, claim):
        """Passes when every word is somewhere in text."""
        missing = [word for word in words if word not in text]
        self.ok(not missing, claim, f"missing: {missing}", text)

    def skip_all(self, why):
        print(f"1..0 # SKIP {why}")
        self.done(plan=False)

    def done(self, plan=True):
        shutil.rmtree(self.folder, ignore_errors=True)
        if plan:
            print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)


def run(*words, **options):
    """(status, standard output, everything that was said on standard error)."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, cwd=ROOT,
                          **options)
    return done.returncode, done.stdout.strip(), done.stderr


def kernel():
    """The kernel that is tested: KVER, else the newest."""
    return os.environ.get("KVER") or run("scripts/sources", "kver", "newest")[1]


def release():
    """The newest kernel source of KVER's series, or what SNAPSHOT_RELEASE says."""
    if os.environ.get("SNAPSHOT_RELEASE"):
        return os.environ["SNAPSHOT_RELEASE"]
    status, out, err = run("scripts/sources", "releases", "newest", "--kernel", kernel())
    if status:
        raise SystemExit(f"scripts/sources releases: {err}")
    return out


def snapshot():
    """A true snapshot's folder."""
    status, out, err = run("scripts/snapshot", release())
    if status:
        raise SystemExit(f"scripts/snapshot: {err}")
    return Path(out)


def doctored(folder, changes):
    """A copy of the true snapshot with some files changed (None removes one), digest and all."""
    files = tree.read(snapshot())
    named = files.pop("RELEASE")
    files.pop("DIGEST")
    known = files.pop("KNOWN")
    for path, content in changes.items():
        files.pop(path, None)
        if content is not None:
            files[path] = content
    tree.replace(folder, files | {"RELEASE": named, "KNOWN": known,
                                  "DIGEST": digest.of_tree(files).encode() + b"\n"})
    return folder


# What a kernel source must have beside KVM: these are read, but are no part of a snapshot.
HEADERS = {f"arch/x86/include/asm/{name}.h": text for name, text in {
    "cpufeatures": b"#define X86_BUG_ONE X86_BUG(1) /* X86_BUG_NONE */\n"
                   b"#define X86_FEATURE_TWO ( 3*32+ 2)\n",
    "nospec-branch": b"DECLARE_STATIC_KEY_FALSE(three_key);\nextern u64 four[];\n"
                     b"extern void (*five)(void);\n",
    "spec-ctrl": b"DECLARE_PER_CPU(bool, six);\nextern void seven(unsigned int x);\n"}.items()}
KNOWN = b"X86_BUG_ONE\nX86_FEATURE_TWO\nfour\nseven\nsix\nthree_key\n"


def rewrite(source, out, *words, tag="test"):
    return run("scripts/rewrite", "--snapshot", source, "--tag", tag, "--out", out, *words)


held = functools.cache(Snapshot)


def patched(source, *paths):
    """(status, what was said, patches, files) of patches on a snapshot, before any rule."""
    said, used, files = io.StringIO(), [], {}
    with contextlib.redirect_stderr(said):
        try:
            used, files = apply_patches([Patch(path) for path in paths], held(source),
                                        Store(enabled=False))
        except failure.Failure as error:
            return error.status, f"{said.getvalue()}{error}\n", [], {}
    return 0, said.getvalue(), used, files


def diff(path, before, after, old="a/", new="b/"):
    """A unified diff of one file of a kernel; None is a file that is not there."""
    lines = difflib.unified_diff((before or "").splitlines(True), (after or "").splitlines(True),
                                 f"{old}{path}" if before is not None else "/dev/null",
                                 f"{new}{path}" if after is not None else "/dev/null")
    return "".join(lines)
