/* zipkin_json.c - a JSON array of Zipkin v2 spans (formats: Zipkin, span v2). Times are
 * microseconds there.
 */
#include "collector/decode/decode.h"
#include "collector/decode/json_value.h"
#include "collector/decode/span_list.h"
#include "collector/decode/zipkin_span.h"

#define SCRATCH_BYTES ((size_t)32 << 20)

struct raw_span {
    struct str trace_id, span_id, parent_id;
    struct zipkin_span zipkin;
};

struct reading {
    struct decoding decoding;
    struct json json;
    struct zipkin_senders senders;
};

static bool read_name(struct reading *reading, struct str *text)
{
    struct batch *batch = reading->decoding.batch;
    return json_read_text(&reading->decoding, &reading->json, text) &&
           text_keep(batch, text, reading->decoding.limits->name_bytes, &batch->counts.n_cut_names,
                     NULL);
}

static bool read_endpoint(struct reading *reading, struct zipkin_endpoint *endpoint)
{
    struct json *json = &reading->json;
    struct json_text key;
    if (json_is_null(json))
        return true;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        bool ok;
        if (key_is(&key, STR("serviceName")))
            ok = read_name(reading, &endpoint->service);
        else if (key_is(&key, STR("ipv4")) || (key_is(&key, STR("ipv6")) && !endpoint->ip.len))
            ok = read_name(reading, &endpoint->ip);
        else if (key_is(&key, STR("port")))
            ok = json_read_u64(json, &endpoint->port);
        else
            ok = json_skip(json, NULL);
        if (!ok)
            return false;
    }
    return !json->error;
}

static bool read_kind(struct reading *reading, struct span *span)
{
    struct str text;
    if (!json_read_text(&reading->decoding, &reading->json, &text))
        return false;
    if (str_eq(text, STR("CLIENT")))
        span->kind = KIND_CLIENT;
    else if (str_eq(text, STR("SERVER")))
        span->kind = KIND_SERVER;
    else if (str_eq(text, STR("PRODUCER")))
        span->kind = KIND_PRODUCER;
    else if (str_eq(text, STR("CONSUMER")))
        span->kind = KIND_CONSUMER;
    return true;
}

/* Microseconds as a number or text, with or without a fraction; negative ones become as great as no
 * time is. */
static bool read_us(struct json *json, uint64_t *us)
{
    int64_t number;
    if (!json_read_i64(json, &number))
        return false;
    *us = (uint64_t)number;
    return true;
}

static bool read_annotations(struct reading *reading, struct raw_span *raw)
{
    struct json *json = &reading->json;
    struct json_text key;
    uint32_t n = 0;
    if (json_is_null(json))
        return true;
    if (!json_open_array(json))
        return false;
    while (json_next_item(json)) {
        struct str value = STR_NONE;
        uint64_t us = 0;
        if (!json_open_object(json))
            return false;
        while (json_next_key(json, &key)) {
            bool ok = key_is(&key, STR("timestamp")) ? read_us(json, &us)
                      : key_is(&key, STR("value"))
                          ? json_read_text(&reading->decoding, json, &value)
                          : json_skip(json, NULL);
            if (!ok)
                return false;
        }
        if (!zipkin_span_annotate(&reading->decoding, &raw->zipkin, value, us, n++))
            return json_wrong(json, "memory");
    }
    return !json->error;
}

static bool read_tag(struct decoding *decoding, struct json *json, const struct json_text *key,
                     struct attr *attr)
{
    struct json_text raw = {0};
    struct str name, text;
    bool is_text = json_peek(json) == JSON_STRING;
    *attr = (struct attr){0};
    if (is_text && !json_string(json, &raw))
        return false;
    if (key->plain && raw.plain && value_set_plain(decoding, attr, key->raw, raw.raw))
        return true;
    if (!json_clean_text(decoding, json, *key, &name) || !value_set_key(decoding, attr, name))
        return false;
    if (!is_text)
        return json_read_any(decoding, json, attr);
    return json_clean_text(decoding, json, raw, &text) && value_set_text(decoding, attr, text);
}

static bool read_tags(struct reading *reading, struct attr_list *list)
{
    struct decoding *decoding = &reading->decoding;
    struct json *json = &reading->json;
    struct json_text key;
    if (json_is_null(json))
        return true;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        if (json_is_null(json))
            continue;
        bool full = list->n >= decoding->limits->attributes;
        struct attr *attr =
            full ? value_beyond(decoding, list, key.raw) : attr_list_add(decoding->batch, list);
        if (full && !attr) {
            if (!json_skip(json, NULL))
                return false;
            continue;
        }
        if (!attr) {
            decoding_too_big(decoding);
            return json_wrong(json, "memory");
        }
        if (!read_tag(decoding, json, &key, attr))
            return false;
    }
    return !json->error;
}

/* An id that is not even a string is rejected with its span. */
static bool read_id(struct reading *reading, struct str *text)
{
    enum json_type type = json_peek(&reading->json);
    if (type == JSON_STRING || type == JSON_NULL)
        return json_read_text(&reading->decoding, &reading->json, text);
    *text = STR("?");
    return json_skip(&reading->json, NULL);
}

