# SPDX-License-Identifier: GPL-2.0-only
"""SHA-256 digests of bytes, files and trees."""

import hashlib


def of_bytes(*parts):
    """One digest of several byte strings and their lengths, so that no two lists have the same."""
    sha = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            part = part.encode()
        sha.update(b"%d:" % len(part))
        sha.update(part)
    return sha.hexdigest()


def of_tree(files):
    """Digest of a {path: bytes} mapping: sorted paths, each with its content."""
    parts = []
    for path in sorted(files):
        parts += [path, files[path]]
    return of_bytes(*parts)
