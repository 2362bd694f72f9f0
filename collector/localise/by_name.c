/* by_name.c - by what name a service's calls leave: where a span of the caller's own is all that is
 * left of a call, because nobody answered it, its name tells whose it was.
 */
#include <stdlib.h>

#include "collector/base/order.h"
#include "collector/localise/work.h"

/* Of normal times; in order of caller and name. */
struct leaving {
    uint32_t caller, callee; /* services */
    name_no name;
    bool asked; /* the caller's visits have that name too */
};

static int compare(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int by_caller(const void *a, const void *b)
{
    const struct leaving *x = a, *y = b;
    int order = compare(x->caller, y->caller);
    order = order ? order : compare(x->name, y->name);
    return order ? order : compare(x->callee, y->callee);
}

/* The first of them that is not before this; n without. */
static uint32_t first_of(const struct work *work, uint32_t caller, name_no name)
{
    struct leaving wanted = {.caller = caller, .name = name, .callee = 0};
    return first_not_before(work->leaving, work->n_leaving, sizeof(wanted), &wanted, by_caller);
}

static bool is_of(const struct work *work, uint32_t i, uint32_t caller, name_no name)
{
    return i < work->n_leaving && work->leaving[i].caller == caller &&
           work->leaving[i].name == name;
}

static void mark_asked(struct work *work, const struct rollup *rollup)
{
    for (uint32_t i = 0; i < rollup->n; i++) {
        const struct tally_key *key = &rollup->items[i].key;
        uint32_t caller = work->services.of_node[key->node];
        if (key->channel != TALLY_FLOW || caller == NO_GROUP)
            continue;
        for (uint32_t k = first_of(work, caller, key->name); is_of(work, k, caller, key->name); k++)
            work->leaving[k].asked = true;
    }
}

bool leaving_make(struct work *work)
{
    const struct rollup *normal = work->input->normal;
    work->n_leaving = 0;
    work->leaving = arena_alloc(work->arena, (normal->n + 1) * sizeof(*work->leaving));
    if (!work->leaving)
        return false;
    for (uint32_t i = 0; i < normal->n; i++) {
        const struct tally_key *key = &normal->items[i].key;
        uint32_t caller = work->services.of_node[key->node],
                 callee = work->services.of_node[key->peer];
        if (key->channel == TALLY_OUT && normal->items[i].n > 0 && caller != NO_GROUP &&
            callee != NO_GROUP)
            work->leaving[work->n_leaving++] =
                (struct leaving){.caller = caller, .callee = callee, .name = key->name};
    }
    qsort(work->leaving, work->n_leaving, sizeof(*work->leaving), by_caller);
    mark_asked(work, normal);
    mark_asked(work, work->input->now);
    return true;
}

bool may_lead_to(const struct work *work, uint32_t caller, uint32_t callee, name_no name)
{
    uint32_t first = first_of(work, caller, name);
    for (uint32_t i = first; is_of(work, i, caller, name); i++) {
        if (work->leaving[i].callee == callee)
            return true;
    }
    return !is_of(work, first, caller, name);
}

uint32_t leads_to(const struct work *work, uint32_t caller, name_no name)
{
    uint32_t first = first_of(work, caller, name);
    if (!is_of(work, first, caller, name) || work->leaving[first].asked)
        return NO_GROUP;
    for (uint32_t i = first; is_of(work, i, caller, name); i++) {
        if (work->leaving[i].callee != work->leaving[first].callee)
            return NO_GROUP;
    }
    return work->leaving[first].callee;
}
