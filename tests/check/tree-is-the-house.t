#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
#
# The top level holds only what is listed here, each file says its licence, and no file looks like
# kernel source from elsewhere.
# It failed on a new folder at the top, on a file without SPDX line, on one with another licence,
# and on a file that began with the copyright lines of the kernel's kvm_main.c.

import re

from sources import Check, files, text

TOP = {"dkms.conf", "Makefile", "README.md", "COPYING", "vac", "kvm-core", "kvm-x86", "scripts",
       "tests"}
# Texts for people, the licence, and what a tool wrote as a whole.
NO_LICENCE = re.compile(
    r"(^|/)(COPYING|README|[^/]*\.md|\.git(ignore|attributes)|[^/]*\.(abi|symvers))$")
LICENCE = "SPDX-License-Identifier: GPL-2.0-only"
# In pieces, so that this file has none of them.
FOREIGN = re.compile("|".join((
    "Qum" "ranet", "Avi " "Kivity", "Yaniv " "Kamay",
    r"Red Hat, Inc\. and/or its " "affiliates",
    r"Copy" r"right .*(Intel|Google|AMD|Advanced Micro)")))

check = Check()
check.none("the top level holds what the layout knows",
           (f"{name}:1: no part of the layout; next: move it into one of {' '.join(sorted(TOP))}"
            for name in sorted({path.split("/")[0] for path in files()})
            if name not in TOP and not name.startswith(".")))
check.none("each file says its licence in the first three lines",
           (f"{path}:1: no '{LICENCE}'; next: add it"
            for path in files() if not NO_LICENCE.search(path)
            and not any(re.search(re.escape(LICENCE) + r"( \*/| -->|\x22,)?\s*$", line)
                        for line in text(path).splitlines()[:3])))
check.none("no file carries the copyright of the kernel's authors",
           (f"{path}:{number}: {line.strip()[:60]}; next: take it out, the tree holds what we wrote"
            for path in files() for number, line in enumerate(text(path).splitlines(), 1)
            if FOREIGN.search(line)))
check.done()
