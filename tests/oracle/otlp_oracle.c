/* otlp_oracle.c - is the body within what both readers understand, and what does it say then. */
#include "tests/oracle/otlp_oracle.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "collector/decode/keys.h"
#include "tests/oracle/batch_text.h"
#include "tests/oracle/naive_text.h"

#define DEEPEST_MESSAGE 100
#define DEEPEST_VALUE 32
#define MAX_KEY 256

/* ---- is the body within the common language? ---- */

struct field {
    uint64_t number, length;
    unsigned type;
    const uint8_t *bytes;
};

static bool varint(const uint8_t **at, const uint8_t *end, unsigned most_bytes, uint64_t *number)
{
    *number = 0;
    for (unsigned i = 0; i < most_bytes && *at < end; i++) {
        uint8_t byte = *(*at)++;
        if (i == 9 && byte > 1)
            return false;
        *number |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* True when one more field was read. At bytes that are cut off both readers must refuse, so the
 * walk just ends there; *common is false at what the two see differently. */
static bool next_field(const uint8_t **at, const uint8_t *end, struct field *field, bool *common)
{
    uint64_t tag;
    const uint8_t *begin = *at;
    if (*at == end)
        return false;
    if (!varint(at, end, 5, &tag)) {
        *common = end - begin < 5;
        return false;
    }
    field->number = tag >> 3;
    field->type = tag & 7;
    field->length = field->type == 1 ? 8 : field->type == 5 ? 4 : 0;
    if (field->number == 0 || tag > UINT32_MAX || field->type == 3 || field->type == 4)
        *common = false;
    if (field->type > 5 || !*common)
        return false;
    begin = *at;
    if (field->type == 0 && !varint(at, end, 10, &tag)) {
        *common = end - begin < 10;
        return false;
    }
    if (field->type == 2 && !varint(at, end, 5, &field->length)) {
        *common = end - begin < 5;
        return false;
    }
    field->bytes = *at;
    if (field->length > (uint64_t)(end - *at))
        return false;
    *at += field->length;
    return true;
}

static unsigned wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_FIXED32:
        return 5;
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 1;
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE:
        return 2;
    default:
        return 0;
    }
}

static bool is_common(const ProtobufCMessageDescriptor *message, const uint8_t *at,
                      const uint8_t *end, unsigned depth)
{
    bool seen[20] = {false}, one_of = false, common = true;
    struct field field;
    if (depth > DEEPEST_MESSAGE)
        return false;
    while (next_field(&at, end, &field, &common)) {
        const ProtobufCFieldDescriptor *known =
            protobuf_c_message_descriptor_get_field(message, (unsigned)field.number);
        if (!known)
            continue;
        if (field.type != wire_type_of(known->type))
            return false;
        bool *once = known->flags & PROTOBUF_C_FIELD_FLAG_ONEOF ? &one_of : &seen[field.number];
        bool single = known->label != PROTOBUF_C_LABEL_REPEATED &&
                      (known->type == PROTOBUF_C_TYPE_MESSAGE || once == &one_of);
        if (single && *once)
            return false;
        *once = true;
        if (known->type == PROTOBUF_C_TYPE_MESSAGE &&
            !is_common(known->descriptor, field.bytes, field.bytes + field.length, depth + 1))
            return false;
    }
    return common;
}

/* ---- what it says ---- */

struct telling {
    struct buf *out;
    const struct limits *limits;
    bool unique;   /* maps are told without what has a later twin */
    bool too_deep; /* a value that was read is nested deeper than the limit */
};

static struct str str_of_data(ProtobufCBinaryData data)
{
    return (struct str){(const char *)data.data, data.len};
}

static void add_quoted(struct buf *out, ProtobufCBinaryData data)
{
    char *clean = naive_clean(str_of_data(data));
    buf_add_json(out, str_of(clean));
    free(clean);
}

