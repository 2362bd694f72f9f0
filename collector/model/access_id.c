/* access_id.c - two lanes of multiplication over the bytes, well mixed at the end. */
#include "collector/model/access_id.h"

#define DECISION_DIGIT 14 /* the 13th hexadecimal digit of a UUID */

static uint64_t mixed(uint64_t x)
{
    x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static uint64_t or_one(uint64_t x)
{
    return x ? x : 1;
}

static uint64_t lane(uint64_t seed, uint64_t factor, struct str text, size_t masked)
{
    uint64_t hash = seed;
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (uint8_t)(i == masked ? '4' : text.p[i])) * factor;
    return mixed(hash ^ text.len);
}

uint64_t access_id_of(struct str text)
{
    return or_one(lane(UINT64_C(0xcbf29ce484222325), UINT64_C(0x100000001b3), text, SIZE_MAX));
}

uint64_t access_id_repeated(uint64_t id, uint32_t n)
{
    return n ? or_one(mixed(id + n * UINT64_C(0x9e3779b97f4a7c15))) : id;
}

struct trace_id access_trace_of_request(struct str request_id)
{
    return (struct trace_id){
        .high = or_one(lane(UINT64_C(0x243f6a8885a308d3), UINT64_C(0x100000001b3), request_id,
                            DECISION_DIGIT)),
        .low = or_one(lane(UINT64_C(0x13198a2e03707344), UINT64_C(0x880355f21e6d1965), request_id,
                           DECISION_DIGIT))};
}

struct trace_id access_trace_alone(uint64_t id)
{
    return (struct trace_id){.high = or_one(mixed(id ^ UINT64_C(0xa4093822299f31d0))), .low = id};
}
