/* jaeger.c - a trace with its processes; what OTLP has and Jaeger has not goes into tags. */
#include "exporters/jaeger.h"

#include <inttypes.h>
#include <stdio.h>

#include "collector/base/clock.h"
#include "exporters/span_items.h"

#define MOST_PLAIN INT64_C(9007199254740991) /* beyond, JavaScript rounds */
#define TAG(key, type) "{\"key\":\"" key "\",\"type\":\"" type "\",\"value\":"

/* ---- tags ---- */

static void comma(struct buf *out, bool *first)
{
    if (!*first)
        buf_add_char(out, ',');
    *first = false;
}

static void add_whole(struct buf *out, int64_t number)
{
    bool plain = number <= MOST_PLAIN && number >= -MOST_PLAIN;
    buf_addf(out, plain ? "\"int64\",\"value\":%" PRId64 : "\"int64\",\"value\":\"%" PRId64 "\"",
             number);
}

static void add_value(struct buf *out, const struct attr *attr)
{
    switch (attr->type) {
    case VALUE_BOOL:
        buf_addf(out, "\"bool\",\"value\":%s", attr->integer ? "true" : "false");
        break;
    case VALUE_INT:
        add_whole(out, attr->integer);
        break;
    case VALUE_DOUBLE:
        buf_add_c(out, "\"float64\",\"value\":");
        buf_add_json_double(out, attr->real);
        break;
    case VALUE_TEXT:
    case VALUE_JSON:
        buf_add_c(out, "\"string\",\"value\":");
        buf_add_json(out, attr->text);
        break;
    default:
        buf_add_c(out, "\"string\",\"value\":null");
    }
}

static void add_tag(struct buf *out, const struct attr *attr, bool *first)
{
    comma(out, first);
    buf_add_c(out, "{\"key\":");
    buf_add_json(out, attr->key);
    buf_add_c(out, ",\"type\":");
    add_value(out, attr);
    buf_add_char(out, '}');
}

static void add_text_tag(struct buf *out, const char *key, struct str text, bool *first)
{
    if (!text.len)
        return;
    struct attr attr = {.key = str_of(key), .text = text, .type = VALUE_TEXT};
    add_tag(out, &attr, first);
}

/* A member of an event's attributes: values of rendered JSON. */
static void copy_field(struct buf *out, struct str key, struct json *json, bool *first)
{
    struct str raw;
    int64_t whole;
    enum json_type type = json_peek(json);
    if (!json_skip(json, &raw))
        return;
    comma(out, first);
    buf_addf(out, "{\"key\":\"%.*s\",\"type\":", STR_ARG(key));
    if (type == JSON_NUMBER && str_to_i64(raw, &whole)) {
        add_whole(out, whole);
    } else if (type == JSON_ARRAY || type == JSON_OBJECT) {
        buf_add_c(out, "\"string\",\"value\":");
        buf_add_json(out, raw);
    } else {
        buf_addf(out, "\"%s\",\"value\":",
                 type == JSON_NUMBER                       ? "float64"
                 : type == JSON_TRUE || type == JSON_FALSE ? "bool"
                                                           : "string");
        buf_add_str(out, raw);
    }
    buf_add_char(out, '}');
}

static const struct attr *error_of(const struct span *span)
{
    for (uint32_t i = 0; i < span->n_attrs; i++) {
        if (str_eq(span->attrs[i].key, STR("error")))
            return &span->attrs[i];
    }
    return NULL;
}

/* A reader takes an `error` for the status, unless that is said. */
static void add_status_tags(struct buf *out, const struct span *span, bool *first)
{
    static const struct str words[N_STATUSES] = {STR("UNSET"), STR("OK"), STR("ERROR")};
    const struct attr *error = error_of(span);
    bool failed = span->status == STATUS_ERROR;
    bool said = error && (error->type == VALUE_BOOL
                              ? error->integer != 0
                              : error->type == VALUE_TEXT && str_eq(error->text, STR("true")));
    if (said ? !failed : span->status != STATUS_UNSET)
        add_text_tag(out, "otel.status_code", words[span->status], first);
    if (failed && !error) {
        comma(out, first);
        buf_add_c(out, TAG("error", "bool") "true}");
    }
    add_text_tag(out, "otel.status_description", span->status_message, first);
}

