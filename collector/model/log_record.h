/* log_record.h - a log record of a trace as a decoder gives it. */
#ifndef MODEL_LOG_RECORD_H
#define MODEL_LOG_RECORD_H

#include "collector/model/span.h"

struct log_record {
    struct trace_id trace_id; /* never 0 */
    uint64_t span_id;         /* 0: of the trace as a whole */
    uint64_t at_ns;           /* when it happened, else when it was observed; 0: neither was said */
    struct str json;          /* the event as `span.events` shows it: an object that begins with its
                                 time; in the batch's arena */
};

#endif
