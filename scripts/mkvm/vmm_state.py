# SPDX-License-Identifier: GPL-2.0-only
"""What a VMM can ask of KVM: the files vmm-state of kvm-core/ and kvm-x86/.

kvm-core/vmm-state says how to read them. A snapshot that takes an ioctl, a capability, a device
attribute or a request that has no line there is refused: a VM that used it would lose something
when it moves. What has one becomes glue/vmm_state.h, by which glue/record.c acts.
"""

import re
from collections import namedtuple
from pathlib import Path

from . import digest, house, tokens
from .failure import Refused
from .store import Store

FILE = "vmm-state"
WHERES = {"device", "vm", "vcpu", "dev", "compat", "asked"}
CLASSES = {"asked", "acts", "carried", "remade", "derived", "last", "each", "lost", "refused"}
ACTED_ON = ("last", "each", "refused")       # the others need nothing done when they are called
CAP, REQUEST = "KVM_CAP_", "KVM_REQ_"
ATTRIBUTE = re.compile(r"KVM_(?:X86|VCPU|DEV)_\w+")
NUMBER = re.compile(r"^#[ \t]*define[ \t]+(KVM_\w+)[ \t]+_IO\w*\(\s*KVMIO\b", re.M)
SET_REQUEST = re.compile(rf"^#[ \t]*define[ \t]+({REQUEST}\w+)", re.M)
Line = namedtuple("Line", "word why")
Found = namedtuple("Found", "path line name function")


class Known:
    """What the lists say: by (where, name) for ioctls and capabilities, else by name."""

    def __init__(self, paths=None):
        self.switch, self.ioctl, self.cap, self.attr, self.request = {}, {}, {}, {}, {}
        for path in paths or [house.ROOT / part / FILE for part in house.PARTS]:
            for number, line in enumerate(path.read_text().splitlines(), 1):
                words = line.split("#")[0].split()
                if words and not self._line(words):
                    raise Refused(f"{path}:{number}: not a line of {FILE}: {line}")

    def _line(self, words):
        kind, words = words[0], words[1:]
        if kind == "switch":
            self.switch[words[0]] = words[-1]
            return len(words) == 2 and words[1] in WHERES
        if kind in ("ioctl", "cap"):
            key, words = tuple(words[:2]), words[2:]
            held = self.ioctl if kind == "ioctl" else self.cap
        else:
            key, words = words[0], words[1:]
            held = {"attr": self.attr, "request": self.request}.get(kind, {key: None})
        if key in held or len(words) < 2:
            return False
        held[key] = Line(words[0], " ".join(words[1:]))
        return words[0] in (("made", "busy") if kind == "request" else CLASSES) and \
            (kind not in ("ioctl", "cap") or key[0] in WHERES)


def header(files, known=None):
    """glue/vmm_state.h for the snapshot's files; refused with all names that nobody has classed."""
    known = known or Known()
    store, facts = Store(), []
    numbers = sorted({name for path, content in files.items() if path.endswith(".h")
                      for name in NUMBER.findall(_text(content))})
    for path in sorted(files):
        if path.endswith((".c", ".h")):
            facts += [Found(path, *one) for one in _facts(_text(files[path]), numbers, store)]
    return _written(_classed(facts, known, set(numbers)))


def _text(content):
    return content.decode("utf-8", "surrogateescape")


def _facts(text, numbers, store):
    """[line, name, function] of each case label, attribute and request; by content alone."""
    if not re.search(rf"\bcase\s+KVM_|{REQUEST}|kvm_device_attr", text):
        return []
    key = digest.of_bytes("vmm-state", Path(__file__).read_bytes(), *numbers,
                          text.encode("utf-8", "surrogateescape"))
    held = store.get(key)
    if held is None:
        held = [list(one) for one in _look(text, set(numbers))]
        store.put(key, held)
    return held


def _look(text, numbers):
    for match in SET_REQUEST.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1], ""
    words = tokens.cut(text)
    for one in tokens.definitions(text):
        inside = [word for word in words if one.start <= word.start < one.end]
        of_attr = any(word.text == "kvm_device_attr" for word in inside)
        for before, word in zip(inside, inside[1:]):
            if word.kind != "ident":
                continue
            labelled = before.text == "case" and (word.text in numbers or
                                                  word.text.startswith(CAP))
            if labelled or of_attr and ATTRIBUTE.fullmatch(word.text) \
                    and word.text not in numbers:
                yield word.line, word.text, one.name


def _classed(facts, known, numbers):
    """{(kind, where, name): Line} of what the source has."""
    found, trouble = {}, []
    for one in facts:
        if one.name.startswith(REQUEST):
            kind, where, line = "request", "", known.request.get(one.name)
        elif one.name.startswith(CAP) or one.name in numbers:
            kind = "cap" if one.name.startswith(CAP) else "ioctl"
            where = known.switch.get(one.function)
            if where == "asked":
                continue
            line = getattr(known, kind).get((where, one.name))
            if where is None:
                trouble.append(f"{one.path}:{one.line}: {one.function}() takes {one.name}, and "
                               "no \"switch\" says of what")
                continue
        else:
            kind, where, line = "attr", "", known.attr.get(one.name)
        if line is None:
            trouble.append(f"{one.path}:{one.line}: {one.name} ({kind} {where}): nobody has said "
                           "what becomes of it when a VM moves")
        else:
            found[kind, where, one.name] = line
    if trouble:
        raise Refused("\n".join(dict.fromkeys(trouble)) + f"\n  next: a line in kvm-core/{FILE} or "
                      f"kvm-x86/{FILE}, which say how")
    return found


def _written(found):
    lines = ["/* SPDX-License-Identifier: GPL-2.0-only */",
             f"/* Generated by scripts/rewrite from {FILE}: what is recorded, or refused. */",
             "#ifndef VMM_STATE_H", "#define VMM_STATE_H"]
    for kind, unknown in (("ioctl", "NOTHING, NULL"), ("cap", 'REFUSED, "KVM_ENABLE_CAP"')):
        for where in ("vm", "vcpu"):
            lines += ["", f"static struct what {kind}_of_{where}(unsigned int {kind})", "{",
                      f"\tswitch ({kind}) {{"]
            lines += [f'\tcase {name}: return (struct what){{ {line.word.upper()}, "{name}" }};'
                      for (one, at, name), line in sorted(found.items())
                      if (one, at) == (kind, where) and line.word in ACTED_ON]
            lines += [f"\tdefault: return (struct what){{ {unknown} }};", "\t}", "}"]
    busy = [f"kvm_test_request({name}, vcpu)" for (one, _, name), line in sorted(found.items())
            if one == "request" and line.word == "busy"]
    lines += ["", "static bool is_asked(struct kvm_vcpu *vcpu)", "{",
              "\treturn " + " ||\n\t       ".join(busy) + ";", "}", "", "#endif", ""]
    return "\n".join(lines).encode()
