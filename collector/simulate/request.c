/* request.c - one request's way through the mesh: calls and visits take turns, times add up, and
 * what goes wrong beneath is carried up or borne, as each service does.
 *
 *   application - its sidecar - (gateway) - network - its callee's sidecar - application
 *
 * Retries are the sidecar's where there is one (one outgoing span, an incoming one an attempt),
 * else the application's (a span each). A caller that gives up leaves its callee working.
 */
#include <stdio.h>

#include "collector/simulate/simulation_internal.h"

#define PROXY_NS (0.11 * 1e6)
#define NETWORK_NS (0.13 * 1e6)
#define OTHER_ZONE_NS (0.55 * 1e6)
#define OTHER_CLUSTER_NS (3.6 * 1e6)
#define GATEWAY_NS (0.6 * 1e6)
#define BACKOFF_NS (25 * 1e6) /* Envoy's first back-off is up to this */
#define RESET_SHARE 0.0004    /* connections that break under a request, ordinarily */
#define OUTLIER_SHARE 0.004   /* visits that take several times as long, ordinarily */

static void visit_run(struct walk *walk, const struct visit *visit, struct answer *answer);

static const struct mesh_operation *operation_of(const struct walk *walk, uint16_t number)
{
    return &walk->sim->mesh->operations[number];
}

static const struct mesh_service *service_of(const struct walk *walk, uint16_t number)
{
    return &walk->sim->mesh->services[number];
}

static bool has_sidecar(const struct walk *walk, uint16_t service)
{
    return service_of(walk, service)->sidecar && !walk->sim->settings.no_sidecars;
}

static bool sends_spans(const struct walk *walk)
{
    return !walk->sim->settings.no_applications;
}

static const struct effect *effect_at(const struct walk *walk, enum effect_kind kind,
                                      uint64_t at_ns, const struct spot *spot)
{
    return fault_effect(walk->sim->fault, kind, at_ns, spot);
}

/* The same, and it acts this time. */
static const struct effect *effect_hits(struct walk *walk, enum effect_kind kind, uint64_t at_ns,
                                        const struct spot *spot)
{
    const struct effect *effect = effect_at(walk, kind, at_ns, spot);
    return effect && fault_hits(walk->sim->fault, effect, at_ns, &walk->draw) ? effect : NULL;
}

/* ---- who answers ---- */

/* A canary is sticky: a request meets one version of a service, however often it calls it. */
static uint16_t version_for(struct walk *walk, uint16_t service, uint64_t at_ns)
{
    const struct mesh_service *of = service_of(walk, service);
    if (of->n_versions == 1)
        return 0;
    if (walk->versions[service] != UINT8_MAX)
        return walk->versions[service];
    struct spot spot = {.callee = service, .version = 1, .pod = MESH_NONE};
    const struct effect *shift = effect_at(walk, EFFECT_VERSION, at_ns, &spot);
    double share = shift ? shift->share : of->versions[1].share;
    walk->versions[service] = draw_hit(&walk->draw, share);
    return walk->versions[service];
}

/* Of the caller's zone where there is one, any of them. */
static uint16_t pod_for(struct walk *walk, const struct call *call, uint64_t at_ns)
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

static uint64_t network_time(struct walk *walk, uint16_t from, uint16_t to)
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

static uint64_t proxy_time(struct walk *walk, uint16_t service, uint64_t at_ns)
{
    struct spot spot = {.callee = service, .version = MESH_NONE, .pod = MESH_NONE};
    uint64_t time_ns = draw_time(&walk->proxy, PROXY_NS, 0.35);
    const struct effect *slow = effect_at(walk, EFFECT_PROXY, at_ns, &spot);
    return slow ? time_ns + fault_delay(slow, &walk->proxy) : time_ns;
}

/* ---- answers ---- */

static void answer_well(struct answer *answer, const struct mesh_operation *operation)
{
    bool grpc = operation->protocol == PROTOCOL_GRPC;
    bool answers = grpc || operation->protocol == PROTOCOL_HTTP;
    *answer = (struct answer){.end_ns = answer->end_ns,
                              .http = answers ? 200 : 0,
                              .grpc = grpc ? 0 : -1,
                              .attempts = answer->attempts,
                              .slow_ns = answer->slow_ns,
                              .fault = answer->fault};
}

static int8_t grpc_of(unsigned http)
{
    return http == 404 ? 5 : http == 503 || http == 504 || http == 502 ? 14 : 13;
}

