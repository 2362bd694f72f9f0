/* remote_write.c - prometheus.WriteRequest of remote write 1.0 (formats: remote write).
 *
 * Each series is labels and samples: a sample is a point of a metric, named `__name__`. As in
 * OTLP's rules for Prometheus, `job` and `instance` are the resource, the others attributes; a
 * name's end says whether it counts. A series that is sent twice as another type would be another
 * one, so its family (type, help, unit), which comes apart and at any time, has no part in what it
 * is.
 *
 * A series whose labels contradict themselves is rejected with its samples, a histogram that does
 * alone; a malformed field fails the body. Exemplars are counted and left out.
 */
#include "collector/base/clock.h"
#include "collector/decode/decode.h"
#include "collector/decode/native_histogram.h"

struct series {
    struct str name, job, instance;
    const char *reason; /* why all its samples are rejected */
};

/* Decoding one body. */
struct writing {
    struct metric_reading reading;
    struct str job, instance; /* of `resource` */
    const struct resource *resource;
    uint32_t cap_families;
};

static bool malformed(struct writing *writing, const char *what)
{
    err_set(writing->reading.decoding.err, ERR_INVALID, "the protobuf %s is malformed", what);
    return false;
}

static bool no_room(struct writing *writing)
{
    decoding_too_big(&writing->reading.decoding);
    return false;
}

/* ---- resources: job and instance ---- */

static bool add_text(struct batch *batch, struct resource *resource, struct str key,
                     struct str text)
{
    struct attr_list list = {
        .items = resource->attrs, .n = resource->n_attrs, .cap = resource->n_attrs};
    if (!text.len)
        return true;
    if (!attr_list_add_text(batch, &list, key, text))
        return false;
    resource->attrs = list.items;
    resource->n_attrs = list.n;
    return true;
}

static bool find_resource(struct writing *writing, const struct series *series)
{
    struct batch *batch = writing->reading.decoding.batch;
    if (writing->resource && str_eq(writing->job, series->job) &&
        str_eq(writing->instance, series->instance))
        return true;
    struct resource *resource = arena_alloc(&batch->arena, sizeof(*resource));
    if (!resource)
        return no_room(writing);
    *resource = (struct resource){.index = batch->n_resources};
    if (!add_text(batch, resource, STR("service.name"), series->job) ||
        !add_text(batch, resource, STR("service.instance.id"), series->instance))
        return no_room(writing);
    resource->service = series->job;
    resource->instance = series->instance;
    batch->n_resources++;
    writing->resource = resource;
    writing->job = series->job;
    writing->instance = series->instance;
    return true;
}

/* ---- labels ---- */

static bool keep_name(struct writing *writing, struct str *name)
{
    const struct decoding *decoding = &writing->reading.decoding;
    return text_keep(decoding->batch, name, decoding->limits->name_bytes,
                     &decoding->batch->counts.n_cut_names, NULL) ||
           no_room(writing);
}

static bool add_label(struct writing *writing, struct attr_list *labels, struct str name,
                      struct str value)
{
    struct decoding *decoding = &writing->reading.decoding;
    struct attr *attr = attr_list_add(decoding->batch, labels);
    if (!attr)
        return no_room(writing);
    if (plain_text(name) && plain_text(value) && value_set_plain(decoding, attr, name, value))
        return true;
    *attr = (struct attr){.type = VALUE_TEXT};
    return value_set_key(decoding, attr, name) && value_set_text(decoding, attr, value);
}

/* An empty value says that there is no such label. */
static bool take_label(struct writing *writing, struct series *series, struct attr_list *labels,
                       struct str name, struct str value)
{
    if (!name.len)
        series->reason = "a label has no name";
    if (!value.len || series->reason)
        return true;
    struct str *own = str_eq(name, STR("__name__"))   ? &series->name
                      : str_eq(name, STR("job"))      ? &series->job
                      : str_eq(name, STR("instance")) ? &series->instance
                                                      : NULL;
    if (own) {
        if (own->len)
            series->reason = "a label comes twice";
        *own = value;
        return keep_name(writing, own);
    }
    if (labels->n >= writing->reading.decoding.limits->attributes) {
        series->reason = "it has more labels than limit.attributes";
        return true;
    }
    return add_label(writing, labels, name, value);
}

