#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Mitigations for which the target kernel relies on KVM and whose half these objects lack:
# glue/x86/unmitigated.h on stdout, a line for each on stderr.
#
# usage: halves.sh STOCK SRCTREE SYMVERS KNOWN OBJECT...
#
# STOCK is the folder of that kernel's own kvm.ko, kvm-amd.ko and kvm-intel.ko: what these do is what
# it relies on. Each is compared with the objects of the same code here: the bits of their
# alternatives, as many of each in the code around VM entry and exit (.noinstr.text), at least one
# elsewhere; and the symbols of the kernel that they use: static keys of any header of asm/, and
# what asm/nospec-branch.h and asm/spec-ctrl.h declare. What a rule took out, vac does ("vac" in
# KNOWN). A CPU bug that the snapshot's kernel did not know ("knows") counts, too: KVM may test it
# without an alternative.
# Where that kernel has no KVM installed, every bit and exported static key counts that the
# snapshot's kernel did not know, features as well, for nothing tells which of them matter.
set -eu
module=@MODULE@
release=@RELEASE@
stock=$1 asm=$2/arch/x86/include/asm symvers=$3 known=$4
shift 4

unset LC_ALL
export LANG=C LC_CTYPE=C LC_MESSAGES=C
readelf=${READELF:-readelf}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
die() {
	echo "$module: error: $1" >&2
	exit 1
}

# "size N" of struct alt_instr, "bit MODULE N PLACE" of each alternative, "symbol MODULE NAME" of each
# undefined one. An entry begins with two relocations, of the place and of the replacement; the bit
# follows.
uses() {
	for file; do
		"$readelf" -rW "$file" >"$work/relocations" 2>/dev/null || die "$readelf cannot read $file"
		"$readelf" -x .altinstructions "$file" >"$work/bytes" 2>/dev/null
		case $file in
		*/kvm/vmx/*.o | */kvm-intel.ko) part=kvm-intel ;;
		*/kvm/svm/*.o | */kvm-amd.ko) part=kvm-amd ;;
		*) part=kvm ;;
		esac
		awk -v module="$part" '
		function hex(digits,  i, n) {
			n = 0
			for (i = 1; i <= length(digits); i++)
				n = n * 16 + index("0123456789abcdef", substr(digits, i, 1)) - 1
			return n
		}
		FNR == 1 { part++ }
		part == 1 && /^Relocation section/ { mine = /\.rela\.altinstructions/ }
		part == 1 && mine && $3 ~ /^R_X86_64_/ {
			place[n] = hex($1)
			section[n++] = $5 == ".noinstr.text" ? "noinstr" : "other"
		}
		part == 2 && /^  0x/ {
			line = substr($0, 14, 35)
			gsub(/ /, "", line)
			bytes = bytes line
		}
		END {
			for (i = 0; i + 1 < n; i += 2) {
				at = place[i]
				if (place[i + 1] != at + 4 || (i && at - place[i - 2] != place[2])) {
					print "bad"
					exit
				}
				print "bit", module, hex(substr(bytes, 2 * at + 19, 2) \
					substr(bytes, 2 * at + 17, 2)) % 32768, section[i]
			}
			if (n % 2)
				print "bad"
			if (n > 2)
				print "size", place[2]
		}' "$work/relocations" "$work/bytes"
		"$readelf" -sW "$file" | awk -v module="$part" '
			$7 == "UND" && $8 != "" { print "symbol", module, $8 }'
	done
}

unpack() { # a stock module, however it is packed
	case $1 in
	*.ko) cat "$1" ;;
	*.xz) xz -dc "$1" ;;
	*.gz) gzip -dc "$1" ;;
	*.zst) zstd -dcq "$1" ;;
	esac
}

uses "$@" >"$work/own"
how=
for name in kvm kvm-amd kvm-intel; do
	for file in "$stock/$name".ko*; do
		[ -f "$file" ] || continue
		unpack "$file" >"$work/$name.ko" || die "cannot unpack $file"
	done
done
if [ -f "$work/kvm.ko" ] && [ -f "$work/kvm-amd.ko" ] && [ -f "$work/kvm-intel.ko" ]; then
	how=stock
	uses "$work"/kvm*.ko >"$work/stock"
else
	: >"$work/stock"
fi
cp "$known" "$work/known"
cp "$symvers" "$work/symvers" 2>/dev/null || : >"$work/symvers"
cat "$work/own" "$work/stock" | grep -q '^bad$' &&
	die "struct alt_instr of this kernel has another form than halves.sh knows"

