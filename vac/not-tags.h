/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * not-tags.h - words that look like a tag, [a-z][a-z0-9_]{0,23}, and are none.
 *
 * One line each. vac (instance.c), the rewrite (scripts/mkvm/tag.py) and multikvm read them here.
 * Besides, kvm-TAG must not be a module that the target kernel has itself: that is looked up in
 * each kernel, by scripts/build and build.sh.
 */
NOT_A_TAG(none)		/* written to /sys/kernel/vac/default it unsets the default */
NOT_A_TAG(amd)		/* kvm-amd and kvm-intel are modules of each stock kernel */
NOT_A_TAG(intel)
NOT_A_TAG(vm)		/* what monitoring looks for in /proc/PID/fd: anon_inode:kvm-vm and ... */
NOT_A_TAG(vcpu)		/* ... kvm-vcpu:N. /dev/kvm-vm there would be taken for a VM */
