/* arena.h - memory that lives and dies together: bump allocation in blocks, one ceiling.
 *
 * An arena belongs to one batch, one turn or one request; nothing in it is freed alone. Beyond its
 * ceiling, or when malloc fails, arena_alloc() gives NULL: the caller answers ERR_TOO_BIG or
 * ERR_BUSY.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "collector/base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    char *next;                 /* free bytes of the newest block */
    char *end;
    size_t used;          /* bytes taken from malloc, all blocks */
    size_t ceiling;       /* most that `used` may become */
    bool short_of_memory; /* malloc failed: what does not fit may fit another time */
};

/* Allocates nothing yet. `ceiling` in bytes. */
void arena_init(struct arena *arena, size_t ceiling);
/* Frees every block. */
void arena_fini(struct arena *arena);
/* Forgets all content but keeps the first block for use again. */
void arena_reset(struct arena *arena);

void *arena_alloc_slow(struct arena *arena, size_t size, size_t align);

/* `size` bytes, not zeroed, aligned to `align` (a power of two up to 16). NULL beyond the ceiling.
 */
static inline void *arena_alloc_aligned(struct arena *arena, size_t size, size_t align)
{
    char *at = (char *)(((uintptr_t)arena->next + align - 1) & ~(uintptr_t)(align - 1));
    if (arena->next && at <= arena->end && size <= (size_t)(arena->end - at)) {
        arena->next = at + size;
        return at;
    }
    return arena_alloc_slow(arena, size, align);
}

/* The same, aligned to 8. */
static inline void *arena_alloc(struct arena *arena, size_t size)
{
    return arena_alloc_aligned(arena, size, 8);
}

/* Zeroed. */
void *arena_calloc(struct arena *arena, size_t size);
/* Room for one more behind `n` items of `size` bytes: an array that is full moves to one of twice
 * its capacity. False beyond the ceiling: then all stays. */
bool arena_room(struct arena *arena, void **items, uint32_t n, uint32_t *cap, size_t size);
/* A copy of the text; p is NULL (len kept) when there is no room. */
struct str arena_dup(struct arena *arena, struct str text);
/* The same for readers of text that ends with NUL; '' when there is no room. */
const char *arena_text(struct arena *arena, struct str text);

#endif