static bool read_label(struct writing *writing, struct series *series, struct attr_list *labels,
                       struct str bytes)
{
    struct wire wire = wire_of(bytes);
    struct str name = STR_NONE, value = STR_NONE;
    while (wire_next_fast(&wire)) {
        if (wire.type == WIRE_BYTES && wire.field == 1)
            name = wire.bytes;
        else if (wire.type == WIRE_BYTES && wire.field == 2)
            value = wire.bytes;
    }
    return wire.error ? malformed(writing, "label")
                      : take_label(writing, series, labels, name, value);
}

/* Sorted they come, or should: equal names stand together then. */
static bool has_twice(const struct attr_list *labels)
{
    bool sorted = true;
    for (uint32_t i = 1; i < labels->n && sorted; i++)
        sorted = str_cmp(labels->items[i - 1].key, labels->items[i].key) < 0;
    for (uint32_t i = 1; i < labels->n && !sorted; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (str_eq(labels->items[k].key, labels->items[i].key))
                return true;
        }
    }
    return false;
}

static void check_labels(struct series *series, const struct attr_list *labels)
{
    if (!series->reason && !series->name.len)
        series->reason = "the series has no __name__";
    if (!series->reason && has_twice(labels))
        series->reason = "a label comes twice";
}

/* ---- samples ---- */

static uint64_t time_ns(int64_t ms)
{
    if (ms <= 0)
        return 0;
    return (uint64_t)ms < INT64_MAX / NS_PER_MS ? (uint64_t)ms * NS_PER_MS : INT64_MAX;
}

static void read_sample(struct wire *wire, struct raw_point *raw)
{
    uint64_t bits = 0;
    int64_t at_ms = 0;
    while (wire_next_fast(wire)) {
        if (wire->field == 1 && wire->type == WIRE_FIXED64)
            bits = wire->number;
        else if (wire->field == 2 && wire->type == WIRE_VARINT)
            at_ms = (int64_t)wire->number;
    }
    raw->at_ns = time_ns(at_ms);
    raw->value_type = METRIC_REAL;
    raw->real = wire_real(bits);
    raw->flags = bits == STALE_BITS ? NO_RECORDED_VALUE : 0;
}

static bool counts_up(struct str name)
{
    return str_ends(name, STR("_total")) || str_ends(name, STR("_bucket")) ||
           str_ends(name, STR("_count"));
}

/* What a name says of the unit of its values; counts have none. */
static struct str unit_of(struct str name)
{
    static const struct {
        struct str end, unit;
    } rows[] = {
        {STR("_milliseconds"), STR("ms")}, {STR("_seconds"), STR("s")}, {STR("_bytes"), STR("By")}};
    name.len -= str_ends(name, STR("_total")) ? 6 : str_ends(name, STR("_sum")) ? 4 : 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (str_ends(name, rows[i].end))
            return rows[i].unit;
    }
    return STR_NONE;
}

static struct metric metric_of(const struct writing *writing, const struct series *series)
{
    bool grows = counts_up(series->name), sum = grows || str_ends(series->name, STR("_sum"));
    return (struct metric){.name = series->name,
                           .unit = unit_of(series->name),
                           .resource = writing->resource,
                           .type = sum ? METRIC_SUM : METRIC_GAUGE,
                           .temporality = sum ? TEMPORALITY_CUMULATIVE : TEMPORALITY_UNSAID,
                           .monotonic = grows};
}

static bool take(struct writing *writing, const struct series *series, uint32_t n_labels,
                 struct raw_point *raw)
{
    raw->attributes = writing->reading.attributes;
    raw->attributes.n = n_labels;
    raw->reason = series->reason ? series->reason : raw->reason;
    return metric_point_take(&writing->reading, raw);
}

static bool read_histogram(struct writing *writing, const struct series *series, uint32_t n_labels,
                           struct str bytes)
{
    struct metric metric = metric_of(writing, series);
    struct raw_point raw;
    int64_t at_ms;
    metric_point_begin(&writing->reading, &raw);
    if (!native_histogram_read(&writing->reading, bytes, &raw, &metric.type, &at_ms))
        return malformed(writing, "histogram");
    metric.temporality = TEMPORALITY_CUMULATIVE;
    metric.monotonic = false;
    raw.at_ns = time_ns(at_ms);
    return metric_begin(&writing->reading, &metric) && take(writing, series, n_labels, &raw);
}

