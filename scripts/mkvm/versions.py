# SPDX-License-Identifier: GPL-2.0-only
"""The order of Debian's versions, and which are of a series."""

import functools
import re


def _order(char):
    return -1 if char == "~" else ord(char) if char.isalpha() else ord(char) + 256


def _compare_part(a, b):
    while a or b:
        text_a, text_b = re.match(r"\D*", a)[0], re.match(r"\D*", b)[0]
        a, b = a[len(text_a):], b[len(text_b):]
        for i in range(max(len(text_a), len(text_b))):
            x = _order(text_a[i]) if i < len(text_a) else 0
            y = _order(text_b[i]) if i < len(text_b) else 0
            if x != y:
                return -1 if x < y else 1
        num_a, num_b = re.match(r"\d*", a)[0], re.match(r"\d*", b)[0]
        a, b = a[len(num_a):], b[len(num_b):]
        if int(num_a or 0) != int(num_b or 0):
            return -1 if int(num_a or 0) < int(num_b or 0) else 1
    return 0


def compare(a, b):
    """dpkg's order of two versions (deb-version(7)): negative, 0 or positive."""
    def split(version):
        epoch, colon, rest = version.rpartition(":")
        upstream, _, revision = rest.rpartition("-") if "-" in rest else (rest, "", "")
        return epoch if colon else "0", upstream, revision
    for part_a, part_b in zip(split(a), split(b)):
        result = _compare_part(part_a, part_b)
        if result:
            return result
    return 0


version_key = functools.cmp_to_key(compare)


def newest_first(things, version=lambda thing: thing):
    return sorted(things, key=lambda thing: version_key(version(thing)), reverse=True)


def in_series(version, series):
    return version == series or version.startswith((series + ".", series + "-"))
