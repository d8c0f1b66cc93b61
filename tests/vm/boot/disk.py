# SPDX-License-Identifier: GPL-2.0-only
"""A disk that boots an unpacked kernel on a PC with a BIOS, made without root and loop devices.

Sector 0 is sector.S, the sectors after it load.c and a header (layout.h) that says which piece of
the disk goes where in memory. The pieces are the segments of the vmlinux and the initramfs.
"""

import contextlib
import hashlib
import os
import re
import shutil
import struct
import subprocess

HERE = os.path.dirname(os.path.realpath(__file__))
SOURCES = ("sector.S", "load.c", "load.ld", "layout.h", "ata.h")
CFLAGS = ["-m32", "-march=i686", "-Os", "-std=gnu11", "-Wall", "-Wextra", "-Werror",
          "-ffreestanding", "-fno-pie", "-fno-stack-protector", "-fno-asynchronous-unwind-tables",
          "-mno-sse", "-mno-mmx", "-nostdlib", "-no-pie", "-static", "-Wl,--build-id=none",
          "-Wl,--no-warn-rwx-segments"]


def constants():
    with open(os.path.join(HERE, "layout.h"), encoding="ascii") as file:
        return {name: int(value)
                for name, value in re.findall(r"^#define (\w+)\s+(\d+)\b", file.read(), re.M)}


LAYOUT = constants()
LOADER_SECTORS, HEADER_SECTORS = LAYOUT["LOADER_SECTORS"], LAYOUT["HEADER_SECTORS"]
HEADER_PIECES, COMMAND_LINE = LAYOUT["HEADER_PIECES"], LAYOUT["COMMAND_LINE"]
HEADER = struct.Struct("<4I")   # struct header, its beginning
PIECE = struct.Struct("<5I")    # struct piece

SECTOR = 512
CYLINDER = 16 * 63 * SECTOR     # what an emulated disk has to be a multiple of
PT_LOAD, PT_NOTE = 1, 4
XEN_ELFNOTE_PHYS32_ENTRY = 18   # where the PVH protocol enters
HUGE = 2 << 20


class Unbootable(ValueError):
    """This kernel, or that much of it, cannot be put on the disk."""


def sectors(size):
    return -(-size // SECTOR)


def cached_name(cache, name, content):
    """The path in the directory CACHE of what is made from CONTENT."""
    return os.path.join(cache, f"{name}-{hashlib.sha256(content).hexdigest()[:16]}")


def loader(cache):
    """The boot sector and the loader, built once for their sources in the directory CACHE."""
    texts = []
    for name in SOURCES:
        with open(os.path.join(HERE, name), "rb") as file:
            texts.append(file.read())
    path = cached_name(cache, "boot", b"\0".join(texts) + " ".join(CFLAGS).encode())
    if not os.path.exists(path):
        work = f"{path}.{os.getpid()}"
        script, program, parts = work + ".ld", work + ".elf", []
        try:
            subprocess.run(["gcc", "-E", "-P", "-x", "c", "-D__ASSEMBLER__", "-I", HERE,
                            os.path.join(HERE, "load.ld"), "-o", script], check=True)
            subprocess.run(["gcc", *CFLAGS, "-T", script, "-o", program,
                            os.path.join(HERE, "sector.S"), os.path.join(HERE, "load.c")],
                           check=True)
            for section in (".sector", ".loader"):
                subprocess.run(["objcopy", "-O", "binary", "-j", section, program, work],
                               check=True)
                with open(work, "rb") as file:
                    parts.append(file.read())
            with open(work, "wb") as file:
                file.write(b"".join(parts))
            os.rename(work, path)
        except subprocess.CalledProcessError as error:
            raise Unbootable(f"cannot build the boot sector: {error}") from None
        finally:
            for name in (work, script, program):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name)
    with open(path, "rb") as file:
        return file.read()


