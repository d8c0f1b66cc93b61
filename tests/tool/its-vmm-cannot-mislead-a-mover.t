#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Claim: whatever a VMM writes into its own memory or sockets during a move, the mover, which is
root, follows no length, index or pointer of it, and waits for no answer for ever.

move/liar.c plays both: the mover's own code, and a helper that lies.

fails when: choose_tried() of look.c goes by the list's own length, program_results() takes whole
steps, helper_order() does not look at the answer's numbers, is_whole() of record.c is left out, and
when sendmsg() to the helper may block (that case then ends by its time). Also when target_write()
finds the memory by the process and not by the file that was opened.
"""

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from host import PROCESS, Tests, build_with_mover  # noqa: E402

ANSWER = "gives an answer that no helper gives"
RECORD = "gives a record that no instance gives"
STUCK = "does not go on with the move"
CASES = {
    "the truth": "done",
    "a step of none": ANSWER,
    "a phase of none": ANSWER,
    "an old answer": STUCK,
    "an MSR of none": "MSR 0xffffffff is refused",
    "another step": "the VM: MSRs: MSR 0 is refused",
    "a long list": "8 MSRs, done",
    "a long record": RECORD,
    "a long item": RECORD,
    "a short item": RECORD,
    "an item of another kind": RECORD,
    "text without an end": "the VM uses what is not moved: " + 80 * "x",
    "text for the terminal": "the VM uses what is not moved: a",
    "a full socket": STUCK,
    "another socket": "gives a file that no helper gives",
    "another program": "has ended, or executes another program",
}


def main():
    tests = Tests()
    liar = build_with_mover("liar", [*PROCESS, "program", "record", "look", "state"])
    for lie, said in CASES.items():
        try:
            done = subprocess.run([liar, lie], text=True, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, timeout=20)
            text, status = done.stdout + done.stderr, done.returncode
        except subprocess.TimeoutExpired:
            text, status = "it waits for ever", 1
        first = (text.splitlines() or [""])[0]
        tests.ok(not status and first.endswith(said), f"{lie}: {said[:60]}", text[:2000])
    tests.done()


main()
