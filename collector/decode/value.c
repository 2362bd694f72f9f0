/* value.c - AnyValue without recursion: a stack of at most 32 open arrays and maps. */
#include "collector/decode/value.h"

#include "collector/decode/keys.h"
#include "collector/decode/redact.h"
#include "collector/decode/unique_keys.h"
#include "collector/model/shapes.h"

int decoding_too_big(struct decoding *decoding)
{
    if (decoding->batch->arena.short_of_memory || decoding->json.short_of_memory)
        return err_set(decoding->err, ERR_BUSY, "memory is short; try again");
    return err_set(decoding->err, ERR_TOO_BIG, "the body takes more memory than a request may");
}

bool value_set_text(struct decoding *decoding, struct attr *attr, struct str text)
{
    struct batch *batch = decoding->batch;
    bool plain;
    if (!text_keep(batch, &text, decoding->limits->attribute_bytes, &batch->counts.n_cut_values,
                   &plain)) {
        decoding_too_big(decoding);
        return false;
    }
    attr->type = VALUE_TEXT;
    attr->text = text;
    attr->plain = attr->plain && plain;
    return true;
}

bool value_set_key(struct decoding *decoding, struct attr *attr, struct str key)
{
    struct batch *batch = decoding->batch;
    attr->key = key;
    if (!text_keep(batch, &attr->key, MAX_KEY_BYTES, &batch->counts.n_cut_names, &attr->plain)) {
        decoding_too_big(decoding);
        return false;
    }
    return true;
}

bool value_json_text(struct decoding *decoding, struct str text)
{
    if (utf8_classify(text) == TEXT_BAD) {
        text = utf8_clean(&decoding->batch->arena, text);
        decoding->batch->counts.n_cleaned_texts++;
        if (!text.p) {
            decoding_too_big(decoding);
            return false;
        }
    }
    buf_add_json(&decoding->json, text);
    return true;
}

void value_json_base64(struct buf *json, struct str bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    buf_add_char(json, '"');
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        unsigned triple = 0;
        for (size_t k = 0; k < 3; k++)
            triple = triple << 8 | (k < n ? (unsigned char)bytes.p[i + k] : 0);
        char out[4] = {digits[triple >> 18 & 63], digits[triple >> 12 & 63],
                       n > 1 ? digits[triple >> 6 & 63] : '=', n > 2 ? digits[triple & 63] : '='};
        buf_add(json, out, 4);
    }
    buf_add_char(json, '"');
}

void value_json_attributes(struct decoding *decoding, const struct attr_list *list)
{
    if (!redact(decoding->batch, list->items, list->n))
        decoding_too_big(decoding);
    buf_add_c(&decoding->json, "\"attributes\":{");
    for (uint32_t i = 0; i < list->n; i++) {
        if (i)
            buf_add_char(&decoding->json, ',');
        attr_render(&decoding->json, &list->items[i]);
    }
    buf_add_char(&decoding->json, '}');
}

bool value_take_json(struct decoding *decoding, struct str *text)
{
    if (!buf_failed(&decoding->json))
        *text = arena_dup(&decoding->batch->arena, buf_str(&decoding->json));
    if (buf_failed(&decoding->json) || !text->p) {
        decoding_too_big(decoding);
        return false;
    }
    return true;
}

/* An open array or map while it is rendered. */
struct open_value {
    struct wire wire;
    bool map;
    bool first;
};

struct render {
    struct decoding *decoding;
    struct open_value open[MAX_VALUE_DEPTH];
    unsigned depth;
};

static bool malformed(struct decoding *decoding)
{
    err_set(decoding->err, ERR_INVALID, "the protobuf body is malformed (an attribute value)");
    return false;
}

static bool render_open(struct render *render, struct str list, bool map)
{
    if (render->depth == MAX_VALUE_DEPTH) {
        err_set(render->decoding->err, ERR_INVALID, "an attribute value is nested deeper than %d",
                MAX_VALUE_DEPTH);
        return false;
    }
    render->open[render->depth++] = (struct open_value){wire_of(list), map, true};
    buf_add_char(&render->decoding->json, map ? '{' : '[');
    return true;
}

