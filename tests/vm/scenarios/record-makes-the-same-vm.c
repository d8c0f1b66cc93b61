// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: what a VMM has set of a VM and no ioctl of KVM gives back is in the VM's record. The record,
 * done again in another instance, makes a VM whose record is the same: memory slots, routes, the MSR
 * filter with its bitmaps, capabilities, ioeventfds, irqfds, coalesced zones, IRQ chips, the PIT, what
 * VMX guests need in real mode, and of a vCPU MCE banks, TPR reporting, APIC page, capabilities and
 * signal mask. What was taken back is not in it. What cannot be moved is named. A vCPU tells whether an
 * exit of it is half done. The lines of the interrupt chips that a VMM holds, and when the PIT ticks
 * next, are told and set; devices that share a line are asked what they want.
 *
 * fails when: rule record-vm records no capability, replaces() is always false (a capability that is set
 * twice is twice in it), put_route() does not take 8 from a pin of the second PIC (the new VM refuses
 * it), number_eventfds() is not called (each eventfd is -1), the bitmaps of the MSR filter are left out,
 * a vCPU's items come first (there is no such vCPU yet), kvm_record_arch_busy() is 0, and when
 * kvm_vm_ioctl() is in kvm_vm_fops again (there is no such ioctl). Of the chips no mutation was tried
 * here; momentary-state-moves notices a mover that does not set them (mutant device-is-not-asked).
 *
 * machine: --cpus 1
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../../kvm-core/glue/kvm_move.h"
#include "../lib/instances.h"
#include "../lib/tap.h"

#define PAGE	 4096UL
#define RECORD	 0x20000
#define PORT	 0x40
#define LAST_GSI 23
#define FILTER	 0xc0000080
#define FILTERED 65 /* bits: two words of a bitmap */
#define ROUTES	 4
#define EVENTFDS 5
#define CONFIG	 KVM_PIT_SPEAKER_DUMMY

struct machine {
	int dev, vm, vcpu;
	struct kvm_run *run;
};

struct record {
	struct kvm_move_record head;
	unsigned char items[RECORD] __attribute__((aligned(8)));
};

static unsigned char *memory; /* of all VMs here */
static int events[EVENTFDS];
static unsigned long filter_bits[2] = { ~0x40UL, 1 };

static int attempt(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) < 0 ? -errno : 0;
}

static int enable(int fd, unsigned int cap, unsigned long argument)
{
	struct kvm_enable_cap c = { .cap = cap, .args = { argument } };

	return attempt(fd, KVM_ENABLE_CAP, &c);
}

static void open_machine(struct machine *m, const char *tag)
{
	m->dev = open(device_of(tag), O_RDWR | O_CLOEXEC);
	m->vm = ioctl(m->dev, KVM_CREATE_VM, 0);
	m->vcpu = -1;
	m->run = NULL;
	need(m->vm < 0 ? -errno : 0, "%s makes a VM", tag);
}

static void add_vcpu(struct machine *m)
{
	m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
	need(m->vcpu < 0 ? -errno : 0, "it has a vCPU");
	m->run = mmap(NULL, ioctl(m->dev, KVM_GET_VCPU_MMAP_SIZE, 0),
		      PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	need(m->run == MAP_FAILED ? -errno : 0, "which is mapped");
}

static void close_machine(struct machine *m)
{
	if (m->run)
		munmap(m->run, ioctl(m->dev, KVM_GET_VCPU_MMAP_SIZE, 0));
	if (m->vcpu >= 0)
		close(m->vcpu);
	close(m->vm);
	close(m->dev);
}

static void set_slot(struct machine *m, int slot, int flags, unsigned long at,
		     unsigned long size)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = at,
		.memory_size = size,
		.userspace_addr = (unsigned long)memory + at,
	};

	need(attempt(m->vm, KVM_SET_USER_MEMORY_REGION, &r), "slot %#x of %lu KiB", slot,
	     size / 1024);
}

