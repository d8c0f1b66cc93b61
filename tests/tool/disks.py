# SPDX-License-Identifier: GPL-2.0-only
"""Disks that lose what a power cut would take: ext4 in files, mounted through loop devices.

A cut is EXT4_IOC_SHUTDOWN (fs/ext4/ioctl.c): nothing that is not on the disk yet gets there. What
is there afterwards is what was synced (LOST), or all of the journal as well (JOURNAL): names and
renames, but not the data of files that nobody synced. The file systems are mounted without
auto_da_alloc, by which ext4 guesses what programs forget to sync, and without commits by time.
"""

import ctypes
import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

LOST, JOURNAL = 2, 1            # EXT4_GOING_FLAGS_NOLOGFLUSH, ..._LOGFLUSH
SHUTDOWN = 0x8004587d           # _IOR('X', 125, __u32)
OPTIONS = "loop,noauto_da_alloc,commit=3600"
NEW_MOUNTS, PRIVATE, RECURSIVE = 0x20000, 1 << 18, 1 << 14      # CLONE_NEWNS, MS_PRIVATE, MS_REC


def missing():
    """Why there can be none here, or None. After that mounts are this process's own."""
    if os.geteuid():
        return "needs root, for mounts"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(NEW_MOUNTS) or libc.mount(None, b"/", None, PRIVATE | RECURSIVE, None):
        return os.strerror(ctypes.get_errno())
    if "\text4\n" not in Path("/proc/filesystems").read_text() or \
            not Path("/dev/loop-control").exists():
        return "no ext4, or no loop devices"
    return None


class Disks:
    """One for `root`, and one for each of the folders in it, in a new folder `files`. They end with
    the process."""

    def __init__(self, files, root, *folders):
        # In memory: the disks of this machine would make it wait.
        Path(files).mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "disks", files], check=True)
        self.files = Path(files)
        self.places = [Path(root), *(Path(root) / name for name in folders)]
        for number, place in enumerate(self.places):
            with open(self.file(number), "wb") as file:
                file.truncate(16 << 20)
            subprocess.run(["mkfs.ext4", "-q", self.file(number)], check=True)
            place.mkdir(exist_ok=True)
            self.mount(number)
            (place / "lost+found").rmdir()

    def file(self, number):
        return self.files / f"disk{number}"

    def mount(self, number):
        subprocess.run(["mount", "-o", OPTIONS, self.file(number), self.places[number]], check=True)

    def end(self):
        self.unmount_all()
        subprocess.run(["umount", self.files], check=True)

    def unmount_all(self):
        for place in reversed(self.places):
            subprocess.run(["umount", place], check=True)

    def mount_all(self):
        for number in range(len(self.places)):
            self.mount(number)

    def keep(self):
        """What again() brings back."""
        self.unmount_all()
        for number in range(len(self.places)):
            shutil.copy(self.file(number), f"{self.file(number)}.kept")
        self.mount_all()

    def again(self):
        self.unmount_all()
        for number in range(len(self.places)):
            shutil.copy(f"{self.file(number)}.kept", self.file(number))
        self.mount_all()

    def cut(self, kinds):
        """A power cut, LOST or JOURNAL for each disk; then they are mounted again."""
        for place, kind in zip(self.places, kinds):
            descriptor = os.open(place, os.O_RDONLY)
            fcntl.ioctl(descriptor, SHUTDOWN, kind.to_bytes(4, sys.byteorder))
            os.close(descriptor)
        self.unmount_all()
        self.mount_all()
