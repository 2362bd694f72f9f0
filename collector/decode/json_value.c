/* json_value.c - lenient where senders differ (numbers as strings), strict everywhere else. */
#include "collector/decode/json_value.h"

#include <math.h>

bool json_wrong(struct json *json, const char *error)
{
    if (!json->error)
        json->error = error;
    return false;
}

bool json_clean_text(struct decoding *decoding, struct json *json, struct json_text raw,
                     struct str *text)
{
    struct batch *batch = decoding->batch;
    *text = json_unescape_count(&batch->arena, raw, &batch->counts.n_cleaned_texts);
    if (!raw.raw.len || text->p)
        return true;
    decoding_too_big(decoding);
    return json_wrong(json, "memory");
}

bool json_read_text(struct decoding *decoding, struct json *json, struct str *text)
{
    struct json_text raw;
    *text = STR_NONE;
    if (json_is_null(json))
        return true;
    return json_string(json, &raw) && json_clean_text(decoding, json, raw, text);
}

/* The digits of a number or of a string that holds one. */
static bool number_text(struct json *json, struct str *text)
{
    struct json_text quoted;
    if (json_peek(json) == JSON_STRING) {
        if (!json_string(json, &quoted))
            return false;
        *text = quoted.raw;
        return true;
    }
    return json_number(json, text);
}

/* Whole numbers exactly; others ("1.5e3", "12.7") by way of a double. */
static bool to_i64(struct str text, int64_t *number)
{
    double real;
    if (str_to_i64(text, number))
        return true;
    if (!str_to_double(text, &real) || real < -9.2e18 || real > 9.2e18)
        return false;
    *number = (int64_t)real;
    return true;
}

bool json_read_i64(struct json *json, int64_t *number)
{
    struct str text;
    *number = 0;
    if (json_is_null(json))
        return true;
    if (!number_text(json, &text))
        return false;
    return to_i64(text, number) || json_wrong(json, "a whole number was expected");
}

bool json_read_u64(struct json *json, uint64_t *number)
{
    struct str text;
    int64_t whole;
    *number = 0;
    if (json_is_null(json))
        return true;
    if (!number_text(json, &text))
        return false;
    if (str_to_u64(text, number))
        return true;
    if (!to_i64(text, &whole) || whole < 0)
        return json_wrong(json, "a whole number was expected");
    *number = (uint64_t)whole;
    return true;
}

bool json_read_double(struct json *json, double *number)
{
    struct json_text quoted;
    struct str text;
    if (json_peek(json) == JSON_STRING) {
        if (!json_string(json, &quoted))
            return false;
        text = quoted.raw;
    } else if (!json_number(json, &text)) {
        return false;
    }
    if (str_to_double(text, number))
        return true;
    if (str_eq(text, STR("NaN")))
        *number = NAN;
    else if (str_eq(text, STR("Infinity")) || str_eq(text, STR("-Infinity")))
        *number = text.p[0] == '-' ? -INFINITY : INFINITY;
    else
        return json_wrong(json, "a number was expected");
    return true;
}

int json_finish(struct decoding *decoding, struct json *json)
{
    if (json_end(json) || decoding->err->code)
        return decoding->err->code;
    return err_set(decoding->err, ERR_INVALID, "the JSON body is malformed at byte %zu: %s",
                   (size_t)(json->at - json->start), json->error);
}

static bool copy_text(struct decoding *decoding, struct json *json, struct json_text raw)
{
    struct str text;
    if (!json_clean_text(decoding, json, raw, &text))
        return false;
    buf_add_json(&decoding->json, text);
    return true;
}

/* Copies one value as JSON text, its strings cleaned. No recursion: the reader keeps the depth. */
static bool copy_value(struct decoding *decoding, struct json *json)
{
    struct buf *out = &decoding->json;
    unsigned outer = json->depth;
    struct json_text text;
    struct str raw;
    bool begin = true;
    for (;;) {
        bool object = json->depth > outer && (json->is_object >> (json->depth - 1) & 1);
        if (json->depth > outer) {
            bool more = object ? json_next_key(json, &text) : json_next_item(json);
            if (json->error)
                return false;
            if (!more) {
                buf_add_char(out, object ? '}' : ']');
                begin = false;
                if (json->depth == outer)
                    return true;
                continue;
            }
            if (!begin)
                buf_add_char(out, ',');
            if (object) {
                if (!copy_text(decoding, json, text))
                    return false;
                buf_add_char(out, ':');
            }
        }
        begin = false;
        enum json_type type = json_peek(json);
        if (type == JSON_OBJECT || type == JSON_ARRAY) {
            if (!(type == JSON_OBJECT ? json_open_object(json) : json_open_array(json)))
                return false;
            buf_add_char(out, type == JSON_OBJECT ? '{' : '[');
            begin = true;
        } else if (type == JSON_STRING) {
            if (!json_string(json, &text) || !copy_text(decoding, json, text))
                return false;
        } else {
            if (!json_skip(json, &raw))
                return false;
            buf_add_str(out, raw);
        }
        if (json->depth == outer)
            return true;
    }
}

bool json_read_any(struct decoding *decoding, struct json *json, struct attr *attr)
{
    struct str text;
    bool truth;
    switch (json_peek(json)) {
    case JSON_STRING:
        return json_read_text(decoding, json, &text) && value_set_text(decoding, attr, text);
    case JSON_NUMBER:
        if (!json_number(json, &text))
            return false;
        attr->type = str_to_i64(text, &attr->integer) ? VALUE_INT : VALUE_DOUBLE;
        return attr->type == VALUE_INT || str_to_double(text, &attr->real) ||
               json_wrong(json, "a number out of range");
    case JSON_TRUE:
    case JSON_FALSE:
        if (!json_bool(json, &truth))
            return false;
        attr->type = VALUE_BOOL;
        attr->integer = truth;
        return true;
    case JSON_NULL:
        attr->type = VALUE_EMPTY;
        return json_null(json);
    default:
        buf_reset(&decoding->json);
        return copy_value(decoding, json) && value_set_json(decoding, attr);
    }
}
