# SPDX-License-Identifier: GPL-2.0-only
"""A host's folder that says which instance is the default, now and after the next boot."""

import re

from host import ROOT, Folder

DEFAULT, HISTORY = "var/lib/multi-kvm/default", "var/lib/multi-kvm/history"
BLACKLIST, VAC = "etc/modprobe.d/multi-kvm.conf", "sys/kernel/vac/default"
WHOLE = (ROOT / "scripts/host/multi-kvm.conf").read_text()


class Host(Folder):
    """With the instances a and b, of which a is the default."""

    def __init__(self, folder):
        super().__init__(folder)
        for tag in "ab":
            self.instance(tag)
        for name, text in {"version": "1.0", "vendor": "amd", "users": "0",
                           "chooser": "none", "default": "a"}.items():
            self.put(f"sys/kernel/vac/{name}", text)

    def text(self, name):
        path = self.path(name)
        return path.read_text() if path.exists() else None

    def state(self):
        return tuple(self.text(name) for name in (VAC, DEFAULT, BLACKLIST)) + (
            re.sub(r"^\d+ ", "", self.text(HISTORY) or "", flags=re.M),)

    def wrong(self):
        """Why this host does not boot with one of both, or what it has lost."""
        default, blacklist, history = self.text(DEFAULT), self.text(BLACKLIST), self.text(HISTORY)
        if default not in (None, "a\n", "b\n"):
            return f"the default is {default!r}"
        if blacklist not in (None, WHOLE):
            return f"the blacklist is {blacklist!r}"
        if blacklist and not default:
            return "the stock KVM is held off, and nothing else is chosen"
        if not re.fullmatch(r"(\d+ [ab]\n)*", history or ""):
            return f"the history is {history!r}"
        return None