/* An entry of each kind, and of each chip. */
static void set_routes(struct machine *m)
{
	struct {
		struct kvm_irq_routing head;
		struct kvm_irq_routing_entry entry[ROUTES];
	} r = { .head.nr = ROUTES };

	r.entry[0] = (struct kvm_irq_routing_entry){
		.gsi = 3,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { KVM_IRQCHIP_PIC_MASTER, 3 },
	};
	r.entry[1] = (struct kvm_irq_routing_entry){
		.gsi = 11,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { KVM_IRQCHIP_PIC_SLAVE, 3 },
	};
	r.entry[2] = (struct kvm_irq_routing_entry){
		.gsi = 11,
		.type = KVM_IRQ_ROUTING_IRQCHIP,
		.u.irqchip = { KVM_IRQCHIP_IOAPIC, 11 },
	};
	r.entry[3] = (struct kvm_irq_routing_entry){
		.gsi = LAST_GSI,
		.type = KVM_IRQ_ROUTING_MSI,
		.u.msi = { .address_lo = 0xfee00000, .data = 0x41 },
	};
	need(attempt(m->vm, KVM_SET_GSI_ROUTING, &r), "routes");
}

static void set_eventfds(struct machine *m)
{
	struct kvm_irqfd edge = { .fd = events[0], .gsi = LAST_GSI };
	struct kvm_irqfd level = {
		.fd = events[1],
		.gsi = 11,
		.flags = KVM_IRQFD_FLAG_RESAMPLE,
		.resamplefd = events[2],
	};
	struct kvm_ioeventfd match = {
		.datamatch = 0x1234,
		.addr = 0x600,
		.len = 2,
		.fd = events[3],
		.flags = KVM_IOEVENTFD_FLAG_PIO | KVM_IOEVENTFD_FLAG_DATAMATCH,
	};
	struct kvm_ioeventfd any = { .addr = 0xd0000000, .len = 0, .fd = events[4] };
	struct kvm_ioeventfd gone = { .addr = 0xd0001000, .len = 4, .fd = events[4] };

	need(attempt(m->vm, KVM_IRQFD, &edge), "an irqfd");
	need(attempt(m->vm, KVM_IRQFD, &level), "one that resamples");
	need(attempt(m->vm, KVM_IOEVENTFD, &match), "an ioeventfd with datamatch");
	need(attempt(m->vm, KVM_IOEVENTFD, &any), "one of any length");
	need(attempt(m->vm, KVM_IOEVENTFD, &gone), "one");
	gone.flags = KVM_IOEVENTFD_FLAG_DEASSIGN;
	need(attempt(m->vm, KVM_IOEVENTFD, &gone), "which is taken back");
}

static void set_zones(struct machine *m)
{
	struct kvm_coalesced_mmio_zone mmio = { .addr = 0xd0002000, .size = 0x100 };
	struct kvm_coalesced_mmio_zone pio = { .addr = 0x700, .size = 1, .pio = 1 };

	need(attempt(m->vm, KVM_REGISTER_COALESCED_MMIO, &mmio), "a coalesced zone");
	need(attempt(m->vm, KVM_REGISTER_COALESCED_MMIO, &pio), "and one of ports");
}

static void set_filter(struct machine *m)
{
	struct kvm_msr_filter f = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges[0] = { KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE, FILTERED,
			       FILTER, (void *)filter_bits },
	};

	need(attempt(m->vm, KVM_X86_SET_MSR_FILTER, &f), "an MSR filter");
}

