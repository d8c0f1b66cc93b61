// SPDX-License-Identifier: GPL-2.0-only
static struct kmem_cache *cache(unsigned int start, unsigned int size)
{
	if (!size)
		return kmem_cache_create("x86_emulator", start, 8, 0, NULL);
	return kmem_cache_create_usercopy("x86_emulator", start + size, 8, SLAB_ACCOUNT, start,
					  size, NULL);
}
