/* metrics.c - series and points. A series is looked up once and known by a hash from then on; a
 * point that is newer than all of its series is new without a look.
 *
 * Beyond METRIC_SERIES_MAX the points of further series go to an overflow of their metric (of a
 * metric that is new too: of all), kept apart by where they came from, and a counter says so.
 */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/model/ingest_stats.h"
#include "collector/store/store_internal.h"

#define METRIC_SERIES_MAX 50000
#define OVERFLOW_ATTRIBUTES "{\"faultline.overflow\":true}"
#define OVERFLOW_NAME "other"
#define GENERATION_S 900
#define GENERATIONS_OF_SIZE 16 /* a generation ends when it is such a part of store.max_size */
#define POINT_BYTES 40         /* about, without a histogram */
#define SLICE_POINTS 5000
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

static int64_t number(struct store *store, const char *sql, int64_t otherwise)
{
    sqlite3_stmt *select;
    int64_t found = otherwise;
    if (sqlite3_prepare_v2(store->db, sql, -1, &select, NULL) != SQLITE_OK)
        return otherwise;
    if (sqlite3_step(select) == SQLITE_ROW)
        found = sqlite3_column_int64(select, 0);
    sqlite3_finalize(select);
    return found;
}

static void read_generation(struct store *store)
{
    struct metrics *metrics = &store->metrics;
    metrics->generation = number(store, "SELECT max(id) FROM metric_generation", 0);
    metrics->begun_s =
        number(store, "SELECT begun_s FROM metric_generation ORDER BY id DESC LIMIT 1", 0);
    metrics->bytes =
        number(store, "SELECT bytes FROM metric_generation ORDER BY id DESC LIMIT 1", 0);
    metrics->bytes_changed = false;
}

void metrics_forget(struct store *store)
{
    struct metrics *metrics = &store->metrics;
    map_clear(&metrics->map);
    metrics->n = 0;
    metrics->n_series = -1;
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

/* ---- which series ---- */

static void render(struct buf *out, const struct attr *attrs, uint32_t n)
{
    buf_reset(out);
    buf_add_char(out, '{');
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            buf_add_char(out, ',');
        attr_render(out, &attrs[i]);
    }
    buf_add_char(out, '}');
}

static uint64_t hash_attrs(const struct attr *attrs, uint32_t n, uint64_t hash)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct attr *attr = &attrs[i];
        bool text = attr->type == VALUE_TEXT || attr->type == VALUE_JSON;
        hash = hash_mix(hash, hash_str(attr->key) + attr->type);
        hash = hash_mix(hash, text ? hash_str(attr->text) : hash_u64((uint64_t)attr->integer));
    }
    return hash;
}

static void take_resource(struct metrics *metrics, const struct resource *resource)
{
    if (metrics->resource == resource)
        return;
    metrics->resource = resource;
    metrics->resource_row = 0;
    render(&metrics->resource_json, resource->attrs, resource->n_attrs);
    metrics->resource_hash = hash_str(buf_str(&metrics->resource_json));
}

static uint64_t series_hash(struct metrics *metrics, const struct metric_point *point)
{
    const struct metric *metric = point->metric;
    uint64_t hash = hash_mix(metrics->resource_hash, hash_str(metric->name));
    hash = hash_mix(hash, hash_str(metric->unit));
    hash = hash_mix(hash, hash_str(metric->scope_name));
    hash = hash_mix(hash, hash_str(metric->scope_version));
    hash = hash_mix(hash, (uint64_t)metric->type << 8 | (uint64_t)metric->temporality << 1 |
                              metric->monotonic);
    return hash_attrs(point->attrs, point->n_attrs, hash);
}

