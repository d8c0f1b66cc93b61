// SPDX-License-Identifier: GPL-2.0-only
/*
 * Claim: what a vCPU or a chip holds for moments only goes to another instance with the VM, too: an
 * exception and an NMI that are to be delivered, a one-shot timer that has fired and must not fire again,
 * a level-triggered interrupt that nobody has taken yet, a PIT that has counted down, how many banks of
 * machine checks there are, a timer that changed its mode since the move began. The VMM sets each up,
 * stands still or in KVM_RUN while multikvm moves it to the other instance and back, and looks.
 *
 * fails when: mutants events-left-out, fired-timer-starts-again, device-is-not-asked, banks-left-out,
 * mode-drops-the-count.
 *
 * needs: tool
 * machine: --cpus 1
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../kvm-core/glue/kvm_move.h"
#include "../lib/instances.h"
#include "../lib/tap.h"
#include "../lib/tool.h"

#define MEMORY	  0x10000UL
#define CODE	  0x1000
#define PORT	  0x99
#define PIN	  11
#define TICK	  0x40 /* vector */
#define TIMER_NS  1000000
#define LONG	  0x7fffffff /* some 2 s */
#define PIT_COUNT 60000	     /* some 50 ms */
#define PIT_MS	  50
#define BANKS	  5
#define LAST_BANK (0x401 + 4 * (BANKS - 1)) /* its status */
#define SECONDS	  20

#define TSC_DEADLINE  (1U << 24) /* CPUID.1:ECX */
#define MASKED	      (1U << 16) /* of the timer's LVT entry; and its mode: */
#define DEADLINE_MODE (2U << 17)

static volatile sig_atomic_t kicked;

struct one {
	const char *name;
	void (*set)(void), (*look)(void);
	bool runs;  /* meanwhile; else the vCPU's thread waits outside of KVM_RUN */
	int change; /* the mode of its timer, at that stop */
};

/* The VMM, a child process, has one VM with one vCPU in real mode. */
static struct {
	const struct one *one;
	int dev, vm, vcpu, level, resample, stops;
	unsigned char *memory;
	struct kvm_run *run;
} me;

static struct shared {
	volatile bool ready;
	char why[200];
} * shared;

/* Interrupts on, halted for ever; and handlers, each of which says its number. */
extern char rare_main[], rare_nmi[], rare_de[], rare_tick[], rare_end[];
asm(".pushsection .rodata\n"
    ".code16\n"
    "rare_main:\n"
    "1:	sti\n"
    "	hlt\n"
    "	jmp	1b\n"
    "rare_nmi:\n"
    "	movb	$2, %al\n"
    "	outb	%al, $0x99\n"
    "	iret\n"
    "rare_de:\n"
    "	movb	$1, %al\n"
    "	outb	%al, $0x99\n"
    "	iret\n"
    "rare_tick:\n"
    "	movl	$0x80b, %ecx\n" /* end of interrupt, of an x2APIC */
    "	xorl	%eax, %eax\n"
    "	xorl	%edx, %edx\n"
    "	wrmsr\n"
    "	movb	$0x40, %al\n"
    "	outb	%al, $0x99\n"
    "	iret\n"
    "rare_end:\n"
    ".code64\n"
    ".popsection\n");

_Static_assert(PORT == 0x99 && TICK == 0x40, "assembly uses them");

static void __attribute__((format(printf, 1, 2), noreturn)) wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(shared->why, sizeof(shared->why), fmt, ap);
	va_end(ap);
	_exit(1);
}

static long call(int fd, unsigned long request, const char *name, void *arg)
{
	long r = ioctl(fd, request, arg);

	if (r < 0)
		wrong("%s: %s", name, strerror(errno));
	return r;
}
#define CALL(fd, request, arg) call(fd, request, #request, (void *)(arg))

static void handler_at(int vector, const char *code)
{
	unsigned int at = CODE + (code - rare_main);

	memcpy(me.memory + 4 * vector, &at, 4); /* segment 0 */
}

