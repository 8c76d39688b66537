#ifndef CONTACT_VAULT_PROCESS_HARDENING_H
#define CONTACT_VAULT_PROCESS_HARDENING_H

/*
 * What this process denies to others and to its own past: dumps, and freed memory that still says what was in it.
 *
 * A program that is linked with this target has `free` and `realloc` that wipe (wiping_heap.c). It is for the executable
 * alone: a library must not change the heap of the program that embeds it.
 */

/** No core file, and no other process of the same user may read this one's memory; 0 on success, else errno. */
int contact_vault_forbid_dumps(void);

/** Whether `free`, as the libraries of this process find it, is the one that wipes. */
int contact_vault_heap_is_wiped(void);

#endif
