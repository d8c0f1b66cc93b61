#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Claim: what multikvm changes on a host is there whole or not at all: after a failure, a full
disk, Ctrl-C, and after a kill at each single step, also of the undoing itself.

The host is a folder, dkms a script that does what the real one does to its tree (tests/dkms.t has
the real one). MULTIKVM_DIES_AT=N kills the tool instead of the N-th program that changes something.

fails when: place_paths() leaves out modules, host_lock() does not undo, same_modules() is not asked
(a module of no bytes is installed), is_current() does not look at the installed file,
write_digest() leaves out the kernel's own KVM, host_keep_lock() is not called, and process_run()
does not look for signals.
"""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import jsonschema

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "rewrite"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from tap import Tap  # noqa: E402
from host import SCHEMA, build_tool  # noqa: E402
from packaged import KERNELS, Host, differences  # noqa: E402

def each_step(tap, host, what, before, change):
    """Kill `change` at its first step, its second, ... until it is not reached."""
    kept = host.work / "kept"
    host.copy(kept)
    change()
    after = host.state()
    wrong, step, whole = [], 0, 0
    while True:
        step += 1
        shutil.rmtree(host.root)
        shutil.copytree(kept, host.root, symlinks=True)
        status, said = change(MULTIKVM_DIES_AT=step, tool=PLAIN)
        if status != -signal.SIGKILL:
            break
        for again in (2 * step % 5 + 1, 0):     # the undoing is killed as well, and done again
            host.run("doctor", tool=PLAIN, MULTIKVM_DIES_AT=again)
        state = host.state()
        whole += state == after
        if state not in (before, after):
            wrong.append(f"step {step}: {differences(before, state)} {said}")
    tap.ok(not wrong, f"{what}, killed at each of {step - 1} steps: as before, or as asked",
           *wrong[:3])
    tap.ok(step > 10 and 0 < whole < step - 10, "most of them before the end", step, whole)
    tap.ok(not status and host.state() == after, "not killed it does what it did before", status,
           *differences(after, host.state()))


def main():
    # Whoever started this in the background may have it ignored, and so would the tool.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder:
        host = Host(folder)
        empty = host.state()
        for fake, what in (("[ $verb = build ] && [ $name = kvm-x ] && exit 10 || :", "a build"),
                           ("[ $verb = install ] && [ $name = kvm-x ] && exit 6 || :",
                            "dkms install"),
                           ("[ $verb = add ] && exit 1 || :", "dkms add")):
            status, said = host.install("1.0", FAKE=fake)
            tap.ok(status == 4 and host.state() == empty,
                   f"when {what} fails nothing is left", said, *differences(empty, host.state()))
        status, said = host.install("1.0", FULL="kvm-x")
        tap.ok(status == 4, "a disk that is full at dkms install, which dkms does not notice: "
               "refused", said)
        tap.ok(host.state() == empty, "and nothing is left", *differences(empty, host.state()))
        status, said = host.install("1.0", FAKE="[ $verb = build ] && truncate -s 100 "
                                    "$src/multi-kvm-1.0/vac/vac.ko || :")
        tap.ok(status == 4 and "not whole" in said and host.state() == empty,
               "a disk that is full while it is built: refused", said)

        marker = host.work / "building"
        argv, env = host.command("install", f"{host.packages}/kvm-x-1.0", "--vac",
                                 f"{host.packages}/multi-kvm-1.0",
                                 FAKE=f"[ $verb != build ] || {{ echo >{marker}; sleep 100; }}")
        os.mkfifo(marker)
        with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True) as process:
            with open(marker, encoding="ascii") as event:
                event.read()
            began = time.monotonic()
            process.send_signal(signal.SIGINT)
            said = process.communicate(timeout=300)[0]
        took = time.monotonic() - began
        tap.ok(process.returncode == -signal.SIGINT and "stopped" in said and took < 50,
               "Ctrl-C ends a build of 100 s at once", process.returncode, said, took)
        tap.ok(host.state() == empty, "and nothing is left", *differences(empty, host.state()))

        each_step(tap, host, "install", empty, lambda **how: host.install("1.0", **how))
        first = host.state()
        tap.ok((host.root / f"lib/modules/{KERNELS[1]}/updates/dkms/kvm-x.ko").exists() and
               (host.root / "etc/udev/rules.d/65-multi-kvm.rules").exists(),
               "it is installed for all kernels, with the host's files")
        status, said = host.install("1.0")
        tap.ok(status == 0 and host.state() == first and "is installed" in said,
               "again: nothing to do", said, *differences(first, host.state()))
        for kernel in KERNELS:
            path = host.root / f"lib/modules/{kernel}/updates/dkms/kvm-x.ko"
            path.write_bytes(b"")
        status, said = host.run("doctor")
        tap.ok(status == 3 and said.count("is not what was built") == 2,
               "doctor finds modules without bytes", said)
        status, said = host.run("install")
        tap.ok(status == 0 and host.state() == first, "install makes them again", said,
               *differences(first, host.state()))
        stock = host.root / f"lib/modules/{KERNELS[0]}/kernel/arch/x86/kvm"
        stock.mkdir(parents=True)
        (stock / "kvm.ko").write_bytes(b"what it relies on")
        status, said = host.run("install")
        tap.ok(status == 0 and f"kernel {KERNELS[0]}: kvm-x 1.0 installed" in said and
               f"kernel {KERNELS[1]}: kvm-x 1.0 is installed" in said,
               "a kernel's own KVM that came after its headers: built again for it", said)
        shutil.rmtree(host.root / f"lib/modules/{KERNELS[0]}/kernel/arch")
        host.run("install")
        each_step(tap, host, "upgrade", first, lambda **how: host.install("2.0", **how))
        second = host.state()
        tap.ok((host.root / "usr/src/kvm-x-2.0").exists() and
               not (host.root / "usr/src/kvm-x-1.0").exists(), "one version of a tag at a time")
        status, said = host.install("1.0", FAKE=f"[ $verb$kernel != build{KERNELS[1]} ] || exit 10")
        tap.ok(status == 4 and host.state() == second,
               "a kernel that has the tag must not lose it: the whole is refused", said)
        (host.root / "lib/modules/6.1.0-3-amd64/build/include").mkdir(parents=True)
        third = host.state()
        status, said = host.install("1.0", FAKE="[ $verb$kernel != build6.1.0-3-amd64 ] || exit 10")
        tap.ok(status == 4 and "kernel 6.1.0-3-amd64: multi-kvm 1.0 not built" in said and
               (host.root / "usr/src/kvm-x-1.0").exists(),
               "one that never had it does not stop the others", said)
        shutil.rmtree(host.root / "lib/modules/6.1.0-3-amd64")
        host.install("2.0")
        tap.ok(host.state() == second, "and back", *differences(second, host.state()), len(third))
        each_step(tap, host, "upgrade of vac", second,
                  lambda **how: host.install("2.0", vac="1.1", **how))
        tap.ok((host.root / "usr/src/multi-kvm-1.1").exists() and
               not (host.root / "usr/src/multi-kvm-1.0").exists(), "there is one vac at a time")
        second = host.state()
        each_step(tap, host, "remove", second, lambda **how: host.run("remove", "x", **how))
        tap.ok(host.state() == empty, "after the last instance nothing is left",
               *differences(empty, host.state()))

        host.install("1.0")
        with open(host.root / "run/multikvm.lock", "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            argv, env = host.command("remove", "x")
            with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True,
                                  bufsize=1) as one:
                said = one.stdout.readline()
                tap.ok(said == "waiting for another multikvm\n", "two at once: one waits", said)
                before = host.state()
                fcntl.flock(lock, fcntl.LOCK_UN)
                one.wait()
        tap.ok(one.returncode == 0 and "usr/src/kvm-x-1.0" in before and host.state() == empty,
               "and goes on afterwards", one.returncode)

        status, said = host.install("1.0", "--json")
        document = json.loads(said)
        jsonschema.validate(document, SCHEMA)
        tap.ok(len(document["installed"]["packages"]) == 4, "--json is of the schema", said)
        # A step of a killed one is still at work: its lock holds off who would repair.
        release = host.work / "release"
        os.mkfifo(release)
        argv, env = host.command("remove", "x", FAKE=f"[ $verb != remove ] || "
                                 f"{{ kill -9 $PPID; read -r x <{release}; }}")
        status = subprocess.run(argv, env=env, check=False).returncode
        argv, env = host.command("doctor")
        with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True, bufsize=1) as one:
            said = one.stdout.readline()
            tap.ok(status == -signal.SIGKILL and said == "waiting for another multikvm\n",
                   "what a killed one started holds the lock until it ends", status, said)
            release.write_text("\n")
            said = one.stdout.read()
        tap.ok("undoing a change" in said and
               (host.root / f"lib/modules/{KERNELS[0]}/updates/dkms/kvm-x.ko").exists(),
               "then it is undone", said)
        status, said = host.run("remove", "x", "--json")
        document = json.loads(said)
        jsonschema.validate(document, SCHEMA)
        tap.ok(not status and list(document) == ["removed"], "remove --json is of the schema", said)
    tap.done()


PLAIN = build_tool("plain", "")     # sanitizers make each step, a fork, slow

if __name__ == "__main__":
    main()
