#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Claim: multikvm reports what the host has, as text and as JSON that the schema knows; what it
refuses has a stable exit status, one error of a known form, and changes nothing.

The tool is built with sanitizers and sees a folder instead of the host: MULTIKVM_ROOT.

fails when: "none" is a tag (it gets into the history), choose() loads a closed tag before it is
refused, tag_of() takes every module named kvm-* for an instance, what others may call a process is
printed as it is, list shows the first time of a tag and not the last, a process that has only got
the pid is shown, an instance has a member that the schema lacks, make_package() does not ask
whether rewrite is --ready, do_remove() does not call refuse_vms(), rewrite --ready looks for
nothing, fail_as_said() leaves out a script's message or its other lines, report_end() is DONE,
flush() says nothing, or says it also when a reader has gone, and when say() keeps that in mind.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jsonschema

sys.path.insert(0, str(Path(__file__).resolve().parent))

from host import ROOT, SANITIZERS, SCHEMA, Folder, Tests, build_tool  # noqa: E402


class Host(Folder):
    """With vac and the instances a (default) and b."""

    def __init__(self, folder):
        super().__init__(folder)
        vac = "sys/kernel/vac/"
        for name, text in {"version": "1.0", "vendor": "amd", "default": "a", "closed": "old",
                           "users": "3", "chooser": "none",
                           "refused": "1700000000 2 kvm_x unmitigated"}.items():
            self.put(vac + name, text)
        self.instance("a")
        self.instance("b", vms=3, vcpus=6, references=3, snapshot="6.1.170-3")
        for number, pid in ((2, 71), (10, 72), (9, 73)):
            for name, text in {"instance": "b", "pid": pid, "vcpus": 2, "since": 1001}.items():
                self.put(f"{vac}vms/{number}/{name}", text)
        for tag in "ab":
            self.path(f"sys/module/vac/holders/kvm_{tag}").mkdir(parents=True)
        self.put("var/lib/dkms/kvm-b/1.0/source/dkms.conf", "")
        self.put("proc/stat", "cpu 1 2\nbtime 1000\nprocesses 5")
        self.put("proc/71/comm", "qemu-system-x86")
        self.put("proc/71/stat", "71 (qemu) x) S " + " ".join(["0"] * 18) + " 100 0 0")
        self.put("proc/71/status", "Name:\tqemu\nUid:\t4242424\t0\t0\t0")
        self.put("proc/71/cgroup", "0::/machine.slice/one.scope")
        self.put(f"lib/modules/{os.uname().release}/modules.dep",
                 "updates/dkms/vac.ko:\nupdates/dkms/kvm-b.ko: updates/dkms/vac.ko\n"
                 "updates/dkms/kvm-c.ko.xz: updates/dkms/vac.ko.xz\n"
                 "kernel/arch/x86/kvm/kvm-amd.ko: kernel/arch/x86/kvm/kvm.ko\n")

    def default(self):
        return self.path("sys/kernel/vac/default").read_text().strip()

    def history(self):
        path = self.path("var/lib/multi-kvm/history")
        return [line.split()[1] for line in path.read_text().splitlines()] if path.exists() else []

    def files(self):
        return {path: path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}


