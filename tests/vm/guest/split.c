// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "split.h"
#include "vmm.h"

#define BORDER (MMIO_GPA + GUEST_PAGE)

static __thread char why[200];

extern guest_fn guest_enters;

/* RDI is the shared area, whose seed it writes; then it reports that it did. It loops for ever. */
asm(".pushsection guest, \"ax\", @progbits\n"
    ".globl guest_enters\n"
    "guest_enters:\n"
    "	movq	%rsp, %rbx\n"
    "1:	movq	0x20(%rdi), %rbp\n"
    "	movl	$0xd0001004, %esp\n"
    "	enter	$0, $0\n"
    "	movq	%rbx, %rsp\n"
    "	movw	$0x5a0, %dx\n"
    "	outl	%eax, %dx\n"
    "	jmp	1b\n"
    ".popsection\n");

_Static_assert(BORDER == 0xd0001000 && PORT_SYNC == 0x5a0, "assembly uses it");
_Static_assert(offsetof(struct guest_area, seed) == 0x20, "assembly uses it");

/* What any VMM does between two exits: it uses the kernel, and with it the stack. */
static int busy_enter(struct vcpu *v)
{
	char text[64];
	FILE *f = fopen("/proc/self/stat", "re");

	if (f) {
		if (!fgets(text, sizeof(text), f))
			text[0] = '\0';
		fclose(f);
	}
	return ioctl(v->fd, KVM_RUN, 0) < 0 ? -errno : 0;
}

/* One write. 0, or 1 if its second half was another, or -EPROTO. */
static int one(struct vcpu *v, uint64_t value, uint32_t *got)
{
	const struct kvm_run *run = v->run;
	struct event e;

	v->area->seed = value;
	vcpu_run(v, &e); /* the first half is the VMM's own scratch page, and no event */
	if (e.kind != EV_OTHER || e.value != KVM_EXIT_MMIO ||
	    run->mmio.phys_addr != BORDER || run->mmio.len != 4 || !run->mmio.is_write ||
	    v->scratch != (uint32_t)value) {
		snprintf(why, sizeof(why),
			 "no write across %lx: %s, first half %x of %llx", BORDER,
			 event_text(v, &e), v->scratch, (unsigned long long)value);
		return -EPROTO;
	}
	memcpy(got, run->mmio.data, sizeof(*got));
	vcpu_run(v, &e);
	if (e.kind != EV_SYNC) {
		snprintf(why, sizeof(why), "after a write: %s", event_text(v, &e));
		return -EPROTO;
	}
	return *got != value >> 32;
}

int split_writes(const char *dev, int writes, unsigned int *got)
{
	struct vcpu *v;
	struct vm *vm;
	uint32_t half;
	int i, r, wrong = 0;

	*got = 0;
	r = vm_create(&vm, dev, 0);
	if (r < 0)
		return r;
	r = vcpu_create(vm, &v);
	if (!r)
		r = vcpu_set_long(v, guest_enters, 0, 0);
	if (!r)
		v->enter = busy_enter;
	for (i = 0; r >= 0 && i < writes; i++) {
		r = one(v, mix(1, i), &half);
		if (r > 0) {
			*got = half > *got ? half : *got;
			wrong++;
		}
	}
	vm_destroy(vm);
	return r < 0 ? r : wrong;
}

const char *split_why(void)
{
	return why;
}
