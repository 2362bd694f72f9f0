/* logs.c - log records of traces: kept beside the traces, found by trace and span when a span's
 * events are read. So a record may come before its span, long after it, or in another life of the
 * process.
 */
#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/model/ingest_stats.h"
#include "collector/store/points.h"
#include "collector/store/statements.h"
#include "collector/store/store_internal.h"

#define NO_TIME "{\"time\":\"1970-01-01T00:00:00.000000000Z" /* how a record of at_ns 0 begins */

int logs_open(struct store *store)
{
    struct logs *logs = &store->logs;
    if (!store->settings.events_max)
        store->settings.events_max = limits_default.events;
    logs->dropped = ingest_truncated("events");
    int code = store_run(store, "UPDATE log_limit SET n = ?1 WHERE n != ?1",
                         store->settings.events_max, 0);
    code = code
               ? code
               : store_prepare(store,
                               "INSERT OR IGNORE INTO log_row (stored_s, trace_id, span_id, at_ns, "
                               "hash, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                               &logs->add);
    code = code ? code
                : store_prepare(store,
                                "SELECT count(*) FROM log_row WHERE trace_id = ?1 AND span_id = ?2 "
                                "AND json != ''",
                                &logs->count);
    return code ? code
                : store_prepare(store,
                                "SELECT 1 FROM log_row WHERE trace_id = ?1 AND span_id = ?2 AND "
                                "hash = ?3 LIMIT 1",
                                &logs->same);
}

void logs_close(struct store *store)
{
    sqlite3_finalize(store->logs.add);
    sqlite3_finalize(store->logs.count);
    sqlite3_finalize(store->logs.same);
}

void logs_forget(struct store *store)
{
    store->logs.n_beyond = 0;
}

/* The same in every life of the process; a collision costs one record of the very same span and
 * nanosecond. */
static int64_t content_hash(struct str json)
{
    return (int64_t)hash_stored(HASH_STORED, json.p, json.len);
}

static void write_id(struct trace_id id, uint64_t bytes[2])
{
    bytes[0] = __builtin_bswap64(id.high);
    bytes[1] = __builtin_bswap64(id.low);
}

static int has_room(struct store *store, const uint64_t id[2], uint64_t span_id, bool *room)
{
    sqlite3_stmt *count = store->logs.count;
    sqlite3_bind_blob(count, 1, id, 16, SQLITE_STATIC);
    sqlite3_bind_int64(count, 2, (int64_t)span_id);
    int code = sqlite3_step(count);
    *room = code == SQLITE_ROW && sqlite3_column_int64(count, 0) < store->settings.events_max;
    sqlite3_reset(count);
    return code == SQLITE_ROW ? 0 : code;
}

/* Of a record that says no time, which would tell it apart when it is sent again. */
static int is_known(struct store *store, const uint64_t id[2], uint64_t span_id, int64_t hash,
                    bool *known)
{
    sqlite3_stmt *same = store->logs.same;
    sqlite3_bind_blob(same, 1, id, 16, SQLITE_STATIC);
    sqlite3_bind_int64(same, 2, (int64_t)span_id);
    sqlite3_bind_int64(same, 3, hash);
    int code = sqlite3_step(same);
    *known = code == SQLITE_ROW;
    sqlite3_reset(same);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : code;
}

static int add(struct store *store, const struct log_record *record, int64_t hash, bool *stored)
{
    sqlite3_stmt *put = store->logs.add;
    uint64_t id[2];
    bool room;
    write_id(record->trace_id, id);
    int code = has_room(store, id, record->span_id, &room);
    if (code)
        return code;
    sqlite3_bind_int64(put, 1, (int64_t)(clock_wall_ns() / NS_PER_S));
    sqlite3_bind_blob(put, 2, id, 16, SQLITE_STATIC);
    sqlite3_bind_int64(put, 3, (int64_t)record->span_id);
    sqlite3_bind_int64(put, 4, (int64_t)record->at_ns);
    sqlite3_bind_int64(put, 5, hash);
    sqlite3_bind_text(put, 6, room ? record->json.p : "", room ? (int)record->json.len : 0,
                      SQLITE_STATIC);
    code = statement_run(put);
    *stored = !code && sqlite3_changes(store->db) > 0;
    store->logs.n_beyond += *stored && !room;
    return code;
}

/* It happened when it was received, as far as anybody can tell. */
static int add_timeless(struct store *store, const struct log_record *record, uint64_t received_ns,
                        bool *stored)
{
    struct log_record timed = *record;
    int64_t hash = content_hash(record->json);
    uint64_t id[2];
    bool known;
    struct buf json;
    write_id(record->trace_id, id);
    int code = is_known(store, id, record->span_id, hash, &known);
    if (code || known)
        return code;
    buf_init(&json, record->json.len + sizeof(NO_TIME));
    buf_add_c(&json, "{\"time\":\"");
    buf_add_time(&json, received_ns);
    buf_add_str(&json, str_skip(record->json, sizeof(NO_TIME) - 1));
    timed.at_ns = received_ns;
    timed.json = buf_str(&json);
    code = buf_failed(&json) ? SQLITE_NOMEM : add(store, &timed, hash, stored);
    buf_fini(&json);
    return code;
}

int logs_rename(struct store *store, struct trace_id id)
{
    sqlite3_stmt *rename;
    uint64_t whole[2], half[2];
    int code = store_prepare(
        store, "UPDATE OR IGNORE log_row SET trace_id = ?1 WHERE trace_id = ?2", &rename);
    if (code)
        return code;
    write_id(id, whole);
    write_id((struct trace_id){0, id.low}, half);
    sqlite3_bind_blob(rename, 1, whole, 16, SQLITE_STATIC);
    sqlite3_bind_blob(rename, 2, half, 16, SQLITE_STATIC);
    code = statement_run(rename);
    sqlite3_finalize(rename);
    return code;
}

int logs_add(struct store *store, const struct body *body, uint32_t *n_stored,
             uint32_t *n_duplicate)
{
    const struct batch *batch = body->batch;
    int code = 0;
    for (uint32_t i = 0; i < batch->n_logs && !code; i++) {
        const struct log_record *record = &batch->logs[i];
        bool stored = false, timeless = !record->at_ns && str_starts(record->json, STR(NO_TIME));
        code = timeless ? add_timeless(store, record, body->received_ns, &stored)
                        : add(store, record, content_hash(record->json), &stored);
        *n_stored += stored;
        *n_duplicate += !stored;
    }
    return code;
}
