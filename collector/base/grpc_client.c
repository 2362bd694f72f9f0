/* grpc_client.c - nghttp2 over a socket, one stream at a time. */
#include "collector/base/grpc_client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/url.h"

#define PREFIX 5 /* a byte for compression, four for the length */
#define IN_BYTES ((size_t)64 << 10)
#define GRPC_UNKNOWN 2

struct grpc_client {
    char host[256], port[16], address[280];
    uint64_t timeout_ns;
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session; /* NULL: not connected */
    int fd;
    /* the call at hand */
    uint64_t until_ns;
    struct str message;
    size_t n_sent; /* of prefix and message */
    int32_t stream;
    unsigned status;
    bool ended, whole;
};

/* ---- what nghttp2 calls back ---- */

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t n_name, const uint8_t *value, size_t n_value, uint8_t flags, void *ctx)
{
    struct grpc_client *client = ctx;
    uint64_t status;
    (void)session, (void)flags;
    if (frame->hd.stream_id == client->stream &&
        str_eq((struct str){(const char *)name, n_name}, STR("grpc-status")) &&
        str_to_u64((struct str){(const char *)value, n_value}, &status) && status < 100)
        client->status = (unsigned)status;
    return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *ctx)
{
    struct grpc_client *client = ctx;
    (void)session;
    if (stream == client->stream) {
        client->ended = true;
        client->whole = error == NGHTTP2_NO_ERROR;
    }
    return 0;
}

static ssize_t give(nghttp2_session *session, int32_t stream, uint8_t *to, size_t size,
                    uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct grpc_client *client = ctx;
    uint32_t length = __builtin_bswap32((uint32_t)client->message.len);
    uint8_t prefix[PREFIX] = {0};
    size_t n = 0;
    (void)session, (void)stream, (void)source;
    memcpy(prefix + 1, &length, sizeof(length));
    while (n < size && client->n_sent < PREFIX)
        to[n++] = prefix[client->n_sent++];
    size_t left = client->message.len + PREFIX - client->n_sent;
    size_t part = left < size - n ? left : size - n;
    if (part)
        memcpy(to + n, client->message.p + (client->n_sent - PREFIX), part);
    client->n_sent += part;
    if (client->n_sent == client->message.len + PREFIX)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)(n + part);
}

/* ---- the connection ---- */

static void disconnect(struct grpc_client *client)
{
    nghttp2_session_del(client->session);
    client->session = NULL;
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

static int failed(struct grpc_client *client, const char *what, struct err *err)
{
    char shown[URL_SHOWN_BYTES];
    disconnect(client);
    return err_set(err, ERR_IO, "%s: %s", url_shown(client->address, shown), what);
}

static int open_socket(const struct grpc_client *client)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int fd = -1, one = 1;
    if (getaddrinfo(client->host, client->port, &hints, &found) != 0)
        return -1;
    for (const struct addrinfo *at = found; at && fd < 0; at = at->ai_next) {
        fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(found);
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static int connect_again(struct grpc_client *client, struct err *err)
{
    client->fd = open_socket(client);
    if (client->fd < 0)
        return failed(client, "nobody listens there", err);
    if (nghttp2_session_client_new(&client->session, client->callbacks, client) != 0 ||
        nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, NULL, 0) != 0)
        return failed(client, "memory is short", err);
    return 0;
}

static bool wait_for(const struct grpc_client *client, short events)
{
    uint64_t now_ns = clock_mono_ns();
    struct pollfd poll_fd = {.fd = client->fd, .events = events};
    if (now_ns >= client->until_ns)
        return false;
    return poll(&poll_fd, 1, (int)((client->until_ns - now_ns) / NS_PER_MS) + 1) > 0;
}

static bool send_all(struct grpc_client *client)
{
    const uint8_t *bytes;
    ssize_t n;
    while ((n = nghttp2_session_mem_send(client->session, &bytes)) > 0) {
        while (n > 0) {
            ssize_t sent = send(client->fd, bytes, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && errno == EAGAIN && wait_for(client, POLLOUT))
                continue;
            if (sent < 0 && errno != EINTR)
                return false;
            bytes += sent > 0 ? sent : 0;
            n -= sent > 0 ? sent : 0;
        }
    }
    return n == 0;
}

/* Takes what came. False when the connection has ended. */
static bool receive(struct grpc_client *client)
{
    static __thread uint8_t in[IN_BYTES];
    ssize_t n;
    while ((n = recv(client->fd, in, sizeof(in), MSG_DONTWAIT)) > 0) {
        if (nghttp2_session_mem_recv(client->session, in, (size_t)n) < 0)
            return false;
    }
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Until the stream has ended. */
static bool talk(struct grpc_client *client)
{
    while (!client->ended) {
        if (!send_all(client))
            return false;
        if (client->ended)
            break;
        if (!wait_for(client, POLLIN) || (!receive(client) && !client->ended))
            return false;
    }
    return client->whole;
}

/* ---- a call ---- */

static nghttp2_nv header(const char *name, const char *value)
{
    return (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                        strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static void begin(struct grpc_client *client, const char *path)
{
    const nghttp2_nv head[] = {header(":method", "POST"),
                               header(":scheme", "http"),
                               header(":path", path),
                               header(":authority", client->address),
                               header("content-type", "application/grpc"),
                               header("te", "trailers")};
    const nghttp2_data_provider body = {.read_callback = give};
    client->n_sent = 0;
    client->ended = client->whole = false;
    client->status = GRPC_UNKNOWN;
    client->stream = nghttp2_submit_request(client->session, NULL, head,
                                            sizeof(head) / sizeof(head[0]), &body, NULL);
}

/* A connection that has ended since the last call, or was told to go, takes no further one. */
static bool is_of_use(struct grpc_client *client)
{
    return client->session && receive(client) &&
           nghttp2_session_check_request_allowed(client->session);
}

int grpc_client_call(struct grpc_client *client, const char *path, struct str message,
                     unsigned *status, struct err *err)
{
    client->until_ns = clock_mono_ns() + client->timeout_ns;
    client->message = message;
    if (!is_of_use(client)) {
        disconnect(client);
        if (connect_again(client, err))
            return err->code;
    }
    begin(client, path);
    if (client->stream < 0)
        return failed(client, "no call can be made", err);
    if (!talk(client))
        return failed(client, "no answer came", err);
    *status = client->status;
    return 0;
}

/* ---- life ---- */

struct grpc_client *grpc_client_new(const char *address, uint64_t timeout_ns)
{
    struct grpc_client *client = calloc(1, sizeof(*client));
    const char *colon = strrchr(address, ':');
    if (!client || nghttp2_session_callbacks_new(&client->callbacks) != 0) {
        free(client);
        return NULL;
    }
    client->fd = -1;
    client->timeout_ns = timeout_ns;
    int n_host = colon ? (int)(colon - address) : (int)strlen(address);
    bool v6 = n_host > 2 && address[0] == '[' && address[n_host - 1] == ']';
    snprintf(client->address, sizeof(client->address), "%s", address);
    snprintf(client->host, sizeof(client->host), "%.*s", v6 ? n_host - 2 : n_host, address + v6);
    snprintf(client->port, sizeof(client->port), "%s", colon ? colon + 1 : "4317");
    nghttp2_session_callbacks_set_on_header_callback(client->callbacks, on_header);
    nghttp2_session_callbacks_set_on_stream_close_callback(client->callbacks, on_close);
    return client;
}

void grpc_client_free(struct grpc_client *client)
{
    if (!client)
        return;
    disconnect(client);
    nghttp2_session_callbacks_del(client->callbacks);
    free(client);
}
