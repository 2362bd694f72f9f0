/* zipkin_pb.c - zipkin.proto3.ListOfSpans (formats: Zipkin, proto3). Times are microseconds there.
 */
#include <arpa/inet.h>

#include "collector/decode/decode.h"
#include "collector/decode/span_list.h"
#include "collector/decode/zipkin_span.h"

#define SCRATCH_BYTES ((size_t)32 << 20)

struct raw_span {
    struct str trace_id, span_id, parent_id;
    struct zipkin_span zipkin;
    struct attr_list tags;
    uint32_t n_annotations;
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

/* An address of 4 or 16 bytes as text; others are left out. */
static bool read_address(struct decoding *decoding, struct str bytes, struct str *text)
{
    char out[INET6_ADDRSTRLEN];
    int family = bytes.len == 4 ? AF_INET : AF_INET6;
    if ((bytes.len != 4 && bytes.len != 16) || !inet_ntop(family, bytes.p, out, sizeof(out)))
        return true;
    *text = arena_dup(&decoding->batch->arena, str_of(out));
    if (!text->p)
        decoding_too_big(decoding);
    return text->p != NULL;
}

static bool read_endpoint(struct decoding *decoding, struct str bytes,
                          struct zipkin_endpoint *endpoint)
{
    struct wire wire = wire_of(bytes);
    bool ok = true;
    while (ok && wire_next_fast(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES) {
            endpoint->service = wire.bytes;
            ok = keep_name(decoding, &endpoint->service);
        } else if (wire.type == WIRE_BYTES &&
                   (wire.field == 2 || (wire.field == 3 && !endpoint->ip.len))) {
            ok = read_address(decoding, wire.bytes, &endpoint->ip);
        } else if (wire.field == 4 && wire.type == WIRE_VARINT) {
            endpoint->port = wire.number <= 65535 ? wire.number : 0;
        }
    }
    return wire.error ? malformed(decoding, "endpoint") : ok;
}

static bool read_annotation(struct decoding *decoding, struct str bytes, struct raw_span *raw)
{
    struct wire wire = wire_of(bytes);
    struct str value = STR_NONE;
    uint64_t us = 0;
    while (wire_next_fast(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_FIXED64)
            us = wire.number;
        else if (wire.field == 2 && wire.type == WIRE_BYTES)
            value = wire.bytes;
    }
    if (wire.error)
        return malformed(decoding, "annotation");
    return zipkin_span_annotate(decoding, &raw->zipkin, value, us, raw->n_annotations++);
}

static bool read_tag(struct decoding *decoding, struct str bytes, struct attr_list *tags)
{
    struct wire wire = wire_of(bytes);
    struct str key = STR_NONE, text = STR_NONE;
    while (wire_next_fast(&wire)) {
        if (wire.type == WIRE_BYTES && wire.field == 1)
            key = wire.bytes;
        else if (wire.type == WIRE_BYTES && wire.field == 2)
            text = wire.bytes;
    }
    if (wire.error)
        return malformed(decoding, "tag");
    bool full = tags->n >= decoding->limits->attributes;
    struct attr *attr =
        full ? value_beyond(decoding, tags, key) : attr_list_add(decoding->batch, tags);
    if (full && !attr)
        return true;
    if (!attr) {
        decoding_too_big(decoding);
        return false;
    }
    if (plain_text(key) && plain_text(text) && value_set_plain(decoding, attr, key, text))
        return true;
    *attr = (struct attr){0};
    return value_set_key(decoding, attr, key) && value_set_text(decoding, attr, text);
}

static bool read_bytes_field(struct decoding *decoding, const struct wire *wire, struct span *span,
                             struct raw_span *raw)
{
    switch (wire->field) {
    case 1:
        raw->trace_id = wire->bytes;
        return true;
    case 2:
        raw->parent_id = wire->bytes;
        return true;
    case 3:
        raw->span_id = wire->bytes;
        return true;
    case 5:
        span->name = wire->bytes;
        return keep_name(decoding, &span->name);
    case 8:
    case 9:
        return read_endpoint(decoding, wire->bytes,
                             wire->field == 8 ? &raw->zipkin.local : &raw->zipkin.remote);
    case 10:
        return read_annotation(decoding, wire->bytes, raw);
    case 11:
        return read_tag(decoding, wire->bytes, &raw->tags);
    default:
        return true;
    }
}

static void read_number_field(const struct wire *wire, struct span *span, struct raw_span *raw)
{
    static const uint8_t kinds[] = {KIND_UNSET, KIND_CLIENT, KIND_SERVER, KIND_PRODUCER,
                                    KIND_CONSUMER};
    if (wire->field == 4 && wire->type == WIRE_VARINT) {
        span->kind = wire->number < sizeof(kinds) ? kinds[wire->number] : KIND_UNSET;
    } else if (wire->field == 6 && wire->type == WIRE_FIXED64) {
        raw->zipkin.start_us = wire->number;
    } else if (wire->field == 7 && wire->type == WIRE_VARINT) {
        raw->zipkin.duration_us = wire->number;
        raw->zipkin.has_duration = true;
    } else if (wire->field == 13 && wire->type == WIRE_VARINT) {
        span->shared = wire->number != 0;
    }
}

static uint64_t big_endian(const char *bytes)
{
    uint64_t number;
    memcpy(&number, bytes, sizeof(number));
    return __builtin_bswap64(number);
}

static const char *read_ids(const struct raw_span *raw, struct span *span)
{
    struct str trace = raw->trace_id;
    if (trace.len != 16 && trace.len != 8)
        return trace.len ? "trace_id is not 8 or 16 bytes" : "trace_id is missing";
    span->trace_id.high = trace.len == 16 ? big_endian(trace.p) : 0;
    span->trace_id.low = big_endian(trace.p + trace.len - 8);
    if (!span->trace_id.high && !span->trace_id.low)
        return "trace_id is all zero";
    if (raw->span_id.len != 8)
        return raw->span_id.len ? "id is not 8 bytes" : "id is missing";
    span->span_id = big_endian(raw->span_id.p);
    if (!span->span_id)
        return "id is all zero";
    if (raw->parent_id.len != 0 && raw->parent_id.len != 8)
        return "parent_id is not 8 bytes";
    span->parent_id = raw->parent_id.len ? big_endian(raw->parent_id.p) : 0;
    if (span->parent_id == span->span_id)
        span->parent_id = 0;
    return NULL;
}

static bool finish_span(struct zipkin_senders *senders, struct span *span, struct raw_span *raw)
{
    struct batch *batch = senders->decoding->batch;
    const char *reason = read_ids(raw, span);
    if (reason) {
        batch_reject(batch, "span %u: %s", batch->n_spans + batch->counts.n_rejected + 1, reason);
        return true;
    }
    return zipkin_span_take(senders, span, &raw->zipkin, &raw->tags);
}

static bool read_span(struct zipkin_senders *senders, struct str bytes)
{
    struct decoding *decoding = senders->decoding;
    struct raw_span raw = {0};
    struct span *span = span_list_next(decoding);
    struct wire wire = wire_of(bytes);
    bool ok = true;
    if (!span)
        return false;
    *span = (struct span){.kind = KIND_UNSET};
    buf_init(&raw.zipkin.events, SCRATCH_BYTES);
    buf_init(&raw.zipkin.links, SCRATCH_BYTES);
    while (ok && wire_next_fast(&wire)) {
        if (wire.type == WIRE_BYTES)
            ok = read_bytes_field(decoding, &wire, span, &raw);
        else
            read_number_field(&wire, span, &raw);
    }
    if (wire.error)
        ok = malformed(decoding, "span");
    ok = ok && finish_span(senders, span, &raw);
    buf_fini(&raw.zipkin.events);
    buf_fini(&raw.zipkin.links);
    return ok;
}

int decode_zipkin_pb(struct str input, const struct limits *limits, struct batch *batch,
                     struct err *err)
{
    struct decoding decoding = {.batch = batch, .limits = limits, .err = err};
    struct zipkin_senders senders;
    struct wire wire = wire_of(input);
    bool ok = true;
    err->code = ERR_NONE;
    zipkin_senders_init(&senders, &decoding);
    buf_init(&decoding.json, SCRATCH_BYTES);
    while (ok && wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES)
            ok = read_span(&senders, wire.bytes);
    }
    if (wire.error)
        malformed(&decoding, "list of spans");
    buf_fini(&decoding.json);
    zipkin_senders_fini(&senders);
    return err->code;
}
