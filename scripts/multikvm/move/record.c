// SPDX-License-Identifier: GPL-2.0-only
/*
 * record.c - what the VMM has set and no ioctl of KVM gives back: the instance's record of it, and
 * the same for a new VM.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "move.h"

#define RECORD_MAX (16UL << 20) /* as the instance has it */

static const struct kvm_move_item *next_item(const uint8_t *record, uint64_t size,
					     const struct kvm_move_item *item)
{
	uint64_t at = 0;

	if (item)
		at = (const uint8_t *)(item + 1) - record + ((item->size + 7ULL) & ~7ULL);
	return at < size ? (const void *)(record + at) : NULL;
}

#define for_each_item(item, record, size)                \
	for (item = next_item(record, size, NULL); item; \
	     item = next_item(record, size, item))

/* What is wrong with an ioctl that only an instance of ours knows. */
static int refused(struct move *move, const struct kvm_move_record *head, int64_t err)
{
	if (err == -EPROTO)
		return target_fail(&move->target, REFUSED,
				   "%s has version %u of records, this is version %u\n"
				   "next: use the multikvm of its packages",
				   move->from, head->version, KVM_MOVE_VERSION);
	if (err == -ENOTTY || err == -EINVAL)
		return target_fail(
			&move->target, REFUSED,
			"%s keeps no record of what a VMM sets\n"
			"next: VMs of instances built from now on can be moved",
			move->from);
	return target_fail(&move->target, SYSTEM, "the record of the VM: %s",
			   strerror(-err));
}

/* The items of the last answer, behind its head. */
static const uint8_t *record_items(const struct move *move)
{
	return (const uint8_t *)move->head + 64;
}

/* The call for it, with room in the arena for `room` bytes of items. */
int record_ask(struct move *move, struct program *program, size_t room)
{
	struct kvm_move_record *head = arena_take(move, sizeof(*head));
	uint8_t *items = head ? arena_take(move, room) : NULL;

	if (!items)
		return -ECANCELED;
	head->version = KVM_MOVE_VERSION;
	head->buffer = arena_there(move, items);
	head->size = room;
	move->head = head; /* the items follow, at the arena's next multiple of 64 */
	program_ioctl(program, "KVM_MOVE_RECORD", move->vm, KVM_MOVE_RECORD,
		      arena_there(move, head));
	return 0;
}

/* The record comes through memory that the VMM can write: all items are whole, no more, no less. */
static bool is_whole(const uint8_t *record, uint64_t size)
{
	const struct kvm_move_item *item;
	uint64_t at = 0, room;

	while (at < size) {
		room = size - at;
		item = (const void *)(record + at);
		if (room < sizeof(*item) || item->size > room - sizeof(*item))
			return false;
		if (item->kind > KVM_MOVE_REFUSED)
			return false;
		if (item->kind != KVM_MOVE_REFUSED && _IOC_SIZE(item->request) &&
		    (item->kind != KVM_MOVE_PAYLOAD ||
		     item->size < _IOC_SIZE(item->request)))
			return false;
		at += sizeof(*item) + ((item->size + 7ULL) & ~7ULL);
	}
	return at == size;
}

static int keep_record(struct move *move, uint64_t room)
{
	uint64_t size = move->head->size;

	if (size > room || !is_whole(record_items(move), size))
		return target_fail(&move->target, REFUSED,
				   "process %d gives a record that no instance gives\n"
				   "next: do not trust its VMM",
				   move->target.pid);
	move->record = malloc(size + 1);
	if (!move->record)
		return target_fail(&move->target, SYSTEM, "no memory");
	memcpy(move->record, record_items(move), size);
	move->record_size = size;
	return 0;
}

/* The first time; -E2BIG: the arena is too small. */
int record_read(struct move *move)
{
	struct program program = { .vcpu = -1 };
	size_t used = move->arena->used;
	uint64_t room = move->arena->size - used - 65536;
	int err = record_ask(move, &program, room);
	struct kvm_move_record *head = move->head;

	if (!err)
		err = program_try(move, &program, -1);
	if (!err && move->answer.failed >= 0)
		err = move->answer.result == -E2BIG && head->size > room &&
				      head->size <= RECORD_MAX
			      ? -E2BIG
			      : refused(move, head, move->answer.result);
	if (!err)
		err = keep_record(move, room);
	program_free(&program);
	move->arena->used = used;
	return err;
}

/* Whether it is the same by now. */
bool record_unchanged(struct move *move)
{
	return move->head->size == move->record_size &&
	       !memcmp(record_items(move), move->record, move->record_size);
}

/* Length of the text at its start. */
static int plain(const char *name, uint32_t size)
{
	uint32_t n = 0;

	while (n < size && n < 80 && name[n] >= ' ' && name[n] <= '~')
		n++;
	return n;
}

