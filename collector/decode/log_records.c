/* log_records.c - an access log becomes a span, a record of a trace an event; all others are
 * refused. */
#include "collector/decode/log_records.h"

#include <stdio.h>

#include "collector/decode/access_envoy.h"
#include "collector/decode/redact.h"
#include "collector/decode/span_list.h"
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
    if (!redact(decoding->batch, &body, 1))
        return !decoding_too_big(decoding);
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

static struct str hex(char *text, int n, uint64_t high, uint64_t low)
{
    n == 32
        ? snprintf(text, 33, "%016llx%016llx", (unsigned long long)high, (unsigned long long)low)
        : snprintf(text, 17, "%016llx", (unsigned long long)low);
    return (struct str){text, (size_t)n};
}

/* A proxy's access log is a span: true when it was one, or the body fails (err says). */
static bool take_access_log(struct decoding *decoding, const struct raw_log *raw)
{
    char trace_id[33], span_id[17];
    struct access_record record = {
        .resource_attrs = raw->resource->attrs,
        .n_resource_attrs = raw->resource->n_attrs,
        .attrs = raw->attributes.items,
        .n_attrs = raw->attributes.n,
        .body = raw->body.type == VALUE_TEXT ? raw->body.text : STR_NONE,
        .time_ns = raw->at_ns,
    };
    if (raw->body.type == VALUE_JSON && raw->body.text.len && raw->body.text.p[0] == '{')
        record.body_map = raw->body.text;
    if (raw->bad_id)
        return false;
    if (raw->has_trace_id)
        record.trace_id = hex(trace_id, 32, raw->trace_id.high, raw->trace_id.low);
    if (raw->has_span_id)
        record.span_id = hex(span_id, 16, 0, raw->span_id);
    struct span *span = span_list_next(decoding);
    if (!span)
        return true;
    if (access_record_span(decoding, decoding->senders, &record, span))
        decoding->batch->n_spans++;
    else if (!decoding->err->code)
        return false;
    return true;
}

bool log_record_take(struct decoding *decoding, struct raw_log *raw)
{
    if (take_access_log(decoding, raw))
        return decoding->err->code == ERR_NONE;
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
        batch->counts.n_bad_ids++;
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
