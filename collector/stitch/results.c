/* results.c - the answer: calls with their numbers, what each span was, and the trace as a whole.
 */
#include "collector/base/map.h"
#include "collector/stitch/work.h"

/* ---- calls ---- */

/* What of the caller's time is not the callee's. */
static uint64_t less(uint64_t waited_ns, uint64_t worked_ns)
{
    bool known = waited_ns != DURATION_UNKNOWN && worked_ns != DURATION_UNKNOWN;
    return known && waited_ns >= worked_ns ? waited_ns - worked_ns : DURATION_UNKNOWN;
}

/* The last attempt's time on the way: unknown where its caller's half is others' too. */
static uint64_t transit_of(const struct stitch *stitch, const struct work_call *work)
{
    uint64_t worked_ns = work->call.callee_ns, waited_ns;
    if (work->attempt == NONE || worked_ns == DURATION_UNKNOWN)
        return DURATION_UNKNOWN;
    waited_ns = known_duration(stitch->spans[work->attempt].record);
    return less(waited_ns, worked_ns);
}

/* The other half lies in another trace. */
static void add_joined_times(struct work_call *work)
{
    struct call *call = &work->call;
    if (work->callee_visit == NONE) {
        call->callee_ns = work->joined->duration_ns;
        return;
    }
    call->caller_ns = work->joined->duration_ns;
    call->start_ns = work->joined->start_ns;
    call->transit_ns = less(call->caller_ns, call->callee_ns);
}

static void add_times(const struct stitch *stitch, struct work_call *work)
{
    struct call *call = &work->call;
    call->caller_ns = call->callee_ns = call->transit_ns = DURATION_UNKNOWN;
    call->caller_span = call->callee_span = NO_SPAN;
    if (work->callee_visit != NONE) {
        const struct visit *visit = &stitch->visits[work->callee_visit];
        const struct record *first = stitch->spans[visit->first].record,
                            *callee = stitch->spans[visit->application].record;
        call->callee_span = visit->silent ? NO_SPAN : stitch->spans[visit->first].input;
        call->callee_ns = visit_answered(stitch, visit) ? known_duration(callee) : DURATION_UNKNOWN;
        call->start_ns = first->start_ns;
    }
    if (work->joined)
        add_joined_times(work);
    if (work->top == NONE)
        return;
    const struct work_span *top = &stitch->spans[work->top];
    call->caller_span = top->input;
    call->caller_ns = known_duration(top->record);
    if (!call->start_ns || !top->record->bad_times) /* else the callee knows better */
        call->start_ns = work->begin_ns ? work->begin_ns : top->record->start_ns;
    call->transit_ns = transit_of(stitch, work);
    /* Attempts that are siblings: from the first one's start to the last one's end. */
    if (call->retries && top->end_ns && call->start_ns && work->caller_end_ns > call->start_ns)
        call->caller_ns = work->caller_end_ns - call->start_ns;
}

static uint32_t entry_span(const struct stitch *stitch)
{
    for (uint32_t k = 0; k < stitch->n; k++) {
        const struct work_span *span = &stitch->spans[stitch->order[k]];
        if (span->parent != NONE)
            break;
        if (!span->orphan)
            return stitch->order[k];
    }
    return stitch->order[0];
}

/* How many calls this one stands for: as its halves say, the caller's first; else as the root says,
 * where some samplers (Jaeger's) write it once for the whole trace. */
static float weight_of(const struct stitch *stitch, const struct work_call *work, uint32_t root)
{
    const uint32_t said[3] = {
        work->top,
        work->callee_visit == NONE ? NONE : stitch->visits[work->callee_visit].application, root};
    for (int i = 0; i < 3; i++) {
        float weight = said[i] == NONE ? 1.0f : stitch->spans[said[i]].record->weight;
        if (weight != 1.0f)
            return weight;
    }
    return 1.0f;
}

static void add_operation(const struct stitch *stitch, struct work_call *work)
{
    struct call *call = &work->call;
    const struct visit *visit =
        work->callee_visit == NONE ? NULL : &stitch->visits[work->callee_visit];
    bool by_callee = visit && (work->bottom == NONE || visit_answered(stitch, visit));
    uint32_t known = by_callee ? visit->application : hop_request(stitch, work->bottom);
    call->operation = stitch->spans[known].shape->operation;
    call->protocol = stitch->spans[known].shape->protocol;
    const struct shape *top = work->top == NONE ? NULL : stitch->spans[work->top].shape;
    /* To a proxy a store or a queue is one more request of HTTP; its caller knows what it is. */
    bool by_caller = top && !by_callee && (top->database || top->messaging);
    if (top && top->protocol && (by_caller || !call->protocol))
        call->protocol = top->protocol;
}

/* ---- spans ---- */

