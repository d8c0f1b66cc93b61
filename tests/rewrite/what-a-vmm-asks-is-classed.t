#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
# series: first
#
# A snapshot that takes an ioctl, a capability, a device attribute or a vCPU's request of which
# nobody has said what becomes of it when a VM moves is refused, by file, line and name; so is one
# that takes them in a function that no "switch" names. A line that is none is refused as well.
# It failed when header() was not called, when _look() left out one of the four kinds or the
# functions that no "switch" names, when "asked" switches were asked for lines, and when any word
# was a class.

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tap import Tap, doctored, rewrite, snapshot  # noqa: E402

from mkvm import failure, vmm_state  # noqa: E402

X86, UAPI, HOST = "arch/x86/kvm/x86.c", "include/uapi/linux/kvm.h", \
    "arch/x86/include/asm/kvm_host.h"
# What is added before a label: file, label, lines, what the refusal names.
ADDED = (
    (X86, "case KVM_SET_TSS_ADDR:", "case KVM_SURPRISE:\n\t\tr = -EINVAL;\n\t\tbreak;\n\t",
     "KVM_SURPRISE (ioctl vm)"),
    (X86, "case KVM_GET_LAPIC: {", "case KVM_SURPRISE:\n\t\tr = -EINVAL;\n\t\tbreak;\n\t",
     "KVM_SURPRISE (ioctl vcpu)"),
    (X86, "case KVM_CAP_X2APIC_API:\n\t\tr = -EINVAL;",
     "case KVM_CAP_SURPRISE:\n\t\tr = 0;\n\t\tbreak;\n\t", "KVM_CAP_SURPRISE (cap vm)"),
    (X86, "case KVM_CAP_HYPERV_ENFORCE_CPUID:\n\t\treturn",
     "case KVM_CAP_SURPRISE:\n\t\treturn 0;\n\n\t", "KVM_CAP_SURPRISE (cap vcpu)"),
    (X86, "case KVM_VCPU_TSC_OFFSET: {", "case KVM_VCPU_SURPRISE:\n\t\tr = 0;\n\t\tbreak;\n\t",
     "KVM_VCPU_SURPRISE (attr )"),
    (HOST, "#define KVM_REQ_MIGRATE_TIMER", "#define KVM_REQ_SURPRISE KVM_ARCH_REQ(60)\n",
     "KVM_REQ_SURPRISE (request )"),
    (X86, "static int kvm_vm_ioctl_set_msr_filter(", "int kvm_surprise(unsigned int ioctl)\n{\n"
     "\tswitch (ioctl) {\n\tcase KVM_GET_PIT:\n\t\treturn 0;\n\t}\n\treturn 1;\n}\n\n",
     'kvm_surprise() takes KVM_GET_PIT, and no "switch" says of what'),
    (X86, "case KVM_CAP_IRQCHIP:", "case KVM_CAP_SURPRISE:\n\t", None),
)
LINES = (("ioctl vm KVM_RUN kept it has a value", "of no class"),
         ("ioctl table KVM_RUN asked it has a value", "of nothing that takes ioctls"),
         ("request KVM_REQ_EVENT refused it", "of another kind's class"),
         ("ioctl vm KVM_RUN asked", "without a reason"), ("call vm KVM_RUN asked it", "of no kind"))


def main():
    tap = Tap()
    true = snapshot()
    changed = {path: (true / path).read_text() for path in (X86, UAPI, HOST)}
    for path, label, lines, _ in ADDED:
        if label not in changed[path]:
            raise SystemExit(f"{path} has no {label}")
        changed[path] = changed[path].replace(label, lines + label, 1)
    changed[UAPI] = changed[UAPI].replace(
        "#define KVM_GET_API_VERSION", "#define KVM_SURPRISE _IO(KVMIO, 0xee)\n"
        "#define KVM_CAP_SURPRISE 9999\n#define KVM_GET_API_VERSION", 1)
    source = doctored(tap.folder / "snapshot",
                      {path: text.encode() for path, text in changed.items()})
    out = tap.folder / "out"
    status, _, err = rewrite(source, out)
    err = err.removeprefix("rewrite: ")
    tap.ok(status == 3 and not out.exists(), "the snapshot is refused", f"status {status}", err)
    for path, _, _, name in ADDED:
        if name:
            tap.ok(re.search(rf"^{path}:\d+: {re.escape(name)}", err, re.M),
                   f"with {name}", err)
    tap.ok(len(re.findall("SURPRISE|surprise", err)) == sum(1 for *_, name in ADDED if name),
           "and nothing else: who only asks for a capability is no use of it", err)
    tap.has(err, ["next: a line in kvm-core/vmm-state or kvm-x86/vmm-state"],
            "what to do is said")

    for line, what in LINES:
        path = tap.folder / "vmm-state"
        path.write_text(line + "\n")
        try:
            vmm_state.Known([path])
            said = "taken"
        except failure.Refused as refused:
            said = str(refused)
        tap.ok(said == f"{path}:1: not a line of vmm-state: {line}", f"a line {what} is refused",
               said)
    tap.done()


if __name__ == "__main__":
    main()
