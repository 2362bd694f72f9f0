/* replay_otlp.c - the way back from a batch: attributes with their types; events and links from the
 * JSON in which a batch has them. What is nested in an attribute becomes its JSON text.
 */
#include "collector/command/replay_otlp.h"

#include <inttypes.h>
#include <math.h>

#include "collector/base/json.h"
#include "collector/base/times.h"

static void add_real(struct buf *out, double real)
{
    buf_add_c(out, "{\"doubleValue\":");
    if (isfinite(real))
        buf_add_double(out, real);
    else
        buf_add_c(out, isnan(real) ? "\"NaN\"" : real < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    buf_add_char(out, '}');
}

static void add_text(struct buf *out, struct str text)
{
    buf_add_c(out, "{\"stringValue\":");
    buf_add_json(out, text);
    buf_add_char(out, '}');
}

static void add_value(struct buf *out, const struct attr *attr)
{
    switch (attr->type) {
    case VALUE_BOOL:
        buf_add_c(out, attr->integer ? "{\"boolValue\":true}" : "{\"boolValue\":false}");
        break;
    case VALUE_INT:
        buf_addf(out, "{\"intValue\":\"%" PRId64 "\"}", attr->integer);
        break;
    case VALUE_DOUBLE:
        add_real(out, attr->real);
        break;
    case VALUE_TEXT:
    case VALUE_JSON:
        add_text(out, attr->text);
        break;
    default:
        buf_add_c(out, "{}");
    }
}

static void add_attributes(struct buf *out, const struct attr *attrs, uint32_t n)
{
    buf_add_c(out, "\"attributes\":[");
    for (uint32_t i = 0; i < n; i++) {
        buf_add_c(out, i ? ",{\"key\":" : "{\"key\":");
        buf_add_json(out, attrs[i].key);
        buf_add_c(out, ",\"value\":");
        add_value(out, &attrs[i]);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

/* ---- events and links ---- */

/* A value of rendered JSON: strings stand there as they may stand here. */
static void copy_value(struct json *json, struct buf *out)
{
    struct json_text text;
    struct str raw;
    int64_t whole;
    switch (json_peek(json)) {
    case JSON_STRING:
        if (json_string(json, &text))
            buf_addf(out, "{\"stringValue\":\"%.*s\"}", STR_ARG(text.raw));
        break;
    case JSON_NUMBER:
        if (json_number(json, &raw))
            buf_addf(out, "{\"%s\":%.*s}", str_to_i64(raw, &whole) ? "intValue" : "doubleValue",
                     STR_ARG(raw));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        if (json_skip(json, &raw))
            buf_addf(out, "{\"boolValue\":%.*s}", STR_ARG(raw));
        break;
    case JSON_NULL:
        json_null(json);
        buf_add_c(out, "{}");
        break;
    default:
        if (json_skip(json, &raw))
            add_text(out, raw);
    }
}

static void copy_attributes(struct json *json, struct buf *out)
{
    struct json_text key;
    bool first = true;
    buf_add_c(out, "\"attributes\":[");
    json_open_object(json);
    while (json_next_key(json, &key)) {
        buf_addf(out, "%s{\"key\":\"%.*s\",\"value\":", first ? "" : ",", STR_ARG(key.raw));
        copy_value(json, out);
        buf_add_char(out, '}');
        first = false;
    }
    buf_add_char(out, ']');
}

/* The members of an event or a link under the names that OTLP has for them. */
static void copy_member(struct json *json, const struct json_text *key, struct buf *out)
{
    struct json_text text;
    uint64_t ns = 0;
    if (str_eq(key->raw, STR("attributes"))) {
        copy_attributes(json, out);
        return;
    }
    if (!json_string(json, &text))
        return;
    if (str_eq(key->raw, STR("time"))) {
        time_parse(text.raw, 0, &ns);
        buf_addf(out, "\"timeUnixNano\":\"%" PRIu64 "\"", ns);
        return;
    }
    const char *name = str_eq(key->raw, STR("trace_id"))  ? "traceId"
                       : str_eq(key->raw, STR("span_id")) ? "spanId"
                                                          : "name";
    buf_addf(out, "\"%s\":\"%.*s\"", name, STR_ARG(text.raw));
}

static void add_items(struct buf *out, const char *name, struct str rendered)
{
    struct json json;
    struct json_text key;
    bool first = true;
    if (!rendered.len)
        return;
    buf_addf(out, ",\"%s\":[", name);
    json_init(&json, rendered);
    json_open_array(&json);
    while (json_next_item(&json) && json_open_object(&json)) {
        bool first_member = true;
        buf_add_c(out, first ? "{" : ",{");
        first = false;
        while (json_next_key(&json, &key)) {
            if (!first_member)
                buf_add_char(out, ',');
            first_member = false;
            copy_member(&json, &key, out);
        }
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

/* ---- spans ---- */

static void add_times(struct buf *out, const struct span *span)
{
    if (span->start_ns)
        buf_addf(out, ",\"startTimeUnixNano\":\"%" PRIu64 "\"", span->start_ns);
    if (span->start_ns && span->duration_ns != DURATION_UNKNOWN)
        buf_addf(out, ",\"endTimeUnixNano\":\"%" PRIu64 "\"", span->start_ns + span->duration_ns);
}

static void add_span(struct buf *out, const struct span *span)
{
    buf_addf(out, "{\"traceId\":\"%016" PRIx64 "%016" PRIx64 "\",\"spanId\":\"%016" PRIx64 "\"",
             span->trace_id.high, span->trace_id.low, span->span_id);
    if (span->parent_id)
        buf_addf(out, ",\"parentSpanId\":\"%016" PRIx64 "\"", span->parent_id);
    buf_add_c(out, ",\"name\":");
    buf_add_json(out, span->name);
    buf_addf(out, ",\"kind\":%u", span->kind);
    add_times(out, span);
    buf_addf(out, ",\"status\":{\"code\":%u,\"message\":", span->status);
    buf_add_json(out, span->status_message);
    buf_add_c(out, "},");
    add_attributes(out, span->attrs, span->n_attrs);
    add_items(out, "events", span->events);
    add_items(out, "links", span->links);
    buf_add_char(out, '}');
}

void replay_otlp_json(struct buf *out, const struct batch *batch)
{
    const struct resource *last = NULL;
    buf_add_c(out, "{\"resourceSpans\":[");
    for (uint32_t i = 0; i < batch->n_spans; i++) {
        const struct span *span = &batch->spans[i];
        if (span->resource != last) {
            buf_add_c(out, last ? "]}]},{\"resource\":{" : "{\"resource\":{");
            add_attributes(out, span->resource->attrs, span->resource->n_attrs);
            buf_add_c(out, "},\"scopeSpans\":[{\"spans\":[");
        } else {
            buf_add_char(out, ',');
        }
        last = span->resource;
        add_span(out, span);
    }
    buf_add_c(out, last ? "]}]}]}" : "]}");
}
