/* workload.h - workload W: the load that every figure is measured with. Pure: a seed in, bodies
 * out.
 *
 * A mesh with sidecars: an ingress gateway and 50 services of five pods each, all spans a proxy's,
 * 12 attributes a span, ten spans a trace, one request id a trace, jittered durations. Spans leave
 * in OTLP protobuf bodies of one service each, so every trace is spread over bodies.
 */
#ifndef SIMULATE_WORKLOAD_H
#define SIMULATE_WORKLOAD_H

#include "collector/base/buf.h"
#include "collector/model/span.h"

#define WORKLOAD_SERVICES 50 /* beside the gateway */
#define WORKLOAD_PODS 5
#define WORKLOAD_SPANS_PER_TRACE 10

struct workload_span {
    struct trace_id trace_id;
    uint64_t span_id;
};

struct workload_batch {
    unsigned service; /* 0: the gateway; 1 … WORKLOAD_SERVICES */
    uint32_t n_spans;
    struct str body;                   /* an ExportTraceServiceRequest; valid until the next call */
    const struct workload_span *spans; /* what is in it; valid until the next call */
};

struct workload;

/* `batch_spans`: spans in a body, 1 … 50,000. NULL when memory is short. */
struct workload *workload_new(uint64_t seed, uint32_t batch_spans);
void workload_free(struct workload *workload);
/* The next full body; traces end at about `now_ns`. */
void workload_next(struct workload *workload, uint64_t now_ns, struct workload_batch *batch);
/* The next body of what is left over, however small; false when nothing is. */
bool workload_rest(struct workload *workload, struct workload_batch *batch);
/* Calls between nodes that the traces made so far hold, gateway's entry included. */
uint64_t workload_traces(const struct workload *workload);

#endif
