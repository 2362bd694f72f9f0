/* limits.c - one table of what bounds the collector as a whole, a trace, a span, or names. Limits
 * of a single body are not in it: they are answered to who sent the body.
 */
#include "collector/command/limits.h"

#include <stddef.h>

#include "collector/base/stats.h"

#define SETTING(field) offsetof(struct settings, field)
#define LEVEL(field) KIND_LEVEL, offsetof(struct limit_levels, field), NULL, NULL, NULL
#define GAUGE(family) KIND_GAUGE, 0, family, NULL, NULL
#define COUNTED(family, label, value) KIND_COUNTED, 0, family, label, value

enum limit_kind { KIND_LEVEL, KIND_GAUGE, KIND_COUNTED, KIND_FREE };

static const struct limit_row {
    const char *name, *unit;
    size_t setting;
    enum limit_kind kind;
    size_t level;
    const char *family, *label, *value; /* the gauge; the counter and its series */
} rows[] = {
    {"receive.max_connections", "count", SETTING(max_connections), LEVEL(n_connections)},
    {"receive.max_in_flight", "bytes", SETTING(max_in_flight), LEVEL(in_flight)},
    {"store.inbox_max", "bytes", SETTING(inbox_max), GAUGE("faultline_inbox_bytes")},
    {"store.max_size", "bytes", SETTING(max_size), GAUGE("faultline_store_bytes")},
    {"store.min_free", "bytes", SETTING(min_free), KIND_FREE, 0, NULL, NULL, NULL},
    {"stitch.memory", "bytes", SETTING(stitch_memory),
     COUNTED("faultline_stitch_cut_total", "reason", "memory")},
    {"stitch.max_spans_per_trace", "count", SETTING(max_spans_per_trace),
     COUNTED("faultline_stitch_overflow_total", "limit", "spans_per_trace")},
    {"limit.attributes", "count", SETTING(limit_attributes),
     COUNTED("faultline_ingest_truncated_total", "field", "attributes")},
    {"limit.attribute_bytes", "bytes", SETTING(limit_attribute_bytes),
     COUNTED("faultline_ingest_truncated_total", "field", "attribute_value")},
    {"limit.name_bytes", "bytes", SETTING(limit_name_bytes),
     COUNTED("faultline_ingest_truncated_total", "field", "name")},
    {"limit.events", "count", SETTING(limit_events),
     COUNTED("faultline_ingest_truncated_total", "field", "events")},
    {"limit.links", "count", SETTING(limit_links),
     COUNTED("faultline_ingest_truncated_total", "field", "links")},
    {"limit.services", "count", SETTING(limit_services),
     COUNTED("faultline_stitch_overflow_total", "limit", "services")},
    {"limit.services", "count", SETTING(limit_services),
     COUNTED("faultline_stitch_overflow_total", "limit", "versions")},
    {"limit.operations", "count", SETTING(limit_operations),
     COUNTED("faultline_stitch_overflow_total", "limit", "operations")},
    {"limit.edges", "count", SETTING(limit_edges),
     COUNTED("faultline_store_overflow_total", "limit", "edges")},
    {"export.prometheus.max_series", "count", SETTING(prometheus_max_series),
     GAUGE("faultline_prometheus_series")},
    {"export.prometheus.max_series", "count", SETTING(prometheus_max_series),
     COUNTED("faultline_series_limited_total", "family", "ingested")},
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static bool is_series(const struct stat_series *series, const struct limit_row *row)
{
    return !row->label ||
           (series->labels[0].name && strcmp(series->labels[0].name, row->label) == 0 &&
            strcmp(series->labels[0].value, row->value) == 0);
}

/* Notes what the series of the rows are at. */
static void look(const struct stat_family *family, void *ctx)
{
    uint64_t *at = ctx;
    for (size_t i = 0; i < N_ROWS; i++) {
        if (!rows[i].family || strcmp(rows[i].family, family->name) != 0)
            continue;
        for (const struct stat_series *series = family->series; series; series = series->next)
            at[i] += is_series(series, &rows[i]) ? stat_value(series) : 0;
    }
}

static uint64_t number_at(const void *base, size_t offset)
{
    return *(const uint64_t *)((const char *)base + offset);
}

static bool is_hit(const struct limit_row *row, uint64_t limit, uint64_t at,
                   const struct limit_levels *levels)
{
    switch (row->kind) {
    case KIND_FREE:
        return levels->disk_full;
    case KIND_COUNTED:
        return at > 0;
    case KIND_LEVEL:
        return number_at(levels, row->level) >= limit - limit / 8;
    default:
        return at >= limit - limit / 8;
    }
}

void limits_json(const struct settings *settings, const struct limit_levels *levels,
                 struct buf *out)
{
    uint64_t at[N_ROWS] = {0};
    stats_visit(look, at);
    buf_add_char(out, '[');
    for (size_t i = 0, next; i < N_ROWS; i = next) {
        uint64_t limit = number_at(settings, rows[i].setting);
        bool hit = false; /* of one limit, in any of its rows */
        for (next = i; next < N_ROWS && rows[next].setting == rows[i].setting; next++)
            hit = hit || is_hit(&rows[next], limit, at[next], levels);
        buf_addf(out, "%s{\"name\":\"%s\",\"value\":%llu,\"unit\":\"%s\",\"hit\":%s}", i ? "," : "",
                 rows[i].name, (unsigned long long)limit, rows[i].unit, hit ? "true" : "false");
    }
    buf_add_char(out, ']');
}
