#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
# series: first
#
# Of what a patch changes beside KVM, that which is no part of any module is left out with a line
# that names it, and that which stays the target kernel's is refused: half of a fix is none. A patch
# of which nothing is left is refused, too. The manifests say which is which.
# It failed with a manifest without "aside tools/" (selftests were the kernel's), without "kernel
# arch/x86/" (cpufeatures.h was another architecture's), and when what was left out was not said.

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tap import Tap, diff, patched, rewrite, snapshot  # noqa: E402

FILE = "virt/kvm/binary_stats.c"
ASIDE = ("tools/testing/selftests/kvm/x.c", "tools/arch/x86/include/uapi/asm/kvm.h",
         "Documentation/virt/kvm/api.rst", "arch/arm64/kvm/arm.c", "MAINTAINERS",
         "arch/s390/include/asm/kvm_host.h", "arch/x86/kvm/.gitignore", "include/kvm/arm_vgic.h")
KERNELS = ("arch/x86/kvm/Kconfig", "virt/kvm/Kconfig", "arch/x86/include/asm/cpufeatures.h",
           "arch/x86/include/asm/vmxfeatures.h", "include/linux/sched.h",
           "include/linux/kvm_para.h", "arch/x86/kernel/cpu/bugs.c", "drivers/iommu/amd/iommu.c",
           "kernel/cpu.c", "Makefile")


def main():
    tap = Tap()
    true = snapshot()
    text = (true / FILE).read_text()
    ours = diff(FILE, text, "/* ours */\n" + text)

    def patch(name, content):
        (tap.folder / name).write_text(content)
        return tap.folder / name

    def beside(*paths):
        return "".join(diff(path, "int x;\n", "int y;\n") for path in paths)

    for path in ASIDE:
        status, said, used, files = patched(true, patch("aside.patch", beside(path) + ours))
        tap.ok(status == 0 and said.count("\n") == 1 and "aside.patch: left out" in said and
               path in said and used[0].left_out == [path] and
               files[FILE].startswith(b"/* ours */"), f"{path} is left out aloud", said)
    status, said, *_ = patched(true, patch("all.patch", beside(*ASIDE) + ours))
    tap.ok(status == 0 and said.count("\n") == 6, "each kind has one line", said)
    status, said, *_ = patched(true, patch("nothing.patch", beside(*ASIDE[:4])))
    tap.ok(status == 3 and "nothing.patch: nothing of it is KVM's" in said and
           all(path in said for path in ASIDE[:4]), "a patch without a line for KVM is refused",
           said)
    mode = f"diff --git a/{FILE} b/{FILE}\nold mode 100644\nnew mode 100755\n"
    status, said, *_ = patched(true, patch("mode.patch", mode))
    tap.ok(status == 3 and f"the mode of {FILE}" in said, "so is one of a file's mode alone", said)
    status, said, *_ = patched(true, patch("mode.patch",
                                           f"{mode}diff --git a/{FILE} b/{FILE}\n{ours}"))
    tap.ok(status == 0 and f"the mode of {FILE}" in said, "a mode is left out aloud", said)

    for path in KERNELS:
        status, said, *_ = patched(true, patch("theirs.patch", ours + beside(path)))
        tap.ok(status == 3 and f"{path} stays the target kernel's" in said and "next: " in said
               and "theirs.patch:8" in said, f"{path} is refused", said)
    tap.has(patched(true, patch("theirs.patch", beside(KERNELS[0])))[1], ["kvm-x86/manifest:"],
            "where a manifest says whose it is, so does the error")
    status, _, err = rewrite(true, tap.folder / "refused", "--patch", tap.folder / "theirs.patch")
    tap.ok(status == 3 and not (tap.folder / "refused").exists(), "nothing is made then", err)
    binary = f"diff --git a/{FILE} b/{FILE}\nindex 1..2 100644\nGIT binary patch\nliteral 1\nIc\n"
    status, said, *_ = patched(true, patch("binary.patch", binary + ours))
    tap.ok(status == 3 and f"{FILE}: a binary change" in said, "a binary change of KVM is refused",
           said)
    tap.done()


main()
