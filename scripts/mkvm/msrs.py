# SPDX-License-Identifier: GPL-2.0-only
"""Which MSRs the code of a snapshot writes and reads, by name, file and line.

An access is a call of a function or macro whose name has wrmsr, write_msr or msr_set_bit and the
like (or rdmsr, read_msr) and which KVM's files do not define; add_atomic_switch_msr() and
read_msr(), which they do, count as well. What is looked up is its argument: one constant
(MSR_EFER), or the first constant of a sum with a "+" (MSR_IA32_RTIT_ADDR0_A+), or, where the
number is a variable, the function that holds the access ("index@intel_pmu_handle_lbr_msrs_access"):
then whoever looked at it knows which numbers can come there.

It does not see what an inline function or a macro of the kernel's headers accesses, nor what the
CPU loads and stores by itself from a VMCS or VMCB. The first the audit sees, which reads the
linked text (disassembly.py); the second is no instruction of KVM's.
"""

import re
from bisect import bisect_right

from . import tokens

WRITE = re.compile(r"(?:^|_)(?:wrmsr|write_msr)|(?:^|_)msr_(?:set|clear)_bit")
READ = re.compile(r"(?:^|_)(?:rdmsr|read_msr|rdpmc)")
OF_KVM = {"add_atomic_switch_msr": "write", "read_msr": "read"}
SECOND = re.compile(r"_on_cpus?$|^add_atomic_switch_msr$")
CONSTANT = re.compile(r"(?:0x)?[0-9][0-9a-fA-FuUlL]*$|_*[A-Z][A-Za-z]*_?[A-Z0-9_]\w*$")


def accesses(text):
    """[(line, function called, "write" or "read", what stands for the number)]."""
    words, found = tokens.cut(text), []
    functions = tokens.definitions(text)
    starts = [one.start for one in functions]
    for index, token in enumerate(words[:-1]):
        if token.kind != "ident" or words[index + 1].text != "(" \
                or index and (words[index - 1].text in (".", "->")
                              or words[index - 1].kind == "ident"
                              and words[index - 1].text not in ("return", "else", "do")):
            continue
        how = OF_KVM.get(token.text) or ("write" if WRITE.search(token.text) else
                                         "read" if READ.search(token.text) else None)
        if how is None:
            continue
        at = bisect_right(starts, token.start) - 1
        holder = functions[at].name if at >= 0 and functions[at].end > token.start else "#define"
        found.append((token.line, token.text, how, _number(
            _argument(words, index + 2, 1 if SECOND.search(token.text) else 0), holder)))
    return found


def _argument(words, index, wanted):
    """The tokens of one argument of a call."""
    depth, found = 0, []
    while index < len(words):
        text = words[index].text
        if depth == 0 and (text == ")" or text == ","):
            if wanted == 0 or text == ")":
                return found
            wanted, found = wanted - 1, []
        else:
            depth += (text in "([{") - (text in ")]}")
            found.append(text)
        index += 1
    return found


def _number(argument, holder):
    if len(argument) == 1 and CONSTANT.match(argument[0]):
        return argument[0]
    first = next((one for one in argument if CONSTANT.match(one) and one[0].isalpha()), None)
    return f"{first}+" if first else f"{''.join(argument)}@{holder}"
