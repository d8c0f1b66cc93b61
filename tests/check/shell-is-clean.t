#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
#
# Shell passes shellcheck, runs under set -eu, and takes no kernel version from the running kernel.
# It failed when a script had an unquoted $1, when "set -eu" was missing, and when a build asked
# "uname -r".

import json
import re

from sources import ROOT, Check, files, interpreter, run, text

check = Check()
check.need("shellcheck", "shellcheck")
scripts = [path for path in files() if interpreter(path) in ("sh", "bash")]
status, out, err = run("shellcheck", "--format=json", *scripts)
try:
    found = json.loads(out)
except ValueError:
    found = []
    check.ok(False, "shellcheck runs", out, err)
check.none(f"{len(scripts)} shell scripts pass shellcheck",
           (f"{one['file']}:{one['line']}: SC{one['code']}: {one['message']}"
            f"; next: shellcheck {one['file']}" for one in found))
check.none("they stop at the first error and at an unset variable",
           (f"{path}:1: no line is 'set -eu'; next: add it below the header"
            for path in scripts if not re.search(r"^set -[a-z]*eu|^set -ue", text(path), re.M)))
check.none("no program asks for the running kernel's version",
           (f"{path}:{number}: uname -r; next: take the target kernel as an argument"
            for path in files() if not path.endswith((".md", ".t")) and (ROOT / path).stat().st_size
            for number, line in enumerate(text(path).splitlines(), 1)
            if re.search(r"uname -r\b", line) and not line.lstrip().startswith(("#", "*", "//"))))
check.done()
