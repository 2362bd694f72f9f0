/* joins.c - a request that goes on in another trace, by its x-request-id (STITCHING §2, rule 6).
 *
 * One request, one call: where both halves are known before either trace is counted, the callee's
 * has the call, with the caller's times and codes, and the caller's leaves it out. What a trace
 * was counted as is never changed for another: the trace that is stitched later then tells the
 * call, by its half of it or, where it has none, as a call of its own. Only where the caller's
 * trace was counted before the callee's came is one call in two rows. A callee's entry of a log,
 * which comes later than spans as a rule, then makes none.
 */
#include "collector/stitch/logs.h"
#include "collector/stitch/requests.h"
#include "collector/stitch/work.h"

#define CLOCKS_NS UINT64_C(50000000) /* by which two hosts' clocks may differ here */
#define MAX_PLACES 256u
#define MAX_ATTEMPTS 256u /* calls that are looked through for one of the same half */

static uint64_t known_ns(uint64_t duration_ns)
{
    return duration_ns == DURATION_UNKNOWN ? 0 : duration_ns;
}

/* Was the request at the one place all the time that it was at the other? Of two that are about
 * the same on their hosts' clocks the outer one lasts longer. */
static bool encloses(uint64_t from_ns, uint64_t lasted_ns, uint64_t start_ns, uint64_t took_ns)
{
    uint64_t lasted = known_ns(lasted_ns), took = known_ns(took_ns);
    return from_ns && lasted >= took && from_ns <= start_ns + CLOCKS_NS &&
           start_ns + took <= from_ns + lasted + CLOCKS_NS;
}

/* A callee that the caller's half names may outlast a caller that gave up. */
static bool began_within(uint64_t from_ns, uint64_t lasted_ns, uint64_t start_ns)
{
    return from_ns && from_ns <= start_ns + CLOCKS_NS &&
           start_ns <= from_ns + known_ns(lasted_ns) + CLOCKS_NS;
}

/* Whom a proxy handed the request on to, by the name of its cluster; NULL where that is not said.
 */
static const struct upstream *handed_to(struct stitch *stitch, const struct shape *shape)
{
    const struct upstream *upstream = upstream_parse(stitch, shape->upstream_cluster);
    bool onwards = upstream->direction != DIRECTION_INBOUND && upstream->host && !upstream->special;
    return onwards && shape->proxy != PROXY_NONE ? upstream : NULL;
}

static bool was_under_way(struct stitch *stitch, const struct request_place *place,
                          const struct record *span, name_no service)
{
    const struct upstream *upstream = handed_to(stitch, place->shape);
    if (upstream && upstream->service == service)
        return began_within(place->start_ns, place->duration_ns, span->start_ns);
    return encloses(place->start_ns, place->duration_ns, span->start_ns, known_duration(span));
}

static struct node node_of(const struct shape *shape)
{
    struct node node = shape->node;
    node.role = shape->proxy >= PROXY_GATEWAY ? role_of_proxy(shape->proxy) : ROLE_WORKLOAD;
    return node;
}

/* Who had the request there: whom a caller's half names, else who the span speaks for. */
static struct node holder_of(struct stitch *stitch, const struct shape *shape,
                             const struct node *callee)
{
    const struct upstream *upstream = handed_to(stitch, shape);
    if (!upstream || upstream->service == callee->service)
        return node_of(shape);
    return (struct node){.service = upstream->service,
                         .namespace = upstream->namespace,
                         .version = upstream->subset,
                         .role = ROLE_WORKLOAD};
}

/* A request that came to somebody without its headers: no parent, and no proxy's way out. */
static bool came_bare(struct stitch *stitch, const struct request_place *place)
{
    const struct shape *shape = place->shape;
    bool out = shape->proxy != PROXY_NONE && shape->proxy != PROXY_GATEWAY &&
               handed_to(stitch, shape) &&
               upstream_parse(stitch, shape->upstream_cluster)->direction == DIRECTION_OUTBOUND;
    return place->root && shape->kind == KIND_SERVER && !out;
}

