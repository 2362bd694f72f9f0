/* count_origins.c - where the failures of a trace began. */
#include "collector/localise/count_internal.h"

#define MAX_ORIGINS 32u /* of one trace */

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

/* Did the callee tell of a failure in this trace? */
static bool has_failed_visit(const struct counting *counting, node_no callee)
{
    const struct span_result *spans = counting->trace->graph.spans;
    for (uint32_t i = 0; i < counting->trace->n_records; i++) {
        if (spans[i].part == PART_IN && spans[i].failed && counting->spans[i].node == callee)
            return true;
    }
    return false;
}

/* Who was called made a call itself that was made again: that is why it failed. */
static bool is_made_good_below(const struct graph *graph, const struct call *call)
{
    for (uint32_t i = 0; i < graph->n_calls; i++) {
        const struct call *below = &graph->calls[i];
        if (below->recovered && below->caller == call->callee && below->caller != below->callee)
            return true;
    }
    return false;
}

/* Failed attempts that another made good, in a trace where nothing else failed. False when there
 * are none. */
static bool count_made_good(struct counting *counting)
{
    const struct graph *graph = &counting->trace->graph;
    unsigned n = 0;
    for (uint32_t i = 0; i < graph->n_calls && n < MAX_ORIGINS; i++) {
        const struct call *call = &graph->calls[i];
        if (!call->recovered || is_made_good_below(graph, call))
            continue;
        bool reached = has_failed_visit(counting, call->callee);
        struct tally_key key = {.channel = TALLY_ORIGIN,
                                .node = call->callee,
                                .peer = call->caller,
                                .name = call->operation,
                                .what = reached ? ORIGIN_REACHED : ORIGIN_UNREACHED};
        count_origin(counting, &key, false);
        n++;
    }
    return n > 0;
}

/* A failure inside a workload that no call reports, in a trace without any other origin. */
static bool count_inside(struct counting *counting)
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
        return true;
    }
    return false;
}

static struct tally_key thrown_key(const struct counting *counting, uint32_t i)
{
    const struct span_result *result = &counting->trace->graph.spans[i];
    struct tally_key key = {.channel = TALLY_ORIGIN,
                            .node = counting->spans[i].node,
                            .name = counting->trace->records[i].shape->operation,
                            .what = ORIGIN_THROWN};
    /* Noted by who called and by nobody who was called. */
    if (result->part == PART_OUT && result->peer != NODE_NONE) {
        key.peer = key.node;
        key.node = result->peer;
        key.what = ORIGIN_THROWN_AT_CALL;
    }
    return key;
}

/* Exceptions of which no status says that anything failed: many are caught as a matter of course,
 * so only that they are more than before says something. Each origin once a trace. */
static void count_thrown(struct counting *counting)
{
    struct tally_key seen[MAX_ORIGINS];
    unsigned n = 0;
    if (!find_thrown(counting))
        return;
    for (uint32_t i = 0; i < counting->trace->n_records && n < MAX_ORIGINS; i++) {
        bool again = false;
        if (!counting->spans[i].threw || counting->spans[i].below)
            continue;
        seen[n] = thrown_key(counting, i);
        for (unsigned k = 0; k < n && !again; k++)
            again = tally_key_eq(&seen[k], &seen[n]);
        if (!again)
            count_origin(counting, &seen[n++], false);
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

void count_origins(struct counting *counting)
{
    if (counting->trace->graph.trace.error)
        count_request_origin(counting);
    else if (has_origin_call(&counting->trace->graph))
        count_survived(counting);
    else if (!count_made_good(counting) && !count_inside(counting))
        count_thrown(counting);
}
