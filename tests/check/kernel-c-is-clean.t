#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
#
# Kernel C passes checkpatch --strict and kernel-doc, both of the newest kernel source that is
# cached, and no .c file of ours tests a kernel version or a probe.
# It failed on a line of 101 columns, on a parameter without kernel-doc, on an export that did not
# follow its function, and on "#if LINUX_VERSION_CODE" in a .c file.

import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sources import ROOT, Check, files, kernel_c, run, text

sys.path.insert(0, str(ROOT / "scripts"))

from mkvm import digest, source, tokens  # noqa: E402

TOOLS = ("scripts/checkpatch.pl", "scripts/spelling.txt", "scripts/const_structs.checkpatch",
         "scripts/kernel-doc")

# What checkpatch reports wrongly, and why that is wrong.
IGNORE = {
    "FILE_PATH_CHANGES": "there is no MAINTAINERS here",
    "CONST_STRUCT": "it takes a forward declaration of a struct for an object of it",
    "FUNCTION_ARGUMENTS": "it takes the (void) of a callback's type for an argument without name",
}
IGNORE_IN = {
    ("trace.h", "OPEN_ENDED_LINE"): "TRACE_EVENT() is written so everywhere",
    ("trace.h", "PARENTHESIS_ALIGNMENT"): "TRACE_EVENT() is written so everywhere",
    ("trace.h", "SPACING"): "TRACE_EVENT() is written so everywhere",
    ("module.c", "AVOID_EXTERNS"): "defined by rules in files of the snapshot: no header is ours",
    ("instance.c", "COMPLEX_MACRO"): "one string of an array, with its comma",
    ("kvm_vac.h", "COMPLEX_MACRO"): "string literals are pasted: parentheses would break it",
    ("internal.h", "EXPORT_SYMBOL"): "the definition of VAC_EXPORT",
    ("srso.c", "EXPORT_SYMBOL"): "a per-CPU variable is exported where it is defined, too",
    ("vcpu.c", "EXPORT_SYMBOL"): "a per-CPU variable is exported where it is defined, too",
    ("vpid.c", "SPACING"): "as in vmx.c",
    ("vmx.c", "SPACING"): "it takes the %l[label] of asm goto for an expression",
    ("svm.c", "BIT_MACRO"): "the TSC ratio of one is a fixed-point number, not a bit",
    ("compat.h", "MACRO_ARG_REUSE"): "names are pasted from it",
    ("internal.h", "MACRO_ARG_REUSE"): "typeof evaluates nothing",
    ("selftest-module.c", "AVOID_BUG"): "it is there to oops",
}


class Wanted:
    """A manifest that claims the tools."""

    @staticmethod
    def claims(name):
        return name in TOOLS


def tools():
    """The folder with the kernel's own checkers; unpacking it takes some seconds, once."""
    place = ROOT / "build" / "check"
    held = sorted(place.glob("*/scripts/kernel-doc"))
    if held:
        return held[-1].parent
    status, release, err = run("scripts/sources", "releases", "newest")
    if status:
        return None
    print(f"# unpacking checkpatch and kernel-doc of {release}", flush=True)
    for name, content in source.Debian(release).pick(Wanted).items():
        if name in TOOLS:
            path = place / release / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return place / release / "scripts"


def checkpatch(folder, sources):
    """Its lines. A file that passed once is not read again: an empty file marks its digest."""
    passed = ROOT / "build" / "check" / "passed"
    passed.mkdir(parents=True, exist_ok=True)
    rules = [Path(__file__).read_bytes(), *(path.read_bytes() for path in sorted(folder.iterdir()))]
    marks = {path: passed / digest.of_bytes(path, text(path), *rules)[:32] for path in sources}
    left = [path for path in sources if not marks[path].exists()]
    jobs = os.cpu_count() or 1
    with ThreadPoolExecutor(jobs) as pool:
        parts = list(filter(None, (left[number::jobs] for number in range(jobs))))
        said = list(pool.map(lambda part: checkpatch_part(folder, part), parts))
    for part, lines in zip(parts, said):
        for path in part:
            if not any(line.startswith(f"{path}:") for line in lines):
                marks[path].touch()
    return [line for lines in said for line in lines]


def checkpatch_part(folder, sources):
    """It is given files with VAC_EXPORT() and VAC_LOOKUP() replaced by what they stand for."""
    with tempfile.TemporaryDirectory(prefix="check.") as copy:
        for path in sources:
            target = Path(copy) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(re.sub(r"^VAC_(?:EXPORT|LOOKUP)\(", "EXPORT_SYMBOL_GPL(", text(path),
                                     flags=re.M))
        done = subprocess.run(
            ["perl", folder / "checkpatch.pl", "--strict", "--no-tree", "--no-summary",
             "--show-types", "--terse", "--max-line-length=100", "--ignore=" + ",".join(IGNORE),
             "-f", *sources], cwd=copy, capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"checkpatch ended with {done.returncode}: {done.stderr.strip()}")
    found = []
    for line in done.stdout.splitlines():
        match = re.match(r"(\S+?):(\d+): (?:ERROR|WARNING|CHECK):(\w+): (.*)", line)
        if match and (match[1].split("/")[-1], match[3]) not in IGNORE_IN:
            found.append(f"{match[1]}:{match[2]}: {match[3]}: {match[4]}; next: mend it, or give "
                         "a reason in tests/check/kernel-c-is-clean.t")
    return found


check = Check()
sources = kernel_c()
folder = tools()
if folder is None:
    check.skip_all("there is no kernel source to take checkpatch from; next: apt-get update")
check.none(f"{len(sources)} files of kernel C pass checkpatch --strict",
           checkpatch(folder, sources))
ours = [path for path in sources if path.startswith("vac/")]
status, out, err = run("perl", folder / "kernel-doc", "-none", "-Werror", *ours)
check.none("the comments of vac are kernel-doc",
           (line + "; next: mend the comment" for line in err.splitlines()
            if re.search(r":\d+: (warning|error):", line))
           if status else [])
check.none("no .c file tests a kernel version; probes are tested in compat.h",
           (f"{path}:{token.line}: {token.text}; next: probe, and hide the answer in vac/compat.h"
            for path in files() if path.endswith((".c", ".h")) and path != "vac/compat.h"
            for token in tokens.cut(text(path)) if token.kind == "ident" and token.directive
            and (token.text in ("LINUX_VERSION_CODE", "KERNEL_VERSION")
                 or token.text.startswith("VAC_HAVE_"))))
check.done()
