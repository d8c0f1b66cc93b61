# SPDX-License-Identifier: GPL-2.0-only
"""What becomes of a user's patch: each line that it added must be in what is compiled.

A rule takes bodies out whole, and a fix in such a body would be lost silently. So the
snapshot is rewritten with the patches and without them, and what they change must be the same
before the rules and after, unit by unit. It is counted in tokens, which needs no alignment: a
token that the patches add to a function three times is there three times more in the rewritten
function than without them. What they take out must be missing there, too.
"""

import difflib
import re
import subprocess
import tempfile
from collections import Counter, namedtuple
from pathlib import Path

from . import digest, units
from .failure import Refused

# Files before the rules, and after them; without the patches, and with them.
Compared = namedtuple("Compared", "plain patched plain_result patched_result")
Line = namedtuple("Line", "patch number sign text")
CHUNK = re.compile(r"(\d+)(?:,(\d+))?([acd])(\d+)(?:,(\d+))?$", re.M)
# Coccinelle may drop or add those around a single statement.
BRACES = ("{", "}")


def check(compared, paths, steps, trail, store):
    """Refuse patches of which a rule leaves less than they brought.

    To name them, steps() goes through the patches again: (patch, files before it, files with it);
    and trail(path) through the rules of a file: (rule, content without patches, content with them).
    """
    trouble, here = [], Path(__file__).read_bytes()
    for path in paths:
        contents = [files.get(path, b"") for files in compared]
        key = digest.of_bytes("survival", here, *contents)
        if store.get(key):
            continue
        if not _lost(*map(units.split, contents)):
            store.put(key, True)
            continue
        trouble += _named(list(steps()), path, *contents[:2], trail(path))
    if trouble:
        raise Refused("\n".join(trouble))


def _lost(plain, patched, plain_result, patched_result):
    """{unit: tokens of the patches' change to it that are gone}, each a mapping of units."""
    lost = {}
    for name in {*plain, *patched}:
        one, two = _text(plain, name), _text(patched, name)
        if one == two:
            continue
        after_one, after_two = _text(plain_result, name), _text(patched_result, name)
        brought, left = _balance(one, two), _balance(after_one, after_two)
        gone = {token for token in {*brought, *left} if token not in BRACES
                and (left[token] < brought[token] if brought[token] >= 0
                     else left[token] > brought[token])}
        if after_one == after_two:
            gone |= {*brought} or {*two} or {*one}
        gone |= _moved_and_gone(one, two, after_two)
        if gone:
            lost[name] = gone
    return lost


def _text(mapping, name):
    return units.text_of(mapping[name]) if name in mapping else []


def _balance(before, after):
    """How often each token is there more, or less, with the patches than without."""
    balance = Counter(after)
    balance.subtract(before)
    return Counter({token: count for token, count in balance.items() if count})


def _moved_and_gone(plain, patched, result):
    """The tokens of code that the patches only moved, and that a rule took out.

    Counting does not find them, for their number is the same as before.
    """
    changes = difflib.SequenceMatcher(None, plain, patched, autojunk=False).get_opcodes()
    away = Counter(token for kind, start, end, _, _ in changes if kind != "equal"
                   for token in plain[start:end])
    kept, found = None, set()
    for kind, _, _, start, end in changes:
        block = patched[start:end]
        words = {index for index in range(start, end) if re.match(r"\w", patched[index])}
        if kind == "equal" or not words or Counter(block) - away \
                or _times(block, result) >= _times(block, patched):
            continue
        if kept is None:
            kept = _kept(patched, result)
        if not kept & words:
            found |= {patched[index] for index in words}
    return found


def _times(block, tokens):
    """How often the tokens of a block stand together."""
    return sum(tokens[index:index + len(block)] == block for index in range(len(tokens)))


def _kept(before, after):
    """The places in before of the tokens that after still has."""
    blocks = difflib.SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
    return {index for start, _, size in blocks for index in range(start, start + size)}


def _named(steps, path, plain, patched, trail):
    """One error line for each rule and patch, with the lines of the patch that the rule took."""
    said, told = [], set()
    before, after = units.split(plain), units.split(patched)
    brought = changes(steps, path)
    for rule, without, patched_so_far in trail:
        lost = _lost(before, after, units.split(without), units.split(patched_so_far))
        lines = []
        for name, gone in sorted(lost.items()):
            if name in told:
                continue
            told.add(name)
            lines += _lines(name, gone, before, after, units.split(patched_so_far), brought)
        for patch in dict.fromkeys(line.patch for line in lines):
            said.append(_say(rule, path, patch, [one for one in lines if one.patch is patch]))
    return said or [f"{path}: a patch's change of it is not in what is compiled"]


def _say(rule, path, patch, lines):
    return "\n".join([
        f"patch {patch.name}: rule {rule.name} takes this away, and it would not be compiled",
        *(f"  {path}:{line.number}: {line.sign}{line.text}" for line in lines),
        f"  next: read {rule.where}: vac does what it takes out, or nobody."
        "\n        What the patch is for belongs there, or into a function that stays; take these"
        f" lines\n        out of {patch.name}"])


def _lines(name, gone, before, after, result, brought):
    """The lines of the patches to which the tokens that are gone belong."""
    added, removed = brought
    kept = _kept(_text(after, name), _text(result, name))
    found, weak = {}, {}
    for index, token in enumerate(after[name].tokens if name in after else ()):
        line = added.get(token.line)
        if line is not None and units.word(token) in gone:
            (weak if index in kept else found)[line] = True
    for token in before[name].tokens if name in before else ():
        line = removed.get(token.line)
        if line is not None and units.word(token) in gone:
            (weak if found else found)[line] = True
    return list(found or weak)


def changes(steps, path):
    """({line of the file with all patches: Line}, {line of the file before them: Line})."""
    first = _cut(steps[0][1].get(path, b""))
    origin, removed = [number + 1 for number in range(len(first))], {}
    for patch, before, after in steps:
        one, two = _cut(before.get(path, b"")), _cut(after.get(path, b""))
        if one == two:
            continue
        fresh, low = [], 0
        for start, end, new_start, new_end in _chunks(one, two):
            fresh += origin[low:start]
            for was, text in zip(origin[start:end], one[start:end]):
                if isinstance(was, int):
                    removed[was] = Line(patch, was, "-", text)
            fresh += [Line(patch, number + 1, "+", two[number])
                      for number in range(new_start, new_end)]
            low = end
        origin = fresh + origin[low:]
    return {number: line for number, line in enumerate(origin, 1)
            if isinstance(line, Line)}, removed


def _cut(content):
    return content.decode("utf-8", "surrogateescape").split("\n")


def _chunks(one, two):
    """[(start, end, start, end)] of the lines that differ, counted from 0, as diff finds them."""
    with tempfile.TemporaryDirectory(prefix="rewrite.") as folder:
        paths = [Path(folder) / name for name in "ab"]
        for path, lines in zip(paths, (one, two)):
            path.write_bytes("".join(f"{line}\n" for line in lines)
                             .encode("utf-8", "surrogateescape"))
        done = subprocess.run(["diff", "-a", *map(str, paths)], stdout=subprocess.PIPE, text=True,
                              errors="surrogateescape")
    found = []
    for match in CHUNK.finditer(done.stdout):
        low, high, kind, new_low, new_high = match.groups()
        old = (int(low), int(low)) if kind == "a" else (int(low) - 1, int(high or low))
        new = (int(new_low), int(new_low)) if kind == "d" \
            else (int(new_low) - 1, int(new_high or new_low))
        found.append((*old, *new))
    return found
