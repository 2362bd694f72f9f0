/* otlp_json.c - ExportTraceServiceRequest as one JSON document (formats: OTLP/JSON).
 *
 * Resource and scope usually stand before their spans; where they do not, the raw text of the spans
 * is read when the object has ended.
 */
#include <stdlib.h>

#include "collector/decode/decode.h"
#include "collector/decode/json_any.h"
#include "collector/decode/redact.h"
#include "collector/decode/semconv.h"
#include "collector/decode/span_list.h"
#include "collector/decode/times.h"

#define SCRATCH_BYTES ((size_t)32 << 20)

struct scope {
    struct str name, version;
};

struct raw_span {
    struct str trace_id, span_id, parent_id;
    uint64_t start_ns, end_ns;
};

static bool read_name(struct decoding *decoding, struct json *json, struct str *text)
{
    struct batch *batch = decoding->batch;
    return json_read_text(decoding, json, text) &&
           text_keep(batch, text, decoding->limits->name_bytes, &batch->counts.n_cut_names, NULL);
}

/* ---- ids ---- */

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* Some exporters write ids in base64: 16 bytes are 22 digits, 8 bytes 11, '=' aside. */
static bool base64_to_bytes(struct str text, unsigned char *bytes, size_t n)
{
    uint32_t bits = 0;
    unsigned n_bits = 0;
    size_t at = 0;
    while (text.len && text.p[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.p[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        n_bits += 6;
        if (n_bits >= 8) {
            if (at == n)
                return false;
            n_bits -= 8;
            bytes[at++] = (unsigned char)(bits >> n_bits);
        }
    }
    return at == n;
}

static uint64_t big_endian(const unsigned char *bytes)
{
    uint64_t number;
    memcpy(&number, bytes, sizeof(number));
    return __builtin_bswap64(number);
}

static bool id_read(struct str text, size_t n_bytes, uint64_t halves[2])
{
    unsigned char bytes[16];
    halves[0] = halves[1] = 0;
    if (text.len == 2 * n_bytes) {
        struct str low = str_skip(text, text.len - 16);
        return hex_to_u64(low, &halves[1]) &&
               (n_bytes == 8 || hex_to_u64((struct str){text.p, 16}, &halves[0]));
    }
    size_t digits = n_bytes == 16 ? 22 : 11;
    if (text.len < digits || text.len > digits + 2 || !base64_to_bytes(text, bytes, n_bytes))
        return false;
    halves[1] = big_endian(bytes + n_bytes - 8);
    if (n_bytes == 16)
        halves[0] = big_endian(bytes);
    return true;
}

static const char *read_ids(const struct raw_span *raw, struct span *span)
{
    uint64_t halves[2];
    if (!raw->trace_id.len)
        return "traceId is missing";
    if (!id_read(raw->trace_id, 16, halves))
        return "traceId is not 32 hexadecimal digits";
    span->trace_id = (struct trace_id){halves[0], halves[1]};
    if (!halves[0] && !halves[1])
        return "traceId is all zero";
    if (!raw->span_id.len)
        return "spanId is missing";
    if (!id_read(raw->span_id, 8, halves))
        return "spanId is not 16 hexadecimal digits";
    span->span_id = halves[1];
    if (!span->span_id)
        return "spanId is all zero";
    halves[1] = 0;
    if (raw->parent_id.len && !id_read(raw->parent_id, 8, halves))
        return "parentSpanId is not 16 hexadecimal digits";
    span->parent_id = halves[1];
    return NULL;
}

/* An id that is not even a string is rejected with its span, not with the body. */
static bool read_id(struct decoding *decoding, struct json *json, struct str *text)
{
    enum json_type type = json_peek(json);
    if (type == JSON_STRING || type == JSON_NULL)
        return json_read_text(decoding, json, text);
    *text = STR("?");
    return json_skip(json, NULL);
}

/* ---- enums, which some senders write as words ---- */

static bool read_enum(struct json *json, struct str prefix, const char *const *words, unsigned n,
                      uint64_t *number)
{
    struct json_text text;
    if (json_peek(json) != JSON_STRING)
        return json_read_u64(json, number);
    if (!json_string(json, &text))
        return false;
    if (str_to_u64(text.raw, number))
        return true;
    struct str word = str_starts(text.raw, prefix) ? str_skip(text.raw, prefix.len) : text.raw;
    for (unsigned i = 0; i < n; i++) {
        if (str_eq_nocase(word, str_of(words[i]))) {
            *number = i;
            return true;
        }
    }
    *number = 0;
    return true;
}

static bool read_kind(struct json *json, struct span *span)
{
    static const char *const words[N_KINDS] = {"UNSPECIFIED", "INTERNAL", "SERVER",
                                               "CLIENT",      "PRODUCER", "CONSUMER"};
    uint64_t kind;
    if (!read_enum(json, STR("SPAN_KIND_"), words, N_KINDS, &kind))
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
            if (!read_enum(json, STR("STATUS_CODE_"), words, N_STATUSES, &code))
                return false;
            span->status = code < N_STATUSES ? (uint8_t)code : STATUS_UNSET;
        } else if (key_is(&key, STR("message"))) {
            if (!read_name(decoding, json, &span->status_message))
                return false;
        } else if (!json_skip(json, NULL)) {
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
            ok = read_name(decoding, json, &item->name);
        else if (key_is(&key, STR("traceId")))
            ok = read_id(decoding, json, &item->trace_id);
        else if (key_is(&key, STR("spanId")))
            ok = read_id(decoding, json, &item->span_id);
        else if (key_is(&key, STR("attributes")))
            ok = json_any_attributes(decoding, json, &list);
        else
            ok = json_skip(json, NULL);
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
        if (!ok || (links && !good_link(&item)))
            continue;
        if (n++ < max)
            span_item_render(&out, &item, links);
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
        return read_id(decoding, json, &raw->trace_id);
    if (key_is(key, STR("spanId")))
        return read_id(decoding, json, &raw->span_id);
    if (key_is(key, STR("parentSpanId")))
        return read_id(decoding, json, &raw->parent_id);
    if (key_is(key, STR("name")))
        return read_name(decoding, json, &span->name);
    if (key_is(key, STR("kind")))
        return read_kind(json, span);
    if (key_is(key, STR("startTimeUnixNano")))
        return json_read_u64(json, &raw->start_ns);
    if (key_is(key, STR("endTimeUnixNano")))
        return json_read_u64(json, &raw->end_ns);
    if (key_is(key, STR("status")))
        return read_status(decoding, json, span);
    if (key_is(key, STR("traceState")))
        return read_name(decoding, json, &span->trace_state);
    if (key_is(key, STR("events")))
        return read_items(decoding, json, false, &span->events);
    if (key_is(key, STR("links")))
        return read_items(decoding, json, true, &span->links);
    if (!key_is(key, STR("attributes")))
        return json_skip(json, NULL);
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

static bool read_spans(struct decoding *decoding, struct json *json,
                       const struct resource *resource, const struct scope *scope)
{
    if (json_is_null(json))
        return true;
    if (!json_open_array(json))
        return false;
    while (json_next_item(json)) {
        if (!read_span(decoding, json, resource, scope))
            return false;
    }
    return !json->error;
}

static bool read_scope(struct decoding *decoding, struct json *json, struct scope *scope)
{
    struct json_text key;
    if (json_is_null(json))
        return true;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        bool ok = key_is(&key, STR("name"))      ? read_name(decoding, json, &scope->name)
                  : key_is(&key, STR("version")) ? read_name(decoding, json, &scope->version)
                                                 : json_skip(json, NULL);
        if (!ok)
            return false;
    }
    return !json->error;
}

/* Reads raw text that was put aside with a reader of its own. */
static bool put_aside_done(struct json *json, struct json *aside)
{
    return aside->error ? json_wrong(json, aside->error) : true;
}

static bool read_scope_spans(struct decoding *decoding, struct json *json,
                             const struct resource *resource)
{
    struct scope scope = {0};
    struct json_text key;
    struct str aside = STR_NONE;
    bool have_scope = false;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        bool ok;
        if (key_is(&key, STR("scope")) || key_is(&key, STR("instrumentationLibrary"))) {
            have_scope = true;
            ok = read_scope(decoding, json, &scope);
        } else if (key_is(&key, STR("spans"))) {
            ok =
                have_scope ? read_spans(decoding, json, resource, &scope) : json_skip(json, &aside);
        } else {
            ok = json_skip(json, NULL);
        }
        if (!ok)
            return false;
    }
    if (json->error || !aside.len)
        return !json->error;
    struct json again;
    json_init(&again, aside);
    read_spans(decoding, &again, resource, &scope);
    return put_aside_done(json, &again);
}

static bool read_all_scopes(struct decoding *decoding, struct json *json,
                            const struct resource *resource)
{
    if (json_is_null(json))
        return true;
    if (!json_open_array(json))
        return false;
    while (json_next_item(json)) {
        if (!read_scope_spans(decoding, json, resource))
            return false;
    }
    return !json->error;
}

static bool read_resource(struct decoding *decoding, struct json *json, struct attr_list *list)
{
    struct json_text key;
    if (json_is_null(json))
        return true;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        if (!(key_is(&key, STR("attributes")) ? json_any_attributes(decoding, json, list)
                                              : json_skip(json, NULL)))
            return false;
    }
    return !json->error;
}

