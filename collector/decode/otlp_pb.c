/* otlp_pb.c - ExportTraceServiceRequest from protobuf (formats: OTLP, trace v1).
 *
 * Spans without good ids are rejected alone; a malformed field fails the body.
 */
#include "collector/decode/decode.h"
#include "collector/decode/otlp_pb_walk.h"
#include "collector/decode/semconv.h"
#include "collector/decode/times.h"

#define SCRATCH_BYTES ((size_t)32 << 20)
#define LEAST_SPAN 28 /* bytes of one with both ids */

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
        return otlp_pb_malformed(decoding, "status");
    return !span->status_message.len || otlp_pb_keep_name(decoding, &span->status_message);
}

/* Ids, times and plain fields. */
struct raw_span {
    struct str trace_id, span_id, parent_id;
    uint64_t start_ns, end_ns;
    uint32_t n_events, n_links;
};

/* A reason why the span cannot be kept, NULL when it can. */
static const char *read_ids(const struct raw_span *raw, struct span *span)
{
    if (raw->trace_id.len != 16)
        return raw->trace_id.len ? "trace_id is not 16 bytes" : "trace_id is missing";
    if (raw->span_id.len != 8)
        return raw->span_id.len ? "span_id is not 8 bytes" : "span_id is missing";
    if (raw->parent_id.len != 0 && raw->parent_id.len != 8)
        return "parent_span_id is not 8 bytes";
    span->trace_id.high = otlp_pb_big_endian(raw->trace_id.p);
    span->trace_id.low = otlp_pb_big_endian(raw->trace_id.p + 8);
    span->span_id = otlp_pb_big_endian(raw->span_id.p);
    span->parent_id = raw->parent_id.len ? otlp_pb_big_endian(raw->parent_id.p) : 0;
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
    if (decoding->err->code || wire.error || !otlp_pb_keep_name(decoding, &name))
        return decoding->err->code ? false : otlp_pb_malformed(decoding, "event");
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
        return decoding->err->code ? false : otlp_pb_malformed(decoding, "link");
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
        return otlp_pb_malformed(decoding, "span");
    attr_list_unique(&list);
    span->attrs = list.items;
    span->n_attrs = list.n;
    return true;
}

/* False: the body fails. A span without good ids is counted and left out. */
static bool read_span(struct decoding *decoding, struct str bytes, const struct resource *resource,
                      const struct scope *scope)
{
    struct batch *batch = decoding->batch;
    struct raw_span raw = {0};
    struct span *span = &batch->spans[batch->n_spans];
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
    if (!otlp_pb_keep_name(decoding, &span->name) ||
        (span->trace_state.len && !otlp_pb_keep_name(decoding, &span->trace_state)) ||
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

int decode_otlp_pb(struct str input, const struct limits *limits, struct batch *batch,
                   struct err *err)
{
    struct decoding decoding = {.batch = batch, .limits = limits, .err = err};
    size_t n;
    err->code = ERR_NONE;
    if (!otlp_pb_count(&decoding, input, "spans", &n))
        return err->code;
    /* What is too short to be good needs no room: it is rejected in the place of the next. */
    n = n < input.len / LEAST_SPAN ? n : input.len / LEAST_SPAN;
    batch->spans = arena_alloc(&batch->arena, (n + 1) * sizeof(*batch->spans));
    if (!batch->spans)
        return decoding_too_big(&decoding);
    buf_init(&decoding.json, SCRATCH_BYTES);
    otlp_pb_walk(&decoding, input, read_span);
    buf_fini(&decoding.json);
    return err->code;
}
