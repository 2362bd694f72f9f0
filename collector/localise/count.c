/* count.c - requests, self times, gaps, calls, flow and origins of one trace.
 *
 * Outgoing halves have no self time of their own: what is not their callee's is the gap of the
 * call.
 */
#include "collector/localise/count.h"

#include <stdlib.h>

#include "collector/base/hash.h"

#define NONE UINT32_MAX
#define SECOND_NS UINT64_C(1000000000)
/* A span with more children than this is not looked at for waiting siblings. */
#define MAX_SIBLINGS 256u
#define MAX_ORIGINS 32u /* of one trace */

struct counted_span {
    uint32_t next_same;                 /* next record with the same hash slot */
    uint32_t first_child, next_sibling; /* in order of the records */
    node_no node;                       /* workload, gateway or waypoint: never a sidecar */
    bool troubled;                      /* it failed, or a call that it made did */
};

struct counting {
    struct nodes *nodes;
    uint32_t step_s;
    struct counted_span *spans;
    uint32_t *slots;  /* span id -> a record; room for two for each of `cap` spans */
    uint32_t n_slots; /* that this trace uses, a power of two */
    uint32_t cap;
    node_no *workload_of; /* by node number; NODE_NONE: not looked up yet */
    uint32_t cap_workloads;
    /* Of the trace that is counted. */
    const struct counted_trace *trace;
    struct rollup *rollup;
    uint32_t step;
    int sign;
    bool good;
};

struct counting *counting_new(struct nodes *nodes, uint32_t step_s)
{
    struct counting *counting = calloc(1, sizeof(*counting));
    if (counting)
        *counting = (struct counting){.nodes = nodes, .step_s = step_s};
    return counting;
}

void counting_free(struct counting *counting)
{
    if (!counting)
        return;
    free(counting->spans);
    free(counting->slots);
    free(counting->workload_of);
    free(counting);
}

/* A small trace uses few of the slots that a great one before it left. */
static bool make_room(struct counting *counting, uint32_t n)
{
    uint32_t cap = 64;
    while (cap < n)
        cap *= 2;
    counting->n_slots = 2 * cap;
    if (n <= counting->cap)
        return true;
    free(counting->spans);
    free(counting->slots);
    counting->spans = malloc(cap * sizeof(*counting->spans));
    counting->slots = malloc((size_t)cap * 2 * sizeof(*counting->slots));
    counting->cap = counting->spans && counting->slots ? cap : 0;
    return counting->cap > 0;
}

/* A sidecar's spans are its workload's. */
static node_no workload_of(struct counting *counting, node_no no)
{
    if (no >= counting->cap_workloads) {
        uint32_t cap = counting->cap_workloads ? counting->cap_workloads : 256;
        while (cap <= no)
            cap *= 2;
        node_no *grown = realloc(counting->workload_of, cap * sizeof(*grown));
        if (!grown)
            return no;
        memset(grown + counting->cap_workloads, 0,
               (cap - counting->cap_workloads) * sizeof(*grown));
        counting->workload_of = grown;
        counting->cap_workloads = cap;
    }
    if (counting->workload_of[no] == NODE_NONE) {
        struct node node = *nodes_get(counting->nodes, no);
        if (node.role == ROLE_SIDECAR)
            node.role = ROLE_WORKLOAD;
        counting->workload_of[no] = nodes_add(counting->nodes, &node);
    }
    return counting->workload_of[no];
}

static struct tally *tally(struct counting *counting, const struct tally_key *key)
{
    uint64_t over = counting->rollup->n_over;
    struct tally *found = rollup_tally(counting->rollup, key, counting->step);
    if (!found && counting->rollup->n_over == over)
        counting->good = false;
    return found;
}

static void add_time(struct counting *counting, struct tally *to, uint64_t ns)
{
    counting->good = tally_time(to, ns, counting->sign) && counting->good;
}

/* ---- the tree, as far as counting needs it ---- */

static uint32_t slot_of(const struct counting *counting, uint64_t span_id)
{
    return (uint32_t)hash_u64(span_id) & (counting->n_slots - 1);
}

