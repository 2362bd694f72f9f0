/* otlp_json_text.c - written from the JSON mapping of OTLP, without the program's own code for it.
 */
#include "tests/oracle/otlp_json_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

struct writing {
    struct choices *choices;
    struct buf *out;
};

/* `"name":`, with a comma unless it is the first of its object. */
static void member(struct writing *writing, const char *name)
{
    struct buf *out = writing->out;
    if (out->len && out->p[out->len - 1] != '{')
        buf_add_char(out, ',');
    buf_addf(out, choose_rarely(writing->choices, 16) ? " \"%s\" : " : "\"%s\":", name);
}

static void text(struct writing *writing, ProtobufCBinaryData data)
{
    struct buf *out = writing->out;
    buf_add_char(out, '"');
    for (size_t i = 0; i < data.len; i++) {
        unsigned char c = data.data[i];
        if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", c);
        else if (c < 0x20 || (c < 0x80 && choose_rarely(writing->choices, 64)))
            buf_addf(out, choose(writing->choices, 2) ? "\\u%04x" : "\\u%04X", c);
        else
            buf_add_char(out, (char)c);
    }
    buf_add_char(out, '"');
}

static void hex(struct writing *writing, ProtobufCBinaryData data)
{
    bool upper = choose_rarely(writing->choices, 8);
    buf_add_char(writing->out, '"');
    for (size_t i = 0; i < data.len; i++)
        buf_addf(writing->out, upper ? "%02X" : "%02x", data.data[i]);
    buf_add_char(writing->out, '"');
}

static void base64(struct writing *writing, ProtobufCBinaryData data)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0, n_bits = 0;
    buf_add_char(writing->out, '"');
    for (size_t i = 0; i < data.len; i++) {
        bits = bits << 8 | data.data[i];
        for (n_bits += 8; n_bits >= 6; n_bits -= 6)
            buf_add_char(writing->out, digits[bits >> (n_bits - 6) & 63]);
    }
    if (n_bits)
        buf_add_char(writing->out, digits[bits << (6 - n_bits) & 63]);
    buf_add_c(writing->out, data.len % 3 == 1 ? "==\"" : data.len % 3 == 2 ? "=\"" : "\"");
}

static void u64(struct writing *writing, uint64_t number)
{
    const char *quote = choose(writing->choices, 4) ? "\"" : "";
    buf_addf(writing->out, "%s%" PRIu64 "%s", quote, number, quote);
}

static void i64(struct writing *writing, int64_t number)
{
    const char *quote = choose(writing->choices, 4) ? "\"" : "";
    buf_addf(writing->out, "%s%" PRId64 "%s", quote, number, quote);
}

static void real(struct writing *writing, double number)
{
    if (isfinite(number))
        buf_addf(writing->out, "%.17g", number);
    else
        buf_add_c(writing->out, isnan(number) ? "\"NaN\""
                                : number > 0  ? "\"Infinity\""
                                              : "\"-Infinity\"");
}

static void attributes(struct writing *writing, const char *name, Otlp__KeyValue *const *pairs,
                       size_t n);

static void value(struct writing *writing, const Otlp__AnyValue *any);

static void values(struct writing *writing, const Otlp__ArrayValue *list)
{
    buf_add_c(writing->out, "{\"values\":[");
    for (size_t i = 0; i < list->n_values; i++) {
        buf_add_c(writing->out, i ? "," : "");
        value(writing, list->values[i]);
    }
    buf_add_c(writing->out, "]}");
}

static void value(struct writing *writing, const Otlp__AnyValue *any)
{
    struct buf *out = writing->out;
    buf_add_char(out, '{');
    switch (any->value_case) {
    case OTLP__ANY_VALUE__VALUE_STRING_VALUE:
        member(writing, "stringValue");
        text(writing, any->string_value);
        break;
    case OTLP__ANY_VALUE__VALUE_BOOL_VALUE:
        member(writing, "boolValue");
        buf_add_c(out, any->bool_value ? "true" : "false");
        break;
    case OTLP__ANY_VALUE__VALUE_INT_VALUE:
        member(writing, "intValue");
        i64(writing, any->int_value);
        break;
    case OTLP__ANY_VALUE__VALUE_DOUBLE_VALUE:
        member(writing, "doubleValue");
        real(writing, any->double_value);
        break;
    case OTLP__ANY_VALUE__VALUE_ARRAY_VALUE:
        member(writing, "arrayValue");
        values(writing, any->array_value);
        break;
    case OTLP__ANY_VALUE__VALUE_KVLIST_VALUE:
        member(writing, "kvlistValue");
        buf_add_char(out, '{');
        attributes(writing, "values", any->kvlist_value->values, any->kvlist_value->n_values);
        buf_add_char(out, '}');
        break;
    case OTLP__ANY_VALUE__VALUE_BYTES_VALUE:
        member(writing, "bytesValue");
        base64(writing, any->bytes_value);
        break;
    default:
        break;
    }
    buf_add_char(out, '}');
}

