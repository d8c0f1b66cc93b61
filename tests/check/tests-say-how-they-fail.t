#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
#
# A test that cannot fail is a defect: each scenario and each *.t says in its header what made it
# fail when that was tried.
# It failed on a scenario whose header had no "fails when", on one that said it was still to be
# written, and on a *.t with no such line.

import re

from sources import Check, files, text

LATER = "TO BE " + "FILLED"


def header(path):
    """The comment a file begins with, or the docstring of a program."""
    return re.match(r'(\s*(#[^\n]*\n|//[^\n]*\n|/\*.*?\*/|""".*?"""))*', text(path), re.S)[0]


check = Check()
scenarios = [path for path in files() if re.match(r"tests/vm/scenarios/[^/]+\.c$", path)]
tests = [path for path in files() if path.startswith("tests/") and path.endswith(".t")]
check.none(f"the {len(scenarios)} scenarios say when they fail",
           (f"{path}:1: its header has no 'fails when: ...'; next: make it fail, then say how"
            for path in scenarios
            if not re.search(r"fails when:?\s+(?:\*\s+)?\S", header(path))))
check.none("none of them leaves that for later",
           (f"{path}:{number}: {LATER}; next: make it fail, then say how"
            for path in files() if path.startswith("tests/")
            for number, line in enumerate(text(path).splitlines(), 1) if LATER in line))
check.none(f"the {len(tests)} other tests say when they failed",
           (f"{path}:1: its header does not say 'failed when ...'; next: make it fail, then say how"
            for path in tests
            if not re.search(r"\bfail(s|ed)\b|\bmade [\w ]+ fail\b", header(path))))
check.done()
