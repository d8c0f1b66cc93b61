#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
#
# An instance that was built against an older vac of the same major runs on this one: nothing that
# tests/abi/<major>/ promises is gone or has changed, neither the structures and functions (vac.abi)
# nor the CRCs that the loader compares (vac.symvers). Additions are allowed, and listed. vac.h
# beside them is what an instance was built with then.
# It failed when an export was taken away, when a parameter got another type, when a member of a
# struct that carries its size was inserted, taken out or got another type, whether or not something
# was added to its end as well, and when an enumerator got another value; when such a struct was no
# longer hidden from genksyms, and when a file of vac came to include what defines struct kvm (the
# CRCs); and when a u32 was added to the end of a struct. It passed, saying so, when a function was
# added, and when a member of 8 bytes was added to an end.
#
# tests/check/interface-only-grows.t --write  promises what vac has now.

import os
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree

from sources import ROOT, Check, run, text

MAJOR = re.search(r"#define VAC_MAJOR\s+(\d+)", text("vac/include/vac.h"))[1]
PROMISED = f"tests/abi/{MAJOR}"
PROMISE = f"{PROMISED}/vac.abi"
# These structs may grow at their end: the first member, the size, tells which members are there.
SIZED = re.findall(r"^struct (\w+) \{\n\tu32 size;$", text("vac/include/vac.h"), re.M)


def build():
    """(vac.o with its debug information, the names that it exports)."""
    kernel = os.environ.get("KVER") or run("scripts/sources", "kver", "newest")[1]
    if not kernel:
        return None, "there is no kernel to build vac for; next: apt-get update"
    out = ROOT / "build" / "check" / "vac.ko"
    out.parent.mkdir(parents=True, exist_ok=True)
    status, _, err = run("scripts/build", "vac", "--kernel", kernel, "--out", out)
    if status:
        return None, err
    rows = [line.split("\t") for line in out.with_suffix(".symvers").read_text().splitlines()]
    rows = [row for row in rows if row[2].endswith("/vac")]
    return rows[0][2] + ".o", {row[1]: row[0] for row in rows}


def describe(folder, built, exports):
    """The interface of a module, as libabigail writes it: exported functions, types of vac.h."""
    names, public = folder / "exports", folder / "public.o"
    names.write_text("\n".join(exports) + "\n")
    subprocess.run(["objcopy", f"--keep-global-symbols={names}", built, public], check=True)
    headers = os.path.join(os.path.dirname(built), "include")
    status, out, err = run("abidw", "--headers-dir", headers, "--drop-private-types",
                           "--no-show-locs", "--no-corpus-path", "--no-comp-dir-path", public)
    if status or "<abi-corpus" not in out:
        raise SystemExit(f"abidw: {err or 'no interface found'}")
    return re.sub(r" path='[^']*/", " path='", out) + "\n"


def sized(tree, name):
    return tree.find(f".//class-decl[@name='{name}'][@size-in-bits]")


def without_growth(now, promise):
    """(the interface without new members at the end, what is new in it).

    abidiff can ignore these, but then it ignores changes before them as well.
    """
    grown = []
    for name in SIZED:
        new, old = sized(now, name), sized(promise, name)
        if new is None or old is None:
            continue
        extra = new.findall("data-member")[len(old.findall("data-member")):]
        for member in extra:
            new.remove(member)
            grown.append(f"{name}.{member.find('var-decl').get('name')}")
        if extra:
            new.set("size-in-bits", old.get("size-in-bits"))
    promised = {one.get("name") for one in promise.iter("elf-symbol")}
    return now, grown + sorted(
        f"{one.get('name')}()" for one in now.iter("elf-symbol")
        if one.get("name") not in promised)


def bits(tree, name):
    """The size of a type by its id."""
    one = tree.find(f".//*[@id='{name}']")
    return int(one.get("size-in-bits") or bits(tree, one.get("type-id")))