static void set_all(struct machine *m)
{
	static const struct kvm_pit_config pit = { .flags = CONFIG };
	static const struct kvm_reinject_control reinject = { .pit_reinject = 1 };
	unsigned long long table = 0xfeffc000, banks = 0x0100000a;
	struct kvm_tpr_access_ctl tpr = { .enabled = 1 };
	struct kvm_vapic_addr vapic = { .vapic_addr = 0x5000 };
	struct {
		struct kvm_signal_mask head;
		unsigned long set;
	} __attribute__((packed)) mask = { { .len = 8 }, 1UL << (SIGUSR1 - 1) };

	need(attempt(m->vm, KVM_SET_TSS_ADDR, (void *)0xfffbd000), "TSS address");
	need(attempt(m->vm, KVM_SET_IDENTITY_MAP_ADDR, &table), "identity map");
	need(attempt(m->vm, KVM_SET_BOOT_CPU_ID, NULL), "the first vCPU");
	need(enable(m->vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER),
	     "a capability");
	need(enable(m->vm, KVM_CAP_X2APIC_API, KVM_X2APIC_API_USE_32BIT_IDS), "another");
	need(enable(m->vm, KVM_CAP_X86_USER_SPACE_MSR, KVM_MSR_EXIT_REASON_FILTER),
	     "the first again");
	need(attempt(m->vm, KVM_CREATE_IRQCHIP, NULL), "IRQ chips");
	need(attempt(m->vm, KVM_CREATE_PIT2, (void *)&pit), "PIT");
	need(attempt(m->vm, KVM_REINJECT_CONTROL, (void *)&reinject), "its ticks");
	set_slot(m, 0, 0, 0, 16 * PAGE);
	set_slot(m, 1, KVM_MEM_READONLY, 16 * PAGE, PAGE);
	set_slot(m, 1 << 16, 0, 0, 16 * PAGE);
	set_slot(m, 2, 0, 17 * PAGE, PAGE);
	set_slot(m, 2, 0, 17 * PAGE, 0); /* taken back */
	set_routes(m);
	set_eventfds(m);
	set_zones(m);
	set_filter(m);
	add_vcpu(m);
	need(attempt(m->vcpu, KVM_X86_SETUP_MCE, &banks), "MCE banks");
	need(attempt(m->vcpu, KVM_TPR_ACCESS_REPORTING, &tpr), "TPR reporting");
	need(attempt(m->vcpu, KVM_SET_VAPIC_ADDR, &vapic), "APIC page");
	need(enable(m->vcpu, KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 1),
	     "a capability of the vCPU");
	need(attempt(m->vcpu, KVM_SET_SIGNAL_MASK, &mask), "a signal mask");
}

static int get_record(struct machine *m, struct record *to)
{
	memset(to, 0, sizeof(*to));
	to->head.version = KVM_MOVE_VERSION;
	to->head.buffer = (unsigned long)to->items;
	to->head.size = sizeof(to->items);
	return attempt(m->vm, KVM_MOVE_RECORD, &to->head);
}

static struct kvm_move_item *next_item(struct record *r, struct kvm_move_item *item)
{
	unsigned char *next = r->items;

	if (item)
		next = (unsigned char *)(item + 1) + ((item->size + 7) & ~7U);
	return next < r->items + r->head.size ? (void *)next : NULL;
}

static unsigned int count(struct record *r, unsigned int request)
{
	struct kvm_move_item *item = NULL;
	unsigned int found = 0;

	while ((item = next_item(r, item)))
		found += item->request == request;
	return found;
}

static bool is_in(struct record *r, struct kvm_move_item *wanted)
{
	struct kvm_move_item *item = NULL;

	while ((item = next_item(r, item)))
		if (item->size == wanted->size &&
		    !memcmp(item, wanted, sizeof(*item) + item->size))
			return true;
	return false;
}

static bool is_refused(struct record *r, const char *name)
{
	struct kvm_move_item *item = NULL;

	while ((item = next_item(r, item)))
		if (item->kind == KVM_MOVE_REFUSED && !strcmp((char *)(item + 1), name))
			return true;
	return false;
}

