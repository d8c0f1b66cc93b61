// SPDX-License-Identifier: GPL-2.0-only
/*
 * record.c - what a VMM has set of its VM and no ioctl of KVM gives back, so that a mover can make
 * a VM of another instance the same (kvm_move.h). What becomes of each ioctl is in the vmm-state
 * files of kvm-core/ and kvm-x86/; scripts/rewrite makes glue/vmm_state.h from them.
 *
 * Two kinds of things are in a record. What KVM keeps in structures that say all (memory slots,
 * routes, eventfds) is read from those when the record is asked for. The rest are calls that are
 * kept when they succeed. Nothing of it is on a path that a VM exit takes: KVM_RUN does not come
 * by here.
 *
 * A payload is read twice, by this file and by KVM. A process that changes it in between, or that
 * makes two calls at once, gets a record that differs from the state. It does that to its own VM
 * alone, since a new VM checks every call as the old one did. A capability that must not be missed
 * is one that was refused or whose argument changed.
 */
#include <linux/bsearch.h>
#include <linux/eventfd.h>
#include <linux/fdtable.h>
#include <linux/kvm_host.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include <kvm/iodev.h>
#include <virt/kvm/coalesced_mmio.h>

#include "kvm_move.h"

#define RECORD_MAX	(16UL << 20)	/* bytes; all slots and routes take less than 3 MiB */
#define KEPT_MAX	4096		/* calls; a VMM makes some dozens */
#define EVENTFDS_MAX	8192		/* as many as 4096 irqfds that resample have */

/* What becomes of a call: the classes of vmm-state by which something is done. */
enum what_class { NOTHING, LAST, EACH, REFUSED };

struct what {
	enum what_class class;
	const char *name;
};

#include "../vmm_state.h"

/**
 * struct kvm_recorded - one call that is kept.
 * @next: made after this one.
 * @name: of what is refused.
 * @item: as it goes to the mover.
 * @payload: the rest of it.
 */
struct kvm_recorded {
	struct kvm_recorded *next;
	const char *name;
	struct kvm_move_item item;
	u8 payload[];
};

/**
 * kvm_record_init() - The record of a new VM begins.
 * @kvm: the VM; only its maker knows it.
 * @type: of KVM_CREATE_VM.
 */
void kvm_record_init(struct kvm *kvm, unsigned long type)
{
	mutex_init(&kvm->record.lock);
	kvm->record.type = type;
}

/**
 * kvm_record_free() - The record of a VM ends.
 * @kvm: the VM; nobody has a file of it any more.
 */
void kvm_record_free(struct kvm *kvm)
{
	struct kvm_recorded *one, *next;

	for (one = kvm->record.first; one; one = next) {
		next = one->next;
		kfree(one);
	}
}

/* The call as it will be kept, before it is made; NULL where nothing is kept of it. */
static struct kvm_recorded *prepare(struct what what, u32 vcpu, unsigned int ioctl,
				    unsigned long arg)
{
	size_t size = what.class == REFUSED ? 0 : _IOC_SIZE(ioctl);
	struct kvm_recorded *one = kzalloc(sizeof(*one) + size, GFP_KERNEL_ACCOUNT);

	if (!one)
		return ERR_PTR(-ENOMEM);
	one->name = what.name;
	one->item.request = ioctl;
	one->item.vcpu = vcpu;
	one->item.size = size;
	if (what.class == REFUSED) {
		one->item.kind = KVM_MOVE_REFUSED;
	} else if (size) {
		one->item.kind = KVM_MOVE_PAYLOAD;
		if (copy_from_user(one->payload, (void __user *)arg, size)) {
			kfree(one);
			return ERR_PTR(-EFAULT);
		}
	} else {
		one->item.kind = KVM_MOVE_ARGUMENT;
		one->item.argument = arg;
	}
	return one;
}

/* Of a capability its own line decides. */
static struct what of_cap(struct kvm_recorded *one)
{
	const struct kvm_enable_cap *cap = (const void *)one->payload;
	struct what what = one->item.vcpu == KVM_MOVE_VM ? cap_of_vm(cap->cap) :
							   cap_of_vcpu(cap->cap);

	one->name = what.name;
	if (what.class == REFUSED) {
		one->item.kind = KVM_MOVE_REFUSED;
		one->item.size = 0;
	}
	return what;
}

static bool replaces(const struct kvm_recorded *new, const struct kvm_recorded *old,
		     enum what_class class)
{
	return old->item.request == new->item.request && old->item.vcpu == new->item.vcpu &&
	       old->item.kind == new->item.kind && old->name == new->name &&
	       (class == LAST || (old->item.size == new->item.size &&
				  !memcmp(old->payload, new->payload, old->item.size)));
}

