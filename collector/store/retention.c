/* retention.c - the oldest traces go, by age since they were stored and by the size of the file, in
 * slices of 50 ms between two turns.
 *
 * Minutes age by when their rows were last touched, never by event time: replayed traces are old.
 *
 * Traces that an incident names stay, with the dictionaries of their generation, until the incident
 * goes: as long after it was closed as minutes are kept.
 *
 * Where store.keep asks for it, the spans of ordinary traces go earlier (keep.c).
 *
 * A clock that jumped forward makes everything old at once. One that jumps while we run is not
 * believed until what it would make too old is (base/jumps.h). Of one that jumped before the start
 * nothing is known: for age, one pass deletes at most a tenth of the traces.
 */
#include "collector/store/retention.h"

#include <stdio.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/store/points.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"
#include "collector/store/traces.h"

#define LOOK_EVERY_NS (5 * NS_PER_S)
#define SLICE_TRACES 500
#define SLICE_NS (50 * NS_PER_MS)
#define VACUUM_PAGES "200"
#define MINUTES_A_LOOK 20
#define EVENTS_A_LOOK 1000
#define LOGS_A_LOOK 20000
#define NOT_PINNED " AND trace_no NOT IN (SELECT trace_no FROM pinned_trace)"
#define PINNED_GENERATIONS "(SELECT trace_no / 100000 FROM pinned_trace)"
_Static_assert(RUN_TRACES == 100000, "pinned generations are counted in SQL");

static uint64_t used_bytes(struct store *store)
{
    int64_t pages = store_number(store, "PRAGMA page_count", 0) -
                    store_number(store, "PRAGMA freelist_count", 0);
    return (uint64_t)pages * (uint64_t)store_number(store, "PRAGMA page_size", 0);
}

/* What was stored before this second is older than `keep_ns`, and has been there for so long. */
static int64_t old_before_s(const struct store *store, uint64_t keep_ns)
{
    uint64_t away_ns = keep_ns + jumps_ahead_ns(&store->jumps, keep_ns);
    return store->jumps.wall_ns > away_ns ? (int64_t)((store->jumps.wall_ns - away_ns) / NS_PER_S)
                                          : 0;
}

static void look_at_clock(struct store *store, uint64_t now_wall_ns)
{
    int64_t by_ns = jumps_look(&store->jumps, now_wall_ns, clock_boot_ns());
    if (by_ns)
        log_event(LOG_WARN, "clock_jumped", "by_s=%lld", (long long)(by_ns / (int64_t)NS_PER_S));
}

/* The number below which traces are too old; by halving, as stored_s grows with trace_no but for
 * the reopened. */
static int64_t too_old_below(struct store *store, int64_t oldest, int64_t newest, int64_t limit_s)
{
    while (oldest < newest) {
        int64_t middle = oldest + (newest - oldest) / 2;
        int64_t stored_s = store_number(
            store, "SELECT stored_s FROM trace_row WHERE trace_no >= ? ORDER BY trace_no LIMIT 1",
            middle);
        if (stored_s && stored_s < limit_s)
            oldest = middle + 1;
        else
            newest = middle;
    }
    return oldest;
}

/* Traces that no late span can reopen. */
static void look_what_stays(struct store *store, int64_t oldest, int64_t newest)
{
    int64_t limit_s = old_before_s(store, store->settings.reopen_window_ns);
    if (store->settings.keep_percent >= 100)
        return;
    if ((int64_t)store->position.kept_to < oldest)
        store->position.kept_to = (uint64_t)oldest;
    uint64_t below =
        (uint64_t)too_old_below(store, (int64_t)store->position.kept_to, newest, limit_s);
    if (below > store->position.kept_to)
        store->dropping_to = below;
}

/* The oldest generation of metric points when it is to go: all in it are too old, or the file is
 * too large and no trace is older. `trace_s`: when the oldest trace was stored; 0 without. */