/* An answer that says `http`, or what gRPC has in its place. */
static void answer_badly(struct answer *answer, const struct mesh_operation *operation,
                         unsigned http, const char *message)
{
    bool grpc = operation->protocol == PROTOCOL_GRPC;
    answer->http = (uint16_t)(grpc ? 200 : http);
    answer->grpc = grpc ? grpc_of(http) : -1;
    answer->failed = http >= 500;
    answer->client_error = http < 500;
    snprintf(answer->message, sizeof(answer->message), "%s", message);
}

/* Would a proxy's default policy try again? Not what an application broke. */
static bool is_unavailable(const struct answer *answer)
{
    return answer->failed && (answer->unreached || answer->http == 503 || answer->http == 502 ||
                              answer->http == 504 || answer->grpc == 14);
}

static bool is_retriable(const struct answer *answer)
{
    bool overflow = answer->flag && strcmp(answer->flag, "UO") == 0;
    return is_unavailable(answer) && !answer->timed_out && !overflow;
}

/* ---- a visit: one operation of one pod ---- */

struct working {
    struct walk *walk;
    const struct visit *visit;
    const struct mesh_operation *operation;
    struct spot spot;
    uint64_t now_ns, above_id;
    uint64_t piece_ns; /* of its own time, between the stages of its calls */
    bool child_failed;
};

static void call_run(struct walk *walk, const struct visit *from, const struct mesh_step *step,
                     uint64_t above_id, uint64_t start_ns, struct answer *answer);

/* What failed beneath is carried up: unavailable as unavailable, broken as broken. */
static void carry(struct working *work, const struct mesh_step *step, const struct answer *beneath,
                  struct answer *answer)
{
    const struct mesh_service *callee =
        service_of(work->walk, operation_of(work->walk, step->operation)->service);
    char message[96];
    if (beneath->client_error) {
        snprintf(message, sizeof(message), "%s: not found", callee->name);
        answer_badly(answer, work->operation, 404, message);
        return;
    }
    bool silent = mesh_is_silent(callee);
    bool unavailable = is_unavailable(beneath) || silent || beneath->timed_out;
    snprintf(message, sizeof(message), "%.40s: %.50s", callee->name,
             beneath->message[0] ? beneath->message : "failed");
    answer_badly(answer, work->operation, unavailable ? 503 : 500, message);
    answer->explained = true;
    answer->exception = unavailable ? "UpstreamUnavailable" : "UpstreamError";
}

/* The steps of one stage go out together. False when the visit ends with it. */
static bool run_stage(struct working *work, uint16_t from, uint16_t to, struct answer *answer)
{
    struct walk *walk = work->walk;
    uint64_t begin_ns = work->now_ns, stagger_ns = 0;
    bool good = true;
    for (uint16_t i = from; i < to; i++) {
        const struct mesh_step *step = &walk->sim->mesh->steps[work->operation->step + i];
        struct spot spot = work->spot;
        spot.operation = step->operation;
        const struct effect *miss =
            step->flags & STEP_ON_MISS ? effect_at(walk, EFFECT_MISS, begin_ns, &work->spot) : NULL;
        if (!draw_hit(&walk->draw, miss ? miss->share : step->share))
            continue;
        if (effect_hits(walk, EFFECT_SKIP, begin_ns, &spot)) {
            answer->fault = true;
            continue;
        }
        struct answer beneath = {0};
        call_run(walk, work->visit, step, work->above_id, begin_ns + stagger_ns, &beneath);
        stagger_ns += 20 * NS_PER_US;
        work->now_ns = beneath.end_ns > work->now_ns ? beneath.end_ns : work->now_ns;
        work->child_failed = work->child_failed || beneath.failed;
        bool stops = (beneath.failed || beneath.client_error) && (step->flags & STEP_NEEDED);
        if (stops && (good || beneath.failed))
            carry(work, step, &beneath, answer);
        good = good && !stops;
    }
    return good;
}

static unsigned count_stages(const struct walk *walk, const struct mesh_operation *operation)
{
    unsigned n = 0;
    for (uint16_t i = 0; i < operation->n_steps; i++) {
        const struct mesh_step *step = &walk->sim->mesh->steps[operation->step + i];
        n += i == 0 || step->stage != step[-1].stage;
    }
    return n;
}

