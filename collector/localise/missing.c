/* missing.c - where only callees report their calls, one that never arrived leaves nothing but a
 * caller that fails and a callee that is called less. Whose failure is it?
 *
 * The caller's, when all its callees miss calls: it failed before it called them. The callee's,
 * when all its callers fail and call it less: that several fail by themselves at once is unlikely,
 * so every caller adds to the odds, and so does every operation of one caller that comes as far as
 * the call and no further. And rather the callee's that has lost an instance, for that no caller's
 * failure brings about.
 *
 * A call without an answer may leave a span of the caller's that then looks like a step of its own:
 * as many new ones as calls are missing speak for the callee; that there is none, where every call
 * comes out of such a span, against it.
 *
 * Where callers report their calls too, one that makes fewer and fails has decided so itself,
 * unless most of what it still asks fails: then it has stopped asking, and the callee owes it.
 *
 * What else is known of the calls that are missing is told by missing_places.c.
 */
#include <math.h>

#include "collector/localise/missing_internal.h"
#include "collector/localise/statistics.h"

/* Does the caller report its side of the call, answered or not? */
static bool is_blind(const struct work *work, const struct pair *edge, double calls)
{
    struct tally_key key = {.channel = TALLY_GAP, .node = edge->key.node, .peer = edge->key.peer};
    const struct pair *gap = pairs_find(&work->by_service, &key);
    struct starts starts = starts_of(work, edge->key.node, edge->key.peer);
    return !gap || (double)gap->t[0].n < BLIND_SHARE * calls ||
           starts.told < BLIND_SHARE * starts.n;
}

/* Has it lost an instance that by chance would not be without a single call, while others have
 * calls? Whom nobody calls has none at all. */
