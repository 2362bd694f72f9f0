/* attempts.c - several calls that go through the same spans of their caller: attempts of one
 * logical call, a mirrored request beside it, or calls apart (STITCHING §4).
 *
 * A row is what the caller's side reports of a call, one span beneath the other. Where rows share
 * spans, the deepest span they share decides: one proxy's outgoing span stands for one request, so
 * what lies beneath are its attempts; anything else may call as often as it likes.
 */
#include <stdlib.h>

#include "collector/stitch/work.h"

/* What an attempt came to by what is its alone: the row beneath `shared`, and the callee. */
static uint8_t attempt_outcome(const struct stitch *stitch, const struct work_call *call,
                               uint32_t shared)
{
    uint8_t worst = OUTCOME_OK;
    for (uint32_t at = call->bottom; at != shared && at != NONE; at = stitch->spans[at].row_up)
        worst = stitch->spans[at].outcome > worst ? stitch->spans[at].outcome : worst;
    if (call->callee_visit == NONE || !visit_answered(stitch, &stitch->visits[call->callee_visit]))
        return worst;
    const struct visit *visit = &stitch->visits[call->callee_visit];
    uint8_t outer = stitch->spans[visit->first].outcome,
            inner = stitch->spans[visit->application].outcome;
    worst = outer > worst ? outer : worst;
    return inner > worst ? inner : worst;
}

static bool cut_off(const struct stitch *stitch, const struct work_call *call, uint32_t shared)
{
    uint8_t outcome = attempt_outcome(stitch, call, shared);
    bool canceled = call->bottom != shared && call->bottom != NONE &&
                    stitch->spans[call->bottom].record->canceled;
    return outcome == OUTCOME_FAILED || outcome == OUTCOME_GONE || canceled;
}

void call_fold(struct stitch *stitch, uint32_t earlier, uint32_t later)
{
    struct work_call *from = &stitch->calls[earlier], *into = &stitch->calls[later];
    from->folded = true;
    from->into = later;
    uint32_t retries = into->call.retries + from->call.retries + 1u;
    into->call.retries = (uint16_t)(retries < UINT16_MAX ? retries : UINT16_MAX);
    if (from->begin_ns && (!into->begin_ns || from->begin_ns < into->begin_ns))
        into->begin_ns = from->begin_ns;
    if (into->caller_end_ns && from->caller_end_ns > into->caller_end_ns)
        into->caller_end_ns = from->caller_end_ns;
    if (from->outcome == OUTCOME_FAILED || from->outcome == OUTCOME_GONE || from->call.recovered)
        into->call.recovered = true;
}

/* A call among those that share a span. */
struct member {
    uint32_t shared; /* the deepest shared span of its row */
    uint32_t call;
    uint64_t caller_ns, callee_ns; /* starts of its own span of the row, and of its callee */
};

/* Deepest shared spans first; then as the caller began them, else as the callees did. */
static int by_shared(const void *a, const void *b)
{
    const struct member *x = a, *y = b;
    if (x->shared != y->shared)
        return x->shared > y->shared ? -1 : 1;
    if (x->caller_ns != y->caller_ns)
        return x->caller_ns < y->caller_ns ? -1 : 1;
    if (x->callee_ns != y->callee_ns)
        return x->callee_ns < y->callee_ns ? -1 : 1;
    return (x->call > y->call) - (x->call < y->call);
}

static struct member member_of(const struct stitch *stitch, uint32_t number, uint32_t shared)
{
    const struct work_call *call = &stitch->calls[number];
    uint32_t own = NONE;
    for (uint32_t at = call->bottom; at != shared; at = stitch->spans[at].row_up)
        own = at;
    const struct work_span *callee = call->callee_visit == NONE
                                         ? NULL
                                         : &stitch->spans[stitch->visits[call->callee_visit].first];
    return (struct member){shared, number, own == NONE ? 0 : stitch->spans[own].record->start_ns,
                           callee ? callee->record->start_ns : 0};
}

/* Attempts go where the shared span says, and each but the last came to nothing. */
static bool are_attempts(struct stitch *stitch, const struct member *members, uint32_t n)
{
    const struct work_span *shared = &stitch->spans[members[0].shared];
    if (shared->proxy == PROXY_NONE)
        return false;
    name_no service = upstream_parse(stitch, shared->shape->upstream_cluster)->service;
    for (uint32_t i = 0; i < n; i++) {
        const struct work_call *call = &stitch->calls[members[i].call];
        if (call->callee_visit != NONE && service &&
            stitch->visits[call->callee_visit].node.service != service)
            return false;
        if (i + 1 < n && !cut_off(stitch, call, members[i].shared))
            return false;
    }
    return true;
}

static void fold_members(struct stitch *stitch, const struct member *members, uint32_t n)
{
    uint32_t last = members[n - 1].call, own = NONE;
    for (uint32_t i = 0; i + 1 < n; i++) {
        struct work_call *call = &stitch->calls[members[i].call];
        call->outcome = attempt_outcome(stitch, call, members[i].shared);
        call_fold(stitch, members[i].call, last);
    }
    for (uint32_t at = stitch->calls[last].bottom; at != members[0].shared;
         at = stitch->spans[at].row_up)
        own = at;
    stitch->calls[last].attempt = own;
    for (uint32_t at = members[0].shared; at != NONE; at = stitch->spans[at].row_up)
        stitch->spans[at].uses -= n - 1;
}

