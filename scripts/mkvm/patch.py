# SPDX-License-Identifier: GPL-2.0-only
"""A user's patches on a snapshot: unified diffs and semantic patches, whole or not at all."""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from . import cocci, diff, digest, edit, objects, tree
from .failure import NotFound, Refused
from .manifest import Manifest
from .origin import attribute, gone
from .rule import Rule

WHOLE = "\n  nothing was applied: a patch applies whole or not at all"


def apply_patches(patches, snapshot, store):
    """(patches that are in the files, files). One that is not needed is left out, with a message.

    Each one's added says which of its lines are left when all are applied.
    """
    stages, manifest, used = [snapshot.files], Manifest(), []
    for one in patches:
        if one.needed(stages[-1]):
            stages.append(one.apply(stages[-1], manifest, store))
            used.append(one)
        else:
            print(f"patch {one.name} is left out: KVM of {snapshot.release} needs none, as its "
                  "when: says", file=sys.stderr)
    for one, lines, before, after in zip(used, attribute(stages), stages, stages[1:]):
        one.added = lines
        one.touched = {path for path in before.keys() | after.keys()
                       if before.get(path) != after.get(path)}
        one.gone = gone(before, after)
    _linked(used, stages)
    return used, stages[-1]


def _linked(patches, stages):
    """Refuse a new source file that would not be compiled, and lists of files that are gone."""
    first, last = stages[0], stages[-1]
    if not patches:
        return
    try:
        listed = {one[-1] for one in objects.lists(last)}
    except Refused as refused:
        raise Refused(f"patch {' or '.join(one.name for one in patches)}: {refused}"
                      + WHOLE) from None
    for patch in patches:
        for path in patch.added.keys() - first.keys():
            name = path.rpartition("/")[2]
            if path.endswith((".c", ".S")) and path[:-1] + "o" not in listed and not any(
                    re.search(rb'^\s*#\s*include\s*"(?:[^"]*/)?%s"' % re.escape(name).encode(),
                              content, re.M) for content in last.values()):
                raise Refused(f"patch {patch.name}: {path} is in no list of objects, so it would "
                              f"not be compiled\n  next: add {name[:-1]}o to {objects.X86_LIST} or "
                              f"{objects.CORE_LIST} in the patch")


def _patch(folder, changes, *words):
    """(exit status, what it says) of patch(1), which must find each line of context as it is."""
    done = subprocess.run(
        ["patch", "-p1", "--fuzz=0", "--force", "--no-backup-if-mismatch", "--reject-file=-",
         *words],
        cwd=folder, input="".join(one.text() for one in changes).encode("utf-8", "surrogateescape"),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=os.environ | {"LC_ALL": "C"})
    return done.returncode, done.stdout.decode(errors="replace")


