#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
# series: first
#
# A user's patches go on top of the snapshot, in order, and one that does not apply whole is
# refused with file and hunk, or rule, and nothing is made. Only a semantic patch that says when: it
# is needed is left out of a snapshot that does not need it, with a message.
# It failed when patch ran without --fuzz=0 (a hunk with a foreign line of context was taken), when
# patch's exit status was not looked at (half of a series was taken), and when a semantic patch
# that hit nothing passed. When when: was not looked at, the patch that is not needed was in. The
# series that makes a file and changes it failed when its names were those of the snapshot alone;
# what changes, renames and changes one lost the rename in silence when all went to one run of
# patch. What is applied already was a conflict when it was not tried in reverse, and a new file of
# C that no make file lists passed when the lists were not read.

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tap import Tap, diff, patched, rewrite, snapshot  # noqa: E402

FILE = "virt/kvm/binary_stats.c"
OTHER = "arch/x86/kvm/debugfs.c"
LIST = "arch/x86/kvm/Makefile"
LICENCE = "// SPDX-License-Identifier: GPL-2.0-only\n"


def main():
    tap = Tap()
    true = snapshot()
    text, other = (true / FILE).read_text(), (true / OTHER).read_text()
    line = next(line for line in text.splitlines() if line.startswith("#include <"))
    first = text.replace(line, line + "\n/* first */", 1)
    second = first.replace("/* first */", "/* first */\n/* second */", 1)
    patches = {
        "first.patch": diff(FILE, text, first),
        "second.patch": diff(FILE, first, second),
        "stray.patch": diff("tools/testing/selftests/kvm/x.c", "int x;\n", "int y;\n"),
        "half.patch": diff(OTHER, other, "/* half */\n" + other)
        + diff(FILE, text.replace(line, "#include <nowhere.h>"), first),
        "fuzzy.patch": diff(FILE, text, first).rstrip("\n") + " /* foreign */\n",
        "empty.patch": "nothing of a patch\n",
        "sprinkle.cocci": "@sprinkle@\nposition hit;\n@@\nkvm_stats_read@hit(...)\n{\n"
                          "+\tmight_sleep();\n\t...\n}\n",
        "idle.cocci": "@idle@\n@@\n- kvm_no_such_function(...);\n",
        "twice.cocci": f"// rule: twice\n// files: {FILE}\n// hits: 2 each\n@twice@\n"
                       "position hit;\n@@\nkvm_stats_read@hit(...)\n{\n+\tmight_sleep();\n"
                       "\t...\n}\n",
    }
    sprinkle = patches["sprinkle.cocci"]
    patches["needed.cocci"] = f"// when: {FILE} lacks might_sleep\n" + sprinkle
    patches["unneeded.cocci"] = f"// when: {FILE} lacks kvm_stats_read\n" + sprinkle
    for name, content in patches.items():
        (tap.folder / name).write_text(content)

    def apply(out, *names):
        words = [word for name in names for word in ("--patch", tap.folder / name)]
        return rewrite(true, tap.folder / out, *words)

    status, plain, err = apply("plain")
    tap.ok(status == 0, "without a patch it is rewritten", err)
    status, said, err = apply("series", "first.patch", "second.patch", "sprinkle.cocci")
    tap.ok(status == 0, "a series of diffs and semantic patches applies in order", err)
    if status == 0:
        made = (Path(said) / FILE).read_text()
        tap.has(made, ["/* first */\n/* second */", "might_sleep();"], "all of it is there")
        tap.ok(Path(said).name != Path(plain).name, "and makes it another version", said, plain)
        tap.has((Path(said) / "PROVENANCE").read_text(),
                [f"patch {name} " for name in ("first.patch", "second.patch", "sprinkle.cocci")],
                "the package says which patches it has")
        tap.has((Path(said) / "glue/instance.h").read_text(), ["first.patch:"],
                "and so does the module")
        tap.has((Path(said) / "rewrite.diff").read_text(), ["+/* second */"],
                "and rewrite.diff shows them")

    status, said, err = apply("when", "needed.cocci", "unneeded.cocci", "first.patch")
    tap.ok(status == 0 and err.count("\n") == 1 and "unneeded.cocci is left out" in err,
           "a patch that says that it is not needed is left out, aloud", err)
    if status == 0:
        made = (Path(said) / FILE).read_text()
        tap.ok(made.count("might_sleep();") == 1 and "/* first */" in made, "the others are in")
        listed = (Path(said) / "glue/instance.h").read_text()
        tap.ok("needed.cocci:" in listed and "unneeded" not in listed,
               "and the module says which", listed)

    def refused(claim, *names, words=()):
        out = f"refused-{tap.count}"
        status, _, err = apply(out, *names)
        missing = [word for word in words if word not in err]
        tap.ok(status == 3 and not missing and not (tap.folder / out).exists(), claim,
               f"status {status}", f"missing: {missing}", err)

    refused("a diff out of order is refused, by file and hunk", "second.patch",
            words=["second.patch", FILE, "hunk 1"])
    refused("a diff of which one file fails is refused whole", "half.patch",
            words=["half.patch", FILE, "hunk 1", "nothing was applied"])
    refused("a hunk with a line of context that differs is refused", "fuzzy.patch",
            words=["fuzzy.patch", FILE, "hunk 1"])
    refused("a diff of a file outside the snapshot is refused, by name", "stray.patch",
            words=["stray.patch", "tools/testing/selftests/kvm/x.c"])
    refused("a file that is no diff is refused", "empty.patch", words=["empty.patch"])
    refused("a semantic patch that hits nothing is refused, by rule", "idle.cocci",
            words=["idle.cocci", "rule idle", "nothing"])
    refused("one that hits less often than it says is refused, by rule, file and count",
            "twice.cocci", words=["rule twice", FILE, "1 times", "not 2"])
    status, _, err = apply("refused", "missing.patch")
    tap.ok(status == 2 and "missing.patch" in err, "a patch that is missing is not found", err)
    series(tap, true, text, other)
    tap.done()


