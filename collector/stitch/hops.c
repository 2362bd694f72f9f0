/* hops.c - the way of a call: which proxies and gateways it went through and how long it was at
 * each; whether it turned round at a gateway; what it crossed; who could read it (STITCHING §3).
 *
 * The way is a row of spans, each within the one before: the caller's application, its sidecar,
 * gateways, the callee's sidecar, its application. What one lasts longer than the next was spent
 * between the two, whatever their clocks say. Where a span is missing the hop is coarser; where
 * several attempts share one, the time between is not known.
 */
#include <stdlib.h>

#include "collector/stitch/work.h"

#define MAX_POINTS 24u
#define MAX_HOPS 16u

struct point {
    uint32_t span;
    uint8_t place; /* enum hop_place */
    bool callee;   /* on the callee's side of the network */
    bool passes;   /* a gateway between the two */
    bool apart;    /* the point before stands for more than this attempt */
};

struct way {
    const struct stitch *stitch;
    const struct work_call *call;
    struct point points[MAX_POINTS];
    uint32_t n;
    name_no caller, callee; /* services */
    struct hop hops[MAX_HOPS];
    uint32_t n_hops;
};

static uint8_t place_of(const struct work_span *span)
{
    switch (span->proxy) {
    case PROXY_NONE:
        return PLACE_APPLICATION;
    case PROXY_GATEWAY:
        return PLACE_GATEWAY;
    case PROXY_WAYPOINT:
        return PLACE_WAYPOINT;
    case PROXY_LOAD_BALANCER:
        return PLACE_LOAD_BALANCER;
    default:
        return PLACE_SIDECAR;
    }
}

static void add_point(struct way *way, uint32_t i, bool callee, bool apart)
{
    const struct work_span *span = &way->stitch->spans[i];
    way->points[way->n++] = (struct point){i, place_of(span), callee, span->passes, apart};
}

static void add_caller_points(struct way *way)
{
    const struct stitch *stitch = way->stitch;
    const struct work_call *call = way->call;
    uint32_t upward[MAX_POINTS / 2], n = 0;
    for (uint32_t at = call->bottom; at != NONE && n < MAX_POINTS / 2;
         at = row_next(stitch, call, at))
        upward[n++] = at;
    while (n-- > 0)
        add_point(way, upward[n], false, upward[n] == call->attempt && call->attempt != call->top);
}

/* From the callee's first incoming span to its application's. */
static void add_callee_points(struct way *way)
{
    const struct stitch *stitch = way->stitch;
    const struct visit *visit = &stitch->visits[way->call->callee_visit];
    uint32_t outward[MAX_POINTS / 2], n = 0;
    for (uint32_t at = visit->application; n + 1 < MAX_POINTS / 2 && at != visit->first;
         at = stitch->spans[at].parent)
        outward[n++] = at;
    add_point(way, visit->first, true, way->call->attempt == NONE);
    while (n-- > 0)
        add_point(way, outward[n], true, false);
}

/* ---- hops from points ---- */

static uint64_t duration_at(const struct way *way, uint32_t i)
{
    return known_duration(way->stitch->spans[way->points[i].span].record);
}

/* By how much the one outlasts the other. */
static uint64_t time_between(const struct way *way, uint32_t outer, uint32_t inner)
{
    uint64_t a = duration_at(way, outer), b = duration_at(way, inner);
    bool known =
        a != DURATION_UNKNOWN && b != DURATION_UNKNOWN && a >= b && !way->points[inner].apart;
    return known ? a - b : DURATION_UNKNOWN;
}

static name_no service_at(const struct way *way, uint32_t i)
{
    const struct point *point = &way->points[i];
    if (point->passes)
        return way->stitch->spans[point->span].shape->node.service;
    return point->callee ? way->callee : way->caller;
}

static uint8_t hop_outcome(const struct way *way, uint32_t i)
{
    uint8_t outcome = way->stitch->spans[way->points[i].span].outcome;
    return outcome == OUTCOME_FAILED         ? HOP_FAILED
           : outcome == OUTCOME_CLIENT_ERROR ? HOP_CLIENT_ERROR
                                             : HOP_FINE;
}

/* Adds to the hop before when it is the same one. */
static void add_hop(struct way *way, const struct hop *hop)
{
    struct hop *last = way->n_hops ? &way->hops[way->n_hops - 1] : NULL;
    if (last && last->kind == hop->kind && last->name == hop->name && hop->kind != HOP_NETWORK) {
        if (last->time_ns == DURATION_UNKNOWN)
            last->time_ns = hop->time_ns;
        else if (hop->time_ns != DURATION_UNKNOWN)
            last->time_ns += hop->time_ns;
        last->outcome = hop->outcome > last->outcome ? hop->outcome : last->outcome;
    } else if (way->n_hops < MAX_HOPS) {
        way->hops[way->n_hops++] = *hop;
    }
}

static bool is_same_place(const struct way *way, uint32_t a, uint32_t b)
{
    const struct point *x = &way->points[a], *y = &way->points[b];
    return x->place == y->place && x->callee == y->callee &&
           service_at(way, a) == service_at(way, b);
}

static uint8_t hop_of_place(const struct point *point)
{
    switch (point->place) {
    case PLACE_GATEWAY:
        return HOP_GATEWAY;
    case PLACE_WAYPOINT:
        return HOP_WAYPOINT;
    case PLACE_LOAD_BALANCER:
        return HOP_LOAD_BALANCER;
    case PLACE_SIDECAR:
        return point->callee ? HOP_SIDECAR_IN : HOP_SIDECAR_OUT;
    default:
        return HOP_APPLICATION;
    }
}