/* Of two records under one id, the one whose children name it: the callee's half, and of several
 * attempts the one that had started last when the child started. */
static bool is_better_parent(const struct counting *counting, uint32_t a, uint32_t b,
                             uint64_t child_start_ns)
{
    const struct counted_trace *trace = counting->trace;
    bool a_in = trace->graph.spans[a].part == PART_IN, b_in = trace->graph.spans[b].part == PART_IN;
    uint64_t a_ns = trace->records[a].start_ns, b_ns = trace->records[b].start_ns;
    bool a_before = a_ns <= child_start_ns, b_before = b_ns <= child_start_ns;
    if (a_in != b_in)
        return a_in;
    if (a_before != b_before)
        return a_before;
    if (a_ns != b_ns)
        return a_before ? a_ns > b_ns : a_ns < b_ns;
    return trace->records[a].duration_ns > trace->records[b].duration_ns;
}

static uint32_t find_parent(const struct counting *counting, const struct record *child)
{
    uint32_t found = NONE;
    uint64_t id = child->parent_id;
    for (uint32_t i = id ? counting->slots[slot_of(counting, id)] : NONE; i != NONE;
         i = counting->spans[i].next_same) {
        if (counting->trace->records[i].span_id == id &&
            (found == NONE || is_better_parent(counting, i, found, child->start_ns)))
            found = i;
    }
    return found;
}

static void link_spans(struct counting *counting)
{
    const struct counted_trace *trace = counting->trace;
    uint32_t n = trace->n_records;
    memset(counting->slots, 0xff, counting->n_slots * sizeof(*counting->slots));
    for (uint32_t i = n; i-- > 0;) {
        uint32_t *slot = &counting->slots[slot_of(counting, trace->records[i].span_id)];
        counting->spans[i] =
            (struct counted_span){.next_same = *slot,
                                  .first_child = NONE,
                                  .next_sibling = NONE,
                                  .node = workload_of(counting, trace->graph.spans[i].node)};
        if (!trace->graph.spans[i].again)
            *slot = i;
    }
    for (uint32_t i = n; i-- > 0;) {
        uint32_t parent = find_parent(counting, &trace->records[i]);
        if (parent == NONE || parent == i || trace->graph.spans[i].again)
            continue;
        counting->spans[i].next_sibling = counting->spans[parent].first_child;
        counting->spans[parent].first_child = i;
    }
}

/* ---- self time ---- */

static uint64_t end_of(const struct record *record)
{
    bool known = !record->bad_times && record->duration_ns != DURATION_UNKNOWN;
    return known ? record->start_ns + record->duration_ns : 0;
}

/* A span without children that overlaps a call beside it waits for that call (an asynchronous
 * wrapper): the longest such overlap is not its own work. */
static uint64_t waiting_ns(const struct counting *counting, uint32_t i)
{
    const struct record *records = counting->trace->records;
    uint32_t parent = find_parent(counting, &records[i]), n = 0;
    uint64_t end_ns = end_of(&records[i]), longest_ns = 0;
    if (parent == NONE || !end_ns)
        return 0;
    for (uint32_t k = counting->spans[parent].first_child; k != NONE && n++ < MAX_SIBLINGS;
         k = counting->spans[k].next_sibling) {
        if (counting->trace->graph.spans[k].part != PART_OUT)
            continue;
        uint64_t from_ns =
            records[k].start_ns > records[i].start_ns ? records[k].start_ns : records[i].start_ns;
        uint64_t to_ns = end_of(&records[k]) < end_ns ? end_of(&records[k]) : end_ns;
        if (to_ns > from_ns && to_ns - from_ns > longest_ns)
            longest_ns = to_ns - from_ns;
    }
    return longest_ns;
}

/* A visit that waits before it tries again, or gives up, because something failed: that time is the
 * failure's, not its own. Marks the spans from here up to where the service was called. */
static void mark_troubled(struct counting *counting, uint32_t at)
{
    const struct counted_trace *trace = counting->trace;
    node_no caller = at != NONE ? counting->spans[at].node : NODE_NONE;
    while (at != NONE && counting->spans[at].node == caller && !counting->spans[at].troubled) {
        counting->spans[at].troubled = true;
        at = find_parent(counting, &trace->records[at]);
    }
}

