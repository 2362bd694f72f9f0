/* batch.h - what one body said: its spans, what was refused of it, and the memory all of it lives
 * in.
 *
 * A batch has one owner at a time: receiver, queue, stitcher. batch_free() gives everything back.
 */
#ifndef MODEL_BATCH_H
#define MODEL_BATCH_H

#include "collector/base/arena.h"
#include "collector/base/err.h"
#include "collector/model/log_record.h"
#include "collector/model/metric.h"
#include "collector/model/span.h"

/* limit.* and receive.* of CONTRACT §4; all counts ≥ 1. */
struct redaction; /* decode/redact.h */

struct limits {
    uint32_t max_spans;       /* records a body may hold: beyond, ERR_TOO_BIG as a whole */
    uint32_t attributes;      /* per span, resource, event, link */
    uint32_t attribute_bytes; /* of a value; keys at most 256 */
    uint32_t name_bytes;      /* span names, service names */
    uint32_t events, links;   /* per span */
    size_t max_decoded;       /* bytes after decompression */
    /* Where the redaction in force stands; NULL: nothing is redacted. */
    struct redaction *_Atomic const *redaction;
};
extern const struct limits limits_default;

/* Why records were cut or dropped, counted by decoders and added to stats by the receiver. */
struct batch_counts {
    uint32_t n_rejected;
    uint32_t n_bad_ids; /* of them: log records with an id that cannot be read */
    uint32_t n_cut_values, n_cut_names, n_dropped_attributes, n_dropped_events, n_dropped_links,
        n_dropped_exemplars, n_cleaned_texts;
};

/* What the bytes of a body are. */
struct content {
    uint8_t signal;   /* enum signal */
    uint8_t format;   /* enum format */
    uint8_t encoding; /* enum encoding: how they are compressed */
};

struct batch {
    struct arena arena;
    char *bytes; /* decompressed body that texts point into; malloc'd, freed with the batch; or NULL
                  */
    size_t n_bytes;
    struct span *spans; /* in the order they came, without the rejected; in the arena */
    uint32_t n_spans;
    struct metric_point *points; /* of a body of metrics; in the arena, as the logs */
    uint32_t n_points;
    struct metric_family *families; /* what a body of metrics tells of them; in the arena */
    uint32_t n_families;
    struct log_record *logs; /* of a body of logs: those of traces */
    uint32_t n_logs;
    uint32_t n_resources;
    struct batch_counts counts;
    const struct redaction *redaction; /* NULL: nothing is redacted */
    char first_reason[160]; /* of the first rejected record, for partial_success; "" when none */
};

/* Records that were taken, of whatever signal. */
static inline uint32_t batch_records(const struct batch *batch)
{
    return batch->n_spans + batch->n_points + batch->n_logs;
}

/* NULL when memory is short. `ceiling`: most bytes of the arena. */
struct batch *batch_new(size_t ceiling);
void batch_free(struct batch *batch); /* NULL is fine */
/* Counts one rejected record; keeps the first reason. */
void batch_reject(struct batch *batch, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
