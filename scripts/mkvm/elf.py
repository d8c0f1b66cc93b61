# SPDX-License-Identifier: GPL-2.0-only
"""An x86-64 object file: its sections, symbols and module information."""

import struct
from collections import namedtuple
from pathlib import Path

from .failure import NotFound, Refused

Section = namedtuple("Section", "name kind flags offset size link info")
Symbol = namedtuple("Symbol", "name bind kind section value size")

UNDEFINED, GLOBAL, WEAK = 0, 1, 2
PLT32 = 4           # the relocation of a call or jump
EXECUTED = 4        # a section's flag


class Object:
    def __init__(self, path):
        self.path = Path(path)
        if not self.path.is_file():
            raise NotFound(f"no file {path}")
        self.data = self.path.read_bytes()
        if self.data[:6] != b"\x7fELF\x02\x01" or len(self.data) < 64:
            raise Refused(f"{path} is no 64-bit object file (a compressed module?)")
        start, = struct.unpack_from("<Q", self.data, 40)
        size, count, names = struct.unpack_from("<HHH", self.data, 58)
        raw = []
        for index in range(count):
            name, kind, flags, _, offset, length, link, info, _, _ = struct.unpack_from(
                "<IIQQQQIIQQ", self.data, start + index * size)
            raw.append([name, kind, flags, offset, length, link, info])
        table = raw[names][3]
        self.sections = [Section(self._text(table + one[0]), *one[1:]) for one in raw]

    def _text(self, offset):
        return self.data[offset:self.data.index(b"\0", offset)].decode(errors="replace")

    def content(self, name):
        for one in self.sections:
            if one.name == name and one.kind != 8:
                return self.data[one.offset:one.offset + one.size]
        return b""

    def symbols(self):
        for table in self.sections:
            if table.kind != 2:
                continue
            strings = self.sections[table.link].offset
            for offset in range(table.offset + 24, table.offset + table.size, 24):
                name, info, _, section, value, size = struct.unpack_from("<IBBHQQ", self.data,
                                                                         offset)
                yield Symbol(self._text(strings + name), info >> 4, info & 15, section, value,
                             size)

    def relocations(self):
        """(section that is relocated, kind, symbol) of every relocation."""
        for table in self.sections:
            if table.kind != 4:
                continue
            symbols = self.sections[table.link]
            strings = self.sections[symbols.link].offset
            place, names = self.sections[table.info].name, {}
            for offset in range(table.offset, table.offset + table.size, 24):
                info, = struct.unpack_from("<Q", self.data, offset + 8)
                index = info >> 32
                if index not in names:
                    name, = struct.unpack_from("<I", self.data, symbols.offset + 24 * index)
                    names[index] = self._text(strings + name)
                yield place, info & 0xffffffff, names[index]

    def modinfo(self):
        """{key: [values]} of .modinfo."""
        found = {}
        for entry in self.content(".modinfo").split(b"\0"):
            key, equals, value = entry.decode(errors="replace").partition("=")
            if equals:
                found.setdefault(key, []).append(value)
        return found
