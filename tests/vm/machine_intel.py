# SPDX-License-Identifier: GPL-2.0-only
"""The emulated Intel machine: Bochs, a Haswell with VMX, EPT, VPID and unrestricted guests.

The same interface as machine_amd.py. Bochs has no direct boot, so the kernel comes from a disk
(boot/disk.py). Its clock counts the instructions it executes, and with one CPU it jumps ahead when
that halts: nothing in the machine is late because the host is busy. So time limits are compared
with the emulator's CPU time, too.

All CPUs are emulated in one thread, and one that halts takes as long as one that works: a boot with
two takes twice as long as with one, with four ten times. So scenarios here have one or two.

A boot is a third of what most scenarios take, and the same for all with that kernel and as many
CPUs. So the first machine of a kind is saved when its init runs (Machine.state()), and all go on
from there; what differs between scenarios is read from the disk after that. The time of that boot
is counted for none of them. They share what was random in it, such as the state of the kernel's
random number generator.

The Bochs that tests/vm/bochs built is preferred, as it is two to three times as fast; Debian's
package works too, and is taken with BOCHS=package in the environment.
"""

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import types

HERE = os.path.dirname(os.path.realpath(__file__))
BUILD = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build")
sys.path.insert(0, os.path.join(HERE, "boot"))

import disk  # noqa: E402
from watch import OOPS, PANIC  # noqa: E402

BUILT = os.path.join(BUILD, "bochs", "bochs")
PACKAGED = os.environ.get("BOCHS") == "package" or not os.path.exists(BUILT)
EMULATOR = "bochs-bin" if PACKAGED else BUILT
PACKAGE = "bochs bochsbios vgabios"
# reboot=t: a triple fault, which with reset_on_triple_fault=0 and panic: action=fatal ends Bochs.
# 115200n8: at the default of 9600 the kernel waits a million instructions for each character.
APPEND = "console=ttyS0,115200n8 panic=-1 reboot=t"
SHARE = "/usr/share/bochs"
# How the firmware sets IA32_FEAT_CTL, on each CPU: rdmsr, or 5 (locked, with VMX), wrmsr.
SET_FEAT_CTL = re.compile(rb"(\xb9\x3a\0\0\0\x0f\x32\x66?\x83\xc8)\x05(\x0f\x30)")

CONFIG = """\
config_interface: textconfig
display_library: {display}
cpu: model=corei7_haswell_4770, count=1:{cpus}:1, ips=100000000, reset_on_triple_fault=0, \
ignore_bad_msrs=1
memory: guest={memory}, host={memory}
romimage: file="{firmware}", options=fastboot
vgaromimage: file={share}/VGABIOS-lgpl-latest
vga: extension=none, update_freq=1, realtime=0
clock: sync=none, time0=1700000000
pci: enabled=1, chipset=i440fx
ata0-master: type=disk, path="disk", mode=flat
ata1: enabled=0
boot: disk
com1: enabled=1, mode=file, dev="{console}"
com2: enabled=1, mode=file, dev="{report}"
panic: action=fatal
error: action=report
info: action=ignore
debug: action=ignore
"""
# Debian's package loads its devices as plugins, and is built with the debugger.
CONFIG_OF_PACKAGE = """\
plugin_ctrl: unmapped=1, biosdev=1, serial=1, extfpuirq=1, speaker=0, parallel=0, gameport=0, \
iodebug=0
sound: waveoutdrv=dummy
"""


def preload():
    """The library preload.c, built once."""
    source = os.path.join(HERE, "preload.c")
    with open(source, "rb") as file:
        path = disk.cached_name(os.path.join(BUILD, "vm"), "preload", file.read())
    if not os.path.exists(path):
        fresh = f"{path}.{os.getpid()}"
        subprocess.run(["gcc", "-shared", "-fPIC", "-std=gnu11", "-O2", "-Wall", "-Wextra",
                        "-Werror", "-o", fresh, source, "-ldl"], check=True)
        os.rename(fresh, path)
    return path


LIST = "whole"      # in a saved machine: {file: size}


class Unsaved(Exception):
    """Why there is no saved machine."""


def look_at_boot(console):
    """Each machine that goes on from there reports the kernel log of the boot as its own; this is
    for what is on the console only."""
    with open(console, "a+", encoding="utf-8", errors="replace") as file:
        file.seek(0)
        for line in file:
            if OOPS.search(line) or PANIC.search(line):
                raise Unsaved(line.strip())


