#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""Claim: for each mediation some scenario fails when it is missing.

A mutant is vac with one defect, tests/mutants/<name>.mutant: which file, what instead of what, and
the scenario that must fail on it; or multikvm with one, when its file is in scripts/multikvm. The
instances are the ones that every scenario uses. A naive
instance, tests/mutants/<name>.naive, is a or b or both, built without some rules; or those that
"tags:" names, in the folder "folder:" of tests/modules and with "patch:". Each says with
"machine: amd", "intel" or "amd intel" where that is tried (no such line: amd), and with
"series: 6.12" that only this series has what the claim is about. "kernel: debug" is a mutant that
only a debug kernel notices (tests/debug); on those no other is tried. With SAMPLE=1, as in make
test, the first mutant (no naive instance: those take longest to build) of every third scenario of
make test and machine is tried, else all.

usage: scenarios-notice-mutants.t [NAME]...     MACHINE=amd or MACHINE=intel chooses one

"runs: 1 in 3" is a defect that shows in one run of three. Then the scenario is run as in make test,
where its failures are judged against the stock KVM (tests/vm/tries.py), until it is refused, sixty
times at most: one that is refused one time in twelve is missed by less than one such test in 100.

On the AMD machine, whose emulator fails now and then by itself, two runs have to agree.

