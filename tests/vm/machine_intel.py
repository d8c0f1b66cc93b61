# SPDX-License-Identifier: GPL-2.0-only
"""The emulated Intel machine: Bochs, a Haswell with VMX, EPT, VPID and unrestricted guests.

The same interface as machine_amd.py. Bochs has no direct boot, so the kernel comes from a disk
(boot/disk.py). Its clock counts the instructions it executes, and with one CPU it jumps ahead when
that halts: nothing in the machine is late because the host is busy. So time limits are compared
with the emulator's CPU time, too.

All CPUs are emulated in one thread, and one that halts takes as long as one that works: a boot with
two takes twice as long as with one, with four ten times. So scenarios here have one or two.

The Bochs that tests/vm/bochs built is preferred, as it is two to three times as fast; Debian's
package works too, and is taken with BOCHS=package in the environment.
"""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.realpath(__file__))
BUILD = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build")
sys.path.insert(0, os.path.join(HERE, "boot"))

import disk  # noqa: E402

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

    def start(self):
        boot = self.boot
        self.remove_disk()
        disk.write(self.path("disk"), boot.kernel, boot.initrd, boot.append, boot.memory << 20,
                   os.path.join(BUILD, "vm"))
        config = CONFIG.format(
            cpus=boot.cpus, memory=boot.memory, share=SHARE, firmware=self.firmware(),
            console=boot.console, report=boot.report,
            display='rfb, options="timeout=0, hideIPS"' if PACKAGED else "nogui")
        with open(self.path("bochsrc"), "w", encoding="utf-8") as file:
            file.write((CONFIG_OF_PACKAGE if PACKAGED else "") + config)
        with open(self.path("debugger"), "w", encoding="ascii") as file:
            file.write("c\n")
        environment = os.environ | {"LD_PRELOAD": preload()}
        if boot.deterministic:
            environment["FIXED_SEED"] = "1"
        with open(self.path("emulator.log"), "wb") as log:
            # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
            self.process = subprocess.Popen(
                self.command(), cwd=self.directory, env=environment, stdout=log, stderr=log,
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