LIST = """\
TAG LOADED DEFAULT CLOSED VMS VCPUS CHOSEN               KVM OF    PATCHES
a   yes    yes     -        0     0 2023-11-14T22:13:20Z 6.1.192-3 none
b   yes    -       -        3     6 2023-11-14T22:14:20Z 6.1.170-3 none
c   -      -       -        -     - -                    -         -
"""
STATUS = """\
vac       1.0
vendor    amd
previous  -
default   a
loaded    a
          b
installed b
          c
waiting   -
closed    old
users     3
holders   kvm_a
          kvm_b
chooser   none
refused   1700000000 2 kvm_x unmitigated
stock     -
next_boot the stock KVM, as long as none is chosen by multikvm use
"""
STATUS_OF_B = f"""\
tag             b
loaded          yes
default         -
closed          -
vms             3
vcpus           6
references      3
snapshot        6.1.170-3
patches         none
unmitigated     none
snapshot_digest 12ab
rules_digest    34cd
interface       1.0
waiting         -
kernels         {os.uname().release}
"""
# What is typed, the exit status, and the whole error.
REFUSED = (
    ([], 1, None),
    (["frob"], 1, "there is no command frob\n  next: multikvm --help"),
    (["list", "x"], 1, "usage: multikvm list [--names]\n  next: multikvm --help"),
    (["ps", "a", "b"], 1, "usage: multikvm ps [TAG]\n  next: multikvm --help"),
    (["ps", "A"], 1, "'A' is no tag: a letter, then up to 23 of a-z 0-9 _"),
    (["ps", "c"], 2, "c is not loaded\n  next: multikvm list"),
    (["status", "x"], 2, "there is no kvm-x here\n  next: multikvm list"),
    (["status", "X"], 1, "'X' is no tag: a letter, then up to 23 of a-z 0-9 _"),
    (["status", "a", "b"], 1, "usage: multikvm status [TAG]\n  next: multikvm --help"),
    (["use"], 1, "usage: multikvm use TAG\n  next: multikvm --help"),
    (["use", "a", "b"], 1, "usage: multikvm use TAG\n  next: multikvm --help"),
    (["use", "../a"], 1, "'../a' is no tag: a letter, then up to 23 of a-z 0-9 _"),
    (["use", "x" * 25], 1, f"'{'x' * 25}' is no tag: a letter, then up to 23 of a-z 0-9 _"),
    (["use", "amd"], 1, "amd is no tag: that word means something else\n"
                        "  next: another one, for example my_amd"),
    (["use", "no_such"], 2, "there is no kvm-no_such for the running kernel\n"
                            "  next: multikvm list"),
    (["move", "71"], 1, "usage: multikvm move PID|VM TAG | --all OLD NEW [--parallel N] [--rate N] "
     "[--max-pause MS] [--dry-run]\n  next: multikvm --help"),
    (["move", "x", "a"], 1, "x is neither a process nor the number of a VM\n  next: multikvm ps"),
    (["move", "70", "a"], 2, "70 is no process with a VM, and no VM\n  next: multikvm ps"),
    (["move", "71", "b"], 3, "it is on b already"),
    (["move", "2", "b", "--dry-run"], 3, "it is on b already"),
    (["move", "71", "c"], 2, "c is not loaded\n  next: multikvm load c"),
    (["move", "--all", "c", "b"], 2, "c is not loaded\n  next: multikvm list"),
    (["move", "--all", "a", "b"], 3,
     "a is the default: new VMs would go to it\n  next: multikvm use b"),
    (["rollback", "a"], 1, "usage: multikvm rollback \n  next: multikvm --help"),
    (["rollback"], 2, "there is nothing to roll back to: no other instance was the default\n"
                      "  next: multikvm use TAG"),
    (["load"], 1, "usage: multikvm load TAG\n  next: multikvm --help"),
    (["load", "none"], 1, "none is no tag: that word means something else\n"
                          "  next: another one, for example my_none"),
    (["use", "old"], 3, "old is closed: it makes no new VM\n"
                        "  next: echo 0 | sudo tee /sys/kernel/vac/instances/old/closed"),
    (["unload", "c"], 2, "c is not loaded\n  next: multikvm list"),
    (["unload", "b"], 3, "b has 3 VMs\n  made by the processes 71 73 72\n"
                         "  next: multikvm ps b"),
    (["run", "a"], 1, "usage: multikvm run TAG -- COMMAND...\n  next: multikvm --help"),
    (["run", "a", "true"], 1, "usage: multikvm run TAG -- COMMAND...\n  next: multikvm --help"),
    (["run", "no_such", "--", "true"], 2,
     "no_such is not loaded: there is no /dev/kvm-no_such\n  next: sudo multikvm load no_such"),
    (["install", "--kernel"], 1, "--kernel wants a value\n  next: multikvm install --help"),
    (["install", "/nowhere"], 2, "no kernel here has its headers installed\n"
                                 "  next: sudo apt-get install linux-headers-amd64"),
    (["install", "--kernel", "../x"], 1, "'../x' is no name of a kernel\n"
                                         "  next: ls /lib/modules"),
    (["install", "--kernel", "6.1.0-99-amd64"], 2,
     "the headers of kernel 6.1.0-99-amd64 are not installed\n"
     "  next: sudo apt-get install linux-headers-6.1.0-99-amd64"),
    (["install", "a", "b"], 1, None),
    (["build"], 1, None),
    (["build", "x", "--from"], 1, "--from wants a value\n  next: multikvm build --help"),
    (["build", "x", "--patch", "/nowhere"], 2,
     "cannot read the patch /nowhere: No such file or directory\n  next: ls /nowhere"),
    (["build", "x"], 2, "what builds packages is not installed (/none/rewrite)\n"
                        "  next: sudo apt-get install multi-kvm-build"),
    (["remove", "c"], 2, "c is not installed\n  next: multikvm list"),
    (["remove", "b"], 3, "b has 3 VMs\n  made by the processes 71 73 72\n"
                         "  next: multikvm ps b"),
    (["remove"], 1, "usage: multikvm remove TAG\n  next: multikvm --help"),
    (["disable", "a"], 1, "usage: multikvm disable \n  next: multikvm --help"),
    (["disable"], 3, "b has 3 VMs\n  made by the processes 71 73 72\n  next: multikvm ps b"),
    (["boot", "a"], 1, "usage: multikvm boot \n  next: multikvm --help"),
    (["doctor", "a"], 1, "usage: multikvm doctor \n  next: multikvm --help"),
)