class Patch:
    """One patch of the user's.

    added: {path: [(line, text), ...]}, the lines that it brought, as the whole series left them:
    path and line are those of the files after the last patch. What a later patch changed or
    moved is that one's; what it removed is nobody's. Set when the series was applied.
    touched: the files that it changed, made or removed.
    gone: names that it took out of a line and put into none.
    left_out: the files of it that are no part of a module.
    """

    def __init__(self, path):
        self.path = Path(path)
        if not self.path.is_file():
            raise NotFound(f"no patch {path}")
        # It becomes part of a C string and of lists that are read by words.
        self.name = re.sub(r"[^\w.+-]", "_", self.path.name, flags=re.A)
        self.content = self.path.read_bytes()
        self.digest = digest.of_bytes(self.content)
        self.added = {}
        self.touched = self.gone = frozenset()
        self.left_out = []

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
        changes = self._changes(files, manifest)
        key = digest.of_bytes("patch", self.content, manifest.digest, digest.of_tree(files))
        held = store.get(key)
        if held is None:
            held = self._unified(changes, files)
            store.put(key, {name: content if content is None
                            else content.decode("utf-8", "surrogateescape")
                            for name, content in held.items()})
        else:
            held = {name: content if content is None
                    else content.encode("utf-8", "surrogateescape")
                    for name, content in held.items()}
        result = files | held
        return {name: content for name, content in result.items() if content is not None}

    def _changes(self, files, manifest):
        """The diff's changes to KVM's files; what is no part of a module is left out, reported."""
        changes, parts, kept = diff.read(self.content, self.name, manifest.in_tree), {}, []
        for one in changes:
            asides = {manifest.beside(name) for name in one.names()}
            if None not in asides:
                parts.setdefault(min(asides), []).append(one.names()[0])
            elif one.idle():
                parts.setdefault(f"the mode of {one.names()[0]}", []).append(one.names()[0])
            else:
                kept.append(one)
        self.left_out = sorted(name for names in parts.values() for name in names)
        self._of_kvm(kept, files, manifest)
        said = [f"{part} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})"
                if names[0] not in part else part for part, names in sorted(parts.items())]
        if not kept:
            raise Refused(f"patch {self.name}: nothing of it is KVM's: " + "; ".join(said)
                          + "\n  next: leave it out")
        for one in said:
            print(f"patch {self.name}: left out, for it is no part of a module: {one}",
                  file=sys.stderr)
        return kept

    def _of_kvm(self, changes, files, manifest):
        """Refuse changes to what stays the target kernel's, and to files that do not exist."""
        names = set(files)
        for one in changes:
            for name in one.names():
                if not manifest.owns(name):
                    where = manifest.where(name)
                    raise Refused(
                        f"patch {self.name}:{one.line}: {name} stays the target kernel's"
                        + (f", as {where} says" if where else ": it is no file of KVM")
                        + "\n  what a patch changes there is not what an instance runs on; nothing "
                        "was applied\n  next: a kernel that has it, or the patch without that file")
            if one.binary:
                raise Refused(f"patch {self.name}:{one.line}: {one.names()[0]}: a binary change")
            if one.old and one.old not in names:
                raise Refused(f"patch {self.name}:{one.line}: {one.old} is no file of the snapshot"
                              + WHOLE)
            if one.old and "copy to" not in one.head:
                names.discard(one.old)
            names |= {one.new} - {None}

    def _unified(self, changes, files):
        """{path: new content, or None when removed}."""
        touched = {name: files[name] for one in changes for name in one.names() if name in files}
        with tempfile.TemporaryDirectory(prefix="rewrite.") as folder:
            tree.fill(folder, touched)
            for turn in diff.batches(changes):
                status, report = _patch(folder, turn)
                if status:
                    self._refuse(report, changes, turn, touched, folder)
            after = tree.read(folder)
        result = {name: content for name, content in after.items() if files.get(name) != content}
        return result | {name: None for name in touched if name not in after}

    def _refuse(self, report, changes, turn, touched, folder):
        """Report what is applied already, or else the conflict, with what patch(1) said."""
        with tempfile.TemporaryDirectory(prefix="rewrite.") as fresh:
            tree.fill(fresh, touched)
            if all(not _patch(fresh, part[::-1], "--reverse")[0]
                   for part in reversed(diff.batches(changes))):
                raise Refused(f"patch {self.name} is applied already: the source has all that it "
                              "brings\n  next: leave it out")
        where, reasons, there = None, [], set()
        for line in report.splitlines():
            match = re.match(r"patching file '?([^']+?)'?(?: \(.*\))?$", line)
            if match:
                where = match[1]
            match = re.match(r"Hunk #(\d+) FAILED at (\d+)", line)
            if match:
                reasons.append((where, f"{where}: hunk {match[1]} does not apply at line "
                                f"{match[2]}"))
        for one in turn:
            name = one.new or one.old
            if any(where == name for where, _ in reasons) and \
                    not _patch(folder, [one], "--reverse", "--dry-run")[0]:
                there.add(name)
        said = [text for where, text in reasons if where not in there]
        said += [f"{name}: it is applied there already" for name in sorted(there)]
        raise Refused(f"patch {self.name}: " + "; ".join(said or ["it does not apply"]) + WHOLE
                      + "".join(f"\n  patch: {line}" for line in report.strip().splitlines()))

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
