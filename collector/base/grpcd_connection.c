/* grpcd_connection.c - bytes between a socket and nghttp2, and when a connection ends.
 *
 * It ends 5 s after it began without a preface, after 5 min without a call, when nothing it is sent
 * is read for 30 s, when a head stays unfinished for 10 s, and, told so first, after an hour or a
 * million calls, so that clients spread anew.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/base/grpcd_internal.h"
#include "collector/base/hash.h"
#include "collector/base/log.h"

#define IN_BYTES ((size_t)64 << 10)
#define OUT_BYTES ((size_t)1 << 20)
#define OUT_MUCH ((size_t)128 << 10) /* then nothing more is read until it went out */

#define NOT_HTTP2 "this port takes gRPC over HTTP/2; OTLP over HTTP has a port of its own"

static bool wait_for_events(struct grpc_connection *connection, uint32_t events, int operation)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    connection->events = events;
    return epoll_ctl(connection->grpcd->epoll_fd, operation, connection->channel.fd, &event) == 0;
}

void grpc_connection_new(struct grpcd *grpcd, int fd, const char *peer)
{
    struct grpc_connection *connection = calloc(1, sizeof(*connection));
    if (!connection || !channel_open(&connection->channel, fd, grpcd->settings.tls, "h2")) {
        free(connection);
        close(fd);
        grpcd->settings.budget->n_connections--;
        return;
    }
    connection->grpcd = grpcd;
    connection->begun_ns = connection->moved_ns = connection->idle_since_ns = clock_mono_ns();
    connection->leave_ns =
        connection->begun_ns + AGE_NS + hash_u64((uint64_t)fd) % AGE_SPREAD_S * NS_PER_S;
    buf_init(&connection->out, OUT_BYTES);
    snprintf(connection->peer, sizeof(connection->peer), "%s", peer);
    connection->next = grpcd->connections;
    if (connection->next)
        connection->next->prev = connection;
    grpcd->connections = connection;
    /* Our settings go with the answer to the first bytes: who speaks HTTP/1 is answered in it. */
    if (session_new(connection) != 0 || !wait_for_events(connection, EPOLLIN, EPOLL_CTL_ADD))
        grpc_connection_close(connection);
}

void grpc_connection_close(struct grpc_connection *connection)
{
    struct grpcd *grpcd = connection->grpcd;
    const char *refusal = channel_refusal(&connection->channel);
    if (refusal)
        grpcd->settings.stranger(connection->peer, refusal, grpcd->settings.ctx);
    while (connection->calls)
        call_detach(connection->calls);
    nghttp2_session_del(connection->session);
    channel_close(&connection->channel);
    grpcd->settings.budget->n_connections--;
    buf_fini(&connection->out);
    if (connection->prev)
        connection->prev->next = connection->next;
    else
        grpcd->connections = connection->next;
    if (connection->next)
        connection->next->prev = connection->prev;
    free(connection);
}

/* ---- out ---- */

/* False when nghttp2 cannot go on. */
static bool fill(struct grpc_connection *connection)
{
    const uint8_t *bytes;
    while (!connection->says_nothing && connection->out.len < OUT_MUCH) {
        ssize_t n = nghttp2_session_mem_send(connection->session, &bytes);
        if (n < 0)
            return false;
        if (n == 0)
            return true;
        buf_add(&connection->out, bytes, (size_t)n);
        if (buf_failed(&connection->out))
            return false;
    }
    return true;
}

/* False when the socket is of no more use. */
static bool drain(struct grpc_connection *connection)
{
    struct buf *out = &connection->out;
    while (connection->n_out < out->len) {
        ssize_t n = channel_send(&connection->channel, out->p + connection->n_out,
                                 out->len - connection->n_out);
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            connection->n_out += (size_t)n;
            connection->moved_ns = clock_mono_ns();
        }
    }
    buf_reset(out);
    connection->n_out = 0;
    return true;
}

/* Until there is nothing left, or the socket takes no more. False as the two above. */
static bool pump(struct grpc_connection *connection)
{
    do {
        if (!fill(connection))
            return false;
        if (!connection->out.len)
            return true;
        if (!drain(connection))
            return false;
    } while (!connection->out.len);
    return true;
}

void grpc_connection_flush(struct grpc_connection *connection)
{
    if (!pump(connection)) {
        grpc_connection_close(connection);
        return;
    }
    bool waits = connection->out.len > 0;
    if (!waits)
        connection->moved_ns = clock_mono_ns();
    if (!waits && (connection->failed || !(nghttp2_session_want_read(connection->session) ||
                                           nghttp2_session_want_write(connection->session)))) {
        channel_shutdown(&connection->channel);
        grpc_connection_close(connection);
        return;
    }
    uint32_t events = (waits || channel_wants_room(&connection->channel) ? EPOLLOUT : 0) |
                      (connection->failed || connection->out.len >= OUT_MUCH ? 0 : EPOLLIN);
    if (events != connection->events)
        wait_for_events(connection, events, EPOLL_CTL_MOD);
}