/* Of two that had it the one inside the other: it came later. */
static bool is_inner(const struct request_place *place, const struct request_place *than)
{
    return !than || place->start_ns > than->start_ns ||
           (place->start_ns == than->start_ns && place->span_id > than->span_id);
}

/* The next place of a span; of log entries only joins_has_told() asks. */
static struct request_place *next_span(const struct stitch *stitch, struct requests_iter *iter)
{
    struct request_place *place;
    do
        place = requests_next(stitch->requests, iter);
    while (place && place->shape->log != LOG_NONE);
    return place;
}

static struct request_place *own_place(const struct stitch *stitch, const struct record *record)
{
    struct requests_iter iter = requests_find(stitch->requests, record->request_id);
    struct request_place *place;
    for (unsigned n = 0; n < MAX_PLACES && (place = next_span(stitch, &iter)); n++) {
        if (place->trace == stitch->trace && place->span_id == record->span_id &&
            place->shape == record->shape)
            return place;
    }
    return NULL;
}

/* ---- who called ---- */

/* A half that names the callee: who sent the request to it is known. An application's names it as
 * it names a callee that sends nothing. */
static bool is_half_to(struct stitch *stitch, const struct request_place *place, name_no service)
{
    const struct shape *shape = place->shape;
    const struct upstream *upstream = handed_to(stitch, shape);
    if (upstream)
        return upstream->service == service;
    name_no host = shape->peer ? shape->peer : shape->url_host;
    if (shape->kind != KIND_CLIENT || shape->proxy != PROXY_NONE || shape->database || !host)
        return false;
    struct node named = {0};
    peer_name_host(stitch, host, &named);
    return named.service == service;
}

static struct request_place *caller_place(struct stitch *stitch, const struct visit *visit,
                                          const struct record *first)
{
    const struct work_span *callee = &stitch->spans[visit->first];
    bool nameless = callee->shape->log != LOG_NONE && log_is_unnamed(stitch, callee);
    struct request_place *place, *best = NULL;
    bool best_half = false;
    if (requests_only_in(stitch->requests, first->request_id, stitch->trace))
        return NULL;
    struct requests_iter iter = requests_find(stitch->requests, first->request_id);
    for (unsigned n = 0; n < MAX_PLACES && (place = next_span(stitch, &iter)); n++) {
        bool half = is_half_to(stitch, place, visit->node.service);
        bool better = half == best_half ? is_inner(place, best) : half;
        if (place->trace == stitch->trace || !better ||
            (nameless && handed_to(stitch, place->shape)) || /* to it, or to who asked it? */
            !was_under_way(stitch, place, first, visit->node.service))
            continue;
        struct node holder = holder_of(stitch, place->shape, &visit->node);
        if (same_workload(&holder, &visit->node))
            continue;
        best = place;
        best_half = half;
    }
    return best;
}

/* Several entries of one half tell of its attempts: the call is that of the first, which is not far
 * before. */
static bool is_joined(const struct stitch *stitch, const struct work_call *work,
                      const struct request_place *half)
{
    uint32_t at = (uint32_t)(work - stitch->calls);
    for (uint32_t looked = 0; at-- > 0 && looked < MAX_ATTEMPTS; looked++) {
        if (stitch->calls[at].joined == half)
            return true;
    }
    return false;
}

/* An entry of a log has no place, by which the trace of the half could find the call. */
static void answer_half(struct stitch *stitch, struct work_call *work, struct request_place *half)
{
    work->elsewhere = half->counted || is_joined(stitch, work, half);
    half->answered = half->answered || !half->counted;
}

static void join_caller(struct stitch *stitch, struct work_call *work)
{
    const struct visit *visit = &stitch->visits[work->callee_visit];
    const struct record *first = stitch->spans[visit->first].record;
    struct request_place *own = own_place(stitch, first);
    bool told = own && own->told >= REQUEST_BY_HALF; /* the caller's trace has the call */
    struct request_place *best = told ? NULL : caller_place(stitch, visit, first);
    if (best && best->tells && own && own->told == REQUEST_ENTRY)
        best = NULL; /* the same, told before a restart */
    if (own && !told)
        own->told = best ? REQUEST_JOINED : REQUEST_ENTRY;
    if (!best)
        return;
    struct node holder = holder_of(stitch, best->shape, &visit->node);
    bool half = is_half_to(stitch, best, visit->node.service);
    work->call.caller = nodes_add(stitch->nodes, &holder);
    work->call.connection_type = CONNECTION_PLAIN;
    work->call.known_by = KNOWN_REQUEST_ID;
    if (half && first->shape->log == LOG_OF_REQUEST)
        answer_half(stitch, work, best);
    work->joined = half && !best->counted && !work->elsewhere ? best : NULL;
}

