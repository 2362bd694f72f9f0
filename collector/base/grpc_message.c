/* grpc_message.c - frames of messages, and timeouts. */
#include "collector/base/grpc_message.h"

#define MAX_TIMEOUT_DIGITS 8

enum grpc_message grpc_message_read(struct str body, size_t max, struct str *message,
                                    bool *compressed)
{
    const unsigned char *at = (const unsigned char *)body.p;
    if (body.len && at[0] > 1)
        return GRPC_BAD_FLAG;
    if (body.len < GRPC_FRAME_BYTES)
        return GRPC_PART;
    size_t length = (size_t)at[1] << 24 | (size_t)at[2] << 16 | (size_t)at[3] << 8 | at[4];
    size_t there = body.len - GRPC_FRAME_BYTES;
    if (length > max)
        return GRPC_TOO_BIG;
    if (there != length)
        return there < length ? GRPC_PART : GRPC_BEHIND;
    *message = (struct str){body.p + GRPC_FRAME_BYTES, length};
    *compressed = at[0] == 1;
    return GRPC_WHOLE;
}

/* 146 years: eight digits of hours are more than 64 bits hold. */
#define LONGEST_NS (UINT64_C(1) << 62)

bool grpc_timeout_read(struct str text, uint64_t *ns)
{
    static const struct {
        char unit;
        uint64_t ns;
    } units[] = {{'H', UINT64_C(3600000000000)},
                 {'M', UINT64_C(60000000000)},
                 {'S', 1000000000},
                 {'m', 1000000},
                 {'u', 1000},
                 {'n', 1}};
    uint64_t number;
    if (text.len < 2 || text.len > MAX_TIMEOUT_DIGITS + 1 ||
        !str_to_u64((struct str){text.p, text.len - 1}, &number))
        return false;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (text.p[text.len - 1] == units[i].unit) {
            *ns = number < LONGEST_NS / units[i].ns ? number * units[i].ns : LONGEST_NS;
            return true;
        }
    }
    return false;
}
