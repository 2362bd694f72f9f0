/* grpcd_call.c - the states of a call (drawn in grpcd_internal.h), and its answer. */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/base64.h"
#include "collector/base/grpc_message.h"
#include "collector/base/grpcd_internal.h"

#define HEAD_DEADLINE_NS (10 * NS_PER_S)
#define BODY_DEADLINE_NS (30 * NS_PER_S)
#define BODY_DEADLINE_NS_PER_MIB NS_PER_S
#define ANSWER_DEADLINE_NS (30 * NS_PER_S)
#define MAX_CREDENTIALS 8192
#define HOLD_BYTES ((size_t)4 << 20) /* of calls that work; what comes then waits in the window */

__thread struct grpcd *grpcd_of_thread;

struct grpc_call *call_new(struct grpc_connection *connection, int32_t stream)
{
    struct grpc_call *call = calloc(1, sizeof(*call));
    if (!call)
        return NULL;
    call->grpcd = connection->grpcd;
    call->connection = connection;
    call->stream = stream;
    call->http_status = 200;
    call->deadline_ns = clock_mono_ns() + HEAD_DEADLINE_NS;
    buf_init(&call->authorization, MAX_CREDENTIALS);
    buf_init(&call->body, GRPC_FRAME_BYTES + call->grpcd->settings.max_message);
    buf_init(&call->message, call->grpcd->settings.max_message);
    buf_init(&call->answer, (size_t)1 << 20);
    memcpy(call->peer, connection->peer, sizeof(call->peer));
    call->next = connection->calls;
    if (call->next)
        call->next->prev = call;
    connection->calls = call;
    connection->idle_since_ns = 0;
    connection->n_calls++;
    call->grpcd->n_calls++;
    return call;
}

void call_free(struct grpc_call *call)
{
    call->grpcd->settings.budget->in_flight -= call->counted;
    call->grpcd->n_calls--;
    buf_fini(&call->authorization);
    buf_fini(&call->body);
    buf_fini(&call->message);
    buf_fini(&call->answer);
    free(call);
}

void call_has_worked(struct grpc_connection *connection, size_t n)
{
    if (!connection)
        return;
    connection->working_bytes -= n;
    if (connection->held_bytes && connection->working_bytes < HOLD_BYTES) {
        nghttp2_session_consume_connection(connection->session, connection->held_bytes);
        connection->held_bytes = 0;
    }
}

void call_detach(struct grpc_call *call)
{
    struct grpc_connection *connection = call->connection;
    if (call->prev)
        call->prev->next = call->next;
    else
        connection->calls = call->next;
    if (call->next)
        call->next->prev = call->prev;
    if (!connection->calls)
        connection->idle_since_ns = clock_mono_ns();
    if (call->streams ? stream_detach(call) : call->state != CALL_WORKING) {
        call_free(call);
        return;
    }
    if (!call->streams)
        call_has_worked(connection, call->counted);
    call->connection = NULL;
}

/* ---- what comes ---- */

static uint64_t body_deadline(const struct grpc_call *call)
{
    uint64_t most_ns =
        BODY_DEADLINE_NS + (call->grpcd->settings.max_message >> 20) * BODY_DEADLINE_NS_PER_MIB;
    return clock_mono_ns() +
           (call->has_timeout && call->timeout_ns < most_ns ? call->timeout_ns : most_ns);
}

void call_head_is_whole(struct grpc_call *call)
{
    const struct grpcd_settings *settings = &call->grpcd->settings;
    call->state = CALL_BODY;
    call->deadline_ns = body_deadline(call);
    if (call->n_head > GRPC_HEAD_BYTES || buf_failed(&call->authorization)) {
        call_refuse(call, GRPC_RESOURCE_EXHAUSTED, "the head of the call is larger than 16 KiB", 0);
        return;
    }
    if (!call->is_post || !call->is_grpc) {
        call->http_status = call->is_post ? 415 : 405;
        call_refuse(call, GRPC_INTERNAL, "this port takes gRPC: POST of application/grpc", 0);
        return;
    }
    settings->begin(call, settings->ctx);
}

/* Whoever works on calls sets the pace: while much is worked on, the peer's window stays shut. */
void call_consume_connection(struct grpc_connection *connection, size_t n)
{
    if (connection->working_bytes < HOLD_BYTES)
        nghttp2_session_consume_connection(connection->session, n);
    else
        connection->held_bytes += n;
}

bool call_count(struct grpc_call *call, size_t n)
{
    struct httpd_budget *budget = call->grpcd->settings.budget;
    size_t before = atomic_fetch_add(&budget->in_flight, n);
    call->counted += n;
    return before == 0 || before + n <= budget->max_in_flight;
}