static const struct resource *make_resource(struct decoding *decoding, const struct attr_list *list)
{
    struct resource *resource = arena_calloc(&decoding->batch->arena, sizeof(*resource));
    if (!resource) {
        decoding_too_big(decoding);
        return NULL;
    }
    resource->attrs = list->items;
    resource->n_attrs = list->n;
    resource->index = decoding->batch->n_resources++;
    semconv_resource(resource);
    return resource;
}

static bool read_resource_spans(struct decoding *decoding, struct json *json)
{
    struct attr_list list = {0};
    struct json_text key;
    struct str aside = STR_NONE;
    const struct resource *resource = NULL;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        bool ok;
        if (key_is(&key, STR("resource"))) {
            ok = read_resource(decoding, json, &list);
            resource = ok ? make_resource(decoding, &list) : NULL;
            ok = resource != NULL;
        } else if (key_is(&key, STR("scopeSpans")) ||
                   key_is(&key, STR("instrumentationLibrarySpans"))) {
            ok = resource ? read_all_scopes(decoding, json, resource) : json_skip(json, &aside);
        } else {
            ok = json_skip(json, NULL);
        }
        if (!ok)
            return json_wrong(json, "memory");
    }
    if (json->error || !aside.len)
        return !json->error;
    if (!resource && !(resource = make_resource(decoding, &list)))
        return json_wrong(json, "memory");
    struct json again;
    json_init(&again, aside);
    read_all_scopes(decoding, &again, resource);
    return put_aside_done(json, &again);
}

static void read_request(struct decoding *decoding, struct json *json)
{
    struct json_text key;
    if (!json_open_object(json))
        return;
    while (json_next_key(json, &key)) {
        if (!key_is(&key, STR("resourceSpans")) || json_peek(json) == JSON_NULL) {
            if (!json_skip(json, NULL))
                return;
            continue;
        }
        if (!json_open_array(json))
            return;
        while (json_next_item(json)) {
            if (!read_resource_spans(decoding, json))
                return;
        }
    }
}

int decode_otlp_json(struct str input, const struct limits *limits, struct batch *batch,
                     struct err *err)
{
    struct decoding decoding = {.batch = batch, .limits = limits, .err = err};
    struct json json;
    err->code = ERR_NONE;
    if (str_trim(input).len == 0)
        return err_set(err, ERR_INVALID, "the JSON body is empty; an empty request is {}");
    buf_init(&decoding.json, SCRATCH_BYTES);
    json_init(&json, input);
    read_request(&decoding, &json);
    int code = json_finish(&decoding, &json);
    buf_fini(&decoding.json);
    return code;
}
