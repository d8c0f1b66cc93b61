#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Claim: a mover moves no VM in which another process, or a thread with a table of files of its
own, has a part, also if that comes after the first look.

move/alone.c plays the VMM, and asks the mover. It needs root.

fails when: vm_still_alone() does not compare the threads' tables of files, does not look at
processes again, or knows them by their numbers only.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from host import PROCESS, Tests, build_with_mover  # noqa: E402

SHARES = "process N (?) shares {} of process N; "
APART = "thread N of process N has a table of files of its own, which is not moved; "
CASES = {  # when who comes, and what is said
    "nobody": ("", "", "alone; alone; "),
    "a child without the VM's file": ("after", "n", "alone; alone; "),
    "a child with the memory": ("before", "m", SHARES.format("the memory")),
    "one later": ("after", "m", "alone; again; " + SHARES.format("the memory")),
    "a child with the table of files": ("before", "t", SHARES.format("the files")),
    "the same later": ("after", "t", "alone; again; " + SHARES.format("the files")),
    "a child with the VM's file": ("before", "f", SHARES.format("a file of the VM")),
    "such a one later": ("after", "f", "alone; again; " + SHARES.format("a file of the VM")),
    "one with the number of another": ("after", "e",
                                       "alone; again; " + SHARES.format("the files")),
    "a thread with files of its own": ("before", "a", "alone; " + APART),
    "such a thread later": ("after", "a", "alone; " + APART),
}


def main():
    tests = Tests()
    if os.geteuid():
        tests.skip_all("only root may trace others")
    alone = build_with_mover("alone", [*PROCESS, "shared"])
    for name, (when, who, said) in CASES.items():
        for _ in range(3):  # somebody else may have got the number
            done = subprocess.run([alone, when, who], text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
            if not done.returncode:
                break
        tests.same(re.sub("[0-9]+", "N", done.stdout), said + "\n", name)
    tests.done()


main()
