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
#include "collector/receive/tail.h"

/* What a sender is told that may not. */
#define TOKEN_MISSING                                                                              \
    "no token came; one of the role ingest is needed (Authorization: Bearer TOKEN)"
#define TOKEN_UNKNOWN "this token is not in auth.tokens_file; one of the role ingest is needed"

struct accept_settings {
    struct limits limits;
    /* The inbox (see inbox_append()): takes the body when it returns 0. */
    int (*append)(struct body *body, void *ctx, struct err *err);
    void *ctx;
    struct tail *tail; /* borrowed, outlives the acceptor */
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

/* A body that is not kept as it came, in clear: within receive.max_decoded; see
 * decode_decompress().
 */
int accept_decompress(const struct acceptor *acceptor, enum encoding encoding, struct str *bytes,
                      char **owned, struct err *err);

/* A refusal before decoding (framing, content type …), for counters and `tail`. `status`: what it
 * was answered with; 0: with nothing. */
void accept_refused(struct acceptor *acceptor, enum transport transport, unsigned status,
                    const char *format, size_t n_bytes, struct str sender, const char *reason);

/* "what came: reason"; the reason alone when '' came. What came is cut, and printable. */
#define ACCEPT_REASON 300
void accept_reason(char text[ACCEPT_REASON], struct str came, const char *reason);

/* One request, by what it was answered with: an HTTP or gRPC status. */
void accept_count_request(enum transport transport, unsigned code);

#endif