/* The proxy's or gateway's own hop, with what is known of its time so far. */
static void add_place(struct way *way, uint32_t i, uint64_t time_ns)
{
    add_hop(way, &(struct hop){.time_ns = time_ns,
                               .name = service_at(way, i),
                               .kind = hop_of_place(&way->points[i]),
                               .outcome = hop_outcome(way, i)});
}

static void add_network(struct way *way, uint32_t from, uint32_t to, uint64_t time_ns)
{
    const struct point *near = &way->points[from], *far = &way->points[to];
    bool between = hop_outcome(way, from) == HOP_FAILED && hop_outcome(way, to) != HOP_FAILED;
    add_hop(way, &(struct hop){.time_ns = time_ns,
                               .name = service_at(way, to),
                               .from = near->passes ? service_at(way, from) : NAME_NONE,
                               .kind = HOP_NETWORK,
                               .from_place = near->place,
                               .to_place = far->place,
                               .outcome = between ? HOP_FAILED : HOP_FINE});
}

/* Nobody answered, or nobody who did was heard of: where the caller's side ends. */
static void add_network_to_nobody(struct way *way, uint32_t from)
{
    const struct point *near = &way->points[from];
    add_hop(way, &(struct hop){.time_ns = DURATION_UNKNOWN,
                               .name = way->callee,
                               .from = near->passes ? service_at(way, from) : NAME_NONE,
                               .kind = HOP_NETWORK,
                               .from_place = near->place,
                               .to_place = PLACE_APPLICATION,
                               .outcome = hop_outcome(way, from)});
}

static void add_network_from_nobody(struct way *way, uint32_t to)
{
    add_hop(way, &(struct hop){.time_ns = DURATION_UNKNOWN,
                               .name = service_at(way, to),
                               .kind = HOP_NETWORK,
                               .from_place = PLACE_APPLICATION,
                               .to_place = way->points[to].place});
}

/* Between two points of the way lies one hop; which, the places tell. */
static void add_between(struct way *way, uint32_t from, uint32_t to)
{
    const struct point *near = &way->points[from], *far = &way->points[to];
    uint64_t time_ns = time_between(way, from, to);
    bool own_sidecar = near->callee == far->callee &&
                       (near->place == PLACE_SIDECAR) != (far->place == PLACE_SIDECAR) &&
                       !near->passes && !far->passes;
    if (is_same_place(way, from, to)) {
        if (near->passes || near->place == PLACE_SIDECAR)
            add_place(way, from, time_ns);
        return;
    }
    if (own_sidecar) {
        add_place(way, near->place == PLACE_SIDECAR ? from : to, time_ns);
        return;
    }
    /* A gateway with one span: what it took itself and the way on are one. So is a sidecar's, but
     * one that says it delayed the request took that time itself. */
    bool delayed = way->stitch->spans[near->span].record->flags & FLAG_BIT(FLAG_DI);
    bool keeps = near->passes || (near->place == PLACE_SIDECAR && delayed);
    if (keeps && (from == 0 || !is_same_place(way, from - 1, from))) {
        add_place(way, from, time_ns);
        time_ns = DURATION_UNKNOWN;
    }
    add_network(way, from, to, time_ns);
    if (far->place == PLACE_SIDECAR && far->callee)
        add_place(way, to, DURATION_UNKNOWN);
}

/* The callee itself: the time of its application, or of the proxy before it when it sends no spans.
 */
static void add_callee(struct way *way)
{
    const struct point *last = &way->points[way->n - 1];
    uint8_t kind = last->place >= PLACE_GATEWAY ? hop_of_place(last) : HOP_APPLICATION;
    add_hop(way, &(struct hop){.time_ns = duration_at(way, way->n - 1),
                               .name = way->callee,
                               .kind = kind,
                               .outcome = hop_outcome(way, way->n - 1)});
}

static void fill_way(struct way *way)
{
    const struct work_call *call = way->call;
    bool answered = call->callee_visit != NONE &&
                    visit_answered(way->stitch, &way->stitch->visits[call->callee_visit]);
    if (call->bottom != NONE)
        add_caller_points(way);
    uint32_t n_caller = way->n;
    if (answered || !n_caller)
        add_callee_points(way);
    if (!n_caller)
        add_network_from_nobody(way, 0);
    if (way->points[0].place == PLACE_SIDECAR)
        add_place(way, 0, DURATION_UNKNOWN);
    for (uint32_t i = 0; i + 1 < way->n; i++)
        add_between(way, i, i + 1);
    if (answered || !n_caller) {
        add_callee(way);
        return;
    }
    if (way->points[n_caller - 1].passes &&
        (n_caller == 1 || !is_same_place(way, n_caller - 2, n_caller - 1)))
        add_place(way, n_caller - 1, DURATION_UNKNOWN);
    add_network_to_nobody(way, n_caller - 1);
}

bool hops_find(struct stitch *stitch, struct work_call *work)
{
    struct way way; /* large: only what is used is set */
    way.stitch = stitch;
    way.call = work;
    way.n = way.n_hops = 0;
    way.caller = nodes_get(stitch->nodes, work->call.caller)->service;
    way.callee = nodes_get(stitch->nodes, work->call.callee)->service;
    fill_way(&way);
    if (stitch->n_hops + way.n_hops > stitch->cap_hops) {
        uint32_t cap = stitch->cap_hops ? 2 * stitch->cap_hops : 256;
        struct hop *grown = realloc(stitch->hops, cap * sizeof(*grown));
        if (!grown)
            return false;
        stitch->hops = grown;
        stitch->cap_hops = cap;
    }
    memcpy(stitch->hops + stitch->n_hops, way.hops, way.n_hops * sizeof(struct hop));
    work->call.first_hop = stitch->n_hops;
    work->call.n_hops = (uint8_t)way.n_hops;
    stitch->n_hops += way.n_hops;
    return true;
}
