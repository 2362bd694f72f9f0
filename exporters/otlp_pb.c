/* otlp_pb.c - the same batch as protobuf: field numbers of opentelemetry-proto v1.11
 * (schema/proto/otlp_trace.proto). What stands in a message is written first, its length put before
 * it afterwards.
 */
#include <endian.h>

#include "exporters/otlp.h"
#include "exporters/span_items.h"

#define SCRATCH_BYTES ((size_t)256 << 20)

enum wire { VARINT = 0, FIXED64 = 1, BYTES = 2 };

struct writer {
    struct buf *out;
    struct arena scratch; /* texts of rendered JSON, until the next span */
};

/* ---- fields ---- */

static void put_tag(struct buf *out, unsigned field, enum wire wire)
{
    buf_add_varint(out, field << 3 | wire);
}

/* Begins a message; close_message() ends it. */
static size_t open_message(struct buf *out, unsigned field)
{
    put_tag(out, field, BYTES);
    return out->len;
}

static void close_message(struct buf *out, size_t from)
{
    size_t len = out->len - from;
    buf_add_varint(out, len);
    if (buf_failed(out))
        return;
    size_t n = out->len - from - len;
    char head[10];
    memcpy(head, out->p + from + len, n);
    memmove(out->p + from + n, out->p + from, len);
    memcpy(out->p + from, head, n);
}

static void put_bytes(struct buf *out, unsigned field, struct str bytes)
{
    put_tag(out, field, BYTES);
    buf_add_varint(out, bytes.len);
    buf_add_str(out, bytes);
}

/* The default of a text, a number, is not written. */
static void put_text(struct buf *out, unsigned field, struct str text)
{
    if (text.len)
        put_bytes(out, field, text);
}

static void put_number(struct buf *out, unsigned field, uint64_t number)
{
    if (!number)
        return;
    put_tag(out, field, VARINT);
    buf_add_varint(out, number);
}

static void put_fixed(struct buf *out, unsigned field, uint64_t number)
{
    uint64_t little = htole64(number);
    put_tag(out, field, FIXED64);
    buf_add(out, &little, sizeof(little));
}

static void put_real(struct buf *out, unsigned field, double real)
{
    uint64_t bits;
    memcpy(&bits, &real, sizeof(bits));
    put_fixed(out, field, bits);
}

static struct str unescape(struct writer *writer, struct json_text text)
{
    struct str plain = json_unescape(&writer->scratch, text);
    if (plain.p || !text.raw.len)
        return plain;
    writer->out->failed = writer->out->short_of_memory = true;
    return STR_NONE;
}

static void put_id(struct buf *out, unsigned field, const uint64_t *halves, size_t n)
{
    uint64_t big[2];
    for (size_t i = 0; i < n; i++)
        big[i] = htobe64(halves[i]);
    put_bytes(out, field, (struct str){(const char *)big, n * sizeof(*big)});
}

/* ---- values ---- */

/* Members of the oneof of AnyValue; they are written even when they are 0. */
enum any { ANY_TEXT = 1, ANY_BOOL, ANY_INT, ANY_DOUBLE, ANY_ARRAY, ANY_LIST };

static void put_bool(struct buf *out, bool truth)
{
    put_tag(out, ANY_BOOL, VARINT);
    buf_add_varint(out, truth);
}

static void put_int(struct buf *out, int64_t whole)
{
    put_tag(out, ANY_INT, VARINT);
    buf_add_varint(out, (uint64_t)whole);
}

static void copy_number(struct buf *out, struct str raw)
{
    int64_t whole;
    double real = 0;
    if (str_to_i64(raw, &whole))
        put_int(out, whole);
    else if (str_to_double(raw, &real))
        put_real(out, ANY_DOUBLE, real);
}

static void copy_scalar(struct writer *writer, struct json *json)
{
    struct json_text text;
    struct str raw;
    bool truth;
    switch (json_peek(json)) {
    case JSON_STRING:
        if (json_string(json, &text))
            put_bytes(writer->out, ANY_TEXT, unescape(writer, text));
        break;
    case JSON_NUMBER:
        if (json_number(json, &raw))
            copy_number(writer->out, raw);
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        if (json_bool(json, &truth))
            put_bool(writer->out, truth);
        break;
    default:
        json_skip(json, NULL);
    }
}

