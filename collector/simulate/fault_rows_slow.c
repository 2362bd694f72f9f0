/* fault_rows_slow.c - the catalogue's rows in which something is slow. */
#include "collector/simulate/fault_rows.h"

static struct effect *slow_at(struct fault_plan *plan, uint16_t service)
{
    fault_origin(plan, ORIGIN_SERVICE, fault_at_service(service));
    return fault_add(plan, EFFECT_SLOW, fault_at_service(service));
}

static long long ms_of(const struct effect *effect)
{
    return effect->add_ns / FAULT_MS;
}

bool slow_service(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    uint16_t service = place_service(mesh, draw, fits_needed);
    if (service == MESH_NONE)
        return false;
    struct effect *slow = slow_at(plan, service);
    slow->add_ns = fault_draw_ms(draw, 60, 260);
    slow->spread = 0.35;
    slow->ramp_ns = 2 * FAULT_SECOND;
    fault_tell(plan->told, "%s takes %lld ms longer for every call", fault_name(mesh, service),
               ms_of(slow));
    fault_tell(plan->look, "self time of %s rises; its callers only wait",
               fault_name(mesh, service));
    return true;
}

bool cpu_slowdown(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    uint16_t service = place_service(mesh, draw, fits_caller);
    if (service == MESH_NONE)
        return false;
    struct effect *slow = slow_at(plan, service);
    slow->factor = draw_between(draw, 10, 25);
    slow->ramp_ns = 10 * FAULT_SECOND;
    fault_tell(plan->told,
               "%s is short of processor time: all it does itself takes %.0f times as long",
               fault_name(mesh, service), slow->factor);
    fault_tell(plan->look, "self time of every operation of %s", fault_name(mesh, service));
    return true;
}

bool lock_contention(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    uint16_t service = place_service(mesh, draw, fits_needed);
    if (service == MESH_NONE)
        return false;
    struct effect *slow = slow_at(plan, service);
    slow->share = draw_between(draw, 0.2, 0.45);
    slow->add_ns = fault_draw_ms(draw, 180, 420);
    slow->spread = 0.1;
    fault_tell(plan->told, "%.0f %% of calls to %s wait %lld ms for a lock, the others do not",
               100 * slow->share, fault_name(mesh, service), ms_of(slow));
    fault_tell(plan->look, "two peaks in the durations of %s", fault_name(mesh, service));
    return true;
}

bool slow_database(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    uint16_t service = place_service(mesh, draw, fits_database);
    if (service == MESH_NONE)
        return false;
    struct effect *slow = slow_at(plan, service);
    slow->add_ns = fault_draw_ms(draw, 70, 250);
    slow->spread = 0.4;
    fault_tell(plan->told, "%s takes %lld ms longer for every query", fault_name(mesh, service),
               ms_of(slow));
    fault_tell(plan->look, "every edge to %s, whoever asks", fault_name(mesh, service));
    return true;
}

/* It hangs longer than its callers wait: they give up, and theirs, and theirs. */
bool timeout_chain(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    uint16_t service = place_service(mesh, draw, fits_needed);
    if (service == MESH_NONE)
        return false;
    struct effect *slow = slow_at(plan, service);
    slow->share = draw_between(draw, 0.3, 0.7);
    slow->add_ns = fault_draw_ms(draw, 2600, 4200);
    slow->spread = 0.1;
    fault_tell(plan->told, "%.0f %% of calls to %s hang for %.1f s; its callers give up before",
               100 * slow->share, fault_name(mesh, service), (double)slow->add_ns / 1e9);
    fault_tell(plan->look, "timeouts (504, UT) on the way to %s, which answers late and well",
               fault_name(mesh, service));
    return true;
}

/* The cache is empty: what it spared the database comes there now, and that feels it. */
bool cache_miss_storm(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    struct fault_edge edge;
    if (!place_edge(mesh, draw, fits_on_miss, &edge))
        return false;
    fault_add(plan, EFFECT_MISS, fault_at_service(edge.caller))->share =
        draw_between(draw, 0.85, 0.98);
    struct effect *slow = fault_add(plan, EFFECT_SLOW, fault_at_service(edge.callee));
    slow->spot.operation = edge.operation;
    slow->add_ns = fault_draw_ms(draw, 40, 120);
    slow->spread = 0.4;
    fault_origin(plan, ORIGIN_EDGE, fault_at_edge(&edge));
    fault_tell(plan->told,
               "the cache of %s is empty: nearly every call asks %s, which takes %lld ms "
               "longer for it",
               fault_name(mesh, edge.caller), fault_name(mesh, edge.callee), ms_of(slow));
    fault_tell(plan->look, "calls %s -> %s multiply", fault_name(mesh, edge.caller),
               fault_name(mesh, edge.callee));
    return true;
}

