#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
# series: first
#
# What a rule's "..." takes out or steps over is code that somebody has looked at: one statement
# more there stops the rewrite, and rule, file, function and the difference are shown. Every rule
# that has dots in what it changes is in this; white space and comments are not.
# It failed when pins.check() was left out of the rewrite, and when edit.dropped() named nothing:
# rules that drop a function had no pins.

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tap import Tap, doctored, rewrite, run, snapshot  # noqa: E402
from mkvm import edit, failure, pins, rewriting, units  # noqa: E402
from mkvm.rule import house_rules  # noqa: E402
from mkvm.snapshot import Snapshot  # noqa: E402
from mkvm.store import Store  # noqa: E402

SVM, AVIC = "arch/x86/kvm/svm/svm.c", "arch/x86/kvm/svm/avic.c"
SWALLOWED = ("svm_hardware_disable", "svm_disable_virtualization_cpu")      # 6.1; since 6.12
KEPT = "avic_hardware_setup"


def more(text, unit, what):
    """The text with something more before the last brace of a unit."""
    end = text.rindex("}", *units.split(text)[unit].spans[0])
    return text[:end] + what + text[end:]


def main():
    tap = Tap()
    true = Snapshot(snapshot())
    store, rules = Store(), house_rules()
    plan = rewriting.Plan(rules, true.files)
    _, touched = plan.run(store)

    tap.ok(not pins.unknown(touched, true, store), "all of the true snapshot was looked at",
           pins.unknown(touched, true, store))
    due = {rule.name for rule in plan.used
           if (rule.dotted() if rule.kind == "cocci" else edit.dropped(rule))}
    tap.ok(due == {rule for rule, _, _ in touched} and len(due) > 10,
           f"the {len(due)} rules that have dots in what they change, and no others, have pins",
           sorted(due ^ {rule for rule, _, _ in touched}))

    texts = {path: content.decode() for path, content in true.files.items()}
    missed, comments = [], []
    for rule, path, unit in sorted(touched):
        for what, list_, wanted in (("\tsurprise();\n", missed, [(rule, path, unit)]),
                                    ("\t/* surprise */\n\n", comments, [])):
            class Doctored:
                files = {path: more(texts[path], unit, what).encode()}
            found = [one[:3] for one in pins.unknown({(rule, path, unit)}, Doctored, store)]
            if found != wanted:
                list_.append(f"{rule}: {path}: {unit}")
    tap.ok(not missed, f"one statement more in any of the {len(touched)} units is noticed", missed)
    tap.ok(not comments, "a comment more is not", comments)

    body = next(name for name in SWALLOWED if name in units.split(texts[SVM]))
    source = doctored(tap.folder / "snapshot", {
        SVM: more(texts[SVM], body, "\tsurprise_off();\n").encode(),
        AVIC: more(texts[AVIC], KEPT, "\tsurprise_on();\n").encode()})
    status, _, err = rewrite(source, tap.folder / "refused")
    tap.ok(status == 3 and not (tap.folder / "refused").exists(), "such a snapshot is refused",
           f"status {status}", err)
    for claim, path, rule, unit, line in (
            ("a statement more in a body that is taken out", SVM, "svme-by-vac", body, "off"),
            ("one in a body that is stepped over", AVIC, "refuse-avic", KEPT, "on")):
        tap.ok(re.search(rf"rule {rule}: {path}: {unit}: .*not as it was looked at$", err, re.M)
               and re.search(rf"^  \| \+\tsurprise_{line}\(\);$", err, re.M),
               f"{claim}: rule, file, function and the difference", err)
    tap.has(err, [f"scripts/pins {true.release} --write"], "and how to say that it was looked at")

    status, out, err = run("scripts/pins", source)
    lines = out.splitlines()
    tap.ok(status == 3 and {tuple(line.split()[1:4]) for line in lines} == {
        one for one in touched if one[1:] in ((SVM, body), (AVIC, KEPT))},
        "scripts/pins prints the lines that are missing", f"status {status}", out, err)
    files = [tap.folder / name for name in "ab"]
    for path, part in zip(files, ("kvm-core", "kvm-x86")):
        path.write_text((pins.house.ROOT / part / pins.PINNED).read_text())
    pins.write([("kvm-x86", line.split()) for line in lines], files)
    after = pins.Pins(files)
    tap.ok(not pins.unknown(touched, Snapshot(source), store, after)
           and not pins.unknown(touched, true, store, after),
           "and with them it is taken, as is the true one")
    for claim, line in (("a line of another shape is refused", "pin x y z"),
                        ("so is a shape that is listed twice", lines[0] if lines else "")):
        (tap.folder / "c").write_text(f"{line}\n{line}\n")
        try:
            pins.Pins([tap.folder / "c"])
            tap.ok(False, claim, line)
        except failure.Refused as refused:
            tap.has(str(refused), [f"{tap.folder / 'c'}:"], claim)
    tap.done()


main()
