/* fault_rows.c - the catalogue, and its rows in which something fails. A row draws where it strikes
 * and how hard; the texts say it as a colleague would.
 */
#include "collector/simulate/fault_rows.h"

#include <stdarg.h>
#include <stdio.h>

const struct fault_row fault_rows[] = {
    {"pool-overflow", "a canary runs out of connections to the cache (503 UO)", false,
     pool_overflow},
    {"slow-service", "one service takes longer for every call", false, slow_service},
    {"failing-service", "one service throws exceptions", false, failing_service},
    {"network-delay", "the network between two services is slow", false, network_delay},
    {"dead-callee", "no pod of a service answers (UH)", false, dead_callee},
    {"retry-storm", "a service sheds load, its callers try again and again", false, retry_storm},
    {"hairpin", "a call goes out by the gateway and back in", false, hairpin},
    {"clear-text", "mutual TLS is off between two services", true, clear_text},
    {"cpu-slowdown", "a service is short of processor time", false, cpu_slowdown},
    {"lock-contention", "some calls of a service wait for a lock", false, lock_contention},
    {"packet-loss", "some calls between two services wait for a lost packet", false, packet_loss},
    {"error-return", "one operation answers 500", false, error_return},
    {"early-return", "a service answers well without doing its work", false, early_return},
    {"missing-call", "a service no longer makes one of its calls", false, missing_call},
    {"connection-refused", "a service refuses connections (UF)", false, connection_refused},
    {"timeout-chain", "a service hangs, its callers give up one after the other", false,
     timeout_chain},
    {"bad-instance", "one pod of five fails", false, bad_instance},
    {"bad-canary", "a new version fails 5 % of the traffic", false, bad_canary},
    {"slow-database", "a database is slow for all who ask it", false, slow_database},
    {"cache-miss-storm", "a cache is empty, its database gets all of it", false, cache_miss_storm},
    {"slow-lookup", "names are looked up slowly before calls", false, slow_lookup},
    {"sidecar-overload", "the proxies of one service are slow", false, sidecar_overload},
    {"gateway-misroute", "the gateway has no route for some requests (404 NR)", false,
     gateway_misroute},
    {"zone-failover", "a zone of one service is gone, calls go far", false, zone_failover},
    {"clock-jump", "one machine's clock jumps", true, clock_jump},
    {"traffic-surge", "three times the traffic, and all is well", true, traffic_surge},
    {"deploy", "a new version, and all is well", true, deploy},
    {"daily-wave", "traffic rises and all is well", true, daily_wave},
    {NULL, NULL, false, NULL},
};

/* ---- what rows are written with ---- */

struct spot fault_anywhere(void)
{
    return (struct spot){MESH_NONE, MESH_NONE, MESH_NONE, MESH_NONE, MESH_NONE, MESH_NONE};
}

struct spot fault_at_service(uint16_t service)
{
    struct spot spot = fault_anywhere();
    spot.callee = service;
    return spot;
}

struct spot fault_at_edge(const struct fault_edge *edge)
{
    struct spot spot = fault_anywhere();
    spot.caller = edge->caller;
    spot.callee = edge->callee;
    return spot;
}

struct effect *fault_add(struct fault_plan *plan, enum effect_kind kind, struct spot spot)
{
    struct effect *effect = &plan->effects[plan->n_effects++];
    *effect = (struct effect){.kind = (uint8_t)kind, .spot = spot, .share = 1, .factor = 1};
    return effect;
}

void fault_origin(struct fault_plan *plan, enum origin_kind kind, struct spot at)
{
    plan->origin = (uint8_t)kind;
    plan->at = at;
}

void fault_tell(char out[256], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(out, 256, format, args);
    va_end(args);
}

int64_t fault_draw_ms(struct draw *draw, double least, double most)
{
    return (int64_t)draw_between(draw, least, most) * FAULT_MS;
}

/* ---- something fails ---- */

