/* http_answers.c - how each protocol of 4318 and 9411 words what became of a request: refused as it
 * came, or accepted or not once its body is on disk.
 */
#include <stdlib.h>

#include "collector/receive/cors.h"
#include "collector/receive/http_internal.h"
#include "collector/receive/otlp_answer.h"

static void count_request(unsigned status)
{
    accept_count_request(TRANSPORT_HTTP, status);
}

/* ---- refusals ---- */

static unsigned grpc_code(unsigned status)
{
    switch (status) {
    case 400:
    case 431:
        return 3; /* INVALID_ARGUMENT */
    case 413:
        return 8; /* RESOURCE_EXHAUSTED */
    case 401:
        return 16; /* UNAUTHENTICATED */
    case 403:
        return 7; /* PERMISSION_DENIED */
    case 404:
    case 405:
    case 415:
        return 12; /* UNIMPLEMENTED */
    default:
        return 14; /* UNAVAILABLE */
    }
}

void receiver_stranger(const char *peer, const char *reason, void *ctx)
{
    struct receiver *receiver = ctx;
    accept_refused(receiver->settings.acceptor, TRANSPORT_HTTP, 0,
                   receiver->protocol == OTLP ? "otlp" : "zipkin", 0, str_of(peer), reason);
}

void receiver_word_refusal(struct http_request *request, unsigned status, const char *reason,
                           struct buf *body, const char **content_type, void *ctx)
{
    struct receiver *receiver = ctx;
    if (status == 505)
        reason = "this port takes HTTP/1.1; gRPC goes to receive.otlp_grpc.listen (4317)";
    bool logs = is_for_logs(request), series = is_for_remote_write(request);
    /* Who writes remotely logs the first line of the body as text, and so do senders of logs: a
     * Status would tell them nothing. */
    bool otlp = receiver->protocol == OTLP && !logs && !series;
    if (receiver->protocol == OTLP) /* the server refuses before begin_otlp() sees the request */
        cors_begin(request, receiver->settings.cors_origins);
    bool typed =
        str_eq(http_method(request), STR("POST")) || http_header(request, "Content-Type").len > 0;
    if (otlp && typed) {
        bool json = wants_json(request);
        otlp_write_status(body, json, grpc_code(status), reason);
        *content_type = json ? JSON : PROTOBUF;
    } else {
        buf_addf(body, "%s\n", reason);
        *content_type = TEXT;
    }
    count_request(status);
    accept_refused(receiver->settings.acceptor, TRANSPORT_HTTP, status,
                   otlp     ? "otlp"
                   : logs   ? "access_log"
                   : series ? format_word(FORMAT_REMOTE_WRITE)
                            : "zipkin",
                   0, http_peer(request), reason);
}

void receiver_refuse(struct receiver *receiver, struct http_request *request, unsigned status,
                     const char *reason)
{
    struct buf body;
    const char *content_type;
    buf_init(&body, 4096);
    receiver_word_refusal(request, status, reason, &body, &content_type, receiver);
    if (status == 503 || status == 429)
        http_add_header(request, "Retry-After", "1");
    httpd_answer(request, status, content_type, buf_str(&body), status == 413);
    buf_fini(&body);
}

/* The same, with what came before the reason. */
void receiver_refuse_with(struct receiver *receiver, struct http_request *request, unsigned status,
                          struct str came, const char *reason)
{
    char text[ACCEPT_REASON];
    accept_reason(text, came, reason);
    receiver_refuse(receiver, request, status, text);
}

/* ---- the good answers ---- */

static bool is_otlp(enum format format)
{
    return format == FORMAT_OTLP_PB || format == FORMAT_OTLP_JSON;
}

/* Zipkin's, those of access logs and of remote write have no body. */
static void answer_empty(struct exchange *exchange, unsigned status)
{
    count_request(status);
    httpd_answer(exchange->request, status, NULL, STR_NONE, false);
}

/* Remote write has no partial success: 400 says that some samples are bad, and that none need be
 * sent again (formats: remote write). */
static void answer_partly(struct exchange *exchange, const struct acceptance *acceptance)
{
    struct buf body;
    buf_init(&body, 4096);
    buf_addf(&body, "%u of %u samples were rejected, the others are kept; %s\n",
             acceptance->n_rejected, acceptance->n_records, acceptance->first_reason);
    count_request(400);
    httpd_answer(exchange->request, 400, TEXT, buf_str(&body), false);
    buf_fini(&body);
}

static void answer_good(struct exchange *exchange, const struct acceptance *acceptance)
{
    bool json = exchange->content.format == FORMAT_OTLP_JSON;
    struct buf body;
    if (exchange->content.format == FORMAT_REMOTE_WRITE && acceptance->n_rejected) {
        answer_partly(exchange, acceptance);
        return;
    }
    if (!is_otlp((enum format)exchange->content.format)) {
        answer_empty(exchange, exchange->receiver->protocol == ZIPKIN ? 202 : 204);
        return;
    }
    buf_init(&body, 4096);
    otlp_write_answer(&body, (enum signal)exchange->content.signal, json, acceptance);
    count_request(200);
    httpd_answer(exchange->request, 200, json ? JSON : PROTOBUF, buf_str(&body), false);
    buf_fini(&body);
}

static unsigned status_of(enum err_code code)
{
    switch (code) {
    case ERR_INVALID:
        return 400;
    case ERR_UNSUPPORTED:
        return 415;
    case ERR_TOO_BIG:
        return 413;
    default:
        return 503;
    }
}

static void answer_refusal(struct exchange *exchange, const struct err *err)
{
    bool otlp = is_otlp(exchange->content.format),
         json = exchange->content.format == FORMAT_OTLP_JSON;
    unsigned status = status_of(err->code);
    struct buf body;
    buf_init(&body, 4096);
    if (otlp)
        otlp_write_status(&body, json, grpc_code(status), err->text);
    else
        buf_addf(&body, "%s\n", err->text);
    if (status == 503)
        http_add_header(exchange->request, "Retry-After", err->code == ERR_IO ? "5" : "1");
    count_request(status);
    httpd_answer(exchange->request, status,
                 !otlp  ? TEXT
                 : json ? JSON
                        : PROTOBUF,
                 buf_str(&body), false);
    buf_fini(&body);
}

void receiver_answer(const struct acceptance *acceptance, void *ctx)
{
    struct exchange *exchange = ctx;
    if (acceptance->err.code)
        answer_refusal(exchange, &acceptance->err);
    else
        answer_good(exchange, acceptance);
    free(exchange);
}
