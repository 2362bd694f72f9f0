/* missing_places.c - where in a caller's visits calls are missing, and whether they were made.
 *
 * Calls to several callees may be missing for one that had no answer: what would have followed is
 * never begun. Where nothing says which span is a call, one without an answer looks like a step of
 * the caller's own that it never made before.
 */
#include <math.h>

#include "collector/localise/missing_internal.h"

/* ---- what comes next ---- */

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

static double lacking(const struct missing_edge *edge)
{
    return fmin(1, edge->was - edge->is);
}

/* Is there a new step for every call that the caller lacks, and its name that of calls to others?
 */
static bool leaves_by_others(const struct work *work, const struct missing_edge *edge)
{
    double all = sure_steps(work, edge->caller, NO_GROUP),
           its = sure_steps(work, edge->caller, edge->callee);
    return all >= NAMELESS_LEAST * lacking(edge) && its < NAMELESS_LEAST * fmin(all, lacking(edge));
}

/* What would have followed a call without an answer is never begun. */
static bool is_follower(const struct work *work, const struct missing_edge *edge)
{
    for (uint32_t i = 0; i < work->n_missing; i++) {
        const struct missing_edge *other = &work->missing[i];
        if (other->caller == edge->caller && other != edge && other->missed &&
            is_told_by(work, edge, other))
            return true;
    }
    return false;
}

/* ---- were they made? ---- */

/* The calls a visit that a step may be. All that follows a call without an answer is missing too,
 * and was not tried. */
static double lacking_for(const struct work *work, uint32_t caller, name_no step)
{
    double sum = 0;
    for (uint32_t i = 0; i < work->n_missing; i++) {
        const struct missing_edge *edge = &work->missing[i];
        if (edge->caller == caller && edge->first && may_lead_to(work, caller, edge->callee, step))
            sum += lacking(edge);
    }
    return sum;
}

/* The shares of an edge's missing calls that new steps are. Steps are told once a visit. */
static struct new_step tried_share(const struct work *work, const struct missing_edge *edge)
{
    const struct new_steps *steps = &work->new_steps[edge->caller];
    struct new_step share = {.sure = 0};
    for (uint32_t i = 0; i < steps->n; i++) {
        const struct new_step *made = &steps->items[i];
        if (!may_lead_to(work, edge->caller, edge->callee, made->step))
            continue;
        double of = lacking_for(work, edge->caller, made->step);
        share.sure += of > 0 ? made->sure / of : 0;
        share.any += of > 0 ? made->any / of : 0;
    }
    return share;
}

struct starts starts_of(const struct work *work, uint32_t caller, uint32_t callee)
{
    struct starts starts = {.n = 0};
    uint32_t i, to;
    for (pairs_range(&work->by_service, TALLY_START, caller, &i, &to); i < to; i++) {
        const struct pair *pair = &work->by_service.items[i];
        if (pair->key.peer != callee)
            continue;
        starts.n += (double)pair->t[0].n;
        starts.told += (double)pair->t[0].bad;
        starts.steps += (double)pair->t[0].origins;
    }
    return starts;
}

/* ---- how far do visits come? ---- */

/* What is asked of a service, as far as it concerns the callee. */
struct asked_sum {
    double calls[2], visits[2];
    double expected; /* now, had its visits called as they did in normal times */
};

static void add_asked(const struct work *work, uint32_t caller, uint32_t callee, name_no operation,
                      struct asked_sum *sum)
{
    double calls[2] = {0, 0}, visits[2];
    uint32_t i, to;
    count_visits(work, caller, operation, visits);
    for (pairs_range(&work->by_service, TALLY_CALL, caller, &i, &to); i < to; i++) {
        const struct pair *pair = &work->by_service.items[i];
        if (pair->key.peer != callee || pair->key.detail != operation ||
            pair->key.what == CALL_UNANSWERED)
            continue;
        for (int t = 0; t < 2; t++)
            calls[t] += (double)pair->t[t].n;
    }
    if (visits[0] <= 0)
        return;
    for (int t = 0; t < 2; t++) {
        sum->calls[t] += calls[t];
        sum->visits[t] += visits[t];
    }
    sum->expected += calls[0] / visits[0] * visits[1];
}

static struct asked_calls judge_asked(const struct asked_sum *sum)
{
    struct asked_calls asked = {0};
    if (sum->calls[0] < TEST_EVENTS || sum->visits[1] < TEST_EVENTS || sum->expected <= 0)
        return asked;
    double normal[2] = {sum->expected / sum->visits[1] * sum->visits[0], sum->calls[1]};
    asked.known = true;
    asked.step = 1;
    asked.drop = sum->calls[1] < sum->expected ? 1 - sum->calls[1] / sum->expected : 0;
    asked.z = calls_z(normal, sum->visits);
    asked.significant = asked.z < -SIGNIFICANT_Z;
    return asked;
}

