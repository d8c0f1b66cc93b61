#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
# test-all
"""Claim: what a move does to a process is not noticed by its threads, and whoever moves it may be
killed at any instant: they go on exactly as they were.

move/victim.c is a process that notices, move/rehearse.c does all of a move but what concerns KVM.
Both need root.

fails when: a thread gets its registers back without rax or its flags, PTRACE_SETSIGMASK is left
out, the park code starts ppoll() again after a handler, the kernel's way back two bytes is not
used in entry.S, threads that are made meanwhile are not traced (PTRACE_O_TRACECLONE), the filters
stay (PTRACE_O_SUSPEND_SECCOMP), when the helper does not look for the end of its socket, and when
helper_switch() gives up after some seconds. Also when the helper is known by what clone() returned,
a helper that is left by the number in its memory alone, or if that number is not noted by clone()
itself (CLONE_PARENT_SETTID), when leave_sequences() is left out, and when thread_seize() turns off
the filters of threads that execute code of their own.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from host import PROCESS, ROOT, Tests, build_tool, build_with_mover  # noqa: E402


def build():
    """rehearse and victim, beside the tool, for which the parasite is built."""
    out = build_tool().parent
    subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-g", "-O2", "-pthread",
                    "-o", out / "victim", ROOT / "tests/tool/move/victim.c"], check=True)
    build_with_mover("rehearse", [*PROCESS, "restore", "cave", "inject", "park", "leftovers"])
    return out


class Victim:
    """The process, and what it says."""

    def __init__(self, out, *words):
        inside = "namespace" in words
        words = [word for word in words if word != "namespace"]
        enter = ["unshare", "--pid", "--fork", "--kill-child"] if inside else []
        self.program = subprocess.Popen([*enter, out / "victim", *words], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.rehearse = out / "rehearse"
        self.said = self.program.stdout.readline().strip()
        self.pid = self.program.pid
        if inside:
            self.pid = int(subprocess.check_output(["pgrep", "-P", str(self.pid)]))

    def goes_on(self):
        """That all of its threads have done something since, each as it should."""
        try:
            self.program.stdin.write("\n")
            self.program.stdin.flush()
            self.said = self.program.stdout.readline().strip()
        except BrokenPipeError:
            self.said = "died"
        return self.said.startswith("ok")

    def move(self, mode="switch", at=0):
        done = subprocess.run([self.rehearse, str(self.pid), mode], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=os.environ | ({"MULTIKVM_KILL_AT": str(at)} if at else {}))
        return done.returncode, done.stdout + done.stderr

    def has(self):
        """Its files, and its memory that no file is behind and that may be executed."""
        proc = Path(f"/proc/{self.pid}")
        maps = proc.joinpath("maps").read_text().splitlines()
        return (len(os.listdir(proc / "fd")),
                sum("r-xp" in line and line.split()[4] == "0" for line in maps))

    def end(self):
        self.program.kill()
        self.program.wait()


def moved(tests, out, *words):
    victim, kind = Victim(out, *words), " ".join(words) or "a process"
    before = victim.has()
    for mode, said in (("switch", "phase 2, step -1"), ("fail", "phase 3, step 4, back -1"),
                       ("late", "phase 3, step 4, back -1")):
        for _ in range(5):
            status, text = victim.move(mode)
            if status or said not in text:
                break
        tests.ok(not status and said in text, f"{kind}: {mode}", text)
    tests.ok(victim.goes_on(), f"{kind}: its threads go on", victim.said)
    tests.same(victim.said, "ok 0", f"{kind}: no call ended early")
    tests.same(victim.has(), before, f"{kind}: nothing is left in it")
    victim.end()
    return text


def states(victim):
    """Of its threads, one letter each: t is a stop for a tracer, T one by a signal."""
    stats = (task.joinpath("stat").read_text() for task in
             Path(f"/proc/{victim.pid}/task").iterdir())
    return "".join(sorted(stat.rpartition(")")[2].split()[0] for stat in stats))


def stopped(tests, out, *words):
    """The helper, with the process, in the middle of a switch of 3 seconds."""
    victim, kind = Victim(out, *words), " ".join(words) or "a process"
    mover = subprocess.Popen([victim.rehearse, str(victim.pid), "slow"], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    time.sleep(1.5)
    os.kill(victim.pid, signal.SIGSTOP)
    time.sleep(6)
    seen = states(victim)
    os.kill(victim.pid, signal.SIGCONT)
    said = mover.communicate()[0]
    tests.ok(seen.count("t") >= len(seen) - 1 > 5, f"{kind}: while its helper is stopped, threads"
             " stand", seen, said)
    tests.ok("phase 2, step -1" in said, f"{kind}: the helper ends what it began", said)
    tests.ok(victim.goes_on(), f"{kind}: its threads go on", victim.said)
    victim.end()


def killed(tests, out, text):
    """At each instant. The number differs by a few with each run: threads come and go."""
    last = int(text.split()[-2])
    victim, before, wrong, kills = Victim(out), None, [], 0
    before = victim.has()
    for at in range(1, last + 1):
        status, text = victim.move(at=at)
        kills += status == -signal.SIGKILL
        if not victim.goes_on():
            wrong.append(f"killed at {at} of {last}: {victim.said}, {text}")
            victim.end()
            victim = Victim(out)
    tests.ok(not wrong and kills > last / 2, f"killed at each of {last} instants, threads go on",
             f"{kills} kills", *wrong[:20])
    # Threads that were parked have a second to leave, then the helper goes.
    time.sleep(2)
    files, maps = (now - then for now, then in zip(victim.has(), before))
    tests.ok(files < last / 8 and maps < last / 4, "most of these leave nothing",
             f"{files} files and {maps} maps of {kills} kills")
    status, text = victim.move()
    tests.ok(not status, "then it can be moved", text)
    victim.end()


def left_in_namespace(tests, out, text):
    """A helper, whose number there is another one than here."""
    victim = Victim(out, "namespace", "seccomp")
    before = victim.has()
    victim.move(at=int(text.split()[0]) + 1)
    left = victim.has()
    status, said = victim.move()
    tests.ok(left != before and not status, "in a PID namespace, a helper is left: it can be moved",
             left, said)
    tests.same(victim.has()[0], before[0], "and no file of it is left")
    victim.end()


def forged(tests, out):
    """The number of a thread of another process, in the VMM's memory."""
    other = subprocess.Popen(["sleep", "1000"])
    victim = Victim(out, "forge", str(other.pid))
    mover = subprocess.Popen([victim.rehearse, str(victim.pid), "slow"], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    time.sleep(1.5)
    traced = [line for line in Path(f"/proc/{other.pid}/status").read_text().splitlines()
              if line.startswith("TracerPid:")]
    said = mover.communicate()[0]
    tests.ok(traced == ["TracerPid:\t0"] and "phase 2" in said,
             "a process that names another's thread is moved, the other is left alone",
             *traced, said)
    victim.end()
    other.kill()
    other.wait()


def in_sequence(tests, out):
    """One of its threads stays in a restartable sequence, and can stand only at its beginning."""
    victim = Victim(out, "sequence")
    status, said = victim.move()
    tests.ok("phase 2" in said, "with a thread that stays in a restartable sequence it is moved",
             said)
    last = int(said.split()[-2])
    for at in range(last - 100, last, 4):
        victim.move(at=at)
        if not victim.goes_on():
            break
    tests.ok(victim.said.startswith("ok"), "killed in the pause, the sequence begins again",
             f"killed at {at} of {last}", victim.said)
    victim.end()


def killed_with_filters(tests, out, text):
    """While threads are looked at, before any code is put into it, or while the helper waits for
    orders: that is left, and ends with the next move. In between the filter kills the VMM."""
    first, wrong = int(text.split()[0]), []
    victim = Victim(out, "seccomp")
    before = victim.has()
    for at in range(1, first // 2 - 8, 3):
        status, said = victim.move(at=at)
        if not victim.goes_on():
            wrong.append(f"killed at {at} of {first}: {victim.said}, {status}, {said}")
            victim.end()
            victim = Victim(out, "seccomp")
    tests.ok(not wrong, f"with filters, killed while it is looked at, {first // 6} times, it goes"
             " on", *wrong[:20])
    tests.same(victim.has(), before, "and nothing is left")
    wrong = []
    for at in range(first + 1, first + 40, 4):
        victim.move(at=at)
        left = victim.has()
        status, said = victim.move()
        if left == before or status or victim.has()[0] != before[0] or not victim.goes_on():
            wrong.append(f"killed at {at}: {left}, {victim.has()}, {victim.said}, {said}")
            break
    tests.ok(not wrong, "killed while its helper waits, it goes on, and can be moved", *wrong)
    victim.end()


def main():
    tests = Tests()
    if os.geteuid():
        tests.skip_all("only root may trace others")
    out = build()
    text = moved(tests, out)
    filtered = moved(tests, out, "seccomp")
    moved(tests, out, "namespace")
    inside = moved(tests, out, "namespace", "seccomp")
    stopped(tests, out)
    stopped(tests, out, "seccomp")
    left_in_namespace(tests, out, inside)
    forged(tests, out)
    in_sequence(tests, out)
    killed_with_filters(tests, out, filtered)
    killed(tests, out, text)
    tests.done()


main()