static void add_tags(struct buf *out, const struct span *span)
{
    bool first = true;
    buf_add_c(out, ",\"tags\":[");
    for (uint32_t i = 0; i < span->n_attrs; i++)
        add_tag(out, &span->attrs[i], &first);
    if (span->kind != KIND_UNSET)
        add_text_tag(out, "span.kind", str_of(kind_word(span->kind)), &first);
    add_status_tags(out, span, &first);
    add_text_tag(out, "otel.scope.name", span->scope_name, &first);
    add_text_tag(out, "otel.scope.version", span->scope_version, &first);
    add_text_tag(out, "w3c.tracestate", span->trace_state, &first);
    buf_add_char(out, ']');
}

/* ---- references and logs ---- */

static void add_trace_id(struct buf *out, struct trace_id id)
{
    if (id.high)
        buf_addf(out, "%016" PRIx64, id.high);
    buf_addf(out, "%016" PRIx64, id.low);
}

static bool is_of_trace(struct str link, struct trace_id id)
{
    char text[33];
    snprintf(text, sizeof(text), "%016" PRIx64 "%016" PRIx64, id.high, id.low);
    return str_eq(link, str_of(text));
}

static bool is_child_of(struct str attributes)
{
    struct json json;
    struct json_text key, text;
    json_init(&json, attributes);
    json_open_object(&json);
    while (json_next_key(&json, &key)) {
        if (!str_eq(key.raw, STR("opentracing.ref_type")))
            json_skip(&json, NULL);
        else if (json_string(&json, &text))
            return str_eq(text.raw, STR("child_of"));
    }
    return false;
}

/* As others write it: the high half only where there is one. */
static struct str short_id(struct str id)
{
    return str_starts(id, STR("0000000000000000")) ? str_skip(id, 16) : id;
}

static void add_references(struct buf *out, const struct span *span)
{
    struct span_items items;
    struct written_item item;
    bool first = true;
    buf_add_c(out, ",\"references\":[");
    if (span->parent_id) {
        comma(out, &first);
        buf_add_c(out, "{\"refType\":\"CHILD_OF\",\"traceID\":\"");
        add_trace_id(out, span->trace_id);
        buf_addf(out, "\",\"spanID\":\"%016" PRIx64 "\"}", span->parent_id);
    }
    span_items_begin(&items, span->links);
    while (span_items_next(&items, &item)) {
        if (!span->parent_id && is_of_trace(item.trace_id, span->trace_id))
            continue;
        struct str id = short_id(item.trace_id);
        comma(out, &first);
        buf_addf(out, "{\"refType\":\"%s\",\"traceID\":\"%.*s\",\"spanID\":\"%.*s\"}",
                 is_child_of(item.attributes) ? "CHILD_OF" : "FOLLOWS_FROM", STR_ARG(id),
                 STR_ARG(item.span_id));
    }
    buf_add_char(out, ']');
}

static void add_log(struct buf *out, const struct written_item *item)
{
    struct json json;
    struct json_text key;
    bool first = true;
    buf_addf(out, "{\"timestamp\":%" PRIu64 ",\"fields\":[", item->time_ns / NS_PER_US);
    if (item->name.len) {
        comma(out, &first);
        buf_addf(out, TAG("event", "string") "\"%.*s\"}", STR_ARG(item->name));
    }
    json_init(&json, item->attributes.len ? item->attributes : STR("{}"));
    json_open_object(&json);
    while (json_next_key(&json, &key))
        copy_field(out, key.raw, &json, &first);
    buf_add_c(out, "]}");
}

static void add_logs(struct buf *out, const struct span *span)
{
    struct span_items items;
    struct written_item item;
    bool first = true;
    buf_add_c(out, ",\"logs\":[");
    span_items_begin(&items, span->events);
    while (span_items_next(&items, &item)) {
        comma(out, &first);
        add_log(out, &item);
    }
    buf_add_char(out, ']');
}

