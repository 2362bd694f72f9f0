/* tree.c - canonical order, parents by id, and no cycles. */
#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/stitch/work.h"

static bool is_out_kind(const struct shape *shape)
{
    return shape->kind == KIND_CLIENT || shape->kind == KIND_PRODUCER;
}

static int compare(const struct work_span *a, const struct work_span *b)
{
    const struct record *x = a->record, *y = b->record;
    if (x->start_ns != y->start_ns)
        return x->start_ns < y->start_ns ? -1 : 1;
    if (x->span_id != y->span_id)
        return x->span_id < y->span_id ? -1 : 1;
    bool out_x = is_out_kind(x->shape), out_y = is_out_kind(y->shape);
    if (out_x != out_y)
        return out_x ? -1 : 1;
    bool proxy_x = x->shape->proxy != PROXY_NONE, proxy_y = y->shape->proxy != PROXY_NONE;
    if (proxy_x != proxy_y)
        return proxy_x ? -1 : 1;
    if (x->duration_ns != y->duration_ns)
        return x->duration_ns > y->duration_ns ? -1 : 1;
    if (x->parent_id != y->parent_id)
        return x->parent_id < y->parent_id ? -1 : 1;
    return 0;
}

/* Numbers of names differ from process to process: the last resort compares texts. */
static int compare_whole(const struct stitch *stitch, const struct work_span *a,
                         const struct work_span *b)
{
    int order = compare(a, b);
    if (order)
        return order;
    const struct shape *x = a->shape, *y = b->shape;
    order = str_cmp(names_text(stitch->names, x->node.service),
                    names_text(stitch->names, y->node.service));
    if (!order)
        order = str_cmp(names_text(stitch->names, x->operation),
                        names_text(stitch->names, y->operation));
    return order
               ? order
               : (a->record->status > b->record->status) - (a->record->status < b->record->status);
}

static int compare_r(const void *a, const void *b, void *stitch)
{
    return compare_whole(stitch, a, b);
}

static void sort(struct stitch *stitch)
{
    struct work_span *spans = stitch->spans;
    if (stitch->n > 48) {
        qsort_r(spans, stitch->n, sizeof(*spans), compare_r, stitch);
        return;
    }
    for (uint32_t i = 1; i < stitch->n; i++) {
        struct work_span moving = spans[i];
        uint32_t k = i;
        for (; k > 0 && compare_whole(stitch, &spans[k - 1], &moving) > 0; k--)
            spans[k] = spans[k - 1];
        spans[k] = moving;
    }
}

static bool make_room(struct stitch *stitch, uint32_t n)
{
    if (n <= stitch->cap)
        return true;
    uint32_t cap = stitch->cap ? stitch->cap : 64;
    while (cap < n)
        cap *= 2;
    free(stitch->spans);
    free(stitch->slots);
    free(stitch->next_same);
    free(stitch->order);
    stitch->spans = malloc(cap * sizeof(*stitch->spans));
    stitch->slots = malloc((size_t)cap * 2 * sizeof(uint32_t));
    stitch->next_same = malloc(cap * sizeof(uint32_t));
    stitch->order = malloc(cap * sizeof(uint32_t));
    bool ok = stitch->spans && stitch->slots && stitch->next_same && stitch->order;
    stitch->cap = ok ? cap : 0;
    return ok;
}

static uint32_t *slot_of(const struct stitch *stitch, uint64_t span_id)
{
    uint32_t at = (uint32_t)hash_u64(span_id) & (stitch->n_slots - 1);
    while (stitch->slots[at] != NONE && stitch->spans[stitch->slots[at]].record->span_id != span_id)
        at = (at + 1) & (stitch->n_slots - 1);
    return &stitch->slots[at];
}

