#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
# series: first
#
# A snapshot in which a rule would hit less or more than it says, or in which Coccinelle cannot
# read what a rule is about, is refused: rule, file and count are named, and nothing is made.
# drift-is-refused is about code that no rule covers.
# It failed when the comparison of hits was left out (renamed and doubled function), when the
# gate() of unread regions was (asm goto, #define), and when Snapshot.check() was (extra file). A
# printk()'s lines were not named without _missed(), were those of what the rules had made without
# places(), and a string was named, too, when missed() did not look at what is hit.

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tap import Tap, doctored, rewrite, snapshot  # noqa: E402

SVM = "arch/x86/kvm/svm/svm.c"
OTHER = "arch/x86/kvm/svm/nested.c"
FUNCTIONS = ("svm_hardware_disable", "svm_disable_virtualization_cpu")   # 6.1; since 6.12


def function(text, name):
    """The text of one function, from its head to its closing brace."""
    return re.search(r"^(?:static )?\w[^\n;{}()]*\b%s\([^;{}]*\)\n\{.*?^\}\n" % name, text,
                     re.M | re.S)[0]


def main():
    tap = Tap()
    true = snapshot()
    svm = (true / SVM).read_text()
    name = next(one for one in FUNCTIONS if one in svm)
    body = function(svm, name)
    out = tap.folder / "out"

    status, said, err = rewrite(true, out)
    tap.ok(status == 0 and Path(said).is_dir(), "the true snapshot is rewritten", err)

    def refused(changes, claim, *patterns):
        source = doctored(tap.folder / "snapshot", changes)
        out = tap.folder / f"refused-{tap.count}"
        status, _, err = rewrite(source, out)
        missing = [one for one in patterns if not re.search(one, err)]
        tap.ok(status == 3 and not missing and not out.exists(), claim, f"status {status}",
               f"missing: {missing}", err)

    counted = rf"rule [\w-]+: {re.escape(SVM)}: expected (\d+) hits, found (?!\1\b)\d+"
    refused({SVM: svm.replace(name, "svm_hardware_off").encode()},
            "a function that a rule is for and that is renamed", counted)
    refused({SVM: svm.replace(body, body + "\n" + body).encode()},
            "a function that a rule is for and that is there twice", counted)
    refused({SVM: svm.replace(body, f"void {name}(void);\n").encode(),
             OTHER: ((true / OTHER).read_text() + body.replace("static ", "", 1)).encode()},
            "a function that a rule is for and whose body is in another file", counted)
    lines = svm.count("\n") + 6
    refused({SVM: (svm + """
void surprise(const char *what);
void surprise(const char *what)
{
	printk("a string");
	printk(what);
	printk(SURPRISE "a string");
	printk(KERN_DEFAULT "a string");
	printk_ratelimited(KERN_INFO "a string");
	_printk(KERN_INFO "a string");
}
""").encode()}, "a printk() of what is no string, or has another level, or is another one",
            rf"rule log-level: {re.escape(SVM)}: expected (\d+) hits, found (?!\1\b)\d+\n" +
            "".join(rf"  {re.escape(SVM)}:{lines + at}: {name} is not hit\n" for at, name in
                    enumerate(["printk"] * 3 + ["printk_ratelimited", "_printk"])) +
            r"  kvm-x86/rules/log-level\.tokens\n  next: begin it with a level and a string")
    broken = body.replace("\n{\n", '\n{\n\tasm goto("1: nop" : : : : fault);\nfault:\n', 1)
    refused({SVM: svm.replace(body, broken).encode()},
            "a function that a rule is for and that Coccinelle cannot read",
            rf"rule [\w-]+: {re.escape(SVM)}:\d+ \([^)]*{name}[^)]*\): Coccinelle cannot read")
    refused({SVM: svm.replace(body, f"#define OFF() {name}()\n{body}").encode()},
            "a #define whose body mentions what a rule is for",
            rf"rule [\w-]+: {re.escape(SVM)}:\d+: the body of #define OFF")
    refused({"virt/kvm/surprise.c": b"int surprise;\n"},
            "a file that no manifest knows", r"no manifest knows virt/kvm/surprise\.c")
    refused({"arch/x86/kvm/vmx/surprise.h": b"\n"}, "a header, too",
            r"no manifest knows arch/x86/kvm/vmx/surprise\.h")
    refused({"virt/kvm/kvm_mm.h": None}, "a file that is missing",
            r"lacks virt/kvm/kvm_mm\.h")
    makefile = (true / "arch/x86/kvm/Makefile").read_bytes()
    refused({"arch/x86/kvm/Makefile": makefile + b"$(warning surprise)\n"},
            "a line of a make file whose shape is not known",
            r"arch/x86/kvm/Makefile:\d+: .*\$\(warning surprise\)")
    refused({"arch/x86/kvm/Makefile": makefile.replace(b"x86.o", b"x86.o surprise.o", 1)},
            "an object that has no source", r"surprise\.o")

    source = doctored(tap.folder / "snapshot", {})
    (source / SVM).write_text(svm + "\n")
    out = tap.folder / "refused"
    status, _, err = rewrite(source, out)
    tap.has(err if status == 3 else "", ["digest differs"], "files that fit no longer the digest")
    status, _, err = rewrite(true, out, tag="6.1")
    tap.ok(status == 1 and not out.exists(), "a tag with a dot is a usage error", err)
    tap.done()


main()
