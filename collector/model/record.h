/* record.h - a span as the stitcher keeps it and the store writes it: fixed size, everything that
 * recurs as numbers, the rest in one packed piece of memory.
 */
#ifndef MODEL_RECORD_H
#define MODEL_RECORD_H

#include "collector/model/node.h"
#include "collector/model/span.h"

/* Packed texts that belong to this span alone. */
struct own {
    uint32_t n_attributes, n_events, n_links, n_message, n_name; /* bytes of each text below */
    char text[]; /* attributes (inside of a JSON object), events (JSON array), links (JSON array),
                    status message, and the operation where its shape says NAME_OTHER; one after the
                    other */
};

struct record {
    uint64_t span_id, parent_id;
    uint64_t start_ns, duration_ns; /* as struct span */
    const struct shape *shape;
    const struct attr_set *attr_set;
    const struct own *own; /* NULL when there is nothing of its own */
    uint64_t
        request_id; /* hash of guid:x-request-id with the trace decision's digit masked; 0 none */
    uint32_t shape_no;
    uint32_t flags;                   /* response flag bits */
    name_no flags_text;               /* response_flags as it came */
    uint32_t arrival;                 /* ledger key, ARRIVAL() */
    int16_t http_status, grpc_status; /* CODE_NONE when not there */
    uint16_t resend_count;
    uint8_t status; /* enum span_status */
    bool bad_times : 1, error_tag : 1, error_tag_4xx_only : 1, canceled : 1;
    bool unstitched : 1; /* beyond stitch.max_spans_per_trace: stored, not stitched */
    float weight;
};

/* The ledger's key of a record: minute of receipt (Unix minutes, 26 bits: to the year 2097),
 * format, transport. */
#define ARRIVAL(minute, format, transport)                                                         \
    (((uint32_t)(minute) << 6) | ((uint32_t)(format) << 2) | (uint32_t)(transport))
#define ARRIVAL_MINUTE(arrival) ((arrival) >> 6)
#define ARRIVAL_FORMAT(arrival) (((arrival) >> 2) & 15u)
#define ARRIVAL_TRANSPORT(arrival) ((arrival)&3u)

static inline struct str own_attributes(const struct own *own)
{
    return own ? (struct str){own->text, own->n_attributes} : STR_NONE;
}
static inline struct str own_events(const struct own *own)
{
    return own ? (struct str){own->text + own->n_attributes, own->n_events} : STR_NONE;
}
static inline struct str own_links(const struct own *own)
{
    return own ? (struct str){own->text + own->n_attributes + own->n_events, own->n_links}
               : STR_NONE;
}
static inline struct str own_message(const struct own *own)
{
    return own ? (struct str){own->text + own->n_attributes + own->n_events + own->n_links,
                              own->n_message}
               : STR_NONE;
}
static inline struct str own_name(const struct own *own)
{
    return own ? (struct str){own->text + own->n_attributes + own->n_events + own->n_links +
                                  own->n_message,
                              own->n_name}
               : STR_NONE;
}
static inline size_t own_size(const struct own *own)
{
    return own ? sizeof(*own) + own->n_attributes + own->n_events + own->n_links + own->n_message +
                     own->n_name
               : 0;
}

#endif
