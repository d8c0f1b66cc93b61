# SPDX-License-Identifier: GPL-2.0-only
"""What a kernel lacks that an instance needs: each interface of a failed build, by name.

The compiler's errors are sorted by kind, those that only follow from others are left out, and the
headers of the archive's kernels are searched for which of them has what is missing. An error in
what a user's patch brought is that patch's, and the kernel lacks nothing there. Nothing is ever put
in place of an interface: missing headers are made up, empty, only to see what else is missing, in a
build that has failed already.
"""

import bisect
import json
import re
import subprocess
from collections import namedtuple
from pathlib import Path

from . import house
from .failure import Refused
from .headers import Headers
from .manifest import Manifest
from .origin import LIST, Owners

# of: the structure that a member is of; where: all places that need it, the first one first.
Missing = namedtuple("Missing", "kind name of where")

# What gcc and modpost say (in English and with plain quotes), and the kind of what is missing.
MESSAGES = [(kind, re.compile(text)) for kind, text in (
    ("header", r"fatal error: (?P<name>\S+): No such file"),
    ("function", r"implicit declaration of function '(?P<name>\w+)'"),
    ("name", r"'(?P<name>\w+)' undeclared"),
    ("type", r"unknown type name '(?P<name>\w+)'"),
    ("member", r"'(?:const )?(?:struct|union) (?P<of>\w+)'.* has no member named '(?P<name>\w+)'"),
    ("member", r"has no member named '(?P<name>\w+)'"),
    ("arguments", r"too (?:few|many) arguments to function '(?P<name>\w+)'"),
    ("arguments", r"passing argument \d+ of '(?P<name>\w+)' from"),
    ("arguments", r"incompatible type for argument \d+ of '(?P<name>\w+)'"),
    ("arguments", r'macro "(?P<name>\w+)" (?:passed|requires)'),
    ("struct", r"(?:undefined|incomplete) type '(?:const )?(?:struct|union) (?P<name>\w+)'"),
    ("twice", r"redefinition of '(?:struct |union |enum )?(?P<name>\w+)'"),
    ("twice", r"conflicting types for '(?P<name>\w+)'"),
    ("twice", r"redeclaration of enumerator '(?P<name>\w+)'"),
    ("twice", r"static declaration of '(?P<name>\w+)' follows"),
    ("twice", r'"(?P<name>\w+)" redefined'),
    ("export", r'ERROR: modpost: "(?P<name>\w+)" \[.*\] undefined!'),
    ("error", r'static assertion failed: "(?P<name>.*)"'),
)]
PLACE = re.compile(r"(?:In file included from|\s+from)? ?(?P<file>[^\s:]+):(?P<line>\d+)[:,]")
INITIAL = re.compile(r"near initialization for '(?P<variable>\w+)\.(?P<name>\w+)'")
LINE = re.compile(r"(?P<file>[^\s:]+):(?P<line>\d+):(?:\d+:)? (?P<what>(?:fatal )?error: .*)")


class Kind(namedtuple("Kind", "text offer compare")):
    """How it is called, how headers tell what they offer of it, and whether that must be equal
    to what the snapshot's own series offers, or only be there."""


def _function(headers, one):
    return headers.parameters(one.name) or headers.event(one.name)


KINDS = {
    "header": Kind("header {name}", lambda h, one: h.header(one.name), False),
    "function": Kind("{name}()", _function, False),
    "name": Kind("{name}", lambda h, one: h.where(one.name), False),
    "type": Kind("type {name}", lambda h, one: h.where(one.name), False),
    "struct": Kind("struct {name}", lambda h, one: h.defines(one.name), False),
    "member": Kind("struct {of}: member {name}", lambda h, one: h.member(one.of, one.name), True),
    "arguments": Kind("{name}() with other arguments", lambda h, one: h.parameters(one.name), True),
    "twice": Kind("{name}: the kernel has one of its own",
                  lambda h, one: None if h.where(one.name) else True, False),
    "export": Kind("export of {name}()", lambda h, one: one.name in h.exports or None, False),
    "option": Kind("option {name}", lambda h, one: h.options.get(one.name), False),
    "error": Kind("{name}", None, False),
}


