/* grpcd.h - a gRPC server over HTTP/2, in clear text (prior knowledge) or by TLS, for calls that
 * take one message, or a stream of them, and give one. The home of libnghttp2.
 *
 * A call is shown to the handler twice: `begin` when its head is read (it may refuse), `finish`
 * when the message is whole. The answer may be given later, from any thread. What no handler sees -
 * floods, peers that stall, heads that are too large - ends here, each at its limit.
 */
#ifndef BASE_GRPCD_H
#define BASE_GRPCD_H

#include "collector/base/buf.h"
#include "collector/base/err.h"
#include "collector/base/httpd.h"

enum grpc_status {
    GRPC_OK = 0,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16
};

struct grpcd;
struct grpc_call;

struct grpcd_settings {
    const char *listen;          /* as httpd's */
    struct httpd_budget *budget; /* borrows, outlives the server */
    struct tls *tls;             /* as httpd's */
    size_t max_message;          /* bytes as they come: beyond, RESOURCE_EXHAUSTED */
    const char *accept_encoding; /* what grpc_encoding() may be: "identity,gzip" */
    /* Head is read. Return 0 to go on, or having answered 1. */
    int (*begin)(struct grpc_call *call, void *ctx);
    /* Message is whole. Must answer, now or later. */
    void (*finish)(struct grpc_call *call, void *ctx);
    /* Of a stream: the next message is whole, and stays the call's until grpc_message_done() or
     * _again(), which must come, now or later, from any thread; only then comes another. */
    void (*message)(struct grpc_call *call, struct str message, void *ctx);
    /* Of a stream: nothing more comes, for whatever reason; its state may go. */
    void (*ended)(struct grpc_call *call, enum grpc_status status, void *ctx);
    /* The server itself refuses: for counters. */
    void (*refused)(struct grpc_call *call, enum grpc_status status, const char *reason, void *ctx);
    /* Somebody came who does not speak HTTP/2, or whose handshake of TLS failed. */
    void (*stranger)(const char *peer, const char *reason, void *ctx);
    void *ctx;
};

int grpcd_start(const struct grpcd_settings *settings, struct grpcd **grpcd, struct err *err);
const char *grpcd_address(const struct grpcd *grpcd);
/* From now on every peer is told to go elsewhere. */
void grpcd_take_no_more(struct grpcd *grpcd);
/* The same, and waits until every call was answered: until `until_ns` (monotonic) for those that
 * are not whole, which are refused then; without an end for those that are at work. */
void grpcd_drain(struct grpcd *grpcd, uint64_t until_ns);
/* Waits until every whole call has its answer; closes all connections. */
void grpcd_stop(struct grpcd *grpcd);

/* ---- a call; valid until it is answered ---- */
struct str grpc_path(const struct grpc_call *call);          /* "/package.Service/Method" */
struct str grpc_authorization(const struct grpc_call *call); /* '' when absent */
struct str
grpc_encoding(const struct grpc_call *call); /* the message's, before it the call's; '' for none */
struct str grpc_peer(const struct grpc_call *call);
/* Gives the message's malloc'd bytes to the caller; they stay counted as in flight. */
char *grpc_take_message(struct grpc_call *call, size_t *n);

/* ---- a stream ---- */
/* From begin(): this call is a stream of messages without an end. It is answered with an empty
 * message when the peer ends it. What its handler has not done with yet holds the peer back. */
void grpc_take_stream(struct grpc_call *call, void *state);
void *grpc_stream_state(const struct grpc_call *call);
/* The message is done with. */
void grpc_message_done(struct grpc_call *call);
/* It could not be taken now: it comes once more, a quarter of a second later. */
void grpc_message_again(struct grpc_call *call);
/* It is none: the stream ends with this. Instead of the two above. */
void grpc_stream_refuse(struct grpc_call *call, enum grpc_status status, const char *reason);

/* OK with a message, which is copied; any thread; once. */
void grpc_answer(struct grpc_call *call, struct str message);
/* A refusal; `retry_s` > 0 adds a RetryInfo of so many seconds. Any thread; once. */
void grpc_refuse(struct grpc_call *call, enum grpc_status status, const char *reason,
                 unsigned retry_s);

#endif
