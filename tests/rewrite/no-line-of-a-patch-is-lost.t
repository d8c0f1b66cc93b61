#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
#
# A line that a user's patch adds to code which a rule takes out is refused, with patch, file, line
# and rule, whatever kind of patch it is; so is one that it takes out of such code, or moves in it.
# Changes beside such code are in the package, also in a line that a rule changes.
# It failed on a line behind a "return": a rule's dots end there, so such a line stays.

import difflib
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tap import Tap, rewrite, snapshot  # noqa: E402
from mkvm import units  # noqa: E402

MAIN, SVM, VMX = "virt/kvm/kvm_main.c", "arch/x86/kvm/svm/svm.c", "arch/x86/kvm/vmx/vmx.c"
AVIC = "arch/x86/kvm/svm/avic.c"
# (file, function of 6.1 and of 6.12, rules) whose bodies go.
GONE = ((MAIN, ("hardware_enable_all", "kvm_enable_virtualization"),
         ("virt-by-vac", "enable-by-vac")),
        (SVM, ("svm_hardware_disable", "svm_disable_virtualization_cpu"), ("svme-by-vac",) * 2),
        (SVM, ("__svm_write_tsc_multiplier",) * 2, ("tsc-ratio-by-vac",) * 2))
REMOVED = ("hardware_disable_all", "kvm_disable_virtualization")
MOVED = ("hardware_disable_nolock", "kvm_disable_virtualization_cpu")
SEMANTIC = ("// files: FILE\n// hits: 1\n@note@\nposition hit;\nidentifier vpid;\n@@\n"
            "void free_vpid@hit(int vpid)\n{\n\t...\n\tspin_lock(&vmx_vpid_lock);\n"
            "+\tacme_note(\"vpid\");\n\t...\n}\n")


def lines_of(text, unit):
    """(number of the line of a function's opening brace, of its closing one), from 0."""
    start, end = units.split(text)[unit].spans[0]
    first = text[:text.index("\n{\n", start)].count("\n") + 1
    return first, text[:end].count("\n")


def edited(text, unit, change):
    """The text with the lines of a function's body changed."""
    first, last = lines_of(text, unit)
    lines = text.split("\n")
    body = lines[first + 1:last]
    change(body)
    return "\n".join(lines[:first + 1] + body + lines[last:])


def diff(path, before, after):
    return "".join(difflib.unified_diff(before.splitlines(True), after.splitlines(True),
                                        f"a/{path}", f"b/{path}"))


def statements(body):
    """The places of lines that are one whole statement with a call."""
    return [index for index, line in enumerate(body) if re.fullmatch(r"\t\w+\(.*\);", line)]


def add(word):
    return lambda body: body.insert(0, f'\tacme_note("{word}");')


def remove(body):
    del body[statements(body)[-1]]


def move(body):
    body.insert(0, body.pop(statements(body)[-1]))


def main():
    tap = Tap()
    true = snapshot()
    text = {path: (true / path).read_text() for path in (MAIN, SVM, VMX, AVIC)}
    series = 0 if GONE[0][1][0] in units.split(text[MAIN]) else 1

    first, claims = dict(text), []
    for path, names, rules in GONE:
        first[path] = edited(first[path], names[series], add(names[series]))
    for path, names, rules in GONE:
        number = first[path][:first[path].index(f'acme_note("{names[series]}")')].count("\n") + 1
        claims.append((f"a line in {names[series]}()", "added.patch", rules[series],
                       rf'{path}:{number}: \+\tacme_note\("{names[series]}"\);'))
    second = edited(first[MAIN], REMOVED[series], remove)
    third = edited(second, MOVED[series], move)
    patches = {"added.patch": "".join(diff(path, text[path], first[path])
                                      for path in (MAIN, SVM)),
               "removed.patch": diff(MAIN, first[MAIN], second),
               "moved.patch": diff(MAIN, second, third),
               "semantic.cocci": SEMANTIC.replace("FILE", VMX)}
    rule = GONE[0][2][series]
    claims += [(f"a line that is taken out of {REMOVED[series]}()", "removed.patch", rule,
                rf"{MAIN}:\d+: -"),
               (f"one that is moved in {MOVED[series]}()", "moved.patch", rule, rf"{MAIN}:\d+: \+"),
               ("a line of a semantic patch", "semantic.cocci", "vpid-by-vac",
                rf'{VMX}:\d+: \+\s*acme_note\("vpid"\);')]

    def apply(out, patches):
        words = []
        for name, content in patches.items():
            (tap.folder / name).write_text(content)
            words += ["--patch", tap.folder / name]
        return rewrite(true, tap.folder / out, *words)

    status, _, err = apply("refused", patches)
    tap.ok(status == 3 and not (tap.folder / "refused").exists(),
           "patches of which rules leave less than they brought are refused", f"status {status}",
           err)
    for claim, patch, rule, line in claims:
        tap.ok(re.search(rf"patch {re.escape(patch)}: rule {rule} [^\n]*(\n  \S[^\n]*)*\n  {line}",
                         err),
               f"{claim} is named, with {patch} and {rule}", line, err)
    tap.has(err, ["next: read kvm-"], "and so is what to do")

    # Beside such code: in a function that a rule steps over, in a line that a rule changes, and in
    # comments.
    call = 'debugfs_create_dir("kvm", NULL)'
    kept = {AVIC: edited(text[AVIC], "avic_hardware_setup",
                         lambda body: body.insert(-1, '\tacme_note("}");\n\t/* acme */')),
            MAIN: edited(text[MAIN].replace(call, f"acme_note({call})", 1),
                         GONE[0][1][series], lambda body: body.insert(0, "\t/* acme */"))}
    status, said, err = apply("kept", {"kept.patch": "".join(diff(path, text[path], kept[path])
                                                            for path in (AVIC, MAIN))})
    tap.ok(status == 0, "lines beside it, in a line that a rule changes, and comments, are taken",
           err)
    if status == 0:
        tap.has((Path(said) / AVIC).read_text(), ['acme_note("}");'], "the first is in the package")
        tap.has(" ".join((Path(said) / MAIN).read_text().split()),
                ["acme_note(debugfs_create_dir(KVM_INSTANCE_NAME, NULL))"], "and the second")
    tap.done()


main()
