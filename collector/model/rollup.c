/* rollup.c - tallies in a growing array, found by their keys' hash. */
#include "collector/model/rollup.h"

#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/model/span.h"

void rollup_init(struct rollup *rollup, uint32_t max)
{
    *rollup = (struct rollup){.max = max};
    map_init(&rollup->map);
}

void rollup_clear(struct rollup *rollup)
{
    for (uint32_t i = 0; i < rollup->n; i++)
        histogram_fini(&rollup->items[i].histogram);
    rollup->n = 0;
    map_clear(&rollup->map);
}

void rollup_fini(struct rollup *rollup)
{
    rollup_clear(rollup);
    free(rollup->items);
    map_fini(&rollup->map);
    rollup_init(rollup, rollup->max);
}

uint32_t rollup_step_s(uint64_t window_ns)
{
    uint64_t seconds = window_ns / UINT64_C(1000000000);
    uint32_t step = seconds < ROLLUP_MINUTE_S ? (uint32_t)seconds : ROLLUP_MINUTE_S;
    while (step > 1 && ROLLUP_MINUTE_S % step)
        step--;
    return step ? step : 1;
}

static uint64_t key_hash(const struct tally_key *key, uint32_t step)
{
    uint64_t hash =
        hash_u128((uint64_t)key->node << 32 | key->peer, (uint64_t)key->name << 32 | key->detail);
    return hash_mix(hash, (uint64_t)step << 16 | (uint64_t)key->channel << 8 | key->what);
}

static bool grow(struct rollup *rollup)
{
    uint32_t cap = rollup->cap ? 2 * rollup->cap : 64;
    struct tally *grown = realloc(rollup->items, cap * sizeof(*grown));
    if (!grown)
        return false;
    rollup->items = grown;
    rollup->cap = cap;
    return true;
}

static inline struct tally *find(const struct rollup *rollup, const struct tally_key *key,
                                 uint32_t step, uint64_t hash)
{
    for (struct map_iter it = map_find(&rollup->map, hash); map_next(&rollup->map, &it);) {
        struct tally *tally = &rollup->items[it.value];
        if (tally->step == step && tally_key_eq(&tally->key, key))
            return tally;
    }
    return NULL;
}

const struct tally *rollup_find(const struct rollup *rollup, const struct tally_key *key,
                                uint32_t step)
{
    return find(rollup, key, step, key_hash(key, step));
}

struct tally *rollup_tally(struct rollup *rollup, const struct tally_key *key, uint32_t step)
{
    uint64_t hash = key_hash(key, step);
    struct tally *found = find(rollup, key, step, hash);
    if (found)
        return found;
    if (rollup->n >= rollup->max) {
        rollup->n_over++;
        return NULL;
    }
    if ((rollup->n == rollup->cap && !grow(rollup)) || !map_add(&rollup->map, hash, rollup->n))
        return NULL;
    struct tally *tally = &rollup->items[rollup->n++];
    *tally = (struct tally){.key = *key, .step = step};
    return tally;
}

bool tally_time(struct tally *tally, uint64_t ns, int sign)
{
    if (ns == DURATION_UNKNOWN)
        return true;
    tally->sum_ns += sign * (int64_t)ns;
    return histogram_add(&tally->histogram, ns, sign);
}

bool tally_merge(struct tally *into, const struct tally *from)
{
    into->n += from->n;
    into->bad += from->bad;
    into->client_errors += from->client_errors;
    into->origins += from->origins;
    into->retries += from->retries;
    into->recovered += from->recovered;
    into->sum_ns += from->sum_ns;
    return histogram_merge(&into->histogram, &from->histogram);
}

bool tally_is_empty(const struct tally *tally)
{
    return tally->n == 0 && tally->bad == 0;
}
