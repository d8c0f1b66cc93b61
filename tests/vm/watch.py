# SPDX-License-Identifier: GPL-2.0-only
"""Watching a machine: what init/ and the kernel tell, and what verdict follows from it."""

import binascii
import os
import re
import sys
import time

from kernel import USAGE, Failure

EXPECTED = os.path.join(os.path.dirname(os.path.realpath(__file__)), "expected-kernel-log")
POWER_OFF_SECONDS = 20
AFTER_OOPS_SECONDS = 5   # the machine may log more; what it does then proves nothing

# What the kernel prints when it has found a bug in itself. WARN() and Oops print more lines than
# this; one of these is among them.
OOPS = re.compile(
    r"WARNING: CPU: \d+ PID: \d+|kernel BUG at |BUG: |Oops: |-+\[ cut here \]-+"
    r"|(general protection fault|stack segment|invalid opcode|double fault|divide error)\b"
    r".*: [0-9a-f]{4} \["
    r"|INFO: task .* blocked for more than|rcu: INFO: .* (stall|detected)|watchdog: .* lockup"
    r"|Bad page state|UBSAN: |KASAN: |refcount_t: |list_(add|del) corruption"
    r"|INFO: (possible|inconsistent|suspicious)|unregister_netdevice: waiting")
PANIC = re.compile(r"Kernel panic - ")

# A report of the lock validator is some hundred messages, up to the end of a stack.
REPORT = re.compile(r"WARNING: possible (circular locking dependency|.*deadlock|.*inversion).*"
                    r"|WARNING: (inconsistent lock state|suspicious RCU usage)")
REPORT_END = " </TASK>"


