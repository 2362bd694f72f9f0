/* retries.c - attempts of one logical call are folded into the last of them (STITCHING §4). */
#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/stitch/work.h"

static bool cut_off(const struct stitch *stitch, const struct work_call *call)
{
    if (call->outcome == OUTCOME_FAILED || call->outcome == OUTCOME_GONE)
        return true;
    const struct work_span *bottom = &stitch->spans[call->bottom];
    return bottom->record->canceled;
}

/* What an attempt came to, without the outgoing halves that all attempts share. */
static uint8_t attempt_outcome(const struct stitch *stitch, const struct work_call *call)
{
    if (call->callee_visit == NONE)
        return call->bottom == NONE ? OUTCOME_OK : stitch->spans[call->bottom].outcome;
    uint32_t first = stitch->visits[call->callee_visit].first;
    uint8_t outer = stitch->spans[first].outcome;
    uint8_t inner = stitch->spans[visit_application(stitch, call->callee_visit)].outcome;
    return outer > inner ? outer : inner;
}

static void fold(struct stitch *stitch, uint32_t earlier, uint32_t later)
{
    struct work_call *from = &stitch->calls[earlier], *into = &stitch->calls[later];
    from->folded = true;
    from->into = later;
    into->call.retries = (uint16_t)(into->call.retries + from->call.retries + 1);
    if (from->begin_ns && (!into->begin_ns || from->begin_ns < into->begin_ns))
        into->begin_ns = from->begin_ns;
    if (from->outcome == OUTCOME_FAILED || from->outcome == OUTCOME_GONE || from->call.recovered)
        into->call.recovered = true;
}

/* Attempts beneath one outbound proxy span: of the upstream's service, each but the last failed or
 * cut off. */
static bool is_attempt_group(struct stitch *stitch, const uint32_t *calls, uint32_t n)
{
    const struct work_call *first = &stitch->calls[calls[0]];
    const struct work_span *bottom = &stitch->spans[first->bottom];
    if (bottom->proxy == PROXY_NONE)
        return false;
    name_no service = upstream_parse(stitch, bottom->shape->upstream_cluster)->service;
    for (uint32_t i = 0; i < n; i++) {
        const struct work_call *call = &stitch->calls[calls[i]];
        if (call->callee_visit != NONE && service &&
            stitch->visits[call->callee_visit].node.service != service)
            return false;
        if (i + 1 == n)
            break;
        uint8_t outcome = attempt_outcome(stitch, call);
        bool gave_up = outcome == OUTCOME_FAILED || outcome == OUTCOME_GONE ||
                       (call->callee_visit == NONE && cut_off(stitch, call));
        if (!gave_up)
            return false;
    }
    return true;
}

static uint64_t call_start(const struct stitch *stitch, const struct work_call *call)
{
    uint32_t span =
        call->callee_visit != NONE ? stitch->visits[call->callee_visit].first : call->bottom;
    return stitch->spans[span].record->start_ns;
}

struct row_member {
    uint32_t top, call;
    uint64_t start_ns;
};

static int by_row(const void *a, const void *b)
{
    const struct row_member *x = a, *y = b;
    if (x->top != y->top)
        return x->top < y->top ? -1 : 1;
    if (x->start_ns != y->start_ns)
        return x->start_ns < y->start_ns ? -1 : 1;
    return (x->call > y->call) - (x->call < y->call);
}

static void fold_row(struct stitch *stitch, struct row_member *members, uint32_t n)
{
    uint32_t small[64], *calls = n <= 64 ? small : malloc(n * sizeof(*calls));
    for (uint32_t i = 0; calls && i < n; i++)
        calls[i] = members[i].call;
    if (calls && is_attempt_group(stitch, calls, n)) {
        for (uint32_t i = 0; i + 1 < n; i++) {
            stitch->calls[calls[i]].outcome = attempt_outcome(stitch, &stitch->calls[calls[i]]);
            fold(stitch, calls[i], calls[n - 1]);
        }
    }
    if (calls != small)
        free(calls);
}

