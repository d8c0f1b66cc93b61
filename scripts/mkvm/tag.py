# SPDX-License-Identifier: GPL-2.0-only
"""Which words can be the tag of an instance, and whether a kernel leaves its module's name free."""

import re
from pathlib import Path

from . import house
from .failure import NotFound, Refused, Usage

TAG = re.compile(r"[a-z][a-z0-9_]{0,23}")
LISTS = ("modules.order", "modules.builtin")    # what a kernel has, as it was built


def not_tags():
    """The words that vac refuses, too."""
    text = (house.ROOT / "vac/not-tags.h").read_text()
    return re.findall(r"^NOT_A_TAG\((\w+)\)", text, re.M)


def check(tag):
    if not TAG.fullmatch(tag):
        raise Usage(f"{tag} is no tag: a letter, then up to 23 of a-z 0-9 _")
    if tag in not_tags():
        raise Usage(f"{tag} is no tag\n  vac/not-tags.h has it, with the reason\n"
                    f"  next: another one, for example my_{tag}")


def check_private(tag, names):
    """The name of a trace system goes through the preprocessor, which must not change it."""
    for name in (f"kvm_{tag}", f"kvmmmu_{tag}"):
        if name in names:
            raise Refused(f"{tag} is no tag for this KVM: its trace system would be {name}\n"
                          f"  which is a function or a variable of it\n"
                          f"  next: another one, for example my_{tag}")


def check_kernel(tag, modules, kver):
    """modules is the folder of the kernel's own modules, /lib/modules/<kver> or one like it."""
    wanted = f"kvm_{tag}"
    for path in (Path(modules) / name for name in LISTS):
        if not path.is_file():
            raise NotFound(f"no {path}\n  so nobody knows whether {kver} has a module kvm-{tag}")
        for line in path.read_text().splitlines():
            if Path(line).stem.replace("-", "_") == wanted:
                raise Refused(f"{tag} is no tag for {kver}: that kernel has a module kvm-{tag} "
                              f"itself\n  {line}, in its {path.name}: one would shadow the other\n"
                              f"  next: another one, for example my_{tag}")
