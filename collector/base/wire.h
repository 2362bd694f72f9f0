/* wire.h - a bounded pull reader over protobuf bytes. No allocation, no recursion.
 *
 *     struct wire w = wire_of(body);
 *     while (wire_next(&w)) switch (w.field) { case 1: sub = wire_of(w.bytes); … }
 *     if (w.error) …
 *
 * Groups are skipped as one unknown field (at most 32 deep). Varints over 10 bytes, lengths past
 * the end, field number 0 and unknown wire types are errors.
 */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include "collector/base/str.h"

enum wire_type {
    WIRE_VARINT,
    WIRE_FIXED64,
    WIRE_BYTES,
    WIRE_GROUP_START,
    WIRE_GROUP_END,
    WIRE_FIXED32
};

struct wire {
    const uint8_t *at, *end;
    uint32_t field;
    uint8_t type; /* enum wire_type of the current field */
    bool error;
    uint64_t number;  /* WIRE_VARINT, WIRE_FIXED64, WIRE_FIXED32 */
    struct str bytes; /* WIRE_BYTES */
};

static inline struct wire wire_of(struct str bytes)
{
    return (struct wire){.at = (const uint8_t *)bytes.p,
                         .end = (const uint8_t *)bytes.p + bytes.len};
}
/* Reads one field; false at the end or on an error. A group comes as one field of type
 * WIRE_GROUP_START, already skipped. */
bool wire_next(struct wire *wire);

/* The same with the common case in the caller's code: a one-byte tag, a one-byte length. */
static inline bool wire_next_fast(struct wire *wire)
{
    if (!wire->error && wire->end - wire->at >= 2) {
        uint8_t tag = wire->at[0], len = wire->at[1];
        if ((tag & 0x87) == WIRE_BYTES && tag >= 8 && len < 0x80 &&
            len <= wire->end - wire->at - 2) {
            wire->field = tag >> 3;
            wire->type = WIRE_BYTES;
            wire->bytes = (struct str){(const char *)wire->at + 2, len};
            wire->at += 2 + len;
            return true;
        }
    }
    return wire_next(wire);
}

#endif
