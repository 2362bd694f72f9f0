/* access_trace.h - the trace headers that an access log quotes: W3C, B3, X-Ray. */
#ifndef DECODE_ACCESS_TRACE_H
#define DECODE_ACCESS_TRACE_H

#include "collector/decode/access_log.h"

struct trace_context {
    struct trace_id trace_id;    /* 0: none */
    uint64_t span_id, parent_id; /* said of the entry itself; 0: not */
    uint64_t header_id;          /* of a header: of the proxy's own span, or of its caller's */
};

/* What the fields of an entry say; a header that is malformed says nothing. */
struct trace_context trace_context_of(const struct access *access);
/* One header each; false when it is none. */
bool traceparent_read(struct str text, struct trace_context *context);
bool xray_read(struct str text, struct trace_context *context);
bool b3_read(struct str text, struct trace_context *context);

#endif
