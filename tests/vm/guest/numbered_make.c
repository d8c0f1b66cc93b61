// SPDX-License-Identifier: GPL-2.0-only
/* The VM of numbered.h and its files. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"
#include "numbered_vmm.h"

#define GUEST_SLOT 2
#define ROM_SLOT   3

#define CPUID_TSC_DEADLINE (1U << 24)

#define LEVEL 0x8000 /* in an entry of the IOAPIC */

extern char numbered_irqfd[], numbered_level[], numbered_line[], numbered_msi[],
	numbered_tick[];

static int add_memory(struct numbered_vmm *m)
{
	uint64_t *rom = mmap(NULL, GUEST_PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int r;

	if (rom == MAP_FAILED)
		return -errno;
	*rom = NUMBERED_ROM_WORD;
	r = vm_add_slot(m->vm, GUEST_SLOT, NUMBERED_GPA, sizeof(m->n->of), m->n->of, 0);
	return r < 0 ? r
		     : vm_add_slot(m->vm, ROM_SLOT, NUMBERED_ROM, GUEST_PAGE, rom,
				   KVM_MEM_READONLY);
}

static void add_handlers(struct numbered_vmm *m)
{
	int i;

	for (i = 0; i < m->n->options.vcpus; i++) {
		vm_set_gate(m->vm, VECTOR_LEVEL + i, code_gpa(numbered_level));
		vm_set_gate(m->vm, VECTOR_LINE + i, code_gpa(numbered_line));
	}
	vm_set_gate(m->vm, VECTOR_IRQFD, code_gpa(numbered_irqfd));
	vm_set_gate(m->vm, VECTOR_MSI, code_gpa(numbered_msi));
	vm_set_gate(m->vm, VECTOR_TIMER, code_gpa(numbered_tick));
}

/* What the filter denies goes to user space. */
static int filter_msrs(struct numbered_vmm *m)
{
	static uint8_t none[8];
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args[0] = KVM_MSR_EXIT_REASON_FILTER,
	};
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges[0] = {
			.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
			.nmsrs = 2,
			.base = MSR_NUMBERED,
			.bitmap = none,
		},
	};
	int r = xioctl(m->vm->fd, KVM_ENABLE_CAP, &cap);

	return r < 0 ? r : xioctl(m->vm->fd, KVM_X86_SET_MSR_FILTER, &filter);
}

static int coalesce(struct numbered_vmm *m)
{
	struct kvm_coalesced_mmio_zone mmio = {
		.addr = NUMBERED_COALESCED,
		.size = NUMBERED_VCPUS * NUMBERED_COALESCED_SIZE,
	}, pio = {
		.addr = PORT_COALESCED,
		.size = NUMBERED_VCPUS * 4,
		.pio = 1,
	};
	int r = xioctl(m->vm->fd, KVM_REGISTER_COALESCED_MMIO, &mmio);

	if (r < 0)
		return r;
	r = xioctl(m->vm->fd, KVM_REGISTER_COALESCED_MMIO, &pio);
	if (r < 0)
		return r;
	m->ring_page = xioctl_value(m->vm->fd, KVM_CHECK_EXTENSION,
				    KVM_CAP_COALESCED_MMIO);
	return m->ring_page > 0 ? 0 : -EOPNOTSUPP;
}

static int new_eventfd(int *fd)
{
	*fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return *fd < 0 ? -errno : 0;
}

static int add_kick(struct numbered_vmm *m, int i, int which)
{
	static const struct kvm_ioeventfd kinds[KICKS] = {
		[KICK_PIO4] = { KICK_PIO4_VALUE,
				KICK_PIO4_AT,
				4,
				-1,
				KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH,
				{ 0 } },
		[KICK_PIO2] = { 0, KICK_PIO2_AT, 2, -1, KVM_IOEVENTFD_FLAG_PIO, { 0 } },
		[KICK_PIO_ANY] = { 0,
				   KICK_PIO_ANY_AT,
				   0,
				   -1,
				   KVM_IOEVENTFD_FLAG_PIO,
				   { 0 } },
		[KICK_MMIO_ANY] = { 0, KICK_MMIO_ANY_AT, 0, -1, 0, { 0 } },
		[KICK_QUEUE0] = { 0,
				  KICK_QUEUE_AT,
				  2,
				  -1,
				  KVM_IOEVENTFD_FLAG_DATAMATCH,
				  { 0 } },
		[KICK_QUEUE1] = { 1,
				  KICK_QUEUE_AT,
				  2,
				  -1,
				  KVM_IOEVENTFD_FLAG_DATAMATCH,
				  { 0 } },
		[KICK_MMIO4] = { 0, KICK_MMIO4_AT, 4, -1, 0, { 0 } },
		[KICK_MMIO8] = { KICK_MMIO8_VALUE,
				 KICK_MMIO8_AT,
				 8,
				 -1,
				 KVM_IOEVENTFD_FLAG_DATAMATCH,
				 { 0 } },
	};
	struct kvm_ioeventfd kick = kinds[which];
	int r = new_eventfd(&m->of[i].kick[which]);

	if (r)
		return r;
	kick.fd = m->of[i].kick[which];
	if (kick.flags & KVM_IOEVENTFD_FLAG_PIO)
		kick.addr += PORT_KICK + i * PORT_KICK_SIZE;
	else
		kick.addr += NUMBERED_KICK_MMIO + i * NUMBERED_KICK_SIZE;
	return xioctl(m->vm->fd, KVM_IOEVENTFD, &kick);
}

