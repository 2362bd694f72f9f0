/* log_records.c - a record of a trace becomes an event; all others are refused. */
#include "collector/decode/log_records.h"

#include "collector/model/shapes.h"

static struct log_record *next_record(struct decoding *decoding)
{
    struct batch *batch = decoding->batch;
    uint32_t n = batch->n_logs;
    if (n + batch->counts.n_rejected >= decoding->limits->max_spans) {
        err_set(decoding->err, ERR_TOO_BIG,
                "the body holds more than receive.max_spans (%u) log records",
                decoding->limits->max_spans);
        return NULL;
    }
    /* Capacity is a power of two from 64 on: full when n has become one. */
    if (n == 0 ? !batch->logs : n >= 64 && (n & (n - 1)) == 0) {
        uint32_t cap = n < 64 ? 64 : 2 * n;
        struct log_record *grown = arena_alloc(&batch->arena, cap * sizeof(*grown));
        if (!grown) {
            decoding_too_big(decoding);
            return NULL;
        }
        if (n)
            memcpy(grown, batch->logs, n * sizeof(*grown));
        batch->logs = grown;
    }
    return &batch->logs[n];
}

static const char *severity_word(uint64_t number)
{
    static const char *const words[] = {"TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"};
    return number >= 1 && number <= 24 ? words[(number - 1) / 4] : "";
}

static void add_member(struct buf *json, struct str name, struct str text)
{
    if (!text.len)
        return;
    buf_add_str(json, name);
    buf_add_json(json, text);
}

/* An event with the marks of a log; its name is the event's, where it has one. */
static bool render(struct decoding *decoding, const struct raw_log *raw, struct str *text)
{
    struct buf *json = &decoding->json;
    struct str severity = raw->severity_text;
    struct attr body = raw->body;
    if (!severity.len)
        severity = str_of(severity_word(raw->severity));
    body.key = STR("body");
    body.plain = body.plain && body.type == VALUE_TEXT;
    buf_reset(json);
    buf_add_c(json, "{\"time\":\"");
    buf_add_time(json, raw->at_ns ? raw->at_ns : raw->observed_ns);
    buf_add_c(json, "\",\"name\":");
    buf_add_json(json, raw->event_name);
    buf_add_c(json, ",\"kind\":\"log\"");
    add_member(json, STR(",\"severity\":"), severity);
    buf_add_char(json, ',');
    attr_render(json, &body);
    add_member(json, STR(",\"scope\":"), raw->scope->name);
    add_member(json, STR(",\"service\":"), raw->resource->service);
    buf_add_char(json, ',');
    value_json_attributes(decoding, &raw->attributes);
    buf_add_char(json, '}');
    return !decoding->err->code && value_take_json(decoding, text);
}

bool log_record_take(struct decoding *decoding, struct raw_log *raw)
{
    struct batch *batch = decoding->batch;
    struct log_record *record = next_record(decoding);
    uint64_t at_ns = raw->at_ns ? raw->at_ns : raw->observed_ns;
    if (!record)
        return false;
    if (!raw->has_trace_id && !raw->bad_id) {
        batch_reject(batch, "no trace id: faultline keeps only logs of traces");
        return true;
    }
    if (raw->bad_id) {
        batch_reject(batch, "log record %u: %s", batch->n_logs + batch->counts.n_rejected + 1,
                     raw->bad_id);
        return true;
    }
    attr_list_unique(&raw->attributes);
    *record = (struct log_record){.trace_id = raw->trace_id,
                                  .span_id = raw->has_span_id ? raw->span_id : 0,
                                  .at_ns = at_ns <= INT64_MAX ? at_ns : 0};
    if (!render(decoding, raw, &record->json))
        return false;
    batch->n_logs++;
    return true;
}
