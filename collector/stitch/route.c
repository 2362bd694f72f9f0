/* route.c - which gateways a call went through and whether it turned round there; what it crossed;
 * who could read it (STITCHING §3).
 */
#include <string.h>

#include "collector/stitch/work.h"

#define MAX_VIA 16u

/* ---- gateways ---- */

struct gateways {
    name_no names[MAX_VIA]; /* from the last to the first */
    unsigned n;
    uint32_t first,
        last;    /* spans: of the first gateway the incoming one, of the last the outgoing */
    bool router; /* one of them is an edge or ingress gateway */
};

static void find_gateways(const struct stitch *stitch, const struct work_call *work,
                          struct gateways *gateways)
{
    *gateways = (struct gateways){.first = NONE, .last = NONE};
    for (uint32_t at = work->bottom; at != NONE; at = row_next(stitch, work, at)) {
        const struct work_span *span = &stitch->spans[at];
        if (!span->passes)
            continue;
        gateways->last = gateways->last == NONE ? at : gateways->last;
        gateways->first = at;
        gateways->router = gateways->router || span->proxy == PROXY_GATEWAY;
        name_no service = span->shape->node.service;
        bool again = gateways->n && gateways->names[gateways->n - 1] == service;
        if (!again && gateways->n < MAX_VIA)
            gateways->names[gateways->n++] = service;
    }
}

static name_no via_of(struct stitch *stitch, const struct gateways *gateways)
{
    char text[1024];
    size_t len = 0;
    if (gateways->n <= 1)
        return gateways->n ? gateways->names[0] : NAME_NONE;
    for (unsigned i = gateways->n; i-- > 0;) {
        struct str name = names_text(stitch->names, gateways->names[i]);
        if (len + name.len + 1 >= sizeof(text))
            break;
        if (len)
            text[len++] = ',';
        memcpy(text + len, name.p, name.len);
        len += name.len;
    }
    return names_add(stitch->names, (struct str){text, len});
}

/* What the detour took: from where the caller's side sent it to where the gateway sent it on. */
static uint64_t added_ns(const struct stitch *stitch, const struct work_call *work,
                         const struct gateways *gateways)
{
    uint32_t before = stitch->spans[gateways->first].row_up;
    if (before == NONE || gateways->first == work->top || work->attempt == NONE)
        return DURATION_UNKNOWN;
    uint64_t sent = known_duration(stitch->spans[before].record),
             on = known_duration(stitch->spans[gateways->last].record);
    bool known = sent != DURATION_UNKNOWN && on != DURATION_UNKNOWN && sent >= on;
    return known ? sent - on : DURATION_UNKNOWN;
}

static void find_hairpin(struct stitch *stitch, struct work_call *work,
                         const struct gateways *gateways)
{
    struct call *call = &work->call;
    const struct node *caller = nodes_get(stitch->nodes, call->caller);
    const struct node *callee = nodes_get(stitch->nodes, call->callee);
    call->added_ns = DURATION_UNKNOWN;
    call->hairpin = gateways->router && caller->cluster && caller->cluster == callee->cluster;
    if (!call->hairpin)
        return;
    const struct record *gateway = stitch->spans[gateways->first].record;
    call->added_ns = added_ns(stitch, work, gateways);
    call->bytes =
        span_number(gateway, STR("request_size")) + span_number(gateway, STR("response_size"));
}

/* ---- crossing ---- */

static bool is_place(uint8_t role)
{
    return role == ROLE_WORKLOAD || role == ROLE_GATEWAY || role == ROLE_WAYPOINT ||
           role == ROLE_LOAD_BALANCER || role == ROLE_SIDECAR;
}

/* A queue, database or cache whose address the caller's span gives, and that lies outside. */
static bool is_known_outside(const struct stitch *stitch, const struct work_call *work)
{
    if (work->top == NONE)
        return false;
    struct str address = names_text(stitch->names, stitch->spans[work->top].shape->peer_address);
    return str_eq(address, STR("outside"));
}

static name_no zone_of(const struct stitch *stitch, uint32_t visit)
{
    return visit == NONE ? NAME_NONE : stitch->visits[visit].zone;
}

