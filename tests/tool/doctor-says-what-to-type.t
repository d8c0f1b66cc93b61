#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Claim: multikvm doctor finds each thing in a table that can be wrong with a host, says what to
type, and finds nothing on a host where nothing is; load and status know of two of them, too.

The tool is built with sanitizers and sees a folder instead of the host: MULTIKVM_ROOT.

fails when: a check is taken out of checks[] (its rows), is_other() compares nothing (the newer
module), signature_problem() does not look at /proc/keys (the enrolled key), asks is_loaded() first
or not at all, and check_signatures() looks at the instance alone (vac's row).
"""

import os
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from host import Folder, Tests  # noqa: E402

KERNEL = os.uname().release
MODULES = f"lib/modules/{KERNEL}"
OTHER = "lib/modules/6.1.0-99-amd64"
SYS = "sys/module"
WANTED = f"{SYS}/module/parameters/sig_enforce"
BUILD_ID = bytes(range(64, 84))
LOADED_ID = b"\4\0\0\0\24\0\0\0\3\0\0\0GNU\0"


def modules(folder):
    """vac, kvm-b and kvm-c as files that libkmod can read, with one of its indexes."""
    for name in ("vac", "kvm_b", "kvm_c"):
        source = f'''__asm__(".section .modinfo,\\"a\\"\\n.asciz \\"name={name}\\"\\n"
            ".asciz \\"parmtype=nested:int\\"\\n.asciz \\"vac_interface=1.1\\"\\n");'''
        path = folder / MODULES / f"updates/dkms/{name.replace('_', '-')}.ko"
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["gcc", "-c", "-x", "c", "-o", path, "-"], input=source, text=True,
                       check=True)
    (folder / MODULES / "kernel").mkdir()
    for name in ("order", "builtin", "builtin.modinfo"):
        (folder / MODULES / f"modules.{name}").touch()
    subprocess.run(["depmod", "-b", folder, KERNEL], check=True)


def sign(folder, name, signer):
    """As the kernel's struct module_signature has it, with the name of who signed."""
    path = folder / MODULES / f"updates/dkms/{name}.ko"
    end = struct.pack(">BBBBB3xI", 1, 4, 1, len(signer), 4, 8)
    path.write_bytes(path.read_bytes() + signer + b"\1\2\3\4" + bytes(8) + end +
                     b"~Module signature appended~\n")


class Host(Folder):
    """Where b is loaded, the default, and what the next boot loads."""

    def __init__(self, folder):
        super().__init__(folder)
        modules(self.folder)
        self.put("proc/cpuinfo", "flags : fpu svm")
        self.put("proc/keys", "1e6 I------ 1 perm 1f030000 0 0 asymmetri fleet: 1: X509.rsa")
        self.put("var/lib/multi-kvm/default", "b")
        self.put("etc/modprobe.d/multi-kvm.conf", "blacklist kvm")
        self.put("sys/kernel/vac/version", "1.2")
        self.put("sys/kernel/vac/default", "b")
        self.instance("b")
        self.put(f"{MODULES}/modules.dep", "updates/dkms/vac.ko:\n"
                 "updates/dkms/kvm-b.ko: updates/dkms/vac.ko\n"
                 "updates/dkms/kvm-c.ko: updates/dkms/vac.ko\n")

    def other_kernel(self):
        self.path(f"{OTHER}/kernel").mkdir(parents=True)

    def headers(self):
        self.other_kernel()
        self.path(f"{OTHER}/build/include").mkdir(parents=True)

    def prebuilt(self):
        self.other_kernel()
        self.put(f"{MODULES}/updates/multi-kvm/kvm-b.ko", "")

    def default_is_not_loaded(self):
        self.put("var/lib/multi-kvm/default", "c")

    def another_default(self):
        self.instance("c")
        self.put("sys/kernel/vac/default", "c")

    def nothing_stored(self):
        self.path("var/lib/multi-kvm/default").unlink()
        self.path("etc/modprobe.d/multi-kvm.conf").unlink()

    def blacklist_left(self):
        self.path("var/lib/multi-kvm/default").unlink()
        self.put("sys/kernel/vac/default", "none")

    def no_service(self):
        self.path("run/systemd/system").mkdir(parents=True)

    def kvmgt(self):
        self.path(f"{SYS}/kvmgt").mkdir(parents=True)

    def stock(self):
        self.put(f"{SYS}/kvm_amd/initstate", "live")
        self.put(f"{SYS}/kvm_amd/refcnt", 2)

    def stock_held(self):
        self.put(f"{SYS}/kvm/initstate", "live")
        self.put(f"{SYS}/kvm/refcnt", 0)
        self.path(f"{SYS}/kvm/holders/kvmgt").mkdir(parents=True)

    def newer(self):
        self.put(f"{SYS}/kvm_b/notes/.note.gnu.build-id", LOADED_ID + BUILD_ID)

    def newer_vac(self):
        self.put(f"{SYS}/vac/notes/.note.gnu.build-id", LOADED_ID + BUILD_ID)

    def same_build(self):
        self.newer()
        path = self.path(f"{MODULES}/updates/dkms/kvm-b.ko")
        path.write_bytes(path.read_bytes() + LOADED_ID + BUILD_ID)

    def older_vac(self):
        self.put("sys/kernel/vac/version", "1.0")

    def another_major(self):
        self.put("sys/kernel/vac/version", "2.1")

    def device_mode(self):
        self.put("dev/kvm", "")
        self.path("dev/kvm").chmod(0o600)

    def option(self):
        self.put("etc/modprobe.d/site.conf", "options kvm no_such=1\noptions kvm_amd nested=0")

    def signed(self, vac, own):
        """Not what is loaded: that the kernel accepted."""
        self.put(WANTED, "Y")
        self.newer()
        self.newer_vac()
        for name, signer in (("vac", vac), ("kvm-b", own)):
            if signer:
                sign(self.folder, name, signer)

    def not_signed(self):
        self.signed(b"fleet", None)

    def vac_not_signed(self):
        self.signed(None, b"fleet")

    def locked_down(self):
        self.signed(None, b"fleet")
        self.put(WANTED, "N")
        self.put("sys/kernel/security/lockdown", "none [integrity] confidentiality")

    def not_enrolled(self):
        self.signed(b"fleet", b"other fleet")

    def key_of_dkms(self):
        self.signed(b"fleet", b"DKMS module signing key")

    def enrolled(self):
        self.signed(b"fleet", b"fleet")

    def keys_hidden(self):
        self.signed(b"fleet", b"other fleet")
        self.path("proc/keys").unlink()

    def loaded_is_accepted(self):
        """A key that a CA certified has another name in /proc/keys."""
        self.put(WANTED, "Y")
        for name in ("vac", "kvm-b"):
            sign(self.folder, name, b"CA")

    def loaded_lost_its_signature(self):
        self.put(WANTED, "Y")

    def not_wanted(self):
        self.put(WANTED, "N")
        self.put("sys/kernel/security/lockdown", "[none] integrity confidentiality")


UNSIGNED = "{} is not signed, and this kernel loads signed modules only"
SIGN = "sign it: dkms does, with mok_signing_key= in /etc/dkms/framework.conf; " \
       "sudo multikvm package does, with --key and --cert"
LEAVE = "when there are no VMs: sudo multikvm disable, then use what was the default; or a reboot"
OTHER_B = ("another kvm-b is installed than the one that is loaded",
           "sudo multikvm unload b, when it has no VM; then load it")
OTHER_VAC = ("another vac is installed than the one that is loaded",
             "nothing now: the next boot loads it")
# What is wrong (a name of Host's), and what doctor says of it: each problem, and what to type.
FOUND = (
    (None,),
    (Host.other_kernel,
     ("kernel 6.1.0-99-amd64 has no kvm-b, the default, and its headers are not installed",
      "sudo apt-get install linux-headers-6.1.0-99-amd64")),
    (Host.headers, ("kernel 6.1.0-99-amd64 has no kvm-b, the default",
                    "sudo multikvm install --kernel 6.1.0-99-amd64")),
    (Host.prebuilt, ("kernel 6.1.0-99-amd64 has no kvm-b, the default",
                     "sudo apt-get install kvm-b-modules-6.1.0-99-amd64")),
    (Host.default_is_not_loaded, ("the default, c, is not loaded", "sudo multikvm use c")),
    (Host.another_default, ("new VMs go to c, but after the next boot to b",
                            "sudo multikvm use c")),
    (Host.nothing_stored, ("new VMs go to b, but after the next boot to the stock KVM",
                           "sudo multikvm use b")),
    (Host.blacklist_left, ("the stock KVM is held back by /etc/modprobe.d/multi-kvm.conf, but no "
                           "default is chosen", "sudo multikvm disable")),
    (Host.no_service, ("nothing loads b at the next boot: multi-kvm.service is off",
                       "sudo systemctl enable multi-kvm")),
    (Host.kvmgt, ("KVMGT is loaded, which needs the stock KVM", "sudo modprobe -r kvmgt")),
    (Host.stock, ("the stock KVM is loaded (kvm_amd; users: 2)", "sudo fuser -v /dev/kvm")),
    (Host.stock_held, ("the stock KVM is loaded (kvm; users: 0, module kvmgt)",
                       "sudo multikvm use b")),
    (Host.newer, OTHER_B),
    (Host.newer_vac, OTHER_VAC),
    (Host.same_build,),
    (Host.older_vac,),
    (Host.another_major, ("kvm-c wants vac 1.1, and the one that is loaded is 2.1", LEAVE)),
    (Host.device_mode,
     (f"/dev/kvm has the mode 600 and the group {os.getegid()}, not 0660 and kvm",
      "sudo udevadm trigger --name-match=kvm")),
    (Host.option, ("the site's option kvm.no_such=1 is without effect: kvm-b has no such parameter",
                   "grep -r '^options kvm' /etc/modprobe.d /proc/cmdline")),
    (Host.not_signed, OTHER_VAC, OTHER_B, (UNSIGNED.format("kvm-b"), SIGN)),
    (Host.vac_not_signed, OTHER_VAC, OTHER_B, (UNSIGNED.format("vac"), SIGN)),
    (Host.locked_down, OTHER_VAC, OTHER_B, (UNSIGNED.format("vac"), SIGN)),
    (Host.not_enrolled, OTHER_VAC, OTHER_B,
     ('kvm-b is signed by "other fleet", and the kernel has no key of that name',
      "sudo mokutil --import CERT, the certificate that it was signed with, in DER form, "
      "then reboot")),
    (Host.key_of_dkms, OTHER_VAC, OTHER_B,
     ('kvm-b is signed by "DKMS module signing key", and the kernel has no key of that name',
      "sudo mokutil --import /var/lib/dkms/mok.pub, then reboot")),
    (Host.enrolled, OTHER_VAC, OTHER_B),
    (Host.keys_hidden, OTHER_VAC, OTHER_B),
    (Host.loaded_is_accepted,),
    (Host.loaded_lost_its_signature, (UNSIGNED.format("vac"), SIGN),
     (UNSIGNED.format("kvm-b"), SIGN)),
    (Host.not_wanted,),
)
WAITING = {Host.newer: ["b"], Host.newer_vac: ["vac"], Host.same_build: []}


def main():
    tap = Tests()
    for wrong, *said in FOUND:
        name = wrong.__name__.replace("_", " ") if wrong else "a host as it should be"
        with tempfile.TemporaryDirectory() as folder:
            host = Host(folder)
            if wrong:
                wrong(host)
            text = "".join(f"{problem}\n  next: {next_}\n" for problem, next_ in said)
            tap.same(host.run("doctor"), (3 if said else 0, text or "nothing is wrong\n", ""), name)
            tap.same([(one["problem"], one["next"]) for one in host.json("doctor")["problems"]],
                     said, "  and the same as JSON")
            if wrong in WAITING:
                tap.same(host.json("status")["status"]["waiting"], WAITING[wrong],
                         "  of which status knows")
    tap.done()


if __name__ == "__main__":
    main()
