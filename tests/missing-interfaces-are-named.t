#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
# test-all
#
# An instance that needs what its target kernel lacks is not built: each such thing is named, by
# kind, with the place that needs it and the first or last release of the archive that has it.
# On a host, where there is no archive to ask, the package's own build names each as well.
# It failed when make ran without -k (one thing named), when missing headers were not made up
# (what hides behind them), when any one branch of follows() or _own_conflict() was left out, and
# when options were not compared (CONFIG_MITIGATION_RETPOLINE, whose loss nothing else shows).

import difflib
import json
import os
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "rewrite"))

from tap import ROOT, Tap, run  # noqa: E402
from mkvm.failure import Refused  # noqa: E402
from mkvm.missing import Archive, Missing, explain  # noqa: E402

FILE = "virt/kvm/binary_stats.c"
DOCTORED = ("\nint doctored(void);\nint doctored(void)\n{\n"
            "\treturn no_such_helper(NO_SUCH_FLAG) + device_is_bound(NULL);\n}\n")
TINY = """#include <linux/module.h>
#include <linux/no_such_header.h>
void one(void) { no_such_function(1); }
void two(void) { no_such_function(NO_SUCH_NAME); }
MODULE_LICENSE("GPL");
"""

JUMPS = """#include <linux/module.h>
void jumps(void);
void jumps(void) { asm volatile("jmp *%rax"); }
MODULE_LICENSE("GPL");
"""

# What 6.1 had and 6.12 has not, and errors that only follow from that or are the package's own.
HEADER = """struct own { int a; };
#ifdef CONFIG_NO_SUCH_OPTION
int own_other(void);
#else
static inline int own_twice(void) { return 0; }
#endif
"""
FOLLOWS = """#include <linux/module.h>
#include <asm/cpu_device_id.h>
#include <asm/posted_intr.h>
#include <asm/unaligned.h>
#include "own.h"
const struct x86_cpu_id models[] = {
	X86_MATCH_INTEL_FAM6_MODEL(ICELAKE_D, NULL),
	X86_MATCH_INTEL_FAM6_MODEL(ICELAKE_X, NULL),
};
static bool pi_test_on(int *on) { return *on; }
int own_twice(void) { return own_other(); }
int member(struct own *own) { return own->b; }
int hidden(int *from) { return get_unaligned(from) + pi_test_on(from); }
"""


def kernels(series):
    """The kernels of a series that have headers, newest first."""
    listed = json.loads(run("scripts/sources", "list", "--json")[1])["kernels"]
    return [one for one in listed if one["headers"] and one["release"].startswith(f"{series}.")]


def across(tap, target, snapshot, release):
    """KVM of a newer series, and a patch with something that no kernel has, on an older kernel."""
    source = Path(run("scripts/snapshot", snapshot)[1])
    text = (source / FILE).read_text()
    patch = tap.folder / "doctored.patch"
    patch.write_text("".join(difflib.unified_diff(
        text.splitlines(True), (text + DOCTORED).splitlines(True), f"a/{FILE}", f"b/{FILE}")))
    out = tap.folder / "kvm-missing.ko"
    run("scripts/build", "vac", "--kernel", target["kver"])
    status, _, err = run("scripts/build", "instance", "--kernel", target["kver"], "--tag",
                         "missing", "--from", snapshot, "--patch", patch, "--out", out)
    tap.ok(status == 3 and not out.exists(), "it is refused", f"status {status}", err)
    tap.has(err, [f"KVM of {snapshot} needs", target["kver"], "next: a snapshot of series 6.1",
                  f"patch doctored.patch does not compile for {target['kver']}"],
            "the report says what is wanted where, and what to do")
    for kind, text in (("header", "header linux/wordpart.h  (arch/x86/kvm/mmu/mmu.c:"),
                       ("function behind a missing header", "vhost_task_create()  ("),
                       ("macro", "X86_FEATURE_SRSO_BP_SPEC_REDUCE  ("),
                       ("member", "struct cpuinfo_x86: member x86_vfm  ("),
                       ("prototype", "get_user_pages() with other arguments  ("),
                       ("export", f"export of device_is_bound()  ({FILE}"),
                       ("option", "option CONFIG_MITIGATION_RETPOLINE  (")):
        tap.ok(re.search(rf"^  {re.escape(text)}[^()]*\): first in {re.escape(release)}$", err,
                         re.M), f"{kind}: it is named, and the first release that has it", text,
               *re.findall(rf".*{re.escape(text.partition('(')[0])}.*", err))
    for text in ("implicit declaration of function 'no_such_helper'", "'NO_SUCH_FLAG' undeclared"):
        tap.ok(re.search(rf"^  {FILE}:\d+: {text}.*: return no_such_helper\(", err, re.M),
               f"{text}: that is the patch's error, and no lack of the kernel's", err)
    tap.ok(not re.search(r"^  (trace_)?kvm_", err, re.M), "nothing of KVM's own is named", err)
    lines = re.findall(r"^  (?!next:)(.*?)  \(", err, re.M)
    tap.ok(len(lines) == len(set(lines)), "each has one line", *sorted(lines))


