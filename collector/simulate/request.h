/* request.h - a request's way through the mesh, in pieces: who answers and how far away, what one
 * operation does, how one call goes.
 */
#ifndef SIMULATE_REQUEST_H
#define SIMULATE_REQUEST_H

#include "collector/simulate/simulation_internal.h"

/* ---- request.c: who answers, and how far away ---- */

/* A canary is sticky: a request meets one version of a service, however often it calls it. */
uint16_t version_for(struct walk *walk, uint16_t service, uint64_t at_ns);
/* One of the caller's zone where there is one. */
uint16_t pod_for(struct walk *walk, const struct call *call, uint64_t at_ns);
/* One way between two pods; MESH_NONE is somewhere outside. */
uint64_t network_time(struct walk *walk, uint16_t from, uint16_t to);
/* Through a service's proxy, once; what the fault makes of it is noted in the answer. */
uint64_t proxy_time(struct walk *walk, uint16_t service, uint64_t at_ns, struct answer *answer);

/* ---- request_visit.c: one operation of one pod ---- */

struct working {
    struct walk *walk;
    const struct visit *visit;
    const struct mesh_operation *operation;
    struct spot spot;
    uint64_t now_ns, above_id;
    uint64_t piece_ns;  /* of its own time, between the stages of its calls */
    uint64_t failed_ns; /* end of the failed call that decides; 0: none did */
    bool child_failed;
};

/* Everything between the request and the answer; leaves the end in `now_ns`. */
void work_run(struct working *work, struct answer *answer);
/* The visit with its proxy; the answer's end is where it leaves the pod. */
void visit_run(struct walk *walk, const struct visit *visit, struct answer *answer);
/* An answer that says `http`, or what gRPC has in its place. */
void answer_badly(struct answer *answer, const struct mesh_operation *operation, unsigned http,
                  const char *message);
/* Would a proxy's default policy try again? Not what an application broke. */
bool answer_is_unavailable(const struct answer *answer);

/* ---- request_call.c: one call ---- */

void call_run(struct walk *walk, const struct visit *from, const struct mesh_step *step,
              uint64_t above_id, uint64_t start_ns, struct answer *answer);
/* One try of a call, from where it leaves the caller's side until the answer is back there. */
void call_attempt(struct walk *walk, struct call *call, uint64_t parent_id, uint64_t start_ns,
                  struct answer *answer);

/* ---- small things all of them ask ---- */

static inline const struct mesh_operation *operation_of(const struct walk *walk, uint16_t number)
{
    return &walk->sim->mesh->operations[number];
}

static inline const struct mesh_service *service_of(const struct walk *walk, uint16_t number)
{
    return &walk->sim->mesh->services[number];
}

static inline bool has_sidecar(const struct walk *walk, uint16_t service)
{
    return service_of(walk, service)->sidecar && !walk->sim->settings.no_sidecars;
}

static inline bool sends_spans(const struct walk *walk)
{
    return !walk->sim->settings.no_applications;
}

static inline const struct effect *effect_at(const struct walk *walk, enum effect_kind kind,
                                             uint64_t at_ns, const struct spot *spot)
{
    return fault_effect(walk->sim->fault, kind, at_ns, spot);
}

/* The same, and it acts this time. */
static inline const struct effect *effect_hits(struct walk *walk, enum effect_kind kind,
                                               uint64_t at_ns, const struct spot *spot)
{
    const struct effect *effect = effect_at(walk, kind, at_ns, spot);
    return effect && fault_hits(walk->sim->fault, effect, at_ns, &walk->draw) ? effect : NULL;
}

/* The fault slowed this service: who did so most is to blame for what is given up above. */
static inline void answer_slowed(struct answer *answer, uint16_t service, uint64_t by_ns)
{
    if (by_ns <= answer->slowest_ns)
        return;
    answer->slowest = service;
    answer->slowest_ns = by_ns;
}

#endif
