/* request_visit.c - what one operation does: works, calls in stages, fails by itself or by what is
 * beneath it, and answers.
 */
#include <stdio.h>

#include "collector/simulate/request.h"

#define OUTLIER_SHARE 0.004 /* visits that take several times as long, ordinarily */

/* What stands in it of the fault stays. */
static void answer_well(struct answer *answer, const struct mesh_operation *operation)
{
    bool grpc = operation->protocol == PROTOCOL_GRPC;
    bool answers = grpc || operation->protocol == PROTOCOL_HTTP;
    answer->http = answers ? 200 : 0;
    answer->grpc = grpc ? 0 : -1;
}

static int8_t grpc_of(unsigned http)
{
    return http == 404 ? 5 : http == 503 || http == 504 || http == 502 ? 14 : 13;
}

void answer_badly(struct answer *answer, const struct mesh_operation *operation, unsigned http,
                  const char *message)
{
    bool grpc = operation->protocol == PROTOCOL_GRPC;
    answer->http = (uint16_t)(grpc ? 200 : http);
    answer->grpc = grpc ? grpc_of(http) : -1;
    answer->failed = http >= 500;
    answer->client_error = http < 500;
    snprintf(answer->message, sizeof(answer->message), "%s", message);
}

bool answer_is_unavailable(const struct answer *answer)
{
    return answer->failed && (answer->unreached || answer->http == 503 || answer->http == 502 ||
                              answer->http == 504 || answer->grpc == 14);
}

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
    bool unavailable = answer_is_unavailable(beneath) || silent || beneath->timed_out;
    snprintf(message, sizeof(message), "%.40s: %.50s", callee->name,
             beneath->message[0] ? beneath->message : "failed");
    answer_badly(answer, work->operation, unavailable ? 503 : 500, message);
    answer->explained = true;
    answer->began = beneath->began;
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
        const struct spot spot = {
            work->spot.callee, work->spot.version, operation_of(walk, step->operation)->service,
            MESH_NONE,         MESH_NONE,          step->operation};
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
        answer_slowed(answer, beneath.slowest, beneath.slowest_ns);
        bool stops = (beneath.failed || beneath.client_error) && (step->flags & STEP_NEEDED);
        good = good && !stops;
        /* Of several the one that ended last decides, a failure before an absence. */
        uint64_t weight_ns = beneath.failed ? beneath.end_ns : 1;
        if (!stops || weight_ns < work->failed_ns)
            continue;
        work->failed_ns = weight_ns;
        carry(work, step, &beneath, answer);
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
    uint64_t added_ns = slowed_ns > own_ns ? slowed_ns - own_ns : 0;
    answer->slow_ns += added_ns;
    answer->fault = true;
    answer_slowed(answer, work->visit->service, added_ns);
    return slowed_ns;
}

static void fail_by(struct working *work, const struct effect *effect, struct answer *answer)
{
    answer_badly(answer, work->operation, effect->status, effect->message);
    answer->exception = effect->exception;
    answer->began = work->visit->service;
    answer->fault = true;
}

void work_run(struct working *work, struct answer *answer)
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
        answer->began = work->visit->service;
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

void visit_run(struct walk *walk, const struct visit *visit, struct answer *answer)
{
    bool sidecar = has_sidecar(walk, visit->service);
    uint64_t in_id = sidecar ? walk_id(walk) : 0, id = sends_spans(walk) ? walk_id(walk) : 0;
    uint64_t begin_ns = visit->start_ns;
    uint64_t parent_id = sidecar ? in_id : visit->parent_id;
    if (sidecar)
        begin_ns += proxy_time(walk, visit->service, begin_ns, answer);
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
    answer->end_ns += proxy_time(walk, visit->service, work.now_ns, answer);
    if (visit->cut_ns && answer->end_ns > visit->cut_ns) {
        answer->end_ns = visit->cut_ns;
        answer->gone = true;
    }
    times = (struct span_times){in_id, visit->parent_id, visit->start_ns, answer->end_ns,
                                visit->parent_id != 0};
    span_sidecar_in(walk, visit, &times, answer);
}
