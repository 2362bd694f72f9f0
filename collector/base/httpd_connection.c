/* httpd_connection.c - the states of a connection (drawn in httpd_internal.h), one function each.
 *
 * Deadlines are absolute: a byte now and then buys no time. A head has as long as it takes from its
 * first byte, a body a little more for every MiB, an answer's reader the same.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/httpd_internal.h"

#define IN_BYTES (HTTP_HEAD_BYTES + LOOP_SCRATCH)
#define IN_KEPT ((size_t)4 << 10)      /* memory that an idle connection keeps */
#define BODY_FIRST ((size_t)1 << 20)   /* is reserved at once, the rest as it comes */
#define BODY_PIECE ((size_t)256 << 10) /* most of one read */
#define TURN_BYTES ((size_t)1 << 20)   /* then others have their turn */
#define LINGER_NS (2 * NS_PER_S)       /* without a byte */
#define LINGER_MOST_NS (30 * NS_PER_S)

enum step { STEP_ON, STEP_WAIT };

void connection_new(struct loop *loop, int fd, const char *peer)
{
    struct connection *connection = calloc(1, sizeof(*connection));
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = connection};
    bool open =
        connection && channel_open(&connection->channel, fd, loop->httpd->settings.tls, "http/1.1");
    if (!open || epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        if (open)
            channel_close(&connection->channel);
        else
            close(fd);
        free(connection);
        loop->httpd->settings.budget->n_connections--;
        return;
    }
    connection->loop = loop;
    connection->idle_since_ns = clock_mono_ns();
    connection->deadline_ns = connection->idle_since_ns + loop->httpd->settings.head_deadline_ns;
    connection->readable = connection->writable = true;
    buf_init(&connection->in, IN_BYTES);
    memcpy(connection->peer, peer, sizeof(connection->peer));
    connection->next = loop->connections;
    if (connection->next)
        connection->next->prev = connection;
    loop->connections = connection;
    loop_again(connection);
}

void connection_close(struct connection *connection)
{
    struct loop *loop = connection->loop;
    if (connection->state == CLOSED)
        return;
    connection->state = CLOSED;
    const char *refusal = channel_refusal(&connection->channel);
    const struct httpd_settings *settings = &loop->httpd->settings;
    if (refusal && settings->stranger)
        settings->stranger(connection->peer, refusal, settings->ctx);
    channel_close(&connection->channel);
    loop->httpd->settings.budget->n_connections--;
    if (connection->request)
        request_free(connection->request);
    connection->request = NULL;
    buf_fini(&connection->in);
    if (connection->prev)
        connection->prev->next = connection->next;
    else
        loop->connections = connection->next;
    if (connection->next)
        connection->next->prev = connection->prev;
    connection->next = loop->closed;
    loop->closed = connection;
}

static enum step end(struct connection *connection)
{
    connection_close(connection);
    return STEP_WAIT;
}

