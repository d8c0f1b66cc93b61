# SPDX-License-Identifier: GPL-2.0-only
"""Which patch a line came from: files before and after, compared line by line.

In a package that is LIST, which tells to which patch a compiler's error belongs: for the package's
own build on a host, which has nothing else, and for missing.py.
"""

from difflib import SequenceMatcher

from . import tokens
from .rule import KEYWORDS

LIST = "patched-lines"


def lines_of(content):
    """The lines as a compiler counts them; bytes that are no text are kept."""
    return content.decode("utf-8", "surrogateescape").split("\n")


def same(one, two):
    """(from one, to one, from two) of each run of lines that both lists have, in order.

    difflib is quick where it may ignore frequent lines, and exact where it may not: it does the
    first for a whole file, the second for the few lines that differ.
    """
    for word, start, end, start2, end2 in SequenceMatcher(None, one, two).get_opcodes():
        if word == "equal":
            yield start, end, start2
        elif word == "replace":
            part = SequenceMatcher(None, one[start:end], two[start2:end2], autojunk=False)
            for at, at2, size in part.get_matching_blocks()[:-1]:
                yield start + at, start + at + size, start2 + at2


def changed(before, after):
    """(path, what it was called before or None) of each file of after that is not as before.

    A new file that has at least half of a removed one is that one renamed.
    """
    gone = [path for path in before if path not in after]
    for path in after:
        if path in before:
            if before[path] != after[path]:
                yield path, path
            continue
        lines, best, former = lines_of(after[path]), 0.5, None
        for old in gone:
            ratio = SequenceMatcher(None, lines_of(before[old]), lines).ratio()
            if ratio > best:
                best, former = ratio, old
        yield path, former


def added_lines(before, after):
    """{path: [(line, text), ...]} of what after has and before has not; lines count from 1.

    Both are {path: bytes}. All lines of a new file are added, and of a renamed one those that
    are new; a file without any is left out.
    """
    found = {}
    for path, former in changed(before, after):
        lines = lines_of(after[path])
        fresh = set(range(len(lines)))
        for start, end, at in same(lines_of(before[former]) if former else [], lines):
            fresh -= set(range(at, at + end - start))
        if lines[-1] == "":     # the empty rest after the last newline
            fresh.discard(len(lines) - 1)
        if fresh:
            found[path] = [(number + 1, lines[number]) for number in sorted(fresh)]
    return found


def attribute(stages):
    """[{path: [(line, text), ...]}, ...]: for each patch what it brought of the last stage.

    stages are the files before the first patch and after each one. What a later patch moves or
    changes is that one's; what it removes is nobody's, and neither is what was there before.
    """
    brought = [{} for _ in stages[1:]]
    owners = {}         # path: for each of its lines the patch, or None
    for number, (before, after) in enumerate(zip(stages, stages[1:])):
        fresh = {}
        for path, former in changed(before, after):
            lines = lines_of(after[path])
            fresh[path] = mine = [number] * len(lines)
            held = lines_of(before[former]) if former else []
            theirs = owners.get(former, [None] * len(held))
            for start, end, at in same(held, lines):
                mine[at:at + end - start] = theirs[start:end]
        owners |= fresh
    for path, lines in added_lines(stages[0], stages[-1]).items():
        last = max(number for number in range(len(brought))
                   if stages[number].get(path) != stages[number + 1].get(path))
        for line, text in lines:
            owner = owners[path][line - 1]
            brought[last if owner is None else owner].setdefault(path, []).append((line, text))
    return brought


def gone(before, after):
    """The names in lines that before has and after has not, and in no line that is new there."""
    def words(lines):
        return set(tokens.names("\n".join(text for one in lines.values() for _, text in one)))

    return words(added_lines(after, before)) - words(added_lines(before, after)) - KEYWORDS


def places(lines, fresh):
    """{line of lines: line of fresh}, both from 0, of what both have.

    A line that was changed has a place where as many lines were changed as there were before.
    """
    place, at, at2 = {}, 0, 0
    for start, end, start2 in [*same(lines, fresh), (len(lines), len(lines), len(fresh))]:
        if start - at == start2 - at2:
            place |= zip(range(at, start), range(at2, start2))
        place |= zip(range(start, end), range(start2, start2 + end - start))
        at, at2 = end, start2 + end - start
    return place


def listed(patches, patched, rewritten):
    """LIST of a package: where the rules left what each patch's added says of the patched files."""
    found = []
    for path in sorted({path for one in patches for path in one.touched if path in rewritten}):
        place = places(lines_of(patched[path]), lines_of(rewritten[path]))
        for one in patches:
            numbers = sorted(place[line - 1] + 1 for line, _ in one.added.get(path, ())
                             if line - 1 in place)
            while numbers:
                first = last = numbers.pop(0)
                while numbers and numbers[0] == last + 1:
                    last = numbers.pop(0)
                found.append(f"{path} {first} {last} {one.name}\n")
        found += [f"{path} 0 0 {one.name}\n" for one in patches if path in one.touched]
    found += sorted({f"gone {name} {one.name}\n" for one in patches for name in one.gone})
    return ("# the lines of this package that a patch brought: file, first, last, patch; 0 is for\n"
            "# any change of the file, and gone for a name that a patch took away\n"
            + "".join(found)).encode()


class Owners:
    """LIST read back: to which patch a place of a package belongs."""

    def __init__(self, text=""):
        self.lines, self.gone = {}, {}
        for words in (line.split() for line in text.splitlines() if not line.startswith("#")):
            if words[0] == "gone":
                self.gone.setdefault(words[1], []).append(words[2])
            else:
                path, first, last, name = words
                self.lines.setdefault(path, []).append((int(first), int(last), name))

    def of(self, path, number):
        """The patch that brought this line, or None."""
        return next((name for first, last, name in self.lines.get(path, ())
                     if first <= number <= last), None)

    def of_file(self, path):
        """The patches that changed this file."""
        return list(dict.fromkeys(name for _, _, name in self.lines.get(path, ())))