static bool read_samples(struct writing *writing, const struct series *series, uint32_t n_labels,
                         struct str bytes)
{
    struct metric metric = metric_of(writing, series);
    bool begun = false;
    struct wire wire = wire_of(bytes);
    while (wire_next_fast(&wire)) {
        struct wire sample = wire_of(wire.bytes);
        struct raw_point raw;
        if (wire.type != WIRE_BYTES)
            continue;
        if (wire.field == 3) {
            writing->reading.decoding.batch->counts.n_dropped_exemplars++;
        } else if (wire.field == 4) {
            begun = false;
            if (!read_histogram(writing, series, n_labels, wire.bytes))
                return false;
        } else if (wire.field == 2) {
            metric_point_begin(&writing->reading, &raw);
            read_sample(&sample, &raw);
            if (sample.error)
                return malformed(writing, "sample");
            begun = begun || metric_begin(&writing->reading, &metric);
            if (!begun || !take(writing, series, n_labels, &raw))
                return false;
        }
    }
    return true;
}

/* Labels may stand behind samples. */
static bool read_series(struct writing *writing, struct str bytes)
{
    struct series series = {0};
    struct attr_list labels = writing->reading.attributes;
    struct wire wire = wire_of(bytes);
    labels.n = 0;
    while (wire_next_fast(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES &&
            !read_label(writing, &series, &labels, wire.bytes))
            return false;
    }
    if (wire.error)
        return malformed(writing, "series");
    writing->reading.attributes = labels;
    check_labels(&series, &labels);
    return find_resource(writing, &series) && read_samples(writing, &series, labels.n, bytes);
}

/* ---- families ---- */

static struct metric_family *next_family(struct writing *writing)
{
    const struct decoding *decoding = &writing->reading.decoding;
    struct batch *batch = decoding->batch;
    if (batch->n_families >= decoding->limits->max_spans) {
        err_set(decoding->err, ERR_TOO_BIG,
                "the body tells of more than receive.max_spans (%u) metrics",
                decoding->limits->max_spans);
        return NULL;
    }
    if (!arena_room(&batch->arena, (void **)&batch->families, batch->n_families,
                    &writing->cap_families, sizeof(*batch->families))) {
        no_room(writing);
        return NULL;
    }
    return &batch->families[batch->n_families];
}

/* MetricMetadata: type = 1, metric_family_name = 2, help = 4, unit = 5. */
static bool read_family(struct writing *writing, struct str bytes)
{
    struct metric_family *family = next_family(writing);
    struct wire wire = wire_of(bytes);
    if (!family)
        return false;
    *family = (struct metric_family){0};
    while (wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_VARINT)
            family->type = wire.number < N_FAMILY_TYPES ? (uint8_t)wire.number : FAMILY_UNKNOWN;
        else if (wire.type == WIRE_BYTES && wire.field == 2)
            family->name = wire.bytes;
        else if (wire.type == WIRE_BYTES && wire.field == 4)
            family->description = wire.bytes;
        else if (wire.type == WIRE_BYTES && wire.field == 5)
            family->unit = wire.bytes;
    }
    if (wire.error)
        return malformed(writing, "metadata");
    writing->reading.decoding.batch->n_families += family->name.len > 0;
    return keep_name(writing, &family->name) && keep_name(writing, &family->unit) &&
           keep_name(writing, &family->description);
}

int decode_remote_write(struct str input, const struct limits *limits, struct batch *batch,
                        struct err *err)
{
    struct writing writing = {0};
    struct wire wire = wire_of(input);
    bool good = true;
    err->code = ERR_NONE;
    metric_reading_init(&writing.reading, limits, batch, err);
    while (good && wire_next(&wire)) {
        if (wire.field == 1 && wire.type == WIRE_BYTES)
            good = read_series(&writing, wire.bytes);
        else if (wire.field == 3 && wire.type == WIRE_BYTES)
            good = read_family(&writing, wire.bytes);
    }
    if (good && wire.error)
        malformed(&writing, "request");
    metric_reading_fini(&writing.reading);
    return err->code;
}
