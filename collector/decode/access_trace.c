/* access_trace.c - trace headers, as strict as their standards. */
#include "collector/decode/access_trace.h"

static bool is_id(struct trace_id id)
{
    return id.high || id.low;
}

static bool has_upper(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.p[i] >= 'A' && text.p[i] <= 'Z')
            return true;
    }
    return false;
}

/* 16 or 32 digits. */
static bool trace_id_read(struct str hex, struct trace_id *id)
{
    *id = (struct trace_id){0};
    if (hex.len == 16)
        return hex_to_u64(hex, &id->low) && is_id(*id);
    return hex.len == 32 && hex_to_u64((struct str){hex.p, 16}, &id->high) &&
           hex_to_u64(str_skip(hex, 16), &id->low) && is_id(*id);
}

static bool span_id_read(struct str hex, uint64_t *id)
{
    return hex.len == 16 && hex_to_u64(hex, id) && *id;
}

bool traceparent_read(struct str text, struct trace_context *context)
{
    uint64_t version, flags;
    struct trace_id trace_id;
    uint64_t span_id;
    if (text.len < 55 || text.p[2] != '-' || text.p[35] != '-' || text.p[52] != '-' ||
        has_upper((struct str){text.p, 55}))
        return false;
    if (!hex_to_u64((struct str){text.p, 2}, &version) || version == 0xff ||
        (version == 0 && text.len != 55) || (text.len > 55 && text.p[55] != '-') ||
        !hex_to_u64((struct str){text.p + 53, 2}, &flags))
        return false;
    if (!trace_id_read((struct str){text.p + 3, 32}, &trace_id) ||
        !span_id_read((struct str){text.p + 36, 16}, &span_id))
        return false;
    context->trace_id = trace_id;
    context->header_id = span_id;
    return true;
}

/* 1-5f84c7a1-3b0d5c2e9f7a41b6c8d20e13 */
static bool xray_root(struct str text, struct trace_id *id)
{
    uint64_t seconds, high, low;
    if (text.len != 35 || text.p[0] != '1' || text.p[1] != '-' || text.p[10] != '-' ||
        !hex_to_u64((struct str){text.p + 2, 8}, &seconds) ||
        !hex_to_u64((struct str){text.p + 11, 8}, &high) ||
        !hex_to_u64((struct str){text.p + 19, 16}, &low))
        return false;
    *id = (struct trace_id){seconds << 32 | high, low};
    return is_id(*id);
}

bool xray_read(struct str text, struct trace_context *context)
{
    struct trace_context read = {0};
    struct str part, name, value;
    if (xray_root(text, &context->trace_id))
        return true;
    while (text.len) {
        str_cut(text, ';', &part, &text);
        if (!str_cut(str_trim(part), '=', &name, &value))
            continue;
        if (str_eq(name, STR("Root")) && !xray_root(value, &read.trace_id))
            return false;
        if (str_eq(name, STR("Parent")) && !span_id_read(value, &read.header_id))
            read.header_id = 0;
    }
    if (!is_id(read.trace_id))
        return false;
    context->trace_id = read.trace_id;
    context->header_id = read.header_id;
    return true;
}

/* trace-span[-sampled[-parent]] */
bool b3_read(struct str text, struct trace_context *context)
{
    struct str trace, span, sampled, parent;
    struct trace_id trace_id;
    uint64_t span_id, parent_id = 0;
    if (!str_cut(text, '-', &trace, &text))
        return false;
    str_cut(text, '-', &span, &text);
    str_cut(text, '-', &sampled, &parent);
    if (!trace_id_read(trace, &trace_id) || !span_id_read(span, &span_id) ||
        (parent.len && !span_id_read(parent, &parent_id)))
        return false;
    context->trace_id = trace_id;
    context->header_id = span_id;
    return true;
}

struct trace_context trace_context_of(const struct access *access)
{
    struct trace_context context = {0};
    const struct str *at = access->at;
    if (trace_id_read(at[ACCESS_TRACE_ID], &context.trace_id) ||
        xray_root(at[ACCESS_TRACE_ID], &context.trace_id)) {
        if (!span_id_read(at[ACCESS_SPAN_ID], &context.span_id))
            context.span_id = 0;
        if (!span_id_read(at[ACCESS_PARENT_ID], &context.parent_id))
            context.parent_id = 0;
        return context;
    }
    if (traceparent_read(at[ACCESS_TRACEPARENT], &context) || b3_read(at[ACCESS_B3], &context))
        return context;
    xray_read(at[ACCESS_XRAY], &context);
    return context;
}
