#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
# series: first
#
# Mitigations for which the target kernel relies on KVM, and whose half an instance lacks, are named
# when it is built, and nothing else is: by sh, awk and readelf alone, from headers and the kernel's
# own modules, however those are packed. No package is made of a snapshot that does not say what its
# kernel knew.
# It failed when a module was compared with all objects instead of its own, when .noinstr.text was
# counted like other code, and when "vac" in glue/known was not looked at.

import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tap import ROOT, Tap, rewrite, snapshot  # noqa: E402
from mkvm import tree  # noqa: E402

TOOLS = ("sh", "awk", "sed", "grep", "sort", "head", "cat", "cp", "mktemp", "rm", "readelf", "xz")
FEATURES = """#define NCAPINTS 22
#define X86_FEATURE_ALWAYS ( 3*32+21) /* always there */
#define X86_FEATURE_OLD ( 3*32+ 1) /* "old" (old) */
#define X86_FEATURE_MOVED (15*32+ 4)
#define X86_FEATURE_NEW_HALF (21*32+14)
#define X86_FEATURE_NEW_CPU (11*32+28) /* "" nothing to do with KVM */
#define X86_BUG(x) (NCAPINTS*32 + (x))
#define X86_BUG_OLD X86_BUG(7)
#define X86_BUG_NEW X86_BUG( 1*32+10) /* "new" */
"""
NOSPEC = """DECLARE_STATIC_KEY_FALSE(old_key);
DECLARE_STATIC_KEY_FALSE(new_key);
extern u64 new_value;
extern u64 old_value;
"""
BITS = {"ALWAYS": 117, "OLD": 97, "MOVED": 484, "NEW_HALF": 686, "NEW_CPU": 380, "BUG_NEW": 746}
SPEC = "DECLARE_PER_CPU(bool, new_variable);\n"
KNOWN = "".join(f"knows {name}\n" for name in (
    "X86_FEATURE_ALWAYS", "X86_FEATURE_OLD", "X86_FEATURE_MOVED", "X86_BUG_OLD", "old_key",
    "old_value")) + "vac X86_FEATURE_MOVED\n"


def assembly(size, noinstr=(), other=(), symbols=()):
    """Code with alternatives of these bits, in both places, that uses these symbols."""
    lines = []
    for section, bits in ((".noinstr.text", noinstr), (".text", other)):
        lines.append(f'.section {section}, "ax"')
        for bit in bits:
            tail = ".byte 5, 5" if size == 12 else ".short 0; .byte 5, 5"
            lines += ["771: nop", ".pushsection .altinstr_replacement, \"ax\"", "772: nop",
                      ".popsection", ".pushsection .altinstructions, \"a\"", ".long 771b - .",
                      f".long 772b - .; .short {BITS[bit]}; {tail}", ".popsection"]
    lines += [f".quad {name}" for name in symbols]
    return "\n".join(lines) + "\n"


class Test(Tap):
    def __init__(self):
        super().__init__()
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.script = self.folder / "halves.sh"
        self.script.write_text((ROOT / "scripts/mkvm/package/halves.sh").read_text()
                               .replace("@MODULE@", "kvm-t").replace("@RELEASE@", "6.1.1"))
        tree.replace(self.folder / "linux", {
            "arch/x86/include/asm/cpufeatures.h": FEATURES.encode(),
            "arch/x86/include/asm/nospec-branch.h": NOSPEC.encode(),
            "arch/x86/include/asm/spec-ctrl.h": SPEC.encode(),
            "Module.symvers": b"0x1\tnew_key\tvmlinux\tEXPORT_SYMBOL_GPL\t\n"})
        (self.folder / "known").write_text(KNOWN)

    def assemble(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["as", "-o", str(path), "-"], input=text, text=True, check=True)
        return path

    def compare(self, stock, own, size=12, pack=False):
        """(status, names in the header, header, what was said)."""
        place = self.folder / f"stock-{self.count}"
        for part in ("kvm", "kvm-amd", "kvm-intel") if stock is not None else ():
            path = self.assemble(f"{place.name}/{part}.ko",
                                 assembly(size, ["ALWAYS"], ["OLD"]) +
                                 assembly(size, **stock.get(part, {})))
            if pack:
                subprocess.run(["xz", str(path)], check=True)
        objects = [self.assemble(f"own-{self.count}/kvm/{part}/x.o",
                                 assembly(size, ["ALWAYS"] * (part != "svm"), ["OLD"]) +
                                 assembly(size, **own.get(part, {})))
                   for part in ("x86", "svm", "vmx")]
        done = subprocess.run(
            ["sh", self.script, place, self.folder / "linux",
             self.folder / "linux/Module.symvers", self.folder / "known", *objects],
            env={"PATH": str(self.bin), "TMPDIR": str(self.folder)}, capture_output=True,
            text=True)
        names = [line.split('"')[1] for line in done.stdout.splitlines() if ".name" in line]
        return done.returncode, names, done.stdout, done.stderr

    def named(self, claim, stock, own, *names, **options):
        status, found, out, err = self.compare(stock, own, **options)
        said = all(f"kvm-t: unmitigated: {name}: " in err for name in names)
        self.ok(status == 0 and sorted(found) == sorted([*names, "X86_BUG_NEW"]) and said, claim,
                f"status {status}", out, err)
        return out, err


