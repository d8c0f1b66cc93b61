#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Claim: releases and kernels are found by asking the archive; one that is not there is refused
with a list of those that are; series and flavours are not mixed up; what was damaged in the cache
is not used.

fails when: do_kver() does not look at the flavour (rt-amd64 is among those of the plain one), or
the error does not list (the words of the newest release are missing), or verify() in
scripts/sources accepts every file (the damaged package is unpacked), or in_series() takes any
version that begins alike (6.12 counts as 6.1).
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
COUNT = FAILED = 0


def ok(passed, claim, *evidence):
    global COUNT, FAILED
    COUNT += 1
    FAILED += not passed
    print(f"{'' if passed else 'not '}ok {COUNT} - {claim}", flush=True)
    if not passed:
        print("\n".join(f"#   {line}" for text in evidence for line in str(text).splitlines()))


def sources(*words, cache=None):
    env = os.environ | ({"MULTIKVM_CACHE": str(cache)} if cache else {})
    done = subprocess.run(["scripts/sources", *words], cwd=ROOT, env=env, text=True,
                          capture_output=True)
    return done.returncode, done.stdout.strip(), done.stderr


def main():
    _, kver, _ = sources("kver", "newest")
    _, release, _ = sources("releases", "newest")
    status, out, err = sources("list", "--json")
    ok(status == 0 and json.loads(out), "the list is JSON where it is asked for", err)
    ok(kver in out and release in out, "and names the newest kernel and release", out)
    for verb, wrong, known in (("source", "6.1.9999", release),
                               ("image", "6.1.0-9999-amd64", kver),
                               ("headers", "6.1.0-9999-amd64", kver)):
        status, out, err = sources(verb, wrong)
        ok(status == 2 and not out, f"{verb} {wrong} is not found", f"status {status}", out)
        ok(wrong in err and known in err, f"the error of {verb} lists what there is", err)
    for series in sources("series")[1].split():
        _, kver_there, err = sources("kver", "oldest", "--series", series)
        _, release_there, more = sources("releases", "oldest", "--kernel", kver_there)
        ok(sources("series", kver_there)[1] == sources("series", release_there)[1] == series,
           f"the oldest kernel of {series} is of that series, and so is its oldest release",
           kver_there, release_there, err, more)
        for flavour in ("cloud-amd64", "rt-amd64"):
            status, out, err = sources("kver", "newest", "--series", series, "--flavour", flavour)
            ok(status == 0 and out.endswith(f"-{flavour}") and sources("series", out)[1] == series,
               f"{series} has kernels of the flavour {flavour}", out, err)
    status, out, err = sources("kver", "all")
    ok(out and not re.search("-(cloud|rt)-", out), "who names no flavour gets the plain one", out)
    status, out, err = sources("headers", kver.replace("-amd64", "-none-amd64"))
    ok(status == 2 and "-none-amd64" in err and "rt-amd64" in err,
       "a flavour that nobody has is named, with those that there are", err)
    status, out, err = sources("kver", "newest", "--flavour", "none-amd64")
    ok(status == 2 and "none-amd64" in err and "6.1" in err,
       "and so is one that a series lacks", err)
    status, out, err = sources("kver", "newest", "--series", "6.11")
    ok(status == 2 and not out and "6.12" in err, "another series is not found", err)
    with tempfile.TemporaryDirectory(prefix="sources-test.") as cache:
        status, place, err = sources("headers", kver, cache=cache)
        ok(status == 0 and (Path(place) / "Makefile").exists(),
           "headers come into a new cache", err)
        debs = sorted((one for one in Path(cache).rglob("*.deb") if one.stat().st_size),
                      key=lambda one: one.stat().st_size)
        subprocess.run(["rm", "-rf", Path(cache) / "headers"], check=True)
        damaged = debs[0]
        content = bytearray(damaged.read_bytes())
        content[len(content) // 2] ^= 0xff
        damaged.write_bytes(content)
        status, place, err = sources("headers", kver, cache=cache)
        ok(status == 0 and damaged.read_bytes() != bytes(content),
           "a damaged package is fetched again, not unpacked", damaged.name, err)
    print(f"1..{COUNT}")
    return bool(FAILED)


if __name__ == "__main__":
    sys.exit(main())
