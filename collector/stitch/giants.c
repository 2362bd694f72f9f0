/* giants.c - a table of hashes for each of a few traces; of two spans with one hash, which happens
 * to one in 10^12, the second is taken for the first. */
#include "collector/stitch/giants.h"

#include <stdlib.h>

#include "collector/base/hash.h"

#define MAX_GIANTS 8u
#define MAX_KEYS (UINT32_C(1) << 21) /* of one trace: 32 MiB */
#define FIRST_SLOTS (UINT32_C(1) << 18)

struct giant {
    struct trace_id id;
    uint64_t *slots;     /* open addressing, 0 is free; NULL: not used */
    uint32_t n, n_slots; /* a power of two, at least twice n */
};

struct giants {
    struct giant of[MAX_GIANTS];
    unsigned next; /* to give way */
};

struct giants *giants_new(void)
{
    return calloc(1, sizeof(struct giants));
}

void giants_free(struct giants *giants)
{
    for (unsigned i = 0; giants && i < MAX_GIANTS; i++)
        free(giants->of[i].slots);
    free(giants);
}

static const struct giant *find(const struct giants *giants, struct trace_id id)
{
    for (unsigned i = 0; i < MAX_GIANTS; i++) {
        if (giants->of[i].slots && trace_id_eq(giants->of[i].id, id))
            return &giants->of[i];
    }
    return NULL;
}

bool giants_know(const struct giants *giants, struct trace_id id)
{
    return find(giants, id) != NULL;
}

static uint64_t key_of(uint64_t span_id, uint64_t start_ns)
{
    uint64_t key = hash_u64(span_id ^ start_ns * UINT64_C(0x9e3779b97f4a7c15));
    return key ? key : 1;
}

static uint64_t *slot_of(const struct giant *giant, uint64_t key)
{
    uint32_t at = (uint32_t)(key >> 32) & (giant->n_slots - 1);
    while (giant->slots[at] && giant->slots[at] != key)
        at = (at + 1) & (giant->n_slots - 1);
    return &giant->slots[at];
}

static bool grow(struct giant *giant)
{
    struct giant wider = *giant;
    wider.n_slots = giant->slots ? 2 * giant->n_slots : FIRST_SLOTS;
    wider.slots = calloc(wider.n_slots, sizeof(*wider.slots));
    if (!wider.slots)
        return false;
    for (uint32_t i = 0; giant->slots && i < giant->n_slots; i++) {
        if (giant->slots[i])
            *slot_of(&wider, giant->slots[i]) = giant->slots[i];
    }
    free(giant->slots);
    *giant = wider;
    return true;
}

static struct giant *take_over(struct giants *giants, struct trace_id id)
{
    struct giant *giant = &giants->of[giants->next];
    giants->next = (giants->next + 1) % MAX_GIANTS;
    free(giant->slots);
    *giant = (struct giant){.id = id};
    return grow(giant) ? giant : NULL;
}

void giants_add(struct giants *giants, struct trace_id id, uint64_t span_id, uint64_t start_ns)
{
    struct giant *giant = (struct giant *)find(giants, id);
    giant = giant ? giant : take_over(giants, id);
    if (!giant || giant->n == MAX_KEYS || (2 * giant->n >= giant->n_slots && !grow(giant)))
        return;
    uint64_t *slot = slot_of(giant, key_of(span_id, start_ns));
    giant->n += !*slot;
    *slot = key_of(span_id, start_ns);
}

bool giants_has(const struct giants *giants, struct trace_id id, uint64_t span_id,
                uint64_t start_ns)
{
    const struct giant *giant = find(giants, id);
    return giant && *slot_of(giant, key_of(span_id, start_ns));
}
