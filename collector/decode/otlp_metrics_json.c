/* otlp_metrics_json.c - ExportMetricsServiceRequest as one JSON document (formats: OTLP/JSON).
 *
 * The points of a metric are put aside until its name and unit are known, and how they add up.
 */
#include "collector/decode/decode.h"
#include "collector/decode/metric_points.h"
#include "collector/decode/otlp_json_walk.h"

static bool read_optional(struct json *json, double *number, bool *has)
{
    if (json_is_null(json))
        return true;
    *has = true;
    return json_read_double(json, number);
}

static bool read_reals(struct json *json, struct buf *numbers)
{
    double number;
    if (json_is_null(json))
        return true;
    if (!json_open_array(json))
        return false;
    while (json_next_item(json)) {
        if (!json_read_double(json, &number))
            return false;
        buf_add(numbers, &number, sizeof(number));
    }
    return !json->error;
}

static bool read_counts(struct json *json, struct buf *numbers)
{
    uint64_t number;
    if (json_is_null(json))
        return true;
    if (!json_open_array(json))
        return false;
    while (json_next_item(json)) {
        if (!json_read_u64(json, &number))
            return false;
        buf_add(numbers, &number, sizeof(number));
    }
    return !json->error;
}

static bool read_range(struct json *json, int64_t *offset, struct buf *counts)
{
    struct json_text key;
    if (json_is_null(json))
        return true;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        bool ok = key_is(&key, STR("offset"))         ? json_read_i64(json, offset)
                  : key_is(&key, STR("bucketCounts")) ? read_counts(json, counts)
                                                      : json_skip(json, NULL);
        if (!ok)
            return false;
    }
    return !json->error;
}

static bool read_quantiles(struct metric_reading *reading, struct json *json)
{
    struct json_text key;
    if (json_is_null(json))
        return true;
    if (!json_open_array(json))
        return false;
    while (json_next_item(json)) {
        double quantile = 0, value = 0;
        bool has;
        if (!json_open_object(json))
            return false;
        while (json_next_key(json, &key)) {
            bool ok = key_is(&key, STR("quantile")) ? read_optional(json, &quantile, &has)
                      : key_is(&key, STR("value"))  ? read_optional(json, &value, &has)
                                                    : json_skip(json, NULL);
            if (!ok)
                return false;
        }
        buf_add(&reading->bounds, &quantile, sizeof(quantile));
        buf_add(&reading->counts, &value, sizeof(value));
    }
    return !json->error;
}

static bool read_value(struct json *json, const struct json_text *key, struct raw_point *raw)
{
    if (json_is_null(json))
        return true;
    if (key_is(key, STR("asInt"))) {
        raw->value_type = METRIC_INT;
        return json_read_i64(json, &raw->integer);
    }
    raw->value_type = METRIC_REAL;
    return json_read_double(json, &raw->real);
}

/* The members of all kinds of points have names of their own. */
static bool read_bucket_member(struct metric_reading *reading, struct json *json,
                               const struct json_text *key, struct raw_point *raw)
{
    if (key_is(key, STR("bucketCounts")))
        return read_counts(json, &reading->counts);
    if (key_is(key, STR("explicitBounds")))
        return read_reals(json, &reading->bounds);
    if (key_is(key, STR("scale")))
        return json_read_i64(json, &raw->scale);
    if (key_is(key, STR("zeroCount")))
        return json_read_u64(json, &raw->zero_count);
    if (key_is(key, STR("positive")))
        return read_range(json, &raw->offset, &reading->counts);
    if (key_is(key, STR("negative")))
        return read_range(json, &raw->below_offset, &reading->below);
    if (key_is(key, STR("quantileValues")))
        return read_quantiles(reading, json);
    if (key_is(key, STR("min")))
        return read_optional(json, &raw->min, &raw->has_min);
    if (key_is(key, STR("max")))
        return read_optional(json, &raw->max, &raw->has_max);
    return json_skip(json, NULL);
}

static bool read_member(struct metric_reading *reading, struct json *json,
                        const struct json_text *key, struct raw_point *raw)
{
    if (key_is(key, STR("timeUnixNano")))
        return json_read_u64(json, &raw->at_ns);
    if (key_is(key, STR("attributes")))
        return json_any_attributes(&reading->decoding, json, &raw->attributes);
    if (key_is(key, STR("asInt")) || key_is(key, STR("asDouble")))
        return read_value(json, key, raw);
    if (key_is(key, STR("flags")))
        return json_read_u64(json, &raw->flags);
    if (key_is(key, STR("count")))
        return json_read_u64(json, &raw->count);
    if (key_is(key, STR("sum")))
        return read_optional(json, &raw->sum, &raw->has_sum);
    return read_bucket_member(reading, json, key, raw);
}

