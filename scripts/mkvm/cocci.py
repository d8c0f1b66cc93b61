# SPDX-License-Identifier: GPL-2.0-only
"""Coccinelle: one rule on one file, how often it hit, and what of the file it could not read."""

import difflib
import functools
import re
import subprocess
import tempfile
from collections import namedtuple
from pathlib import Path

from . import digest, house, programs, tokens
from .failure import System

Unread = namedtuple("Unread", "line function names")
PARSE = house.ROOT / "kvm-core" / "parse.h"


@functools.cache
def version():
    programs.need(programs.for_rules())
    done = subprocess.run(["spatch", "--version"], capture_output=True, text=True)
    if done.returncode:
        raise System(f"spatch --version fails: {done.stderr.strip()}\n"
                     "  it does so without HOME in the environment")
    return done.stdout.splitlines()[0].split(" compiled")[0]


def counted(rule):
    """The rule's text, with a counter for every block that has a position called hit.

    Once a block has changed code, later blocks see lines counted from the changed element on,
    so a place is its element, file, line and column together.
    """
    counters = []
    by_changes = rule.head.get("count") == "changes" or (rule.user and "hits" not in rule.head)
    for name, header, meta, body in rule.blocks():
        if "script:" in header:
            continue
        has = any(re.search(r"\bposition\b[^;]*\bhit\b", line) for line in meta)
        changes = any(line[:1] in "-+" and line[:2] not in ("--", "++") for line in body if line)
        if has:
            if not name:
                raise rule.refuse("a block with 'position hit' needs a name: @name@")
            counters.append(f"@script:python@\np << {name}.hit;\n@@\nfor x in p:\n"
                            f'    print("HIT", "{name}", x.current_element, x.file, x.line, '
                            "x.column)\n")
        elif changes and not by_changes:
            raise rule.refuse(f"block {name or header} changes code and counts nothing"
                              "\n  next: 'position hit;' and @hit on its anchor, or "
                              "'// count: changes'")
    if by_changes:
        return rule.text
    return rule.text.rstrip("\n") + "\n\n" + "\n".join(counters)


def apply(rule, path, content, store):
    """(new content, hits, blocks that hit nothing, [Unread]) of one rule on one file."""
    return run(rule, path, content, store)[:4]


def run(rule, path, content, store):
    """What apply() says, and {(block, function or variable that it hit)}."""
    text = counted(rule)
    macros = PARSE.read_bytes()
    options = rule.head.get("options", "").split()
    key = digest.of_bytes("cocci", version(), macros, text, path, content)
    held = store.get(key)
    if held is None:
        held = _spatch(rule, text, options, path, content)
        store.put(key, held)
    after = held["content"].encode("utf-8", "surrogateescape")
    if rule.head.get("count") == "changes" or (rule.user and "hits" not in rule.head):
        hits = _changes(content, after)
    else:
        hits = len(held["hits"])
    fired = {one[1] for one in held["hits"]}
    idle = [name for name, header, _, body in rule.blocks()
            if name and name not in fired and "script:" not in header]
    return after, hits, idle, [Unread(line, function, set(names))
                               for line, function, names in held["unread"]], \
        {(one[1], one[2]) for one in held["hits"]}


def _changes(before, after):
    one = before.decode(errors="replace").splitlines()
    two = after.decode(errors="replace").splitlines()
    return sum(word[0] != "equal" for word in
               difflib.SequenceMatcher(None, one, two, autojunk=False).get_opcodes())


def _spatch(rule, text, options, path, content):
    with tempfile.TemporaryDirectory(prefix="rewrite.") as folder:
        target = Path(folder) / path
        target.parent.mkdir(parents=True)
        target.write_bytes(content)
        (Path(folder) / "rule.cocci").write_text(text)
        done = subprocess.run(
            ["spatch", "--no-includes", "--parse-error-msg", "--verbose-parsing",
             "--timeout", "300", "--macro-file", str(PARSE), *options, "--in-place",
             "--no-show-diff", "--cocci-file", "rule.cocci", path],
            cwd=folder, capture_output=True, text=True, errors="surrogateescape")
        after = target.read_bytes()
    trouble = [line for line in done.stderr.splitlines() if line.startswith("EXN")]
    if done.returncode or trouble:
        reason = "\n  ".join((trouble or done.stderr.strip().splitlines())[-6:])
        raise rule.refuse(f"spatch fails on {path}\n  {reason}")
    hits = sorted({tuple(line.split()) for line in done.stdout.splitlines()
                   if line.startswith("HIT ")})
    return {"content": after.decode("utf-8", "surrogateescape"), "hits": hits,
            "unread": unread(done.stderr + done.stdout, content, path)}


def unread(report, content, path):
    """What spatch's messages say it could not parse: [line, function or '', identifiers].

    A region is reported as its lines; the first is the last line of what was read before.
    """
    lines = content.decode("utf-8", "surrogateescape").splitlines()
    stripped = [line.strip() for line in lines]
    functions = tokens.definitions(content)
    found, block = [], None
    for line in report.splitlines() + [""]:
        match = re.match(r"(bad|BAD:!!!!!): ?(.*)$|(BAD:!!!!!) (.*)$", line)
        if line.startswith("badcount:"):
            block = []
        elif match and block is not None:
            block.append(match[2] if match[2] is not None else match[4] or "")
        elif block is not None:
            region = block[1:] if len(block) > 1 else block
            names = sorted(tokens.names("\n".join(region)))
            number = _locate(stripped, block)
            start = sum(len(one) + 1 for one in lines[:number - 1]) if number else 0
            end = start + sum(len(one) + 1 for one in region)
            inside = [one.name for one in functions if one.start < end and one.end > start] \
                if number else []
            entry = [number, " ".join(inside), names]
            if names and entry not in found:
                found.append(entry)
            block = None
    return found


def _locate(stripped, block):
    """The line, from 1, at which a reported region begins, or 0."""
    block = [line.strip() for line in block]
    for index in range(len(stripped) - len(block) + 1):
        if stripped[index] == block[0] and stripped[index:index + len(block)] == block:
            return index + min(2, len(block))
    return 0


def gate(rule, path, content, unread):
    """Refuse a rule whose names occur where Coccinelle cannot see them."""
    wanted = rule.matched_names()
    for region in unread:
        for name in sorted(wanted & region.names):
            where = f"{path}:{region.line}" if region.line else path
            function = f" ({region.function})" if region.function else ""
            raise rule.refuse(f"{where}{function}: Coccinelle cannot read this region, which "
                              f"mentions {name}"
                              "\n  next: a token rule for it, and '// unread: "
                              f"{name} why' in this one")
    for macro, line, body in tokens.macro_bodies(content):
        for name in sorted(wanted & body):
            raise rule.refuse(f"{path}:{line}: the body of #define {macro}, which Coccinelle "
                              f"never changes, mentions {name}"
                              "\n  next: a token rule for it, and '// unread: "
                              f"{name} why' in this one")
