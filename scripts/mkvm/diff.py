# SPDX-License-Identifier: GPL-2.0-only
"""Unified diffs: plain, compressed or mailed, with any depth of paths; parsed strictly.

patch(1) silently drops what it takes for text around a diff. Here each line of a hunk is counted,
and one too many or too few is an error with its line number.
"""

import email
import re
import subprocess
from collections import Counter

from . import source
from .failure import Refused, System

HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@")
MAIL = re.compile(rb"^From \S+ .*\d{4}\r?\n", re.M)
EXTENDED = re.compile(r"(old mode|new mode|deleted file mode|new file mode|copy from|copy to|"
                      r"rename from|rename to|similarity index|dissimilarity index|index) (.*)$")
EMPTY = "/dev/null"
# What may come between the last hunk of a file and the next one, and ends what belongs to it.
BETWEEN = re.compile(r"diff |From |Index: |-- ?$|Only in ")


class Change:
    """What a diff does to one file: old and new are its paths, None where there is none."""

    def __init__(self, line):
        self.line = line            # of the diff, from 1
        self.old = self.new = None
        self.head = {}              # git's extended header
        self.hunks = []             # lines
        self.binary = False

    def empty(self):
        """Whether it leaves the content as it is."""
        return not (self.hunks or self.binary or self.moved() or
                    self.head.keys() & {"new file mode", "deleted file mode"})

    def idle(self):
        """Whether it changes the mode of a file, and nothing else."""
        return self.empty() and {"old mode", "new mode"} <= self.head.keys() and \
            "index" not in self.head

    def moved(self):
        return "rename to" in self.head or "copy to" in self.head

    def names(self):
        return [name for name in (self.new, self.old) if name]

    def text(self):
        """The same for patch -p1."""
        lines = [f"diff --git a/{self.old or self.new} b/{self.new or self.old}"]
        if not self.old:
            lines.append("new file mode 100644")
        if not self.new:
            lines.append("deleted file mode 100644")
        if self.moved():
            lines += [f"similarity index {self.head.get('similarity index', '50%')}"]
            lines += [f"{key} {self.old if key.endswith('from') else self.new}"
                      for key in self.head if key.partition(" ")[0] in ("rename", "copy")]
        elif not self.hunks:
            lines.append("index 0000000..e69de29")
        if self.hunks:
            lines += [f"--- a/{self.old}" if self.old else f"--- {EMPTY}",
                      f"+++ b/{self.new}" if self.new else f"+++ {EMPTY}", *self.hunks]
        return "\n".join(lines) + "\n"


def unpack(content, name):
    """The diff's bytes out of what it is compressed with and mailed as."""
    for magic, command in source.COMPRESSED.items():
        if content.startswith(magic):
            try:
                done = subprocess.run(command, input=content, capture_output=True)
            except FileNotFoundError:
                raise System(f"patch {name} cannot be read: {command[0]} is not installed"
                             f"\n  next: apt-get install {command[0]}") from None
            if done.returncode:
                raise Refused(f"patch {name} cannot be read to its end: "
                              + done.stderr.decode(errors="replace").strip())
            content = done.stdout
    starts = [match.start() for match in MAIL.finditer(content)] or [0]
    if starts[0]:
        starts.insert(0, 0)
    content = b"".join(_message(content[start:end])
                       for start, end in zip(starts, starts[1:] + [len(content)]))
    # CRLF in the head lines of the diff is from a mail program, not from the patched file.
    if re.search(rb"^(\+\+\+ |@@ -).*\r$", content, re.M):
        content = content.replace(b"\r\n", b"\n")
    return content


def _message(content):
    """The text of one mail, decoded if MIME has encoded it; anything else as it is."""
    head = re.split(rb"\r?\n\r?\n", content, maxsplit=1)[0]
    if not re.search(rb"^(content-transfer-encoding|content-type): *(quoted-printable|base64|"
                     rb"multipart/)", head, re.M | re.I):
        return content
    text = MAIL.sub(b"", content, count=1) if MAIL.match(content) else content
    parts = [(part.get_content_maintype(), part.get_payload(decode=True))
             for part in email.message_from_bytes(text).walk() if not part.is_multipart()]
    # What a mail program calls application/octet-stream may be a diff as well.
    return b"\n-- \n".join(content for kind, content in parts if kind == "text" or
                           re.search(rb"^(diff --git|---|@@) ", content, re.M)) + b"\n"


