# SPDX-License-Identifier: GPL-2.0-only
"""A user's patches on a snapshot: unified diffs and semantic patches, whole or not at all."""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from . import cocci, digest, edit, tree
from .failure import NotFound, Refused
from .manifest import Manifest
from .origin import attribute
from .rule import Rule


def apply_patches(patches, snapshot, store):
    """(patches that are in the files, files). One that is not needed is left out aloud.

    Each one's added says what is left of it when all are in.
    """
    stages, manifest, used = [snapshot.files], Manifest(), []
    for one in patches:
        if one.needed(stages[-1]):
            stages.append(one.apply(stages[-1], manifest, store))
            used.append(one)
        else:
            print(f"patch {one.name} is left out: KVM of {snapshot.release} needs none, as its "
                  "when: says", file=sys.stderr)
    for one, lines in zip(used, attribute(stages)):
        one.added = lines
    return used, stages[-1]


class Patch:
    """One patch of the user's.

    added: {path: [(line, text), ...]}, the lines that it brought, as the whole series left them:
    path and line are those of the files after the last patch. What a later patch changed or
    moved is that one's; what it removed is nobody's. Set when the series was applied.
    """

    def __init__(self, path):
        self.path = Path(path)
        if not self.path.is_file():
            raise NotFound(f"no patch {path}")
        self.name = self.path.name
        self.content = self.path.read_bytes()
        self.digest = digest.of_bytes(self.content)
        self.added = {}

    def needed(self, files):
        """Whether the source lacks what the patch brings, as far as its when: lines say."""
        return self.path.suffix not in (".cocci", ".tokens") or \
            Rule(self.path, user=True).applies(files)

    def apply(self, files, manifest, store):
        """The files with the patch in them."""
        if self.path.suffix == ".cocci":
            return self._semantic(files, store)
        if self.path.suffix == ".tokens":
            return self._tokens(files)
        key = digest.of_bytes("patch", self.content, digest.of_tree(files))
        held = store.get(key)
        if held is None:
            held = self._unified(files, manifest)
            store.put(key, {name: content if content is None
                            else content.decode("utf-8", "surrogateescape")
                            for name, content in held.items()})
        else:
            held = {name: content if content is None
                    else content.encode("utf-8", "surrogateescape")
                    for name, content in held.items()}
        result = files | held
        return {name: content for name, content in result.items() if content is not None}

    def _unified(self, files, manifest):
        """{path: new content, or None when removed} of a unified diff."""
        text = self.content.decode("utf-8", "surrogateescape")
        pairs = re.findall(r"^--- (\S+).*\n\+\+\+ (\S+).*\n@@ ", text, re.M)
        if not pairs:
            raise Refused(f"patch {self.name}: it holds no hunk of a unified diff")
        for old, new in pairs:
            for name in (old, new):
                name = name.partition("/")[2]
                if name != "dev/null" and name not in files and \
                        not (old == "/dev/null" and manifest.claims(name)):
                    raise Refused(f"patch {self.name}: {name} is no file of the snapshot"
                                  "\n  nothing was applied: a patch applies whole or not at all")
        with tempfile.TemporaryDirectory(prefix="rewrite.") as folder:
            tree.fill(folder, files)
            done = subprocess.run(
                ["patch", "-p1", "--fuzz=0", "-f", "--no-backup-if-mismatch", "-r", "-"],
                cwd=folder, input=self.content, capture_output=True)
            if done.returncode:
                self._refuse(done.stdout.decode(errors="replace"))
            after = tree.read(folder)
        changed = {name: content for name, content in after.items()
                   if files.get(name) != content}
        return changed | {name: None for name in files if name not in after}

    def _refuse(self, report):
        where, reasons = None, []
        for line in report.splitlines():
            match = re.match(r"(?:checking|patching) file '?([^']+?)'?$", line)
            if match:
                where = match[1]
            match = re.match(r"Hunk #(\d+) FAILED at (\d+)", line)
            if match:
                reasons.append(f"{where}: hunk {match[1]} does not apply at line {match[2]}")
        raise Refused(f"patch {self.name}: " + "; ".join(reasons or [report.strip()])
                      + "\n  nothing was applied: a patch applies whole or not at all")

    def _semantic(self, files, store):
        """A semantic patch must hit, once at least or as often as its header says."""
        rule = Rule(self.path, user=True)
        result, total = dict(files), 0
        wanted = rule.matched_names() or rule.called_names()
        for path, expected in rule.targets(files).items():
            if expected is None and wanted and not any(
                    word.encode() in files[path] for word in wanted):
                continue
            after, hits, _, unread = cocci.apply(rule, path, files[path], store)
            cocci.gate(rule, path, files[path], unread)
            if expected is not None and hits != expected:
                raise Refused(f"patch {self.name}: rule {rule.name} hits {path} {hits} times, "
                              f"not {expected}")
            result[path] = after
            total += hits
        if not total:
            raise Refused(f"patch {self.name}: rule {rule.name} hits nothing in the snapshot")
        return result

    def _tokens(self, files):
        rule = Rule(self.path)
        result = dict(files)
        for path, expected in rule.targets(files).items():
            result[path], hits = edit.apply(rule, files[path])
            if hits != expected:
                raise Refused(f"patch {self.name}: it hits {path} {hits} times, not {expected}")
        return result
