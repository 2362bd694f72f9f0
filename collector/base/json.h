/* json.h - a strict, bounded pull reader over one JSON document (RFC 8259). No allocation, no
 * recursion.
 *
 * Values are visited in order; the reader keeps a bit stack of at most JSON_MAX_DEPTH containers.
 *
 *     struct json j; json_init(&j, text);
 *     if (json_open_object(&j)) while (json_next_key(&j, &key)) if (str_eq(key.raw, STR("name")))
 * json_string(&j, &name); else json_skip(&j); json_end(&j);     -> false when anything was wrong:
 * j.error says what, j.at where
 *
 * After the first error every call returns false, so loops end by themselves.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "collector/base/arena.h"

#define JSON_MAX_DEPTH 64

enum json_type {
    JSON_NONE,
    JSON_NULL,
    JSON_FALSE,
    JSON_TRUE,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT
};

struct json_text {
    struct str raw; /* between the quotes, as it stands there */
    bool escaped;   /* has a backslash: needs json_unescape() */
    bool plain;     /* printable ASCII, no escapes */
};

struct json {
    const char *start, *at, *end;
    const char *error; /* NULL while all is well; a static text */
    unsigned depth;
    uint64_t is_object; /* bit d: container at depth d is an object */
    bool first;         /* the container just opened has shown no member yet */
};

void json_init(struct json *json, struct str text);
/* Of json_peek() alone: types by a value's first byte, and the way round when blanks stand before
 * it. */
extern const unsigned char json_types[256];
enum json_type json_peek_behind_blanks(struct json *json);
/* The type of the value that comes next, without reading it. */
static inline enum json_type json_peek(struct json *json)
{
    if (json->error || json->at >= json->end || (unsigned char)*json->at <= ' ')
        return json_peek_behind_blanks(json);
    return json_types[(unsigned char)*json->at];
}
bool json_open_object(struct json *json);
bool json_open_array(struct json *json);
/* Next key of the open object; false at its end (closed then). */
bool json_next_key(struct json *json, struct json_text *key);
/* True when the open array has one more value, which the caller then reads; false at its end
 * (closed then). */
bool json_next_item(struct json *json);
bool json_string(struct json *json, struct json_text *text);
/* The raw characters of a number. */
bool json_number(struct json *json, struct str *number);
bool json_bool(struct json *json, bool *value);
bool json_null(struct json *json);
/* Skips one value of any kind; *raw (may be NULL) is its text. */
bool json_skip(struct json *json, struct str *raw);
/* True when exactly one whole document was read and nothing but blanks follow. */
bool json_end(struct json *json);
/* Resolves escapes; lone surrogates, \u0000 and malformed UTF-8 become U+FFFD. p NULL when memory
 * is short. */
struct str json_unescape(struct arena *arena, struct json_text text);
/* The value that comes next as a text: a string's, else as it stands there. False when it is wrong.
 */
bool json_as_text(struct json *json, struct arena *arena, struct str *text);
/* The same; adds 1 to *n_cleaned when something was replaced. */
struct str json_unescape_count(struct arena *arena, struct json_text text, uint32_t *n_cleaned);

#endif
