/* otlp_json_walk.h - what OTLP's requests for traces, metrics and logs share in JSON: resources
 * that hold scopes that hold items; ids, names and enums.
 */
#ifndef DECODE_OTLP_JSON_WALK_H
#define DECODE_OTLP_JSON_WALK_H

#include "collector/decode/json_any.h"
#include "collector/decode/otlp_pb_walk.h"

/* The names of the lists, and what reads one item. */
struct otlp_json_kind {
    struct str resources, scopes, old_scopes, items;
    bool (*read_item)(struct decoding *decoding, struct json *json, const struct resource *resource,
                      const struct scope *scope);
};

/* Reads the whole document: 0, or err filled. */
int otlp_json_walk(struct decoding *decoding, struct str body, const struct otlp_json_kind *kind);

/* A name, cleaned and cut to its limit. */
bool otlp_json_name(struct decoding *decoding, struct json *json, struct str *text);
/* An id as it stands there; what is not even a string is rejected with its item, not with the body.
 */
bool otlp_json_id(struct decoding *decoding, struct json *json, struct str *text);
/* The two halves of an id of 8 or 16 bytes, in hexadecimal digits or base64. */
bool otlp_json_id_halves(struct str text, size_t n_bytes, uint64_t halves[2]);
/* A number, which some senders write as a word; unknown words are 0, and what is negative is beyond
 * every known number, as in protobuf. */
bool otlp_json_enum(struct json *json, struct str prefix, const char *const *words, unsigned n,
                    uint64_t *number);
/* Passes over what is not kept; of the fields that OTLP has, only where the value is of their type.
 */
bool otlp_json_pass(struct json *json, const struct json_text *key);

#endif