static int64_t old_generation(struct store *store, int64_t limit_s, int64_t trace_s, bool too_large)
{
    int64_t oldest = store_number(store, "SELECT min(id) FROM metric_generation", 0);
    if (!oldest)
        return 0;
    int64_t begun_s =
        store_number(store, "SELECT begun_s FROM metric_generation WHERE id = ?", oldest);
    int64_t end_s =
        store_number(store, "SELECT min(begun_s) FROM metric_generation WHERE id > ?", oldest);
    bool newest = end_s == 0;
    if (newest)
        end_s = begun_s + GENERATION_S;
    bool too_old = end_s < limit_s;
    return too_old || (too_large && !newest && (!trace_s || begun_s <= trace_s)) ? oldest : 0;
}

/* Log records leave with their traces; those whose traces never came, or were older, by age. A file
 * that is too large without traces and metrics loses a tenth of them. */
static int delete_old_logs(struct store *store)
{
    int64_t trace_s = store_number(
        store, "SELECT stored_s FROM trace_row WHERE trace_no >= ? ORDER BY trace_no LIMIT 1",
        store->oldest_trace_no);
    int64_t limit_s = old_before_s(store, store->settings.retention_ns);
    if (store->in_need && !trace_s && !store->metrics.deleting)
        return store_run(store,
                         "DELETE FROM log_row WHERE id <= (SELECT min(id) + (max(id) - min(id)) / "
                         "10 FROM log_row)",
                         0, 0);
    if (store->in_need && trace_s > limit_s)
        limit_s = trace_s;
    return store_run(
        store,
        "DELETE FROM log_row WHERE id IN (SELECT id FROM log_row WHERE id < (SELECT "
        "min(id) + ?2 FROM log_row) AND stored_s < ?1 AND trace_id NOT IN (SELECT t.id "
        "FROM pinned_trace p JOIN trace_row t ON t.trace_no = p.trace_no))",
        limit_s, LOGS_A_LOOK);
}

/* Decides how far to delete in this pass. */
static void look(struct store *store)
{
    uint64_t used = used_bytes(store);
    int64_t limit_s = old_before_s(store, store->settings.retention_ns);
    store->in_need = used > store->settings.max_size;
    int64_t oldest = store_number(store,
                                  "SELECT trace_no FROM trace_row WHERE trace_no NOT IN (SELECT "
                                  "trace_no FROM pinned_trace) ORDER BY trace_no LIMIT 1",
                                  0);
    int64_t newest = (int64_t)store->position.next_trace_no;
    store->oldest_trace_no = oldest;
    if (!oldest) {
        store->metrics.deleting = old_generation(store, limit_s, 0, store->in_need);
        return;
    }
    int64_t oldest_s =
        store_number(store, "SELECT stored_s FROM trace_row WHERE trace_no = ?", oldest);
    int64_t now_s = limit_s + (int64_t)(store->settings.retention_ns / NS_PER_S);
    stat_set_real(store->oldest_seconds, now_s > oldest_s ? (double)(now_s - oldest_s) : 0);
    int64_t below = 0, most = oldest + (newest - oldest) / 10 + 1;
    if (oldest_s < limit_s)
        below = too_old_below(store, oldest, newest, limit_s);
    /* Nobody saw whether the clock jumped before this process began. */
    if (oldest < store->first_of_run && below > most)
        below = most;
    store->metrics.deleting = old_generation(store, limit_s, oldest_s, store->in_need);
    if (store->in_need && !store->metrics.deleting) {
        double share = (double)(used - store->settings.max_size) / (double)used + 0.02;
        int64_t for_size = oldest + (int64_t)((double)(newest - oldest) * share) + 1;
        below = for_size > below ? for_size : below;
    }
    store->deleting_to = (uint64_t)below;
    look_what_stays(store, oldest, newest);
}

