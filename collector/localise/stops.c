/* stops.c - visits that end after a step they used to go beyond.
 *
 * After a call, either its caller stops by itself or the callee gave it no reason to go on. A
 * callee does that to whoever calls it: where most of its calls are still followed by others, it is
 * the caller. And it is rather the caller where the callee does all else as ever.
 */
#include <math.h>

#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

/* Of all calls to a callee. */
struct stopped {
    double calls, last; /* now: all; those beyond normal that were the last of a visit */
    bool odd;           /* besides something changed there, or nobody could see it */
};

/* The pairs of one service: [from, to), and the visits of each one's operation. */
struct steps_of {
    uint32_t from, to;
    const double (*visits)[2];
};

static bool is_last_call(const struct pair *pair)
{
    return pair->key.what == FLOW_CALL && pair->key.peer != NO_GROUP;
}

static double visits_z(const struct pair *pair, const double visits[2])
{
    return two_proportions((double)pair->t[0].n, visits[0], (double)pair->t[1].n, visits[1]);
}

static double more_visits(const struct pair *pair, const double visits[2])
{
    return (double)pair->t[1].n / visits[1] - (double)pair->t[0].n / visits[0];
}

/* ---- callees ---- */

/* Do its own visits end otherwise than they did? */
static bool ends_otherwise(const struct work *work, uint32_t group)
{
    uint32_t i, to;
    double visits[2];
    for (pairs_range(work->pairs, TALLY_FLOW, group, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        count_visits(work, group, pair->key.name, visits);
        if (visits[0] > 0 && visits[1] > 0 && visits_z(pair, visits) > SIGNIFICANT_Z)
            return true;
    }
    return false;
}

/* Known so far: own times, ways and failures. */
static bool is_found_odd(const struct work *work, uint32_t group)
{
    for (uint32_t i = 0; i < work->n_candidates; i++) {
        const struct finding *at = work->candidates[i].findings;
        for (; at && work->candidates[i].group == group; at = at->next) {
            if (at->z > SIGNIFICANT_Z)
                return true;
        }
    }
    return false;
}

/* By group of the level; NULL when memory is short. */
static struct stopped *stopped_at(const struct work *work)
{
    struct stopped *stopped = arena_calloc(work->arena, (work->level->n + 1) * sizeof(*stopped));
    double visits[2];
    for (uint32_t i = 0; i < work->pairs->n && stopped; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.channel == TALLY_CALL && pair->key.peer != NO_GROUP)
            stopped[pair->key.peer].calls += (double)pair->t[1].n;
        if (pair->key.channel != TALLY_FLOW || !is_last_call(pair))
            continue;
        count_visits(work, pair->key.node, pair->key.name, visits);
        if (visits[0] > 0 && visits[1] > 0)
            stopped[pair->key.peer].last += fmax(0, more_visits(pair, visits) * visits[1]);
    }
    for (uint32_t group = 0; group < work->level->n && stopped; group++) {
        if (stopped[group].last > 0)
            stopped[group].odd = !pairs_any(work->pairs, TALLY_FLOW, group) ||
                                 ends_otherwise(work, group) || is_found_odd(work, group);
    }
    return stopped;
}

/* The callee's part of a stop after a call to it, 0…1. `rise`: of the caller's visits. */
static double callee_part(const struct stopped *callee, double rise)
{
    double followed = callee->calls > 0 ? fmin(1, callee->last / callee->calls / rise) : 1;
    double odds = FLOW_CALLEE * pow(followed, END_POWER) * (callee->odd ? 1 : FLOW_AS_EVER);
    return odds / (odds + FLOW_CALLER);
}

/* ---- findings ---- */

static struct str step_text(struct work *work, const struct pair *pair)
{
    if (pair->key.what == FLOW_CALL)
        return say(work, "after calling %.*s", STR_ARG(level_name(work, pair->key.peer)));
    return pair->key.what == FLOW_LOCAL ? STR("after a step of its own")
                                        : STR("without calling anybody");
}

