/* told.c - rates of the counters that tell of edges.
 *
 * What a counter grew by between two samples is shared out to the minutes between, by time and in
 * whole numbers that add up. A counter that fell began again at 0. A series that is new began at 0
 * if its target was scraped before, by when it was not there; else its first sample says nothing.
 */
#include "collector/store/told.h"

#include <math.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/store/minutes.h"
#include "collector/store/points.h"
#include "collector/store/relations.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"

#define MOST_MINUTES 60u /* of a gap between two samples that are told apart */
#define COUNT_MOST 9e15

int told_open(struct store *store)
{
    struct told *told = &store->told;
    map_init(&told->minute_map);
    map_init(&told->target_map);
    return told_edges_open(store) ||
           store_prepare(store,
                         "SELECT first_ns, before_ns, newest_ns FROM edge_target WHERE resource = "
                         "? AND name = ?",
                         &told->find_target) ||
           store_prepare(store, "INSERT OR REPLACE INTO edge_target VALUES (?, ?, ?, ?, ?)",
                         &told->put_target) ||
           store_prepare(
               store,
               "SELECT coalesce(p.value, p.count), p.at_ns, p.sum, p.histogram FROM "
               "metric_generation g CROSS JOIN metric_point_row p ON p.generation = g.id WHERE "
               "p.series = ?1 AND p.at_ns BETWEEN ?2 AND ?3 AND coalesce(p.value, p.count) IS NOT "
               "NULL ORDER BY g.id DESC, p.at_ns DESC LIMIT 1",
               &told->last_value) ||
           told_minutes_open(store);
}

static void free_minutes(struct told *told)
{
    for (uint32_t i = 0; i < told->n_minutes; i++)
        free(told->minutes[i].buckets.items);
    told->n_minutes = 0;
    map_clear(&told->minute_map);
}

static void free_targets(struct told *told)
{
    for (uint32_t i = 0; i < told->n_targets; i++)
        free(told->targets[i].name);
    told->n_targets = 0;
    map_clear(&told->target_map);
}

void told_forget(struct store *store)
{
    struct told *told = &store->told;
    free_minutes(told);
    free_targets(told);
    told_edges_forget(store);
    told_minutes_forget(store);
}

void told_close(struct store *store)
{
    struct told *told = &store->told;
    sqlite3_stmt *const all[] = {told->find_target, told->put_target, told->last_value};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        sqlite3_finalize(all[i]);
    told_minutes_close(store);
    told_edges_close(store);
    free_minutes(told);
    free_targets(told);
    free(told->minutes);
    free(told->targets);
    map_fini(&told->minute_map);
    map_fini(&told->target_map);
}

/* ---- minutes ---- */

static struct told_minute *minute_of(struct told *told, uint64_t minute, uint32_t edge,
                                     unsigned wide)
{
    uint64_t hash = hash_mix(minute << 2 | wide, edge);
    for (struct map_iter it = map_find(&told->minute_map, hash);
         map_next(&told->minute_map, &it);) {
        struct told_minute *row = &told->minutes[it.value];
        if (row->minute == minute && row->edge == edge && row->wide == wide)
            return row;
    }
    if (!told_room((void **)&told->minutes, told->n_minutes, &told->cap_minutes,
                   sizeof(*told->minutes)) ||
        !map_add(&told->minute_map, hash, told->n_minutes))
        return NULL;
    struct told_minute *row = &told->minutes[told->n_minutes++];
    *row = (struct told_minute){.minute = minute, .edge = edge, .wide = (uint8_t)wide};
    return row;
}

static bool count(struct told_minute *row, const struct told_edge *edge, int64_t n)
{
    switch (edge->measure) {
    case SERIES_CALLS:
        row->calls += n;
        row->errors += edge->fault == FAULT_ORIGIN ? n : 0;
        row->client_errors += edge->fault == FAULT_CLIENT_ERROR ? n : 0;
        row->gone += edge->fault == FAULT_CLIENT_GONE ? n : 0;
        row->timeouts += edge->timeout && edge->fault == FAULT_ORIGIN ? n : 0;
        row->security[edge->security] += n;
        return true;
    case SERIES_RETRIES:
        row->retries += n;
        return true;
    case SERIES_DURATION_SUM:
        row->duration_ns += n;
        return true;
    default:
        return told_add_bucket(&row->buckets, edge->ns, n);
    }
}

/* What grew in (from, to] to its minutes: up to the end of each what is due by time, rounded down;
 * what is due before the last MOST_MINUTES goes to the first of them. */