def series(tap, true, text, other):
    """What a patch may do to files, before any rule."""
    lists = (true / LIST).read_text()
    one, two = LICENCE + "int one;\n", LICENCE + "int one;\nint two;\n"
    line = next(line for line in lists.splitlines() if line.startswith("kvm-y"))
    listed = lists.replace(line, f"kvm-y += fresh.o\n{line}", 1)
    first = "/* first */\n" + other
    before = text.replace("#include", "/* it was here */\n#include", 1)
    git = ("diff --git a/{0} b/{1}\nsimilarity index 100%\nrename from {0}\nrename to {1}\n"
           .format(OTHER, OTHER.replace("debugfs", "renamed")))
    made, place = {
        "makes.patch": diff("arch/x86/kvm/fresh.c", None, one),
        "lists.patch": diff("arch/x86/kvm/fresh.c", None, one) + diff(LIST, lists, listed),
        "grows.patch": diff("arch/x86/kvm/fresh.h", None, one)
        + diff("arch/x86/kvm/fresh.h", one, two),
        "renames.patch": git + diff(LIST, lists, lists.replace("debugfs.o", "renamed.o")),
        "half-renames.patch": git,
        "changes-renames-changes.patch": diff(OTHER, other, first) + git
        + diff(OTHER.replace("debugfs", "renamed"), first, first + "/* last */\n")
        + diff(LIST, lists, lists.replace("debugfs.o", "renamed.o")),
        "there.patch": diff(FILE, before, text) + diff(OTHER, "/* was */\n" + other, other),
        "there-too.patch": diff(FILE, before, text)
        + diff(OTHER, "/* was */\n" + other, "/* is */\n" + other),
        "removes.patch": diff("arch/x86/kvm/no-such.c", one, None),
    }, {}
    for name, content in made.items():
        place[name] = tap.folder / name
        place[name].write_text(content)

    status, said, _, files = patched(true, place["lists.patch"])
    tap.ok(status == 0 and files["arch/x86/kvm/fresh.c"] == one.encode(),
           "a new file that a make file lists is in", said)
    status, said, _, files = patched(true, place["makes.patch"])
    tap.ok(status == 3 and "arch/x86/kvm/fresh.c is in no list of objects" in said,
           "one that none lists is refused, for nothing of it would be compiled", said)
    status, said, used, files = patched(true, place["grows.patch"])
    tap.ok(status == 0 and files["arch/x86/kvm/fresh.h"] == two.encode(),
           "a series that makes a file and then changes it applies", said)
    tap.ok(used and [text for _, text in used[0].added["arch/x86/kvm/fresh.h"]] ==
           two.splitlines(), "and brought all its lines", used and used[0].added)
    status, said, used, files = patched(true, place["renames.patch"])
    tap.ok(status == 0 and OTHER not in files and
           files["arch/x86/kvm/renamed.c"] == other.encode() and list(used[0].added) == [LIST],
           "a file is renamed, and its own lines are no patch's", said)
    status, said, used, files = patched(true, place["changes-renames-changes.patch"])
    tap.ok(status == 0 and OTHER not in files and files["arch/x86/kvm/renamed.c"].decode() ==
           f"{first}/* last */\n" and len(used[0].added["arch/x86/kvm/renamed.c"]) == 2,
           "a series that changes a file, renames it and changes it again applies", said)
    status, said, *_ = patched(true, place["half-renames.patch"])
    tap.ok(status == 3 and "half-renames.patch: the object lists name debugfs.o, for which" in said,
           "a rename that forgets the make file is refused", said)
    status, said, *_ = patched(true, place["there.patch"])
    tap.ok(status == 3 and "there.patch is applied already" in said and "next: " in said,
           "a patch that is applied already is called that", said)
    status, said, *_ = patched(true, place["there-too.patch"])
    tap.ok(status == 3 and f"{OTHER}: hunk 1 does not apply" in said and
           f"{FILE}: it is applied there already" in said, "one of which a part is, with the part",
           said)
    tap.has(said, ["patch: Hunk #1 FAILED at 1.", f"patch: patching file {OTHER}"],
            "what patch says of a conflict is kept")
    status, said, *_ = patched(true, place["removes.patch"])
    tap.ok(status == 3 and "no-such.c is no file of the snapshot" in said,
           "a file that is not there cannot be removed", said)


main()