static int delete_rest(struct store *store, int64_t below)
{
    int64_t generation = below / RUN_TRACES;
    static const char *const deletes[] = {
        "DELETE FROM trace_key WHERE run < ?1 AND run NOT IN " PINNED_GENERATIONS,
        "DELETE FROM shape WHERE generation < ?1 AND generation NOT IN " PINNED_GENERATIONS,
        "DELETE FROM attribute_set WHERE generation < ?1 AND generation NOT IN " PINNED_GENERATIONS,
        "DELETE FROM resource WHERE generation < ?1 AND generation NOT IN " PINNED_GENERATIONS};
    int code = store_run(store, "DELETE FROM trace_minute WHERE last_no < ?", below, 0);
    for (int i = 0; i < 4 && !code; i++)
        code = store_run(store, deletes[i], generation, 0);
    return code;
}

static int delete_old_incidents(struct store *store)
{
    static const char old[] =
        "SELECT id FROM incident_row WHERE closed_ns IS NOT NULL AND touched_s < ?1";
    static const char *const deletes[] = {
        "DELETE FROM pinned_trace WHERE incident_id IN (%s)",
        "DELETE FROM evidence_row WHERE incident_id IN (%s)",
        "DELETE FROM suspect_row WHERE incident_id IN (%s)",
        "DELETE FROM incident_row WHERE id IN (%s)",
    };
    int64_t limit_s = old_before_s(store, store->settings.minute_retention_ns);
    int code = 0;
    for (int i = 0; i < 4 && !code; i++) {
        char sql[200];
        snprintf(sql, sizeof(sql), deletes[i], old);
        code = store_run(store, sql, limit_s, 0);
    }
    return code;
}

/* Up to a few of the minutes that were last touched before `limit_s`. */
static int delete_minutes(struct store *store, const char *find, int64_t limit_s,
                          const char *const *deletes)
{
    int code = 0;
    for (int i = 0; i < MINUTES_A_LOOK && !code; i++) {
        int64_t minute = store_number(store, find, limit_s);
        if (minute < 0)
            return 0;
        for (const char *const *sql = deletes; *sql && !code; sql++)
            code = store_run(store, *sql, minute, 0);
    }
    return code;
}

static int delete_old_minutes(struct store *store)
{
    static const char *const all[] = {"DELETE FROM edge_minute_row WHERE minute = ?",
                                      "DELETE FROM edge_told_minute WHERE minute = ?",
                                      "DELETE FROM operation_minute_row WHERE minute = ?",
                                      "DELETE FROM tally_row WHERE minute = ?",
                                      "DELETE FROM hop_minute_row WHERE minute = ?",
                                      "DELETE FROM gap_minute_row WHERE minute = ?",
                                      "DELETE FROM minute_age WHERE minute = ?",
                                      NULL};
    static const char *const tallies[] = {"DELETE FROM tally_row WHERE minute = ?",
                                          "UPDATE minute_age SET tallies = 0 WHERE minute = ?",
                                          NULL};
    int64_t limit_s = old_before_s(store, store->settings.minute_retention_ns);
    int code = store_run(store,
                         "DELETE FROM edge_event_row WHERE told_s < ?1 AND id IN (SELECT id FROM "
                         "edge_event_row ORDER BY id LIMIT ?2)",
                         limit_s, EVENTS_A_LOOK);
    code = code ? code
                : delete_minutes(store,
                                 "SELECT coalesce((SELECT minute FROM minute_age WHERE touched_s < "
                                 "? LIMIT 1), -1)",
                                 limit_s, all);
    return code ? code
                : delete_minutes(store,
                                 "SELECT coalesce((SELECT minute FROM minute_age WHERE tallies AND "
                                 "touched_s < ? LIMIT 1), -1)",
                                 old_before_s(store, store->settings.retention_ns), tallies);
}

