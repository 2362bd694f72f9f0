/* missing.c - where only callees report their calls, one that never arrived leaves nothing but a
 * caller that fails and a callee that is called less. Whose failure is it?
 *
 * The caller's, when all its callees miss calls: it failed before it called them. The callee's,
 * when all its callers fail and call it less: that several fail by themselves at once is unlikely,
 * so every caller adds to the odds. And rather the callee's that has lost an instance, for that no
 * caller's failure brings about.
 */
#include <math.h>

#include "collector/localise/work.h"

struct missing_edge {
    uint32_t caller, callee;
    double was, is;   /* calls a visit of the caller */
    double drop;      /* share of the calls that are missing */
    bool gone;        /* with an instance of the callee */
    bool significant; /* beyond chance */
    bool blind;       /* the caller reports no calls: one that does not arrive leaves nothing */
};

/* How many of a caller's calls to a callee it would tell of if nobody answered, 0…1; 1 when that is
 * not known. */
static double told_share(const struct work *work, uint32_t caller, uint32_t callee)
{
    double n = 0, told = 0;
    uint32_t i, to;
    for (pairs_range(&work->by_service, TALLY_START, caller, &i, &to); i < to; i++) {
        const struct pair *pair = &work->by_service.items[i];
        if (pair->key.peer != callee)
            continue;
        n += (double)pair->t[0].n;
        told += (double)pair->t[0].bad;
    }
    return n > 0 ? told / n : 1;
}

/* Does the caller report its side of the call, answered or not? */
static bool is_blind(const struct work *work, const struct pair *edge, double calls)
{
    struct tally_key key = {.channel = TALLY_GAP, .node = edge->key.node, .peer = edge->key.peer};
    const struct pair *gap = pairs_find(&work->by_service, &key);
    return !gap || (double)gap->t[0].n < BLIND_SHARE * calls ||
           told_share(work, edge->key.node, edge->key.peer) < BLIND_SHARE;
}

/* Calls that nobody tells of, were they made or not, and that are not there. */
static bool is_missed(const struct missing_edge *edge)
{
    return edge->blind && edge->significant;
}