/* Interrupts come by the IOAPIC only. */
static void mask_pic(int id)
{
	struct kvm_irqchip chip = { .chip_id = id };

	CALL(me.vm, KVM_GET_IRQCHIP, &chip);
	chip.chip.pic.imr = 0xff;
	CALL(me.vm, KVM_SET_IRQCHIP, &chip);
}

static void make_vm(void)
{
	struct kvm_userspace_memory_region slot = { .memory_size = MEMORY };
	struct kvm_pit_config pit = { 0 };
	struct kvm_regs regs = { .rip = CODE, .rflags = 2, .rsp = 0x8000 };
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[100];
	} cpuid = { .head.nent = 100 };
	struct kvm_sregs sregs;
	unsigned int i;

	me.dev = open(device_of("a"), O_RDWR | O_CLOEXEC);
	me.memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);
	if (me.dev < 0 || me.memory == MAP_FAILED)
		wrong("no device or no memory");
	me.vm = CALL(me.dev, KVM_CREATE_VM, 0);
	CALL(me.vm, KVM_SET_TSS_ADDR, 0xfffbd000);
	CALL(me.vm, KVM_CREATE_IRQCHIP, 0);
	mask_pic(KVM_IRQCHIP_PIC_MASTER);
	mask_pic(KVM_IRQCHIP_PIC_SLAVE);
	CALL(me.vm, KVM_CREATE_PIT2, &pit);
	slot.userspace_addr = (unsigned long)me.memory;
	CALL(me.vm, KVM_SET_USER_MEMORY_REGION, &slot);
	me.vcpu = CALL(me.vm, KVM_CREATE_VCPU, 0);
	me.run = mmap(NULL, CALL(me.dev, KVM_GET_VCPU_MMAP_SIZE, 0),
		      PROT_READ | PROT_WRITE, MAP_SHARED, me.vcpu, 0);
	if (me.run == MAP_FAILED)
		wrong("struct kvm_run: %s", strerror(errno));
	CALL(me.dev, KVM_GET_SUPPORTED_CPUID, &cpuid);
	for (i = 0; i < cpuid.head.nent; i++)
		if (cpuid.entries[i].function == 1)
			cpuid.entries[i].ecx |= TSC_DEADLINE;
	CALL(me.vcpu, KVM_SET_CPUID2, &cpuid);
	memcpy(me.memory + CODE, rare_main, rare_end - rare_main);
	handler_at(2, rare_nmi);
	handler_at(0, rare_de);
	handler_at(TICK, rare_tick);
	CALL(me.vcpu, KVM_GET_SREGS, &sregs);
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	sregs.apic_base |= 3 << 10; /* x2APIC */
	CALL(me.vcpu, KVM_SET_SREGS, &sregs);
	CALL(me.vcpu, KVM_SET_REGS, &regs);
}

static void set_register(struct kvm_lapic_state *lapic, int at, unsigned int value)
{
	memcpy(lapic->regs + at, &value, 4);
}

/* Twice: KVM drops the initial count when the mode becomes another (apic_update_lvtt()). */
static void set_mode(unsigned int mode, unsigned int count)
{
	struct kvm_lapic_state lapic;
	int i;

	CALL(me.vcpu, KVM_GET_LAPIC, &lapic);
	set_register(&lapic, 0x0f0, 0x1ff); /* spurious vector: the APIC is on */
	set_register(&lapic, 0x320, TICK | MASKED | mode);
	set_register(&lapic, 0x3e0, 0xb); /* divided by 1 */
	set_register(&lapic, 0x380, count);
	set_register(&lapic, 0x390, count);
	for (i = 0; i < 2; i++)
		CALL(me.vcpu, KVM_SET_LAPIC, &lapic);
}

/* What the guest says next; 0: a signal came first. A move interrupts it without one. */
static int said(void)
{
	while (ioctl(me.vcpu, KVM_RUN, 0) < 0) {
		if (errno != EINTR)
			wrong("KVM_RUN: %s", strerror(errno));
		if (kicked)
			return 0;
		if (++me.stops == me.one->change)
			set_mode(0, LONG);
	}
	if (me.run->exit_reason != KVM_EXIT_IO || me.run->io.port != PORT)
		wrong("exit %u", me.run->exit_reason);
	return *((unsigned char *)me.run + me.run->io.data_offset);
}

