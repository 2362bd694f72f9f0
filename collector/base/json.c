/* json.c - a strict JSON reader that keeps one bit a level. */
#include "collector/base/json.h"

#include "collector/base/plain.h"
#include "collector/base/utf8.h"

static bool fail(struct json *json, const char *error)
{
    if (!json->error)
        json->error = error;
    return false;
}

void json_init(struct json *json, struct str text)
{
    *json = (struct json){.start = text.p, .at = text.p, .end = text.p + text.len};
}

static inline void skip_blanks(struct json *json)
{
    if (json->at < json->end && (unsigned char)*json->at > ' ')
        return;
    while (json->at < json->end &&
           (*json->at == ' ' || *json->at == '\n' || *json->at == '\t' || *json->at == '\r'))
        json->at++;
}

const unsigned char json_types[256] = {
    ['{'] = JSON_OBJECT, ['['] = JSON_ARRAY, ['"'] = JSON_STRING, ['t'] = JSON_TRUE,
    ['f'] = JSON_FALSE,  ['n'] = JSON_NULL,  ['-'] = JSON_NUMBER, ['0' ... '9'] = JSON_NUMBER,
};

enum json_type json_peek_behind_blanks(struct json *json)
{
    if (json->error)
        return JSON_NONE;
    skip_blanks(json);
    return json->at < json->end ? json_types[(unsigned char)*json->at] : JSON_NONE;
}

static bool open_container(struct json *json, enum json_type type)
{
    if (json_peek(json) != type)
        return fail(json, type == JSON_OBJECT ? "an object was expected" : "an array was expected");
    if (json->depth >= JSON_MAX_DEPTH)
        return fail(json, "nested deeper than 64");
    uint64_t bit = UINT64_C(1) << json->depth;
    json->is_object = type == JSON_OBJECT ? json->is_object | bit : json->is_object & ~bit;
    json->depth++;
    json->at++;
    json->first = true;
    return true;
}

bool json_open_object(struct json *json)
{
    return open_container(json, JSON_OBJECT);
}

bool json_open_array(struct json *json)
{
    return open_container(json, JSON_ARRAY);
}

/* Moves to the next member, blanks skipped: true when there is one; false when the container ended
 * or on an error.
 */
static bool next_member(struct json *json, char closing)
{
    if (json->error)
        return false;
    skip_blanks(json);
    if (json->at >= json->end)
        return fail(json, "it ends in the middle");
    if (*json->at == closing) {
        json->at++;
        json->depth--;
        json->first = false;
        return false;
    }
    if (!json->first) {
        if (*json->at != ',')
            return fail(json, "a comma or the end of the object or array was expected");
        json->at++;
        skip_blanks(json);
        if (json->at < json->end && *json->at == closing)
            return fail(json, "a comma before the end");
    }
    json->first = false;
    return true;
}

bool json_next_item(struct json *json)
{
    return next_member(json, ']');
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool check_escape(struct json *json, const char **at)
{
    const char *p = *at + 1;
    if (p >= json->end)
        return fail(json, "it ends in the middle");
    if (*p == 'u') {
        for (int i = 1; i <= 4; i++) {
            if (p + i >= json->end || !is_hex(p[i]))
                return fail(json, "\\u needs four hexadecimal digits");
        }
        *at = p + 5;
        return true;
    }
    if (!memchr("\"\\/bfnrt", *p, 8))
        return fail(json, "an unknown escape");
    *at = p + 1;
    return true;
}

/* The rest, from `at` on, of a string that is not all printable ASCII. */
static __attribute__((noinline)) bool take_odd_string(struct json *json, const char *at,
                                                      struct json_text *text)
{
    const char *begin = json->at + 1;
    bool escaped = false;
    while (at < json->end && *at != '"') {
        if ((unsigned char)*at < 0x20)
            return fail(json, "a control byte in a string");
        if (*at != '\\') {
            at++;
        } else {
            escaped = true;
            if (!check_escape(json, &at))
                return false;
        }
        at = plain_end(at, json->end);
    }
    if (at >= json->end)
        return fail(json, "it ends in the middle of a string");
    *text = (struct json_text){{begin, (size_t)(at - begin)}, escaped, false};
    json->at = at + 1;
    return true;
}

/* The string whose first quote stands at json->at. */
static inline bool take_string(struct json *json, struct json_text *text)
{
    const char *begin = json->at + 1, *at = plain_end(begin, json->end);
    if (at >= json->end || *at != '"')
        return take_odd_string(json, at, text);
    *text = (struct json_text){{begin, (size_t)(at - begin)}, false, true};
    json->at = at + 1;
    return true;
}

bool json_string(struct json *json, struct json_text *text)
{
    if (json_peek(json) != JSON_STRING)
        return fail(json, "a string was expected");
    return take_string(json, text);
}

bool json_next_key(struct json *json, struct json_text *key)
{
    if (!next_member(json, '}'))
        return false;
    if (json->at >= json->end || *json->at != '"')
        return fail(json, "a key was expected");
    if (!take_string(json, key))
        return false;
    skip_blanks(json);
    if (json->at >= json->end || *json->at != ':')
        return fail(json, "a colon was expected");
    json->at++;
    return true;
}

static const char *digits(const char *at, const char *end)
{
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return at;
}

bool json_number(struct json *json, struct str *number)
{
    if (json_peek(json) != JSON_NUMBER)
        return fail(json, "a number was expected");
    const char *at = json->at, *end = json->end;
    at += *at == '-';
    const char *whole = at;
    at = digits(at, end);
    if (at == whole || (*whole == '0' && at > whole + 1))
        return fail(json, "a malformed number");
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        at = digits(at, end);
        if (at == fraction)
            return fail(json, "a malformed number");
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '+' || *at == '-');
        const char *exponent = at;
        at = digits(at, end);
        if (at == exponent)
            return fail(json, "a malformed number");
    }
    *number = (struct str){json->at, (size_t)(at - json->at)};
    json->at = at;
    return true;
}

