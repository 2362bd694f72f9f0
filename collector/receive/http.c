/* http.c - OTLP, access logs and Prometheus' remote write on 4318, Zipkin on 9411: paths and
 * content types. How each protocol words its answers: http_answers.c. */
#include "collector/receive/http.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "collector/base/clock.h"
#include "collector/base/tls.h"
#include "collector/decode/decode.h"
#include "collector/receive/cors.h"
#include "collector/receive/http_internal.h"

#define LOGS "/v1/access-logs"
#define REMOTE_WRITE "/api/v1/write"
#define LOG_KINDS "alb, nlb, apigw, nginx, haproxy, envoy_log"

/* ---- content types ---- */

static bool type_is(struct str type, const char *wanted)
{
    struct str name, parameters;
    str_cut(type, ';', &name, &parameters);
    return str_eq_nocase(str_trim(name), str_of(wanted));
}

bool wants_json(const struct http_request *request)
{
    return !type_is(http_header(request, "Content-Type"), PROTOBUF);
}

/* ---- paths ---- */

static bool path_is(const struct http_request *request, struct str path)
{
    struct str asked = http_path(request);
    if (asked.len == path.len + 1 && asked.p[path.len] == '/')
        asked.len--;
    return str_eq(asked, path);
}

bool is_for_remote_write(const struct http_request *request)
{
    return path_is(request, STR(REMOTE_WRITE));
}

bool is_for_logs(const struct http_request *request)
{
    struct str path = http_path(request);
    return str_starts(path, STR(LOGS)) &&
           (path.len == sizeof(LOGS) - 1 || path.p[sizeof(LOGS) - 1] == '/');
}

/* The kind of /v1/access-logs/{kind}; -1 when there is none of that name. */
static int kind_of_logs(const struct http_request *request)
{
    struct str kind = str_skip(http_path(request), sizeof(LOGS));
    if (kind.len && kind.p[kind.len - 1] == '/')
        kind.len--;
    int format = format_from_word(kind);
    return format >= 0 && format_is_lines((enum format)format) ? format : -1;
}

static int encoding_of(const struct http_request *request)
{
    struct str coding = str_trim(http_header(request, "Content-Encoding"));
    if (!coding.len || str_eq_nocase(coding, STR("identity")))
        return ENCODING_IDENTITY;
    if (str_eq_nocase(coding, STR("gzip")) || str_eq_nocase(coding, STR("x-gzip")))
        return ENCODING_GZIP;
    if (str_eq_nocase(coding, STR("deflate")))
        return ENCODING_DEFLATE;
    if (str_eq_nocase(coding, STR("snappy")))
        return ENCODING_SNAPPY;
    return str_eq_nocase(coding, STR("zstd")) ? ENCODING_ZSTD : -1;
}

/* ---- bodies ---- */

static void take(struct receiver *receiver, struct http_request *request, enum signal signal,
                 enum format format)
{
    struct exchange *exchange = calloc(1, sizeof(*exchange));
    size_t n;
    char *bytes = http_take_body(request, &n);
    if (!exchange || !bytes) {
        free(exchange);
        free(bytes);
        receiver_refuse(receiver, request, 503, "memory is short; try again");
        return;
    }
    struct content content = {(uint8_t)signal, (uint8_t)format, (uint8_t)encoding_of(request)};
    *exchange = (struct exchange){receiver, request, content};
    accept_body(receiver->settings.acceptor, content, TRANSPORT_HTTP, bytes, n, http_peer(request),
                receiver_answer, exchange);
}

/* ---- requests ---- */

/* The signal that an OTLP path takes, −1 for other paths. */
static int signal_of(const struct http_request *request)
{
    static const char *const paths[N_SIGNALS] = {"/v1/traces", "/v1/metrics", "/v1/logs"};
    for (int i = 0; i < N_SIGNALS; i++) {
        if (path_is(request, str_of(paths[i])))
            return i;
    }
    return -1;
}