/* Takes over what it is given. The call was made: this cannot fail. What is too much is refused. */
static void keep(struct kvm *kvm, struct kvm_recorded *new, enum what_class class)
{
	struct kvm_record *record = &kvm->record;
	struct kvm_recorded **at, *old;
	unsigned int count = 0;

	mutex_lock(&record->lock);
	for (at = &record->first; *at; ) {
		old = *at;
		if (replaces(new, old, class)) {
			*at = old->next;
			kfree(old);
		} else {
			at = &old->next;
			count++;
		}
	}
	if (count < KEPT_MAX) {
		*at = new;
	} else {
		/* The oldest makes room, and stays as what the VM is refused for. */
		kfree(new);
		record->first->name = "more calls than are recorded";
		record->first->item.kind = KVM_MOVE_REFUSED;
		record->first->item.size = 0;
	}
	mutex_unlock(&record->lock);
}

/*
 * What KVM read was another capability, or may have been: it is not known what the VM has. The
 * other calls are switches of their own, whatever KVM read.
 */
static void doubt(struct kvm_recorded *one, unsigned long arg)
{
	struct kvm_enable_cap cap;

	if (!copy_from_user(&cap, (void __user *)arg, sizeof(cap)) &&
	    !memcmp(&cap, one->payload, sizeof(cap)))
		return;
	one->name = "KVM_ENABLE_CAP, with an argument that changed meanwhile";
	one->item.kind = KVM_MOVE_REFUSED;
	one->item.size = 0;
}

/* Makes the call and keeps it if it succeeded. */
static long recorded(struct kvm *kvm, u32 vcpu, struct what what, struct file *filp,
		     unsigned int ioctl, unsigned long arg,
		     long (*call)(struct file *filp, unsigned int ioctl, unsigned long arg))
{
	struct kvm_recorded *one;
	long r;

	if (what.class == NOTHING)
		return call(filp, ioctl, arg);
	one = prepare(what, vcpu, ioctl, arg);
	if (IS_ERR(one))
		return PTR_ERR(one);
	if (ioctl == KVM_ENABLE_CAP)
		what = of_cap(one);
	r = call(filp, ioctl, arg);
	if (r < 0) {
		kfree(one);
		return r;
	}
	if (ioctl == KVM_ENABLE_CAP)
		doubt(one, arg);
	keep(kvm, one, what.class);
	return r;
}

/**
 * kvm_record_put() - Room for an item in a record.
 * @out: the record.
 * @request: the ioctl's number.
 * @vcpu: the vCPU's id or KVM_MOVE_VM.
 * @size: of the payload.
 *
 * Any context.
 * Return: where the payload goes, zeroed, or NULL: the record has become too large for its buffer.
 */
void *kvm_record_put(struct kvm_record_out *out, u32 request, u32 vcpu, size_t size)
{
	struct kvm_move_item item = {
		.request = request, .vcpu = vcpu, .kind = KVM_MOVE_PAYLOAD, .size = size,
	};
	size_t at = out->used;

	out->used += sizeof(item) + ALIGN(size, 8);
	if (out->used > out->size)
		return NULL;
	memcpy(out->buffer + at, &item, sizeof(item));
	return memset(out->buffer + at + sizeof(item), 0, ALIGN(size, 8));
}

static void put(struct kvm_record_out *out, const struct kvm_move_item *item, const void *payload)
{
	u8 *to = kvm_record_put(out, item->request, item->vcpu, item->size);

	if (to) {
		memcpy(to - sizeof(*item), item, sizeof(*item));
		memcpy(to, payload, item->size);
	}
}

/**
 * kvm_record_refused() - The VM cannot be moved.
 * @out: the record.
 * @request: the ioctl that brought it about.
 * @name: of what it is.
 */
void kvm_record_refused(struct kvm_record_out *out, u32 request, const char *name)
{
	struct kvm_move_item item = {
		.request = request, .vcpu = KVM_MOVE_VM, .kind = KVM_MOVE_REFUSED,
		.size = strlen(name) + 1,
	};

	put(out, &item, name);
}

