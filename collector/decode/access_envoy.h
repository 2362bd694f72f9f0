/* access_envoy.h - access logs of Envoy and Istio inside OTLP logs (formats: OTLP access logger).
 *
 * For the decoder of OTLP logs: it asks of each record whether it is an access log, and gets a
 * span.
 */
#ifndef DECODE_ACCESS_ENVOY_H
#define DECODE_ACCESS_ENVOY_H

#include "collector/decode/access_log.h"

/* A log record as its decoder has it; texts live as long as the batch. */
struct access_record {
    const struct attr *resource_attrs, *attrs;
    uint32_t n_resource_attrs, n_attrs;
    struct str body;              /* its text; '' when it is none */
    struct str body_map;          /* a body that is a map, as JSON; '' when it is none */
    struct str trace_id, span_id; /* hexadecimal digits; '' when not there */
    uint64_t time_ns;             /* time_unix_nano: the start of the request; 0 unknown */
};

/* Is it one? Then the span is filled, with format FORMAT_ACCESS_LOG_OTLP, and true is given. False
 * for any other record (the span is untouched), and with decoding->err set when memory is short.
 * The ids are the record's own; without them it is identified by its contents, like a line. */
bool access_record_span(struct decoding *decoding, struct senders *senders,
                        const struct access_record *record, struct span *span);

#endif
