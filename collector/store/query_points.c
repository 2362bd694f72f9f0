/* query_points.c - see query_points.h. */
#include "collector/store/query_points.h"

#include <math.h>
#include <stdlib.h>

#include "collector/base/clock.h"

/* Points are not stored before their time, but by a clock that runs behind: what ended earlier
 * holds none. */
static const char points_sql[] =
    "SELECT p.at_ns, p.value, p.count, p.sum FROM metric_generation g "
    "CROSS JOIN metric_point_row p ON p.generation = g.id "
    "WHERE coalesce((SELECT n.begun_s FROM metric_generation n WHERE n.id > g.id ORDER BY n.id "
    "LIMIT 1), 1 << 40) >= ?2 / 1000000000 - 600 "
    "AND p.series = ?1 AND p.at_ns >= ?2 AND p.at_ns <= ?3 ORDER BY g.id, p.at_ns";

int points_begin(struct points_reading *reading, uint64_t from_ns, uint64_t last_ns,
                 struct err *err)
{
    from_ns = from_ns > POINTS_BEFORE_NS ? from_ns - POINTS_BEFORE_NS : 0;
    if (query_begin(reading->query, points_sql, &reading->select, err))
        return err->code;
    sqlite3_bind_int64(reading->select, 2, (int64_t)from_ns);
    sqlite3_bind_int64(reading->select, 3, (int64_t)last_ns);
    return 0;
}

static double column_number(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL ? NAN
                                                           : sqlite3_column_double(row, column);
}

static bool add_point(struct points_reading *reading)
{
    if (reading->n_points == reading->cap) {
        uint32_t cap = reading->cap ? 2 * reading->cap : 256;
        struct metric_sample *grown = realloc(reading->points, cap * sizeof(*grown));
        if (!grown)
            return false;
        reading->points = grown;
        reading->cap = cap;
    }
    sqlite3_stmt *row = reading->select;
    reading->points[reading->n_points++] =
        (struct metric_sample){(uint64_t)sqlite3_column_int64(row, 0), column_number(row, 1),
                               column_number(row, 2), column_number(row, 3)};
    return true;
}

static int by_time(const void *a, const void *b)
{
    const struct metric_sample *x = a, *y = b;
    return (x->at_ns > y->at_ns) - (x->at_ns < y->at_ns);
}

void points_read(struct points_reading *reading, int64_t series)
{
    bool sorted = true;
    int code = SQLITE_DONE;
    reading->n_points = 0;
    sqlite3_bind_int64(reading->select, 1, series);
    while (!points_are_over(reading) && (code = sqlite3_step(reading->select)) == SQLITE_ROW) {
        uint32_t n = reading->n_points;
        reading->memory_short = !add_point(reading);
        reading->n += reading->n_points - n;
        sorted = sorted && (n == 0 || reading->memory_short ||
                            reading->points[n - 1].at_ns < reading->points[n].at_ns);
    }
    sqlite3_reset(reading->select);
    reading->code = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : code;
    if (!sorted)
        qsort(reading->points, reading->n_points, sizeof(*reading->points), by_time);
}

bool points_are_over(const struct points_reading *reading)
{
    return reading->n >= reading->max || reading->memory_short || reading->code;
}

void points_end(struct points_reading *reading, struct err *err)
{
    struct err mine = {0};
    query_end(reading->query, reading->select, reading->code, &mine);
    if (!mine.code && reading->memory_short)
        err_set(&mine, ERR_BUSY, "memory is short for the metrics of this window");
    if (mine.code && !err->code)
        *err = mine;
    free(reading->points);
}
