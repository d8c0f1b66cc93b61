# SPDX-License-Identifier: GPL-2.0-only
"""Results kept under build/cache/rewrite by the digest of what they were made from.

The digest covers the programs that make them, so that a new check in one of these also runs on
inputs that were seen before.
"""

import json
import os
import threading
from pathlib import Path

from . import digest, house

MAKERS = ("cocci", "diff", "edit", "patch", "pins", "private", "rewriting", "rule", "tokens",
          "units")


class Store:
    def __init__(self, folder=None, enabled=True):
        self.folder = folder or house.BUILD / "cache" / "rewrite"
        self.enabled = enabled
        here = Path(__file__).resolve().parent
        self.makers = digest.of_bytes(*((here / f"{name}.py").read_bytes() for name in MAKERS))

    def _path(self, key):
        name = digest.of_bytes(self.makers, key)
        return self.folder / name[:2] / name

    def get(self, key):
        if not self.enabled:
            return None
        try:
            return json.loads(self._path(key).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def put(self, key, value):
        if not self.enabled:
            return
        path = self._path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
        fresh.write_text(json.dumps(value))
        os.replace(fresh, path)
