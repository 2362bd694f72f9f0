/* ingested.c - families by name, series by family and labels; what expired leaves at a scrape. */
#include "exporters/ingested.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/base/map.h"
#include "collector/base/stats.h"
#include "collector/model/histogram.h"
#include "collector/model/ingest_stats.h"
#include "exporters/prometheus.h"

#define MAX_FAMILIES 10000u
#define TEXT_BYTES ((size_t)1 << 20)
#define NO_SERIES UINT32_MAX
#define NS_PER_SECOND 1e9

enum kind { COUNTER, GAUGE, HISTOGRAM, SUMMARY };

struct series {
    char *labels; /* rendered, without braces */
    uint64_t hash, at_ns, last_ns;
    uint32_t family, next; /* of its family */
    double value, sum;
    uint64_t count, buckets[STAT_N_BUCKETS + 1];
};

struct family {
    char *name, *help;
    uint32_t first;
    uint8_t kind;
    bool is_time; /* values of buckets are ns */
};

struct ingested {
    uint64_t expire_ns;
    uint32_t max_series;
    pthread_mutex_t mutex; /* guards what follows */
    struct family *families;
    uint32_t n_families, cap_families;
    struct series *series;
    uint32_t n_series, cap_series;
    struct map by_name, by_hash;
    struct buf name, labels;
    struct stat_series *n_limited;
};

struct ingested *ingested_new(uint64_t expire_ns, uint32_t max_series)
{
    struct ingested *ingested = calloc(1, sizeof(*ingested));
    if (!ingested)
        return NULL;
    ingested->expire_ns = expire_ns;
    ingested->max_series = max_series;
    pthread_mutex_init(&ingested->mutex, NULL);
    map_init(&ingested->by_name);
    map_init(&ingested->by_hash);
    buf_init(&ingested->name, TEXT_BYTES);
    buf_init(&ingested->labels, TEXT_BYTES);
    ingested->n_limited = series_limited("ingested");
    return ingested;
}

void ingested_free(struct ingested *ingested)
{
    if (!ingested)
        return;
    for (uint32_t i = 0; i < ingested->n_families; i++) {
        free(ingested->families[i].name);
        free(ingested->families[i].help);
    }
    for (uint32_t i = 0; i < ingested->n_series; i++)
        free(ingested->series[i].labels);
    free(ingested->families);
    free(ingested->series);
    map_fini(&ingested->by_name);
    map_fini(&ingested->by_hash);
    buf_fini(&ingested->name);
    buf_fini(&ingested->labels);
    pthread_mutex_destroy(&ingested->mutex);
    free(ingested);
}

/* ---- names ---- */

/* Letters, digits and underscores; runs of others are one underscore. */
static void add_clean(struct buf *out, struct str text)
{
    if (text.len && isdigit((unsigned char)text.p[0]))
        buf_add_char(out, '_');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool good = c < 0x80 && isalnum(c);
        if (good)
            buf_add_char(out, (char)c);
        else if (!out->len || out->p[out->len - 1] != '_')
            buf_add_char(out, '_');
    }
}

struct unit {
    const char *unit, *suffix;
    bool is_time;
};

static const struct unit *unit_of(struct str unit)
{
    static const struct unit units[] = {
        {"ns", "seconds", true}, {"us", "seconds", true},   {"ms", "seconds", true},
        {"s", "seconds", true},  {"min", "seconds", true},  {"h", "seconds", true},
        {"By", "bytes", false},  {"Cel", "celsius", false}, {"%", "percent", false},
        {"m", "meters", false},  {"V", "volts", false},     {"A", "amperes", false},
        {"J", "joules", false},  {"W", "watts", false},     {"g", "grams", false},
        {"Hz", "hertz", false}};
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (str_eq(unit, str_of(units[i].unit)))
            return &units[i];
    }
    return NULL;
}

/* What a number in this unit is of one in the unit of its name. */
static double factor_of(const struct metric *metric)
{
    static const struct {
        const char *unit;
        double seconds;
    } rows[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"min", 60}, {"h", 3600}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (str_eq(metric->unit, str_of(rows[i].unit)))
            return rows[i].seconds;
    }
    return 1;
}

static bool ends_with(const struct buf *name, const char *suffix)
{
    return str_ends(buf_str(name), str_of(suffix));
}

static enum kind kind_of(const struct metric *metric)
{
    switch (metric->type) {
    case METRIC_SUM:
        return metric->monotonic ? COUNTER : GAUGE;
    case METRIC_HISTOGRAM:
    case METRIC_EXPONENTIAL_HISTOGRAM:
        return HISTOGRAM;
    case METRIC_SUMMARY:
        return SUMMARY;
    default:
        return GAUGE;
    }
}