/* True while the message may still become one. */
static bool judge(struct grpc_call *call)
{
    struct str message;
    bool compressed;
    switch (grpc_message_read(buf_str(&call->body), call->grpcd->settings.max_message, &message,
                              &compressed)) {
    case GRPC_TOO_BIG:
        call_refuse(call, GRPC_RESOURCE_EXHAUSTED,
                    "the message is larger than receive.max_grpc_message", 0);
        return false;
    case GRPC_BAD_FLAG:
        call_refuse(call, GRPC_INTERNAL, "a message's flag is neither 0 nor 1", 0);
        return false;
    case GRPC_BEHIND:
        call_refuse(call, GRPC_INVALID_ARGUMENT, "bytes behind the one message of the call", 0);
        return false;
    default:
        return true;
    }
}

void call_take_data(struct grpc_call *call, struct str bytes)
{
    if (call->streams) {
        stream_take_data(call, bytes);
        return;
    }
    size_t room = GRPC_FRAME_BYTES + call->grpcd->settings.max_message - call->body.len;
    nghttp2_session_consume_stream(call->connection->session, call->stream, bytes.len);
    call_consume_connection(call->connection, bytes.len);
    if (call->state != CALL_BODY)
        return;
    if (bytes.len > room) { /* the frame's length says that these are too many, or behind it */
        buf_add(&call->body, bytes.p, room);
        if (judge(call))
            call_refuse(call, GRPC_INVALID_ARGUMENT, "bytes behind the one message of the call", 0);
        return;
    }
    if (!call_count(call, bytes.len)) {
        call_refuse(call, GRPC_UNAVAILABLE, "too many bodies are in flight; try again", 1);
        return;
    }
    buf_add_str(&call->body, bytes);
    if (buf_failed(&call->body))
        call_refuse(call, GRPC_UNAVAILABLE, "memory is short; try again", 1);
    else
        judge(call);
}

void call_request_ended(struct grpc_call *call)
{
    const struct grpcd_settings *settings = &call->grpcd->settings;
    struct str message = STR_NONE;
    call->request_ended = true;
    if (call->state != CALL_BODY)
        return;
    if (call->streams) {
        stream_request_ended(call);
        return;
    }
    if (grpc_message_read(buf_str(&call->body), settings->max_message, &message,
                          &call->compressed) != GRPC_WHOLE) {
        call_refuse(call, GRPC_INVALID_ARGUMENT, "the call ended within its message", 0);
        return;
    }
    bool identity = !call->encoding[0] || strcmp(call->encoding, "identity") == 0;
    if (call->compressed && identity) {
        call_refuse(call, GRPC_INTERNAL, "a compressed message without a grpc-encoding", 0);
        return;
    }
    if (clock_mono_ns() >= call->deadline_ns) {
        call_refuse(call, GRPC_DEADLINE_EXCEEDED, "the message came after its deadline", 0);
        return;
    }
    call->grpcd->n_working++; /* before the question, so that a drain sees one or the other */
    if (call->grpcd->drained) {
        call->grpcd->n_working--;
        call_refuse(call, GRPC_UNAVAILABLE, "the collector is stopping; try again", 1);
        return;
    }
    call->state = CALL_WORKING;
    call->connection->working_bytes += call->counted;
    settings->finish(call, settings->ctx);
}

/* ---- what a handler asks ---- */

struct str grpc_path(const struct grpc_call *call)
{
    return str_of(call->path);
}

struct str grpc_authorization(const struct grpc_call *call)
{
    return buf_str(&call->authorization);
}

struct str grpc_encoding(const struct grpc_call *call)
{
    bool has_message = call->streams ? call->busy : call->state >= CALL_WORKING;
    return !has_message || call->compressed ? str_of(call->encoding) : STR_NONE;
}

struct str grpc_peer(const struct grpc_call *call)
{
    return str_of(call->peer);
}

char *grpc_take_message(struct grpc_call *call, size_t *n)
{
    call->body.len -= GRPC_FRAME_BYTES;
    memmove(call->body.p, call->body.p + GRPC_FRAME_BYTES, call->body.len);
    *n = 0;
    return buf_detach(&call->body, n);
}

/* ---- answers ---- */

static nghttp2_nv header(const char *name, struct str value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value.p, strlen(name),
                        value.len, NGHTTP2_NV_FLAG_NONE};
}

/* google.rpc.Status {code = 1, message = 2, details = 3: Any {type_url = 1, value = 2: RetryInfo
 * {retry_delay = 1: Duration {seconds = 1}}}}. */
static void write_details(const struct grpc_call *call, struct buf *text)
{
    struct str type = STR("type.googleapis.com/google.rpc.RetryInfo"),
               reason = str_of(call->reason);
    struct buf any, status;
    buf_init(&any, 256);
    buf_init(&status, 1024);
    buf_add_varint(&any, 1 << 3 | 2);
    buf_add_varint(&any, type.len);
    buf_add_str(&any, type);
    const char retry[] = {2 << 3 | 2, 4, 1 << 3 | 2, 2, 1 << 3, (char)call->retry_s};
    buf_add(&any, retry, sizeof(retry));
    buf_add_varint(&status, 1 << 3);
    buf_add_varint(&status, call->status);
    buf_add_varint(&status, 2 << 3 | 2);
    buf_add_varint(&status, reason.len);
    buf_add_str(&status, reason);
    buf_add_varint(&status, 3 << 3 | 2);
    buf_add_varint(&status, any.len);
    buf_add_str(&status, buf_str(&any));
    base64_add(text, buf_str(&status));
    buf_fini(&any);
    buf_fini(&status);
}

