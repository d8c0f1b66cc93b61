# SPDX-License-Identifier: GPL-2.0-only
"""Folders of files for the machine (tests/vm/machine --tree), kept by the digest of all of them and
of the program that makes them."""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys

from kernel import BUILD, SYSTEM, Failure


def libraries(program):
    """The shared libraries of a program, its interpreter among them, as it names them."""
    done = subprocess.run(["ldd", program], stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode:
        raise Failure(SYSTEM, f"ldd cannot read {program}")
    missing = re.findall(r"(\S+) => not found", done.stdout)
    if missing:
        raise Failure(SYSTEM, f"{program} needs {missing[0]}, which is not there")
    return sorted(set(re.findall(r"(/\S+) \(0x", done.stdout)))


def made(kind, files, finish=None):
    """The folder BUILD/KIND-DIGEST with files, {name in it, with a slash: path}; finish(folder)
    may add to a new one."""
    whole = hashlib.sha256()
    for name, path in sorted((files | {"": sys.argv[0]}).items()):
        with open(path, "rb") as file:
            whole.update(name.encode() + b"\0" + hashlib.sha256(file.read()).digest())
    folder = os.path.join(BUILD, f"{kind}-{whole.hexdigest()[:16]}")
    os.makedirs(BUILD, exist_ok=True)
    with open(f"{folder}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(folder):
            return folder
        fresh = f"{folder}.new"
        shutil.rmtree(fresh, ignore_errors=True)    # of one that was killed
        try:
            for name, path in files.items():
                os.makedirs(os.path.dirname(fresh + name), exist_ok=True)
                shutil.copy(os.path.realpath(path), fresh + name)
            if finish:
                finish(fresh)
            os.rename(fresh, folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
    return folder
