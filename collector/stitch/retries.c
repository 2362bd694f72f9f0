/* retries.c - calls of one caller, one after the other: a call takes up the failed one of the same
 * callee, operation and request that had ended last when it began; one that says that it is a
 * retry, any other (STITCHING §4).
 *
 * The calls of one group are gone through as they began. Those that have ended by then lie on a
 * stack, the last one on top; those that have not wait in a heap.
 */
#include <stdlib.h>

#include "collector/stitch/work.h"

/* Calls that are looked at before one is held to be no retry. */
#define MAX_LOOKED 256u

struct sibling {
    uint64_t lost;   /* id of the span beneath which the caller's half lies, where it never came */
    uint32_t parent; /* else that span; NONE */
    name_no caller, service, operation;
    uint32_t kind;
    uint32_t top, last; /* the caller's half; the callee's first span, else the row's last */
    uint32_t call;
    bool looked; /* what it asked for is known */
    struct asked asked;
};

static int compare_u32(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int compare_group(const struct sibling *a, const struct sibling *b)
{
    int order = compare_u32(a->parent, b->parent);
    order = order ? order : (a->lost > b->lost) - (a->lost < b->lost);
    order = order ? order : compare_u32(a->caller, b->caller);
    order = order ? order : compare_u32(a->service, b->service);
    order = order ? order : compare_u32(a->operation, b->operation);
    return order ? order : compare_u32(a->kind, b->kind);
}

/* Canonical order is order of start. */
static int by_start(const void *one, const void *other)
{
    const struct sibling *a = one, *b = other;
    int order = compare_group(a, b);
    order = order ? order : compare_u32(a->top, b->top);
    return order ? order : compare_u32(a->last, b->last);
}

static bool has_failed(const struct work_call *call)
{
    return call->outcome == OUTCOME_FAILED || call->outcome == OUTCOME_GONE;
}

static uint32_t gather(const struct stitch *stitch, struct sibling *siblings)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        const struct work_call *call = &stitch->calls[i];
        if (call->top == NONE || call->folded)
            continue;
        const struct work_span *top = &stitch->spans[call->top];
        if ((top->parent == NONE && !top->orphan) || top->shape->kind == KIND_PRODUCER)
            continue;
        uint32_t last =
            call->callee_visit == NONE ? call->bottom : stitch->visits[call->callee_visit].first;
        name_no service = nodes_get(stitch->nodes, call->call.callee)->service;
        siblings[n++] = (struct sibling){.lost = top->parent == NONE ? top->record->parent_id : 0,
                                         .parent = top->parent,
                                         .caller = top->shape->node.service,
                                         .service = service,
                                         .operation = top->shape->operation,
                                         .kind = top->shape->kind,
                                         .top = call->top,
                                         .last = last,
                                         .call = i};
    }
    return n;
}

/* The calls of a group by number in the group. */
struct running {
    struct stitch *stitch;
    struct sibling *group;
    uint32_t *heap, *failed, *fine; /* not ended yet; ended */
    uint32_t n_heap, n_failed, n_fine;
};

static struct work_call *call_of(const struct running *running, uint32_t i)
{
    return &running->stitch->calls[running->group[i].call];
}

/* Ends before: by time, then by start. */
static bool ends_before(const struct running *running, uint32_t a, uint32_t b)
{
    uint64_t x = call_of(running, a)->caller_end_ns, y = call_of(running, b)->caller_end_ns;
    return x != y ? x < y : a < b;
}

static void heap_push(struct running *running, uint32_t i)
{
    uint32_t at = running->n_heap++;
    for (; at > 0 && ends_before(running, i, running->heap[(at - 1) / 2]); at = (at - 1) / 2)
        running->heap[at] = running->heap[(at - 1) / 2];
    running->heap[at] = i;
}

static uint32_t heap_pop(struct running *running)
{
    uint32_t first = running->heap[0], moved = running->heap[--running->n_heap], at = 0;
    for (uint32_t child = 1; child < running->n_heap; child = 2 * at + 1) {
        if (child + 1 < running->n_heap &&
            ends_before(running, running->heap[child + 1], running->heap[child]))
            child++;
        if (!ends_before(running, running->heap[child], moved))
            break;
        running->heap[at] = running->heap[child];
        at = child;
    }
    running->heap[at] = moved;
    return first;
}

static void end_until(struct running *running, uint64_t now_ns)
{
    while (running->n_heap && call_of(running, running->heap[0])->caller_end_ns <= now_ns) {
        uint32_t i = heap_pop(running);
        if (call_of(running, i)->folded)
            continue;
        if (has_failed(call_of(running, i)))
            running->failed[running->n_failed++] = i;
        else
            running->fine[running->n_fine++] = i;
    }
}