static void attributes(struct writing *writing, const char *name, Otlp__KeyValue *const *pairs,
                       size_t n)
{
    struct buf *out = writing->out;
    member(writing, name);
    buf_add_char(out, '[');
    for (size_t i = 0; i < n; i++) {
        buf_add_c(out, i ? ",{" : "{");
        bool value_first = choose_rarely(writing->choices, 16);
        for (int pass = 0; pass < 2; pass++) {
            if ((pass == 0) != value_first) {
                member(writing, "key");
                text(writing, pairs[i]->key);
            } else if (pairs[i]->value) {
                member(writing, "value");
                value(writing, pairs[i]->value);
            }
        }
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void odd_member(struct writing *writing)
{
    static const char *const members[] = {"null", "{\"a\":[1,{}]}", "\"x\"", "17", "[[],[]]"};
    if (!choose_rarely(writing->choices, 24))
        return;
    member(writing, "notKnownYet");
    buf_add_c(writing->out, members[choose(writing->choices, 5)]);
}

static void events(struct writing *writing, const Otlp__Span *span)
{
    struct buf *out = writing->out;
    member(writing, "events");
    buf_add_char(out, '[');
    for (size_t i = 0; i < span->n_events; i++) {
        const Otlp__Event *event = span->events[i];
        buf_add_c(out, i ? ",{" : "{");
        member(writing, "timeUnixNano");
        u64(writing, event->time_unix_nano);
        member(writing, "name");
        text(writing, event->name);
        attributes(writing, "attributes", event->attributes, event->n_attributes);
        odd_member(writing);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void links(struct writing *writing, const Otlp__Span *span)
{
    struct buf *out = writing->out;
    member(writing, "links");
    buf_add_char(out, '[');
    for (size_t i = 0; i < span->n_links; i++) {
        const Otlp__Link *link = span->links[i];
        buf_add_c(out, i ? ",{" : "{");
        member(writing, "traceId");
        hex(writing, link->trace_id);
        member(writing, "spanId");
        hex(writing, link->span_id);
        attributes(writing, "attributes", link->attributes, link->n_attributes);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void enumeration(struct writing *writing, const char *prefix, const char *const *words,
                        int n, int32_t number)
{
    if (number >= 0 && number < n && choose_rarely(writing->choices, 4))
        buf_addf(writing->out, "\"%s%s\"", prefix, words[number]);
    else
        buf_addf(writing->out, "%d", number);
}

static void status(struct writing *writing, const Otlp__Status *status)
{
    static const char *const words[] = {"UNSET", "OK", "ERROR"};
    if (!status)
        return;
    member(writing, "status");
    buf_add_char(writing->out, '{');
    member(writing, "code");
    enumeration(writing, "STATUS_CODE_", words, 3, status->code);
    member(writing, "message");
    text(writing, status->message);
    buf_add_char(writing->out, '}');
}

static void span(struct writing *writing, const Otlp__Span *span)
{
    static const char *const kinds[] = {"UNSPECIFIED", "INTERNAL", "SERVER",
                                        "CLIENT",      "PRODUCER", "CONSUMER"};
    buf_add_char(writing->out, '{');
    member(writing, "traceId");
    hex(writing, span->trace_id);
    member(writing, "spanId");
    hex(writing, span->span_id);
    if (span->parent_span_id.len || choose(writing->choices, 2)) {
        member(writing, "parentSpanId");
        hex(writing, span->parent_span_id);
    }
    member(writing, "name");
    text(writing, span->name);
    member(writing, "kind");
    enumeration(writing, "SPAN_KIND_", kinds, 6, span->kind);
    member(writing, "startTimeUnixNano");
    u64(writing, span->start_time_unix_nano);
    member(writing, "endTimeUnixNano");
    u64(writing, span->end_time_unix_nano);
    odd_member(writing);
    status(writing, span->status);
    if (span->trace_state.len) {
        member(writing, "traceState");
        text(writing, span->trace_state);
    }
    attributes(writing, "attributes", span->attributes, span->n_attributes);
    events(writing, span);
    links(writing, span);
    member(writing, "flags");
    buf_addf(writing->out, "%u}", span->flags);
}

static void scope(struct writing *writing, const Otlp__Scope *scope)
{
    if (!scope)
        return;
    member(writing, "scope");
    buf_add_char(writing->out, '{');
    member(writing, "name");
    text(writing, scope->name);
    member(writing, "version");
    text(writing, scope->version);
    buf_add_char(writing->out, '}');
}

static void scope_spans(struct writing *writing, const Otlp__ScopeSpans *group)
{
    bool spans_first = choose_rarely(writing->choices, 8);
    buf_add_char(writing->out, '{');
    if (!spans_first)
        scope(writing, group->scope);
    member(writing, "spans");
    buf_add_char(writing->out, '[');
    for (size_t i = 0; i < group->n_spans; i++) {
        buf_add_c(writing->out, i ? "," : "");
        span(writing, group->spans[i]);
    }
    buf_add_char(writing->out, ']');
    if (spans_first)
        scope(writing, group->scope);
    buf_add_char(writing->out, '}');
}

static void resource(struct writing *writing, const Otlp__Resource *resource)
{
    if (!resource)
        return;
    member(writing, "resource");
    buf_add_char(writing->out, '{');
    attributes(writing, "attributes", resource->attributes, resource->n_attributes);
    buf_add_char(writing->out, '}');
}

void otlp_json_text(const Otlp__Request *request, struct choices *choices, struct buf *out)
{
    struct writing writing = {choices, out};
    buf_add_char(out, '{');
    member(&writing, "resourceSpans");
    buf_add_char(out, '[');
    for (size_t g = 0; g < request->n_resource_spans; g++) {
        const Otlp__ResourceSpans *group = request->resource_spans[g];
        bool spans_first = choose_rarely(choices, 8);
        buf_add_c(out, g ? ",{" : "{");
        if (!spans_first)
            resource(&writing, group->resource);
        member(&writing, "scopeSpans");
        buf_add_char(out, '[');
        for (size_t s = 0; s < group->n_scope_spans; s++) {
            buf_add_c(out, s ? "," : "");
            scope_spans(&writing, group->scope_spans[s]);
        }
        buf_add_char(out, ']');
        if (spans_first)
            resource(&writing, group->resource);
        buf_add_char(out, '}');
    }
    buf_add_c(out, "]}");
}