static void write_reason(const char *reason, struct buf *text)
{
    for (const char *at = reason; *at; at++) {
        if (*at < 0x20 || *at > 0x7e || *at == '%')
            buf_addf(text, "%%%02X", (unsigned char)*at);
        else
            buf_add_char(text, *at);
    }
}

/* Headers and trailers in one, as gRPC answers without a message. */
static void submit_refusal(struct grpc_call *call)
{
    struct buf reason, details;
    char status[8], http_status[8];
    buf_init(&reason, 2048);
    buf_init(&details, 2048);
    snprintf(status, sizeof(status), "%u", (unsigned)call->status);
    snprintf(http_status, sizeof(http_status), "%u", call->http_status);
    write_reason(call->reason, &reason);
    if (call->retry_s)
        write_details(call, &details);
    const nghttp2_nv headers[] = {
        header(":status", str_of(http_status)),
        header("content-type", STR("application/grpc")),
        header("grpc-status", str_of(status)),
        header("grpc-message", buf_str(&reason)),
        header("grpc-accept-encoding", str_of(call->grpcd->settings.accept_encoding)),
        header("grpc-status-details-bin", buf_str(&details)),
    };
    if (call->http_status != 200)
        nghttp2_submit_response(call->connection->session, call->stream, headers, 1, NULL);
    else
        nghttp2_submit_response(call->connection->session, call->stream, headers,
                                call->retry_s ? 6 : 5, NULL);
    buf_fini(&reason);
    buf_fini(&details);
}

static ssize_t read_answer(nghttp2_session *session, int32_t stream, uint8_t *to, size_t n,
                           uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct grpc_call *call = source->ptr;
    size_t left = call->answer.len - call->n_sent;
    (void)ctx;
    n = n < left ? n : left;
    memcpy(to, call->answer.p + call->n_sent, n);
    call->n_sent += n;
    if (call->n_sent == call->answer.len) {
        const nghttp2_nv trailer = header("grpc-status", STR("0"));
        *flags = NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        nghttp2_submit_trailer(session, stream, &trailer, 1);
    }
    return (ssize_t)n;
}

void call_submit(struct grpc_call *call)
{
    if (call->state == CALL_WORKING) {
        call->grpcd->n_working--;
        call_has_worked(call->connection, call->counted);
    }
    if (!call->connection) {
        call_free(call);
        return;
    }
    call->state = CALL_ANSWERED;
    call->deadline_ns = clock_mono_ns() + ANSWER_DEADLINE_NS;
    if (call->status != GRPC_OK) {
        submit_refusal(call);
        return;
    }
    const nghttp2_nv headers[] = {header(":status", STR("200")),
                                  header("content-type", STR("application/grpc"))};
    nghttp2_data_provider provider = {.source.ptr = call, .read_callback = read_answer};
    nghttp2_submit_response(call->connection->session, call->stream, headers, 2, &provider);
}

void call_returned(struct grpc_call *call)
{
    if (call->busy)
        stream_go_on(call);
    else
        call_submit(call);
}

void call_give_back(struct grpc_call *call)
{
    struct grpcd *grpcd = call->grpcd;
    if (grpcd_of_thread == grpcd) {
        call_returned(call);
        return;
    }
    pthread_mutex_lock(&grpcd->mutex);
    bool first = !grpcd->answered;
    call->next_answered = grpcd->answered;
    grpcd->answered = call;
    if (first)
        grpcd_wake(grpcd);
    pthread_mutex_unlock(&grpcd->mutex);
}

void grpc_answer(struct grpc_call *call, struct str message)
{
    const char frame[GRPC_FRAME_BYTES] = {0, (char)(message.len >> 24), (char)(message.len >> 16),
                                          (char)(message.len >> 8), (char)message.len};
    buf_add(&call->answer, frame, sizeof(frame));
    buf_add_str(&call->answer, message);
    if (buf_failed(&call->answer))
        grpc_refuse(call, GRPC_UNAVAILABLE, "memory is short; try again", 1);
    else
        call_give_back(call);
}

void grpc_refuse(struct grpc_call *call, enum grpc_status status, const char *reason,
                 unsigned retry_s)
{
    call->status = status;
    call->retry_s = retry_s;
    snprintf(call->reason, sizeof(call->reason), "%s", reason);
    call_give_back(call);
}

void call_refuse(struct grpc_call *call, enum grpc_status status, const char *reason,
                 unsigned retry_s)
{
    const struct grpcd_settings *settings = &call->grpcd->settings;
    settings->refused(call, status, reason, settings->ctx);
    grpc_refuse(call, status, reason, retry_s);
}
