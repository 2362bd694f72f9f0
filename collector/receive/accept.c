/* accept.c - decode, append, count, remember. */
#include "collector/receive/accept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/base/stats.h"
#include "collector/decode/decode.h"
#include "collector/model/ingest_stats.h"

static struct stat_family seconds_family =
    STAT_HISTOGRAM("faultline_ingest_seconds", "Time from the receipt of a body to its answer.");
static struct stat_family requests_family =
    STAT_COUNTER("faultline_ingest_requests_total",
                 "Requests to receivers, by the status they were answered with.");
static struct stat_family rejected_family =
    STAT_COUNTER("faultline_ingest_rejected_total", "Bodies and records refused, by reason.");

/* Records that are refused alone, by what they are: each has one thing that it cannot be without. A
 * log record whose ids are there, but cannot be read, counts as a span with such ids. */
enum record_kind { SPAN_RECORD, POINT_RECORD, LOG_RECORD, LINE_RECORD, N_RECORD_KINDS };

struct acceptor {
    struct accept_settings settings;
    struct stat_series *seconds, *cut_values, *cut_names, *dropped_attributes, *dropped_events,
        *dropped_links, *dropped_exemplars, *cleaned;
    struct stat_series *bad_records[N_RECORD_KINDS];
    struct stat_series *refused[ERR_NOT_FOUND + 1];
    struct stat_series *unauthorized, *slow;
};

/* What is known of a body until it is answered. */
struct pending {
    struct acceptor *acceptor;
    struct acceptance acceptance;
    struct tail_entry entry;
    uint64_t begun_ns;
    void (*done)(const struct acceptance *acceptance, void *ctx);
    void *ctx;
};

struct acceptor *accept_new(const struct accept_settings *settings)
{
    static const char *const reasons[ERR_NOT_FOUND + 1] = {[ERR_INVALID] = "invalid",
                                                           [ERR_UNSUPPORTED] = "unsupported",
                                                           [ERR_TOO_BIG] = "too_big",
                                                           [ERR_BUSY] = "busy",
                                                           [ERR_IO] = "disk"};
    static const char *const of_records[N_RECORD_KINDS] = {[SPAN_RECORD] = "bad_id",
                                                           [POINT_RECORD] = "bad_point",
                                                           [LOG_RECORD] = "no_trace_id",
                                                           [LINE_RECORD] = "bad_entry"};
    struct acceptor *acceptor = calloc(1, sizeof(*acceptor));
    if (!acceptor)
        return NULL;
    acceptor->settings = *settings;
    acceptor->seconds = stat_get(&seconds_family, NULL);
    for (int i = 0; i < N_RECORD_KINDS; i++)
        acceptor->bad_records[i] = stat_get(&rejected_family, "reason", of_records[i], NULL);
    for (int i = ERR_INVALID; i <= ERR_IO; i++)
        acceptor->refused[i] = stat_get(&rejected_family, "reason", reasons[i], NULL);
    acceptor->unauthorized = stat_get(&rejected_family, "reason", "unauthorized", NULL);
    acceptor->slow = stat_get(&rejected_family, "reason", "slow", NULL);
    acceptor->cut_values = ingest_truncated("attribute_value");
    acceptor->cut_names = ingest_truncated("name");
    acceptor->dropped_attributes = ingest_truncated("attributes");
    acceptor->dropped_events = ingest_truncated("events");
    acceptor->dropped_links = ingest_truncated("links");
    acceptor->dropped_exemplars = ingest_truncated("exemplars");
    acceptor->cleaned = ingest_truncated("utf8");
    return acceptor;
}

void accept_free(struct acceptor *acceptor)
{
    free(acceptor);
}

static void finish(struct pending *pending)
{
    struct acceptor *acceptor = pending->acceptor;
    const struct acceptance *acceptance = &pending->acceptance;
    if (acceptance->err.code) {
        stat_add(acceptor->refused[acceptance->err.code], 1);
        pending->entry.refused = true;
        snprintf(pending->entry.reason, sizeof(pending->entry.reason), "%.199s",
                 acceptance->err.text);
    } else {
        snprintf(pending->entry.reason, sizeof(pending->entry.reason), "%s",
                 acceptance->first_reason);
    }
    tail_add(acceptor->settings.tail, &pending->entry);
    stat_observe_ns(acceptor->seconds, clock_mono_ns() - pending->begun_ns);
    pending->done(acceptance, pending->ctx);
    free(pending);
}

static void answered(struct body *body, const struct err *err)
{
    struct pending *pending = body->ctx;
    if (err)
        pending->acceptance.err = *err;
    finish(pending);
}