/* ---- traces ---- */

/* Both ends are cut alike, so who stood within its parent still does. A null is 0 to readers that
 * know no unknown duration. */
static void add_times(struct buf *out, const struct span *span)
{
    uint64_t start_us = span->start_ns / NS_PER_US;
    buf_addf(out, ",\"startTime\":%" PRIu64 ",\"duration\":", start_us);
    if (span->duration_ns == DURATION_UNKNOWN || !span->start_ns)
        buf_add_c(out, "null");
    else
        buf_add_u64(out, (span->start_ns + span->duration_ns) / NS_PER_US - start_us);
}

static void add_span(struct buf *out, const struct span *span, uint32_t process)
{
    buf_add_c(out, "{\"traceID\":\"");
    add_trace_id(out, span->trace_id);
    buf_addf(out, "\",\"spanID\":\"%016" PRIx64 "\",\"operationName\":", span->span_id);
    buf_add_json(out, span->name);
    add_references(out, span);
    add_times(out, span);
    add_tags(out, span);
    add_logs(out, span);
    buf_addf(out, ",\"processID\":\"p%u\",\"warnings\":null}", process);
}

static void add_process(struct buf *out, const struct resource *resource, uint32_t number)
{
    struct str service = STR("OTLPResourceNoServiceName");
    bool first = true;
    for (uint32_t i = 0; i < resource->n_attrs; i++) {
        const struct attr *attr = &resource->attrs[i];
        if (str_eq(attr->key, STR("service.name")) && attr->type == VALUE_TEXT && attr->text.len)
            service = attr->text;
    }
    buf_addf(out, "\"p%u\":{\"serviceName\":", number);
    buf_add_json(out, service);
    buf_add_c(out, ",\"tags\":[");
    for (uint32_t i = 0; i < resource->n_attrs; i++) {
        if (!str_eq(resource->attrs[i].key, STR("service.name")))
            add_tag(out, &resource->attrs[i], &first);
    }
    buf_add_c(out, "]}");
}

/* The number of a process is 1 and the place of its resource behind the trace's first. */
static void add_trace(struct buf *out, const struct span *spans, uint32_t n)
{
    uint32_t lowest = UINT32_MAX, next = 0;
    buf_add_c(out, "{\"traceID\":\"");
    add_trace_id(out, spans[0].trace_id);
    buf_add_c(out, "\",\"spans\":[");
    for (uint32_t i = 0; i < n; i++)
        lowest = spans[i].resource->index < lowest ? spans[i].resource->index : lowest;
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            buf_add_char(out, ',');
        add_span(out, &spans[i], spans[i].resource->index - lowest + 1);
    }
    /* Resources of a trace are numbered as they come. */
    buf_add_c(out, "],\"processes\":{");
    for (uint32_t i = 0; i < n; i++) {
        uint32_t number = spans[i].resource->index - lowest + 1;
        if (number <= next)
            continue;
        if (next)
            buf_add_char(out, ',');
        add_process(out, spans[i].resource, number);
        next = number;
    }
    buf_add_c(out, "},\"warnings\":null}");
}

uint32_t jaeger_traces_write(struct buf *out, const struct batch *batch)
{
    uint32_t n_traces = 0;
    for (uint32_t from = 0, to; from < batch->n_spans; from = to) {
        for (to = from + 1; to < batch->n_spans &&
                            trace_id_eq(batch->spans[to].trace_id, batch->spans[from].trace_id);)
            to++;
        if (n_traces++)
            buf_add_char(out, ',');
        add_trace(out, &batch->spans[from], to - from);
    }
    return n_traces;
}

void jaeger_json_write(struct buf *out, const struct batch *batch)
{
    buf_add_c(out, "{\"data\":[");
    uint32_t n = jaeger_traces_write(out, batch);
    buf_addf(out, "],\"total\":%u,\"limit\":0,\"offset\":0,\"errors\":null}", n);
}
