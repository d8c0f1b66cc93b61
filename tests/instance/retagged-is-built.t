#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
# test-all
"""Claim: what tests/vm/retag makes is what a build with that tag makes.

fails when: retag leaves out one of its patterns (the descriptor says a; the names of the trace
systems do), or replaces each a after an underscore (names of functions differ).
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts"))
sys.path.insert(0, str(ROOT / "tests/rewrite"))

from mkvm import elf  # noqa: E402
from tap import Tap  # noqa: E402

LOADED = 2      # SHF_ALLOC
OWN = (".note.gnu.build-id",)


def loaded(module):
    return {one.name: (one.flags, module.content(one.name)) for one in module.sections
            if one.flags & LOADED and one.name not in OWN}


def symbols(module):
    """Without those that have no name: of sections and files."""
    return sorted(one._replace(section=module.sections[one.section].name
                               if one.section < len(module.sections) else one.section)
                  for one in module.symbols() if one.name)


def main():
    kver, out = os.environ["KVER"], ROOT / "build/test/retag"
    ours = ROOT / "build/test" / kver
    built = out / kver / "kvm-c.ko"
    subprocess.run([ROOT / "scripts/build", "instance", "--kernel", kver, "--tag", "c", "--from",
                    "newest", "--vac", ours / "vac.ko", "--out", built], check=True,
                   stdout=subprocess.DEVNULL)
    made = subprocess.run([ROOT / "tests/vm/retag", ours / "kvm-a.ko", "c", out / kver / "made"],
                          check=True,
                          stdout=subprocess.PIPE, text=True).stdout.strip()
    made, built = elf.Object(made), elf.Object(built)
    tap = Tap()
    tap.ok(loaded(built), "a module has sections")
    tap.ok([one.name for one in made.sections] == [one.name for one in built.sections],
           "the sections are the same")
    other = [name for name, content in loaded(built).items() if loaded(made).get(name) != content]
    tap.ok(not other, "so is what is loaded", *other)
    tap.ok(symbols(made) == symbols(built), "the symbols",
           *map(str, sorted(set(symbols(made)) ^ set(symbols(built)))[:10]))
    tap.ok(list(made.relocations()) == list(built.relocations()), "and what is relocated by which")
    tap.ok(made.data != built.data, "but it is another file")
    tap.done()


if __name__ == "__main__":
    main()
