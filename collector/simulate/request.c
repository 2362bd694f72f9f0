/* request.c - a request comes in by the gateway, and goes its way through the mesh.
 *
 *   application - its sidecar - (gateway) - network - its callee's sidecar - application
 *
 * Calls and visits take turns, times add up; what goes wrong beneath is carried up or borne, as
 * each service does.
 */
#include "collector/simulate/request.h"

#include <stdio.h>

#define PROXY_NS (0.11 * 1e6)
#define NETWORK_NS (0.13 * 1e6)
#define OTHER_ZONE_NS (0.55 * 1e6)
#define OTHER_CLUSTER_NS (3.6 * 1e6)

uint16_t version_for(struct walk *walk, uint16_t service, uint64_t at_ns)
{
    const struct mesh_service *of = service_of(walk, service);
    if (of->n_versions == 1)
        return 0;
    if (walk->versions[service] != UINT8_MAX)
        return walk->versions[service];
    struct spot spot = {MESH_NONE, MESH_NONE, service, 1, MESH_NONE, MESH_NONE};
    const struct effect *shift = effect_at(walk, EFFECT_VERSION, at_ns, &spot);
    double share = shift ? shift->share : of->versions[1].share;
    walk->versions[service] = draw_hit(&walk->draw, share);
    return walk->versions[service];
}

uint16_t pod_for(struct walk *walk, const struct call *call, uint64_t at_ns)
{
    const struct mesh_version *version = &service_of(walk, call->service)->versions[call->version];
    const struct mesh_pod *pods = walk->sim->mesh->pods;
    if (version->n_pods == 1)
        return version->first_pod;
    uint16_t from = call->from ? call->from->pod : MESH_NONE;
    unsigned side = from == MESH_NONE ? (unsigned)draw_below(&walk->draw, 2) : pods[from].side;
    if (effect_at(walk, EFFECT_ZONE, at_ns, &call->spot))
        side = 1;
    unsigned n_side = (version->n_pods + 1u - side) / 2;
    return (uint16_t)(version->first_pod + 2 * draw_below(&walk->draw, n_side) + side);
}

uint64_t network_time(struct walk *walk, uint16_t from, uint16_t to)
{
    const struct mesh *mesh = walk->sim->mesh;
    double median_ns = NETWORK_NS;
    if (from != MESH_NONE && to != MESH_NONE) {
        const char *a = mesh->services[mesh->pods[from].service].cluster;
        const char *b = mesh->services[mesh->pods[to].service].cluster;
        if (a[0] && b[0] && strcmp(a, b) != 0)
            median_ns += OTHER_CLUSTER_NS;
        else if (mesh->pods[from].side != mesh->pods[to].side)
            median_ns += OTHER_ZONE_NS;
    }
    return draw_time(&walk->draw, median_ns, 0.3);
}

uint64_t proxy_time(struct walk *walk, uint16_t service, uint64_t at_ns, struct answer *answer)
{
    struct spot spot = {MESH_NONE, MESH_NONE, service, MESH_NONE, MESH_NONE, MESH_NONE};
    uint64_t time_ns = draw_time(&walk->proxy, PROXY_NS, 0.35);
    const struct effect *slow = effect_at(walk, EFFECT_PROXY, at_ns, &spot);
    if (!slow)
        return time_ns;
    uint64_t added_ns = fault_delay(slow, &walk->proxy);
    answer->fault = true;
    answer->slow_ns += added_ns;
    answer_slowed(answer, service, added_ns);
    return time_ns + added_ns;
}

static uint16_t entry_operation(struct walk *walk)
{
    const struct mesh *mesh = walk->sim->mesh;
    double at = draw_share(&walk->draw);
    uint16_t i = 0;
    while (i + 1 < mesh->n_entries && at >= mesh->entries[i].weight)
        at -= mesh->entries[i++].weight;
    return mesh->entries[i].operation;
}

static void enter(struct walk *walk, uint64_t start_ns)
{
    const struct mesh *mesh = walk->sim->mesh;
    const struct mesh_version *gateway = &mesh->services[mesh->gateway].versions[0];
    uint16_t pod = (uint16_t)(gateway->first_pod + draw_below(&walk->draw, gateway->n_pods));
    struct call call = {.operation = entry_operation(walk), .proxied = true, .caller_pod = pod};
    call.service = operation_of(walk, call.operation)->service;
    call.version = version_for(walk, call.service, start_ns);
    call.spot =
        (struct spot){mesh->gateway, 0, call.service, call.version, MESH_NONE, call.operation};
    struct span_times in = {walk_id(walk), 0, start_ns, 0, false};
    struct span_times out = {walk_id(walk), in.id,
                             start_ns + draw_time(&walk->draw, PROXY_NS, 0.35), 0, false};
    struct answer answer = {0};
    call.start_ns = out.start_ns;
    call_attempt(walk, &call, out.id, out.start_ns, &answer);
    call.unrouted = answer.unreached && strcmp(answer.flag, "NR") == 0;
    if (call.unrouted)
        answer.began = mesh->gateway;
    out.end_ns = answer.end_ns;
    in.end_ns = out.end_ns + draw_time(&walk->draw, PROXY_NS, 0.35);
    if (!answer.unreached || strcmp(answer.flag, "UF") == 0)
        span_gateway_out(walk, pod, &call, &out, &answer);
    span_gateway_in(walk, pod, &call, &in, &answer);
    truth_of_entry(walk, &call, &in, &answer);
}

void request_walk(struct simulation *sim, uint64_t tick, unsigned i)
{
    static const char *const agents[] = {
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Mobile",
        "shop-android/8.2.1",
    };
    struct walk walk = {.sim = sim, .draw = draw_from(sim->settings.seed, tick, i)};
    uint64_t high = draw_number(&walk.draw), low = draw_number(&walk.draw) | 1;
    uint64_t a = draw_number(&walk.draw), b = draw_number(&walk.draw);
    walk.id = (struct trace_id){high, low};
    walk.ids = draw_from(high, low, 2);
    walk.proxy = draw_from(high, low, 3);
    snprintf(walk.request_id, sizeof(walk.request_id), "%08x-%04x-9%03x-%04x-%012llx", (unsigned)a,
             (unsigned)(a >> 32) & 0xffff, (unsigned)(a >> 48) & 0xfff,
             (unsigned)(b >> 48) | 0x8000, (unsigned long long)(b & 0xffffffffffff));
    walk.item = 1000 + (unsigned)(b % 9000);
    /* OpenTelemetry's rule: the last 56 bits of the trace id against the threshold. */
    walk.sampled = (double)(low & 0xffffffffffffff) * 0x1p-56 >= 1 - sim->settings.sampling;
    walk.agent = agents[draw_below(&walk.draw, 3)];
    memset(walk.versions, 0xff, sim->mesh->n_services);
    enter(&walk, tick * TICK_NS + draw_below(&walk.draw, TICK_NS));
}
