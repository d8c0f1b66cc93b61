# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of multikvm share: the tool, built with sanitizers, a folder that it sees instead
of the host, and the schema."""

import functools
import json
import os
import subprocess
import sys
from pathlib import Path

import jsonschema

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "rewrite"))

from tap import ROOT, Tap  # noqa: E402

SCHEMA = json.loads((ROOT / "scripts/multikvm/multikvm.schema.json").read_text())


SANITIZERS = "-fsanitize=address,undefined -fno-sanitize-recover"


@functools.cache
def build_tool(name="tool", flags=SANITIZERS, scripts="/none"):
    """It sees the folder MULTIKVM_ROOT instead of the host, and SCRIPTS."""
    out = ROOT / "build/test" / name
    subprocess.run(["flock", ROOT / "scripts/multikvm", "make", "-s", "-C",
                    ROOT / "scripts/multikvm", f"OUT={out}", f"SCRIPTS={scripts}",
                    f"CFLAGS=-O1 -g -DFOR_TESTS {flags}"],
                   check=True)
    return out / "multikvm"


PROCESS = ("target", "threads", "stops", "helper")  # parts of the mover


def build_with_mover(name, parts):
    """tests/tool/move/NAME.c with these parts of the mover."""
    out, move = build_tool().parent, ROOT / "scripts/multikvm/move"
    program = ROOT / f"tests/tool/move/{name}.c"
    subprocess.run(["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-g", "-O1",
                    *SANITIZERS.split(), "-DFOR_TESTS", f"-I{out}", "-pthread", "-o", out / name,
                    program, *(move / f"{part}.c" for part in parts)], check=True)
    return out / name


class Tests(Tap):
    def same(self, got, want, claim):
        self.ok(got == want, claim, f"got  {got}", f"want {want}")


class Folder:
    """A host's files."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.joinpath("run").mkdir()
        self.folder.joinpath("etc/modprobe.d").mkdir(parents=True)
        self.folder.joinpath("var/lib").mkdir(parents=True)

    def path(self, name):
        return self.folder / name

    def put(self, name, text):
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_bytes(text if isinstance(text, bytes) else f"{text}\n".encode())

    def instance(self, tag, **files):
        """A loaded one, as vac has it in sysfs."""
        for name, text in ({"number": 1, "closed": 0, "vms": 0, "vcpus": 0, "references": 0,
                            "snapshot": "6.1.192-3", "patches": "none", "unmitigated": "none",
                            "snapshot_digest": "12ab", "rules_digest": "34cd", "interface": "1.0"}
                           | files).items():
            self.put(f"sys/kernel/vac/instances/{tag}/{name}", text)

    def run(self, *words):
        done = subprocess.run([build_tool(), *words], stdout=subprocess.PIPE,
                              env=os.environ | {"MULTIKVM_ROOT": str(self.folder)},
                              stderr=subprocess.PIPE, text=True)
        return done.returncode, done.stdout, done.stderr

    def json(self, *words):
        document = json.loads(self.run(*words, "--json")[1])
        jsonschema.validate(document, SCHEMA)
        return document
