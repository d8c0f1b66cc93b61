# SPDX-License-Identifier: GPL-2.0-only
"""The gate against drift: what a newer KVM may have that no rule covers.

The files single-owner-hooks, looked-at and machine-state (kvm-core/ says how to read them) are
what is known. Anything else that looks like a resource which a machine has only once is refused,
by file and line, until somebody has looked at it: hooks, conditions of the make files, per-CPU
variables and the fields of their structures, writes of the kernel's data, accesses to MSRs.
"""

import re
from pathlib import Path

from . import digest, msrs, objects, origin, percpu, tokens, written
from .failure import Refused
from .known import LOOKED_AT, STATE, Known
from .store import Store

NAME = re.compile(r"[A-Za-z_]\w*")
CALL = re.compile(r"([A-Za-z_]\w*)\s*(?:\(|/|\\)")      # or what may stand before that
DEFINE = re.compile(r"#[ \t]*define(?:\\\n|.)*\n")
HOOKS = "single-owner-hooks"
NEXT = (f"\n  next: is it there once for the whole machine? then a line in {HOOKS}, a mediation in"
        f" vac\n        and a rule; else a line in {LOOKED_AT} or {STATE}; kvm-core/ and"
        " kvm-x86/ have them")


def check(files, own, hooks, known=None, given=None):
    """Refuse rewritten files that use a hook, or what may be one; own are their global names.

    Messages name the lines of given, which are the files before the rules: what the reader has.
    """
    known = known or Known()
    own = set(own)
    closed = {name for name, (_, is_open) in hooks.items() if not is_open} - own
    trouble, unknown, found = linked(files, known), state(files, own, known), []
    for path in sorted(files):
        text = files[path].decode("utf-8", "surrogateescape")
        if path.endswith((".c", ".h", ".S")) and (closed & set(NAME.findall(text)) or any(
                word not in own and known.suspicious(word) for word in
                set(CALL.findall(text) + NAME.findall("".join(DEFINE.findall(text)))))):
            own |= _defined(text)
            found += [(path, *one) for one in _words(text, closed, known)]
    for path, line, name in found:
        if name in closed - own:
            trouble.append(f"{path}:{line}: hazard {hooks[name][0]}: {name} is vac's alone, "
                           "and no rule takes it from here")
        elif name not in own:
            unknown.append(f"{path}:{line}: {name}() may be a hook, and nobody has looked at it")
    if trouble or unknown:
        raise Refused("\n".join(_in_given(trouble + unknown, given or files, files))
                      + (NEXT if unknown else ""))


def _in_given(messages, given, files):
    """The messages with the lines of given for those of files; a rule's own line stays."""
    place = {}
    for message in messages:
        if match := re.match(r"(\S+):(\d+): (.*)", message, re.S):
            path, line, rest = match[1], int(match[2]), match[3]
            if path not in place:
                place[path] = {new: old for old, new in origin.places(
                    *(origin.lines_of(one.get(path, b"")) for one in (given, files))).items()}
            message = f"{path}:{place[path].get(line - 1, line - 1) + 1}: {rest}"
        yield message


def _defined(text):
    """The functions and macros that a file defines, static ones as well."""
    return {one.name for one in tokens.definitions(text)} | \
        {macro for macro, _, _ in tokens.macro_bodies(text)}


def _words(text, closed, known):
    """(line, name), once each, of forbidden names, and of suspicious ones that are called.

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


def state(files, own, known):
    """What differs between the state that the code keeps or changes and what is known of it."""
    store, trouble = Store(), []
    facts = {path: _facts(files[path].decode("utf-8", "surrogateescape"), path, store)
             for path in sorted(files) if path.endswith((".c", ".h", ".S"))}
    headers = [one for path, one in facts.items() if path.endswith(".h")]
    shared = set(own).union(*(one["defined"] for one in headers))
    shared |= set().union(*(one["extern"] for one in headers)) & set().union(
        *(one["defined"] for one in facts.values()))
    structures = {}
    for path, one in facts.items():
        for name, listed in one["structures"].items():
            structures.setdefault(name, []).append((path, listed))
    wanted = set()
    for path, one in facts.items():
        for line, name, structure in one["percpu"]:
            wanted.add(structure)
            if name not in known.percpu:
                trouble.append(f"{path}:{line}: a per-CPU variable that nobody has looked at: "
                               f"{name}")
        names = shared.union(one["defined"])
        trouble += _writes(path, one, names, known) + _msrs(path, one, names, known)
    for structure in sorted(wanted - {None}):
        trouble += [f"{path}:{line}: a per-CPU field that nobody has looked at: {field}"
                    for path, line, field in percpu.fields(structure, structures)
                    if field not in known.field]
    return trouble


def _writes(path, facts, names, known):
    trouble = []
    for line, name, how in facts["written"]:
        if name.removesuffix("()") in names:
            continue
        held = known.data.get(name)
        if held is None:
            trouble.append(f"{path}:{line}: {how} data of the kernel that nobody has looked at: "
                           f"{name}")
        elif how == "writes" and held.word in ("read", "given", "code") \
                or how == "gives away" and held.word in ("read", "code"):
            trouble.append(f"{path}:{line}: {how} {name}, which is \"{held.word}\" in {STATE}: "
                           f"{held.why}")
    return trouble


def _msrs(path, facts, names, known):
    return [f"{path}:{line}: {how}s an MSR that nobody has looked at: {number} ({function})"
            for line, function, how, number in facts["msrs"]
            if (function not in names or function in msrs.OF_KVM)
            and number not in (known.msr if how == "write" else known.rdmsr)]


def _facts(text, path, store):
    """What the gate needs of one file; depends on the content alone."""
    here = Path(__file__).resolve().parent
    key = digest.of_bytes("facts", *((here / f"{name}.py").read_bytes()
                                     for name in ("gate", "msrs", "percpu", "written")),
                          path[-2:], text.encode("utf-8", "surrogateescape"))
    held = store.get(key)
    if held is None:
        held = {"written": written.find(path, text)} | dict.fromkeys(
            ("defined", "extern", "percpu", "msrs"), ()) | {"structures": {}}
        if not path.endswith(".S"):
            defined, declared = written.defined(text)
            held |= {"defined": sorted(defined), "extern": sorted(declared),
                     "percpu": percpu.variables(text), "structures": percpu.structures(text),
                     "msrs": msrs.accesses(text)}
        store.put(key, held)
    return held


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
