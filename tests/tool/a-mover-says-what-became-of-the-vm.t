#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Claim: a mover says what became of the VM: it was moved even if something fails after that, and
else why not. It lets it stand for some pauses only, with rests between them.

move/verdict.c is the mover's guard and its pause with all else made up.

fails when: do_job() does not look at move->switched, switch_over() counts a try that it does not
make, and when too_busy() takes a vCPU for busy that is not. Also when ask() waits longer than the
pause, and when rest() does not add up how long the VM has stood, or rests for some ms only.
"""

import re
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from host import Tests, build_with_mover  # noqa: E402

CASES = {
    "all is well": "0, 1 tries: ",
    "a thread ends after the switch": "0, 1 tries: a thread has ended",
    "the helper does not end": "0, 1 tries: the helper does not end",
    "back": "3, 1 tries: the VM: KVM_GET_CLOCK: Invalid argument",
    "a thread ends after the way back": "2, 1 tries: a thread has ended",
    "abandoned once": "0, 2 tries: ",
    "busy": "3, 10 tries: vCPU 0 is not ready to be moved: it runs a guest of the guest, with"
            " rests",
    "the helper gets no CPU": "3, 10 tries: process PID does not stand still in 100 ms, with rests",
    "abandoned": "3, 20 tries: process PID does not stand still in 100 ms",
    "abandoned without vCPUs": "3, 20 tries: process PID does not stand still in 100 ms",
}


def main():
    tests = Tests()
    verdict = build_with_mover("verdict", ["target", "guard", "switch", "program"])
    for case, said in CASES.items():
        program = subprocess.Popen([verdict, case], text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT)
        text = program.communicate()[0]
        said = said.replace("PID", str(program.pid))
        # On a busy machine a pause is longer, and there are fewer.
        text = re.sub("(?<=, )[6-9](?= tries)", "10", text)
        tests.same(text, said + "\n", f"{case}: {said.partition(':')[0]}")
    tests.done()


main()
