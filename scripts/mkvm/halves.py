# SPDX-License-Identifier: GPL-2.0-only
"""The halves of mitigations: where the kernel relies on KVM, and what KVM does (hazard 25).

A snapshot's KNOWN has the names that its kernel knew: bits of the CPU, and symbols that the headers
which a manifest lists as "knows" declare. A package's glue/known has them, and which of them
the rules took out of KVM, since vac does it. halves.sh compares them with the target kernel.
"""

import re
from collections import Counter

from .failure import Refused

BIT = re.compile(r"^#\s*define\s+(X86_(?:FEATURE|BUG)_\w+)\s", re.M)
SYMBOL = re.compile(r"^DECLARE_STATIC_KEY_\w+\(\s*(\w+)\s*\)"
                    r"|^DECLARE_PER_CPU\w*\([^,;]+,\s*(\w+)\s*\)"
                    r"|^extern\s[^;{}()]*?\b(\w+)\s*(?:\[[^;\]]*\]\s*|\((?!\*)[^;]*\)\s*)?;", re.M)
WORD = re.compile(r"/\*.*?\*/|//[^\n]*|\b[A-Za-z_]\w*", re.S)


def known(files, manifest):
    """KNOWN: one name a line, of a source's files by their paths."""
    names = set()
    for path, where in manifest.entries["knows"].items():
        if path not in files:
            raise Refused(f"the source lacks {path}\n  wanted by {where}")
        text = files[path].decode(errors="replace")
        names |= set(BIT.findall(text))
        names |= {one for found in SYMBOL.findall(text) for one in found if one}
    if not any(name.startswith("X86_BUG_") for name in names):
        raise Refused("the source's headers define no X86_BUG_*: is it a kernel?")
    return "".join(f"{name}\n" for name in sorted(names)).encode()


def of_package(record, before, after):
    """glue/known: "knows NAME", and "vac NAME" for what occurs less often after the rules."""
    names = record.decode().split()
    one, two = _count(before, names), _count(after, names)
    lines = [f"knows {name}" for name in names]
    lines += [f"vac {name}" for name in names if two[name] < one[name]]
    return "".join(f"{line}\n" for line in lines).encode()


def _count(files, names):
    """How often each name is in the code of files, comments apart."""
    wanted, count = set(names), Counter()
    for content in files.values():
        count.update(word for word in WORD.findall(content.decode(errors="replace"))
                     if word in wanted)
    return count
