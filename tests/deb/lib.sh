# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What the tests of the Debian packages share; sourced from the top of the repository.
#
# tiny TAG VERSION LACKS FOLDER: a source package out of the templates of scripts/rewrite, whose one
# file compiles in a second. LACKS, where it is not empty, is a function that nobody exports.
set -eu

tiny() {
	local to=$4/kvm-$1-$2
	rm -rf "$to"
	mkdir -p "$to/vac"
	cp vac/build.sh tests/dkms/one.c "$to"
	cp vac/include/vac.h "$to/vac"
	# shellcheck disable=SC2154	# the series of the test's kernel
	sed "s/@MODULE@/kvm-$1/g; s/@VERSION@/$2/g; s/@SERIES@/$series/; s/@RELEASE@/$series.1/" \
		scripts/mkvm/package/dkms.conf.in >"$to/dkms.conf"
	printf 'obj-m := kvm-%s.o\nkvm-%s-y := one.o\nccflags-y := -DTAG=%s %s\n' \
		"$1" "$1" "$1" "${3:+-DLACKS=$3}" >"$to/Kbuild"
	echo "MODULE_VERSION(\"$2\");" >>"$to/one.c"
}

# as_repository FOLDER: apt can install from it.
as_repository() {
	(cd "$1" && dpkg-scanpackages --multiversion . >Packages) 2>/dev/null
}