static void find_troubled(struct counting *counting)
{
    const struct counted_trace *trace = counting->trace;
    for (uint32_t i = 0; i < trace->n_records; i++) {
        const struct span_result *result = &trace->graph.spans[i];
        if (!result->failed || result->again)
            continue;
        if (result->part != PART_BETWEEN)
            mark_troubled(counting, i);
        if (result->part != PART_INSIDE)
            mark_troubled(counting, find_parent(counting, &trace->records[i]));
    }
}

static void count_self(struct counting *counting, uint32_t i)
{
    const struct record *record = &counting->trace->records[i];
    const struct span_result *result = &counting->trace->graph.spans[i];
    if (result->part == PART_OUT || result->part == PART_BETWEEN || record->unstitched ||
        result->again)
        return;
    uint64_t self_ns = result->self_ns;
    if (self_ns != DURATION_UNKNOWN && result->part == PART_INSIDE &&
        counting->spans[i].first_child == NONE) {
        uint64_t waits_ns = waiting_ns(counting, i);
        self_ns = self_ns > waits_ns ? self_ns - waits_ns : 0;
    }
    node_no node = counting->spans[i].node;
    bool troubled = counting->spans[i].troubled;
    struct tally *self =
        tally(counting, &(struct tally_key){.channel = TALLY_SELF,
                                            .node = node,
                                            .name = record->shape->operation,
                                            .what = troubled ? SELF_TROUBLED : SELF_CALM});
    if (self) {
        self->n += counting->sign;
        add_time(counting, self, self_ns);
    }
    struct tally *instance = tally(counting, &(struct tally_key){.channel = TALLY_INSTANCE,
                                                                 .node = node,
                                                                 .name = record->shape->instance});
    if (!instance)
        return;
    instance->n += counting->sign;
    instance->bad += result->fault == FAULT_ORIGIN ? counting->sign : 0;
    if (!troubled)
        add_time(counting, instance, self_ns);
}

/* ---- flow ---- */

static bool is_later(const struct record *a, const struct record *b)
{
    return a->start_ns != b->start_ns ? a->start_ns > b->start_ns : a->span_id > b->span_id;
}

/* What a visit did last, seen from its innermost incoming half. */
static void count_flow(struct counting *counting, uint32_t i)
{
    const struct counted_trace *trace = counting->trace;
    const struct span_result *result = &trace->graph.spans[i];
    uint32_t last = NONE;
    if (result->part != PART_IN || trace->records[i].unstitched)
        return;
    for (uint32_t k = counting->spans[i].first_child; k != NONE;
         k = counting->spans[k].next_sibling) {
        bool inner = trace->graph.spans[k].part == PART_IN &&
                     counting->spans[k].node == counting->spans[i].node;
        if (inner)
            return;
        if (last == NONE || is_later(&trace->records[k], &trace->records[last]))
            last = k;
    }
    struct tally_key key = {.channel = TALLY_FLOW,
                            .node = counting->spans[i].node,
                            .name = trace->records[i].shape->operation,
                            .what = FLOW_NONE};
    if (result->fault == FAULT_ORIGIN || result->fault == FAULT_CARRIED) {
        key.what = result->fault == FAULT_ORIGIN ? FLOW_FAILED : FLOW_CARRIED;
    } else if (last != NONE && trace->graph.spans[last].part == PART_INSIDE) {
        key.what = FLOW_LOCAL;
    } else if (last != NONE) {
        const struct span_result *child = &trace->graph.spans[last];
        key.what = FLOW_CALL;
        key.peer = child->part == PART_OUT || child->part == PART_BETWEEN
                       ? child->peer
                       : counting->spans[last].node;
    }
    struct tally *flow = tally(counting, &key);
    if (flow)
        flow->n += counting->sign;
}

/* ---- calls ---- */

static bool is_failed(const struct call *call)
{
    return call->fault == FAULT_ORIGIN || call->fault == FAULT_CARRIED;
}

/* Who is called without sending spans is all gap: the caller's time is all that is known of it. Of
 * a callee that tells only whom it called on, what is not theirs. */