def finish_state(state, memory):
    """Let what Bochs saved in the directory STATE go on with another disk, and list what a whole
    state consists of. Bochs ignores errors when it writes, so check what can be checked."""
    for entry in os.scandir(state):
        if "." not in entry.name and entry.name not in ("config", "logopts"):
            with open(entry.path, "rb") as file:
                if not file.read().endswith(b"\n}\n"):
                    raise Unsaved(f"{entry.name} is not whole")
    path = os.path.join(state, "memory.ram")
    if os.path.getsize(path) != memory:
        raise Unsaved("the memory is not whole")
    subprocess.run(["fallocate", "--dig-holes", path], check=False)
    os.unlink(os.path.join(state, "hard_drive.0.drive0.image"))
    with open(os.path.join(state, "hard_drive"), "r+", encoding="ascii") as file:
        text, hits = re.subn(r"\bimage = true\n", "image = false\n", file.read())
        if hits != 1:
            raise Unsaved(f"it has {hits} disks")
        file.seek(0)
        file.write(text)
    sizes = sizes_in(state)
    for name in sizes:
        with open(os.path.join(state, name), "rb") as file:
            os.fsync(file.fileno())
    with open(os.path.join(state, LIST), "w", encoding="ascii") as file:
        json.dump(sizes, file)


def sizes_in(state):
    return {entry.name: entry.stat().st_size for entry in os.scandir(state)
            if entry.name not in (LIST, "console.log")}


def is_whole(state):
    try:
        with open(os.path.join(state, LIST), encoding="ascii") as file:
            return json.load(file) == sizes_in(state)
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def locked(path, wait=fcntl.LOCK_EX):
    """Whoever makes, tests or removes the state PATH holds its lock, a file that gets the reason
    when it could not be made."""
    with open(f"{path}.lock", "a+", encoding="utf-8") as lock:
        fcntl.flock(lock, wait)
        yield lock


def remove_old(directory):
    """Remove saved machines that were not used for a week."""
    for entry in list(os.scandir(directory)):
        with contextlib.suppress(OSError):      # another one removes it, or uses it
            if re.fullmatch(r"state-[0-9a-f]{16}", entry.name) and \
                    entry.stat().st_mtime < time.time() - 7 * 86400:
                with locked(entry.path, fcntl.LOCK_EX | fcntl.LOCK_NB):
                    os.unlink(os.path.join(entry.path, LIST))   # from here on it is not whole
                    shutil.rmtree(entry.path)


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)      # PR_SET_PDEATHSIG