static int check_item(struct move *move, const struct kvm_move_item *item)
{
	const void *payload = item + 1;
	const struct kvm_userspace_memory_region *slot = payload;
	const struct kvm_ioeventfd *ioeventfd = payload;
	const struct kvm_irqfd *irqfd = payload;
	const struct kvm_enable_cap *cap = payload;

	if (item->kind == KVM_MOVE_REFUSED)
		return target_fail(&move->target, REFUSED,
				   "the VM uses what is not moved: %.*s",
				   plain(payload, item->size), (const char *)payload);
	switch (item->request) {
	case KVM_SET_USER_MEMORY_REGION:
		if (slot->flags & KVM_MEM_LOG_DIRTY_PAGES)
			return target_fail(
				&move->target, REFUSED,
				"the VM's memory is being logged: it is migrated, or "
				"its screen is shown\nnext: the same when that is over");
		break;
	case KVM_IOEVENTFD:
	case KVM_IRQFD:
		if ((item->request == KVM_IOEVENTFD ? ioeventfd->fd : (int)irqfd->fd) <
			    0 ||
		    (item->request == KVM_IRQFD &&
		     irqfd->flags & KVM_IRQFD_FLAG_RESAMPLE &&
		     (int)irqfd->resamplefd < 0))
			return target_fail(
				&move->target, REFUSED,
				"the VM uses an eventfd that process %d has closed",
				move->target.pid);
		break;
	case KVM_CREATE_IRQCHIP:
		move->has_chips = move->has_lapic = true;
		break;
	case KVM_CREATE_PIT:
	case KVM_CREATE_PIT2:
		move->has_pit = true;
		break;
	case KVM_ENABLE_CAP:
		if (item->vcpu == KVM_MOVE_VM && cap->cap == KVM_CAP_SPLIT_IRQCHIP)
			move->has_lapic = true;
		break;
	}
	return 0;
}

int record_check(struct move *move)
{
	const struct kvm_move_item *item;
	int err = 0;

	for_each_item(item, move->record, move->record_size)
	{
		if (!err)
			err = check_item(move, item);
	}
	return err;
}

/* The bitmaps of a filter are addressed from the start of its payload. */
static void point_to_bitmaps(struct kvm_msr_filter *filter, uint64_t there)
{
	int i;

	for (i = 0; i < KVM_MSR_FILTER_MAX_RANGES; i++)
		if (filter->ranges[i].nmsrs)
			filter->ranges[i].bitmap =
				(void *)(there + (uintptr_t)filter->ranges[i].bitmap);
}

static const char *name_of(uint32_t request)
{
	static char name[40];

	switch (request) {
	case KVM_SET_USER_MEMORY_REGION:
		return "KVM_SET_USER_MEMORY_REGION";
	case KVM_ENABLE_CAP:
		return "KVM_ENABLE_CAP";
	case KVM_IOEVENTFD:
		return "KVM_IOEVENTFD";
	case KVM_IRQFD:
		return "KVM_IRQFD";
	case KVM_SET_GSI_ROUTING:
		return "KVM_SET_GSI_ROUTING";
	case KVM_CREATE_IRQCHIP:
		return "KVM_CREATE_IRQCHIP";
	case KVM_CREATE_PIT2:
		return "KVM_CREATE_PIT2";
	}
	snprintf(name, sizeof(name), "KVM ioctl %#x of the record", request & 0xff);
	return name;
}

/* An item as a step; its payload is in the arena. */
static int add_item(struct move *move, const struct kvm_move_item *item,
		    struct program *program, int fd, uint8_t **payload)
{
	uint64_t argument = item->argument;

	*payload = NULL;
	if (item->kind == KVM_MOVE_PAYLOAD) {
		*payload = arena_take(move, item->size);
		if (!*payload)
			return -ECANCELED;
		memcpy(*payload, item + 1, item->size);
		argument = arena_there(move, *payload);
		if (item->request == KVM_X86_SET_MSR_FILTER)
			point_to_bitmaps((void *)*payload, argument);
	}
	program_ioctl(program, name_of(item->request), fd, item->request, argument);
	return 0;
}

/* Of a vCPU by its index, or of the VM (-1): all but the irqfds, which come last. */
int record_replay(struct move *move, int vcpu, struct program *program)
{
	uint32_t id = vcpu < 0 ? KVM_MOVE_VM : (uint32_t)move->vcpus[vcpu].id;
	int fd = vcpu < 0 ? move->new_vm : move->vcpus[vcpu].new;
	const struct kvm_move_item *item;
	uint8_t *payload;
	int err = 0;

	program->vcpu = vcpu;
	for_each_item(item, move->record, move->record_size)
	{
		if (!err && item->vcpu == id && item->request != KVM_IRQFD)
			err = add_item(move, item, program, fd, &payload);
	}
	program->vcpu = -1;
	return err;
}

int record_irqfds(struct move *move, struct program *program, bool assign, int vm)
{
	const struct kvm_move_item *item;
	struct kvm_irqfd *irqfd;
	uint8_t *payload;
	int err = 0;

	for_each_item(item, move->record, move->record_size)
	{
		if (err || item->request != KVM_IRQFD)
			continue;
		err = add_item(move, item, program, vm, &payload);
		if (err || assign)
			continue;
		irqfd = (void *)payload;
		irqfd->flags = KVM_IRQFD_FLAG_DEASSIGN;
	}
	return err;
}
