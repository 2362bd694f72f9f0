/* repeats.c - two generations of lines: the older goes when the younger is full. What is found in
 * the older one is young again.
 */
#include "collector/decode/repeats.h"

#include <stdlib.h>

#include "collector/base/map.h"
#include "collector/model/access_id.h"

#define WORD STR("#repeated ")

struct counted {
    uint64_t id;
    uint32_t n;     /* how many of them came */
    uint32_t piece; /* the last that holds one */
};

struct generation {
    struct map map; /* a line's id -> its place in `lines` */
    struct counted *lines;
    uint32_t n;
};

struct repeats {
    struct generation young, old;
    uint32_t piece;
};

static bool begin(struct generation *generation)
{
    map_init(&generation->map);
    generation->n = 0;
    generation->lines = malloc(REPEATS_REMEMBERED * sizeof(*generation->lines));
    return generation->lines != NULL;
}

static void end(struct generation *generation)
{
    map_fini(&generation->map);
    free(generation->lines);
}

struct repeats *repeats_new(void)
{
    struct repeats *repeats = calloc(1, sizeof(*repeats));
    if (repeats && begin(&repeats->young) && begin(&repeats->old))
        return repeats;
    repeats_free(repeats);
    return NULL;
}

void repeats_free(struct repeats *repeats)
{
    if (!repeats)
        return;
    end(&repeats->young);
    end(&repeats->old);
    free(repeats);
}

static struct counted *find(struct generation *generation, uint64_t id)
{
    for (struct map_iter it = map_find(&generation->map, id); map_next(&generation->map, &it);) {
        if (generation->lines[it.value].id == id)
            return &generation->lines[it.value];
    }
    return NULL;
}

/* NULL when memory is short. */
static struct counted *remember(struct repeats *repeats, struct counted line)
{
    if (repeats->young.n == REPEATS_REMEMBERED) {
        struct generation full = repeats->young;
        repeats->young = repeats->old;
        repeats->old = full;
        map_clear(&repeats->young.map);
        repeats->young.n = 0;
    }
    struct generation *young = &repeats->young;
    if (!map_add(&young->map, line.id, young->n))
        return NULL;
    young->lines[young->n] = line;
    return &young->lines[young->n++];
}

/* Counts one line; *before is how many to tell of, 0: none. False when memory is short. */
static bool count_line(struct repeats *repeats, uint64_t id, uint32_t *before)
{
    struct counted *line = find(&repeats->young, id);
    *before = 0;
    if (!line) {
        const struct counted *older = find(&repeats->old, id);
        line = remember(repeats, older ? *older : (struct counted){.id = id});
    }
    if (!line)
        return false;
    if (line->n && line->piece != repeats->piece)
        *before = line->n;
    line->piece = repeats->piece;
    line->n++;
    return true;
}

bool repeats_write(struct repeats *repeats, struct str piece, struct buf *out)
{
    struct str line, rest = piece;
    const char *copied = piece.p; /* up to here */
    repeats->piece++;
    while (rest.len) {
        const char *at = rest.p;
        uint32_t before;
        str_cut(rest, '\n', &line, &rest);
        line = str_trim(line);
        if (!line.len)
            continue;
        if (!count_line(repeats, access_id_of(line), &before))
            return false;
        if (!before)
            continue;
        buf_add(out, copied, (size_t)(at - copied));
        buf_add_str(out, WORD);
        buf_add_u64(out, before);
        buf_add_char(out, '\n');
        copied = at;
    }
    buf_add(out, copied, (size_t)(piece.p + piece.len - copied));
    return !buf_failed(out);
}

bool repeats_line(struct str line, uint32_t *n)
{
    uint64_t number;
    if (!str_starts(line, WORD) || !str_to_u64(str_skip(line, WORD.len), &number) ||
        number > UINT32_MAX)
        return false;
    *n = (uint32_t)number;
    return true;
}
