#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
#
# C of user space is as clang-format and .clang-format have it.
# It failed on a line that was indented by spaces and on one of 91 columns.

import re

from sources import Check, run, user_c

check = Check()
check.need("clang-format", "clang-format")
sources = user_c()
status, out, err = run("clang-format", "--dry-run", "-Werror", *sources)
wrong = {}
for match in re.finditer(r"^(\S+?):(\d+):\d+: (?:error|warning): (.*?) \[", err, re.M):
    wrong.setdefault(match[1], match[2])
problems = [f"{path}:{line}: not formatted, the first such line; next: clang-format -i {path}"
            for path, line in wrong.items()]
check.none(f"{len(sources)} C files of user space are formatted",
           problems or ([err] if status else []))
check.done()
