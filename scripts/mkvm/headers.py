# SPDX-License-Identifier: GPL-2.0-only
"""What the headers of a kernel offer to a module: names, prototypes, members, exports, options.

KVM's own headers do not count: an instance brings its own. Files are found with grep and read
as tokens, so that a comment is no declaration; #if is not decided.
"""

import functools
import re
import subprocess
from pathlib import Path

from . import tokens

BASES = ("arch/x86/include", "arch/x86/include/generated", "include", "arch/x86/include/uapi",
         "arch/x86/include/generated/uapi", "include/uapi", "include/generated/uapi")


COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)


@functools.lru_cache(maxsize=512)
def _cut(path):
    return tokens.cut(path.read_bytes())


@functools.lru_cache(maxsize=4096)
def _code(path):
    return COMMENT.sub(" ", path.read_text(errors="replace"))


class Headers:
    """The headers below a folder that is fit for make -C, split as Debian has them or whole."""

    def __init__(self, kdir, manifest):
        self.kdir = Path(kdir)
        self.tops = [self.kdir, *self.kdir.parent.glob("linux-headers-*-common")]
        self.manifest = manifest
        self._found = {}

    def look(self, words):
        """Find the files of many words at once; words asked for later are looked up one by one."""
        words = sorted(set(words) - self._found.keys())
        if not words:
            return
        roots = [str(top / root) for top in self.tops for root in ("include", "arch/x86/include")
                 if (top / root).is_dir()]
        done = subprocess.run(["grep", "-rowFHZ", *(f"-e{word}" for word in words), *roots],
                              stdout=subprocess.PIPE)
        self._found |= {word: set() for word in words}
        for line in done.stdout.decode(errors="replace").splitlines():
            name, _, word = line.partition("\0")
            self._found[word].add(Path(name))

    def files(self, word):
        """The headers that are not KVM's and have this word."""
        self.look([word])
        return [path for path in sorted(self._found[word])
                if self.manifest.keeps(self.name(path))]

    def name(self, path):
        return next(path.relative_to(top).as_posix() for top in self.tops
                    if path.is_relative_to(top))

    def header(self, name):
        return any((top / base / name).is_file() for top in self.tops for base in BASES) or None

    @functools.cached_property
    def exports(self):
        """{exported symbol: its namespace}."""
        lines = (self.kdir / "Module.symvers").read_text().splitlines()
        return {words[1]: words[4] if len(words) > 4 else ""
                for words in (line.split("\t") for line in lines)}

    @functools.cached_property
    def options(self):
        """{option that is set: its value}."""
        text = (self.kdir / "include/config/auto.conf").read_text()
        return dict(re.findall(r"^(CONFIG_\w+)=(.*)$", text, re.M))

    def where(self, word):
        """A header whose code has this name, preferably as a macro or function, or None."""
        paths = [path for path in self.files(word)
                 if re.search(rf"\b{word}\b", _code(path))]
        first = [path for path in paths
                 if re.search(rf"(^|define|[\w*]) *\b{word}\b *(\(|$)", _code(path), re.M)]
        return next((self.name(path) for path in first + paths), None)

    def parameters(self, name):
        """The parameters of a function or macro, as text, of each declaration; or None."""
        found = set()
        for path in self.files(name):
            if re.search(rf"[\w*)]\s*\b{name}\s*\(|define\s+{name}\b", _code(path)):
                found |= set(_parameters(_cut(path), name))
        return frozenset(found) or None

    def member(self, struct, name):
        """The declarations of a member, as text, in each definition of the structure; or None."""
        found = set()
        for path in self._defining(struct):
            found |= set(_members(_cut(path), struct, name))
        return frozenset(found) or None

    def _defining(self, struct):
        return [path for path in self.files(struct)
                if re.search(rf"\b(struct|union|enum)\s+{struct}\s*\{{", _code(path))]

    def defines(self, struct):
        """Whether a structure, union or enumeration of this name is defined."""
        return bool(self._defining(struct)) or None

    def event(self, name):
        """Whether trace_NAME() comes from a trace event that is declared."""
        event = name.removeprefix("trace_")
        return event != name and any(
            re.match(r"(TRACE|DEFINE)_EVENT", word.text) for path in self.files(event)
            for words in [_cut(path)] for index, token in enumerate(words) if token.text == event
            for word in words[max(0, index - 4):index]) or None

    def pastes(self, name):
        """Whether a macro of this name makes names out of its arguments."""
        return any(re.search(rf"define\s+{name}\((?:[^\n]|\\\n)*##", _code(path))
                   for path in self.files(name))

    def inline(self, name):
        """Whether a function is a macro, or has its body in a header."""
        for path in self.files(name):
            words = _cut(path)
            for index, token in enumerate(words):
                if token.text == name and (_defined(words, index) or _has_body(words, index)):
                    return True
        return False


def _close(words, index):
    """The index after the bracket that closes the one at index."""
    pairs, level = {"(": ")", "{": "}"}, 0
    opening = words[index].text
    for place in range(index, len(words)):
        level += (words[place].text == opening) - (words[place].text == pairs[opening])
        if not level:
            return place + 1
    return len(words)


def _defined(words, index):
    return index > 0 and words[index - 1].text == "define" and words[index].directive == "define"


def _has_body(words, index):
    if index + 1 == len(words) or words[index + 1].text != "(" or words[index].directive:
        return False
    end = _close(words, index + 1)
    return end < len(words) and words[end].text == "{" and words[index - 1].kind in ("ident",
                                                                                     "punct")


def _typed(words, index):
    """Whether a declaration's type, or an attribute with arguments, ends here."""
    token = words[index]
    if token.text == ")":
        while index > 1 and words[index].text != "(":
            index -= 1
        return words[index - 1].text.startswith("__")
    return token.text == "*" or token.kind == "ident" and \
        token.text not in ("return", "else", "do", "case", "goto")


def _parameters(words, name):
    """Declarations of name: a macro, or an identifier after a type and before parentheses."""
    for index, token in enumerate(words[:-1]):
        if token.text != name:
            continue
        call = words[index + 1].text == "("
        if _defined(words, index):
            adjacent = call and words[index + 1].start == token.end
            end = _close(words, index + 1) if adjacent else index + 1
            yield "#define" + " ".join(word.text for word in words[index + 1:end])
        elif call and not token.directive and index and \
                _typed(words, index - 1):
            end = _close(words, index + 1)
            if any(word.kind == "ident" for word in words[index + 2:end]):
                yield " ".join(word.text for word in words[index + 1:end])
            else:
                yield "( )"


def _bodies(words, struct):
    """(first, last) index of the bodies of definitions."""
    found = []
    for index in range(1, len(words) - 1):
        if words[index].text == struct and words[index + 1].text == "{" \
                and words[index - 1].text in ("struct", "union", "enum"):
            found.append((index + 2, _close(words, index + 1) - 1))
    return found


def _members(words, struct, name):
    for first, last in _bodies(words, struct):
        for index in range(first, last):
            if words[index].text != name or words[index].directive:
                continue
            begin, end = index, index
            while begin > first and words[begin - 1].text not in (";", "{", "}") \
                    and not words[begin - 1].directive:
                begin -= 1
            while end < last and words[end].text not in (";", "{", "}"):
                end += 1
            yield " ".join(word.text for word in words[begin:end])
