/* jaeger_json.c - what Jaeger's page and query API give: {"data":[TRACE,…]}, a TRACE, or a list of
 * them (formats: Jaeger, query APIs). Ids are hexadecimal, times microseconds.
 *
 * Processes usually stand behind the spans that name them, so the raw text of the spans is put
 * aside and read when the trace has ended.
 */
#include <stdio.h>
#include <stdlib.h>

#include "collector/decode/decode.h"
#include "collector/decode/json_value.h"
#include "collector/decode/otel_tags.h"
#include "collector/decode/redact.h"
#include "collector/decode/semconv.h"
#include "collector/decode/span_list.h"
#include "collector/decode/times.h"

#define SCRATCH_BYTES ((size_t)32 << 20)
#define NS_PER_US UINT64_C(1000)
#define MAX_PROCESSES 100000u /* of one trace */

struct process {
    struct str id;
    struct resource *resource;
};

struct reading {
    struct decoding decoding;
    struct process *processes; /* of the trace at hand, by id; in the arena */
    uint32_t n_processes;
    struct resource *nobody; /* of spans whose process is not there */
};

struct reference {
    struct str trace_id, span_id;
    bool follows;
};

struct raw_span {
    struct str trace_id, span_id, parent_id, process_id;
    uint64_t start_us, duration_us;
    bool has_duration;
    struct reference parent; /* the best so far */
    struct buf events, links;
    uint32_t n_events, n_links;
    struct attr_list tags;
    const struct resource *resource; /* of a process inside the span */
};

static bool no_room(struct reading *reading, struct json *json)
{
    decoding_too_big(&reading->decoding);
    return json_wrong(json, "memory");
}

static bool read_name(struct reading *reading, struct json *json, struct str *text)
{
    struct batch *batch = reading->decoding.batch;
    if (!json_read_text(&reading->decoding, json, text))
        return false;
    return text_keep(batch, text, reading->decoding.limits->name_bytes, &batch->counts.n_cut_names,
                     NULL) ||
           no_room(reading, json);
}

/* Negative microseconds become as great as no time is. */
static bool read_us(struct json *json, uint64_t *us)
{
    int64_t number;
    if (!json_read_i64(json, &number))
        return false;
    *us = (uint64_t)number;
    return true;
}

static bool read_id(struct reading *reading, struct json *json, struct str *text)
{
    enum json_type type = json_peek(json);
    if (type == JSON_STRING || type == JSON_NULL)
        return json_read_text(&reading->decoding, json, text);
    *text = STR("?");
    return json_skip(json, NULL);
}

/* ---- tags: {"key","type","value"} ---- */

static bool read_tag(struct reading *reading, struct json *json, struct attr *attr)
{
    struct json_text key;
    struct str name = STR_NONE;
    struct attr value = {.type = VALUE_EMPTY};
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        bool ok;
        if (key_is(&key, STR("key")))
            ok = json_read_text(&reading->decoding, json, &name);
        else if (key_is(&key, STR("value")))
            ok = json_read_any(&reading->decoding, json, &value);
        else
            ok = json_skip(json, NULL);
        if (!ok)
            return false;
    }
    *attr = value;
    return !json->error && value_set_key(&reading->decoding, attr, name);
}

/* A value's text is plain only when its key is too. */
static bool add_tag(struct reading *reading, struct json *json, struct attr_list *list)
{
    struct decoding *decoding = &reading->decoding;
    if (list->n >= decoding->limits->attributes) {
        decoding->batch->counts.n_dropped_attributes++;
        return json_skip(json, NULL);
    }
    struct attr *attr = attr_list_add(decoding->batch, list);
    if (!attr)
        return no_room(reading, json);
    if (!read_tag(reading, json, attr))
        return decoding->err->code ? json_wrong(json, "memory") : false;
    attr->plain = attr->plain && (attr->type != VALUE_TEXT || plain_text(attr->text));
    return true;
}

static bool read_tags(struct reading *reading, struct json *json, struct attr_list *list)
{
    if (json_is_null(json))
        return true;
    if (!json_open_array(json))
        return false;
    while (json_next_item(json)) {
        if (!add_tag(reading, json, list))
            return false;
    }
    attr_list_unique(list);
    return !json->error;
}

