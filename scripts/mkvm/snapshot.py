# SPDX-License-Identifier: GPL-2.0-only
"""A snapshot: KVM's own files of one kernel release, with the release, a digest, and KNOWN."""

import json
from pathlib import Path

from . import digest, halves, house, source, tree
from .failure import NotFound, Refused
from .manifest import Manifest

RELEASE, DIGEST, KNOWN = "RELEASE", "DIGEST", "KNOWN"


class Snapshot:
    """A snapshot read back from its folder; refused when its digest does not fit its files."""

    def __init__(self, folder):
        self.folder = Path(folder)
        if not (self.folder / RELEASE).is_file():
            raise NotFound(f"{folder} is not a snapshot: it has no {RELEASE}")
        self.files = tree.read(self.folder)
        self.release = self.files.pop(RELEASE).decode().strip()
        self.digest = self.files.pop(DIGEST, b"").decode().strip()
        self.known = self.files.pop(KNOWN, None)

    def check(self):
        """Refuse files that no manifest knows, files that are missing, and altered files."""
        manifest = Manifest()
        manifest.check(self.files)
        stray = sorted(name for name in self.files if not manifest.wants(name))
        if stray:
            raise Refused(f"{self.folder} holds {stray[0]}, which is no part of a snapshot")
        if not self.known:
            raise Refused(f"{self.folder} does not say what its kernel knew of mitigations: it "
                          f"has no {KNOWN}\n  next: scripts/snapshot again")
        if digest.of_tree(self.files) != self.digest:
            raise Refused(f"{self.folder}: its files are not those that were taken"
                          "\n  the digest differs: somebody changed them"
                          "\n  next: scripts/snapshot again; changes belong in --patch FILE")


def _stamp(identity):
    return house.BUILD / "cache" / "snapshot" / (digest.of_bytes(identity) + ".json")


def _folder(out, release):
    return Path(out) if out else house.BUILD / "snapshot" / release


def take(name, out=None):
    """Make (or find) the snapshot of the source that name means; return its folder."""
    manifest = Manifest()
    origin = source.find(name)
    maker = digest.of_bytes(Path(halves.__file__).read_bytes(), Path(__file__).read_bytes())
    stamp = origin.identity and \
        _stamp(f"{manifest.digest} {maker} {origin.identity} {out or ''}")
    if stamp and stamp.is_file():
        made = json.loads(stamp.read_text())
        folder = _folder(out, made["release"])
        if (folder / DIGEST).is_file() and \
                (folder / DIGEST).read_text().strip() == made["digest"]:
            return folder

    files = origin.pick(manifest)
    makefile = files.pop(source.MAKEFILE, None)
    if makefile is None:
        raise Refused(f"{name} is no kernel source: it has no top Makefile")
    version = source.version(makefile)
    if ".".join(version.split(".")[:2]) not in house.series():
        raise Refused(f"{name} is Linux {version}, of no supported series"
                      f"\n  there is: {' '.join(house.series())}")
    manifest.check(files)
    known = halves.known(files, manifest)
    files = {path: content for path, content in files.items() if manifest.wants(path)}
    sum_ = digest.of_tree(files)
    release = origin.release
    if release is None:
        release = version + (origin.suffix or f"-tree{sum_[:8]}")
    folder = _folder(out, release)
    held = (folder / DIGEST).read_text().strip() if (folder / DIGEST).is_file() else None
    if held != sum_ or (folder / RELEASE).read_text().strip() != release or \
            not (folder / KNOWN).is_file() or (folder / KNOWN).read_bytes() != known:
        if folder.exists() and not (folder / RELEASE).is_file():
            raise Refused(f"{folder} exists and is not a snapshot")
        tree.replace(folder, files | {RELEASE: f"{release}\n".encode(), KNOWN: known,
                                      DIGEST: f"{sum_}\n".encode()})
    if stamp:
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.write_text(json.dumps({"release": release, "digest": sum_}))
    return folder
