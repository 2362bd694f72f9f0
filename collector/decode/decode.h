/* decode.h - bytes to batch: the table of formats. Pure: no socket, no clock, no global state.
 *
 * A decoder rejects single records (batch_reject: missing, zero or wrong-length id) and goes on; it
 * fails as a whole (ERR_INVALID, ERR_TOO_BIG) when the body cannot be read. Text is cleaned
 * (U+FFFD) and cut to the limits. It never recurses on input, and never allocates but from the
 * batch's arena.
 */
#ifndef DECODE_DECODE_H
#define DECODE_DECODE_H

#include "collector/model/batch.h"

/* Fills `batch` (fresh, from batch_new()) from `input`, which must live as long as the batch. */
typedef int decode_f(struct str input, const struct limits *limits, struct batch *batch,
                     struct err *err);

decode_f decode_otlp_pb;     /* ExportTraceServiceRequest */
decode_f decode_otlp_json;   /* the same as one JSON document */
decode_f decode_zipkin_json; /* a JSON array of v2 spans */
decode_f decode_envoy_als;   /* StreamAccessLogsMessage with its identifier */
/* Access logs, a line a record. A line is its own identity: see access_log.h. */
decode_f decode_alb, decode_nlb, decode_apigw, decode_nginx, decode_haproxy, decode_envoy_log;
decode_f decode_zipkin_pb;   /* zipkin.proto3.ListOfSpans */
decode_f decode_jaeger_json; /* what Jaeger's page and query API give */
decode_f decode_otlp_metrics_pb, decode_otlp_metrics_json; /* ExportMetricsServiceRequest */
decode_f decode_remote_write;                        /* prometheus.WriteRequest, remote write 1.0 */
decode_f decode_otlp_logs_pb, decode_otlp_logs_json; /* ExportLogsServiceRequest */

/* The decoder of a format and signal, NULL when this build has none. */
decode_f *decode_for(struct content content);

/* The bytes in clear, at most limits->max_decoded: malloc'd as *owned, NULL for identity. */
int decode_decompress(enum encoding encoding, struct str *bytes, const struct limits *limits,
                      char **owned, struct err *err);

/* Decompresses by `content.encoding` (into batch->bytes, at most limits->max_decoded) and decodes.
 * For identity the texts of the batch point into `bytes`, which must outlive it. */
int decode_content(struct content content, struct str bytes, const struct limits *limits,
                   struct batch **batch, struct err *err);

/* The same for traces. */
static inline int decode_body(enum format format, enum encoding encoding, struct str bytes,
                              const struct limits *limits, struct batch **batch, struct err *err)
{
    struct content content = {SIGNAL_TRACES, (uint8_t)format, (uint8_t)encoding};
    return decode_content(content, bytes, limits, batch, err);
}

/* Guesses format and signal of the content of a file or a message by how it begins: a whole
 * document, lines of an access log, or a piece of protobuf that is cut between two fields. False
 * when it is nothing known. */
bool decode_guess(struct str bytes, struct content *content);
/* The kind of access log that the first line is of; -1 when it is of none. */
int access_guess(struct str text);
/* What some editors and Windows put before a text: no part of its first line. */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"
/* Is a body of this format a text of lines, each a record? */
bool format_is_lines(enum format format);

#endif
