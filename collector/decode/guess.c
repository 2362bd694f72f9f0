/* guess.c - what a file or a message holds, by looking at how it begins.
 *
 * JSON tells by the names of its first members. In protobuf OTLP's three requests and Zipkin's list
 * look alike from outside; what tells is the first item in them.
 */
#include "collector/base/json.h"
#include "collector/base/wire.h"
#include "collector/decode/decode.h"

static bool is(struct content *content, enum signal signal, enum format format)
{
    *content = (struct content){(uint8_t)signal, (uint8_t)format, ENCODING_IDENTITY};
    return true;
}

/* ---- JSON ---- */

static bool guess_by_key(struct str key, struct content *content)
{
    static const struct {
        const char *key;
        uint8_t signal, format;
    } rows[] = {
        {"resourceSpans", SIGNAL_TRACES, FORMAT_OTLP_JSON},
        {"resourceMetrics", SIGNAL_METRICS, FORMAT_OTLP_JSON},
        {"resourceLogs", SIGNAL_LOGS, FORMAT_OTLP_JSON},
        {"resource_spans", SIGNAL_TRACES, FORMAT_OTLP_JSON},
        {"resource_metrics", SIGNAL_METRICS, FORMAT_OTLP_JSON},
        {"resource_logs", SIGNAL_LOGS, FORMAT_OTLP_JSON},
        {"data", SIGNAL_TRACES, FORMAT_JAEGER_JSON},
        {"traceID", SIGNAL_TRACES, FORMAT_JAEGER_JSON},
        {"spans", SIGNAL_TRACES, FORMAT_JAEGER_JSON},
        {"processes", SIGNAL_TRACES, FORMAT_JAEGER_JSON},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (str_eq(key, str_of(rows[i].key)))
            return is(content, (enum signal)rows[i].signal, (enum format)rows[i].format);
    }
    return false;
}

/* An object without a name that is known is an empty OTLP request, or nothing. */
static bool guess_object(struct str text, struct content *content)
{
    struct json json;
    struct json_text key;
    bool empty = true;
    json_init(&json, text);
    if (!json_open_object(&json))
        return false;
    while (json_next_key(&json, &key)) {
        if (guess_by_key(key.raw, content))
            return true;
        empty = false;
        if (!json_skip(&json, NULL))
            return false;
    }
    return empty && is(content, SIGNAL_TRACES, FORMAT_OTLP_JSON);
}

/* A list of Jaeger's traces, else of Zipkin's spans. */
static bool guess_array(struct str text, struct content *content)
{
    struct json json;
    struct json_text key;
    is(content, SIGNAL_TRACES, FORMAT_ZIPKIN_JSON);
    json_init(&json, text);
    if (!json_open_array(&json) || !json_next_item(&json) || json_peek(&json) != JSON_OBJECT)
        return true;
    json_open_object(&json);
    while (json_next_key(&json, &key)) {
        if (str_eq(key.raw, STR("traceId")) || str_eq(key.raw, STR("id")))
            return true;
        if (guess_by_key(key.raw, content) || !json_skip(&json, NULL))
            return true;
    }
    return true;
}

/* ---- protobuf ---- */

/* A span has its times in 7 and 8, a log record in 1 or 11; of a metric none of these is a number
 * of eight bytes. */
static enum signal signal_of_item(struct str item)
{
    struct wire wire = wire_of(item);
    while (wire_next(&wire)) {
        if (wire.type == WIRE_FIXED64 && (wire.field == 7 || wire.field == 8))
            return SIGNAL_TRACES;
        if (wire.type == WIRE_FIXED64 && (wire.field == 1 || wire.field == 11))
            return SIGNAL_LOGS;
    }
    return SIGNAL_METRICS;
}

static bool is_zipkin_span(struct str message)
{
    struct wire wire = wire_of(message);
    bool trace = false, span = false;
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES)
            trace = wire.bytes.len == 8 || wire.bytes.len == 16;
        if (wire.field == 3 && wire.type == WIRE_BYTES)
            span = wire.bytes.len == 8;
    }
    return !wire.error && trace && span;
}

/* The first item of a resource's first scope that has one. */
static bool guess_resource(struct str message, struct content *content)
{
    struct wire wire = wire_of(message);
    while (wire_next(&wire)) {
        if (wire.field != 2 || wire.type != WIRE_BYTES)
            continue;
        struct wire scope = wire_of(wire.bytes);
        while (wire_next(&scope)) {
            if (scope.field == 2 && scope.type == WIRE_BYTES)
                return is(content, signal_of_item(scope.bytes), FORMAT_OTLP_PB);
        }
    }
    return false;
}

static bool guess_protobuf(struct str bytes, struct content *content)
{
    struct wire wire = wire_of(bytes);
    while (wire_next(&wire)) {
        if (wire.field != 1 || wire.type != WIRE_BYTES)
            continue;
        if (is_zipkin_span(wire.bytes))
            return is(content, SIGNAL_TRACES, FORMAT_ZIPKIN_PB);
        if (guess_resource(wire.bytes, content))
            return true;
    }
    return !wire.error && is(content, SIGNAL_TRACES, FORMAT_OTLP_PB);
}

/* By its first line. */
static bool guess_lines(struct str text, struct content *content)
{
    int format = access_guess(text);
    if (format >= 0)
        *content = (struct content){SIGNAL_TRACES, (uint8_t)format, ENCODING_IDENTITY};
    return format >= 0;
}

bool decode_guess(struct str bytes, struct content *content)
{
    struct str text = str_trim(bytes), inside = str_trim(str_skip(text, text.len ? 1 : 0));
    /* Envoy's lines begin with a time in brackets. */
    bool array =
        text.len && text.p[0] == '[' && (!inside.len || inside.p[0] == '{' || inside.p[0] == ']');
    if (array)
        return guess_array(text, content);
    if (text.len && text.p[0] == '{' && guess_object(text, content))
        return true;
    if (bytes.len && bytes.p[0] == 0x0a && guess_protobuf(bytes, content))
        return true;
    return guess_lines(text, content);
}