/* Renders an AnyValue; an array or a map is only opened. The last field of the oneof wins. */
static bool render_any(struct render *render, struct str any)
{
    struct buf *json = &render->decoding->json;
    struct wire wire = wire_of(any), last = {0};
    while (wire_next(&wire)) {
        if (wire.field >= 1 && wire.field <= 7)
            last = wire;
    }
    if (wire.error)
        return malformed(render->decoding);
    switch (last.field) {
    case 1:
        return value_json_text(render->decoding, last.bytes);
    case 2:
        buf_add_c(json, last.number ? "true" : "false");
        return true;
    case 3:
        buf_add_i64(json, (int64_t)last.number);
        return true;
    case 4:
        buf_add_json_double(json, wire_real(last.number));
        return true;
    case 5:
    case 6:
        return render_open(render, last.bytes, last.field == 6);
    case 7:
        value_json_base64(json, last.bytes);
        return true;
    default:
        buf_add_c(json, "null");
        return true;
    }
}

/* One member of the open value on top; false at its end. */
static bool render_member(struct render *render, bool *failed)
{
    struct open_value *top = &render->open[render->depth - 1];
    struct buf *json = &render->decoding->json;
    struct str key = STR_NONE, value;
    do {
        if (!wire_next(&top->wire)) {
            *failed = top->wire.error && !malformed(render->decoding);
            return false;
        }
    } while (top->wire.field != 1 || top->wire.type != WIRE_BYTES);
    value = top->wire.bytes;
    if (!top->first)
        buf_add_char(json, ',');
    top->first = false;
    if (top->map) {
        struct wire pair = wire_of(value);
        value = STR_NONE;
        while (wire_next(&pair)) {
            if (pair.type == WIRE_BYTES && pair.field == 1)
                key = pair.bytes;
            else if (pair.type == WIRE_BYTES && pair.field == 2)
                value = pair.bytes;
        }
        *failed =
            (pair.error && !malformed(render->decoding)) || !value_json_text(render->decoding, key);
        buf_add_char(json, ':');
    }
    *failed = *failed || !render_any(render, value);
    return !*failed;
}

/* Renders an array or map value into the scratch. */
static bool render_value(struct decoding *decoding, struct str list, bool map)
{
    struct render render = {.decoding = decoding};
    bool failed = false;
    if (!render_open(&render, list, map))
        return false;
    while (render.depth > 0) {
        if (render_member(&render, &failed))
            continue;
        if (failed)
            return false;
        render.depth--;
        buf_add_char(&decoding->json, render.open[render.depth].map ? '}' : ']');
    }
    return true;
}

bool value_set_json(struct decoding *decoding, struct attr *attr)
{
    struct str text;
    /* What is longer is cut, and then no object any more. */
    if (decoding->json.len <= decoding->limits->attribute_bytes)
        unique_keys(&decoding->json);
    if (!value_take_json(decoding, &text))
        return false;
    if (text.len > decoding->limits->attribute_bytes) {
        attr->plain = false;
        return value_set_text(decoding, attr, text);
    }
    attr->type = VALUE_JSON;
    attr->text = text;
    return true;
}

/* A text, as OTLP JSON has it. */
static bool set_base64(struct decoding *decoding, struct str bytes, struct attr *attr)
{
    struct str quoted;
    buf_reset(&decoding->json);
    value_json_base64(&decoding->json, bytes);
    return value_take_json(decoding, &quoted) &&
           value_set_text(decoding, attr, (struct str){quoted.p + 1, quoted.len - 2});
}