static void index_ids(struct stitch *stitch)
{
    stitch->n_slots = 16;
    while (stitch->n_slots < 2 * stitch->n)
        stitch->n_slots *= 2;
    memset(stitch->slots, 0xff, stitch->n_slots * sizeof(uint32_t));
    /* From the last to the first, so that each list is in canonical order. */
    for (uint32_t i = stitch->n; i-- > 0;) {
        uint32_t *slot = slot_of(stitch, stitch->spans[i].record->span_id);
        stitch->next_same[i] = *slot;
        *slot = i;
    }
}

/* A proxy's span of an attempt, beneath its own of the request: both name where it goes. */
static bool is_own_attempt(const struct work_span *request, const struct work_span *attempt)
{
    return request->shape->proxy != PROXY_NONE && attempt->shape->proxy != PROXY_NONE &&
           attempt->shape->kind == KIND_CLIENT && attempt->shape->upstream_cluster &&
           attempt->shape->upstream_cluster == request->shape->upstream_cluster;
}

/* How well a span with the wanted id fits as the parent of `child`: the greater the better, 0 not
 * at all. */
static int parent_fit(const struct work_span *parent, const struct work_span *child)
{
    bool same_service = parent->shape->node.service == child->shape->node.service;
    bool started = parent->record->start_ns <= child->record->start_ns;
    bool out = is_out_kind(parent->shape);
    bool arrives = child->shape->kind == KIND_SERVER || child->shape->kind == KIND_CONSUMER;
    int fit = 1 + (started ? 1 : 0);
    /* Of one id's two halves a span hangs beneath its own service's, else beneath the callee's: who
     * got the call made those that lie under it, also where the half between them is lost. A copy
     * of the request has only what its own service made. */
    bool own = same_service && !(out && arrives);
    if (own)
        fit += 8;
    else if (!out && !parent->shape->mirrored)
        fit += 6;
    else if (out)
        fit += 4;
    if (own && !out && is_own_attempt(parent, child))
        return fit + 4;
    return fit + (own && parent->shape->proxy == PROXY_NONE ? 2 : 0);
}

/* Of several that fit alike the last in canonical order: the attempt that had last started. */
static uint32_t best_parent(const struct stitch *stitch, uint32_t child, uint64_t id)
{
    uint32_t best = NONE;
    int best_fit = 0;
    unsigned looked = 0;
    for (uint32_t i = *slot_of(stitch, id); i != NONE && looked < 256;
         i = stitch->next_same[i], looked++) {
        if (i == child)
            continue;
        int fit = parent_fit(&stitch->spans[i], &stitch->spans[child]);
        bool started = stitch->spans[i].record->start_ns <= stitch->spans[child].record->start_ns;
        if (fit > best_fit || (fit == best_fit && started)) {
            best = i;
            best_fit = fit;
        }
    }
    return best;
}

/* The other half under one shared id: the caller's for a callee, the proxy's for its application.
 */
static uint32_t shared_parent(const struct stitch *stitch, uint32_t child)
{
    const struct work_span *span = &stitch->spans[child];
    uint32_t best = NONE;
    unsigned looked = 0;
    if (is_out_kind(span->shape))
        return NONE;
    for (uint32_t i = *slot_of(stitch, span->record->span_id); i != NONE && looked < 256;
         i = stitch->next_same[i], looked++) {
        const struct work_span *other = &stitch->spans[i];
        if (i == child)
            continue;
        bool own_proxy = other->shape->proxy != PROXY_NONE && span->shape->proxy == PROXY_NONE &&
                         !is_out_kind(other->shape) &&
                         other->shape->node.service == span->shape->node.service;
        if (own_proxy && (best == NONE || other->record->start_ns <= span->record->start_ns))
            best = i;
        else if (is_out_kind(other->shape) && best == NONE)
            best = i;
    }
    return best;
}

static bool has_turned_ids(const struct work_span *span)
{
    return span->shape->format == FORMAT_ZIPKIN_PB && span->shape->proxy != PROXY_NONE;
}

/* Envoy writes the ids of spans, but not of traces, in Zipkin's protobuf in the byte order of its
 * machine: among themselves its proxies agree, with everybody else they do not. */
