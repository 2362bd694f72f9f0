/* map.h - a hash table from 64-bit hashes to 32-bit values; the caller keeps and compares the keys.
 *
 * Open addressing with linear probing. The value is an index into the caller's own array:
 *
 *     for (struct map_iter it = map_find(&map, hash); map_next(&map, &it);)
 *         if (things[it.value].key == key) return it.value;
 *
 * Not thread-safe: one owner.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_slot {
    uint32_t hash; /* upper half of the hash: where the entry belongs, and what is compared first */
    uint32_t value; /* MAP_EMPTY, MAP_GONE, or the caller's */
};

#define MAP_EMPTY UINT32_MAX
#define MAP_GONE (UINT32_MAX - 1)

struct map {
    struct map_slot *slots; /* NULL until the first insertion */
    size_t mask;            /* slots - 1 */
    size_t n;               /* living entries */
    size_t n_used;          /* living and gone */
};

struct map_iter {
    size_t at;
    uint32_t hash;
    uint32_t value; /* valid after map_next() returned true */
};

void map_init(struct map *map);
void map_fini(struct map *map);
/* Empties it, keeps the memory. */
void map_clear(struct map *map);
/* Adds (hash, value), also when an equal one is there. False when memory is short. */
bool map_add(struct map *map, uint64_t hash, uint32_t value);
/* Removes the entry with this hash and value; false when there is none. */
bool map_remove(struct map *map, uint64_t hash, uint32_t value);
/* The entry with this hash and value has another value from now on; false when there is none. */
bool map_replace(struct map *map, uint64_t hash, uint32_t value, uint32_t by);

static inline struct map_iter map_find(const struct map *map, uint64_t hash)
{
    uint32_t upper = (uint32_t)(hash >> 32);
    return (struct map_iter){.at = upper & map->mask, .hash = upper};
}

/* Fetches what map_next() will look at first into the cache. */
static inline void map_prefetch(const struct map *map, uint64_t hash)
{
    if (map->slots)
        __builtin_prefetch(&map->slots[(uint32_t)(hash >> 32) & map->mask]);
}

static inline bool map_next(const struct map *map, struct map_iter *it)
{
    if (!map->slots)
        return false;
    for (;;) {
        const struct map_slot *slot = &map->slots[it->at];
        if (slot->value == MAP_EMPTY)
            return false;
        it->at = (it->at + 1) & map->mask;
        if (slot->value != MAP_GONE && slot->hash == it->hash) {
            it->value = slot->value;
            return true;
        }
    }
}

#endif
