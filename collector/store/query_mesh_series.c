/* query_mesh_series.c - what a mesh's own counters say of calls, from what metrics were stored:
 * calls and their times by the minute.
 *
 * They are counters: what came in a minute is how much they grew. A series that is new while its
 * sender is not grew from 0: an answer that was never given before has no series.
 */
#include <math.h>

#include "collector/base/clock.h"
#include "collector/base/json.h"
#include "collector/model/metric.h"
#include "collector/store/query_mesh_internal.h"
#include "collector/store/statements.h"

#define MOST_POINTS 2000000u
#define MOST_SPREAD_NS (60 * NS_PER_MINUTE)
#define MOST_NAME (1u << 17) /* bytes */

/* ---- points ---- */

struct grown {
    double n, ns;
};

static struct mesh_minute *minute_of(struct mesh_reading *reading, struct mesh_series *series,
                                     uint64_t minute)
{
    if (series->n && series->minutes[series->n - 1].minute == minute)
        return &series->minutes[series->n - 1];
    if (!arena_room(reading->arena, (void **)&series->minutes, series->n, &series->cap,
                    sizeof(*series->minutes))) {
        reading->memory_short = true;
        return NULL;
    }
    series->minutes[series->n] = (struct mesh_minute){.minute = minute};
    return &series->minutes[series->n++];
}

static bool add_to_minute(struct mesh_reading *reading, struct mesh_series *series, uint64_t minute,
                          struct grown grown)
{
    uint64_t at_ns = minute * NS_PER_MINUTE;
    struct mesh_minute *row;
    /* Minutes at the window's ends count as a whole: so they are asked for. */
    if (at_ns + NS_PER_MINUTE <= reading->window.from_ns || at_ns >= reading->window.to_ns)
        return true;
    row = minute_of(reading, series, minute);
    if (row) {
        row->n += grown.n;
        row->ns += grown.ns;
    }
    return row != NULL;
}

/* It came in (from, to], evenly, as far as anybody knows. */
static void add_growth(struct mesh_reading *reading, struct mesh_series *series,
                       const uint64_t span_ns[2], struct grown grown)
{
    uint64_t from_ns = span_ns[0], to_ns = span_ns[1];
    if (!(grown.n >= 0) || !(grown.ns >= 0) || (grown.n == 0 && grown.ns == 0) || to_ns <= from_ns)
        return;
    if (to_ns - from_ns > MOST_SPREAD_NS)
        from_ns = to_ns - MOST_SPREAD_NS;
    double length = (double)(to_ns - from_ns);
    uint64_t last = (to_ns - 1) / NS_PER_MINUTE;
    for (uint64_t minute = from_ns / NS_PER_MINUTE; minute <= last; minute++) {
        uint64_t begin_ns = minute * NS_PER_MINUTE, end_ns = begin_ns + NS_PER_MINUTE;
        begin_ns = begin_ns > from_ns ? begin_ns : from_ns;
        end_ns = end_ns < to_ns ? end_ns : to_ns;
        double share = (double)(end_ns - begin_ns) / length;
        struct grown part = {grown.n * share, grown.ns * share};
        if (!add_to_minute(reading, series, minute, part))
            return;
    }
}

/* Times come in milliseconds. NaN: nothing was recorded. */
static struct grown read_point(const struct metric_sample *point, enum part part)
{
    switch (part) {
    case PART_CALLS:
    case PART_TIME_COUNT:
        return (struct grown){point->value, 0};
    case PART_TIME_SUM:
        return (struct grown){0, point->value * 1e6};
    default:
        return (struct grown){point->count, point->sum * 1e6};
    }
}

struct counting {
    enum part part;
    bool delta;         /* its points say what came since the one before */
    uint64_t absent_ns; /* its sender told of others then; 0: never. So it grew from 0 since */
};