def main():
    tap = Test()
    half = {"noinstr": ["NEW_HALF", "NEW_HALF"]}
    feature = "X86_FEATURE_NEW_HALF"
    for size in (12, 14):
        out, _ = tap.named(f"an entry of {size} bytes: what both do is not named, a bug that the "
                           "snapshot's kernel did not know is", {"kvm-amd": half},
                           {"svm": half}, size=size)
        tap.ok(f"#define KVM_ALT_INSTR_SIZE {size}\n" in out and ".bit = 746 " in out,
               "its size and the bug's number are in the header", out)
        tap.named("a half that is not done is", {"kvm-amd": half}, {}, feature, size=size)
    tap.named("modules that are packed tell the same", {"kvm-amd": half}, {}, feature, pack=True)
    tap.named("the other vendor's half does not count", {"kvm-amd": half}, {"vmx": half}, feature)
    tap.named("one of two at VM entry is not enough", {"kvm-intel": half},
              {"vmx": {"noinstr": ["NEW_HALF"]}}, feature)
    tap.named("elsewhere it is", {"kvm": {"other": ["NEW_HALF", "NEW_HALF"]}},
              {"x86": {"other": ["NEW_HALF"]}})
    tap.named("what the rules gave to vac is not named", {"kvm-amd": {"other": ["MOVED"]}}, {})
    out, _ = tap.named("static keys, variables and per-CPU variables are",
                       {"kvm-intel": {"symbols": ["new_key", "new_value", "new_variable", "x"]}},
                       {}, "new_key", "new_value", "new_variable")
    tap.ok("#include <asm/nospec-branch.h>" in out and ".key = &new_key.key" in out,
           "the header can ask the key", out)
    tap.named("not those that are used", {"kvm": {"symbols": ["new_key", "old_value"]}},
              {"x86": {"symbols": ["new_key", "old_value"]}})
    status, names, out, err = tap.compare(None, {})
    tap.ok(status == 0 and "there is no kvm.ko of this kernel" in err and
           sorted(names) == ["X86_BUG_NEW", "X86_FEATURE_NEW_CPU", feature, "new_key"],
           "without the kernel's modules all counts that the snapshot's kernel did not know",
           f"status {status}", out, err)
    bad = tap.assemble("bad/kvm/x.o", assembly(12, ["OLD"]) + ".section .altinstructions, \"a\"\n"
                       ".quad 0\n" + assembly(12, ["OLD"]) + assembly(12, ["OLD"]))
    done = subprocess.run(["sh", tap.script, "/none", tap.folder / "linux", "/none",
                           tap.folder / "known", bad], capture_output=True, text=True)
    tap.ok(done.returncode == 1 and not done.stdout and
           "struct alt_instr of this kernel has another form" in done.stderr,
           "alternatives of another form are refused", done.stderr)

    files = tree.read(snapshot())
    files.pop("KNOWN")
    tree.replace(tap.folder / "snapshot", files)
    status, _, err = rewrite(tap.folder / "snapshot", tap.folder / "out")
    tap.ok(status == 3 and "has no KNOWN" in err and "scripts/snapshot again" in err and
           not os.path.exists(tap.folder / "out"),
           "a snapshot that does not say what its kernel knew is refused", f"status {status}", err)
    tap.done()


main()