static bool literal(struct json *json, struct str word)
{
    if (json->error || !str_starts((struct str){json->at, (size_t)(json->end - json->at)}, word))
        return fail(json, "an unknown word");
    json->at += word.len;
    return true;
}

bool json_bool(struct json *json, bool *value)
{
    enum json_type type = json_peek(json);
    if (type != JSON_TRUE && type != JSON_FALSE)
        return fail(json, "true or false was expected");
    *value = type == JSON_TRUE;
    return literal(json, *value ? STR("true") : STR("false"));
}

bool json_null(struct json *json)
{
    if (json_peek(json) != JSON_NULL)
        return fail(json, "null was expected");
    return literal(json, STR("null"));
}

static bool skip_scalar(struct json *json)
{
    struct json_text text;
    struct str number;
    bool value;
    switch (json_peek(json)) {
    case JSON_STRING:
        return json_string(json, &text);
    case JSON_NUMBER:
        return json_number(json, &number);
    case JSON_TRUE:
    case JSON_FALSE:
        return json_bool(json, &value);
    case JSON_NULL:
        return json_null(json);
    default:
        return fail(json, "a value was expected");
    }
}

static bool skip_one(struct json *json)
{
    enum json_type type = json_peek(json);
    if (type == JSON_OBJECT || type == JSON_ARRAY)
        return open_container(json, type);
    return skip_scalar(json);
}

bool json_skip(struct json *json, struct str *raw)
{
    unsigned outer = json->depth;
    struct json_text key;
    json_peek(json);
    const char *begin = json->at;
    if (!skip_one(json))
        return false;
    while (!json->error && json->depth > outer) {
        bool object = json->is_object >> (json->depth - 1) & 1;
        if (object ? json_next_key(json, &key) : json_next_item(json))
            skip_one(json);
    }
    if (raw)
        *raw = (struct str){begin, (size_t)(json->at - begin)};
    return !json->error;
}

bool json_end(struct json *json)
{
    if (json->error)
        return false;
    skip_blanks(json);
    if (json->depth > 0)
        return fail(json, "it ends in the middle");
    return json->at == json->end || fail(json, "something follows the document");
}

static unsigned hex4(const char *at)
{
    unsigned value = 0;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        value = value << 4 | (unsigned)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

static bool is_no_character(unsigned c)
{
    return c == 0 || (c >= 0xd800 && c <= 0xdfff);
}

static char *put_character(char *to, unsigned c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    } else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    } else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

/* Reads the escape at `at` (its backslash), moves behind it. */
static unsigned read_escape(const char **at, const char *end)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *p = *at + 1;
    if (*p != 'u') {
        *at = p + 1;
        return (unsigned char)to[strchr(from, *p) - from];
    }
    unsigned c = hex4(p + 1);
    *at = p + 5;
    bool pair = c >= 0xd800 && c <= 0xdbff && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u';
    unsigned low = pair ? hex4(*at + 2) : 0;
    if (low < 0xdc00 || low > 0xdfff)
        return c;
    *at += 6;
    return 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
}

/* False when a lone surrogate or a NUL was replaced. */
static bool resolve_escapes(struct str raw, char *to, size_t *len)
{
    const char *at = raw.p, *end = at + raw.len, *begin = to;
    bool good = true;
    while (at < end) {
        if (*at != '\\') {
            *to++ = *at++;
            continue;
        }
        unsigned c = read_escape(&at, end);
        good = good && !is_no_character(c);
        to = put_character(to, is_no_character(c) ? 0xfffd : c);
    }
    *len = (size_t)(to - begin);
    return good;
}

struct str json_unescape_count(struct arena *arena, struct json_text text, uint32_t *n_cleaned)
{
    struct str out = text.raw;
    bool good = true;
    if (text.plain)
        return out;
    if (text.escaped) {
        char *copy = arena_alloc_aligned(arena, text.raw.len + 1, 1);
        if (!copy)
            return STR_NONE;
        good = resolve_escapes(text.raw, copy, &out.len);
        out.p = copy;
    }
    bool bad = utf8_classify(out) == TEXT_BAD;
    *n_cleaned += bad || !good;
    return bad ? utf8_clean(arena, out) : out;
}

struct str json_unescape(struct arena *arena, struct json_text text)
{
    uint32_t n_cleaned = 0;
    return json_unescape_count(arena, text, &n_cleaned);
}

bool json_as_text(struct json *json, struct arena *arena, struct str *text)
{
    struct json_text string;
    if (json_peek(json) != JSON_STRING)
        return json_skip(json, text);
    if (!json_string(json, &string))
        return false;
    *text = string.escaped ? json_unescape(arena, string) : string.raw;
    return true;
}