/* One item, as a mover does it. */
static int do_again(struct machine *m, struct kvm_move_item *item)
{
	struct kvm_msr_filter *filter = (void *)(item + 1);
	int fd = item->vcpu == KVM_MOVE_VM ? m->vm : m->vcpu, r, i;

	if (item->kind == KVM_MOVE_ARGUMENT)
		return attempt(fd, item->request, (void *)item->argument);
	if (item->request != KVM_X86_SET_MSR_FILTER)
		return attempt(fd, item->request, item + 1);
	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++)
		if (filter->ranges[i].nmsrs)
			filter->ranges[i].bitmap += (unsigned long)filter;
	r = attempt(fd, item->request, filter);
	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++)
		if (filter->ranges[i].nmsrs)
			filter->ranges[i].bitmap -= (unsigned long)filter;
	return r;
}

static void make_the_same(struct record *r, struct machine *m)
{
	struct kvm_move_item *item = NULL;
	bool vcpus = false;

	while ((item = next_item(r, item))) {
		if (!vcpus && item->vcpu != KVM_MOVE_VM) {
			vcpus = true;
			add_vcpu(m);
		}
		ok_errno(do_again(m, item), "item %#x of %s, %u bytes", item->request,
			 item->vcpu == KVM_MOVE_VM ? "the VM" : "the vCPU", item->size);
	}
}

static void compare(struct record *old, struct record *new)
{
	struct kvm_move_item *item = NULL;

	while ((item = next_item(old, item)))
		ok(is_in(new, item), "item %#x, %u bytes, is in the new VM's record",
		   item->request, item->size);
	ok_is(new->head.size, old->head.size, "which has nothing else");
}

/* What the record must have; how often is known, since it was set above. */
static void looks_right(struct record *r)
{
	static const struct {
		const char *what;
		unsigned int request, times;
	} all[] = {
		{ "KVM_SET_USER_MEMORY_REGION", KVM_SET_USER_MEMORY_REGION, 3 },
		{ "KVM_ENABLE_CAP", KVM_ENABLE_CAP, 3 },
		{ "KVM_IRQFD", KVM_IRQFD, 2 },
		{ "KVM_IOEVENTFD", KVM_IOEVENTFD, 2 },
		{ "KVM_SET_GSI_ROUTING", KVM_SET_GSI_ROUTING, 1 },
		{ "KVM_REGISTER_COALESCED_MMIO", KVM_REGISTER_COALESCED_MMIO, 2 },
		{ "KVM_X86_SET_MSR_FILTER", KVM_X86_SET_MSR_FILTER, 1 },
		{ "KVM_SET_TSS_ADDR", KVM_SET_TSS_ADDR, 1 },
		{ "KVM_SET_IDENTITY_MAP_ADDR", KVM_SET_IDENTITY_MAP_ADDR, 1 },
		{ "KVM_SET_BOOT_CPU_ID", KVM_SET_BOOT_CPU_ID, 1 },
		{ "KVM_CREATE_IRQCHIP", KVM_CREATE_IRQCHIP, 1 },
		{ "KVM_CREATE_PIT2", KVM_CREATE_PIT2, 1 },
		{ "KVM_REINJECT_CONTROL", KVM_REINJECT_CONTROL, 1 },
		{ "KVM_X86_SETUP_MCE", KVM_X86_SETUP_MCE, 1 },
		{ "KVM_TPR_ACCESS_REPORTING", KVM_TPR_ACCESS_REPORTING, 1 },
		{ "KVM_SET_VAPIC_ADDR", KVM_SET_VAPIC_ADDR, 1 },
		{ "KVM_SET_SIGNAL_MASK", KVM_SET_SIGNAL_MASK, 1 },
	};
	struct kvm_move_item *item = NULL;
	struct kvm_ioeventfd *out;
	struct kvm_irqfd *in;
	unsigned int i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		ok_is(count(r, all[i].request), all[i].times, "%s, so often",
		      all[i].what);
	while ((item = next_item(r, item))) {
		in = (void *)(item + 1);
		out = (void *)(item + 1);
		if (item->request == KVM_IRQFD && in->gsi == 11)
			ok((int)in->fd == events[1] && (int)in->resamplefd == events[2],
			   "the irqfd's numbers are those of the process");
		else if (item->request == KVM_IOEVENTFD)
			ok_is(out->fd, events[out->len ? 3 : 4],
			      "so is that of the ioeventfd of length %u", out->len);
	}
}

