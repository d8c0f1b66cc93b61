#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
# series: first
#
# A patch is the same patch whatever it comes as: of any depth of paths, compressed, as one mail
# or a series of them, encoded by a mail program, under any name. What is damaged or of another
# kind is refused for what it is, with the line; nothing is taken for the text around a diff in
# silence. It failed when the depth was always 1, when mail and compression were not looked at,
# when the lines of a hunk were not counted (patch took a diff that had lost its last line, or
# ignored one that was too many), when only the line right behind a hunk was looked at, when a
# head without hunks passed for a change of mode, and when only attached text was read. With
# $(foreach) in the Makefile a name with a space became two patches.

import base64
import bz2
import gzip
import lzma
import os
import quopri
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tap import ROOT, Tap, diff, patched, run, snapshot  # noqa: E402
from mkvm import tree  # noqa: E402
from mkvm.manifest import Manifest  # noqa: E402

FILE = "virt/kvm/binary_stats.c"
OTHER = "virt/kvm/kvm_main.c"
LINE = "/* added: \N{LATIN SMALL LETTER E WITH ACUTE} = 1 */"
HEAD = """From 1111111111111111111111111111111111111111 Mon Sep 17 00:00:00 2001
From: A Developer <dev@example.org>
Subject: [PATCH] a test
MIME-Version: 1.0
Content-Type: {}; charset=UTF-8{}

"""
BODY = "A text.\n---\n {} | 1 +\n 1 file changed\n\n{}-- \n2.40.0\n\n"


class Test(Tap):
    def __init__(self):
        super().__init__()
        self.source = snapshot()
        self.text = (self.source / FILE).read_text()
        self.new = self.text.replace("\n\n", f"\n{LINE}\n\n", 1)

    def patch(self, name, content):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def same(self, claim, content, name="test.patch", wanted=None):
        status, said, _, files = patched(self.source, self.patch(name, content))
        self.ok(status == 0 and files[FILE].decode() == (wanted or self.new) and not said, claim,
                said)

    def refused(self, claim, content, *words, name="test.patch"):
        status, said, *_ = patched(self.source, self.patch(name, content))
        self.ok(status == 3 and all(word in said for word in words), claim, f"status {status}",
                said)


def forms(tap):
    plain = diff(FILE, tap.text, tap.new)
    for depth, old, new in ((0, "", ""), (1, "a/", "b/"), (1, "linux-6.1.orig/", "linux-6.1/"),
                            (2, "a/linux/", "b/linux/")):
        tap.same(f"-p{depth} with {old or 'bare paths'}", diff(FILE, tap.text, tap.new, old, new))
    tap.same("a file beside its .orig",
             plain.replace(f"--- a/{FILE}", f"--- a/{FILE}.orig"))
    tap.same("CR LF at all ends of lines", plain.replace("\n", "\r\n"))
    for name, pack in (("gz", gzip.compress), ("xz", lzma.compress), ("bz2", bz2.compress)):
        tap.same(f".{name}", pack(plain.encode()), f"test.patch.{name}")
        tap.refused(f".{name} that is cut off", pack(plain.encode())[:-5],
                    "cannot be read to its end", name=f"test.patch.{name}")
    body = BODY.format(FILE, plain).encode()
    printed = HEAD.format("text/plain", "\nContent-Transfer-Encoding: quoted-printable").encode() \
        + quopri.encodestring(body)
    assert b"=3D" in printed and b"=C3=A9" in printed
    tap.same("quoted-printable mail", printed)
    tap.same("quoted-printable mail with CR LF", printed.replace(b"\n", b"\r\n"))
    tap.same("base64 mail",
             HEAD.format("text/plain", "\nContent-Transfer-Encoding: base64").encode()
             + base64.encodebytes(body))
    tap.same("8-bit mail", HEAD.format("text/plain", "").encode() + body)
    tap.same("a mail with its diff attached",
             HEAD.format('multipart/mixed; boundary="b"', "").encode()
             + b"--b\nContent-Type: text/plain\n\nHello\n--b\nContent-Type: text/x-diff\n"
             b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(plain.encode())
             + b"--b--\n")
    tap.same("a mail with its diff attached as it seems to be anything",
             HEAD.format('multipart/mixed; boundary="b"', "").encode()
             + b"--b\nContent-Type: text/plain\n\nHello\n--b\n"
             b"Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\n\n"
             + base64.encodebytes(plain.encode()) + b"--b--\n")
    twice = tap.new.replace(LINE, f"{LINE}\n/* second */", 1)
    tap.same("a series of mails, one quoted-printable",
             printed + HEAD.format("text/plain", "").encode()
             + BODY.format(FILE, diff(FILE, tap.new, twice)).encode(), wanted=twice)
    tap.same("a name with blanks and quotes", plain, 'my "first" patch, \N{SNOWMAN}.patch')
    name = patched(tap.source, tap.folder / 'my "first" patch, \N{SNOWMAN}.patch')[2][0].name
    tap.ok(name == "my__first__patch___.patch", "which the module cannot hold, so it says another",
           name)


