/* move_times.c - protobuf: fixed64 fields, found by their path, are written over. JSON: the digits
 * behind the keys that name a time. In both, what else a sender wrote is not touched.
 */
#include "collector/decode/move_times.h"

#include <string.h>

#include "collector/base/clock.h"
#include "collector/base/wire.h"
#include "collector/decode/times.h"

static uint64_t moved(uint64_t time, int64_t by, uint64_t ns_each)
{
    return time_is_odd(time > UINT64_MAX / ns_each ? UINT64_MAX : time * ns_each)
               ? time
               : time + (uint64_t)by;
}

/* ---- protobuf ---- */

/* Fields of a message that lead to times, by number: bits of those that are times, and where the
 * others lead.
 */
struct message {
    uint32_t times; /* bit of each field */
    struct {
        uint8_t field, message; /* 0: no more */
    } below[6];
};

enum {
    TRACES = 1,
    RESOURCE_SPANS,
    SCOPE_SPANS,
    SPAN,
    METRICS,
    RESOURCE_METRICS,
    SCOPE_METRICS,
    METRIC,
    NUMBERS,
    NUMBER,
    HISTOGRAMS,
    HISTOGRAM,
    EXPONENTIALS,
    EXPONENTIAL,
    LOGS,
    RESOURCE_LOGS,
    SCOPE_LOGS,
    LOG,
    ZIPKIN,
    ZIPKIN_SPAN,
    FIRST_TIME, /* a message whose field 1 is its time: event, annotation */
    SECOND_TIME /* whose field 2 is: exemplar */
};
#define BIT(field) (UINT32_C(1) << (field))

static const struct message messages[] = {
    [TRACES] = {0, {{1, RESOURCE_SPANS}}},
    [RESOURCE_SPANS] = {0, {{2, SCOPE_SPANS}}},
    [SCOPE_SPANS] = {0, {{2, SPAN}}},
    [SPAN] = {BIT(7) | BIT(8), {{11, FIRST_TIME}}},
    [METRICS] = {0, {{1, RESOURCE_METRICS}}},
    [RESOURCE_METRICS] = {0, {{2, SCOPE_METRICS}}},
    [SCOPE_METRICS] = {0, {{2, METRIC}}},
    [METRIC] = {0,
                {{5, NUMBERS}, {7, NUMBERS}, {9, HISTOGRAMS}, {10, EXPONENTIALS}, {11, NUMBERS}}},
    [NUMBERS] = {0, {{1, NUMBER}}},
    [NUMBER] = {BIT(2) | BIT(3), {{5, SECOND_TIME}}}, /* 5 of a summary is a double */
    [HISTOGRAMS] = {0, {{1, HISTOGRAM}}},
    [HISTOGRAM] = {BIT(2) | BIT(3), {{8, SECOND_TIME}}},
    [EXPONENTIALS] = {0, {{1, EXPONENTIAL}}},
    [EXPONENTIAL] = {BIT(2) | BIT(3), {{11, SECOND_TIME}}},
    [LOGS] = {0, {{1, RESOURCE_LOGS}}},
    [RESOURCE_LOGS] = {0, {{2, SCOPE_LOGS}}},
    [SCOPE_LOGS] = {0, {{2, LOG}}},
    [LOG] = {BIT(1) | BIT(11), {{0}}},
    [ZIPKIN] = {0, {{1, ZIPKIN_SPAN}}},
    [ZIPKIN_SPAN] = {BIT(6), {{10, FIRST_TIME}}},
    [FIRST_TIME] = {BIT(1), {{0}}},
    [SECOND_TIME] = {BIT(2), {{0}}},
};
#define DEEPEST 8 /* metrics: request, resource, scope, metric, data, point, exemplar */

static unsigned message_below(const struct message *message, uint32_t field)
{
    for (size_t i = 0; i < sizeof(message->below) / sizeof(message->below[0]); i++) {
        if (message->below[i].field == field && field)
            return message->below[i].message;
    }
    return 0;
}