static bool read_point(struct metric_reading *reading, struct json *json)
{
    struct raw_point raw;
    struct json_text key;
    metric_point_begin(reading, &raw);
    raw.has_count = reading->metric->type >= METRIC_HISTOGRAM;
    raw.has_sum = reading->metric->type == METRIC_SUMMARY;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        if (!read_member(reading, json, &key, &raw))
            return false;
    }
    return !json->error && (metric_point_take(reading, &raw) || json_wrong(json, "memory"));
}

static bool read_points(struct metric_reading *reading, struct json *json, struct str text)
{
    struct json points;
    if (!text.len)
        return true;
    json_init(&points, text);
    if (json_open_array(&points)) {
        while (json_next_item(&points) && read_point(reading, &points)) {
        }
    }
    if (points.error)
        return json_wrong(json, points.error);
    return !reading->decoding.err->code;
}

static bool read_data(struct metric_reading *reading, struct json *json, struct str text,
                      struct metric *metric)
{
    static const char *const temporalities[N_TEMPORALITIES] = {"UNSPECIFIED", "DELTA",
                                                               "CUMULATIVE"};
    struct json data;
    struct json_text key;
    struct str points = STR_NONE;
    uint64_t number = 0;
    if (!text.len)
        return true;
    json_init(&data, text);
    json_open_object(&data);
    while (json_next_key(&data, &key)) {
        bool ok;
        if (key_is(&key, STR("dataPoints")) && json_peek(&data) == JSON_ARRAY)
            ok = json_skip(&data, &points);
        else if (key_is(&key, STR("aggregationTemporality")) && !json_is_null(&data))
            ok = otlp_json_enum(&data, STR("AGGREGATION_TEMPORALITY_"), temporalities,
                                N_TEMPORALITIES, &number);
        else if (key_is(&key, STR("isMonotonic")) && !json_is_null(&data))
            ok = json_bool(&data, &metric->monotonic);
        else
            ok = json_skip(&data, NULL);
        if (!ok)
            break;
    }
    if (data.error)
        return json_wrong(json, data.error);
    metric->temporality = number < N_TEMPORALITIES ? (uint8_t)number : 0;
    return (metric_begin(reading, metric) || json_wrong(json, "memory")) &&
           read_points(reading, json, points);
}

static int type_of(const struct json_text *key)
{
    static const char *const names[N_METRIC_TYPES] = {"gauge", "sum", "histogram",
                                                      "exponentialHistogram", "summary"};
    for (int i = 0; i < N_METRIC_TYPES; i++) {
        if (key_is(key, str_of(names[i])))
            return i;
    }
    return -1;
}

static bool read_metric(struct decoding *decoding, struct json *json,
                        const struct resource *resource, const struct scope *scope)
{
    struct metric_reading *reading = (struct metric_reading *)(void *)decoding;
    struct metric metric = {
        .resource = resource, .scope_name = scope->name, .scope_version = scope->version};
    struct json_text key;
    struct str data = STR_NONE;
    if (!json_open_object(json))
        return false;
    while (json_next_key(json, &key)) {
        int type = json_peek(json) == JSON_NULL ? -1 : type_of(&key);
        bool ok;
        if (type >= 0) {
            metric.type = (uint8_t)type;
            ok = json_peek(json) == JSON_OBJECT ? json_skip(json, &data)
                                                : json_wrong(json, "an object was expected");
        } else {
            ok = key_is(&key, STR("name"))   ? otlp_json_name(decoding, json, &metric.name)
                 : key_is(&key, STR("unit")) ? otlp_json_name(decoding, json, &metric.unit)
                 : key_is(&key, STR("description"))
                     ? otlp_json_name(decoding, json, &metric.description)
                     : json_skip(json, NULL);
        }
        if (!ok)
            return false;
    }
    return !json->error && read_data(reading, json, data, &metric);
}

int decode_otlp_metrics_json(struct str input, const struct limits *limits, struct batch *batch,
                             struct err *err)
{
    const struct otlp_json_kind kind = {STR("resourceMetrics"), STR("scopeMetrics"),
                                        STR("instrumentationLibraryMetrics"), STR("metrics"),
                                        read_metric};
    struct metric_reading reading;
    err->code = ERR_NONE;
    metric_reading_init(&reading, limits, batch, err);
    int code = otlp_json_walk(&reading.decoding, input, &kind);
    metric_reading_fini(&reading);
    return code;
}
