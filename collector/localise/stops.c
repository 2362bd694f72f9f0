/* stops.c - visits that end after a step they used to go beyond.
 *
 * After a call, either its caller stops by itself or the callee gave it no reason to go on. A
 * callee does that to whoever calls it: where most of its calls are still followed by others, it is
 * the caller; where several callers stop after it, it is the callee. And it is rather the caller
 * where the callee does all else as ever.
 *
 * Whose own visits stop as well passes it on: A stops after B because B stopped after C. What A
 * spoils so is told where the way down ends.
 */
#include <math.h>
#include <stdlib.h>

#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

/* A step after which more visits end than before. */
struct stop {
    const struct pair *pair;
    double visits[2]; /* of its operation */
    double z, all_z;
    double more;  /* visits of now */
    double value; /* what it spoils by itself */
    double total; /* … with what its callers spoil by it */
    enum { NOT_ADDED, ADDING, ADDED } state;
};

/* What is known of a group in this. */
struct stopper {
    double own;          /* visits of its own that stop, beyond chance */
    double failed;       /* … that fail, and did not */
    double last_sure;    /* now: calls to it that end a visit and did not, beyond chance */
    bool odd;            /* besides something changed there, or nobody could see it */
    struct missing next; /* whom its visits that stop would have called next; its share 0: nobody */
};

/* What one asks of another by an operation. */
struct called {
    uint32_t callee;
    name_no operation;
    double calls, last; /* now: but for those that always end a visit; those that do and did not */
    unsigned n_callers; /* that stop after it, beyond chance: by what they were asked for */
};

struct stops {
    struct work *work;
    struct stop *items;
    uint32_t n;
    struct stopper *of; /* by group of the level */
    struct called *called;
    uint32_t n_called;
};

static bool is_last_call(const struct pair *pair)
{
    return pair->key.what == FLOW_CALL && pair->key.peer != NO_GROUP &&
           pair->key.peer != pair->key.node;
}

static bool is_sure(const struct stop *stop)
{
    return stop->z > SIGNIFICANT_Z;
}

/* ---- what stops ---- */

/* The pairs of a service's visits are [from, to): the same step after all its operations. */
static double all_stops_z(const struct work *work, const struct pair *pair, uint32_t from,
                          uint32_t to)
{
    struct strata strata = {0};
    for (uint32_t i = from; i < to; i++) {
        const struct pair *other = &work->pairs->items[i];
        double visits[2];
        if (other->key.what != pair->key.what || other->key.peer != pair->key.peer)
            continue;
        count_visits(work, pair->key.node, other->key.name, visits);
        strata_add(&strata, (double)other->t[0].n, visits[0], (double)other->t[1].n, visits[1]);
    }
    return strata_z(&strata);
}

static void add_stop(struct stops *stops, const struct pair *pair, uint32_t from, uint32_t to)
{
    const struct work *work = stops->work;
    struct stop stop = {.pair = pair};
    count_visits(work, pair->key.node, pair->key.name, stop.visits);
    if (stop.visits[0] <= 0 || stop.visits[1] <= 0)
        return;
    double was = (double)pair->t[0].n / stop.visits[0], is = (double)pair->t[1].n / stop.visits[1];
    double rise = is - was;
    if (rise <= 0)
        return;
    stop.z =
        two_proportions((double)pair->t[0].n, stop.visits[0], (double)pair->t[1].n, stop.visits[1]);
    if (is_sure(&stop))
        rise -= mix_lost(work, pair->key.node, pair->key.name);
    if (rise <= 0)
        return;
    stop.all_z = all_stops_z(work, pair, from, to);
    stop.more = rise * stop.visits[1];
    stop.value =
        rise * fmin(1, FLOW_STEEPNESS * rise) * stop.visits[1] / (double)work->requests[1].n;
    stops->items[stops->n++] = stop;
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

static void collect(struct stops *stops, uint32_t group)
{
    struct work *work = stops->work;
    uint32_t from, to;
    pairs_range(work->pairs, TALLY_FLOW, group, &from, &to);
    for (uint32_t i = from; i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (is_failed_visit(pair))
            continue;
        work->n_tests[TEST_FLOW] += pair->t[0].n + pair->t[1].n >= TEST_EVENTS;
        work->n_tests[TEST_FLOW_ALL] += is_first_of_step(work, from, i);
        add_stop(stops, pair, from, to);
    }
}

/* ---- who stops, and after whom ---- */

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

static int by_called(const void *a, const void *b)
{
    const struct called *x = a, *y = b;
    int order = (x->callee > y->callee) - (x->callee < y->callee);
    return order ? order : (x->operation > y->operation) - (x->operation < y->operation);
}

/* All that visits end with. */
static bool make_called(struct stops *stops)
{
    const struct work *work = stops->work;
    uint32_t n = 0, kept = 0;
    stops->called = arena_alloc(work->arena, (work->pairs->n + 1) * sizeof(*stops->called));
    for (uint32_t i = 0; i < work->pairs->n && stops->called; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.channel == TALLY_FLOW && is_last_call(pair))
            stops->called[n++] =
                (struct called){.callee = pair->key.peer, .operation = pair->key.detail};
    }
    if (n)
        qsort(stops->called, n, sizeof(*stops->called), by_called);
    for (uint32_t i = 0; i < n; i++) {
        if (kept == 0 || by_called(&stops->called[kept - 1], &stops->called[i]) != 0)
            stops->called[kept++] = stops->called[i];
    }
    stops->n_called = kept;
    return stops->called;
}