/* So long after the one before is the usual point, within a doubling; 0: there are too few. */
static uint64_t usual_step(const struct points_reading *points)
{
    uint32_t steps[64] = {0}, seen = 0;
    if (points->n_points < 3)
        return 0;
    for (uint32_t i = 1; i < points->n_points; i++)
        steps[63 - __builtin_clzll((points->points[i].at_ns - points->points[i - 1].at_ns) | 1)]++;
    for (int i = 0; i < 63; i++) {
        seen += steps[i];
        if (2 * seen >= points->n_points - 1)
            return UINT64_C(2) << i;
    }
    return 0;
}

/* What the points that were read last say. What a counter grew by while nobody looked for long is
 * not known of any minute. Gives how often it began again. */
static uint32_t count_points(struct mesh_reading *reading, const struct counting *counting,
                             struct mesh_series *series)
{
    struct grown before = {0, 0};
    uint32_t n_again = 0;
    uint64_t before_ns = counting->absent_ns; /* 0: this is the first */
    uint64_t step_ns = usual_step(&reading->points);
    for (uint32_t i = 0; i < reading->points.n_points; i++) {
        const struct metric_sample *point = &reading->points.points[i];
        struct grown now = read_point(point, counting->part), more = now;
        /* The series rests, and goes on from where it was. */
        if (isnan(now.n) || isnan(now.ns))
            continue;
        bool again = now.n < before.n || now.ns < before.ns;
        bool gap = !before_ns || (step_ns && point->at_ns - before_ns > 2 * step_ns);
        n_again += !counting->delta && again;
        if (!counting->delta && !again)
            more = (struct grown){now.n - before.n, now.ns - before.ns};
        uint64_t span_ns[2] = {gap ? point->at_ns - 1 : before_ns, point->at_ns};
        if (!gap || counting->delta)
            add_growth(reading, series, span_ns, more);
        before = now;
        before_ns = point->at_ns;
    }
    return n_again;
}

/* The sender's last point of this name before that time, by the series that it has sent longest; 0:
 * none. */
static uint64_t sender_before(struct mesh_reading *reading, sqlite3_stmt *row, uint64_t at_ns)
{
    sqlite3_stmt *select = reading->sender_before;
    uint64_t before_ns = 0;
    sqlite3_bind_int64(select, 1, sqlite3_column_int64(row, SERIES_ELDEST));
    sqlite3_bind_int64(select, 2, sqlite3_column_int64(row, SERIES_FIRST_NS));
    sqlite3_bind_int64(select, 3, (int64_t)at_ns);
    if (sqlite3_step(select) == SQLITE_ROW)
        before_ns = (uint64_t)sqlite3_column_int64(select, 0);
    sqlite3_reset(select);
    return before_ns;
}

bool mesh_series_count(struct mesh_reading *reading, enum part part, sqlite3_stmt *row,
                       struct mesh_series *series)
{
    struct counting counting = {
        .part = part, .delta = sqlite3_column_int(row, SERIES_TEMPORALITY) == TEMPORALITY_DELTA};
    uint64_t new_from_ns = (uint64_t)sqlite3_column_int64(row, SERIES_FIRST_NS);
    points_read(&reading->points, sqlite3_column_int64(row, SERIES_ID));
    uint64_t first_ns = reading->points.n_points ? reading->points.points[0].at_ns : 0;
    if (first_ns >= new_from_ns + POINTS_NEW_AFTER_NS && !reading->nameless)
        counting.absent_ns = sender_before(reading, row, first_ns);
    uint32_t n_again = count_points(reading, &counting, series);
    /* Once is a restart. */
    return series->n > 0 && (!reading->nameless || n_again < 2);
}

/* ---- series ---- */

bool mesh_status_failed(struct str code)
{
    return (code.len == 3 && code.p[0] == '5') || str_eq(code, STR("429"));
}

void mesh_series_labels(struct mesh_reading *reading, sqlite3_stmt *row,
                        int (*label_of)(struct str key), int n, struct str labels[])
{
    struct json json;
    struct json_text key;
    json_init(&json, column_str(row, SERIES_ATTRIBUTES));
    if (!json_open_object(&json))
        return;
    while (json_next_key(&json, &key)) {
        int label = label_of(key.raw);
        if (label == n)
            json_skip(&json, NULL);
        else
            json_as_text(&json, reading->arena, &labels[label]);
    }
}

