/* replay_send.c - one request a piece. */
#include "collector/command/replay_send.h"

#include <stdio.h>
#include <stdlib.h>

#include "collector/base/client.h"
#include "collector/base/clock.h"
#include "collector/base/json.h"
#include "collector/base/url.h"
#include "collector/base/wire.h"
#include "collector/command/ask.h"
#include "collector/decode/decode.h"
#include "exporters/otlp.h"

#define MAX_PIECE ((size_t)512 << 20)
#define SEND_LIMIT_NS (120 * NS_PER_S)

struct sender {
    struct client *client;
    char *to;            /* without slashes at its end */
    uint32_t most_spans; /* what it takes in one request, as far as is known */
    bool no_zipkin;      /* it does not take Zipkin: that is another port */
};

struct sender *sender_new(const char *to)
{
    struct sender *sender = calloc(1, sizeof(*sender));
    if (!sender)
        return NULL;
    size_t n = strlen(to);
    while (n && to[n - 1] == '/')
        n--;
    sender->to = strndup(to, n);
    sender->most_spans = UINT32_MAX;
    sender->client = client_new(SEND_LIMIT_NS);
    if (sender->to && sender->client)
        return sender;
    sender_free(sender);
    return NULL;
}

void sender_free(struct sender *sender)
{
    if (!sender)
        return;
    client_free(sender->client);
    free(sender->to);
    free(sender);
}

static bool is_zipkin(struct content content)
{
    return content.format == FORMAT_ZIPKIN_JSON || content.format == FORMAT_ZIPKIN_PB;
}

/* What an answer says: the message of a google.rpc.Status, in the request's format, or its text. */
static struct str refusal_words(struct arena *arena, bool protobuf, struct str answer)
{
    if (!protobuf) {
        struct str message = tree_get(tree_read(arena, answer), "message")->text;
        return message.len ? message : answer;
    }
    struct wire wire = wire_of(answer);
    while (wire_next(&wire)) {
        if (wire.field == 2 && wire.type == WIRE_BYTES)
            return wire.bytes;
    }
    return answer;
}

static void word_refusal(const char *url, unsigned status, struct str words, struct err *err)
{
    int n = (int)(words.len < 200 ? words.len : 200);
    char shown[URL_SHOWN_BYTES];
    int code = status == 413 ? ERR_TOO_BIG : status == 404 ? ERR_UNSUPPORTED : ERR_IO;
    err_set(err, code, "%s answered %u: %.*s", url_shown(url, shown), status, n,
            words.p ? words.p : "");
}

/* ERR_TOO_BIG: the collector does not take that much at once; ERR_UNSUPPORTED: not this format. */
static int post(struct sender *sender, struct content content, struct str bytes, struct err *err)
{
    static const char *const paths[N_SIGNALS] = {"/v1/traces", "/v1/metrics", "/v1/logs"};
    char url[4096];
    unsigned status = 0;
    struct buf answer;
    struct arena arena;
    bool zipkin = is_zipkin(content);
    bool protobuf = content.format == FORMAT_OTLP_PB || content.format == FORMAT_ZIPKIN_PB;
    buf_init(&answer, 1u << 20);
    arena_init(&arena, 1u << 20);
    bool lines = format_is_lines((enum format)content.format);
    snprintf(url, sizeof(url), "%s%s%s", sender->to,
             lines    ? "/v1/access-logs/"
             : zipkin ? "/api/v2/spans"
                      : paths[content.signal],
             lines ? format_word(content.format) : "");
    struct client_request request = {
        .method = "POST",
        .url = url,
        .content_type = lines      ? "text/plain"
                        : protobuf ? "application/x-protobuf"
                                   : "application/json",
        .body = bytes,
    };
    if (client_send(sender->client, &request, &status, &answer, err) == 0 && status / 100 != 2)
        word_refusal(url, status, refusal_words(&arena, protobuf, buf_str(&answer)), err);
    arena_fini(&arena);
    buf_fini(&answer);
    return err->code;
}

static int post_spans(struct sender *sender, const struct batch *batch, uint32_t from, uint32_t n,
                      struct err *err)
{
    struct content content = {SIGNAL_TRACES, FORMAT_OTLP_JSON, ENCODING_IDENTITY};
    struct batch part = *batch;
    struct buf body;
    part.spans += from;
    part.n_spans = n;
    buf_init(&body, MAX_PIECE);
    otlp_json_write(&body, &part);
    if (buf_failed(&body))
        err_set(err, ERR_BUSY, "memory is short");
    else
        post(sender, content, buf_str(&body), err);
    buf_fini(&body);
    return err->code;
}

/* Spans by themselves, as many at once as the collector takes. Those that were refused stay here.
 */
static int post_as_otlp(struct sender *sender, const struct batch *batch, struct err *err)
{
    uint32_t n;
    for (uint32_t at = 0; at < batch->n_spans && !err->code; at += n) {
        uint32_t left = batch->n_spans - at;
        n = left < sender->most_spans ? left : sender->most_spans;
        if (post_spans(sender, batch, at, n, err) == ERR_TOO_BIG && n > 1) {
            sender->most_spans = n / 2;
            err->code = ERR_NONE;
            n = 0;
        }
    }
    return err->code;
}

/* No port takes Jaeger's JSON, the one of OTLP no Zipkin, and a document of OTLP may be larger than
 * a collector takes. */
int sender_send(struct sender *sender, struct content content, struct str bytes,
                const struct batch *batch, struct err *err)
{
    bool otlp = content.format == FORMAT_OTLP_JSON || content.format == FORMAT_OTLP_PB;
    if (content.format == FORMAT_JAEGER_JSON || (is_zipkin(content) && sender->no_zipkin))
        return post_as_otlp(sender, batch, err);
    int code = post(sender, content, bytes, err);
    bool parts = code == ERR_TOO_BIG && otlp && content.signal == SIGNAL_TRACES;
    bool elsewhere = code == ERR_UNSUPPORTED && is_zipkin(content);
    if (!parts && !elsewhere)
        return code;
    sender->no_zipkin = sender->no_zipkin || elsewhere;
    err->code = ERR_NONE;
    return post_as_otlp(sender, batch, err);
}

/* Where a collector flushes: its port for data says where its page is. Whoever may send may not be
 * one who may flush. */
int sender_flush(struct sender *sender, struct err *err)
{
    static const struct str mark = STR("page is at ");
    char url[4096];
    unsigned status = 0;
    struct buf answer, said;
    struct client_request ask = {.method = "GET", .url = url};
    struct client_request flush = {.method = "POST", .url = url};
    buf_init(&answer, 1u << 16);
    buf_init(&said, 1u << 16);
    snprintf(url, sizeof(url), "%s/", sender->to);
    client_send(sender->client, &ask, &status, &answer, err);
    struct str text = str_trim(buf_str(&answer));
    size_t at = 0;
    while (at < text.len && !str_starts(str_skip(text, at), mark))
        at++;
    struct str page = str_skip(text, at + mark.len);
    if (!err->code && status == 200 && str_starts(page, STR("http")) &&
        url_as_user(sender->to, page, "/-/flush", url, sizeof(url)) &&
        client_send(sender->client, &flush, &status, &said, err) == 0 && status / 100 != 2) {
        struct err own = {0};
        char shown[URL_SHOWN_BYTES];
        ask_refusal(status, &said, &own);
        fprintf(stderr, "faultline replay: all is sent, but not flushed: %s answered %u: %.200s\n",
                url_shown(url, shown), status, own.text);
    }
    buf_fini(&said);
    buf_fini(&answer);
    return err->code;
}