static bool lost_instance(const struct work *work, uint32_t group)
{
    double longer = now_longer(work);
    bool lost = false, others = false;
    uint32_t i, to;
    for (pairs_range(work->pairs, TALLY_INSTANCE, group, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        lost = lost ||
               (pair->key.name && pair->t[1].n == 0 && (double)pair->t[0].n * longer > GONE_CALLS);
        others = others || pair->t[1].n > 0;
    }
    return lost && others;
}

static struct asked_z asked_of(const struct work *work, uint32_t caller, uint32_t callee)
{
    struct asked_z z = {.n = 0};
    uint32_t i, to;
    for (visits_range(work, caller, &i, &to); i < to; i++) {
        name_no operation = work->visits[i].operation;
        struct asked_calls asked = {.known = false};
        if (operation)
            asked = calls_asked(work, caller, callee, operation);
        if (!asked.known)
            continue;
        z.least = fmin(z.least, asked.z);
        z.sum += asked.significant ? 0 : asked.z;
        z.n += !asked.significant;
    }
    return z;
}

/* Each within chance, all of them not. */
static bool lacks_everywhere(const struct asked_z *callee)
{
    return callee->n > 1 && callee->sum / sqrt(callee->n) < -SIGNIFICANT_Z;
}

/* Fewer calls than by chance, in all or for one thing alone: what is rare is hidden among all that
 * a caller is asked for. That the callee lacks them everywhere, or an instance that is gone had so
 * many, or the caller makes as many new steps, needs less to tell that. */
static bool is_significant(const struct missing_edge *edge, double least_z, bool elsewhere,
                           double new_steps)
{
    double lacking = edge->was - edge->is, z = calls_z(edge->made.calls, edge->made.visits);
    bool seen = elsewhere || (new_steps > 0 && lacking >= NAMELESS_LEAST * new_steps);
    return (lacking > 0 ? fmin(z, least_z) : z) < (seen ? -GONE_Z : -SIGNIFICANT_Z);
}

static void measure(struct work *work, const struct pair *pair, const struct made *made,
                    struct asked_z *callee)
{
    if (made->visits[0] < TEST_EVENTS || made->visits[1] < TEST_EVENTS ||
        made->calls[0] < TEST_EVENTS)
        return;
    struct missing_edge *edge = &work->missing[work->n_missing++];
    *edge = (struct missing_edge){.caller = pair->key.node,
                                  .callee = pair->key.peer,
                                  .made = *made,
                                  .asked = asked_of(work, pair->key.node, pair->key.peer),
                                  .was = made->calls[0] / made->visits[0],
                                  .is = made->calls[1] / made->visits[1],
                                  .weight = edge_weight((int64_t)made->calls[0]),
                                  .gone = lost_instance(work, pair->key.peer),
                                  .blind = is_blind(work, pair, made->calls[0])};
    callee->sum += edge->asked.sum;
    callee->n += edge->asked.n;
}

/* Once it is known what its callee lacks of all its callers. */
static void judge(const struct work *work, struct missing_edge *edge, const struct asked_z *callee)
{
    const struct made *made = &edge->made;
    bool thin =
        made->visits[0] < MIN_TIMES || made->visits[1] < MIN_TIMES || made->calls[0] < MIN_TIMES;
    bool of_mix = is_of_mix(work, edge->caller, NAME_NONE, made);
    edge->significant =
        is_significant(edge, of_mix ? 0 : edge->asked.least, edge->gone || lacks_everywhere(callee),
                       sure_steps(work, edge->caller, edge->callee));
    edge->thin = thin && !edge->significant;
    edge->drop = edge->is < edge->was && !of_mix ? 1 - edge->is / edge->was : 0;
}

bool missing_measure(struct work *work)
{
    struct asked_z *callees = arena_calloc(work->arena, (work->level->n + 1) * sizeof(*callees));
    work->missing = arena_alloc(work->arena, (work->pairs->n + 1) * sizeof(*work->missing));
    if (!work->missing || !callees)
        return false;
    for (uint32_t i = 0, step = 1; i < work->pairs->n; i += step) {
        const struct pair *pair = &work->pairs->items[i];
        struct made made;
        step = 1;
        if (pair->key.channel != TALLY_CALL || pair->key.node == NO_GROUP ||
            pair->key.peer == NO_GROUP)
            continue;
        step = count_made(work, i, CALLS_ALL, MISSING_BY_CARRIED, &made);
        measure(work, pair, &made, &callees[pair->key.peer]);
    }
    for (uint32_t i = 0; i < work->n_missing; i++)
        judge(work, &work->missing[i], &callees[work->missing[i].callee]);
    missing_place(work);
    return true;
}

/* ---- guilt ---- */

/* The mean drop of a node's edges, cubed; *n counts those that are significant. */
static double guilt(const struct work *work, bool as_callee, uint32_t group, double *n)
{
    double sum = 0, all = 0;
    *n = 0;
    for (uint32_t i = 0; i < work->n_missing; i++) {
        const struct missing_edge *edge = &work->missing[i];
        if ((as_callee ? edge->callee : edge->caller) != group)
            continue;
        sum += edge->weight * edge->drop;
        all += edge->weight;
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

/* The callee's odds against the caller's by so many callers, and operations of one, that lack it:
 * each is another coincidence, if it is not the callee's. */
static double odds_by_places(const struct missing_edge *edge, double n_callers)
{
    double untold = BLIND_PRIOR * (1 - NOT_TRIED * edge->untried);
    double prior = edge->tried * CALLEE_PRIOR + (1 - edge->tried) * untold;
    return prior * pow(n_callers + edge->further, PLACES_POWER);
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
        if (edge->caller != caller || !edge->first || edge->drop <= 0)
            continue;
        double by_callee = guilt(work, true, edge->callee, &n_callers);
        by_callee *= edge->gone ? GONE_ODDS : 1;
        missing[n] = (struct missing){.callee = edge->callee,
                                      .share = odds_by_places(edge, n_callers) * by_callee,
                                      .was = edge->was,
                                      .is = edge->is};
        sum += missing[n++].share;
    }
    for (unsigned i = 0; i < n; i++)
        missing[i].share /= sum;
    return n;
}

/* ---- a circuit breaker ---- */

/* What begins at a caller of failures that did not before. */
static double own_failures(const struct work *work, uint32_t caller)
{
    double more = 0;
    uint32_t i, to;
    for (pairs_range(work->pairs, TALLY_ORIGIN, caller, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        more += fmax(0, (double)pair->t[1].bad - (double)pair->t[0].bad * now_longer(work));
    }
    return more;
}

/* The share of an edge's calls that fail now, where that is much and new; else 0. */
static double newly_failing(const struct work *work, const struct missing_edge *edge)
{
    double n[2] = {0, 0}, bad[2] = {0, 0};
    uint32_t i, to;
    for (pairs_range(work->pairs, TALLY_CALL, edge->caller, &i, &to); i < to; i++) {
        const struct pair *pair = &work->pairs->items[i];
        for (int t = 0; t < 2 && pair->key.peer == edge->callee; t++) {
            n[t] += (double)pair->t[t].n;
            bad[t] += (double)pair->t[t].bad;
        }
    }
    bool much = n[0] > 0 && n[1] > 0 && bad[1] / n[1] >= BREAKER_FAILS;
    return much && two_proportions(bad[0], n[0], bad[1], n[1]) > SIGNIFICANT_Z ? bad[1] / n[1] : 0;
}

unsigned shunned_callees(const struct work *work, uint32_t caller, struct missing shunned[])
{
    double visits[2], sum = 0, failures = own_failures(work, caller);
    unsigned n = 0;
    count_visits(work, caller, NAME_NONE, visits);
    for (uint32_t i = 0; i < work->n_missing && n < MAX_MISSING; i++) {
        const struct missing_edge *edge = &work->missing[i];
        double failing, lacking = (edge->was - edge->is) * visits[1];
        if (edge->caller != caller || edge->blind || !edge->significant || edge->drop <= 0 ||
            (failing = newly_failing(work, edge)) <= 0)
            continue;
        shunned[n++] = (struct missing){edge->callee, fmin(1, lacking / failures), 0, failing};
        sum += shunned[n - 1].share;
    }
    for (unsigned i = 0; i < n && sum > 1; i++)
        shunned[i].share /= sum;
    return failures > 0 ? n : 0;
}

/* ---- who is asked for, one by one ---- */

static const struct missing_edge *find_missing(const struct work *work, uint32_t caller,
                                               uint32_t callee)
{
    for (uint32_t i = 0; i < work->n_missing; i++) {
        const struct missing_edge *edge = &work->missing[i];
        if (edge->caller == caller && edge->callee == callee && !edge->thin)
            return edge;
    }
    return NULL;
}

/* A caller that reports its calls and makes none has not tried: that is its own doing, unless
 * others do the same. So it is of one that would not show it, and does not fail. */
bool tries_would_show(const struct work *work, uint32_t caller, uint32_t callee)
{
    const struct missing_edge *edge = find_missing(work, caller, callee);
    return !edge || !edge->blind;
}

/* Who does not get through fails, as a rule. */
static bool fails_newly(const struct work *work, uint32_t caller)
{
    double visits[2];
    count_visits(work, caller, NAME_NONE, visits);
    return visits[0] > 0 && newly_failed(work, caller, visits) >= TEST_EVENTS;
}

/* `waits`: the caller is slow for as many as are missing, so it has tried. */
static double callee_share(const struct work *work, uint32_t caller, uint32_t callee, bool waits)
{
    double n, by_caller = guilt(work, false, caller, &n), by_callee = guilt(work, true, callee, &n);
    const struct missing_edge *edge = find_missing(work, caller, callee);
    if (!edge)
        return 0;
    bool alone = n <= 1 && edge->further == 0, suffers = waits || fails_newly(work, caller);
    if (edge->tried <= 0 && n > 0 && (!edge->blind || (alone && !suffers)))
        n--;
    by_callee *= odds_by_places(edge, n);
    return by_caller + by_callee > 0 ? by_callee / (by_caller + by_callee) : 0;
}

double missing_share(const struct work *work, uint32_t caller, uint32_t callee)
{
    return callee_share(work, caller, callee, false);
}

/* `operation`: only where so many of its visits, or of those that do it as a step of their own,
 * lack the call as are slow; NAME_NONE: any. */
static bool choose(const struct work *work, uint32_t caller, name_no operation, double slow,
                   struct missing *chosen)
{
    *chosen = (struct missing){.callee = NO_GROUP};
    for (uint32_t i = 0; i < work->n_missing; i++) {
        const struct missing_edge *edge = &work->missing[i];
        if (edge->caller != caller || !edge->first)
            continue;
        struct asked_calls asked = {0};
        if (operation)
            asked = calls_asked(work, caller, edge->callee, operation);
        if (operation && !asked.significant) /* what it does by itself for other operations */
            asked = calls_asked_around(work, caller, edge->callee, operation);
        double waits = slow * asked.step;
        if (operation && (!asked.significant || waits > FOLLOWS_MOST * asked.drop ||
                          asked.drop > FOLLOWS_MOST * waits))
            continue;
        double share = callee_share(work, caller, edge->callee, operation != NAME_NONE);
        if (share > chosen->share)
            *chosen = (struct missing){edge->callee, share, edge->was, edge->is};
    }
    return chosen->callee != NO_GROUP;
}

bool missing_next(const struct work *work, uint32_t caller, struct missing *next)
{
    return choose(work, caller, NAME_NONE, 0, next);
}

bool missing_waited_for(const struct work *work, uint32_t caller, name_no operation, double slow,
                        struct missing *waited)
{
    return operation && choose(work, caller, operation, slow, waited);
}

double blame_lacking(struct work *work, const struct missing *lacking, const char *words,
                     struct finding finding)
{
    double left = finding.value * (1 - lacking->share);
    finding.value *= lacking->share;
    finding.peer = finding.group;
    finding.group = lacking->callee;
    finding.end = END_CALLEE;
    finding.lacking = true;
    finding.operation = NAME_NONE;
    finding.text = say(work, "%.*s, %s %.*s", STR_ARG(finding.text), words,
                       STR_ARG(level_name(work, lacking->callee)));
    blame(work, &finding);
    return left;
}
