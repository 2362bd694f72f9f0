/* wire.h - a bounded pull reader over protobuf bytes. No allocation, no recursion.
 *
 *     struct wire w = wire_of(body);
 *     while (wire_next(&w)) switch (w.field) { case 1: sub = wire_of(w.bytes); … }
 *     if (w.error) …
 *
 * Groups are skipped as one unknown field (at most 32 deep). Varints over 10 bytes or 64 bits,
 * lengths past the end, field number 0, unknown wire types and ends of groups that never began are
 * errors.
 */
#ifndef BASE_WIRE_H
#define BASE_WIRE_H

#include "collector/base/buf.h"
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
    const uint8_t *at = (const uint8_t *)(bytes.p ? bytes.p : "");
    return (struct wire){.at = at, .end = at + bytes.len};
}
/* Reads one field; false at the end or on an error. A group comes as one field of type
 * WIRE_GROUP_START, already skipped. */
bool wire_next(struct wire *wire);

/* The same with the common cases in the caller's code: a tag of one byte, and behind it a length of
 * one or two, a number of one, or eight bytes. */
static inline bool wire_next_fast(struct wire *wire)
{
    const uint8_t *at = wire->at;
    size_t left = (size_t)(wire->end - at), len, head = 2;
    if (wire->error || left < 2 || at[0] < 8 || at[0] >= 0x80)
        return wire_next(wire);
    switch (at[0] & 7) {
    case WIRE_BYTES:
        len = at[1];
        if (len >= 0x80) {
            if (left < 3 || at[2] >= 0x80)
                return wire_next(wire);
            len = (len & 0x7f) | (size_t)at[2] << 7;
            head = 3;
        }
        if (len > left - head)
            return wire_next(wire);
        wire->bytes = (struct str){(const char *)at + head, len};
        wire->at = at + head + len;
        break;
    case WIRE_VARINT:
        if (at[1] >= 0x80)
            return wire_next(wire);
        wire->number = at[1];
        wire->at = at + 2;
        break;
    case WIRE_FIXED64:
        if (left < 9)
            return wire_next(wire);
        memcpy(&wire->number, at + 1, 8);
        wire->at = at + 9;
        break;
    default:
        return wire_next(wire);
    }
    wire->field = at[0] >> 3;
    wire->type = at[0] & 7;
    return true;
}

/* What a number stands for: double; sint32 and sint64. */
static inline double wire_real(uint64_t bits)
{
    double number;
    memcpy(&number, &bits, sizeof(number));
    return number;
}
static inline int64_t wire_zigzag(uint64_t number)
{
    return (int64_t)(number >> 1) ^ -(int64_t)(number & 1);
}
/* Appends the numbers of a repeated field, packed or one by one, as uint64_t; other wire types are
 * passed over. False when they are malformed. */
bool wire_add_fixed64(const struct wire *wire, struct buf *numbers);
bool wire_add_varints(const struct wire *wire, struct buf *numbers);

#endif
