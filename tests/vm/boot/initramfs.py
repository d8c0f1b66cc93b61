# SPDX-License-Identifier: GPL-2.0-only
"""An initramfs: a cpio archive in "newc" format (Documentation/driver-api/early-userspace)."""

import os
import shutil
import stat


class Initramfs:
    def __init__(self, file):
        self.file, self.inode, self.directories = file, 0, set()

    def _entry(self, name, mode, size=0, device=(0, 0)):
        self.inode += 1
        name = name.encode(errors="surrogateescape") + b"\0"
        fields = (self.inode, mode, 0, 0, 2 if stat.S_ISDIR(mode) else 1, 0, size, 0, 0, *device,
                  len(name), 0)
        self.file.write(b"070701" + b"".join(b"%08X" % field for field in fields) + name)
        self._pad()

    def _pad(self):
        self.file.write(b"\0" * (-self.file.tell() % 4))

    def parents(self, name):
        path = ""
        for part in name.split("/")[:-1]:
            path += part
            if path not in self.directories:
                self.directories.add(path)
                self._entry(path, stat.S_IFDIR | 0o755)
            path += "/"

    def directory(self, name):
        self.parents(name.strip("/") + "/")

    def console(self):
        self.directory("dev")
        self._entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))

    def text(self, name, content):
        self.parents(name)
        self._entry(name, stat.S_IFREG | 0o644, len(content))
        self.file.write(content)
        self._pad()

    def copy(self, source, name, mode=None):
        """Add a regular file or a symbolic link."""
        name = name.lstrip("/")
        self.parents(name)
        info = os.lstat(source) if mode is None else os.stat(source)
        if stat.S_ISLNK(info.st_mode):
            target = os.fsencode(os.readlink(source))
            self._entry(name, stat.S_IFLNK | 0o777, len(target))
            self.file.write(target)
        elif stat.S_ISREG(info.st_mode):
            self._entry(name, stat.S_IFREG | (mode or stat.S_IMODE(info.st_mode)), info.st_size)
            with open(source, "rb") as file:
                shutil.copyfileobj(file, self.file, 1 << 20)
        self._pad()

    def tree(self, top):
        """Add what is in the directory TOP, at the same places below /."""
        top = top.rstrip("/")
        for folder, folders, files in os.walk(top):
            inside = os.path.relpath(folder, top)
            inside = "" if inside == "." else inside + "/"
            for name in sorted(folders):
                if os.path.islink(os.path.join(folder, name)):
                    self.copy(os.path.join(folder, name), inside + name)
                else:
                    self.directory(inside + name)
            for name in sorted(files):
                self.copy(os.path.join(folder, name), inside + name)

    def finish(self):
        self._entry("TRAILER!!!", 0)