/* mov $0x42, %al; in $PORT, %al; hlt: an exit whose result the VMM brings. */
static void tells_what_is_half_done(struct machine *m, const char *tag)
{
	static const unsigned char code[] = { 0xb0, 0x42, 0xe4, PORT + 1, 0xf4 };
	struct kvm_move_vcpu said = { .version = KVM_MOVE_VERSION };
	struct kvm_guest_debug debug = { .control = KVM_GUESTDBG_ENABLE };
	struct kvm_userspace_memory_region r = {
		.memory_size = 16 * PAGE,
		.userspace_addr = (unsigned long)memory,
	};
	struct kvm_sregs sregs;
	struct kvm_regs regs = { .rip = 0x1000, .rflags = 2 };

	memcpy(memory + 0x1000, code, sizeof(code));
	need(attempt(m->vm, KVM_SET_USER_MEMORY_REGION, &r), "memory");
	need(attempt(m->vcpu, KVM_GET_SREGS, &sregs), "registers");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	need(attempt(m->vcpu, KVM_SET_SREGS, &sregs), "set");
	need(attempt(m->vcpu, KVM_SET_REGS, &regs), "set");
	ok_errno(attempt(m->vcpu, KVM_MOVE_VCPU, &said), "%s answers of a vCPU", tag);
	ok_is(said.busy, 0, "which has done nothing yet");
	ok_errno(attempt(m->vcpu, KVM_RUN, NULL), "it runs");
	ok_is(m->run->exit_reason, KVM_EXIT_IO, "until it reads a port");
	ok_errno(attempt(m->vcpu, KVM_MOVE_VCPU, &said), "%s answers", tag);
	ok_is(said.busy, KVM_MOVE_IO, "that this is half done");
	m->run->immediate_exit = 1;
	ok_refused(attempt(m->vcpu, KVM_RUN, NULL), EINTR,
		   "when it has taken the result");
	ok_errno(attempt(m->vcpu, KVM_MOVE_VCPU, &said), "%s answers", tag);
	ok_is(said.busy, 0, "that nothing is");
	need(attempt(m->vcpu, KVM_SET_GUEST_DEBUG, &debug), "a debugger comes");
	ok_errno(attempt(m->vcpu, KVM_MOVE_VCPU, &said), "%s answers", tag);
	ok_is(said.busy, KVM_MOVE_DEBUG, "that it is there");
	said.version++;
	ok_refused(attempt(m->vcpu, KVM_MOVE_VCPU, &said), EPROTO,
		   "a later mover is refused");
	ok_is(said.version, KVM_MOVE_VERSION, "and told the version");
	ok_refused(attempt(m->vcpu, KVM_MOVE_SET_VCPU, &said), EINVAL,
		   "a vCPU that is busy is no state to set");
	said = (struct kvm_move_vcpu){ .version = KVM_MOVE_VERSION,
				       .steal = 1234567,
				       .unhalted = 1 };
	ok_errno(attempt(m->vcpu, KVM_MOVE_SET_VCPU, &said), "what one vCPU was told of");
	memset(&said, 0, sizeof(said));
	said.version = KVM_MOVE_VERSION;
	ok_errno(attempt(m->vcpu, KVM_MOVE_VCPU, &said), "%s answers", tag);
	ok(said.steal == 1234567 && said.unhalted == 1, "another one knows");
}

#define PIT_COUNT  59659 /* some 50 ms */
#define PIT_PERIOD (PIT_COUNT * 1000000000ULL / 1193182)
#define HELD	   (1U << 11)

