#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
#
# Every rule of the repository turns tests/rules/<rule>/in.c into out.c, with as many hits as its
# header says, for each file that it names; where the files differ, in.<file>.c and out.<file>.c
# are for that one (in.mmu.c for mmu.c); in-6.12.c is what 6.12 offers the rule.
# It failed when a rule's test was missing, when out.c lacked what a rule adds, when a place to hit
# was in the fixture once more or once less, when a rule also took a near miss (a block without its
# function's name, an expression for a constant), and when a folder or a file belonged to no rule.
#
# tests/rules-pass.t --write RULE...  writes out.c from what the rule does: read it before use.

import difflib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "rewrite"))

from tap import ROOT, Tap  # noqa: E402
from mkvm import cocci, edit, failure, rule  # noqa: E402
from mkvm.store import Store  # noqa: E402

FOLDER = ROOT / "tests" / "rules"


def cases(one):
    """(path that the rule is for, its in.c, its out.c)."""
    words = one.head["files"].split()
    for path in ["in.c"] if words[0] == "with" else words:
        special = FOLDER / one.name / f"in.{Path(path).stem}.c"
        first = special if special.is_file() else special.with_name("in.c")
        for before in (first, *first.parent.glob(first.stem + "-*.c")):
            yield path, before, before.with_name("out" + before.name.removeprefix("in"))


def transform(one, path, content):
    """(what the rule makes of content, under the name path, its hits)."""
    if one.kind == "tokens":
        return edit.apply(one, content)
    after, hits, _, unread = cocci.apply(one, path, content, Store())
    cocci.gate(one, path, content, unread)
    return after, hits


def expected(one, path, content):
    files = dict.fromkeys(one.head["files"].split(), b"")
    files[path] = content
    return one.targets(files)[path]


def write(names):
    for one in rule.house_rules():
        if one.name in names:
            for path, before, after in cases(one):
                after.write_bytes(transform(one, path, before.read_bytes())[0])


def check(tap, one, path, before, after):
    claim = f"{one.name} turns {before.name} into {after.name} ({path})"
    if not before.is_file() or not after.is_file():
        tap.ok(False, claim, f"next: write {before.relative_to(ROOT)} and {after.name}")
        return
    content, wanted = before.read_bytes(), after.read_bytes()
    try:
        got, hits = transform(one, path, content)
        due = expected(one, path, content)
    except failure.Failure as refused:
        tap.ok(False, claim, refused)
        return
    changes = "\n".join(difflib.unified_diff(
        wanted.decode().splitlines(), got.decode().splitlines(), after.name, "result", "", "",
        2, ""))
    tap.ok(got == wanted and hits == due > 0 and content != wanted, claim,
           f"hits: {hits}, the rule says {due}", changes)


def main():
    tap = Tap()
    used = set()
    for one in rule.house_rules():
        for path, before, after in cases(one):
            check(tap, one, path, before, after)
            used |= {before, after}
    stray = sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*")
                   if path not in used and not path.is_dir())
    empty = sorted(path.name for path in FOLDER.iterdir() if not any(path.iterdir()))
    tap.ok(not stray and not empty, "every file of tests/rules belongs to a rule", stray + empty)
    tap.done()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        write(sys.argv[2:])
    else:
        main()
