# SPDX-License-Identifier: GPL-2.0-only
"""Which data that is not KVM's own the code of a snapshot writes, by name, file and line.

What counts as a write of NAME: an assignment, ++ or -- whose left side begins with it, the first
argument of this_cpu_write() and its like, what rdmsr() reads into, an output of inline assembly.
"&NAME" gives it away, except in the test of a static key, since whoever gets the address may
write. In assembly every use counts. A left side that begins with a call is a write of
"function()", which sees what a function of the kernel returned; of per_cpu(x, n) and its like it
is one of x. Names are the kernel's unless the function declares them or KVM's files define them;
those all in capitals are constants.

What this cannot see: an array or pointer that is passed by its bare name, a local pointer that
was taken from the kernel before, and what the kernel's own macros and inline functions do. The
first and the last the audit sees (disassembly.py), for the symbol is then one that the linked
module imports. The middle one leads into objects that some function of the kernel gave KVM, and
not to a variable of the kernel that KVM names.
"""

import re

from . import tokens

ASSIGN = {"=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="}
STEP = {"++", "--"}
BY_NAME = re.compile(r"(?:raw_|__)?this_cpu_(?!read|ptr|has|cpuid)\w+$|WRITE_ONCE$|swap$"
                     r"|(?:__)?get_user$|rcu_assign_pointer$")
READERS = re.compile(r"static_branch_(?:un)?likely$|static_key_\w*enabled$")
OUTPUTS = re.compile(r"rdmsr[lq]?(?:_safe)?$")      # every argument but the first
LVALUE = re.compile(r"(?:per_cpu|get_cpu_var|(?:this|per|raw)_cpu_ptr|rcu_dereference\w*)$")
KEYWORDS = {"return", "goto", "case", "else", "do", "sizeof", "if", "while", "for", "switch",
            "break", "continue", "default", "typeof", "__typeof__", "asm", "volatile"}
STATEMENTS = KEYWORDS - {"typeof", "__typeof__", "volatile"}
TYPES = {"const", "unsigned", "signed", "void", "char", "short", "int", "long", "bool", "u8",
         "u16", "u32", "u64", "s8", "s16", "s32", "s64", "__u32", "__u64", "__user", "__iomem",
         "__percpu", "__force", "__rcu"}
AGGREGATE = {"struct", "union", "enum"}
MAKERS = re.compile(r"(?:DEFINE|DECLARE)_\w+$|H?LIST_HEAD$|XA_STATE\w*$")
DECLARATION = re.compile(r"DECLARE_(?:PER_CPU|STATIC_KEY)\w*$")
CONSTANT = re.compile(r"_*[A-Z][A-Z0-9_]+$|[A-Z]+_[A-Z0-9_]\w*$|PG_LEVEL_\w+$")
PERCPU_VAR = re.compile(r"PER_CPU_VAR\(\s*(\w+)|\b([A-Za-z_]\w*)(?:\s*[+-]\s*\w+)?\(%rip\)")


def find(path, text):
    """[(line, name, "writes" or "gives away" or "uses")] of what a file's functions do not declare.

    "name()" is what a call returned. A #define may use what the functions around it declare.
    """
    if path.endswith(".S"):
        return _assembly(text)
    words = tokens.cut(text)
    found, everywhere, macros = [], set(), []
    for head, start, end in _bodies(text, words):
        local = _declared(words, head, end)
        if words[head].directive == "define":
            macros.append((start, end, local))
            continue
        everywhere |= local
        found += _foreign(words, start, end, local)
    for start, end, local in macros:
        found += _foreign(words, start, end, local | everywhere)
    return sorted(set(found))


def _foreign(words, start, end, local):
    return [(line, name, how) for how, line, name in _writes(words, start, end)
            if name not in local and not CONSTANT.match(name)]


def defined(text):
    """(names that a file defines at file level: functions, macros, enumerators and variables,
    names that it declares extern)."""
    names = {one.name for one in tokens.definitions(text)}
    names |= {name for name, _, _ in tokens.macro_bodies(text)}
    depth, statement, declared = 0, [], set()
    for token in tokens.cut(text):
        if token.directive is not None:
            continue
        if token.kind == "punct" and token.text in "({[":
            depth += 1
        elif token.kind == "punct" and token.text in ")}]":
            depth = max(0, depth - 1)
            if token.text == "}" and text[token.start - 1:token.start] == "\n":
                depth = 0
                if text[token.end:token.end + 1] == "\n":
                    statement = []                  # it was a function
                    continue
        first = next((one.text for one in statement
                      if one.text != "static" and not one.text.startswith("__")), "")
        if depth == 0 or first == "enum" or depth == 1 and MAKERS.match(first):
            statement.append(token)
        if token.text == ";" and depth == 0:
            if statement[0].text == "extern" or DECLARATION.match(statement[0].text):
                declared |= {one.text for one in statement if one.kind == "ident"}
            else:
                names |= _variables(statement)
            statement = []
    return names, declared