static void add_number(struct buf *out, double number)
{
    if (isfinite(number))
        buf_add_double(out, number);
    else
        buf_add_c(out, isnan(number) ? "\"NaN\"" : number < 0 ? "\"-Infinity\"" : "\"Infinity\"");
}

static void add_base64(struct buf *out, ProtobufCBinaryData data)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buf_add_char(out, '"');
    for (size_t bit = 0; bit < data.len * 8; bit += 6) {
        unsigned digit = 0;
        for (size_t b = bit; b < bit + 6; b++)
            digit = digit << 1 | (b / 8 < data.len ? data.data[b / 8] >> (7 - b % 8) & 1 : 0);
        buf_add_char(out, digits[digit]);
    }
    for (size_t n = data.len; n % 3; n++)
        buf_add_char(out, '=');
    buf_add_char(out, '"');
}

static void add_value(struct telling *telling, struct buf *out, const Otlp__AnyValue *value,
                      unsigned depth);

static bool has_later_twin(const Otlp__KeyValueList *map, size_t i)
{
    bool twin = false;
    char *key = naive_clean(str_of_data(map->values[i]->key));
    for (size_t k = i + 1; k < map->n_values && !twin; k++) {
        char *other = naive_clean(str_of_data(map->values[k]->key));
        twin = strcmp(key, other) == 0;
        free(other);
    }
    free(key);
    return twin;
}

static void add_nested(struct telling *telling, struct buf *out, const Otlp__AnyValue *value,
                       unsigned depth)
{
    bool map = value->value_case == OTLP__ANY_VALUE__VALUE_KVLIST_VALUE;
    size_t n = map ? value->kvlist_value->n_values : value->array_value->n_values;
    if (depth == DEEPEST_VALUE) {
        telling->too_deep = true;
        return;
    }
    buf_add_char(out, map ? '{' : '[');
    size_t before = out->len;
    for (size_t i = 0; i < n; i++) {
        if (map && telling->unique && has_later_twin(value->kvlist_value, i))
            continue;
        buf_add_c(out, out->len > before ? "," : "");
        if (map) {
            add_quoted(out, value->kvlist_value->values[i]->key);
            buf_add_char(out, ':');
        }
        add_value(telling, out,
                  map ? value->kvlist_value->values[i]->value : value->array_value->values[i],
                  depth + 1);
    }
    buf_add_char(out, map ? '}' : ']');
}

static void add_value(struct telling *telling, struct buf *out, const Otlp__AnyValue *value,
                      unsigned depth)
{
    switch (value ? value->value_case : OTLP__ANY_VALUE__VALUE__NOT_SET) {
    case OTLP__ANY_VALUE__VALUE_STRING_VALUE:
        add_quoted(out, value->string_value);
        break;
    case OTLP__ANY_VALUE__VALUE_BOOL_VALUE:
        buf_add_c(out, value->bool_value ? "true" : "false");
        break;
    case OTLP__ANY_VALUE__VALUE_INT_VALUE:
        buf_addf(out, "%" PRId64, value->int_value);
        break;
    case OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE:
        add_number(out, value->double_value);
        break;
    case OTLP__ANY_VALUE__VALUE_ARRAY_VALUE:
    case OTLP__ANY_VALUE__VALUE_KVLIST_VALUE:
        add_nested(telling, out, value, depth);
        break;
    case OTLP__ANY_VALUE__VALUE_BYTES_VALUE:
        add_base64(out, value->bytes_value);
        break;
    default:
        buf_add_c(out, "null");
    }
}

/* The value as an attribute shows it: texts are cut, and so is rendered JSON, which then is a text.
 */