static void answer_root(struct receiver *receiver, struct http_request *request)
{
    struct buf body;
    const char *found = atomic_load(&receiver->found_web);
    const char *web = found ? found : receiver->settings.web_address;
    buf_init(&body, 1024);
    buf_addf(&body, "faultline takes %s here; the page is at %s%s\n",
             receiver->protocol == OTLP
                 ? "OTLP over HTTP (POST /v1/traces, /v1/metrics, /v1/logs, protobuf or JSON), "
                   "access logs (POST " LOGS "/KIND, text) and Prometheus' remote write "
                   "(POST " REMOTE_WRITE ")"
             : receiver->settings.questions.begin
                 ? "Zipkin v2 spans (POST /api/v2/spans, JSON or protobuf) and answers Zipkin's "
                   "query API (GET /api/v2/traces)"
                 : "Zipkin v2 spans (POST /api/v2/spans, JSON or protobuf)",
             !web                                ? "web.listen"
             : tls_is_on(receiver->settings.tls) ? "https://"
                                                 : "http://",
             web ? web : "");
    httpd_answer(request, 200, TEXT, buf_str(&body), false);
    buf_fini(&body);
}

static void wrong_method(struct receiver *receiver, struct http_request *request, const char *allow)
{
    http_add_header(request, "Allow", allow);
    receiver_refuse(receiver, request, 405, "this path takes another method");
}

/* True when the sender may ask; else it was answered. */
static bool may_ask(struct receiver *receiver, struct http_request *request)
{
    switch (
        auth_check(receiver->settings.auth, http_header(request, "Authorization"), AUTH_INGEST)) {
    case AUTH_GOOD:
        return true;
    case AUTH_FORBIDDEN:
        receiver_refuse(receiver, request, 403,
                        "this token may not send; it needs the role ingest");
        return false;
    default:
        http_add_header(request, "WWW-Authenticate", "Bearer realm=\"faultline\"");
        receiver_refuse(receiver, request, 401,
                        http_header(request, "Authorization").len ? TOKEN_UNKNOWN : TOKEN_MISSING);
        return false;
    }
}

/* Before the body is read: everything that the head alone decides. */
static int check_post(struct receiver *receiver, struct http_request *request)
{
    const char *word =
        receiver->settings.not_ready ? receiver->settings.not_ready(receiver->settings.ctx) : "";
    int encoding = encoding_of(request);
    bool series = is_for_remote_write(request);
    if (series && encoding != ENCODING_SNAPPY) {
        receiver_refuse(receiver, request, 415, "Content-Encoding must be snappy");
        return 1;
    }
    if (!series && (encoding == ENCODING_SNAPPY || encoding < 0)) {
        receiver_refuse(receiver, request, 415,
                        "Content-Encoding may be gzip, deflate, zstd or identity");
        return 1;
    }
    if (word[0]) {
        char reason[100];
        snprintf(reason, sizeof(reason), "the collector takes nothing now: %s", word);
        receiver_refuse(receiver, request, 503, reason);
        return 1;
    }
    return 0;
}

static int begin_logs(struct receiver *receiver, struct http_request *request)
{
    if (kind_of_logs(request) < 0)
        receiver_refuse(receiver, request, 404,
                        "this port takes POST " LOGS "/KIND; KIND is " LOG_KINDS);
    else if (!str_eq(http_method(request), STR("POST")))
        wrong_method(receiver, request, "POST");
    else if (!type_is(http_header(request, "Content-Type"), "text/plain"))
        receiver_refuse(receiver, request, 415,
                        "Content-Type must be text/plain, one entry a line");
    else
        return check_post(receiver, request);
    return 1;
}

/* A preflight asks without a token, and its page learns nothing but that it may not: here it is
 * said why. */
static void refuse_origin(struct receiver *receiver, struct http_request *request)
{
    receiver_refuse_with(
        receiver, request, 403, http_header(request, "Origin"),
        "a page of this origin may not send: it is not in receive.otlp_http.cors_origins");
}

/* A parameter `proto` names the message; without it is 1.0's. */
static bool is_write_request(struct str type)
{
    struct str name, parameters, key, value;
    str_cut(type, ';', &name, &parameters);
    bool good = str_eq_nocase(str_trim(name), STR(PROTOBUF));
    while (good && parameters.len) {
        str_cut(parameters, ';', &name, &parameters);
        if (str_cut(name, '=', &key, &value) && str_eq_nocase(str_trim(key), STR("proto")))
            good = str_eq(str_trim(value), STR("prometheus.WriteRequest"));
    }
    return good;
}