class Package:
    """The folder of a failed build: what the package declares itself, and where its lines are."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.texts = {path.relative_to(folder).as_posix(): path.read_text(errors="replace")
                      for path in sorted(self.folder.rglob("*"))
                      if path.suffix in (".c", ".h", ".S") or path.name == "Kbuild"}
        text = "\n".join(self.texts.values())
        self.own = set(re.findall(r"^[ \t]*#[ \t]*define[ \t]+(\w+)", text, re.M))
        self.own |= set(re.findall(r"^\w[^\n;{}()=]*?\b(\w+)\(", text, re.M))
        self.own |= {f"trace_{name}" for name in
                     re.findall(r"^\s*(?:TRACE_EVENT\w*\(|DEFINE_EVENT\w*\(\w+,)\s*(\w+)", text,
                                re.M)}
        self.structs = set(re.findall(r"\b(?:struct|union)\s+(\w+)\s*\{", text))
        self.options = set(re.findall(r"\bCONFIG_[A-Z0-9_]+\b", text))
        tag = re.search(r'#define KVM_INSTANCE_TAG "(\w+)"', text)
        self.suffix = f"__{tag[1]}" if tag else None
        listed = self.folder / LIST
        self.owners = Owners(listed.read_text() if listed.is_file() else "")

    def place(self, match, name):
        """Where an error is, or where the name is if the error is in a kernel header's macro."""
        path = Path(match["file"])
        if path.is_relative_to(self.folder):
            return f"{path.relative_to(self.folder)}:{match['line']}"
        return name and self.find(name) or f"{path.name}:{match['line']}"

    def patch_of(self, places):
        """(patch, place) of the first of these lines of a log that is about a patch's, or None."""
        for line in places:
            match = PLACE.match(line)
            if match and Path(match["file"]).is_relative_to(self.folder):
                path = Path(match["file"]).relative_to(self.folder).as_posix()
                if patch := self.owners.of(path, int(match["line"])):
                    return patch, f"{path}:{match['line']}"
        return None

    def line(self, place):
        """What is written at a place of place()."""
        name, _, number = place.partition(":")
        lines = self.texts.get(name, "").splitlines()
        return lines[int(number) - 1] if 0 < int(number or 0) <= len(lines) else ""

    def find(self, word):
        """The first place that has this word, or None."""
        for name, text in self.texts.items():
            if word in text and (match := re.search(rf"\b{word}\b", text)):
                return f"{name}:{text.count(chr(10), 0, match.start()) + 1}"
        return None

    def type_of(self, variable):
        """The structure that a variable is of, or None."""
        for text in self.texts.values():
            if match := re.search(rf"\bstruct\s+(\w+)\s+{variable}\b", text):
                return match[1]
        return None


def _own_conflict(lines, number, package):
    """Whether a definition and the earlier one are both the package's: then one of them is for an
    option that is not set, and that option is reported."""
    for place in (lines[number], next((line for line in lines[number + 1:] if ": note: " in line or
                                       ": error: " in line), "")):
        if not Path(place.partition(":")[0]).is_relative_to(package.folder):
            return False
    return True


def about(lines, number):
    """The lines of a log that belong to the error on one of them: that line, how the file came to
    be included, and the compiler's notes."""
    first = number
    while first and re.match(r"In file included from |\s+from |.*: In function ", lines[first - 1]):
        first -= 1
    places = [lines[number], *lines[first:number]]
    for line in lines[number + 1:]:
        if LINE.match(line) or line.startswith(("make", "ERROR: ")):
            break
        if ": note: " in line:
            places.append(line)
    return places


def patched(log, package):
    """[(patch, place, what)] of a log: the errors in what a patch brought."""
    found, lines = {}, log.splitlines()
    for number, line in enumerate(lines):
        if match := LINE.match(line):
            of, what = package.patch_of(about(lines, number)), match["what"]
        elif match := re.match(r'ERROR: modpost: "(\w+)" \[.*\] undefined!', line):
            place = package.find(match[1].removesuffix(package.suffix or "")) or ""
            of = package.patch_of([f"{package.folder}/{place}:"])
            what = f"the kernel exports no {match[1]}"
        else:
            continue
        if of:
            what = re.sub(rf"(\w){package.suffix}\b", r"\1", what) if package.suffix else what
            what = re.sub(r"^(fatal )?error: | \[-W[\w=-]+\]$", "", what)
            what = re.sub(r"; did you mean .*\?$", "", what)
            found.setdefault((*of, what))
    return list(found)


