#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
# series: first
#
# What does not compile in lines that a patch brought is that patch's error, by file and line, and
# never something "the kernel lacks", here and in the package's own build on a host. Each line
# belongs to the patch that wrote it last, wherever later patches and the rules moved it.
# It failed when owners were not looked at (the kernel lacked acme_off), when the notes of an error
# were not (a second definition was said to be the kernel's), when what a patch took away was not
# known, when the line numbers were those before the rules, and on a host without patched-lines.

import sys
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tap import ROOT, Tap, kernel, run  # noqa: E402
from mkvm import origin  # noqa: E402
from mkvm.failure import Refused  # noqa: E402
from mkvm.missing import explain  # noqa: E402

HEAD = '#include <linux/module.h>\nMODULE_LICENSE("GPL");\n'
# File: what was there, what first.patch and second.patch made of it, what the rules did.
SOURCES = {
    "undeclared.c": ["int a(void);\nint a(void) { return 0; }\n",
                     "int a(void);\nint a(void) { return no_such_thing; }\n"],
    "early.c": ["void b(void);\nvoid b(void)\n{\n}\n",
                "void b(void);\nvoid b(void)\n{\n\tacme_off();\n}\n\n"
                "static void acme_off(void)\n{\n}\n"],
    "unclosed.c": ["int c(int x);\nint c(int x)\n{\n\treturn x;\n}\nint d(void);\n",
                   "int c(int x);\nint c(int x)\n{\n\tif (x) x = ;\n\treturn x;\n}\n"
                   "int d(void);\n"],
    "twice.c": ["extern int e;\n\nint f(void);\nint f(void) { return e; }\n",
                "extern int e;\nstatic int f(void) { return 1; }\n"
                "int f(void);\nint f(void) { return e; }\n"],
}
GONE = {"gone.c": ["#define LIMIT 3\nint g(void);\nint g(void) { return LIMIT; }\n",
                   "int g(void);\nint g(void) { return LIMIT; }\n"]}


def patches_of(stages):
    """Patches that take the files from stage to stage."""
    files = [{path: text.encode() for path, text in stage.items()} for stage in stages]
    return [SimpleNamespace(name=f"{number}.patch", added=added, gone=origin.gone(before, after),
                            touched={path for path in before if before[path] != after[path]})
            for number, (added, before, after) in
            enumerate(zip(origin.attribute(files), files, files[1:]), 1)]


def build(tap, name, sources):
    """(what explain says, what a host says) of a module of which a rule moved all lines."""
    folder = tap.folder / name
    folder.mkdir()
    before = {path: HEAD + texts[0] for path, texts in sources.items()}
    after = {path: HEAD + texts[1] for path, texts in sources.items()}
    rewritten = {path: f"/* a rule's */\n\n{text}".encode() for path, text in after.items()}
    for path, content in rewritten.items():
        (folder / path).write_bytes(content)
    (folder / origin.LIST).write_bytes(origin.listed(
        patches_of([before, after]), {path: text.encode() for path, text in after.items()},
        rewritten))
    objects = " ".join(path[:-1] + "o" for path in sources)
    (folder / "Kbuild").write_text(f"obj-m := {name}.o\n{name}-y := {objects}\n")
    kdir = run("scripts/sources", "headers", kernel())[1]
    _, out, host = run("sh", ROOT / "vac/build.sh", name, "make", "-C", kdir, f"M={folder}",
                       "modules")
    (folder / "build.log").write_text(f"{out}\n{host}")
    try:
        explain(folder, lambda: "", kernel(), kdir, "6.1.1")
    except Refused as refused:
        return str(refused), host
    return "", host


def owners(tap):
    """Whose a line is after a series."""
    one = {"a.c": "int a;\nint b;\nint c;\n", "b.c": "int x;\n" * 3 + "int y;\n"}
    two = one | {"a.c": "int a;\nint new;\nint b;\nint old;\nint c;\n"}
    three = one | {"a.c": "int first;\nint a;\nint new;\nint b;\nint changed;\nint c;\n"}
    patches = patches_of([one, two, three])
    tap.ok(patches[0].added == {"a.c": [(3, "int new;")]} and
           patches[1].added == {"a.c": [(1, "int first;"), (5, "int changed;")]},
           "a line is of the patch that wrote it last, at its last place",
           *(patch.added for patch in patches))
    patches = patches_of([one, two, one])
    tap.ok([patch.added for patch in patches] == [{}, {}], "what is taken back is nobody's",
           *(patch.added for patch in patches))
    tap.ok(patches[1].gone == {"new", "old"}, "and its names are gone", patches[1].gone)
    many = {"a.c": "".join(f"int a{number};\n\n" for number in range(2000))}
    more = {"a.c": many["a.c"].replace("int a7;\n", "").replace("int a9;", "int a9;\n\n\n/* */")
            .replace("int a1999;", "int a1999;\nint last;")}
    tap.ok([text for _, text in patches_of([many, more])[0].added["a.c"]].count("int last;") == 1
           and len(patches_of([many, more])[0].added["a.c"]) == 4,
           "a long file with many equal lines is compared line by line",
           patches_of([many, more])[0].added)


def main():
    tap = Tap()
    owners(tap)
    said, host = build(tap, "kvm-errors", SOURCES)
    wanted = ("undeclared.c:6: 'no_such_thing' undeclared (first use in this function): int a(",
              "early.c:8: implicit declaration of function 'acme_off': acme_off();",
              "unclosed.c:8: expected expression before ';' token: if (x) x = ;", "twice.c:6: ")
    tap.ok(said.startswith(f"patch 1.patch does not compile for {kernel()}\n") and
           "next: correct the patch" in said, "it is the patch's error", said)
    for text in wanted:
        tap.has(said, [f"\n  {text}"], f"{text.partition(':')[0]}: by file and line")
    tap.ok(" needs " not in said and "has one of its own" not in said, "the kernel lacks nothing",
           said)
    lines = [line for line in host.splitlines() if line.startswith("kvm-errors: lacks: ")]
    for path, text in (("undeclared.c:6", "'no_such_thing' undeclared"),
                       ("early.c:8", "implicit declaration of function 'acme_off'"),
                       ("unclosed.c:8", "expected expression")):
        tap.ok(any(f"patch 1.patch does not compile: {text}" in line and f"({path})" in line
                   for line in lines), f"{path}: a host says so, too", *lines)
    tap.ok("the kernel has no" not in host, "it lacks nothing there either", host)
    said, _ = build(tap, "kvm-gone", GONE)
    tap.has(said, ["patch 1.patch does not compile", "gone.c:6: LIMIT is gone, and still needed"],
            "what a patch took away is missing for it")
    tap.done()


main()
