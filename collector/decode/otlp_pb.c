/* otlp_pb.c - ExportTraceServiceRequest from protobuf (formats: OTLP, trace v1).
 *
 * ResourceSpans are walked twice: the resource may stand behind its spans. Spans without good ids
 * are rejected alone; a malformed field fails the body.
 */
#include <stdlib.h>

#include "collector/decode/decode.h"
#include "collector/decode/semconv.h"
#include "collector/decode/times.h"
#include "collector/decode/value.h"

#define SCRATCH_BYTES ((size_t)32 << 20)
#define LEGACY_SPANS 1000 /* InstrumentationLibrarySpans of old senders */

struct scope {
    struct str name, version;
};

static bool malformed(struct decoding *decoding, const char *what)
{
    err_set(decoding->err, ERR_INVALID, "the protobuf body is malformed (%s)", what);
    return false;
}

static bool keep_name(struct decoding *decoding, struct str *text)
{
    struct batch *batch = decoding->batch;
    if (text_keep(batch, text, decoding->limits->name_bytes, &batch->counts.n_cut_names, NULL))
        return true;
    decoding_too_big(decoding);
    return false;
}

static struct resource *read_resource(struct decoding *decoding, struct str bytes)
{
    struct attr_list list = {0};
    struct wire wire = wire_of(bytes);
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES &&
            !value_read_attribute(decoding, wire.bytes, &list))
            return NULL;
    }
    if (wire.error) {
        malformed(decoding, "resource");
        return NULL;
    }
    struct resource *resource = arena_calloc(&decoding->batch->arena, sizeof(*resource));
    if (!resource) {
        decoding_too_big(decoding);
        return NULL;
    }
    attr_list_unique(&list);
    resource->attrs = list.items;
    resource->n_attrs = list.n;
    resource->index = decoding->batch->n_resources++;
    semconv_resource(resource);
    return resource;
}

static bool read_status(struct decoding *decoding, struct str bytes, struct span *span)
{
    struct wire wire = wire_of(bytes);
    while (wire_next(&wire)) {
        if (wire.field == 2 && wire.type == WIRE_BYTES)
            span->status_message = wire.bytes;
        else if (wire.field == 3 && wire.type == WIRE_VARINT)
            span->status = wire.number < N_STATUSES ? (uint8_t)wire.number : STATUS_UNSET;
    }
    if (wire.error)
        return malformed(decoding, "status");
    return !span->status_message.len || keep_name(decoding, &span->status_message);
}

/* Ids, times and plain fields. */
struct raw_span {
    struct str trace_id, span_id, parent_id;
    uint64_t start_ns, end_ns;
    uint32_t n_events, n_links;
};

static uint64_t big_endian(const char *bytes)
{
    uint64_t number;
    memcpy(&number, bytes, sizeof(number));
    return __builtin_bswap64(number);
}

/* A reason why the span cannot be kept, NULL when it can. */
static const char *read_ids(const struct raw_span *raw, struct span *span)
{
    if (raw->trace_id.len != 16)
        return raw->trace_id.len ? "trace_id is not 16 bytes" : "trace_id is missing";
    if (raw->span_id.len != 8)
        return raw->span_id.len ? "span_id is not 8 bytes" : "span_id is missing";
    if (raw->parent_id.len != 0 && raw->parent_id.len != 8)
        return "parent_span_id is not 8 bytes";
    span->trace_id.high = big_endian(raw->trace_id.p);
    span->trace_id.low = big_endian(raw->trace_id.p + 8);
    span->span_id = big_endian(raw->span_id.p);
    span->parent_id = raw->parent_id.len ? big_endian(raw->parent_id.p) : 0;
    if (!span->trace_id.high && !span->trace_id.low)
        return "trace_id is all zero";
    return span->span_id ? NULL : "span_id is all zero";
}

static bool read_event(struct decoding *decoding, struct str bytes)
{
    struct attr_list list = {0};
    struct str name = STR_NONE;
    uint64_t time_ns = 0;
    struct wire wire = wire_of(bytes);
    struct buf event = decoding->json; /* attributes may need the scratch themselves */
    buf_init(&decoding->json, event.max);
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_FIXED64)
            time_ns = wire.number;
        else if (wire.field == 2 && wire.type == WIRE_BYTES)
            name = wire.bytes;
        else if (wire.field == 3 && wire.type == WIRE_BYTES &&
                 !value_read_attribute(decoding, wire.bytes, &list))
            break;
    }
    buf_fini(&decoding->json);
    decoding->json = event;
    if (decoding->err->code || wire.error || !keep_name(decoding, &name))
        return decoding->err->code ? false : malformed(decoding, "event");
    attr_list_unique(&list);
    buf_add_c(&decoding->json, decoding->json.len > 1 ? ",{\"time\":\"" : "{\"time\":\"");
    buf_add_time(&decoding->json, time_ns);
    buf_add_c(&decoding->json, "\",\"name\":");
    buf_add_json(&decoding->json, name);
    buf_add_char(&decoding->json, ',');
    value_json_attributes(decoding, &list);
    buf_add_char(&decoding->json, '}');
    return true;
}

