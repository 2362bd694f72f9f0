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
    bits |= result->again ? SPAN_AGAIN : 0;
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
    result->again = (bits & SPAN_AGAIN) != 0;
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
           shape->mirrored << 3 | shape->shared << 4 | shape->message << 5 | shape->log << 7;
}

void shape_bits_read(int bits, struct shape *shape)
{
    shape->database = bits & 1;
    shape->messaging = bits & 2;
    shape->peer_resolvable = bits & 4;
    shape->mirrored = bits & 8;
    shape->shared = bits & 16;
    shape->message = bits >> 5 & 3;
    shape->log = bits >> 7 & 3;
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

/* What few calls have follows the rest: each has its bit in `small`. */
#define CALL_HEAVY (UINT64_C(1) << 16)
#define CALL_HOPS (UINT64_C(1) << 17)
#define CALL_DETOUR (UINT64_C(1) << 18)

/* Room for a whole call, or a hop, is made once: then bytes are only set. */
#define VARINT_BYTES 10
#define CALL_BYTES (17 * VARINT_BYTES)
#define HOP_BYTES (4 * VARINT_BYTES)

static inline char *put(char *at, uint64_t number)
{
    for (; number >= 0x80; number >>= 7)
        *at++ = (char)(number | 0x80);
    *at++ = (char)number;
    return at;
}

void calls_pack_one(struct buf *blob, const struct call *call, const struct call_ids *ids)
{
    uint32_t weight_bits;
    memcpy(&weight_bits, &call->weight, sizeof(weight_bits));
    bool heavy = call->weight != 1.0f;
    uint64_t small = call->connection_type | call->known_by << 3 | call->crossing << 6 |
                     call->security << 9 | call->fault << 11 | call->recovered << 14 |
                     call->hairpin << 15;
    small |= (heavy ? CALL_HEAVY : 0) | (call->n_hops ? CALL_HOPS : 0) |
             (call->hairpin ? CALL_DETOUR : 0);
    if (!buf_reserve(blob, CALL_BYTES))
        return;
    char *at = blob->p + blob->len;
    const uint64_t always[] = {ids->caller,
                               ids->callee,
                               ids->protocol,
                               ids->via,
                               ids->operation,
                               call->start_ns,
                               shifted(call->caller_ns),
                               shifted(call->callee_ns),
                               shifted(call->transit_ns),
                               (uint32_t)(call->caller_span + 1),
                               (uint32_t)(call->callee_span + 1),
                               call->retries,
                               small};
    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
        at = put(at, always[i]);
    if (heavy)
        at = put(at, weight_bits);
    if (call->hairpin) {
        at = put(at, shifted(call->added_ns));
        at = put(at, call->bytes);
    }
    if (call->n_hops)
        at = put(at, call->n_hops);
    blob->len = (size_t)(at - blob->p);
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

/* A hop's head, from its lowest bit: kind 3, name 2, time 2, outcome 2; and of those to which it is
 * not nought: where to 3, where from 3, from by name 1. */
enum hop_time { TIME_UNKNOWN, TIME_GIVEN, TIME_CALLEE };

void hops_pack_one(struct buf *blob, const struct hop *hop, const struct call *call,
                   const struct hop_ids *ids)
{
    unsigned time = hop->time_ns == DURATION_UNKNOWN  ? TIME_UNKNOWN
                    : hop->time_ns == call->callee_ns ? TIME_CALLEE
                                                      : TIME_GIVEN;
    uint32_t head = hop->kind | (uint32_t)ids->named << 3 | time << 5 |
                    (uint32_t)hop->outcome << 7 | (uint32_t)hop->to_place << 9 |
                    (uint32_t)hop->from_place << 12 | (uint32_t)(ids->from != 0) << 15;
    if (!buf_reserve(blob, HOP_BYTES))
        return;
    char *at = put(blob->p + blob->len, head);
    if (ids->named == HOP_NAME_OTHER)
        at = put(at, ids->name);
    if (ids->from)
        at = put(at, ids->from);
    if (time == TIME_GIVEN)
        at = put(at, hop->time_ns);
    blob->len = (size_t)(at - blob->p);
}

bool hops_unpack_one(struct str *blob, struct hop *hop, const struct call *call,
                     struct hop_ids *ids)
{
    uint64_t head, time_ns = 0;
    *ids = (struct hop_ids){0};
    if (!take(blob, &head))
        return false;
    ids->named = head >> 3 & 3;
    unsigned time = head >> 5 & 3;
    if ((ids->named == HOP_NAME_OTHER && !take(blob, &ids->name)) ||
        (head >> 15 & 1 && !take(blob, &ids->from)) ||
        (time == TIME_GIVEN && !take(blob, &time_ns)))
        return false;
    *hop = (struct hop){.time_ns = time == TIME_UNKNOWN  ? DURATION_UNKNOWN
                                   : time == TIME_CALLEE ? call->callee_ns
                                                         : time_ns,
                        .kind = head & 7,
                        .outcome = head >> 7 & 3,
                        .to_place = head >> 9 & 7,
                        .from_place = head >> 12 & 7};
    return true;
}

static bool take_weight(struct str *blob, struct call *call)
{
    uint64_t number;
    if (!take(blob, &number))
        return false;
    uint32_t bits = (uint32_t)number;
    memcpy(&call->weight, &bits, sizeof(bits));
    return true;
}

static bool take_detour(struct str *blob, struct call *call)
{
    uint64_t added;
    if (!take(blob, &added) || !take(blob, &call->bytes))
        return false;
    call->added_ns = unshifted(added);
    return true;
}

static bool take_hops(struct str *blob, struct call *call, struct call_ids *ids)
{
    uint64_t n;
    struct hop hop;
    struct hop_ids hop_ids;
    if (!take(blob, &n))
        return false;
    call->n_hops = (uint8_t)n;
    ids->hops = *blob;
    for (uint64_t i = 0; i < n; i++) {
        if (!hops_unpack_one(blob, &hop, call, &hop_ids))
            return false;
    }
    return true;
}

bool calls_unpack_one(struct str *blob, struct call *call, struct call_ids *ids)
{
    uint64_t n[13];
    for (unsigned i = 0; i < 13; i++) {
        if (!take(blob, &n[i]))
            return false;
    }
    *ids = (struct call_ids){n[0], n[1], n[2], n[3], n[4], STR_NONE};
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
        .added_ns = DURATION_UNKNOWN,
    };
    return (!(n[12] & CALL_HEAVY) || take_weight(blob, call)) &&
           (!(n[12] & CALL_DETOUR) || take_detour(blob, call)) &&
           (!(n[12] & CALL_HOPS) || take_hops(blob, call, ids));
}