static uint64_t self_time(const struct stitch *stitch, const struct work_span *span)
{
    uint64_t duration_ns = known_duration(span->record), covered_ns = 0;
    if (duration_ns == DURATION_UNKNOWN)
        return DURATION_UNKNOWN;
    uint64_t start_ns = span->record->start_ns, upto_ns = start_ns;
    /* Children come in order of their starts. */
    for (uint32_t i = span->first_child; i != NONE; i = stitch->spans[i].next_sibling) {
        const struct work_span *child = &stitch->spans[i];
        if (!child->end_ns)
            continue;
        uint64_t from_ns = child->record->start_ns > upto_ns ? child->record->start_ns : upto_ns;
        uint64_t to_ns = child->end_ns < span->end_ns ? child->end_ns : span->end_ns;
        if (to_ns > from_ns) {
            covered_ns += to_ns - from_ns;
            upto_ns = to_ns;
        }
    }
    return duration_ns - covered_ns;
}

/* By its kind, but for those that have the wrong one. */
static bool is_out_kind(const struct work_span *span)
{
    uint8_t kind = span->shape->kind;
    return (kind == KIND_CLIENT && span->half != HALF_IN) || kind == KIND_PRODUCER;
}

/* An application and its sidecar are one service, also under two names. */
static bool other_service(const struct work_span *a, const struct work_span *b)
{
    bool one_visit = a->visit == b->visit && !a->passes && !b->passes;
    return !one_visit && !same_workload(&a->shape->node, &b->shape->node);
}

static uint8_t class_of_out(const struct stitch *stitch, const struct work_span *span)
{
    bool handed_on = false;
    for (uint32_t i = span->first_child; i != NONE; i = stitch->spans[i].next_sibling) {
        const struct work_span *child = &stitch->spans[i];
        if (child->through)
            continue;
        if (!is_out_kind(child) && child->shape->kind != KIND_INTERNAL &&
            other_service(child, span))
            return LEDGER_PAIRED;
        handed_on = handed_on || child->half != HALF_NONE;
    }
    return handed_on ? LEDGER_LOCAL : LEDGER_CALLER_ONLY;
}

static uint8_t class_of(const struct stitch *stitch, const struct work_span *span)
{
    if (is_out_kind(span))
        return class_of_out(stitch, span);
    if (span->parent == NONE)
        return span->orphan ? LEDGER_ORPHAN : LEDGER_ENTRY;
    const struct work_span *parent = &stitch->spans[span->parent];
    if (span->shape->kind == KIND_INTERNAL || !other_service(parent, span))
        return LEDGER_LOCAL;
    return is_out_kind(parent) && !span->through ? LEDGER_PAIRED : LEDGER_CALLEE_ONLY;
}

/* A failed span that is no half of a call: carried when a failed span beneath it ended within its
 * time. */
static uint8_t inner_fault(const struct stitch *stitch, const struct work_span *span)
{
    for (uint32_t i = span->first_child; i != NONE; i = stitch->spans[i].next_sibling) {
        const struct work_span *child = &stitch->spans[i];
        if (child->outcome == OUTCOME_FAILED && (!span->end_ns || child->end_ns <= span->end_ns))
            return FAULT_CARRIED;
    }
    return FAULT_ORIGIN;
}

static uint8_t fault_of_span(const struct stitch *stitch, const struct work_span *span)
{
    const struct work_call *call = span->call == NONE ? NULL : &stitch->calls[span->call];
    if (span->outcome == OUTCOME_OK)
        return FAULT_NONE;
    const struct work_call *whole = call && call->folded ? &stitch->calls[call->into] : call;
    if (whole != call && whole->outcome != OUTCOME_FAILED)
        return FAULT_RECOVERED;
    if (span->outcome == OUTCOME_CLIENT_ERROR)
        return FAULT_CLIENT_ERROR;
    if (span->outcome == OUTCOME_GONE)
        return whole && whole->outcome == OUTCOME_FAILED ? FAULT_ORIGIN : FAULT_CLIENT_GONE;
    if (!call || call->outcome != OUTCOME_FAILED)
        return inner_fault(stitch, span);
    bool outgoing = (span->half & HALF_OUT) || span->passes;
    bool callee_failed =
        call->callee_visit != NONE && !stitch->visits[call->callee_visit].silent &&
        stitch->spans[stitch->visits[call->callee_visit].first].outcome >= OUTCOME_GONE;
    return outgoing && callee_failed ? FAULT_CARRIED : call->call.fault;
}

/* Which call each span is a half of: incoming halves by their visit, outgoing ones by their row. */
static void link_spans(struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        const struct work_call *call = &stitch->calls[i];
        for (uint32_t at = call->bottom; at != NONE; at = row_next(stitch, call, at)) {
            if (stitch->spans[at].call == NONE || !call->folded)
                stitch->spans[at].call = i;
        }
    }
    for (uint32_t i = 0; i < stitch->n; i++) {
        struct work_span *span = &stitch->spans[i];
        if (span->call == NONE && (span->half & HALF_IN) && !span->passes)
            span->call = stitch->visits[span->visit].call;
    }
}

