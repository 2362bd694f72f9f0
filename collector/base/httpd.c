/* httpd.c - the server: sockets, requests, and answers that come later. The only user of
 * libmicrohttpd's loop. */
#include "collector/base/httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/httpd_internal.h"

#define POOL_BYTES ((size_t)128 << 10) /* a connection's buffer: the largest read */
#define BACKLOG 512
#define DRAIN_STEP_NS (2 * NS_PER_MS)

struct httpd_budget *httpd_budget_new(unsigned max_connections, size_t max_in_flight)
{
    struct httpd_budget *budget = calloc(1, sizeof(*budget));
    if (budget) {
        budget->max_connections = max_connections;
        budget->max_in_flight = max_in_flight;
    }
    return budget;
}

void httpd_budget_free(struct httpd_budget *budget)
{
    free(budget);
}

size_t httpd_budget_in_flight(struct httpd_budget *budget)
{
    return budget->in_flight;
}

/* ---- answers ---- */

static struct MHD_Response *make_response(struct http_request *request, const char *content_type,
                                          struct str body, bool close)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body.len, (void *)(uintptr_t)(body.p ? body.p : ""), MHD_RESPMEM_MUST_COPY);
    if (!response)
        return NULL;
    if (content_type)
        MHD_add_response_header(response, "Content-Type", content_type);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    for (unsigned i = 0; i < request->n_headers; i++)
        MHD_add_response_header(response, request->headers[i].name, request->headers[i].value);
    if (close)
        MHD_add_response_header(response, "Connection", "close");
    return response;
}

void http_add_header(struct http_request *request, const char *name, const char *value)
{
    if (request->n_headers == MAX_ANSWER_HEADERS)
        return;
    snprintf(request->headers[request->n_headers].name, sizeof(request->headers[0].name), "%s",
             name);
    snprintf(request->headers[request->n_headers].value, sizeof(request->headers[0].value), "%s",
             value);
    request->n_headers++;
}

void httpd_answer(struct http_request *request, unsigned status, const char *content_type,
                  struct str body, bool close)
{
    struct MHD_Response *response = make_response(request, content_type, body, close);
    pthread_mutex_lock(&request->mutex);
    request->status = response ? status : 500;
    request->response = response;
    request->close = close;
    request->answered = true;
    if (request->suspended) {
        request->suspended = false;
        MHD_resume_connection(request->mhd);
    }
    pthread_mutex_unlock(&request->mutex);
}

static void refuse(struct http_request *request, unsigned status, const char *reason)
{
    struct httpd *httpd = request->httpd;
    struct buf body;
    const char *content_type = "text/plain; charset=utf-8";
    buf_init(&body, 4096);
    if (httpd->settings.refuse)
        httpd->settings.refuse(request, status, reason, &body, &content_type, httpd->settings.ctx);
    else
        buf_addf(&body, "%s\n", reason);
    if (status == 503)
        http_add_header(request, "Retry-After", "1");
    httpd_answer(request, status, content_type, buf_str(&body), true);
    buf_fini(&body);
}

static enum MHD_Result send_answer(struct http_request *request)
{
    if (!request->response)
        return MHD_NO;
    enum MHD_Result queued = MHD_queue_response(request->mhd, request->status, request->response);
    MHD_destroy_response(request->response);
    request->response = NULL;
    return queued;
}

/* ---- a request's life ---- */

static void set_peer(struct http_request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    if (!address || getnameinfo(address,
                                address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                               : sizeof(struct sockaddr_in),
                                request->peer, sizeof(request->peer), NULL, 0, NI_NUMERICHOST) != 0)
        snprintf(request->peer, sizeof(request->peer), "unix");
}

