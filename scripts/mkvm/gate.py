# SPDX-License-Identifier: GPL-2.0-only
"""The gate against drift: what a newer KVM may bring that no rule is about.

The files single-owner-hooks and looked-at (kvm-core/ says how to read them) are what is known.
Anything else that looks like a resource which a machine has only once is refused, by file and
line, until somebody has looked at it.
"""

import re

from . import house, objects, tokens
from .failure import Refused

KINDS = ("suspect", "shared", "percpu", "when")
NAME = re.compile(r"[A-Za-z_]\w*")
CALL = re.compile(r"([A-Za-z_]\w*)\s*(?:\(|/|\\)")      # or what may stand before that
DEFINE = re.compile(r"#[ \t]*define(?:\\\n|.)*\n")
PERCPU = re.compile(r"DEFINE_PER_CPU\w*$")
HOOKS, LOOKED_AT = "single-owner-hooks", "looked-at"
NEXT = (f"\n  next: is it there once for the whole machine? then a line in {HOOKS}, a mediation in"
        f" vac\n        and a rule; else a line in {LOOKED_AT}; kvm-core/ and kvm-x86/ have both")


class Known:
    """What looked-at says."""

    def __init__(self, paths=None):
        self.paths = paths or [house.ROOT / part / LOOKED_AT for part in house.PARTS]
        self.shared, self.percpu, self.when = {}, {}, {}
        suspects = []
        for path in self.paths:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                words = line.split("#")[0].split(None, 2)
                if not words:
                    continue
                if words[0] not in KINDS or len(words) != (2 if words[0] == "suspect" else 3):
                    raise Refused(f"{path}:{number}: not a line of {LOOKED_AT}: {line}")
                if words[0] == "suspect":
                    suspects.append(words[1])
                elif words[0] == "when":
                    self.when.setdefault(words[2], []).append(words[1])
                elif words[1] in getattr(self, words[0]):
                    raise Refused(f"{path}:{number}: {words[1]} is listed twice")
                else:
                    getattr(self, words[0])[words[1]] = words[2]
        self.pattern = re.compile("|".join(f"(?:{one})" for one in suspects))

    def suspicious(self, name):
        """Whether a function's name looks like that of a hook that nobody has looked at."""
        return name not in self.shared and bool(self.pattern.search(name))


def check(files, own, hooks, known=None):
    """Refuse rewritten files that use a hook, or what may be one; own are their global names."""
    known = known or Known()
    own = set(own)
    closed = {name for name, (_, is_open) in hooks.items() if not is_open} - own
    trouble, unknown, found = linked(files, known), [], []
    for path in sorted(files):
        text = files[path].decode("utf-8", "surrogateescape")
        if path.endswith((".c", ".h", ".S")) and (closed & set(NAME.findall(text)) or any(
                word not in own and (PERCPU.match(word) or known.suspicious(word))
                for word in set(CALL.findall(text) + NAME.findall("".join(
                    DEFINE.findall(text)))))):
            own |= _defined(text)
            found += [(path, *one) for one in _words(text, closed, known)]
            unknown += [f"{path}:{line}: a per-CPU variable that nobody has looked at: {name}"
                        for line, name in _percpu(text) if name not in known.percpu]
    for path, line, name in found:
        if name in closed - own:
            trouble.append(f"{path}:{line}: hazard {hooks[name][0]}: {name} is vac's alone, "
                           "and no rule takes it from here")
        elif name not in own:
            unknown.append(f"{path}:{line}: {name}() may be a hook, and nobody has looked at it")
    if trouble or unknown:
        raise Refused("\n".join(trouble + unknown) + (NEXT if unknown else ""))


def _defined(text):
    """The functions and macros that a file defines, static ones as well."""
    return {one.name for one in tokens.definitions(text)} | \
        {macro for macro, _, _ in tokens.macro_bodies(text)}


def _words(text, closed, known):
    """(line, name), once each, of what is closed, and of what is suspicious and called.

    In a macro any name may become a call; what vac or a trace point offers is not suspicious.
    """
    words, seen = tokens.cut(text), set()
    for before, token, after in zip([None] + words, words, words[1:] + [None]):
        if token.kind != "ident" or token.text in seen:
            continue
        called = (token.directive == "define" or after is not None and after.text == "(") and \
            not (before is not None and before.text in (".", "->")) and \
            not token.text.startswith(("vac_", "trace_"))
        if token.text in closed or called and known.suspicious(token.text):
            seen.add(token.text)
            yield token.line, token.text


def _percpu(text):
    """(line, name) of every DEFINE_PER_CPU*(type, name)."""
    for token in tokens.cut(text):
        if token.kind == "ident" and token.directive is None and PERCPU.match(token.text):
            inside = text[token.end:text.find(";", token.end)]
            name = re.search(r"(\w+)\s*\)[^()]*$", inside)
            yield token.line, name[1] if name else inside.strip()


def linked(files, known):
    """What differs between the make files' lists of objects and what is known of them."""
    found, trouble = {}, []
    for path, number, owner, condition, name in objects.lists(files):
        wanted = {"vmx": "kvm-intel", "svm": "kvm-amd"}.get(name.split("/")[-2], "kvm")
        source = name[:-1] + ("S" if f"{name[:-1]}S" in files else "c")
        found.setdefault(source, set()).add(condition)
        if owner != wanted:
            trouble.append(f"{path}:{number}: {name} is linked into {owner}, not {wanted}")
        elif condition not in known.when.get(source, ["always"]):
            trouble.append(f"{path}:{number}: {name} is linked when {condition}, and "
                           f"{LOOKED_AT} knows only: "
                           + ", ".join(known.when.get(source, ["always"])))
    for source in sorted(files):
        if source.endswith((".c", ".S")) and source not in found \
                and "never" not in known.when.get(source, ()):
            trouble.append(f"{objects.X86_LIST}: nothing links {source} any more, and {LOOKED_AT} "
                           "does not know why")
    return trouble
