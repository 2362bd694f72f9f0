/* own_steps.c - what a service does in its visits besides calls: work whose spans name nobody, a
 * function of its own, or a database without attributes. Some of it is new: where nothing says
 * which span is a call, one without an answer is. Some is done no more.
 *
 * Nobody counts for which operation such a step is made. So that other requests than before are no
 * fault, it counts as missing only when it became rarer than the operation that lost most.
 */
#include <math.h>

#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

/* ---- steps ---- */

/* How often a service did what a pair of SELF is of, beside what it was asked for by that name.
 * False where another pair of the same name counts it. */
static bool count_step(const struct work *work, const struct pair *pair, double n[2])
{
    struct tally_key key = pair->key;
    double asked[2];
    key.what = pair->key.what == SELF_CALM ? SELF_TROUBLED : SELF_CALM;
    const struct pair *other = pairs_find(&work->by_service, &key);
    if (other && other < pair)
        return false;
    count_visits(work, pair->key.node, pair->key.name, asked);
    for (int t = 0; t < 2; t++)
        n[t] = fmax(0, (double)(pair->t[t].n + (other ? other->t[t].n : 0)) - asked[t]);
    return true;
}

/* ---- new ones ---- */

/* Steps a visit, of a kind that the service's visits did not use to have. */
static double new_steps(const struct work *work, uint32_t service)
{
    double visits[2], more = 0;
    uint32_t i, to;
    count_visits(work, service, NAME_NONE, visits);
    for (pairs_range(&work->by_service, TALLY_SELF, service, &i, &to);
         i < to && visits[0] > 0 && visits[1] > 0; i++) {
        double n[2];
        if (!count_step(work, &work->by_service.items[i], n))
            continue;
        double was = n[0] / visits[0], is = n[1] / visits[1];
        if (was < NEW_STEP_LEFT * is && rates_z(n[0], visits[0], n[1], visits[1]) > SIGNIFICANT_Z)
            more += is - was;
    }
    return more;
}

bool own_steps_measure(struct work *work)
{
    work->new_steps = arena_alloc(work->arena, (work->services.n + 1) * sizeof(double));
    for (uint32_t service = 0; work->new_steps && service < work->services.n; service++)
        work->new_steps[service] = new_steps(work, service);
    return work->new_steps;
}

/* ---- gone ones ---- */

/* Visits of one service. */
struct stay {
    double visits[2]; /* now: but for those that failed, or stopped, as never before */
    double least;     /* by how many times the share of its rarest operation is another, 0…1 */
};

static struct stay stay_of(const struct work *work, uint32_t service)
{
    struct stay stay = {.least = 1};
    double all[2], rest[2] = {0, 0}, told = 0;
    uint32_t n;
    count_visits(work, service, NAME_NONE, all);
    const struct visits *kind = visits_of_group(work, service, &n);
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
                              .done = pair,
                              .metric = STR("steps_a_visit"),
                              .text = say(work, "%.*s does %.*s less: %.3g → %.3g times a visit",
                                          STR_ARG(level_name(work, pair->key.node)),
                                          STR_ARG(name_text(work, pair->key.name)), was, is)};
    blame(work, &finding);
}

static void find_gone(struct work *work, uint32_t service)
{
    struct stay stay = stay_of(work, service);
    uint32_t i, to;
    if (stay.visits[0] < MIN_TIMES || stay.visits[1] < MIN_TIMES || stay.least <= 0)
        return;
    for (pairs_range(&work->by_service, TALLY_SELF, service, &i, &to); i < to; i++) {
        const struct pair *pair = &work->by_service.items[i];
        double n[2];
        if (!count_step(work, pair, n) || n[0] < MIN_TIMES)
            continue;
        work->n_tests[TEST_TRAFFIC]++;
        double expected[2] = {stay.visits[0] / stay.least, stay.visits[1]};
        double was = n[0] / expected[0], is = n[1] / expected[1], z = calls_z(n, expected);
        bool renamed = work->new_steps[service] >= NAMELESS_LEAST * (was - is);
        if (is * TRAFFIC_FACTOR <= was && z < 0 && !renamed)
            blame_step(work, pair, &stay, n, z);
    }
}

void find_own_steps(struct work *work)
{
    for (uint32_t service = 0; service < work->services.n; service++)
        find_gone(work, service);
}