static const struct asked *asked_of(const struct running *running, uint32_t i)
{
    struct sibling *sibling = &running->group[i];
    if (!sibling->looked)
        sibling->asked = asked_by(running->stitch, call_of(running, i));
    sibling->looked = true;
    return &sibling->asked;
}

/* Place of the last one on the stack that asked for the same as `i`; NONE. */
static uint32_t last_alike(const struct running *running, const uint32_t *stack, uint32_t n,
                           uint32_t i)
{
    for (uint32_t at = n; at-- > 0 && n - at <= MAX_LOOKED;) {
        if (asked_alike(asked_of(running, stack[at]), asked_of(running, i)))
            return at;
    }
    return NONE;
}

static uint32_t take(uint32_t *stack, uint32_t *n, uint32_t at)
{
    uint32_t taken = stack[at];
    memmove(&stack[at], &stack[at + 1], (--*n - at) * sizeof(*stack));
    return taken;
}

/* Of the one on each stack that ended last; NONE where there is neither. */
static uint32_t take_later(struct running *running, uint32_t failed, uint32_t fine)
{
    if (failed == NONE && fine == NONE)
        return NONE;
    bool later = fine == NONE || (failed != NONE && ends_before(running, running->fine[fine],
                                                                running->failed[failed]));
    return later ? take(running->failed, &running->n_failed, failed)
                 : take(running->fine, &running->n_fine, fine);
}

/* The last that began before `i`, goes on, and asked for the same: `i` says that it is a later
 * attempt. */
static uint32_t overlapped(const struct running *running, uint32_t i)
{
    const struct record *top = running->stitch->spans[running->group[i].top].record;
    uint16_t resent = top->resend_count;
    uint64_t now_ns = top->start_ns;
    for (uint32_t at = i; at-- > 0 && i - at <= MAX_LOOKED;) {
        const struct record *other = running->stitch->spans[running->group[at].top].record;
        const struct work_call *call = call_of(running, at);
        bool goes_on = !call->caller_end_ns || call->caller_end_ns > now_ns;
        if (goes_on && !call->folded && other->resend_count < resent &&
            asked_alike(asked_of(running, at), asked_of(running, i)))
            return at;
    }
    return NONE;
}

/* The call that this one takes up; NONE when it is a call of its own. One that is sent again may
 * ask for something else than before: a redirect. */
static uint32_t taken_up(struct running *running, uint32_t i)
{
    bool again = running->stitch->spans[running->group[i].top].record->resend_count > 0;
    uint32_t failed = last_alike(running, running->failed, running->n_failed, i);
    if (!again)
        return take_later(running, failed, NONE);
    uint32_t earlier =
        take_later(running, failed, last_alike(running, running->fine, running->n_fine, i));
    earlier = earlier != NONE ? earlier : overlapped(running, i);
    return earlier != NONE ? earlier
                           : take_later(running, running->n_failed ? running->n_failed - 1 : NONE,
                                        running->n_fine ? running->n_fine - 1 : NONE);
}

static void fold_group(struct running *running, uint32_t n)
{
    struct stitch *stitch = running->stitch;
    running->n_heap = running->n_failed = running->n_fine = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct sibling *sibling = &running->group[i];
        end_until(running, stitch->spans[sibling->top].record->start_ns);
        uint32_t earlier = taken_up(running, i);
        if (earlier != NONE) {
            asked_of(running, i);
            asked_fill(&sibling->asked, asked_of(running, earlier));
            call_fold(stitch, running->group[earlier].call, sibling->call);
        }
        if (stitch->calls[sibling->call].caller_end_ns)
            heap_push(running, i);
    }
}

/* Most traces have nothing to fold: look before allocating. */
static bool may_fold(const struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        const struct work_call *call = &stitch->calls[i];
        if (call->top == NONE || call->folded)
            continue;
        if (has_failed(call) || stitch->spans[call->top].record->resend_count)
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

bool retries_fold(struct stitch *stitch)
{
    if (may_fold(stitch)) {
        size_t room = stitch->n_calls + 1;
        struct sibling *siblings = malloc(room * sizeof(*siblings));
        uint32_t *numbers = malloc(3 * room * sizeof(*numbers));
        struct running running = {stitch, siblings, numbers, numbers + room, numbers + 2 * room,
                                  0,      0,        0};
        uint32_t n = siblings && numbers ? gather(stitch, siblings) : 0;
        if (n)
            qsort(siblings, n, sizeof(*siblings), by_start);
        for (uint32_t from = 0, to; from < n; from = to) {
            for (to = from + 1; to < n && !compare_group(&siblings[from], &siblings[to]); to++) {
            }
            running.group = siblings + from;
            if (to - from > 1)
                fold_group(&running, to - from);
        }
        bool ok = siblings && numbers;
        free(siblings);
        free(numbers);
        if (!ok)
            return false;
    }
    point_to_last(stitch);
    return true;
}