/* Has it lost an instance that by chance would not be without a single call? */
static bool lost_instance(const struct work *work, uint32_t group)
{
    double longer = now_longer(work);
    uint32_t i, to;
    for (pairs_range(work->pairs, TALLY_INSTANCE, group, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        if (pair->key.name && pair->t[1].n == 0 && (double)pair->t[0].n * longer > GONE_CALLS)
            return true;
    }
    return false;
}

static void measure(struct work *work, const struct pair *pair, const struct made *made)
{
    if (made->visits[0] < MIN_TIMES || made->visits[1] < MIN_TIMES || made->calls[0] < MIN_TIMES)
        return;
    double was = made->calls[0] / made->visits[0], is = made->calls[1] / made->visits[1];
    bool gone = lost_instance(work, pair->key.peer),
         of_mix = is_of_mix(work, pair->key.node, NAME_NONE, made);
    work->missing[work->n_missing++] = (struct missing_edge){
        .caller = pair->key.node,
        .callee = pair->key.peer,
        .was = was,
        .is = is,
        .drop = is < was && !of_mix ? 1 - is / was : 0,
        .gone = gone,
        .significant = calls_z(made->calls, made->visits) < (gone ? -GONE_Z : -SIGNIFICANT_Z),
        .blind = is_blind(work, pair, made->calls[0])};
}

bool missing_measure(struct work *work)
{
    work->missing = arena_alloc(work->arena, (work->pairs->n + 1) * sizeof(*work->missing));
    if (!work->missing)
        return false;
    for (uint32_t i = 0, step = 1; i < work->pairs->n; i += step) {
        const struct pair *pair = &work->pairs->items[i];
        struct made made;
        step = 1;
        if (pair->key.channel != TALLY_CALL || pair->key.node == NO_GROUP ||
            pair->key.peer == NO_GROUP)
            continue;
        step = count_made(work, i, CALLS_ALL, MISSING_BY_CARRIED, &made);
        measure(work, pair, &made);
    }
    return true;
}

/* The mean drop of a node's edges, cubed; *n counts those that are significant. */
static double guilt(const struct work *work, bool as_callee, uint32_t group, double *n)
{
    double sum = 0, all = 0;
    *n = 0;
    for (uint32_t i = 0; i < work->n_missing; i++) {
        const struct missing_edge *edge = &work->missing[i];
        if ((as_callee ? edge->callee : edge->caller) != group)
            continue;
        sum += edge->drop;
        all += 1;
        *n += edge->significant;
    }
    return all > 0 ? pow(sum / all, END_POWER) : 0;
}

/* The same of a caller's visits for one operation alone, which fail: who fails before it calls
 * anybody for it misses all calls of that. */
static double guilt_for(const struct work *work, uint32_t caller, name_no operation)
{
    double sum = 0, n = 0;
    uint32_t i, to;
    for (pairs_range(work->pairs, TALLY_CALL, caller, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        struct made_by made;
        if (pair->key.detail != operation || pair->key.what == CALL_UNANSWERED ||
            pair->t[0].n < TEST_EVENTS || !made_by_pair(work, pair, MISSING_BY_CARRIED, &made))
            continue;
        double was = made.all.calls[0] / made.all.visits[0],
               is = made.all.visits[1] > 0 ? made.all.calls[1] / made.all.visits[1] : 0;
        sum += is < was ? 1 - is / was : 0;
        n++;
    }
    return n > 1 ? pow(sum / n, END_POWER) : 0;
}

static double starts_ns(const struct pair *calls)
{
    return calls && calls->t[0].n > 0 ? (double)calls->t[0].sum_ns / (double)calls->t[0].n
                                      : INFINITY;
}

/* Normally, do calls to the first begin before those to the other, in most visits that make both or
 * the other alone? */
static bool comes_before(const struct work *work, uint32_t caller, uint32_t first, uint32_t other)
{
    double before = 0, all = 0;
    uint32_t i, to;
    for (pairs_range(&work->by_service, TALLY_START, caller, &i, &to); i < to; i++) {
        const struct pair *pair = &work->by_service.items[i];
        struct tally_key key = pair->key;
        if (pair->key.peer != other)
            continue;
        key.peer = first;
        all += (double)pair->t[0].n;
        if (starts_ns(pairs_find(&work->by_service, &key)) < starts_ns(pair))
            before += (double)pair->t[0].n;
    }
    return before > all / 2;
}

/* Does the one lack its calls because the other did not answer: no more of them, and they come
 * later in a visit? */
static bool is_told_by(const struct work *work, const struct missing_edge *one,
                       const struct missing_edge *other)
{
    return one->drop <= FOLLOWS_MOST * other->drop &&
           comes_before(work, one->caller, other->callee, one->callee);
}

/* What would have followed a call without an answer is never begun. */
static bool is_follower(const struct work *work, const struct missing_edge *edge)
{
    for (uint32_t i = 0; i < work->n_missing; i++) {
        const struct missing_edge *other = &work->missing[i];
        if (other->caller == edge->caller && other != edge && is_missed(other) &&
            is_told_by(work, edge, other))
            return true;
    }
    return false;
}

unsigned missing_callees(const struct work *work, uint32_t caller, name_no operation,
                         struct missing missing[])
{
    unsigned n = 0;
    double n_callees, sum = guilt(work, false, caller, &n_callees); /* the caller's own */
    sum = fmax(sum, operation ? guilt_for(work, caller, operation) : 0);
    for (uint32_t i = 0; i < work->n_missing && n < MAX_MISSING; i++) {
        const struct missing_edge *edge = &work->missing[i];
        double n_callers;
        if (edge->caller != caller || !is_missed(edge) || is_follower(work, edge))
            continue;
        double by_callee = guilt(work, true, edge->callee, &n_callers);
        by_callee *= edge->gone ? GONE_ODDS : 1;
        missing[n] = (struct missing){.callee = edge->callee,
                                      .share = BLIND_PRIOR * n_callers * by_callee,
                                      .was = edge->was,
                                      .is = edge->is};
        sum += missing[n++].share;
    }
    for (unsigned i = 0; i < n; i++)
        missing[i].share /= sum;
    return n;
}

/* A caller that reports its calls and makes none has not tried: that is its own doing, unless
 * others do the same. So it is of one that would not show it, and does not fail. */
bool tries_would_show(const struct work *work, uint32_t caller, uint32_t callee)
{
    for (uint32_t i = 0; i < work->n_missing; i++) {
        if (work->missing[i].caller == caller && work->missing[i].callee == callee)
            return !work->missing[i].blind;
    }
    return true;
}

/* Who does not get through fails, as a rule. */
static bool fails_newly(const struct work *work, uint32_t caller)
{
    double visits[2];
    count_visits(work, caller, NAME_NONE, visits);
    return visits[0] > 0 && newly_failed(work, caller, visits) >= TEST_EVENTS;
}

double missing_share(const struct work *work, uint32_t caller, uint32_t callee)
{
    double n, by_caller = guilt(work, false, caller, &n), by_callee = guilt(work, true, callee, &n);
    n -= n > 0 && (tries_would_show(work, caller, callee) || !fails_newly(work, caller));
    by_callee *= BLIND_PRIOR * n;
    return by_caller + by_callee > 0 ? by_callee / (by_caller + by_callee) : 0;
}

uint32_t missing_next(const struct work *work, uint32_t caller, double *share)
{
    *share = 0;
    for (uint32_t i = 0; i < work->n_missing; i++) {
        const struct missing_edge *edge = &work->missing[i];
        if (edge->caller != caller || !is_missed(edge) || is_follower(work, edge))
            continue;
        *share = missing_share(work, caller, edge->callee);
        return edge->callee;
    }
    return NO_GROUP;
}
