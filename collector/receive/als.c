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
    struct buf identity; /* of its first message */
};

bool als_begin(struct grpc_call *call, struct acceptor *acceptor)
{
    struct als_stream *stream = calloc(1, sizeof(*stream));
    if (!stream)
        return false;
    stream->acceptor = acceptor;
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

void als_message(struct grpc_call *call, struct str message, void *ctx)
{
    struct als_stream *stream = grpc_stream_state(call);
    struct buf body;
    size_t n = 0;
    (void)ctx;
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
        grpc_stream_refuse(call, GRPC_INVALID_ARGUMENT, "not a StreamAccessLogsMessage");
}

void als_ended(struct grpc_call *call, enum grpc_status status, void *ctx)
{
    struct als_stream *stream = grpc_stream_state(call);
    (void)ctx;
    accept_count_request(TRANSPORT_GRPC, (unsigned)status);
    buf_fini(&stream->identity);
    free(stream);
}
