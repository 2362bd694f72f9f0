/* zones.c - calls that cross to another zone, where they stayed in their own before: whom they are
 * for no longer answers near its callers.
 */
#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

/* Calls of one caller's zone, in both times. */
struct of_zone {
    double n[2], crossing[2];
};

static struct of_zone calls_of_zone(const struct work *work, const struct pair *edge, name_no zone)
{
    struct of_zone calls = {0};
    uint32_t i, to;
    for (pairs_range(work->pairs, TALLY_ZONE, edge->key.node, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.peer != edge->key.peer || pair->key.name != zone)
            continue;
        for (int t = 0; t < 2; t++) {
            calls.n[t] += (double)pair->t[t].n;
            calls.crossing[t] += pair->key.detail != zone ? (double)pair->t[t].n : 0;
        }
    }
    return calls;
}

/* Has the zone been counted with an earlier pair of the edge? */
static bool is_counted(const struct work *work, const struct pair *edge, uint32_t from, uint32_t at)
{
    const struct pair *items = work->pairs->items;
    for (uint32_t i = from; i < at; i++) {
        if (items[i].key.peer == edge->key.peer && items[i].key.name == items[at].key.name)
            return true;
    }
    return false;
}

bool zones_shifted(const struct work *work, const struct pair *edge, struct zone_shift *shift)
{
    struct strata strata = {0};
    struct of_zone sum = {0};
    uint32_t from, to;
    pairs_range(work->pairs, TALLY_ZONE, edge->key.node, &from, &to);
    for (uint32_t i = from; i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.peer != edge->key.peer || is_counted(work, edge, from, i))
            continue;
        struct of_zone calls = calls_of_zone(work, edge, pair->key.name);
        strata_add(&strata, calls.crossing[0], calls.n[0], calls.crossing[1], calls.n[1]);
        for (int t = 0; t < 2; t++) {
            sum.n[t] += calls.n[t];
            sum.crossing[t] += calls.crossing[t];
        }
    }
    if (sum.n[0] <= 0 || sum.n[1] <= 0 || strata_z(&strata) < CROSSED_Z)
        return false;
    shift->was = sum.crossing[0] / sum.n[0];
    shift->is = sum.crossing[1] / sum.n[1];
    return shift->is > shift->was;
}
