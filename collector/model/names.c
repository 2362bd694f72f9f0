/* names.c - texts that recur, in chunks that never move.
 *
 * Readers on other threads index chunks without a lock: the chunk directory has its full size from
 * the start, and whoever handed them a number has passed through a queue since the entry was
 * written.
 */
#include "collector/model/names.h"

#include <stdlib.h>

#include "collector/base/arena.h"
#include "collector/base/hash.h"
#include "collector/base/map.h"

#define CHUNK_BITS 12
#define CHUNK_SIZE (1u << CHUNK_BITS)

struct names {
    struct str **chunks; /* directory of max / CHUNK_SIZE + 1 chunks */
    uint32_t n, max;
    struct arena texts;
    struct map map;
    uint64_t n_overflowed;
};

static bool append(struct names *names, struct str text, uint64_t hash)
{
    uint32_t chunk = names->n >> CHUNK_BITS;
    if (!names->chunks[chunk])
        names->chunks[chunk] = malloc(CHUNK_SIZE * sizeof(struct str));
    char *copy = arena_alloc_aligned(&names->texts, text.len + 1, 1);
    if (!names->chunks[chunk] || !copy || !map_add(&names->map, hash, names->n))
        return false;
    if (text.len)
        memcpy(copy, text.p, text.len);
    copy[text.len] = '\0';
    names->chunks[chunk][names->n & (CHUNK_SIZE - 1)] = (struct str){copy, text.len};
    names->n++;
    return true;
}

struct names *names_new(uint32_t max_names, size_t max_bytes)
{
    struct names *names = calloc(1, sizeof(*names));
    if (!names)
        return NULL;
    names->max = max_names < 16 ? 16 : max_names;
    names->chunks = calloc((names->max >> CHUNK_BITS) + 1, sizeof(*names->chunks));
    arena_init(&names->texts, max_bytes);
    map_init(&names->map);
    if (!names->chunks || !append(names, STR_NONE, hash_str(STR_NONE)) ||
        !append(names, STR("other"), hash_str(STR("other")))) {
        names_free(names);
        return NULL;
    }
    return names;
}

void names_free(struct names *names)
{
    if (!names)
        return;
    for (uint32_t i = 0; names->chunks && i <= names->max >> CHUNK_BITS; i++)
        free(names->chunks[i]);
    free(names->chunks);
    arena_fini(&names->texts);
    map_fini(&names->map);
    free(names);
}

struct str names_text(const struct names *names, name_no name)
{
    return names->chunks[name >> CHUNK_BITS][name & (CHUNK_SIZE - 1)];
}

static name_no find(const struct names *names, struct str text, uint64_t hash, bool *found)
{
    for (struct map_iter it = map_find(&names->map, hash); map_next(&names->map, &it);) {
        if (str_eq(names_text(names, it.value), text)) {
            *found = true;
            return it.value;
        }
    }
    *found = false;
    return NAME_NONE;
}

name_no names_find(const struct names *names, struct str text)
{
    bool found;
    return text.len ? find(names, text, hash_str(text), &found) : NAME_NONE;
}

name_no names_add(struct names *names, struct str text)
{
    if (!text.len)
        return NAME_NONE;
    bool found;
    uint64_t hash = hash_str(text);
    name_no name = find(names, text, hash, &found);
    if (found)
        return name;
    if (names->n >= names->max || !append(names, text, hash)) {
        names->n_overflowed++;
        return NAME_OTHER;
    }
    return names->n - 1;
}

uint32_t names_count(const struct names *names)
{
    return names->n;
}

uint64_t names_overflowed(const struct names *names)
{
    return names->n_overflowed;
}