static void add_attribute_value(struct telling *telling, struct buf *out,
                                const Otlp__AnyValue *value)
{
    size_t max = telling->limits->attribute_bytes;
    struct buf whole;
    if (value && value->value_case == OTLP__ANY_VALUE__VALUE_STRING_VALUE) {
        char *kept = naive_keep(str_of_data(value->string_value), max);
        buf_add_json(out, str_of(kept));
        free(kept);
        return;
    }
    buf_init(&whole, SIZE_MAX / 2);
    add_value(telling, &whole, value, 0);
    bool nested = value && value->value_case >= OTLP__ANY_VALUE__VALUE_ARRAY_VALUE;
    if (value && value->value_case == OTLP__ANY_VALUE__VALUE_BYTES_VALUE) { /* base64 in quotes */
        whole.len--;
        char *kept = naive_keep(str_skip(buf_str(&whole), 1), max);
        buf_add_json(out, str_of(kept));
        free(kept);
    } else if (nested && whole.len > max) {
        char *kept = naive_keep(buf_str(&whole), max);
        buf_add_json(out, str_of(kept));
        free(kept);
    } else {
        buf_reset(&whole);
        telling->unique = true;
        add_value(telling, &whole, value, 0);
        telling->unique = false;
        buf_add_str(out, buf_str(&whole));
    }
    buf_fini(&whole);
}

/* The attributes that are kept: the first `limit`, but for each with a meaning behind them the last
 * without one; of equal keys the last value in the first's place. */
struct kept {
    char *keys[256];
    const Otlp__AnyValue *values[256];
    size_t n;
};

static bool has_meaning(const Otlp__KeyValue *pair)
{
    return key_number(str_of_data(pair->key)) != N_KNOWN_KEYS;
}

static void keep(const struct telling *telling, Otlp__KeyValue *const *pairs, size_t n,
                 struct kept *kept)
{
    size_t max = telling->limits->attributes, at;
    const Otlp__KeyValue *chosen[256];
    for (size_t i = 0; i < n; i++) {
        for (at = i < max                 ? i + 1
                  : has_meaning(pairs[i]) ? max
                                          : 0;
             i >= max && at > 0 && has_meaning(chosen[at - 1]); at--) {
        }
        if (at > 0)
            chosen[at - 1] = pairs[i];
    }
    kept->n = 0;
    for (size_t i = 0; i < n && i < max; i++) {
        char *key = naive_keep(str_of_data(chosen[i]->key), MAX_KEY);
        for (at = 0; at < kept->n && strcmp(kept->keys[at], key) != 0; at++) {
        }
        if (at < kept->n)
            free(kept->keys[at]);
        else
            kept->n++;
        kept->keys[at] = key;
        kept->values[at] = chosen[i]->value;
    }
}

static void tell_attributes(struct telling *telling, const char *of, Otlp__KeyValue *const *pairs,
                            size_t n)
{
    struct kept kept;
    keep(telling, pairs, n, &kept);
    for (size_t i = 0; i < kept.n; i++) {
        text_attr_begin(telling->out, of, str_of(kept.keys[i]));
        add_attribute_value(telling, telling->out, kept.values[i]);
        buf_add_char(telling->out, '\n');
        free(kept.keys[i]);
    }
}

static void add_attributes(struct telling *telling, struct buf *out, Otlp__KeyValue *const *pairs,
                           size_t n)
{
    struct kept kept;
    keep(telling, pairs, n, &kept);
    buf_add_c(out, "\"attributes\":{");
    for (size_t i = 0; i < kept.n; i++) {
        buf_add_c(out, i ? "," : "");
        buf_add_json(out, str_of(kept.keys[i]));
        buf_add_char(out, ':');
        add_attribute_value(telling, out, kept.values[i]);
        free(kept.keys[i]);
    }
    buf_add_c(out, "}}");
}

static void tell_name(struct telling *telling, const char *name, ProtobufCBinaryData data)
{
    char *kept = naive_keep(str_of_data(data), telling->limits->name_bytes);
    text_line(telling->out, name, str_of(kept));
    free(kept);
}

static void add_name(struct telling *telling, struct buf *out, ProtobufCBinaryData data)
{
    char *kept = naive_keep(str_of_data(data), telling->limits->name_bytes);
    buf_add_json(out, str_of(kept));
    free(kept);
}

