/* zipkin_json.c - a JSON array of Zipkin v2 spans (formats: Zipkin, span v2). Times are
 * microseconds there.
 *
 * A sender is a localEndpoint with the tags that identify a workload; senders that repeat share one
 * resource.
 */
#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/base/map.h"
#include "collector/decode/decode.h"
#include "collector/decode/json_value.h"
#include "collector/decode/keys.h"
#include "collector/decode/semconv.h"
#include "collector/decode/span_list.h"
#include "collector/decode/times.h"

#define SCRATCH_BYTES ((size_t)32 << 20)
#define NS_PER_US UINT64_C(1000)

struct endpoint {
    struct str service, ip;
    uint64_t port;
};

struct raw_span {
    struct str trace_id, span_id, parent_id;
    struct endpoint local, remote;
    uint64_t start_us, duration_us;
    uint64_t ended_us; /* the latest annotation "ss" or "cr"; 0 none */
    bool has_duration;
    struct buf events;
};

struct reading {
    struct decoding decoding;
    struct json json;
    struct map resources; /* hash of the identifying texts -> index */
    struct resource **by_index;
    uint32_t cap_resources;
};

static bool read_name(struct reading *reading, struct str *text)
{
    struct batch *batch = reading->decoding.batch;
    return json_read_text(&reading->decoding, &reading->json, text) &&
           text_keep(batch, text, reading->decoding.limits->name_bytes, &batch->counts.n_cut_names,
                     NULL);
}

static bool read_endpoint(struct reading *reading, struct endpoint *endpoint)
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

