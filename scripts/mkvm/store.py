# SPDX-License-Identifier: GPL-2.0-only
"""Results kept under build/cache/rewrite by the digest of what they were made from."""

import json
import os

from . import house


class Store:
    def __init__(self, folder=None, enabled=True):
        self.folder = folder or house.BUILD / "cache" / "rewrite"
        self.enabled = enabled

    def get(self, key):
        if not self.enabled:
            return None
        try:
            return json.loads((self.folder / key[:2] / key).read_text())
        except (FileNotFoundError, ValueError):
            return None

    def put(self, key, value):
        if not self.enabled:
            return
        path = self.folder / key[:2] / key
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{key}.{os.getpid()}")
        fresh.write_text(json.dumps(value))
        os.replace(fresh, path)