static void tell_events(struct telling *telling, const Otlp__Span *span)
{
    struct buf list;
    buf_init(&list, SIZE_MAX / 2);
    for (size_t i = 0; i < span->n_events && i < telling->limits->events; i++) {
        const Otlp__Event *event = span->events[i];
        buf_add_c(&list, i ? ",{\"time\":\"" : "[{\"time\":\"");
        buf_add_time(&list, event->time_unix_nano);
        buf_add_c(&list, "\",\"name\":");
        add_name(telling, &list, event->name);
        buf_add_char(&list, ',');
        add_attributes(telling, &list, event->attributes, event->n_attributes);
    }
    buf_add_c(&list, list.len ? "]" : "");
    text_line(telling->out, "events", buf_str(&list));
    buf_fini(&list);
}

static void add_hex(struct buf *out, ProtobufCBinaryData data)
{
    for (size_t i = 0; i < data.len; i++)
        buf_addf(out, "%02x", data.data[i]);
}

/* Links that lead nowhere are not kept; they count against the limit all the same. */
static void tell_links(struct telling *telling, const Otlp__Span *span)
{
    struct buf list;
    buf_init(&list, SIZE_MAX / 2);
    for (size_t i = 0; i < span->n_links && i < telling->limits->links; i++) {
        const Otlp__Link *link = span->links[i];
        if (link->trace_id.len != 16 || link->span_id.len != 8)
            continue;
        buf_add_c(&list, list.len ? ",{\"trace_id\":\"" : "[{\"trace_id\":\"");
        add_hex(&list, link->trace_id);
        buf_add_c(&list, "\",\"span_id\":\"");
        add_hex(&list, link->span_id);
        buf_add_c(&list, "\",");
        add_attributes(telling, &list, link->attributes, link->n_attributes);
    }
    buf_add_c(&list, list.len ? "]" : "");
    text_line(telling->out, "links", buf_str(&list));
    buf_fini(&list);
}

static uint64_t number_of(ProtobufCBinaryData data, size_t from)
{
    uint64_t number = 0;
    for (size_t i = from; i < from + 8 && i < data.len; i++)
        number = number * 256 + data.data[i];
    return number;
}

static void tell_times(struct buf *out, const Otlp__Span *span)
{
    uint64_t start = span->start_time_unix_nano, end = span->end_time_unix_nano;
    /* 1971-01-01 and 2262-01-01, counted in days. */
    uint64_t first = UINT64_C(365) * 86400 * 1000000000,
             last = UINT64_C(106650) * 86400 * 1000000000;
    bool odd = start < first || end < first || start >= last || end >= last || end < start;
    text_number(out, "start", start > INT64_MAX ? 0 : start);
    if (!start || !end || (end >= start && end - start > INT64_MAX))
        buf_add_c(out, "  duration unknown\n");
    else
        text_number(out, "duration", end < start ? 0 : end - start);
    if (odd)
        buf_add_c(out, "  bad times\n");
}

static void tell_span(struct telling *telling, const Otlp__ResourceSpans *group,
                      const Otlp__ScopeSpans *scope, const Otlp__Span *span)
{
    struct trace_id trace_id = {number_of(span->trace_id, 0), number_of(span->trace_id, 8)};
    uint64_t span_id = number_of(span->span_id, 0);
    struct buf *out = telling->out;
    if (span->trace_id.len != 16 || span->span_id.len != 8 || (!trace_id.high && !trace_id.low) ||
        !span_id || (span->parent_span_id.len != 0 && span->parent_span_id.len != 8))
        return;
    text_ids(out, trace_id, span_id, number_of(span->parent_span_id, 0));
    tell_name(telling, "name", span->name);
    int32_t code = span->status ? span->status->code : 0;
    buf_addf(out, "  kind %d status %d\n", span->kind >= 0 && span->kind <= 5 ? span->kind : 1,
             code >= 0 && code <= 2 ? code : 0);
    if (span->status)
        tell_name(telling, "message", span->status->message);
    tell_times(out, span);
    tell_name(telling, "tracestate", span->trace_state);
    if (scope->scope) {
        tell_name(telling, "scope", scope->scope->name);
        tell_name(telling, "scope version", scope->scope->version);
    }
    if (group->resource)
        tell_attributes(telling, "resource", group->resource->attributes,
                        group->resource->n_attributes);
    tell_attributes(telling, "attr", span->attributes, span->n_attributes);
    tell_events(telling, span);
    tell_links(telling, span);
}