/* Microseconds as a number or text, with or without a fraction; negative ones are unknown. */
static bool read_us(struct json *json, uint64_t *us)
{
    int64_t number;
    if (!json_read_i64(json, &number))
        return false;
    *us = number > 0 ? (uint64_t)number : 0;
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
        struct span_item item = {0};
        uint64_t us = 0;
        if (!json_open_object(json))
            return false;
        while (json_next_key(json, &key)) {
            bool ok = key_is(&key, STR("timestamp")) ? read_us(json, &us)
                      : key_is(&key, STR("value"))   ? read_name(reading, &item.name)
                                                     : json_skip(json, NULL);
            if (!ok)
                return false;
        }
        item.time_ns = us < UINT64_MAX / NS_PER_US ? us * NS_PER_US : 0;
        if ((str_eq(item.name, STR("ss")) || str_eq(item.name, STR("cr"))) && us > raw->ended_us)
            raw->ended_us = us;
        if (n++ < reading->decoding.limits->events)
            span_item_render(&raw->events, &item, false);
        else
            reading->decoding.batch->counts.n_dropped_events++;
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
        if (list->n >= decoding->limits->attributes) {
            decoding->batch->counts.n_dropped_attributes++;
            if (!json_skip(json, NULL))
                return false;
            continue;
        }
        struct attr *attr = attr_list_add(decoding->batch, list);
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
        return read_us(json, &raw->start_us);
    if (key_is(key, STR("duration"))) {
        raw->has_duration = json_peek(json) != JSON_NULL;
        return read_us(json, &raw->duration_us);
    }
    if (key_is(key, STR("localEndpoint")))
        return read_endpoint(reading, &raw->local);
    if (key_is(key, STR("remoteEndpoint")))
        return read_endpoint(reading, &raw->remote);
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

/* Tags that the senders repeat from their resource. */
static bool is_resource_key(enum known_key key)
{
    return (key >= KEY_SERVICE_NAME && key <= KEY_CLOUD_AVAILABILITY_ZONE) ||
           key == KEY_TELEMETRY_SDK_NAME;
}

static uint64_t resource_hash(const struct raw_span *raw, const struct attr_list *tags)
{
    uint64_t hash = hash_mix(hash_str(raw->local.service), hash_str(raw->local.ip));
    for (uint32_t i = 0; i < tags->n; i++) {
        if (is_resource_key(key_number(tags->items[i].key)))
            hash += hash_mix(hash_str(tags->items[i].key), hash_str(tags->items[i].text));
    }
    return hash;
}

static bool fill_resource(struct reading *reading, struct resource *resource,
                          const struct raw_span *raw, const struct attr_list *tags)
{
    struct batch *batch = reading->decoding.batch;
    struct attr_list list = {0};
    bool named = false;
    for (uint32_t i = 0; i < tags->n; i++) {
        enum known_key number = key_number(tags->items[i].key);
        if (!is_resource_key(number))
            continue;
        struct attr *copy = attr_list_add(batch, &list);
        if (!copy)
            return false;
        *copy = tags->items[i];
        named = named || number == KEY_SERVICE_NAME;
    }
    if (!named && raw->local.service.len &&
        !attr_list_add_text(batch, &list, STR("service.name"), raw->local.service))
        return false;
    if (raw->local.ip.len && !attr_list_add_text(batch, &list, STR("net.host.ip"), raw->local.ip))
        return false;
    resource->attrs = list.items;
    resource->n_attrs = list.n;
    semconv_resource(resource);
    return true;
}

static struct resource *resource_of(struct reading *reading, const struct raw_span *raw,
                                    const struct attr_list *tags)
{
    struct batch *batch = reading->decoding.batch;
    uint64_t hash = resource_hash(raw, tags);
    /* Equal keyed 64-bit hashes are taken for equal senders: a body holds 50,000 spans at most. */
    for (struct map_iter it = map_find(&reading->resources, hash);
         map_next(&reading->resources, &it);)
        return reading->by_index[it.value];
    struct resource *resource = arena_calloc(&batch->arena, sizeof(*resource));
    if (!resource || !fill_resource(reading, resource, raw, tags))
        return NULL;
    if (batch->n_resources == reading->cap_resources) {
        uint32_t cap = reading->cap_resources ? 2 * reading->cap_resources : 16;
        struct resource **grown = realloc(reading->by_index, cap * sizeof(struct resource *));
        if (!grown) {
            batch->arena.short_of_memory = true;
            return NULL;
        }
        reading->by_index = grown;
        reading->cap_resources = cap;
    }
    if (!map_add(&reading->resources, hash, batch->n_resources)) {
        batch->arena.short_of_memory = true;
        return NULL;
    }
    resource->index = batch->n_resources++;
    reading->by_index[resource->index] = resource;
    return resource;
}

/* The peer's endpoint and what only Zipkin has become attributes. */
static bool add_made_tags(struct reading *reading, const struct raw_span *raw,
                          struct attr_list *tags)
{
    struct batch *batch = reading->decoding.batch;
    const struct endpoint *remote = &raw->remote;
    bool ok = true;
    if (remote->service.len)
        ok = attr_list_add_text(batch, tags, STR("peer.service"), remote->service);
    if (ok && remote->ip.len)
        ok = attr_list_add_text(batch, tags, STR("network.peer.address"), remote->ip);
    if (ok && remote->port) {
        struct attr *attr = attr_list_add(batch, tags);
        ok = attr != NULL;
        if (ok)
            *attr = (struct attr){.key = STR("network.peer.port"),
                                  .integer = (int64_t)remote->port,
                                  .type = VALUE_INT,
                                  .plain = true};
    }
    return ok;
}

static void read_known_tags(struct span *span, const struct attr_list *tags)
{
    for (uint32_t i = 0; i < tags->n; i++) {
        const struct attr *tag = &tags->items[i];
        if (str_eq(tag->key, STR("otel.status_code"))) {
            if (str_eq(tag->text, STR("OK")))
                span->status = STATUS_OK;
            else if (str_eq(tag->text, STR("ERROR")))
                span->status = STATUS_ERROR;
        } else if (str_eq(tag->key, STR("otel.status_description"))) {
            span->status_message = tag->text;
        } else if (str_eq(tag->key, STR("otel.scope.name")) ||
                   str_eq(tag->key, STR("otel.library.name"))) {
            span->scope_name = tag->text;
        } else if (str_eq(tag->key, STR("w3c.tracestate"))) {
            span->trace_state = tag->text;
        } else if (str_eq(tag->key, STR("error")) && !span->status_message.len &&
                   tag->type == VALUE_TEXT && !str_eq(tag->text, STR("true")) &&
                   !str_eq(tag->text, STR("false"))) {
            span->status_message = tag->text;
        }
    }
}

/* Envoy counts the duration from when it made the span, the timestamp from when the stream began;
 * on a busy machine milliseconds lie between, and the span seems to end before the calls beneath
 * it. When it really ended is in its annotation. */
static void set_times(struct span *span, const struct raw_span *raw)
{
    uint64_t most = UINT64_MAX / NS_PER_US / 2;
    uint64_t start_us = raw->start_us < most ? raw->start_us : 0;
    uint64_t end_us = start_us + (raw->duration_us < most ? raw->duration_us : 0);
    if (raw->ended_us > end_us && raw->ended_us < most)
        end_us = raw->ended_us;
    times_set(span, start_us * NS_PER_US, raw->has_duration && start_us ? end_us * NS_PER_US : 0);
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
    set_times(span, raw);
    attr_list_unique(tags);
    read_known_tags(span, tags);
    span->resource = resource_of(reading, raw, tags);
    if (!span->resource || !add_made_tags(reading, raw, tags) ||
        !span_items_take(&reading->decoding, &raw->events, &span->events))
        goto too_big;
    span->attrs = tags->items;
    span->n_attrs = tags->n;
    if (!semconv_span(batch, span))
        goto too_big;
    /* Kept as columns already; shapes would add them a second time. */
    span->scope_name = span->scope_version = span->trace_state = STR_NONE;
    batch->n_spans++;
    return true;
too_big:
    decoding_too_big(&reading->decoding);
    return json_wrong(&reading->json, "memory");
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
    buf_init(&raw.events, SCRATCH_BYTES);
    bool ok = true;
    while (ok && json_next_key(&reading->json, &key))
        ok = read_member(reading, &key, span, &raw, &tags);
    ok = ok && !reading->json.error && finish_span(reading, span, &raw, &tags);
    buf_fini(&raw.events);
    return ok;
}

int decode_zipkin_json(struct str input, const struct limits *limits, struct batch *batch,
                       struct err *err)
{
    struct reading reading = {.decoding = {.batch = batch, .limits = limits, .err = err}};
    err->code = ERR_NONE;
    if (str_trim(input).len == 0)
        return 0;
    map_init(&reading.resources);
    buf_init(&reading.decoding.json, SCRATCH_BYTES);
    json_init(&reading.json, input);
    if (json_open_array(&reading.json)) {
        while (json_next_item(&reading.json) && read_span(&reading)) {
        }
    }
    int code = json_finish(&reading.decoding, &reading.json);
    buf_fini(&reading.decoding.json);
    map_fini(&reading.resources);
    free(reading.by_index);
    return code;
}
