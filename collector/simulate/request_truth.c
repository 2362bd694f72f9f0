/* request_truth.c - what really happened, in the words of a graph's edges. */
#include "collector/simulate/simulation_internal.h"

static const char *version_of(const struct mesh_service *service, uint16_t version)
{
    if (mesh_is_silent(service) || service->place == PLACE_GATEWAY)
        return "";
    return service->versions[version].name;
}

static void tell(const struct walk *walk, struct truth *truth, const struct answer *answer)
{
    const struct simulation_settings *settings = &walk->sim->settings;
    truth->trace_id = walk->id;
    truth->attempts = answer->attempts;
    truth->retries = answer->seen_attempts > 1 ? answer->seen_attempts - 1 : 0;
    truth->began = truth->began ? truth->began : "";
    truth->failed = answer->failed;
    truth->client_error = answer->client_error && !answer->failed;
    truth->recovered = answer->recovered;
    truth->slow_ns = answer->slow_ns;
    truth->fault = answer->fault;
    truth->sampled = walk->sampled;
    settings->truth(truth, settings->ctx);
}

/* Does any half of it send a span? A sidecar's at either end, or an application's. */
static bool is_seen(const struct walk *walk, const struct call *call, const struct answer *answer)
{
    const struct simulation_settings *settings = &walk->sim->settings;
    bool callee_sidecar = walk->sim->mesh->services[call->service].sidecar &&
                          !settings->no_sidecars && !answer->unreached;
    return !settings->no_applications || call->proxied || callee_sidecar;
}

void truth_of_call(const struct walk *walk, const struct call *call, const struct answer *answer)
{
    const struct mesh *mesh = walk->sim->mesh;
    if (!walk->sim->settings.truth)
        return;
    const struct mesh_service *caller = &mesh->services[call->from->service];
    const struct mesh_service *callee = &mesh->services[call->service];
    /* A callee that was not reached, or sends nothing, has a version where the route names it. */
    bool speaks = !walk->sim->settings.no_applications || callee->sidecar;
    bool version = (!answer->unreached && speaks) || (call->proxied && callee->n_versions > 1);
    struct truth truth = {
        .caller = caller->name,
        .caller_version = version_of(caller, call->from->version),
        .callee = callee->name,
        .callee_version = version ? version_of(callee, call->version) : "",
        .operation = mesh->operations[call->operation].name,
        .via = call->turns ? mesh->services[mesh->gateway].name : "",
        .start_ns = call->start_ns,
        .duration_ns = answer->end_ns - call->start_ns,
        .origin = answer->failed && !answer->explained,
        .plaintext = call->plain,
        .seen = is_seen(walk, call, answer),
    };
    tell(walk, &truth, answer);
}

void truth_of_consumed(const struct walk *walk, const struct visit *visit, const struct sent *sent,
                       const struct answer *answer)
{
    const struct mesh *mesh = walk->sim->mesh;
    if (!walk->sim->settings.truth)
        return;
    const struct mesh_service *callee = &mesh->services[visit->service];
    struct truth truth = {
        .caller = mesh->services[sent->queue].name,
        .caller_version = "",
        .callee = callee->name,
        .callee_version = version_of(callee, visit->version),
        .operation = mesh->operations[visit->operation].name,
        .via = "",
        .start_ns = visit->start_ns,
        .duration_ns = answer->end_ns - visit->start_ns,
        .origin = answer->failed && !answer->explained,
        .seen = !walk->sim->settings.no_applications,
    };
    tell(walk, &truth, answer);
}

void truth_of_entry(const struct walk *walk, const struct call *call, const struct span_times *in,
                    const struct answer *answer)
{
    const struct mesh *mesh = walk->sim->mesh;
    if (!walk->sim->settings.truth)
        return;
    const struct mesh_service *gateway = &mesh->services[mesh->gateway];
    const struct mesh_service *callee = &mesh->services[call->service];
    struct truth truth = {
        .caller = "user",
        .caller_version = "",
        .callee = gateway->name,
        .callee_version = "",
        .operation = mesh->operations[call->operation].name,
        .via = "",
        .start_ns = in->start_ns,
        .duration_ns = in->end_ns - in->start_ns,
        .began = answer->failed ? mesh->services[answer->began].name : "",
        .origin = call->unrouted,
        .seen = true,
    };
    tell(walk, &truth, answer);
    if (call->unrouted)
        return;
    truth.began = "";
    truth.caller = gateway->name;
    truth.callee = callee->name;
    truth.callee_version = answer->unreached ? "" : version_of(callee, call->version);
    truth.start_ns = call->start_ns;
    truth.duration_ns = answer->end_ns - call->start_ns;
    truth.origin = answer->failed && !answer->explained;
    tell(walk, &truth, answer);
}
