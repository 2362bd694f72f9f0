/* count.c - requests, self times, own steps and flow of one trace.
 *
 * Outgoing halves have no self time of their own: what is not their callee's is the gap of the
 * call (count_calls.c).
 */
#include "collector/localise/count_internal.h"

#include <stdlib.h>

#define SECOND_NS UINT64_C(1000000000)

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

node_no workload_of(struct counting *counting, node_no no)
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

struct tally *tally(struct counting *counting, const struct tally_key *key)
{
    uint64_t over = counting->rollup->n_over;
    struct tally *found = rollup_tally(counting->rollup, key, counting->step);
    if (!found && counting->rollup->n_over == over)
        counting->good = false;
    return found;
}

void add_time(struct counting *counting, struct tally *to, uint64_t ns)
{
    counting->good = tally_time(to, ns, counting->sign) && counting->good;
}

/* ---- self time ---- */

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
    bool made_good = result->fault == FAULT_RECOVERED && result->part == PART_IN;
    instance->bad += result->fault == FAULT_ORIGIN || made_good ? counting->sign : 0;
    if (!troubled)
        add_time(counting, instance, self_ns);
}

/* ---- own steps ---- */

/* No visit is looked at for more operations than these. */
#define MAX_OWN_STEPS 64u

/* Once a visit: the same step made for each of many items says how many there were. */
static bool is_done_before(struct counting *counting, uint32_t visit, uint32_t i)
{
    const struct record *records = counting->trace->records;
    uint32_t *at = &counting->spans[visit].done, n = 0;
    for (; *at != NONE && n < MAX_OWN_STEPS; at = &counting->spans[*at].done, n++) {
        if (records[*at].shape->operation == records[i].shape->operation)
            return true;
    }
    if (n < MAX_OWN_STEPS)
        *at = i;
    return n >= MAX_OWN_STEPS;
}

static void count_own_step(struct counting *counting, uint32_t i)
{
    const struct counted_trace *trace = counting->trace;
    const struct span_result *result = &trace->graph.spans[i];
    if (result->part != PART_INSIDE || trace->records[i].unstitched || result->again)
        return;
    uint32_t visit = visit_of(counting, i);
    if (visit == NONE || is_done_before(counting, visit, i))
        return;
    struct tally *step =
        tally(counting, &(struct tally_key){.channel = TALLY_STEP,
                                            .node = counting->spans[visit].node,
                                            .name = trace->records[visit].shape->operation,
                                            .detail = trace->records[i].shape->operation});
    if (step)
        step->n += counting->sign;
}

/* ---- flow ---- */

/* Not by which of them came first. */
static bool is_later(const struct record *a, const struct record *b)
{
    return a->start_ns != b->start_ns ? a->start_ns > b->start_ns : a->span_id > b->span_id;
}

/* A step of a visit: a call, or work inside that is no more than what is around other steps. */
static void note_step(struct counting *counting, uint32_t i)
{
    const struct counted_trace *trace = counting->trace;
    struct counted_span *span = &counting->spans[i];
    uint8_t part = trace->graph.spans[i].part;
    if (span->parent == NONE || trace->graph.spans[span->parent].part > PART_IN ||
        (part == PART_INSIDE && span->first_child != NONE))
        return;
    uint32_t visit = visit_of(counting, span->parent);
    if (visit == NONE)
        return;
    struct counted_span *of = &counting->spans[visit];
    if (part == PART_IN && span->node == of->node)
        of->outer = true;
    else if (of->last == NONE || is_later(&trace->records[i], &trace->records[of->last]))
        of->last = i;
}

/* Did the call fail that this half is of? */
static bool is_failed_step(const struct counting *counting, uint32_t i)
{
    const struct span_result *half = &counting->trace->graph.spans[i];
    return half->failed ||
           (half->part != PART_INSIDE && half->part != PART_IN && counting->spans[i].troubled);
}

/* The callee's half of the call that this half is of; else itself. What a client does besides,
 * connecting for one, stands beside it. */
static uint32_t called_half(const struct counting *counting, uint32_t i, node_no callee)
{
    const struct counted_span *spans = counting->spans;
    const struct counted_trace *trace = counting->trace;
    uint32_t at = i;
    while (at != NONE && trace->graph.spans[at].part != PART_IN) {
        uint32_t best = NONE;
        for (uint32_t k = spans[at].first_child; k != NONE; k = spans[k].next_sibling) {
            if (trace->graph.spans[k].part == PART_INSIDE)
                continue;
            bool named = spans[k].node == callee, was = best != NONE && spans[best].node == callee;
            /* One that sends no spans hands on its caller's: then several lie beneath it. */
            if (best == NONE || named > was ||
                (named == was && is_later(&trace->records[best], &trace->records[k])))
                best = k;
        }
        at = best;
    }
    return at == NONE ? i : at;
}

static void count_last(struct counting *counting, uint32_t half)
{
    const struct shape *shape = counting->trace->records[half].shape;
    if (counting->trace->graph.spans[half].part != PART_IN || !shape->instance)
        return;
    struct tally *last = tally(counting, &(struct tally_key){.channel = TALLY_LAST,
                                                             .node = counting->spans[half].node,
                                                             .name = shape->instance,
                                                             .detail = shape->operation});
    if (last)
        last->n += counting->sign;
}

/* What a visit did last, seen from its innermost incoming half. */
static void count_flow(struct counting *counting, uint32_t i)
{
    const struct counted_trace *trace = counting->trace;
    const struct span_result *result = &trace->graph.spans[i];
    const struct counted_span *visit = &counting->spans[i];
    uint32_t last = visit->last;
    if (result->part != PART_IN || trace->records[i].unstitched || visit->outer)
        return;
    struct tally_key key = {.channel = TALLY_FLOW,
                            .node = visit->node,
                            .name = trace->records[i].shape->operation,
                            .what = FLOW_NONE};
    bool stuck = last != NONE && is_failed_step(counting, last),
         inside = last != NONE && trace->graph.spans[last].part == PART_INSIDE;
    if (result->fault == FAULT_ORIGIN || (stuck && inside)) {
        key.what = FLOW_FAILED;
    } else if (result->fault == FAULT_CARRIED || stuck) {
        key.what = FLOW_CARRIED; /* it went no further, whatever it made of that */
    } else if (result->failed) {
        key.what = FLOW_FAILED; /* an attempt that another one made good */
    } else if (inside) {
        key.what = FLOW_LOCAL;
    } else if (last != NONE) {
        const struct span_result *child = &trace->graph.spans[last];
        key.what = FLOW_CALL;
        key.peer = child->part == PART_OUT || child->part == PART_BETWEEN
                       ? child->peer
                       : counting->spans[last].node;
        last = called_half(counting, last, key.peer);
        key.detail = trace->records[last].shape->operation;
        count_last(counting, last);
    }
    struct tally *flow = tally(counting, &key);
    if (flow)
        flow->n += counting->sign;
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
        count_own_step(counting, i);
        note_step(counting, i);
    }
    for (uint32_t i = 0; i < trace->n_records; i++)
        count_flow(counting, i);
    for (uint32_t i = 0; i < graph->n_calls; i++)
        count_call(counting, &graph->calls[i]);
    count_request(counting);
    count_origins(counting);
    return counting->good;
}
