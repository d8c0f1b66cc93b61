# SPDX-License-Identifier: GPL-2.0-only
"""What the tests of multikvm share: the tool, built with sanitizers, and the schema."""

import json
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "rewrite"))

from tap import ROOT  # noqa: E402

SCHEMA = json.loads((ROOT / "scripts/multikvm/multikvm.schema.json").read_text())


SANITIZERS = "-fsanitize=address,undefined -fno-sanitize-recover"


def build_tool(name="tool", flags=SANITIZERS):
    """It sees the folder MULTIKVM_ROOT instead of the host."""
    out = ROOT / "build/test" / name
    subprocess.run(["flock", ROOT / "scripts/multikvm", "make", "-s", "-C",
                    ROOT / "scripts/multikvm", f"OUT={out}", "SCRIPTS=/none",
                    f"CFLAGS=-O1 -g -DFOR_TESTS {flags}"],
                   check=True)
    return out / "multikvm"