static int share_out(struct told *told, uint32_t edge, const struct told_edge *told_edge, int64_t n,
                     const uint64_t span_ns[2])
{
    uint64_t last = (span_ns[1] - 1) / NS_PER_MINUTE, begun = span_ns[0] / NS_PER_MINUTE;
    uint64_t first = last - begun >= MOST_MINUTES ? last - MOST_MINUTES + 1 : begun;
    double length = (double)(span_ns[1] - span_ns[0]);
    int64_t before = 0;
    for (uint64_t minute = first; minute <= last; minute++) {
        double done = (double)((minute + 1) * NS_PER_MINUTE - span_ns[0]);
        int64_t due = minute == last ? n : (int64_t)((double)n * (done / length));
        unsigned wide =
            (minute > begun ? TOLD_FROM_BEFORE : 0) | (minute < last ? TOLD_UP_TO_NEXT : 0);
        struct told_minute *row = due > before ? minute_of(told, minute, edge, wide) : NULL;
        if (due > before && (!row || !count(row, told_edge, due - before)))
            return SQLITE_NOMEM;
        before = due > before ? due : before;
    }
    return 0;
}

/* ---- targets ---- */

static int target_find(struct told *told, struct told_target *target)
{
    sqlite3_stmt *find = told->find_target;
    sqlite3_bind_int64(find, 1, target->resource);
    sqlite3_bind_text(find, 2, target->name, -1, SQLITE_STATIC);
    int code = sqlite3_step(find);
    if (code == SQLITE_ROW) {
        target->first_ns = (uint64_t)sqlite3_column_int64(find, 0);
        target->before_ns = (uint64_t)sqlite3_column_int64(find, 1);
        target->newest_ns = (uint64_t)sqlite3_column_int64(find, 2);
    }
    sqlite3_reset(find);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : code;
}

static int target_of(struct store *store, const struct metric *metric, struct told_target **result)
{
    struct told *told = &store->told;
    uint64_t hash = hash_mix(store->metrics.resource_hash, hash_str(metric->name));
    for (struct map_iter it = map_find(&told->target_map, hash);
         map_next(&told->target_map, &it);) {
        *result = &told->targets[it.value];
        if ((*result)->hash == hash)
            return 0;
    }
    struct told_target target = {.hash = hash, .name = strndup(metric->name.p, metric->name.len)};
    int code = target.name ? 0 : SQLITE_NOMEM;
    code = code ? code : metrics_resource_row(&store->metrics, &target.resource);
    code = code ? code : target_find(told, &target);
    if (!code &&
        (!told_room((void **)&told->targets, told->n_targets, &told->cap_targets, sizeof(target)) ||
         !map_add(&told->target_map, hash, told->n_targets)))
        code = SQLITE_NOMEM;
    if (code) {
        free(target.name);
        return code;
    }
    *result = &told->targets[told->n_targets];
    told->targets[told->n_targets++] = target;
    return 0;
}

/* A scrape's points bear one time. Gives when the target was scraped before that; 0: never. */
static uint64_t scraped_before(struct told_target *target, uint64_t at_ns)
{
    uint64_t before = target->newest_ns < at_ns   ? target->newest_ns
                      : target->before_ns < at_ns ? target->before_ns
                      : target->first_ns < at_ns  ? target->first_ns
                                                  : 0;
    if (at_ns > target->newest_ns) {
        target->before_ns = target->newest_ns;
        target->newest_ns = at_ns;
        target->changed = true;
    }
    if (!target->first_ns || at_ns < target->first_ns) {
        target->first_ns = at_ns;
        target->changed = true;
    }
    return before;
}

/* ---- points ---- */

static int find_value(struct told *told, struct series_state *state, int64_t from_ns, int64_t to_ns)
{
    sqlite3_bind_int64(told->last_value, 1, state->row);
    sqlite3_bind_int64(told->last_value, 2, from_ns);
    sqlite3_bind_int64(told->last_value, 3, to_ns);
    int code = sqlite3_step(told->last_value);
    if (code == SQLITE_ROW) {
        state->value = sqlite3_column_double(told->last_value, 0);
        state->value_ns = (uint64_t)sqlite3_column_int64(told->last_value, 1);
    }
    sqlite3_reset(told->last_value);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : code;
}

/* Once in a life of the process: that of the newest point, or where nothing was recorded then, of
 * one before. */
static int last_value(struct told *told, struct series_state *state, int64_t newest_ns)
{
    if (state->asked || newest_ns < 0)
        return 0;
    state->asked = true;
    int code = find_value(told, state, newest_ns, newest_ns);
    return code || state->value_ns ? code : find_value(told, state, 0, newest_ns);
}

