# SPDX-License-Identifier: GPL-2.0-only
"""What tests of a booted host have in common: what goes to its disk, and steps of an operator."""

import difflib
import json
import os
import shutil
import subprocess
import time

import jsonschema

from machine import HERE, RUN_SECONDS, Host, Stuck, Tap, root
from kernel import ROOT, Failure, ask_sources

LIBVIRT = "/var/lib/libvirt/boot"
CFLAGS = ["-static", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror"]
RELEASES = {"a": "newest", "b": "oldest"}
with open(os.path.join(ROOT, "scripts/multikvm/multikvm.schema.json"), encoding="utf-8") as _schema:
    SCHEMA = json.load(_schema)
MESSAGE = "Nested Virtualization enabled"       # of svm.c, in all releases

# $1 guest, $2 jailed, $3 domain.xml
PUT_GUEST = f"""
install -D -m 644 -t "$root{LIBVIRT}" "$1/vmlinux" "$1/initramfs" "$3"
install -D "$2" $root/usr/local/sbin/jailed
"""
# $1 folder of packages, which come to the disk's own repository; then packages to install
INSTALL = r"""
repository=$root/srv/repository
install -D -m 644 -t "$repository" "$1"/*.deb
(cd "$repository" && dpkg-scanpackages --multiversion . >Packages 2>/dev/null)
echo 'deb [trusted=yes] file:/srv/repository ./' >"$root/etc/apt/sources.list"
shift
in_root apt-get -q update
[ $# -eq 0 ] || in_root apt-get -qy --no-install-recommends \
	-o DPkg::Options::=--force-unsafe-io install "$@"
"""


def built(*words):
    """The lines that one of our tools prints."""
    done = subprocess.run(list(words), cwd=ROOT, stdout=subprocess.PIPE, check=False, text=True)
    if done.returncode:
        raise Failure(done.returncode, f"{' '.join(words[:2])} failed")
    return done.stdout.strip().splitlines()


def snapshot(kver, tag):
    return built("scripts/snapshot", ask_sources("releases", RELEASES[tag], "--kernel", kver))[-1]


def package(kver, tag, out, *more):
    """The lines of scripts/package, for an instance of that tag for KVER."""
    source = built("scripts/rewrite", "--tag", tag, "--out", "build/packages",
                   "--snapshot", snapshot(kver, tag), *more)[-1]
    return built("scripts/package", source, "--kernel", kver, "--out", out)


def names(kver):
    return [f"kvm-{tag}-modules-{kver}" for tag in RELEASES]


def modules(host, kver):
    """A folder with prebuilt packages of vac and of the instances a and b for KVER."""
    out = os.path.join(host.directory, f"debs-{kver}")
    # Both make that of vac: let it be the same.
    os.environ.setdefault("SOURCE_DATE_EPOCH", str(int(time.time())))
    for tag in RELEASES:
        package(kver, tag, out)
    return out


def put_newer(host, kver):
    """A later package of a, which logs MESSAGE with one more word, comes to the repository."""
    out = os.path.join(host.directory, "newer")
    path = "arch/x86/kvm/svm/svm.c"
    with open(os.path.join(snapshot(kver, "a"), path), encoding="utf-8") as file:
        before = file.read()
    os.makedirs(out)
    with open(os.path.join(out, "patch"), "w", encoding="utf-8") as file:
        file.writelines(difflib.unified_diff(
            before.splitlines(True), before.replace(MESSAGE, f"{MESSAGE} anew").splitlines(True),
            f"a/{path}", f"b/{path}"))
    os.environ["SOURCE_DATE_EPOCH"] = str(int(os.environ["SOURCE_DATE_EPOCH"]) + 1)
    package(kver, "a", out, "--patch", file.name)
    host.change(INSTALL, out)


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
    host.change(INSTALL, folder, *names(kver))
    put_newer(host, kver)


def upgrade(host, kver):
    """apt brings the stock kernel KVER, and with it come the modules for it."""
    host.change(f'{HERE}/apt "$root" install "linux-image-$1"', kver)
    host.change(INSTALL, modules(host, kver), *names(kver))


class Operator(Tap):
    """Types commands in the machine; each result names the last ones where it is not ok."""

    def __init__(self, host):
        super().__init__()
        self.host, self.last = host, []

    def run(self, command, limit=RUN_SECONDS):
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
        """What multikvm --json says, or None if that is no document of the schema."""
        try:
            document = json.loads(self.run(f"multikvm --json {command} 2>&1"))
            jsonschema.validate(document, SCHEMA)
            return next(iter(document.values()))
        except (ValueError, jsonschema.ValidationError) as error:
            self.last.append(str(error))
            return None

    def types(self, command, **says):
        """multikvm --json does it, and the document has these members."""
        got = self.json(command)
        return self.ok(f"multikvm {command}", isinstance(got, dict) and not self.status and
                       says.items() <= got.items(), *self.last)

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
        self.run(f"timeout 400 sh -c 'tail -n +1 -F /var/log/libvirt/qemu/{name}.serial 2>&1 |"
                 " grep -a -m 2 \"guest: beat\"'")
        self.ok(claim, not self.status, *self.last,
                self.host.run("dmesg | tail -n 15")[1] if self.status else "")

    def goes_on(self, claim, name):
        """The guest of a domain writes one more line."""
        self.does(claim, f"timeout 200 tail -n 0 -F /var/log/libvirt/qemu/{name}.serial |"
                         " grep -a -m 1 'guest: beat'")

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


__all__ = ["HERE", "MESSAGE", "ask_sources", "upgrade", "walk_on"]
