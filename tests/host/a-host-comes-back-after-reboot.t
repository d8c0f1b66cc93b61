#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""The walk of an operator on a booted Debian 12 with libvirt: install, use, roll back, bring a fix
to what has a VM, reboot, upgrade the kernel, leave. The first kernel is the oldest of its series
that the archive has, the upgrade is to the newest.

The machine has one CPU: with two QEMU stood still in one walk of seven.

It failed when
  the boot was not waited for            stock KVM was half loaded, and multikvm use a was refused
  the unit was disabled                  after the reboot nothing was loaded, no domain came
  the default was not stored             the unit loaded nothing
  disable did not load the stock KVM     "stock KVM is back" was not ok
  the AppArmor drop-in was empty         /dev/kvm-b: Permission denied
  multi-kvm.conf had a softdep on vac    "what stock modules need is none of ours", at last
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))

from steps import MESSAGE, ask_sources, upgrade, walk_on  # noqa: E402

STOCK = {"kvm", "kvm_amd"}
SERIAL = "/var/log/libvirt/qemu/one.serial"
JAIL = """mkdir -p /srv/jail
systemd-run --quiet --unit jailed -p StandardOutput=file:/run/jailed jailed /srv/jail 1234 1234
timeout 200 sh -c 'tail -n +1 -F /run/jailed 2>&1 | grep -m 1 VM'"""
PURGE = r"""apt-get -y purge $(dpkg-query -W -f '${Package}\n' |
	grep -E '^(multi-kvm|kvm-.*-modules)')"""
LEFT = """! find /etc /var/lib /var/log /usr /lib/modules -name '*multi-kvm*' -o \
	-name '*multikvm*' | grep ."""
# What each module of the kernel that has to do with KVM needs: none of ours.
DEPENDS = """set -e
modules=$(find /lib/modules/$(uname -r)/kernel \\( -path '*kvm*' -o -path '*vfio*' -o \
	-name 'irqbypass*' -o -name 'ccp*' \\) -name '*.ko*' -printf '%f\\n' | sed 's/\\.ko.*//')
test $(echo $modules | wc -w) -gt 8
for module in $modules; do modprobe --show-depends $module; done >/run/depends
! grep -e /updates/ -e '/vac[.]' -e '/kvm-[ab][.]' /run/depends"""
# As the process of the first domain may: that opens no file of the administrator's.
CONFINED = """pid=$(multikvm ps --json | grep -o '"pid": *[0-9]*' | head -n 1 | grep -o '[0-9]*')
profile=$(sed -n 's/ (enforce)$//p' /proc/$pid/attr/current)
bash -c 'printf "changeprofile %s" $1 >/proc/self/attr/current && : <>/dev/kvm-b &&
	! : </etc/shadow' - "${profile:?it is not confined}" """
# Microseconds since the boot.
SINCE = """for unit in multi-kvm basic.target libvirtd; do
	systemctl show --value -p ActiveEnterTimestampMonotonic $unit
done"""


def two_at_once(op):
    op.ok("what was installed leaves the boot as it was", op.loaded() == STOCK, *op.last)
    op.does("and what stock modules need", DEPENDS)
    op.does("multikvm use a", "multikvm use a")
    op.start("one", "virsh autostart one")
    vms = op.vms()
    op.ok("multikvm ps shows the domain on a, with its cgroup",
          vms.get("one", ("", ""))[0] == "a" and "machine" in vms["one"][1], *op.last)
    op.types("use b", tag="b", default=True, loaded=True)
    op.start("two")
    op.ok("the second is on b, the first stays on a", op.tags() == {"one": "a", "two": "b"},
          *op.last)
    op.does("AppArmor confines the domains, and lets them open an instance's device", CONFINED)
    op.types("rollback", tag="a", default=True)
    op.does("a VMM makes its own node 10:232 in a jail", JAIL, "a VM: /dev/kvm is 10:232")
    op.ok("and is on the default", op.tags().get("jailed") == "a", *op.last)


def fix_comes(op):
    """For a tag with a VM: the fix is for the next boot, or after an unload."""
    op.does("a later package of a is installed while a VM runs on it",
            "apt-get -qy install kvm-a-modules-$(uname -r)", "Setting up kvm-a-modules")
    op.ok("status says that it waits", (op.json("status") or {}).get("waiting") == ["a"], *op.last)
    op.refuses("and doctor what to type", "multikvm doctor", 3, "sudo multikvm unload a")
    op.goes_on("the VM goes on", "one")
    op.ok("on a", op.tags().get("one") == "a", *op.last)
    op.does("whose code is as it was", f"! dmesg | grep '{MESSAGE} anew'")


def is_back(op, kver):
    """After a boot: the default is there, and so is the domain that libvirt starts by itself."""
    op.does(f"{kver} was booted", "uname -r", kver)
    op.ok("the default is loaded, stock KVM is not", op.loaded() == {"vac", "kvm_a"}, *op.last,
          op.host.run("systemctl status --no-pager multi-kvm; multikvm status")[1])
    since = [int(word) for word in op.run(SINCE).split()]
    op.ok("before basic.target, after which every ordinary service comes, and libvirtd does",
          len(since) == 3 and 0 < since[0] < since[1] < since[2], *op.last)
    op.beats("the domain comes by itself", "one")
    op.ok("and is on a", op.tags().get("one") == "a", *op.last)


def walk(op, host):
    new = ask_sources("kver", "newest")
    host.boot()
    old = host.kver
    two_at_once(op)
    fix_comes(op)
    op.run(f"rm {SERIAL}")
    host.reboot()
    is_back(op, old)
    op.does("with the fix", f"dmesg | grep '{MESSAGE} anew'")
    op.ok("so nothing waits", (op.json("status") or {}).get("waiting") == [], *op.last)

    op.run(f"rm {SERIAL}")
    host.off()
    op.say(f"apt install linux-image-{new}")
    upgrade(host, new)
    host.boot()
    is_back(op, new)

    op.types("load b", tag="b", loaded=True, default=False)
    op.does("what stock modules need is none of ours", DEPENDS)
    op.types("unload b", tag="b", loaded=False, vms=0)
    op.refuses("leaving is refused while a VM runs", "multikvm disable", 3)
    op.does("the domain ends", "virsh destroy one")
    op.types("disable")
    op.ok("stock KVM is back", op.loaded() == STOCK, *op.last)
    op.does("apt purges all of it", PURGE)
    op.does("nothing of it is left", LEFT)
    op.run(f"rm {SERIAL}")
    host.reboot()
    op.ok("also after the next boot", op.loaded() == STOCK, *op.last)
    op.beats("the domain runs on it", "one")
    host.off()


if __name__ == "__main__":
    sys.exit(walk_on("walk", ask_sources("kver", "oldest"), walk))
