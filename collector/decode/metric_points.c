/* metric_points.c - checks of a point, and how its buckets become the house's.
 *
 * The house's histogram counts whole numbers. Where the unit is a time they are nanoseconds, as
 * everywhere; elsewhere they are the unit's.
 */
#include "collector/decode/metric_points.h"

#include <math.h>
#include <stdlib.h>

#define SCRATCH_BYTES ((size_t)32 << 20)

void metric_reading_init(struct metric_reading *reading, const struct limits *limits,
                         struct batch *batch, struct err *err)
{
    *reading = (struct metric_reading){.decoding = {.batch = batch, .limits = limits, .err = err}};
    buf_init(&reading->decoding.json, SCRATCH_BYTES);
    buf_init(&reading->counts, MAX_BUCKETS * sizeof(uint64_t));
    buf_init(&reading->bounds, MAX_BUCKETS * sizeof(double));
    buf_init(&reading->below, MAX_BUCKETS * sizeof(uint64_t));
    buf_init(&reading->compact, MAX_BUCKETS * sizeof(uint64_t));
    histogram_init(&reading->histogram);
}

void metric_reading_fini(struct metric_reading *reading)
{
    buf_fini(&reading->decoding.json);
    buf_fini(&reading->counts);
    buf_fini(&reading->bounds);
    buf_fini(&reading->below);
    buf_fini(&reading->compact);
    histogram_fini(&reading->histogram);
}

/* Units by UCUM, and the words that people write. */
static double ns_of_unit(struct str unit)
{
    static const struct {
        const char *unit;
        double ns;
    } rows[] = {{"ns", 1},
                {"us", 1e3},
                {"\xc2\xb5s", 1e3}, /* the sign of micro, and the Greek letter */
                {"\xce\xbcs", 1e3},
                {"ms", 1e6},
                {"s", 1e9},
                {"min", 60e9},
                {"h", 3600e9},
                {"d", 86400e9},
                {"nanoseconds", 1},
                {"microseconds", 1e3},
                {"milliseconds", 1e6},
                {"seconds", 1e9}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (str_eq(unit, str_of(rows[i].unit)))
            return rows[i].ns;
    }
    return 1;
}

bool metric_begin(struct metric_reading *reading, const struct metric *metric)
{
    reading->metric = arena_alloc(&reading->decoding.batch->arena, sizeof(*metric));
    if (!reading->metric) {
        decoding_too_big(&reading->decoding);
        return false;
    }
    *reading->metric = *metric;
    reading->scale = ns_of_unit(metric->unit);
    return true;
}

void metric_point_begin(struct metric_reading *reading, struct raw_point *raw)
{
    *raw =
        (struct raw_point){.attributes = {reading->attributes.items, 0, reading->attributes.cap}};
    buf_reset(&reading->counts);
    buf_reset(&reading->bounds);
    buf_reset(&reading->below);
}

/* ---- buckets ---- */

/* `count` values in (low, high], both in the metric's unit. False when memory is short. */
static bool spread(struct metric_reading *reading, double low, double high, uint64_t count)
{
    return histogram_spread(&reading->histogram, low * reading->scale, high * reading->scale,
                            count);
}

static size_t n_of(const struct buf *numbers)
{
    return numbers->len / sizeof(uint64_t);
}

static uint64_t count_at(const struct buf *counts, size_t i)
{
    uint64_t count;
    memcpy(&count, counts->p + i * sizeof(count), sizeof(count));
    return count;
}

static double bound_at(const struct buf *bounds, size_t i)
{
    double bound;
    memcpy(&bound, bounds->p + i * sizeof(bound), sizeof(bound));
    return bound;
}

static const char *check_bounds(const struct metric_reading *reading)
{
    size_t n = n_of(&reading->bounds);
    if (n_of(&reading->counts) != n + 1 && (n_of(&reading->counts) || n))
        return "there must be one bucket count more than bounds";
    for (size_t i = 0; i < n; i++) {
        double bound = bound_at(&reading->bounds, i);
        if (isnan(bound) || (i && bound <= bound_at(&reading->bounds, i - 1)))
            return "the bounds of buckets must ascend";
    }
    return NULL;
}