/* How long it works itself. */
static uint64_t own_time(struct working *work, struct answer *answer)
{
    struct walk *walk = work->walk;
    uint64_t own_ns = draw_time(&walk->draw, work->operation->self_ns, work->operation->spread);
    if (draw_hit(&walk->draw, OUTLIER_SHARE))
        own_ns *= 2 + draw_below(&walk->draw, 5);
    const struct effect *slow = effect_hits(walk, EFFECT_SLOW, work->now_ns, &work->spot);
    if (!slow)
        return own_ns;
    uint64_t slowed_ns = (uint64_t)((double)own_ns * slow->factor) + fault_delay(slow, &walk->draw);
    answer->slow_ns = slowed_ns > own_ns ? slowed_ns - own_ns : 0;
    answer->fault = true;
    return slowed_ns;
}

static void fail_by(struct working *work, const struct effect *effect, struct answer *answer)
{
    answer_badly(answer, work->operation, effect->status, effect->message);
    answer->exception = effect->exception;
    answer->fault = true;
}

/* Everything between the request and the answer; the answer's end is the application's. */
static void work_run(struct working *work, struct answer *answer)
{
    struct walk *walk = work->walk;
    const struct mesh_operation *operation = work->operation;
    uint64_t own_ns = own_time(work, answer);
    work->piece_ns = own_ns / (count_stages(walk, operation) + 1);
    work->now_ns += work->piece_ns;
    answer_well(answer, operation);
    const struct effect *fail = effect_hits(walk, EFFECT_FAIL, work->now_ns, &work->spot);
    if (fail) {
        work->now_ns += fault_delay(fail, &walk->draw);
        fail_by(work, fail, answer);
        return;
    }
    if (effect_hits(walk, EFFECT_STOP, work->now_ns, &work->spot)) {
        answer->fault = true;
        return;
    }
    if (operation->not_found > 0 && draw_hit(&walk->draw, operation->not_found)) {
        answer_badly(answer, operation, 404, "not found");
        return;
    }
    for (uint16_t from = 0, to; from < operation->n_steps; from = to) {
        const struct mesh_step *steps = &walk->sim->mesh->steps[operation->step];
        for (to = from + 1; to < operation->n_steps && steps[to].stage == steps[from].stage; to++) {
        }
        bool good = run_stage(work, from, to, answer);
        work->now_ns += work->piece_ns;
        if (!good)
            return;
    }
    if (!work->child_failed && draw_hit(&walk->draw, operation->errors)) {
        answer_badly(answer, operation, 500, "unexpected state");
        answer->exception = "IllegalState";
    }
}

static void render(struct working *work, const struct answer *answer)
{
    struct span_times times = {walk_id(work->walk), work->above_id,
                               work->now_ns - work->piece_ns * 4 / 5, work->now_ns - NS_PER_US,
                               false};
    span_internal(work->walk, work->visit, &times,
                  answer->failed ? "render error page" : "render page");
}

static void visit_run(struct walk *walk, const struct visit *visit, struct answer *answer)
{
    bool sidecar = has_sidecar(walk, visit->service);
    uint64_t in_id = sidecar ? walk_id(walk) : 0, id = sends_spans(walk) ? walk_id(walk) : 0;
    uint64_t begin_ns = visit->start_ns;
    uint64_t parent_id = sidecar ? in_id : visit->parent_id;
    if (sidecar)
        begin_ns += proxy_time(walk, visit->service, begin_ns);
    struct working work = {
        .walk = walk,
        .visit = visit,
        .operation = operation_of(walk, visit->operation),
        .spot = {MESH_NONE, MESH_NONE, visit->service, visit->version, visit->pod,
                 visit->operation},
        .now_ns = begin_ns,
        .above_id = id ? id : parent_id,
    };
    work_run(&work, answer);
    if (visit->entry && id)
        render(&work, answer);
    struct span_times times = {id, parent_id, begin_ns, work.now_ns, parent_id != 0};
    span_server(walk, visit, &times, answer);
    answer->end_ns = work.now_ns;
    if (!sidecar)
        return;
    answer->end_ns += proxy_time(walk, visit->service, work.now_ns);
    if (visit->cut_ns && answer->end_ns > visit->cut_ns) {
        answer->end_ns = visit->cut_ns;
        answer->gone = true;
    }
    times = (struct span_times){in_id, visit->parent_id, visit->start_ns, answer->end_ns,
                                visit->parent_id != 0};
    span_sidecar_in(walk, visit, &times, answer);
}

