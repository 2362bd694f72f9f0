/* otlp_json.c - ExportTraceServiceRequest as one JSON document (formats: OTLP/JSON). */
#include "collector/decode/decode.h"
#include "collector/decode/json_any.h"
#include "collector/decode/otlp_json_walk.h"
#include "collector/decode/redact.h"
#include "collector/decode/semconv.h"
#include "collector/decode/span_list.h"
#include "collector/decode/times.h"

#define SCRATCH_BYTES ((size_t)32 << 20)

struct raw_span {
    struct str trace_id, span_id, parent_id;
    uint64_t start_ns, end_ns;
};

static const char *read_ids(const struct raw_span *raw, struct span *span)
{
    uint64_t halves[2];
    if (!raw->trace_id.len)
        return "traceId is missing";
    if (!otlp_json_id_halves(raw->trace_id, 16, halves))
        return "traceId is not 32 hexadecimal digits";
    span->trace_id = (struct trace_id){halves[0], halves[1]};
    if (!halves[0] && !halves[1])
        return "traceId is all zero";
    if (!raw->span_id.len)
        return "spanId is missing";
    if (!otlp_json_id_halves(raw->span_id, 8, halves))
        return "spanId is not 16 hexadecimal digits";
    span->span_id = halves[1];
    if (!span->span_id)
        return "spanId is all zero";
    halves[1] = 0;
    if (raw->parent_id.len && !otlp_json_id_halves(raw->parent_id, 8, halves))
        return "parentSpanId is not 16 hexadecimal digits";
    span->parent_id = halves[1];
    return NULL;
}

static bool read_kind(struct json *json, struct span *span)
{
    static const char *const words[N_KINDS] = {"UNSPECIFIED", "INTERNAL", "SERVER",
                                               "CLIENT",      "PRODUCER", "CONSUMER"};
    uint64_t kind;
    if (!otlp_json_enum(json, STR("SPAN_KIND_"), words, N_KINDS, &kind))
        return false;
    span->kind = kind < N_KINDS ? (uint8_t)kind : KIND_INTERNAL;
    return true;
}

static bool read_status(struct decoding *decoding, struct json *json, struct span *span)
{
    static const char *const words[N_STATUSES] = {"UNSET", "OK", "ERROR"};
    struct json_text key;
    uint64_t code;
    if (json_is_null(json))
        return true;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        if (key_is(&key, STR("code"))) {
            if (!otlp_json_enum(json, STR("STATUS_CODE_"), words, N_STATUSES, &code))
                return false;
            span->status = code < N_STATUSES ? (uint8_t)code : STATUS_UNSET;
        } else if (key_is(&key, STR("message"))) {
            if (!otlp_json_name(decoding, json, &span->status_message))
                return false;
        } else if (!otlp_json_pass(json, &key)) {
            return false;
        }
    }
    return !json->error;
}

/* ---- events and links ---- */

static bool read_item(struct decoding *decoding, struct json *json, struct span_item *item)
{
    struct json_text key;
    struct attr_list list = {0};
    *item = (struct span_item){0};
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        bool ok;
        if (key_is(&key, STR("timeUnixNano")))
            ok = json_read_u64(json, &item->time_ns);
        else if (key_is(&key, STR("name")))
            ok = otlp_json_name(decoding, json, &item->name);
        else if (key_is(&key, STR("traceId")))
            ok = otlp_json_id(decoding, json, &item->trace_id);
        else if (key_is(&key, STR("spanId")))
            ok = otlp_json_id(decoding, json, &item->span_id);
        else if (key_is(&key, STR("attributes")))
            ok = json_any_attributes(decoding, json, &list);
        else
            ok = otlp_json_pass(json, &key);
        if (!ok)
            return false;
    }
    item->attributes = list;
    return redact(decoding->batch, list.items, list.n) || !decoding_too_big(decoding);
}

static bool good_link(const struct span_item *item)
{
    uint64_t number;
    return item->trace_id.len == 32 && item->span_id.len == 16 &&
           hex_to_u64((struct str){item->trace_id.p, 16}, &number) &&
           hex_to_u64(str_skip(item->trace_id, 16), &number) && hex_to_u64(item->span_id, &number);
}