static void put_kept(struct kvm *kvm, struct kvm_record_out *out, bool of_vcpus)
{
	const struct kvm_recorded *one;
	bool is_vcpus;

	mutex_lock(&kvm->record.lock);
	for (one = kvm->record.first; one; one = one->next) {
		is_vcpus = one->item.vcpu != KVM_MOVE_VM;
		if (is_vcpus != of_vcpus)
			continue;
		if (one->item.kind == KVM_MOVE_REFUSED)
			kvm_record_refused(out, one->item.request, one->name);
		else
			put(out, &one->item, one->payload);
	}
	mutex_unlock(&kvm->record.lock);
}

static void put_slots(struct kvm *kvm, struct kvm_record_out *out)
{
	struct kvm_userspace_memory_region *to;
	struct kvm_memory_slot *slot;
	int space, bkt;

	mutex_lock(&kvm->slots_lock);
	for (space = 0; space < ARRAY_SIZE(kvm->memslots); space++) {
		kvm_for_each_memslot(slot, bkt, __kvm_memslots(kvm, space)) {
			if (slot->id >= KVM_USER_MEM_SLOTS)
				continue;
			to = kvm_record_put(out, KVM_SET_USER_MEMORY_REGION, KVM_MOVE_VM,
					    sizeof(*to));
			if (!to)
				continue;
			to->slot = space << 16 | slot->id;
			to->flags = slot->flags & (KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY);
			to->guest_phys_addr = slot->base_gfn << PAGE_SHIFT;
			to->memory_size = (u64)slot->npages << PAGE_SHIFT;
			to->userspace_addr = slot->userspace_addr;
		}
	}
	mutex_unlock(&kvm->slots_lock);
}

static void put_zones(struct kvm *kvm, struct kvm_record_out *out)
{
	struct kvm_coalesced_mmio_dev *dev;
	struct kvm_coalesced_mmio_zone *to;

	mutex_lock(&kvm->slots_lock);
	list_for_each_entry(dev, &kvm->coalesced_zones, list) {
		to = kvm_record_put(out, KVM_REGISTER_COALESCED_MMIO, KVM_MOVE_VM, sizeof(*to));
		if (to)
			*to = dev->zone;
	}
	mutex_unlock(&kvm->slots_lock);
}

/* One entry as KVM_SET_GSI_ROUTING takes it; false: of a kind that is not moved. */
static bool put_route(const struct kvm_kernel_irq_routing_entry *from,
		      struct kvm_irq_routing_entry *to)
{
	to->gsi = from->gsi;
	to->type = from->type;
	switch (from->type) {
	case KVM_IRQ_ROUTING_IRQCHIP:
		to->u.irqchip.irqchip = from->irqchip.irqchip;
		to->u.irqchip.pin = from->irqchip.pin;
		/* KVM counts the pins of both PICs as one row. */
		if (from->irqchip.irqchip == KVM_IRQCHIP_PIC_SLAVE)
			to->u.irqchip.pin -= 8;
		return true;
	case KVM_IRQ_ROUTING_MSI:
		to->flags = from->msi.flags;
		to->u.msi.address_lo = from->msi.address_lo;
		to->u.msi.address_hi = from->msi.address_hi;
		to->u.msi.data = from->msi.data;
		to->u.msi.devid = from->msi.devid;
		return true;
	default:
		return false;
	}
}

/* KVM puts each entry before the others of its GSI: the last one here is to be the first again. */
static void put_routing(struct kvm *kvm, struct kvm_record_out *out)
{
	struct kvm_kernel_irq_routing_entry *from;
	struct kvm_irq_routing_table *table;
	struct kvm_irq_routing *to;
	bool refused = false;
	u32 gsi, count = 0;
	int idx;

	idx = srcu_read_lock(&kvm->irq_srcu);
	table = srcu_dereference(kvm->irq_routing, &kvm->irq_srcu);
	for (gsi = 0; table && gsi < table->nr_rt_entries; gsi++)
		hlist_for_each_entry(from, &table->map[gsi], link)
			count++;
	/* An empty table is none of KVM's defaults either. */
	to = table && kvm_arch_can_set_irq_routing(kvm) ?
		     kvm_record_put(out, KVM_SET_GSI_ROUTING, KVM_MOVE_VM,
				    struct_size(to, entries, count)) : NULL;
	for (gsi = 0; to && gsi < table->nr_rt_entries; gsi++)
		hlist_for_each_entry(from, &table->map[gsi], link)
			refused |= !put_route(from, &to->entries[count - ++to->nr]);
	srcu_read_unlock(&kvm->irq_srcu, idx);
	if (refused)
		kvm_record_refused(out, KVM_SET_GSI_ROUTING, "a route to Hyper-V's SynIC or Xen");
}