/* Those who send no spans just take their time. */
static void silent_run(struct walk *walk, const struct call *call, uint64_t start_ns,
                       struct answer *answer)
{
    struct visit visit = {.operation = call->operation, .service = call->service};
    struct working work = {
        .walk = walk,
        .visit = &visit,
        .operation = operation_of(walk, call->operation),
        .spot = call->spot,
        .now_ns = start_ns,
    };
    work_run(&work, answer);
    answer->end_ns = work.now_ns;
}

/* ---- a call ---- */

/* Nobody was reached: the proxy says why; without one the application's own library does. */
static void refuse(struct walk *walk, const struct call *call, const struct effect *effect,
                   uint64_t start_ns, struct answer *answer)
{
    answer_badly(answer, operation_of(walk, call->operation), effect->status ? effect->status : 503,
                 effect->message);
    answer->failed = true;
    answer->client_error = false;
    answer->unreached = true;
    answer->fault = true;
    answer->exception = effect->exception;
    answer->flag = effect->flag;
    answer->end_ns = start_ns + 60 * NS_PER_US + fault_delay(effect, &walk->draw);
    if (!call->proxied) {
        answer->http = 0;
        answer->flag = NULL;
    }
}

static void give_up(const struct walk *walk, const struct call *call, struct answer *answer)
{
    answer->explained = false;
    answer_badly(answer, operation_of(walk, call->operation), 504, "upstream request timeout");
    answer->timed_out = true;
    answer->client_error = false;
    answer->end_ns = call->give_up_ns;
    answer->flag = call->proxied ? "UT" : NULL;
    answer->exception = "timeout";
    if (!call->proxied)
        answer->http = 0;
    if (!call->proxied && answer->grpc >= 0)
        answer->grpc = 4;
}

/* From the moment it is on the wire until the answer is. */
static void transit(struct walk *walk, struct call *call, uint64_t parent_id, uint64_t start_ns,
                    struct answer *answer)
{
    uint16_t from = call->from ? call->from->pod : MESH_NONE;
    call->pod = pod_for(walk, call, start_ns);
    call->spot.pod = call->pod;
    uint64_t there_ns = network_time(walk, from, call->pod), back_ns = there_ns;
    const struct effect *delay = effect_hits(walk, EFFECT_DELAY, start_ns, &call->spot);
    uint64_t added_ns = delay ? fault_delay(delay, &walk->draw) : 0;
    const struct effect *far = effect_at(walk, EFFECT_ZONE, start_ns, &call->spot);
    if (far && from != MESH_NONE && walk->sim->mesh->pods[from].side == 0) {
        added_ns += fault_delay(far, &walk->draw);
        delay = far;
    }
    there_ns += added_ns / 2;
    back_ns += added_ns - added_ns / 2;
    if (mesh_is_silent(service_of(walk, call->service))) {
        silent_run(walk, call, start_ns + there_ns, answer);
    } else {
        struct visit visit = {
            .operation = call->operation,
            .service = call->service,
            .version = call->version,
            .pod = call->pod,
            .start_ns = start_ns + there_ns,
            .cut_ns = call->give_up_ns ? call->give_up_ns + there_ns : 0,
            .parent_id = parent_id,
            .caller_pod = call->caller_pod,
            .plain = call->plain,
            .entry = !call->from,
        };
        visit_run(walk, &visit, answer);
    }
    answer->end_ns += back_ns;
    answer->slow_ns += added_ns;
    answer->fault = answer->fault || delay;
}

/* Out by the gateway and back in: its two spans stand between. */
static void turn(struct walk *walk, struct call *call, uint64_t parent_id, uint64_t start_ns,
                 struct answer *answer)
{
    const struct mesh_version *gateway = &service_of(walk, walk->sim->mesh->gateway)->versions[0];
    uint16_t pod = (uint16_t)(gateway->first_pod + draw_below(&walk->draw, gateway->n_pods));
    const struct effect *turned = effect_at(walk, EFFECT_TURN, start_ns, &call->spot);
    uint64_t there_ns = draw_time(&walk->draw, 10 * NETWORK_NS, 0.3);
    uint64_t added_ns = turned ? fault_delay(turned, &walk->draw) : 0;
    uint64_t in_ns = start_ns + there_ns + added_ns / 2;
    uint64_t out_ns = in_ns + draw_time(&walk->draw, GATEWAY_NS, 0.35);
    struct span_times in = {walk_id(walk), parent_id, in_ns, 0, true};
    struct span_times out = {walk_id(walk), in.id, out_ns, 0, false};
    call->caller_pod = pod;
    transit(walk, call, out.id, out_ns, answer);
    out.end_ns = answer->end_ns;
    in.end_ns = out.end_ns + draw_time(&walk->draw, GATEWAY_NS, 0.35);
    span_gateway_out(walk, pod, call, &out, answer);
    span_gateway_in(walk, pod, call, &in, answer);
    answer->end_ns = in.end_ns + there_ns + added_ns - added_ns / 2;
    answer->slow_ns += added_ns;
    answer->fault = answer->fault || turned;
}