static struct http_request *new_request(struct httpd *httpd, struct MHD_Connection *mhd,
                                        const char *path, const char *method)
{
    struct http_request *request = calloc(1, sizeof(*request));
    if (!request)
        return NULL;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    request->httpd = httpd;
    request->mhd = mhd;
    request->connection = info ? info->socket_context : NULL;
    request->method = method;
    request->path = path;
    request->received_ns = clock_mono_ns();
    pthread_mutex_init(&request->mutex, NULL);
    buf_init(&request->body, httpd->settings.max_body);
    set_peer(request);
    httpd->n_requests++;
    return request;
}

static bool count_in_flight(struct http_request *request, size_t size)
{
    struct httpd_budget *budget = request->httpd->settings.budget;
    size_t before = atomic_fetch_add(&budget->in_flight, size);
    request->counted += size;
    return before + size <= budget->max_in_flight || before == 0;
}

static uint64_t body_deadline(const struct http_request *request)
{
    const struct httpd_settings *settings = &request->httpd->settings;
    uint64_t length = 0;
    str_to_u64(http_header(request, "Content-Length"), &length);
    return request->received_ns + settings->body_deadline_ns +
           (length >> 20) * settings->body_deadline_ns_per_mib;
}

/* First sight of a request: its head is read, its body not. */
static enum MHD_Result begin(struct http_request *request, const char *version)
{
    struct httpd *httpd = request->httpd;
    const char *reason;
    unsigned status = httpd_guard(request, version, &reason);
    httpd_deadline(request->connection, body_deadline(request));
    if (!status && httpd->draining) {
        status = 503;
        reason = "the collector is stopping; try again";
    }
    if (status) {
        refuse(request, status, reason);
        return send_answer(request);
    }
    if (httpd->settings.begin && httpd->settings.begin(request, httpd->settings.ctx) != 0)
        return send_answer(request);
    uint64_t length;
    if (str_to_u64(http_header(request, "Content-Length"), &length) && length > 0) {
        bool fits = count_in_flight(request, length);
        if (!fits || !buf_reserve(&request->body, length)) {
            refuse(request, 503, "too many bodies are in flight; try again");
            return send_answer(request);
        }
    }
    return MHD_YES;
}

/* A body that came without a length is counted as it grows. */
static void take_bytes(struct http_request *request, const char *bytes, size_t size)
{
    if (request->refused)
        return;
    size_t after = request->body.len + size;
    if (after > request->httpd->settings.max_body) {
        request->refused = true;
        request->refusal = 413;
        request->refusal_reason = "the body is larger than receive.max_body";
    } else if (after > request->counted && !count_in_flight(request, after - request->counted)) {
        request->refused = true;
        request->refusal = 503;
        request->refusal_reason = "too many bodies are in flight; try again";
    } else {
        buf_add(&request->body, bytes, size);
    }
    if (request->refused)
        buf_fini(&request->body);
}

static enum MHD_Result finish(struct http_request *request)
{
    struct httpd *httpd = request->httpd;
    httpd_deadline(request->connection, 0);
    if (!request->finished) {
        request->finished = true;
        if (buf_failed(&request->body)) {
            request->refused = true;
            request->refusal = 503;
            request->refusal_reason = "memory is short; try again";
        }
        if (request->refused)
            refuse(request, request->refusal, request->refusal_reason);
        else
            httpd->settings.finish(request, httpd->settings.ctx);
    }
    pthread_mutex_lock(&request->mutex);
    bool answered = request->answered;
    if (!answered) {
        request->suspended = true;
        MHD_suspend_connection(request->mhd);
    }
    pthread_mutex_unlock(&request->mutex);
    return answered ? send_answer(request) : MHD_YES;
}

static enum MHD_Result handle(void *ctx, struct MHD_Connection *mhd, const char *url,
                              const char *method, const char *version, const char *bytes,
                              size_t *size, void **con_cls)
{
    struct http_request *request = *con_cls;
    if (!request) {
        request = new_request(ctx, mhd, url, method);
        *con_cls = request;
        return request ? begin(request, version) : MHD_NO;
    }
    if (*size) {
        take_bytes(request, bytes, *size);
        *size = 0;
        return MHD_YES;
    }
    return finish(request);
}