static void add_hex(struct buf *json, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        buf_add_char(json, "0123456789abcdef"[(unsigned char)bytes.p[i] >> 4]);
        buf_add_char(json, "0123456789abcdef"[(unsigned char)bytes.p[i] & 15]);
    }
}

static bool read_link(struct decoding *decoding, struct str bytes)
{
    struct attr_list list = {0};
    struct str trace_id = STR_NONE, span_id = STR_NONE;
    struct wire wire = wire_of(bytes);
    struct buf link = decoding->json;
    buf_init(&decoding->json, link.max);
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES)
            trace_id = wire.bytes;
        else if (wire.field == 2 && wire.type == WIRE_BYTES)
            span_id = wire.bytes;
        else if (wire.field == 4 && wire.type == WIRE_BYTES &&
                 !value_read_attribute(decoding, wire.bytes, &list))
            break;
    }
    buf_fini(&decoding->json);
    decoding->json = link;
    if (decoding->err->code || wire.error)
        return decoding->err->code ? false : malformed(decoding, "link");
    if (trace_id.len != 16 || span_id.len != 8)
        return true; /* it leads nowhere */
    attr_list_unique(&list);
    buf_add_c(&decoding->json, decoding->json.len > 1 ? ",{\"trace_id\":\"" : "{\"trace_id\":\"");
    add_hex(&decoding->json, trace_id);
    buf_add_c(&decoding->json, "\",\"span_id\":\"");
    add_hex(&decoding->json, span_id);
    buf_add_c(&decoding->json, "\",");
    value_json_attributes(decoding, &list);
    buf_add_char(&decoding->json, '}');
    return true;
}

/* Renders all events (field 11) or links (field 13) of a span as one array. */
static bool read_list(struct decoding *decoding, struct str bytes, uint32_t field, struct str *text)
{
    bool events = field == 11;
    uint32_t n = 0, max = events ? decoding->limits->events : decoding->limits->links;
    struct wire wire = wire_of(bytes);
    buf_reset(&decoding->json);
    buf_add_char(&decoding->json, '[');
    while (wire_next_fast(&wire)) {
        if (wire.field != field || wire.type != WIRE_BYTES)
            continue;
        if (n++ >= max) {
            *(events ? &decoding->batch->counts.n_dropped_events
                     : &decoding->batch->counts.n_dropped_links) += 1;
            continue;
        }
        if (!(events ? read_event(decoding, wire.bytes) : read_link(decoding, wire.bytes)))
            return false;
    }
    if (decoding->json.len == 1)
        return true; /* links that all lead nowhere */
    buf_add_char(&decoding->json, ']');
    return value_take_json(decoding, text);
}

static bool read_bytes_field(struct decoding *decoding, const struct wire *wire, struct span *span,
                             struct raw_span *raw, struct attr_list *list)
{
    switch (wire->field) {
    case 1:
        raw->trace_id = wire->bytes;
        return true;
    case 2:
        raw->span_id = wire->bytes;
        return true;
    case 3:
        span->trace_state = wire->bytes;
        return true;
    case 4:
        raw->parent_id = wire->bytes;
        return true;
    case 5:
        span->name = wire->bytes;
        return true;
    case 9:
        return value_read_attribute(decoding, wire->bytes, list);
    case 11:
        raw->n_events++;
        return true;
    case 13:
        raw->n_links++;
        return true;
    case 15:
        return read_status(decoding, wire->bytes, span);
    default:
        return true;
    }
}

static bool read_fields(struct decoding *decoding, struct str bytes, struct span *span,
                        struct raw_span *raw)
{
    struct attr_list list = {0};
    struct wire wire = wire_of(bytes);
    while (wire_next_fast(&wire)) {
        if (wire.type == WIRE_BYTES) {
            if (!read_bytes_field(decoding, &wire, span, raw, &list))
                return false;
        } else if (wire.field == 6 && wire.type == WIRE_VARINT) {
            span->kind = wire.number < N_KINDS ? (uint8_t)wire.number : KIND_INTERNAL;
        } else if (wire.field == 7 && wire.type == WIRE_FIXED64) {
            raw->start_ns = wire.number;
        } else if (wire.field == 8 && wire.type == WIRE_FIXED64) {
            raw->end_ns = wire.number;
        }
    }
    if (wire.error)
        return malformed(decoding, "span");
    attr_list_unique(&list);
    span->attrs = list.items;
    span->n_attrs = list.n;
    return true;
}