static int add_kicks(struct numbered_vmm *m, int i)
{
	int which, r = 0;

	for (which = 0; which < KICKS && r >= 0; which++)
		r = add_kick(m, i, which);
	return r;
}

/* Pins of the IOAPIC, and lines of MSIs. */
static int level_gsi(int i)
{
	return 16 + i;
}

int numbered_line_gsi(int i)
{
	return 20 + i;
}

static int msi_gsi(int i)
{
	return 24 + i;
}

static struct kvm_irq_routing_entry pin(int gsi)
{
	return (struct kvm_irq_routing_entry){
		.gsi = gsi,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { .irqchip = KVM_IRQCHIP_IOAPIC, .pin = gsi },
	};
}

static int route(struct numbered_vmm *m)
{
	struct {
		struct kvm_irq_routing table;
		struct kvm_irq_routing_entry entry[3 * NUMBERED_VCPUS];
	} routing = { .table.nr = 0 };
	bool split = m->n->options.flags & NUMBERED_SPLIT;
	int i;

	for (i = 0; i < m->n->options.vcpus; i++) {
		struct kvm_irq_routing_entry *e = routing.entry + routing.table.nr;

		*e++ = (struct kvm_irq_routing_entry){
			.gsi = msi_gsi(i),
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi = { .address_lo = LAPIC_GPA | i << 12,
				   .data = VECTOR_IRQFD },
		};
		if (!split) {
			*e++ = pin(level_gsi(i));
			*e++ = pin(numbered_line_gsi(i));
		}
		routing.table.nr = e - routing.entry;
	}
	return xioctl(m->vm->fd, KVM_SET_GSI_ROUTING, &routing);
}

/*
 * As a guest would write it: level triggered, for one vCPU. Each pin has a vector of its own, since an
 * EOI is for all pins that have it.
 */
static uint64_t redirection(int vector, int i)
{
	return (vector + i) | LEVEL | (uint64_t)i << 56;
}

static int set_ioapic(struct numbered_vmm *m)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	int i, r = xioctl(m->vm->fd, KVM_GET_IRQCHIP, &chip);

	if (r < 0)
		return r;
	for (i = 0; i < m->n->options.vcpus; i++) {
		chip.chip.ioapic.redirtbl[level_gsi(i)].bits = redirection(VECTOR_LEVEL,
									   i);
		chip.chip.ioapic.redirtbl[numbered_line_gsi(i)].bits = redirection(
			VECTOR_LINE, i);
	}
	return xioctl(m->vm->fd, KVM_SET_IRQCHIP, &chip);
}

static int add_irqfds(struct numbered_vmm *m, int i)
{
	struct numbered_vcpu *s = &m->of[i];
	struct kvm_irqfd msi = { .gsi = msi_gsi(i) },
			 level = { .gsi = level_gsi(i),
				   .flags = KVM_IRQFD_FLAG_RESAMPLE };
	int r = new_eventfd(&s->irqfd);

	s->level = -1;
	s->resample = -1;
	if (r)
		return r;
	msi.fd = s->irqfd;
	r = xioctl(m->vm->fd, KVM_IRQFD, &msi);
	if (r < 0 || m->n->options.flags & NUMBERED_SPLIT)
		return r;
	r = new_eventfd(&s->level);
	if (!r)
		r = new_eventfd(&s->resample);
	if (r)
		return r;
	level.fd = s->level;
	level.resamplefd = s->resample;
	return xioctl(m->vm->fd, KVM_IRQFD, &level);
}

