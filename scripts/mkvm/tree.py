# SPDX-License-Identifier: GPL-2.0-only
"""A folder of files held in memory as {path: bytes}; all of KVM is some five megabytes."""

import os
import shutil
import tempfile
from pathlib import Path


def read(folder):
    """Every file below folder, by its path relative to it."""
    folder = Path(folder)
    return {path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def fill(folder, files):
    """Write files below folder, which exists."""
    for name, content in files.items():
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def replace(folder, files, executable=()):
    """Make folder hold exactly files; somebody reading it sees all the old or all the new."""
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        fresh.chmod(0o755)
        fill(fresh, files)
        for name in executable:
            (fresh / name).chmod(0o755)
        if folder.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            os.rename(folder, old / "old")
            os.rename(fresh, folder)
            shutil.rmtree(old)
        else:
            os.rename(fresh, folder)
    finally:
        if fresh.exists():
            shutil.rmtree(fresh)
