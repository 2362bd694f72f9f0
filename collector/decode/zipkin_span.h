/* zipkin_span.h - what a Zipkin v2 span means, whichever way it was written down: JSON or protobuf.
 */
#ifndef DECODE_ZIPKIN_SPAN_H
#define DECODE_ZIPKIN_SPAN_H

#include "collector/base/map.h"
#include "collector/decode/value.h"

struct zipkin_endpoint {
    struct str service, ip;
    uint64_t port;
};

/* Beside the ids, the name, the kind and the tags. */
struct zipkin_span {
    struct zipkin_endpoint local, remote;
    uint64_t start_us, duration_us;
    uint64_t ended_us; /* the latest annotation "ss" or "cr"; 0 none */
    bool has_duration;
    struct buf events, links;
};

/* The resources of one body. */
struct zipkin_senders {
    struct decoding *decoding; /* borrowed */
    struct map resources;      /* hash of the identifying texts -> index */
    struct resource **by_index;
    uint32_t cap;
};

void zipkin_senders_init(struct zipkin_senders *senders, struct decoding *decoding);
void zipkin_senders_fini(struct zipkin_senders *senders);

/* The n-th annotation, from 0. False when there is no room (err says). */
bool zipkin_span_annotate(struct decoding *decoding, struct zipkin_span *raw, struct str value,
                          uint64_t us, uint32_t n);
/* Times, status, resource, made tags and facts of a span whose ids are good, which is the next of
 * the batch. False when there is no room (err says). */
bool zipkin_span_take(struct zipkin_senders *senders, struct span *span, struct zipkin_span *raw,
                      struct attr_list *tags);

#endif