static int begin_remote_write(struct receiver *receiver, struct http_request *request)
{
    if (!str_eq(http_method(request), STR("POST")))
        wrong_method(receiver, request, "POST");
    else if (!is_write_request(http_header(request, "Content-Type")))
        receiver_refuse(receiver, request, 415,
                        "Content-Type must be application/x-protobuf, of remote write 1.0 "
                        "(protobuf_message: prometheus.WriteRequest)");
    else
        return check_post(receiver, request);
    return 1;
}

static int begin_otlp(struct receiver *receiver, struct http_request *request)
{
    bool known = signal_of(request) >= 0;
    struct str method = http_method(request), type = http_header(request, "Content-Type");
    enum cors cors = cors_begin(request, receiver->settings.cors_origins);
    if (cors == CORS_PREFLIGHT && known) {
        cors_answer_preflight(request);
        return 1;
    }
    if (cors == CORS_REFUSED && known && cors_is_preflight(request)) {
        refuse_origin(receiver, request);
        return 1;
    }
    bool get = str_eq(method, STR("GET")) || str_eq(method, STR("HEAD"));
    if (!may_ask(receiver, request))
        return 1;
    if (path_is(request, STR("/")) && get)
        answer_root(receiver, request);
    else if (is_for_logs(request))
        return begin_logs(receiver, request);
    else if (is_for_remote_write(request))
        return begin_remote_write(receiver, request);
    else if (!known)
        receiver_refuse_with(
            receiver, request, 404, http_path(request),
            path_is(request, STR("/api/v2/spans"))
                ? "Zipkin spans go to receive.zipkin.listen (9411)"
                : "this port takes POST /v1/traces, /v1/metrics and /v1/logs; the sender's "
                  "endpoint may lack the path, or have it twice");
    else if (!str_eq(method, STR("POST")))
        wrong_method(receiver, request, "POST");
    else if (!type_is(type, PROTOBUF) && !type_is(type, JSON))
        receiver_refuse_with(receiver, request, 415, type,
                             "Content-Type must be application/x-protobuf or application/json");
    else
        return check_post(receiver, request);
    return 1;
}

/* A question on Zipkin's port: as begin() of receiver_questions. */
static int begin_question(const struct receiver *receiver, struct http_request *request)
{
    const struct receiver_questions *questions = &receiver->settings.questions;
    return questions->begin ? questions->begin(request, questions->ctx) : -1;
}

/* As Zipkin's server has it: the whole, and below it the part that is down. */
static void answer_health(const struct receiver_settings *settings, struct http_request *request)
{
    const char *stuck = settings->unhealthy ? settings->unhealthy(settings->ctx) : "";
    char text[160], details[64] = "";
    if (stuck[0])
        snprintf(details, sizeof(details), "\"%s\":{\"status\":\"DOWN\"}", stuck);
    snprintf(text, sizeof(text),
             "{\"status\":\"%s\",\"zipkin\":{\"status\":\"%s\",\"details\":{%s}}}",
             stuck[0] ? "DOWN" : "UP", stuck[0] ? "DOWN" : "UP", details);
    httpd_answer(request, stuck[0] ? 503 : 200, JSON, str_of(text), false);
}

static int begin_zipkin(struct receiver *receiver, struct http_request *request)
{
    struct str method = http_method(request), type = http_header(request, "Content-Type");
    bool get = str_eq(method, STR("GET")) || str_eq(method, STR("HEAD"));
    int question = begin_question(receiver, request);
    if (question >= 0)
        return question;
    if (path_is(request, STR("/health")) && get)
        answer_health(&receiver->settings, request);
    else if (path_is(request, STR("/health")))
        wrong_method(receiver, request, "GET, HEAD");
    else if (!may_ask(receiver, request))
        return 1;
    else if (path_is(request, STR("/")) && get)
        answer_root(receiver, request);
    else if (path_is(request, STR("/api/v1/spans")))
        receiver_refuse(receiver, request, 404, "Zipkin v1 is not taken; send v2 to /api/v2/spans");
    else if (!path_is(request, STR("/api/v2/spans")))
        receiver_refuse_with(receiver, request, 404, http_path(request),
                             str_starts(http_path(request), STR("/v1/"))
                                 ? "OTLP goes to receive.otlp_http.listen (4318)"
                                 : "this port takes POST /api/v2/spans");
    else if (!str_eq(method, STR("POST")))
        wrong_method(receiver, request,
                     receiver->settings.questions.begin ? "GET, HEAD, POST" : "POST");
    else if (type.len && !type_is(type, JSON) && !type_is(type, PROTOBUF))
        receiver_refuse_with(receiver, request, 415, type,
                             "Content-Type must be application/json or application/x-protobuf");
    else
        return check_post(receiver, request);
    return 1;
}