/* `copy` is the same bytes as `body`, to be written over. */
static void move_pb(struct str body, unsigned top, int64_t by, uint64_t ns_each, char *copy)
{
    struct {
        struct wire wire;
        unsigned message;
    } stack[DEEPEST] = {{wire_of(body), top}};
    size_t depth = 0;
    for (;;) {
        struct wire *wire = &stack[depth].wire;
        if (!wire_next(wire)) {
            if (!depth--)
                return;
            continue;
        }
        const struct message *message = &messages[stack[depth].message];
        bool time = wire->field < 32 && message->times & BIT(wire->field);
        unsigned below = message_below(message, wire->field);
        if (time && wire->type == WIRE_FIXED64) {
            uint64_t now = moved(wire->number, by, ns_each);
            memcpy(copy + ((const char *)wire->at - body.p) - sizeof(now), &now, sizeof(now));
        } else if (below && wire->type == WIRE_BYTES && depth + 1 < DEEPEST) {
            struct wire inner = wire_of(wire->bytes);
            stack[++depth].wire = inner;
            stack[depth].message = below;
        }
    }
}

/* ---- JSON ---- */

static bool names_time(struct str key, bool otlp)
{
    return otlp ? str_ends(key, STR("imeUnixNano")) || str_ends(key, STR("ime_unix_nano"))
                : str_eq(key, STR("timestamp")) || str_eq(key, STR("startTime"));
}

static size_t skip_blanks(struct str body, size_t at)
{
    while (at < body.len && strchr(" \t\r\n", body.p[at]) && body.p[at])
        at++;
    return at;
}

static size_t string_end(struct str body, size_t at)
{
    for (at++; at < body.len && body.p[at] != '"'; at++)
        at += body.p[at] == '\\';
    return at;
}

/* The digits behind a key and its colon, in quotes only where they may be: a tag of Zipkin's may be
 * called timestamp, and is a text.
 */
static struct str digits_behind(struct str body, size_t at, bool quotes)
{
    at = skip_blanks(body, at);
    if (at >= body.len || body.p[at] != ':')
        return STR_NONE;
    at = skip_blanks(body, at + 1);
    if (quotes && at < body.len && body.p[at] == '"')
        at++;
    size_t end = at;
    while (end < body.len && body.p[end] >= '0' && body.p[end] <= '9')
        end++;
    bool whole = end < body.len && body.p[end] != '.' && (body.p[end] | 0x20) != 'e';
    return whole ? (struct str){body.p + at, end - at} : STR_NONE;
}

static void move_json(struct str body, bool otlp, int64_t by, uint64_t ns_each, struct buf *out)
{
    size_t copied = 0;
    for (size_t at = 0; at < body.len; at++) {
        if (body.p[at] != '"')
            continue;
        size_t end = string_end(body, at);
        if (end >= body.len)
            break;
        struct str key = {body.p + at + 1, end - at - 1}, digits;
        uint64_t time;
        at = end;
        if (!names_time(key, otlp) || !(digits = digits_behind(body, end + 1, otlp)).len ||
            !str_to_u64(digits, &time))
            continue;
        buf_add(out, body.p + copied, (size_t)(digits.p - body.p) - copied);
        buf_add_u64(out, moved(time, by, ns_each));
        copied = (size_t)(digits.p - body.p) + digits.len;
        at = copied - 1;
        at += copied < body.len && body.p[copied] == '"'; /* the end of a quoted number */
    }
    buf_add(out, body.p + copied, body.len - copied);
}

bool move_times(struct content content, struct str body, int64_t by_ns, struct buf *out)
{
    static const unsigned tops[N_SIGNALS] = {
        [SIGNAL_TRACES] = TRACES, [SIGNAL_METRICS] = METRICS, [SIGNAL_LOGS] = LOGS};
    bool otlp = content.format == FORMAT_OTLP_PB || content.format == FORMAT_OTLP_JSON;
    uint64_t ns_each = otlp ? 1 : NS_PER_US;
    int64_t by = by_ns / (int64_t)ns_each;
    switch (content.format) {
    case FORMAT_OTLP_PB:
    case FORMAT_ZIPKIN_PB:
        buf_add_str(out, body);
        if (!buf_failed(out) && body.len)
            move_pb(body, otlp ? tops[content.signal] : ZIPKIN, by, ns_each,
                    out->p + out->len - body.len);
        return true;
    case FORMAT_OTLP_JSON:
    case FORMAT_ZIPKIN_JSON:
    case FORMAT_JAEGER_JSON:
        move_json(body, otlp, by, ns_each, out);
        return true;
    default:
        return false;
    }
}