static void attempt(struct walk *walk, struct call *call, uint64_t parent_id, uint64_t start_ns,
                    struct answer *answer)
{
    const struct effect *refused = effect_hits(walk, EFFECT_REFUSE, start_ns, &call->spot);
    *answer = (struct answer){.attempts = (uint8_t)(answer->attempts + 1)};
    if (refused)
        refuse(walk, call, refused, start_ns, answer);
    else if (call->turns)
        turn(walk, call, parent_id, start_ns, answer);
    else
        transit(walk, call, parent_id, start_ns, answer);
    if (call->give_up_ns && answer->end_ns > call->give_up_ns)
        give_up(walk, call, answer);
    answer->gone = false;
}

/* Is there another try? Waits the back-off; past the deadline the call ends. */
static bool tries_again(struct walk *walk, const struct call *call, struct answer *answer,
                        uint64_t *at_ns)
{
    if (!is_retriable(answer) || answer->attempts > call->retries)
        return false;
    *at_ns = answer->end_ns + (uint64_t)(BACKOFF_NS * (0.1 + 0.9 * draw_share(&walk->draw)));
    return !call->give_up_ns || *at_ns < call->give_up_ns;
}

static void mark_retries(const struct call *call, struct answer *answer)
{
    bool exhausted = call->retries && answer->attempts > call->retries && is_retriable(answer);
    answer->recovered = answer->attempts > 1 && !answer->failed;
    if (call->proxied && exhausted)
        answer->flag = answer->flag && strcmp(answer->flag, "UF") == 0 ? "URX,UF" : "URX";
}

/* The sidecar tries: one outgoing span for all attempts, one of the application around it. */
static void call_proxied(struct walk *walk, struct call *call, struct answer *answer)
{
    uint16_t caller = call->from->service;
    struct span_times app = {sends_spans(walk) ? walk_id(walk) : 0, call->above_id, call->start_ns,
                             0, false};
    struct span_times out = {
        walk_id(walk), app.id ? app.id : call->above_id,
        call->start_ns + call->lookup_ns + proxy_time(walk, caller, call->start_ns), 0, false};
    uint64_t at_ns = out.start_ns + 30 * NS_PER_US;
    if (call->step->timeout_ns)
        call->give_up_ns = out.start_ns + call->step->timeout_ns;
    do {
        attempt(walk, call, out.id, at_ns, answer);
    } while (tries_again(walk, call, answer, &at_ns));
    mark_retries(call, answer);
    out.end_ns = answer->end_ns;
    app.end_ns = out.end_ns + proxy_time(walk, caller, out.end_ns);
    span_sidecar_out(walk, call, &out, answer);
    if (app.id)
        span_client(walk, call, &app, answer);
    answer->end_ns = app.end_ns;
}

/* No sidecar that understands it: the application tries, a span each time. */
static void call_direct(struct walk *walk, struct call *call, struct answer *answer)
{
    uint64_t at_ns = call->start_ns;
    do {
        struct span_times app = {sends_spans(walk) ? walk_id(walk) : 0, call->above_id, at_ns, 0,
                                 false};
        if (call->step->timeout_ns)
            call->give_up_ns = call->start_ns + call->step->timeout_ns;
        attempt(walk, call, app.id ? app.id : call->above_id,
                at_ns + call->lookup_ns + 20 * NS_PER_US, answer);
        app.end_ns = answer->end_ns += 20 * NS_PER_US;
        if (app.id)
            span_client(walk, call, &app, answer);
    } while (tries_again(walk, call, answer, &at_ns));
    mark_retries(call, answer);
}

/* ---- queues ---- */

