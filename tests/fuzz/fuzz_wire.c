/* fuzz_wire.c - the wire reader against a plain one that recurses, and its fast way against its
 * slow one. */
#include "collector/base/wire.h"
#include "tests/fuzz/fuzz.h"

#define MAX_GROUPS 32

struct plain {
    const uint8_t *at, *end;
};

static bool plain_varint(struct plain *plain, uint64_t *number)
{
    *number = 0;
    for (int i = 0; i < 10 && plain->at < plain->end; i++) {
        uint8_t byte = *plain->at++;
        if (i == 9 && byte > 1)
            return false;
        *number |= (uint64_t)(byte & 127) << 7 * i;
        if (byte < 128)
            return true;
    }
    return false;
}

/* Reads one field, a group with all that is in it. `group`: the number of the group around it, 0
 * outside. False when it is malformed; *ends is set by the group's end. */
static bool plain_field(struct plain *plain, struct wire *field, uint32_t group, unsigned depth,
                        bool *ends)
{
    uint64_t tag, length;
    struct wire inner;
    bool inner_ends = false;
    if (!plain_varint(plain, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return false;
    *field = (struct wire){.field = (uint32_t)(tag >> 3), .type = tag & 7};
    switch (field->type) {
    case WIRE_VARINT:
        return plain_varint(plain, &field->number);
    case WIRE_FIXED64:
    case WIRE_FIXED32:
        length = field->type == WIRE_FIXED64 ? 8 : 4;
        if ((uint64_t)(plain->end - plain->at) < length)
            return false;
        for (uint64_t i = 0; i < length; i++)
            field->number |= (uint64_t)*plain->at++ << 8 * i;
        return true;
    case WIRE_BYTES:
        if (!plain_varint(plain, &length) || length > (uint64_t)(plain->end - plain->at))
            return false;
        field->bytes = (struct str){(const char *)plain->at, (size_t)length};
        plain->at += length;
        return true;
    case WIRE_GROUP_START:
        if (depth == MAX_GROUPS)
            return false;
        while (!inner_ends) {
            if (plain->at == plain->end ||
                !plain_field(plain, &inner, field->field, depth + 1, &inner_ends))
                return false;
        }
        return true;
    case WIRE_GROUP_END:
        *ends = true;
        return field->field == group;
    default:
        return false;
    }
}

static void check_same(const struct wire *a, const struct wire *b)
{
    FUZZ_CHECK(a->field == b->field && a->type == b->type, "field %u type %u, field %u type %u",
               a->field, a->type, b->field, b->type);
    if (a->type == WIRE_BYTES)
        FUZZ_CHECK(a->bytes.p == b->bytes.p && a->bytes.len == b->bytes.len, "other bytes");
    else if (a->type != WIRE_GROUP_START)
        FUZZ_CHECK(a->number == b->number, "other numbers");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = {(const char *)data, size};
    struct wire slow = wire_of(bytes), fast = wire_of(bytes), field = {0};
    struct plain plain = {slow.at, slow.end};
    for (;;) {
        bool ends = false, more = plain.at < plain.end;
        bool good = more && plain_field(&plain, &field, 0, 0, &ends);
        bool next = wire_next(&slow);
        FUZZ_CHECK(next == wire_next_fast(&fast) && slow.error == fast.error, "fast and slow");
        FUZZ_CHECK(next == good, "field %u: %d, plainly %d", slow.field, next, good);
        FUZZ_CHECK(slow.error == (more && !good), "error %d", slow.error);
        if (!next)
            break;
        FUZZ_CHECK(slow.at == plain.at && fast.at == plain.at, "another place");
        check_same(&slow, &field);
        check_same(&fast, &field);
    }
    FUZZ_CHECK(!wire_next(&slow) && !wire_next_fast(&fast), "a field after the end");
    return 0;
}