def compare_padding(check, now):
    """No padding at the end: behind the last member of a compound literal anything may be."""
    tree = ElementTree.parse(now)
    ends = {}
    for name in SIZED:
        last = sized(tree, name).findall("data-member")[-1]
        ends[name] = (int(last.get("layout-offset-in-bits")) +
                      bits(tree, last.find("var-decl").get("type-id")))
    check.ok(len(SIZED) > 5, "the structs that carry their size are found", str(SIZED))
    check.none("none of them ends with padding, where a later member would be taken for one",
               (f"vac/include/vac.h: struct {name} ends at bit {end}; next: fill it to 8 bytes"
                for name, end in ends.items() if end != int(sized(tree, name).get("size-in-bits"))))


def compare(check, now):
    reduced = check.folder / "reduced.abi"
    tree, grown = without_growth(ElementTree.parse(now), ElementTree.parse(ROOT / PROMISE))
    tree.write(reduced)
    status, out, err = run("abidiff", "--no-show-locs", "--harmless", "--no-added-syms",
                           ROOT / PROMISE, reduced)
    check.ok(status == 0, f"vac keeps all of {PROMISE}",
             f"{PROMISE}:1: vac broke its interface; next: undo it, or add a function beside it",
             out or err)
    if grown and not status:
        print(f"# vac has grown by {', '.join(grown)}; next: "
              f"{os.path.relpath(__file__, ROOT)} --write, to promise it")


def compare_crcs(check, exports):
    promised = dict(reversed(line.split("\t")[:2])
                    for line in text(f"{PROMISED}/vac.symvers").splitlines())
    check.none("the CRCs are those that were promised",
               (f"{PROMISED}/vac.symvers: {name} has {crc}, here {exports.get(name, 'none')}; "
                "next: look what genksyms sees of its types now (make KBUILD_SYMTYPES=1)"
                for name, crc in sorted(promised.items()) if exports.get(name) != crc))


def values(header):
    """{name: value} of the macros and enumerators of vac.h, but for the minor, which grows."""
    found = dict(re.findall(r"^#define (VAC_\w+)[ \t]+([^\n/]*[^\s/])", header, re.M))
    for body in re.findall(r"^enum \w+ \{(.*?)^\};", header, re.M | re.S):
        found |= {name: str(number)
                  for number, name in enumerate(re.findall(r"^\s*(VAC_\w+),$", body, re.M))}
    found.pop("VAC_MINOR")
    return found


def compare_values(check):
    promised, now = values(text(f"{PROMISED}/vac.h")), values(text("vac/include/vac.h"))
    check.ok(len(promised) > 10, "the values of vac.h are read", f"{PROMISED}/vac.h:1: {promised}")
    check.none("the values are those that were promised",
               (f"{PROMISED}/vac.h: {name} is {value}, in vac/include/vac.h "
                f"{now.get(name, 'none')}; next: undo that, or take a new name"
                for name, value in sorted(promised.items()) if now.get(name) != value))


def main():
    check = Check()
    check.need("abidw", "abigail-tools")
    built, exports = build()
    if built is None:
        check.ok(False, "vac builds", exports)
        check.done()
    now = check.folder / "now.abi"
    now.write_text(describe(check.folder, built, exports))
    if sys.argv[1:] == ["--write"]:
        (ROOT / PROMISED).mkdir(exist_ok=True)
        shutil.copyfile(now, ROOT / PROMISE)
        shutil.copyfile(ROOT / "vac/include/vac.h", ROOT / PROMISED / "vac.h")
        (ROOT / PROMISED / "vac.symvers").write_text("".join(
            f"{crc}\t{name}\tvac\tEXPORT_SYMBOL_GPL\tVAC\n"
            for name, crc in sorted(exports.items())))
        print(f"{PROMISED}: {len(exports)} exports")
        return
    listed = set(re.findall(r"<elf-symbol name='(\w+)'", now.read_text()))
    check.none("libabigail sees each exported function",
               (f"vac/{name}: exported, and not in the description; next: look at abidw's output"
                for name in sorted(set(exports) - listed)))
    compare(check, now)
    compare_padding(check, now)
    compare_crcs(check, exports)
    compare_values(check)
    check.done()


if __name__ == "__main__":
    main()
