/* logs.h - what the two halves of reading entries of access logs share: whom an entry says again
 * (twins.c), and where the others stand (logs.c).
 */
#ifndef STITCH_LOGS_H
#define STITCH_LOGS_H

#include "collector/stitch/work.h"

#define ROUNDED_NS UINT64_C(2000000) /* times of one proxy, written in milliseconds */
#define MAX_LOOKS 100000u            /* pairs that are looked at in one trace; beyond: no joining */

static inline bool is_log(const struct work_span *span)
{
    return span->shape->log != LOG_NONE;
}

static inline bool is_out(const struct shape *shape)
{
    return shape->kind == KIND_CLIENT || shape->kind == KIND_PRODUCER;
}

static inline uint64_t duration_of(const struct work_span *span)
{
    uint64_t ns = known_duration(span->record);
    return ns == DURATION_UNKNOWN ? 0 : ns;
}

/* Envoy's logs: a proxy may write several of them, of one clock and in the same words. */
static inline bool is_of_envoy(const struct work_span *entry)
{
    uint8_t format = entry->shape->format;
    return is_log(entry) && (format == FORMAT_ENVOY_LOG || format == FORMAT_ENVOY_ALS ||
                             format == FORMAT_ACCESS_LOG_OTLP);
}

/* Named by an address, or as any Envoy is: the entry does not know whose proxy wrote it. */
bool log_is_unnamed(const struct stitch *stitch, const struct work_span *entry);
/* enum direction: as its cluster says, else as its side does. */
uint8_t log_direction(struct stitch *stitch, const struct work_span *span);
/* May the entry be of the proxy, or of the workload, that sent the span? */
bool log_is_sender(const struct stitch *stitch, const struct work_span *entry,
                   const struct work_span *span);

#endif
