/* results.c - the answer: calls with their numbers, what each span was, and the trace as a whole.
 */
#include <stdio.h>

#include "collector/base/map.h"
#include "collector/base/utf8.h"
#include "collector/stitch/work.h"

#define OWN_FLAGS                                                                                  \
    (FLAG_BIT(FLAG_NR) | FLAG_BIT(FLAG_NC) | FLAG_BIT(FLAG_RL) | FLAG_BIT(FLAG_UAEX) |             \
     FLAG_BIT(FLAG_FI) | FLAG_BIT(FLAG_OM) | FLAG_BIT(FLAG_NFCF))
#define MAX_REASON 80
#define MAX_CRITICAL_STEPS 64

/* ---- calls ---- */

static void add_times(const struct stitch *stitch, struct work_call *work)
{
    struct call *call = &work->call;
    call->caller_ns = call->callee_ns = call->transit_ns = DURATION_UNKNOWN;
    call->caller_span = call->callee_span = NO_SPAN;
    if (work->callee_visit != NONE) {
        uint32_t at = visit_application(stitch, work->callee_visit);
        const struct record *callee = stitch->spans[at].record;
        call->callee_span = stitch->spans[stitch->visits[work->callee_visit].first].input;
        call->callee_ns = known_duration(callee);
        call->start_ns = stitch->spans[stitch->visits[work->callee_visit].first].record->start_ns;
        call->weight = callee->weight;
    }
    if (work->top == NONE)
        return;
    const struct work_span *top = &stitch->spans[work->top];
    call->caller_span = top->input;
    call->caller_ns = known_duration(top->record);
    call->start_ns = work->begin_ns ? work->begin_ns : top->record->start_ns;
    call->weight = top->record->weight;
    bool both = call->caller_ns != DURATION_UNKNOWN && call->callee_ns != DURATION_UNKNOWN;
    if (both && call->caller_ns >= call->callee_ns && !top->shape->mirrored)
        call->transit_ns = call->caller_ns - call->callee_ns;
    /* Attempts that are siblings: from the first one's start to the last one's end. */
    if (call->retries && top->end_ns && call->start_ns && top->end_ns > call->start_ns)
        call->caller_ns = top->end_ns - call->start_ns;
}

static void add_security(const struct stitch *stitch, struct work_call *work)
{
    uint8_t security = SECURITY_UNKNOWN;
    if (work->top != NONE)
        security = stitch->spans[work->top].shape->security;
    if (work->callee_visit != NONE) {
        uint8_t callee = stitch->spans[stitch->visits[work->callee_visit].first].shape->security;
        security = callee > security ? callee : security;
    }
    work->call.security = security;
}

/* Gateways on the way, from the caller to the callee. */
static name_no via_of(struct stitch *stitch, const struct work_call *work, bool *router)
{
    name_no names[16];
    unsigned n = 0;
    *router = false;
    for (uint32_t at = work->bottom; at != NONE;
         at = at == work->top ? NONE : stitch->spans[at].parent) {
        const struct work_span *span = &stitch->spans[at];
        name_no service = span->shape->node.service;
        if (!span->passes || (n && names[n - 1] == service) || n == 16)
            continue;
        *router = *router || span->proxy == PROXY_GATEWAY;
        names[n++] = service;
    }
    if (n == 0)
        return NAME_NONE;
    if (n == 1)
        return names[0];
    char text[1024];
    size_t len = 0;
    for (unsigned i = n; i-- > 0;) {
        struct str name = names_text(stitch->names, names[i]);
        if (len + name.len + 1 >= sizeof(text))
            break;
        if (len)
            text[len++] = ',';
        memcpy(text + len, name.p, name.len);
        len += name.len;
    }
    return names_add(stitch->names, (struct str){text, len});
}

static void add_route(struct stitch *stitch, struct work_call *work)
{
    struct call *call = &work->call;
    bool router = false;
    if (work->bottom != NONE)
        call->via = via_of(stitch, work, &router);
    const struct node *caller = nodes_get(stitch->nodes, call->caller);
    const struct node *callee = nodes_get(stitch->nodes, call->callee);
    name_no caller_zone = work->top == NONE ? NAME_NONE : stitch->spans[work->top].shape->zone;
    name_no callee_zone = work->callee_visit == NONE
                              ? NAME_NONE
                              : stitch->spans[stitch->visits[work->callee_visit].first].shape->zone;
    call->crossing = crossing_of(stitch, caller, callee, caller_zone, callee_zone);
    call->hairpin = call->via && router && caller->cluster && caller->cluster == callee->cluster;
}

