#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
#
# Each rule has a fixture, each fixture a rule; each fixture also has code that must stay.
# (tests/rules-pass.t checks that they fit.)
# It failed when a fixture was taken away, when a folder had another name than its rule, and when
# a fixture had nothing in it that must stay.

import re

from sources import FIXTURES, Check, files, text

check = Check()
rules = {path.rsplit("/", 1)[1].rsplit(".", 1)[0]: path for path in files()
         if re.match(r"kvm-\w+/(\w+/)?rules/[\w-]+\.(cocci|tokens)$", path)}
fixtures = {path.split("/")[2] for path in files() if path.startswith(FIXTURES)}
held = set(files())
check.none(f"the {len(rules)} rules have a fixture",
           (f"{path}:1: no tests/rules/{name}/{file}; next: tests/rules-pass.t says how"
            for name, path in rules.items() for file in ("in.c", "out.c")
            if f"{FIXTURES}{name}/{file}" not in held))
check.none("each fixture belongs to a rule",
           (f"{FIXTURES}{name}:1: there is no rule {name}; next: remove or rename the folder"
            for name in sorted(fixtures - set(rules))))


def kept(path):
    """The lines of code that a rule must leave alone."""
    code = [line.strip() for line in text(path).splitlines()[1:] if line.strip(" \t{};/*")]
    after = set(text(path.replace("/in.", "/out.")).split("\n"))
    return [line for line in code if line in {one.strip() for one in after}]


check.none("each fixture also holds code that must stay as it is",
           (f"{path}:1: the rule changes every line; next: add a near miss"
            for path in files() if re.match(FIXTURES + r"[^/]+/in[^/]*\.c$", path)
            and path.replace("/in.", "/out.") in held and not kept(path)))
check.done()
