/* body.h - one request's or message's bytes on their way: receiver -> inbox -> stitcher.
 *
 * The receiver makes it, the inbox takes it, writes and syncs it, calls `answered` (which tells the
 * sender), and hands it to the next stage. One owner at a time.
 */
#ifndef MODEL_BODY_H
#define MODEL_BODY_H

#include "collector/model/batch.h"

/* Where a Kafka message stands. `topic` is a hash of its name; 0: no message. */
struct kafka_place {
    uint64_t topic;
    int64_t offset;
    int32_t partition;
};

/* Bodies that must reach the disk in order, or not at all: one that is refused blocks the lane, and
 * refuses what waits behind it, until whoever sends them opens it again. */
struct body_lane {
    _Atomic bool blocked;
};

struct body {
    struct body *next;    /* for whoever owns it */
    uint64_t seq;         /* arrival number, from 1, without gaps; given by the inbox */
    uint64_t received_ns; /* wall clock */
    uint8_t signal;       /* enum signal */
    uint8_t format;       /* enum format */
    uint8_t transport;    /* enum transport */
    uint8_t encoding;     /* enum encoding of `bytes` */
    struct kafka_place place;
    struct body_lane *lane; /* borrowed until it is answered; NULL: none */
    char *bytes;            /* as they came; malloc'd; NULL after body_drop_bytes() */
    size_t n_bytes;
    struct batch
        *batch; /* decoded; NULL when dropped from memory (it is read again from the inbox) */
    /* Called once, by the inbox's thread, after the sync: err is NULL when the body is on disk,
     * else why it was refused. May be NULL. */
    void (*answered)(struct body *body, const struct err *err);
    void *ctx;                      /* for `answered` */
    uint32_t n_stored, n_duplicate; /* of metric points and logs: told by the writer */
};

/* Takes `bytes` only when it succeeds; NULL when memory is short. */
struct body *body_new(char *bytes, size_t n_bytes);
/* Frees bytes and batch with it. */
void body_free(struct body *body);

#endif
