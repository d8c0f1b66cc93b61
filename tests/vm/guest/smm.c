// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "smm.h"

#define SMM_SPACE (1 << 16)	     /* in a slot's number: of the address space of SMM */
#define ENTRY_GPA (0x30000 + 0x8000) /* where an SMI goes after reset */

struct smm {
	struct vm *vm;
	struct vcpu *v;
	uint32_t *smram; /* a page at MMIO_GPA, in SMM only */
	uint64_t looks;
};

static __thread char why[200];

extern char guest_smi[], guest_smi_end[]; /* 16-bit code, at the entry */
extern guest_fn guest_uses_device;

/*
 * The guest reads the device and reports what it got, for ever. The handler does the same with one
 * OUTS, an instruction that reads memory and that KVM has to emulate.
 */
asm(".pushsection guest, \"ax\", @progbits\n"
    ".globl guest_uses_device\n"
    "guest_uses_device:\n"
    "1:	movl	$0xd0000000, %ebx\n"
    "	movl	(%rbx), %eax\n"
    "	movw	$0x5a0, %dx\n"
    "	outl	%eax, %dx\n"
    "	jmp	1b\n"
    ".globl guest_smi, guest_smi_end\n"
    "guest_smi:\n"
    ".code16\n"
    "	movl	$0xd0000000, %esi\n"
    "	movw	$0x5a0, %dx\n"
    "	addr32 outsl\n"
    "	rsm\n"
    "guest_smi_end:\n"
    ".code64\n"
    ".popsection\n");

_Static_assert(MMIO_GPA == 0xd0000000 && PORT_SYNC == 0x5a0, "assembly uses it");

static int add_slot(struct smm *s, int slot, uint64_t gpa, size_t size, void *p)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot | SMM_SPACE,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (unsigned long)p,
	};

	return ioctl(s->vm->fd, KVM_SET_USER_MEMORY_REGION, &r) < 0 ? -errno : 0;
}

static int setup(struct smm *s, const char *dev)
{
	int r = vm_create(&s->vm, dev, 0);

	if (r < 0)
		return r;
	r = vcpu_create(s->vm, &s->v);
	if (r < 0)
		return r;
	r = vcpu_set_long(s->v, guest_uses_device, 0, 0);
	if (r < 0)
		return r;
	s->smram = mmap(NULL, GUEST_PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->smram == MAP_FAILED) {
		s->smram = NULL;
		return -ENOMEM;
	}
	r = add_slot(s, 0, 0, s->vm->ram_size, s->vm->ram);
	if (r < 0)
		return r;
	memcpy(vm_gpa(s->vm, ENTRY_GPA), guest_smi, guest_smi_end - guest_smi);
	return add_slot(s, 1, MMIO_GPA, GUEST_PAGE, s->smram);
}

int smm_start(struct smm **sp, const char *dev)
{
	struct smm *s = calloc(1, sizeof(*s));
	int r = s ? setup(s, dev) : -ENOMEM;

	*sp = NULL;
	if (r < 0) {
		smm_end(s);
		return r;
	}
	*sp = s;
	return 0;
}

/* The next number that the guest reports; it must be `one` or `other`. */
static int told(struct smm *s, const char *who, uint32_t one, uint32_t other)
{
	struct event e;

	vcpu_run(s->v, &e);
	if (e.kind == EV_SYNC && (uint32_t)e.value == one)
		return 0;
	if (e.kind == EV_SYNC && (uint32_t)e.value == other)
		return 1;
	snprintf(why, sizeof(why), "%s: %s; SMRAM holds %u, the device says %u", who,
		 event_text(s->v, &e), *s->smram, ~s->v->scratch);
	return -EPROTO;
}

int smm_look(struct smm *s)
{
	uint64_t values = mix(0, s->looks++);
	uint32_t memory = values, device = (values >> 32) ^ !((values >> 32) ^ memory);
	int r;

	*s->smram = memory;
	s->v->scratch = ~device; /* the complement is what the device says */
	r = told(s, "the guest", device, device);
	if (r < 0)
		return r;
	if (ioctl(s->v->fd, KVM_SMI) < 0)
		return -errno;
	return told(s, "the handler", memory, device);
}

const char *smm_why(void)
{
	return why;
}

void smm_end(struct smm *s)
{
	if (!s)
		return;
	vm_destroy(s->vm);
	if (s->smram)
		munmap(s->smram, GUEST_PAGE);
	free(s);
}
