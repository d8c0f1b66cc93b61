# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What tests share that run in a chroot as root; sourced from the top of the repository.
#
# as_root PROGRAM ARGUMENT... starts that in its own mounts and processes, or says SKIP; then
# new_root NAME TARBALL makes $root, below $folder.

set -eu

count=0
failed=0
ok() { # ok CLAIM COMMAND...
	local claim=$1
	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count - $claim"
		return
	fi
	failed=1
	echo "not ok $count - $claim"
	echo "#   false: $*"
	sed 's/^/#   /' "$said" | tail -n 20
}

skip_all() {
	echo "1..0 # SKIP $1"
	exit
}

# Mounts and processes of the chroot end with the test, whatever ends it.
as_root() {
	local sudo=()
	[ "$(id -u)" -eq 0 ] || sudo=(sudo -n)
	"${sudo[@]}" true 2>/dev/null || skip_all "needs root, for a chroot"
	command -v debootstrap >/dev/null || skip_all "debootstrap is not installed"
	mkdir -p build/dkms/debs
	exec "${sudo[@]}" unshare --mount --pid --fork --kill-child --propagation private "$@"
}

# new_root NAME KVER...: a clean system as tests/dkms/root makes it, and /proc.
new_root() {
	folder=$PWD/build/dkms/$1
	root=$folder/root
	said=$folder/said
	exec 9>"$folder.lock"
	flock 9
	rm -rf --one-file-system "$folder"
	mkdir -p "$root"
	trap remove_root EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	if ! tarball=$(tests/dkms/root "${@:2}" 2>"$said" 9>&-); then
		skip_all "debootstrap cannot work here: $(tail -n 1 "$said" | sed 's|//[^/]*||')"
	fi
	tar -C "$root" --zstd -xf "$tarball"
	mount -t proc proc "$root/proc"
}

mounts() { awk -v root="$root/" 'index($2, root) == 1 { print $2 }' /proc/self/mounts; }

# Unmounts in reverse order, also where an interrupted process still uses a mount. What is mounted
# there from this machine must not be removed with the rest.
remove_root() {
	mounts | tac | xargs -r -n 1 umount -q -l || true
	if [ -n "$(mounts)" ]; then
		echo "# left as it is, for something is mounted there: $folder"
		return
	fi
	rm -rf --one-file-system "$folder"
}

as=()	# as whom, with setpriv; else as root
inside() {
	chroot "$root" "${as[@]}" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		LC_ALL=C.UTF-8 HOME=/tmp "$@"
}
# run COMMAND...: in the chroot; its output is in $said, its status in $status.
run() {
	status=0
	echo "# $*"
	inside "$@" >"$said" 2>&1 9>&- || status=$?
}
says() { grep -qF -- "$1" "$said"; }
quiet() { [ ! -s "$said" ]; }
