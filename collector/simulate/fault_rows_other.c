/* fault_rows_other.c - the catalogue's rows in which nothing fails and nothing is slow: something
 * is different, or looks so.
 */
#include "collector/simulate/fault_rows.h"

bool hairpin(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    struct fault_edge edge;
    if (!place_edge(mesh, draw, fits_in_cluster, &edge))
        return false;
    struct effect *turned = fault_add(plan, EFFECT_TURN, fault_at_edge(&edge));
    turned->add_ns = fault_draw_ms(draw, 4, 12);
    turned->spread = 0.3;
    fault_origin(plan, ORIGIN_EDGE, fault_at_edge(&edge));
    const char *caller = fault_name(mesh, edge.caller), *callee = fault_name(mesh, edge.callee);
    fault_tell(plan->told, "%s calls %s by its public name: out by the ingress gateway and back in",
               caller, callee);
    fault_tell(plan->look, "%s -> %s goes via %s", caller, callee, fault_name(mesh, mesh->gateway));
    return true;
}

bool clear_text(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    struct fault_edge edge;
    if (!place_edge(mesh, draw, fits_between, &edge))
        return false;
    fault_add(plan, EFFECT_PLAIN, fault_at_edge(&edge));
    fault_origin(plan, ORIGIN_EDGE, fault_at_edge(&edge));
    const char *caller = fault_name(mesh, edge.caller), *callee = fault_name(mesh, edge.callee);
    fault_tell(plan->told, "%s calls %s in clear text: mutual TLS was switched off between them",
               caller, callee);
    fault_tell(plan->look, "security of %s -> %s", caller, callee);
    return true;
}

bool early_return(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    uint16_t service = place_service(mesh, draw, fits_caller);
    if (service == MESH_NONE)
        return false;
    struct effect *stop = fault_add(plan, EFFECT_STOP, fault_at_service(service));
    stop->share = draw_between(draw, 0.5, 0.95);
    fault_origin(plan, ORIGIN_SERVICE, fault_at_service(service));
    fault_tell(plan->told, "%s answers %.0f %% of its calls at once, without doing its work",
               fault_name(mesh, service), 100 * stop->share);
    fault_tell(plan->look, "requests that stop at %s: what it calls gets less",
               fault_name(mesh, service));
    return true;
}

bool missing_call(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    struct fault_edge edge;
    if (!place_edge(mesh, draw, fits_needed_between, &edge))
        return false;
    fault_add(plan, EFFECT_SKIP, fault_at_edge(&edge));
    fault_origin(plan, ORIGIN_EDGE, fault_at_edge(&edge));
    fault_tell(plan->told, "%s no longer calls %s", fault_name(mesh, edge.caller),
               fault_name(mesh, edge.callee));
    fault_tell(plan->look, "the edge %s -> %s is gone", fault_name(mesh, edge.caller),
               fault_name(mesh, edge.callee));
    return true;
}

bool clock_jump(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    uint16_t service = place_service(mesh, draw, fits_caller);
    if (service == MESH_NONE)
        return false;
    const struct mesh_version *version = &mesh->services[service].versions[0];
    uint16_t pod = (uint16_t)(version->first_pod + draw_below(draw, version->n_pods));
    struct effect *clock = fault_add(plan, EFFECT_CLOCK, fault_anywhere());
    clock->add_ns = fault_draw_ms(draw, 2000, 9000) * (draw_hit(draw, 0.5) ? 1 : -1);
    clock->host = mesh->pods[pod].host;
    fault_tell(plan->told, "the clock of machine %u, where %s runs, jumps by %+.1f s", clock->host,
               mesh->pods[pod].name, (double)clock->add_ns / 1e9);
    fault_tell(plan->look, "durations are right, starts are not: nothing is to blame");
    return true;
}

bool traffic_surge(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    struct effect *surge = fault_add(plan, EFFECT_TRAFFIC, fault_at_service(mesh->gateway));
    surge->factor = draw_between(draw, 2.5, 4);
    surge->ramp_ns = 5 * FAULT_SECOND;
    fault_tell(plan->told, "%.1f times as many requests as before, and the mesh takes them",
               surge->factor);
    fault_tell(plan->look, "calls rise everywhere, failures and times do not");
    return true;
}

bool daily_wave(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    struct effect *wave = fault_add(plan, EFFECT_TRAFFIC, fault_at_service(mesh->gateway));
    wave->factor = draw_between(draw, 1.6, 2.4);
    wave->ramp_ns = 300 * FAULT_SECOND;
    fault_tell(plan->told, "the morning: requests rise to %.1f times in five minutes",
               wave->factor);
    fault_tell(plan->look, "calls rise slowly everywhere, failures and times do not");
    return true;
}

bool deploy(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    uint16_t service = place_service(mesh, draw, fits_canary);
    if (service == MESH_NONE)
        return false;
    struct spot canary = fault_at_service(service);
    canary.version = 1;
    struct effect *version = fault_add(plan, EFFECT_VERSION, canary);
    version->share = draw_between(draw, 0.3, 0.7);
    const char *v2 = mesh->services[service].versions[1].name;
    fault_tell(plan->told, "%s %s takes %.0f %% of the traffic and does well",
               fault_name(mesh, service), v2, 100 * version->share);
    fault_tell(plan->look, "%s %s against the version before: the same", fault_name(mesh, service),
               v2);
    return true;
}
