/* accept.c - decode, append, count, remember. */
#include "collector/receive/accept.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/stats.h"
#include "collector/decode/decode.h"
#include "collector/model/ingest_stats.h"

#define N_TAIL 20

static struct stat_family seconds_family =
    STAT_HISTOGRAM("faultline_ingest_seconds", "Time from the receipt of a body to its answer.");
static struct stat_family requests_family =
    STAT_COUNTER("faultline_ingest_requests_total",
                 "Requests to receivers, by the status they were answered with.");
static struct stat_family rejected_family =
    STAT_COUNTER("faultline_ingest_rejected_total", "Bodies and records refused, by reason.");

struct tail_entry {
    uint64_t at_ns, n_bytes;
    char sender[64], format[24], reason[200];
    uint8_t transport;
    uint32_t n_records, n_rejected;
};

struct acceptor {
    struct accept_settings settings;
    struct stat_series *seconds, *bad_records, *cut_values, *cut_names, *dropped_attributes,
        *dropped_events, *dropped_links, *dropped_exemplars, *cleaned;
    struct stat_series *refused[ERR_NOT_FOUND + 1];
    pthread_mutex_t mutex; /* guards the ring */
    struct tail_entry tail[N_TAIL];
    uint64_t n_tail; /* ever */
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
    struct acceptor *acceptor = calloc(1, sizeof(*acceptor));
    if (!acceptor)
        return NULL;
    acceptor->settings = *settings;
    pthread_mutex_init(&acceptor->mutex, NULL);
    acceptor->seconds = stat_get(&seconds_family, NULL);
    acceptor->bad_records = stat_get(&rejected_family, "reason", "bad_id", NULL);
    for (int i = ERR_INVALID; i <= ERR_IO; i++)
        acceptor->refused[i] = stat_get(&rejected_family, "reason", reasons[i], NULL);
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
    if (!acceptor)
        return;
    pthread_mutex_destroy(&acceptor->mutex);
    free(acceptor);
}

static void remember(struct acceptor *acceptor, const struct tail_entry *entry)
{
    pthread_mutex_lock(&acceptor->mutex);
    acceptor->tail[acceptor->n_tail++ % N_TAIL] = *entry;
    pthread_mutex_unlock(&acceptor->mutex);
}

static void finish(struct pending *pending)
{
    struct acceptor *acceptor = pending->acceptor;
    const struct acceptance *acceptance = &pending->acceptance;
    if (acceptance->err.code) {
        stat_add(acceptor->refused[acceptance->err.code], 1);
        snprintf(pending->entry.reason, sizeof(pending->entry.reason), "%.199s",
                 acceptance->err.text);
    } else {
        snprintf(pending->entry.reason, sizeof(pending->entry.reason), "%s",
                 acceptance->first_reason);
    }
    remember(acceptor, &pending->entry);
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

static void count_batch(struct acceptor *acceptor, struct pending *pending,
                        const struct batch *batch)
{
    const struct batch_counts *counts = &batch->counts;
    pending->acceptance.n_rejected = pending->entry.n_rejected = counts->n_rejected;
    pending->acceptance.n_records = pending->entry.n_records =
        batch_records(batch) + counts->n_rejected;
    snprintf(pending->acceptance.first_reason, sizeof(pending->acceptance.first_reason), "%s",
             batch->first_reason);
    if (counts->n_rejected)
        stat_add(acceptor->bad_records, counts->n_rejected);
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

static void copy_sender(char to[64], struct str sender)
{
    snprintf(to, 64, "%.*s", (int)(sender.len < 63 ? sender.len : 63), sender.p ? sender.p : "");
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
        free(message->bytes);
        return err->code;
    }
    count_batch(acceptor, pending, batch);
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

void accept_refused(struct acceptor *acceptor, enum transport transport, unsigned status,
                    const char *format, size_t n_bytes, struct str sender, const char *reason)
{
    struct tail_entry entry = {
        .at_ns = clock_wall_ns(), .n_bytes = n_bytes, .transport = transport};
    copy_sender(entry.sender, sender);
    snprintf(entry.format, sizeof(entry.format), "%s", format);
    snprintf(entry.reason, sizeof(entry.reason), "%u: %.180s", status, reason);
    remember(acceptor, &entry);
}

void accept_count_request(enum transport transport, unsigned code)
{
    char text[12];
    snprintf(text, sizeof(text), "%u", code);
    stat_add(stat_get(&requests_family, "transport", transport_word(transport), "code", text, NULL),
             1);
}

static void entry_json(const struct tail_entry *entry, struct buf *out)
{
    buf_add_c(out, "{\"at\":\"");
    buf_add_time(out, entry->at_ns);
    buf_add_c(out, "\",\"sender\":");
    buf_add_json(out, str_of(entry->sender));
    buf_addf(out, ",\"transport\":\"%s\",\"format\":", transport_word(entry->transport));
    buf_add_json(out, str_of(entry->format));
    buf_addf(out, ",\"bytes\":%llu,\"records\":%u,\"rejected\":%u,\"reason\":",
             (unsigned long long)entry->n_bytes, entry->n_records, entry->n_rejected);
    buf_add_json(out, str_of(entry->reason));
    buf_add_char(out, '}');
}

void accept_tail_json(struct acceptor *acceptor, struct buf *out)
{
    buf_add_c(out, "{\"items\":[");
    pthread_mutex_lock(&acceptor->mutex);
    uint64_t n = acceptor->n_tail < N_TAIL ? acceptor->n_tail : N_TAIL;
    for (uint64_t i = 0; i < n; i++) {
        if (i)
            buf_add_char(out, ',');
        entry_json(&acceptor->tail[(acceptor->n_tail - 1 - i) % N_TAIL], out);
    }
    pthread_mutex_unlock(&acceptor->mutex);
    buf_add_c(out, "],\"next\":null}");
}
