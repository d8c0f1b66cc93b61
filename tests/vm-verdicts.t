#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Every way in which a scenario can end gets its own verdict, on each emulated machine.

Each test here is a machine that was made to end in one way (tests/vm/selftest.c), so this file is
also the proof that tests/vm/machine can fail. With SAMPLE=1, as in make test, it is every third of
them. What made these tests fail when tried:
  logs-a-declared-report  each line of the report was a message
  logs-a-warning      init read the kernel log without finishing its last record first
  starves-everybody   the panic that tests/vm/machine causes in a hung kernel counted as a verdict
  hangs-before-init   tests/vm/machine gave up at the first hang
  oops-*              OOPS in watch.py matched nothing
  writes-to-the-port  neither checksum nor sequence number compared
"""

import concurrent.futures
import os
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
ROOT = os.path.dirname(HERE)
BUILD = os.path.join(ROOT, "build", "vm", "selftest")
MACHINE = os.path.join(HERE, "vm", "machine")
SOURCES = os.path.join(ROOT, "scripts", "sources")

EMULATORS = {"amd": "qemu-system-x86_64", "intel": "bochs-bin"}

# name, wanted verdict, words of the reason, arguments of selftest, options of machine
CASES = (
    ("passes", "pass", "", ["pass"], []),
    ("stock-kvm-works", "pass", "", ["kvm"], ["--module", "KVM"]),
    ("clean-module-loads", "pass", "", ["load"], ["--module", "MODULE"]),
    ("sleeps-too-long", "time-limit", "still busy", ["sleep"], ["--time", "9"]),
    ("starves-everybody", "hung", "no heartbeat", ["starve"], ["--hung-after", "8"]),
    ("hangs-before-init", "hung", "# run again after: hung, init did not start", ["pass"],
     ["--hung-after", "6", "--append", "rdinit=/scenario/vm-hangs-before-init -- sleep"]),
    ("panics", "panic", "sysrq triggered crash", ["panic"], []),
    ("panics-as-wanted", "fail", "plan", ["panic"], ["--panics"]),
    ("does-not-panic-as-wanted", "fail", "the kernel did not panic", ["pass"], ["--panics"]),
    ("cannot-boot", "panic", "Unable to mount root fs", ["pass"], ["--append", "rdinit=/nowhere"]),
    ("oops-null-pointer", "oops", "BUG: kernel NULL pointer", ["load", "bug=null"],
     ["--module", "MODULE"]),
    ("oops-warning", "oops", "WARNING: CPU", ["load", "bug=warn"], ["--module", "MODULE"]),
    ("oops-bug", "oops", "kernel BUG at", ["load", "bug=bug"], ["--module", "MODULE"]),
    ("resets-the-machine", "died", "no verdict", ["reboot"], []),
    ("logs-a-warning", "log", "a warning nobody declared", ["log"], []),
    ("logs-a-declared-warning", "pass", "", ["log"], ["--expect", "EXPECT"]),
    ("logs-a-declared-report", "pass", "", ["report"], ["--expect", "EXPECT"]),
    ("logs-a-report", "log", "possible circular locking", ["report"], []),
    ("ends-with-status-3", "fail", "status 3", ["status"], []),
    ("aborts", "fail", "signal 6", ["abort"], []),
    ("prints-not-ok", "fail", "not ok 1", ["not-ok"], []),
    ("prints-too-few-tests", "fail", "2 tests planned, 1 run", ["short"], []),
    ("prints-no-plan", "fail", "no TAP plan", ["no-plan"], []),
    ("leaves-a-process-behind", "pass", "", ["orphan"], []),
    ("writes-to-the-port", "fail", "the report was garbled", ["pollute"], []),
    ("prints-like-a-report", "pass", "stderr without end of line", ["garble"], []),
)


def prepare(directory, kver):
    """Build the scenario and the module; returns the values of the words in capitals."""
    program = os.path.join(directory, "selftest")
    subprocess.run(["gcc", "-static", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror",
                    "-o", program, os.path.join(HERE, "vm", "selftest.c")], check=True)
    headers = subprocess.run([SOURCES, "headers", kver], stdout=subprocess.PIPE, text=True,
                             check=True).stdout.strip()
    module = os.path.join(directory, "module")
    os.mkdir(module)
    shutil.copy(os.path.join(HERE, "vm", "selftest-module.c"), module)
    with open(os.path.join(module, "Kbuild"), "w", encoding="ascii") as kbuild:
        kbuild.write("obj-m := selftest-module.o\n")
    subprocess.run(["make", "-s", "-C", headers, f"M={module}", "modules"], check=True,
                   stdout=sys.stderr)
    expect = os.path.join(directory, "expect")
    with open(expect, "w", encoding="ascii") as file:
        file.write("# This scenario writes it.\nselftest: a warning nobody declared\n"
                   "(?s)WARNING: possible circular .*\\(&selftest\\).*\n")
    return {"PROGRAM": program, "MODULE": os.path.join(module, "selftest-module.ko"),
            "EXPECT": expect}


def judge(machine, case, kver, values):
    """Run one case. Returns (good, output of machine)."""
    name, wanted, reason, arguments, options = case
    values = {**values, "KVM": f"kvm_{machine}"}
    command = [MACHINE, "--machine", machine, "--kernel", kver, "--program", values["PROGRAM"],
               "--scenario", f"vm-{name}", "--memory", "512",
               "--keep", os.path.join(BUILD, machine, name),
               *(f"--arg={word}" for word in arguments),
               *(values.get(option, option) for option in options)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    text = done.stdout.decode("utf-8", "replace")
    last = text.rstrip("\n").rsplit("\n", maxsplit=1)[-1]
    good = (last.startswith(f"# verdict: {wanted} ") and reason in text
            and done.returncode == (0 if wanted == "pass" else 1))
    return good, text


def main():
    machines = os.environ.get("MACHINE") or "both"
    machines = EMULATORS if machines == "both" else (machines,)
    for machine in machines:
        if not shutil.which(EMULATORS[machine]):
            print(f"1..0 # SKIP {EMULATORS[machine]} is not installed")
            return 0
    kver = os.environ.get("KVER") or subprocess.run(
        [SOURCES, "kver", "newest"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    step = 3 if os.environ.get("SAMPLE") else 1
    cases = [(machine, case) for machine in machines for case in CASES[::step]]
    print(f"1..{len(cases)}", flush=True)
    started, bad = time.monotonic(), 0
    os.makedirs(BUILD, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as directory:
        values = prepare(directory, kver)
        with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
            results = pool.map(lambda case: judge(*case, kver, values), cases)
            for number, ((machine, case), (good, text)) in enumerate(zip(cases, results), 1):
                print(f"{'' if good else 'not '}ok {number} - {machine}: {case[0]} is told as "
                      f"{case[1]}", flush=True)
                if not good:
                    bad += 1
                    print("".join(f"#   {line}\n" for line in text.split("\n")), end="")
    print(f"# {time.monotonic() - started:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
