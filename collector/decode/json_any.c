/* json_any.c - nested values are kept as the raw text of their list, and read member by member with
 * a stack of readers: at most MAX_VALUE_DEPTH, no recursion.
 */
#include "collector/decode/json_any.h"

#include "collector/base/plain.h"

enum any_kind { ANY_NONE, ANY_TEXT, ANY_BOOL, ANY_INT, ANY_DOUBLE, ANY_LIST, ANY_MAP, ANY_BYTES };

/* One AnyValue, its nested lists still raw. */
struct any {
    enum any_kind kind;
    struct str
        text; /* of a text or of bytes (base64, as it came); raw JSON array of a list or map */
    int64_t integer;
    double real;
};

/* {"values":[…]}: the raw text of the array. */
static bool read_values(struct json *json, struct str *raw)
{
    struct json_text key;
    *raw = STR("[]");
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        bool values = key_is(&key, STR("values")) && json_peek(json) == JSON_ARRAY;
        if (!json_skip(json, values ? raw : NULL))
            return false;
    }
    return !json->error;
}

static bool read_kind(struct decoding *decoding, struct json *json, const struct json_text *key,
                      struct any *any)
{
    bool truth;
    if (key_is(key, STR("stringValue"))) {
        any->kind = ANY_TEXT;
        return json_read_text(decoding, json, &any->text);
    }
    if (key_is(key, STR("intValue"))) {
        any->kind = ANY_INT;
        return json_read_i64(json, &any->integer);
    }
    if (key_is(key, STR("boolValue"))) {
        any->kind = ANY_BOOL;
        if (!json_bool(json, &truth))
            return false;
        any->integer = truth;
        return true;
    }
    if (key_is(key, STR("doubleValue"))) {
        any->kind = ANY_DOUBLE;
        return json_read_double(json, &any->real);
    }
    if (key_is(key, STR("arrayValue")) || key_is(key, STR("kvlistValue"))) {
        any->kind = key_is(key, STR("arrayValue")) ? ANY_LIST : ANY_MAP;
        return read_values(json, &any->text);
    }
    if (key_is(key, STR("bytesValue"))) {
        any->kind = ANY_BYTES;
        return json_read_text(decoding, json, &any->text);
    }
    return json_skip(json, NULL);
}

static bool read_any(struct decoding *decoding, struct json *json, struct any *any)
{
    struct json_text key;
    *any = (struct any){0};
    if (json_is_null(json))
        return true;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        if (!json_is_null(json) && !json->error && !read_kind(decoding, json, &key, any))
            return false;
    }
    return !json->error;
}

/* A list or map that is being rendered. */
struct open_list {
    struct json json;
    bool map, first;
};

struct render {
    struct decoding *decoding;
    struct json *outer; /* gets the error */
    struct open_list open[MAX_VALUE_DEPTH];
    unsigned depth;
};

static bool render_open(struct render *render, const struct any *any)
{
    if (render->depth == MAX_VALUE_DEPTH)
        return json_wrong(render->outer, "an attribute value is nested deeper than 32");
    struct open_list *list = &render->open[render->depth++];
    *list = (struct open_list){.map = any->kind == ANY_MAP, .first = true};
    json_init(&list->json, any->text);
    buf_add_char(&render->decoding->json, list->map ? '{' : '[');
    return json_open_array(&list->json);
}

static bool render_one(struct render *render, const struct any *any)
{
    struct buf *out = &render->decoding->json;
    switch (any->kind) {
    case ANY_TEXT:
    case ANY_BYTES:
        buf_add_json(out, any->text);
        return true;
    case ANY_BOOL:
        buf_add_c(out, any->integer ? "true" : "false");
        return true;
    case ANY_INT:
        buf_add_i64(out, any->integer);
        return true;
    case ANY_DOUBLE:
        buf_add_json_double(out, any->real);
        return true;
    case ANY_LIST:
    case ANY_MAP:
        return render_open(render, any);
    default:
        buf_add_c(out, "null");
        return true;
    }
}

static bool read_pair(struct decoding *decoding, struct json *json, struct str *name,
                      struct any *any)
{
    struct json_text key;
    *name = STR_NONE;
    *any = (struct any){0};
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        bool ok = key_is(&key, STR("key"))     ? json_read_text(decoding, json, name)
                  : key_is(&key, STR("value")) ? read_any(decoding, json, any)
                                               : json_skip(json, NULL);
        if (!ok)
            return false;
    }
    return !json->error;
}