void mesh_series_add(struct mesh_reading *reading, const struct mesh_series *series)
{
    struct mesh_series_list *list = reading->list;
    if (arena_room(reading->arena, (void **)&list->items, list->n, &list->cap,
                   sizeof(*list->items)))
        list->items[list->n++] = *series;
    else
        reading->memory_short = true;
}

bool mesh_series_is_over(const struct mesh_reading *reading)
{
    return reading->memory_short || reading->list->n + reading->n_clusters >= MOST_SERIES ||
           points_are_over(&reading->points);
}

/* When the senders of this name sent first, each by its resource, in the time that is read, and
 * which of the series that are still sent began first. */
static const char series_sql[] =
    "WITH s AS MATERIALIZED (SELECT id, attributes, temporality, resource, (SELECT min(p.at_ns) "
    "FROM metric_generation g CROSS JOIN metric_point_row p ON p.generation = g.id WHERE "
    "p.series = m.id AND p.at_ns >= ?2 AND p.at_ns <= ?3) AS first_ns, (SELECT max(p.at_ns) "
    "FROM metric_generation g CROSS JOIN metric_point_row p ON p.generation = g.id WHERE "
    "p.series = m.id AND p.at_ns >= ?2 AND p.at_ns <= ?3) AS last_ns "
    "FROM metric_series_row m WHERE name = ?1 AND NOT overflow) "
    "SELECT s.id, attributes, temporality, min(first_ns) OVER (PARTITION BY resource), "
    "first_value(s.id) OVER (PARTITION BY resource ORDER BY last_ns DESC, first_ns), "
    "coalesce(r.json, '') FROM s LEFT JOIN metric_resource r ON r.id = s.resource "
    "WHERE first_ns IS NOT NULL";

static const char sender_before_sql[] =
    "SELECT max(p.at_ns) FROM metric_generation g CROSS JOIN metric_point_row p ON "
    "p.generation = g.id AND p.series = ?1 WHERE p.at_ns >= ?2 AND p.at_ns < ?3";

static int take_name(struct mesh_reading *reading, struct str name, struct err *err)
{
    struct cluster_stat_name stat;
    enum part part;
    sqlite3_stmt *rows;
    int code = SQLITE_DONE;
    uint64_t from_ns = reading->window.from_ns;
    bool istio = istio_part(name, &part);
    if (!istio && !clusters_part(name, &stat, &part))
        return 0;
    if (query_begin(reading->query, series_sql, &rows, err))
        return err->code;
    statement_bind_text(rows, 1, name);
    sqlite3_bind_int64(rows, 2,
                       (int64_t)(from_ns > POINTS_BEFORE_NS ? from_ns - POINTS_BEFORE_NS : 0));
    sqlite3_bind_int64(rows, 3, (int64_t)reading->window.to_ns);
    while (!mesh_series_is_over(reading) && (code = sqlite3_step(rows)) == SQLITE_ROW) {
        if (istio)
            istio_take(reading, part, rows);
        else
            clusters_take(reading, &stat, part, rows);
    }
    return query_end(reading->query, rows, code, err);
}

/* ---- names ---- */

/* False: enough. */
typedef bool name_f(void *ctx, struct str name);

/* Every name that series bear, from one to the next by the index, whose first column it is. */
static int each_name(struct query *query, name_f *take, void *ctx, struct err *err)
{
    sqlite3_stmt *next;
    struct buf name;
    int code;
    if (query_begin(query,
                    "SELECT name FROM metric_series_row WHERE name > ?1 ORDER BY name LIMIT 1",
                    &next, err))
        return err->code;
    buf_init(&name, MOST_NAME);
    do {
        statement_bind_text(next, 1, buf_str(&name));
        code = sqlite3_step(next);
        buf_reset(&name);
        if (code == SQLITE_ROW)
            buf_add_str(&name, column_str(next, 0));
        sqlite3_reset(next);
    } while (code == SQLITE_ROW && !buf_failed(&name) && take(ctx, buf_str(&name)));
    bool failed = buf_failed(&name);
    buf_fini(&name);
    query_end(query, next, code, err);
    if (!err->code && failed)
        err_set(err, ERR_BUSY, "memory is short for the names of series");
    return err->code;
}