static void make_name(struct buf *name, const struct metric *metric)
{
    const struct unit *unit = unit_of(metric->unit);
    buf_reset(name);
    add_clean(name, metric->name);
    while (name->len && name->p[name->len - 1] == '_')
        name->len--;
    if (ends_with(name, "_total"))
        name->len -= 6;
    if (unit && !ends_with(name, unit->suffix))
        buf_addf(name, "_%s", unit->suffix);
    if (kind_of(metric) == COUNTER)
        buf_add_c(name, "_total");
}

static bool is_ours(struct str name)
{
    return !name.len || str_starts(name, STR("faultline_")) || str_starts(name, STR("traces_")) ||
           str_starts(name, STR("process_"));
}

/* ---- labels ---- */

static void add_value(struct buf *labels, const char *name, const struct attr *attr)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES);
    switch (attr->type) {
    case VALUE_BOOL:
        buf_add_c(&text, attr->integer ? "true" : "false");
        break;
    case VALUE_INT:
        buf_add_i64(&text, attr->integer);
        break;
    case VALUE_DOUBLE:
        buf_add_double(&text, attr->real);
        break;
    default:
        buf_add_str(&text, attr->text);
    }
    prometheus_label(labels, name, buf_str(&text));
    buf_fini(&text);
}

static bool has_label(const struct buf *labels, const struct buf *name)
{
    struct buf head;
    buf_init(&head, TEXT_BYTES);
    buf_addf(&head, "%.*s=\"", (int)name->len, name->p);
    bool found = str_starts(buf_str(labels), buf_str(&head));
    buf_reset(&head);
    buf_addf(&head, "\",%.*s=\"", (int)name->len, name->p);
    found = found || str_contains(buf_str(labels), buf_str(&head));
    buf_fini(&head);
    return found;
}

static bool is_reserved(const struct buf *name)
{
    static const char *const names[] = {"job", "instance", "le", "quantile"};
    for (size_t i = 0; i < 4; i++) {
        if (str_eq(buf_str(name), str_of(names[i])))
            return true;
    }
    return str_starts(buf_str(name), STR("__"));
}

static void add_attribute(struct buf *labels, const struct attr *attr)
{
    struct buf name, clean;
    buf_init(&name, 1024);
    buf_init(&clean, 1024);
    add_clean(&clean, attr->key);
    buf_addf(&name, "%s%.*s", is_reserved(&clean) || !clean.len ? "exported_" : "", (int)clean.len,
             clean.p ? clean.p : "");
    buf_add_char(&name, '\0');
    name.len--;
    if (!buf_failed(&name) && !has_label(labels, &name))
        add_value(labels, name.p, attr);
    buf_fini(&name);
    buf_fini(&clean);
}

static void make_labels(struct buf *labels, const struct metric_point *point)
{
    const struct resource *resource = point->metric->resource;
    struct buf job;
    buf_reset(labels);
    buf_init(&job, TEXT_BYTES);
    if (resource->namespace.len && resource->service.len)
        buf_addf(&job, "%.*s/", STR_ARG(resource->namespace));
    buf_add_str(&job, resource->service);
    if (job.len)
        prometheus_label(labels, "job", buf_str(&job));
    if (resource->instance.len)
        prometheus_label(labels, "instance", resource->instance);
    for (uint32_t i = 0; i < point->n_attrs; i++)
        add_attribute(labels, &point->attrs[i]);
    buf_fini(&job);
}

/* ---- tables ---- */

/* Room for one more in an array that doubles. */
static bool room(void **items, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    uint32_t wanted = *cap ? 2 * *cap : 64;
    void *grown = realloc(*items, wanted * size);
    if (!grown)
        return false;
    *items = grown;
    *cap = wanted;
    return true;
}

static struct family *find_family(struct ingested *ingested, struct str name)
{
    for (struct map_iter it = map_find(&ingested->by_name, hash_str(name));
         map_next(&ingested->by_name, &it);) {
        if (str_eq(str_of(ingested->families[it.value].name), name))
            return &ingested->families[it.value];
    }
    return NULL;
}

/* Would a name of the new family be one that a name of another makes? x_count beside a histogram x,
 * a gauge x beside a counter x_total. */
static bool clashes(struct ingested *ingested, struct str name, enum kind kind)
{
    static const char *const suffixes[] = {"_total", "_count", "_sum", "_bucket", "_created"};
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        struct str suffix = str_of(suffixes[i]);
        struct str base = {name.p, name.len - suffix.len};
        const struct family *other = str_ends(name, suffix) ? find_family(ingested, base) : NULL;
        if (other && (i == 0 || i == 4 || other->kind >= HISTOGRAM))
            return true;
        char *longer = NULL;
        if (asprintf(&longer, "%.*s%s", STR_ARG(name), suffixes[i]) < 0)
            return true;
        bool taken = find_family(ingested, str_of(longer)) != NULL;
        free(longer);
        if (taken && (i == 0 || i == 4 || kind >= HISTOGRAM))
            return true;
    }
    return false;
}

