# SPDX-License-Identifier: GPL-2.0-only
"""What somebody has looked at: the files looked-at and machine-state of kvm-core/ and kvm-x86/.

kvm-core/looked-at says what the lines mean. A class is one of the words in CLASSES; whoever
reads a line may rely on what the word promises, and the gate and the audit check what can be
checked of it.
"""

import re
from collections import namedtuple

from . import house
from .failure import Refused

LOOKED_AT, STATE = "looked-at", "machine-state"
# kind of line: its words before the last, the classes that it may have
KINDS = {
    "suspect": (0, None),
    "shared": (1, None),
    "when": (1, None),
    "percpu": (1, {"own", "vcpu", "machine"}),
    "field": (1, {"own", "vcpu", "machine"}),
    "data": (1, {"read", "given", "code", "kernel", "own", "vcpu", "machine"}),
    "msr": (2, {"command", "same", "vcpu", "machine"}),
    "rdmsr": (1, {"constant", "host", "guest", "own", "machine"}),
}
Class = namedtuple("Class", "word hazard why")


class Known:
    """What the lists say; each kind of line is a dictionary by name."""

    def __init__(self, paths=None):
        self.paths = paths or [house.ROOT / part / name for part in house.PARTS
                               for name in (LOOKED_AT, STATE)]
        self.shared, self.when = {}, {}
        self.percpu, self.field, self.data, self.msr, self.rdmsr = {}, {}, {}, {}, {}
        self.numbers = {}
        suspects = []
        for path in self.paths:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                words = line.split("#")[0].split()
                if words:
                    try:
                        self._line(words, suspects)
                    except ValueError as error:
                        raise Refused(f"{path}:{number}: not a line of {path.name}"
                                      f" ({error}): {line}") from None
        self.pattern = re.compile("|".join(f"(?:{one})" for one in suspects))

    def _line(self, words, suspects):
        kind = words[0]
        if kind not in KINDS:
            raise ValueError("no such kind")
        names, classes = KINDS[kind]
        if len(words) < names + 2:
            raise ValueError("too few words")
        rest = " ".join(words[1 + names:])
        if kind == "suspect":
            suspects.append(rest)
        elif kind == "when":
            self.when.setdefault(rest, []).append(words[1])
        else:
            held = getattr(self, kind)
            if words[1] in held:
                raise ValueError(f"{words[1]} is listed twice")
            held[words[1]] = rest if classes is None else _class(words[1 + names:], classes)
            if kind == "msr" and words[2] != "-":
                self.numbers[int(words[2], 16)] = words[1]

    def suspicious(self, name):
        """Whether a function's name looks like that of a hook that nobody has looked at."""
        return name not in self.shared and bool(self.pattern.search(name))


def _class(words, classes):
    """The class that a line's last words say."""
    word, hazard, why = words[0], None, words[1:]
    if word not in classes:
        raise ValueError(f"{word} is none of {', '.join(sorted(classes))}")
    if word == "machine":
        if not why or not why[0].isdigit():
            raise ValueError("machine wants the row of the hazard")
        hazard, why = int(why[0]), why[1:]
    if not why:
        raise ValueError("no reason is given")
    return Class(word, hazard, " ".join(why))