static void write_span(struct stitch *stitch, const struct work_span *span,
                       struct span_result *result)
{
    struct node node = stitch->visits[span->visit].node;
    const struct node *own = &span->shape->node;
    if (span->passes) {
        node = *own;
        node.role = role_of_proxy(span->proxy);
    } else {
        node.role = span->proxy == PROXY_NONE ? own->role : node.role;
        node.cluster = own->cluster ? own->cluster : node.cluster;
        node.namespace = own->namespace ? own->namespace : node.namespace;
        node.version = own->version ? own->version : node.version;
        node.service = span->of_sidecar || span->named_by ? node.service : own->service;
    }
    if (span->proxy == PROXY_SIDECAR)
        node.role = ROLE_SIDECAR;
    const struct work_call *call = span->call == NONE ? NULL : &stitch->calls[span->call];
    bool outgoing = (span->half & HALF_OUT) || span->passes;
    uint8_t fault = fault_of_span(stitch, span);
    /* Whose client left failed where that was no client's leaving but a timeout. */
    bool given_up = span->outcome == OUTCOME_GONE && fault != FAULT_CLIENT_GONE;
    *result = (struct span_result){
        .self_ns = self_time(stitch, span),
        .node = nodes_add(stitch->nodes, &node),
        .peer = !call      ? NODE_NONE
                : outgoing ? call->call.callee
                           : call->call.caller,
        .fault = fault,
        .class = class_of(stitch, span),
        .part = span->passes            ? PART_BETWEEN
                : span->half & HALF_OUT ? PART_OUT
                : span->half & HALF_IN  ? PART_IN
                                        : PART_INSIDE,
        .failed = span->outcome == OUTCOME_FAILED || given_up,
        .client_error = span->outcome == OUTCOME_CLIENT_ERROR,
    };
}

/* Of what is no part of the graph: who speaks is known by the span alone. */
static struct span_result speaker(struct stitch *stitch, const struct shape *shape)
{
    struct node node = shape->node;
    node.role = shape->proxy == PROXY_UNKNOWN ? ROLE_SIDECAR : node.role;
    return (struct span_result){.self_ns = DURATION_UNKNOWN,
                                .node = nodes_add(stitch->nodes, &node),
                                .class = LEDGER_LOCAL};
}

static void write_again(struct stitch *stitch, const struct work_span *entry,
                        struct span_result *result)
{
    *result = speaker(stitch, entry->shape);
    result->again = true;
}

/* Beyond stitch.max_spans_per_trace. */
static void write_unstitched(struct stitch *stitch, const struct record *record,
                             struct span_result *result)
{
    uint8_t outcome = record_outcome(record);
    *result = speaker(stitch, record->shape);
    result->failed = outcome == OUTCOME_FAILED;
    result->client_error = outcome == OUTCOME_CLIENT_ERROR;
}

/* ---- the trace ---- */

/* The first root that is no orphan, else the first of all. */
uint32_t entry_call(const struct stitch *stitch, uint32_t entry)
{
    const struct work_span *span = &stitch->spans[entry];
    uint32_t led = stitch->visits[span->visit].call;
    if (led != NONE)
        return led;
    uint32_t made = (span->half & HALF_OUT) || span->passes ? span->call : NONE;
    return made != NONE && stitch->calls[made].folded ? stitch->calls[made].into : made;
}

static uint32_t count_services(struct stitch *stitch, const struct graph *graph, uint32_t n)
{
    uint32_t count = 0;
    struct node last = {0};
    struct map seen;
    map_init(&seen);
    for (uint32_t i = 0; i < n; i++) {
        struct node node = *nodes_get(stitch->nodes, graph->spans[i].node);
        node.version = NAME_NONE;
        node.role = ROLE_WORKLOAD;
        if (i && last.service == node.service && last.namespace == node.namespace &&
            last.cluster == node.cluster)
            continue;
        last = node;
        node_no no = nodes_add(stitch->nodes, &node);
        uint64_t hash = (uint64_t)no * UINT64_C(0x9e3779b97f4a7c15);
        bool known = false;
        for (struct map_iter it = map_find(&seen, hash); map_next(&seen, &it);)
            known = known || it.value == no;
        if (!known && map_add(&seen, hash, no))
            count++;
    }
    map_fini(&seen);
    return count;
}

