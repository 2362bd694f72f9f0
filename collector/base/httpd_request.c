/* httpd_request.c - a request for its handler, and the answer as bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/httpd_internal.h"

#define SMALL_ANSWER ((size_t)64 << 10) /* is not counted: sockets hold as much */
#define ANSWER_HEAD_BYTES 4096
#define PIECE_BYTES ((size_t)64 << 10) /* of a file */
#define NO_BODY UINT64_MAX

struct http_request *request_new(struct connection *connection, struct str head, unsigned *status)
{
    struct httpd *httpd = connection->loop->httpd;
    struct http_request *request = malloc(sizeof(*request) + 2 * head.len + 1);
    if (!request)
        return NULL;
    /* All but the tables of the head, which say themselves how much of them is used. */
    memset(request, 0, offsetof(struct http_request, head));
    memset((char *)request + offsetof(struct http_request, body), 0,
           sizeof(*request) - offsetof(struct http_request, body));
    request->httpd = httpd;
    request->file = -1;
    request->connection = connection;
    request->received_ns = clock_mono_ns();
    buf_init(&request->body, httpd->settings.max_body);
    char *copy = (char *)(request + 1);
    memcpy(copy, head.p, head.len);
    *status = http_head_read((struct str){copy, head.len}, copy + head.len, &request->head);
    httpd->n_requests++;
    return request;
}

void request_free(struct http_request *request)
{
    struct httpd_budget *budget = request->httpd->settings.budget;
    budget->in_flight -= request->counted;
    budget->answers -= request->counted_answer;
    request->httpd->n_requests--;
    buf_fini(&request->body);
    free(request->answer);
    if (request->file >= 0)
        close(request->file);
    free(request);
}

bool request_count(struct http_request *request, size_t size)
{
    struct httpd_budget *budget = request->httpd->settings.budget;
    size_t before = atomic_fetch_add(&budget->in_flight, size);
    request->counted += size;
    return before + size <= budget->max_in_flight || before == 0;
}

/* ---- what a handler asks ---- */

struct str http_method(const struct http_request *request)
{
    return request->head.method;
}

struct str http_path(const struct http_request *request)
{
    return request->head.path;
}

struct str http_header(const struct http_request *request, const char *name)
{
    return http_head_get(&request->head, str_of(name));
}

struct str http_query_nth(const struct http_request *request, const char *name, unsigned n)
{
    const struct http_head *head = &request->head;
    for (unsigned i = 0; i < head->n_parameters; i++) {
        if (str_eq(head->parameters[i].name, str_of(name)) && n-- == 0)
            return head->parameters[i].value;
    }
    return STR_NONE;
}

struct str http_query(const struct http_request *request, const char *name)
{
    return http_query_nth(request, name, 0);
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
    return str_of(request->connection->peer);
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

/* ---- answers ---- */

void http_add_header(struct http_request *request, const char *name, const char *value)
{
    unsigned at = 0;
    while (at < request->n_headers && strcmp(request->headers[at].name, name) != 0)
        at++;
    if (at == MAX_ANSWER_HEADERS)
        return;
    snprintf(request->headers[at].name, sizeof(request->headers[0].name), "%s", name);
    snprintf(request->headers[at].value, sizeof(request->headers[0].value), "%s", value);
    request->n_headers += at == request->n_headers;
}

static const char *phrase(unsigned status)
{
    static const struct {
        unsigned status;
        const char *phrase;
    } phrases[] = {{200, "OK"},
                   {202, "Accepted"},
                   {204, "No Content"},
                   {304, "Not Modified"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {408, "Request Timeout"},
                   {413, "Content Too Large"},
                   {415, "Unsupported Media Type"},
                   {417, "Expectation Failed"},
                   {421, "Misdirected Request"},
                   {429, "Too Many Requests"},
                   {431, "Request Header Fields Too Large"},
                   {500, "Internal Server Error"},
                   {501, "Not Implemented"},
                   {503, "Service Unavailable"},
                   {505, "HTTP Version Not Supported"}};
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        if (phrases[i].status == status)
            return phrases[i].phrase;
    }
    return "Answer";
}

/* The time as HTTP writes it, made once a second and thread. */
static const char *date(void)
{
    static __thread char text[40];
    static __thread time_t of;
    time_t now = (time_t)(clock_wall_ns() / NS_PER_S);
    struct tm parts;
    if (now != of || !text[0]) {
        gmtime_r(&now, &parts);
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &parts);
        of = now;
    }
    return text;
}