def reports(tap, host):
    history = "var/lib/multi-kvm/history"
    host.put(history, "1600000000 a\n1700000000 a\n1700000060 b")
    tap.same(host.run("list"), (0, LIST, ""),
             "list: loaded and installed, the stock KVM not, when each was chosen last")
    host.path(history).unlink()
    tap.same(host.run("list", "--names")[1], "a\nb\nc\n", "list --names: for completion")
    tap.same(host.run("status"), (0, STATUS, ""), "status")
    tap.same(host.run("status", "b"), (0, STATUS_OF_B, ""), "status TAG, of one that is loaded")
    tap.same(host.json("status", "c")["instance"] | {"kernels": None},
             {"tag": "c", "loaded": False, "snapshot": None, "snapshot_digest": None,
              "rules_digest": None, "patches": None, "interface": None, "waiting": False,
              "kernels": None}, "and of one that is only installed, whose module cannot be read")
    vms = host.json("ps")["vms"]
    tap.same([(vm["vm"], vm["pid"], vm["command"], vm["user"], vm["cgroup"]) for vm in vms],
             [(2, 71, "qemu-system-x86", "4242424", "/machine.slice/one.scope"),
              (9, 73, None, None, None), (10, 72, None, None, None)],
             "ps: VMs in the order of their numbers, with what is known of the process")
    tap.same(host.json("ps", "a")["vms"], [], "ps TAG: its own only")
    began = time.time()
    table = host.run("ps")[1].splitlines()
    ages = {int(age) for age in re.findall(r"\b\d{9,}\b", "\n".join(table))}
    tap.ok(ages and all(began - 1002 <= age <= time.time() - 1001 for age in ages),
           "in a table: how old each is, in seconds", *table)
    tap.same([re.sub(r" +\d{9,}", " AGE", line) for line in table],
             ["VM TAG PID COMMAND         VCPUS    SECONDS USER    CGROUP",
              " 2 b    71 qemu-system-x86     2 AGE 4242424 /machine.slice/one.scope",
              " 9 b    73 -                   2 AGE -       -",
              "10 b    72 -                   2 AGE -       -"], "and the rest")
    host.put("proc/71/comm", b"\xff\xc2\x9b2J\x1b\xc3\xa9\n")
    tap.same(host.json("ps")["vms"][0]["command"], r"\xff\xc2\x9b2J\x1b\u00e9".replace(
        r"\u00e9", "\u00e9"), "what a user calls a process cannot break the document")
    host.put("proc/71/stat", "71 (qemu) S " + " ".join(["0"] * 18) + " 100000 0 0")
    tap.same(host.json("ps")["vms"][0]["command"], None, "a process younger than the VM is not it")
    for words in (["list"], ["status"], ["ps"], ["frob"], ["use"]):
        host.json(*words)
    tap.ok(True, "each --json is a document of the schema")
    tap.same(host.run("use", "--help")[0], 0, "each command has --help")


def refusals(tap, host):
    before = host.files()
    for words, status, text in REFUSED:
        got = host.run(*words)
        want = (status, "", got[2] if text is None else f"multikvm: {text}\n")
        tap.same(got, want, f"refused: {' '.join(words) or 'no command'}")
        if text:
            error = host.json(*words[:1], "--json", *words[1:])["error"]
            tap.same((error["status"], error["message"]), (status, text.split("\n")[0]),
                     "  and the same as JSON")
    after = host.files()
    for lock in ("multikvm.lock", "multikvm-builds.lock"):
        after.pop(host.path(f"run/{lock}"), None)
    tap.same(after, before, "what was refused changed nothing")


