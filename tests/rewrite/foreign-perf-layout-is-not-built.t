#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
# series: first
#
# The kernel's perf reads KVM's struct kvm_pmu. A snapshot that has its members at other offsets
# than the target kernel's headers does not build, and the last line says which member.
# It failed when perf_layout.c saw the snapshot's headers twice (Kbuild without target_include).

import difflib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tap import Tap, kernel, rewrite, run, snapshot  # noqa: E402

FILE = "arch/x86/include/asm/kvm_host.h"
HEAD = "struct kvm_pmu {\n"
OBJECT = "glue/x86/perf_layout.o"


def main():
    tap = Tap()
    kdir = run("scripts/sources", "headers", kernel())[1]
    true = snapshot()
    text = (true / FILE).read_text()
    moved = text.replace(HEAD, f"{HEAD}\tu64 one_more;\n", 1)
    tap.ok(text.count(HEAD) == 1, "the structure is where it is looked for", FILE)
    patch = tap.folder / "moved.patch"
    patch.write_text("".join(difflib.unified_diff(text.splitlines(True), moved.splitlines(True),
                                                  f"a/{FILE}", f"b/{FILE}")))

    def build(out, *words):
        status, package, err = rewrite(true, tap.folder / out, *words)
        if status:
            return status, err
        status, _, err = run("sh", Path(package) / "build.sh", "kvm-test", "make", "-C", kdir,
                             f"M={package}", OBJECT)
        return status, err

    status, err = build("plain")
    tap.ok(status == 0, "the same layout builds", err)
    status, err = build("moved", "--patch", patch)
    tap.ok(status == 2, "another layout does not", f"status {status}")
    tap.has(err.strip().splitlines()[-1], ["not built for this kernel", "perf", "kvm_pmu.ds_area"],
            "the last line says what perf would misread")
    tap.done()


main()