static void consume(struct walk *walk, const struct call *call, uint64_t sent_ns, uint64_t span_id)
{
    uint16_t operation = operation_of(walk, call->operation)->consumer;
    if (operation == MESH_NONE)
        return;
    struct sent sent = {call->service, walk->id, span_id};
    struct walk other = *walk;
    other.id = (struct trace_id){draw_number(&walk->draw), draw_number(&walk->draw) | 1};
    other.draw = draw_from(other.id.high, other.id.low, 1);
    other.ids = draw_from(other.id.high, other.id.low, 2);
    uint16_t service = operation_of(walk, operation)->service;
    uint16_t version = version_for(&other, service, sent_ns);
    const struct mesh_version *of = &service_of(walk, service)->versions[version];
    struct visit visit = {
        .operation = operation,
        .service = service,
        .version = version,
        .pod = (uint16_t)(of->first_pod + draw_below(&other.draw, of->n_pods)),
        .start_ns = sent_ns + draw_time(&other.draw, 18e6, 0.5),
        .caller_pod = MESH_NONE,
    };
    struct answer answer = {.attempts = 1};
    struct span_times times = {walk_id(&other), 0, visit.start_ns, 0, false};
    struct working work = {
        .walk = &other,
        .visit = &visit,
        .operation = operation_of(walk, operation),
        .spot = {MESH_NONE, MESH_NONE, service, version, visit.pod, operation},
        .now_ns = visit.start_ns,
        .above_id = times.id,
    };
    work_run(&work, &answer);
    times.end_ns = answer.end_ns = work.now_ns;
    span_consume(&other, &visit, &times, &answer, &sent);
    truth_of_consumed(&other, &visit, &sent, &answer);
}

static void call_queue(struct walk *walk, struct call *call, struct answer *answer)
{
    const struct mesh_operation *operation = operation_of(walk, call->operation);
    uint64_t time_ns = draw_time(&walk->draw, operation->self_ns, operation->spread);
    struct span_times times = {walk_id(walk), call->above_id, call->start_ns,
                               call->start_ns + time_ns, false};
    *answer = (struct answer){.end_ns = times.end_ns, .grpc = -1, .attempts = 1};
    span_send(walk, call, &times);
    consume(walk, call, times.end_ns, times.id);
}

static unsigned retries_of(const struct walk *walk, const struct call *call)
{
    const struct effect *more = effect_at(walk, EFFECT_RETRIES, call->start_ns, &call->spot);
    return more ? (unsigned)more->factor : call->step->retries;
}

static void call_run(struct walk *walk, const struct visit *from, const struct mesh_step *step,
                     uint64_t above_id, uint64_t start_ns, struct answer *answer)
{
    struct call call = {.from = from,
                        .step = step,
                        .operation = step->operation,
                        .service = operation_of(walk, step->operation)->service,
                        .pod = MESH_NONE,
                        .caller_pod = from->pod,
                        .above_id = above_id,
                        .start_ns = start_ns};
    const struct mesh_service *callee = service_of(walk, call.service);
    call.version = version_for(walk, call.service, start_ns);
    call.spot = (struct spot){from->service, from->version, call.service,
                              call.version,  MESH_NONE,     call.operation};
    call.proxied = has_sidecar(walk, from->service) && callee->proxied;
    bool cleared = effect_hits(walk, EFFECT_PLAIN, start_ns, &call.spot) != NULL;
    call.plain = (step->flags & STEP_PLAIN) || cleared;
    call.turns =
        (step->flags & STEP_TURNS) || effect_hits(walk, EFFECT_TURN, start_ns, &call.spot) != NULL;
    call.retries = retries_of(walk, &call);
    const struct effect *lookup = effect_hits(walk, EFFECT_LOOKUP, start_ns, &call.spot);
    call.lookup_ns = lookup ? fault_delay(lookup, &walk->draw) : 0;
    if (callee->place == PLACE_QUEUE)
        call_queue(walk, &call, answer);
    else if (call.proxied)
        call_proxied(walk, &call, answer);
    else
        call_direct(walk, &call, answer);
    answer->fault = answer->fault || cleared || lookup;
    answer->slow_ns += call.lookup_ns;
    truth_of_call(walk, &call, answer);
}

/* ---- the entry ---- */

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
    attempt(walk, &call, out.id, out.start_ns, &answer);
    call.unrouted = answer.unreached && !strcmp(answer.flag, "NR");
    out.end_ns = answer.end_ns;
    in.end_ns = out.end_ns + draw_time(&walk->draw, PROXY_NS, 0.35);
    if (!call.unrouted)
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