def read_expected(path):
    """Regular expressions, one a line, each below a comment that says why it is expected."""
    patterns, commented = [], False
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().split("\n")
    except OSError as error:
        raise Failure(USAGE, f"{path}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        if line.startswith("#"):
            commented = not line.startswith("# SPDX")
        elif not line.strip():
            commented = False
        elif not commented:
            raise Failure(USAGE, f"{path}:{number}: no comment above says why this is expected")
        else:
            try:
                patterns.append(re.compile(line))
            except re.error as error:
                raise Failure(USAGE, f"{path}:{number}: {error}") from None
    return patterns


def undeclared(messages):
    """The first line of the first of them, for a verdict."""
    return f"undeclared kernel message: {messages[0][1].partition(chr(10))[0]}"


class Tail:
    """What a file that somebody else writes got since the last look."""

    def __init__(self, path):
        self.path, self.file = path, None

    def read(self):
        if not self.file:
            try:
                self.file = open(self.path, "rb")   # pylint: disable=consider-using-with
            except FileNotFoundError:
                return b""
        return self.file.read()


class Report:
    """Takes the frames of the second serial port apart."""

    FRAME = re.compile(rb"\x1e(([A-Za-z]) (\d+) )([0-9a-f]{8}) (.*)", re.S)

    def __init__(self, path, kernels):
        """KERNELS: how many may boot, one after the other."""
        self.tail, self.rest, self.sequence, self.damage = Tail(path), b"", 0, []
        self.kernels, self.booted = kernels, 0

    def frames(self):
        """[(type, text)] that arrived since the last call."""
        *lines, self.rest = (self.rest + self.tail.read()).split(b"\n")
        found = []
        for line in lines:
            match = self.FRAME.fullmatch(line)
            if not match or binascii.crc32(match[1] + match[5]) != int(match[4], 16):
                self.damage.append(f"damaged frame: {line!r}")
                continue
            if match[1] == b"B 0 " and self.booted < self.kernels:
                # The kernel before was stopped in the middle; UEFI firmware writes on each port.
                self.sequence, self.damage = 0, []
                self.booted += 1
            if match[2] != b"C":
                if int(match[3]) != self.sequence:
                    self.damage.append(f"frame {self.sequence} is missing before {int(match[3])}")
                self.sequence = int(match[3]) + 1
            payload = re.sub(rb"\\x([0-9a-f]{2})", lambda m: bytes([int(m[1], 16)]), match[5])
            found.append((match[2].decode(), payload.decode("utf-8", "replace")))
        return found


class Tap:
    """Parses TAP, and says what is wrong with it."""

    def __init__(self):
        self.plan, self.seen, self.problems = None, 0, []

    def line(self, text):
        if match := re.match(r"1\.\.(\d+)", text):
            if self.plan is not None:
                self.problems.append("two plans")
            self.plan = int(match[1])
        elif re.match(r"(not )?ok\b", text):
            self.seen += 1
            if text.startswith("not") and not re.search(r"# (TODO|SKIP)\b", text, re.I):
                self.problems.append(text)
        elif text.startswith("Bail out!"):
            self.problems.append(text)

    def verdict(self):
        """What is wrong, or None."""
        if self.plan is None:
            self.problems.append("no TAP plan")
        elif self.plan != self.seen:
            self.problems.append(f"{self.plan} tests planned, {self.seen} run")
        return "; ".join(self.problems[:3]) or None


class Run:
    """Watches a machine until it has a verdict."""

    def __init__(self, args, machine, boot, directory):
        self.args, self.machine, self.directory = args, machine, directory
        self.report = Report(boot.report, 2 if args.second_kernel else 1)
        self.console = Tail(boot.console)
        self.tap, self.told, self.kernel_log, self.notes = Tap(), None, [], []
        self.plan = None                # one that is shown at the end
        self.console_text, self.partial, self.init_after = "", {}, None
        self.mark_of_death = None       # post_mortem() causes what the console shows after it
        self.suspected = None           # when the first sign of an oops was seen
        own = f"{EXPECTED}-{args.machine}"
        expected = [EXPECTED, *([own] if os.path.exists(own) else []), *args.expect]
        self.expected = [p for path in expected for p in read_expected(path)]
        self.slow = args.slow * machine.SLOW * (machine.SLOW_CLOCK if args.icount else 1)
        # pylint: disable=consider-using-with
        self.tap_file = open(os.path.join(directory, "tap.log"), "w", encoding="utf-8")
        self.kernel_file = open(os.path.join(directory, "kernel.log"), "w", encoding="utf-8")

    def seconds(self):
        """What limits are compared with: seconds since the start, by the machine's clock."""
        return self.machine.seconds()

    def show(self, text):
        self.tap_file.write(text + "\n")
        print(text, flush=True)

    def take(self, kind, text):
        if kind in "oe":
            self.partial[kind] = self.partial.get(kind, "") + text
        elif kind in "OC":
            text = self.partial.pop("o", "") + text
            self.tap.line(text)
            if self.args.panics and re.fullmatch(r"1\.\.\d+", text):
                self.plan = text    # TAP has it first or last: results follow
            else:
                self.show(text)
        elif kind == "E":
            self.show("# stderr: " + self.partial.pop("e", "") + text)
        elif kind == "K":
            level, _, message = text.partition(" ")
            self.kernel_log.append((int(level), message))
            self.kernel_file.write(f"{level} {message}\n")
        elif kind == "P":
            self.notes.append(text)
        elif kind == "B":
            self.init_after = self.init_after or self.seconds()
        elif kind == "V":
            self.told = text

    def look(self):
        """Take in what is new. Returns whether init gave a sign of life."""
        text = self.console.read().decode("utf-8", "replace").replace("\r", "")
        if text and self.args.console:
            sys.stderr.write(text)
            sys.stderr.flush()
        self.console_text += text
        frames = self.report.frames()
        for kind, payload in frames:
            self.take(kind, payload)
            if kind == "K":
                text += payload
        if not self.suspected and OOPS.search(text):
            self.suspected = self.seconds()
        return bool(frames)

    def watch(self):
        """Until the machine is off, or must be stopped. Returns (verdict, reason) or None."""
        limit, hung = self.args.time, self.args.hung_after * self.slow
        last, told_at = self.seconds(), None
        while True:
            status = self.machine.poll()
            now = self.seconds()
            if self.look():
                last = now
            if status is not None:
                return None if self.told else ("died", "the emulator ended with status "
                                               f"{status}, and init gave no verdict")
            if self.told:
                told_at = told_at or now
                if now - told_at > POWER_OFF_SECONDS * self.slow:
                    return "hung", f"no power off {now - told_at:.0f} s after the scenario"
            elif self.args.first_failure and self.tap.problems:
                return "fail", self.tap.problems[0]
            elif now - last > max(hung, 0 if self.init_after else
                                  self.args.slow * self.machine.BOOT_SECONDS):
                self.mark_of_death = len(self.console_text)
                self.machine.post_mortem()
                self.look()
                what = "no heartbeat" if self.init_after else "init did not start"
                return "hung", f"{what} for {now - last:.0f} s"
            elif self.suspected and now - self.suspected > AFTER_OOPS_SECONDS:
                if oops := self.oops():
                    return "oops", oops
                self.suspected = None
            elif now > limit * self.args.slow * self.machine.SLOW + \
                    (0 if self.args.icount else 10):
                return "time-limit", f"still busy after {limit:.0f} s"
            time.sleep(0.02)

    def is_expected(self, text):
        return any(pattern.fullmatch(text) for pattern in self.expected)

    def messages(self):
        """The kernel's log; a report of the lock validator is one message."""
        messages, report = [], None
        for level, text in self.kernel_log:
            if report is None and REPORT.fullmatch(text):
                # An empty line and one of "=" came before.
                while messages and not messages[-1][1].strip("="):
                    messages.pop()
                report = []
            if report is None:
                messages.append((level, text))
                continue
            report.append(text)
            if text == REPORT_END:
                messages.append((level, "\n".join(report)))
                report = None
        return messages + [(4, text) for text in report or []]

    def unexpected(self):
        return [(level, text) for level, text in self.messages()
                if (level <= 4 or OOPS.search(text)) and not self.is_expected(text)]

    def oops(self):
        """The first line that says that the kernel found a bug in itself, or None."""
        console = [re.sub(r"^\[ *[\d.]+\] ", "", line)
                   for line in self.console_text[:self.mark_of_death].split("\n")]
        for text in [text for _, text in self.kernel_log] + console:
            if OOPS.search(text) and "[ cut here ]" not in text and not self.is_expected(text):
                return text
        return None

    def panic(self):
        """What the kernel panicked about, or None."""
        for line in self.console_text[:self.mark_of_death].split("\n"):
            if match := PANIC.search(line):
                return line[match.start():]
        return None

    def verdict_after_panic(self, panic, found):
        """The same where a panic is required; init may be cut off in the middle of a frame."""
        if found and (found[0] != "died" or self.args.second_kernel):
            return found
        problem = self.tap.verdict()
        if not panic:
            return "fail", "; ".join(filter(None, ["the kernel did not panic", problem]))
        if problem:
            return "fail", problem
        if unexpected := self.unexpected():
            return "log", undeclared(unexpected)
        return "pass", None

    def verdict(self):
        """(verdict, reason): the worst that can be said."""
        found, panic = self.watch(), self.panic()
        if panic and not self.args.panics:
            return "panic", panic
        if oops := self.oops():
            return "oops", oops
        if self.args.panics and (found or not panic or not self.args.second_kernel):
            return self.verdict_after_panic(panic, found)
        if found:
            return found
        if self.args.second_kernel and self.report.booted != 2:
            return "fail", "the second kernel did not boot"
        word, _, rest = self.told.partition(" ")
        if word == "time":
            return "time-limit", f"still busy after {self.args.time:.0f} s"
        if (word, rest) != ("exit", "0"):
            names = {"exit": "the program ended with status", "signal": "the program was killed by "
                     "signal", "setup": "init:", "stuck": "after the end,"}
            return "fail", f"{names.get(word, word)} {rest}"
        if self.report.damage:
            return "fail", f"the report was garbled: {self.report.damage[0]}"
        if not self.args.no_tap and (problem := self.tap.verdict()):
            return "fail", problem
        if unexpected := self.unexpected():
            return "log", undeclared(unexpected)
        return "pass", None

    def finish(self, verdict, reason):
        seconds = self.seconds()
        for kind, text in self.partial.items():
            self.show(("# stderr: " if kind == "e" else "") + text)
        if self.plan:
            self.show(self.plan)
        for level, text in self.unexpected():
            for line in text.split("\n"):
                self.show(f"# kmsg {level} {line}")
        for text in self.notes:
            self.show(f"# init: {text}")
        if verdict != "pass":
            for line in self.console_text.rstrip("\n").split("\n")[-40:]:
                self.show(f"# console: {line}")
            if not self.console_text.strip():
                with open(os.path.join(self.directory, "emulator.log"), errors="replace",
                          encoding="utf-8") as log:
                    for line in log.read().split("\n")[-10:]:
                        self.show(f"# emulator: {line}")
            self.show(f"# reason: {reason}")
            self.show(f"# logs: {os.path.relpath(self.directory)}/"
                      "{console,kernel,tap,emulator}.log")
        boot = f", init after {self.init_after:.1f} s" if self.init_after else ""
        self.show(f"# verdict: {verdict} {seconds:.1f} s{boot}")
        self.tap_file.close()
        self.kernel_file.close()