/* What is open at a depth: a list of values, and in it a value, with its key where it has one. */
struct open_list {
    bool keyed;
    size_t list, pair, value;
};

static void close_value(struct buf *out, const struct open_list *open)
{
    close_message(out, open->value);
    if (open->keyed)
        close_message(out, open->pair);
}

/* Begins the next value of a list; false at its end, which it closes. */
static bool next_value(struct writer *writer, struct json *json, struct open_list *open)
{
    struct json_text key;
    struct buf *out = writer->out;
    if (!(open->keyed ? json_next_key(json, &key) : json_next_item(json))) {
        close_message(out, open->list);
        return false;
    }
    if (open->keyed) {
        open->pair = open_message(out, 1);
        put_text(out, 1, unescape(writer, key));
    }
    open->value = open_message(out, open->keyed ? 2 : 1);
    return true;
}

/* One value of rendered JSON, however it is nested, into the AnyValue that is open. */
static void copy_value(struct writer *writer, struct json *json)
{
    struct open_list open[JSON_MAX_DEPTH + 1];
    struct buf *out = writer->out;
    unsigned outer = json->depth;
    size_t from = out->len;
    do {
        unsigned depth = json->depth;
        if (depth > outer && !next_value(writer, json, &open[depth])) {
            if (depth - 1 > outer)
                close_value(out, &open[depth - 1]);
            continue;
        }
        enum json_type type = json_peek(json);
        if (type == JSON_OBJECT || type == JSON_ARRAY) {
            bool keyed = type == JSON_OBJECT;
            if (!(keyed ? json_open_object(json) : json_open_array(json)))
                break;
            open[json->depth].keyed = keyed;
            open[json->depth].list = open_message(out, keyed ? ANY_LIST : ANY_ARRAY);
            continue;
        }
        copy_scalar(writer, json);
        if (depth > outer)
            close_value(out, &open[depth]);
    } while (json->depth > outer && !json->error);
    if (json->error)
        out->len = from; /* a value without content, rather than half of one */
}

static void put_value(struct writer *writer, const struct attr *attr)
{
    struct json json;
    switch (attr->type) {
    case VALUE_BOOL:
        put_bool(writer->out, attr->integer != 0);
        break;
    case VALUE_INT:
        put_int(writer->out, attr->integer);
        break;
    case VALUE_DOUBLE:
        put_real(writer->out, ANY_DOUBLE, attr->real);
        break;
    case VALUE_TEXT:
        put_bytes(writer->out, ANY_TEXT, attr->text);
        break;
    case VALUE_JSON:
        json_init(&json, attr->text);
        copy_value(writer, &json);
        break;
    default:
        break;
    }
}

static void put_attributes(struct writer *writer, unsigned field, const struct attr *attrs,
                           uint32_t n)
{
    struct buf *out = writer->out;
    for (uint32_t i = 0; i < n; i++) {
        size_t pair = open_message(out, field);
        put_text(out, 1, attrs[i].key);
        size_t value = open_message(out, 2);
        put_value(writer, &attrs[i]);
        close_message(out, value);
        close_message(out, pair);
    }
}

/* ---- events and links ---- */

static void copy_attributes(struct writer *writer, unsigned field, struct str object)
{
    struct json json;
    struct json_text key;
    struct buf *out = writer->out;
    json_init(&json, object.len ? object : STR("{}"));
    json_open_object(&json);
    while (json_next_key(&json, &key)) {
        size_t pair = open_message(out, field);
        put_text(out, 1, unescape(writer, key));
        size_t value = open_message(out, 2);
        copy_value(writer, &json);
        close_message(out, value);
        close_message(out, pair);
    }
}

static unsigned digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

/* An id of lower-case hexadecimal digits, as a batch has those of links. */
static void copy_id(struct buf *out, unsigned field, struct str hex)
{
    put_tag(out, field, BYTES);
    buf_add_varint(out, hex.len / 2);
    for (size_t i = 0; i + 1 < hex.len; i += 2)
        buf_add_char(out, (char)(digit(hex.p[i]) << 4 | digit(hex.p[i + 1])));
}