static uint64_t gap_of(const struct counting *counting, const struct call *call)
{
    const struct span_result *spans = counting->trace->graph.spans;
    bool only_out = call->callee_ns == DURATION_UNKNOWN && call->callee_span != NO_SPAN &&
                    call->caller_span != NO_SPAN && spans[call->callee_span].part == PART_OUT;
    if (only_out)
        return spans[call->caller_span].self_ns;
    if (call->callee_ns != DURATION_UNKNOWN || call->callee_span != NO_SPAN)
        return call->transit_ns;
    return call->caller_ns;
}

static void add_gap(struct counting *counting, const struct tally_key *key, uint64_t gap_ns)
{
    struct tally *gap = tally(counting, key);
    if (!gap)
        return;
    gap->n += counting->sign;
    add_time(counting, gap, gap_ns);
}

/* The record of an end; of a caller that sent no half of its own, the span that made the call. */
static uint32_t record_of(const struct counting *counting, const struct call *call, int end)
{
    if (end == GAP_CALLEE || call->caller_span != NO_SPAN)
        return end == GAP_CALLEE ? call->callee_span : call->caller_span;
    if (call->callee_span == NO_SPAN)
        return NO_SPAN;
    return find_parent(counting, &counting->trace->records[call->callee_span]);
}

/* Before a call and behind it, since the step of its caller before it ended and until the next one
 * began. */
static uint64_t alone_ns(const struct counting *counting, uint32_t parent, uint32_t callee)
{
    const struct record *records = counting->trace->records;
    uint64_t start_ns = records[callee].start_ns, end_ns = end_of(&records[callee]);
    uint64_t from_ns = records[parent].start_ns, to_ns = end_of(&records[parent]);
    uint32_t n = 0;
    for (uint32_t k = counting->spans[parent].first_child; k != NONE && n++ < MAX_SIBLINGS;
         k = counting->spans[k].next_sibling) {
        uint64_t other_ns = records[k].start_ns, other_end_ns = end_of(&records[k]);
        if (k == callee || !other_end_ns)
            continue;
        if (other_ns <= start_ns && other_end_ns > from_ns)
            from_ns = other_end_ns;
        if (other_end_ns >= end_ns && other_ns < to_ns)
            to_ns = other_ns;
    }
    return (start_ns > from_ns ? start_ns - from_ns : 0) + (to_ns > end_ns ? to_ns - end_ns : 0);
}

/* Of a call that its caller does not report, all that is known of the way: it lies in the caller's
 * own time directly before and behind it. Clocks that differ move the one into the other, and the
 * sum stays. Gives it; DURATION_UNKNOWN for other calls. */
static uint64_t count_beside(struct counting *counting, const struct call *call)
{
    const struct record *records = counting->trace->records;
    uint32_t callee = call->callee_span;
    uint32_t parent = call->caller_span == NO_SPAN && callee != NO_SPAN
                          ? find_parent(counting, &records[callee])
                          : NONE;
    if (parent == NONE || counting->spans[parent].node != call->caller ||
        counting->trace->graph.spans[parent].part > PART_IN || counting->spans[parent].troubled ||
        !end_of(&records[parent]) || !end_of(&records[callee]))
        return DURATION_UNKNOWN;
    uint64_t beside_ns = alone_ns(counting, parent, callee);
    add_gap(counting,
            &(struct tally_key){.channel = TALLY_BESIDE,
                                .node = call->caller,
                                .peer = call->callee,
                                .name = records[parent].shape->operation},
            beside_ns);
    return beside_ns;
}

/* The way between two, by who is at its ends, and by which instances of them. Where the caller does
 * not tell how long it took, the instances' calls count all the same. */