struct names_reading {
    struct mesh_reading *reading;
    struct err *err;
};

static bool read_name(void *ctx, struct str name)
{
    struct names_reading *names = ctx;
    return take_name(names->reading, name, names->err) == 0 && !mesh_series_is_over(names->reading);
}

int query_mesh_series(struct query *query, struct window window, struct arena *arena,
                      struct mesh_series_list *list, struct err *err)
{
    struct mesh_reading reading = {.query = query,
                                   .window = window,
                                   .arena = arena,
                                   .list = list,
                                   .points = {.query = query, .max = MOST_POINTS}};
    struct err mine = {0};
    *list = (struct mesh_series_list){0};
    /* What came until its end is told by a point at its end. */
    points_begin(&reading.points, window.from_ns, window.to_ns, err);
    if (!err->code && query_begin(query, sender_before_sql, &reading.sender_before, err) == 0) {
        each_name(query, read_name, &(struct names_reading){&reading, err}, &mine);
        query_end(query, reading.sender_before, SQLITE_DONE, &mine);
    }
    if (!err->code)
        *err = mine;
    list->cut = list->n + reading.n_clusters >= MOST_SERIES || reading.points.n >= MOST_POINTS;
    if (!err->code && (reading.memory_short || !clusters_settle(&reading)))
        err_set(err, ERR_BUSY, "memory is short for the series of this window");
    points_end(&reading.points, err);
    return err->code;
}

static bool counts_calls(struct str name)
{
    struct cluster_stat_name stat;
    enum part part;
    return (istio_part(name, &part) || clusters_part(name, &stat, &part)) && part == PART_CALLS;
}

static bool find_calls(void *ctx, struct str name)
{
    bool *found = ctx;
    *found = counts_calls(name);
    return !*found;
}

bool query_has_mesh_series(struct query *query)
{
    struct err err = {0};
    bool found = false;
    each_name(query, find_calls, &found, &err);
    return found;
}

struct times_reading {
    struct query *query;
    struct window *window;
};

static bool read_times(void *ctx, struct str name)
{
    struct times_reading *times = ctx;
    struct err err = {0};
    sqlite3_stmt *select;
    if (!counts_calls(name))
        return true;
    if (query_begin(times->query,
                    "SELECT min(p.at_ns), max(p.at_ns) FROM metric_series_row m "
                    "CROSS JOIN metric_generation g CROSS JOIN metric_point_row p "
                    "ON p.generation = g.id AND p.series = m.id WHERE m.name = ?1",
                    &select, &err))
        return false;
    statement_bind_text(select, 1, name);
    int code = sqlite3_step(select);
    struct window *window = times->window;
    if (code == SQLITE_ROW && sqlite3_column_type(select, 0) != SQLITE_NULL) {
        uint64_t from_ns = (uint64_t)sqlite3_column_int64(select, 0);
        uint64_t to_ns = (uint64_t)sqlite3_column_int64(select, 1);
        window->from_ns = from_ns < window->from_ns ? from_ns : window->from_ns;
        window->to_ns = to_ns > window->to_ns ? to_ns : window->to_ns;
    }
    return query_end(times->query, select, code, &err) == 0;
}

bool query_mesh_series_times(struct query *query, struct window *window)
{
    struct err err = {0};
    *window = (struct window){UINT64_MAX, 0};
    each_name(query, read_times, &(struct times_reading){query, window}, &err);
    return !err.code && window->from_ns <= window->to_ns;
}
