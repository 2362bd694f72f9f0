/* own_steps.c - what a service did in its visits and does no more: work that no call tells of, for
 * its spans name nobody (a database without attributes, a function of its own).
 *
 * Nobody counts for which operation such a step is made. So that other requests than before are no
 * fault, it counts as missing only when it became rarer than the operation that lost most.
 */
#include <math.h>

#include "collector/localise/missing_internal.h"
#include "collector/localise/statistics.h"

/* Visits of one service. */
struct stay {
    double visits[2]; /* now: but for those that failed, or stopped, as never before */
    double least;     /* by how many times the share of its rarest operation is another, 0…1 */
};

static struct stay stay_of(const struct work *work, uint32_t group)
{
    struct stay stay = {.least = 1};
    double all[2], rest[2] = {0, 0}, told = 0;
    uint32_t n;
    count_visits(work, group, NAME_NONE, all);
    const struct visits *kind = visits_of_group(work, group, &n);
    if (n == 0) /* nobody says for what it was visited */
        return stay;
    for (; n > 0 && all[0] > 0 && all[1] > 0; kind++, n--) {
        double more =
            kind->n[0] > 0 ? kind->failed[1] - kind->failed[0] / kind->n[0] * kind->n[1] : 0;
        told += fmax(0, more) + kind->stopped;
        if (kind->n[0] >= MIN_TIMES)
            stay.least = fmin(stay.least, (kind->n[1] / all[1]) / (kind->n[0] / all[0]));
        else
            for (int t = 0; t < 2; t++)
                rest[t] += kind->n[t];
    }
    if (rest[0] >= MIN_TIMES)
        stay.least = fmin(stay.least, (rest[1] / all[1]) / (rest[0] / all[0]));
    stay.visits[0] = all[0];
    stay.visits[1] = fmax(0, all[1] - told);
    return stay;
}

static void blame_step(struct work *work, const struct pair *pair, const struct stay *stay,
                       const double n[2], double z)
{
    double was = n[0] / stay->visits[0], is = n[1] / stay->visits[1];
    double share = fmin(1, stay->visits[1] / (double)work->requests[1].n);
    struct finding finding = {.channel = CHANNEL_TRAFFIC,
                              .kind = EVIDENCE_TRAFFIC,
                              .unit = UNIT_RATIO,
                              .value =
                                  TRAFFIC_WEIGHT * share * fmin(1, was) * (stay->least - is / was),
                              .test = TEST_TRAFFIC,
                              .z = -z,
                              .baseline = was,
                              .observed = is,
                              .group = pair->key.node,
                              .peer = NO_GROUP,
                              .metric = STR("steps_a_visit"),
                              .text = say(work, "%.*s does %.*s less: %.3g → %.3g times a visit",
                                          STR_ARG(level_name(work, pair->key.node)),
                                          STR_ARG(name_text(work, pair->key.name)), was, is)};
    blame(work, &finding);
}

/* [from, to): the own times of one service. */
static void find_gone(struct work *work, uint32_t from, uint32_t to)
{
    uint32_t group = work->pairs->items[from].key.node;
    struct stay stay = stay_of(work, group);
    double renamed = missing_new_steps(work, group);
    if (stay.visits[0] < MIN_TIMES || stay.visits[1] < MIN_TIMES || stay.least <= 0)
        return;
    for (uint32_t i = from; i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        double n[2];
        if (!count_own_step(work, pair, n) || n[0] < MIN_TIMES)
            continue;
        work->n_tests[TEST_TRAFFIC]++;
        double expected[2] = {stay.visits[0] / stay.least, stay.visits[1]};
        double was = n[0] / expected[0], is = n[1] / expected[1], z = calls_z(n, expected);
        if (is * TRAFFIC_FACTOR <= was && z < 0 && renamed < NAMELESS_LEAST * (was - is))
            blame_step(work, pair, &stay, n, z);
    }
}

void find_own_steps(struct work *work)
{
    for (uint32_t group = 0; group < work->level->n; group++) {
        uint32_t from, to;
        pairs_range(work->pairs, TALLY_SELF, group, &from, &to);
        if (from < to)
            find_gone(work, from, to);
    }
}
