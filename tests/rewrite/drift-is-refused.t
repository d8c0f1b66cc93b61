#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
# series: first
#
# A snapshot with something that no rule covers and that a machine may have only once is refused in
# a line that names file, thing and list, and nothing is made: a hook that is vac's, one that nobody
# has looked at, a macro around either, a per-CPU variable, other lists of objects. What the
# kernel's own headers hide (an inline function around a hook) is found by the audit.
# It failed when gate.check() was left out of the rewrite, when _words() took no name in the body
# of a macro that is not called there, when linked() did not compare conditions, or owners, or did
# not look for sources that are not linked, and when the audit did not use suspicious().

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tap import Tap, doctored, rewrite, run, snapshot  # noqa: E402

EVENTFD, TYPES = "virt/kvm/eventfd.c", "include/linux/kvm_types.h"
HOST = "include/linux/kvm_host.h"
AVIC, X86_LIST = "arch/x86/kvm/svm/avic.c", "arch/x86/kvm/Makefile"
CORE_LIST = "virt/kvm/Makefile.kvm"
MODULE = """
const char magic[] __attribute__((section(".modinfo"), used)) = "vermagic=6.1.0-test SMP";
int %s(void *what);
static inline int quiet(void *what) { return %s(what); }
int starts(void) { return quiet(0); }
"""


def main():
    tap = Tap()
    true = snapshot()

    def refused(changes, *claims):
        """One snapshot, and a line that every claim's pattern is in."""
        source = doctored(tap.folder / "snapshot", changes)
        out = tap.folder / f"refused-{tap.count}"
        status, _, err = rewrite(source, out)
        err = err.removeprefix("rewrite: ")
        for claim, pattern in claims:
            tap.ok(status == 3 and not out.exists() and re.search(pattern, err, re.M), claim,
                   f"status {status}", f"missing: {pattern}", err)

    def more(path, *texts):
        return {path: (true / path).read_bytes() + "".join(texts).encode()}

    def swapped(path, *pairs):
        text = (true / path).read_text()
        for old, new in pairs:
            if len(re.findall(old, text, re.M)) != 1:
                raise SystemExit(f"{path} has not one {old!r}")
            text = re.sub(old, new, text, flags=re.M)
        return {path: text.encode()}

    def calls(name):
        return (f"\nint wants_{name}(void *);\n"
                f"int wants_{name}(void *what)\n{{\n\treturn {name}(what);\n}}\n")

    alone = r"is vac's alone, and no rule takes it from here$"
    unknown = r"\(\) may be a hook, and nobody has looked at it$"
    refused(more(EVENTFD, calls("register_reboot_notifier")),
            ("a hook that is vac's, in a file that no rule is for",
             rf"^{EVENTFD}:\d+: hazard 2: register_reboot_notifier {alone}"))
    refused(more(EVENTFD, calls("surprise_register_notifier")),
            ("a hook that nobody has looked at",
             rf"^{EVENTFD}:\d+: surprise_register_notifier{unknown}"),
            ("and told what to do", "next: is it there once for the whole machine"))
    names = ("unregister_surprise", "set_surprise_callback", "cpuhp_surprise",
             "x86_virt_surprise", "surprise_syscore_ops")
    refused(more(AVIC, *map(calls, names), calls("cpuhp_setup_state_nocalls"))
            | more(TYPES, "\n#define quiet(what) register_reboot_notifier(what)\n")
            | more(HOST, "\n#define quiet perf_register_guest_info_callbacks\n",
                   "\n#define other_name \\\n\tset_surprise_handler\n",
                   "\n#define made(what) surprise_register_ ## what()\n")
            | more(EVENTFD, "\nstatic DEFINE_PER_CPU(struct kvm_vcpu *, surprise);\n"),
            ("the kernel's macro around a hook of vac's",
             rf"^{AVIC}:\d+: hazard 2: cpuhp_setup_state_nocalls {alone}"),
            *((f"another that may be a hook: {name}", rf"^{AVIC}:\d+: {name}{unknown}")
              for name in names),
            ("a macro in a header that hides a hook of vac's",
             rf"^{TYPES}:\d+: hazard 2: register_reboot_notifier {alone}"),
            ("one that is but another name of it",
             rf"^{HOST}:\d+: hazard 16: perf_register_guest_info_callbacks {alone}"),
            ("a macro that is another name of a hook that nobody has looked at",
             rf"^{HOST}:\d+: set_surprise_handler{unknown}"),
            ("a macro that makes the name of one",
             rf"^{HOST}:\d+: surprise_register_{unknown}"),
            ("a per-CPU variable that nobody has looked at",
             rf"^{EVENTFD}:\d+: a per-CPU variable that nobody has looked at: surprise$"))

    refused(swapped(X86_LIST, (r" svm/avic\.o", "")),
            ("an object that is linked no more",
             rf"^{X86_LIST}: nothing links {AVIC} any more"))
    refused(swapped(X86_LIST,
                    (r" svm/avic\.o", "\nkvm-amd-$(CONFIG_SURPRISE) += svm/avic.o\n"),
                    (r"^(kvm-\S*XEN.*)$", r"ifdef CONFIG_SURPRISE\n\1\nendif"),
                    (r" svm/nested\.o", "\nkvm-intel-y += svm/nested.o\nkvm-amd-y += "))
            | swapped(CORE_LIST, ("CONFIG_KVM_VFIO", "CONFIG_VFIO")),
            ("an object that a condition decides over now",
             rf"^{X86_LIST}:\d+: .*/avic\.o is linked when CONFIG_SURPRISE, .* only: always$"),
            ("an object under another condition",
             rf"^{CORE_LIST}:\d+: .*/vfio\.o is linked when CONFIG_VFIO, .*: CONFIG_KVM_VFIO$"),
            ("an object inside an ifdef", rf"^{X86_LIST}:\d+: .*/xen\.o is linked when "
             r"CONFIG_SURPRISE and CONFIG_KVM_XEN, .* only: CONFIG_KVM_XEN$"),
            ("an object that goes to the other vendor",
             rf"^{X86_LIST}:\d+: .*/nested\.o is linked into kvm-intel, not kvm-amd$"))

    for name, said in (("register_reboot_notifier", "hazard 2: uses register_reboot_notifier"),
                       ("set_surprise_callback", "imports set_surprise_callback, which may be")):
        source, module = tap.folder / "quiet.c", tap.folder / "quiet.ko"
        source.write_text(MODULE % (name, name))
        subprocess.run(["gcc", "-O2", "-c", "-o", module, source], check=True)
        status, out, err = run("scripts/audit", module)
        tap.ok(status == 3 and said in out, f"the audit sees what an inline function hides: {name}",
               f"status {status}", out, err)
    tap.done()


main()
