# SPDX-License-Identifier: GPL-2.0-only
"""The lists of objects: read from a snapshot's own make files, written for an instance.

A line of an unknown form is refused, not guessed at.
"""

import re

from .failure import Refused

CORE, X86 = "virt/kvm", "arch/x86/kvm"
CORE_LIST, X86_LIST = "virt/kvm/Makefile.kvm", "arch/x86/kvm/Makefile"
VENDORS = {"kvm-intel": "CONFIG_KVM_INTEL", "kvm-amd": "CONFIG_KVM_AMD"}
LIST = re.compile(r"(kvm|kvm-intel|kvm-amd)-(y|\$\(CONFIG_\w+\))\s*(\+=|:=)\s*(.*)$")


def _lines(text):
    """(line number, line) with continued lines joined."""
    number, held, first = 0, "", 0
    for line in text.decode().split("\n"):
        number += 1
        first = first or number
        if line.endswith("\\"):
            held += line[:-1].rstrip() + " "
            continue
        yield first, (held + line.lstrip() if held else line).rstrip()
        held, first = "", 0


def _place(text):
    """The same text with $(obj) and $(src) meaning arch/x86/kvm below the package."""
    return re.sub(r"\$\((obj|src)\)", rf"$(\1)/{X86}", text)


def _compose(name, files):
    """One object's path in the package; refused when the snapshot has no source for it."""
    path = re.sub(r"^\$\(KVM\)/", CORE + "/", name)
    if path == name:
        path = f"{X86}/{name}"
    if not re.fullmatch(r"[\w./-]+\.o", path) or not any(
            path[:-1] + kind in files for kind in "cS"):
        raise Refused(f"the object lists name {name}, for which the snapshot has no source")
    return path


def kbuild(files, module):
    """Kbuild lines that list the objects of module (kvm-<tag>) and what they need."""
    out = []
    for path in (X86_LIST,):
        out += _translate(path, files, module)
    return "\n".join(out) + "\n"


def lists(files, path=X86_LIST):
    """(make file, line, kvm or vendor, condition or "always", object) of every object listed."""
    inside = []
    for number, line in _lines(files[path]):
        code = line.split("#")[0].strip()
        if match := re.match(r"(ifdef|ifndef|ifeq|ifneq) (.*)", code):
            inside.append(match[2] if match[1] == "ifdef" else code)
        elif code == "else" and inside:
            inside[-1] = f"not {inside[-1]}"
        elif code == "endif" and inside:
            inside.pop()
        elif re.match(r"include .*/Makefile\.kvm$", code):
            yield from lists(files, CORE_LIST)
        elif match := LIST.match(code):
            owner, when, _, words = match.groups()
            conditions = inside + ([when[2:-1]] if when != "y" else [])
            for word in words.split():
                yield (path, number, owner, " and ".join(conditions) or "always",
                       _compose(word, files))


def _translate(path, files, module):
    out, in_recipe = [], False
    for number, line in _lines(files[path]):
        if line.startswith("\t") and in_recipe:
            out.append(_place(line))
            continue
        in_recipe = False
        code = line.split("#")[0].strip()
        if not code or re.match(r"KVM\s*\?=|obj-\$\(CONFIG_KVM", code):
            continue
        if re.fullmatch(r"include \$\(srctree\)/virt/kvm/Makefile\.kvm", code):
            out += _translate(CORE_LIST, files, module)
        elif match := LIST.match(code):
            owner, when, _, words = match.groups()
            objects = " ".join(_compose(word, files) for word in words.split())
            text = f"{module}-{when} += {objects}"
            if owner in VENDORS:
                text = f"ifneq ($({VENDORS[owner]}),)\n{text}\nendif"
            out.append(text)
        elif re.match(r"(ifeq|ifneq) \(\$\(CONFIG_\w+\),\w*\)$|(ifdef|ifndef) CONFIG_\w+$"
                      r"|else$|endif$", code):
            out.append(code)
        elif re.fullmatch(r"ccflags-(y|\$\(CONFIG_\w+\))\s*\+=( *-I *\$\(srctree\)/[\w/]+"
                          r"| *-W[\w=-]+)+", code):
            out.append(re.sub(r"-I *\$\(srctree\)", "-I$(src)", code))
        elif re.fullmatch(r"OBJECT_FILES_NON_STANDARD_\w+\.o := y", code):
            out.append(code)
        elif match := re.fullmatch(r"(AFLAGS|CFLAGS)_([\w/]+\.o)\s*(:=|\+=)\s*(.*)", code):
            kind, name, operator, words = match.groups()
            out.append(f"{kind}_{X86}/{name} {operator} {_place(words)}")
        elif re.match(r"\$\(obj\)/[\w/.-]+: ", code):
            out.append(_place(code))
            in_recipe = True
        elif match := re.fullmatch(r"(targets|clean-files)\s*\+=\s*(.*)", code):
            out.append(f"{match[1]} += " + " ".join(f"{X86}/{word}"
                                                    for word in match[2].split()))
        else:
            raise Refused(f"{path}:{number}: a line of a shape that is not known: {code}")
    return out