class Reader:
    """The changes of a diff, in order, with the paths as they are written there."""

    def __init__(self, content, name):
        self.name = name
        self.lines = content.decode("utf-8", "surrogateescape").split("\n")
        self.at, self.changes, self.git = 0, [], None
        self.tail = False               # behind the hunks of a file, where no more may come

    def refuse(self, number, why):
        raise Refused(f"patch {self.name}:{number}: {why}"
                      "\n  nothing was applied: a patch applies whole or not at all")

    def _line(self, ahead=0):
        place = self.at + ahead
        return self.lines[place] if place < len(self.lines) else ""

    def read(self):
        while self.at < len(self.lines):
            line = self._line()
            self.tail = self.tail and not BETWEEN.match(line)
            if match := re.match(r"diff --git (\S+) (\S+)$", line):
                self.git = Change(self.at + 1)
                self.git.old, self.git.new = match.groups()
                self.changes.append(self.git)
            elif self.git and (match := EXTENDED.match(line)):
                self._extended(match[1], match[2])
            elif self.git and line == "GIT binary patch":
                self.git.binary = True
            elif match := re.match(r"Binary files (\S+) and (\S+) differ$", line):
                change = self._change()
                change.old, change.new = (None if one == EMPTY else one for one in match.groups())
                change.binary = True
            elif line.startswith("--- ") and self._line(1).startswith("+++ "):
                self._file()
                continue
            elif re.match(r"diff --(cc|combined) |@@@+ -", line):
                self.refuse(self.at + 1, "it is the combined diff of a merge"
                            "\n  next: git diff -p MERGE^1 MERGE")
            elif re.match(r"\*\*\* \S", line) and re.match(r"\*{15}", self._line(2)):
                self.refuse(self.at + 1, "it is a context diff\n  next: diff -u")
            elif HUNK.match(line):
                self.refuse(self.at + 1, "a hunk without the names of its file")
            elif self.tail and re.match(r"\+|-(?!-)|--- \S", line):
                self.refuse(self.at + 1, "a line of a change that no hunk's head counts")
            self.at += 1
        for change in self.changes:
            if change.empty() and not change.idle():
                self.refuse(change.line, "it names a file and has no change of it: cut off?")
        return [self._whole(change) for change in self.changes]

    def _change(self, names=()):
        """The change that git's head began, if it is of the same files, or a new one."""
        git, self.git = self.git, None
        tails = {tail for one in git.names() for tail in (one, strip(one, 1))} if git else {}
        same = git and all(one == EMPTY or {one, strip(one, 1)} & tails for one in names)
        change = git if same else Change(self.at + 1)
        if not self.changes or self.changes[-1] is not change:
            self.changes.append(change)
        return change

    def _extended(self, key, value):
        self.git.head[key] = value
        if key in ("rename from", "copy from"):
            self.git.old = f"a/{value}"
        if key in ("rename to", "copy to"):
            self.git.new = f"b/{value}"

    @staticmethod
    def _whole(change):
        if "new file mode" in change.head:
            change.old = None
        if "deleted file mode" in change.head:
            change.new = None
        return change

    def _file(self):
        names = [re.match(r"(?:---|\+\+\+) (\S*)", self._line(ahead))[1] for ahead in (0, 1)]
        if not all(names):
            self.refuse(self.at + 1, "no name of a file")
        change = self._change(names)
        if not change.moved():
            change.old, change.new = (None if one == EMPTY else one for one in names)
        self.at += 2
        if not HUNK.match(self._line()):
            self.refuse(self.at + 1, "no hunk follows the names of its file")
        while match := HUNK.match(self._line()):
            self._hunk(change, *(1 if count is None else int(count) for count in match.groups()))
        if re.match(r"\+|-(?!- ?$|-- )| \S| \t", self._line()):
            self.refuse(self.at + 1, "the hunk goes on after the lines that its head counts: "
                        "edited by hand?")
        self.tail = True
        if re.search(r"^@@ -0,0 ", change.hunks[0]):
            change.old = None
        if re.search(r"^@@ -\S+ \+0,0 ", change.hunks[0]):
            change.new = None

    def _hunk(self, change, old, new):
        first = self.at + 1
        change.hunks.append(self._line())
        self.at += 1
        while old > 0 or new > 0:
            # An editor may have taken the blank of an empty line of context.
            line = self._line()
            kind = line[:1] or " "
            if kind not in " +-\\" or self.at >= len(self.lines) or not line and \
                    self.at == len(self.lines) - 1:
                self.refuse(min(self.at + 1, len(self.lines)),
                            f"the hunk of line {first} ends {max(old, new)} lines early: cut off, "
                            "or wrapped by a mail program")
            old -= kind in " -"
            new -= kind in " +"
            change.hunks.append(line)
            self.at += 1
        if old or new:
            self.refuse(first, "the hunk's head counts other lines than it has")
        if self._line().startswith("\\"):
            change.hunks.append(self._line())
            self.at += 1


def strip(path, level):
    return path.split("/", level)[-1] if path.count("/") >= level else ""


def read(content, name, known):
    """The changes of a diff, their paths those of the kernel's tree.

    known(path) says whether a path is one of that tree, from which the depth of the paths is found.
    """
    changes = Reader(unpack(content, name), name).read()
    if not changes:
        raise Refused(f"patch {name}: it holds no hunk of a unified diff")
    prefixed = all(one.startswith(("a/", "b/")) for change in changes for one in change.names())
    levels = (1, 2, 3) if prefixed else (0, 1, 2, 3)
    score = Counter({level: sum(any(known(strip(one, level)) for one in change.names())
                                for change in changes) for level in levels})
    level = max(levels, key=lambda one: (score[one], -levels.index(one)))
    for change in changes:
        names = {one: strip(one, 1 if change.moved() else level) for one in change.names()}
        if change.old and change.new and not change.moved():
            # diff of x.c.orig and x.c
            best = next((one for one in (change.new, change.old) if known(names[one])), change.new)
            names[change.old] = names[change.new] = names[best]
        change.old, change.new = names.get(change.old), names.get(change.new)
    return changes


def batches(changes):
    """The changes in batches in which no file occurs twice."""
    turns, seen = [], set()
    for change in changes:
        if not turns or seen & set(change.names()):
            turns.append([])
            seen = set()
        turns[-1].append(change)
        seen |= set(change.names())
    return turns