/* The call; of a file that does not tell operations, to that callee. NULL: no visit ends with it.
 */
static struct called *called_by(const struct stops *stops, uint32_t callee, name_no operation)
{
    struct called wanted = {.callee = callee, .operation = operation};
    struct called *found = stops->n_called ? bsearch(&wanted, stops->called, stops->n_called,
                                                     sizeof(wanted), by_called)
                                           : NULL;
    return found || !operation ? found : called_by(stops, callee, NAME_NONE);
}

static void count_stop(struct stops *stops, const struct stop *stop)
{
    const struct tally_key *key = &stop->pair->key;
    stops->of[key->node].own += is_sure(stop) ? stop->more : 0;
    if (!is_last_call(stop->pair))
        return;
    struct called *called = called_by(stops, key->peer, key->detail);
    called->last += stop->more;
    called->n_callers += is_sure(stop);
    stops->of[key->peer].last_sure += is_sure(stop) ? stop->more : 0;
}

static void count_calls(struct stops *stops)
{
    const struct work *work = stops->work;
    for (uint32_t i = 0; i < work->pairs->n; i++) {
        const struct pair *pair = &work->pairs->items[i];
        const struct tally_key *key = &pair->key;
        double visits[2];
        bool last = key->channel == TALLY_FLOW && is_last_call(pair);
        struct called *called = key->channel == TALLY_CALL ? called_by(stops, key->peer, key->name)
                                : last ? called_by(stops, key->peer, key->detail)
                                       : NULL;
        if (!called)
            continue;
        count_visits(work, key->node, key->name, visits);
        if (!last)
            called->calls += (double)pair->t[1].n;
        else if (visits[0] > 0)
            called->calls -= (double)pair->t[0].n / visits[0] * visits[1];
    }
}

static void count_stops(struct stops *stops)
{
    const struct work *work = stops->work;
    count_calls(stops);
    for (uint32_t i = 0; i < stops->n; i++)
        count_stop(stops, &stops->items[i]);
    for (uint32_t group = 0; group < work->level->n; group++) {
        struct stopper *stopper = &stops->of[group];
        double visits[2];
        stopper->next.callee = NO_GROUP;
        if (stopper->own > 0)
            missing_next(work, group, &stopper->next);
        if (stopper->last_sure <= 0)
            continue;
        count_visits(work, group, NAME_NONE, visits);
        stopper->failed = newly_failed(work, group, visits);
        stopper->odd = !pairs_any(work->pairs, TALLY_FLOW, group) || stopper->own > 0 ||
                       stopper->failed >= TEST_EVENTS || is_found_odd(work, group) ||
                       is_own_time_shorter(work, group);
    }
}

/* ---- whose it is ---- */

/* The callee's visits that stop after calling back: who calls each other tell nothing of each
 * other.
 */
static double stops_back(const struct stops *stops, const struct tally_key *key)
{
    double back = 0;
    for (uint32_t i = 0; i < stops->n; i++) {
        const struct stop *own = &stops->items[i];
        if (own->pair->key.node == key->peer && own->pair->key.peer == key->node && is_sure(own))
            back += own->more;
    }
    return back;
}

/* How much of the stops after a call is told by the callee's own, and by its failures, 0…1. */
static double told_below(const struct stops *stops, const struct stop *stop)
{
    if (!is_last_call(stop->pair) || !is_sure(stop))
        return 0;
    const struct tally_key *key = &stop->pair->key;
    const struct stopper *callee = &stops->of[key->peer];
    double own = fmax(0, callee->own - stops_back(stops, key)) + callee->failed;
    return callee->last_sure > 0 ? fmin(1, own / callee->last_sure) : 0;
}

/* In a ring of callers each counts by itself once. */
static double total_of(struct stops *stops, struct stop *stop)
{
    const struct stopper *self = &stops->of[stop->pair->key.node];
    double from_callers = 0;
    if (stop->state != NOT_ADDED || !is_sure(stop))
        return stop->state == ADDED ? stop->total : stop->value;
    stop->state = ADDING;
    for (uint32_t i = 0; i < stops->n && self->last_sure > 0; i++) {
        struct stop *above = &stops->items[i];
        if (is_last_call(above->pair) && above->pair->key.peer == stop->pair->key.node &&
            is_sure(above))
            from_callers += total_of(stops, above) * told_below(stops, above);
    }
    stop->total = fmax(stop->value, from_callers * stop->more / (self->own + self->failed));
    stop->state = ADDED;
    return stop->total;
}

