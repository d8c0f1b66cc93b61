# SPDX-License-Identifier: GPL-2.0-only
"""A file of C as its units: what stands at file level, each by its name and with its tokens.

A unit is a function, a structure, an initializer, a declaration or a directive. White space and
comments belong to none. What has one name (the two branches of an #ifdef, all #include lines) is
one unit, in the order in which it stands there, so that no token of a file is left out.
"""

import re
from collections import namedtuple

from . import digest, tokens

# What a unit is made of: the tokens, and the (start, end) in the text of each part.
Unit = namedtuple("Unit", "tokens spans")


def split(content):
    """{name: Unit} of a file, in order."""
    text = content.decode("utf-8", "surrogateescape") if isinstance(content, bytes) else content
    found, part = {}, []
    depth = parens = 0

    def close():
        nonlocal part, depth, parens
        if part:
            unit = found.setdefault(_name(part), Unit([], []))
            unit.tokens.extend(part)
            unit.spans.append((part[0].start, part[-1].end))
        part, depth, parens = [], 0, 0

    for token in tokens.cut(text):
        if token.directive is not None:
            alone = not part or part[0].directive is not None
            part.append(token)
            if alone and token.kind == "end":
                close()
            continue
        first = token.start == 0 or text[token.start - 1] == "\n"
        if first and depth == 0 and token.kind == "ident" and _is_call(part):
            close()
        part.append(token)
        if token.kind != "punct":
            continue
        if token.text == "{":
            if first:               # as kernel style has it: a function's, at file level
                depth = parens = 0
            depth += 1
        elif token.text == "}":
            depth = 0 if first else max(0, depth - 1)
            if depth == 0:
                parens = 0
                if _function(part):
                    close()
        elif depth == 0:
            parens += (token.text == "(") - (token.text == ")")
            if token.text == ";" and parens <= 0:
                close()
    close()
    return found


def _head(part):
    """The tokens before the first brace that are no directive's."""
    head = []
    for token in part:
        if token.directive is None:
            if token.text == "{" and token.kind == "punct":
                break
            head.append(token)
    return head


def _is_call(part):
    """Whether these tokens are a macro's name and its arguments, with no semicolon behind."""
    code = [token for token in part if token.directive is None]
    return len(code) > 2 and code[0].kind == "ident" and code[1].text == "(" \
        and code[-1].text == ")"


def _function(part):
    """The function whose head and body the tokens are, or None."""
    head = _head(part)
    if len(head) == len([token for token in part if token.directive is None]):
        return None
    return tokens.function_name(head)


def _name(part):
    if part[0].directive is not None:
        words = [token.text for token in part if token.kind == "ident"]
        return words[1] if words[:1] == ["define"] and len(words) > 1 else f"#{words[0]}" \
            if words else "#"
    name = _function(part)
    if name:
        return name
    head = [token.text for token in _head(part)]
    if "=" in head:
        head = head[:head.index("=")]
    elif "(" in head:                                  # a prototype or a macro's call
        return "".join(head).rstrip(";")[:60]
    if "[" in head:
        head = head[:head.index("[")]
    words = [word for word in head if re.match(r"[A-Za-z_]", word)]
    return words[-1] if words else "".join(head)[:60] or "?"


def text_of(unit):
    """What a unit is compared by: one string for each token."""
    return [word(token) for token in unit.tokens]


def word(token):
    """A token's text; the end of a directive has none of its own."""
    return token.text if token.kind != "end" else "\n"


def shape(unit):
    """The digest of a unit's tokens."""
    return digest.of_bytes("\0".join(text_of(unit)).encode("utf-8", "surrogateescape"))[:16]


def shapes(content, store):
    """{name: shape} of a file's units."""
    key = digest.of_bytes("shapes", content)
    held = store.get(key)
    if held is None:
        held = {name: shape(unit) for name, unit in split(content).items()}
        store.put(key, held)
    return held


def changed(before, after):
    """The names of the units that differ between two versions of a file."""
    one, two = split(before), split(after)
    return {name for name in {*one, *two} if name not in one or name not in two
            or text_of(one[name]) != text_of(two[name])}
