# SPDX-License-Identifier: GPL-2.0-only
"""A booted Debian 12 in the emulated AMD machine, driven by commands that run in it as root.

    with Host(image, "name") as host:           image: what tests/host/root printed
        host.change("cp ... $root/usr/sbin")    the machine is off: its disk is mounted at $root
        host.boot()
        status, output = host.run("virsh list")
        host.reboot()

The kernel and the initramfs come from the disk's /boot, the newest, as a boot loader would take
them. Nothing may be compiled in the machine, which is some twenty times slower than its host. Its
end of the channel is tests/host/image/usr/local/sbin/agent.
"""

import base64
import contextlib
import ctypes
import fcntl
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "vm"), os.path.join(HERE, "..", "vm", "boot")]

import machine_amd  # noqa: E402
from kernel import BUILD as KERNELS, ROOT, SYSTEM, Failure, unpacked_kernel  # noqa: E402

BUILD = os.path.join(ROOT, "build", "host")
CHANGE = os.path.join(HERE, "change")
# Time limits are for a machine that shares its CPUs with other tests: most take a twentieth.
BOOT_SECONDS, RUN_SECONDS, OFF_SECONDS = 800, 600, 600
APPEND = (f"{machine_amd.APPEND} {machine_amd.PERIODIC} loglevel=5 cryptomgr.notests "
          "root=/dev/vda rootfstype=ext4 ro fsck.mode=skip systemd.show_status=1")


class Stuck(Exception):
    """The machine did not answer in time, or it ended; the text has the end of its console."""


def die_with_parent(number=signal.SIGTERM):
    ctypes.CDLL(None).prctl(1, number)      # PR_SET_PDEATHSIG


def end_as_interrupted(*_):
    raise KeyboardInterrupt


def newest(names):
    """Of kernels' names, that which a boot loader puts first."""
    return max(names, key=lambda name: [int(part) if part.isdigit() else part
                                        for part in re.findall(r"\d+|\D+", name)])


