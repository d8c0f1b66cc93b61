# SPDX-License-Identifier: GPL-2.0-only
"""Pins: what a rule's "..." takes out or steps over is code that somebody has looked at.

The files called pinned (kvm-core/README.md says how to read them) hold, for each rule and each
unit of a file that it has dots in, the shapes that the unit has in the releases that were looked
at. Any other shape is refused, with the difference to one that was looked at: a new statement in
a body that a rule takes out is work that nobody would do any more.

The shape is that of the snapshot as it was taken, before any patch and any rule. survival.py deals
with what becomes of a user's patch in such a unit.
"""

import difflib
import re

from . import house, snapshot as snapshots, units
from .failure import Failure, Refused

PINNED = "pinned"
NEXT = ("\n  next: read what the difference does, and see to it that somebody still does it: a rule"
        "\n        that keeps it, or vac; then scripts/pins {release} --write")
MOST = 60           # lines of a difference


class Pins:
    """{(rule, path, unit): {shape: oldest release in which it was looked at}}."""

    def __init__(self, paths=None):
        self.paths = paths or [house.ROOT / part / PINNED for part in house.PARTS]
        self.known = {}
        for path in self.paths:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                words = line.split("#")[0].split()
                if not words:
                    continue
                if words[0] != "pin" or len(words) != 6:
                    raise Refused(f"{path}:{number}: not a line of {PINNED}: {line}")
                shapes = self.known.setdefault(tuple(words[1:4]), {})
                if words[4] in shapes:
                    raise Refused(f"{path}:{number}: that shape of {words[3]} is listed twice")
                shapes[words[4]] = words[5]


def dotted(rule, places, before, after):
    """The units of before that a rule's blocks with dots hit; places has what they hit.

    Coccinelle does not name what is neither a function nor a variable: then it is a unit that the
    rule changed and that no other block hit.
    """
    blocks = rule.dotted()
    hit = {unit for block, unit in places if block in blocks}
    if "something_else" in hit:
        hit |= units.changed(before, after) - {unit for _, unit in places}
    return hit - {"something_else"}


def unknown(touched, snapshot, store, pins=None):
    """[(rule, path, unit, shape)] of what the rules touched and nobody has looked at."""
    pins = pins or Pins()
    found = []
    for rule, path, unit in sorted(touched):
        shape = units.shapes(snapshot.files.get(path, b""), store).get(unit)
        if shape is not None and shape not in pins.known.get((rule, path, unit), ()):
            found.append((rule, path, unit, shape))
    return found


def check(touched, snapshot, store):
    """Refuse a snapshot in which a rule has dots in something that nobody has looked at."""
    pins = Pins()
    trouble = [f"rule {rule}: {path}: {unit}{report(pins, rule, path, unit, snapshot)}"
               for rule, path, unit, _ in unknown(touched, snapshot, store, pins)]
    if trouble:
        raise Refused("\n".join(trouble) + NEXT.format(release=snapshot.release))


def report(pins, rule, path, unit, snapshot):
    """The difference to a shape that was looked at, if the source of one can be had."""
    shapes = pins.known.get((rule, path, unit))
    if not shapes:
        return (": the rule takes code out of it or steps over it, and nobody has looked at it\n"
                + _text(snapshot.files[path], unit))
    release, content = _source(shapes, path, unit, snapshot.release)
    said = ": the rule takes code out of it or steps over it, and it is not as it was looked at"
    if content is None:
        return f"{said}\n  in {release}, whose source is not to be had here"
    lines = list(difflib.unified_diff(_lines(content, unit), _lines(snapshot.files[path], unit),
                                      f"{release}, looked at", snapshot.release, "", "", 3, ""))
    if len(lines) > MOST:
        lines[MOST:] = [f"... and {len(lines) - MOST} lines more"]
    return "\n".join([said, *(f"  | {line}" for line in lines)])


def _lines(content, unit):
    text = content.decode("utf-8", "replace")
    found = units.split(text).get(unit)
    return [line for start, end in (found.spans if found else ())
            for line in text[start:end].splitlines()]


def _text(content, unit):
    return "\n".join(f"  | {line}" for line in _lines(content, unit)[:MOST])


def _series(release):
    return release.split(".")[:2]


def _newest_first(release):
    return [int(number) for number in re.findall(r"\d+", release)]


def _source(shapes, path, unit, release):
    """(release, content of path) in which the unit has a shape that was looked at.

    One of the same series is preferred, then the newest that is cached. If none is cached one is
    fetched.
    """
    held = [folder for folder in (house.BUILD / "snapshot").glob("*/")
            if (folder / path).is_file()]
    held.sort(key=lambda folder: (_series(folder.name) == _series(release),
                                  _newest_first(folder.name)), reverse=True)
    wanted = sorted(shapes.values(), key=lambda name: (_series(name) == _series(release),
                                                       _newest_first(name)), reverse=True)
    if _series(wanted[0]) == _series(release):
        held = [folder for folder in held if _series(folder.name) == _series(release)]
    for folder in held:
        content = (folder / path).read_bytes()
        found = units.split(content).get(unit)
        if found and units.shape(found) in shapes:
            return folder.name, content
    try:
        folder = snapshots.take(wanted[0])
        return wanted[0], (folder / path).read_bytes()
    except (Failure, OSError):
        return wanted[0], None


def write(lines, paths=None):
    """Add [(part, words of a pin)], each behind those of its rule, file and unit."""
    for part, path in zip(house.PARTS, paths or Pins().paths):
        text = path.read_text().splitlines()
        for rule_part, words in lines:
            if rule_part != part:
                continue
            place, best = len(text), 0
            for number, line in enumerate(text, 1):
                same = 0
                for one, two in zip(line.split()[:4], words):
                    if one != two:
                        break
                    same += 1
                if same > 1 and same >= best:
                    place, best = number, same
            text.insert(place, " ".join(words))
        path.write_text("\n".join(text) + "\n")
