# SPDX-License-Identifier: GPL-2.0-only
"""A folder of files held in memory as {path: bytes}; all of KVM is some five megabytes."""

import contextlib
import fcntl
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
        path.chmod(0o644)


def replace(folder, files):
    """Make folder hold exactly files; somebody reading it sees all the old or all the new.

    Another process that makes the same folder waits; file modes do not depend on the umask.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        fresh = work / "new"
        fresh.mkdir()
        fill(fresh, files)
        for path in (fresh, *fresh.rglob("*")):
            if path.is_dir():
                path.chmod(0o755)
        with locked(folder.parent):
            if folder.exists():
                os.rename(folder, work / "old")
            os.rename(fresh, folder)
    finally:
        shutil.rmtree(work)


@contextlib.contextmanager
def locked(folder):
    """Hold the lock of a folder that exists."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