static void count_gap(struct counting *counting, const struct call *call)
{
    uint64_t gap_ns =
        call->caller_ns != DURATION_UNKNOWN ? gap_of(counting, call) : DURATION_UNKNOWN;
    const node_no ends[2] = {call->caller, call->callee};
    bool failed = is_failed(call);
    if (gap_ns != DURATION_UNKNOWN)
        add_gap(counting,
                &(struct tally_key){.channel = TALLY_GAP,
                                    .node = call->caller,
                                    .peer = call->callee,
                                    .what = failed ? GAP_FAILED : GAP_GOOD},
                gap_ns);
    else
        gap_ns = count_beside(counting, call);
    for (uint8_t end = 0; end < 2; end++) {
        uint32_t record = record_of(counting, call, end);
        name_no instance =
            record == NO_SPAN ? NAME_NONE : counting->trace->records[record].shape->instance;
        if (instance)
            add_gap(counting,
                    &(struct tally_key){.channel = TALLY_GAP_INSTANCE,
                                        .node = ends[end],
                                        .name = instance,
                                        .what = end},
                    failed ? DURATION_UNKNOWN : gap_ns);
    }
}

/* From zone to zone, of calls whose two halves both say where they are. */
static void count_zones(struct counting *counting, const struct call *call)
{
    const struct record *records = counting->trace->records;
    if (call->caller_span == NO_SPAN || call->callee_span == NO_SPAN)
        return;
    struct tally_key key = {.channel = TALLY_ZONE,
                            .node = call->caller,
                            .peer = call->callee,
                            .name = records[call->caller_span].shape->zone,
                            .detail = records[call->callee_span].shape->zone,
                            .what = call->transit_ns != DURATION_UNKNOWN};
    struct tally *zones = key.name && key.detail ? tally(counting, &key) : NULL;
    if (!zones)
        return;
    zones->n += counting->sign;
    zones->bad += is_failed(call) ? counting->sign : 0;
    add_time(counting, zones, call->transit_ns);
}

/* Between two applications that no proxy stands before, the network is all of the gap. */
static bool is_split(const struct hop *hop)
{
    bool bare = hop->from_place == PLACE_APPLICATION || hop->to_place == PLACE_APPLICATION;
    return hop->kind != HOP_APPLICATION && hop->time_ns != DURATION_UNKNOWN &&
           !(hop->kind == HOP_NETWORK && bare);
}

static void count_hops(struct counting *counting, const struct call *call)
{
    for (uint32_t i = 0; i < call->n_hops; i++) {
        const struct hop *hop = &counting->trace->graph.hops[call->first_hop + i];
        if (!is_split(hop))
            continue;
        bool network = hop->kind == HOP_NETWORK;
        struct tally *spent =
            tally(counting, &(struct tally_key){.channel = TALLY_HOP,
                                                .node = call->caller,
                                                .peer = call->callee,
                                                .name = network ? NAME_NONE : hop->name,
                                                .what = hop->kind});
        if (!spent)
            continue;
        spent->n += counting->sign;
        spent->bad += hop->outcome == HOP_FAILED ? counting->sign : 0;
        add_time(counting, spent, hop->time_ns);
    }
}

static void count_call(struct counting *counting, const struct call *call)
{
    int sign = counting->sign;
    count_gap(counting, call);
    count_zones(counting, call);
    count_hops(counting, call);
    struct tally *calls = tally(counting, &(struct tally_key){.channel = TALLY_CALL,
                                                              .node = call->caller,
                                                              .peer = call->callee,
                                                              .name = call->operation});
    if (!calls)
        return;
    calls->n += sign;
    calls->bad += is_failed(call) ? sign : 0;
    calls->origins += call->fault == FAULT_ORIGIN ? sign : 0;
    calls->client_errors += call->fault == FAULT_CLIENT_ERROR ? sign : 0;
    calls->retries += sign * call->retries;
    calls->recovered += call->recovered ? sign : 0;
    add_time(counting, calls,
             call->caller_ns != DURATION_UNKNOWN ? call->caller_ns : call->callee_ns);
}

/* ---- origins ---- */

static void count_origin(struct counting *counting, const struct tally_key *key, bool request)
{
    struct tally *origin = tally(counting, key);
    if (!origin)
        return;
    origin->n += counting->sign;
    origin->bad += request ? counting->sign : 0;
}