/* Whole numbers of the counter's values, so that differences of differences add up. */
static int64_t whole(double value, const struct told_edge *edge)
{
    double scaled = edge->measure == SERIES_DURATION_SUM ? value * edge->ns : value;
    return scaled > 0 ? (int64_t)(scaled < COUNT_MOST ? scaled + 0.5 : COUNT_MOST) : 0;
}

int told_grew(struct store *store, const struct turn *turn, const struct told_edge *edge, int64_t n,
              const uint64_t span_ns[2])
{
    uint32_t no;
    int code = told_edge_of(store, turn, edge, &no);
    if (code || no == UINT32_MAX)
        return code;
    code = told_heard(&store->told, no, edge, (int64_t)(span_ns[1] / NS_PER_MINUTE));
    if (code || n <= 0)
        return code;
    code = share_out(&store->told, no, edge, n, span_ns);
    if (code || edge->measure != SERIES_CALLS)
        return code;
    struct call call = {.start_ns = span_ns[1],
                        .caller = edge->caller,
                        .callee = edge->callee,
                        .security = edge->security};
    minutes_see_ends(store, turn, &call);
    return relations_add_call(store, turn, &call, 1);
}

/* False: nothing was recorded, or it is none of the kind. */
static bool value_of(const struct metric_point *point, double *value)
{
    if (point->told->measure == SERIES_DURATIONS) {
        *value = (double)point->count;
        return point->has_count;
    }
    *value = point->value_type == METRIC_INT ? (double)point->integer : point->real;
    return point->value_type != METRIC_NOTHING && !isnan(*value);
}

/* What came up to this point since the one before, and since when. A point of a series that tells
 * differences (delta) is one itself. */
static int take(struct store *store, const struct turn *turn, const struct metric_point *point,
                struct series_state *state, uint64_t before_ns)
{
    const struct told_edge *edge = point->told;
    bool delta = point->metric->temporality == TEMPORALITY_DELTA, is_new = state->is_new;
    double value, was = delta ? 0 : state->value;
    uint64_t span_ns[2] = {state->value_ns, point->at_ns};
    state->is_new = false;
    /* The series rests. What is older than the newest is in its rate already. */
    if (!value_of(point, &value) || point->at_ns <= state->value_ns)
        return 0;
    if (!state->value_ns) {
        span_ns[0] = is_new || delta ? before_ns : 0;
        was = span_ns[0] || delta ? 0 : value;
        span_ns[0] = span_ns[0] ? span_ns[0] : point->at_ns - delta;
    }
    int64_t n = whole(value, edge) - (value >= was ? whole(was, edge) : 0);
    uint64_t since_ns = delta || value < was ? 0 : state->value_ns;
    state->value = value;
    state->value_ns = point->at_ns;
    if (edge->measure == SERIES_DURATIONS && n > 0)
        return told_add_times(store, turn, point, state, &(struct told_span){since_ns, span_ns});
    return told_grew(store, turn, edge, n, span_ns);
}

int told_add(struct store *store, const struct turn *turn, const struct metric_point *point,
             struct series_state *state, int64_t newest_ns)
{
    struct told_target *target;
    int code = last_value(&store->told, state, newest_ns);
    code = code ? code : target_of(store, point->metric, &target);
    return code ? code : take(store, turn, point, state, scraped_before(target, point->at_ns));
}

/* ---- at commits ---- */

static int put_targets(struct told *told)
{
    sqlite3_stmt *put = told->put_target;
    int code = 0;
    for (uint32_t i = 0; i < told->n_targets && !code; i++) {
        struct told_target *target = &told->targets[i];
        if (!target->changed)
            continue;
        target->changed = false;
        sqlite3_bind_int64(put, 1, target->resource);
        sqlite3_bind_text(put, 2, target->name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(put, 3, (int64_t)target->first_ns);
        sqlite3_bind_int64(put, 4, (int64_t)target->before_ns);
        sqlite3_bind_int64(put, 5, (int64_t)target->newest_ns);
        code = statement_run(put);
    }
    return code;
}

int told_write(struct store *store)
{
    struct told *told = &store->told;
    int code = put_targets(told);
    code = code ? code : told_edges_write(told);
    code = code ? code : told_settle(store);
    free_minutes(told);
    return code;
}

int told_forget_targets(struct store *store)
{
    free_targets(&store->told);
    return store_run(store, "DELETE FROM edge_target", 0, 0);
}
