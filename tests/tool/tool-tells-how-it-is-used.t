#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
"""Claim: each command of multikvm has --help, is in the man page with the exit statuses, and is
completed by bash, with tags that the tool names; what takes over two seconds is told on a
terminal, and nowhere else.

fails when: a command has no .TP in the man page, a status is not in it, a macro of it is unknown,
README has another command, the completion has a command too few or does not ask for tags,
wait_for() shows nothing, or too early, or where isatty() is not asked.
"""

import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from host import ROOT, Folder, Tests, build_tool  # noqa: E402

SCRIPTS = ROOT / "build/test/waiting-scripts"
# Waits until somebody writes to the file that its PATH names.
WAITS = f"#!/bin/sh\nread -r line <{SCRIPTS}/go\nexit 3\n"


def commands(host):
    return re.findall(r"^  ([a-z]+) ", host.run("--help")[1], re.M)


def is_documented(tap, host):
    names = commands(host)
    page = (ROOT / "scripts/multikvm/multikvm.8").read_text()
    section = re.search(r"^\.SH COMMANDS\n(.*?)^\.SH ", page, re.M | re.S)[1]
    found = re.findall(r'^\.TP\n\.(?:B|BI|BR) "?([a-z]+)', section, re.M)
    tap.same(sorted(set(found)), sorted(names), "the man page has the commands, and no other")
    tap.same(re.findall(r"(\d) ([a-z ]+)[,.\n]", page.split(".SH EXIT STATUS\n")[1])[:5],
             [("0", "done"), ("1", "usage"), ("2", "not found"), ("3", "refused"),
              ("4", "system")], "and what each exit status means")
    readme = (ROOT / "README.md").read_text()
    typed = set(re.findall(r"^(?:sudo )?multikvm ([a-z]+)", readme, re.M))
    tap.ok(len(typed) > 10 and typed <= set(names), "README types commands that there are",
           typed - set(names))
    done = subprocess.run(["groff", "-man", "-ww", "-z", ROOT / "scripts/multikvm/multikvm.8"],
                          stderr=subprocess.PIPE, text=True)
    tap.same(done.stderr, "", "groff has no complaint about it")
    for name in names:
        if name != "package":       # that is a script's
            status, said, _ = host.run(name, "--help")
            tap.ok(status == 0 and said.startswith(f"usage: multikvm {name} "),
                   f"{name} --help says how it is called", status, said)


def completes(tap, host):
    programs = host.path("programs")
    programs.mkdir()
    programs.joinpath("multikvm").symlink_to(build_tool())

    def completed(*words):
        script = f"""source {ROOT}/scripts/multikvm/completion.bash
            COMP_WORDS=(multikvm "$@") COMP_CWORD=$#
            _multikvm
            printf '%s\\n' "${{COMPREPLY[@]}}" """
        done = subprocess.run(["bash", "-c", script, "bash", *words], stdout=subprocess.PIPE,
                              text=True, check=False,
                              env=os.environ | {"MULTIKVM_ROOT": str(host.folder),
                                                "PATH": f"{programs}:{os.environ['PATH']}"})
        return set(done.stdout.split())

    tap.same(completed("") - {"--json"}, set(commands(host)), "bash completes the commands")
    for command in ("use", "load", "unload", "ps", "run", "remove", "status"):
        tap.same(completed(command, ""), {"a", "b"}, f"{command}: with the tags that there are")
    tap.same(completed("use", "b"), {"b"}, "of which those that begin so")
    tap.ok("--kernel" in completed("install", "--"), "options, too", completed("install", "--"))


def tells(tap, host):
    shutil.rmtree(SCRIPTS, ignore_errors=True)
    SCRIPTS.mkdir(parents=True)
    (SCRIPTS / "rewrite").write_text(WAITS)
    (SCRIPTS / "rewrite").chmod(0o755)
    os.mkfifo(SCRIPTS / "go")
    tool = build_tool("waiting", "", SCRIPTS)
    master, terminal = pty.openpty()
    words = [tool, "build", "x", "--from", "6.1.999"]
    env = os.environ | {"MULTIKVM_ROOT": str(host.folder)}
    started = [subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE),
               subprocess.Popen(words, env=env, stdout=subprocess.DEVNULL, stderr=terminal)]
    os.close(terminal)
    shown, seconds = b"", []
    while not seconds or seconds[-1] < 4:       # by then the other one has had its time
        shown += os.read(master, 1000)
        seconds = [int(text) for text in re.findall(rb"looking: (\d+) s", shown)]
    tap.ok(seconds[0] >= 2, "after two seconds a terminal is told what takes so long", shown)
    # A writer that stays until both have read their line.
    with open(SCRIPTS / "go", "w", encoding="ascii", buffering=1) as go:
        go.write("go\n" * len(started))
        quiet = started[0].communicate()[1].decode()
        started[1].wait()
    tap.ok("looking" not in quiet and "\r" not in quiet, "what is no terminal is not", quiet)


def main():
    tap = Tests()
    with tempfile.TemporaryDirectory() as folder:
        host = Folder(folder)
        host.put("sys/kernel/vac/default", "a")
        for tag in "ab":
            host.instance(tag)
        is_documented(tap, host)
        completes(tap, host)
        tells(tap, host)
    tap.done()


if __name__ == "__main__":
    main()
