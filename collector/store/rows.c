/* rows.c - packing. */
#include "collector/store/rows.h"

int64_t span_bits(const struct record *record, const struct span_result *result)
{
    int64_t bits = record->status | (int64_t)result->fault << 2 | (int64_t)result->class << 5;
    bits |= result->failed ? SPAN_FAILED : 0;
    bits |= result->client_error ? SPAN_CLIENT_ERROR : 0;
    bits |= record->bad_times ? SPAN_BAD_TIMES : 0;
    bits |= record->error_tag ? SPAN_ERROR_TAG : 0;
    bits |= record->error_tag_4xx_only ? SPAN_ERROR_TAG_4XX : 0;
    bits |= record->canceled ? SPAN_CANCELED : 0;
    bits |= record->unstitched ? SPAN_UNSTITCHED : 0;
    return bits | (int64_t)result->part << 17 | (int64_t)record->resend_count << 19;
}

void span_bits_read(int64_t bits, struct record *record, struct span_result *result)
{
    record->status = SPAN_STATUS(bits);
    result->fault = SPAN_FAULT(bits);
    result->class = SPAN_CLASS(bits);
    result->part = SPAN_PART(bits);
    result->failed = bits & SPAN_FAILED;
    result->client_error = bits & SPAN_CLIENT_ERROR;
    record->bad_times = (bits & SPAN_BAD_TIMES) != 0;
    record->error_tag = (bits & SPAN_ERROR_TAG) != 0;
    record->error_tag_4xx_only = (bits & SPAN_ERROR_TAG_4XX) != 0;
    record->canceled = (bits & SPAN_CANCELED) != 0;
    record->unstitched = (bits & SPAN_UNSTITCHED) != 0;
    record->resend_count = SPAN_RESEND(bits);
}

int shape_bits(const struct shape *shape)
{
    return shape->database | shape->messaging << 1 | shape->peer_resolvable << 2 |
           shape->mirrored << 3 | shape->shared << 4 | shape->message << 5;
}

void shape_bits_read(int bits, struct shape *shape)
{
    shape->database = bits & 1;
    shape->messaging = bits & 2;
    shape->peer_resolvable = bits & 4;
    shape->mirrored = bits & 8;
    shape->shared = bits & 16;
    shape->message = bits >> 5 & 3;
}

/* Unknown durations are 0, others one more than they are. */
static uint64_t shifted(uint64_t duration_ns)
{
    return duration_ns == DURATION_UNKNOWN ? 0 : duration_ns + 1;
}

static uint64_t unshifted(uint64_t number)
{
    return number == 0 ? DURATION_UNKNOWN : number - 1;
}

/* NO_SPAN is 0, others one more. */
static uint32_t span_number(uint64_t number)
{
    return number == 0 ? NO_SPAN : (uint32_t)(number - 1);
}

void calls_pack_one(struct buf *blob, const struct call *call, const struct call_ids *ids)
{
    uint32_t weight_bits;
    memcpy(&weight_bits, &call->weight, sizeof(weight_bits));
    bool heavy = call->weight != 1.0f;
    uint64_t small = call->connection_type | call->known_by << 3 | call->crossing << 6 |
                     call->security << 9 | call->fault << 11 | call->recovered << 14 |
                     call->hairpin << 15 | heavy << 16;
    buf_add_varint(blob, ids->caller);
    buf_add_varint(blob, ids->callee);
    buf_add_varint(blob, ids->protocol);
    buf_add_varint(blob, ids->via);
    buf_add_varint(blob, ids->operation);
    buf_add_varint(blob, call->start_ns);
    buf_add_varint(blob, shifted(call->caller_ns));
    buf_add_varint(blob, shifted(call->callee_ns));
    buf_add_varint(blob, shifted(call->transit_ns));
    buf_add_varint(blob, (uint32_t)(call->caller_span + 1));
    buf_add_varint(blob, (uint32_t)(call->callee_span + 1));
    buf_add_varint(blob, call->retries);
    buf_add_varint(blob, small);
    if (heavy)
        buf_add_varint(blob, weight_bits);
}

static bool take(struct str *blob, uint64_t *number)
{
    *number = 0;
    for (unsigned i = 0; i < blob->len && i < 10; i++) {
        *number |= (uint64_t)((unsigned char)blob->p[i] & 0x7f) << (7 * i);
        if (!((unsigned char)blob->p[i] & 0x80)) {
            *blob = str_skip(*blob, i + 1);
            return true;
        }
    }
    return false;
}

bool calls_unpack_one(struct str *blob, struct call *call, struct call_ids *ids)
{
    uint64_t n[13], weight_bits;
    for (unsigned i = 0; i < 13; i++) {
        if (!take(blob, &n[i]))
            return false;
    }
    *ids = (struct call_ids){n[0], n[1], n[2], n[3], n[4]};
    *call = (struct call){
        .start_ns = n[5],
        .caller_ns = unshifted(n[6]),
        .callee_ns = unshifted(n[7]),
        .transit_ns = unshifted(n[8]),
        .caller_span = span_number(n[9]),
        .callee_span = span_number(n[10]),
        .retries = (uint16_t)n[11],
        .connection_type = n[12] & 7,
        .known_by = n[12] >> 3 & 7,
        .crossing = n[12] >> 6 & 7,
        .security = n[12] >> 9 & 3,
        .fault = n[12] >> 11 & 7,
        .recovered = n[12] >> 14 & 1,
        .hairpin = n[12] >> 15 & 1,
        .weight = 1.0f,
    };
    if (!(n[12] >> 16 & 1))
        return true;
    if (!take(blob, &weight_bits))
        return false;
    uint32_t bits = (uint32_t)weight_bits;
    memcpy(&call->weight, &bits, sizeof(bits));
    return true;
}
