/* told_times.c - histograms of durations that tell of edges: what came between two of their points
 * is told as buckets of a scrape are.
 *
 * All tell by the same bounds, those that Envoy has of its own, so that what several senders count
 * adds up.
 */
#include <math.h>

#include "collector/base/clock.h"
#include "collector/store/points.h"
#include "collector/store/store_internal.h"
#include "collector/store/told.h"

static const double bounds_ms[] = {0.5,   1,   5,    10,    25,    50,      100,
                                   250,   500, 1000, 2500,  5000,  10000,   30000,
                                   60000, 3e5, 6e5,  1.8e6, 3.6e6, INFINITY};

struct times {
    struct histogram histogram;
    double sum;
};

static bool subtract(struct histogram *from, struct str blob)
{
    struct histogram before;
    histogram_init(&before);
    bool good = histogram_decode(&before, blob);
    for (uint32_t i = 0; i < before.cap && good; i++)
        before.counts[i] = -before.counts[i];
    before.n = -before.n;
    good = good && histogram_merge(from, &before);
    histogram_fini(&before);
    return good;
}

/* Less what was in the point of that time. *there: it is still stored. */
static int less_before(struct told *told, const struct series_state *state, uint64_t since_ns,
                       struct times *times, bool *there)
{
    sqlite3_stmt *select = told->last_value;
    sqlite3_bind_int64(select, 1, state->row);
    sqlite3_bind_int64(select, 2, (int64_t)since_ns);
    sqlite3_bind_int64(select, 3, (int64_t)since_ns);
    int code = sqlite3_step(select);
    *there = code == SQLITE_ROW;
    bool good = true;
    if (*there) {
        times->sum -= sqlite3_column_double(select, 2);
        struct str blob = {sqlite3_column_blob(select, 3), (size_t)sqlite3_column_bytes(select, 3)};
        good = subtract(&times->histogram, blob);
    }
    sqlite3_reset(select);
    if (!good)
        return SQLITE_NOMEM;
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : code;
}

/* Values of which the smallest of their bucket is no more than that. */
static int64_t count_up_to(const struct histogram *histogram, double bound)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < histogram->cap; i++) {
        unsigned bucket = histogram->low + i;
        double least = bucket ? (double)histogram_upper_ns(bucket - 1) + 1 : 0;
        n += least <= bound && histogram->counts[i] > 0 ? histogram->counts[i] : 0;
    }
    return n;
}

static int tell(struct store *store, const struct turn *turn, const struct metric_point *point,
                const struct times *times, const uint64_t span_ns[2])
{
    struct told_edge edge = *point->told;
    double unit_ns = edge.ns; /* of the sum; of the histogram where nobody says its unit */
    double scale = point->metric->unit.len ? (double)NS_PER_MS : (double)NS_PER_MS / unit_ns;
    int64_t sum_ns = times->sum > 0 ? (int64_t)(fmin(times->sum * unit_ns, 9e15) + 0.5) : 0;
    edge.measure = SERIES_DURATION_SUM;
    int code = told_grew(store, turn, &edge, sum_ns, span_ns);
    edge.measure = SERIES_DURATION_BUCKET;
    for (size_t i = 0; i < sizeof(bounds_ms) / sizeof(bounds_ms[0]) && !code; i++) {
        edge.ns = bounds_ms[i] * (double)NS_PER_MS;
        code = told_grew(store, turn, &edge, count_up_to(&times->histogram, bounds_ms[i] * scale),
                         span_ns);
    }
    return code;
}

int told_add_times(struct store *store, const struct turn *turn, const struct metric_point *point,
                   const struct series_state *state, const struct told_span *span)
{
    struct times times = {.sum = point->has_sum ? point->sum : 0};
    bool there = true;
    histogram_init(&times.histogram);
    int code = histogram_decode(&times.histogram, point->histogram) ? 0 : SQLITE_NOMEM;
    if (!code && span->since_ns)
        code = less_before(&store->told, state, span->since_ns, &times, &there);
    if (!code && there)
        code = tell(store, turn, point, &times, span->ns);
    histogram_fini(&times.histogram);
    return code;
}