static uint32_t turned_parent(const struct stitch *stitch, uint32_t child, uint64_t id)
{
    uint32_t parent = best_parent(stitch, child, __builtin_bswap64(id));
    bool one_turned = parent != NONE && has_turned_ids(&stitch->spans[parent]) !=
                                            has_turned_ids(&stitch->spans[child]);
    return one_turned ? parent : NONE;
}

static void find_parents(struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n; i++) {
        struct work_span *span = &stitch->spans[i];
        uint64_t parent_id = span->record->parent_id;
        if (parent_id == span->record->span_id)
            parent_id = 0;
        span->parent = stitch->next_same[i] == NONE && *slot_of(stitch, span->record->span_id) == i
                           ? NONE
                           : shared_parent(stitch, i);
        if (span->parent == NONE && parent_id)
            span->parent = best_parent(stitch, i, parent_id);
        if (span->parent == NONE && parent_id)
            span->parent = turned_parent(stitch, i, parent_id);
        span->orphan = parent_id && span->parent == NONE;
    }
}

/* Walks up from every span; a walk that meets itself is cut at its first span in canonical order.
 */
static void break_cycles(struct stitch *stitch)
{
    uint32_t *seen_by = stitch->order;
    memset(seen_by, 0xff, stitch->n * sizeof(uint32_t));
    for (uint32_t i = 0; i < stitch->n; i++) {
        uint32_t at = i;
        while (at != NONE && seen_by[at] == NONE) {
            seen_by[at] = i;
            at = stitch->spans[at].parent;
        }
        if (at == NONE || seen_by[at] != i)
            continue;
        uint32_t first = at;
        for (uint32_t on = stitch->spans[at].parent; on != at; on = stitch->spans[on].parent)
            first = on < first ? on : first;
        stitch->spans[first].parent = NONE;
        stitch->spans[first].orphan = true;
    }
}

static void link_children(struct stitch *stitch)
{
    for (uint32_t i = stitch->n; i-- > 0;) {
        struct work_span *span = &stitch->spans[i];
        if (span->parent == NONE)
            continue;
        span->next_sibling = stitch->spans[span->parent].first_child;
        stitch->spans[span->parent].first_child = i;
    }
}

/* Breadth first from the roots. */
static void order_spans(struct stitch *stitch)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < stitch->n; i++) {
        if (stitch->spans[i].parent == NONE)
            stitch->order[n++] = i;
    }
    for (uint32_t at = 0; at < n; at++) {
        uint32_t child = stitch->spans[stitch->order[at]].first_child;
        for (; child != NONE; child = stitch->spans[child].next_sibling)
            stitch->order[n++] = child;
    }
}

bool tree_build(struct stitch *stitch, const struct record *records, uint32_t n)
{
    if (!make_room(stitch, n))
        return false;
    stitch->n = stitch->n_unstitched = stitch->n_logs = stitch->n_again = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct record *record = &records[i];
        if (record->unstitched) {
            stitch->n_unstitched++;
            continue;
        }
        uint64_t duration_ns = known_duration(record);
        stitch->n_logs += record->shape->log != LOG_NONE;
        stitch->spans[stitch->n++] = (struct work_span){
            .record = record,
            .shape = record->shape,
            .input = i,
            .parent = NONE,
            .first_child = NONE,
            .next_sibling = NONE,
            .visit = NONE,
            .call = NONE,
            .security = record->shape->security,
            .row = NONE,
            .row_up = NONE,
            .led = NONE,
            .end_ns = duration_ns == DURATION_UNKNOWN ? 0 : record->start_ns + duration_ns,
        };
    }
    sort(stitch);
    if (stitch->n_logs && !twins_take(stitch))
        return false;
    index_ids(stitch);
    find_parents(stitch);
    if (stitch->n_logs && !logs_find_parents(stitch))
        return false;
    break_cycles(stitch);
    link_children(stitch);
    order_spans(stitch);
    return true;
}
