/* joins.c - a request that goes on in another trace, by its x-request-id (STITCHING §2, rule 6).
 *
 * The call belongs to the trace that is stitched later; the other one's rows stay as they are.
 */
#include "collector/stitch/requests.h"
#include "collector/stitch/work.h"

#define CLOCKS_NS UINT64_C(50000000) /* by which two hosts' clocks may differ here */
#define MAX_PLACES 256u

static bool is_of_this_trace(const struct stitch *stitch, const struct request_place *place)
{
    for (uint32_t i = 0; i < stitch->n + stitch->n_again && i < 4 * MAX_PLACES; i++) {
        if (stitch->spans[i].record->span_id == place->span_id)
            return true;
    }
    return false;
}

/* Was the request at this place all the time that the span took? */
static bool was_under_way(const struct request_place *place, const struct record *span)
{
    uint64_t lasted = place->duration_ns == DURATION_UNKNOWN ? 0 : place->duration_ns;
    uint64_t takes = known_duration(span) == DURATION_UNKNOWN ? 0 : span->duration_ns;
    return place->start_ns && place->start_ns <= span->start_ns + CLOCKS_NS &&
           span->start_ns + takes <= place->start_ns + lasted + CLOCKS_NS;
}

/* Who had the request there: whom a caller's half names, else who the span speaks for. */
static struct node holder_of(struct stitch *stitch, const struct request_place *place,
                             const struct node *callee)
{
    const struct shape *shape = place->shape;
    const struct upstream *upstream = upstream_parse(stitch, shape->upstream_cluster);
    struct node node = shape->node;
    node.role = shape->proxy >= PROXY_GATEWAY ? role_of_proxy(shape->proxy) : ROLE_WORKLOAD;
    bool hands_on = upstream->direction != DIRECTION_INBOUND && upstream->host &&
                    !upstream->special && upstream->service != callee->service;
    if (!hands_on)
        return node;
    return (struct node){.service = upstream->service,
                         .namespace = upstream->namespace,
                         .version = upstream->subset,
                         .role = ROLE_WORKLOAD};
}

static void join(struct stitch *stitch, struct work_call *work)
{
    const struct visit *visit = &stitch->visits[work->callee_visit];
    const struct record *first = stitch->spans[visit->first].record;
    struct requests_iter iter = requests_find(stitch->requests, first->request_id);
    const struct request_place *place, *best = NULL;
    for (unsigned n = 0; n < MAX_PLACES && (place = requests_next(stitch->requests, &iter)); n++) {
        bool later = !best || place->start_ns > best->start_ns ||
                     (place->start_ns == best->start_ns && place->span_id > best->span_id);
        struct node holder = holder_of(stitch, place, &visit->node);
        if (later && was_under_way(place, first) && !same_workload(&holder, &visit->node) &&
            !is_of_this_trace(stitch, place))
            best = place;
    }
    if (!best)
        return;
    struct node holder = holder_of(stitch, best, &visit->node);
    work->call.caller = nodes_add(stitch->nodes, &holder);
    work->call.connection_type = CONNECTION_PLAIN;
    work->call.known_by = KNOWN_REQUEST_ID;
}

void joins_find(struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n_calls && stitch->requests; i++) {
        struct work_call *work = &stitch->calls[i];
        bool entry = work->call.known_by == KNOWN_ENTRY && work->callee_visit != NONE;
        if (entry && stitch->spans[stitch->visits[work->callee_visit].first].record->request_id)
            join(stitch, work);
    }
}

bool joins_has_told(struct stitch *stitch, const struct record *entry,
                    bool (*is_same)(struct stitch *stitch, const struct record *entry,
                                    const struct request_place *place))
{
    if (!stitch->requests || !entry->request_id)
        return false;
    struct requests_iter iter = requests_find(stitch->requests, entry->request_id);
    const struct request_place *place;
    for (unsigned n = 0; n < MAX_PLACES && (place = requests_next(stitch->requests, &iter)); n++) {
        if (is_same(stitch, entry, place))
            return true;
    }
    return false;
}