def _variables(statement):
    """Names that one statement at file level defines."""
    texts = [one.text for one in statement]
    if texts[0] == "typedef":
        return set()
    while texts and (texts[0] in ("static", "const") or texts[0].startswith("__")):
        texts, statement = texts[1:], statement[1:]
    if not texts:
        return set()
    if MAKERS.match(texts[0]):
        return {one.text for one in statement[1:] if one.kind == "ident"}
    if texts[0] == "enum":
        return {one.text for one in statement if one.kind == "ident"}
    names, value = set(), False
    for index, one in enumerate(statement[1:], 1):
        if not value and one.kind == "ident" and (statement[index - 1].kind == "ident"
                                    or texts[index - 1] in ("*", ",", "}")) \
                and (texts[index + 1] in ("=", ";", ",", "[", "]", "{")
                     or texts[index + 1].startswith("__")):
            names.add(one.text)
        if one.text == "=":
            value = True
        elif one.text == ",":
            value = False
    return names


def _bodies(text, words):
    """(index of the head, of the body, of the end) of every function and every #define."""
    starts = {token.start: index for index, token in enumerate(words)}
    ends = {token.end: index for index, token in enumerate(words)}
    for one in tokens.definitions(text):
        head, end = starts[one.start], ends[one.end]
        body = head
        while words[body].text != "{":
            body += 1
        yield head, body, end
    index = 0
    while index < len(words):
        if words[index].directive == "define" and words[index].text == "define":
            end = index
            while end < len(words) and words[end].kind != "end":
                end += 1
            yield index, index + 2, end
            index = end
        index += 1


def _declared(words, head, end):
    """Names that a function declares, parameters included, or the parameters of a #define."""
    names = set()
    if words[head].directive == "define":
        index = head + 2
        if words[index].text == "(" and words[index].start == words[index - 1].end:
            while words[index].text != ")":
                if words[index].kind == "ident":
                    names.add(words[index].text)
                index += 1
    index = head
    while index < end:
        word = words[index]
        if word.kind == "ident" and word.text not in STATEMENTS and (
                index == head or words[index - 1].text in ("{", "}", ";", "(", ",", ")", ":",
                                                           "static")
                or words[index - 1].kind == "end"):
            name = _declarator(words, index, end)
            if name is not None:
                names.add(words[name].text)
                if words[index - 1].text not in ("(", ",") or words[index - 2].text == "for":
                    names |= _more(words, name + 1, end)
            elif MAKERS.match(word.text) and words[index + 1].text == "(":
                close = _close(words, index + 1)
                names |= {one.text for one in words[index + 2:close] if one.kind == "ident"}
        elif word.text == "}" and words[index + 1].kind == "ident" and \
                words[index + 2].text in (";", "=", "[", ","):
            names.add(words[index + 1].text)        # struct { ... } name;
        index += 1
    return names


def _declarator(words, index, end):
    """Where the name of the declaration that begins here stands; None if none begins here."""
    types = 0
    while index < end:
        word = words[index]
        if word.kind == "ident" and word.text in STATEMENTS:
            return None
        if word.kind == "ident" and word.text in ("typeof", "__typeof__") \
                and words[index + 1].text == "(":
            index = _close(words, index + 1)
            types += 1
        elif word.kind == "ident":
            after = words[index + 1].text
            if types and after in ("=", ";", ",", "[", ")", ":"):
                return index
            if after == "(" and types and words[index + 2].text != "*":
                return None
            types += 1
        elif word.text == "*" and types:
            pass
        elif word.text == "(" and types and words[index + 1].text == "*" \
                and words[index + 2].kind == "ident":
            return index + 2                        # a pointer to a function
        else:
            return None
        index += 1
    return None


def _more(words, index, end):
    """Names after the commas of a declaration."""
    names, depth = set(), 0
    while index < end and not (words[index].text == ";" and depth == 0):
        text = words[index].text
        if text in ("(", "{", "["):
            depth += 1
        elif text in (")", "}", "]"):
            depth -= 1
            if depth < 0:
                break
        elif text == "," and depth == 0:
            after = index + 1
            while words[after].text == "*":
                after += 1
            if words[after].kind == "ident":
                names.add(words[after].text)
        index += 1
    return names


def _close(words, index):
    """The index of the bracket that closes the one at index."""
    depth = 0
    for at in range(index, len(words)):
        depth += (words[at].text in ("(", "[", "{")) - (words[at].text in (")", "]", "}"))
        if depth == 0:
            return at
    return len(words) - 1