void joins_find_callers(struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n_calls && stitch->requests; i++) {
        struct work_call *work = &stitch->calls[i];
        bool entry = work->call.known_by == KNOWN_ENTRY && work->callee_visit != NONE;
        if (entry && stitch->spans[stitch->visits[work->callee_visit].first].record->request_id)
            join_caller(stitch, work);
    }
}

/* ---- who was called ---- */

/* To whom a request came that a span of this trace sent. */
static struct request_place *callee_place(struct stitch *stitch, uint64_t request_id,
                                          const struct record *sent, name_no service)
{
    struct requests_iter iter = requests_find(stitch->requests, request_id);
    struct request_place *place, *best = NULL;
    for (unsigned n = 0; n < MAX_PLACES && (place = next_span(stitch, &iter)); n++) {
        bool fits = place->trace != stitch->trace && place->shape->node.service == service &&
                    is_inner(place, best) && came_bare(stitch, place) &&
                    began_within(sent->start_ns, known_duration(sent), place->start_ns);
        best = fits ? place : best;
    }
    return best;
}

/* The callee was counted as an entry before this trace came. */
static void tell_by_half(struct stitch *stitch, struct work_call *work, struct request_place *place)
{
    struct node node = node_of(place->shape), named = *nodes_get(stitch->nodes, work->call.callee);
    fill_node(&node, &named);
    place->told = REQUEST_BY_HALF;
    place->told_in = stitch->trace;
    work->joined = place;
    work->call.callee = nodes_add(stitch->nodes, &node);
    work->call.known_by = KNOWN_REQUEST_ID;
    if (place->outcome > work->outcome && place->outcome >= OUTCOME_GONE)
        work->outcome = place->outcome;
}

static bool is_mine_to_tell(const struct stitch *stitch, const struct request_place *place)
{
    return place->told >= REQUEST_BY_HALF ? place->told_in == stitch->trace
                                          : place->told == REQUEST_ENTRY;
}

static bool held_it(const struct record *held, uint64_t request_id,
                    const struct request_place *place)
{
    return held->request_id == request_id &&
           encloses(held->start_ns, known_duration(held), place->start_ns, place->duration_ns);
}

/* An application's call names its callee in words of its own, and mostly not its request's id; what
 * came to its workload does. The callee's trace finds the caller by that. */
static void join_by_holder(struct stitch *stitch, struct work_call *work)
{
    const struct record *sent = stitch->spans[work->bottom].record;
    const struct visit *visit = &stitch->visits[work->caller_visit];
    const struct record *came = stitch->spans[visit->first].record;
    const struct node *callee = nodes_get(stitch->nodes, work->call.callee);
    uint64_t request_id = sent->request_id ? sent->request_id : came->request_id;
    if (!request_id || callee->role != ROLE_WORKLOAD ||
        requests_only_in(stitch->requests, request_id, stitch->trace))
        return;
    struct request_place *place = callee_place(stitch, request_id, sent, callee->service);
    if (!place || !(held_it(sent, request_id, place) || held_it(came, request_id, place)))
        return;
    if (is_mine_to_tell(stitch, place))
        tell_by_half(stitch, work, place);
    else
        work->elsewhere = place->told <= REQUEST_JOINED;
}

static void join_callee(struct stitch *stitch, struct work_call *work)
{
    const struct record *request = stitch->spans[hop_request(stitch, work->bottom)].record;
    struct request_place *half = request->request_id ? own_place(stitch, request) : NULL;
    const struct upstream *upstream = half ? handed_to(stitch, half->shape) : NULL;
    if (upstream) {
        struct request_place *place =
            callee_place(stitch, half->request_id, request, upstream->service);
        if (place && is_mine_to_tell(stitch, place))
            tell_by_half(stitch, work, place);
        else if ((place || half->answered) && !half->counted)
            work->elsewhere = true;
    } else if (work->caller_visit != NONE) {
        join_by_holder(stitch, work);
    }
    if (half)
        half->counted = !work->elsewhere;
}