static void completed(void *ctx, struct MHD_Connection *mhd, void **con_cls,
                      enum MHD_RequestTerminationCode code)
{
    struct httpd *httpd = ctx;
    struct http_request *request = *con_cls;
    (void)mhd, (void)code;
    if (!request)
        return;
    httpd_deadline(request->connection, clock_mono_ns() + httpd->settings.idle_deadline_ns);
    httpd->settings.budget->in_flight -= request->counted;
    if (request->response)
        MHD_destroy_response(request->response);
    buf_fini(&request->body);
    pthread_mutex_destroy(&request->mutex);
    free(request);
    *con_cls = NULL;
    httpd->n_requests--;
}

/* ---- connections ---- */

static enum MHD_Result accept_policy(void *ctx, const struct sockaddr *address, socklen_t length)
{
    struct httpd *httpd = ctx;
    (void)address, (void)length;
    return httpd->settings.budget->n_connections < httpd->settings.budget->max_connections ? MHD_YES
                                                                                           : MHD_NO;
}

static void connection_changed(void *ctx, struct MHD_Connection *mhd, void **socket_context,
                               enum MHD_ConnectionNotificationCode code)
{
    struct httpd *httpd = ctx;
    struct connection *connection = *socket_context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *info =
            MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        httpd->settings.budget->n_connections++;
        connection = calloc(1, sizeof(*connection));
        *socket_context = connection;
        if (!connection)
            return;
        connection->httpd = httpd;
        connection->fd = info ? info->connect_fd : -1;
        connection->deadline_ns = clock_mono_ns() + httpd->settings.head_deadline_ns;
        pthread_mutex_lock(&httpd->mutex);
        connection->next = httpd->connections;
        if (connection->next)
            connection->next->prev = connection;
        httpd->connections = connection;
        pthread_mutex_unlock(&httpd->mutex);
        return;
    }
    httpd->settings.budget->n_connections--;
    if (!connection)
        return;
    pthread_mutex_lock(&httpd->mutex);
    if (connection->prev)
        connection->prev->next = connection->next;
    else
        httpd->connections = connection->next;
    if (connection->next)
        connection->next->prev = connection->prev;
    pthread_mutex_unlock(&httpd->mutex);
    free(connection);
    *socket_context = NULL;
}

/* ---- listening ---- */

static int listen_unix(struct httpd *httpd, const char *path, struct err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(address.sun_path))
        return err_set(err, ERR_INVALID, "unix:%s: the path is too long", path);
    strcpy(address.sun_path, path);
    httpd->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unlink(path);
    if (httpd->listen_fd < 0 ||
        bind(httpd->listen_fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        listen(httpd->listen_fd, BACKLOG) != 0)
        return err_set(err, ERR_IO, "unix:%s: cannot listen: %s", path, strerror(errno));
    httpd->unix_path = strdup(path);
    snprintf(httpd->address, sizeof(httpd->address), "unix:%s", path);
    return 0;
}