def backwards(tap, target, newest):
    """What was removed between two series."""
    kdir = run("scripts/sources", "headers", target["kver"])[1]
    archive = Archive(target["kver"], kdir)
    reference = archive.of(newest)
    for kind, name, of in (("header", "asm/virtext.h", None), ("function", "follow_pte", None),
                           ("member", "change_pte", "mmu_notifier_ops"),
                           ("arguments", "eventfd_signal", None),
                           ("option", "CONFIG_RETPOLINE", None)):
        said = archive.who_has(Missing(kind, name, of, ["x.c:1"]), reference)
        tap.ok(said == f"last in {newest['release']}", f"{name} is gone, and since when", said)
    said = archive.who_has(Missing("function", "no_such_helper", None, ["x.c:1"]), reference)
    tap.ok(said == "in no kernel of the archive", "what nobody has is said to be nowhere", said)


def consequences(tap, target, older):
    """An error that only follows from another one gets no line of its own."""
    folder = tap.folder / "follows"
    folder.mkdir()
    (folder / "own.h").write_text(HEADER)
    (folder / "follows.c").write_text(FOLLOWS)
    (folder / "Kbuild").write_text("obj-m := follows.o\nccflags-y += -I$(src) -I$(src)/include\n")
    kdir = run("scripts/sources", "headers", target["kver"])[1]

    def build():
        out, err = run("sh", ROOT / "vac/build.sh", "follows", "make", "-C", kdir, f"M={folder}",
                       "modules")[1:]
        return f"{out}\n{err}"

    (folder / "build.log").write_text(build())
    said = ""
    try:
        explain(folder, build, target["kver"], kdir, older["release"])
    except Refused as refused:
        said = str(refused)
    last = f"last in {older['release']}"
    tap.ok(said.splitlines()[1:-1] == [
        f"  header asm/unaligned.h  (follows.c:4): {last}",
        f"  X86_MATCH_INTEL_FAM6_MODEL()  (follows.c:7): {last}",
        f"  pi_test_on: the kernel has one of its own  (follows.c:10): {last}"],
        "what only follows is not named", said, (folder / "build.log").read_text())


def fleet(tap, target):
    """The package's own build, with nothing but make and a shell."""
    folder = tap.folder / "kvm-tiny"
    folder.mkdir()
    (folder / "one.c").write_text(TINY)
    (folder / "Kbuild").write_text("obj-m := kvm-tiny.o\nkvm-tiny-y := one.o two.o\n")
    (folder / "two.c").write_text(TINY.replace("#include <linux/no_such_header.h>\n", "")
                                  .replace("one(", "three(").replace("two(", "four("))
    kdir = run("scripts/sources", "headers", target["kver"])[1]
    status, _, err = run("sh", ROOT / "vac/build.sh", "kvm-tiny", "make", "-C", kdir,
                         f"M={folder}", "modules")
    lines = [line for line in err.splitlines() if line.startswith("kvm-tiny: ")]
    tap.ok(status == 2 and len(lines) == 4, "on the fleet it is not built either",
           f"status {status}", err)
    tap.ok(sorted(re.sub(r":\d+:\d+\)$", ")", line) for line in lines[:-1])
           == sorted(["kvm-tiny: lacks: the kernel has no header linux/no_such_header.h (one.c)",
                      "kvm-tiny: lacks: the kernel has no no_such_function() (two.c)",
                      "kvm-tiny: lacks: 'NO_SUCH_NAME' undeclared (first use in this function)"
                      " (two.c)"]), "each is named once, with its place", *lines)
    tap.ok(re.match(r"kvm-tiny: not built for this kernel: .*, and 2 more$", lines[-1]),
           "the last line has the first and how many", lines[-1])
    (folder / "one.c").write_text(JUMPS)
    (folder / "Kbuild").write_text("obj-m := kvm-tiny.o\nkvm-tiny-y := one.o\n")
    status, _, err = run("sh", ROOT / "vac/build.sh", "kvm-tiny", "make", "-C", kdir,
                         f"M={folder}", "modules")
    tap.ok(status == 2 and "kvm-tiny: not built for this kernel: objtool: jumps" in err,
           "nor is what objtool warns of", f"status {status}", err)


def main():
    tap = Tap()
    older, newer = kernels("6.1"), kernels("6.12")
    os.environ.pop("KVER", None)
    fleet(tap, older[0])
    backwards(tap, newer[0], older[0])
    consequences(tap, newer[0], older[0])
    across(tap, older[0], run("scripts/sources", "releases", "newest", "--series", "6.12")[1],
           newer[-1]["release"])
    tap.done()


main()
