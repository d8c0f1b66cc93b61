#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Claim: `use`, `rollback` and `disable` may be killed at any of their system calls, or meet a full
disk there: the host then boots with the default of before or the one that was asked for, its
history is whole, and the command, typed again, does all of it.

strace kills the tool, or has the call fail with ENOSPC, at the first call that changes a file, the
second, and so on. The host is a folder, in which `disable` finds no module to load.

fails when: boot_choose() writes BLACKLIST first, boot_forget() removes DEFAULT first,
host_replace() writes the file itself, and write_whole() does not look at what fflush() and fsync()
say.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from choices import BLACKLIST, DEFAULT, HISTORY, VAC, WHOLE, Host  # noqa: E402
from host import Tests, build_tool  # noqa: E402

CHANGES = "write,fchmod,fsync,rename,unlink,mkdir"


def strace(make, words, *options):
    """(host, status, what strace and it said)"""
    host = make()
    done = subprocess.run(["strace", "-f", *options, build_tool("plain", ""), *words],
                          env={"MULTIKVM_ROOT": str(host.folder)}, stderr=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True)
    return host, done.returncode, done.stderr


def each_call(tap, make, words, again=None):
    """`again` is what completes it."""
    whole = make()
    whole.run(*words)
    calls = len(strace(make, words, "-qq", "-e", f"trace={CHANGES}")[2].splitlines())
    for how, what in (("signal=SIGKILL", "killed"), ("error=ENOSPC", "with a full disk")):
        wrong, states = [], set()
        for at in range(1, calls + 1):
            host, status, said = strace(make, words, "-o", "/dev/null", "-e",
                                        f"inject={CHANGES}:{how}:when={at}")
            state = host.state()
            states.add(state)
            because = host.wrong()
            if status == 0 and state != whole.state():
                because = because or f"it says that it is done: {state}"
            host.run(*again or words)
            # Of a disk that was full the history may not know what was before.
            parts = 4 if how.startswith("signal") else 3
            if host.state()[:parts] != whole.state()[:parts]:
                because = because or f"again: {host.state()}"
            if because:
                wrong.append(f"call {at}: {because}; it said {said!r}")
        tap.ok(not wrong, f"{words[0]}, {what} at any of its calls: a host that boots, and again "
               "does all of it", f"of {calls} calls", *wrong[:4])
        tap.ok(calls > 4 and len(states) > 2, "in more than two ways", calls, states)


def main():
    tap = Tests()
    with tempfile.TemporaryDirectory() as top:
        number = iter(range(100000))

        def never_chosen():
            folder = Path(top) / str(next(number))
            folder.mkdir()
            return Host(folder)

        def chosen():
            host = never_chosen()
            host.put(DEFAULT, "b")
            host.put(BLACKLIST, WHOLE[:-1])
            host.put(HISTORY, "1700000000 a\n1700000001 b")
            host.put(VAC, "b")
            return host

        def left():
            host = chosen()
            host.path("sys/kernel/vac").rename(host.path("gone"))
            return host

        each_call(tap, never_chosen, ["use", "b"])
        each_call(tap, chosen, ["rollback"], ["use", "a"])
        each_call(tap, left, ["disable"])
    tap.done()


if __name__ == "__main__":
    main()