static bool read_member(struct reading *reading, const struct json_text *key, struct span *span,
                        struct raw_span *raw, struct attr_list *tags)
{
    struct json *json = &reading->json;
    if (key_is(key, STR("traceId")))
        return read_id(reading, &raw->trace_id);
    if (key_is(key, STR("id")))
        return read_id(reading, &raw->span_id);
    if (key_is(key, STR("parentId")))
        return read_id(reading, &raw->parent_id);
    if (key_is(key, STR("name")))
        return read_name(reading, &span->name);
    if (key_is(key, STR("kind")))
        return read_kind(reading, span);
    if (key_is(key, STR("timestamp")))
        return read_us(json, &raw->zipkin.start_us);
    if (key_is(key, STR("duration"))) {
        raw->zipkin.has_duration = json_peek(json) != JSON_NULL;
        return read_us(json, &raw->zipkin.duration_us);
    }
    if (key_is(key, STR("localEndpoint")))
        return read_endpoint(reading, &raw->zipkin.local);
    if (key_is(key, STR("remoteEndpoint")))
        return read_endpoint(reading, &raw->zipkin.remote);
    if (key_is(key, STR("annotations")))
        return read_annotations(reading, raw);
    if (key_is(key, STR("tags")))
        return read_tags(reading, tags);
    if (key_is(key, STR("shared")))
        return json_is_null(json) || json_bool(json, &span->shared);
    if (key_is(key, STR("binaryAnnotations")))
        return json_wrong(json, "these are Zipkin v1 spans: send v2 to /api/v2/spans");
    return json_skip(json, NULL);
}

/* 1 to 32 digits, padded on the left. */
static bool trace_id_read(struct str text, struct trace_id *id)
{
    *id = (struct trace_id){0};
    if (text.len <= 16)
        return hex_to_u64(text, &id->low);
    size_t n_high = text.len - 16;
    return text.len <= 32 && hex_to_u64((struct str){text.p, n_high}, &id->high) &&
           hex_to_u64(str_skip(text, n_high), &id->low);
}

static const char *read_ids(const struct raw_span *raw, struct span *span)
{
    if (!raw->trace_id.len)
        return "traceId is missing";
    if (!trace_id_read(raw->trace_id, &span->trace_id))
        return "traceId is not 1 to 32 hexadecimal digits";
    if (!span->trace_id.high && !span->trace_id.low)
        return "traceId is all zero";
    if (!raw->span_id.len)
        return "id is missing";
    if (!hex_to_u64(raw->span_id, &span->span_id))
        return "id is not 1 to 16 hexadecimal digits";
    if (!span->span_id)
        return "id is all zero";
    if (raw->parent_id.len && !hex_to_u64(raw->parent_id, &span->parent_id))
        return "parentId is not 1 to 16 hexadecimal digits";
    if (span->parent_id == span->span_id)
        span->parent_id = 0;
    return NULL;
}

static bool finish_span(struct reading *reading, struct span *span, struct raw_span *raw,
                        struct attr_list *tags)
{
    struct batch *batch = reading->decoding.batch;
    const char *reason = read_ids(raw, span);
    if (reason) {
        batch_reject(batch, "span %u: %s", batch->n_spans + batch->counts.n_rejected + 1, reason);
        return true;
    }
    return zipkin_span_take(&reading->senders, span, &raw->zipkin, tags) ||
           json_wrong(&reading->json, "memory");
}

static bool read_span(struct reading *reading)
{
    struct raw_span raw = {0};
    struct attr_list tags = {0};
    struct json_text key;
    struct span *span = span_list_next(&reading->decoding);
    if (!span)
        return json_wrong(&reading->json, "too many");
    *span = (struct span){.kind = KIND_UNSET};
    if (!json_open_object(&reading->json))
        return false;
    buf_init(&raw.zipkin.events, SCRATCH_BYTES);
    buf_init(&raw.zipkin.links, SCRATCH_BYTES);
    bool ok = true;
    while (ok && json_next_key(&reading->json, &key))
        ok = read_member(reading, &key, span, &raw, &tags);
    ok = ok && !reading->json.error && finish_span(reading, span, &raw, &tags);
    buf_fini(&raw.zipkin.events);
    buf_fini(&raw.zipkin.links);
    return ok;
}

int decode_zipkin_json(struct str input, const struct limits *limits, struct batch *batch,
                       struct err *err)
{
    struct reading reading = {.decoding = {.batch = batch, .limits = limits, .err = err}};
    err->code = ERR_NONE;
    if (str_trim(input).len == 0)
        return 0;
    zipkin_senders_init(&reading.senders, &reading.decoding);
    buf_init(&reading.decoding.json, SCRATCH_BYTES);
    json_init(&reading.json, input);
    if (json_open_array(&reading.json)) {
        while (json_next_item(&reading.json) && read_span(&reading)) {
        }
    }
    int code = json_finish(&reading.decoding, &reading.json);
    buf_fini(&reading.decoding.json);
    zipkin_senders_fini(&reading.senders);
    return code;
}
