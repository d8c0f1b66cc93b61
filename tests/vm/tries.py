#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Run a scenario in a machine whose emulator fails now and then by itself; say which has failed.

usage: tests/vm/tries.py [--control COMMAND] -- COMMAND...

If the first run passes, that is the result. Without a control the first run that passes is the
result, of at most 12: that such a scenario fails more often than it should, only the counts show.

With a control more runs decide (Wald's sequential test): a failure counts 3, a pass takes away 1;
at 0 the scenario has passed, at 12 it is in doubt. Then the control, which does the same under the
kernel's own KVM, makes as many runs. Only when that fails about as often (Fisher's exact test,
one-sided, 5 %), and the scenario has passed three runs, is it the emulator's fault.
So of scenarios that fail one run in ten, as stock KVM does, fewer than 1 in 100 are refused; of
those that fail one in three more than 1 in 12, and more than 3 in 10 when the first run has failed
(tests/retries-hide-no-race.t).

It prints what failed in each run and what was said beside that, then the output of the last run
that ended as the result did, and if there were several "# again: 5 runs, 71.3 s". All runs but
those that may be the last one end with their first failure (--first-failure, which COMMAND has to
know). A run without a verdict, or with another status than 0 and 1, proves nothing: it ends
everything, and nothing has passed.

exit status: that of COMMAND, 2 usage, 130 interrupted
"""

import ctypes
import re
import shlex
import signal
import subprocess
import sys
from math import comb

MOST = 12           # without a control
FAILURE, PASS, DOUBT = 3, 1, 12
SIGNIFICANT = 0.05
PASSES = 3          # the least for a claim to count as shown
NEAR = 3            # lines


def fisher(failed, runs, control_failed, control_runs):
    """How likely it is that the scenario has so many of all failures if both fail equally often."""
    both = failed + control_failed
    ways = comb(runs + control_runs, both)
    return sum(comb(runs, n) * comb(control_runs, both - n)
               for n in range(failed, min(runs, both) + 1)) / ways


class Tries:
    """try_it(whole) and control() make a run and say whether it passed."""

    def __init__(self, try_it, control):
        self.try_it, self.control = try_it, control
        self.runs = self.failed = self.control_failed = self.control_runs = 0
        self.in_doubt = False

    def passed(self):
        score = 0
        while True:
            last = score + FAILURE >= DOUBT if self.control else self.runs + 1 == MOST
            good = self.try_it(last)
            self.runs += 1
            self.failed += not good
            score += -PASS if good else FAILURE
            if not self.control:
                if good or self.runs == MOST:
                    return good
            elif score <= 0:
                return True
            elif score >= DOUBT:
                return self.acquitted()

    def acquitted(self):
        self.in_doubt = True
        if self.runs - self.failed < PASSES:
            return False
        for _ in range(self.runs):
            self.control_failed += not self.control()
            self.control_runs += 1
        return fisher(self.failed, self.runs, self.control_failed,
                      self.control_runs) > SIGNIFICANT


class Broken(Exception):
    """A run that proves nothing; its status and output."""


def end_with_parent():
    """When this process is killed its child gets SIGTERM, and stops its emulator."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)      # PR_SET_PDEATHSIG


def run(command):
    """(status, output); the child inherits the descriptor that holds the machine's lock."""
    # pylint: disable=subprocess-popen-preexec-fn
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace",
                          close_fds=False, preexec_fn=end_with_parent) as child:
        try:
            out = child.communicate()[0]
        except BaseException:
            child.terminate()       # after Ctrl-C it has had a signal already
            child.wait()
            raise
    if child.returncode not in (0, 1) or not re.search("^# verdict: ", out, re.M):
        raise Broken(child.returncode, out)
    return child.returncode, out


def told(out):
    """What failed in a run, with what was said just before and just after that."""
    lines, keep = out.splitlines(), set()
    for at, line in enumerate(lines):
        if re.match(r"not ok|# (reason|verdict):", line):
            keep.add(at)
        if re.match("not ok", line):
            keep |= {near for near in range(max(at - NEAR, 0), min(at + NEAR + 1, len(lines)))
                     if re.match("#   ", lines[near])}
    return [lines[at] for at in sorted(keep)]


class Report:
    """What the runs of a command said."""

    def __init__(self, command, control):
        self.command, self.control_command = command, control
        self.last, self.seconds, self.runs = {}, 0, 0

    def run(self, command, failed):
        status, out = run(command)
        seconds = re.findall(r"^# verdict: \S+ ([0-9.]+) s", out, re.M)
        self.seconds += float(seconds[-1]) if seconds else 0
        self.runs += 1
        for line in told(out) if status else []:
            print(f"# {failed}: {line}", flush=True)
        return status, out

    def try_it(self, whole):
        status, out = self.run(self.command + ([] if whole else ["--first-failure"]), "failed")
        self.last[status == 0] = status, out
        return status == 0

    def control(self):
        return self.run(self.control_command, "the control failed")[0] == 0


def main(arguments):
    if "--" not in arguments:
        print(__doc__, file=sys.stderr)
        return 2
    end_with_parent()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    command = arguments[arguments.index("--") + 1:]
    options = arguments[:arguments.index("--")]
    control = shlex.split(options[1]) if options[:1] == ["--control"] else None
    report = Report(command, control)
    tries = Tries(report.try_it, report.control if control else None)
    try:
        passed = tries.passed()
    except Broken as broken:
        print(broken.args[1], end="")
        print(f"# a run of {'the control' if tries.in_doubt else 'it'} ended with "
              f"status {broken.args[0]}, which is no result", flush=True)
        return broken.args[0] or 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    status, out = report.last[passed]
    if tries.control_runs:
        print(f"# {tries.failed} of {tries.runs} runs failed, and of the control "
              f"{tries.control_failed} of {tries.control_runs}")
    own = re.findall(r"^# verdict: \S+ ([0-9.]+) s", out, re.M)
    again = report.seconds - (float(own[-1]) if own else 0)
    print(out, end="")
    if report.runs > 1:
        print(f"# again: {report.runs - 1} runs, {again:.1f} s", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
