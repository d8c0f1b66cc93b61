#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Claim: tests/times says which tests were the slowest and how often runs were made again, and
counts no second twice: a test that calls others without theirs, and without builds in it.

fails when: sums() leaves out the time of nested runs (else is too long), or a control's running
counts as running.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "rewrite"))

from tap import ROOT, Tap  # noqa: E402


def line(seconds, tries=1, **names):
    return {"in": "", "kernel": "6.1", "machine": "amd", "tries": tries,
            "us": {what: int(1e6 * one) for what, one in seconds.items()}} | names


LINES = [
    # 10 s: 1 for a lock, 2 booting, 3 running, 1.5 again; 2.5 else.
    line({"all": 10, "cpu": 8, "waiting": 1, "booting": 2, "running": 3, "again": 1.5}, 3,
         test="first"),
    # 20 s: a build of 4 s and a run of 6 s in it; 10 else.
    line({"all": 20, "cpu": 18, "waiting": 0, "booting": 0, "running": 0, "again": 0},
         test="calls", machine=""),
    line({"all": 6, "cpu": 5, "waiting": 0, "booting": 1, "running": 5, "again": 0}, test="inner",
         **{"in": "calls"}),
    line({"all": 4, "cpu": 4}, build="kvm-a", **{"in": "calls"}),
    # Of a control only that it waited and ran again.
    line({"all": 7, "cpu": 5, "waiting": 0.5, "booting": 1, "running": 4, "again": 0},
         test="stock", **{"in": "control of first"}),
    line({"all": 30, "cpu": 25}, build="vac"),
]
SUMS = {"building": 34, "waiting": 1.5, "booting": 3, "running": 8, "again": 1.5, "else": 12}


def main():
    tap = Tap()
    file = tap.folder / "lines"
    file.write_text("".join(json.dumps(one) + "\n" for one in LINES))
    kept = tap.folder / "json"
    done = subprocess.run([ROOT / "tests/times", file, kept], stdout=subprocess.PIPE, text=True)
    found = json.loads(kept.read_text())
    tap.ok(done.returncode == 0, "it ends well")
    tap.ok(found["seconds"] == SUMS, "each second is counted once", found["seconds"], SUMS)
    tap.ok(found["again"] == 2 and "6.1/amd:first 2" in done.stdout,
           "runs that were made again are counted and named", done.stdout)
    tap.ok(done.stdout.index("6.1/calls") < done.stdout.index("6.1/amd:first"),
           "the slowest test comes first", done.stdout)
    tap.ok("inner" not in done.stdout, "one inside another is not among them", done.stdout)
    tap.ok(found["tests"] == LINES, "and all lines are kept")
    tap.done()


if __name__ == "__main__":
    main()
