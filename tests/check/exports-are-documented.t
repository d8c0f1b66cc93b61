#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
#
# Each function that vac exports is declared in vac.h and has kernel-doc that says its context and,
# unless it is void, what it returns; each per-CPU variable has a comment; and vac exports by
# VAC_EXPORT() alone, so in its namespace.
# It failed when a comment lost "Context:", when one lost "Return:", when a declaration was taken
# out of vac.h, when the variable's comment was taken away, and on a plain EXPORT_SYMBOL_GPL().

import re
import sys

from sources import ROOT, Check, files, line_of, text

sys.path.insert(0, str(ROOT / "scripts"))

from mkvm import tokens  # noqa: E402


def problems(path, content, header):
    functions = {one.name: one for one in tokens.definitions(content)}
    for export in re.finditer(r"^(?:VAC_EXPORT|VAC_LOOKUP)\((\w+)\);", content, re.M):
        name = export[1]
        where = f"{path}:{line_of(content, export.start())}: {name}"
        if re.search(rf"\*/\nDEFINE_PER_CPU\([^,]+, {name}\);", content) and name in header:
            continue
        if name not in functions:
            yield f"{where} is defined nowhere in this file; next: export it where it is defined"
            continue
        start = functions[name].start
        comment = re.search(r"/\*\*(?:(?!\*/).)*\*/\s*$", content[:start], re.S)
        if not comment or not re.search(rf"^ \* {name}\(\) - \S", comment[0], re.M):
            yield f"{where}() has no kernel-doc; next: /** {name}() - ... above it"
            continue
        head = content[start:content.index(name, start)]
        returns = not re.search(r"\bvoid\s*$", head)
        for key in ["Context"] + ["Return"] * returns:
            if not re.search(rf"^ \* {key}:", comment[0], re.M):
                yield f"{where}() does not say '{key}:'; next: add it to its kernel-doc"
        # What is for symbol_get() only is declared by its callers.
        if name not in header and export[0].startswith("VAC_EXPORT"):
            yield f"{where} is not declared in vac/include/vac.h; next: declare it"


check = Check()
header = tokens.names(text("vac/include/vac.h"))
sources = [path for path in files() if path.startswith("vac/") and path.endswith(".c")]
exports = sum(len(re.findall(r"^VAC_EXPORT\(", text(path), re.M)) for path in sources)
check.none(f"the {exports} exports of vac are documented",
           (line for path in sources for line in problems(path, text(path), header)))
check.ok(exports > 0, "vac exports something", "vac/:1: no VAC_EXPORT() at all")
check.none("vac exports in its namespace only, instances nothing",
           (f"{path}:{token.line}: {token.text}; next: VAC_EXPORT()"
            for path in files() if path.startswith(("vac/", "kvm-core/", "kvm-x86/"))
            and path.endswith((".c", ".h")) for token in tokens.cut(text(path))
            if token.kind == "ident" and token.text.startswith("EXPORT_SYMBOL")
            and token.directive is None))
check.done()
