/* mix.c - who calls a service for what, and how much of that mix changed: a service of which one
 * kind of visit no longer comes makes fewer of the calls that belong to it, and does nothing else
 * than before.
 */
#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

static bool comes_in(const struct pair *pair, uint32_t group, name_no operation)
{
    return pair->key.channel == TALLY_CALL && pair->key.peer == group &&
           (!operation || pair->key.name == operation);
}

double mix_lost(const struct work *work, uint32_t group, name_no operation)
{
    double all[2] = {0, 0}, lost = 0;
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        for (int t = 0; t < 2 && comes_in(pair, group, operation); t++)
            all[t] += (double)pair->t[t].n;
    }
    for (uint32_t i = 0; i < work->pairs->n && all[0] > 0 && all[1] > 0; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (!comes_in(pair, group, operation))
            continue;
        double n[2] = {(double)pair->t[0].n, (double)pair->t[1].n};
        double fewer = n[0] / all[0] - n[1] / all[1];
        /* Beyond chance: what is spread over many callers always changes a little. */
        if (fewer > 0 && two_proportions(n[1], all[1], n[0], all[0]) > SIGNIFICANT_Z)
            lost += fewer;
    }
    return lost;
}
