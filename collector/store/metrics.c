/* metrics.c - points, in generations by when they were stored. A point that is newer than all of
 * its series is new without a look.
 */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/model/ingest_stats.h"
#include "collector/store/points.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"
#include "collector/store/told.h"

#define GENERATIONS_OF_SIZE 16 /* a generation ends when it is such a part of store.max_size */
#define POINT_BYTES 40         /* about, without a histogram */
#define SLICE_POINTS "5000"
#define JSON_BYTES ((size_t)4 << 20)

static int prepare_all(struct store *store)
{
    struct metrics *metrics = &store->metrics;
    const struct {
        sqlite3_stmt **statement;
        const char *sql;
    } rows[] = {
        {&metrics->find_resource, "SELECT id FROM metric_resource WHERE json = ?1"},
        {&metrics->add_resource, "INSERT INTO metric_resource (json) VALUES (?1) RETURNING id"},
        {&metrics->find_series,
         "SELECT id, last_generation, last_ns FROM metric_series_row WHERE name = ?1 AND "
         "attributes = ?2 AND resource = ?3 AND scope = ?4 AND type = ?5 AND unit = ?6 AND "
         "temporality = ?7 AND monotonic = ?8"},
        {&metrics->add_series,
         "INSERT INTO metric_series_row (name, attributes, resource, scope, type, unit, "
         "temporality, monotonic, description, overflow, last_generation, last_ns) VALUES (?1, ?2, "
         "?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, -1) RETURNING id"},
        {&metrics->see_series,
         "UPDATE metric_series_row SET last_generation = ?2, last_ns = ?3 WHERE id = ?1"},
        {&metrics->newest_of, "SELECT coalesce(max(at_ns), -1) FROM metric_point_row WHERE "
                              "generation = ?1 AND series = ?2"},
        {&metrics->find_point,
         "SELECT 1 FROM metric_generation g CROSS JOIN metric_point_row p ON p.generation = g.id "
         "WHERE p.series = ?1 AND p.at_ns = ?2 AND p.part = ?3 LIMIT 1"},
        {&metrics->add_point,
         "INSERT INTO metric_point_row VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"},
        {&metrics->add_generation,
         "INSERT INTO metric_generation (begun_s, bytes) VALUES (?1, 0) RETURNING id"},
        {&metrics->size_generation, "UPDATE metric_generation SET bytes = ?2 WHERE id = ?1"},
    };
    int code = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && !code; i++)
        code = store_prepare(store, rows[i].sql, rows[i].statement);
    return code;
}

static void read_generation(struct store *store)
{
    struct metrics *metrics = &store->metrics;
    metrics->generation = store_number(store, "SELECT max(id) FROM metric_generation", 0);
    metrics->begun_s =
        store_number(store, "SELECT begun_s FROM metric_generation ORDER BY id DESC LIMIT 1", 0);
    metrics->bytes =
        store_number(store, "SELECT bytes FROM metric_generation ORDER BY id DESC LIMIT 1", 0);
    metrics->bytes_changed = false;
}

void metrics_forget(struct store *store)
{
    struct metrics *metrics = &store->metrics;
    map_clear(&metrics->map);
    metrics->n = 0;
    metrics->n_series = metrics->n_families = -1;
    metrics->resource = NULL;
    read_generation(store);
}

int metrics_open(struct store *store)
{
    struct metrics *metrics = &store->metrics;
    map_init(&metrics->map);
    buf_init(&metrics->resource_json, JSON_BYTES);
    buf_init(&metrics->attributes_json, JSON_BYTES);
    buf_init(&metrics->scope, JSON_BYTES);
    metrics->n_limited = series_limited("metric_series");
    metrics_forget(store);
    return prepare_all(store);
}

void metrics_close(struct store *store)
{
    struct metrics *metrics = &store->metrics;
    sqlite3_stmt *const all[] = {
        metrics->find_resource,  metrics->add_resource,   metrics->find_series, metrics->add_series,
        metrics->see_series,     metrics->newest_of,      metrics->find_point,  metrics->add_point,
        metrics->add_generation, metrics->size_generation};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        sqlite3_finalize(all[i]);
    map_fini(&metrics->map);
    free(metrics->series);
    buf_fini(&metrics->resource_json);
    buf_fini(&metrics->attributes_json);
    buf_fini(&metrics->scope);
}

/* ---- points ---- */

static int next_generation(struct store *store)
{
    struct metrics *metrics = &store->metrics;
    int64_t now_s = (int64_t)(clock_wall_ns() / NS_PER_S);
    int64_t most = (int64_t)(store->settings.max_size / GENERATIONS_OF_SIZE);
    bool young = now_s < metrics->begun_s + GENERATION_S && now_s >= metrics->begun_s;
    if (metrics->generation && metrics->generation != metrics->deleting && young &&
        (!most || metrics->bytes < most))
        return 0;
    int code = metrics_write(store);
    if (code)
        return code;
    sqlite3_bind_int64(metrics->add_generation, 1, now_s);
    code = statement_id(metrics->add_generation, &metrics->generation);
    metrics->begun_s = now_s;
    metrics->bytes = 0;
    return code;
}

static int is_stored(struct metrics *metrics, int64_t series, int64_t at_ns, int64_t part,
                     bool *stored)
{
    sqlite3_bind_int64(metrics->find_point, 1, series);
    sqlite3_bind_int64(metrics->find_point, 2, at_ns);
    sqlite3_bind_int64(metrics->find_point, 3, part);
    int64_t found;
    int code = statement_id(metrics->find_point, &found);
    *stored = found != 0;
    return code;
}