static void let_pit_tick(struct machine *m)
{
	struct kvm_pit_state2 pit;

	need(attempt(m->vm, KVM_GET_PIT2, &pit), "the PIT");
	pit.channels[0].mode = 2;
	pit.channels[0].count = PIT_COUNT;
	need(attempt(m->vm, KVM_SET_PIT2, &pit), "ticks");
}

/* Pin 11 is held by the VMM, channel 0 of the PIT ticks. */
static void tells_of_chips(struct machine *m, struct kvm_move_chips *said)
{
	struct kvm_irq_level line = { .irq = 11, .level = 1 };

	let_pit_tick(m);
	need(attempt(m->vm, KVM_IRQ_LINE, &line), "a line is held");
	*said = (struct kvm_move_chips){ .version = KVM_MOVE_VERSION + 1 };
	ok_refused(attempt(m->vm, KVM_MOVE_CHIPS, said), EPROTO,
		   "a later mover is refused");
	ok_errno(attempt(m->vm, KVM_MOVE_CHIPS, said), "an equal one is told of chips");
	ok_is(said->flags, KVM_MOVE_CHIPS_READ, "what it has was read");
	ok(said->ioapic == HELD && said->pic == HELD, "the line is held: %#x, %#x",
	   said->ioapic, said->pic);
	ok(said->pit_next && said->pit_next <= PIT_PERIOD,
	   "the PIT is to tick in %llu ns", said->pit_next);
	need(attempt(m->vm, KVM_MOVE_CHIPS, said), "it is told again");
	ok_is(said->pit_next, 0, "then the PIT does not tick");
	said->pit_next = ~0ULL;
	said->pit_ticks = 3;
	said->pit_waits = 1;
}

/* The same in the new VM, after what KVM's own ioctls carry. */
static void takes_chips(struct machine *m, struct kvm_move_chips *said)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_move_chips set = *said, back = { .version = KVM_MOVE_VERSION };
	unsigned long long asked = 0;

	let_pit_tick(m);
	need(attempt(m->vm, KVM_GET_IRQCHIP, &chip), "the new IOAPIC");
	chip.chip.ioapic.irr = HELD;
	need(attempt(m->vm, KVM_SET_IRQCHIP, &chip), "has an interrupt of pin 11");
	set.flags = ~0U;
	ok_refused(attempt(m->vm, KVM_MOVE_SET_CHIPS, &set), EINVAL,
		   "flags that nobody knows are refused");
	ok_errno(attempt(m->vm, KVM_MOVE_SET_CHIPS, said), "the new VM is told the rest");
	need(attempt(m->vm, KVM_GET_IRQCHIP, &chip), "its IOAPIC");
	ok_is(chip.chip.ioapic.irr, HELD, "pin 11 is high: the VMM holds it");
	ok(read(events[2], &asked, sizeof(asked)) == sizeof(asked) && asked == 1,
	   "the device that shares it was asked once");
	ok_errno(attempt(m->vm, KVM_MOVE_CHIPS, &back), "the new VM tells of its chips");
	ok(back.ioapic == said->ioapic && back.pic == said->pic, "the same lines");
	ok(back.pit_next && back.pit_next <= PIT_PERIOD,
	   "the PIT's tick is no later than a period: %llu ns", back.pit_next);
	ok(back.pit_ticks >= 3 && back.pit_waits == 1, "%u ticks wait", back.pit_ticks);
	set.flags = 0;
	ok_errno(attempt(m->vm, KVM_MOVE_SET_CHIPS, &set), "or only devices are asked");
	need(attempt(m->vm, KVM_MOVE_CHIPS, &back), "the chips");
	ok_is(back.pit_next, 0, "and the PIT stands");
}