def read(log, package):
    """What is missing according to a log of kbuild, each once, and errors that are not understood.

    Errors in what a patch brought are in neither.
    """
    found, unknown, before = {}, {}, None
    lines = log.splitlines()
    for number, line in enumerate(lines):
        if before and (initial := INITIAL.search(line)):
            found[("member", initial["name"])] = Missing(
                "member", initial["name"], package.type_of(initial["variable"]), [before])
        place = LINE.match(line)
        said = place["what"] if place else line if line.startswith("ERROR: modpost: ") else None
        before = place and package.place(place, "")
        if not said or place and package.patch_of(about(lines, number)):
            continue
        for kind, pattern in MESSAGES:
            if match := pattern.search(said):
                if kind == "twice" and _own_conflict(lines, number, package):
                    break
                name = match["name"].removesuffix(package.suffix or "")
                where = package.place(place, name) if place else package.find(name) or "link"
                if not place and package.patch_of([f"{package.folder}/{where}:"]):
                    break
                one = Missing(kind, name, match.groupdict().get("of"), [])
                found.setdefault((kind, name), one).where.append(where)
                break
        else:
            text = said.partition("error: ")[2] or said
            unknown.setdefault(text, Missing("error", text, None,
                                             [package.place(place, "") if place else "modpost"]))
    return list(found.values()), list(unknown.values())


def follows(one, found, package, reference, target):
    """Whether an error is about what the package has itself, or follows from another."""
    if one.kind in ("function", "name", "type", "arguments") and one.name in package.own:
        return True
    if one.kind == "twice":
        return False
    if one.name in package.structs or one.kind == "member" and one.of in package.structs:
        return True
    if one.kind not in ("function", "name", "type"):
        return False
    others = [other for other in found if other is not one]
    # Half of a name, which a macro that is missing as well would make whole.
    if one.kind == "name" and reference and \
            any(other.kind == "function" and reference.pastes(other.name)
                and all(f"{other.name}(" in package.line(place) for place in one.where)
                for other in others):
        return True
    # Declared, but no longer in what is included.
    return target.where(one.name) and \
        any(other.kind == "header" or other.name == one.name for other in others)


def wanted_exports(package, reference, target):
    """Exports of the reference that the target has not and that the package uses.

    The objects that were made say what they need; where the compiler gave up, the source does.
    """
    gone = reference.exports.keys() - target.exports.keys()
    found = {}
    for name in package.texts:
        made = (package.folder / name).with_suffix(".o")
        if made.is_file():
            said = subprocess.run(["nm", "-u", str(made)], stdout=subprocess.PIPE, text=True)
            needs = gone & set(said.stdout.split())
        elif name.endswith(".c"):
            needs = {word for word in gone & set(re.findall(r"\b(\w+)\(", package.texts[name]))
                     if word not in package.own and target.where(word)
                     and not target.inline(word)}
        else:
            continue
        for word in sorted(needs):
            found.setdefault(word, Missing("export", word, None, [name]))
    return list(found.values())


class Archive:
    """The kernels whose headers can be had, oldest first, and what each offers."""

    def __init__(self, kver, kdir):
        self.manifest = Manifest()
        self.headers = {kver: Headers(kdir, self.manifest)}
        said = subprocess.run([str(house.ROOT / "scripts/sources"), "list", "--json"],
                              stdout=subprocess.PIPE, text=True)
        listed = json.loads(said.stdout)["kernels"] if not said.returncode else []
        self.target = next((one for one in listed if one["kver"] == kver and one["headers"]), None)
        # Only one flavour: differences between flavours say nothing about releases.
        self.kernels = [one for one in reversed(listed) if one["headers"] and
                        self.target and one["flavour"] == self.target["flavour"]]
        self.words = []

    def of(self, kernel):
        """The headers of a kernel, or None when they cannot be fetched."""
        kver = kernel["kver"]
        if kver not in self.headers:
            said = subprocess.run([str(house.ROOT / "scripts/sources"), "headers", kver],
                                  stdout=subprocess.PIPE, text=True)
            self.headers[kver] = None if said.returncode else \
                Headers(said.stdout.strip(), self.manifest)
        if self.headers[kver]:
            self.headers[kver].look(self.words)
        return self.headers[kver]

    def newest(self, of):
        """The newest kernel of a series."""
        return next((one for one in reversed(self.kernels) if series(one["release"]) == of), None)

    def who_has(self, one, reference):
        """"first in RELEASE", "last in RELEASE", or that nobody has it."""
        kind = KINDS[one.kind]
        if not self.target or kind.offer is None:
            return None
        here = kind.offer(self.of(self.target), one)
        there = kind.offer(reference, one) if reference and kind.compare else None

        def has(kernel):
            headers = self.of(kernel)
            offer = kind.offer(headers, one) if headers else None
            return offer is not None and offer == there if there and there != here \
                else offer is not None and (here is None or offer != here)

        at = self.kernels.index(self.target)
        own = series(self.target["release"])
        for group in _by_series(self.kernels[at + 1:]):
            if has(group[-1]):
                return "first in " + _first(group, has)["release"]
        for group in reversed(_by_series(self.kernels[:at])):
            group.reverse()
            if series(group[0]["release"]) != own and has(group[0]):
                return "last in " + group[0]["release"]
            if has(group[-1]):
                return "last in " + _first(group, has)["release"]
        return "in no kernel of the archive"