# "bit N NAME", "key NAME HEADER" and "symbol NAME" of the target kernel, each once.
awk '
function value(text,  i, j, terms, factors, n, m, sum, product) {
	gsub(/[ \t()]/, "", text)
	n = split(text, terms, "+")
	for (i = 1; i <= n; i++) {
		m = split(terms[i], factors, "*")
		product = 1
		for (j = 1; j <= m; j++)
			product *= factors[j]
		sum += product
	}
	return sum
}
$1 == "#define" && $2 == "NCAPINTS" { words = $3 }
$1 == "#define" && $2 ~ /^X86_(FEATURE|BUG)_[A-Za-z0-9_]+$/ {
	text = $0
	sub(/^[^(]*/, "", text)
	sub(/[ \t]*\/[*].*/, "", text)
	n = value(text)
	if ($2 ~ /^X86_BUG_/)
		n += 32 * words
	if (!(n in seen))
		print "bit", n, $2
	seen[n]
}' "$asm/cpufeatures.h" >"$work/target"
[ -s "$work/target" ] || die "no X86_FEATURE_* in $asm/cpufeatures.h"
(cd "$asm" && sed -n 's/^DECLARE_STATIC_KEY_[A-Z]*( *\([A-Za-z0-9_]*\) *).*/\1/p' ./*.h /dev/null |
	sort -u | while read -r key; do
	echo "key $key $(grep -l "^DECLARE_STATIC_KEY_[A-Z]*( *$key *)" ./*.h | head -n 1)"
done) >>"$work/target"
sed -n -e 's/^DECLARE_PER_CPU[A-Z_]*([^,]*, *\([A-Za-z0-9_]*\) *).*/symbol \1/p' \
	-e 's/^extern [^;(]*[ *]\([A-Za-z0-9_][A-Za-z0-9_]*\)\(\[.*\]\|(.*)\)\{0,1\};.*/symbol \1/p' \
	"$asm/nospec-branch.h" "$asm/spec-ctrl.h" | sort -u >>"$work/target"

awk -v how="$how" -v module="$module" -v release="$release" -v stock="$stock" '
# Whether stock KVM has more of it than these objects.
function lost(kind, what,  i, key, module) {
	for (i in modules) {
		module = modules[i]
		key = kind SUBSEP module SUBSEP what SUBSEP
		if ((key "noinstr") in theirs && own[key "noinstr"] + 0 < theirs[key "noinstr"])
			return 1
		if ((key "other") in theirs && own[key "other"] + own[key "noinstr"] == 0)
			return 1
		if ((key) in theirs && !((key) in own))
			return 1
	}
	return 0
}
BEGIN { split("kvm kvm-amd kvm-intel", modules) }
FILENAME ~ /\/own$/ {
	if ($1 == "size")
		size = $2
	else {
		own[$1, $2, $3, $4]++
		any[$1, $3]
	}
	next
}
FILENAME ~ /\/stock$/ { theirs[$1, $2, $3, $4]++; next }
FILENAME ~ /\/symvers$/ { exported[$2]; next }
FILENAME ~ /\/known$/ { if ($1 == "vac") vac[$2]; else known[$2]; next }
{
	kind = $1 == "bit" ? "bit" : "symbol"
	name = $1 == "bit" ? $3 : $2
	# Each test of a bit has an alternative of ALWAYS, too, for before alternatives are applied.
	if (name in vac || name == "X86_FEATURE_ALWAYS")
		next
	found = how && lost(kind, $2)
	if (how)
		lacks = found || (name ~ /^X86_BUG_/ && !(name in known) && !((kind, $2) in any))
	else
		lacks = !(name in known) && !((kind, $2) in any) && ($1 == "bit" ||
			($1 == "key" && name in exported && $3 ~ /^.\/(nospec-branch|spec-ctrl)\.h$/))
	if (!lacks)
		next
	length_ += length(name) + 1
	if ($1 == "bit")
		list = list "\t{ .name = \"" name "\", .bit = " $2 " }, \\\n"
	else if ($1 == "key") {
		list = list "\t{ .name = \"" name "\", .bit = -1, .key = &" name ".key }, \\\n"
		sub(/^\.\//, "", $3)
		headers = headers "#include <asm/" $3 ">\n"
	} else
		list = list "\t{ .name = \"" name "\", .bit = -1 }, \\\n"
	if (found)
		why = "the KVM of this kernel acts on it where that of " release " does not"
	else
		why = "the kernel knows it, that of " release " did not"
	print module ": unmitigated: " name ": " why >"/dev/stderr"
}
END {
	if (length_ && !how)
		print module ": unmitigated: there is no kvm.ko of this kernel in " stock \
			" that tells which of these matter" >"/dev/stderr"
	print "/* Generated by halves.sh: halves of mitigations that this KVM does not do. */"
	printf "%s", headers
	print "#define KVM_ALT_INSTR_SIZE " size
	print "#define KVM_UNMITIGATED_COMPARED " (how ? 1 : 0)
	print "#define KVM_UNMITIGATED_LENGTH " length_ + 1
	print "#define KVM_UNMITIGATED \\\n" list
}' "$work/own" "$work/stock" "$work/symvers" "$work/known" "$work/target"
