# SPDX-License-Identifier: GPL-2.0-only
"""What a build calls, and the package that has it: what is missing is reported before it starts.

Noticed later, kbuild says "Error 127", and spatch fails each rule with an exception.
"""

import ctypes.util
import re
import shutil
import sys
from pathlib import Path

from . import failure

KBUILD = {"make": "make", "ccache": "ccache", "ld": "binutils", "objcopy": "binutils",
          "objdump": "binutils", "strip": "binutils"}


def need(*lacking):
    """Lists of (what is missing, its package): one error for all that is in them."""
    missing = [one for some in lacking for one in some]
    if missing:
        packages = " ".join(sorted({package for _, package in missing}))
        raise failure.System("\n  ".join((
            f"this needs what is not installed: {', '.join(what for what, _ in missing)}",
            *(f"{what} is in the package {package}" for what, package in missing),
            f"next: make setup; or only these: sudo apt-get install {packages}")))


def for_kernel(kdir):
    """What a module for the kernel whose headers these are cannot be built without."""
    config = (Path(kdir) / "include/config/auto.conf").read_text()
    wanted = dict(KBUILD)
    compiler = re.search(r'^CONFIG_CC_VERSION_TEXT="?(?:\S*-linux-gnu-)?(gcc\S*)', config, re.M)
    if compiler:
        wanted[compiler[1]] = compiler[1]
    # Headers of 6.1 come without vmlinux; kbuild then leaves out what pahole makes.
    if "\nCONFIG_DEBUG_INFO_BTF_MODULES=y" in config and (Path(kdir) / "vmlinux").exists():
        wanted["pahole"] = "pahole"
    return [(program, package) for program, package in wanted.items()
            if not shutil.which(program)]


def for_rules():
    """What the rules cannot be applied without.

    spatch runs their Python with the library of the default python3, which also runs this. It
    loads it only when a rule needs it, so its package does not depend on it.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    lacking = [] if shutil.which("spatch") else [("spatch", "coccinelle")]
    if not ctypes.util.find_library(version):
        lacking.append((f"lib{version}.so", f"lib{version}"))
    return lacking