static int id_of(sqlite3_stmt *statement, int64_t *id)
{
    int code = sqlite3_step(statement);
    *id = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_reset(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : code;
}

static int resource_row(struct metrics *metrics)
{
    int code = 0;
    if (metrics->resource_row)
        return 0;
    struct str json = buf_str(&metrics->resource_json);
    sqlite3_bind_text(metrics->find_resource, 1, json.p, (int)json.len, SQLITE_STATIC);
    code = id_of(metrics->find_resource, &metrics->resource_row);
    if (code || metrics->resource_row)
        return code;
    sqlite3_bind_text(metrics->add_resource, 1, json.p, (int)json.len, SQLITE_STATIC);
    return id_of(metrics->add_resource, &metrics->resource_row);
}

/* What tells one series from another, as the statements take it. */
struct identity {
    struct str name, attributes, scope, unit;
    int64_t resource;
    uint8_t type, temporality;
    bool monotonic;
};

static void bind_text(sqlite3_stmt *statement, int at, struct str text)
{
    sqlite3_bind_text(statement, at, text.p ? text.p : "", (int)text.len, SQLITE_STATIC);
}

static void bind_identity(sqlite3_stmt *statement, const struct identity *identity)
{
    bind_text(statement, 1, identity->name);
    bind_text(statement, 2, identity->attributes);
    sqlite3_bind_int64(statement, 3, identity->resource);
    bind_text(statement, 4, identity->scope);
    sqlite3_bind_int64(statement, 5, identity->type);
    bind_text(statement, 6, identity->unit);
    sqlite3_bind_int64(statement, 7, identity->temporality);
    sqlite3_bind_int64(statement, 8, identity->monotonic);
}

static int newest_of(struct metrics *metrics, struct series_state *state)
{
    sqlite3_bind_int64(metrics->newest_of, 1, state->generation);
    sqlite3_bind_int64(metrics->newest_of, 2, state->row);
    int code = sqlite3_step(metrics->newest_of);
    int64_t newest = code == SQLITE_ROW ? sqlite3_column_int64(metrics->newest_of, 0) : -1;
    sqlite3_reset(metrics->newest_of);
    state->last_ns = newest > state->last_ns ? newest : state->last_ns;
    return code == SQLITE_ROW ? 0 : code;
}

static int find(struct metrics *metrics, const struct identity *identity,
                struct series_state *state)
{
    sqlite3_stmt *statement = metrics->find_series;
    bind_identity(statement, identity);
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW) {
        state->row = sqlite3_column_int64(statement, 0);
        state->generation = sqlite3_column_int64(statement, 1);
        state->last_ns = sqlite3_column_int64(statement, 2);
    }
    sqlite3_reset(statement);
    if (code == SQLITE_ROW)
        return newest_of(metrics, state);
    return code == SQLITE_DONE ? 0 : code;
}

static int add_series(struct metrics *metrics, const struct identity *identity,
                      struct str description, bool overflow, struct series_state *state)
{
    sqlite3_stmt *statement = metrics->add_series;
    bind_identity(statement, identity);
    bind_text(statement, 9, description);
    sqlite3_bind_int64(statement, 10, overflow);
    sqlite3_bind_int64(statement, 11, metrics->generation);
    state->generation = metrics->generation;
    state->last_ns = -1;
    metrics->n_series += !overflow;
    return id_of(statement, &state->row);
}

/* The series that takes what has no series of its own. */
static int overflow_of(struct store *store, const struct metric *metric, struct series_state *state)
{
    struct metrics *metrics = &store->metrics;
    struct identity identity = {.name = metric->name,
                                .attributes = STR(OVERFLOW_ATTRIBUTES),
                                .unit = metric->unit,
                                .type = metric->type,
                                .temporality = metric->temporality,
                                .monotonic = metric->monotonic};
    sqlite3_stmt *known;
    int64_t id = 0;
    int code = sqlite3_prepare_v2(
        store->db, "SELECT id FROM metric_series_row WHERE name = ?1 LIMIT 1", -1, &known, NULL);
    if (code)
        return code;
    bind_text(known, 1, metric->name);
    code = id_of(known, &id);
    sqlite3_finalize(known);
    if (!code && !id)
        identity =
            (struct identity){.name = STR(OVERFLOW_NAME), .attributes = STR(OVERFLOW_ATTRIBUTES)};
    code = code ? code : find(metrics, &identity, state);
    if (!code && !state->row)
        code = add_series(metrics, &identity, STR_NONE, true, state);
    stat_add(metrics->n_limited, 1);
    return code;
}

static uint64_t stable_hash(struct str text, uint64_t hash)
{
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.p[i]) * UINT64_C(0x100000001b3);
    return hash * 31 + 1;
}

/* Which series an overflowing point is of: never 0, and the same in every life of the process. */
static int64_t part_of(const struct identity *identity, struct str resource)
{
    uint64_t hash = stable_hash(identity->name, UINT64_C(0xcbf29ce484222325));
    hash = stable_hash(identity->attributes, hash);
    hash = stable_hash(identity->scope, hash);
    hash = stable_hash(identity->unit, hash);
    return (int64_t)(stable_hash(resource, hash) | 1);
}