/* ---- processes ---- */

static struct resource *make_resource(struct reading *reading, struct str service,
                                      struct attr_list *list)
{
    struct batch *batch = reading->decoding.batch;
    bool named = service.len && !str_eq(service, STR("OTLPResourceNoServiceName"));
    struct resource *resource = arena_calloc(&batch->arena, sizeof(*resource));
    bool has_host = false;
    struct str hostname = STR_NONE;
    for (uint32_t i = 0; i < list->n; i++) {
        has_host = has_host || str_eq(list->items[i].key, STR("host.name"));
        if (str_eq(list->items[i].key, STR("hostname")) && list->items[i].type == VALUE_TEXT)
            hostname = list->items[i].text;
    }
    if (!resource || (named && !attr_list_add_text(batch, list, STR("service.name"), service)) ||
        (hostname.len && !has_host && !attr_list_add_text(batch, list, STR("host.name"), hostname)))
        return NULL;
    attr_list_unique(list);
    resource->attrs = list->items;
    resource->n_attrs = list->n;
    resource->index = batch->n_resources++;
    semconv_resource(&batch->arena, resource);
    return resource;
}

static struct resource *read_process(struct reading *reading, struct json *json)
{
    struct json_text key;
    struct attr_list list = {0};
    struct str service = STR_NONE;
    if (!json_open_object(json))
        return NULL;
    while (json_next_key(json, &key)) {
        bool ok = key_is(&key, STR("serviceName")) ? read_name(reading, json, &service)
                  : key_is(&key, STR("tags"))      ? read_tags(reading, json, &list)
                                                   : json_skip(json, NULL);
        if (!ok)
            return NULL;
    }
    struct resource *resource = json->error ? NULL : make_resource(reading, service, &list);
    if (!resource && !json->error)
        no_room(reading, json);
    return resource;
}

static bool add_process(struct reading *reading, struct str id, struct resource *resource)
{
    struct arena *arena = &reading->decoding.batch->arena;
    uint32_t n = reading->n_processes;
    if (n == 0 || (n >= 16 && (n & (n - 1)) == 0)) {
        struct process *grown = arena_alloc(arena, (n ? 2 * n : 16) * sizeof(*grown));
        if (!grown)
            return false;
        if (n)
            memcpy(grown, reading->processes, n * sizeof(*grown));
        reading->processes = grown;
    }
    reading->processes[reading->n_processes++] = (struct process){id, resource};
    return true;
}

static int by_id(const void *a, const void *b)
{
    return str_cmp(((const struct process *)a)->id, ((const struct process *)b)->id);
}

static bool read_processes(struct reading *reading, struct json *json)
{
    struct json_text key;
    if (json_is_null(json))
        return true;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        struct str id;
        if (reading->n_processes >= MAX_PROCESSES)
            return json_wrong(json, "too many processes in one trace");
        if (!json_clean_text(&reading->decoding, json, key, &id))
            return false;
        struct resource *resource = read_process(reading, json);
        if (!resource)
            return false;
        if (!add_process(reading, id, resource))
            return no_room(reading, json);
    }
    if (!json->error && reading->n_processes)
        qsort(reading->processes, reading->n_processes, sizeof(*reading->processes), by_id);
    return !json->error;
}

static const struct resource *resource_of(struct reading *reading, struct str id)
{
    struct process wanted = {.id = id};
    struct process *found =
        reading->n_processes
            ? bsearch(&wanted, reading->processes, reading->n_processes, sizeof(wanted), by_id)
            : NULL;
    struct attr_list none = {0};
    if (found)
        return found->resource;
    if (!reading->nobody)
        reading->nobody = make_resource(reading, STR_NONE, &none);
    return reading->nobody;
}

/* ---- logs and references ---- */

static void take_event_name(struct span_item *item)
{
    struct attr_list *list = &item->attributes;
    for (uint32_t i = 0; i < list->n; i++) {
        if (!str_eq(list->items[i].key, STR("event")) || list->items[i].type != VALUE_TEXT)
            continue;
        item->name = list->items[i].text;
        memmove(&list->items[i], &list->items[i + 1], (list->n - i - 1) * sizeof(struct attr));
        list->n--;
        return;
    }
}