bool network_delay(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    struct fault_edge edge;
    if (!place_edge(mesh, draw, fits_needed_between, &edge))
        return false;
    struct effect *delay = fault_add(plan, EFFECT_DELAY, fault_at_edge(&edge));
    delay->add_ns = fault_draw_ms(draw, 40, 220);
    delay->spread = 0.1;
    fault_origin(plan, ORIGIN_EDGE, fault_at_edge(&edge));
    fault_tell(plan->told, "the network between %s and %s takes %lld ms more",
               fault_name(mesh, edge.caller), fault_name(mesh, edge.callee), ms_of(delay));
    fault_tell(plan->look, "the gap between the two halves of %s -> %s, not the time of either",
               fault_name(mesh, edge.caller), fault_name(mesh, edge.callee));
    return true;
}

bool packet_loss(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    struct fault_edge edge;
    if (!place_edge(mesh, draw, fits_needed_between, &edge))
        return false;
    struct effect *delay = fault_add(plan, EFFECT_DELAY, fault_at_edge(&edge));
    delay->share = draw_between(draw, 0.1, 0.25);
    delay->add_ns = 205 * FAULT_MS; /* TCP's least time to send again */
    delay->spread = 0.15;
    fault_origin(plan, ORIGIN_EDGE, fault_at_edge(&edge));
    fault_tell(plan->told,
               "the network between %s and %s loses packets: %.0f %% of calls wait 200 ms",
               fault_name(mesh, edge.caller), fault_name(mesh, edge.callee), 100 * delay->share);
    fault_tell(plan->look, "the tail of the gap between the halves of %s -> %s",
               fault_name(mesh, edge.caller), fault_name(mesh, edge.callee));
    return true;
}

bool sidecar_overload(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    uint16_t service = place_service(mesh, draw, fits_needed);
    if (service == MESH_NONE)
        return false;
    struct effect *slow = fault_add(plan, EFFECT_PROXY, fault_at_service(service));
    slow->add_ns = fault_draw_ms(draw, 20, 70);
    slow->spread = 0.4;
    fault_origin(plan, ORIGIN_SERVICE, fault_at_service(service));
    fault_tell(plan->told, "the proxies of %s take %lld ms each time they are passed",
               fault_name(mesh, service), ms_of(slow));
    fault_tell(plan->look, "hops sidecar in and out of %s, not its application",
               fault_name(mesh, service));
    return true;
}

bool zone_failover(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    uint16_t service = place_service(mesh, draw, fits_five_pods);
    if (service == MESH_NONE)
        return false;
    struct effect *zone = fault_add(plan, EFFECT_ZONE, fault_at_service(service));
    zone->add_ns = fault_draw_ms(draw, 25, 80);
    zone->spread = 0.3;
    fault_origin(plan, ORIGIN_SERVICE, fault_at_service(service));
    fault_tell(plan->told,
               "no pod of %s answers in zone eu-1a: half of its calls go to eu-1b, %lld ms away",
               fault_name(mesh, service), ms_of(zone));
    fault_tell(plan->look, "crossings of zones towards %s, and their gap",
               fault_name(mesh, service));
    return true;
}

bool slow_lookup(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    uint16_t service = place_service(mesh, draw, fits_caller);
    if (service == MESH_NONE)
        return false;
    struct spot spot = fault_anywhere();
    spot.caller = service;
    struct effect *lookup = fault_add(plan, EFFECT_LOOKUP, spot);
    lookup->share = draw_between(draw, 0.3, 0.6);
    lookup->add_ns = fault_draw_ms(draw, 100, 300);
    lookup->spread = 0.2;
    fault_origin(plan, ORIGIN_SERVICE, fault_at_service(service));
    fault_tell(plan->told, "%s looks up names slowly: %.0f %% of its calls leave %lld ms late",
               fault_name(mesh, service), 100 * lookup->share, ms_of(lookup));
    fault_tell(plan->look, "all calls of %s wait before its sidecar sees them",
               fault_name(mesh, service));
    return true;
}