/* NULL: too many, no memory, or a family of this name is something else. */
static struct family *family_of(struct ingested *ingested, const struct metric *metric)
{
    make_name(&ingested->name, metric);
    struct str name = buf_str(&ingested->name);
    const struct unit *unit = unit_of(metric->unit);
    uint64_t hash = hash_str(name);
    if (buf_failed(&ingested->name) || is_ours(name))
        return NULL;
    struct family *family = find_family(ingested, name);
    if (family)
        return family->kind == kind_of(metric) ? family : NULL;
    if (ingested->n_families >= MAX_FAMILIES || clashes(ingested, name, kind_of(metric)) ||
        !room((void **)&ingested->families, ingested->n_families, &ingested->cap_families,
              sizeof(struct family)))
        return NULL;
    family = &ingested->families[ingested->n_families];
    *family = (struct family){.name = strndup(name.p, name.len),
                              .help = strndup(metric->description.p ? metric->description.p : "",
                                              metric->description.len),
                              .first = NO_SERIES,
                              .kind = (uint8_t)kind_of(metric),
                              .is_time = unit && unit->is_time};
    if (!family->name || !family->help ||
        !map_add(&ingested->by_name, hash, ingested->n_families)) {
        free(family->name);
        free(family->help);
        return NULL;
    }
    ingested->n_families++;
    return family;
}

static struct series *series_of(struct ingested *ingested, struct family *family,
                                const struct metric_point *point)
{
    uint32_t number = (uint32_t)(family - ingested->families);
    make_labels(&ingested->labels, point);
    struct str labels = buf_str(&ingested->labels);
    uint64_t hash = hash_mix(hash_u64(number), hash_str(labels));
    if (buf_failed(&ingested->labels))
        return NULL;
    for (struct map_iter it = map_find(&ingested->by_hash, hash);
         map_next(&ingested->by_hash, &it);) {
        if (ingested->series[it.value].hash == hash)
            return &ingested->series[it.value];
    }
    if (ingested->n_series >= ingested->max_series ||
        !room((void **)&ingested->series, ingested->n_series, &ingested->cap_series,
              sizeof(struct series)))
        return NULL;
    struct series *series = &ingested->series[ingested->n_series];
    *series = (struct series){.labels = strndup(labels.p ? labels.p : "", labels.len),
                              .hash = hash,
                              .family = number,
                              .next = family->first};
    if (!series->labels || !map_add(&ingested->by_hash, hash, ingested->n_series)) {
        free(series->labels);
        return NULL;
    }
    family->first = ingested->n_series++;
    return series;
}

/* ---- points ---- */

static int bucket_of(const struct family *family, uint64_t upper)
{
    double value = family->is_time ? (double)upper / NS_PER_SECOND : (double)upper;
    for (int k = 0; k < STAT_N_BUCKETS; k++) {
        if (value <= (family->is_time ? stat_bucket_bound(k) : (double)(UINT64_C(1) << 2 * k)))
            return k;
    }
    return STAT_N_BUCKETS;
}

static void take_buckets(const struct family *family, struct series *series, struct str blob)
{
    struct histogram histogram;
    histogram_init(&histogram);
    if (histogram_decode(&histogram, blob)) {
        for (uint32_t i = 0; i < histogram.cap; i++) {
            if (histogram.counts[i] > 0)
                series->buckets[bucket_of(family, histogram_upper_ns(histogram.low + i))] +=
                    (uint64_t)histogram.counts[i];
        }
    }
    histogram_fini(&histogram);
}

/* What counts from point to point is added up here, for Prometheus counts from the beginning. */
static void take_point(const struct family *family, struct series *series,
                       const struct metric_point *point)
{
    const struct metric *metric = point->metric;
    double factor = factor_of(metric);
    bool delta = metric->temporality == TEMPORALITY_DELTA && metric->type != METRIC_GAUGE;
    if (delta ? point->duplicate : point->at_ns < series->at_ns)
        return;
    if (!delta) {
        series->value = series->sum = 0;
        series->count = 0;
        memset(series->buckets, 0, sizeof(series->buckets));
    }
    series->at_ns = point->at_ns > series->at_ns ? point->at_ns : series->at_ns;
    series->value +=
        factor * (point->value_type == METRIC_INT ? (double)point->integer : point->real);
    series->sum += factor * point->sum;
    series->count += point->count;
    take_buckets(family, series, point->histogram);
}