static int delete_slice(struct store *store)
{
    int64_t from = store->oldest_trace_no, to = from + SLICE_TRACES;
    if (to > (int64_t)store->deleting_to)
        to = (int64_t)store->deleting_to;
    int code = store_run(store,
                         "DELETE FROM log_row WHERE trace_id IN (SELECT id FROM trace_row WHERE "
                         "trace_no >= ? AND trace_no < ?" NOT_PINNED ")",
                         from, to);
    code = code ? code
                : store_run(store,
                            "DELETE FROM span_row WHERE trace_no >= ? AND trace_no < ?" NOT_PINNED,
                            from, to);
    int n = code ? 0 : sqlite3_changes(store->db);
    code = code ? code
                : store_run(store,
                            "DELETE FROM trace_row WHERE trace_no >= ? AND trace_no < ?" NOT_PINNED,
                            from, to);
    store->oldest_trace_no = to;
    store->position.n_spans -=
        store->position.n_spans < (uint64_t)n ? store->position.n_spans : (uint64_t)n;
    store->n_gone += (uint64_t)n;
    if (!code && to >= (int64_t)store->deleting_to) {
        store->deleting_to = 0;
        code = delete_rest(store, to);
    }
    return code;
}

/* Free pages are written again by what comes; the file gets smaller only when it is larger than it
 * may be, or a quarter of it is free. Once begun it goes on to a sixteenth. Who asks for it gets
 * all. */
static bool is_too_large(struct store *store)
{
    uint64_t n_pages = (uint64_t)store_number(store, "PRAGMA page_count", 0);
    uint64_t n_free = (uint64_t)store_number(store, "PRAGMA freelist_count", 0);
    uint64_t page_size = (uint64_t)store_number(store, "PRAGMA page_size", 0);
    if (atomic_load(&store->vacuuming))
        return n_free > 0;
    bool over = n_pages * page_size > store->settings.max_size;
    return n_free > (store->shrinking || over ? n_pages / 16 : n_pages / 4);
}

static int shrink(struct store *store)
{
    sqlite3_stmt *vacuum;
    int code = sqlite3_prepare_v2(store->db, "PRAGMA incremental_vacuum(" VACUUM_PAGES ")", -1,
                                  &vacuum, NULL);
    while (!code && (code = sqlite3_step(vacuum)) == SQLITE_ROW)
        code = 0; /* a row for each page */
    sqlite3_finalize(vacuum);
    return code == SQLITE_DONE ? 0 : code;
}

static bool has_slices(const struct store *store)
{
    return store->deleting_to || store->metrics.deleting || store->dropping_to;
}

bool retention_is_due(const struct store *store)
{
    return has_slices(store) || store->shrinking || !store->retention_ns ||
           clock_mono_ns() >= store->retention_ns + LOOK_EVERY_NS;
}

bool retention_step(struct store *store, uint64_t now_wall_ns, int *code)
{
    uint64_t begin_ns = clock_mono_ns();
    bool worked = false;
    *code = 0;
    if (!has_slices(store) && !store->shrinking) {
        if (!retention_is_due(store))
            return false;
        store->retention_ns = begin_ns;
        look_at_clock(store, now_wall_ns);
        look(store);
        store->shrinking = is_too_large(store);
        int before = sqlite3_total_changes(store->db);
        *code = delete_old_minutes(store);
        *code = *code ? *code : delete_old_incidents(store);
        *code = *code ? *code : delete_old_logs(store);
        worked = sqlite3_total_changes(store->db) != before;
    }
    while (!*code && (has_slices(store) || store->shrinking) &&
           clock_mono_ns() < begin_ns + SLICE_NS) {
        worked = true;
        *code = store->metrics.deleting ? metrics_delete_slice(store)
                : store->deleting_to    ? delete_slice(store)
                : store->dropping_to    ? keep_slice(store)
                                        : shrink(store);
        if (!has_slices(store))
            store->shrinking = is_too_large(store);
    }
    return worked;
}
