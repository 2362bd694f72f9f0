/* accept.h - the rules every receiver shares: decode, hand to the inbox, count, remember for
 * `tail`.
 *
 * A receiver makes a body and calls accept_body(); the answer comes through its callback after the
 * sync.
 */
#ifndef RECEIVE_ACCEPT_H
#define RECEIVE_ACCEPT_H

#include "collector/base/buf.h"
#include "collector/model/body.h"

struct accept_settings {
    struct limits limits;
    /* The inbox (see inbox_append()): takes the body when it returns 0. */
    int (*append)(struct body *body, void *ctx, struct err *err);
    void *ctx;
};

struct acceptor;
struct acceptor *accept_new(const struct accept_settings *settings);
void accept_free(struct acceptor *acceptor);

struct acceptance {
    uint32_t n_records, n_rejected;
    char first_reason[160];
    struct err err; /* err.code != ERR_NONE: refused as a whole */
};

/* Decodes and appends. Takes `bytes` (malloc'd) in every case. `done` is called exactly once, maybe
 * before this returns, maybe from the inbox's thread: with what to tell the sender. `sender` is
 * copied for `tail`. */
void accept_body(struct acceptor *acceptor, struct content content, enum transport transport,
                 char *bytes, size_t n_bytes, struct str sender,
                 void (*done)(const struct acceptance *acceptance, void *ctx), void *ctx);
/* The same for a message of Kafka, in clear as it came. `lane` is borrowed until `done`. */
struct message {
    struct content content;
    char *bytes; /* taken */
    size_t n_bytes;
    struct kafka_place place; /* topic 0: a part of a message that is not its last */
    struct body_lane *lane;
    struct str sender;
};
void accept_message(struct acceptor *acceptor, const struct message *message,
                    void (*done)(const struct acceptance *acceptance, void *ctx), void *ctx);

/* A refusal before decoding (framing, content type …), for counters and `tail`. */
void accept_refused(struct acceptor *acceptor, enum transport transport, unsigned status,
                    const char *format, size_t n_bytes, struct str sender, const char *reason);

/* One request, by what it was answered with: an HTTP or gRPC status. */
void accept_count_request(enum transport transport, unsigned code);

/* The last 20 batches, newest first, as the "items" of /api/v1/tail: {"items":[…],"next":null}. */
void accept_tail_json(struct acceptor *acceptor, struct buf *out);

#endif