static struct series_state *remember(struct metrics *metrics, const struct series_state *state)
{
    if (metrics->n == metrics->cap) {
        uint32_t cap = metrics->cap ? 2 * metrics->cap : 256;
        struct series_state *grown = realloc(metrics->series, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        metrics->series = grown;
        metrics->cap = cap;
    }
    if (!map_add(&metrics->map, state->hash, metrics->n))
        return NULL;
    metrics->series[metrics->n] = *state;
    return &metrics->series[metrics->n++];
}

/* Looks a series up that was not seen since the start, adds it, or gives its overflow (with a part
 * that is not 0). */
static int look_up(struct store *store, const struct metric_point *point,
                   struct series_state *state, int64_t *part)
{
    struct metrics *metrics = &store->metrics;
    const struct metric *metric = point->metric;
    int code = resource_row(metrics);
    render(&metrics->attributes_json, point->attrs, point->n_attrs);
    buf_reset(&metrics->scope);
    buf_add_str(&metrics->scope, metric->scope_name);
    if (metric->scope_version.len) {
        buf_add_char(&metrics->scope, ' ');
        buf_add_str(&metrics->scope, metric->scope_version);
    }
    if (buf_failed(&metrics->attributes_json) || buf_failed(&metrics->scope))
        return SQLITE_NOMEM;
    struct identity identity = {.name = metric->name,
                                .attributes = buf_str(&metrics->attributes_json),
                                .scope = buf_str(&metrics->scope),
                                .unit = metric->unit,
                                .resource = metrics->resource_row,
                                .type = metric->type,
                                .temporality = metric->temporality,
                                .monotonic = metric->monotonic};
    code = code ? code : find(metrics, &identity, state);
    if (code || state->row)
        return code;
    if (metrics->n_series < 0)
        metrics->n_series =
            number(store, "SELECT count(*) FROM metric_series_row WHERE NOT overflow", 0);
    if (metrics->n_series < METRIC_SERIES_MAX)
        return add_series(metrics, &identity, metric->description, false, state);
    *part = part_of(&identity, buf_str(&metrics->resource_json));
    return overflow_of(store, metric, state);
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
    code = id_of(metrics->add_generation, &metrics->generation);
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
    int code = sqlite3_step(metrics->find_point);
    sqlite3_reset(metrics->find_point);
    *stored = code == SQLITE_ROW;
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : code;
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

static int add(struct store *store, const struct metric_point *point, bool *stored)
{
    struct metrics *metrics = &store->metrics;
    take_resource(metrics, point->metric->resource);
    if (buf_failed(&metrics->resource_json))
        return SQLITE_NOMEM;
    uint64_t hash = series_hash(metrics, point);
    /* Equal keyed 64-bit hashes are taken for equal series. */
    for (struct map_iter it = map_find(&metrics->map, hash); map_next(&metrics->map, &it);) {
        if (metrics->series[it.value].hash == hash)
            return add_to(metrics, &metrics->series[it.value], point, 0, stored);
    }
    struct series_state fresh = {.hash = hash, .last_ns = -1}, *state = &fresh;
    int64_t part = 0;
    int code = look_up(store, point, &fresh, &part);
    if (!code && !part && !(state = remember(metrics, &fresh)))
        return SQLITE_NOMEM;
    return code ? code : add_to(metrics, state, point, part, stored);
}

int metrics_add(struct store *store, const struct batch *batch, uint32_t *n_stored,
                uint32_t *n_duplicate)
{
    int code = batch->n_points ? next_generation(store) : 0;
    store->metrics.resource = NULL; /* of another batch, where that lay may be something else */
    for (uint32_t i = 0; i < batch->n_points && !code; i++) {
        bool stored = false;
        code = add(store, &batch->points[i], &stored);
        *n_stored += stored;
        *n_duplicate += !stored;
        batch->points[i].duplicate = !stored;
    }
    return code;
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

static int run_with(struct store *store, const char *sql, int64_t one, int64_t two)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (code)
        return code;
    sqlite3_bind_int64(statement, 1, one);
    sqlite3_bind_int64(statement, 2, two);
    code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? 0 : code;
}

/* The generation is empty: it goes, and with it series that have no points elsewhere. */
static int delete_generation(struct store *store)
{
    struct metrics *metrics = &store->metrics;
    int code = run_with(store, "DELETE FROM metric_generation WHERE id = ?1", metrics->deleting, 0);
    int64_t oldest =
        number(store, "SELECT coalesce(min(id), 9223372036854775807) FROM metric_generation", 0);
    code = code ? code
                : run_with(store, "DELETE FROM metric_series_row WHERE last_generation < ?1",
                           oldest, 0);
    if (!code && sqlite3_changes(store->db) > 0)
        code = run_with(store,
                        "DELETE FROM metric_resource WHERE id NOT IN (SELECT resource FROM "
                        "metric_series_row)",
                        0, 0);
    metrics->deleting = 0;
    metrics_forget(store);
    if (store->in_need)
        store->retention_ns = 0; /* is that enough? */
    return code;
}

int metrics_delete_slice(struct store *store)
{
    int64_t generation = store->metrics.deleting;
    sqlite3_stmt *select;
    int64_t upto = INT64_MAX;
    int code = sqlite3_prepare_v2(store->db,
                                  "SELECT series FROM metric_point_row WHERE generation = ?1 ORDER "
                                  "BY series, at_ns, part LIMIT 1 OFFSET ?2",
                                  -1, &select, NULL);
    if (code)
        return code;
    sqlite3_bind_int64(select, 1, generation);
    sqlite3_bind_int64(select, 2, SLICE_POINTS);
    bool more = sqlite3_step(select) == SQLITE_ROW;
    if (more)
        upto = sqlite3_column_int64(select, 0);
    sqlite3_finalize(select);
    sqlite3_stmt *delete;
    code = sqlite3_prepare_v2(store->db,
                              "DELETE FROM metric_point_row WHERE generation = ?1 AND series <= ?2",
                              -1, &delete, NULL);
    if (code)
        return code;
    sqlite3_bind_int64(delete, 1, generation);
    sqlite3_bind_int64(delete, 2, upto);
    code = sqlite3_step(delete);
    sqlite3_finalize(delete);
    if (code != SQLITE_DONE)
        return code;
    return more ? 0 : delete_generation(store);
}