static bool add_buckets(struct metric_reading *reading, const struct raw_point *raw)
{
    size_t n = n_of(&reading->bounds);
    bool good = true;
    for (size_t i = 0; i <= n && n && good; i++) {
        uint64_t count = count_at(&reading->counts, i);
        double first = bound_at(&reading->bounds, 0), last = bound_at(&reading->bounds, n - 1);
        double low = i ? bound_at(&reading->bounds, i - 1)
                       : (raw->has_min && raw->min < first ? raw->min : 0);
        double high = i < n ? bound_at(&reading->bounds, i)
                            : (raw->has_max && raw->max > last ? raw->max : last);
        good = !count || spread(reading, low, high, count);
    }
    return good;
}

/* Bucket i covers (b^i, b^(i+1)], b = 2^(2^-scale). What is below 0 counts as 0. */
static bool add_exponential(struct metric_reading *reading, const struct raw_point *raw)
{
    int scale = raw->scale < -64 ? -64 : raw->scale > 64 ? 64 : (int)raw->scale;
    size_t n = n_of(&reading->counts), n_below = n_of(&reading->below);
    bool good = !raw->zero_count || spread(reading, 0, 0, raw->zero_count);
    for (size_t i = 0; i < n_below && good; i++) {
        uint64_t count = count_at(&reading->below, i);
        good = !count || spread(reading, 0, 0, count);
    }
    for (size_t i = 0; i < n && good; i++) {
        double index = (double)raw->offset + (double)i;
        uint64_t count = count_at(&reading->counts, i);
        good = !count ||
               spread(reading, exp2(ldexp(index, -scale)), exp2(ldexp(index + 1, -scale)), count);
    }
    return good;
}

/* Quantiles (in `bounds`, their values in `counts` as bits): as many values lie between two as the
 * shares say. */
static bool add_quantiles(struct metric_reading *reading, const struct raw_point *raw)
{
    size_t n = n_of(&reading->bounds);
    double total = raw->count < (uint64_t)HISTOGRAM_MAX_COUNT ? (double)raw->count
                                                              : (double)HISTOGRAM_MAX_COUNT;
    double share = 0, value = 0;
    int64_t before = 0;
    bool good = true;
    for (size_t i = 0; i < n && good; i++) {
        double next = bound_at(&reading->bounds, i), at = bound_at(&reading->counts, i);
        if (!(next >= share && next <= 1) || isnan(at) || (i && at < value))
            continue;
        int64_t upto = (int64_t)(total * next + 0.5);
        good = upto == before || spread(reading, i ? value : at, at, (uint64_t)(upto - before));
        before = upto;
        share = next;
        value = at;
    }
    uint64_t rest = (uint64_t)((int64_t)total - before);
    return good && (!n || !rest || spread(reading, value, value, rest));
}

static bool take_histogram(struct metric_reading *reading, const struct raw_point *raw,
                           struct metric_point *point)
{
    struct decoding *decoding = &reading->decoding;
    bool good = true;
    histogram_clear(&reading->histogram);
    if (reading->metric->type == METRIC_HISTOGRAM)
        good = add_buckets(reading, raw);
    else if (reading->metric->type == METRIC_EXPONENTIAL_HISTOGRAM)
        good = add_exponential(reading, raw);
    else if (reading->metric->type == METRIC_SUMMARY)
        good = add_quantiles(reading, raw);
    if (!good) {
        decoding->batch->arena.short_of_memory = true;
        decoding_too_big(decoding);
        return false;
    }
    if (reading->histogram.n <= 0)
        return true;
    buf_reset(&decoding->json);
    histogram_encode(&reading->histogram, &decoding->json);
    return value_take_json(decoding, &point->histogram);
}

/* ---- points ---- */