static void write_head(struct http_request *request, unsigned status, const char *content_type,
                       uint64_t length, struct buf *out)
{
    buf_addf(out, "HTTP/1.1 %u %s\r\nDate: %s\r\n", status, phrase(status), date());
    if (content_type)
        buf_addf(out, "Content-Type: %s\r\n", content_type);
    buf_add_c(out, "X-Content-Type-Options: nosniff\r\n");
    for (unsigned i = 0; i < request->n_headers; i++)
        buf_addf(out, "%s: %s\r\n", request->headers[i].name, request->headers[i].value);
    if (length != NO_BODY)
        buf_addf(out, "Content-Length: %llu\r\n", (unsigned long long)length);
    buf_addf(out, "Connection: %s\r\n\r\n", request->close ? "close" : "keep-alive");
}

static void write_answer(struct http_request *request, unsigned status, const char *content_type,
                         struct str body, struct buf *out)
{
    bool no_body = status == 204 || status == 304 || status < 200;
    write_head(request, status, content_type, no_body ? NO_BODY : body.len, out);
    if (!no_body && !str_eq(request->head.method, STR("HEAD")))
        buf_add_str(out, body);
}

/* False when too much waits for slow readers already. */
static bool count_answer(struct http_request *request)
{
    struct httpd_budget *budget = request->httpd->settings.budget;
    if (request->n_answer <= SMALL_ANSWER)
        return true;
    request->counted_answer = request->n_answer;
    size_t before = atomic_fetch_add(&budget->answers, request->n_answer);
    return before == 0 || before + request->n_answer <= budget->max_in_flight;
}

static void make_answer(struct http_request *request, unsigned status, const char *content_type,
                        struct str body)
{
    struct buf out;
    buf_init(&out, ANSWER_HEAD_BYTES + body.len);
    if (buf_reserve(&out, ANSWER_HEAD_BYTES / 4 + body.len))
        write_answer(request, status, content_type, body, &out);
    free(request->answer);
    request->answer = NULL;
    request->n_answer = 0;
    if (!buf_failed(&out))
        request->answer = buf_detach(&out, &request->n_answer);
    buf_fini(&out);
}

/* To the thread of its connection, which sends it. */
static void hand_over(struct loop *loop, struct http_request *request)
{
    if (loop_of_thread == loop) {
        request->answered = true;
        return;
    }
    pthread_mutex_lock(&loop->mutex);
    bool first = !loop->answered;
    request->next_answered = loop->answered;
    loop->answered = request;
    if (first)
        loop_wake(loop);
    pthread_mutex_unlock(&loop->mutex);
}

/* Is the connection to end with the answer? */
static bool ends(const struct http_request *request)
{
    return request->unread || !request->head.keep_alive || atomic_load(&request->httpd->draining);
}

static void send_answer(struct http_request *request)
{
    struct httpd *httpd = request->httpd;
    bool worked = request->works; /* once it is handed over, the request may be gone */
    request->works = false;
    hand_over(request->connection->loop, request);
    if (worked)
        httpd->n_working--;
}

void httpd_answer(struct http_request *request, unsigned status, const char *content_type,
                  struct str body, bool close)
{
    request->close = close || ends(request);
    make_answer(request, status, content_type, body);
    if (!count_answer(request)) {
        request->n_headers = 0;
        http_add_header(request, "Retry-After", "5");
        make_answer(request, 503, "text/plain; charset=utf-8",
                    STR("too many answers wait for slow readers; try again\n"));
    }
    send_answer(request);
}

void httpd_answer_file(struct http_request *request, const char *content_type, int fd)
{
    struct stat info;
    struct buf head;
    request->file = fd;
    request->close = ends(request);
    buf_init(&head, PIECE_BYTES);
    if (fstat(fd, &info) == 0 && buf_reserve(&head, PIECE_BYTES)) {
        write_head(request, 200, content_type, (uint64_t)info.st_size, &head);
        if (!str_eq(request->head.method, STR("HEAD")))
            request->file_left = (uint64_t)info.st_size;
        request->answer = buf_detach(&head, &request->n_answer);
    }
    buf_fini(&head);
    send_answer(request); /* without an answer the connection ends */
}

bool request_next_piece(struct http_request *request)
{
    size_t n = request->file_left < PIECE_BYTES ? (size_t)request->file_left : PIECE_BYTES;
    ssize_t got = read(request->file, request->answer, n);
    if (got <= 0)
        return false;
    request->file_left -= (uint64_t)got;
    request->n_answer = (size_t)got;
    request->n_sent = 0;
    return true;
}

void request_refuse(struct http_request *request, unsigned status, const char *reason)
{
    const struct httpd_settings *settings = &request->httpd->settings;
    struct buf body;
    const char *content_type = "text/plain; charset=utf-8";
    buf_init(&body, 4096);
    if (settings->refuse)
        settings->refuse(request, status, reason, &body, &content_type, settings->ctx);
    else
        buf_addf(&body, "%s\n", reason);
    if (status == 503)
        http_add_header(request, "Retry-After", "1");
    httpd_answer(request, status, content_type, buf_str(&body), true);
    buf_fini(&body);
}
