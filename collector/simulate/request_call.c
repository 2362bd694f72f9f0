/* request_call.c - one call: its tries, the way there and back, what is met on it.
 *
 * Retries are the sidecar's where there is one (one outgoing span, an incoming one a try), else the
 * application's (a span each). A caller that gives up leaves its callee working.
 */
#include <stdio.h>

#include "collector/simulate/request.h"

#define NETWORK_NS (0.13 * 1e6)
#define GATEWAY_NS (0.6 * 1e6)
#define BACKOFF_NS (25 * 1e6) /* Envoy's first back-off is up to this */

static bool is_retriable(const struct answer *answer)
{
    bool overflow = answer->flag && strcmp(answer->flag, "UO") == 0;
    return answer_is_unavailable(answer) && !answer->timed_out && !overflow;
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

/* Nobody was reached: the proxy says why; without one the application's own library does. */
static void refuse(struct walk *walk, const struct call *call, const struct effect *effect,
                   uint64_t start_ns, struct answer *answer)
{
    answer_badly(answer, operation_of(walk, call->operation), effect->status ? effect->status : 503,
                 effect->message);
    answer->began = call->service;
    answer->failed = true;
    answer->client_error = false;
    answer->unreached = true;
    answer->fault = true;
    answer->exception = effect->exception;
    answer->flag = effect->flag;
    if (effect->status == 404 && answer->grpc >= 0)
        answer->grpc = 12; /* what Envoy makes of it */
    answer->end_ns = start_ns + 60 * NS_PER_US + fault_delay(effect, &walk->draw);
    if (!call->proxied && !call->turns) {
        answer->http = 0;
        answer->flag = NULL;
    }
}

static void give_up(const struct walk *walk, const struct call *call, struct answer *answer)
{
    answer->explained = false;
    answer_badly(answer, operation_of(walk, call->operation), 504, "upstream request timeout");
    answer->began = answer->slowest == MESH_NONE ? call->service : answer->slowest;
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
    answer_slowed(answer, call->service, added_ns);
}

/* What is beyond the caller's side, and the gateway where there is one. */
static void reach(struct walk *walk, struct call *call, uint64_t parent_id, uint64_t start_ns,
                  struct answer *answer)
{
    const struct effect *refused = effect_hits(walk, EFFECT_REFUSE, start_ns, &call->spot);
    if (refused)
        refuse(walk, call, refused, start_ns, answer);
    else
        transit(walk, call, parent_id, start_ns, answer);
}

/* Does a gateway write a span for what it sends on? Not when it had nobody to send it to. */
static bool sent_on(const struct answer *answer)
{
    return !answer->unreached || (answer->flag && strcmp(answer->flag, "UF") == 0);
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
    reach(walk, call, out.id, out_ns, answer);
    out.end_ns = answer->end_ns;
    in.end_ns = out.end_ns + draw_time(&walk->draw, GATEWAY_NS, 0.35);
    if (sent_on(answer))
        span_gateway_out(walk, pod, call, &out, answer);
    span_gateway_in(walk, pod, call, &in, answer);
    answer->flag = NULL; /* it was the gateway's; the caller's proxy got an answer */
    answer->end_ns = in.end_ns + there_ns + added_ns - added_ns / 2;
    answer->slow_ns += added_ns;
    answer->fault = answer->fault || turned;
}

void call_attempt(struct walk *walk, struct call *call, uint64_t parent_id, uint64_t start_ns,
                  struct answer *answer)
{
    *answer = (struct answer){.attempts = (uint8_t)(answer->attempts + 1),
                              .seen_attempts = answer->seen_attempts,
                              .began = MESH_NONE,
                              .slowest = MESH_NONE};
    if (call->turns)
        turn(walk, call, parent_id, start_ns, answer);
    else
        reach(walk, call, parent_id, start_ns, answer);
    bool silent = answer->unreached || mesh_is_silent(service_of(walk, call->service));
    answer->seen_attempts += !call->proxied || call->turns || !silent;
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
    answer->recovered = answer->seen_attempts > 1 && !answer->failed;
    if (call->proxied && exhausted)
        answer->flag = answer->flag && strcmp(answer->flag, "UF") == 0 ? "URX,UF" : "URX";
}

/* The sidecar tries: one outgoing span for all attempts, one of the application around it. */
static void call_proxied(struct walk *walk, struct call *call, struct answer *answer)
{
    uint16_t caller = call->from->service;
    struct span_times app = {sends_spans(walk) ? walk_id(walk) : 0, call->above_id, call->start_ns,
                             0, false};
    struct answer passed = {.slowest = MESH_NONE}; /* on the caller's side */
    uint64_t left_ns = call->start_ns + call->lookup_ns;
    struct span_times out = {walk_id(walk), app.id ? app.id : call->above_id,
                             left_ns + proxy_time(walk, caller, left_ns, &passed), 0, false};
    uint64_t at_ns = out.start_ns + 30 * NS_PER_US;
    if (call->step->timeout_ns)
        call->give_up_ns = out.start_ns + call->step->timeout_ns;
    do {
        call_attempt(walk, call, out.id, at_ns, answer);
    } while (tries_again(walk, call, answer, &at_ns));
    mark_retries(call, answer);
    out.end_ns = answer->end_ns;
    app.end_ns = out.end_ns + proxy_time(walk, caller, out.end_ns, &passed);
    span_sidecar_out(walk, call, &out, answer);
    if (app.id)
        span_client(walk, call, &app, answer);
    answer->end_ns = app.end_ns;
    answer->slow_ns += passed.slow_ns;
    answer->fault = answer->fault || passed.fault;
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
        call_attempt(walk, call, app.id ? app.id : call->above_id,
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

void call_run(struct walk *walk, const struct visit *from, const struct mesh_step *step,
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
