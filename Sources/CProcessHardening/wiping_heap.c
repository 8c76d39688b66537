/*
 * A heap that forgets: `free` and `realloc` that overwrite what is given back.
 *
 * Strings, arrays and buffers of libraries hold a number for a moment and are freed without being wiped, in code that is not
 * ours. glibc's M_PERTURB does not help: it leaves out blocks up to 1,032 bytes that go to a thread's cache, which is
 * where numbers are. So the two functions that give memory back are defined here, in the program itself, where the dynamic
 * linker finds them before glibc's; every library's calls come here, glibc's own too (it calls them through the same
 * table, so that programs may replace them).
 */

#define _GNU_SOURCE
#include "CProcessHardening.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* A sanitizer has a heap of its own, in which these would free what it allocated. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define CONTACT_VAULT_KEEPS_HEAP 1
#endif
#endif

#if defined(__GLIBC__) && !defined(CONTACT_VAULT_KEEPS_HEAP)

extern void __libc_free(void *block);

static void wipe_and_free(void *block) {
    /* All that the caller could write to, not what was asked for: realloc below hands out the whole of it. */
    explicit_bzero(block, malloc_usable_size(block));
    __libc_free(block);
}

__attribute__((visibility("default"))) void free(void *block) {
    if (block != NULL) wipe_and_free(block);
}

__attribute__((visibility("default"))) void *realloc(void *block, size_t size) {
    if (block == NULL) return malloc(size);
    if (size == 0) {
        wipe_and_free(block);
        return NULL;
    }
    const size_t usable = malloc_usable_size(block);
    /* Kept where it is unless half of it would lie idle. */
    if (size <= usable && size >= usable / 2) return block;
    void *moved = malloc(size);
    if (moved == NULL) return size <= usable ? block : NULL;
    memcpy(moved, block, size < usable ? size : usable);
    wipe_and_free(block);
    return moved;
}

int contact_vault_heap_is_wiped(void) {
    return dlsym(RTLD_DEFAULT, "free") == (void *)free && dlsym(RTLD_DEFAULT, "realloc") == (void *)realloc;
}

#else

int contact_vault_heap_is_wiped(void) { return 0; }

#endif