static void name_address(struct httpd *httpd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof(address);
    char host[64], port[8];
    if (getsockname(httpd->listen_fd, (struct sockaddr *)&address, &length) != 0 ||
        getnameinfo((struct sockaddr *)&address, length, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    snprintf(httpd->address, sizeof(httpd->address),
             address.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static int bind_one(struct httpd *httpd, const struct addrinfo *info)
{
    int one = 1;
    httpd->listen_fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (httpd->listen_fd < 0)
        return -1;
    setsockopt(httpd->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(httpd->listen_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return bind(httpd->listen_fd, info->ai_addr, info->ai_addrlen) == 0
               ? listen(httpd->listen_fd, BACKLOG)
               : -1;
}

static int listen_tcp(struct httpd *httpd, const char *listen_address, struct err *err)
{
    char host[128];
    const char *colon = strrchr(listen_address, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV},
                    *info = NULL;
    if (!colon || (size_t)(colon - listen_address) >= sizeof(host))
        return err_set(err, ERR_INVALID, "%s: an address is host:port", listen_address);
    bool bracketed = listen_address[0] == '[';
    snprintf(host, sizeof(host), "%.*s", (int)(colon - listen_address) - 2 * bracketed,
             listen_address + bracketed);
    int code = getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &info);
    if (code)
        return err_set(err, ERR_IO, "%s: %s", listen_address, gai_strerror(code));
    code = bind_one(httpd, info);
    int reason = errno;
    freeaddrinfo(info);
    if (code)
        return err_set(err, ERR_IO, "%s: cannot listen: %s", listen_address, strerror(reason));
    name_address(httpd);
    return 0;
}

static int start_daemon(struct httpd *httpd, struct err *err)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC;
    unsigned threads = httpd->settings.threads > 1 ? httpd->settings.threads : 0;
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_LISTEN_SOCKET, httpd->listen_fd, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)POOL_BYTES, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, httpd->settings.budget->max_connections + 16, NULL},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)completed, httpd},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)connection_changed, httpd},
        {MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
        {threads ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    httpd->daemon = MHD_start_daemon(flags, 0, accept_policy, httpd, handle, httpd,
                                     MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    return httpd->daemon
               ? 0
               : err_set(err, ERR_IO, "%s: the server cannot start", httpd->settings.listen);
}

int httpd_start(const struct httpd_settings *settings, struct httpd **result, struct err *err)
{
    struct httpd *httpd = calloc(1, sizeof(*httpd));
    if (!httpd)
        return err_set(err, ERR_BUSY, "memory is short");
    httpd->settings = *settings;
    httpd->listen_fd = -1;
    bool local = strncmp(settings->listen, "unix:", 5) == 0;
    if ((local ? listen_unix(httpd, settings->listen + 5, err)
               : listen_tcp(httpd, settings->listen, err)) ||
        httpd_reaper_start(httpd, err) || start_daemon(httpd, err)) {
        httpd_stop(httpd);
        return err->code;
    }
    *result = httpd;
    return 0;
}

const char *httpd_address(const struct httpd *httpd)
{
    return httpd->address;
}

void httpd_drain(struct httpd *httpd, uint64_t timeout_ns)
{
    uint64_t until_ns = clock_mono_ns() + timeout_ns;
    httpd->draining = true;
    while (httpd->n_requests > 0 && clock_mono_ns() < until_ns)
        nanosleep(&(struct timespec){.tv_nsec = (long)DRAIN_STEP_NS}, NULL);
}

void httpd_stop(struct httpd *httpd)
{
    if (!httpd)
        return;
    if (httpd->daemon)
        MHD_stop_daemon(httpd->daemon);
    else if (httpd->listen_fd >= 0)
        close(httpd->listen_fd);
    httpd_reaper_stop(httpd);
    if (httpd->unix_path)
        unlink(httpd->unix_path);
    free(httpd->unix_path);
    free(httpd);
}

/* ---- what a handler asks ---- */

struct str http_method(const struct http_request *request)
{
    return str_of(request->method);
}

struct str http_path(const struct http_request *request)
{
    return str_of(request->path);
}

struct str http_header(const struct http_request *request, const char *name)
{
    return str_of(MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name));
}

struct str http_query(const struct http_request *request, const char *name)
{
    return str_of(MHD_lookup_connection_value(request->mhd, MHD_GET_ARGUMENT_KIND, name));
}

struct str http_body(const struct http_request *request)
{
    return buf_str(&request->body);
}

char *http_take_body(struct http_request *request, size_t *n)
{
    *n = 0;
    return buf_detach(&request->body, n);
}

struct str http_peer(const struct http_request *request)
{
    return str_of(request->peer);
}

uint64_t http_received_mono_ns(const struct http_request *request)
{
    return request->received_ns;
}

void *http_data(const struct http_request *request)
{
    return request->data;
}

void http_set_data(struct http_request *request, void *data)
{
    request->data = data;
}
