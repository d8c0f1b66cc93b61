# SPDX-License-Identifier: GPL-2.0-only
"""The emulated AMD machine: QEMU without any hardware virtualization (TCG), SVM and nested paging.

What tests/vm/machine needs from a machine, so that another emulator can stand behind it:
Machine(boot, directory), then start(), poll(), seconds(), post_mortem(), stop(). The two serial
ports end up in the files boot.console and boot.report, which grow while it runs. Nothing else
connects the machine with its host.
"""

import ctypes
import os
import signal
import socket
import subprocess
import time

import firmware

EMULATOR = "qemu-system-x86_64"
PACKAGE = "qemu-system-x86"
# reboot=t with -no-reboot: every reset, also that of panic=-1, ends the emulator at once.
# unknown_nmi_panic: post_mortem() makes a hung kernel show where it is.
# no_timer_check: on a busy host the kernel may believe that its timer is broken, and panic.
APPEND = ("console=ttyS0,115200n8 panic=-1 reboot=t unknown_nmi_panic "
          "no_timer_check")

# The serial number by which the kernel may take this for a machine of VMware's.
VMWARE = "VMware-"
# With all CPUs at once the emulator loses a timer interrupt now and then; the next periodic one
# makes up for it.
PERIODIC = "nohz=off highres=off"


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)      # PR_SET_PDEATHSIG


class Machine:
    MAX_CPUS = 64
    SLOW = 1        # factor by which time limits are longer on this machine
    # The instruction clock runs some twenty times slower than the host's.
    SLOW_LOADER = False
    SLOW_CLOCK = 20
    BOOT_SECONDS = 60   # the least that it gets until init runs

    def __init__(self, boot, directory):
        """boot: kernel (an uncompressed vmlinux, or a bzImage), initrd, append, cpus, memory (MiB),
        deterministic (instructions are the clock), console and report (files to write), secure_boot
        (UEFI firmware with these certificates, or None; the kernel has to be a bzImage)."""
        self.boot, self.directory, self.process = boot, directory, None
        self.monitor = os.path.join(directory, "monitor")
        self.variables = os.path.join(directory, "variables")
        self.started = None
        if boot.secure_boot is not None:
            self.BOOT_SECONDS *= 2      # the firmware comes first

    def command(self):
        boot = self.boot
        thread = "single" if boot.deterministic else "multi"
        append = boot.append if boot.deterministic else f"{boot.append} {PERIODIC}"
        machine, more = ["-M", "q35", "-cpu", "EPYC,+svm,+npt"], []
        if boot.constant_tsc:
            # TCG does not offer the CPUID bit of an invariant TSC, though its TSC follows the
            # host's clock. On a VMware machine, which answers at vmport, the kernel assumes one.
            machine = ["-M", "q35,vmport=on", "-cpu", "EPYC,+svm,+npt,-hypervisor"]
            more = ["-smbios", f"type=1,serial={VMWARE}"]
        command = [EMULATOR, *machine, *more, "-accel", f"tcg,thread={thread}",
                   "-smp", str(boot.cpus), "-m", str(boot.memory),
                   "-nodefaults", "-display", "none", "-no-reboot",
                   "-serial", f"file:{boot.console}", "-serial", f"file:{boot.report}",
                   # A relative path: the name of a socket has to be short.
                   "-monitor", "unix:monitor,server=on,wait=off",
                   "-kernel", boot.kernel, "-initrd", boot.initrd, "-append", append]
        if boot.deterministic:
            command += ["-icount", "shift=0,sleep=off"]
        if boot.secure_boot is not None:
            command += firmware.drives(self.variables)
        return command

    def start(self):
        if self.boot.secure_boot is not None:
            firmware.write_variables(self.variables, self.boot.secure_boot)
        self.started = time.monotonic()
        with open(os.path.join(self.directory, "emulator.log"), "wb") as log:
            # pylint: disable=consider-using-with,subprocess-popen-preexec-fn
            self.process = subprocess.Popen(
                self.command(), cwd=self.directory, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent)

    def poll(self):
        """The emulator's exit status, None while it runs."""
        return self.process.poll()

    def seconds(self):
        """How long it has run, by its own clock, which is the host's."""
        return time.monotonic() - self.started

    def post_mortem(self):
        """Make a machine that stopped answering show where its CPUs are, as far as it can."""
        try:
            with socket.socket(socket.AF_UNIX) as monitor:
                monitor.settimeout(3)
                # AF_UNIX names are at most 107 bytes; /proc/self/fd keeps it short.
                folder = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY)
                try:
                    monitor.connect(f"/proc/self/fd/{folder}/monitor")
                finally:
                    os.close(folder)
                monitor.sendall(b"info registers -a\nnmi\n")
                end, answer = time.monotonic() + 2, b""
                while time.monotonic() < end and self.poll() is None:
                    try:
                        answer += monitor.recv(65536)
                    except socket.timeout:
                        break
            with open(os.path.join(self.directory, "registers.log"), "wb") as log:
                log.write(answer.replace(b"\r", b""))
        except OSError:
            pass
        end = time.monotonic() + 3
        while time.monotonic() < end and self.poll() is None:
            time.sleep(0.1)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for path in (self.monitor, self.variables):
            if os.path.exists(path):
                os.unlink(path)