static void add_operation(const struct stitch *stitch, struct work_call *work)
{
    struct call *call = &work->call;
    const struct work_span *callee =
        work->callee_visit == NONE ? NULL
                                   : &stitch->spans[visit_application(stitch, work->callee_visit)];
    const struct work_span *known =
        callee ? callee : &stitch->spans[hop_request(stitch, work->bottom)];
    call->operation = known->shape->operation;
    call->protocol = known->shape->protocol;
    if (!call->protocol && work->top != NONE)
        call->protocol = stitch->spans[work->top].shape->protocol;
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

static bool is_out_kind(const struct work_span *span)
{
    return span->shape->kind == KIND_CLIENT || span->shape->kind == KIND_PRODUCER;
}

static bool other_service(const struct work_span *a, const struct work_span *b)
{
    return !same_workload(&a->shape->node, &b->shape->node);
}

static uint8_t class_of_out(const struct stitch *stitch, const struct work_span *span)
{
    bool handed_on = false;
    for (uint32_t i = span->first_child; i != NONE; i = stitch->spans[i].next_sibling) {
        const struct work_span *child = &stitch->spans[i];
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
    return is_out_kind(parent) ? LEDGER_PAIRED : LEDGER_CALLEE_ONLY;
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
        call->callee_visit != NONE &&
        stitch->spans[stitch->visits[call->callee_visit].first].outcome >= OUTCOME_GONE;
    return outgoing && callee_failed ? FAULT_CARRIED : call->call.fault;
}

/* Which call each span is a half of: incoming halves by their visit, outgoing ones by their row. */
static void link_spans(struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        const struct work_call *call = &stitch->calls[i];
        if (call->bottom == NONE)
            continue;
        for (uint32_t at = call->bottom; at != NONE;
             at = at == call->top ? NONE : stitch->spans[at].parent) {
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
    } else {
        node.role = span->proxy == PROXY_NONE ? own->role : node.role;
        node.cluster = own->cluster ? own->cluster : node.cluster;
        node.namespace = own->namespace ? own->namespace : node.namespace;
        node.version = own->version ? own->version : node.version;
        node.service = own->service;
    }
    if (span->proxy == PROXY_SIDECAR)
        node.role = ROLE_SIDECAR;
    const struct work_call *call = span->call == NONE ? NULL : &stitch->calls[span->call];
    bool outgoing = (span->half & HALF_OUT) || span->passes;
    *result = (struct span_result){
        .self_ns = self_time(stitch, span),
        .node = nodes_add(stitch->nodes, &node),
        .peer = !call      ? NODE_NONE
                : outgoing ? call->call.callee
                           : call->call.caller,
        .fault = fault_of_span(stitch, span),
        .class = class_of(stitch, span),
        .part = span->passes            ? PART_BETWEEN
                : span->half & HALF_OUT ? PART_OUT
                : span->half & HALF_IN  ? PART_IN
                                        : PART_INSIDE,
        .failed = span->outcome == OUTCOME_FAILED,
        .client_error = span->outcome == OUTCOME_CLIENT_ERROR,
    };
}

/* ---- the trace ---- */

/* The first root that is no orphan, else the first of all. */
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

static name_no reason_of(struct stitch *stitch, const struct work_span *span)
{
    const struct record *record = span->record;
    char text[MAX_REASON + 1];
    if (record->flags)
        return record->flags_text;
    if (record->http_status >= 400)
        snprintf(text, sizeof(text), "%d", record->http_status);
    else if (record->grpc_status > 0)
        snprintf(text, sizeof(text), "grpc %d", record->grpc_status);
    else
        snprintf(text, sizeof(text), "%s", "error");
    struct str message = own_message(record->own);
    if (record->http_status < 400 && record->grpc_status <= 0 && message.len)
        return names_add(stitch->names, utf8_cut(message, MAX_REASON));
    return names_add(stitch->names, str_of(text));
}

/* A timeout is owed by who used the time: down the longest calls while they take half of what is
 * above. */
static uint32_t time_user(const struct stitch *stitch, uint32_t number)
{
    for (unsigned step = 0; step < MAX_CRITICAL_STEPS; step++) {
        const struct work_call *call = &stitch->calls[number];
        if (call->callee_visit == NONE)
            return number;
        uint64_t above_ns = call->call.callee_ns, longest_ns = 0;
        uint32_t longest = NONE;
        for (uint32_t i = stitch->visits[call->callee_visit].first_call; i != NONE;
             i = stitch->calls[i].next_of_visit) {
            const struct call *beneath = &stitch->calls[i].call;
            uint64_t ns =
                beneath->caller_ns != DURATION_UNKNOWN ? beneath->caller_ns : beneath->callee_ns;
            if (!stitch->calls[i].folded && ns != DURATION_UNKNOWN && ns > longest_ns) {
                longest = i;
                longest_ns = ns;
            }
        }
        if (longest == NONE || above_ns == DURATION_UNKNOWN || longest_ns < above_ns / 2)
            return number;
        number = longest;
    }
    return number;
}

static void write_origin_at(struct stitch *stitch, uint32_t number, struct trace_result *trace)
{
    const struct work_call *at = &stitch->calls[number];
    if (call_is_timeout(stitch, at)) {
        number = time_user(stitch, number);
        at = &stitch->calls[number];
    }
    bool has_callee = at->callee_visit != NONE;
    const struct work_span *callee =
        has_callee ? &stitch->spans[stitch->visits[at->callee_visit].first] : NULL;
    const struct work_span *caller =
        at->bottom == NONE ? NULL : &stitch->spans[hop_request(stitch, at->bottom)];
    bool proxy_itself = !has_callee && caller && (caller->record->flags & OWN_FLAGS);
    trace->origin = proxy_itself ? at->call.caller : at->call.callee;
    trace->origin_operation = at->call.operation;
    const struct work_span *says = callee && callee->outcome >= OUTCOME_FAILED ? callee : caller;
    if (!says || says->outcome == OUTCOME_OK)
        says = caller && caller->outcome != OUTCOME_OK ? caller : callee ? callee : caller;
    trace->origin_reason = reason_of(stitch, says);
    if (says->outcome == OUTCOME_OK)
        trace->origin_reason = names_add(stitch->names, STR("timeout"));
}

static void write_origin(struct stitch *stitch, uint32_t entry, struct trace_result *trace)
{
    uint32_t visit = stitch->spans[entry].visit, number = stitch->visits[visit].call;
    if (number == NONE)
        number = stitch->visits[visit].worst;
    if (number == NONE) {
        trace->origin = trace->entry;
        trace->origin_operation = trace->entry_operation;
        trace->origin_reason = reason_of(stitch, &stitch->spans[entry]);
        return;
    }
    for (uint32_t steps = 0; steps < stitch->n_visits; steps++) {
        uint32_t callee = stitch->calls[number].callee_visit;
        uint32_t next = callee == NONE ? NONE : stitch->visits[callee].worst;
        if (next == NONE)
            break;
        number = next;
    }
    write_origin_at(stitch, number, trace);
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
    if (!stitch->n)
        return;
    uint32_t entry = entry_span(stitch);
    const struct visit *visit = &stitch->visits[stitch->spans[entry].visit];
    bool orphan = false;
    for (uint32_t i = 0; i < stitch->n; i++) {
        trace->parts += stitch->spans[i].parent == NONE;
        orphan = orphan || stitch->spans[i].orphan;
        trace->error_count += stitch->spans[i].outcome == OUTCOME_FAILED;
    }
    trace->entry = nodes_add(stitch->nodes, &visit->node);
    trace->entry_operation =
        stitch->spans[visit_application(stitch, stitch->spans[entry].visit)].shape->operation;
    trace->complete = trace->parts == 1 && !orphan && !stitch->n_unstitched;
    trace->service_count = count_services(stitch, graph, n);
    trace_times(stitch, entry, trace);
    trace->error = visit->call != NONE ? stitch->calls[visit->call].outcome == OUTCOME_FAILED
                                       : stitch->spans[entry].outcome == OUTCOME_FAILED;
    if (trace->error)
        write_origin(stitch, entry, trace);
}

static bool write_calls(struct stitch *stitch, struct graph *graph)
{
    graph->calls = arena_alloc(stitch->arena, (stitch->n_calls + 1) * sizeof(*graph->calls));
    graph->n_calls = 0;
    if (!graph->calls)
        return false;
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        struct work_call *work = &stitch->calls[i];
        add_times(stitch, work);
        if (work->folded)
            continue;
        add_operation(stitch, work);
        add_route(stitch, work);
        add_security(stitch, work);
        graph->calls[graph->n_calls++] = work->call;
    }
    return true;
}

bool results_write(struct stitch *stitch, struct graph *graph, uint32_t n_records)
{
    graph->spans = arena_calloc(stitch->arena, (n_records + 1) * sizeof(*graph->spans));
    if (!graph->spans || !write_calls(stitch, graph))
        return false;
    for (uint32_t i = 0; i < n_records; i++)
        graph->spans[i].class = LEDGER_LOCAL;
    link_spans(stitch);
    for (uint32_t i = 0; i < stitch->n; i++)
        write_span(stitch, &stitch->spans[i], &graph->spans[stitch->spans[i].input]);
    write_trace(stitch, graph, n_records);
    return true;
}