/* Several ends of one row of outgoing halves. */
static void fold_rows(struct stitch *stitch)
{
    uint32_t n = 0;
    struct row_member *members = malloc((stitch->n_calls + 1) * sizeof(*members));
    for (uint32_t i = 0; members && i < stitch->n_calls; i++) {
        const struct work_call *call = &stitch->calls[i];
        if (call->top != NONE)
            members[n++] = (struct row_member){call->top, i, call_start(stitch, call)};
    }
    if (members)
        qsort(members, n, sizeof(*members), by_row);
    for (uint32_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && members[to].top == members[from].top; to++) {
        }
        if (to - from > 1)
            fold_row(stitch, members + from, to - from);
    }
    free(members);
}

/* A later sibling takes up the failed call of the same callee and operation. */
static bool continues(const struct stitch *stitch, const struct work_call *earlier,
                      const struct work_call *later)
{
    const struct work_span *top = &stitch->spans[later->top];
    bool says_so = top->record->resend_count > 0;
    bool failed = earlier->outcome == OUTCOME_FAILED || earlier->outcome == OUTCOME_GONE;
    bool before = earlier->caller_end_ns && earlier->caller_end_ns <= top->record->start_ns;
    return before && (failed || says_so) && !top->shape->mirrored;
}

static uint64_t sibling_key(const struct stitch *stitch, const struct work_call *call)
{
    const struct work_span *top = &stitch->spans[call->top];
    uint64_t key = hash_u64((uint64_t)top->parent << 32 | call->call.callee);
    return hash_mix(key, (uint64_t)top->shape->operation << 8 | top->shape->kind);
}

static bool same_siblings(const struct stitch *stitch, const struct work_call *a,
                          const struct work_call *b)
{
    const struct work_span *x = &stitch->spans[a->top], *y = &stitch->spans[b->top];
    return x->parent == y->parent && a->call.callee == b->call.callee &&
           x->shape->operation == y->shape->operation && x->shape->kind == y->shape->kind;
}

static int by_top(const void *a, const void *b)
{
    const struct row_member *x = a, *y = b;
    return (x->top > y->top) - (x->top < y->top);
}

static void fold_siblings(struct stitch *stitch)
{
    uint32_t n = 0;
    struct map last;
    struct row_member *members = malloc((stitch->n_calls + 1) * sizeof(*members));
    map_init(&last);
    for (uint32_t i = 0; members && i < stitch->n_calls; i++) {
        const struct work_call *call = &stitch->calls[i];
        bool eligible = call->top != NONE && !call->folded &&
                        stitch->spans[call->top].parent != NONE &&
                        stitch->spans[call->top].shape->kind != KIND_PRODUCER;
        if (eligible)
            members[n++] = (struct row_member){call->top, i, 0};
    }
    if (members)
        qsort(members, n, sizeof(*members), by_top); /* canonical order is order of start */
    for (uint32_t i = 0; i < n; i++) {
        struct work_call *call = &stitch->calls[members[i].call];
        uint64_t key = sibling_key(stitch, call);
        for (struct map_iter it = map_find(&last, key); map_next(&last, &it);) {
            struct work_call *earlier = &stitch->calls[it.value];
            if (!same_siblings(stitch, earlier, call))
                continue;
            if (continues(stitch, earlier, call))
                fold(stitch, it.value, members[i].call);
            map_remove(&last, key, it.value);
            break;
        }
        map_add(&last, key, members[i].call);
    }
    map_fini(&last);
    free(members);
}

/* Most traces have nothing to fold: look before allocating. */
static bool may_fold(const struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        const struct work_call *call = &stitch->calls[i];
        if (call->top == NONE)
            continue;
        if (call->outcome == OUTCOME_FAILED || call->outcome == OUTCOME_GONE ||
            stitch->spans[call->top].record->resend_count || cut_off(stitch, call))
            return true;
        if (call->callee_visit != NONE && attempt_outcome(stitch, call) >= OUTCOME_GONE)
            return true;
    }
    return false;
}

/* Attempts that were folded one into the next all point to the last. */
static void point_to_last(struct stitch *stitch)
{
    struct work_call *calls = stitch->calls;
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        uint32_t last = i;
        while (calls[last].folded)
            last = calls[last].into;
        for (uint32_t at = i, next; calls[at].folded; at = next) {
            next = calls[at].into;
            calls[at].into = last;
        }
    }
}

void retries_fold(struct stitch *stitch)
{
    if (!may_fold(stitch))
        return;
    fold_rows(stitch);
    fold_siblings(stitch);
    point_to_last(stitch);
}
