#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
#
# The audit finds, in the stock modules of a kernel package, every hook that only vac may use,
# VMXON and VMXOFF, the writes of EFER and VM_HSAVE_PA, exports and device aliases; a module that
# has none of them passes.
# It failed when the scan knew wrmsr only (stock kvm-amd writes EFER through pv_ops), and when a
# number was not followed from one register to another.

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tap import ROOT, Tap, kernel, run  # noqa: E402

WANTED = {
    "kvm.ko": ["uses __cpuhp_setup_state", "uses __cpuhp_remove_state",
               "uses register_syscore",
               "uses perf_register_guest_info_callbacks", "uses user_return_notifier_register",
               "uses set_hv_tscchange_cb", "hazard 20: exports"],
    # 6.12 enables and disables in svm_enable_virtualization_cpu() and a function inlined twice
    "kvm-amd.ko": ["able() writes it: wrmsr:0xc0000080|_cpu() writes it: wrmsr:0xc0000080",
                   "able() writes it: wrmsr:0xc0010117|_cpu() writes it: wrmsr:0xc0010117",
                   "uses amd_pmu_enable_virt", "uses amd_iommu_register_ga_log_notifier",
                   "has the alias cpu:", "has the device table"],
    "kvm-intel.ko": ["holds it: vmxon", "holds it: vmxoff",
                     "uses kvm_set_posted_intr_wakeup_handler", "uses intel_pt_handle_vmx",
                     "has the alias cpu:"],
}

# One function a form in which a number reaches an MSR, and what the audit must say of it.
FORMS = """
void direct(void) { asm volatile("mov $0xc0010117, %%ecx; wrmsr" ::: "rax", "rcx", "rdx"); }
void copied(void) { asm volatile("mov $0xc0000080, %%ebx; mov %%ebx, %%ecx; wrmsr"
                                 ::: "rax", "rbx", "rcx", "rdx"); }
void native_write_msr(unsigned msr, unsigned low, unsigned high);
void called(void) { native_write_msr(0xc0000080, 0, 0); }
void unsure(unsigned *p) { asm volatile("mov $0xc0000080, %%esi; mov (%0), %%ecx; wrmsr"
                                        :: "r"(p) : "rax", "rcx", "rdx", "rsi"); }
void reads(void) { asm volatile("mov $0xc0000080, %%ecx; rdmsr" ::: "rax", "rcx", "rdx"); }
void other(void) { asm volatile("mov $0xc0000080, %%ecx; rdmsr; mov $0x48, %%ecx; wrmsr"
                                ::: "rax", "rcx", "rdx"); }
void compares(unsigned n) { asm volatile("cmp $0xc0010117, %0" :: "r"(n)); }
"""
TWICE = """
const char magic[] __attribute__((section(".modinfo"), used)) =
	"vermagic=6.1.0-test SMP\\0parmtype=one:bool\\0parmtype=two:int\\0parmtype=one:bool";
"""
CLEAN = """
const char magic[] __attribute__((section(".modinfo"), used)) = "vermagic=6.1.0-test SMP";
void reads(void) { asm volatile("mov $0xc0000080, %%ecx; rdmsr" ::: "rax", "rcx", "rdx"); }
"""


def compile_(folder, name, text):
    source = folder / f"{name}.c"
    source.write_text(text)
    target = folder / f"{name}.ko"
    subprocess.run(["gcc", "-O2", "-c", "-fcf-protection=none", "-o", str(target), str(source)],
                   check=True)
    return target


def main():
    tap = Tap()
    modules = ROOT / "build/test" / kernel()    # tests/modules has put the stock ones there
    for name, wanted in WANTED.items():
        status, said, err = run("scripts/audit", "--strict", modules / name)
        tap.ok(status == 3, f"stock {name} does not pass", err)
        missing = [one for one in wanted if not any(word in said for word in one.split("|"))]
        tap.ok(not missing, f"every hook of stock {name} is found", missing, said)

    status, said, err = run("scripts/audit", compile_(tap.folder, "forms", FORMS))
    tap.has(said, ["direct() writes it: wrmsr:0xc0010117", "copied() writes it: wrmsr:0xc0000080",
                   "called() writes it: wrmsr:0xc0000080",
                   "unsure() may write it: wrmsr:0xc0000080", "has no vermagic"],
            "every form of a write is found")
    tap.ok(not any(word in said for word in ("reads()", "other()", "compares()")),
           "a read, a comparison and a write of another MSR are not", said)
    status, said, err = run("scripts/audit", compile_(tap.folder, "twice", TWICE))
    tap.ok(status == 3 and "two parameters one:" in said and "parameters two" not in said,
           "two parameters of one name are found", said, err)
    status, said, err = run("scripts/audit", compile_(tap.folder, "clean", CLEAN))
    tap.ok(status == 0 and said.endswith(": ok"), "a module that leaves it all to vac passes",
           said, err)

    lists = tap.folder / "list"
    lists.write_text("hook 4 no_such_symbol\n")
    status, said, _ = run("scripts/audit", "--deny-list", lists, modules / "kvm.ko")
    tap.ok("uses " not in said, "the hooks are those of the list", said)
    lists.write_text("hook four no_such_symbol\n")
    status, _, err = run("scripts/audit", "--deny-list", lists, modules / "kvm.ko")
    tap.ok(status == 3 and "list:1" in err, "a list that cannot be read is refused", err)
    status, _, err = run("scripts/audit", ROOT / "no-such.ko")
    tap.ok(status == 2, "a module that does not exist is not found", err)
    tap.done()


main()