def segments(vmlinux):
    """([(offset, size in the file, address, size in memory)], entry) of an ELF image."""
    if vmlinux[:5] != b"\x7fELF\x02":
        raise Unbootable("the kernel is no unpacked vmlinux")
    start, = struct.unpack_from("<Q", vmlinux, 32)
    size, count = struct.unpack_from("<HH", vmlinux, 54)
    found, entry = [], None
    for at in range(start, start + size * count, size):
        kind, _, offset, _, address, in_file, in_memory, _ = struct.unpack_from(
            "<IIQQQQQQ", vmlinux, at)
        if kind == PT_LOAD:
            found.append((offset, in_file, address, in_memory))
        elif kind == PT_NOTE:
            entry = entry or pvh_entry(vmlinux[offset:offset + in_file])
    if not entry:
        raise Unbootable("the kernel cannot be entered by the PVH protocol")
    return found, entry


def pvh_entry(notes):
    while len(notes) >= 12:
        name_size, size, kind = struct.unpack_from("<III", notes)
        name, notes = notes[12:12 + name_size], notes[12 + (name_size + 3 & ~3):]
        if name == b"Xen\0" and kind == XEN_ELFNOTE_PHYS32_ENTRY:
            return int.from_bytes(notes[:size], "little")
        notes = notes[size + 3 & ~3:]
    return None


def write_archive(path, initrd):
    """Write the disk PATH for a machine that was saved, from which init/saved.c unpacks INITRD."""
    with open(initrd, "rb") as source, open(path, "wb") as file:
        file.write(f"archive {os.path.getsize(initrd)}\n".encode().ljust(SECTOR, b"\0"))
        shutil.copyfileobj(source, file, 1 << 20)
        # A seek takes as long as the share of the disk that it crosses: on a small one, long.
        file.truncate(-(-max(file.tell(), 1 << 30) // CYLINDER) * CYLINDER)


def write(path, kernel, initrd, command_line, memory, cache):
    """Write the disk PATH for a machine with MEMORY bytes; boot files are kept in CACHE."""
    with open(kernel, "rb") as file:
        vmlinux = file.read()
    loads, entry = segments(vmlinux)
    end = max(address + in_memory for _, _, address, in_memory in loads)
    initrd_at = (end + HUGE - 1 & ~(HUGE - 1)) + HUGE
    with open(initrd, "rb") as file:
        ramfs = file.read()
    if initrd_at + len(ramfs) + (32 << 20) > memory:
        raise Unbootable(f"{memory >> 20} MiB of memory are too few: the kernel ends at "
                         f"{end >> 20} MiB, and the initramfs has {len(ramfs) >> 20} MiB")
    words = os.fsencode(command_line)
    if len(words) >= COMMAND_LINE:
        raise Unbootable("the command line is too long")

    contents = [(vmlinux[offset:offset + in_file].rstrip(b"\0"), address, in_memory)
                for offset, in_file, address, in_memory in loads]
    contents.append((ramfs, initrd_at, len(ramfs)))
    if len(contents) > HEADER_PIECES:
        raise Unbootable(f"the kernel has {len(loads)} segments")
    sector, table = 1 + LOADER_SECTORS, b""
    with open(path, "wb") as file:
        for data, address, in_memory in contents:
            count = sectors(len(data))
            file.seek(sector * SECTOR)
            file.write(data)
            zero_at = address + count * SECTOR
            zeros = max(0, address + in_memory - zero_at) & ~3
            table += PIECE.pack(sector, count, address, zero_at, zeros)
            sector += count
        file.truncate(-(-sector * SECTOR // CYLINDER) * CYLINDER)
        file.seek(0)
        file.write(loader(cache))
        file.seek((1 + LOADER_SECTORS - HEADER_SECTORS) * SECTOR)
        file.write(HEADER.pack(entry, initrd_at, len(ramfs), len(contents))
                   + table.ljust(HEADER_PIECES * PIECE.size, b"\0") + words + b"\0")