static bool read_logs(struct reading *reading, struct json *json, struct raw_span *raw)
{
    struct json_text key;
    if (json_is_null(json))
        return true;
    if (!json_open_array(json))
        return false;
    while (json_next_item(json)) {
        struct span_item item = {0};
        uint64_t us = 0;
        if (!json_open_object(json))
            return false;
        while (json_next_key(json, &key)) {
            bool ok = key_is(&key, STR("timestamp")) ? read_us(json, &us)
                      : key_is(&key, STR("fields"))  ? read_tags(reading, json, &item.attributes)
                                                     : json_skip(json, NULL);
            if (!ok)
                return false;
        }
        item.time_ns = us < INT64_MAX / NS_PER_US ? us * NS_PER_US : 0;
        take_event_name(&item);
        if (!redact(reading->decoding.batch, item.attributes.items, item.attributes.n))
            return no_room(reading, json);
        if (raw->n_events++ < reading->decoding.limits->events)
            span_item_render(&raw->events, &item, false);
        else
            reading->decoding.batch->counts.n_dropped_events++;
    }
    return !json->error;
}

static bool read_reference(struct reading *reading, struct json *json, struct reference *reference)
{
    struct json_text key;
    struct str type = STR_NONE;
    *reference = (struct reference){0};
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        bool ok = key_is(&key, STR("refType"))   ? json_read_text(&reading->decoding, json, &type)
                  : key_is(&key, STR("traceID")) ? read_id(reading, json, &reference->trace_id)
                  : key_is(&key, STR("spanID"))  ? read_id(reading, json, &reference->span_id)
                                                 : json_skip(json, NULL);
        if (!ok)
            return false;
    }
    reference->follows = str_eq(type, STR("FOLLOWS_FROM"));
    return !json->error;
}

static bool hex_id(struct str text, struct trace_id *id)
{
    *id = (struct trace_id){0};
    size_t n_low = text.len < 16 ? text.len : 16;
    return text.len && text.len <= 32 &&
           (text.len <= 16 || hex_to_u64((struct str){text.p, text.len - 16}, &id->high)) &&
           hex_to_u64(str_skip(text, text.len - n_low), &id->low);
}

static void render_link(struct reading *reading, struct raw_span *raw,
                        const struct reference *reference)
{
    char trace[33], span[17];
    struct trace_id trace_id, span_id;
    struct attr kind = {.key = STR("opentracing.ref_type"),
                        .text = reference->follows ? STR("follows_from") : STR("child_of"),
                        .type = VALUE_TEXT,
                        .plain = true};
    if (!hex_id(reference->trace_id, &trace_id) || !hex_id(reference->span_id, &span_id) ||
        span_id.high)
        return;
    if (raw->n_links++ >= reading->decoding.limits->links) {
        reading->decoding.batch->counts.n_dropped_links++;
        return;
    }
    snprintf(trace, sizeof(trace), "%016llx%016llx", (unsigned long long)trace_id.high,
             (unsigned long long)trace_id.low);
    snprintf(span, sizeof(span), "%016llx", (unsigned long long)span_id.low);
    struct span_item item = {
        .trace_id = str_of(trace), .span_id = str_of(span), .attributes = {&kind, 1, 1}};
    span_item_render(&raw->links, &item, true);
}

/* The parent is the first CHILD_OF into the same trace, else the first FOLLOWS_FROM; all others are
 * links. The trace's own id may stand behind, so the list is read when the span has ended. */
static bool read_references(struct reading *reading, struct str text, struct raw_span *raw)
{
    struct reference reference, best = {0};
    for (int pass = 0; pass < 2; pass++) {
        struct json json;
        bool taken = false;
        json_init(&json, text);
        if (!json_open_array(&json))
            return false;
        while (json_next_item(&json) && read_reference(reading, &json, &reference)) {
            bool ours = str_eq_nocase(reference.trace_id, raw->trace_id);
            if (pass == 0 && ours && (!best.span_id.len || (best.follows && !reference.follows)))
                best = reference;
            bool parent = pass == 1 && !taken && ours && best.follows == reference.follows &&
                          str_eq(best.span_id, reference.span_id);
            taken = taken || parent;
            if (pass == 1 && !parent)
                render_link(reading, raw, &reference);
        }
        if (json.error)
            return false;
    }
    if (best.span_id.len)
        raw->parent_id = best.span_id;
    return true;
}