/* The failed call that ends at the origin: who made it, and whether it came there. */
static const struct call *origin_call(const struct graph *graph, node_no origin)
{
    const struct call *found = NULL;
    for (uint32_t i = 0; i < graph->n_calls; i++) {
        const struct call *call = &graph->calls[i];
        if (call->callee == origin && call->fault == FAULT_ORIGIN)
            found = call;
    }
    return found;
}

static void count_request_origin(struct counting *counting)
{
    const struct graph *graph = &counting->trace->graph;
    const struct call *call = origin_call(graph, graph->trace.origin);
    struct tally_key key = {.channel = TALLY_ORIGIN,
                            .node = workload_of(counting, graph->trace.origin),
                            .peer = call ? call->caller : NODE_NONE,
                            .name = graph->trace.origin_operation,
                            .detail = graph->trace.origin_reason,
                            .what = call && call->callee_span == NO_SPAN ? ORIGIN_UNREACHED
                                                                         : ORIGIN_REACHED};
    count_origin(counting, &key, true);
}

/* Failures that the request survived: each origin once a trace. */
static void count_survived(struct counting *counting)
{
    const struct graph *graph = &counting->trace->graph;
    node_no seen[MAX_ORIGINS];
    unsigned n = 0;
    for (uint32_t i = 0; i < graph->n_calls && n < MAX_ORIGINS; i++) {
        const struct call *call = &graph->calls[i];
        bool again = false;
        if (call->fault != FAULT_ORIGIN)
            continue;
        for (unsigned k = 0; k < n && !again; k++)
            again = seen[k] == call->callee;
        if (again)
            continue;
        seen[n++] = call->callee;
        struct tally_key key = {.channel = TALLY_ORIGIN,
                                .node = call->callee,
                                .peer = call->caller,
                                .name = call->operation,
                                .what = call->callee_span == NO_SPAN ? ORIGIN_UNREACHED
                                                                     : ORIGIN_REACHED};
        count_origin(counting, &key, false);
    }
}

/* A failure inside a workload that no call reports, in a trace without any other origin. */
static void count_inside(struct counting *counting)
{
    const struct counted_trace *trace = counting->trace;
    for (uint32_t i = 0; i < trace->n_records; i++) {
        const struct span_result *result = &trace->graph.spans[i];
        if (result->fault != FAULT_ORIGIN || result->part != PART_INSIDE)
            continue;
        struct tally_key key = {.channel = TALLY_ORIGIN,
                                .node = counting->spans[i].node,
                                .name = trace->records[i].shape->operation};
        count_origin(counting, &key, false);
        return;
    }
}

static bool has_origin_call(const struct graph *graph)
{
    for (uint32_t i = 0; i < graph->n_calls; i++) {
        if (graph->calls[i].fault == FAULT_ORIGIN)
            return true;
    }
    return false;
}

/* ---- the trace ---- */

static void count_request(struct counting *counting)
{
    const struct trace_result *trace = &counting->trace->graph.trace;
    struct tally *request = tally(counting, &(struct tally_key){.channel = TALLY_REQUEST,
                                                                .node = trace->entry,
                                                                .name = trace->entry_operation});
    if (!request)
        return;
    request->n += counting->sign;
    request->bad += trace->error ? counting->sign : 0;
    add_time(counting, request, trace->duration_ns);
}

bool count_trace(struct counting *counting, const struct counted_trace *trace, int sign,
                 struct rollup *rollup)
{
    const struct graph *graph = &trace->graph;
    if (!make_room(counting, trace->n_records))
        return false;
    counting->trace = trace;
    counting->rollup = rollup;
    counting->sign = sign;
    counting->good = true;
    counting->step = (uint32_t)(graph->trace.start_ns / SECOND_NS);
    counting->step -= counting->step % counting->step_s;
    link_spans(counting);
    find_troubled(counting);
    for (uint32_t i = 0; i < trace->n_records; i++) {
        count_self(counting, i);
        count_flow(counting, i);
    }
    for (uint32_t i = 0; i < graph->n_calls; i++)
        count_call(counting, &graph->calls[i]);
    count_request(counting);
    if (graph->trace.error)
        count_request_origin(counting);
    else if (has_origin_call(graph))
        count_survived(counting);
    else
        count_inside(counting);
    return counting->good;
}