static enum record_kind kind_of(struct content content)
{
    if (format_is_lines(content.format) || content.format == FORMAT_ENVOY_ALS)
        return LINE_RECORD;
    return content.signal == SIGNAL_METRICS ? POINT_RECORD
           : content.signal == SIGNAL_LOGS  ? LOG_RECORD
                                            : SPAN_RECORD;
}

static void count_batch(struct acceptor *acceptor, struct pending *pending, struct content content,
                        const struct batch *batch)
{
    const struct batch_counts *counts = &batch->counts;
    pending->acceptance.n_rejected = pending->entry.n_rejected = counts->n_rejected;
    pending->acceptance.n_records = pending->entry.n_records =
        batch_records(batch) + counts->n_rejected;
    snprintf(pending->acceptance.first_reason, sizeof(pending->acceptance.first_reason), "%s",
             batch->first_reason);
    if (counts->n_rejected)
        stat_add(acceptor->bad_records[kind_of(content)], counts->n_rejected - counts->n_bad_ids);
    if (counts->n_bad_ids)
        stat_add(acceptor->bad_records[SPAN_RECORD], counts->n_bad_ids);
    const uint32_t n[] = {counts->n_cut_values,         counts->n_cut_names,
                          counts->n_dropped_attributes, counts->n_dropped_events,
                          counts->n_dropped_links,      counts->n_dropped_exemplars,
                          counts->n_cleaned_texts};
    struct stat_series *const series[] = {
        acceptor->cut_values,     acceptor->cut_names,     acceptor->dropped_attributes,
        acceptor->dropped_events, acceptor->dropped_links, acceptor->dropped_exemplars,
        acceptor->cleaned};
    for (size_t i = 0; i < sizeof(n) / sizeof(n[0]); i++) {
        if (n[i])
            stat_add(series[i], n[i]);
    }
}

/* When its last record was: what is far from now shows in no window that people look at. */
static uint64_t event_of(const struct batch *batch)
{
    if (batch->n_spans)
        return batch->spans[batch->n_spans - 1].start_ns;
    if (batch->n_points)
        return batch->points[batch->n_points - 1].at_ns;
    return batch->n_logs ? batch->logs[batch->n_logs - 1].at_ns : 0;
}

static void copy_sender(char to[64], struct str sender)
{
    snprintf(to, 64, "%.*s", (int)(sender.len < 63 ? sender.len : 63), sender.p ? sender.p : "");
}

/* JSON under the name of protobuf, and the other way round, is malformed at its first byte; what is
 * wrong is the name. */
static void name_mistake(struct content content, struct str bytes, struct err *err)
{
    char first = bytes.len ? bytes.p[0] : '\0';
    bool protobuf = content.format == FORMAT_OTLP_PB || content.format == FORMAT_ZIPKIN_PB;
    bool json = content.format == FORMAT_OTLP_JSON || content.format == FORMAT_ZIPKIN_JSON;
    if (err->code != ERR_INVALID || content.encoding != ENCODING_IDENTITY)
        return;
    if (protobuf && (first == '{' || first == '['))
        err_set(err, ERR_INVALID, "the body looks like JSON, but it is sent as protobuf");
    if (json && first == 0x0a && bytes.len > 1 && bytes.p[1] != ' ' && bytes.p[1] != '{')
        err_set(err, ERR_INVALID, "the body looks like protobuf, but it is sent as JSON");
}

static int decode_and_append(struct pending *pending, const struct message *message,
                             enum transport transport)
{
    struct acceptor *acceptor = pending->acceptor;
    struct err *err = &pending->acceptance.err;
    struct batch *batch = NULL;
    struct content content = message->content;
    struct str bytes = {message->bytes, message->n_bytes};
    if (decode_content(content, bytes, &acceptor->settings.limits, &batch, err)) {
        name_mistake(content, bytes, err);
        free(message->bytes);
        return err->code;
    }
    count_batch(acceptor, pending, content, batch);
    pending->entry.event_ns = event_of(batch);
    struct body *body = body_new(message->bytes, message->n_bytes);
    if (!body) {
        batch_free(batch);
        free(message->bytes);
        return err_set(err, ERR_BUSY, "memory is short; try again");
    }
    body->batch = batch;
    body->signal = content.signal;
    body->format = content.format;
    body->transport = transport;
    body->encoding = content.encoding;
    body->place = message->place;
    body->lane = message->lane;
    body->received_ns = clock_wall_ns();
    body->answered = answered;
    body->ctx = pending;
    if (batch_records(batch) + batch->counts.n_rejected + batch->n_families == 0) {
        body_free(body);
        finish(pending); /* an empty request is good and leaves nothing behind */
        return 0;
    }
    if (acceptor->settings.append(body, acceptor->settings.ctx, err)) {
        body_free(body);
        return err->code;
    }
    return 0;
}

