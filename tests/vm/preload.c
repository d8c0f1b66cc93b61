// SPDX-License-Identifier: GPL-2.0-only
/*
 * What Bochs shall do otherwise, as a library to preload (machine_intel.py).
 *
 * srand: Bochs seeds what RDRAND gives with the time. Without that, that is with FIXED_SEED in
 * the environment, two runs on one CPU are identical to the last instruction.
 *
 * fread: the memory of a saved machine, one read of a whole file, is mapped instead. A page is
 * copied when the machine writes to it.
 *
 * bind: the package has no display but a remote one, for everybody in the network and without
 * a password. It gets this host only.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define MEMORY (16 << 20) /* nothing else is as large */
#define PAGE   4096

void srand(unsigned int seed)
{
	void (*real)(unsigned int) = dlsym(RTLD_NEXT, "srand");

	if (!getenv("FIXED_SEED"))
		real(seed);
}

size_t fread(void *to, size_t size, size_t count, FILE *file)
{
	size_t (*real)(void *, size_t, size_t, FILE *) = dlsym(RTLD_NEXT, "fread");
	struct stat info;

	if (size * count >= MEMORY && (uintptr_t)to % PAGE == 0 && ftell(file) == 0 &&
	    !fstat(fileno(file), &info) && (size_t)info.st_size >= size * count &&
	    mmap(to, size * count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED,
		 fileno(file), 0) == to)
		return count;
	return real(to, size, count, file);
}

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
	int (*real)(int, const struct sockaddr *, socklen_t) = dlsym(RTLD_NEXT, "bind");
	struct sockaddr_in here;

	if (address->sa_family == AF_INET && size >= sizeof(here)) {
		here = *(const struct sockaddr_in *)address;
		here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		return real(fd, (struct sockaddr *)&here, sizeof(here));
	}
	return real(fd, address, size);
}
