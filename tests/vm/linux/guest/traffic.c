// SPDX-License-Identifier: GPL-2.0-only
/*
 * The disk: one block after the other gets the next number, past the page cache; then another one
 * is read, and must have the number that it got last, and nothing of any other.
 *
 * The network: two interfaces at one hub. The first sends a frame with the next number; the second
 * must receive that one, once, whole, before the next is sent.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "traffic.h"

#define MODULES	 "/modules"
#define DISK	 "/dev/vda"
#define BLOCK	 4096
#define BLOCKS	 61 /* prime: the order of reads is another one than that of writes */
#define STEP	 17
#define PROTOCOL 0x88b5 /* for experiments */
#define PAYLOAD	 1400
#define LATE_MS	 10000
#define PAUSE_US 5000

atomic_ulong traffic_blocks, traffic_frames, traffic_wrong;

static void say(const char *what, unsigned long n, int err)
{
	char line[200];
	int size = snprintf(line, sizeof(line), "guest: %s %lu: %s\n", what, n,
			    strerror(err));

	traffic_wrong++;
	if (write(1, line, size) < 0)
		return; /* nobody listens */
}

/* What `size` bytes with that number look like. */
static void fill(uint32_t *words, size_t size, uint32_t number)
{
	for (uint32_t i = 0; i < size / 4; i++)
		words[i] = number * 2654435761U ^ i;
	words[0] = number;
}

/* 0, or why it is not that. */
static int differs(const uint32_t *words, size_t size, uint32_t number)
{
	static _Thread_local uint32_t want[BLOCK / 4];

	fill(want, size, number);
	return memcmp(want, words, size) ? EILSEQ : 0;
}

static void *use_disk(void *arg)
{
	static uint32_t block[BLOCK / 4] __attribute__((aligned(BLOCK)));
	static uint32_t last[BLOCKS];
	int fd = (intptr_t)arg, err;
	uint32_t n, at;

	for (n = 1;; n++) {
		at = n % BLOCKS;
		fill(block, BLOCK, n);
		if (pwrite(fd, block, BLOCK, at * BLOCK) != BLOCK)
			say("cannot write block", n, errno);
		last[at] = n;
		at = (uint64_t)n * STEP % BLOCKS;
		if (pread(fd, block, BLOCK, at * BLOCK) != BLOCK)
			say("cannot read block", n, errno);
		err = last[at] ? differs(block, BLOCK, last[at]) : 0;
		if (err)
			say("block has not the number", last[at], err);
		traffic_blocks++;
		usleep(PAUSE_US);
	}
	return NULL;
}

/* Until then what it is given to send is dropped. */
static bool comes_up(const char *name)
{
	char path[64], state[8];
	int fd, ms;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/class/net/%s/operstate", name);
	for (ms = 0; ms < LATE_MS; ms += 10) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = read(fd, state, sizeof(state));
		close(fd);
		if (n >= 2 && !memcmp(state, "up", 2))
			return true;
		usleep(10000);
	}
	return false;
}

/* A socket at that interface, which is up then; -1: there is none. */
static int interface(const char *name, struct sockaddr_ll *at)
{
	struct ifreq request = { 0 };
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(PROTOCOL));

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, SIOCGIFINDEX, &request))
		goto none;
	*at = (struct sockaddr_ll){ .sll_family = AF_PACKET,
				    .sll_protocol = htons(PROTOCOL),
				    .sll_ifindex = request.ifr_ifindex,
				    .sll_halen = ETH_ALEN };
	if (ioctl(fd, SIOCGIFHWADDR, &request))
		goto none;
	memcpy(at->sll_addr, request.ifr_hwaddr.sa_data, ETH_ALEN);
	if (ioctl(fd, SIOCGIFFLAGS, &request))
		goto none;
	request.ifr_flags |= IFF_UP;
	if (ioctl(fd, SIOCSIFFLAGS, &request) ||
	    bind(fd, (struct sockaddr *)at, sizeof(*at)) || !comes_up(name))
		goto none;
	return fd;
none:
	if (fd >= 0)
		close(fd);
	return -1;
}

static struct {
	int from, to;
	struct sockaddr_ll receiver;
} net;

static void *use_network(void *arg)
{
	static uint32_t frame[PAYLOAD / 4];
	struct pollfd comes = { .fd = net.to, .events = POLLIN };
	ssize_t size;
	uint32_t n;
	int err;

	for (n = 1;; n++) {
		fill(frame, PAYLOAD, n);
		if (sendto(net.from, frame, PAYLOAD, 0, (struct sockaddr *)&net.receiver,
			   sizeof(net.receiver)) != PAYLOAD)
			say("cannot send frame", n, errno);
		if (poll(&comes, 1, LATE_MS) <= 0) {
			say("nothing comes of frame", n, ETIMEDOUT);
			continue;
		}
		size = recv(net.to, frame, sizeof(frame), 0);
		err = size < 0		? errno
		      : size != PAYLOAD ? EMSGSIZE
					: differs(frame, PAYLOAD, n);
		if (err)
			say("another one comes than frame", n, err);
		traffic_frames++;
		usleep(PAUSE_US);
	}
	return arg;
}

/* In the order of their names, which have numbers. */
static void load_modules(void)
{
	struct dirent **names;
	char path[300];
	int n = scandir(MODULES, &names, NULL, alphasort), i, fd;

	for (i = 0; i < n; i++) {
		if (*names[i]->d_name == '.')
			continue;
		snprintf(path, sizeof(path), MODULES "/%s", names[i]->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
			say(path, i, errno);
		close(fd);
	}
}

void traffic_start(void)
{
	struct sockaddr_ll sender = { 0 };
	pthread_t thread;
	intptr_t disk;

	if (access("/sys/bus/acpi/devices/LNRO0005:00", F_OK))
		return; /* no virtio device of a microvm */
	load_modules();
	mkdir("/dev", 0755);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	disk = open(DISK, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (disk < 0)
		say(DISK, 0, errno);
	else
		pthread_create(&thread, NULL, use_disk, (void *)disk);
	net.from = interface("eth0", &sender);
	net.to = interface("eth1", &net.receiver);
	net.receiver.sll_ifindex = sender.sll_ifindex; /* by which it is sent there */
	if (net.from < 0 || net.to < 0)
		say("no two interfaces", 0, ENODEV);
	else
		pthread_create(&thread, NULL, use_network, NULL);
}
