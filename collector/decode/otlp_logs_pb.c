/* otlp_logs_pb.c - ExportLogsServiceRequest from protobuf (formats: OTLP, logs v1). */
#include "collector/decode/access_log.h"
#include "collector/decode/decode.h"
#include "collector/decode/log_records.h"

#define SCRATCH_BYTES ((size_t)32 << 20)

static bool is_zero(struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.p[i])
            return false;
    }
    return true;
}

static void read_trace_id(struct str bytes, struct raw_log *raw)
{
    raw->has_trace_id = !is_zero(bytes);
    if (!raw->has_trace_id)
        return;
    if (bytes.len != 16) {
        raw->bad_id = "trace_id is not 16 bytes";
        return;
    }
    raw->trace_id = (struct trace_id){otlp_pb_big_endian(bytes.p), otlp_pb_big_endian(bytes.p + 8)};
}

static void read_span_id(struct str bytes, struct raw_log *raw)
{
    raw->has_span_id = !is_zero(bytes);
    if (raw->has_span_id && bytes.len != 8)
        raw->bad_id = "span_id is not 8 bytes";
    else if (raw->has_span_id)
        raw->span_id = otlp_pb_big_endian(bytes.p);
}

static bool read_bytes_field(struct decoding *decoding, const struct wire *wire,
                             struct raw_log *raw)
{
    switch (wire->field) {
    case 3:
        raw->severity_text = wire->bytes;
        return otlp_pb_keep_name(decoding, &raw->severity_text);
    case 5:
        raw->body = (struct attr){.plain = true};
        return value_read_pb(decoding, wire->bytes, &raw->body);
    case 6:
        return value_read_attribute(decoding, wire->bytes, &raw->attributes);
    case 9:
        read_trace_id(wire->bytes, raw);
        return true;
    case 10:
        read_span_id(wire->bytes, raw);
        return true;
    case 12:
        raw->event_name = wire->bytes;
        return otlp_pb_keep_name(decoding, &raw->event_name);
    default:
        return true;
    }
}

static bool read_record(struct decoding *decoding, struct str bytes,
                        const struct resource *resource, const struct scope *scope)
{
    struct raw_log raw = {.resource = resource, .scope = scope};
    struct wire wire = wire_of(bytes);
    while (wire_next_fast(&wire)) {
        if (wire.type == WIRE_BYTES) {
            if (!read_bytes_field(decoding, &wire, &raw))
                return false;
        } else if (wire.field == 1 && wire.type == WIRE_FIXED64) {
            raw.at_ns = wire.number;
        } else if (wire.field == 11 && wire.type == WIRE_FIXED64) {
            raw.observed_ns = wire.number;
        } else if (wire.field == 2 && wire.type == WIRE_VARINT) {
            raw.severity = wire.number;
        }
    }
    return wire.error ? otlp_pb_malformed(decoding, "log record") : log_record_take(decoding, &raw);
}

int decode_otlp_logs_pb(struct str input, const struct limits *limits, struct batch *batch,
                        struct err *err)
{
    struct senders senders;
    struct decoding decoding = {.batch = batch, .limits = limits, .err = err, .senders = &senders};
    size_t n;
    err->code = ERR_NONE;
    senders_init(&senders);
    buf_init(&decoding.json, SCRATCH_BYTES);
    if (otlp_pb_count(&decoding, input, "log records", &n))
        otlp_pb_walk(&decoding, input, read_record);
    buf_fini(&decoding.json);
    senders_fini(&senders);
    return err->code;
}
