/* retries.c - calls of one caller, one after the other: a call takes up the failed one of the same
 * callee and operation that had ended last when it began (STITCHING §4).
 *
 * The calls of one group are gone through as they began. Those that have ended by then lie on a
 * stack, the last one on top; those that have not wait in a heap.
 */
#include <stdlib.h>

#include "collector/stitch/work.h"

struct sibling {
    uint32_t parent; /* span beneath which the caller's half lies */
    name_no service, operation;
    uint32_t kind;
    uint32_t top, last; /* the caller's half; the callee's first span, else the row's last */
    uint32_t call;
};

static int compare_u32(uint32_t a, uint32_t b)
{
    return (a > b) - (a < b);
}

static int compare_group(const struct sibling *a, const struct sibling *b)
{
    int order = compare_u32(a->parent, b->parent);
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
        if (top->parent == NONE || top->shape->kind == KIND_PRODUCER)
            continue;
        uint32_t last =
            call->callee_visit == NONE ? call->bottom : stitch->visits[call->callee_visit].first;
        name_no service = nodes_get(stitch->nodes, call->call.callee)->service;
        siblings[n++] = (struct sibling){
            top->parent, service, top->shape->operation, top->shape->kind, call->top, last, i};
    }
    return n;
}

/* The calls of a group by number in the group. */
struct running {
    struct stitch *stitch;
    const struct sibling *group;
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
        if (has_failed(call_of(running, i)))
            running->failed[running->n_failed++] = i;
        else
            running->fine[running->n_fine++] = i;
    }
}

/* The call that this one takes up; NONE when it is a call of its own. */
static uint32_t taken_up(struct running *running, const struct work_span *top)
{
    bool failed = running->n_failed > 0, fine = running->n_fine > 0;
    if (top->record->resend_count == 0 || !fine)
        return failed ? running->failed[--running->n_failed] : NONE;
    if (failed && ends_before(running, running->fine[running->n_fine - 1],
                              running->failed[running->n_failed - 1]))
        return running->failed[--running->n_failed];
    return running->fine[--running->n_fine];
}

static void fold_group(struct running *running, uint32_t n)
{
    struct stitch *stitch = running->stitch;
    running->n_heap = running->n_failed = running->n_fine = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct sibling *sibling = &running->group[i];
        const struct work_span *top = &stitch->spans[sibling->top];
        end_until(running, top->record->start_ns);
        uint32_t earlier = taken_up(running, top);
        if (earlier != NONE)
            call_fold(stitch, running->group[earlier].call, sibling->call);
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