/* Behind `word` when it stands at `at`, else NULL. */
static const char *behind(const struct json *json, const char *at, struct str word)
{
    if (!at || (size_t)(json->end - at) < word.len || memcmp(at, word.p, word.len) != 0)
        return NULL;
    return at + word.len;
}

/* How nearly every attribute is written: key before value, a text, no blanks, nothing escaped.
 * False, and nothing read, for all else: it goes the general way. */
static bool read_short_text(struct json *json, struct str *key, struct str *text)
{
    const char *at = behind(json, json->at, STR("{\"key\":\""));
    if (!at)
        return false;
    const char *end = plain_end(at, json->end);
    *key = (struct str){at, (size_t)(end - at)};
    at = behind(json, end, STR("\",\"value\":{\"stringValue\":\""));
    if (!at)
        return false;
    end = plain_end(at, json->end);
    *text = (struct str){at, (size_t)(end - at)};
    at = behind(json, end, STR("\"}}"));
    if (!at)
        return false;
    json->at = at;
    return true;
}

/* The next member of the list on top; false at its end or on an error. */
static bool render_member(struct render *render)
{
    struct open_list *top = &render->open[render->depth - 1];
    struct decoding *decoding = render->decoding;
    struct str name;
    struct any any;
    if (!json_next_item(&top->json))
        return false;
    if (!top->first)
        buf_add_char(&decoding->json, ',');
    top->first = false;
    if (!(top->map ? read_pair(decoding, &top->json, &name, &any)
                   : read_any(decoding, &top->json, &any)))
        return false;
    if (top->map) {
        buf_add_json(&decoding->json, name);
        buf_add_char(&decoding->json, ':');
    }
    return render_one(render, &any);
}

static bool render_nested(struct decoding *decoding, struct json *json, const struct any *any)
{
    struct render render = {.decoding = decoding, .outer = json};
    if (!render_open(&render, any))
        return false;
    while (render.depth > 0) {
        if (render_member(&render))
            continue;
        struct open_list *top = &render.open[render.depth - 1];
        if (json->error || top->json.error)
            return json_wrong(json, top->json.error);
        buf_add_char(&decoding->json, top->map ? '}' : ']');
        render.depth--;
    }
    return true;
}

static bool set_nested(struct decoding *decoding, struct json *json, const struct any *any,
                       struct attr *attr)
{
    buf_reset(&decoding->json);
    return render_nested(decoding, json, any) && value_set_json(decoding, attr);
}

static bool set_value(struct decoding *decoding, struct json *json, const struct any *any,
                      struct attr *attr)
{
    switch (any->kind) {
    case ANY_TEXT:
    case ANY_BYTES:
        return value_set_text(decoding, attr, any->text);
    case ANY_BOOL:
    case ANY_INT:
        attr->type = any->kind == ANY_BOOL ? VALUE_BOOL : VALUE_INT;
        attr->integer = any->integer;
        return true;
    case ANY_DOUBLE:
        attr->type = VALUE_DOUBLE;
        attr->real = any->real;
        return true;
    case ANY_LIST:
    case ANY_MAP:
        return set_nested(decoding, json, any, attr);
    default:
        attr->type = VALUE_EMPTY;
        return true;
    }
}

bool json_any_read(struct decoding *decoding, struct json *json, struct attr *attr)
{
    struct any any;
    return read_any(decoding, json, &any) && set_value(decoding, json, &any, attr);
}

bool json_any_attributes(struct decoding *decoding, struct json *json, struct attr_list *list)
{
    struct str name;
    struct any any;
    if (json_is_null(json))
        return true;
    if (!json_open_array(json))
        return false;
    while (json_next_item(json)) {
        struct str text;
        bool is_short = read_short_text(json, &name, &text);
        if (!is_short && !read_pair(decoding, json, &name, &any))
            return false;
        bool full = list->n >= decoding->limits->attributes;
        struct attr *attr =
            full ? value_beyond(decoding, list, name) : attr_list_add(decoding->batch, list);
        if (full && !attr)
            continue;
        if (!attr) {
            decoding_too_big(decoding);
            return json_wrong(json, "memory");
        }
        if (is_short && value_set_plain(decoding, attr, name, text))
            continue;
        if (is_short)
            any = (struct any){.kind = ANY_TEXT, .text = text};
        *attr = (struct attr){0};
        if (!value_set_key(decoding, attr, name) || !set_value(decoding, json, &any, attr))
            return false;
    }
    attr_list_unique(list);
    return !json->error;
}
