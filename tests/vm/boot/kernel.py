# SPDX-License-Identifier: GPL-2.0-only
"""What a machine boots: a kernel and its modules, from where scripts/sources keeps them."""

import contextlib
import hashlib
import lzma
import os
import re
import shutil
import struct
import subprocess

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.realpath(__file__)))))
BUILD = os.path.join(ROOT, "build", "vm")
SOURCES = os.path.join(ROOT, "scripts", "sources")
FAILED, USAGE, SYSTEM = 1, 2, 4


class Failure(Exception):
    """Not a verdict: the machine could not be made."""

    def __init__(self, status, *lines):
        super().__init__("\n  ".join(lines))
        self.status = status


def cached(name, content, make):
    """BUILD/name-DIGEST, made by make(path) when CONTENT (bytes) was never seen before."""
    path = os.path.join(BUILD, f"{name}-{hashlib.sha256(content).hexdigest()[:16]}")
    if not os.path.exists(path):
        fresh = f"{path}.{os.getpid()}"
        try:
            make(fresh)
            os.rename(fresh, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(fresh)
    return path


# How the kernel in a bzImage is packed: by its first bytes, the command that unpacks it.
PACKED = {b"\xfd7zXZ\0": ["xz", "-dcq"], b"\x28\xb5\x2f\xfd": ["zstd", "-dcq"],
          b"\x02\x21\x4c\x18": ["lz4", "-dcq"]}


def payload(image):
    """What is packed in a bzImage, without the size that follows it, and that size.

    Documentation/arch/x86/boot.rst: setup_sects, then payload_offset and payload_length.
    """
    if image[0x202:0x206] != b"HdrS":
        raise Failure(SYSTEM, "the kernel is no bzImage")
    sectors, (offset, length) = image[0x1f1] or 4, struct.unpack_from("<II", image, 0x248)
    start = (sectors + 1) * 512 + offset
    return image[start:start + length - 4], struct.unpack_from("<I", image, start + length - 4)[0]


def unpacked_kernel(vmlinuz):
    """The vmlinux inside a bzImage: saves the machine three seconds of decompressing."""
    with open(vmlinuz, "rb") as file:
        image = file.read()
    packed, size = payload(image)
    command = next((PACKED[magic] for magic in PACKED if packed.startswith(magic)), None)
    if not command:
        raise Failure(SYSTEM, f"{vmlinuz} is packed in a way that is not known: it begins with "
                      f"{packed[:6].hex(' ')}", "next: --packed, in the AMD machine")
    if not shutil.which(command[0]):
        raise Failure(SYSTEM, f"{command[0]}, which {vmlinuz} is packed with, is not installed",
                      "next: scripts/setup")

    def unpack_to(path):
        with open(path, "wb") as file:
            done = subprocess.run(command, input=packed, check=False, stdout=file,
                                  stderr=subprocess.PIPE)
        if done.returncode or os.path.getsize(path) != size:
            raise Failure(SYSTEM, f"{command[0]} cannot unpack {vmlinuz}: "
                          f"{os.path.getsize(path)} bytes of {size} came out",
                          *done.stderr.decode(errors="replace").splitlines()[:1])
    return cached("vmlinux", image, unpack_to)


def ask_sources(*words):
    done = subprocess.run([SOURCES, *words], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise Failure(done.returncode, f"no kernel: scripts/sources {' '.join(words)} failed")
    return done.stdout.decode().strip()


def sets(tree, kver, option):
    """Whether the kernel in the directory TREE was built with CONFIG_OPTION=y."""
    with open(os.path.join(tree, "boot", f"config-{kver}"), encoding="utf-8") as file:
        return f"CONFIG_{option}=y\n" in file.read()


def modinfo(field, path):
    done = subprocess.run(["modinfo", "-F", field, path], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise Failure(USAGE, f"{path} is not a kernel module")
    return done.stdout.decode().strip()


class Modules:
    """The modules to take along, each after those that it depends on."""

    def __init__(self, kernel_tree):
        self.tree, self.known, self.files = kernel_tree, None, []

    def stock(self, name):
        """The file of a stock module, unpacked, or None."""
        if self.known is None:
            self.known = {file.partition(".ko")[0].replace("-", "_"): os.path.join(top, file)
                          for top, _, files in os.walk(os.path.join(self.tree, "lib", "modules"))
                          for file in files if re.search(r"\.ko(\.xz)?$", file)}
        path = self.known.get(name.replace("-", "_"))
        if path and path.endswith(".xz"):
            packed, name = path, os.path.basename(path)[:-len(".xz")]
            path = os.path.join(BUILD, "modules", os.path.basename(self.tree), name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if not os.path.exists(path):
                with lzma.open(packed) as source, open(f"{path}.{os.getpid()}", "wb") as file:
                    shutil.copyfileobj(source, file)
                os.rename(file.name, path)
        return path

    def add(self, word):
        """WORD is a file, or the name of a stock module, which brings its dependencies."""
        if word.endswith(".ko"):
            path = os.path.abspath(word)
            if not os.path.exists(path):
                raise Failure(USAGE, f"no module {word}")
        else:
            path = self.stock(word)
            if not path:
                raise Failure(USAGE, f"the kernel has no module {word}")
            for needed in filter(None, modinfo("depends", path).split(",")):
                self.add(needed)
        if path not in self.files:
            if os.path.basename(path) in map(os.path.basename, self.files):
                raise Failure(USAGE, f"two modules named {os.path.basename(path)}")
            self.files.append(path)


def lightened(path):
    """PATH, or a copy of a large module without its local symbols and its unwind tables.

    Searching the symbols for each function that could be traced, and sorting the unwind tables, is
    nine tenths of the time that loading an instance takes. Only stack traces need them. A signed
    module stays as it is: this would void the signature.
    """
    with open(path, "rb") as file:
        content = file.read()
    if len(content) < 1 << 20 or content.endswith(b"~Module signature appended~\n"):
        return path

    def strip_to(copy):
        subprocess.run(["objcopy", "--discard-all", "--remove-section=.orc_unwind*", path, copy],
                       check=True)
    return cached("light", content, strip_to)
