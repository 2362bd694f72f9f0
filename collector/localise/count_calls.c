/* count_calls.c - gaps, zones, hops and outcomes of a trace's calls. */
#include "collector/localise/count_internal.h"

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
        !record_end_ns(&records[parent]) || !record_end_ns(&records[callee]))
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
    uint8_t what = failed ? GAP_FAILED : call->callee_span == NO_SPAN ? GAP_UNANSWERED : GAP_GOOD;
    if (gap_ns != DURATION_UNKNOWN)
        add_gap(counting,
                &(struct tally_key){
                    .channel = TALLY_GAP, .node = call->caller, .peer = call->callee, .what = what},
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

/* Between two applications that no proxy stands before, the network is all of the gap. Where a
 * proxy took the network's time with its own, the call went between proxies all the same. */
static bool is_split(const struct hop *hop)
{
    if (hop->kind == HOP_NETWORK)
        return hop->from_place != PLACE_APPLICATION && hop->to_place != PLACE_APPLICATION;
    return hop->kind != HOP_APPLICATION && hop->time_ns != DURATION_UNKNOWN;
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

/* The caller's visit in which it made the call; NONE where nobody asked it for anything. */
static uint32_t visit_of_call(struct counting *counting, const struct call *call)
{
    uint32_t from = call->caller_span;
    if (from == NO_SPAN && call->callee_span != NO_SPAN)
        from = counting->spans[call->callee_span].parent;
    uint32_t visit = from == NONE ? NONE : visit_of(counting, from);
    return visit == NONE || counting->spans[visit].node != call->caller ? NONE : visit;
}

/* Later in a visit than this is as late as this. */
#define MAX_START_NS (INT64_C(3600) * 1000000000)

/* Would the caller's half tell of the call also if nobody answered it? What bears no kind is a call
 * by its answer alone. */
static bool is_told_unanswered(const struct record *caller_half)
{
    uint8_t kind = caller_half->shape->kind;
    return kind == KIND_CLIENT || kind == KIND_PRODUCER;
}

/* Does the caller's half stand in its visit as a step of its own also if nobody answers? A span
 * around several calls stays one of those that are answered. */
static bool leaves_step(const struct counting *counting, const struct call *call, uint32_t visit)
{
    const struct counted_span *spans = counting->spans;
    if (call->caller_span == NO_SPAN || call->caller_span == visit)
        return false;
    uint32_t child = spans[call->caller_span].first_child;
    return child != NONE && spans[child].next_sibling == NONE;
}

/* A call's first record. */
static uint32_t half_of(const struct call *call)
{
    return call->caller_span == NO_SPAN ? call->callee_span : call->caller_span;
}

/* So many calls before and behind one are looked at for others of its visit: more are counted as if
 * they were of another. */
#define CALLS_NEAR 12u

/* Does the same visit call the same callee before? */
static bool is_again(struct counting *counting, const struct call *call, uint32_t visit)
{
    const struct graph *graph = &counting->trace->graph;
    const struct record *records = counting->trace->records;
    uint32_t i = (uint32_t)(call - graph->calls);
    uint32_t from = i > CALLS_NEAR ? i - CALLS_NEAR : 0, to = i + CALLS_NEAR + 1;
    to = to < graph->n_calls ? to : graph->n_calls;
    for (uint32_t k = from; k < to; k++) {
        const struct call *other = &graph->calls[k];
        if (other->callee != call->callee || other->caller != call->caller || k == i ||
            visit_of_call(counting, other) != visit)
            continue;
        uint64_t own_ns = records[half_of(call)].start_ns,
                 other_ns = records[half_of(other)].start_ns;
        if (other_ns < own_ns || (other_ns == own_ns && k < i))
            return true;
    }
    return false;
}

/* When in a visit its calls to a callee begin: so one that is missing has its place among the
 * others. */
static void count_start(struct counting *counting, const struct call *call, uint32_t visit)
{
    const struct record *records = counting->trace->records;
    if (visit == NONE || call->callee_span == NO_SPAN || records[visit].bad_times ||
        is_again(counting, call, visit))
        return;
    uint32_t first = half_of(call);
    struct tally *start =
        tally(counting, &(struct tally_key){.channel = TALLY_START,
                                            .node = call->caller,
                                            .peer = call->callee,
                                            .name = records[visit].shape->operation});
    int64_t after_ns = (int64_t)(records[first].start_ns - records[visit].start_ns);
    if (!start)
        return;
    after_ns = after_ns > 0 ? after_ns : 0; /* clocks differ */
    start->n += counting->sign;
    start->bad += is_told_unanswered(&records[first]) ? counting->sign : 0;
    start->origins += leaves_step(counting, call, visit) ? counting->sign : 0;
    start->sum_ns += counting->sign * (after_ns < MAX_START_NS ? after_ns : MAX_START_NS);
}

/* By what span of the caller's own calls to a callee leave: where that is all that is left of one
 * without an answer, it tells whose it was. */
static void count_out(struct counting *counting, const struct call *call, uint32_t visit)
{
    if (visit == NONE || call->caller_span == NO_SPAN || call->callee_span == NO_SPAN)
        return;
    const struct record *half = &counting->trace->records[call->caller_span];
    const struct shape *shape = half->shape;
    bool told = is_told_unanswered(half);
    bool names = shape->peer || shape->url_host || shape->peer_address || shape->database;
    if (shape->operation == NAME_OTHER || (told ? names : !leaves_step(counting, call, visit)))
        return;
    struct tally *out = tally(counting, &(struct tally_key){.channel = TALLY_OUT,
                                                            .node = call->caller,
                                                            .peer = call->callee,
                                                            .name = shape->operation});
    if (out)
        out->n += counting->sign;
}

void count_call(struct counting *counting, const struct call *call)
{
    int sign = counting->sign;
    uint32_t visit = visit_of_call(counting, call);
    name_no asked = visit == NONE ? NAME_NONE : counting->trace->records[visit].shape->operation;
    count_gap(counting, call);
    count_zones(counting, call);
    count_hops(counting, call);
    count_start(counting, call, visit);
    count_out(counting, call, visit);
    struct tally *calls =
        tally(counting, &(struct tally_key){.channel = TALLY_CALL,
                                            .node = call->caller,
                                            .peer = call->callee,
                                            .name = call->operation,
                                            .detail = asked,
                                            .what = call->callee_span == NO_SPAN ? CALL_UNANSWERED
                                                                                 : CALL_ANSWERED});
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