/* ---- in ---- */

/* What came is no HTTP/2: it is told so in HTTP/1. */
static void refuse_stranger(struct grpc_connection *connection, const char *reason)
{
    struct grpcd *grpcd = connection->grpcd;
    static struct log_limit limit;
    log_limited(&limit, LOG_WARN, "not_http2", "listen=%s peer=%s", grpcd->listener.address,
                connection->peer);
    grpcd->settings.stranger(connection->peer, reason, grpcd->settings.ctx);
    buf_reset(&connection->out);
    connection->says_nothing = true;
    buf_addf(&connection->out,
             "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n"
             "X-Content-Type-Options: nosniff\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n"
             "%s\n",
             strlen(reason) + 1, reason);
}

static void take(struct grpc_connection *connection, const char *bytes, size_t n)
{
    ssize_t used = nghttp2_session_mem_recv(connection->session, (const uint8_t *)bytes, n);
    if (used >= 0)
        return;
    connection->failed = true;
    if (used == NGHTTP2_ERR_BAD_CLIENT_MAGIC)
        refuse_stranger(connection, is_tls_hello(bytes, n) ? TLS_HELLO_REFUSED : NOT_HTTP2);
}

void grpc_connection_step(struct grpc_connection *connection, uint32_t events)
{
    static __thread char in[IN_BYTES];
    bool shakes = events & EPOLLOUT && channel_wants_room(&connection->channel);
    if (!connection->failed && (shakes || events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
        ssize_t n = channel_recv(&connection->channel, in, sizeof(in));
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
            grpc_connection_close(connection);
            return;
        }
        if (n > 0)
            take(connection, in, (size_t)n);
    } else if (events & (EPOLLHUP | EPOLLERR)) {
        grpc_connection_close(connection);
        return;
    }
    grpc_connection_flush(connection);
}

/* ---- deadlines ---- */

/* False when the connection has to end for it. */
static bool look_at_calls(struct grpc_connection *connection, uint64_t now_ns)
{
    struct grpc_call *next;
    for (struct grpc_call *call = connection->calls; call; call = next) {
        next = call->next;
        if (call->streams && call->state == CALL_BODY)
            stream_look(call, now_ns);
        if (call->state == CALL_WORKING || now_ns < call->deadline_ns)
            continue;
        if (call->state == CALL_HEAD)
            return false;
        if (call->state == CALL_ANSWERED)
            nghttp2_submit_rst_stream(connection->session, NGHTTP2_FLAG_NONE, call->stream,
                                      NGHTTP2_CANCEL);
        else
            call_refuse(call, GRPC_DEADLINE_EXCEEDED, "the message did not come in time", 0);
        call->deadline_ns = now_ns + STALL_NS;
    }
    return true;
}

/* First "no new calls", then, when that has arrived, the last that is taken. */
static void say_goodbye(struct grpc_connection *connection, uint64_t now_ns)
{
    nghttp2_session *session = connection->session;
    if (!connection->goodbye_ns) {
        connection->goodbye_ns = now_ns;
        nghttp2_submit_shutdown_notice(session);
    } else if (now_ns >= connection->goodbye_ns + GOODBYE_NS) {
        connection->goodbye_ns = UINT64_MAX - GOODBYE_NS;
        nghttp2_submit_goaway(session, NGHTTP2_FLAG_NONE,
                              nghttp2_session_get_last_proc_stream_id(session), NGHTTP2_NO_ERROR,
                              NULL, 0);
    }
}

void grpc_connection_look(struct grpc_connection *connection, uint64_t now_ns)
{
    bool idle = connection->idle_since_ns && now_ns >= connection->idle_since_ns + IDLE_NS;
    bool mute = !connection->has_begun && now_ns >= connection->begun_ns + PREFACE_NS;
    bool stalls = connection->out.len && now_ns >= connection->moved_ns + STALL_NS;
    if (!connection->has_begun && !mute)
        return;
    if (mute || stalls || !look_at_calls(connection, now_ns)) {
        grpc_connection_close(connection);
        return;
    }
    if (idle)
        nghttp2_session_terminate_session(connection->session, NGHTTP2_NO_ERROR);
    if (connection->grpcd->draining || now_ns >= connection->leave_ns ||
        connection->n_calls >= CALLS_MOST)
        say_goodbye(connection, now_ns);
    grpc_connection_flush(connection);
}
