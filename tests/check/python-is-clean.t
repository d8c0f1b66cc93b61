#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
#
# Python compiles, without a warning, keeps to 100 columns and leaves no __pycache__ behind.
# It failed on a syntax error, on an invalid escape sequence, on a line of 101 columns, on a
# program that imports ours without -B or sys.dont_write_bytecode, and on a __pycache__.

import ast
import re
import warnings

from sources import ROOT, Check, files, interpreter, text

WIDTH = 100


def writes_bytecode(program):
    """Whether it imports one of our modules before it switches bytecode off."""
    ours = re.search(r"^\s*from (mkvm|tap|sources|machine_\w+)\b.* import|^import (mkvm|tap)\b",
                     program, re.M)
    says = re.search(r"^sys\.dont_write_bytecode = True", program, re.M)
    return bool(ours) and (not says or says.start() > ours.start())


check = Check()
programs = [path for path in files()
            if path.endswith(".py") or interpreter(path).startswith("python3")]
wrong = []
warnings.simplefilter("error")
for path in programs:
    try:
        ast.parse(text(path), path)
        compile(text(path), path, "exec", dont_inherit=True)
    except (SyntaxError, Warning) as error:
        wrong.append(f"{path}:{getattr(error, 'lineno', 1)}: {error}")
check.none(f"{len(programs)} Python files compile", wrong)
check.none(f"their lines have at most {WIDTH} columns",
           (f"{path}:{number}: {len(line)} columns; next: break it"
            for path in programs for number, line in enumerate(text(path).splitlines(), 1)
            if len(line) > WIDTH))
check.none("programs that import ours write no bytecode",
           (f"{path}:1: it imports modules of ours; next: '#!/usr/bin/python3 -B', or "
            "sys.dont_write_bytecode = True before that" for path in programs
            if interpreter(path) == "python3" and writes_bytecode(text(path))))
check.none("there is no __pycache__ among the sources",
           (f"{path.relative_to(ROOT)}:1: bytecode; next: find who imports without "
            "-B or sys.dont_write_bytecode, then rm -r it"
            for part in ("scripts", "tests", "kvm-core", "kvm-x86", "vac")
            for path in (ROOT / part).rglob("__pycache__")))
check.done()
