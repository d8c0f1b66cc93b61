# SPDX-License-Identifier: GPL-2.0-only
# What a person types. Everything is made under build/ and cached there by the
# digest of its inputs, so that each target may be called at any time.

KVER ?= $(shell scripts/sources kver newest $(if $(SERIES),--series $(SERIES)))
FROM ?= newest
MACHINE ?= both
export MACHINE

# quote: one shell word, whatever is in it. with_patches: each shell word becomes a --patch option.
quote = '$(subst ','\'',$(1))'
with_patches = set --; for patch in $(PATCHES); do set -- "$$@" --patch "$$patch"; done

.DEFAULT_GOAL := help
.PHONY: help setup vac instance multikvm deb demo test test-all test-debug matrix check bench install uninstall clean

help: ## this list
	@echo "multi-kvm: several versions of KVM side by side on one stock kernel"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 18
	@echo
	@echo "  KVER=   target kernel, for example 6.1.0-56-amd64 or 6.1.0-56-rt-amd64 (default: the"
	@echo "          archive's newest of SERIES, of the plain flavour)"
	@echo "  SERIES= one of: $$(scripts/sources series | paste -sd ' ') (default: the first)"
	@echo "  TAG=    name of an instance: a letter, then up to 23 of a-z 0-9 _"
	@echo "  FROM=   where its KVM comes from: a release of linux-source (6.1.192-2), newest or"
	@echo "          oldest of the kernel's series; or upstream's: a folder, a released tarball"
	@echo "          (linux-6.1.192.tar.xz), or a git repository and revision (GITDIR#v6.1.192)"
	@echo "  PATCHES= unified diffs (also as mail, .gz, .xz; every line of context must fit) or semantic"
	@echo "          patches on top of it, in order. Shell words: PATCHES=\"'my fix.patch' fixes/*\""
	@echo "  ONLY=   one test by its name, for example two-instances-run-guests"
	@echo "  MACHINE= where demo (default: amd), tests, matrix and bench (default: both) run: amd,"
	@echo "          intel, both"
	@echo
	@echo "  Which releases and kernels there are: scripts/sources list"

setup: ## install the packages that the other targets need (asks for root)
	@scripts/setup

vac: ## build/<KVER>/vac.ko
	@scripts/build vac --kernel $(KVER)

instance: vac ## build/<KVER>/kvm-<TAG>.ko  TAG=... [FROM=...] [PATCHES="..."]
	@test -n "$(TAG)" || { echo "make instance: say TAG=..., see make help" >&2; exit 1; }
	@$(with_patches); scripts/build instance --kernel $(KVER) --tag $(TAG) \
		--from $(call quote,$(FROM)) "$$@"

multikvm: setup ## build/multikvm, the tool that says and chooses which KVM new VMs get
	@$(MAKE) -s -C scripts/multikvm

deb: ## build/deb/*.deb: the tool, vac and what makes instances, as Debian packages
	@scripts/setup deb
	@scripts/deb

demo: setup ## two KVMs at once, an upgrade and a rollback, in an emulated machine
	@tests/demo/run

test: ## claims, with samples of mutants and of 6.12, without what is long; or ONLY=...
	@scripts/setup check
	@tests/run $(ONLY)

test-all: ## all claims on all machines, all mutants, all releases, flavours: hours
	@scripts/setup check
	@status=0; tests/run --all || status=1; tests/matrix/run || status=1; exit $$status

test-debug: ## in the making: scenarios on kernels with lockdep, KASAN, kmemleak; or ONLY=...
	@scripts/setup debug
	@tests/debug/run $(ONLY)

matrix: setup ## every release built and run on a stock kernel of its series; or ONLY=<release>
	@tests/matrix/run $(ONLY)

check: ## the quick checks of the sources, in seconds
	@tests/check/run

bench: setup ## instructions per exit, stock against instance; seconds to an installed one
	@tests/bench/run

# --kernel if KVER was set; without it, all kernels that have headers here.
only = $(if $(filter-out file,$(origin KVER)),--kernel $(KVER))

# What is made under build/ belongs to whoever called sudo. The tool and the host's other files are
# those of the package, but for systemd's and udev's, which read their folders in /etc, too.
as_caller = $(if $(SUDO_UID),sudo -u '\#$(SUDO_UID)')
tool = $(as_caller) $(MAKE) -s -C scripts/multikvm
host_files = $(CURDIR)/build/host-files
units = /etc/systemd/system
for_host = install DESTDIR=$(host_files) prefix=/usr/local unitdir=$(units) udevdir=/etc/udev
# As systemctl enable does.
wanted = $(host_files)$(units)/sysinit.target.wants

install: ## on this host, through dkms: vac and kvm-<TAG>  TAG=... [FROM=...] [PATCHES=...]
	@test -n "$(TAG)" || { echo "make install: say TAG=..., see make help" >&2; exit 1; }
	@$(tool) && rm -rf $(host_files) && $(tool) $(for_host) >/dev/null
	@$(as_caller) mkdir -p $(wanted)
	@$(as_caller) ln -s ../multi-kvm.service $(wanted)/multi-kvm.service
	@$(with_patches); build/multikvm build $(TAG) --from $(call quote,$(FROM)) \
		$(if $(SERIES),--series $(SERIES)) "$$@"
	@build/multikvm install $(TAG) $(only) --vac . --host-files $(host_files)

uninstall: ## take kvm-<TAG> away; with the last one goes all of multi-kvm  TAG=...
	@test -n "$(TAG)" || { echo "make uninstall: say TAG=..., see make help" >&2; exit 1; }
	@$(tool)
	@build/multikvm remove $(TAG)

clean: ## remove what was built; the downloads in build/sources stay
	@find build -mindepth 1 -maxdepth 1 ! -name sources -exec rm -rf {} + 2>/dev/null || true
