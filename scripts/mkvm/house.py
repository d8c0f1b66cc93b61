# SPDX-License-Identifier: GPL-2.0-only
"""Where things lie in the repository."""

import os
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def _build():
    """What is made goes to build/; where this was installed as a package, nobody writes there."""
    if (ROOT / "Makefile").exists():
        return ROOT / "build"
    if os.geteuid() == 0:
        return Path("/var/cache/multi-kvm")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "multi-kvm"


BUILD = _build()
PARTS = ("kvm-core", "kvm-x86")
RULE_FOLDERS = ("kvm-core/rules", "kvm-x86/rules", "kvm-x86/vmx/rules", "kvm-x86/svm/rules")
GLUE_FOLDERS = {"kvm-core/glue": "glue/core", "kvm-x86/glue": "glue/x86"}
VAC_HEADERS = "vac/include"


def series():
    """The supported kernel series: dkms.conf lists them."""
    return re.search(r'^SERIES="(.+)"$', (ROOT / "dkms.conf").read_text(), re.M)[1].split()