def damaged(tap):
    plain = diff(FILE, tap.text, tap.new)
    lines = plain.splitlines(True)
    tap.refused("a diff without its last line", "".join(lines[:-1]), "test.patch:",
                "ends 1 lines early", "cut off")
    tap.refused("a diff with a line that its head does not count", plain + "+one more\n",
                f"test.patch:{len(lines) + 1}", "goes on after the lines")
    tap.refused("the same behind an empty line", plain + "\n+one more\n",
                f"test.patch:{len(lines) + 2}", "a line of a change that no hunk's head counts")
    head = f"diff --git a/{FILE} b/{FILE}\nindex 1111111..2222222 100644\n"
    other = head.replace(FILE, OTHER)
    tap.refused("a series that is cut off in the head of its last file", head + plain + other,
                f"test.patch:{len(lines) + 3}", "cut off?")
    tap.refused("or behind the first of its names", head + plain + other + f"--- a/{OTHER}\n",
                "test.patch:", "cut off?")
    tap.refused("a wrapped line", plain.replace(LINE, "/* added:\n*/"), "wrapped by a mail program")
    tap.refused("a hunk alone", "".join(lines[2:]), "test.patch:1", "without the names")
    tap.refused("names alone", "".join(lines[:2]) + "\n", "test.patch:3", "no hunk follows")
    tap.refused("a context diff", f"*** a/{FILE}\n--- b/{FILE}\n{'*' * 15}\n*** 1,2 ****\n",
                "a context diff", "next: diff -u")
    tap.refused("a combined diff", f"diff --cc {FILE}\nindex 1,2..3\n--- a/{FILE}\n+++ b/{FILE}\n"
                "@@@ -1,1 -1,1 +1,2 @@@\n  x\n++y\n", "combined diff of a merge")
    tap.refused("a text", "no patch at all\n", "holds no hunk of a unified diff")
    tap.refused("an empty file", "", "holds no hunk of a unified diff")


def words(tap):
    """What make hands on, and that it arrives."""
    one, two = (tap.patch(name, "x") for name in ("my first.patch", "it's.patch"))
    tools = tap.folder / "tools" / "scripts"
    tools.mkdir(parents=True)
    (tools / "multikvm").mkdir()
    (tools / "multikvm/Makefile").write_text("all install: ;\n")
    (tools.parent / "build").mkdir()
    for name in ("scripts/build", "build/multikvm", "scripts/sources"):
        place = tools.parent / name
        place.write_text('#!/bin/sh\nfor word; do printf "%s\\n" "<$word>"; done\n')
        place.chmod(0o755)
    for patches in (f'"{one}" "{two}"', f"{tap.folder}/my\\ first.patch {tap.folder}/it\\'s.patch"):
        for target in ("instance", "install"):
            status, out, err = run("make", "-s", "-f", ROOT / "Makefile", "-C", tools.parent,
                                   target, "TAG=x", "KVER=k", "FROM=/a b/it's",
                                   f"PATCHES={patches}")
            wanted = f"<--patch>\n<{one}>\n<--patch>\n<{two}>"
            tap.ok(status == 0 and wanted in out and "<--from>\n</a b/it's>" in out,
                   f"make {target} takes {patches.replace(str(tap.folder), 'DIR')}", out, err)
    status, out, err = run("make", "-s", "-f", ROOT / "Makefile", "-C", tools.parent, "instance",
                           "TAG=x", "KVER=k")
    tap.ok(status == 0 and "--patch" not in out, "and none at all", out, err)

    files = tree.read(tap.source)
    release = files.pop("RELEASE").decode().split("-")[0]
    for name in ("DIGEST", "KNOWN"):
        files.pop(name)
    files |= dict.fromkeys(Manifest().entries["knows"], b"#define X86_BUG_OF_THIS X86_BUG(0)\n")
    version = release.partition("~")[0].split(".")
    makefile = "".join(f"{key} = {value}\n" for key, value in
                       zip(("VERSION", "PATCHLEVEL", "SUBLEVEL", "EXTRAVERSION"), version + [""]))
    tree.replace(tap.folder / "my tree", files | {"Makefile": makefile.encode()})
    status, out, err = run("scripts/snapshot", tap.folder / "my tree", "--out",
                           tap.folder / "taken")
    tap.ok(status == 0, "a folder with a blank in its name is a source", err)
    for locale in ("C", "C.UTF-8"):
        path = tap.patch("\N{LATIN SMALL LETTER E WITH ACUTE} x.patch", "no patch\n")
        done = subprocess.run([ROOT / "scripts/rewrite", "--snapshot", tap.source, "--tag", "x",
                               "--out", tap.folder / "out", "--patch", path],
                              capture_output=True, env=os.environ | {"LC_ALL": locale})
        tap.ok(done.returncode == 3 and b"holds no hunk" in done.stderr,
               f"a patch whose name is not ASCII is read with LC_ALL={locale}", done.stderr)


def main():
    tap = Test()
    forms(tap)
    damaged(tap)
    words(tap)
    tap.done()


main()
