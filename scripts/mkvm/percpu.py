# SPDX-License-Identifier: GPL-2.0-only
"""Per-CPU variables of a snapshot, and the fields of the structures that they are made of.

What KVM keeps for each CPU is what it believes of that CPU, and another KVM may make it wrong. A
variable is found by DEFINE_PER_CPU*(), DECLARE_PER_CPU*(), alloc_percpu*() and __percpu. Its
structure is looked up in the snapshot's own files, structures inside of it too. A structure of the
kernel (a list head, a lock) is covered by the variable's own line, as is what a pointer points to.
"""

import re

from . import tokens

DEFINE = re.compile(r"(?:DEFINE|DECLARE)_PER_CPU\w*$")
ALLOC = re.compile(r"_*alloc_percpu\w*$")


def variables(text):
    """[(line, name, structure or None)] of every per-CPU variable that a file names."""
    words, found = tokens.cut(text), []
    for index, token in enumerate(words):
        if token.kind != "ident" or token.directive is not None:
            continue
        if DEFINE.match(token.text):
            end = index + 1
            while words[end].text != ";":
                end += 1
            inside = words[index + 2:end - 1]
            while inside and inside[-1].text == "]":        # an array
                inside = inside[:max(at for at, one in enumerate(inside) if one.text == "[")]
            name = inside[-1].text if inside else token.text
            found.append((token.line, name, _structure(inside)))
        elif ALLOC.match(token.text) and words[index + 1].text == "(":
            # by the name of its type: who holds the pointer may have any name
            inside = words[index + 2:index + 6]
            structure = _structure(inside)
            found.append((token.line, f"{token.text}({structure or inside[0].text})", structure))
        elif token.text == "__percpu":
            after, before = index + 1, words[max(0, index - 2):index]
            while words[after].text in ("*", "const", "__rcu"):
                after += 1
            if words[after].kind == "ident":
                found.append((token.line, words[after].text, _structure(before)))
    return found


def _structure(words):
    """The name of the structure that a type's tokens say, if it is one and no pointer to it."""
    texts = [word.text for word in words]
    for index, text in enumerate(texts[:-1]):
        if text in ("struct", "union"):
            return None if "*" in texts[index + 2:index + 3] else texts[index + 1]
    return None


def structures(text):
    """{structure: [(line, field, structure inside or None)]} of every one that a file defines."""
    words, found = tokens.cut(text), {}
    for index in range(len(words) - 2):
        if words[index].text in ("struct", "union") and words[index].directive is None \
                and words[index + 1].kind == "ident" and words[index + 2].text == "{":
            found[words[index + 1].text] = list(_fields(words, index + 3))
    return found


def _fields(words, index):
    """Every field up to the closing brace, those of unnamed structures inside as well."""
    depth, declaration = 1, []
    while index < len(words):
        word = words[index]
        index += 1
        if word.directive is not None:
            continue
        if word.text == "{":
            depth += 1
            declaration = []
        elif word.text == "}":
            depth -= 1
            if depth == 0:
                return
            declaration = [word]
        elif word.text == ";":
            yield from _declared(declaration)
            declaration = []
        else:
            declaration.append(word)


def _declared(words):
    """The fields of one declaration."""
    texts = [word.text for word in words]
    inside = texts[1] if texts[:1] in (["struct"], ["union"]) and len(texts) > 2 \
        and texts[2] != "*" else None
    depth, seen = 0, False
    for at, word in enumerate(words):
        after = texts[at + 1] if at + 1 < len(texts) else ";"
        if depth == 0 and word.kind == "ident" and not seen and after in (";", ",", "[", ":") \
                and not word.text.startswith("__"):
            yield word.line, word.text, inside
            seen = True
        elif word.kind == "ident" and at and texts[at - 1] == "*" and texts[at - 2:at - 1] == ["("]:
            yield word.line, word.text, None            # a pointer to a function
            return
        depth += (word.text in "([") - (word.text in ")]")
        if depth == 0 and word.text == ",":
            seen = False


def fields(structure, where, seen=()):
    """[(path, line, "structure.field")] of a structure and of those in it; where has them all."""
    found = []
    for path, listed in where.get(structure, ()):
        for line, field, inside in listed:
            found.append((path, line, f"{structure}.{field}"))
            if inside is not None and inside not in seen and inside != structure:
                found += fields(inside, where, (*seen, structure))
    return found
