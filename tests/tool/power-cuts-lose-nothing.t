#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Claim: after a power cut at any step of install, upgrade, remove, use, rollback and disable the
host is as it was before or as asked, once somebody has typed any command of multikvm; and what a
command has done stays done, the undoing as well.

The host has two disks (disks.py), one of them for /var. The tool is killed at its first step, its
second, and so on, and then power is cut: one disk has what was synced, the other its whole journal.

fails when: transaction_begin() does not sync the name of what it keeps; forget() does not sync the
host, or not that the undoing is gone; write_whole() does not call fsync(); host_replace() and
host_remove() do not call sync_folder(). What it cannot show: of two files that nobody synced, these
disks never have the one without the other.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import choices  # noqa: E402
import packaged  # noqa: E402
from disks import JOURNAL, LOST, Disks, missing  # noqa: E402
from host import Tests, build_tool  # noqa: E402
from packaged import differences  # noqa: E402

# Of "/" and /var: what was begun is known and what was changed is not, and the other way round.
WAYS = {(JOURNAL, LOST): "/var has only what was synced", (LOST, JOURNAL): "only /var has the rest"}
CALLS = "openat,write,fchmod,fsync,rename,unlink,mkdir,close"
# The real one, of these disks alone.
packaged.FAKES["sync"] = """
[ $# -gt 0 ] || set -- -f "$MULTIKVM_ROOT" "$MULTIKVM_ROOT/var"
exec /bin/sync "$@" """


class Machine:
    """A host's folder on two disks."""

    def __init__(self, top, root, host):
        self.disks = Disks(top / "disks", root, "var")
        self.host = host()
        self.root = root

    def boot(self, kinds):
        self.disks.cut(kinds)
        shutil.rmtree(self.root / "run")
        (self.root / "run").mkdir()


def each_step(tap, machine, what, change):
    host = machine.host
    before = host.state()
    machine.disks.keep()
    change()
    after = host.state()
    wrong, step, ended, states = [], 0, False, {True: 0, False: 0}
    while not ended:
        step += 1
        for kinds, name in WAYS.items():
            machine.disks.again()
            status, said = change(MULTIKVM_DIES_AT=step, tool=PLAIN)
            ended = status != -signal.SIGKILL
            machine.boot(kinds)
            if not ended:
                said += host.run("doctor", tool=PLAIN)[1]
                machine.boot(kinds)
            again = host.run("doctor", tool=PLAIN)[1]   # removes what is of no use any more
            state = host.state()
            states[state == after] += 1
            if state not in ((after,) if ended else (before, after)) or "undoing" in again:
                wrong.append(f"step {step}, {name}: {differences(before, state)} "
                             f"{differences(after, state)} {said} {again}")
    tap.ok(not wrong, f"{what}, a power cut at each of {step - 1} steps: as before, or as asked",
           *wrong[:3])
    tap.ok(step > 10 and states[True] > 2 and states[False] > 10, "both happens", step, states)


def each_call(tap, machine, words):
    host, command = machine.host, ["strace", "-f", "-o", "/dev/null"]
    before = host.state()[1:]
    machine.disks.keep()
    host.run(*words)
    after = host.state()[1:]
    wrong, call, ended, states = [], 0, False, set()
    while not ended:
        call += 1
        for kinds, name in WAYS.items():
            machine.disks.again()
            kill = f"inject={CALLS}:signal=SIGKILL:when={call}"
            done = subprocess.run([*command, "-e", kill, "-e", f"trace={CALLS}", PLAIN, *words],
                                  env={"MULTIKVM_ROOT": str(machine.root)}, text=True,
                                  capture_output=True, check=False)
            ended = done.returncode == 0
            machine.boot(kinds)
            states.add(host.state()[1:])
            because = host.wrong()
            if ended and host.state()[1:] != after:
                because = because or f"it was done: {host.state()[1:]}"
            if because:
                wrong.append(f"call {call}, {name}: {because} {done.stderr}")
    tap.ok(not wrong, f"{words[0]}, a power cut at each of {call - 1} calls: a host that boots",
           *wrong[:3])
    tap.ok(call > 10 and {before, after} <= states, "as before, or as asked", call, *states)


def main():
    tap = Tests()
    why = missing()
    if why:
        tap.skip_all(why)
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        machine = Machine(top, top / "root", lambda: packaged.Host(top))
        host = machine.host
        each_step(tap, machine, "install", lambda **how: host.install("1.0", **how))
        each_step(tap, machine, "upgrade", lambda **how: host.install("2.0", vac="1.1", **how))
        each_step(tap, machine, "remove", lambda **how: host.run("remove", "x", **how))
        machine.disks.end()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        machine = Machine(Path(folder), root, lambda: choices.Host(root))
        each_call(tap, machine, ["use", "b"])
        machine.host.run("use", "a")
        each_call(tap, machine, ["rollback"])
        machine.host.path("sys/kernel/vac").rename(machine.host.path("gone"))
        each_call(tap, machine, ["disable"])
        machine.disks.end()
    tap.done()


PLAIN = build_tool("plain", "")     # sanitizers make each step, a fork, slow

if __name__ == "__main__":
    main()