/* What a decoder reads and nobody is told, as a value that another replaces or an attribute of a
 * span that is rejected, may be too deep all the same. */
static bool is_deep(const Otlp__AnyValue *value, unsigned depth)
{
    bool map = value && value->value_case == OTLP__ANY_VALUE__VALUE_KVLIST_VALUE;
    if (!map && !(value && value->value_case == OTLP__ANY_VALUE__VALUE_ARRAY_VALUE))
        return false;
    size_t n = map ? value->kvlist_value->n_values : value->array_value->n_values;
    bool deep = depth >= DEEPEST_VALUE;
    for (size_t i = 0; i < n && !deep; i++)
        deep = is_deep(map ? value->kvlist_value->values[i]->value : value->array_value->values[i],
                       depth + 1);
    return deep;
}

static bool has_deep(Otlp__KeyValue *const *pairs, size_t n)
{
    bool deep = false;
    for (size_t i = 0; i < n && !deep; i++)
        deep = is_deep(pairs[i]->value, 0);
    return deep;
}

static bool is_span_deep(const Otlp__Span *span)
{
    bool deep = has_deep(span->attributes, span->n_attributes);
    for (size_t i = 0; i < span->n_events && !deep; i++)
        deep = has_deep(span->events[i]->attributes, span->events[i]->n_attributes);
    for (size_t i = 0; i < span->n_links && !deep; i++)
        deep = has_deep(span->links[i]->attributes, span->links[i]->n_attributes);
    return deep;
}

enum oracle_answer otlp_oracle_request(const Otlp__Request *request, const struct limits *limits,
                                       struct buf *text)
{
    struct telling telling = {.out = text, .limits = limits};
    size_t n_spans = 0;
    bool deep = false;
    for (size_t g = 0; g < request->n_resource_spans; g++) {
        const Otlp__ResourceSpans *group = request->resource_spans[g];
        if (group->resource)
            deep = deep || has_deep(group->resource->attributes, group->resource->n_attributes);
        for (size_t s = 0; s < group->n_scope_spans; s++) {
            const Otlp__ScopeSpans *scope = group->scope_spans[s];
            n_spans += scope->n_spans;
            for (size_t i = 0; i < scope->n_spans; i++) {
                tell_span(&telling, group, scope, scope->spans[i]);
                deep = deep || is_span_deep(scope->spans[i]);
            }
        }
    }
    if (n_spans > limits->max_spans)
        return ORACLE_REFUSES;
    return deep || telling.too_deep ? ORACLE_REFUSES_WHAT_IS_READ : ORACLE_TAKES;
}

enum oracle_answer otlp_oracle(struct str body, const struct limits *limits, struct buf *text)
{
    const uint8_t *bytes = (const uint8_t *)body.p;
    if (body.len > limits->max_decoded)
        return ORACLE_REFUSES;
    if (!is_common(&otlp__request__descriptor, bytes, bytes + body.len, 0))
        return ORACLE_SAYS_NOTHING;
    Otlp__Request *request = otlp__request__unpack(NULL, body.len, bytes);
    if (!request)
        return ORACLE_REFUSES_WHAT_IS_READ;
    enum oracle_answer answer = otlp_oracle_request(request, limits, text);
    otlp__request__free_unpacked(request, NULL);
    return answer;
}