static void trace_times(const struct stitch *stitch, uint32_t entry, struct trace_result *trace)
{
    const struct work_span *root = &stitch->spans[entry];
    trace->start_ns = root->record->start_ns;
    trace->duration_ns = known_duration(root->record);
    if (root->parent == NONE && !root->orphan && trace->duration_ns != DURATION_UNKNOWN)
        return;
    uint64_t from_ns = UINT64_MAX, to_ns = 0;
    for (uint32_t i = 0; i < stitch->n; i++) {
        const struct work_span *span = &stitch->spans[i];
        if (!span->end_ns)
            continue;
        from_ns = span->record->start_ns < from_ns ? span->record->start_ns : from_ns;
        to_ns = span->end_ns > to_ns ? span->end_ns : to_ns;
    }
    if (to_ns) {
        trace->start_ns = from_ns;
        trace->duration_ns = to_ns - from_ns;
    }
}

static void write_trace(struct stitch *stitch, struct graph *graph, uint32_t n)
{
    struct trace_result *trace = &graph->trace;
    *trace = (struct trace_result){.duration_ns = DURATION_UNKNOWN, .span_count = n};
    for (uint32_t i = 0; i < n; i++)
        trace->error_count += graph->spans[i].failed;
    if (!stitch->n && stitch->n_again) { /* entries of which spans elsewhere told */
        trace->start_ns = stitch->spans[0].record->start_ns;
        trace->duration_ns = known_duration(stitch->spans[0].record);
        trace->entry = graph->spans[stitch->spans[0].input].node;
        trace->parts = trace->service_count = 1;
    }
    if (!stitch->n)
        return;
    uint32_t entry = entry_span(stitch);
    const struct visit *visit = &stitch->visits[stitch->spans[entry].visit];
    bool orphan = false;
    for (uint32_t i = 0; i < stitch->n; i++) {
        trace->parts += stitch->spans[i].parent == NONE;
        orphan = orphan || stitch->spans[i].orphan;
    }
    trace->entry = nodes_add(stitch->nodes, &visit->node);
    trace->entry_operation =
        stitch->spans[stitch->visits[stitch->spans[entry].visit].application].shape->operation;
    trace->complete = trace->parts == 1 && !orphan && !stitch->n_unstitched;
    const struct work_span *first = &stitch->spans[entry];
    trace->began_by_proxy = first->proxy == PROXY_SIDECAR && first->half == HALF_OUT &&
                            first->parent == NONE && !first->orphan;
    trace->service_count = count_services(stitch, graph, n);
    trace_times(stitch, entry, trace);
    uint32_t call = entry_call(stitch, entry);
    trace->error = call != NONE ? stitch->calls[call].outcome == OUTCOME_FAILED
                                : stitch->spans[entry].outcome == OUTCOME_FAILED;
    if (trace->error)
        origin_find(stitch, entry, trace);
}

static bool write_calls(struct stitch *stitch, struct graph *graph)
{
    graph->calls =
        arena_alloc(stitch->arena, (stitch->n_calls + MAX_JOINED) * sizeof(*graph->calls));
    graph->n_calls = 0;
    if (!graph->calls)
        return false;
    stitch->n_hops = 0;
    uint32_t root = stitch->n ? entry_span(stitch) : NONE;
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        struct work_call *work = &stitch->calls[i];
        add_times(stitch, work);
        if (work->folded || work->elsewhere)
            continue;
        work->call.weight = weight_of(stitch, work, root);
        add_operation(stitch, work);
        route_find(stitch, work);
        if (!hops_find(stitch, work))
            return false;
        graph->calls[graph->n_calls++] = work->call;
    }
    if (stitch->requests)
        graph->n_calls += joins_add(stitch, graph->calls + graph->n_calls);
    graph->n_hops = stitch->n_hops;
    graph->hops = arena_alloc(stitch->arena, (stitch->n_hops + 1) * sizeof(*graph->hops));
    if (graph->hops && stitch->n_hops)
        memcpy(graph->hops, stitch->hops, stitch->n_hops * sizeof(*graph->hops));
    return graph->hops != NULL;
}

bool results_write(struct stitch *stitch, const struct record *records, struct graph *graph,
                   uint32_t n_records)
{
    graph->spans = arena_calloc(stitch->arena, (n_records + 1) * sizeof(*graph->spans));
    if (!graph->spans || !write_calls(stitch, graph))
        return false;
    for (uint32_t i = 0; i < n_records && stitch->n_unstitched; i++) {
        if (records[i].unstitched)
            write_unstitched(stitch, &records[i], &graph->spans[i]);
    }
    link_spans(stitch);
    for (uint32_t i = 0; i < stitch->n; i++)
        write_span(stitch, &stitch->spans[i], &graph->spans[stitch->spans[i].input]);
    for (uint32_t i = stitch->n; i < stitch->n + stitch->n_again; i++)
        write_again(stitch, &stitch->spans[i], &graph->spans[stitch->spans[i].input]);
    write_trace(stitch, graph, n_records);
    return true;
}
