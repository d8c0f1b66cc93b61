# SPDX-License-Identifier: GPL-2.0-only
"""The rewrite: snapshot, patches, rules, names, package. Every stage is a function of content."""

import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import (audit, cocci, digest, edit, gate, halves, house, origin, package, pins, private,
               survival, tree, units, vmm_state)
from . import tag as tags
from .failure import Refused
from .manifest import Manifest
from .patch import Patch, apply_patches
from .rule import house_rules
from .snapshot import Snapshot
from .store import Store

WORKERS = 2


def rewrite(folder, tag, out, patches=(), rules=None, cache=True, workers=WORKERS, gated=True,
            interface=house.ROOT / house.VAC_HEADERS):
    """Make the package kvm-<tag>-<version> below out; return its folder.

    Only a naive instance, which lacks a rule, is made without the gate. The folder interface has
    vac's header.
    """
    tags.check(tag)
    snapshot = Snapshot(folder)
    snapshot.check()
    store = Store(enabled=cache)
    rules = house_rules() if rules is None else rules
    patches, files = apply_patches([Patch(path) for path in patches], snapshot, store)
    plan = Plan(rules, files)
    result, touched = plan.run(store, workers)
    if gated:
        pins.check(touched, snapshot, store)
        survive(patches, snapshot, rules, plan, result, store, workers)
    used = plan.used
    glue = package.glue_files(interface)
    state = vmm_state.header(result)
    rules_digest = digest.of_bytes(*(f"{one.name} {one.digest}" for one in used),
                                   digest.of_tree(glue), state)
    renamed, kept = private.choose(result, store)
    tags.check_private(tag, renamed)
    if gated:
        gate.check(result, {*renamed, *kept}, audit.house_lists(), given=files)
    version, made = package.make(result, glue, tag, snapshot, rules_digest, patches, renamed,
                                 halves.of_package(snapshot.known, files, result), state)
    if patches:
        made[origin.LIST] = origin.listed(patches, files, made)
    made["rewrite.diff"] = difference(snapshot.files, result)
    made["PROVENANCE"] = provenance(snapshot, patches, used, plan.skipped, glue, rules_digest, kept)
    place = Path(out) / f"kvm-{tag}-{version}"
    if not place.is_dir() or tree.read(place) != made:
        tree.replace(place, made)
    return place


class Plan:
    """Which rules apply to files: used, skipped, and {path: [(rule, hits that are expected)]}."""

    def __init__(self, rules, files, only=None):
        self.files, self.used, self.skipped, self.work = files, [], [], {}
        for rule in rules:
            if not rule.applies(files):
                self.skipped.append(rule)
                continue
            self.used.append(rule)
            for path, expected in rule.targets(files).items():
                if only is None or path in only:
                    self.work.setdefault(path, []).append((rule, expected))

    def run(self, store, workers=WORKERS):
        """(rewritten files, {(rule, path, unit that it took code out of or stepped over)})."""
        result, touched, trouble = dict(self.files), set(), []
        with ThreadPoolExecutor(workers) as pool:
            jobs = {path: pool.submit(_one_file, path, self.files[path], todo, store)
                    for path, todo in sorted(self.work.items(),
                                             key=lambda one: -len(self.files[one[0]]))}
            for path in sorted(jobs):
                try:
                    result[path], found = jobs[path].result()
                    touched |= {(rule, path, unit) for rule, unit in found}
                except Refused as refused:
                    trouble.append(str(refused))
        if trouble:
            raise Refused("\n".join(trouble))
        return result, touched


def _one_file(path, content, todo, store):
    """One file, all its rules, in order: (new content, [[rule, unit it has dots in]])."""
    key = digest.of_bytes("file", cocci.version(), cocci.PARSE.read_bytes(), path, content,
                          *(f"{rule.name} {rule.digest} {expected}" for rule, expected in todo))
    held = store.get(key)
    if held is not None:
        return held[0].encode("utf-8", "surrogateescape"), held[1]
    given, trouble, touched = content, [], []
    for rule, expected in todo:
        try:
            content, found, refused = _one_rule(rule, expected, path, content, store, given)
            touched += [[rule.name, unit] for unit in sorted(found)]
        except Refused as failed:
            refused = failed
        if refused:
            trouble.append(str(refused))
    if trouble:
        raise Refused("\n".join(trouble))
    store.put(key, [content.decode("utf-8", "surrogateescape"), touched])
    return content, touched


def _one_rule(rule, expected, path, content, store, given=b""):
    """(new content, units out of which its "..." took code or stepped over it, why it is refused).

    given is the file before the first rule: the reader has its lines.

    After a failed rule the file goes on to the next one all the same, so that all failures show.
    """
    idle, refused = [], None
    if rule.kind == "tokens":
        after, hits = edit.apply(rule, content)
        dropped = edit.dropped(rule)
        touched = dropped & set(units.shapes(content, store)) if dropped else set()
    else:
        after, hits, idle, unread, places = cocci.run(rule, path, content, store)
        touched = pins.dotted(rule, places, content, after)
        try:
            cocci.gate(rule, path, content, unread)
        except Refused as unseen:
            refused = unseen
    if hits != expected and not refused:
        refused = rule.refuse(f"{path}: expected {expected} hits, found {hits}"
                              + (f"\n  nothing hit by: {', '.join(idle)}" if idle else "")
                              + _missed(rule, path, content, given), rule.head.get("next"))
    return after, touched, refused


def _missed(rule, path, content, given):
    """The lines of given in which a token rule should hit a name, "every PATTERN", and does not."""
    said = rule.head.get("hits", "")
    if not said.startswith("every ") or rule.kind != "tokens":
        return ""
    place = {new: old for old, new in
             origin.places(origin.lines_of(given), origin.lines_of(content)).items()}
    return "".join(f"\n  {path}:{place.get(line - 1, line - 1) + 1}: {name} is not hit"
                   for line, name in edit.missed(rule, content, said.removeprefix("every ")))


def survive(patches, snapshot, rules, plan, result, store, workers):
    """Refuse patches if a rule took away some of what they brought."""
    paths = {path for path in {*snapshot.files, *plan.files}
             if snapshot.files.get(path) != plan.files.get(path)}
    if not paths:
        return
    try:
        plain = Plan(rules, snapshot.files, paths)
        bare, _ = plain.run(store, workers)
    except Refused as refused:
        raise Refused("the snapshot without the patches is refused, so nobody can say what "
                      f"becomes of them\n{refused}") from None

    def trail(path):
        """(rule, the file without the patches after it, the file with them) of every rule."""
        without, patched = snapshot.files.get(path, b""), plan.files.get(path, b"")
        todo = [dict(one.work.get(path, ())) for one in (plain, plan)]
        for rule in rules:
            if rule in todo[0]:
                without, *_ = _one_rule(rule, todo[0][rule], path, without, store)
            if rule in todo[1]:
                patched, *_ = _one_rule(rule, todo[1][rule], path, patched, store)
            if rule in todo[0] or rule in todo[1]:
                yield rule, without, patched

    def steps():
        """(patch, files before it, files with it) of every patch."""
        files, manifest = snapshot.files, Manifest()
        for one in patches:
            before, files = files, one.apply(files, manifest, store)
            yield one, before, files

    survival.check(survival.Compared(snapshot.files, plan.files, bare, result),
                   sorted(paths & {*plain.work, *plan.work}), steps, trail, store)


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
