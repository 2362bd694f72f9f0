/* otlp_metrics_pb.c - ExportMetricsServiceRequest from protobuf (formats: OTLP, metrics v1).
 *
 * Exemplars are passed over. A point that contradicts itself is rejected alone; a malformed field
 * fails the body.
 */
#include "collector/decode/decode.h"
#include "collector/decode/metric_points.h"
#include "collector/decode/otlp_pb_walk.h"

/* ExponentialHistogramDataPoint.Buckets: offset = 1, bucket_counts = 2. */
static bool read_range(struct str bytes, int64_t *offset, struct buf *counts)
{
    struct wire wire = wire_of(bytes);
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_VARINT)
            *offset = wire_zigzag(wire.number);
        else if (wire.field == 2 && !wire_add_varints(&wire, counts))
            return false;
    }
    return !wire.error;
}

/* ValueAtQuantile: quantile = 1, value = 2. */
static bool read_quantile(struct metric_reading *reading, struct str bytes)
{
    struct wire wire = wire_of(bytes);
    uint64_t quantile = 0, value = 0;
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_FIXED64)
            quantile = wire.number;
        else if (wire.field == 2 && wire.type == WIRE_FIXED64)
            value = wire.number;
    }
    buf_add(&reading->bounds, &quantile, sizeof(quantile));
    buf_add(&reading->counts, &value, sizeof(value));
    return !wire.error;
}

/* One field of a point; the numbers of fields differ by the metric's type. */
typedef bool field_f(struct metric_reading *reading, const struct wire *wire,
                     struct raw_point *raw);

static bool read_attribute(struct metric_reading *reading, const struct wire *wire,
                           struct raw_point *raw)
{
    return wire->type != WIRE_BYTES ||
           value_read_attribute(&reading->decoding, wire->bytes, &raw->attributes);
}

static bool number_field(struct metric_reading *reading, const struct wire *wire,
                         struct raw_point *raw)
{
    if (wire->field == 7)
        return read_attribute(reading, wire, raw);
    if (wire->field == 8 && wire->type == WIRE_VARINT)
        raw->flags = wire->number;
    if (wire->type != WIRE_FIXED64)
        return true;
    if (wire->field == 3) {
        raw->at_ns = wire->number;
    } else if (wire->field == 4) {
        raw->value_type = METRIC_REAL;
        raw->real = wire_real(wire->number);
    } else if (wire->field == 6) {
        raw->value_type = METRIC_INT;
        raw->integer = (int64_t)wire->number;
    }
    return true;
}

/* What all distributions have in common: time_unix_nano = 3, count = 4, sum = 5. */
static void distribution_field(const struct wire *wire, struct raw_point *raw)
{
    if (wire->type != WIRE_FIXED64)
        return;
    if (wire->field == 3) {
        raw->at_ns = wire->number;
    } else if (wire->field == 4) {
        raw->count = wire->number;
    } else if (wire->field == 5) {
        raw->sum = wire_real(wire->number);
        raw->has_sum = true;
    }
}

static bool histogram_field(struct metric_reading *reading, const struct wire *wire,
                            struct raw_point *raw)
{
    switch (wire->field) {
    case 6:
        return wire_add_fixed64(wire, &reading->counts) ||
               otlp_pb_malformed(&reading->decoding, "bucket counts");
    case 7:
        return wire_add_fixed64(wire, &reading->bounds) ||
               otlp_pb_malformed(&reading->decoding, "bounds");
    case 9:
        return read_attribute(reading, wire, raw);
    case 10:
        raw->flags = wire->type == WIRE_VARINT ? wire->number : 0;
        return true;
    default:
        break;
    }
    if (wire->type != WIRE_FIXED64)
        return true;
    if (wire->field == 11) {
        raw->min = wire_real(wire->number);
        raw->has_min = true;
    } else if (wire->field == 12) {
        raw->max = wire_real(wire->number);
        raw->has_max = true;
    } else {
        distribution_field(wire, raw);
    }
    return true;
}

static bool exponential_range(struct metric_reading *reading, const struct wire *wire,
                              struct raw_point *raw)
{
    bool above = wire->field == 8;
    return wire->type != WIRE_BYTES ||
           read_range(wire->bytes, above ? &raw->offset : &raw->below_offset,
                      above ? &reading->counts : &reading->below) ||
           otlp_pb_malformed(&reading->decoding, "buckets");
}

static bool exponential_field(struct metric_reading *reading, const struct wire *wire,
                              struct raw_point *raw)
{
    if (wire->field == 1)
        return read_attribute(reading, wire, raw);
    if (wire->field == 8 || wire->field == 9)
        return exponential_range(reading, wire, raw);
    if (wire->type == WIRE_VARINT && wire->field == 6)
        raw->scale = wire_zigzag(wire->number);
    if (wire->type == WIRE_VARINT && wire->field == 10)
        raw->flags = wire->number;
    if (wire->type == WIRE_FIXED64 && wire->field == 7)
        raw->zero_count = wire->number;
    distribution_field(wire, raw);
    return true;
}