fails when: a mutant's edit changes nothing (its "+" lines the same as its "-" lines), and when the
machine never came to init: that proves nothing about the mutant.
"""

import fcntl
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.dont_write_bytecode = True
sys.path.insert(0, str(ROOT / "scripts"))

from mkvm import edit, failure, tree  # noqa: E402


TOOL = "scripts/multikvm/"


class Mutant:
    def __init__(self, path):
        self.name = path.stem
        self.text = path.read_text()
        self.head = dict(re.findall(r"^// (\w+): (.*)$", self.text, re.M))
        self.machines = self.head.get("machine", "amd").split()
        self.tool = None
        self.on_debug = self.head.get("kernel") == "debug"
        self.sometimes = "runs" in self.head
        self.of_tool = self.head.get("file", "").startswith(TOOL)
        self.scenario = f"tests/vm/scenarios/{self.head['scenario']}.c"
        if not set(self.machines) <= {"amd", "intel"}:
            raise self.refuse(f"there is no machine {self.head['machine']}")

    def refuse(self, why):
        return failure.Refused(f"mutant {self.name}: {why}")

    def is_long(self, machine):
        """Its scenario is one of make test-all on that machine, and not of make test."""
        return re.search(rf"^ \* test-all:.* {machine}\b", (ROOT / self.scenario).read_text(), re.M)

    def kernel(self, kver):
        """KVER, or the newest of the series whose KVM or kernel the claim is about."""
        series = self.head.get("series")
        if not series or kver.startswith(series + "."):
            return kver
        return subprocess.run([ROOT / "scripts/sources", "kver", "newest", "--series", series],
                              check=True, stdout=subprocess.PIPE, text=True).stdout.strip()

    def modules(self, machine, kver):
        """A folder of modules like that of all scenarios, except for those with the defect."""
        ours = ROOT / "build/test" / kver
        place = ROOT / "build/test/mutants" / machine / self.name / kver
        place.mkdir(parents=True, exist_ok=True)
        make_it = self.naive if "without" in self.head else \
            self.mutated_tool if self.of_tool else self.mutated
        made = make_it(kver, ours, place)
        for module in ours.rglob("*.ko"):
            mine = place / module.relative_to(ours)
            if mine not in made:
                mine.parent.mkdir(exist_ok=True)
                mine.unlink(missing_ok=True)
                mine.symlink_to(module)
        return place

    def mutated(self, kver, ours, place):
        module = self.head.get("of", "vac")
        files = tree.read(ROOT / "vac" if module == "vac" else ROOT / "build/test" / module)
        name = self.head["file"]
        files[name], hits = edit.apply(self, files[name])
        if hits != len(edit.parse(self)):
            raise self.refuse(f"its edits hit {hits} times in {name}")
        source = place.parent / "vac"
        if not source.is_dir() or tree.read(source) != files:
            tree.replace(source, files)
        (place / f"{module}.ko").unlink(missing_ok=True)
        build("vac", "--kernel", kver, "--source", source, "--out", place / f"{module}.ko")
        # Else the loader refuses the instances, and any scenario would notice that.
        if crcs(place / f"{module}.symvers") != crcs(ours / f"{module}.symvers"):
            raise self.refuse("it changes the CRCs of vac's exports; are the modules current?")
        return [place / f"{module}.ko"]

    def mutated_tool(self, _kver, _ours, place):
        files = tree.read(ROOT / TOOL)
        name = self.head["file"].removeprefix(TOOL)
        files[name], hits = edit.apply(self, files[name])
        if hits != len(edit.parse(self)):
            raise self.refuse(f"its edits hit {hits} times in {name}")
        copy = place.parent / "tree"
        for path in ("scripts/host", "kvm-core", "vac"):    # what its Makefile looks for
            (copy / path).parent.mkdir(parents=True, exist_ok=True)
            if not (copy / path).exists():
                (copy / path).symlink_to(ROOT / path)
        if not (copy / TOOL).is_dir() or tree.read(copy / TOOL) != files:
            tree.replace(copy / TOOL, files)
        subprocess.run(["nice", "-n", "5", "make", "-s", "-C", copy / TOOL, f"OUT={place.parent}",
                        "CFLAGS=-O2 -g -DFOR_TESTS", f"SCRIPTS={ROOT}/scripts"], check=True,
                       stdout=subprocess.DEVNULL)
        self.tool = place.parent / "multikvm"
        return []

    def naive(self, kver, ours, place):
        without = [word for rule in self.head["without"].split() for word in ("--without", rule)]
        patch = [word for name in self.head.get("patch", "").split()
                 for word in ("--patch", ROOT / name)]
        made = []
        for tag in self.head.get("tags", "a b").split():
            made.append(place / self.head.get("folder", "") / f"kvm-{tag}.ko")
            made[-1].parent.mkdir(exist_ok=True)
            made[-1].unlink(missing_ok=True)
            build("instance", "--kernel", kver, "--tag", tag,
                  "--from", "newest" if tag.endswith("a") else "oldest",
                  "--vac", ours / "vac.ko", "--out", made[-1], *patch, *without)
        return made


def crcs(symvers):
    return {tuple(line.split("\t")[:2]) for line in symvers.read_text().splitlines()}


def build(*arguments):
    # The machine that runs meanwhile comes first.
    subprocess.run(["nice", "-n", "5", ROOT / "scripts/build", *arguments], check=True,
                   stdout=subprocess.DEVNULL)


def make(mutant, machine, kver):
    if not (ROOT / mutant.scenario).exists():
        raise mutant.refuse(f"there is no {mutant.scenario}")
    if kver in os.environ.get("MAKING", "").split():
        with open(ROOT / f"build/test/{kver}.lock", "w") as lock:   # until tests/run has made them
            fcntl.flock(lock, fcntl.LOCK_SH)
        if not (ROOT / f"build/test/{kver}/whole").exists():
            raise mutant.refuse(f"the modules for {kver} could not be made")
    elif kver != os.environ["KVER"]:
        subprocess.run([ROOT / "tests/modules"], env=os.environ | {"KVER": kver}, check=True,
                       stdout=subprocess.DEVNULL)
    return mutant.modules(machine, kver)


def run(mutant, machine, kver, modules, once=True):
    """How the scenario failed, or None if it noticed nothing."""
    done = subprocess.run(
        [ROOT / "tests/one", f"{machine}:{mutant.scenario}", "--first-failure",
         "--keep", ROOT / "build/vm" / kver / machine / f"mutant-{mutant.name}"],
        env=os.environ | {"MODULES": str(modules), "KVER": kver, "ONCE": "1" if once else "",
                          "MULTIKVM": str(mutant.tool or "")},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if not done.returncode:
        return None
    wrong = re.findall(r"^not ok \d+ - (.*)", done.stdout, re.M)
    reason = re.findall(r"^# reason: (.*)", done.stdout, re.M)
    verdict = re.findall(r"^# verdict: (\S+) .*, init after", done.stdout, re.M)
    if not verdict or verdict[0] == "died":     # the machine's fault, or unknown
        raise failure.System(f"no verdict:\n{done.stdout[-2000:]}")
    return f"{verdict[0]}: {(wrong + reason + ['?'])[0]}"


def told(mutant, machine, kver, modules):
    """The same; where the emulator fails now and then by itself, of two runs."""
    if mutant.sometimes:
        every = (run(mutant, machine, kver, modules, once=False) for _ in range(60))
        return next(filter(None, every), None)
    if machine != "amd":
        return run(mutant, machine, kver, modules)
    noticed, passed, broken = [], 0, None
    for _ in range(5):
        try:
            said = run(mutant, machine, kver, modules)
        except failure.System as error:
            broken = error
            continue
        if said:
            noticed.append(said)
        else:
            passed += 1
        if len(noticed) == 2 or passed == 2:
            return noticed[0] if len(noticed) == 2 else None
    raise broken


def main(names):
    kver = os.environ["KVER"]
    mutants = [Mutant(path) for path in sorted(Path(__file__).parent.iterdir())
               if path.suffix in (".mutant", ".naive") and (not names or path.stem in names)]
    mutants = [one for one in mutants if one.on_debug == ("-debug-" in kver)]
    if lacking := set(names) - {one.name for one in mutants}:
        sys.exit(f"scenarios-notice-mutants: there is no mutant for {kver} that is called "
                 f"{' or '.join(sorted(lacking))}")
    wanted = os.environ.get("MACHINE", "both")
    jobs = [(one, machine, one.kernel(kver)) for one in mutants for machine in one.machines
            if wanted in (machine, "both")]
    if os.environ.get("SAMPLE") and not names:
        first = {}
        for job in jobs:
            if "without" in job[0].head or job[0].sometimes or job[0].is_long(job[1]):
                continue
            first.setdefault((job[0].scenario, job[1]), job)
        jobs = list(first.values())[::3]
    if not jobs:
        print(f"1..0 # SKIP there is no mutant for {kver} on that machine")
        return False
    print(f"1..{len(jobs)}", flush=True)
    failed = 0
    with ThreadPoolExecutor(1) as builder:      # it goes ahead of the machine
        for number, (mutant, machine, kver, modules) in enumerate(
                [(*one, builder.submit(make, *one)) for one in jobs], 1):
            try:
                said = told(mutant, machine, kver, modules.result())
                why = ""
            except Exception as error:
                said, why = None, str(error)
            failed += said is None
            print(f"{'ok' if said else 'not ok'} {number} - {mutant.name} is noticed by "
                  f"{mutant.head['scenario']}, {machine}", flush=True)
            print("# " + (said or why or "the scenario passed").replace("\n", "\n# "),
                  flush=True)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
