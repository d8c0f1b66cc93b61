# SPDX-License-Identifier: GPL-2.0-only
"""The audit of a linked instance against the lists of what only vac may use."""

from pathlib import Path

from . import digest, disassembly, elf, gate, house
from .failure import NotFound, Refused
from .known import LOOKED_AT, STATE, Known

# The kernel's lists of places that it patches: a reference from one is the read of a switch.
SWITCHES = ("__jump_table", ".static_call_sites", "__mcount_loc")
# What code must not do with data of a class.
FORBIDDEN = {"read": {"writes", "takes"}, "given": {"writes"}, "code": {"writes"}}
WORDS = {"reads": "reads", "writes": "writes", "takes": "takes the address of"}


def read_lists(paths):
    """{name or %instruction: (hazard, whether it is open)}."""
    hooks = {}
    for path in paths:
        if not Path(path).is_file():
            raise NotFound(f"no list {path}")
        for number, line in enumerate(Path(path).read_text().splitlines(), 1):
            words = line.split("#")[0].split()
            if not words:
                continue
            if len(words) != 3 or words[0] not in ("hook", "open") or not words[1].isdigit():
                raise Refused(f"{path}:{number}: not a line of a list of hooks: {line}")
            if words[2] in hooks:
                raise Refused(f"{path}:{number}: {words[2]} is listed twice")
            hooks[words[2]] = (int(words[1]), words[0] == "open")
    return hooks


def house_lists():
    """The same of the repository's own lists."""
    return read_lists([house.ROOT / part / gate.HOOKS for part in house.PARTS])


def digest_of_lists():
    """A digest of the lists that audit() uses."""
    return digest.of_bytes(*((house.ROOT / part / name).read_bytes() for part in house.PARTS
                             for name in (gate.HOOKS, STATE, LOOKED_AT)
                             if (house.ROOT / part / name).exists()))


def _imported_data(module, symbols):
    """{symbol: sections without code that refer to it} of what is imported and not only called."""
    undefined = {one.name for one in symbols if one.section == elf.UNDEFINED and one.name
                 and not one.name.startswith("vac_")}
    code = {one.name for one in module.sections if one.flags & elf.EXECUTED}
    found = {}
    for section, kind, name in module.relocations():
        if name in undefined and kind != elf.PLT32 and section not in SWITCHES:
            found.setdefault(name, set()).update({section} - code)
    return found


def _data(imported, uses, known, hooks):
    """What is wrong with the uses of data of the kernel."""
    findings = []
    done = {name: {"takes": where} for name in imported for where in sorted(imported[name])[:1]}
    for use in sorted(uses):
        done.setdefault(use.symbol, {}).setdefault(use.how, f"{use.function}()")
    for name in sorted(set(imported) - set(hooks)):
        held = known.data.get(name)
        for act, where in sorted(done.get(name, {}).items()):
            if held is None:
                findings.append(f"{where} {WORDS[act]} {name}, data of the kernel that nobody has "
                                f"looked at: no {STATE} has it")
            elif act in FORBIDDEN.get(held.word, ()):
                findings.append(f"{where} {WORDS[act]} {name}, which is \"{held.word}\" in "
                                f"{STATE}: {held.why}")
    return findings


def audit(path, hooks, strict=False):
    """(findings, notes) of one module."""
    known = Known()
    module = elf.Object(path)
    information = module.modinfo()
    symbols = list(module.symbols())
    findings, notes = [], []

    def report(name, text):
        hazard, is_open = hooks[name]
        line = f"hazard {hazard}: {text}"
        (notes if is_open and not strict else findings).append(
            f"not mediated yet: {line}" if is_open and not strict else line)

    for name in sorted({one.name for one in symbols if one.section == elf.UNDEFINED}):
        if name in hooks:
            report(name, f"uses {name}")
        elif not name.startswith("vac_") and known.suspicious(name):
            findings.append(f"imports {name}, which may be a hook, and nobody has looked at it: "
                            f"no {gate.HOOKS} and no {LOOKED_AT} has it")

    instructions = {name[1:] for name in hooks if name[0] == "%" and ":" not in name}
    registers = {int(name.split(":")[1], 16) for name in hooks if name.startswith("%wrmsr:")}
    magic = information.get("vermagic", [""])[0]
    series = ".".join(magic.split(".")[:2])
    imported = _imported_data(module, symbols)
    finds, uses = disassembly.scan(path, instructions, registers, series, set(imported))
    for find in sorted(set(finds)):
        if find.what in hooks:
            report(find.what, f"{find.function}() {find.detail}: {find.what[1:]}")
        elif int(find.what.split(":")[1], 16) not in known.numbers:
            findings.append(f"{find.function}() writes MSR {find.what.split(':')[1]}, and nobody "
                            f"has looked at it: no {STATE} has it")
    findings += _data(imported, uses, known, hooks)

    exported = sorted(one.name.removeprefix("__ksymtab_") for one in symbols
                      if one.name.startswith("__ksymtab_"))
    if exported:
        findings.append(f"hazard 20: exports {len(exported)} symbols, {exported[0]} first")
    elif any(one.name.startswith("__ksymtab") and one.size for one in module.sections
             if one.name != "__ksymtab_strings"):
        findings.append("hazard 20: exports symbols")
    for alias in information.get("alias", []):
        findings.append(f"has the alias {alias}: it would load by itself")
    for one in symbols:
        if one.name.startswith("__mod_") and one.name.endswith("_device_table"):
            findings.append(f"has the device table {one.name}")
    parameters = [text.partition(":")[0] for text in information.get("parmtype", [])]
    for name in sorted({name for name in parameters if parameters.count(name) > 1}):
        findings.append(f"hazard 20: has two parameters {name}: sysfs refuses the module")
    if not magic:
        findings.append("has no vermagic: it is no linked module")
    return findings, notes