/* ---- spans ---- */

static const char *read_ids(const struct raw_span *raw, struct span *span)
{
    struct trace_id id;
    if (!raw->trace_id.len)
        return "traceID is missing";
    if (!hex_id(raw->trace_id, &span->trace_id))
        return "traceID is not 1 to 32 hexadecimal digits";
    if (!span->trace_id.high && !span->trace_id.low)
        return "traceID is all zero";
    if (!raw->span_id.len)
        return "spanID is missing";
    if (!hex_id(raw->span_id, &id) || id.high)
        return "spanID is not 1 to 16 hexadecimal digits";
    span->span_id = id.low;
    if (!span->span_id)
        return "spanID is all zero";
    id.low = 0;
    if (raw->parent_id.len && (!hex_id(raw->parent_id, &id) || id.high))
        return "the parent's spanID is not 1 to 16 hexadecimal digits";
    span->parent_id = id.low == span->span_id ? 0 : id.low;
    return NULL;
}

static bool tag_is_true(const struct attr *tag)
{
    return tag->type == VALUE_BOOL ? tag->integer != 0
                                   : tag->type == VALUE_TEXT && str_eq(tag->text, STR("true"));
}

/* What clients say that know nothing of OpenTelemetry's tags. */
static void read_known_tags(struct span *span, const struct attr_list *tags, bool status_stated)
{
    for (uint32_t i = 0; i < tags->n; i++) {
        const struct attr *tag = &tags->items[i];
        if (!status_stated && str_eq(tag->key, STR("error")) && tag_is_true(tag))
            span->status = STATUS_ERROR;
        else if (str_eq(tag->key, STR("http.status_message")) && tag->type == VALUE_TEXT &&
                 !span->status_message.len)
            span->status_message = tag->text;
    }
}

static void set_times(struct span *span, const struct raw_span *raw)
{
    uint64_t most = UINT64_MAX / NS_PER_US / 2;
    uint64_t start_us = raw->start_us < most ? raw->start_us : 0;
    bool ended = raw->has_duration && raw->duration_us < most && start_us;
    times_set(span, start_us * NS_PER_US, ended ? (start_us + raw->duration_us) * NS_PER_US : 0);
}

static bool finish_span(struct reading *reading, struct json *json, struct span *span,
                        struct raw_span *raw)
{
    struct batch *batch = reading->decoding.batch;
    struct otel_tags found = {.links = &raw->links};
    const char *reason = read_ids(raw, span);
    if (reason) {
        batch_reject(batch, "span %u: %s", batch->n_spans + batch->counts.n_rejected + 1, reason);
        return true;
    }
    set_times(span, raw);
    if (!otel_tags_take(&reading->decoding, span, &raw->tags, &found))
        return json_wrong(json, "memory");
    read_known_tags(span, &raw->tags, found.status_stated);
    span->resource = raw->resource ? raw->resource : resource_of(reading, raw->process_id);
    span->attrs = raw->tags.items;
    span->n_attrs = raw->tags.n;
    if (!span->resource || !span_items_take(&reading->decoding, &raw->events, &span->events) ||
        !span_items_take(&reading->decoding, &raw->links, &span->links) ||
        !semconv_span(batch, span))
        return no_room(reading, json);
    batch->n_spans++;
    return true;
}

static bool read_member(struct reading *reading, struct json *json, const struct json_text *key,
                        struct span *span, struct raw_span *raw)
{
    if (key_is(key, STR("traceID")))
        return read_id(reading, json, &raw->trace_id);
    if (key_is(key, STR("spanID")))
        return read_id(reading, json, &raw->span_id);
    if (key_is(key, STR("parentSpanID")))
        return read_id(reading, json, &raw->parent_id);
    if (key_is(key, STR("operationName")))
        return read_name(reading, json, &span->name);
    if (key_is(key, STR("startTime")))
        return read_us(json, &raw->start_us);
    if (key_is(key, STR("duration"))) {
        raw->has_duration = json_peek(json) != JSON_NULL;
        return read_us(json, &raw->duration_us);
    }
    if (key_is(key, STR("processID")))
        return json_read_text(&reading->decoding, json, &raw->process_id);
    if (key_is(key, STR("process")) && json_peek(json) == JSON_OBJECT)
        return (raw->resource = read_process(reading, json)) != NULL;
    if (key_is(key, STR("tags")))
        return read_tags(reading, json, &raw->tags);
    if (key_is(key, STR("logs")))
        return read_logs(reading, json, raw);
    return json_skip(json, NULL);
}

