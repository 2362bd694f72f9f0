/* otlp_pb_walk.h - what OTLP's requests for traces, metrics and logs share in protobuf: resources
 * that hold scopes that hold items.
 */
#ifndef DECODE_OTLP_PB_WALK_H
#define DECODE_OTLP_PB_WALK_H

#include "collector/decode/value.h"

struct scope {
    struct str name, version;
};

/* Reads one span, metric or log record. False: the body fails (err says). */
typedef bool otlp_pb_item_f(struct decoding *decoding, struct str bytes,
                            const struct resource *resource, const struct scope *scope);

/* How many items there are; false when that is more than receive.max_spans. `items`: what they are
 * called. */
bool otlp_pb_count(struct decoding *decoding, struct str body, const char *items, size_t *n);
/* Reads every item, in the order they came. */
bool otlp_pb_walk(struct decoding *decoding, struct str body, otlp_pb_item_f *read_item);

/* Sets the error and gives false. */
bool otlp_pb_malformed(struct decoding *decoding, const char *what);
/* Cleans a name and cuts it to its limit. */
bool otlp_pb_keep_name(struct decoding *decoding, struct str *text);

static inline uint64_t otlp_pb_big_endian(const char *bytes)
{
    uint64_t number;
    memcpy(&number, bytes, sizeof(number));
    return __builtin_bswap64(number);
}

#endif