/**
 * kvm_record_eventfd() - A place for an eventfd's number.
 * @out: the record.
 * @number: the place, in the record's buffer; NULL: it did not fit.
 * @context: the eventfd.
 *
 * Any context. Sets @out->more_eventfds when there is no room for it.
 */
void kvm_record_eventfd(struct kvm_record_out *out, void *number, const struct eventfd_ctx *context)
{
	if (out->n_eventfds == out->max_eventfds) {
		out->more_eventfds = true;
		return;
	}
	if (!number)
		return;
	memset(number, 0xff, sizeof(int));
	out->eventfds[out->n_eventfds++] = (struct kvm_record_eventfd){
		.at = (u8 *)number - out->buffer, .context = context,
	};
}

static int by_context(const void *one, const void *two)
{
	const struct kvm_record_eventfd *a = one, *b = two;

	return a->context < b->context ? -1 : a->context > b->context;
}

static void put_number(struct kvm_record_out *out, const struct eventfd_ctx *context, int fd)
{
	struct kvm_record_eventfd wanted = { .context = context }, *found;

	found = bsearch(&wanted, out->eventfds, out->n_eventfds, sizeof(wanted), by_context);
	while (found && found > out->eventfds && found[-1].context == context)
		found--;
	for (; found && found < out->eventfds + out->n_eventfds && found->context == context;
	     found++)
		memcpy(out->buffer + found->at, &fd, sizeof(fd));
}

/*
 * The numbers that the process has for the eventfds. An address is compared while the file is held
 * and never followed; that of an eventfd which is gone meanwhile makes a wrong number only in a
 * record that has become stale by that.
 */
