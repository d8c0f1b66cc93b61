# SPDX-License-Identifier: GPL-2.0-only
"""Which patch a line came from: files before and after, compared line by line."""

from difflib import SequenceMatcher


def lines_of(content):
    """The lines as a compiler counts them; what is no text stays as it is."""
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

    A new file that is half of one that is gone is that one under another name.
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
        if lines[-1] == "":     # what follows the last end of line is no line
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