class Host:
    """A disk of its own, and a machine while it is on."""

    def __init__(self, image, name, cpus=1, memory=2048):
        self.directory = os.path.join(BUILD, name)
        self.image, self.cpus, self.memory = image, cpus, memory
        self.disk = os.path.join(self.directory, "disk")
        self.console = os.path.join(self.directory, "console.log")
        self.process = self.channel = self.lock = self.kver = None
        self.number, self.boots, self.boot_seconds = 0, 0, 0.0

    def __enter__(self):
        signal.signal(signal.SIGTERM, end_as_interrupted)
        die_with_parent()
        os.makedirs(self.directory, exist_ok=True)
        # pylint: disable=consider-using-with
        self.lock = open(os.path.join(self.directory, "lock"), "w", encoding="ascii")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        for file in os.listdir(self.directory):
            path = os.path.join(self.directory, file)
            if os.path.isdir(path):
                shutil.rmtree(path)
            elif file != "lock":
                os.unlink(path)
        subprocess.run(["cp", "--sparse=always", self.image, self.disk], check=True)
        return self

    def __exit__(self, *_):
        self.kill()
        if not os.environ.get("KEEP"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.disk)
        self.lock.close()

    # Off: the disk.

    def change(self, script, *words):
        """Run a bash script with the disk mounted at $root; "in_root COMMAND..." is in a chroot."""
        assert not self.process
        sudo = [] if os.getuid() == 0 else ["sudo", "-n"]
        done = subprocess.run([*sudo, CHANGE, self.disk, script, *words], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, check=False,
                              text=True)
        if done.returncode:
            raise Failure(SYSTEM, "the disk could not be changed:",
                          *done.stdout.splitlines()[-10:])
        return done.stdout

    def debugfs(self, *words):
        return subprocess.run(["/sbin/debugfs", "-R", " ".join(words), self.disk], check=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout

    def kernels(self):
        """The kernels that the disk has in /boot."""
        listed = self.debugfs("ls", "-p", "/boot").decode()
        return [entry.split("/")[5].partition("-")[2] for entry in listed.splitlines()
                if entry.count("/") > 5 and entry.split("/")[5].startswith("vmlinuz-")]

    # On.

    def command(self, kernel, initrd, fd):
        return [machine_amd.EMULATOR, "-M", "q35", "-cpu", "EPYC,+svm,+npt",
                "-accel", "tcg,thread=multi", "-smp", str(self.cpus), "-m", str(self.memory),
                "-nodefaults", "-display", "none", "-no-reboot",
                "-chardev", f"file,id=console,path={self.console},append=on",
                "-serial", "chardev:console",
                "-drive", f"file={self.disk},format=raw,if=virtio,cache=unsafe",
                "-device", "virtio-rng-pci",
                "-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,fd={fd}",
                "-device", "virtserialport,chardev=agent,name=multi-kvm.agent",
                "-kernel", kernel, "-initrd", initrd, "-append", APPEND]

    def start(self, more=""):
        """Switch it on; MORE is for the kernel's command line."""
        assert not self.process
        os.makedirs(KERNELS, exist_ok=True)
        self.kver = newest(self.kernels())
        files = []
        for name in ("vmlinuz", "initrd.img"):
            path = os.path.join(self.directory, name)
            self.debugfs("dump", f"/boot/{name}-{self.kver}", path)
            files.append(path)
        self.channel, other = socket.socketpair()
        command = self.command(unpacked_kernel(files[0]), files[1], other.fileno())
        command[-1] += f" {more}"
        with open(os.path.join(self.directory, "emulator.log"), "ab") as log:
            # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                pass_fds=[other.fileno()], preexec_fn=lambda: die_with_parent(signal.SIGKILL))
        other.close()

    def boot(self, more=""):
        """Switch it on and wait until systemd has started all; says what failed of that."""
        began = time.monotonic()
        self.start(more)
        self.read_line(began + BOOT_SECONDS)
        # udev loads modules that nothing of that waits for.
        self.run("systemctl is-system-running --wait; udevadm settle",
                 began + BOOT_SECONDS - time.monotonic())
        self.boots += 1
        self.boot_seconds = time.monotonic() - began
        print(f"# boot {self.boots}: {self.kver}, {self.boot_seconds:.0f} s", flush=True)

    def wait_for_bytes(self, end, what):
        left = end - time.monotonic()
        if left <= 0 or not select.select([self.channel], [], [], left)[0]:
            self.stuck(f"no answer in time: {what}")
        with contextlib.suppress(ConnectionResetError):
            if got := self.channel.recv(65536, socket.MSG_PEEK):
                return got
        self.stuck(f"the machine ended: {what}")
        return b""

    def read_line(self, end, what="boot"):
        line = b""
        while not line.endswith(b"\n"):
            got = self.wait_for_bytes(end, what)
            line += self.channel.recv(got.find(b"\n") + 1 or len(got))
        return line.decode().split()

    def run(self, command, limit=RUN_SECONDS):
        """(status, output) of a bash script that runs in the machine as root."""
        end = time.monotonic() + limit
        self.number += 1
        self.channel.sendall(f"{self.number} ".encode() + base64.b64encode(command.encode()) +
                             b"\n")
        number, status, size = map(int, self.read_line(end, command))
        assert number == self.number
        output = b""
        while len(output) < size:
            self.wait_for_bytes(end, command)
            output += self.channel.recv(size - len(output))
        return status, output.decode(errors="replace").rstrip("\n")

    def stuck(self, why):
        with open(self.console, encoding="utf-8", errors="replace") as file:
            text = file.read().replace("\r", "").splitlines()[-40:]
        with open(os.path.join(self.directory, "emulator.log"), encoding="utf-8",
                  errors="replace") as file:
            text += file.read().splitlines()[-5:]
        raise Stuck("\n".join([why, *text]))

    def wait_off(self):
        """Until the machine has ended by itself."""
        try:
            self.process.wait(OFF_SECONDS)
        except subprocess.TimeoutExpired:
            self.stuck("it does not end")
        self.kill()

    def off(self):
        self.channel.sendall(b"0 " + base64.b64encode(b"systemctl --no-block poweroff") + b"\n")
        self.wait_off()

    def reboot(self, more=""):
        """As an operator does it; then the newest kernel on the disk is booted."""
        self.channel.sendall(b"0 " + base64.b64encode(b"systemctl --no-block reboot") + b"\n")
        self.wait_off()
        self.boot(more)

    def kill(self):
        """As if power were cut."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.channel.close()
            self.process = None


def root(kver):
    """The image for a kernel; None and why where it cannot be made."""
    for needed in (machine_amd.EMULATOR, "debootstrap"):
        if not shutil.which(needed, path=os.environ["PATH"] + ":/usr/sbin"):
            return None, f"{needed} is not installed"
    sudo = [] if os.getuid() == 0 else ["sudo", "-n"]
    if subprocess.run([*sudo, "true"], stderr=subprocess.DEVNULL, check=False).returncode:
        return None, "needs root, to make and change a disk"
    done = subprocess.run([*sudo, os.path.join(HERE, "root"), kver], check=False, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        return None, f"no image: {done.stderr.strip().splitlines()[-1]}"
    return done.stdout.strip(), None


class Tap:
    """Results, and which commands led to them."""

    def __init__(self):
        self.count = self.failed = 0
        self.began = time.monotonic()

    def ok(self, claim, true, *evidence):
        self.count += 1
        self.failed += not true
        print(f"{'ok' if true else 'not ok'} {self.count} - {claim}")
        if not true:
            for text in evidence:
                for line in str(text).splitlines()[-25:]:
                    print(f"#   {line}")
        sys.stdout.flush()
        return true

    def say(self, text):
        for line in text.splitlines():
            print(f"# {time.monotonic() - self.began:4.0f} s  {line}", flush=True)

    def done(self):
        print(f"1..{self.count}", flush=True)
        return 1 if self.failed else 0