/* > 0: bytes read; 0: wait, or it was closed. */
static size_t receive(struct connection *connection, char *to, size_t n)
{
    ssize_t got;
    if (!connection->readable)
        return 0;
    do {
        got = channel_recv(&connection->channel, to, n);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        /* Less than there was room for: what comes next is a new event. */
        connection->readable = (size_t)got == n || connection->peer_ended ||
                               channel_may_hold_more(&connection->channel);
        return (size_t)got;
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        connection->readable = false;
    else
        connection_close(connection);
    return 0;
}

static void drop_front(struct buf *buf, size_t n)
{
    buf->len -= n;
    memmove(buf->p, buf->p + n, buf->len);
}

/* ---- refusing ---- */

static enum step to_answer(struct connection *connection)
{
    const struct httpd_settings *settings = &connection->loop->httpd->settings;
    struct http_request *request = connection->request;
    connection->state = IN_ANSWER;
    connection->linger = request->unread;
    connection->deadline_ns =
        clock_mono_ns() + settings->body_deadline_ns +
        ((request->n_answer + request->file_left) >> 20) * settings->body_deadline_ns_per_mib;
    return STEP_ON;
}

static enum step refuse(struct connection *connection, unsigned status, const char *reason)
{
    connection->request->unread = true;
    buf_fini(&connection->request->body);
    request_refuse(connection->request, status, reason);
    return to_answer(connection);
}

/* A head that never was whole: the lines that were say how to word the refusal. */
static enum step refuse_head(struct connection *connection, unsigned status, const char *reason)
{
    static const char none[] = "* * HTTP/1.0\r\n";
    struct buf head, *in = &connection->in;
    size_t lines = in->len < connection->scanned ? in->len : connection->scanned;
    unsigned of_head;
    while (lines > 1 && memcmp(in->p + lines - 2, "\r\n", 2) != 0)
        lines--;
    lines = lines > HTTP_HEAD_BYTES ? 0 : lines;
    buf_init(&head, IN_BYTES);
    buf_add(&head, lines > 2 ? in->p : none, lines > 2 ? lines : sizeof(none) - 1);
    buf_add_c(&head, "\r\n");
    if (!buf_failed(&head))
        connection->request = request_new(connection, buf_str(&head), &of_head);
    buf_fini(&head);
    return connection->request ? refuse(connection, status, reason) : end(connection);
}

/* ---- a body ---- */

static uint64_t body_deadline(const struct http_request *request, uint64_t bytes)
{
    const struct httpd_settings *settings = &request->httpd->settings;
    return request->received_ns + settings->body_deadline_ns +
           (bytes >> 20) * settings->body_deadline_ns_per_mib;
}

static const char stopping[] = "the collector is stopping; try again";

static enum step body_is_whole(struct connection *connection)
{
    struct http_request *request = connection->request;
    const struct httpd_settings *settings = &request->httpd->settings;
    request->unread = false;
    request->httpd->n_working++; /* before the question, so that a drain sees one or the other */
    request->works = true;
    if (request->httpd->drained)
        return refuse(connection, 503, stopping);
    connection->state = WORKING;
    connection->deadline_ns = 0;
    settings->finish(request, settings->ctx);
    return request->answered ? to_answer(connection) : STEP_WAIT;
}

/* What came in, counted before it is kept. False when it was refused. */
static bool add_to_body(struct connection *connection, const char *bytes, size_t n)
{
    struct http_request *request = connection->request;
    if (request->body.len + n > request->httpd->settings.max_body) {
        refuse(connection, 413, "the body is larger than receive.max_body");
        return false;
    }
    if (!request_count(request, n)) {
        refuse(connection, 503, "too many bodies are in flight; try again");
        return false;
    }
    if (bytes)
        buf_add(&request->body, bytes, n);
    else
        request->body.len += n; /* it was read to its place */
    if (!buf_failed(&request->body))
        return true;
    refuse(connection, 503, "memory is short; try again");
    return false;
}

static enum step step_length(struct connection *connection)
{
    struct http_request *request = connection->request;
    struct buf *body = &request->body, *in = &connection->in;
    size_t turn = 0, left = (size_t)request->head.length - body->len;
    size_t n = in->len < left ? in->len : left;
    if (n) {
        if (!add_to_body(connection, in->p, n))
            return STEP_ON;
        drop_front(in, n);
    }
    while ((left = (size_t)request->head.length - body->len) > 0) {
        n = left < BODY_PIECE ? left : BODY_PIECE;
        if (!buf_reserve(body, n))
            return refuse(connection, 503, "memory is short; try again");
        n = receive(connection, body->p + body->len, n);
        if (!n)
            return STEP_WAIT;
        if (!add_to_body(connection, NULL, n))
            return STEP_ON;
        turn += n;
        if (turn >= TURN_BYTES) {
            loop_again(connection);
            return STEP_WAIT;
        }
    }
    return body_is_whole(connection);
}

/* The chunks in these bytes; what is behind the body's end stays for the next request. */
static enum step take_chunks(struct connection *connection, struct str bytes)
{
    struct http_request *request = connection->request;
    struct str data;
    while ((data = chunk_next(&request->chunks, &bytes)).len) {
        if (!add_to_body(connection, data.p, data.len))
            return STEP_ON;
    }
    if (request->chunks.state == CHUNK_BAD)
        return refuse(connection, 400, "the chunks of the body are malformed");
    if (request->chunks.state == CHUNK_DATA &&
        request->chunks.left > request->httpd->settings.max_body - request->body.len)
        return refuse(connection, 413, "the body is larger than receive.max_body");
    connection->deadline_ns = body_deadline(request, request->body.len);
    if (request->chunks.state != CHUNK_END)
        return STEP_ON;
    buf_add_str(&connection->in, bytes);
    return body_is_whole(connection);
}

static enum step step_chunks(struct connection *connection)
{
    struct loop *loop = connection->loop;
    enum step step = STEP_ON;
    size_t turn = 0, n;
    if (connection->in.len) {
        struct buf in = connection->in;
        buf_init(&connection->in, IN_BYTES);
        step = take_chunks(connection, buf_str(&in));
        buf_fini(&in);
    }
    while (connection->state == IN_BODY && turn < TURN_BYTES) {
        n = receive(connection, loop->scratch, LOOP_SCRATCH);
        if (!n)
            return STEP_WAIT;
        turn += n;
        step = take_chunks(connection, (struct str){loop->scratch, n});
    }
    if (connection->state != IN_BODY)
        return step;
    loop_again(connection);
    return STEP_WAIT;
}

/* ---- a head ---- */

static unsigned judge(struct http_request *request, const char **reason)
{
    const struct httpd_settings *settings = &request->httpd->settings;
    const struct http_head *head = &request->head;
    if (head->has_length && head->length > settings->max_body) {
        *reason = "the body is larger than receive.max_body";
        return 413;
    }
    if (settings->hosts && head->host.p && !http_host_is(head->host, settings->hosts)) {
        *reason = "this Host is not one of web.hosts";
        return 421;
    }
    if (request->httpd->draining) {
        *reason = stopping;
        return 503;
    }
    return 0;
}

static enum step begin_body(struct connection *connection)
{
    struct http_request *request = connection->request;
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    size_t first = request->head.length < BODY_FIRST ? (size_t)request->head.length : BODY_FIRST;
    connection->state = IN_BODY;
    connection->deadline_ns = body_deadline(request, request->head.length);
    if (!buf_reserve(&request->body, first))
        return refuse(connection, 503, "memory is short; try again");
    if (request->head.expects_continue &&
        channel_send(&connection->channel, go_on, sizeof(go_on) - 1) != sizeof(go_on) - 1)
        return end(connection);
    return STEP_ON;
}

static enum step head_is_whole(struct connection *connection)
{
    struct httpd *httpd = connection->loop->httpd;
    size_t n = connection->scanned;
    unsigned status = 0;
    const char *reason = NULL;
    struct http_request *request =
        request_new(connection, (struct str){connection->in.p, n}, &status);
    connection->request = request;
    connection->scanned = 0;
    drop_front(&connection->in, n);
    if (!request)
        return end(connection);
    if (status)
        reason = request->head.reason;
    else
        status = judge(request, &reason);
    if (status)
        return refuse(connection, status, reason);
    request->unread = request->head.length > 0 || request->head.chunked;
    if (httpd->settings.begin && httpd->settings.begin(request, httpd->settings.ctx) != 0)
        return to_answer(connection);
    return request->unread ? begin_body(connection) : body_is_whole(connection);
}

static void drop_blank_lines(struct connection *connection)
{
    struct buf *in = &connection->in;
    size_t n = 0;
    while (n + 2 <= in->len && memcmp(in->p + n, "\r\n", 2) == 0)
        n += 2;
    if (n)
        drop_front(in, n);
}

/* The first byte of a head has come: from now on it has its time. */
static void head_begins(struct connection *connection)
{
    uint64_t by_ns = clock_mono_ns() + connection->loop->httpd->settings.head_deadline_ns;
    connection->idle_since_ns = 0;
    if (connection->deadline_ns > by_ns)
        connection->deadline_ns = by_ns;
}

static enum step step_head(struct connection *connection)
{
    struct buf *in = &connection->in;
    for (;;) {
        if (in->len && connection->idle_since_ns)
            head_begins(connection);
        if (!connection->scanned)
            drop_blank_lines(connection);
        enum http_scan scan = http_head_scan(buf_str(in), &connection->scanned);
        if (scan == HTTP_BAD)
            return refuse_head(
                connection, 400,
                is_tls_hello(in->p, in->len)
                    ? TLS_HELLO_REFUSED
                    : "the head has a control byte, or a line that does not end in CR LF");
        if (connection->scanned > HTTP_HEAD_BYTES)
            return refuse_head(connection, 431, "the head of the request is larger than 16 KiB");
        if (scan == HTTP_WHOLE)
            return head_is_whole(connection);
        size_t room = HTTP_HEAD_BYTES + 2 - in->len;
        if (!buf_reserve(in, room < IN_KEPT ? room : IN_KEPT))
            return end(connection);
        room = in->cap - in->len < room ? in->cap - in->len : room;
        size_t n = receive(connection, in->p + in->len, room);
        if (!n)
            return STEP_WAIT;
        in->len += n;
    }
}

/* ---- an answer ---- */

static enum step answer_is_sent(struct connection *connection)
{
    uint64_t now_ns = clock_mono_ns();
    bool close_it = connection->request->close;
    request_free(connection->request);
    connection->request = NULL;
    if (close_it && !connection->linger)
        return end(connection);
    if (close_it) {
        channel_shutdown(&connection->channel);
        connection->state = LINGERING;
        connection->deadline_ns = now_ns + LINGER_NS;
        connection->linger_end_ns = now_ns + LINGER_MOST_NS;
        return STEP_ON;
    }
    connection->state = IN_HEAD;
    connection->idle_since_ns = now_ns;
    connection->deadline_ns = now_ns + connection->loop->httpd->settings.idle_deadline_ns;
    if (!connection->in.len && connection->in.cap > IN_KEPT) {
        buf_fini(&connection->in);
        buf_init(&connection->in, IN_BYTES);
    }
    return STEP_ON;
}

static enum step step_answer(struct connection *connection)
{
    struct http_request *request = connection->request;
    size_t turn = 0;
    if (!request->answer)
        return end(connection);
    while (request->n_sent < request->n_answer || request->file_left) {
        if (request->n_sent == request->n_answer && !request_next_piece(request))
            return end(connection);
        if (!connection->writable)
            return STEP_WAIT;
        ssize_t n = channel_send(&connection->channel, request->answer + request->n_sent,
                                 request->n_answer - request->n_sent);
        if (n > 0) {
            request->n_sent += (size_t)n;
            turn += (size_t)n;
            if (request->file_left && turn >= TURN_BYTES) {
                loop_again(connection);
                return STEP_WAIT;
            }
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            connection->writable = false;
        } else if (errno != EINTR) {
            return end(connection);
        }
    }
    return answer_is_sent(connection);
}

static enum step step_linger(struct connection *connection)
{
    struct loop *loop = connection->loop;
    buf_fini(&connection->in);
    for (size_t turn = 0; turn < TURN_BYTES;) {
        size_t n = receive(connection, loop->scratch, LOOP_SCRATCH);
        if (!n)
            return STEP_WAIT;
        turn += n;
        uint64_t until_ns = clock_mono_ns() + LINGER_NS;
        connection->deadline_ns =
            until_ns < connection->linger_end_ns ? until_ns : connection->linger_end_ns;
    }
    loop_again(connection);
    return STEP_WAIT;
}

/* ---- */

static enum step step(struct connection *connection)
{
    switch (connection->state) {
    case IN_HEAD:
        return step_head(connection);
    case IN_BODY:
        return connection->request->head.chunked ? step_chunks(connection)
                                                 : step_length(connection);
    case WORKING:
        return connection->request->answered ? to_answer(connection) : STEP_WAIT;
    case IN_ANSWER:
        return step_answer(connection);
    case LINGERING:
        return step_linger(connection);
    default:
        return STEP_WAIT;
    }
}

void connection_step(struct connection *connection)
{
    while (step(connection) == STEP_ON) {
    }
}

void connection_late(struct connection *connection)
{
    if (connection->state == IN_HEAD && connection->in.len)
        refuse_head(connection, 408, "the head of the request took too long");
    else if (connection->state == IN_BODY)
        refuse(connection, 408, "the body of the request took too long");
    else
        connection_close(connection);
    connection_step(connection);
}
