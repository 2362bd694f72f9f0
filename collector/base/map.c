/* map.c - linear probing, grown at three quarters; gone slots are swept when it is rebuilt. */
#include "collector/base/map.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 64u

void map_init(struct map *map)
{
    *map = (struct map){0};
}

void map_fini(struct map *map)
{
    free(map->slots);
    map_init(map);
}

void map_clear(struct map *map)
{
    if (map->slots)
        memset(map->slots, 0xff, (map->mask + 1) * sizeof(*map->slots));
    map->n = map->n_used = 0;
}

static void place(struct map *map, struct map_slot slot)
{
    size_t at = slot.hash & map->mask;
    while (map->slots[at].value != MAP_EMPTY)
        at = (at + 1) & map->mask;
    map->slots[at] = slot;
}

static bool rebuild(struct map *map, size_t n_slots)
{
    struct map old = *map;
    struct map_slot *slots = malloc(n_slots * sizeof(*slots));
    if (!slots)
        return false;
    memset(slots, 0xff, n_slots * sizeof(*slots));
    map->slots = slots;
    map->mask = n_slots - 1;
    map->n_used = map->n;
    for (size_t i = 0; old.slots && i <= old.mask; i++) {
        if (old.slots[i].value < MAP_GONE)
            place(map, old.slots[i]);
    }
    free(old.slots);
    return true;
}

bool map_add(struct map *map, uint64_t hash, uint32_t value)
{
    size_t n_slots = map->slots ? map->mask + 1 : 0;
    if ((map->n_used + 1) * 4 > n_slots * 3) {
        size_t wanted = n_slots ? n_slots : FIRST_SLOTS;
        if ((map->n + 1) * 2 > wanted)
            wanted *= 2;
        if (!rebuild(map, wanted))
            return false;
    }
    place(map, (struct map_slot){(uint32_t)(hash >> 32), value});
    map->n++;
    map->n_used++;
    return true;
}

/* NULL: there is none. */
static struct map_slot *slot_of(struct map *map, uint64_t hash, uint32_t value)
{
    if (!map->slots)
        return NULL;
    uint32_t upper = (uint32_t)(hash >> 32);
    size_t at = upper & map->mask;
    for (; map->slots[at].value != MAP_EMPTY; at = (at + 1) & map->mask) {
        if (map->slots[at].value == value && map->slots[at].hash == upper)
            return &map->slots[at];
    }
    return NULL;
}

bool map_remove(struct map *map, uint64_t hash, uint32_t value)
{
    struct map_slot *slot = slot_of(map, hash, value);
    if (!slot)
        return false;
    size_t at = (size_t)(slot - map->slots);
    bool last = map->slots[(at + 1) & map->mask].value == MAP_EMPTY;
    slot->value = last ? MAP_EMPTY : MAP_GONE;
    map->n--;
    map->n_used -= last;
    return true;
}

bool map_replace(struct map *map, uint64_t hash, uint32_t value, uint32_t by)
{
    struct map_slot *slot = slot_of(map, hash, value);
    if (slot)
        slot->value = by;
    return slot != NULL;
}
