/* log_records.h - log records as they come one by one, whichever way they were written down.
 *
 * Kept are those of a trace; log_record_take() is the one place where it is decided what becomes of
 * a record, with its attributes and its body at hand.
 */
#ifndef DECODE_LOG_RECORDS_H
#define DECODE_LOG_RECORDS_H

#include "collector/decode/otlp_pb_walk.h"
#include "collector/model/log_record.h"

/* One record as it was sent. */
struct raw_log {
    uint64_t at_ns, observed_ns, severity;
    struct str severity_text, event_name;
    struct attr body; /* its key is nothing */
    struct attr_list attributes;
    bool has_trace_id, has_span_id; /* said, and not all zero */
    const char *bad_id;             /* why an id cannot be read; NULL when all can */
    struct trace_id trace_id;
    uint64_t span_id;
    const struct resource *resource;
    const struct scope *scope;
};

/* Adds the record to the batch, or rejects it alone. False when the body fails (err says). */
bool log_record_take(struct decoding *decoding, struct raw_log *raw);

#endif
