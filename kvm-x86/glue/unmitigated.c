// SPDX-License-Identifier: GPL-2.0-only
/*
 * unmitigated.c - the kernel says "mitigated", and this KVM does not do its half (hazard 25).
 *
 * Many mitigations have two halves: the kernel decides and reports in sysfs, KVM does the work.
 * halves.sh compared this KVM with the kernel's own when the module was built; what it found is the
 * table in unmitigated.h. It is checked here, and not in vac, so that an older vac does not let
 * it pass.
 */
#include <linux/build_bug.h>
#include <linux/jump_label.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <asm/alternative.h>
#include <asm/cpufeature.h>

#include <vac.h>

#include "halves.h"
#include "instance.h"
#include "unmitigated.h"

/**
 * struct half - a mitigation for which the kernel may rely on KVM.
 * @name: the kernel's name of it.
 * @bit: the kernel relies on KVM if the CPU has this bit; negative: no bit.
 * @key: or if this key is on. With neither it is taken to rely on KVM always.
 */
struct half {
	const char *name;
	int bit;
	struct static_key *key;
};

/* It ends with an empty one, so that it is never empty. */
static const struct half halves[] __initconst = {
	KVM_UNMITIGATED
	{ }
};

/* Names of those that count on this machine, or "none"; vac shows it as long as we are loaded. */
char kvm_unmitigated[KVM_UNMITIGATED_LENGTH + sizeof("none")];

static bool allow_unmitigated;
module_param(allow_unmitigated, bool, 0444);
MODULE_PARM_DESC(allow_unmitigated,
		 "load although this KVM lacks its half of mitigations that the kernel reports");

/* halves.sh takes the bit of an alternative from bytes 8 and 9 of each entry. */
static __always_inline bool layout_is_known(void)
{
	union {
		struct alt_instr alternative;
		u8 bytes[sizeof(struct alt_instr)];
	} one = { .alternative.cpuid = 0x1234 };

	return sizeof(struct alt_instr) == KVM_ALT_INSTR_SIZE &&
	       one.bytes[8] == 0x34 && one.bytes[9] == 0x12;
}

static bool __init counts(const struct half *half)
{
	if (half->key)
		return static_key_enabled(half->key);
	return half->bit < 0 || boot_cpu_has(half->bit);
}

/**
 * kvm_halves_check() - Refuse to run unmitigated where the kernel says that it is mitigated.
 *
 * The kernel decides on its mitigations before it loads modules, and all CPUs have the same: one
 * check is enough.
 *
 * Context: process context, from module_init, before anything else.
 * Return: 0, or -EPERM with one line in the log.
 */
int __init kvm_halves_check(void)
{
	const struct half *half;
	int n = 0;

	BUILD_BUG_ON(!layout_is_known());
	for (half = halves; half->name; half++)
		if (counts(half))
			n += scnprintf(kvm_unmitigated + n, sizeof(kvm_unmitigated) - n, "%s%s",
				       n ? " " : "", half->name);
	if (!n) {
		strscpy(kvm_unmitigated, "none", sizeof(kvm_unmitigated));
		return 0;
	}
	if (allow_unmitigated) {
		pr_warn("loads unmitigated, as allow_unmitigated=1 says: KVM of %s lacks its part of %s\n",
			KVM_INSTANCE_SNAPSHOT, kvm_unmitigated);
		return 0;
	}
	pr_err("refused: this kernel counts on KVM for its part of %s, which KVM of %s %s; use a newer snapshot, or allow_unmitigated=1\n",
	       kvm_unmitigated, KVM_INSTANCE_SNAPSHOT,
	       KVM_UNMITIGATED_COMPARED ? "lacks" :
	       "did not know when it was built without this kernel's own kvm modules to compare with");
	vac_refused(KBUILD_MODNAME, "unmitigated");
	return -EPERM;
}