static struct metric_point *next_point(struct decoding *decoding)
{
    struct batch *batch = decoding->batch;
    uint32_t n = batch->n_points;
    if (n + batch->counts.n_rejected >= decoding->limits->max_spans) {
        err_set(decoding->err, ERR_TOO_BIG,
                "the body holds more than receive.max_spans (%u) metric points",
                decoding->limits->max_spans);
        return NULL;
    }
    /* Capacity is a power of two from 64 on: full when n has become one. */
    if (n == 0 ? !batch->points : n >= 64 && (n & (n - 1)) == 0) {
        uint32_t cap = n < 64 ? 64 : 2 * n;
        struct metric_point *grown = arena_alloc(&batch->arena, cap * sizeof(*grown));
        if (!grown) {
            decoding_too_big(decoding);
            return NULL;
        }
        if (n)
            memcpy(grown, batch->points, n * sizeof(*grown));
        batch->points = grown;
    }
    return &batch->points[n];
}

/* As many as there are: the list they were read into is used again. */
static bool copy_attributes(struct metric_reading *reading, struct raw_point *raw)
{
    struct attr_list *list = &raw->attributes;
    struct attr *copy = arena_alloc(&reading->decoding.batch->arena, (list->n + 1) * sizeof(*copy));
    reading->attributes = *list;
    if (!copy) {
        decoding_too_big(&reading->decoding);
        return false;
    }
    if (list->n)
        memcpy(copy, list->items, list->n * sizeof(*copy));
    list->items = copy;
    return true;
}

/* Attributes are a map: whoever sends them in another order means the same series. */
static void sort_by_key(struct attr *attrs, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        struct attr attr = attrs[i];
        uint32_t at = i;
        for (; at > 0 && str_cmp(attr.key, attrs[at - 1].key) < 0; at--)
            attrs[at] = attrs[at - 1];
        attrs[at] = attr;
    }
}

static const char *reason_to_reject(const struct metric_reading *reading,
                                    const struct raw_point *raw)
{
    if (raw->reason)
        return raw->reason;
    if (!reading->metric->name.len)
        return "its metric has no name";
    if (buf_failed(&reading->counts) || buf_failed(&reading->bounds) ||
        buf_failed(&reading->below) || buf_failed(&reading->compact))
        return "it has more than 16384 buckets";
    return reading->metric->type == METRIC_HISTOGRAM ? check_bounds(reading) : NULL;
}

static bool is_short(const struct metric_reading *reading)
{
    return reading->counts.short_of_memory || reading->bounds.short_of_memory ||
           reading->below.short_of_memory || reading->compact.short_of_memory;
}

bool metric_point_take(struct metric_reading *reading, struct raw_point *raw)
{
    struct decoding *decoding = &reading->decoding;
    struct batch *batch = decoding->batch;
    struct metric_point *point = next_point(decoding);
    if (!point)
        return false;
    if (is_short(reading)) {
        batch->arena.short_of_memory = true;
        decoding_too_big(decoding);
        return false;
    }
    const char *reason = reason_to_reject(reading, raw);
    if (reason) {
        batch_reject(batch, "point %u: %s", batch->n_points + batch->counts.n_rejected + 1, reason);
        return true;
    }
    if (!copy_attributes(reading, raw))
        return false;
    attr_list_unique(&raw->attributes);
    sort_by_key(raw->attributes.items, raw->attributes.n);
    *point = (struct metric_point){
        .metric = reading->metric,
        .attrs = raw->attributes.items,
        .n_attrs = raw->attributes.n,
        .at_ns = raw->at_ns <= INT64_MAX ? raw->at_ns : INT64_MAX,
    };
    batch->n_points++;
    if (raw->flags & NO_RECORDED_VALUE)
        return true;
    point->value_type = raw->value_type;
    if (raw->value_type == METRIC_INT)
        point->integer = raw->integer;
    else
        point->real = raw->real;
    point->count = raw->count <= INT64_MAX ? raw->count : INT64_MAX;
    point->has_count = raw->has_count;
    point->sum = raw->sum;
    point->has_sum = raw->has_sum;
    return reading->metric->type < METRIC_HISTOGRAM || take_histogram(reading, raw, point);
}
