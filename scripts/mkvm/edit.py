# SPDX-License-Identifier: GPL-2.0-only
"""Token rules: the smallest edit, for what Coccinelle cannot read or never changes.

The body of a *.tokens rule is one edit or more, with an empty line between. Lines beginning
with "-" are the tokens to find, whatever the space and the comments between them; lines
beginning with "+" replace them as they stand. The string "..." stands for any string, and in
the "+" lines for the one that was found. Tokens of a directive are found only by an edit that is
one. "in NAME" before them keeps to that function.
"drop NAME" alone is an edit too: it takes the whole function out.
"""

import re

from . import tokens

ANY = '"..."'


def parse(rule):
    """[(function or None, tokens to find, replacement)]."""
    edits, function, old, new = [], None, [], []

    def close():
        nonlocal function, old, new
        if old:
            wanted = tokens.cut("\n".join(old))
            edits.append((function, wanted, "\n".join(new)))
        elif new:
            raise rule.refuse("an edit with '+' and no '-'")
        function, old, new = None, [], []

    for line in rule.text.splitlines():
        if line.startswith("//"):
            continue
        if not line.strip():
            close()
        elif line.startswith("drop ") and not old and not function:
            edits.append((line[5:].strip(), None, ""))
        elif line.startswith("in ") and not old:
            function = line[3:].strip()
        elif line[0] == "-" and not new:
            old.append(_undent(line))
        elif line[0] == "+" and old:
            new.append(_undent(line))
        else:
            raise rule.refuse(f"not a line of a token rule: {line}")
    close()
    if not edits:
        raise rule.refuse("it holds no edit")
    return edits


def dropped(rule):
    """The functions that a rule takes out whole, whatever is in them."""
    return {function for function, wanted, _ in parse(rule) if wanted is None}


def _undent(line):
    return line[2:] if line[1:2] == " " else line[1:]


def apply(rule, content):
    """(new content, hits)."""
    text = content.decode("utf-8", "surrogateescape")
    hits = 0
    for function, wanted, replacement in parse(rule):
        found = _find(text, function, wanted) if wanted else \
            [(one.start, one.end, ANY) for one in tokens.definitions(text) if one.name == function]
        hits += len(found)
        for start, end, string in reversed(found):
            if not replacement:
                line_start = text.rfind("\n", 0, start) + 1
                line_end = text.find("\n", end)
                if not text[line_start:start].strip() and line_end >= 0 and \
                        not text[end:line_end].strip():
                    start, end = line_start, line_end + 1
            indent = re.match(r"[ \t]*", text[text.rfind("\n", 0, start) + 1:start])[0]
            new = replacement.replace("\n", "\n" + indent).replace(ANY, string)
            text = text[:start] + new + text[end:]
    return text.encode("utf-8", "surrogateescape"), hits


def missed(rule, content, pattern):
    """(line, name) where a name that the pattern matches is in the code and no edit hits it."""
    text = content.decode("utf-8", "surrogateescape")
    hit = [(start, end) for function, wanted, _ in parse(rule) if wanted
           for start, end, _ in _find(text, function, wanted)]
    return [(token.line, token.text) for token in tokens.cut(text)
            if (token.kind, token.directive) == ("ident", None)
            and re.fullmatch(pattern, token.text)
            and not any(start <= token.start < end for start, end in hit)]


def _fits(token, wanted):
    """Code fits code, and a directive a directive."""
    return (token.kind, token.directive) == (wanted.kind, wanted.directive) and \
        wanted.text in (token.text, ANY)


def _find(text, function, wanted):
    """[(start, end, what "..." stands for)]."""
    spans = [(0, len(text))]
    if function:
        spans = [(one.start, one.end) for one in tokens.definitions(text)
                 if one.name == function]
    words = tokens.cut(text)
    found, after = [], 0
    for index, token in enumerate(words):
        if index < after or not _fits(token, wanted[0]):
            continue
        matched = words[index:index + len(wanted)]
        if len(matched) == len(wanted) and all(map(_fits, matched, wanted)):
            strings = [one.text for one, want in zip(matched, wanted) if want.text == ANY]
            start, end = matched[0].start, max(one.end for one in matched if one.kind != "end")
            if any(low <= start and end <= high for low, high in spans):
                found.append((start, end, strings[0] if strings else ANY))
                after = index + len(wanted)
    return found