/* The callee's part of a stop after a call to it, 0…1. */
static double callee_part(const struct stops *stops, const struct stop *stop)
{
    const struct work *work = stops->work;
    const struct tally_key *key = &stop->pair->key;
    const struct called *called = called_by(stops, key->peer, key->detail);
    double rise = stop->more / stop->visits[1];
    double followed = called->calls > called->last ? called->last / called->calls / rise : 1;
    double odds = FLOW_CALLEE * pow(fmin(1, followed), END_POWER);
    odds *= stops->of[key->peer].odd ? 1 : FLOW_AS_EVER;
    odds *= called->n_callers > 1 ? called->n_callers : 1;
    odds *= 1 + GONE_ODDS * work->unanswered[key->peer];
    if (is_sure(stop)) {
        odds *= version_odds(work, stop->pair);
        odds *= stops_after_one_instance(work, key->peer) ? INSTANCE_ODDS : 1;
    }
    return odds / (odds + FLOW_CALLER);
}

static struct str step_text(struct work *work, const struct pair *pair)
{
    if (pair->key.what == FLOW_CALL)
        return say(work, "after calling %.*s%s%.*s", STR_ARG(level_name(work, pair->key.peer)),
                   pair->key.detail ? " " : "", STR_ARG(name_text(work, pair->key.detail)));
    return pair->key.what == FLOW_LOCAL ? STR("after a step of its own")
                                        : STR("without calling anybody");
}

static struct finding stop_finding(struct work *work, const struct stop *stop)
{
    const struct pair *pair = stop->pair;
    double was = (double)pair->t[0].n / stop->visits[0],
           is = (double)pair->t[1].n / stop->visits[1];
    return (struct finding){
        .channel = CHANNEL_FLOW,
        .kind = EVIDENCE_FLOW,
        .unit = UNIT_RATIO,
        .test = TEST_FLOW,
        .z = stop->z,
        .all_z = stop->all_z,
        .baseline = was,
        .observed = is,
        .group = pair->key.node,
        .peer = NO_GROUP,
        .operation = pair->key.name,
        .step = pair,
        .metric = STR("stops_here"),
        .text = say(work, "%.*s %.*s: %.*s of visits end %.*s (normal %.*s)",
                    STR_ARG(level_name(work, pair->key.node)),
                    STR_ARG(name_text(work, pair->key.name)), STR_ARG(say_share(work, is)),
                    STR_ARG(step_text(work, pair)), STR_ARG(say_share(work, was)))};
}

/* Of the stops after one callee, the share that would have gone on to the same one: who has no
 * answer ends them all alike; where they would have gone on to others it was the last answer. */
static double goes_on_alike(const struct stops *stops, const struct stop *stop)
{
    uint32_t next = stops->of[stop->pair->key.node].next.callee;
    double all = 0, alike = 0;
    for (uint32_t i = 0; i < stops->n && is_last_call(stop->pair); i++) {
        const struct stop *other = &stops->items[i];
        if (!is_sure(other) || !is_last_call(other->pair) ||
            other->pair->key.peer != stop->pair->key.peer)
            continue;
        all++;
        alike += stops->of[other->pair->key.node].next.callee == next;
    }
    return all > 0 ? alike / all : 1;
}

/* Where only callees tell of calls, visits also end early because the call that comes next has no
 * answer. Gives what is left to blame others for. */
static double blame_next(const struct stops *stops, const struct stop *stop, double value,
                         struct finding finding)
{
    struct missing next = stops->of[stop->pair->key.node].next;
    if (next.callee == NO_GROUP || next.callee == stop->pair->key.peer)
        return value;
    next.share *= pow(goes_on_alike(stops, stop), END_POWER);
    finding.value = value;
    return blame_lacking(stops->work, &next, "before they call", finding);
}

static void blame_stop(struct stops *stops, struct stop *stop)
{
    struct work *work = stops->work;
    double value = total_of(stops, stop) * (1 - told_below(stops, stop));
    struct finding finding = stop_finding(work, stop);
    if (is_sure(stop))
        value = blame_next(stops, stop, value, finding);
    if (!is_last_call(stop->pair)) {
        finding.value = value;
        blame(work, &finding);
        return;
    }
    double callees = callee_part(stops, stop);
    blame_end(work, stop->pair, 0, value * (1 - callees), &finding);
    finding.operation = NAME_NONE;
    blame_end(work, stop->pair, 1, value * callees, &finding);
}

void find_flow(struct work *work)
{
    struct stops stops = {
        .work = work,
        .items = arena_alloc(work->arena, (work->pairs->n + 1) * sizeof(*stops.items)),
        .of = arena_calloc(work->arena, (work->level->n + 1) * sizeof(*stops.of))};
    if (!stops.items || !stops.of || !make_called(&stops)) {
        work->memory_short = true;
        return;
    }
    for (uint32_t group = 0; group < work->level->n; group++)
        collect(&stops, group);
    count_stops(&stops);
    for (uint32_t i = 0; i < stops.n; i++) {
        struct stop *stop = &stops.items[i];
        blame_stop(&stops, stop);
        if (is_sure(stop))
            note_stopped(work, stop->pair, stop->more);
    }
}