static bool read_members(struct reading *reading, struct json *json, struct span *span,
                         struct raw_span *raw)
{
    struct json_text key;
    struct str references = STR_NONE;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        bool list = key_is(&key, STR("references")) && json_peek(json) == JSON_ARRAY;
        if (!(list ? json_skip(json, &references) : read_member(reading, json, &key, span, raw)))
            return false;
    }
    if (json->error)
        return false;
    if (references.len && !read_references(reading, references, raw))
        return json_wrong(json, reading->decoding.err->code ? "memory" : "references");
    return true;
}

static bool read_span(struct reading *reading, struct json *json)
{
    struct raw_span raw = {0};
    struct span *span = span_list_next(&reading->decoding);
    if (!span)
        return json_wrong(json, "too many");
    *span = (struct span){.kind = KIND_UNSET};
    buf_init(&raw.events, SCRATCH_BYTES);
    buf_init(&raw.links, SCRATCH_BYTES);
    bool ok = read_members(reading, json, span, &raw) && finish_span(reading, json, span, &raw);
    buf_fini(&raw.events);
    buf_fini(&raw.links);
    return ok;
}

static bool read_spans(struct reading *reading, struct json *json, struct str text)
{
    struct json spans;
    if (!text.len)
        return true;
    json_init(&spans, text);
    if (json_open_array(&spans)) {
        while (json_next_item(&spans) && read_span(reading, &spans)) {
        }
    }
    if (spans.error)
        return json_wrong(json, spans.error);
    return !reading->decoding.err->code;
}

/* ---- traces ---- */

/* An object that is a trace, or has a list of them under "data". The latter is given back. */
static bool read_trace(struct reading *reading, struct json *json, struct str *data)
{
    struct json_text key;
    struct str spans = STR_NONE;
    reading->n_processes = 0;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        bool list = json_peek(json) == JSON_ARRAY, ok;
        if (key_is(&key, STR("spans")) && list)
            ok = json_skip(json, &spans);
        else if (key_is(&key, STR("data")) && list && data)
            ok = json_skip(json, data);
        else if (key_is(&key, STR("processes")))
            ok = read_processes(reading, json);
        else
            ok = json_skip(json, NULL);
        if (!ok)
            return false;
    }
    return !json->error && read_spans(reading, json, spans);
}

static bool read_list(struct reading *reading, struct json *json)
{
    if (!json_open_array(json))
        return false;
    while (json_next_item(json)) {
        if (!read_trace(reading, json, NULL))
            return false;
    }
    return !json->error;
}

static void read_document(struct reading *reading, struct json *json)
{
    struct str data = STR_NONE;
    if (json_peek(json) == JSON_ARRAY) {
        read_list(reading, json);
        return;
    }
    if (!read_trace(reading, json, &data) || !data.len)
        return;
    struct json list;
    json_init(&list, data);
    if (!read_list(reading, &list))
        json_wrong(json, list.error ? list.error : "memory");
}

int decode_jaeger_json(struct str input, const struct limits *limits, struct batch *batch,
                       struct err *err)
{
    struct reading reading = {.decoding = {.batch = batch, .limits = limits, .err = err}};
    struct json json;
    err->code = ERR_NONE;
    if (str_trim(input).len == 0)
        return err_set(err, ERR_INVALID, "the JSON body is empty");
    buf_init(&reading.decoding.json, SCRATCH_BYTES);
    json_init(&json, input);
    read_document(&reading, &json);
    int code = json_finish(&reading.decoding, &json);
    buf_fini(&reading.decoding.json);
    return code;
}