struct asked_calls calls_asked(const struct work *work, uint32_t caller, uint32_t callee,
                               name_no operation)
{
    struct asked_sum sum = {.expected = 0};
    add_asked(work, caller, callee, operation, &sum);
    return judge_asked(&sum);
}

struct asked_calls calls_asked_around(const struct work *work, uint32_t caller, uint32_t callee,
                                      name_no step)
{
    struct asked_sum sum = {.expected = 0};
    double n = 0;
    uint32_t i, to;
    for (pairs_range(&work->by_service, TALLY_STEP, caller, &i, &to); i < to; i++) {
        const struct pair *pair = &work->by_service.items[i];
        if (pair->key.detail != step)
            continue;
        add_asked(work, caller, callee, pair->key.name, &sum);
        n += (double)pair->t[1].n;
    }
    struct asked_calls asked = judge_asked(&sum);
    if (asked.known) { /* not all of what it is a step of calls the callee */
        asked.drop *= fmin(1, sum.expected / sum.visits[1]);
        asked.step = fmin(1, n / sum.visits[1]);
    }
    return asked;
}

enum came { CAME_ELSEWHERE, CAME_TO_BEGIN, CAME_RIGHT_BEFORE };

/* Do visits for this operation (`start`: of their calls to the callee) end right before the call,
 * behind others that are made as ever, or as they begin? */
static enum came came_before(const struct work *work, const struct pair *start)
{
    uint32_t caller = start->key.node, i, to;
    struct asked_calls own = calls_asked(work, caller, start->key.peer, start->key.name);
    enum came came = CAME_TO_BEGIN;
    if (!own.significant)
        return CAME_ELSEWHERE;
    for (pairs_range(&work->by_service, TALLY_START, caller, &i, &to); i < to; i++) {
        const struct pair *other = &work->by_service.items[i];
        if (other->key.name != start->key.name || other->key.peer == start->key.peer ||
            starts_ns(other) >= starts_ns(start))
            continue;
        struct asked_calls before = calls_asked(work, caller, other->key.peer, other->key.name);
        if (before.drop * FOLLOWS_MOST >= own.drop)
            return CAME_ELSEWHERE;
        came = CAME_RIGHT_BEFORE;
    }
    return came;
}

/* Does the caller do other things as ever, for which it does not call the callee? */
static bool does_others(const struct work *work, const struct missing_edge *edge)
{
    uint32_t i, to;
    for (pairs_range(&work->by_service, TALLY_START, edge->caller, &i, &to); i < to; i++) {
        const struct tally_key *key = &work->by_service.items[i].key;
        struct asked_calls others = calls_asked(work, edge->caller, key->peer, key->name);
        if (others.known && !others.significant &&
            !calls_asked(work, edge->caller, edge->callee, key->name).known)
            return true;
    }
    return false;
}

/* That all visits end as they begin is the caller's as well as the callee's; that they come to
 * different places, or all those for which the callee is called and no others, and no further than
 * the same callee, is hardly the caller's. */
static unsigned further_operations(const struct work *work, const struct missing_edge *edge)
{
    unsigned n[3] = {0, 0, 0};
    uint32_t i, to;
    for (pairs_range(&work->by_service, TALLY_START, edge->caller, &i, &to); i < to; i++) {
        const struct pair *start = &work->by_service.items[i];
        if (start->key.peer == edge->callee)
            n[came_before(work, start)]++;
    }
    unsigned all = n[CAME_RIGHT_BEFORE] + n[CAME_TO_BEGIN];
    return all > 1 && (n[CAME_RIGHT_BEFORE] || does_others(work, edge)) ? all - 1 : 0;
}

void missing_place(struct work *work)
{
    for (uint32_t i = 0; i < work->n_missing; i++) {
        struct missing_edge *edge = &work->missing[i];
        edge->missed = edge->blind && edge->significant && !leaves_by_others(work, edge);
    }
    for (uint32_t i = 0; i < work->n_missing; i++) {
        struct missing_edge *edge = &work->missing[i];
        edge->first = edge->missed && !is_follower(work, edge);
    }
    for (uint32_t i = 0; i < work->n_missing; i++) {
        struct missing_edge *edge = &work->missing[i];
        if (!edge->first)
            continue;
        struct new_step share = tried_share(work, edge);
        edge->tried = fmin(1, share.sure);
        struct starts starts = starts_of(work, edge->caller, edge->callee);
        double would_show = starts.n > 0 ? starts.steps / starts.n : 0;
        edge->untried = would_show * (1 - fmin(1, share.any));
        edge->further = further_operations(work, edge);
    }
}