/* The canary's pool to the cache is too small: its sidecar refuses what does not fit. */
bool pool_overflow(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    struct fault_edge edge;
    if (!place_edge(mesh, draw, fits_canary_to_cache, &edge))
        return false;
    struct spot canary = fault_at_service(edge.caller), call = fault_at_edge(&edge);
    canary.version = call.caller_version = 1;
    fault_add(plan, EFFECT_VERSION, canary)->share = 0.2;
    struct effect *refuse = fault_add(plan, EFFECT_REFUSE, call);
    refuse->share = draw_between(draw, 0.65, 0.85);
    refuse->ramp_ns = 2 * FAULT_SECOND;
    refuse->add_ns = FAULT_MS / 10;
    refuse->spread = 0.3;
    refuse->flag = "UO";
    refuse->exception = "PoolTimeout";
    refuse->message = "reset reason: overflow";
    fault_origin(plan, ORIGIN_EDGE, call);
    const struct mesh_version *versions = mesh->services[edge.caller].versions;
    const char *caller = fault_name(mesh, edge.caller), *callee = fault_name(mesh, edge.callee);
    fault_tell(plan->told, "%s %s takes 20 %% of the traffic and runs out of connections to %s",
               caller, versions[1].name, callee);
    fault_tell(plan->look, "%s %s -> %s, flag UO; %s %s and the other callers of %s are well",
               caller, versions[1].name, callee, caller, versions[0].name, callee);
    return true;
}

bool failing_service(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    uint16_t service = place_service(mesh, draw, fits_needed);
    if (service == MESH_NONE)
        return false;
    struct effect *fail = fault_add(plan, EFFECT_FAIL, fault_at_service(service));
    fail->share = draw_between(draw, 0.2, 0.6);
    fail->status = 500;
    fail->exception = "NullReference";
    fail->message = "value was null";
    fail->ramp_ns = FAULT_SECOND;
    fault_origin(plan, ORIGIN_SERVICE, fault_at_service(service));
    fault_tell(plan->told, "%.0f %% of calls to %s fail with an exception", 100 * fail->share,
               fault_name(mesh, service));
    fault_tell(plan->look, "failures begin at %s and are passed on to the users",
               fault_name(mesh, service));
    return true;
}

bool error_return(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    struct fault_edge edge;
    if (!place_edge(mesh, draw, fits_needed_between, &edge))
        return false;
    struct spot spot = fault_at_service(edge.callee);
    spot.operation = edge.operation;
    struct effect *fail = fault_add(plan, EFFECT_FAIL, spot);
    fail->share = draw_between(draw, 0.3, 0.9);
    fail->status = 500;
    fail->message = "invalid state";
    fault_origin(plan, ORIGIN_SERVICE, spot);
    fault_tell(plan->told, "%s of %s answers 500 to %.0f %% of its calls",
               mesh->operations[edge.operation].name, fault_name(mesh, edge.callee),
               100 * fail->share);
    fault_tell(plan->look, "one operation of %s, not the others", fault_name(mesh, edge.callee));
    return true;
}

bool bad_canary(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    uint16_t service = place_service(mesh, draw, fits_canary);
    if (service == MESH_NONE)
        return false;
    struct spot canary = fault_at_service(service);
    canary.version = 1;
    fault_add(plan, EFFECT_VERSION, canary)->share = 0.05;
    struct effect *fail = fault_add(plan, EFFECT_FAIL, canary);
    fail->share = draw_between(draw, 0.5, 0.9);
    fail->status = 500;
    fail->exception = "KeyError";
    fail->message = "no such key";
    fault_origin(plan, ORIGIN_VERSION, canary);
    const struct mesh_version *versions = mesh->services[service].versions;
    fault_tell(plan->told, "%s %s takes 5 %% of the traffic and fails %.0f %% of it",
               fault_name(mesh, service), versions[1].name, 100 * fail->share);
    fault_tell(plan->look, "%s %s against %s", fault_name(mesh, service), versions[1].name,
               versions[0].name);
    return true;
}