def choices(tap, host):
    tap.same(host.run("use", "b")[:2], (0, "new VMs go to b\n"), "use b")
    tap.same((host.default(), host.history()), ("b", ["a", "b"]),
             "the default of before is in the history, too")
    tap.same(host.run("use", "b")[0], 0, "use b again")
    tap.same(host.history(), ["a", "b"], "changes nothing")
    tap.same(host.run("rollback")[1], "new VMs go to a\n  3 VMs stay on b\n",
             "rollback, which says who stays where")
    tap.same(host.default(), "a", "and is one")
    tap.same(host.json("rollback")["done"]["tag"], "b", "a second one takes the first back")
    host.put("sys/kernel/vac/default", "a")
    host.run("rollback")
    tap.same((host.default(), host.history()[-2:]), ("b", ["a", "b"]),
             "what was written to sysfs by hand is noted, too")
    host.put("sys/kernel/vac/default", "none")
    tap.same(host.json("status")["status"]["previous"], "a", "without a default, previous is")
    tap.same(host.run("rollback")[1], "new VMs go to a\n  3 VMs stay on b\n",
             "not what was chosen last, and rollback does not go there")
    tap.same(host.history()[-3:], ["a", "b", "a"], "none is not in the history")
    host.put("sys/kernel/vac/default", "a")     # a file keeps the rest of the longer word
    tap.same(host.path("var/lib/multi-kvm/history").stat().st_mode & 0o777, 0o644,
             "which all may read and only root may write")

    folder = host.path("var/lib/multi-kvm")
    kept = folder.with_name("kept")
    folder.rename(kept)
    folder.write_text("in the way")
    status, _, error = host.run("use", "b")
    tap.ok(status == 4 and error.startswith(
        "multikvm: new VMs go to b, but what the next boot does is not changed: cannot write"),
           "a history that cannot be written is an error", status, error)
    tap.same(host.default(), "b", "and does not keep an operator from changing the default")
    folder.unlink()
    kept.rename(folder)

    for number in range(150):
        host.put("sys/kernel/vac/default", "ab"[number % 2])
        host.run("use", "ba"[number % 2])
    tap.same(len(host.history()), 100, "the history does not grow without end")


FULL = "multikvm: cannot write what it prints: No space left on device\n"


def output_is_lost(tap, host):
    def run(out, *words):
        done = subprocess.run([build_tool(), *words], stdout=out, stderr=subprocess.PIPE, text=True,
                              env=os.environ | {"MULTIKVM_ROOT": str(host.folder)})
        return done.returncode, done.stderr

    reader, gone = os.pipe()
    os.close(reader)
    with open("/dev/full", "w", encoding="ascii") as full:
        for words in (["list"], ["list", "--names"], ["status"], ["status", "--json"], ["--help"],
                      ["use", "--help"], ["use", "b"]):
            tap.same(run(full, *words), (4, FULL), f"{' '.join(words)} > /dev/full says so once")
        tap.same(host.default(), "b", "use has done it nevertheless")
        tap.same(run(full, "frob", "--json"), (1, FULL), "an error keeps its status")
    for words, status in ((["list"], 4), (["use", "a"], 0)):
        tap.same(run(gone, *words), (status, ""),
                 f"{' '.join(words)}: nothing is said of a reader that has gone")
    os.close(gone)


def looks_first(tap, host):
    programs = host.path("programs")
    programs.mkdir()
    tool = build_tool("tool-with-scripts", SANITIZERS, ROOT / "scripts")

    def run(*words):
        done = subprocess.run([tool, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True,
                              env={"PATH": str(programs), "MULTIKVM_ROOT": str(host.folder)})
        return done.returncode, done.stdout, done.stderr

    for words, status, cause, claim in (
            (["build", "x", "--from", "6.1.999"], 4,
             "rewrite: this needs what is not installed: spatch",
             "what is missing is said before anything is looked for or downloaded"),
            (["package", "/nowhere"], 2,
             "package: /nowhere is no source package: it has no dkms.conf",
             "what is no source package is said")):
        got, _, said = run(*words)
        message, *details, next_ = said.splitlines()
        tap.same((got, message), (status, cause), f"{words[0]}: {claim}")
        document = json.loads(run(*words, "--json")[1])
        jsonschema.validate(document, SCHEMA)
        tap.same(document["error"],
                 {"status": status, "message": cause,
                  "details": [line.removeprefix("  ") for line in details],
                  "next": next_.removeprefix("  next: ")},
                 "  and the same as JSON: cause, details and what to type")


    status, said, error = run("package", "--help")
    tap.ok(not status and "usage: " in said and not error, "package --help says how it is called",
           status, said, error)


def main():
    tap = Tests()
    for part in (reports, refusals, choices, output_is_lost, looks_first):
        with tempfile.TemporaryDirectory() as folder:
            part(tap, Host(folder))
    tap.done()


if __name__ == "__main__":
    main()
