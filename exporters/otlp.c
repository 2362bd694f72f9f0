/* otlp.c - the way back from a batch: attributes with their types, what is nested in them too;
 * events and links from the JSON in which a batch has them.
 */
#include "exporters/otlp.h"

#include <inttypes.h>

#include "exporters/span_items.h"

/* A scalar of rendered JSON: strings stand there as they may stand here. */
static void copy_scalar(struct buf *out, struct json *json)
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
        if (!json_number(json, &raw))
            break;
        if (str_to_i64(raw, &whole))
            buf_addf(out, "{\"intValue\":\"%" PRId64 "\"}", whole);
        else
            buf_addf(out, "{\"doubleValue\":%.*s}", STR_ARG(raw));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        if (json_skip(json, &raw))
            buf_addf(out, "{\"boolValue\":%.*s}", STR_ARG(raw));
        break;
    default:
        json_skip(json, NULL);
        buf_add_c(out, "{}");
    }
}

/* One value of rendered JSON as an AnyValue, however it is nested. */
static void copy_value(struct buf *out, struct json *json)
{
    bool object[JSON_MAX_DEPTH + 1] = {false}, first[JSON_MAX_DEPTH + 1] = {false};
    unsigned outer = json->depth;
    struct json_text key;
    do {
        unsigned depth = json->depth;
        if (depth > outer) {
            bool more = object[depth] ? json_next_key(json, &key) : json_next_item(json);
            if (!more) {
                buf_add_c(out, "]}}");
                if (depth - 1 > outer && object[depth - 1])
                    buf_add_char(out, '}');
                continue;
            }
            if (!first[depth])
                buf_add_char(out, ',');
            first[depth] = false;
            if (object[depth])
                buf_addf(out, "{\"key\":\"%.*s\",\"value\":", STR_ARG(key.raw));
        }
        enum json_type type = json_peek(json);
        if (type == JSON_OBJECT || type == JSON_ARRAY) {
            if (!(type == JSON_OBJECT ? json_open_object(json) : json_open_array(json)))
                return;
            object[json->depth] = type == JSON_OBJECT;
            first[json->depth] = true;
            buf_add_c(out, type == JSON_OBJECT ? "{\"kvlistValue\":{\"values\":["
                                               : "{\"arrayValue\":{\"values\":[");
            continue;
        }
        copy_scalar(out, json);
        if (depth > outer && object[depth])
            buf_add_char(out, '}');
    } while (json->depth > outer && !json->error);
}

static void add_text(struct buf *out, struct str text)
{
    buf_add_c(out, "{\"stringValue\":");
    buf_add_json(out, text);
    buf_add_char(out, '}');
}

static void add_value(struct buf *out, const struct attr *attr)
{
    struct json json;
    switch (attr->type) {
    case VALUE_BOOL:
        buf_add_c(out, attr->integer ? "{\"boolValue\":true}" : "{\"boolValue\":false}");
        break;
    case VALUE_INT:
        buf_addf(out, "{\"intValue\":\"%" PRId64 "\"}", attr->integer);
        break;
    case VALUE_DOUBLE:
        buf_add_c(out, "{\"doubleValue\":");
        buf_add_json_double(out, attr->real);
        buf_add_char(out, '}');
        break;
    case VALUE_TEXT:
        add_text(out, attr->text);
        break;
    case VALUE_JSON:
        json_init(&json, attr->text);
        copy_value(out, &json);
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

static void copy_attributes(struct buf *out, struct str object)
{
    struct json json;
    struct json_text key;
    bool first = true;
    json_init(&json, object.len ? object : STR("{}"));
    buf_add_c(out, "\"attributes\":[");
    json_open_object(&json);
    while (json_next_key(&json, &key)) {
        buf_addf(out, "%s{\"key\":\"%.*s\",\"value\":", first ? "" : ",", STR_ARG(key.raw));
        copy_value(out, &json);
        buf_add_char(out, '}');
        first = false;
    }
    buf_add_char(out, ']');
}

static void add_items(struct buf *out, const char *name, struct str rendered)
{
    struct span_items items;
    struct written_item item;
    bool first = true;
    if (!rendered.len)
        return;
    buf_addf(out, ",\"%s\":[", name);
    span_items_begin(&items, rendered);
    while (span_items_next(&items, &item)) {
        buf_add_c(out, first ? "{" : ",{");
        first = false;
        if (item.trace_id.len)
            buf_addf(out, "\"traceId\":\"%.*s\",\"spanId\":\"%.*s\",", STR_ARG(item.trace_id),
                     STR_ARG(item.span_id));
        else
            buf_addf(out, "\"timeUnixNano\":\"%" PRIu64 "\",\"name\":\"%.*s\",", item.time_ns,
                     STR_ARG(item.name));
        copy_attributes(out, item.attributes);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

/* ---- spans ---- */

/* That a span ended before it began is all that is known of its end. */
static void add_times(struct buf *out, const struct span *span)
{
    if (span->start_ns)
        buf_addf(out, ",\"startTimeUnixNano\":\"%" PRIu64 "\"", span->start_ns);
    if (!span->start_ns || span->duration_ns == DURATION_UNKNOWN)
        return;
    bool backwards = span->bad_times && !span->duration_ns;
    buf_addf(out, ",\"endTimeUnixNano\":\"%" PRIu64 "\"",
             span->start_ns + span->duration_ns - backwards);
}

static void add_span(struct buf *out, const struct span *span)
{
    buf_addf(out, "{\"traceId\":\"%016" PRIx64 "%016" PRIx64 "\",\"spanId\":\"%016" PRIx64 "\"",
             span->trace_id.high, span->trace_id.low, span->span_id);
    if (span->parent_id)
        buf_addf(out, ",\"parentSpanId\":\"%016" PRIx64 "\"", span->parent_id);
    if (span->trace_state.len) {
        buf_add_c(out, ",\"traceState\":");
        buf_add_json(out, span->trace_state);
    }
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

static void open_scope(struct buf *out, const struct span *span)
{
    buf_add_c(out, "{\"scope\":{\"name\":");
    buf_add_json(out, span->scope_name);
    buf_add_c(out, ",\"version\":");
    buf_add_json(out, span->scope_version);
    buf_add_c(out, "},\"spans\":[");
}

void otlp_json_list_write(struct buf *out, const struct batch *batch)
{
    const struct span *last = NULL;
    for (uint32_t i = 0; i < batch->n_spans; i++) {
        const struct span *span = &batch->spans[i];
        if (!last || span->resource != last->resource) {
            buf_add_c(out, last ? "]}]},{\"resource\":{" : "{\"resource\":{");
            add_attributes(out, span->resource->attrs, span->resource->n_attrs);
            buf_add_c(out, "},\"scopeSpans\":[");
            open_scope(out, span);
        } else if (!str_eq(span->scope_name, last->scope_name) ||
                   !str_eq(span->scope_version, last->scope_version)) {
            buf_add_c(out, "]},");
            open_scope(out, span);
        } else {
            buf_add_char(out, ',');
        }
        last = span;
        add_span(out, span);
    }
    if (last)
        buf_add_c(out, "]}]}");
}

void otlp_json_write(struct buf *out, const struct batch *batch)
{
    buf_add_c(out, "{\"resourceSpans\":[");
    otlp_json_list_write(out, batch);
    buf_add_c(out, "]}");
}