static void wants(int what, const char *name)
{
	int got;

	alarm(SECONDS);
	got = said();
	if (got != what)
		wrong("%s: the guest says %d, not %d", name, got, what);
}

static void set_exception(void)
{
	struct kvm_vcpu_events events;

	CALL(me.vcpu, KVM_GET_VCPU_EVENTS, &events);
	events.exception.injected = 1;
	events.exception.nr = 0; /* #DE */
	CALL(me.vcpu, KVM_SET_VCPU_EVENTS, &events);
}

static void has_exception(void)
{
	wants(1, "an exception that is to be delivered");
}

static void set_nmi(void)
{
	CALL(me.vcpu, KVM_NMI, 0);
}

static void has_nmi(void)
{
	wants(2, "an NMI that is to be delivered");
}

/* It fires once, and the guest has taken that. */
static void set_timer(void)
{
	struct kvm_lapic_state lapic;

	CALL(me.vcpu, KVM_GET_LAPIC, &lapic);
	set_register(&lapic, 0x0f0, 0x1ff);    /* spurious vector: the APIC is on */
	set_register(&lapic, 0x320, TICK);     /* one-shot */
	set_register(&lapic, 0x3e0, 0xb);      /* divided by 1 */
	set_register(&lapic, 0x380, TIMER_NS); /* initial count */
	set_register(&lapic, 0x390, TIMER_NS);
	CALL(me.vcpu, KVM_SET_LAPIC, &lapic);
	wants(TICK, "a one-shot timer");
}

static void has_count(unsigned int want)
{
	struct kvm_lapic_state lapic;
	unsigned int count;

	CALL(me.vcpu, KVM_GET_LAPIC, &lapic);
	memcpy(&count, lapic.regs + 0x380, 4);
	if (count != want)
		wrong("the timer's initial count is %u, not %u", count, want);
}

/* As long as it takes for one to come that should not. */
static void has_fired_once(void)
{
	has_count(TIMER_NS);
}

static void set_deadline_mode(void)
{
	set_mode(DEADLINE_MODE, 0);
}

static void has_changed(void)
{
	if (me.stops < me.one->change)
		wrong("a move stopped it %d times only", me.stops);
	has_count(LONG);
}

static bool is_high(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	CALL(me.vm, KVM_GET_IRQCHIP, &chip);
	return chip.chip.ioapic.irr & 1 << PIN;
}

/* The device wants an interrupt. */
static void raise_line(void)
{
	unsigned long long one = 1;

	if (write(me.level, &one, sizeof(one)) != sizeof(one))
		wrong("the irqfd: %s", strerror(errno));
	alarm(SECONDS); /* KVM does it in a work queue */
	while (!is_high())
		usleep(100);
	alarm(0);
}

/* Of a pin that the guest has masked. */
static void set_line(void)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
	struct kvm_irqfd irqfd = { .gsi = PIN, .flags = KVM_IRQFD_FLAG_RESAMPLE };

	irqfd.fd = me.level = eventfd(0, EFD_CLOEXEC);
	irqfd.resamplefd = me.resample = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CALL(me.vm, KVM_GET_IRQCHIP, &chip);
	chip.chip.ioapic.redirtbl[PIN].fields.vector = TICK;
	chip.chip.ioapic.redirtbl[PIN].fields.trig_mode = 1;
	chip.chip.ioapic.redirtbl[PIN].fields.mask = 1;
	CALL(me.vm, KVM_SET_IRQCHIP, &chip);
	CALL(me.vm, KVM_IRQFD, &irqfd);
	raise_line();
}

static void has_line(void)
{
	unsigned long long asked;

	if (read(me.resample, &asked, sizeof(asked)) != sizeof(asked))
		wrong("the device that held the line was not asked: %s", strerror(errno));
	raise_line();
}

static void set_pit(void)
{
	struct kvm_pit_state2 pit;

	CALL(me.vm, KVM_GET_PIT2, &pit);
	pit.channels[0].mode = 0; /* once */
	pit.channels[0].count = PIT_COUNT;
	CALL(me.vm, KVM_SET_PIT2, &pit);
	usleep(2 * PIT_MS * 1000); /* nobody is told */
}

