/* json_theirs.c - the only user of jansson. */
#include "tests/oracle/json_theirs.h"

#include <jansson.h>

static void add_value(struct buf *out, json_t *value);

static void add_object(struct buf *out, json_t *object)
{
    const char *key;
    json_t *value;
    bool first = true;
    buf_add_char(out, '{');
    json_object_foreach(object, key, value)
    {
        buf_add_c(out, first ? "" : ",");
        first = false;
        buf_add_json(out, str_of(key));
        buf_add_char(out, ':');
        add_value(out, value);
    }
    buf_add_char(out, '}');
}

static void add_array(struct buf *out, json_t *array)
{
    size_t i;
    json_t *value;
    buf_add_char(out, '[');
    json_array_foreach(array, i, value)
    {
        buf_add_c(out, i ? "," : "");
        add_value(out, value);
    }
    buf_add_char(out, ']');
}

static void add_value(struct buf *out, json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        add_object(out, value);
        break;
    case JSON_ARRAY:
        add_array(out, value);
        break;
    case JSON_STRING:
        buf_add_json(out, (struct str){json_string_value(value), json_string_length(value)});
        break;
    case JSON_INTEGER:
        buf_add_i64(out, json_integer_value(value));
        break;
    case JSON_REAL:
        buf_add_double(out, json_real_value(value));
        break;
    case JSON_TRUE:
        buf_add_c(out, "true");
        break;
    case JSON_FALSE:
        buf_add_c(out, "false");
        break;
    default:
        buf_add_c(out, "null");
    }
}

enum json_theirs json_theirs(struct str text, struct buf *out)
{
    json_error_t error;
    json_t *document = json_loadb(text.p ? text.p : "", text.len, JSON_DECODE_ANY, &error);
    if (!document)
        return json_error_code(&error) == json_error_numeric_overflow ? JSON_THEIRS_OUT_OF_RANGE
                                                                      : JSON_THEIRS_REFUSE;
    add_value(out, document);
    json_decref(document);
    document = json_loadb(text.p, text.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    json_decref(document);
    return document ? JSON_THEIRS_TAKE : JSON_THEIRS_TWICE;
}
