/* metric_series.c - which series a point is of: looked up once, known by a hash from then on.
 *
 * Beyond METRIC_SERIES_MAX the points of further series go to an overflow of their metric (of a
 * metric that is new too: of all), kept apart by where they came from, and a counter says so.
 */
#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/store/points.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"

#define METRIC_SERIES_MAX 50000
#define OVERFLOW_ATTRIBUTES "{\"faultline.overflow\":true}"
#define OVERFLOW_NAME "other"

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

int metrics_resource_row(struct metrics *metrics, int64_t *row)
{
    int code = 0;
    struct str json = buf_str(&metrics->resource_json);
    if (!metrics->resource_row) {
        sqlite3_bind_text(metrics->find_resource, 1, json.p, (int)json.len, SQLITE_STATIC);
        code = statement_id(metrics->find_resource, &metrics->resource_row);
    }
    if (!code && !metrics->resource_row) {
        sqlite3_bind_text(metrics->add_resource, 1, json.p, (int)json.len, SQLITE_STATIC);
        code = statement_id(metrics->add_resource, &metrics->resource_row);
    }
    *row = metrics->resource_row;
    return code;
}

/* What tells one series from another, as the statements take it. */
struct identity {
    struct str name, attributes, scope, unit;
    int64_t resource;
    uint8_t type, temporality;
    bool monotonic;
};

static void bind_identity(sqlite3_stmt *statement, const struct identity *identity)
{
    statement_bind_text(statement, 1, identity->name);
    statement_bind_text(statement, 2, identity->attributes);
    sqlite3_bind_int64(statement, 3, identity->resource);
    statement_bind_text(statement, 4, identity->scope);
    sqlite3_bind_int64(statement, 5, identity->type);
    statement_bind_text(statement, 6, identity->unit);
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
    statement_bind_text(statement, 9, description);
    sqlite3_bind_int64(statement, 10, overflow);
    sqlite3_bind_int64(statement, 11, metrics->generation);
    state->generation = metrics->generation;
    state->last_ns = -1;
    state->is_new = state->asked = true;
    metrics->n_series += !overflow;
    return statement_id(statement, &state->row);
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
    statement_bind_text(known, 1, metric->name);
    code = statement_id(known, &id);
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
    return hash_stored(hash, text.p, text.len) * 31 + 1;
}

/* Which series an overflowing point is of: never 0, and the same in every life of the process. */
static int64_t part_of(const struct identity *identity, struct str resource)
{
    uint64_t hash = stable_hash(identity->name, HASH_STORED);
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
    int64_t resource;
    int code = metrics_resource_row(metrics, &resource);
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
                                .resource = resource,
                                .type = metric->type,
                                .temporality = metric->temporality,
                                .monotonic = metric->monotonic};
    code = code ? code : find(metrics, &identity, state);
    if (code || state->row)
        return code;
    if (metrics->n_series < 0)
        metrics->n_series =
            store_number(store, "SELECT count(*) FROM metric_series_row WHERE NOT overflow", 0);
    if (metrics->n_series < METRIC_SERIES_MAX)
        return add_series(metrics, &identity, metric->description, false, state);
    *part = part_of(&identity, buf_str(&metrics->resource_json));
    return overflow_of(store, metric, state);
}

int metric_series_of(struct store *store, const struct metric_point *point,
                     struct series_state *fresh, struct series_state **state, int64_t *part)
{
    struct metrics *metrics = &store->metrics;
    take_resource(metrics, point->metric->resource);
    if (buf_failed(&metrics->resource_json))
        return SQLITE_NOMEM;
    fresh->hash = series_hash(metrics, point);
    /* Equal keyed 64-bit hashes are taken for equal series. */
    for (struct map_iter it = map_find(&metrics->map, fresh->hash); map_next(&metrics->map, &it);) {
        *state = &metrics->series[it.value];
        if ((*state)->hash == fresh->hash)
            return 0;
    }
    int code = look_up(store, point, fresh, part);
    if (code)
        return code;
    *state = *part ? fresh : remember(metrics, fresh);
    return *state ? 0 : SQLITE_NOMEM;
}
