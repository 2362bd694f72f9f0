/* wire.c - protobuf fields, one at a time. */
#include "collector/base/wire.h"

#define MAX_GROUPS 32

static bool read_varint(struct wire *wire, uint64_t *number)
{
    const uint8_t *at = wire->at;
    uint64_t value = 0;
    for (unsigned shift = 0; at < wire->end && shift < 70; shift += 7, at++) {
        if (shift == 63 && *at > 1)
            break;
        value |= (uint64_t)(*at & 0x7f) << shift;
        if (!(*at & 0x80)) {
            wire->at = at + 1;
            *number = value;
            return true;
        }
    }
    wire->error = true;
    return false;
}

static bool read_fixed(struct wire *wire, size_t size)
{
    if ((size_t)(wire->end - wire->at) < size) {
        wire->error = true;
        return false;
    }
    wire->number = 0;
    memcpy(&wire->number, wire->at, size);
    wire->at += size;
    return true;
}

static bool read_bytes(struct wire *wire)
{
    uint64_t len;
    if (!read_varint(wire, &len))
        return false;
    if (len > (uint64_t)(wire->end - wire->at)) {
        wire->error = true;
        return false;
    }
    wire->bytes = (struct str){(const char *)wire->at, (size_t)len};
    wire->at += len;
    return true;
}

static bool read_tag(struct wire *wire)
{
    uint64_t tag;
    if (!read_varint(wire, &tag))
        return false;
    wire->field = (uint32_t)(tag >> 3);
    wire->type = tag & 7;
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff || wire->type > WIRE_FIXED32)
        wire->error = true;
    return !wire->error;
}

static bool read_value(struct wire *wire)
{
    switch (wire->type) {
    case WIRE_VARINT:
        return read_varint(wire, &wire->number);
    case WIRE_FIXED64:
        return read_fixed(wire, 8);
    case WIRE_FIXED32:
        return read_fixed(wire, 4);
    case WIRE_BYTES:
        return read_bytes(wire);
    default:
        return true;
    }
}

/* Reads on to the end of the group that has just begun; groups in it must end in their order. */
static bool skip_group(struct wire *wire)
{
    uint32_t open[MAX_GROUPS] = {wire->field};
    unsigned depth = 1;
    while (depth > 0) {
        bool good = wire->at < wire->end && read_tag(wire) && read_value(wire);
        if (good && wire->type == WIRE_GROUP_END)
            good = open[--depth] == wire->field;
        else if (good && wire->type == WIRE_GROUP_START)
            good = depth < MAX_GROUPS;
        if (!good) {
            wire->error = true;
            return false;
        }
        if (wire->type == WIRE_GROUP_START)
            open[depth++] = wire->field;
    }
    wire->field = open[0];
    wire->type = WIRE_GROUP_START;
    return true;
}

bool wire_next(struct wire *wire)
{
    if (wire->error || wire->at >= wire->end)
        return false;
    if (!read_tag(wire))
        return false;
    if (wire->type == WIRE_GROUP_END) {
        wire->error = true;
        return false;
    }
    return wire->type == WIRE_GROUP_START ? skip_group(wire) : read_value(wire);
}

bool wire_add_fixed64(const struct wire *wire, struct buf *numbers)
{
    if (wire->type == WIRE_FIXED64)
        buf_add(numbers, &wire->number, sizeof(wire->number));
    if (wire->type != WIRE_BYTES)
        return true;
    if (wire->bytes.len % sizeof(uint64_t))
        return false;
    buf_add(numbers, wire->bytes.p, wire->bytes.len);
    return true;
}

bool wire_add_varints(const struct wire *wire, struct buf *numbers)
{
    struct wire packed = wire_of(wire->bytes);
    uint64_t number;
    if (wire->type == WIRE_VARINT)
        buf_add(numbers, &wire->number, sizeof(wire->number));
    if (wire->type != WIRE_BYTES)
        return true;
    while (packed.at < packed.end && read_varint(&packed, &number))
        buf_add(numbers, &number, sizeof(number));
    return !packed.error;
}
