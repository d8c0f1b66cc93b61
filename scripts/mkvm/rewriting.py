# SPDX-License-Identifier: GPL-2.0-only
"""The rewrite: snapshot, patches, rules, names, package. Every stage is a function of content."""

import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import audit, cocci, digest, edit, gate, halves, origin, package, private, tree
from . import tag as tags
from .failure import Refused
from .patch import Patch, apply_patches
from .rule import house_rules
from .snapshot import Snapshot
from .store import Store

WORKERS = 2


def rewrite(folder, tag, out, patches=(), rules=None, cache=True, workers=WORKERS, gated=True):
    """Make the package kvm-<tag>-<version> below out; return its folder.

    Only a naive instance, which lacks a rule, is made without the gate.
    """
    tags.check(tag)
    snapshot = Snapshot(folder)
    snapshot.check()
    store = Store(enabled=cache)
    rules = house_rules() if rules is None else rules
    patches, files = apply_patches([Patch(path) for path in patches], snapshot, store)
    result, used, skipped = apply_rules(rules, files, store, workers)
    glue = package.glue_files()
    rules_digest = digest.of_bytes(*(f"{one.name} {one.digest}" for one in used),
                                   digest.of_tree(glue))
    renamed, kept = private.choose(result, store)
    tags.check_private(tag, renamed)
    if gated:
        gate.check(result, {*renamed, *kept}, audit.house_lists())
    version, made = package.make(result, glue, tag, snapshot, rules_digest, patches, renamed,
                                 halves.of_package(snapshot.known, files, result))
    if patches:
        made[origin.LIST] = origin.listed(patches, files, made)
    made["rewrite.diff"] = difference(snapshot.files, result)
    made["PROVENANCE"] = provenance(snapshot, patches, used, skipped, glue, rules_digest, kept)
    place = Path(out) / f"kvm-{tag}-{version}"
    if not place.is_dir() or tree.read(place) != made:
        tree.replace(place, made)
    return place


def apply_rules(rules, files, store, workers=WORKERS):
    """(files, rules used, rules that the source has no use for)."""
    used, skipped, work = [], [], {}
    for rule in rules:
        if not rule.applies(files):
            skipped.append(rule)
            continue
        used.append(rule)
        for path, expected in rule.targets(files).items():
            work.setdefault(path, []).append((rule, expected))
    result = dict(files)
    with ThreadPoolExecutor(workers) as pool:
        jobs = {path: pool.submit(_one_file, path, files[path], todo, store)
                for path, todo in sorted(work.items(), key=lambda one: -len(files[one[0]]))}
        trouble = []
        for path in sorted(jobs):
            try:
                result[path] = jobs[path].result()
            except Refused as refused:
                trouble.append(str(refused))
        if trouble:
            raise Refused("\n".join(trouble))
    return result, used, skipped


def _one_file(path, content, todo, store):
    """One file, all its rules, in order."""
    key = digest.of_bytes("file", cocci.version(), cocci.PARSE.read_bytes(), path, content,
                          *(f"{rule.name} {rule.digest} {expected}" for rule, expected in todo))
    held = store.get(key)
    if held is not None:
        return held.encode("utf-8", "surrogateescape")
    trouble = []
    for rule, expected in todo:
        try:
            idle = []
            if rule.kind == "tokens":
                content, hits = edit.apply(rule, content)
            else:
                before = content
                content, hits, idle, unread = cocci.apply(rule, path, content, store)
                cocci.gate(rule, path, before, unread)
            if hits != expected:
                raise rule.refuse(f"{path}: expected {expected} hits, found {hits}"
                                  + (f"\n  nothing hit by: {', '.join(idle)}" if idle else ""))
        except Refused as refused:
            trouble.append(str(refused))
    if trouble:
        raise Refused("\n".join(trouble))
    store.put(key, content.decode("utf-8", "surrogateescape"))
    return content


def difference(before, after):
    """One unified diff, files in order, without times."""
    out = []
    with tempfile.TemporaryDirectory(prefix="rewrite.") as folder:
        one, two = Path(folder) / "a", Path(folder) / "b"
        for name in sorted(set(before) | set(after)):
            if before.get(name) == after.get(name):
                continue
            one.write_bytes(before.get(name, b""))
            two.write_bytes(after.get(name, b""))
            labels = [f"a/{name}" if name in before else "/dev/null",
                      f"b/{name}" if name in after else "/dev/null"]
            done = subprocess.run(["diff", "-u", "-p", "--label", labels[0], "--label",
                                   labels[1], str(one), str(two)], stdout=subprocess.PIPE)
            out.append(done.stdout)
    return b"".join(out)


def provenance(snapshot, patches, used, skipped, glue, rules_digest, kept):
    """What the package was made from: one line each, the digest of every input."""
    lines = ["# what this package was made from: kind, name, sha256",
             f"snapshot {snapshot.release} {snapshot.digest}"]
    for one in patches:
        lines.append(f"patch {one.name} {one.digest}")
        lines += [f"patch-without {one.name} {name}" for name in one.left_out]
    lines += [f"rule {one.name} {one.digest}" for one in used]
    lines += [f"rule-without-use {one.name} {one.digest}" for one in skipped]
    lines += [f"glue {name} {digest.of_bytes(glue[name])}" for name in sorted(glue)]
    lines += [f"rules-digest {rules_digest}", f"tool {cocci.version()}"]
    lines += [f"name-kept {name} {why}" for name, why in sorted(kept.items())]
    return ("\n".join(lines) + "\n").encode()
