/* arena.c - blocks double from 4 KiB to 1 MiB; what is larger gets a block of its own. */
#include "collector/base/arena.h"

#include <stdlib.h>

#define FIRST_BLOCK ((size_t)4 << 10)
#define LARGEST_BLOCK ((size_t)1 << 20)

struct arena_block {
    struct arena_block *older;
    size_t size; /* of the whole block */
};

void arena_init(struct arena *arena, size_t ceiling)
{
    *arena = (struct arena){.ceiling = ceiling};
}

static void free_until(struct arena *arena, struct arena_block *keep)
{
    struct arena_block *block = arena->blocks;
    while (block != keep) {
        struct arena_block *older = block->older;
        free(block);
        block = older;
    }
}

void arena_fini(struct arena *arena)
{
    free_until(arena, NULL);
    arena_init(arena, arena->ceiling);
}

void arena_reset(struct arena *arena)
{
    struct arena_block *first = arena->blocks;
    if (!first)
        return;
    while (first->older)
        first = first->older;
    free_until(arena, first);
    arena->blocks = first;
    arena->next = (char *)(first + 1);
    arena->end = (char *)first + first->size;
    arena->used = first->size;
}

void *arena_alloc_slow(struct arena *arena, size_t size, size_t align)
{
    size_t wanted = arena->blocks ? 2 * arena->blocks->size : FIRST_BLOCK;
    if (wanted > LARGEST_BLOCK)
        wanted = LARGEST_BLOCK;
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t needed = sizeof(struct arena_block) + size + align;
    if (wanted < needed)
        wanted = needed;
    if (arena->used + wanted > arena->ceiling)
        wanted = needed;
    if (arena->used + wanted > arena->ceiling || arena->used + wanted < arena->used)
        return NULL;
    struct arena_block *block = malloc(wanted);
    if (!block) {
        arena->short_of_memory = true;
        return NULL;
    }
    *block = (struct arena_block){arena->blocks, wanted};
    arena->blocks = block;
    arena->used += wanted;
    arena->next = (char *)(block + 1);
    arena->end = (char *)block + wanted;
    return arena_alloc_aligned(arena, size, align);
}

void *arena_calloc(struct arena *arena, size_t size)
{
    void *memory = arena_alloc(arena, size);
    return memory ? memset(memory, 0, size) : NULL;
}

bool arena_room(struct arena *arena, void **items, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    uint32_t wanted = *cap ? 2 * *cap : 16;
    void *moved = arena_alloc(arena, wanted * size);
    if (!moved)
        return false;
    if (n)
        memcpy(moved, *items, n * size);
    *items = moved;
    *cap = wanted;
    return true;
}

struct str arena_dup(struct arena *arena, struct str text)
{
    char *copy = arena_alloc_aligned(arena, text.len + 1, 1);
    if (copy) {
        if (text.len)
            memcpy(copy, text.p, text.len);
        copy[text.len] = '\0';
    }
    return (struct str){copy, text.len};
}

const char *arena_text(struct arena *arena, struct str text)
{
    struct str copy = arena_dup(arena, text);
    return copy.p ? copy.p : "";
}
