/* json_value.h - what the two JSON decoders share: texts, numbers in either spelling, ids. */
#ifndef DECODE_JSON_VALUE_H
#define DECODE_JSON_VALUE_H

#include "collector/base/json.h"
#include "collector/decode/value.h"

/* Is this key `name`? Escaped keys are compared unescaped by nobody: known names need no escapes.
 */
static inline bool key_is(const struct json_text *key, struct str name)
{
    return str_eq(key->raw, name);
}

/* What was read as a string, its escapes resolved. False when the body takes too much memory. */
bool json_clean_text(struct decoding *decoding, struct json *json, struct json_text raw,
                     struct str *text);
/* Reads a string as clean text. null gives ''. */
bool json_read_text(struct decoding *decoding, struct json *json, struct str *text);
/* A whole number as a number or a string; fractions are cut. null gives 0. */
bool json_read_u64(struct json *json, uint64_t *number);
bool json_read_i64(struct json *json, int64_t *number);
/* A number, a text that holds one, or NaN, Infinity, -Infinity as texts. */
bool json_read_double(struct json *json, double *number);
/* Sets json->error and gives false. */
bool json_wrong(struct json *json, const char *error);
/* True (and read) when the value is null. */
static inline bool json_is_null(struct json *json)
{
    return json_peek(json) == JSON_NULL && json_null(json);
}
/* After the document: 0, or err filled with what the reader says. */
int json_finish(struct decoding *decoding, struct json *json);
/* Reads any JSON value into an attribute: scalars as they are, the rest as JSON text. */
bool json_read_any(struct decoding *decoding, struct json *json, struct attr *attr);

#endif