static int begin(struct http_request *request, void *ctx)
{
    struct receiver *receiver = ctx;
    return receiver->protocol == OTLP ? begin_otlp(receiver, request)
                                      : begin_zipkin(receiver, request);
}

static void finish(struct http_request *request, void *ctx)
{
    struct receiver *receiver = ctx;
    bool json = wants_json(request);
    if (!str_eq(http_method(request), STR("POST"))) /* else it was answered by its head */
        receiver->settings.questions.answer(request, receiver->settings.questions.ctx);
    else if (receiver->protocol == ZIPKIN)
        take(receiver, request, SIGNAL_TRACES, json ? FORMAT_ZIPKIN_JSON : FORMAT_ZIPKIN_PB);
    else if (is_for_logs(request))
        take(receiver, request, SIGNAL_TRACES, (enum format)kind_of_logs(request));
    else if (is_for_remote_write(request))
        take(receiver, request, SIGNAL_METRICS, FORMAT_REMOTE_WRITE);
    else
        take(receiver, request, (enum signal)signal_of(request),
             json ? FORMAT_OTLP_JSON : FORMAT_OTLP_PB);
}

/* ---- life ---- */

static int start(const struct receiver_settings *settings, enum protocol protocol,
                 struct receiver **result, struct err *err)
{
    struct receiver *receiver = calloc(1, sizeof(*receiver));
    if (!receiver)
        return err_set(err, ERR_BUSY, "memory is short");
    receiver->settings = *settings;
    receiver->settings.web_address = receiver->web =
        settings->web_address ? strdup(settings->web_address) : NULL;
    receiver->protocol = protocol;
    struct httpd_settings httpd = {
        .listen = settings->listen,
        .budget = settings->budget,
        .tls = settings->tls,
        .max_body = settings->max_body,
        .head_deadline_ns = 10 * NS_PER_S,
        .body_deadline_ns = 30 * NS_PER_S,
        .body_deadline_ns_per_mib = NS_PER_S,
        .idle_deadline_ns = 60 * NS_PER_S,
        .threads = 1,
        .begin = begin,
        .finish = finish,
        .refuse = receiver_word_refusal,
        .stranger = receiver_stranger,
        .ctx = receiver,
    };
    if (httpd_start(&httpd, &receiver->httpd, err)) {
        free(receiver->web);
        free(receiver);
        return err->code;
    }
    *result = receiver;
    return 0;
}

int receiver_otlp_http_start(const struct receiver_settings *settings, struct receiver **receiver,
                             struct err *err)
{
    return start(settings, OTLP, receiver, err);
}

int receiver_zipkin_start(const struct receiver_settings *settings, struct receiver **receiver,
                          struct err *err)
{
    return start(settings, ZIPKIN, receiver, err);
}

const char *receiver_address(const struct receiver *receiver)
{
    return httpd_address(receiver->httpd);
}

void receiver_tell_web(struct receiver *receiver, const char *address)
{
    char *none = NULL, *copy = strdup(address);
    if (copy && !atomic_compare_exchange_strong(&receiver->found_web, &none, copy))
        free(copy);
}

void receiver_take_no_more(struct receiver *receiver)
{
    httpd_take_no_more(receiver->httpd);
}

void receiver_drain(struct receiver *receiver, uint64_t until_ns)
{
    httpd_drain(receiver->httpd, until_ns);
}

void receiver_stop(struct receiver *receiver)
{
    httpd_stop(receiver->httpd);
    free(receiver->found_web);
    free(receiver->web);
    free(receiver);
}
