#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
# test-all
"""Tools that know the stock KVM, on a booted Debian with instances: what README.md says of them.

Each row of its table is a check here: what is typed works with the stock KVM; with an instance it
does what the second column says, and what the third one names instead does work.

It failed when
  as-kvm made no folder events/ftrace    what perf kvm recorded was "incompatible file format"
  trace-cmd's plugin was not thought of  "stock: trace-cmd record -e kvm" was not ok
"""

import os
import re
import shlex
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from steps import HERE, ask_sources, walk_on  # noqa: E402

TAG = "a"
# Firmware that finds nothing to boot: a few thousand exits.
GUEST = ("timeout 6 qemu-system-x86_64 -accel kvm -cpu host,-xsave -display none -nodefaults "
         "2>/dev/null")
DATA = "/run/data"
# What a row needs beside its words: after them, and how its output shows that it worked.
MORE = {
    "kvm-ok": ("", "KVM acceleration can be used"),
    "virt-host-validate": ("", r"virtualization +: PASS[^$]*/dev/kvm is accessible +: PASS"),
    "virsh": ("", "<domain>kvm</domain>"),
    "cat": ("", r"^([01]|[YN])$"),
    "trace-cmd": (f"-o {DATA} {GUEST}; trace-cmd report -i {DATA}", "kvm_exit: .*reason"),
    "perf stat": (GUEST, r"\d{3,} +kvm\w*:kvm_exit"),
    "perf kvm": (f"-o {DATA} {GUEST}; perf kvm --host -i {DATA} stat report", r"VM-EXIT[^$]* hlt "),
    "modprobe": ("&& lsmod", "^kvm_amd "),
}


def table():
    """[(typed, with an instance, instead)] and the script of README.md."""
    with open(os.path.join(HERE, "README.md"), encoding="utf-8") as file:
        text = file.read()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()
            if re.match(r"\| `.*\|.*\|", line)]
    code = re.compile("`([^`]*)`")
    return ([(code.search(typed)[1], says, code.search(instead)[1] if instead else None)
             for typed, says, instead in (row for row in rows if len(row) == 3)],
            re.search(r"```sh\n(.*?)```", text, re.S)[1])


def works(op, words):
    """Whether the output of WORDS is that of a tool that found KVM."""
    kind = next(kind for kind in MORE if f" {kind} " in f" {words} ")
    after, shows = MORE[kind]
    output = op.run(f"rm -f {DATA}; {words} {after} 2>&1")
    return bool(re.search(shows, output, re.M)), output


def check(op, host):
    rows, script = table()
    op.ok("README.md has the table", len(rows) >= 10, rows)
    host.boot()
    op.run(f"cat >/root/as-kvm <<'END'\n{script}END")
    stock = {}
    for typed, _, _ in rows:
        found, stock[typed] = works(op, typed)
        op.ok(f"stock: {typed}", found, *op.last)
    op.does("stock KVM leaves", "modprobe -r kvm_amd kvm")
    op.does("an instance comes", f"multikvm use {TAG}")
    for typed, says, instead in rows:
        found, output = works(op, typed)
        same = says.startswith(("works", "the same"))
        op.ok(f"{typed}: {says.split(',')[0]}", found == same, *op.last)
        if says.startswith("the same"):
            op.ok("to the letter", output == stock[typed], *op.last)
        if instead and not instead.startswith("multikvm"):
            found, output = works(op, instead.replace("TAG", TAG))
            op.ok(f"instead: {instead}", found, *op.last)
        elif instead:
            op.does(f"instead: {instead}", instead.replace("TAG", TAG))
    host.off()


if __name__ == "__main__":
    sys.exit(walk_on("tools", ask_sources("kver", "oldest"), check))