void ingested_take(struct ingested *ingested, const struct batch *batch, uint64_t now_ns)
{
    pthread_mutex_lock(&ingested->mutex);
    for (uint32_t i = 0; i < batch->n_points; i++) {
        const struct metric_point *point = &batch->points[i];
        struct family *family = family_of(ingested, point->metric);
        struct series *series = family ? series_of(ingested, family, point) : NULL;
        if (!series) {
            stat_add(ingested->n_limited, 1);
            continue;
        }
        series->last_ns = now_ns;
        take_point(family, series, point);
    }
    pthread_mutex_unlock(&ingested->mutex);
}

/* ---- scrapes ---- */

/* What did not come for a while leaves; the others move together. */
static void expire(struct ingested *ingested, uint64_t now_ns)
{
    uint32_t n = 0;
    map_clear(&ingested->by_hash);
    for (uint32_t i = 0; i < ingested->n_families; i++)
        ingested->families[i].first = NO_SERIES;
    for (uint32_t i = 0; i < ingested->n_series; i++) {
        struct series *series = &ingested->series[i];
        if (series->last_ns + ingested->expire_ns <= now_ns ||
            !map_add(&ingested->by_hash, series->hash, n)) {
            free(series->labels);
            continue;
        }
        series->next = ingested->families[series->family].first;
        ingested->families[series->family].first = n;
        ingested->series[n++] = *series;
    }
    ingested->n_series = n;
}

static void add_help(struct buf *out, const char *help)
{
    for (; *help; help++) {
        if (*help == '\\' || *help == '\n')
            buf_add_c(out, *help == '\n' ? "\\n" : "\\\\");
        else
            buf_add_char(out, *help == '"' ? '\'' : *help); /* which one form escapes and one not */
    }
    buf_add_char(out, '\n');
}

static void render_head(const struct family *family, bool openmetrics, struct buf *out)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram", "summary"};
    int len = (int)strlen(family->name);
    if (openmetrics && family->kind == COUNTER)
        len -= 6;
    buf_addf(out, "# HELP %.*s ", len, family->name);
    add_help(out, family->help[0] ? family->help : "Ingested.");
    buf_addf(out, "# TYPE %.*s %s\n", len, family->name, kinds[family->kind]);
}

static void render_bound(const struct family *family, int k, bool openmetrics, struct buf *out)
{
    double bound = family->is_time ? stat_bucket_bound(k) : (double)(UINT64_C(1) << 2 * k);
    buf_add_double(out, bound);
    if (openmetrics && bound == (double)(long long)bound)
        buf_add_c(out, ".0");
}

static void render_buckets(const struct family *family, const struct series *series,
                           bool openmetrics, struct buf *out)
{
    const char *comma = series->labels[0] ? "," : "";
    uint64_t n = 0;
    for (int k = 0; k < STAT_N_BUCKETS; k++) {
        n += series->buckets[k];
        buf_addf(out, "%s_bucket{%s%sle=\"", family->name, series->labels, comma);
        render_bound(family, k, openmetrics, out);
        buf_addf(out, "\"} %llu\n", (unsigned long long)n);
    }
    n += series->buckets[STAT_N_BUCKETS];
    n = n > series->count ? n : series->count;
    buf_addf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", family->name, series->labels, comma,
             (unsigned long long)n);
    buf_addf(out, "%s_count{%s} %llu\n", family->name, series->labels, (unsigned long long)n);
}

static void render_series(const struct family *family, const struct series *series,
                          bool openmetrics, struct buf *out)
{
    if (family->kind == COUNTER || family->kind == GAUGE) {
        buf_addf(out, "%s{%s} ", family->name, series->labels);
        buf_add_double(out, series->value);
    } else {
        if (family->kind == HISTOGRAM)
            render_buckets(family, series, openmetrics, out);
        else
            buf_addf(out, "%s_count{%s} %llu\n", family->name, series->labels,
                     (unsigned long long)series->count);
        buf_addf(out, "%s_sum{%s} ", family->name, series->labels);
        buf_add_double(out, series->sum);
    }
    buf_add_char(out, '\n');
}

void ingested_render(struct ingested *ingested, bool openmetrics, uint64_t now_ns, struct buf *out)
{
    pthread_mutex_lock(&ingested->mutex);
    expire(ingested, now_ns);
    for (uint32_t i = 0; i < ingested->n_families; i++) {
        const struct family *family = &ingested->families[i];
        if (family->first == NO_SERIES)
            continue;
        render_head(family, openmetrics, out);
        for (uint32_t at = family->first; at != NO_SERIES; at = ingested->series[at].next)
            render_series(family, &ingested->series[at], openmetrics, out);
    }
    pthread_mutex_unlock(&ingested->mutex);
}
