/* als.c - messages of Envoy's access log service: each becomes a body that stands for itself, and
 * the next is taken when it is on disk. What the inbox cannot take now waits, and Envoy with it.
 */
#include "collector/receive/als.h"

#include <stdlib.h>

#include "collector/decode/envoy_als.h"

#define MAX_IDENTITY ((size_t)64 << 10)
#define MAX_BODY ((size_t)1 << 30)

struct als_stream {
    struct acceptor *acceptor;
    enum encoding encoding; /* of messages that are marked as compressed */
    struct buf identity;    /* of its first message */
};

bool als_begin(struct grpc_call *call, struct acceptor *acceptor, enum encoding encoding)
{
    struct als_stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return false;
    stream->acceptor = acceptor;
    stream->encoding = encoding;
    buf_init(&stream->identity, MAX_IDENTITY);
    grpc_take_stream(call, stream);
    return true;
}

static void accepted(const struct acceptance *acceptance, void *ctx)
{
    struct grpc_call *call = ctx;
    switch (acceptance->err.code) {
    case ERR_NONE:
        grpc_message_done(call);
        break;
    case ERR_INVALID:
    case ERR_UNSUPPORTED:
        grpc_stream_refuse(call, GRPC_INVALID_ARGUMENT, acceptance->err.text);
        break;
    case ERR_TOO_BIG:
        grpc_stream_refuse(call, GRPC_RESOURCE_EXHAUSTED, acceptance->err.text);
        break;
    default:
        grpc_message_again(call);
    }
}

/* What is no message ends the stream. */
static void refuse(struct grpc_call *call, enum grpc_status status, const char *reason)
{
    struct als_stream *stream = grpc_stream_state(call);
    accept_refused(stream->acceptor, TRANSPORT_GRPC, (unsigned)status,
                   format_word(FORMAT_ENVOY_ALS), 0, grpc_peer(call), reason);
    grpc_stream_refuse(call, status, reason);
}

/* In clear: each body gets its sender's name before it. */
static void take(struct grpc_call *call, struct str message)
{
    struct als_stream *stream = grpc_stream_state(call);
    struct buf body;
    size_t n = 0;
    buf_init(&body, MAX_BODY);
    bool good = als_identity(message, &stream->identity) &&
                als_body(message, buf_str(&stream->identity), &body);
    bool short_of_memory = body.short_of_memory || stream->identity.short_of_memory;
    char *bytes = good ? buf_detach(&body, &n) : NULL;
    buf_fini(&body);
    if (bytes)
        accept_body(stream->acceptor,
                    (struct content){SIGNAL_TRACES, FORMAT_ENVOY_ALS, ENCODING_IDENTITY},
                    TRANSPORT_GRPC, bytes, n, grpc_peer(call), accepted, call);
    else if (short_of_memory || good)
        grpc_message_again(call);
    else
        refuse(call, GRPC_INVALID_ARGUMENT, "not a StreamAccessLogsMessage");
}

void als_message(struct grpc_call *call, struct str message, void *ctx)
{
    struct als_stream *stream = grpc_stream_state(call);
    struct err err = {0};
    char *owned = NULL;
    (void)ctx;
    if (grpc_encoding(call).len)
        accept_decompress(stream->acceptor, stream->encoding, &message, &owned, &err);
    if (err.code == ERR_BUSY)
        grpc_message_again(call);
    else if (err.code)
        refuse(call, err.code == ERR_TOO_BIG ? GRPC_RESOURCE_EXHAUSTED : GRPC_INVALID_ARGUMENT,
               err.text);
    else
        take(call, message);
    free(owned);
}

void als_ended(struct grpc_call *call, enum grpc_status status, void *ctx)
{
    struct als_stream *stream = grpc_stream_state(call);
    (void)ctx;
    accept_count_request(TRANSPORT_GRPC, (unsigned)status);
    buf_fini(&stream->identity);
    free(stream);
}
