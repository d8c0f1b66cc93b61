# SPDX-License-Identifier: GPL-2.0-only
"""The manifests: which files of a kernel source tree are KVM's (kvm-core/manifest says how)."""

from fnmatch import fnmatchcase

from . import digest, house
from .failure import Refused

FILES = ("file", "optional", "objects", "knows", "ignore")
KINDS = ("claim", *FILES, "leftover", "aside", "kernel")


class Manifest:
    def __init__(self, paths=None):
        self.paths = paths or [house.ROOT / part / "manifest" for part in house.PARTS]
        self.entries = {kind: {} for kind in KINDS}
        for path in self.paths:
            self._read(path)
        self.known = {}
        for kind in FILES:
            for name, where in self.entries[kind].items():
                if name in self.known:
                    raise Refused(f"{where}: {name} is listed twice")
                self.known[name] = kind
        self.digest = digest.of_bytes(*(path.read_bytes() for path in self.paths))

    def _read(self, path):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            line = line.split("#")[0].strip()
            if not line:
                continue
            kind, _, name = line.partition(" ")
            name = name.strip()
            if kind not in KINDS or not name or " " in name:
                raise Refused(f"{path}:{number}: not a manifest line: {line}")
            if name in self.entries[kind]:
                raise Refused(f"{path}:{number}: {name} is listed twice")
            self.entries[kind][name] = f"{path}:{number}"

    def roots(self):
        """The folders that a source must be asked for."""
        names = [claim.rpartition("/")[0] for claim in self.entries["claim"]]
        names += [name.rpartition("/")[0] for name in self.known]
        return sorted(set(names))

    def wants(self, name):
        """Whether a snapshot holds this file."""
        return self.known.get(name, "ignore") not in ("knows", "ignore")

    def claims(self, name):
        return name in self.known or not self._left_over(name) and \
            any(name.startswith(claim) for claim in self.entries["claim"])

    def _left_over(self, name):
        """Whether a build or an editor made it."""
        base = name.rpartition("/")[2]
        return any(fnmatchcase(name if "/" in one else base, one)
                   for one in self.entries["leftover"])

    def beside(self, name):
        """The part of the tree that a file beside KVM's is in, and whose lines cannot matter to an
        instance; None for KVM's own and for what stays the target kernel's."""
        kind, prefix = self._part(name)
        return prefix if kind == "aside" and not self.wants(name) else None

    def in_tree(self, name):
        """Whether this is a path of a kernel's tree, as far as anybody says."""
        return self.claims(name) or self._part(name)[0] is not None

    def _part(self, name):
        """(kind, prefix) of the longest prefix that says whose a file beside KVM's is."""
        found = [(len(prefix), kind, prefix) for kind in ("aside", "kernel")
                 for prefix in self.entries[kind] if name.startswith(prefix)]
        return max(found)[1:] if found else (None, None)

    def owns(self, name):
        """Whether this is a file of KVM's, in a snapshot or new."""
        return self.wants(name) or name not in self.known and self.claims(name)

    def keeps(self, name):
        """Whether this stays the kernel's, although a snapshot looks at it."""
        return self.known.get(name) == "knows" or not self.claims(name)

    def where(self, name):
        """The line that knows this file, or an empty string."""
        place = self.entries[self.known[name]][name] if name in self.known else ""
        return place.removeprefix(f"{house.ROOT}/")

    def check(self, names):
        """Refuse a source that has files nobody knows, or lacks one that must be there."""
        names = set(names)
        unknown = sorted(name for name in names
                         if name not in self.known and self.claims(name))
        if unknown:
            raise Refused("no manifest knows " + ", ".join(unknown)
                          + "\n  the source has files of KVM that this project has never seen"
                          + "\n  next: list them in kvm-core/manifest or kvm-x86/manifest")
        missing = sorted(name for name, kind in self.known.items()
                         if kind in ("file", "objects") and name not in names)
        if missing:
            where = self.entries[self.known[missing[0]]][missing[0]]
            more = f" and {len(missing) - 8} more" if len(missing) > 8 else ""
            raise Refused("the source lacks " + ", ".join(missing[:8]) + more
                          + f"\n  wanted by {where}")
