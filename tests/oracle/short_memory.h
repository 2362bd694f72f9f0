/* short_memory.h - allocations that fail when a test says so.
 *
 * malloc, calloc, realloc, strdup and strndup of the whole process in plain builds; in sanitized
 * builds, where the sanitizer owns them, of what is linked into the program (not of shared
 * libraries such as zlib).
 */
#ifndef ORACLE_SHORT_MEMORY_H
#define ORACLE_SHORT_MEMORY_H

#include <stdbool.h>
#include <stdint.h>

/* The n-th allocation from now on fails, and no other; n from 1. */
void short_memory_at(uint64_t n);
/* About one in n fails, the same ones for the same seed. */
void short_memory_one_in(uint64_t n, uint64_t seed);
/* None fails any more. True when one has failed since the last call of the two above. */
bool short_memory_off(void);
/* Blocks that are allocated and not freed; always 0 in sanitized builds. */
int64_t short_memory_blocks(void);

#endif
