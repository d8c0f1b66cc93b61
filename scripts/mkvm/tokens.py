# SPDX-License-Identifier: GPL-2.0-only
"""C, cut into tokens: tells comments and strings from code, and directives from the rest."""

import functools
import re
from collections import namedtuple

# kind is ident, number, string, char, punct or end (of a directive); directive is the name of
# the preprocessor directive the token lies in, or None.
Token = namedtuple("Token", "kind text start end line directive")

PATTERN = re.compile(r"""
    (?P<space>[ \t\r\f\v]+|\\\n)
  | (?P<newline>\n)
  | (?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)
  | (?P<string>(?:L|u8|u|U)?"(?:\\.|[^"\\\n])*")
  | (?P<char>(?:L|u|U)?'(?:\\.|[^'\\\n])*')
  | (?P<ident>[A-Za-z_$][A-Za-z0-9_$]*)
  | (?P<number>\.?[0-9](?:[eEpP][+-]|[A-Za-z0-9_.])*)
  | (?P<punct>\#\#|\.\.\.|->|\+\+|--|<<=|>>=|<<|>>|<=|>=|==|!=|&&|\|\||[-+*/%&|^]=|.)
""", re.X | re.S)


def cut(text):
    """The tokens of C (or assembly) text; not to be changed, since others get the same list."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    return _cut(text)


@functools.lru_cache(maxsize=8)     # x86.c is some 15 MB of tokens
def _cut(text):
    found = []
    line, directive, fresh = 1, None, True
    for match in PATTERN.finditer(text):
        kind, word = match.lastgroup, match.group()
        if kind == "newline":
            if directive is not None:
                found.append(Token("end", "", match.start(), match.start(), line, directive))
            directive, fresh = None, True
        elif kind not in ("space", "comment"):
            if fresh and word == "#":
                directive = ""
            elif directive == "":
                directive = word
                if found and found[-1].text == "#":
                    found[-1] = found[-1]._replace(directive=word)
            found.append(Token(kind, word, match.start(), match.end(), line, directive))
            fresh = False
        line += word.count("\n")
    if directive is not None:
        found.append(Token("end", "", len(text), len(text), line, directive))
    return found


@functools.lru_cache(maxsize=256)
def names(text, macros=True):
    """How often each identifier occurs in code; with macros False, not counting directives."""
    counts = {}
    for token in cut(text):
        if token.kind == "ident" and (macros or token.directive is None):
            counts[token.text] = counts.get(token.text, 0) + 1
    return counts


def count(pattern, counts):
    """How often a name that the pattern matches is in what names() said."""
    return sum(times for name, times in counts.items() if re.fullmatch(pattern, name))


def macro_bodies(text):
    """(macro name, line, identifiers of its body) of every #define."""
    found, current = [], None
    for token in cut(text):
        if token.directive != "define":
            current = None
        elif token.kind == "end":
            current = None
        elif token.kind == "ident" and current is None and token.text != "define":
            current = (token.text, token.line, set())
            found.append(current)
        elif token.kind == "ident" and current is not None:
            current[2].add(token.text)
    return found


Definition = namedtuple("Definition", "kind name static line start end")


def definitions(text):
    """Functions defined at file level, as Definition, in order.

    Branches of an #if may open a brace twice: a brace in the first column always means file
    level, as kernel style has it.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    found, depth, head = [], 0, []
    open_one = None
    for token in cut(text):
        if token.directive is not None:
            continue
        first = token.start == 0 or text[token.start - 1] == "\n"
        if token.text == "{" and token.kind == "punct":
            if depth == 0 or first:
                name = function_name(head)
                if name and (depth == 0 or first):
                    static = any(word.text == "static" for word in head)
                    open_one = ("function", name, static, head[0].line, head[0].start)
                depth = 0
            depth += 1
        elif token.text == "}" and token.kind == "punct":
            depth = 0 if first else max(0, depth - 1)
            if depth == 0:
                if open_one:
                    found.append(Definition(*open_one, token.end))
                    open_one = None
                    head = []
        elif depth == 0:
            if token.text == ";":
                head = []
            else:
                head.append(token)
    return found


def function_name(head):
    """The function that a definition's tokens before its brace declare, or None."""
    level, candidate = 0, None
    for index, token in enumerate(head):
        if token.text == "(":
            if level == 0 and index and head[index - 1].kind == "ident" \
                    and not head[index - 1].text.startswith("__attribute") \
                    and head[index - 1].text not in ("__printf", "__must_hold", "__acquires",
                                                     "__releases", "__aligned", "__section"):
                candidate = candidate or head[index - 1].text
            level += 1
        elif token.text == ")":
            level -= 1
        elif token.text == "=" and level == 0:
            return None
    return candidate
