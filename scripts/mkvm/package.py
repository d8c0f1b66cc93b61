# SPDX-License-Identifier: GPL-2.0-only
"""The DKMS source package of one instance: build files around the rewritten tree."""

import re
from pathlib import Path

from . import digest, house, names, objects, tree

TEMPLATES = Path(__file__).resolve().parent / "package"


def glue_files(interface=house.ROOT / house.VAC_HEADERS):
    """Our own C, by its path in the package; vac's header is in the folder interface."""
    files = {}
    for folder, place in house.GLUE_FOLDERS.items():
        for name, content in tree.read(house.ROOT / folder).items():
            if name.endswith((".c", ".h", ".S")):
                files[f"{place}/{name}"] = content
    for name, content in tree.read(interface).items():
        if name.endswith(".h"):
            files[f"vac/{name}"] = content
    return files


def _expand(template, values):
    text = (TEMPLATES / template).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    return text.encode()


def make(rewritten, glue, tag, snapshot, rules_digest, patches, renamed, known, state):
    """(version, {path: content}) of the package, without its provenance."""
    module = f"kvm-{tag}"
    files = {name: content for name, content in rewritten.items()
             if name not in (objects.CORE_LIST, objects.X86_LIST)}
    files |= glue
    files["glue/names.h"] = names.header(tag, renamed)
    files["glue/instance.h"] = names.instance(snapshot, rules_digest, patches)
    files["glue/known"] = known
    files["glue/vmm_state.h"] = state
    own = " ".join(sorted(name[:-1] + "o" for name in glue
                          if name.startswith("glue/") and name.endswith((".c", ".S"))
                          and not name.endswith("-offsets.c")))
    values = {"MODULE": module, "RELEASE": snapshot.release, "GLUE": own,
              "SERIES": re.match(r"\d+\.\d+", snapshot.release)[0],
              "OBJECTS": objects.kbuild(rewritten, module)}
    files["Kbuild"] = _expand("Kbuild.in", values)
    files["Makefile"] = _expand("Makefile.in", values)
    files["build.sh"] = _expand("build.sh", values)
    files["halves.sh"] = _expand("halves.sh", values)
    version = f"{snapshot.release}.r{digest.of_tree(files)[:8]}"
    files["dkms.conf"] = _expand("dkms.conf.in", values | {"VERSION": version})
    return version, files
