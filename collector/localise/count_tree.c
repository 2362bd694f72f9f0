/* count_tree.c - parents and children of a trace's spans, and what their times say together. */
#include "collector/localise/count_internal.h"

#include <string.h>

#include "collector/base/hash.h"

/* A span with more children than this is not looked at for siblings. */
#define MAX_SIBLINGS 256u

#define UNKNOWN (NONE - 1) /* the visit of a span, not looked for yet */

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

uint32_t find_parent(const struct counting *counting, const struct record *child)
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

void link_spans(struct counting *counting)
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
                                  .parent = NONE,
                                  .visit = UNKNOWN,
                                  .last = NONE,
                                  .done = NONE,
                                  .node = workload_of(counting, trace->graph.spans[i].node)};
        if (!trace->graph.spans[i].again)
            *slot = i;
    }
    for (uint32_t i = n; i-- > 0;) {
        uint32_t parent = find_parent(counting, &trace->records[i]);
        if (parent == NONE || parent == i || trace->graph.spans[i].again)
            continue;
        counting->spans[i].parent = parent;
        counting->spans[i].next_sibling = counting->spans[parent].first_child;
        counting->spans[parent].first_child = i;
    }
}

/* What is found is noted all along the way, so that a chain of spans is gone up once. While it is
 * being looked for it is NONE: spans that are each other's parents end there. */
uint32_t visit_of(struct counting *counting, uint32_t i)
{
    struct counted_span *spans = counting->spans;
    uint32_t at = i, found = NONE, next;
    while (at != NONE && spans[at].node == spans[i].node) {
        if (spans[at].visit != UNKNOWN || counting->trace->graph.spans[at].part == PART_IN) {
            found = spans[at].visit != UNKNOWN ? spans[at].visit : at;
            break;
        }
        spans[at].visit = NONE;
        at = spans[at].parent;
    }
    for (uint32_t end = at, k = i; k != end; k = next) {
        next = spans[k].parent;
        spans[k].visit = found;
    }
    if (found == at && found != NONE)
        spans[at].visit = at;
    return found;
}

uint64_t record_end_ns(const struct record *record)
{
    bool known = !record->bad_times && record->duration_ns != DURATION_UNKNOWN;
    return known ? record->start_ns + record->duration_ns : 0;
}

uint64_t waiting_ns(const struct counting *counting, uint32_t i)
{
    const struct record *records = counting->trace->records;
    uint32_t parent = find_parent(counting, &records[i]), n = 0;
    uint64_t end_ns = record_end_ns(&records[i]), longest_ns = 0;
    if (parent == NONE || !end_ns)
        return 0;
    for (uint32_t k = counting->spans[parent].first_child; k != NONE && n++ < MAX_SIBLINGS;
         k = counting->spans[k].next_sibling) {
        if (counting->trace->graph.spans[k].part != PART_OUT)
            continue;
        uint64_t from_ns =
            records[k].start_ns > records[i].start_ns ? records[k].start_ns : records[i].start_ns;
        uint64_t to_ns = record_end_ns(&records[k]) < end_ns ? record_end_ns(&records[k]) : end_ns;
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

void find_troubled(struct counting *counting)
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

/* Events are stored as text (record.h); an attribute's value has its quotes escaped. */
static bool has_exception(const struct record *record)
{
    static const char noted[] = "\"name\":\"exception\"";
    struct str events = own_events(record->own);
    return events.len && memmem(events.p, events.len, noted, sizeof(noted) - 1);
}

bool find_thrown(struct counting *counting)
{
    const struct counted_trace *trace = counting->trace;
    bool any = false;
    for (uint32_t i = 0; i < trace->n_records; i++) {
        if (trace->graph.spans[i].again || !has_exception(&trace->records[i]))
            continue;
        any = counting->spans[i].threw = true;
        for (uint32_t at = counting->spans[i].parent; at != NONE && !counting->spans[at].below;
             at = counting->spans[at].parent)
            counting->spans[at].below = true;
    }
    return any;
}

uint64_t alone_ns(const struct counting *counting, uint32_t parent, uint32_t callee)
{
    const struct record *records = counting->trace->records;
    uint64_t start_ns = records[callee].start_ns, end_ns = record_end_ns(&records[callee]);
    uint64_t from_ns = records[parent].start_ns, to_ns = record_end_ns(&records[parent]);
    uint32_t n = 0;
    for (uint32_t k = counting->spans[parent].first_child; k != NONE && n++ < MAX_SIBLINGS;
         k = counting->spans[k].next_sibling) {
        uint64_t other_ns = records[k].start_ns, other_end_ns = record_end_ns(&records[k]);
        if (k == callee || !other_end_ns)
            continue;
        if (other_ns <= start_ns && other_end_ns > from_ns)
            from_ns = other_end_ns;
        if (other_end_ns >= end_ns && other_ns < to_ns)
            to_ns = other_ns;
    }
    return (start_ns > from_ns ? start_ns - from_ns : 0) + (to_ns > end_ns ? to_ns - end_ns : 0);
}
