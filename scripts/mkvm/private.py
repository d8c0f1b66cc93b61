# SPDX-License-Identifier: GPL-2.0-only
"""Which global names of an instance become its own, and which stay as they are, and why.

A rename is a #define that every file sees, so it reaches declarations, calls and assembly alike.
It is not safe for a name that is also spelt where a #define does not reach (a string of inline
assembly) or means something else (a type, a member, a parameter's name): those stay. Nothing an
instance defines is visible to other modules either way; private names make stack traces, ftrace
and kallsyms say which instance is meant.
"""

import re

from . import digest, tokens

OBJECT_MACROS = re.compile(r"(DEFINE_(PER_CPU|MUTEX|SPINLOCK|RAW_SPINLOCK|STATIC_KEY)\w*"
                           r"|LIST_HEAD)$")
HARMLESS_MACROS = re.compile(r"(DEFINE|DECLARE)_(PER_CPU|MUTEX|SPINLOCK|RAW_SPINLOCK|STATIC_KEY)"
                             r"\w*$|LIST_HEAD$|EXPORT_|(module|late)_(init|exit)\w*$|"
                             r"SYM_|STACK_FRAME_NON_STANDARD\w*$|__\w+$")


def choose(files, store):
    """(names to rename, in order, {name that stays: why})."""
    sources = {name: content for name, content in files.items()
               if name.endswith((".c", ".h", ".S"))}
    seen = [_look(name, sources[name], store) for name in sorted(sources)]
    defined = {name for one in seen for name in one["defined"]}
    kept = {}
    for why in ("spelt in a string", "also a type", "also a member", "also a macro",
                "an argument of a macro at file level"):
        for one in seen:
            for name in one[why]:
                if name in defined:
                    kept.setdefault(name, why)
    return sorted(defined - set(kept)), kept


def _look(path, content, store):
    """What one file defines and how it uses names."""
    key = digest.of_bytes("private", path[-2:], content)
    held = store.get(key)
    if held is None:
        held = _study(path, content)
        store.put(key, held)
    return held


def _study(path, content):
    words = tokens.cut(content)
    found = {"defined": set(), "spelt in a string": set(), "also a type": set(),
             "also a member": set(), "also a macro": set(),
             "an argument of a macro at file level": set()}
    if path.endswith(".c"):
        found["defined"] |= {one.name for one in tokens.definitions(content)
                             if not one.static and one.kind == "function"}
        found["defined"] |= objects(content)
    before, macro = None, None
    for token in words:
        text = token.text
        if token.kind == "string":
            found["spelt in a string"].update(re.findall(r"[A-Za-z_]\w*", text))
        elif token.kind == "ident" and before is not None:
            if before.text in ("struct", "union", "enum"):
                found["also a type"].add(text)
            elif before.text in (".", "->"):
                found["also a member"].add(text)
            elif before.text == "define" and token.directive == "define":
                found["also a macro"].add(text)
        before = token
    for macro, arguments in _file_level_calls(content):
        if not HARMLESS_MACROS.match(macro):
            found["an argument of a macro at file level"] |= arguments
    return {key: sorted(names) for key, names in found.items()}


def _statements(content):
    """The tokens of every statement at file level that opens no function, to its ; or {."""
    depth, parens, head = 0, 0, []
    text = content.decode("utf-8", "surrogateescape") if isinstance(content, bytes) else content
    for token in tokens.cut(text):
        if token.directive is not None:
            continue
        first = token.start == 0 or text[token.start - 1] == "\n"
        if token.text in ("{", "}") and token.kind == "punct":
            if token.text == "{":
                if depth == 0 or first:
                    if head:
                        yield head
                    depth, parens, head = 0, 0, []
                depth += 1
            else:
                depth = 0 if first else max(0, depth - 1)
                head = []
        elif depth == 0:
            head.append(token)
            parens += (token.text == "(") - (token.text == ")")
            if token.text == ";" and parens <= 0:
                yield head
                parens, head = 0, []


def _file_level_calls(content):
    """(macro, identifiers of its arguments) of statements at file level like macro(...)."""
    for head in _statements(content):
        words = [token for token in head if token.text not in ("static", "extern")]
        if len(words) > 2 and words[0].kind == "ident" and words[1].text == "(":
            yield words[0].text, {token.text for token in words[2:] if token.kind == "ident"}


def objects(content):
    """Global variables that a file defines."""
    found = set()
    for head in _statements(content):
        texts = [token.text for token in head]
        if {"static", "extern", "typedef"} & set(texts) or texts[0] in ("}", ";"):
            continue
        if OBJECT_MACROS.match(texts[0]):
            names = [token.text for token in head[1:] if token.kind == "ident"]
            found.update(names[:1] if "STATIC_KEY" in texts[0] else names[-1:])
            continue
        if "=" in texts:
            texts = texts[:texts.index("=")]
        elif texts[-1] != ";":
            continue
        if "(" in texts:
            continue
        if "[" in texts:
            texts = texts[:texts.index("[")]
        texts = [text for text in texts if re.fullmatch(r"[A-Za-z_]\w*|\*", text)
                 and not text.startswith("__")]
        if len(texts) > 1 and texts[0] not in ("struct", "union", "enum") or len(texts) > 2:
            if re.match(r"[A-Za-z_]", texts[-1]):
                found.add(texts[-1])
    return found