/* Of requests that one span of a proxy sent at the same time, one was answered; the others are
 * copies that nobody waits for. */
static void set_aside(struct stitch *stitch, const struct member *members, uint32_t n)
{
    uint64_t until_ns = 0;
    if (stitch->spans[members[0].shared].proxy == PROXY_NONE)
        return;
    for (uint32_t i = 0; i < n; i++) {
        struct work_call *call = &stitch->calls[members[i].call];
        if (call->bottom != members[i].shared || call->callee_visit == NONE)
            continue;
        uint64_t end_ns = stitch->spans[stitch->visits[call->callee_visit].first].end_ns;
        if (until_ns && members[i].callee_ns < until_ns) {
            call->aside = true;
            call->bottom = NONE;
            call->call.known_by = KNOWN_CALLEE_ONLY;
            for (uint32_t at = members[i].shared; at != NONE; at = stitch->spans[at].row_up)
                stitch->spans[at].uses--;
        } else if (end_ns > until_ns) {
            until_ns = end_ns;
        }
    }
}

/* The deepest span of the row that other calls share; NONE where there is none. */
static uint32_t shared_span(const struct stitch *stitch, const struct work_call *call)
{
    uint32_t at = call->folded ? NONE : call->bottom;
    while (at != NONE && stitch->spans[at].uses == 1)
        at = stitch->spans[at].row_up;
    return at;
}

/* One round: the calls that share a span, the deepest of these spans first. What was folded at one
 * span may be an attempt of a call further up: then there is another round. */
static bool fold_round(struct stitch *stitch, struct member *members, bool *folded)
{
    uint32_t n = 0;
    *folded = false;
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        uint32_t shared = shared_span(stitch, &stitch->calls[i]);
        if (shared != NONE)
            members[n++] = member_of(stitch, i, shared);
    }
    qsort(members, n, sizeof(*members), by_shared);
    for (uint32_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && members[to].shared == members[from].shared; to++) {
        }
        /* Only whole: others that go through it may have to be folded first. */
        if (to - from < 2 || to - from != stitch->spans[members[from].shared].uses)
            continue;
        if (are_attempts(stitch, members + from, to - from)) {
            fold_members(stitch, members + from, to - from);
            *folded = true;
        } else {
            set_aside(stitch, members + from, to - from);
        }
    }
    return n > 0;
}

/* Where the part of the row begins that is this call's and nobody else's, or that all its sharers
 * have in common. */
static void find_top(const struct stitch *stitch, struct work_call *call)
{
    uint32_t at = call->bottom, uses = stitch->spans[at].uses, n = 0, up;
    if (call->attempt != NONE) {
        at = stitch->spans[call->attempt].row_up;
        uses = stitch->spans[at].uses;
    }
    while ((up = stitch->spans[at].row_up) != NONE && stitch->spans[up].uses == uses &&
           (uses == 1 || ++n < MAX_SHARED_ROW))
        at = up;
    call->top = at;
    if (uses == 1 && call->attempt == NONE && !call->call.retries)
        call->attempt = at;
}

/* ---- attempts of one key ---- */

static bool lacks_caller_half(const struct work_call *call)
{
    return call->call.known_by == KNOWN_CALLEE_ONLY && call->bottom == NONE &&
           call->callee_visit != NONE && !call->folded && !call->aside;
}

/* The callee's next record under the same id; NONE. */
static uint32_t next_of_key(const struct stitch *stitch, uint32_t first)
{
    const struct work_span *span = &stitch->spans[first];
    uint32_t at = stitch->next_same[first];
    for (unsigned looked = 0; at != NONE && looked < MAX_SHARED_ROW; looked++) {
        const struct work_span *other = &stitch->spans[at];
        if (other->shape->kind == span->shape->kind && other->parent == span->parent &&
            other->shape->node.service == span->shape->node.service &&
            (other->shape->proxy == PROXY_NONE) == (span->shape->proxy == PROXY_NONE))
            return at;
        at = stitch->next_same[at];
    }
    return NONE;
}

/* Attempts under an id that they share with their caller's half, which is lost. */
static void fold_keys(struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        struct work_call *call = &stitch->calls[i];
        uint32_t next = lacks_caller_half(call)
                            ? next_of_key(stitch, stitch->visits[call->callee_visit].first)
                            : NONE;
        if (next == NONE || stitch->visits[stitch->spans[next].visit].first != next)
            continue;
        uint32_t later = stitch->visits[stitch->spans[next].visit].call;
        if (later == NONE || !lacks_caller_half(&stitch->calls[later]) ||
            !cut_off(stitch, call, NONE))
            continue;
        call->outcome = attempt_outcome(stitch, call, NONE);
        call_fold(stitch, i, later);
    }
}

bool attempts_fold(struct stitch *stitch)
{
    if (stitch->shares) {
        struct member *members = malloc((stitch->n_calls + 1) * sizeof(*members));
        bool folded = members != NULL;
        for (unsigned round = 0; folded && round < 8; round++)
            fold_round(stitch, members, &folded);
        free(members);
        if (!members)
            return false;
    }
    fold_keys(stitch);
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        if (stitch->calls[i].bottom != NONE)
            find_top(stitch, &stitch->calls[i]);
    }
    return true;
}
