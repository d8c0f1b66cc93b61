// SPDX-License-Identifier: GPL-2.0-only
/*
 * msrs.c - which MSRs are moved. All that either instance lists, and those that no list has
 * although a guest may have set them. Whether they exist is found by reading them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "move.h"

#define LIST_MAX 1024

#define IA32_TSC	0x10
#define KVM_WALL_CLOCK	0x11
#define KVM_SYSTEM_TIME 0x12
#define SYSENTER_ESP	0x175
#define SYSENTER_EIP	0x176
#define DEBUGCTL	0x1d9
#define TSC_DEADLINE	0x6e0
#define HV_FIRST	0x40000000
#define HV_LAST		0x400000ff
#define KVM_FIRST	0x4b564d00
#define KVM_LAST	0x4b564dff

struct range {
	uint32_t first, last;
};

/* In no list: KVM has them all the same. */
static const struct range unlisted[] = {
	{ 0x8b, 0x8b },	  /* microcode revision */
	{ 0x8c, 0x8f },	  /* SGXLEPUBKEYHASH: who may launch enclaves */
	{ 0x179, 0x17b }, /* machine check: what there is, status, control */
	{ 0x1a0, 0x1a0 }, /* MISC_ENABLE */
	{ 0x200, 0x21f }, /* MTRRs */
	{ 0x250, 0x250 },
	{ 0x258, 0x259 },
	{ 0x268, 0x26f },
	{ 0x277, 0x277 },	    /* PAT */
	{ 0x280, 0x29f },	    /* machine check banks: CTL2 */
	{ 0x2ff, 0x2ff },	    /* MTRRs: the default */
	{ 0x400, 0x47f },	    /* machine check banks */
	{ 0xc0010010, 0xc0010010 }, /* SYSCFG */
	{ 0xc0010015, 0xc0010015 }, /* HWCR */
	{ 0xc001001f, 0xc001001f }, /* NB_CFG */
	{ 0xc0010114, 0xc0010114 }, /* VM_CR */
	{ 0xc0010117, 0xc0010117 }, /* VM_HSAVE_PA */
	{ 0xc0010140, 0xc0010141 }, /* OSVW */
	{ 0xc0011029, 0xc001102a }, /* DE_CFG, BU_CFG2 */
};

/*
 * What a new vCPU may have otherwise than it was set:
 */
static const struct range not_compared[] = {
	{ SYSENTER_ESP,
	  SYSENTER_EIP }, /* AMD keeps 32 bits of them, and KVM 64 of the first */
	{ TSC_DEADLINE, TSC_DEADLINE }, /* may have come */
	{ 0x40000010, 0x40000010 },	/* HV_X64_MSR_VP_RUNTIME: goes on */
	{ 0x40000020, 0x40000020 },	/* HV_X64_MSR_TIME_REF_COUNT: goes on */
};

static bool in(const struct range *ranges, size_t n, uint32_t msr)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (msr >= ranges[i].first && msr <= ranges[i].last)
			return true;
	return false;
}

/*
 * KVM writes the time of day to the guest's memory when this is set: only once the new VM has the
 * old one's clock.
 */
bool msr_is_late(uint32_t msr)
{
	return msr == KVM_WALL_CLOCK || msr == KVM_FIRST;
}

bool msr_is_compared(uint32_t msr)
{
	return !in(not_compared, sizeof(not_compared) / sizeof(not_compared[0]), msr);
}

/* KVM may write to the guest's memory when these are set, or start a timer. */
bool msr_is_rehearsed(uint32_t msr, uint64_t value)
{
	if (!value)
		return true; /* nothing is switched on */
	return msr != KVM_WALL_CLOCK && msr != KVM_SYSTEM_TIME && msr != TSC_DEADLINE &&
	       !(msr >= HV_FIRST && msr <= HV_LAST) &&
	       !(msr >= KVM_FIRST && msr <= KVM_LAST);
}

/*
 * Without it, kvm_amd complains in the kernel's log of whoever sets DEBUGCTL, even to 0, and it is
 * always 0.
 */
static bool has_lbrv(const char *tag)
{
	char path[80], *text, *at;
	bool has;

	snprintf(path, sizeof(path), "/sys/module/kvm_%s/parameters/lbrv", tag);
	for (at = path + sizeof("/sys/module/"); *at != '/'; at++)
		if (*at == '-')
			*at = '_';
	text = host_read("%s", path);
	has = text && strcmp(text, "0");
	free(text);
	return has;
}

static void add(uint32_t *msrs, int *n, uint32_t msr)
{
	int i;

	if (msr == IA32_TSC || *n == LIST_MAX) /* its offset is moved */
		return;
	for (i = 0; i < *n; i++)
		if (msrs[i] == msr)
			return;
	msrs[(*n)++] = msr;
}

static int add_list(struct move *move, int device, unsigned long request, uint32_t *msrs,
		    int *n)
{
	struct kvm_msr_list *list = calloc(1, sizeof(*list) + LIST_MAX * sizeof(__u32));
	unsigned int i;

	if (!list)
		return target_fail(&move->target, SYSTEM, "no memory");
	list->nmsrs = LIST_MAX;
	if (ioctl(device, request, list)) {
		free(list);
		return target_fail(&move->target, SYSTEM, "the list of MSRs: %s",
				   strerror(errno));
	}
	for (i = 0; i < list->nmsrs; i++)
		add(msrs, n, list->indices[i]);
	free(list);
	return 0;
}

/*
 * The deadline of the timer last: that mode of the timer and the TSC must be there. Of AMD's last
 * branches KVM sets none, so they are not moved.
 */
int msrs_candidates(struct move *move, uint32_t **result, int *n)
{
	uint32_t *msrs = calloc(LIST_MAX + 1, sizeof(*msrs)), msr;
	int devices[] = { move->old_device, move->device }, err = 0, i, k;
	bool debugctl = move->is_vmx || has_lbrv(move->from);
	size_t range;

	*result = msrs;
	*n = 0;
	if (!msrs)
		return target_fail(&move->target, SYSTEM, "no memory");
	for (i = 0; i < 2 && !err; i++) {
		err = add_list(move, devices[i], KVM_GET_MSR_FEATURE_INDEX_LIST, msrs, n);
		if (!err)
			err = add_list(move, devices[i], KVM_GET_MSR_INDEX_LIST, msrs, n);
	}
	for (range = 0; range < sizeof(unlisted) / sizeof(unlisted[0]); range++)
		for (msr = unlisted[range].first; msr <= unlisted[range].last; msr++)
			add(msrs, n, msr);
	if (debugctl)
		add(msrs, n, DEBUGCTL);
	if (*n == LIST_MAX)
		return target_fail(&move->target, SYSTEM, "there are more than %d MSRs",
				   LIST_MAX);
	for (i = k = 0; i < *n; i++)
		if (msrs[i] != TSC_DEADLINE && (msrs[i] != DEBUGCTL || debugctl))
			msrs[k++] = msrs[i];
	msrs[k++] = TSC_DEADLINE;
	*n = k;
	return err;
}
