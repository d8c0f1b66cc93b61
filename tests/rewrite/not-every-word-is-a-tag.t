#!/usr/bin/python3 -B
# SPDX-License-Identifier: GPL-2.0-only
#
# A word of vac/not-tags.h is refused by all that take a tag, before they do anything; so is one
# that is no word for a tag at all, one that makes the name of a module which the target kernel has
# itself, where an instance is made and where dkms builds one, and one whose trace system would
# have the name of a function of KVM. vac's own refusal is in refusals-are-clear.
# It failed when a tool had its own list (amd was built), when "-" and "_" were told apart, when
# modules.builtin was not read, and when the names of KVM were not asked.
#
# series: first

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tap import ROOT, Tap, kernel, rewrite, run, snapshot  # noqa: E402

from mkvm import failure, tag  # noqa: E402

OWN = "kernel/drivers/one/kvm-one_two.ko\n"


def refusal(function, *arguments):
    """The status and the text with which it refuses."""
    try:
        function(*arguments)
    except failure.Failure as refused:
        return refused.status, str(refused)
    return 0, ""


def tools(word):
    """What each tool says when it is asked for that tag."""
    nowhere = t.folder / "nowhere"
    return {"rewrite": rewrite(nowhere, t.folder / "out", tag=word),
            "build": run("scripts/build", "instance", "--kernel", kernel(), "--tag", word,
                         "--from", nowhere),
            "multikvm": run("build/test/tags/multikvm", "build", word, "--from", nowhere)}


def modules(order, builtin):
    """A folder like /lib/modules/<kernel>, with the kernel's headers in build."""
    place = t.folder / "lib/modules/6.1.0-1-amd64"
    (place / "build").mkdir(parents=True, exist_ok=True)
    (place / "modules.order").write_text(order)
    (place / "modules.builtin").write_text(builtin)
    return place


t = Tap()
run("make", "-s", "-C", "scripts/multikvm", f"OUT={ROOT}/build/test/tags")
words = tag.not_tags()
t.ok({"none", "amd", "intel"} <= set(words), "the list has none, amd and intel", words)
for word in words:
    said = tools(word)
    wrong = [f"{name}: {status}: {err}" for name, (status, _, err) in said.items()
             if status != 1 or f"{word} is no tag" not in err or "next: " not in err]
    t.ok(not wrong, f"rewrite, build and multikvm refuse {word}", *wrong)
for word in ("Amd", "a.b", "a-b", "1a", "a" * 25):
    said = tools(word)
    wrong = [f"{name}: {status}: {err}" for name, (status, _, err) in said.items()
             if status != 1 or "no tag" not in err]
    t.ok(not wrong, f"and '{word}'", *wrong)

for where, lists in (("module", (OWN, "")), ("built-in module", ("", OWN))):
    place = modules(*lists)
    status, text = refusal(tag.check_kernel, "one_two", place, "6.1.0-1-amd64")
    t.ok(status == 3 and OWN.strip() in text and "next: " in text,
         f"a tag that names a {where} of the kernel is refused", status, text)
    status, _, err = run("sh", "vac/build.sh", "kvm-one_two", "true", "-C", place / "build")
    t.ok(status == 2 and OWN.strip() in err, "by the build on the fleet, too", status, err)
    free = refusal(tag.check_kernel, "one", place, "6.1.0-1-amd64"), \
        run("sh", "vac/build.sh", "kvm-one", "true", "-C", place / "build")[0]
    t.ok(free == ((0, ""), 0), "one that only begins like it is not", free)
status, text = refusal(tag.check_kernel, "one", t.folder / "nowhere", "6.1.0-1-amd64")
t.ok(status == 2, "where nobody knows which modules a kernel has, that is said", text)

image = Path(run("scripts/sources", "image", kernel())[1]) / "lib/modules" / kernel()
for word in ("amd", "intel"):
    status, text = refusal(tag.check_kernel, word, image, kernel())
    t.ok(status == 3, f"{kernel()} itself has kvm-{word}", text)
status, text = refusal(tag.check_kernel, "a", image, kernel())
t.ok(not status, "and no kvm-a", text)

status, out, err = rewrite(snapshot(), t.folder / "out", tag="destroy_vcpus")
t.ok(status == 3 and "kvm_destroy_vcpus" in err and "next: " in err,
     "a tag whose trace system has the name of a function of KVM is refused", status, out, err)
t.ok(not (t.folder / "out").exists() and not (ROOT / "build/packages/kvm-amd").exists(),
     "nothing was made")
t.done()
