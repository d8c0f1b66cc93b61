# SPDX-License-Identifier: GPL-2.0-only
"""A tar archive, read as a stream: a kernel has 80,000 files, and KVM is a hundred of them.

Python's tarfile takes longer to parse the headers of the others than xz to unpack their content.
"""

FILE, FOLDER, OTHER = "file", "folder", "other"
BLOCK = 512


def members(stream):
    """(name, kind, function that reads the content) of each; ValueError for what is no tar."""
    longer, empty = {}, 0
    while True:
        head = _exactly(stream, BLOCK)
        if not head.strip(b"\0"):
            empty += 1
            if empty == 2:
                break
            continue
        if empty or head[257:262] != b"ustar":
            raise ValueError("a member without a header")
        size, kind = int(head[124:136].strip(b" \0") or b"0", 8), head[156:157]
        if kind in b"xgKL":     # "g", of git, is a comment; "K" a link's target
            text = _content(stream, size)
            if kind in b"xL":
                longer |= {b"path": text.rstrip(b"\0")} if kind == b"L" else _extended(text)
            continue
        name = longer.get(b"path") or b"/".join(filter(None, (
            head[345:500].partition(b"\0")[0] if head[262:263] == b"\0" else b"",
            head[:100].partition(b"\0")[0])))
        size = int(longer.get(b"size", size))
        longer = {}
        taken = []

        def content(size=size, taken=taken):
            taken.append(True)
            return _content(stream, size)

        yield (name.decode("utf-8", "surrogateescape"),
               FILE if kind in b"0\0" else FOLDER if kind == b"5" else OTHER, content)
        if not taken:
            _content(stream, size)
    while stream.read(1 << 20):
        pass


def _exactly(stream, size):
    data = stream.read(size)
    if len(data) != size:
        raise ValueError("it ends early")
    return data


def _content(stream, size):
    return _exactly(stream, -(-size // BLOCK) * BLOCK)[:size]


def _extended(text):
    """{key: value} of a pax header: lines of "<length> <key>=<value>"."""
    found = {}
    while text:
        length = int(text.partition(b" ")[0])
        key, _, value = text[:length - 1].partition(b" ")[2].partition(b"=")
        found[key] = value
        text = text[length:]
    return found