static void refuses(struct machine *m, struct record *r)
{
	struct kvm_hyperv_eventfd hyperv = { .conn_id = 1, .fd = events[0] };
	struct kvm_create_device device = { .type = KVM_DEV_TYPE_VFIO };
	struct kvm_irqfd lost = { .fd = eventfd(0, EFD_CLOEXEC), .gsi = LAST_GSI };
	struct kvm_ioeventfd ccw = { .len = 4,
				     .flags = KVM_IOEVENTFD_FLAG_VIRTIO_CCW_NOTIFY };
	static const char nothing[64];
	struct kvm_move_item *item = NULL;
	int held;

	need(attempt(m->vm, KVM_HYPERV_EVENTFD, &hyperv),
	     "an eventfd for Hyper-V's messages");
	ok_errno(get_record(m, r), "there is a record of it");
	ok(is_refused(r, "KVM_HYPERV_EVENTFD"), "which names what cannot be moved");
	need(enable(m->vcpu, KVM_CAP_HYPERV_SYNIC2, 0), "SynIC");
	ok_errno(get_record(m, r), "there is a record of it");
	ok(is_refused(r, "KVM_CAP_HYPERV_SYNIC2"), "which names it, too");
	if (!attempt(m->vm, KVM_CREATE_DEVICE, &device)) {
		ok_errno(get_record(m, r), "there is a record of a device");
		ok(is_refused(r, "KVM_CREATE_DEVICE"), "which names it as well");
		close(device.fd);
	}
	ccw.fd = events[0];
	need(attempt(m->vm, KVM_IOEVENTFD, &ccw), "an ioeventfd of another architecture");
	ok_errno(get_record(m, r), "there is a record of it");
	ok(is_refused(r, "an ioeventfd of another kind"), "which names it");
	ok(!memcmp((char *)r->items + r->head.size, nothing, sizeof(nothing)),
	   "and ends where it says");
	held = dup(lost.fd);
	need(attempt(m->vm, KVM_IRQFD, &lost), "one more irqfd");
	close(lost.fd);
	ok_errno(get_record(m, r), "whose file has another number now");
	while ((item = next_item(r, item)))
		if (item->request == KVM_IRQFD && item->vcpu == KVM_MOVE_VM &&
		    (int)((struct kvm_irqfd *)(item + 1))->fd == held)
			break;
	ok(item, "which the record has");
	close(held);
	r->head.size = 8;
	ok_refused(attempt(m->vm, KVM_MOVE_RECORD, &r->head), E2BIG,
		   "a small buffer is refused");
	ok(r->head.size > 8, "with the size that it takes: %llu", r->head.size);
	r->head.version++;
	ok_refused(attempt(m->vm, KVM_MOVE_RECORD, &r->head), EPROTO,
		   "and a later mover");
	ok_is(r->head.version, KVM_MOVE_VERSION, "with the version that there is");
}

int main(void)
{
	static struct record old, new;
	struct kvm_move_chips chips;
	struct machine m[2];
	int i;

	memory = mmap(NULL, 32 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		      -1, 0);
	need(memory == MAP_FAILED ? -errno : 0, "memory");
	for (i = 0; i < EVENTFDS; i++)
		events[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	load_two();
	open_machine(&m[0], tags[0]);
	set_all(&m[0]);
	ok_errno(get_record(&m[0], &old), "the VM of %s has a record", tags[0]);
	looks_right(&old);
	tells_of_chips(&m[0], &chips);
	open_machine(&m[1], tags[1]);
	close_machine(&m[0]);
	make_the_same(&old, &m[1]);
	ok_errno(get_record(&m[1], &new), "the VM of %s has a record", tags[1]);
	compare(&old, &new);
	takes_chips(&m[1], &chips);
	refuses(&m[1], &new);
	close_machine(&m[1]);
	for (i = 0; i < 2; i++) {
		open_machine(&m[i], tags[i]);
		add_vcpu(&m[i]);
		tells_what_is_half_done(&m[i], tags[i]);
		close_machine(&m[i]);
	}
	unload_two();
	return tap_end();
}
