# SPDX-License-Identifier: GPL-2.0-only
"""Where things lie in the repository."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build"
PARTS = ("kvm-core", "kvm-x86")
RULE_FOLDERS = ("kvm-core/rules", "kvm-x86/rules", "kvm-x86/vmx/rules", "kvm-x86/svm/rules")
GLUE_FOLDERS = {"kvm-core/glue": "glue/core", "kvm-x86/glue": "glue/x86"}
VAC_HEADERS = "vac/include"


def series():
    """The supported kernel series: dkms.conf lists them."""
    return re.search(r'^SERIES="(.+)"$', (ROOT / "dkms.conf").read_text(), re.M)[1].split()
