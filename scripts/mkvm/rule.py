# SPDX-License-Identifier: GPL-2.0-only
"""A rule: what its header says, which files it applies to and how often it must hit.

A rule is a *.cocci file (Coccinelle) or, where Coccinelle cannot read the code or the code is
a #define, a *.tokens file. kvm-core/rules/README says how to write one.
"""

import re
from pathlib import Path

from . import digest, house, tokens
from .failure import Refused

KEYS = ("rule", "why", "hazard", "files", "hits", "when", "after", "unread", "count", "options",
        "next")
KEY = re.compile(r"(%s):\s*(.*)$" % "|".join(KEYS))
DOTS = re.compile(r"(?P<before>\S?)\s*\.\.\.\s*(?P<after>\S?)")
KEYWORDS = frozenset("""auto break case char const continue default do double else enum extern
    float for goto if inline int long register return short signed sizeof static struct switch
    typedef union unsigned void volatile while when any exists forall strict bool true false
    u8 u16 u32 u64 s8 s16 s32 s64 size_t NULL""".split())


class Rule:
    def __init__(self, path, user=False):
        self.path = Path(path)
        self.text = self.path.read_text()
        self.digest = digest.of_bytes(self.text)
        self.user = user
        self.kind = self.path.suffix[1:]
        try:
            self.where = self.path.resolve().relative_to(house.ROOT).as_posix()
        except ValueError:
            self.where = self.path.name
        self.head = self._header()
        self.name = self.head.get("rule", self.path.stem)
        if not user:
            self._wellformed()

    def _header(self):
        head, last = {}, None
        for line in self.text.splitlines():
            if not line.startswith("//"):
                if line.strip():
                    break
                continue
            line = line[2:].strip()
            match = KEY.match(line)
            if match:
                last, value = match.groups()
                if last == "files" and " hits:" in f" {value}":
                    value, hits = f" {value}".split(" hits:", 1)
                    head["hits"] = hits.strip()
                value = value.strip()
                if last in head and last in ("when", "unread"):
                    value = head[last] + "\n" + value
                elif last in head:
                    raise Refused(f"{self.where}: two lines say {last}:")
                head[last] = value
            elif last:
                head[last] += " " + line
        return head

    def _wellformed(self):
        for key in ("rule", "why", "files", "hits"):
            if not self.head.get(key):
                raise Refused(f"{self.where}: a rule must say {key}:")
        if self.name != self.path.stem:
            raise Refused(f"{self.where}: it calls itself {self.name}, its file says "
                          f"{self.path.stem}")

    def refuse(self, why, next_=None):
        return Refused(f"rule {self.name}: {why}\n  {self.where}"
                       + (f"\n  next: {next_}" if next_ else ""))

    def applies(self, files):
        """Whether the source offers what the rule is for: its when: lines."""
        for line in filter(None, self.head.get("when", "").split("\n")):
            match = re.fullmatch(r"(\S+) (has|lacks) (\S+)", line.strip())
            if not match:
                raise self.refuse(f"when: wants 'FILE has NAME' or 'FILE lacks NAME': {line}")
            name, verb, word = match.groups()
            path = self._path(name, files)
            present = path is not None and word in tokens.names(files[path])
            if present != (verb == "has"):
                return False
        return True

    def _path(self, name, files):
        if name in files:
            return name
        found = [path for path in files if path.endswith("/" + name)]
        if len(found) > 1:
            raise self.refuse(f"{name} may be " + " or ".join(sorted(found)))
        return found[0] if found else None

    def targets(self, files):
        """{path: hits that are expected}, a number, or None for one at least."""
        head = self.head.get("files")
        if head is None:
            return {path: None for path in sorted(files) if path.endswith((".c", ".h"))}
        paths = []
        words = head.split()
        if words[0] == "with" and len(words) == 2:
            paths = [path for path in sorted(files) if path.endswith((".c", ".h"))
                     and tokens.count(words[1], tokens.names(files[path]))]
            if not paths:
                raise self.refuse(f"no file of the snapshot has {words[1]}")
        else:
            for word in words:
                path = self._path(word, files)
                if path is None:
                    raise self.refuse(f"the snapshot has no file {word}")
                paths.append(path)
        return self._expected(paths, files)

    def _expected(self, paths, files):
        said = self.head.get("hits")
        if said is None:
            return dict.fromkeys(paths)
        match = re.fullmatch(r"(\d+)( each)?", said)
        if match:
            if not match[2] and len(paths) != 1:
                raise self.refuse("hits: a bare number needs one file; write 'N each'")
            return {path: int(match[1]) for path in paths}
        if said.startswith("every "):
            return {path: tokens.count(said.removeprefix("every "),
                                       tokens.names(files[path], macros=False))
                    for path in paths}
        wanted = {}
        for word in said.split():
            name, _, number = word.partition("=")
            path = self._path(name, files)
            if path not in paths or not number.isdigit():
                raise self.refuse(f"hits: not a number for one of its files: {word}")
            wanted[path] = int(number)
        if set(wanted) != set(paths):
            raise self.refuse("hits: says nothing of " + ", ".join(set(paths) - set(wanted)))
        return wanted

    def blocks(self):
        """The SmPL blocks, as (name or None, header, metavariable lines, body lines)."""
        found, state = [], "head"
        for line in self.text.splitlines():
            if state in ("head", "body") and re.match(r"@.*@\s*$", line):
                word = re.match(r"@\s*([\w-]*)", line)[1]
                if word in ("depends", "disable", "expression", "exists", "forall", "script",
                            "initialize", "finalize"):
                    word = None
                found.append((word or None, line.strip(), [], []))
                state = "meta"
                if re.match(r"@.*@.*@@\s*$", line) and line.strip() != "@@":
                    state = "body"
            elif state == "meta":
                if line.strip() == "@@":
                    state = "body"
                else:
                    found[-1][2].append(line)
            elif state == "body":
                found[-1][3].append(line)
        return found

    def _literal(self, code, variables):
        """The (identifier, next token) of a line that are the code's own."""
        words = tokens.cut(code)
        for before, token, after in zip([None] + words, words, words[1:] + [None]):
            if token.kind == "ident" and token.text not in KEYWORDS and \
                    token.text not in variables and token.text != "hit" and \
                    not (before and before.text in ("struct", "union", "enum", "@")):
                yield token.text, after.text if after else ""

    @staticmethod
    def _variables(meta):
        return set(re.findall(r"\w+", " ".join(
            re.sub(r"//.*", "", line) for line in meta
            if not re.search(r"\b(declarer|iterator|identifier)\s+name\b", line))))

    @staticmethod
    def _sets(meta):
        """{variable: names} of metavariables that stand for one of a few names."""
        return {match[1]: set(re.findall(r"\w+", match[2])) for match in re.finditer(
            r"\bidentifier\s+(\w+)\s*=\s*\{([^}]*)\}", " ".join(meta))}

    def called_names(self):
        """The functions and macros that a rule's lines call, but for those it adds."""
        found = set()
        for _, header, meta, body in self.blocks():
            if "script:" not in header:
                for line in body:
                    if not line.startswith("+"):
                        code = re.sub(r"@hit\b", "", re.sub(r"//.*", "", line)).lstrip("-*")
                        found |= {name for name, after in
                                  self._literal(code, self._variables(meta)) if after == "("}
        return found

    def matched_names(self):
        """The identifiers a rule looks for: those of its removed lines, and of its anchors."""
        unread = {word for line in self.head.get("unread", "").split("\n")
                  for word in line.split()[:1]}
        found = set()
        for _, header, meta, body in self.blocks():
            if "script:" in header:
                continue
            variables, sets = self._variables(meta), self._sets(meta)
            for line in body:
                code = re.sub(r"//.*", "", line)
                if not (code.startswith(("-", "*")) or "@hit" in code):
                    continue
                found |= {name for name, _ in self._literal(code.lstrip("-*"), variables)}
                found |= {name for variable, names in sets.items() for name in names
                          if re.search(rf"\b{variable}\b", code)}
        return found - unread

    def dotted(self):
        """The blocks whose "..." takes out or steps over code: {name or None of the block}.

        A "..." among the arguments of a call stands for arguments that the rule leaves alone.
        """
        return {name for name, header, _, body in self.blocks() if "script:" not in header
                for line in body for match in DOTS.finditer(line.split("//")[0])
                if not (match["before"] == "," or match["after"] == ",")}


def house_rules():
    """All rules of the repository, in the order they run: by folder, by name, after: first."""
    rules = []
    for folder in house.RULE_FOLDERS:
        for path in sorted((house.ROOT / folder).glob("*")):
            if path.suffix in (".cocci", ".tokens"):
                rules.append(Rule(path))
    return in_order(rules)


def in_order(rules):
    by_name = {}
    for one in rules:
        if one.name in by_name:
            raise one.refuse(f"{by_name[one.name].where} has that name too")
        by_name[one.name] = one
    done, visiting, ordered = set(), set(), []

    def visit(one):
        if one.name in done:
            return
        if one.name in visiting:
            raise one.refuse("after: goes round in a circle")
        visiting.add(one.name)
        for name in one.head.get("after", "").split():
            if name not in by_name:
                raise one.refuse(f"after: there is no rule {name}")
            visit(by_name[name])
        done.add(one.name)
        ordered.append(one)

    for one in rules:
        visit(one)
    return ordered