static void has_counted_down(void)
{
	struct kvm_move_chips chips = { .version = KVM_MOVE_VERSION };

	CALL(me.vm, KVM_MOVE_CHIPS, &chips);
	if (chips.pit_next || chips.pit_ticks != 1)
		wrong("the PIT counts down in %llu ns, %u ticks wait", chips.pit_next,
		      chips.pit_ticks);
}

static void set_banks(void)
{
	unsigned long long banks = 1 << 8 | BANKS; /* there is MCG_CTL */
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry = { .index = LAST_BANK, .data = 0x1234 } };

	CALL(me.vcpu, KVM_X86_SETUP_MCE, &banks);
	if (CALL(me.vcpu, KVM_SET_MSRS, &msrs) != 1)
		wrong("the last bank takes no status");
}

static void has_banks(void)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = { .head.nmsrs = 1, .entry.index = LAST_BANK };

	if (CALL(me.vcpu, KVM_GET_MSRS, &msrs) != 1 || msrs.entry.data != 0x1234)
		wrong("the last bank's status is %#llx", msrs.entry.data);
	msrs.entry.index = LAST_BANK + 4;
	if (CALL(me.vcpu, KVM_GET_MSRS, &msrs) == 1)
		wrong("there is one more bank");
}

static const struct one all[] = {
	{ "an exception", set_exception, has_exception, false, 0 },
	{ "an NMI", set_nmi, has_nmi, false, 0 },
	{ "a timer that has fired", set_timer, has_fired_once, true, 0 },
	{ "a level-triggered interrupt", set_line, has_line, true, 0 },
	{ "a PIT that has counted down", set_pit, has_counted_down, true, 0 },
	{ "banks of machine checks", set_banks, has_banks, false, 0 },
	/* One of these lies between the look at the VM and the pause. */
	{ "a new mode, at the first stop", set_deadline_mode, has_changed, true, 1 },
	{ "a new mode, at the second stop", set_deadline_mode, has_changed, true, 2 },
	{ "a new mode, at the third stop", set_deadline_mode, has_changed, true, 3 },
};

static void kick(int signal)
{
	(void)signal;
	kicked = 1;
}

static void vmm(const struct one *one)
{
	struct sigaction action = { .sa_handler = kick };
	sigset_t usr1, old;
	int got;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGALRM, &action, NULL);
	me.one = one;
	make_vm();
	one->set();
	alarm(0);
	if (one->runs) {
		shared->ready = true;
		got = said();
		if (got)
			wrong("the guest says %d", got);
		kicked = 0;
	} else {
		sigprocmask(SIG_BLOCK, &usr1, &old);
		shared->ready = true;
		sigsuspend(&old);
		kicked = 0;
		sigprocmask(SIG_SETMASK, &old, NULL);
	}
	one->look();
	_exit(0);
}

static bool move_to(pid_t pid, const char *tag)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	if (!tool("move", text, tag, "--max-pause", "5000"))
		return true;
	diag("  to %s: %s", tag, tool_said);
	return false;
}

static void moves(const struct one *one)
{
	int status = 0;
	bool well;
	pid_t pid;

	memset(shared, 0, sizeof(*shared));
	fflush(NULL);
	pid = fork();
	if (!pid)
		vmm(one);
	while (!shared->ready && !waitpid(pid, &status, WNOHANG))
		usleep(1000);
	well = shared->ready && move_to(pid, "b") && move_to(pid, "a");
	if (one->look == has_fired_once)
		usleep(20 * TIMER_NS /
		       1000); /* as long as one that should not come takes */
	if (shared->ready) {
		kill(pid, well ? SIGUSR1 : SIGKILL);
		waitpid(pid, &status, 0);
	}
	if (!ok(well && !status, "%s goes to b and back", one->name))
		diag("  status %#x: %s", status, shared->why);
}

int main(void)
{
	unsigned int i;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	tool_folders();
	load_two();
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		moves(&all[i]);
	unload_two();
	return tap_end();
}
