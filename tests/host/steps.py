# SPDX-License-Identifier: GPL-2.0-only
"""What tests of a booted host have in common: what goes to its disk, and steps of an operator."""

import json
import os
import shutil
import subprocess
import time

from machine import HERE, Host, Stuck, Tap, root
from kernel import ROOT, Failure, ask_sources

LIBVIRT = "/var/lib/libvirt/boot"
CFLAGS = ["-static", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
RELEASES = {"a": "newest", "b": "oldest"}

# $1 guest, $2 jailed, $3 domain.xml
PUT_GUEST = f"""
install -D -m 644 -t "$root{LIBVIRT}" "$1/vmlinux" "$1/initramfs" "$3"
install -D "$2" $root/usr/local/sbin/jailed
"""
# $1 folder of packages
INSTALL = """
cp "$1"/*.deb "$root/root"
in_root sh -c 'dpkg --force-unsafe-io --install /root/*.deb'
rm "$root"/root/*.deb
"""


def built(*words):
    """The lines that one of our tools prints."""
    done = subprocess.run(list(words), cwd=ROOT, stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode:
        raise Failure(done.returncode, f"{' '.join(words[:2])} failed")
    return done.stdout.strip().splitlines()


def modules(host, kver):
    """A folder with prebuilt packages of vac and of the instances a and b for KVER."""
    out = os.path.join(host.directory, f"debs-{kver}")
    # Both make that of vac: let it be the same.
    os.environ.setdefault("SOURCE_DATE_EPOCH", str(int(time.time())))
    for tag, release in RELEASES.items():
        snapshot = built("scripts/snapshot", ask_sources("releases", release, "--kernel", kver))[-1]
        source = built("scripts/rewrite", "--tag", tag, "--out", "build/packages",
                       "--snapshot", snapshot)[-1]
        built("scripts/package", source, "--kernel", kver, "--out", out)
    return out


def put(host, kver):
    """The packages for KVER and the guest come to the disk; nothing is chosen."""
    guest = built("tests/vm/linux/collect", "--kernel", ask_sources("kver", "newest"))[-1]
    jailed = os.path.join(host.directory, "jailed")
    subprocess.run(["gcc", *CFLAGS, "-o", jailed, os.path.join(HERE, "jailed.c")], check=True)
    host.change(PUT_GUEST, os.path.join(guest, "guest"), jailed, os.path.join(HERE, "domain.xml"))
    folder = modules(host, kver)
    for path in built("scripts/deb"):
        if os.path.basename(path).startswith("multi-kvm_"):
            shutil.copy(path, folder)
    host.change(INSTALL, folder)


def upgrade(host, kver):
    """apt brings the stock kernel KVER, and with it come the modules for it."""
    host.change(f'{HERE}/apt "$root" install "linux-image-$1"', kver)
    host.change(INSTALL, modules(host, kver))


class Operator(Tap):
    """Types commands in the machine; each result names the last ones where it is not ok."""

    def __init__(self, host):
        super().__init__()
        self.host, self.last = host, []

    def run(self, command, limit=200):
        """The output; self.status is the status."""
        self.say(command.splitlines()[0])
        self.status, output = self.host.run(command, limit)
        self.last = [f"$ {command}", output, f"status {self.status}"]
        return output

    def does(self, claim, command, *says):
        """The command ends with 0, and its output has each of SAYS."""
        output = self.run(command)
        return self.ok(claim, not self.status and all(text in output for text in says), *self.last)

    def refuses(self, claim, command, status, *says):
        output = self.run(command)
        return self.ok(claim, self.status == status and all(text in output for text in says),
                       *self.last)

    def json(self, command):
        """What multikvm --json says, or None."""
        try:
            return next(iter(json.loads(self.run(f"multikvm --json {command} 2>&1")).values()))
        except ValueError:
            return None

    def start(self, name, more="true"):
        """libvirt defines and starts a domain; it runs when its second line came."""
        self.run(f"sed s/NAME/{name}/ {LIBVIRT}/domain.xml >/tmp/{name}.xml &&\n"
                 f"virsh define /tmp/{name}.xml && {more} && virsh start {name}")
        self.ok(f"libvirt starts domain {name}", not self.status, *self.last,
                self.host.run(f"tail -n 5 /var/log/libvirt/qemu/{name}.log; "
                              "journalctl -n 10 --no-pager")[1] if self.status else "")
        self.beats(f"the guest of {name} runs", name)

    def beats(self, claim, name):
        """The guest of a domain is alive in this boot."""
        self.run(f"timeout 150 sh -c 'tail -n +1 -F /var/log/libvirt/qemu/{name}.serial 2>&1 |"
                 " grep -a -m 2 \"guest: beat\"'")
        self.ok(claim, not self.status, *self.last,
                self.host.run("dmesg | tail -n 15")[1] if self.status else "")

    def vms(self):
        """{domain or command: (tag, cgroup)} of all VMs."""
        found = {}
        for vm in self.json("ps") or []:
            name = vm["command"]
            for part in (vm["cgroup"] or "").split("/"):
                if part.startswith("machine-qemu"):
                    name = part.removesuffix(".scope").split("\\x2d", 2)[-1]
            found[name] = (vm["tag"], vm["cgroup"])
        return found

    def tags(self):
        return {name: tag for name, (tag, _) in self.vms().items()}

    def loaded(self):
        """Modules of ours and of stock KVM that are loaded."""
        return set(self.run(
            "awk '$1 ~ /^(vac|kvm.*)$/ { print $1 }' /proc/modules").split())


def walk_on(name, kver, walk):
    """Run walk(operator, host) with a host of KVER that has all of put(); the exit status."""
    try:
        image, why = root(kver)
        if not image:
            print(f"1..0 # SKIP {why}")
            return 0
        with Host(image, name) as host:
            put(host, kver)
            op = Operator(host)
            try:
                walk(op, host)
            except Stuck as stuck:
                op.ok("the machine goes on", False, stuck)
            return op.done()
    except Failure as failure:
        print(f"Bail out! {failure}", flush=True)
        return failure.status
    except KeyboardInterrupt:
        print("Bail out! interrupted; the machine is off", flush=True)
        return 130


__all__ = ["HERE", "ask_sources", "upgrade", "walk_on"]