static void put_event(struct writer *writer, const struct written_item *item)
{
    struct json_text name = {.raw = item->name, .escaped = true};
    put_fixed(writer->out, 1, item->time_ns);
    put_text(writer->out, 2, unescape(writer, name));
    copy_attributes(writer, 3, item->attributes);
}

static void put_link(struct writer *writer, const struct written_item *item)
{
    copy_id(writer->out, 1, item->trace_id);
    copy_id(writer->out, 2, item->span_id);
    copy_attributes(writer, 4, item->attributes);
}

static void put_items(struct writer *writer, unsigned field, struct str rendered,
                      void (*put)(struct writer *writer, const struct written_item *item))
{
    struct span_items items;
    struct written_item item;
    span_items_begin(&items, rendered);
    while (span_items_next(&items, &item)) {
        size_t one = open_message(writer->out, field);
        put(writer, &item);
        close_message(writer->out, one);
    }
}

/* ---- spans ---- */

/* That a span ended before it began is all that is known of its end. */
static void put_times(struct buf *out, const struct span *span)
{
    if (!span->start_ns)
        return;
    put_fixed(out, 7, span->start_ns);
    if (span->duration_ns == DURATION_UNKNOWN)
        return;
    bool backwards = span->bad_times && !span->duration_ns;
    put_fixed(out, 8, span->start_ns + span->duration_ns - backwards);
}

static void put_status(struct buf *out, const struct span *span)
{
    if (span->status == STATUS_UNSET && !span->status_message.len)
        return;
    size_t status = open_message(out, 15);
    put_text(out, 2, span->status_message);
    put_number(out, 3, span->status);
    close_message(out, status);
}

static void put_span(struct writer *writer, const struct span *span)
{
    struct buf *out = writer->out;
    const uint64_t trace_id[2] = {span->trace_id.high, span->trace_id.low};
    size_t from = open_message(out, 2);
    put_id(out, 1, trace_id, 2);
    put_id(out, 2, &span->span_id, 1);
    put_text(out, 3, span->trace_state);
    if (span->parent_id)
        put_id(out, 4, &span->parent_id, 1);
    put_text(out, 5, span->name);
    put_number(out, 6, span->kind);
    put_times(out, span);
    put_attributes(writer, 9, span->attrs, span->n_attrs);
    put_items(writer, 11, span->events, put_event);
    put_items(writer, 13, span->links, put_link);
    put_status(out, span);
    close_message(out, from);
    arena_reset(&writer->scratch);
}

static bool is_of_scope(const struct span *span, const struct span *first)
{
    return span->resource == first->resource && str_eq(span->scope_name, first->scope_name) &&
           str_eq(span->scope_version, first->scope_version);
}

/* Spans of one scope from `i` on; gives the next that is of another. */
static uint32_t put_scope(struct writer *writer, const struct batch *batch, uint32_t i)
{
    const struct span *first = &batch->spans[i];
    size_t spans = open_message(writer->out, 2), scope = open_message(writer->out, 1);
    put_text(writer->out, 1, first->scope_name);
    put_text(writer->out, 2, first->scope_version);
    close_message(writer->out, scope);
    for (; i < batch->n_spans && is_of_scope(&batch->spans[i], first); i++)
        put_span(writer, &batch->spans[i]);
    close_message(writer->out, spans);
    return i;
}

void otlp_pb_write(struct buf *out, const struct batch *batch)
{
    struct writer writer = {.out = out};
    arena_init(&writer.scratch, SCRATCH_BYTES);
    for (uint32_t i = 0; i < batch->n_spans;) {
        const struct resource *resource = batch->spans[i].resource;
        size_t from = open_message(out, 1), inner = open_message(out, 1);
        put_attributes(&writer, 1, resource->attrs, resource->n_attrs);
        close_message(out, inner);
        arena_reset(&writer.scratch);
        while (i < batch->n_spans && batch->spans[i].resource == resource)
            i = put_scope(&writer, batch, i);
        close_message(out, from);
    }
    arena_fini(&writer.scratch);
}