/* The same step after all operations of a service. */
static double all_stops_z(const struct work *work, const struct pair *pair,
                          const struct steps_of *steps)
{
    struct strata strata = {0};
    for (uint32_t i = steps->from; i < steps->to; i++) {
        const struct pair *other = &work->pairs->items[i];
        const double *visits = steps->visits[i - steps->from];
        if (other->key.what == pair->key.what && other->key.peer == pair->key.peer)
            strata_add(&strata, (double)other->t[0].n, visits[0], (double)other->t[1].n, visits[1]);
    }
    return strata_z(&strata);
}

static struct finding stop_finding(struct work *work, const struct pair *pair,
                                   const double visits[2])
{
    double was = (double)pair->t[0].n / visits[0], is = (double)pair->t[1].n / visits[1];
    return (struct finding){
        .channel = CHANNEL_FLOW,
        .kind = EVIDENCE_FLOW,
        .unit = UNIT_RATIO,
        .test = TEST_FLOW,
        .z = visits_z(pair, visits),
        .baseline = was,
        .observed = is,
        .operation = pair->key.name,
        .metric = STR("stops_here"),
        .text = say(work, "%.*s %.*s: %.*s of visits end %.*s (normal %.*s)",
                    STR_ARG(level_name(work, pair->key.node)),
                    STR_ARG(name_text(work, pair->key.name)), STR_ARG(say_share(work, is)),
                    STR_ARG(step_text(work, pair)), STR_ARG(say_share(work, was)))};
}

static void blame_stop(struct work *work, const struct pair *pair, const double visits[2],
                       double all_z, const struct stopped *stopped)
{
    double rise = more_visits(pair, visits), calls = visits[1] / (double)work->requests[1].n;
    struct finding finding = stop_finding(work, pair, visits);
    finding.all_z = all_z;
    if (finding.z > SIGNIFICANT_Z)
        rise -= mix_lost(work, pair->key.node, pair->key.name);
    if (rise <= 0)
        return;
    double value = rise * fmin(1, FLOW_STEEPNESS * rise) * calls;
    if (!is_last_call(pair)) {
        finding.value = value;
        finding.group = pair->key.node;
        finding.peer = NO_GROUP;
        blame(work, &finding);
        return;
    }
    double callees = callee_part(&stopped[pair->key.peer], rise);
    blame_end(work, pair, 0, value * (1 - callees), &finding);
    finding.operation = NAME_NONE;
    blame_end(work, pair, 1, value * callees, &finding);
}

/* Does the pair begin another step than the ones before it? */
static bool is_first_of_step(const struct work *work, uint32_t from, uint32_t at)
{
    const struct tally_key *key = &work->pairs->items[at].key;
    for (uint32_t i = from; i < at; i++) {
        const struct tally_key *before = &work->pairs->items[i].key;
        if (before->what == key->what && before->peer == key->peer)
            return false;
    }
    return true;
}

static void find_stops(struct work *work, uint32_t from, uint32_t to, const struct stopped *stopped)
{
    double(*visits)[2] = arena_alloc(work->arena, (to - from) * sizeof(*visits));
    if (!visits) {
        work->memory_short = true;
        return;
    }
    for (uint32_t i = from; i < to; i++) {
        const struct tally_key *key = &work->pairs->items[i].key;
        count_visits(work, key->node, key->name, visits[i - from]);
    }
    const struct steps_of steps = {from, to, visits};
    for (uint32_t i = from; i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        const double *all = visits[i - from];
        if (is_failed_visit(pair))
            continue;
        work->n_tests[TEST_FLOW] += pair->t[0].n + pair->t[1].n >= TEST_EVENTS;
        work->n_tests[TEST_FLOW_ALL] += is_first_of_step(work, from, i);
        if (all[0] > 0 && (double)pair->t[1].n * all[0] > (double)pair->t[0].n * all[1])
            blame_stop(work, pair, all, all_stops_z(work, pair, &steps), stopped);
    }
}

void find_flow(struct work *work)
{
    const struct stopped *stopped = stopped_at(work);
    work->memory_short = work->memory_short || !stopped;
    for (uint32_t group = 0; group < work->level->n && stopped; group++) {
        uint32_t from, to;
        pairs_range(work->pairs, TALLY_FLOW, group, &from, &to);
        if (from < to)
            find_stops(work, from, to, stopped);
    }
}