bool value_read_pb(struct decoding *decoding, struct str any, struct attr *attr)
{
    struct wire wire = wire_of(any), last = {0};
    /* Nearly every value is one text field: one byte of tag, one of length. */
    while (wire_next_fast(&wire)) {
        if (wire.field >= 1 && wire.field <= 7)
            last = wire;
    }
    static const uint8_t types[8] = {[1] = WIRE_BYTES, WIRE_VARINT, WIRE_VARINT, WIRE_FIXED64,
                                     WIRE_BYTES,       WIRE_BYTES,  WIRE_BYTES};
    if (wire.error || (last.field && last.type != types[last.field]))
        return malformed(decoding);
    attr->type = VALUE_EMPTY;
    switch (last.field) {
    case 1:
        return value_set_text(decoding, attr, last.bytes);
    case 2:
        attr->type = VALUE_BOOL;
        attr->integer = last.number != 0;
        return true;
    case 3:
        attr->type = VALUE_INT;
        attr->integer = (int64_t)last.number;
        return true;
    case 4:
        attr->type = VALUE_DOUBLE;
        attr->real = wire_real(last.number);
        return true;
    case 5:
    case 6:
        buf_reset(&decoding->json);
        return render_value(decoding, last.bytes, last.field == 6) &&
               value_set_json(decoding, attr);
    case 7:
        return set_base64(decoding, last.bytes, attr);
    default:
        return true;
    }
}

/* How nearly every attribute is written: key, value, nothing else, the value a text, each length in
 * one byte. Anything else goes the general way. */
static bool is_short_text(struct str key_value, struct str *key, struct str *text)
{
    const unsigned char *at = (const unsigned char *)key_value.p;
    size_t n = key_value.len, n_key, n_text;
    if (n < 6 || n > 255 || at[0] != 0x0a || (n_key = at[1]) >= 0x80 || n_key + 6 > n)
        return false;
    at += 2 + n_key;
    n_text = n - n_key - 6;
    if (at[0] != 0x12 || at[1] != n_text + 2 || at[2] != 0x0a || at[3] != n_text ||
        n_text + 2 >= 0x80)
        return false;
    *key = (struct str){key_value.p + 2, n_key};
    *text = (struct str){(const char *)at + 4, n_text};
    return true;
}

static bool set_text_attribute(struct decoding *decoding, struct attr *attr, struct str key,
                               struct str text)
{
    if (plain_text(key) && plain_text(text) && value_set_plain(decoding, attr, key, text))
        return true;
    *attr = (struct attr){0};
    return value_set_key(decoding, attr, key) && value_set_text(decoding, attr, text);
}

struct attr *value_beyond(struct decoding *decoding, struct attr_list *list, struct str key)
{
    decoding->batch->counts.n_dropped_attributes++;
    if (key_number(key) == N_KNOWN_KEYS)
        return NULL;
    while (list->n_looked_at < list->n) {
        struct attr *attr = &list->items[list->n - ++list->n_looked_at];
        if (key_number(attr->key) == N_KNOWN_KEYS)
            return attr;
    }
    return NULL;
}

/* False when the message is broken. */
static bool read_pair(struct str key_value, struct str *key, struct str *value)
{
    struct wire wire = wire_of(key_value);
    *key = *value = STR_NONE;
    while (wire_next_fast(&wire)) {
        if (wire.type != WIRE_BYTES)
            continue;
        if (wire.field == 1)
            *key = wire.bytes;
        else if (wire.field == 2)
            *value = wire.bytes;
    }
    return !wire.error;
}

static bool read_beyond(struct decoding *decoding, struct str key_value, struct attr_list *list)
{
    struct str key, value;
    read_pair(key_value, &key, &value); /* what is broken is left out all the same */
    struct attr *attr = value_beyond(decoding, list, key);
    if (!attr)
        return true;
    *attr = (struct attr){0};
    return value_set_key(decoding, attr, key) && value_read_pb(decoding, value, attr);
}

bool value_read_attribute(struct decoding *decoding, struct str key_value, struct attr_list *list)
{
    if (list->n >= decoding->limits->attributes)
        return read_beyond(decoding, key_value, list);
    struct attr *attr = attr_list_add(decoding->batch, list);
    if (!attr) {
        decoding_too_big(decoding);
        return false;
    }
    struct str key, value;
    if (is_short_text(key_value, &key, &value))
        return set_text_attribute(decoding, attr, key, value);
    *attr = (struct attr){0};
    if (!read_pair(key_value, &key, &value))
        return malformed(decoding);
    return value_set_key(decoding, attr, key) && value_read_pb(decoding, value, attr);
}
