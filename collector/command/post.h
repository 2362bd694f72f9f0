/* post.h - bodies over several connections to a receiver of OTLP by HTTP or gRPC, or of Zipkin's
 * JSON: what one sender sends stays in order, a refused body is sent again as its answer says, and
 * everything is counted.
 */
#ifndef COMMAND_POST_H
#define COMMAND_POST_H

#include <stdio.h>

#include "collector/base/str.h"
#include "collector/model/span.h"

struct posted_span {
    struct trace_id trace_id;
    uint64_t span_id;
};

struct parcel {
    uint64_t sender; /* parcels of one sender take one connection */
    uint32_t n_spans;
    struct str body;
    const struct posted_span *spans; /* for `acked`; NULL without */
};

struct post_settings {
    const char *to; /* http://host:4318; grpc://host:4317 */
    unsigned n_connections;
    bool gzip;
    FILE *acked; /* every acknowledged span's ids, a line each; NULL: nobody asks */
};

struct post_counts {
    uint64_t acked, refused, failed, bytes; /* spans acknowledged, spans refused for now, bodies not
                                               taken at all, bytes taken */
    double ack_p50_ms, ack_p99_ms;
};

struct post;

#define POST_CONNECTIONS 64

/* NULL when memory is short. */
struct post *post_start(const struct post_settings *settings);
/* Copies the body; waits for room. False when the receiver went silent, or after post_abandon. */
bool post_send(struct post *post, const struct parcel *parcel);
/* Waits until all that was sent is answered; false as above. */
bool post_settle(struct post *post);
/* What is not answered yet is dropped; post_send returns false from now on. Any thread. */
void post_abandon(struct post *post);
/* Waits for the last answers. */
void post_join(struct post *post);
/* Why it stopped; "" when it did not. Behind post_join. */
const char *post_reason(const struct post *post);
void post_count(struct post *post, struct post_counts *counts);
void post_free(struct post *post);

#endif
