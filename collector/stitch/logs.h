/* logs.h - what the parts of reading entries of access logs share: whom an entry says again
 * (twins.c), where the others stand (logs.c), and what their connections say of it (ends.c).
 */
#ifndef STITCH_LOGS_H
#define STITCH_LOGS_H

#include "collector/stitch/work.h"

#define CUT_NS UINT64_C(1000000) /* a start of one proxy in two logs: some cut to milliseconds */
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

/* ---- ends.c ---- */

/* An end of a connection; each 0 where it is not said, and the host on the loopback. */
struct log_end {
    uint64_t whole, host;
};

struct log_ends {
    struct log_end near, far;     /* of the connection to the upstream: this side, that side */
    struct log_end client, local; /* of the one that the request came on: that side, this side */
    uint64_t own;                 /* the host it stands on */
    bool taken;                   /* a call that somebody else's entry answered */
};

/* Of all entries and spans of proxies. False when memory is short. */
bool log_ends_find(struct stitch *stitch);
/* Do they say that they are of two pods, or of one? Neither where nothing is said. */
bool log_is_of_other_pod(const struct stitch *stitch, uint32_t a, uint32_t b);
bool log_is_of_one_pod(const struct stitch *stitch, uint32_t a, uint32_t b);

enum log_reach {
    REACHES_NOT,   /* who came there was somebody else */
    REACHES_OTHER, /* the last attempt went elsewhere, or this is another hop */
    REACHES_MAYBE,
    REACHES_PORT, /* on the loopback */
    REACHES_ADDRESS,
    REACHES_BY_CONNECTION
};
/* Did what the one sent come to the other? */
enum log_reach log_reaches(const struct stitch *stitch, uint32_t a, uint32_t b);

#endif
