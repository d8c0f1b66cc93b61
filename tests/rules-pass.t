#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
#
# Every rule of the repository turns tests/rules/<rule>/in.c into out.c, and has such a test.
# It failed when a rule's test was missing, when out.c lacked what a rule adds, and when a folder
# belonged to no rule.
#
# tests/rules-pass.t --write RULE...  writes out.c from what the rule does: read it before use.

import difflib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "rewrite"))

from tap import ROOT, Tap  # noqa: E402
from mkvm import cocci, edit, failure, rewriting, rule  # noqa: E402
from mkvm.store import Store  # noqa: E402

FOLDER = ROOT / "tests" / "rules"


def transform(one, content):
    """What the rule makes of a test's in.c, under the name of the first file it is for."""
    words = one.head["files"].split()
    path = "in.c" if words[0] == "with" else words[0]
    if one.kind == "tokens":
        return edit.apply(one, content)
    after, hits, _, unread = cocci.apply(one, path, content, Store())
    rewriting.gate(one, path, content, unread)
    return after, hits


def write(names):
    for one in rule.house_rules():
        if one.name in names:
            folder = FOLDER / one.name
            (folder / "out.c").write_bytes(transform(one, (folder / "in.c").read_bytes())[0])


def main():
    tap = Tap()
    rules = rule.house_rules()
    for one in rules:
        folder = FOLDER / one.name
        if not (folder / "in.c").is_file() or not (folder / "out.c").is_file():
            tap.ok(False, f"{one.name} has a test", f"tests/rules/{one.name}/in.c and out.c")
            continue
        before, wanted = (folder / "in.c").read_bytes(), (folder / "out.c").read_bytes()
        try:
            got, hits = transform(one, before)
        except failure.Failure as refused:
            tap.ok(False, f"{one.name} turns in.c into out.c", refused)
            continue
        changes = "\n".join(difflib.unified_diff(
            wanted.decode().splitlines(), got.decode().splitlines(), "out.c", "result", "", "",
            2, ""))
        tap.ok(got == wanted and hits > 0 and before != wanted,
               f"{one.name} turns in.c into out.c", f"hits: {hits}", changes)
    known = {one.name for one in rules}
    stray = sorted(path.name for path in FOLDER.iterdir() if path.name not in known)
    tap.ok(not stray, "every folder of tests/rules belongs to a rule", stray)
    tap.done()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        write(sys.argv[2:])
    else:
        main()
