/* simulation.h - a mesh at work. Pure: a seed and a time in; bodies of its senders and the truth of
 * every call out. The same settings give the same bytes, however often and in whatever steps it is
 * asked.
 *
 * Time is the caller's: it asks for what has left the senders before a moment, and gets bodies one
 * after the other. A span leaves when it has ended and its sender flushes, so halves of a call come
 * in different bodies, children before their parents, as in life.
 */
#ifndef SIMULATE_SIMULATION_H
#define SIMULATE_SIMULATION_H

#include "collector/base/buf.h"
#include "collector/simulate/faults.h"
#include "collector/simulate/truth.h"

struct simulation_settings {
    const struct mesh *mesh;        /* borrowed until simulation_free */
    const struct fault_plan *fault; /* the same; NULL: none */
    uint64_t seed;
    uint64_t begin_ns;   /* event time of the first request */
    double rate;         /* requests a second, mean of a day */
    uint64_t day_ns;     /* length of the daily wave; 24 h unless a test compresses it */
    double wave;         /* its height, 0 … 0.9 of the rate */
    double sampling;     /* share of traces that send spans, 0 … 1 */
    uint64_t flush_ns;   /* how often a sender sends what it has */
    uint32_t body_spans; /* … or when it has this many */
    bool no_sidecars;
    bool no_applications;                                /* proxies only */
    void (*truth)(const struct truth *truth, void *ctx); /* of every call; may be NULL */
    void *ctx;
};

struct simulated_body {
    uint32_t sender; /* 0 … simulation_senders() − 1 */
    uint32_t n_spans;
    struct str body; /* an ExportTraceServiceRequest; valid until the next call */
};

struct simulation;

/* NULL when memory is short. */
struct simulation *simulation_new(const struct simulation_settings *settings);
void simulation_free(struct simulation *simulation);
uint32_t simulation_senders(const struct simulation *simulation);

/* The next body that leaves before `until_ns` of event time; false when there is none. */
bool simulation_next(struct simulation *simulation, uint64_t until_ns, struct simulated_body *body);
/* No more requests begin; simulation_next then gives all that is left. */
void simulation_end(struct simulation *simulation);
/* From the past, sent in large pieces, to the present. */
void simulation_flush_every(struct simulation *simulation, uint64_t flush_ns);

uint64_t simulation_requests(const struct simulation *simulation);
uint64_t simulation_spans(const struct simulation *simulation);

#endif