static bool summary_field(struct metric_reading *reading, const struct wire *wire,
                          struct raw_point *raw)
{
    if (wire->field == 6 && wire->type == WIRE_BYTES)
        return read_quantile(reading, wire->bytes) ||
               otlp_pb_malformed(&reading->decoding, "quantile");
    if (wire->field == 7)
        return read_attribute(reading, wire, raw);
    if (wire->field == 8 && wire->type == WIRE_VARINT)
        raw->flags = wire->number;
    distribution_field(wire, raw);
    return true;
}

static bool read_point(struct metric_reading *reading, struct str bytes)
{
    static field_f *const fields[N_METRIC_TYPES] = {number_field, number_field, histogram_field,
                                                    exponential_field, summary_field};
    field_f *read_field = fields[reading->metric->type];
    struct raw_point raw;
    struct wire wire = wire_of(bytes);
    metric_point_begin(reading, &raw);
    raw.has_count = reading->metric->type >= METRIC_HISTOGRAM;
    raw.has_sum = reading->metric->type == METRIC_SUMMARY;
    while (wire_next_fast(&wire)) {
        if (!read_field(reading, &wire, &raw))
            return false;
    }
    return wire.error ? otlp_pb_malformed(&reading->decoding, "data point")
                      : metric_point_take(reading, &raw);
}

/* Gauge, Sum, …: data_points = 1, aggregation_temporality = 2, is_monotonic = 3. */
static bool read_data(struct metric_reading *reading, struct str bytes, struct metric *metric)
{
    struct wire wire = wire_of(bytes);
    while (wire_next(&wire)) {
        if (wire.field == 2 && wire.type == WIRE_VARINT)
            metric->temporality = wire.number < N_TEMPORALITIES ? (uint8_t)wire.number : 0;
        else if (wire.field == 3 && wire.type == WIRE_VARINT)
            metric->monotonic = wire.number != 0;
    }
    if (wire.error)
        return otlp_pb_malformed(&reading->decoding, "points of a metric");
    if (!metric_begin(reading, metric))
        return false;
    wire = wire_of(bytes);
    while (wire_next_fast(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES && !read_point(reading, wire.bytes))
            return false;
    }
    return true;
}

static bool data_type(const struct wire *wire, uint8_t *type)
{
    static const uint8_t types[12] = {[5] = METRIC_GAUGE + 1,
                                      [7] = METRIC_SUM + 1,
                                      [9] = METRIC_HISTOGRAM + 1,
                                      [10] = METRIC_EXPONENTIAL_HISTOGRAM + 1,
                                      [11] = METRIC_SUMMARY + 1};
    if (wire->type != WIRE_BYTES || wire->field > 11 || !types[wire->field])
        return false;
    *type = types[wire->field] - 1;
    return true;
}

/* Name and unit may stand behind the points. Of several kinds of data the last is meant. */
static bool read_metric(struct decoding *decoding, struct str bytes,
                        const struct resource *resource, const struct scope *scope)
{
    struct metric_reading *reading = (struct metric_reading *)(void *)decoding;
    struct metric metric = {
        .resource = resource, .scope_name = scope->name, .scope_version = scope->version};
    struct str data = STR_NONE;
    struct wire wire = wire_of(bytes);
    while (wire_next(&wire)) {
        if (data_type(&wire, &metric.type))
            data = wire.bytes;
        else if (wire.type == WIRE_BYTES && wire.field == 1)
            metric.name = wire.bytes;
        else if (wire.type == WIRE_BYTES && wire.field == 2)
            metric.description = wire.bytes;
        else if (wire.type == WIRE_BYTES && wire.field == 3)
            metric.unit = wire.bytes;
    }
    if (wire.error)
        return otlp_pb_malformed(decoding, "metric");
    return otlp_pb_keep_name(decoding, &metric.name) && otlp_pb_keep_name(decoding, &metric.unit) &&
           otlp_pb_keep_name(decoding, &metric.description) && read_data(reading, data, &metric);
}

int decode_otlp_metrics_pb(struct str input, const struct limits *limits, struct batch *batch,
                           struct err *err)
{
    struct metric_reading reading;
    size_t n;
    err->code = ERR_NONE;
    metric_reading_init(&reading, limits, batch, err);
    if (otlp_pb_count(&reading.decoding, input, "metrics", &n))
        otlp_pb_walk(&reading.decoding, input, read_metric);
    metric_reading_fini(&reading);
    return err->code;
}