void joins_find_callees(struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n_calls && stitch->requests; i++) {
        struct work_call *work = &stitch->calls[i];
        if (!work->folded && work->callee_visit == NONE && work->bottom != NONE &&
            work->call.known_by == KNOWN_CALLER_ONLY)
            join_callee(stitch, work);
    }
}

/* ---- calls of which this trace has no half ---- */

/* The innermost span of this trace that had the request while it was at the place. */
static uint32_t holder_span(const struct stitch *stitch, const struct request_place *place)
{
    uint32_t best = NONE;
    for (uint32_t i = 0; i < stitch->n; i++) {
        const struct record *record = stitch->spans[i].record;
        bool fits =
            record->request_id == place->request_id &&
            encloses(record->start_ns, known_duration(record), place->start_ns, place->duration_ns);
        if (fits && (best == NONE || record->start_ns >= stitch->spans[best].record->start_ns))
            best = i;
    }
    return best;
}

static bool add(struct stitch *stitch, struct request_place *place, struct call *call)
{
    uint32_t at = holder_span(stitch, place);
    struct node callee = node_of(place->shape);
    if (at == NONE)
        return false;
    uint32_t visit = stitch->spans[at].visit;
    bool handed_on = handed_to(stitch, stitch->spans[at].shape) != NULL;
    struct node caller = handed_on ? holder_of(stitch, stitch->spans[at].shape, &callee)
                                   : stitch->visits[visit].node;
    if (same_workload(&caller, &callee))
        return false;
    struct work_call work = {
        .caller_visit = visit, .callee_visit = NONE, .bottom = NONE, .top = NONE};
    work.call = (struct call){
        .start_ns = place->start_ns,
        .caller_ns = DURATION_UNKNOWN,
        .callee_ns = place->duration_ns,
        .transit_ns = DURATION_UNKNOWN,
        .caller = nodes_add(stitch->nodes, &caller),
        .callee = nodes_add(stitch->nodes, &callee),
        .protocol = place->shape->protocol,
        .operation = place->shape->operation,
        .caller_span = NO_SPAN,
        .callee_span = NO_SPAN,
        .weight = 1.0f,
        .known_by = KNOWN_REQUEST_ID,
        .fault = outcome_fault(place->outcome),
    };
    route_find(stitch, &work);
    work.call.security = place->shape->security;
    work.call.first_hop = stitch->n_hops;
    place->told = REQUEST_ADDED;
    place->told_in = stitch->trace;
    *call = work.call;
    return true;
}

static bool is_mine_to_add(struct stitch *stitch, const struct request_place *place)
{
    bool open = place->told == REQUEST_ENTRY ||
                (place->told == REQUEST_ADDED && place->told_in == stitch->trace);
    return open && place->trace != stitch->trace && came_bare(stitch, place);
}

/* A trace's spans mostly bear one id: the next is looked at only where it is another. */
uint32_t joins_add(struct stitch *stitch, struct call *calls)
{
    uint64_t last = 0;
    uint32_t n_calls = 0, n_ids = 0;
    for (uint32_t i = 0; i < stitch->n && n_ids < MAX_JOINED; i++) {
        uint64_t request_id = stitch->spans[i].record->request_id;
        if (!request_id || request_id == last || stitch->spans[i].shape->log != LOG_NONE)
            continue;
        last = request_id;
        n_ids++;
        if (requests_only_in(stitch->requests, request_id, stitch->trace))
            continue;
        struct requests_iter iter = requests_find(stitch->requests, request_id);
        struct request_place *place;
        for (unsigned n = 0;
             n < MAX_PLACES && n_calls < MAX_JOINED && (place = next_span(stitch, &iter)); n++) {
            if (is_mine_to_add(stitch, place) && add(stitch, place, &calls[n_calls]))
                n_calls++;
        }
    }
    return n_calls;
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
