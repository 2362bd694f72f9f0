/* trace_format.h - stored traces in the formats of others, which `faultline replay` and their own
 * tools read: otlp (one export request, JSON), jaeger (the answer of its query API), zipkin (v2
 * JSON). Log records that stand with a span stay here.
 */
#ifndef EXPORTERS_TRACE_FORMAT_H
#define EXPORTERS_TRACE_FORMAT_H

#include "collector/base/buf.h"
#include "collector/store/query.h"

enum trace_format { TRACE_FORMAT_OTLP, TRACE_FORMAT_JAEGER, TRACE_FORMAT_ZIPKIN };
#define TRACE_FORMATS "otlp, jaeger or zipkin"

/* −1: no such word. */
int trace_format_from_word(struct str word);
/* One trace; the errors of spans_of_trace(), and ERR_TOO_BIG when `out` is full. */
int trace_format_trace(struct query *query, struct str id, enum trace_format format,
                       struct buf *out, struct err *err);
/* Those that query_traces_json() lists. */
int trace_format_traces(struct query *query, const struct query_filter *filter,
                        enum trace_format format, struct buf *out, struct err *err);

#endif
