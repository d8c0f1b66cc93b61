# SPDX-License-Identifier: GPL-2.0-only
"""What a module's text does: which instructions, MSR writes and uses of imported data it holds.

It reads objdump's output in order and follows immediate numbers through register copies, as far
as the next label or call that may change them; it knows no control flow. An MSR is known to be
written when its number is the last thing moved to %ecx before wrmsr, or to %edi before a call of
pv_ops' write_msr or of a function with write_msr or wrmsr in its name. Where the number is not
known, a function that loads a forbidden number anywhere is reported as one that may write it.
It does not see a number that is computed, read from memory or an argument of the function.

A use of imported data is a relocation that is not a call's. It "writes" when the symbol is the
operand in memory of an instruction that changes its last operand, "takes" the address when it is
an immediate number or lea's, and "reads" else. All uses are seen; what is later done through an
address that was taken is not.
"""

import re
import subprocess
from collections import namedtuple

from .failure import System

Find = namedtuple("Find", "what function detail")
Use = namedtuple("Use", "symbol function how")

LINE = re.compile(r"\s*[0-9a-f]+:\t(\S+)\s*(.*?)(?:\s+[#<].*)?$")
LABEL = re.compile(r"[0-9a-f]+ <(.+)>:$")
RELOCATION = re.compile(r"\s+[0-9a-f]+: R_X86_64_\S+\s+(\S+)$")
IMMEDIATE = re.compile(r"\$0x([0-9a-f]+),%(\w+)$")
COPY = re.compile(r"%(\w+),%(\w+)$")
# Where 6.1 and 6.12 keep write_msr and write_msr_safe in pv_ops, whatever the flavour; the
# relocation of a call through it is 4 less. On another kernel each call with a known number counts
# as a write.
PV_WRITES = dict.fromkeys(("6.1", "6.12"), ("0xbc", "0xcc"))
LOW = {"eax": "rax", "ebx": "rbx", "ecx": "rcx", "edx": "rdx", "esi": "rsi", "edi": "rdi",
       "ebp": "rbp", "esp": "rsp"} | {f"r{n}d": f"r{n}" for n in range(8, 16)}
# These leave their last operand as it is.
LOOKS = re.compile(r"(?:cmp|test|push|bt[wlq]?$|call|j|nop|mul|div|imul|idiv|ucomis|comis|prefetch"
                   r"|verw|ltr|lldt|lgdt|lidt|ldmxcsr|fld|inv|clflush|lcall|ljmp)")
TAKES = re.compile(r"\$0x0\b|\$-0x")
PREFIXES = ("lock", "rep", "notrack", "cs", "ds", "es", "bnd")
VOLATILE = ("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11")


def _register(name):
    return LOW.get(name, name)


def scan(path, instructions, registers, series, imported=()):
    """(every instruction of a set of names and every write of an MSR as Find, every use of data
    among the imported names as Use).

    Of the MSRs in registers, a write that is only possible is reported, too.
    """
    try:
        process = subprocess.Popen(["objdump", "-dr", "--no-show-raw-insn", str(path)],
                                   stdout=subprocess.PIPE, text=True)
    except FileNotFoundError as error:
        raise System("objdump is missing\n  next: apt-get install binutils") from error
    found, uses, function, last = [], set(), _Function("?"), ("", "")
    with process:
        for line in process.stdout:
            line = line.rstrip("\n")
            if match := LABEL.match(line):
                found += function.finish(registers)
                function = _Function(match[1])
            elif match := RELOCATION.match(line):
                function.relocate(match[1], PV_WRITES.get(series, ()))
                symbol = re.split(r"[+-]0x", match[1])[0]
                if symbol in imported and "R_X86_64_PLT32" not in line:
                    uses.add(Use(symbol, function.name, _how(*last)))
            elif match := LINE.match(line):
                name, operands = last = match.groups()
                if name in instructions:
                    found.append(Find(f"%{name}", function.name, "holds it"))
                function.step(name, operands)
    found += function.finish(registers)
    if process.returncode:
        raise System(f"objdump cannot read {path}")
    return found, uses


def _how(name, operands):
    """What an instruction does to the symbol that its relocation names."""
    if name in PREFIXES:
        name, _, operands = operands.partition(" ")
    memory = re.search(r"(?:^|,)(?:\*|%[c-g]s:)*-?(?:0x)?[0-9a-f]*(?:\([^)]*\))?$", operands)
    if name.startswith("lea") or TAKES.search(operands) and not (
            memory and memory.group().lstrip(",").strip()):
        return "takes"
    if TAKES.search(operands) and "(%rip)" not in operands and not \
            re.search(r"(?:^|[,:])0x0\(|%[fg]s:0x0", operands):
        return "takes"
    return "writes" if memory and not LOOKS.match(name) else "reads"


class _Function:
    """What is known of one function's registers while its lines go by."""

    def __init__(self, name):
        self.name = name
        self.held = {}
        self.loaded = set()
        self.written = set()
        self.unknown = False
        self.call = None

    def step(self, name, operands):
        self._settle(None)
        if name == "wrmsr":
            self._write(self.held.get("rcx"))
        elif name.startswith(("call", "jmp")) and not operands.startswith("%"):
            self.call = (self.held.get("rdi"), name)
        elif name.startswith("mov") and (match := IMMEDIATE.search(operands)) \
                and "(" not in operands:
            number = int(match[1], 16) & 0xffffffff
            self.loaded.add(number)
            self.held[_register(match[2])] = number
        elif name == "mov" and (match := COPY.match(operands)):
            source, target = map(_register, match.groups())
            self.held[target] = self.held.get(source)
        elif name.startswith(("cmp", "test", "push", "j", "nop")):
            pass
        elif match := re.search(r"%(\w+)$", operands):
            self.held[_register(match[1])] = None
        elif name in ("rdmsr", "cpuid"):
            for register in ("rax", "rdx"):
                self.held[register] = None

    def relocate(self, target, pv_writes):
        """The relocation of the line before: what a call calls."""
        self._settle((target, pv_writes))

    def _settle(self, known):
        if self.call is None:
            return
        number, name = self.call
        self.call = None
        if known:
            target, pv_writes = known
            callee, _, offset = target.partition("+")
            if callee == "pv_ops":
                if offset in pv_writes or not pv_writes and number is not None:
                    self._write(number)
            elif re.search(r"write_msr|wrmsr", callee) and "trace" not in callee \
                    and not callee.startswith("kvm_"):
                self._write(number)
        if name.startswith("call"):
            for register in VOLATILE:
                self.held[register] = None

    def _write(self, number):
        if number is None:
            self.unknown = True
        else:
            self.written.add(number)

    def finish(self, registers):
        self._settle(None)
        found = [Find(f"%wrmsr:{number:#x}", self.name, "writes it")
                 for number in sorted(self.written)]
        if self.unknown:
            found += [Find(f"%wrmsr:{number:#x}", self.name, "may write it")
                      for number in sorted(registers) if number in self.loaded - self.written]
        return found
