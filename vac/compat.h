/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat.h - the one place where vac meets differences between target kernels.
 *
 * Each is a function or macro that has the same meaning on all of them. What a
 * kernel offers is found in its headers, never concluded from its version.
 */
#ifndef VAC_COMPAT_H
#define VAC_COMPAT_H

#include <linux/cpuhotplug.h>
#include <linux/syscore_ops.h>
#include <asm/cpufeature.h>
#include <asm/msr-index.h>

/* The kernel may run TDX guests. Older kernels cannot: they know no such feature. */
#ifdef X86_FEATURE_TDX_HOST_PLATFORM
#define vac_tdx_host()	cpu_feature_enabled(X86_FEATURE_TDX_HOST_PLATFORM)
#else
#define vac_tdx_host()	false
#endif

/*
 * KVM's hotplug state, at which virtualization comes and goes on a CPU: before any
 * task that may load a vCPU runs there, and after the last one has. Interrupts may
 * be on or off, and the result of the callback for a CPU that comes may be ignored.
 */
#ifdef VAC_HAS_cpuhp_kvm_starting
#define VAC_CPUHP_VIRT	CPUHP_AP_KVM_STARTING
#else
#define VAC_CPUHP_VIRT	CPUHP_AP_KVM_ONLINE
#endif

/*
 * VAC_SYSCORE() - The hooks of suspend, resume and shutdown.
 * @name: vac_syscore_register(&name) and vac_syscore_unregister(&name) work on it.
 * @down: int (void), before the machine sleeps; an error keeps it awake. One CPU is left,
 *	interrupts are off.
 * @up: void (void), afterwards; the same.
 * @off: void (void), before the machine reboots, halts or powers off, and where the kernel's
 *	kexec calls it (not in 6.1). Process context on one CPU, the lock of the list of hooks held;
 *	system_state is set, no CPU comes or goes, the other CPUs still run as before.
 */
#ifdef VAC_HAS_syscore_data
#define VAC_SYSCORE(name, down, up, off)					\
	static int name##_suspend(void *unused) { return down(); }		\
	static void name##_resume(void *unused) { up(); }			\
	static void name##_shutdown(void *unused) { off(); }			\
	static const struct syscore_ops name##_ops = {				\
		.suspend = name##_suspend, .resume = name##_resume,		\
		.shutdown = name##_shutdown,					\
	};									\
	static struct syscore name = { .ops = &name##_ops }
#define vac_syscore_register	register_syscore
#define vac_syscore_unregister	unregister_syscore
#else
#define VAC_SYSCORE(name, down, up, off)					\
	static struct syscore_ops name = {					\
		.suspend = down, .resume = up, .shutdown = off,			\
	}
#define vac_syscore_register	register_syscore_ops
#define vac_syscore_unregister	unregister_syscore_ops
#endif

/* A bit of MSR_ZEN4_BP_CFG. Kernels that do not name it have no KVM that uses it. */
#ifndef MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT
#define MSR_ZEN4_BP_CFG_BP_SPEC_REDUCE_BIT	4
#endif

/* In a TRACE_EVENT: assign the string member of that name from the argument of that name. */
#ifdef VAC_HAS_assign_str_by_name
#define vac_assign_str(name)	__assign_str(name)
#else
#define vac_assign_str(name)	__assign_str(name, name)
#endif

#endif /* VAC_COMPAT_H */
