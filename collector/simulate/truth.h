/* truth.h - what really happened in one logical call, as nobody in a real mesh can know it. */
#ifndef SIMULATE_TRUTH_H
#define SIMULATE_TRUTH_H

#include "collector/base/buf.h"
#include "collector/model/span.h"

struct truth {
    struct trace_id trace_id;
    const char *caller, *caller_version; /* "user" and "" at the entry */
    const char *callee, *callee_version; /* version "" where it says none or was not reached */
    const char *operation;
    const char *via;                /* the gateway between, or "" */
    uint64_t start_ns, duration_ns; /* as the caller sees it */
    uint64_t slow_ns;               /* what the fault added here, not beneath */
    const char *began; /* of what users asked: the service where its failure began; "" else */
    uint8_t attempts;
    uint8_t retries; /* those that leave a span of their own, but the first */
    bool failed, client_error;
    bool origin;    /* failed, and nothing beneath it explains why */
    bool recovered; /* an attempt that left a span failed, the last did not */
    bool plaintext; /* on the first piece of its way */
    bool fault;     /* the fault acted on this call */
    bool seen;      /* at least one half of it sends a span */
    bool sampled;   /* its trace sends spans */
};

/* One line of JSON with its newline. */
void truth_add_json(struct buf *out, const struct truth *truth);

#endif