class Machine:
    MAX_CPUS = 8
    SLOW = 4        # times as long as in machine_amd.py
    SLOW_LOADER = True
    SLOW_CLOCK = 1  # it always counts instructions, and is about as fast as the host's
    BOOT_SECONDS = 120 if PACKAGED else 60

    def __init__(self, boot, directory):
        """boot: as in machine_amd.py; the kernel has to be a vmlinux."""
        self.boot, self.directory, self.process = boot, directory, None
        self.started, self.used = None, 0

    def path(self, name):
        return os.path.join(self.directory, name)

    def firmware(self):
        """The firmware's file; if VMX is to be locked off, one made from it that does so."""
        stock = os.path.join(SHARE, "BIOS-bochs-latest")
        if not self.boot.locked_off:
            return stock
        with open(stock, "rb") as file:
            changed, hits = SET_FEAT_CTL.subn(rb"\1" b"\x01" rb"\2", file.read())
        if hits != 2:
            raise ValueError(f"{stock} sets IA32_FEAT_CTL in {hits} places, not in 2")
        with open(self.path("firmware"), "wb") as file:
            file.write(changed)
        return self.path("firmware")

    def command(self):
        command = [EMULATOR, "-q", "-f", "bochsrc"]
        return command + ["-rc", "debugger"] if PACKAGED else command

    def config(self):
        boot = self.boot
        config = CONFIG.format(
            cpus=boot.cpus, memory=boot.memory, share=SHARE, firmware=self.firmware(),
            console=os.path.basename(boot.console), report=os.path.basename(boot.report),
            display='rfb, options="timeout=0, hideIPS"' if PACKAGED else "nogui")
        return (CONFIG_OF_PACKAGE if PACKAGED else "") + config

    def state(self):
        """The directory of the saved machine that this one can go on from, made if there is none
        yet, or None. Its name has a digest of all inputs."""
        boot = self.boot
        if PACKAGED or boot.locked_off or not boot.bare:
            return None
        said = [self.config(), boot.append, f"fixed seed: {boot.deterministic}"]
        digest = hashlib.sha256("\0".join(said).encode())
        for path in (EMULATOR, preload(), self.firmware(), f"{SHARE}/VGABIOS-lgpl-latest",
                     boot.kernel, boot.bare, __file__, disk.__file__):
            with open(path, "rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        digest.update(disk.loader(os.path.join(BUILD, "vm")))
        path = os.path.join(BUILD, "vm", f"state-{digest.hexdigest()[:16]}")
        remove_old(os.path.dirname(path))
        with locked(path) as lock:
            if is_whole(path):
                os.utime(path)
                return path
            lock.seek(0)
            reason = lock.read()
            if not reason or os.stat(lock.name).st_mtime < time.time() - 3600:
                try:
                    self.save_bare(path)
                    return path
                except (Unsaved, OSError, ValueError) as failed:
                    reason = str(failed)
                lock.truncate(0)
                lock.write(reason)
        print(f"# not from a saved machine: {reason}", flush=True)
        return None

    def save_bare(self, path):
        """Boot a machine like this, but with the bare initramfs, and have it saved as PATH."""
        fresh, boot = f"{path}.new", types.SimpleNamespace(**vars(self.boot))
        state = os.path.join(fresh, "state")
        boot.initrd, boot.bare = boot.bare, None
        boot.console = os.path.join(fresh, "console.log")
        for rest in (fresh, path):      # of one that was killed
            shutil.rmtree(rest, ignore_errors=True)
        os.makedirs(state)
        try:
            if shutil.disk_usage(fresh).free < (boot.memory + 256) << 20:
                raise Unsaved(f"too little space for {boot.memory} MiB of memory")
            maker = Machine(boot, fresh)
            try:
                maker.start(save_to=state)
                while maker.poll() is None and maker.seconds() < boot.slow * self.BOOT_SECONDS:
                    time.sleep(0.02)
                status = maker.poll()
            finally:
                maker.stop()
            look_at_boot(boot.console)
            if status != 0:
                raise Unsaved("init did not start" if status is None else
                              f"the emulator ended with status {status}")
            finish_state(state, boot.memory << 20)
            os.rename(boot.console, os.path.join(state, "console.log"))     # for people to look at
            os.rename(state, path)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        print(f"# booted and saved a machine: {maker.used:.1f} s", flush=True)

    def start(self, save_to=None):
        """SAVE_TO: a directory where it is saved when it asks for that, and ends."""
        boot = self.boot
        self.remove_disk()
        environment = os.environ | {"LD_PRELOAD": preload()}
        environment.pop("BOCHS_SAVE_TO", None)
        if save_to:
            environment["BOCHS_SAVE_TO"] = save_to
        state = self.state()
        if state:
            disk.write_archive(self.path("disk"), boot.initrd)
            command = [EMULATOR, "-q", "-r", state]
        else:
            disk.write(self.path("disk"), boot.kernel, boot.initrd, boot.append, boot.memory << 20,
                       os.path.join(BUILD, "vm"))
            with open(self.path("bochsrc"), "w", encoding="utf-8") as file:
                file.write(self.config())
            with open(self.path("debugger"), "w", encoding="ascii") as file:
                file.write("c\n")
            command = self.command()
        if boot.deterministic:
            environment["FIXED_SEED"] = "1"
        with open(self.path("emulator.log"), "wb") as log:
            # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
            self.process = subprocess.Popen(
                command, cwd=self.directory, env=environment, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)
        self.started = time.monotonic()

    def poll(self):
        return self.process.poll()

    def seconds(self):
        """The CPU time of the emulator, which is never idle; if it waits for something after all,
        at least a tenth of the time that passed here."""
        if self.process.returncode is None:     # else the pid may be another process's
            with open(f"/proc/{self.process.pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            ticks = int(fields[11]) + int(fields[12])       # utime, stime
            self.used = max(self.used, ticks / os.sysconf("SC_CLK_TCK"))
        return max(self.used, (time.monotonic() - self.started) / 10)

    def post_mortem(self):
        """There is no way to ask: the kernel's own watchdogs have to tell."""

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.remove_disk()

    def remove_disk(self):
        """A Bochs that was killed leaves its lock, and the next one would not start."""
        for name in ("disk", "disk.lock"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path(name))