/* Of a callee that sent no spans: by the address that the last of the caller's spans has of it. */
static name_no zone_of_peer(const struct stitch *stitch, const struct work_call *work)
{
    if (work->bottom == NONE)
        return NAME_NONE;
    const struct shape *bottom = stitch->spans[work->bottom].shape;
    struct str zone =
        knowledge_zone(stitch->knowledge, names_text(stitch->names, bottom->peer_address));
    return names_add(stitch->names, zone);
}

uint8_t crossing_between(const struct node *caller, const struct node *callee)
{
    if (caller->role == ROLE_USER)
        return CROSSING_IN;
    if (callee->role == ROLE_EXTERNAL)
        return CROSSING_OUT;
    if (!caller->cluster || !callee->cluster)
        return CROSSING_UNKNOWN;
    if (caller->cluster != callee->cluster)
        return CROSSING_CLUSTER;
    if (!caller->namespace || !callee->namespace)
        return CROSSING_UNKNOWN;
    return caller->namespace != callee->namespace ? CROSSING_NAMESPACE : CROSSING_INSIDE;
}

static uint8_t crossing_of(const struct stitch *stitch, const struct work_call *work)
{
    const struct node *caller = nodes_get(stitch->nodes, work->call.caller);
    const struct node *callee = nodes_get(stitch->nodes, work->call.callee);
    bool places = is_place(caller->role) && is_place(callee->role);
    if (!places && caller->role != ROLE_USER && callee->role != ROLE_EXTERNAL)
        return is_known_outside(stitch, work) ? CROSSING_OUT : CROSSING_INSIDE;
    if (!places || !caller->cluster || caller->cluster != callee->cluster)
        return crossing_between(caller, callee);
    name_no from = zone_of(stitch, work->caller_visit),
            to = work->callee_visit != NONE ? zone_of(stitch, work->callee_visit)
                                            : zone_of_peer(stitch, work);
    return from && to && from != to ? CROSSING_ZONE : crossing_between(caller, callee);
}

/* ---- security ---- */

/* What both ends of one connection say: the stronger, for one of them may only know its URL. */
static uint8_t both_say(uint8_t near, uint8_t far)
{
    return near > far ? near : far;
}

/* Of the connections of a way the weakest: clear text once is clear text; not knowing one is not
 * knowing, unless another is known to be clear text. */
static uint8_t weaker(uint8_t a, uint8_t b)
{
    if (a == SECURITY_PLAINTEXT || b == SECURITY_PLAINTEXT)
        return SECURITY_PLAINTEXT;
    return a < b ? a : b;
}

/* What the caller's end says of a connection. A log entry tells of the one on which it was asked.
 */
static uint8_t near_security(const struct work_span *span)
{
    bool asked = span->shape->log != LOG_NONE && span->shape->kind == KIND_SERVER;
    return asked ? SECURITY_UNKNOWN : span->security;
}

/* The connections between the caller's side, gateways on the way, and the callee's side; inside of
 * one side (application and sidecar) nobody listens. */
static uint8_t security_of(const struct stitch *stitch, const struct work_call *work)
{
    uint8_t security = SECURITY_MTLS, far = SECURITY_UNKNOWN;
    name_no gateway = NAME_NONE;
    if (work->callee_visit != NONE && visit_answered(stitch, &stitch->visits[work->callee_visit]))
        far = stitch->spans[stitch->visits[work->callee_visit].first].security;
    if (work->bottom == NONE)
        return far;
    for (uint32_t at = work->bottom; at != NONE; at = row_next(stitch, work, at)) {
        const struct work_span *span = &stitch->spans[at];
        bool same_gateway = span->passes && span->shape->node.service == gateway;
        if (!same_gateway)
            security = weaker(security, both_say(near_security(span), far));
        if (!span->passes)
            return security;
        gateway = span->shape->node.service;
        far = span->security; /* of the gateway's incoming connection, at its first span */
    }
    return weaker(security, far);
}

void route_find(struct stitch *stitch, struct work_call *work)
{
    struct gateways gateways;
    find_gateways(stitch, work, &gateways);
    work->call.via = via_of(stitch, &gateways);
    find_hairpin(stitch, work, &gateways);
    work->call.crossing = crossing_of(stitch, work);
    work->call.security = security_of(stitch, work);
}
