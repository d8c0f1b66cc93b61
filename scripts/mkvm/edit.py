# SPDX-License-Identifier: GPL-2.0-only
"""Token rules: the smallest edit, for what Coccinelle cannot read or never changes.

The body of a *.tokens rule is one edit or more, with an empty line between. Lines beginning
with "-" are the tokens to find, whatever the space and the comments between them; lines
beginning with "+" replace them as they stand. "in NAME" before them keeps to that function.
"drop NAME" alone is an edit too: it takes the whole function out.
"""

import re

from . import tokens


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
            [(one.start, one.end) for one in tokens.definitions(text) if one.name == function]
        hits += len(found)
        for start, end in reversed(found):
            if not replacement:
                line_start = text.rfind("\n", 0, start) + 1
                line_end = text.find("\n", end)
                if not text[line_start:start].strip() and line_end >= 0 and \
                        not text[end:line_end].strip():
                    start, end = line_start, line_end + 1
            indent = re.match(r"[ \t]*", text[text.rfind("\n", 0, start) + 1:start])[0]
            text = text[:start] + replacement.replace("\n", "\n" + indent) + text[end:]
    return text.encode("utf-8", "surrogateescape"), hits


def _find(text, function, wanted):
    spans = [(0, len(text))]
    if function:
        spans = [(one.start, one.end) for one in tokens.definitions(text)
                 if one.name == function]
    words = tokens.cut(text)
    pattern = [(token.kind, token.text) for token in wanted]
    found, after = [], 0
    for index, token in enumerate(words):
        if index < after or token.text != pattern[0][1]:
            continue
        matched = words[index:index + len(pattern)]
        if [(one.kind, one.text) for one in matched] == pattern:
            start, end = matched[0].start, max(one.end for one in matched if one.kind != "end")
            if any(low <= start and end <= high for low, high in spans):
                found.append((start, end))
                after = index + len(pattern)
    return found