/* Told once a generation: the newest time in those before. */
static int see_series(struct metrics *metrics, struct series_state *state)
{
    if (state->generation == metrics->generation)
        return 0;
    sqlite3_bind_int64(metrics->see_series, 1, state->row);
    sqlite3_bind_int64(metrics->see_series, 2, metrics->generation);
    sqlite3_bind_int64(metrics->see_series, 3, state->last_ns);
    state->generation = metrics->generation;
    return statement_run(metrics->see_series);
}

static int put_point(struct metrics *metrics, const struct metric_point *point, int64_t series,
                     int64_t part)
{
    sqlite3_stmt *put = metrics->add_point;
    sqlite3_clear_bindings(put);
    sqlite3_bind_int64(put, 1, metrics->generation);
    sqlite3_bind_int64(put, 2, series);
    sqlite3_bind_int64(put, 3, (int64_t)point->at_ns);
    sqlite3_bind_int64(put, 4, part);
    if (point->value_type == METRIC_INT)
        sqlite3_bind_int64(put, 5, point->integer);
    else if (point->value_type == METRIC_REAL)
        sqlite3_bind_double(put, 5, point->real);
    if (point->has_count)
        sqlite3_bind_int64(put, 6, (int64_t)point->count);
    if (point->has_sum)
        sqlite3_bind_double(put, 7, point->sum);
    if (point->histogram.len)
        sqlite3_bind_blob(put, 8, point->histogram.p, (int)point->histogram.len, SQLITE_STATIC);
    metrics->bytes += POINT_BYTES + (int64_t)point->histogram.len;
    metrics->bytes_changed = true;
    return statement_run(put);
}

static int add_to(struct metrics *metrics, struct series_state *state,
                  const struct metric_point *point, int64_t part, bool *stored)
{
    int64_t at_ns = (int64_t)point->at_ns;
    bool there = false;
    int code =
        part || at_ns <= state->last_ns ? is_stored(metrics, state->row, at_ns, part, &there) : 0;
    *stored = !there;
    if (code || there)
        return code;
    code = see_series(metrics, state);
    code = code ? code : put_point(metrics, point, state->row, part);
    state->last_ns = at_ns > state->last_ns ? at_ns : state->last_ns;
    return code;
}

static int add(struct store *store, const struct turn *turn, const struct metric_point *point,
               bool *stored)
{
    struct series_state *state, fresh = {.last_ns = -1};
    int64_t part = 0;
    int code = metric_series_of(store, point, &fresh, &state, &part);
    if (code)
        return code;
    int64_t newest_ns = state->last_ns;
    code = add_to(&store->metrics, state, point, part, stored);
    /* Series of an overflow are nobody's alone. */
    if (!code && *stored && point->told && !part)
        code = told_add(store, turn, point, state, newest_ns);
    return code;
}

int metrics_add(struct store *store, const struct turn *turn, const struct batch *batch,
                uint32_t *n_stored, uint32_t *n_duplicate)
{
    int code = batch->n_points ? next_generation(store) : 0;
    store->metrics.resource = NULL; /* of another batch, where that lay may be something else */
    for (uint32_t i = 0; i < batch->n_points && !code; i++) {
        bool stored = false;
        code = add(store, turn, &batch->points[i], &stored);
        *n_stored += stored;
        *n_duplicate += !stored;
        batch->points[i].duplicate = !stored;
    }
    return code ? code : families_add(store, batch);
}

int metrics_write(struct store *store)
{
    struct metrics *metrics = &store->metrics;
    if (!metrics->bytes_changed)
        return 0;
    sqlite3_bind_int64(metrics->size_generation, 1, metrics->generation);
    sqlite3_bind_int64(metrics->size_generation, 2, metrics->bytes);
    metrics->bytes_changed = false;
    return statement_run(metrics->size_generation);
}

/* ---- retention ---- */

/* The generation is empty: it goes, and with it series that have no points elsewhere. */
static int delete_generation(struct store *store)
{
    struct metrics *metrics = &store->metrics;
    int code =
        store_run(store, "DELETE FROM metric_generation WHERE id = ?1", metrics->deleting, 0);
    int64_t oldest = store_number(
        store, "SELECT coalesce(min(id), 9223372036854775807) FROM metric_generation", 0);
    code = code ? code
                : store_run(store, "DELETE FROM metric_series_row WHERE last_generation < ?1",
                            oldest, 0);
    if (!code && sqlite3_changes(store->db) > 0) {
        code = store_run(store,
                         "DELETE FROM metric_resource WHERE id NOT IN (SELECT resource FROM "
                         "metric_series_row)",
                         0, 0);
        code = code ? code : told_forget_targets(store);
    }
    code = code ? code : families_delete(store);
    metrics->deleting = 0;
    metrics_forget(store);
    if (store->in_need)
        store->retention_ns = 0; /* is that enough? */
    return code;
}

int metrics_delete_slice(struct store *store)
{
    int64_t generation = store->metrics.deleting;
    /* 0: this slice is the last one. */
    int64_t upto = store_number(store,
                                "SELECT series FROM metric_point_row WHERE generation = ?1 ORDER "
                                "BY series, at_ns, part LIMIT 1 OFFSET " SLICE_POINTS,
                                generation);
    int code =
        store_run(store, "DELETE FROM metric_point_row WHERE generation = ?1 AND series <= ?2",
                  generation, upto ? upto : INT64_MAX);
    return code || upto ? code : delete_generation(store);
}
