#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Claim: runs that are made again because of the emulator do not hide a race of ours.

Chance comes from seeded generators, so each run of this test gives the same figures; the commands
are stand-ins for the machine.

fails when: tries.py lets a scenario pass with its first good run (one that fails one run in three
is never reported), when it does not run the control (a scenario that fails as stock KVM does is
refused too often), when it takes a control that cannot run for one that fails, and when it forgets
--first-failure, or passes it to a last run.
"""

import random
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "tests/vm"))
sys.path.insert(0, str(ROOT / "tests/rewrite"))

import tries  # noqa: E402
from tap import Tap  # noqa: E402

CASES = 3000
# Takes its outcome from the first line of the file $1, and notes its words in the file $1.said.
MACHINE = """\
#!/bin/sh
echo "$2" >>"$1.said"
read -r outcome <"$1"
sed -i 1d "$1"
echo 1..1
[ "$outcome" != broken ] || exit 4
[ "$outcome" = good ] || { echo "not ok 1 - $outcome"; echo "# verdict: fail 2.0 s"; exit 1; }
echo "ok 1 - it"
echo "# verdict: pass 3.0 s"
"""


def refused(often, control_often, seen=0):
    """Of scenarios that fail so often, the share that is refused, and their number of runs; SEEN is
    1 where the first run has failed."""
    chance, failed, runs = random.Random(1), 0, 0
    for _ in range(CASES):
        first = [False] * seen

        def try_it(_, left=first):
            return left.pop() if left else chance.random() >= often

        one = tries.Tries(try_it, lambda: chance.random() >= control_often)
        failed += not one.passed()
        runs += one.runs
    return failed / CASES, runs / CASES


def program(tap, outcomes, control):
    """(status, output, the words of each run) of tries.py with such runs."""
    folder = Path(tempfile.mkdtemp(dir=tap.folder))
    machine = folder / "machine"
    machine.write_text(MACHINE)
    machine.chmod(0o755)
    for name, lines in (("runs", outcomes), ("control", control or [])):
        (folder / name).write_text("".join(f"{line}\n" for line in lines))
        (folder / f"{name}.said").write_text("")
    control_words = [] if control is None else ["--control", f"{machine} {folder}/control"]
    done = subprocess.run(
        [ROOT / "tests/vm/tries.py", *control_words, "--", machine, folder / "runs"],
        stdout=subprocess.PIPE, text=True, check=False)
    return done.returncode, done.stdout, (folder / "runs.said").read_text().splitlines()


def main():
    tap = Tap()
    share, runs = refused(0, 0)
    tap.ok((share, runs) == (0, 1), "what never fails is run once", share, runs)
    share, runs = refused(0.1, 0.1)
    tap.ok(share < 0.01 and runs < 2, "what fails one run in ten, as stock KVM does, passes",
           share, runs)
    share, _ = refused(0.25, 0.25)
    tap.ok(share < 0.05, "so does what fails one run in four, if stock KVM does", share)
    share, _ = refused(1 / 3, 0.1)
    tap.ok(share > 1 / 12, "what fails one run in three, unlike stock KVM, is refused now and then",
           share)
    share, _ = refused(1 / 3, 0.1, seen=1)
    tap.ok(share > 0.3, "and three times in ten once a run has failed", share)
    share, runs = refused(1, 0)
    tap.ok((share, runs) == (1, 4), "what always fails is refused with the fourth run", share, runs)

    status, out, words = program(tap, ["good"], [])
    tap.ok(status == 0 and words == ["--first-failure"] and "again" not in out,
           "one good run is all there is", out, words)
    status, out, words = program(tap, ["bad"] + ["good"] * 3, [])
    tap.ok(status == 0 and len(words) == 4, "three good ones make up for a bad one", out, words)
    tap.has(out, ["# failed: not ok 1 - bad\n", "\nok 1 - it\n", "# again: 3 runs, 8.0 s\n"],
            "and what had failed is told")
    status, out, words = program(tap, ["bad"] * 4, [])
    tap.ok(status == 1 and words == ["--first-failure"] * 3 + [""],
           "the run that decides is a whole one", out, words)
    turns = (["bad"] * 2 + ["good"] * 2) * 3
    status, out, _ = program(tap, turns[:10], ["good"] * 10)
    tap.ok(status == 1, "what the control does not do is the scenario's", out)
    tap.has(out, ["# 6 of 10 runs failed, and of the control 0 of 10\n", "\nnot ok 1 - bad\n"],
            "and both are counted")
    status, out, _ = program(tap, turns[:10], ["good", "bad"] * 5)
    tap.ok(status == 0, "what it does as well is the emulator's", out)
    status, out, _ = program(tap, turns[:10], ["broken"] * 10)
    tap.ok(status == 4, "a control that cannot run acquits nobody", status, out)
    status, out, words = program(tap, ["bad"] * 2 + ["good"], None)
    tap.ok(status == 0 and len(words) == 3 and "again: 2 runs" in out,
           "without a control the first good run ends it", status, out)
    status, out, words = program(tap, ["bad"] * 12, None)
    tap.ok(status == 1 and words == ["--first-failure"] * 11 + [""],
           "and the twelfth bad one, which is whole", status, out, words)
    status, out, words = program(tap, ["broken"], [])
    tap.ok(status == 4 and len(words) == 1, "what cannot run is not run again", status, out)
    tap.done()


if __name__ == "__main__":
    main()