def _open(words, index):
    """The index of the bracket that the one at index closes."""
    depth = 0
    for at in range(index, -1, -1):
        depth += (words[at].text in (")", "]", "}")) - (words[at].text in ("(", "[", "{"))
        if depth == 0:
            return at
    return 0


def _writes(words, start, end):
    """(how, line, name) of every write."""
    for index in range(start, end + 1):
        word = words[index]
        before, how, names = words[index - 1], "writes", ()
        if word.kind == "punct":
            if word.text in ASSIGN:
                names = _left(words, index - 1, start)
            elif word.text in STEP:
                names = _left(words, index - 1, start) if _postfix(words, index) \
                    else _right(words, index + 1)
            elif word.text == "&" and _unary(words, index) \
                    and not (before.text == "(" and READERS.match(words[index - 2].text)):
                how, names = "gives away", _right(words, index + 1)
        elif word.kind == "ident" and words[index + 1].text == "(":
            if BY_NAME.match(word.text):
                names = _right(words, index + 2)
            elif OUTPUTS.match(word.text):
                names = _outputs(words, index + 2)
        elif word.kind == "string" and re.match(r'"[=+]', word.text) \
                and words[index + 1].text == "(":
            names = _right(words, index + 2)
        for line, name in names:
            yield how, line, name


def _postfix(words, index):
    """Whether a ++ or -- stands behind what it steps."""
    before = words[index - 1]
    if before.text == ")":
        return words[_open(words, index - 1) - 1].text not in KEYWORDS
    return before.text == "]" or before.kind == "ident" and before.text not in KEYWORDS


def _outputs(words, index):
    """The names with which the arguments after the first begin."""
    depth = 0
    while depth >= 0 and index < len(words):
        if depth == 0 and words[index].text == ",":
            yield from _right(words, index + 1)
        depth += (words[index].text in ("(", "[")) - (words[index].text in (")", "]"))
        index += 1


def _unary(words, index):
    before = words[index - 1]
    if before.kind == "ident":
        return before.text in ("return", "case", "else")
    if before.kind in ("number", "string", "char") or before.text == "]":
        return False
    if before.text != ")":
        return True
    inside = words[_open(words, index - 1) + 1:index - 1]
    return bool(inside) and (inside[-1].text == "*" or all(
        one.text in TYPES | AGGREGATE or one.text.endswith("_t") for one in inside))


def _left(words, index, start):
    """The name with which the left side that ends at index begins."""
    while index > start:
        word = words[index]
        if word.text == "]":
            index = _open(words, index) - 1
            if words[index].text in ("{", ",", "="):
                return                              # [n] = of an initialiser
            continue
        if word.text == ")":
            opened = _open(words, index)
            caller = words[opened - 1]
            if caller.kind == "ident" and caller.text not in KEYWORDS:
                if words[opened - 2].text in (".", "->"):
                    index = opened - 3
                    continue
                yield from _call(words, opened - 1)
                return
            yield from _group(words, opened + 1, index)
            return
        if word.kind == "ident":
            if words[index - 1].text in (".", "->"):
                index -= 2
                if words[index].kind != "ident" and words[index].text not in (")", "]"):
                    return                          # .x = of an initialiser
                continue
            yield word.line, word.text
        return


def _call(words, index):
    """A left side, or an address, that begins with a call."""
    if LVALUE.match(words[index].text):
        yield from _right(words, index + 2)
    else:
        yield words[index].line, f"{words[index].text}()"


def _group(words, start, end):
    """Every name in brackets that a left side begins with."""
    for index in range(start, end):
        word = words[index]
        if word.kind != "ident" or words[index - 1].text in (".", "->") \
                or words[index - 1].text in AGGREGATE or word.text in TYPES | AGGREGATE | KEYWORDS \
                or words[index + 1].text == "*" and words[index + 2].text in (")", "*"):
            continue
        if words[index + 1].text == "(":
            yield from _call(words, index)
        else:
            yield word.line, word.text


def _right(words, index):
    """The name with which the expression at index begins."""
    while words[index].text in ("*", "&"):
        index += 1
    word = words[index]
    if word.text == "(":
        close = _close(words, index)
        yield from _group(words, index + 1, close)
        inside = words[index + 1:close]
        if inside and (inside[-1].text == "*" or all(one.text in TYPES for one in inside)):
            yield from _right(words, close + 1)
    elif word.kind == "ident" and word.text not in KEYWORDS:
        if words[index + 1].text == "(":
            yield from _call(words, index)
        else:
            yield word.line, word.text


def _assembly(text):
    """Every name that assembly uses through the per-CPU segment or relative to %rip."""
    return sorted({(number, match[1] or match[2], "uses")
                   for number, line in enumerate(text.splitlines(), 1)
                   for match in PERCPU_VAR.finditer(line.split("//")[0])})