def series(release):
    return re.match(r"\d+\.\d+", release)[0]


def _by_series(kernels):
    groups = {}
    for kernel in kernels:
        groups.setdefault(series(kernel["release"]), []).append(kernel)
    return list(groups.values())


def _first(kernels, has):
    """The first that has it; those after it have it, too."""
    if has(kernels[0]):
        return kernels[0]
    return kernels[bisect.bisect_left(kernels, True, key=has)]


def options(package, reference, target):
    """Options that the snapshot asks for, and that are set in its own series only."""
    return [Missing("option", name, None, [package.find(name)]) for name in
            sorted(package.options & (reference.options.keys() - target.options.keys()))]


def make_up_headers(folder, found):
    """Empty headers in place of missing ones, so that the next build sees what else is."""
    made = []
    for one in found:
        path = folder / "include" / one.name
        if one.kind == "header" and ".." not in path.parts and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            made.append(path)
    return made


def explain(folder, again, kver, kdir, release):
    """Refuse with all that an instance whose build failed in folder lacks; return if nothing.

    again() builds once more what could not be built, and returns the log.
    """
    package, seen, made_up, errors = Package(folder), {}, [], {}
    log = (package.folder / "build.log").read_text(errors="replace")
    while True:
        found, unknown = read(log, package)
        errors |= dict.fromkeys(patched(log, package))
        seen = {(one.kind, one.name): one for one in found} | seen
        fresh = make_up_headers(package.folder, found)
        if not fresh:
            break
        made_up += fresh
        log = again()
    for path in made_up:
        path.unlink()
    reports = of_patches(errors, seen, unknown, package, kver)
    if reports and not seen:
        raise Refused("\n".join(reports))
    archive = Archive(kver, kdir)
    archive.words = [word for one in seen.values() for word in (one.name, one.of)
                     if word and re.fullmatch(r"\w+", word)]
    newest = archive.newest(series(release))
    reference = archive.of(newest) if newest else None
    target = archive.headers[kver]
    target.look(archive.words)
    found = [one for one in seen.values()
             if not follows(one, seen.values(), package, reference, target)]
    if reference:
        known = {one.name for one in found}
        found += [one for one in wanted_exports(package, reference, target)
                  if one.name not in known]
        if series(release) != series(kver):
            found += options(package, reference, target)
    found = found or ([] if reports else unknown)
    if reports and not found:
        raise Refused("\n".join(reports))
    if not found:
        return
    order = list(KINDS)
    found.sort(key=lambda one: (order.index(one.kind), one.name))
    raise Refused("\n".join(
        reports + [f"KVM of {release} needs {len(found)} {'thing' if len(found) == 1 else 'things'}"
         f" that {kver} has not, or has otherwise"]
        + [f"  {line(one, archive, reference, target)}" for one in found]
        + [f"  next: a snapshot of series {series(kver)}, or one of the kernels named"]))


def of_patches(errors, seen, unknown, package, kver):
    """The lines of a report on the patches' errors: those in what they brought, and, unless there
    are any, those caused by what they took away, or that are not understood and in their files.

    The latter are removed from seen.
    """
    reports = {}
    for patch, place, what in errors:
        text = package.line(place).strip()
        reports.setdefault(patch, []).append(f"  {place}: {what}" + f": {text}" * bool(text))
    if not errors:
        for key, one in list(seen.items()):
            if patches := package.owners.gone.get(one.name):
                del seen[key]
                reports.setdefault(" or ".join(patches), []).append(
                    f"  {one.where[0]}: {KINDS[one.kind].text.format(name=one.name, of=one.of)}"
                    " is gone, and still needed")
    if not reports and not seen:
        for one in unknown:
            if patches := package.owners.of_file(one.where[0].partition(":")[0]):
                reports.setdefault(" or ".join(patches), []).append(f"  {one.where[0]}: {one.name}")
    return [line for patch, lines in reports.items()
            for line in (f"patch {patch} does not compile for {kver}", *lines)] + \
        [f"  next: correct the patch; whole log: {package.folder / 'build.log'}"] * bool(reports)


def line(one, archive, reference, target):
    text = KINDS[one.kind].text.format(name=one.name, of=one.of) + f"  ({one.where[0]})"
    if one.kind in ("function", "name", "type") and (header := target.where(one.name)):
        return f"{text}: in {header}, which is not included"
    note = archive.who_has(one, reference)
    return f"{text}: {note}" if note else text