bool bad_instance(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    uint16_t service = place_service(mesh, draw, fits_five_pods);
    if (service == MESH_NONE)
        return false;
    const struct mesh_version *version = &mesh->services[service].versions[0];
    struct spot pod = fault_at_service(service);
    pod.version = 0;
    pod.pod = (uint16_t)(version->first_pod + draw_below(draw, version->n_pods));
    struct effect *fail = fault_add(plan, EFFECT_FAIL, pod);
    fail->share = draw_between(draw, 0.6, 1);
    fail->status = 500;
    fail->exception = "DiskFull";
    fail->message = "no space left on device";
    fault_origin(plan, ORIGIN_INSTANCE, pod);
    fault_tell(plan->told, "the disk of %s is full: it fails %.0f %% of its calls",
               mesh->pods[pod.pod].name, 100 * fail->share);
    fault_tell(plan->look, "one instance of %s, the other %u are well", fault_name(mesh, service),
               version->n_pods - 1u);
    return true;
}

bool dead_callee(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    uint16_t service = place_service(mesh, draw, fits_needed);
    if (service == MESH_NONE)
        return false;
    struct effect *refuse = fault_add(plan, EFFECT_REFUSE, fault_at_service(service));
    refuse->flag = "UH";
    refuse->exception = "NoEndpoints";
    refuse->message = "no healthy upstream";
    fault_origin(plan, ORIGIN_SERVICE, fault_at_service(service));
    fault_tell(plan->told, "%s is gone: none of its pods answers", fault_name(mesh, service));
    fault_tell(plan->look, "every call to %s fails with UH, and it sends no spans",
               fault_name(mesh, service));
    return true;
}

bool connection_refused(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    uint16_t service = place_service(mesh, draw, fits_needed);
    if (service == MESH_NONE)
        return false;
    struct effect *refuse = fault_add(plan, EFFECT_REFUSE, fault_at_service(service));
    refuse->share = draw_between(draw, 0.3, 0.8);
    refuse->add_ns = FAULT_MS;
    refuse->spread = 0.4;
    refuse->flag = "UF";
    refuse->exception = "ConnectionRefused";
    refuse->message = "connect: connection refused";
    fault_origin(plan, ORIGIN_SERVICE, fault_at_service(service));
    fault_tell(plan->told, "%s refuses %.0f %% of its connections", fault_name(mesh, service),
               100 * refuse->share);
    fault_tell(plan->look, "calls to %s that end with UF, without a span of its own",
               fault_name(mesh, service));
    return true;
}

bool retry_storm(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    uint16_t service = place_service(mesh, draw, fits_needed);
    if (service == MESH_NONE)
        return false;
    struct effect *fail = fault_add(plan, EFFECT_FAIL, fault_at_service(service));
    fail->share = draw_between(draw, 0.55, 0.75);
    fail->status = 503;
    fail->exception = "Overloaded";
    fail->message = "queue is full";
    fail->ramp_ns = 3 * FAULT_SECOND;
    fault_add(plan, EFFECT_RETRIES, fault_at_service(service))->factor = 3;
    fault_origin(plan, ORIGIN_SERVICE, fault_at_service(service));
    fault_tell(plan->told,
               "%s sheds %.0f %% of its calls with 503, and its callers try three times more",
               fault_name(mesh, service), 100 * fail->share);
    fault_tell(plan->look, "retries towards %s multiply its load", fault_name(mesh, service));
    return true;
}

/* Requests that the gateway's table forgot. */
bool gateway_misroute(const struct mesh *mesh, struct draw *draw, struct fault_plan *plan)
{
    struct spot spot = fault_anywhere();
    spot.caller = mesh->gateway;
    struct effect *refuse = fault_add(plan, EFFECT_REFUSE, spot);
    refuse->share = draw_between(draw, 0.1, 0.4);
    refuse->status = 404;
    refuse->flag = "NR";
    refuse->message = "route not found";
    fault_origin(plan, ORIGIN_SERVICE, fault_at_service(mesh->gateway));
    fault_tell(plan->told, "%s has no route for %.0f %% of the requests",
               fault_name(mesh, mesh->gateway), 100 * refuse->share);
    fault_tell(plan->look, "404 with NR at %s, nothing behind it", fault_name(mesh, mesh->gateway));
    return true;
}
