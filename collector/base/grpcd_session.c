/* grpcd_session.c - what nghttp2 calls back, and what a peer may cost.
 *
 * nghttp2 itself ends peers that reset streams faster than 20 a second, that send a head in more
 * than 8 pieces, or that let acknowledgements pile up. What it lets through is counted here:
 * frames that bring no call spend credit that time and calls give back, and streams that we had to
 * reset for the peer's mistakes are counted over ten seconds.
 */
#include "collector/base/grpc_message.h"
#include "collector/base/grpcd_internal.h"

#define MAX_STREAMS 100
#define STREAM_WINDOW (256u << 10)
#define CONNECTION_WINDOW (4 << 20)
#define RESET_BURST 200
#define RESET_RATE 20 /* a second */
#define MAX_CONTINUATIONS 8
#define CREDIT_MOST 1000
#define CREDIT_A_SECOND 100
#define CREDIT_A_CALL 4
#define RESETS_MOST 100
#define RESETS_WITHIN_NS (10 * NS_PER_S)

static void end_flood(struct grpc_connection *connection)
{
    nghttp2_session_terminate_session(connection->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

static void spend(struct grpc_connection *connection)
{
    uint64_t now_ns = clock_mono_ns();
    uint64_t fresh = (now_ns - connection->credit_ns) / (NS_PER_S / CREDIT_A_SECOND);
    if (fresh) {
        connection->credit_ns = now_ns;
        fresh += connection->credit;
        connection->credit = fresh < CREDIT_MOST ? (uint32_t)fresh : CREDIT_MOST;
    }
    if (connection->credit)
        connection->credit--;
    else
        end_flood(connection);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct grpc_connection *connection = ctx;
    if (frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    connection->credit += connection->credit < CREDIT_MOST ? CREDIT_A_CALL : 0;
    struct grpc_call *call = call_new(connection, frame->hd.stream_id);
    if (!call)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, call);
    return 0;
}

static void copy(char *to, size_t size, struct str value)
{
    size_t n = value.len < size - 1 ? value.len : size - 1;
    memcpy(to, value.p, n);
    to[n] = '\0';
}

static bool is_grpc_type(struct str type)
{
    struct str name, parameters;
    str_cut(type, ';', &name, &parameters);
    name = str_trim(name);
    return str_eq_nocase(name, STR("application/grpc")) ||
           str_eq_nocase(name, STR("application/grpc+proto"));
}

static void take_header(struct grpc_call *call, struct str name, struct str value)
{
    if (str_eq(name, STR(":path")))
        copy(call->path, sizeof(call->path), value);
    else if (str_eq(name, STR(":method")))
        call->is_post = str_eq(value, STR("POST"));
    else if (str_eq(name, STR("content-type")))
        call->is_grpc = is_grpc_type(value);
    else if (str_eq(name, STR("grpc-encoding")))
        copy(call->encoding, sizeof(call->encoding), value);
    else if (str_eq(name, STR("grpc-timeout")))
        call->has_timeout = grpc_timeout_read(value, &call->timeout_ns);
    else if (str_eq(name, STR("authorization")) && !call->authorization.len)
        buf_add_str(&call->authorization, value);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t n_name, const uint8_t *value, size_t n_value, uint8_t flags, void *ctx)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    (void)flags;
    (void)ctx;
    if (!call || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    call->n_head += n_name + n_value + 32;
    if (call->n_head <= GRPC_HEAD_BYTES)
        take_header(call, (struct str){(const char *)name, n_name},
                    (struct str){(const char *)value, n_value});
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                   size_t n, void *ctx)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, stream);
    (void)flags;
    (void)ctx;
    if (call)
        call_take_data(call, (struct str){(const char *)data, n});
    else
        nghttp2_session_consume(session, stream, n);
    return 0;
}

static bool brings_nothing(const nghttp2_frame *frame)
{
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
        return frame->hd.length == 0 && !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    case NGHTTP2_HEADERS:
        return false;
    default:
        return !(frame->hd.flags & NGHTTP2_FLAG_ACK);
    }
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    struct grpc_connection *connection = ctx;
    if (frame->hd.type == NGHTTP2_SETTINGS)
        connection->has_begun = true;
    if (brings_nothing(frame))
        spend(connection);
    if (frame->hd.type != NGHTTP2_DATA && frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (!call)
        return 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        call_head_is_whole(call);
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        call_request_ended(call);
    return 0;
}

/* Our resets for what a peer did wrong, each of which it can have for the price of a frame. */
static void count_reset(struct grpc_connection *connection)
{
    uint64_t now_ns = clock_mono_ns();
    if (now_ns > connection->resets_ns + RESETS_WITHIN_NS) {
        connection->resets_ns = now_ns;
        connection->n_resets = 0;
    }
    if (++connection->n_resets > RESETS_MOST)
        end_flood(connection);
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        if (frame->rst_stream.error_code != NGHTTP2_NO_ERROR &&
            frame->rst_stream.error_code != NGHTTP2_CANCEL)
            count_reset(ctx);
        return 0;
    }
    if (frame->hd.type != NGHTTP2_HEADERS || !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    const struct grpc_call *call =
        nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (call && !call->request_ended)
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                  NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *ctx)
{
    struct grpc_call *call = nghttp2_session_get_stream_user_data(session, stream);
    (void)code;
    (void)ctx;
    if (call)
        call_detach(call);
    return 0;
}

int session_setup(struct grpcd *grpcd)
{
    if (nghttp2_session_callbacks_new(&grpcd->callbacks) != 0 ||
        nghttp2_option_new(&grpcd->options) != 0)
        return -1;
    nghttp2_session_callbacks *callbacks = grpcd->callbacks;
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_option_set_no_auto_window_update(grpcd->options, 1);
    nghttp2_option_set_stream_reset_rate_limit(grpcd->options, RESET_BURST, RESET_RATE);
    nghttp2_option_set_max_continuations(grpcd->options, MAX_CONTINUATIONS);
    return 0;
}

int session_new(struct grpc_connection *connection)
{
    const nghttp2_settings_entry entries[] = {
        {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, MAX_STREAMS},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)GRPC_HEAD_BYTES},
    };
    struct grpcd *grpcd = connection->grpcd;
    connection->credit = CREDIT_MOST;
    connection->credit_ns = connection->begun_ns;
    if (nghttp2_session_server_new2(&connection->session, grpcd->callbacks, connection,
                                    grpcd->options) != 0)
        return -1;
    return nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, entries, 3) ||
           nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0,
                                                 CONNECTION_WINDOW);
}
