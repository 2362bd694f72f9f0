/* simulation_internal.h - what the files of a simulation share: senders, a request while it walks
 * through the mesh, and the spans it leaves behind.
 */
#ifndef SIMULATE_SIMULATION_INTERNAL_H
#define SIMULATE_SIMULATION_INTERNAL_H

#include "collector/base/clock.h"
#include "collector/simulate/proto.h"
#include "collector/simulate/simulation.h"

#define TICK_NS (100 * NS_PER_MS)
#define RING 512u /* ticks that a span may end after its request began */
#define REQUEST_ID_BYTES 36

/* Who sends: a pod's application (2 × pod) or its proxy (2 × pod + 1). */
struct sender {
    struct buf head;   /* ResourceSpans' resource, then ScopeSpans' scope, encoded */
    size_t n_resource; /* bytes of the first */
    struct buf front;  /* a proxy's first attributes: node_id, zone */
    struct buf back;   /* … and last: istio.* */
    struct buf spans;  /* what is gathered */
    uint32_t n_spans;
    int64_t clock_ns;    /* how far its machine's clock is off */
    uint64_t next_flush; /* tick */
};

struct simulation {
    struct simulation_settings settings;
    const struct mesh *mesh;
    const struct fault_plan *fault;
    struct sender *senders;
    uint32_t n_senders;
    char (*hosts)[96];     /* by service: its name in the cluster, or what others call it */
    char (*spiffe)[96];    /* by service */
    struct buf ring[RING]; /* by tick: sender, length, span */
    uint64_t tick;         /* next to be made, in TICK_NS since 1970 */
    uint64_t ended_tick;   /* last tick that anything waits in; with `ending` */
    uint32_t flushing;     /* next sender to look at; n_senders: make another tick */
    bool ending;
    struct buf span, body;
    char trace_state[32]; /* ot=th:…; '' when every trace is sampled */
    uint64_t n_requests, n_spans;
};

/* One request, or what a queue's consumer does with a message. */
struct walk {
    struct simulation *sim;
    struct draw draw;  /* luck: the same whoever sends spans */
    struct draw ids;   /* span ids */
    struct draw proxy; /* the proxies' own times */
    struct trace_id id;
    char request_id[REQUEST_ID_BYTES + 1];
    unsigned item; /* a number in paths */
    bool sampled;
    const char *agent;
    uint8_t
        versions[MESH_SERVICES]; /* chosen once a request, as a sticky canary does; 0xff: not yet */
};

/* How a call or a visit ended. */
struct answer {
    uint64_t end_ns;
    uint16_t http;         /* 0: none was sent */
    int8_t grpc;           /* −1: not spoken */
    const char *flag;      /* Envoy's response flag of the last proxy, or NULL */
    const char *exception; /* class of what was thrown, or NULL */
    char message[96];
    uint64_t slow_ns;                /* what the fault added at the place itself */
    uint8_t attempts, seen_attempts; /* … that left a span of their own */
    uint16_t began;                  /* service where its failure began; MESH_NONE */
    uint16_t slowest; /* service that the fault slowed most, here or beneath; MESH_NONE */
    uint64_t slowest_ns;
    bool failed, client_error;
    bool explained; /* something beneath failed and made it fail */
    bool unreached, timed_out, recovered, fault;
    bool gone; /* its caller gave up before it answered */
};

struct visit {
    uint16_t operation, service, version, pod;
    uint64_t start_ns, cut_ns; /* arrival; when the caller gives up (0: never) */
    uint64_t parent_id;
    uint16_t caller_pod;
    bool plain, entry;
};

struct call {
    const struct visit *from;
    const struct mesh_step *step;
    uint16_t operation, service, version; /* called */
    uint16_t pod;                         /* reached, or MESH_NONE */
    struct spot spot;
    uint16_t caller_pod; /* whose connection reaches the callee: the caller's, or a gateway's */
    uint64_t above_id;   /* the span it is made in */
    uint64_t start_ns, give_up_ns;
    uint64_t lookup_ns; /* what passes in the application before it leaves */
    unsigned retries;
    bool plain, turns, proxied;
    bool unrouted; /* the gateway had no route: it made no call */
};

/* request.c: the request number `i` of a tick. */
void request_walk(struct simulation *sim, uint64_t tick, unsigned i);

static inline uint64_t walk_id(struct walk *walk)
{
    return draw_number(&walk->ids) | 1;
}

/* spans.c: one function a kind of span. They write nothing when the trace is not sampled. */
struct span_times {
    uint64_t id, parent_id, start_ns, end_ns;
    bool remote; /* the parent is another process's */
};

/* A message and where it waits. */
struct sent {
    uint16_t queue; /* service */
    struct trace_id trace_id;
    uint64_t span_id;
};

void span_server(struct walk *walk, const struct visit *visit, const struct span_times *times,
                 const struct answer *answer);
void span_client(struct walk *walk, const struct call *call, const struct span_times *times,
                 const struct answer *answer);
void span_internal(struct walk *walk, const struct visit *visit, const struct span_times *times,
                   const char *name);
void span_send(struct walk *walk, const struct call *call, const struct span_times *times);
void span_consume(struct walk *walk, const struct visit *visit, const struct span_times *times,
                  const struct answer *answer, const struct sent *sent);
void span_sidecar_in(struct walk *walk, const struct visit *visit, const struct span_times *times,
                     const struct answer *answer);
void span_sidecar_out(struct walk *walk, const struct call *call, const struct span_times *times,
                      const struct answer *answer);
/* A gateway's two spans on the way to a service. */
void span_gateway_in(struct walk *walk, uint16_t pod, const struct call *call,
                     const struct span_times *times, const struct answer *answer);
void span_gateway_out(struct walk *walk, uint16_t pod, const struct call *call,
                      const struct span_times *times, const struct answer *answer);

/* request_truth.c: nothing happens where nobody asks for the truth. */
void truth_of_call(const struct walk *walk, const struct call *call, const struct answer *answer);
void truth_of_consumed(const struct walk *walk, const struct visit *visit, const struct sent *sent,
                       const struct answer *answer);
/* From the user to the gateway, and from there on. */
void truth_of_entry(const struct walk *walk, const struct call *call, const struct span_times *in,
                    const struct answer *answer);

/* senders.c: who they are, as their spans say. */
bool senders_open(struct simulation *sim);
void senders_close(struct simulation *sim);

#endif