/* The timer's mode is announced by the VMM, not by KVM's list of leaves. */
static bool offer_deadline(struct vm *vm)
{
	uint32_t i;

	if (xioctl_value(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) <= 0)
		return false;
	for (i = 0; i < vm->cpuid->nent; i++)
		if (vm->cpuid->entries[i].function == 1)
			vm->cpuid->entries[i].ecx |= CPUID_TSC_DEADLINE;
	return true;
}

static int add_vcpu(struct numbered_vmm *m, int i, bool deadline)
{
	struct vcpu *v;
	int r = vcpu_create(m->vm, &v);

	if (r < 0)
		return r;
	m->of[i].v = v;
	r = vcpu_set_long(v, guest_numbered, 0, mix(getpid(), i));
	if (r < 0)
		return r;
	r = vcpu_tsc_khz(v);
	if (r < 0)
		return r;
	m->n->of[i].guest.tsc_khz = r;
	m->n->of[i].guest.deadline = deadline;
	m->n->of[i].guest.say_armed = m->n->options.fault == FAULT_ONE_SHOT_LOST ||
				      m->n->options.fault == FAULT_DEADLINE_LOST;
	return 0;
}

static int open_stats(struct numbered_vmm *m)
{
	int i;

	m->stats = xioctl_value(m->vm->fd, KVM_GET_STATS_FD, 0);
	if (m->stats < 0)
		return m->stats;
	for (i = 0; i < m->n->options.vcpus; i++) {
		m->of[i].stats = xioctl_value(m->of[i].v->fd, KVM_GET_STATS_FD, 0);
		if (m->of[i].stats < 0)
			return m->of[i].stats;
	}
	return 0;
}

/* Of a VM, or of that vCPU: "kvm-PID" or "kvm-PID/vcpu-0". */
static bool stats_are_of(int fd, int vcpu)
{
	struct kvm_stats_header head;
	char name[48] = "", end[32] = "";
	int pid, n = 0;

	if (vcpu >= 0)
		snprintf(end, sizeof(end), "/vcpu-%d", vcpu);
	return pread(fd, &head, sizeof(head), 0) == sizeof(head) && head.id_offset &&
	       pread(fd, name, sizeof(name) - 1, head.id_offset) > 0 &&
	       sscanf(name, "kvm-%d%n", &pid, &n) == 1 && !strcmp(name + n, end);
}

bool numbered_stats_are_right(struct numbered_vmm *m)
{
	int i;

	if (!(m->n->options.flags & NUMBERED_STATS))
		return true;
	for (i = 0; i < m->n->options.vcpus; i++)
		if (!stats_are_of(m->of[i].stats, i))
			return false;
	return stats_are_of(m->stats, -1);
}

static int make_vm(struct numbered_vmm *m)
{
	unsigned int flags = m->n->options.flags;
	int r = vm_create(&m->vm, m->n->options.dev,
			  VM_IRQCHIP | (flags & NUMBERED_SPLIT ? VM_SPLIT_IRQCHIP : 0));

	if (r)
		return r;
	m->control = flags & NUMBERED_DUP ? dup(m->vm->fd) : m->vm->fd;
	return m->control < 0 ? -errno : 0;
}

int numbered_make(struct numbered_vmm *m, const char **step)
{
	bool split = m->n->options.flags & NUMBERED_SPLIT, deadline;
	int i, r;

	m->sources = 1 << SOURCE_IRQFD | 1 << SOURCE_MSI;
	if (!split)
		m->sources |= 1 << SOURCE_LEVEL | 1 << SOURCE_LINE;
	*step = "a VM";
	r = make_vm(m);
	if (r < 0)
		return r;
	add_handlers(m);
	*step = "memory slots";
	r = add_memory(m);
	if (r < 0)
		return r;
	*step = "a filter of MSRs";
	r = filter_msrs(m);
	if (r < 0)
		return r;
	*step = "coalesced zones";
	r = coalesce(m);
	if (r < 0)
		return r;
	*step = "interrupt routes";
	r = route(m);
	if (r < 0)
		return r;
	deadline = offer_deadline(m->vm);
	for (i = 0; i < m->n->options.vcpus; i++) {
		*step = "a vCPU";
		r = add_vcpu(m, i, deadline);
		if (r < 0)
			return r;
		*step = "ioeventfds";
		r = add_kicks(m, i);
		if (r < 0)
			return r;
		*step = "irqfds";
		r = add_irqfds(m, i);
		if (r < 0)
			return r;
	}
	*step = "the IOAPIC";
	r = split ? 0 : set_ioapic(m);
	if (r < 0)
		return r;
	*step = "statistics";
	return m->n->options.flags & NUMBERED_STATS ? open_stats(m) : 0;
}