/* False: the body fails. A span without good ids is counted and left out. */
static bool read_span(struct decoding *decoding, struct str bytes, const struct resource *resource,
                      const struct scope *scope, struct span *span)
{
    struct batch *batch = decoding->batch;
    struct raw_span raw = {0};
    *span = (struct span){
        .resource = resource, .scope_name = scope->name, .scope_version = scope->version};
    if (!read_fields(decoding, bytes, span, &raw))
        return false;
    const char *reason = read_ids(&raw, span);
    if (reason) {
        batch_reject(batch, "span %u: %s", batch->n_spans + batch->counts.n_rejected + 1, reason);
        return true;
    }
    times_set(span, raw.start_ns, raw.end_ns);
    if (!keep_name(decoding, &span->name) ||
        (span->trace_state.len && !keep_name(decoding, &span->trace_state)) ||
        (raw.n_events && !read_list(decoding, bytes, 11, &span->events)) ||
        (raw.n_links && !read_list(decoding, bytes, 13, &span->links)))
        return false;
    if (!semconv_span(batch, span)) {
        decoding_too_big(decoding);
        return false;
    }
    batch->n_spans++;
    return true;
}

static bool read_scope(struct decoding *decoding, struct str bytes, struct scope *scope)
{
    struct wire wire = wire_of(bytes);
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES)
            scope->name = wire.bytes;
        else if (wire.field == 2 && wire.type == WIRE_BYTES)
            scope->version = wire.bytes;
    }
    if (wire.error)
        return malformed(decoding, "scope");
    return keep_name(decoding, &scope->name) && keep_name(decoding, &scope->version);
}

static bool read_scope_spans(struct decoding *decoding, struct str bytes,
                             const struct resource *resource)
{
    struct scope scope = {0};
    struct wire wire = wire_of(bytes);
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES && !read_scope(decoding, wire.bytes, &scope))
            return false;
    }
    if (wire.error)
        return malformed(decoding, "ScopeSpans");
    wire = wire_of(bytes);
    struct batch *batch = decoding->batch;
    while (wire_next_fast(&wire)) {
        if (wire.field == 2 && wire.type == WIRE_BYTES &&
            !read_span(decoding, wire.bytes, resource, &scope, &batch->spans[batch->n_spans]))
            return false;
    }
    return true;
}

static bool read_resource_spans(struct decoding *decoding, struct str bytes)
{
    struct str resource_bytes = STR_NONE;
    struct wire wire = wire_of(bytes);
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES)
            resource_bytes = wire.bytes;
    }
    if (wire.error)
        return malformed(decoding, "ResourceSpans");
    struct resource *resource = read_resource(decoding, resource_bytes);
    if (!resource)
        return false;
    wire = wire_of(bytes);
    while (wire_next(&wire)) {
        if ((wire.field == 2 || wire.field == LEGACY_SPANS) && wire.type == WIRE_BYTES &&
            !read_scope_spans(decoding, wire.bytes, resource))
            return false;
    }
    return true;
}

/* Counts the spans there are, so that their array is allocated once. Bytes that are no message are
 * found by the walk that follows. */
static size_t count_spans(struct str body)
{
    size_t n = 0;
    struct wire request = wire_of(body);
    while (wire_next(&request)) {
        if (request.field != 1 || request.type != WIRE_BYTES)
            continue;
        struct wire resource_spans = wire_of(request.bytes);
        while (wire_next(&resource_spans)) {
            bool scopes = resource_spans.field == 2 || resource_spans.field == LEGACY_SPANS;
            if (!scopes || resource_spans.type != WIRE_BYTES)
                continue;
            struct wire scope_spans = wire_of(resource_spans.bytes);
            while (wire_next_fast(&scope_spans))
                n += scope_spans.field == 2 && scope_spans.type == WIRE_BYTES;
        }
    }
    return n;
}

static int decode(struct decoding *decoding, struct str input)
{
    struct batch *batch = decoding->batch;
    size_t n = count_spans(input);
    if (n > decoding->limits->max_spans)
        return err_set(decoding->err, ERR_TOO_BIG,
                       "the body holds %zu spans, receive.max_spans is %u", n,
                       decoding->limits->max_spans);
    batch->spans = arena_alloc(&batch->arena, (n + 1) * sizeof(*batch->spans));
    if (!batch->spans)
        return decoding_too_big(decoding);
    struct wire wire = wire_of(input);
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES &&
            !read_resource_spans(decoding, wire.bytes))
            return decoding->err->code;
    }
    if (wire.error)
        malformed(decoding, "request");
    return decoding->err->code;
}

int decode_otlp_pb(struct str input, const struct limits *limits, struct batch *batch,
                   struct err *err)
{
    struct decoding decoding = {.batch = batch, .limits = limits, .err = err};
    err->code = ERR_NONE;
    buf_init(&decoding.json, SCRATCH_BYTES);
    int code = decode(&decoding, input);
    buf_fini(&decoding.json);
    return code;
}