/* Rendered texts go side by side into their own buffer: attributes use the scratch meanwhile. */
static bool read_items(struct decoding *decoding, struct json *json, bool links, struct str *text)
{
    struct span_item item;
    struct buf out;
    uint32_t n = 0, max = links ? decoding->limits->links : decoding->limits->events;
    if (json_is_null(json))
        return true;
    if (!json_open_array(json))
        return false;
    buf_init(&out, SCRATCH_BYTES);
    bool ok = true;
    while (ok && json_next_item(json)) {
        ok = read_item(decoding, json, &item);
        if (!ok)
            break;
        /* A link that leads nowhere is not kept, but counts against the limit. */
        if (n++ < max && (!links || good_link(&item)))
            span_item_render(&out, &item, links);
        else if (n <= max)
            continue;
        else if (links)
            decoding->batch->counts.n_dropped_links++;
        else
            decoding->batch->counts.n_dropped_events++;
    }
    ok = ok && !json->error && span_items_take(decoding, &out, text);
    buf_fini(&out);
    return ok;
}

/* ---- spans ---- */

static bool read_member(struct decoding *decoding, struct json *json, const struct json_text *key,
                        struct span *span, struct raw_span *raw)
{
    if (key_is(key, STR("traceId")))
        return otlp_json_id(decoding, json, &raw->trace_id);
    if (key_is(key, STR("spanId")))
        return otlp_json_id(decoding, json, &raw->span_id);
    if (key_is(key, STR("parentSpanId")))
        return otlp_json_id(decoding, json, &raw->parent_id);
    if (key_is(key, STR("name")))
        return otlp_json_name(decoding, json, &span->name);
    if (key_is(key, STR("kind")))
        return read_kind(json, span);
    if (key_is(key, STR("startTimeUnixNano")))
        return json_read_u64(json, &raw->start_ns);
    if (key_is(key, STR("endTimeUnixNano")))
        return json_read_u64(json, &raw->end_ns);
    if (key_is(key, STR("status")))
        return read_status(decoding, json, span);
    if (key_is(key, STR("traceState")))
        return otlp_json_name(decoding, json, &span->trace_state);
    if (key_is(key, STR("events")))
        return read_items(decoding, json, false, &span->events);
    if (key_is(key, STR("links")))
        return read_items(decoding, json, true, &span->links);
    if (!key_is(key, STR("attributes")))
        return otlp_json_pass(json, key);
    struct attr_list list = {0};
    if (!json_any_attributes(decoding, json, &list))
        return false;
    span->attrs = list.items;
    span->n_attrs = list.n;
    return true;
}

static bool read_span(struct decoding *decoding, struct json *json, const struct resource *resource,
                      const struct scope *scope)
{
    struct batch *batch = decoding->batch;
    struct raw_span raw = {0};
    struct json_text key;
    struct span *span = span_list_next(decoding);
    if (!span)
        return json_wrong(json, "too many");
    *span = (struct span){
        .resource = resource, .scope_name = scope->name, .scope_version = scope->version};
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        if (!read_member(decoding, json, &key, span, &raw))
            return false;
    }
    if (json->error)
        return false;
    const char *reason = read_ids(&raw, span);
    if (reason) {
        batch_reject(batch, "span %u: %s", batch->n_spans + batch->counts.n_rejected + 1, reason);
        return true;
    }
    times_set(span, raw.start_ns, raw.end_ns);
    if (!semconv_span(batch, span)) {
        decoding_too_big(decoding);
        return json_wrong(json, "memory");
    }
    batch->n_spans++;
    return true;
}

int decode_otlp_json(struct str input, const struct limits *limits, struct batch *batch,
                     struct err *err)
{
    const struct otlp_json_kind kind = {STR("resourceSpans"), STR("scopeSpans"),
                                        STR("instrumentationLibrarySpans"), STR("spans"),
                                        read_span};
    struct decoding decoding = {.batch = batch, .limits = limits, .err = err};
    err->code = ERR_NONE;
    buf_init(&decoding.json, SCRATCH_BYTES);
    int code = otlp_json_walk(&decoding, input, &kind);
    buf_fini(&decoding.json);
    return code;
}
