# SPDX-License-Identifier: GPL-2.0-only
"""What the checks share: the files of the repository, by kind, and one line for each failure.

A check is a *.t beside this file. It prints TAP, and "FILE:LINE: what; next: ..." as evidence.
"""

import functools
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "rewrite"))

from tap import ROOT, Tap, run  # noqa: E402, F401

# Modules for the emulated machine are kernel C; the fixtures of the rules follow no style, and what
# was released stays as it is.
KERNEL = ("vac/", "kvm-core/glue/", "kvm-x86/glue/", "tests/vm/modules/",
          "tests/vm/selftest-module.c")
FIXTURES = "tests/rules/"
RELEASED = "tests/abi/"


@functools.cache
def files():
    """The files that are in the repository, or will be with the next commit."""
    done = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                          cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"git ls-files: {done.stderr.strip()}")
    return sorted(path for path in done.stdout.split("\0") if path and (ROOT / path).is_file())


def text(path):
    return (ROOT / path).read_text(errors="surrogateescape")


def interpreter(path):
    with open(ROOT / path, "rb") as file:
        first = file.readline(200)
    return first.decode(errors="replace").split("/")[-1].strip() if first[:2] == b"#!" else ""


def kernel_c():
    return [path for path in files() if path.endswith((".c", ".h")) and path.startswith(KERNEL)]


def user_c():
    return [path for path in files() if path.endswith((".c", ".h"))
            and not path.startswith(KERNEL + (FIXTURES, RELEASED, "kvm-core/", "kvm-x86/"))]


def line_of(content, offset):
    return content.count("\n", 0, offset) + 1


class Check(Tap):
    def none(self, claim, problems):
        """Passes when the list of problems is empty."""
        problems = list(problems)
        self.ok(not problems, claim, *problems)

    def need(self, tool, package):
        """End, as skipped, where a tool is missing."""
        if not shutil.which(tool):
            self.skip_all(f"{tool} is missing; next: scripts/setup check ({package})")