static void accept(struct acceptor *acceptor, const struct message *message,
                   enum transport transport,
                   void (*done)(const struct acceptance *acceptance, void *ctx), void *ctx)
{
    struct pending *pending = calloc(1, sizeof(*pending));
    if (!pending) {
        struct acceptance none = {0};
        free(message->bytes);
        err_set(&none.err, ERR_BUSY, "memory is short; try again");
        done(&none, ctx);
        return;
    }
    pending->acceptor = acceptor;
    pending->begun_ns = clock_mono_ns();
    pending->done = done;
    pending->ctx = ctx;
    pending->entry = (struct tail_entry){
        .at_ns = clock_wall_ns(), .n_bytes = message->n_bytes, .transport = transport};
    copy_sender(pending->entry.sender, message->sender);
    snprintf(pending->entry.format, sizeof(pending->entry.format), "%s",
             format_word(message->content.format));
    if (decode_and_append(pending, message, transport))
        finish(pending);
}

void accept_body(struct acceptor *acceptor, struct content content, enum transport transport,
                 char *bytes, size_t n_bytes, struct str sender,
                 void (*done)(const struct acceptance *acceptance, void *ctx), void *ctx)
{
    struct message message = {
        .content = content, .bytes = bytes, .n_bytes = n_bytes, .sender = sender};
    accept(acceptor, &message, transport, done, ctx);
}

void accept_message(struct acceptor *acceptor, const struct message *message,
                    void (*done)(const struct acceptance *acceptance, void *ctx), void *ctx)
{
    accept(acceptor, message, TRANSPORT_KAFKA, done, ctx);
}

int accept_decompress(const struct acceptor *acceptor, enum encoding encoding, struct str *bytes,
                      char **owned, struct err *err)
{
    return decode_decompress(encoding, bytes, &acceptor->settings.limits, owned, err);
}

#define MOST_CAME 80

void accept_reason(char text[ACCEPT_REASON], struct str came, const char *reason)
{
    char clean[MOST_CAME + 1];
    size_t n = came.len < MOST_CAME ? came.len : MOST_CAME;
    for (size_t i = 0; i < n; i++)
        clean[i] = came.p[i] >= 0x20 && came.p[i] < 0x7f ? came.p[i] : '?';
    clean[n] = '\0';
    snprintf(text, ACCEPT_REASON, "%s%s%s", clean, n ? ": " : "", reason);
}

static struct stat_series *of_http(const struct acceptor *acceptor, unsigned status, bool disk)
{
    switch (status) {
    case 401:
    case 403:
        return acceptor->unauthorized;
    case 404:
    case 405:
    case 415:
    case 501:
    case 505:
        return acceptor->refused[ERR_UNSUPPORTED];
    case 408:
        return acceptor->slow;
    case 413:
        return acceptor->refused[ERR_TOO_BIG];
    case 429:
    case 503:
        return acceptor->refused[disk ? ERR_IO : ERR_BUSY];
    default:
        return acceptor->refused[ERR_INVALID];
    }
}

/* The codes of gRPC that stand for one of HTTP. */
static unsigned http_status_of(unsigned status)
{
    static const unsigned short of_grpc[17] = {
        [4] = 408, [7] = 403, [8] = 413, [12] = 415, [14] = 503, [16] = 401};
    return status < 17 ? of_grpc[status] : 400;
}

static void count_refusal(struct acceptor *acceptor, enum transport transport, unsigned status,
                          const char *reason)
{
    bool disk = strstr(reason, "disk_full") || strstr(reason, "store_failed");
    unsigned http = transport == TRANSPORT_GRPC ? http_status_of(status) : status;
    stat_add(of_http(acceptor, http, disk), 1);
}

void accept_refused(struct acceptor *acceptor, enum transport transport, unsigned status,
                    const char *format, size_t n_bytes, struct str sender, const char *reason)
{
    struct tail_entry entry = {
        .at_ns = clock_wall_ns(), .n_bytes = n_bytes, .transport = transport, .refused = true};
    copy_sender(entry.sender, sender);
    snprintf(entry.format, sizeof(entry.format), "%s", format);
    if (status)
        snprintf(entry.reason, sizeof(entry.reason), "%u: %.180s", status, reason);
    else
        snprintf(entry.reason, sizeof(entry.reason), "%.180s", reason);
    tail_add(acceptor->settings.tail, &entry);
    count_refusal(acceptor, transport, status, reason);
}

void accept_count_request(enum transport transport, unsigned code)
{
    char text[12];
    snprintf(text, sizeof(text), "%u", code);
    stat_add(stat_get(&requests_family, "transport", transport_word(transport), "code", text, NULL),
             1);
}