static long number_eventfds(struct kvm_record_out *out)
{
	struct eventfd_ctx *context;
	unsigned int fd, max;

	sort(out->eventfds, out->n_eventfds, sizeof(*out->eventfds), by_context, NULL);
	rcu_read_lock();
	max = files_fdtable(current->files)->max_fds;
	rcu_read_unlock();
	for (fd = 0; fd < max && out->n_eventfds; fd++) {
		context = eventfd_ctx_fdget(fd);
		if (!IS_ERR(context)) {
			put_number(out, context, fd);
			eventfd_ctx_put(context);
		}
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static void put_vcpus(struct kvm *kvm, struct kvm_record_out *out)
{
	struct kvm_signal_mask *to;
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (!vcpu->sigset_active)
			continue;
		to = kvm_record_put(out, KVM_SET_SIGNAL_MASK, vcpu->vcpu_id,
				    sizeof(*to) + sizeof(vcpu->sigset));
		if (!to)
			continue;
		to->len = sizeof(vcpu->sigset);
		memcpy(to->sigset, &vcpu->sigset, sizeof(vcpu->sigset));
	}
}

static void put_all(struct kvm *kvm, struct kvm_record_out *out)
{
	if (kvm->record.type)
		kvm_record_refused(out, KVM_CREATE_VM, "a VM of another type than 0");
	mutex_lock(&kvm->lock);
	if (!list_empty(&kvm->devices))
		kvm_record_refused(out, KVM_CREATE_DEVICE, "KVM_CREATE_DEVICE");
	mutex_unlock(&kvm->lock);
	put_kept(kvm, out, false);
	kvm_record_arch(kvm, out);
	put_slots(kvm, out);
	put_routing(kvm, out);
	put_zones(kvm, out);
	kvm_record_eventfds(kvm, out);
	if (out->more_eventfds)
		kvm_record_refused(out, KVM_IRQFD, "more eventfds than are recorded");
	put_kept(kvm, out, true);
	put_vcpus(kvm, out);
}

static long tell_record(struct kvm *kvm, struct kvm_move_record __user *user)
{
	struct kvm_record_out out = {};
	struct kvm_move_record head;
	long r = 0;

	if (copy_from_user(&head, user, sizeof(head)))
		return -EFAULT;
	if (head.flags)
		return -EINVAL;
	if (head.version != KVM_MOVE_VERSION)
		return put_user(KVM_MOVE_VERSION, &user->version) ? -EFAULT : -EPROTO;
	out.size = min_t(u64, head.size, RECORD_MAX);
	out.max_eventfds = EVENTFDS_MAX;
	out.eventfds = kvmalloc_array(EVENTFDS_MAX, sizeof(*out.eventfds), GFP_KERNEL_ACCOUNT);
	out.buffer = kvzalloc(out.size, GFP_KERNEL_ACCOUNT);
	if (!out.buffer || !out.eventfds) {
		r = -ENOMEM;
		goto out;
	}
	put_all(kvm, &out);
	head.size = out.used;
	if (out.used > out.size) {
		r = -E2BIG;
	} else {
		r = number_eventfds(&out);
		if (!r && copy_to_user(u64_to_user_ptr(head.buffer), out.buffer, out.used))
			r = -EFAULT;
	}
	if (copy_to_user(user, &head, sizeof(head)))
		r = -EFAULT;
out:
	kvfree(out.buffer);
	kvfree(out.eventfds);
	return r;
}

static long move_chips(struct kvm *kvm, struct kvm_move_chips __user *user, bool set)
{
	struct kvm_move_chips said;

	if (copy_from_user(&said, user, sizeof(said)))
		return -EFAULT;
	if (said.version != KVM_MOVE_VERSION)
		return put_user(KVM_MOVE_VERSION, &user->version) ? -EFAULT : -EPROTO;
	if (set) {
		if (said.flags & ~KVM_MOVE_CHIPS_READ)
			return -EINVAL;
		if (said.flags & KVM_MOVE_CHIPS_READ)
			kvm_record_arch_set_chips(kvm, &said);
		kvm_record_resample(kvm);
		return 0;
	}
	memset(&said, 0, sizeof(said));
	said.version = KVM_MOVE_VERSION;
	said.flags = KVM_MOVE_CHIPS_READ;
	kvm_record_arch_chips(kvm, &said);
	if (!copy_to_user(user, &said, sizeof(said)))
		return 0;
	kvm_record_arch_set_chips(kvm, &said);
	return -EFAULT;
}

/**
 * kvm_record_vm_ioctl() - An ioctl of a VM's file, and the record of it.
 * @filp: the file.
 * @ioctl: the number.
 * @arg: as the ioctl has it.
 *
 * Process context, no locks. What is not recorded goes on to kvm_vm_ioctl() at once.
 * Return: what kvm_vm_ioctl() returns.
 */
long kvm_record_vm_ioctl(struct file *filp, unsigned int ioctl, unsigned long arg)
{
	struct kvm *kvm = filp->private_data;

	if (kvm->mm != current->mm || kvm->vm_dead)
		return -EIO;
	if (ioctl == KVM_MOVE_RECORD)
		return tell_record(kvm, (void __user *)arg);
	if (ioctl == KVM_MOVE_CHIPS || ioctl == KVM_MOVE_SET_CHIPS)
		return move_chips(kvm, (void __user *)arg, ioctl == KVM_MOVE_SET_CHIPS);
	return recorded(kvm, KVM_MOVE_VM, ioctl_of_vm(ioctl), filp, ioctl, arg, kvm_vm_ioctl);
}

static long move_vcpu(struct kvm_vcpu *vcpu, struct kvm_move_vcpu __user *user, bool set)
{
	struct kvm_move_vcpu said;

	if (copy_from_user(&said, user, sizeof(said)))
		return -EFAULT;
	if (said.version != KVM_MOVE_VERSION)
		return put_user(KVM_MOVE_VERSION, &user->version) ? -EFAULT : -EPROTO;
	if (set) {
		if (said.busy)
			return -EINVAL;
		kvm_record_arch_set_vcpu(vcpu, &said);
		return 0;
	}
	memset(&said, 0, sizeof(said));
	said.version = KVM_MOVE_VERSION;
	said.busy = (is_asked(vcpu) ? KVM_MOVE_REQUEST : 0) |
		    (vcpu->guest_debug ? KVM_MOVE_DEBUG : 0);
	kvm_record_arch_vcpu(vcpu, &said);
	return copy_to_user(user, &said, sizeof(said)) ? -EFAULT : 0;
}

/**
 * kvm_record_vcpu_ioctl() - An ioctl of a vCPU's file, of the architecture's, and the record of it.
 * @filp: the file.
 * @ioctl: the number; KVM_RUN is none of these.
 * @arg: as the ioctl has it.
 *
 * Process context, vcpu->mutex held.
 * Return: what kvm_arch_vcpu_ioctl() returns.
 */
long kvm_record_vcpu_ioctl(struct file *filp, unsigned int ioctl, unsigned long arg)
{
	struct kvm_vcpu *vcpu = filp->private_data;

	if (ioctl == KVM_MOVE_VCPU || ioctl == KVM_MOVE_SET_VCPU)
		return move_vcpu(vcpu, (void __user *)arg, ioctl == KVM_MOVE_SET_VCPU);
	return recorded(vcpu->kvm, vcpu->vcpu_id, ioctl_of_vcpu(ioctl), filp, ioctl, arg,
			kvm_arch_vcpu_ioctl);
}
