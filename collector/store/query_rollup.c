/* query_rollup.c - roll-ups of a window, requests by the minute, and traces to show for them. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/store/query_tally.h"
#include "collector/store/statements.h"

/* The slowest are looked for among so many of the newest that match. */
#define SLOW_AMONG_TEXT "500"
/* … and the good one that store.keep drops last. */
#define GOOD_AMONG 200
/* Shares are taken of so many, among the newest of all entries. */
#define SHARE_AMONG_TEXT "500"
#define SHARE_OF_TEXT "20000"

struct reading {
    struct rollup *rollup;
    struct key_reader keys;
    sqlite3_stmt *key;
    struct known_rows known; /* rows of tally_key: items of the roll-up */
};

static struct tally *new_tally(struct reading *reading, int64_t row)
{
    sqlite3_stmt *key = reading->key;
    struct tally *tally = NULL;
    sqlite3_bind_int64(key, 1, row);
    if (sqlite3_step(key) == SQLITE_ROW) {
        struct tally_key fields = read_tally_key(&reading->keys, key, 0);
        tally = rollup_tally(reading->rollup, &fields, 0);
    }
    sqlite3_reset(key);
    if (tally && !know_row(&reading->known, row, (uint32_t)(tally - reading->rollup->items)))
        tally = NULL;
    return tally;
}

/* ---- rows, within one step of SQLite: an hour of fifty services has a hundred thousand ---- */

#define POINTER "reading"

/* rollup_take(reading, tally, TALLY_COLUMNS) */
static void take_step(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct reading *reading = sqlite3_value_pointer(values[0], POINTER);
    (void)n;
    if (!reading)
        return;
    int64_t id = sqlite3_value_int64(values[1]), numbers[TALLY_NUMBERS];
    uint32_t item;
    struct tally *tally = known_row(&reading->known, id, &item) ? &reading->rollup->items[item]
                                                                : new_tally(reading, id);
    for (int i = 0; i < TALLY_NUMBERS; i++)
        numbers[i] = sqlite3_value_int64(values[2 + i]);
    sqlite3_value *histogram = values[2 + TALLY_NUMBERS];
    struct str blob = {sqlite3_value_blob(histogram), (size_t)sqlite3_value_bytes(histogram)};
    if (!tally || !tally_add(tally, numbers, blob))
        sqlite3_result_error_nomem(context);
}

static void take_final(sqlite3_context *context)
{
    sqlite3_result_null(context);
}

int rollup_add_function(sqlite3 *db)
{
    return sqlite3_create_function(db, "rollup_take", 3 + TALLY_NUMBERS, SQLITE_UTF8, NULL, NULL,
                                   take_step, take_final);
}

#define TAKE "SELECT rollup_take(?3, t.tally, " TALLY_COLUMNS ") FROM "
#define OF_INCIDENT(minute)                                                                        \
    "incident_row i WHERE " minute " >= i.onset_ns / 60000000000 AND " minute                      \
    " <= coalesce(i.closed_ns, i.updated_ns) / 60000000000"
#define CALM                                                                                       \
    "minute_age m CROSS JOIN tally_row t ON t.minute = m.minute WHERE m.minute >= ?1 AND "         \
    "m.minute < ?2 AND NOT EXISTS (SELECT 1 FROM " OF_INCIDENT("m.minute") ")"
#define ONLY_REQUESTS " AND t.tally IN (SELECT id FROM tally_key WHERE channel = 0)"

int query_rollup(struct query *query, const struct rollup_question *question, struct rollup *rollup,
                 struct err *err)
{
    static const char *const row_sql[] = {TAKE "tally_row t WHERE t.minute >= ?1 AND t.minute < ?2",
                                          TAKE CALM, TAKE CALM ONLY_REQUESTS};
    static const char key_sql[] = "SELECT " TALLY_KEY_SELECT "WHERE k.id = ?";
    struct reading reading = {.rollup = rollup};
    sqlite3_stmt *rows = NULL;
    int code = SQLITE_DONE;
    if (key_reader_begin(&reading.keys, query, question->names, question->nodes, err) == 0 &&
        query_begin(query, key_sql, &reading.key, err) == 0 &&
        query_begin(query, row_sql[question->part], &rows, err) == 0) {
        sqlite3_bind_int64(rows, 1, (int64_t)(question->window.from_ns / NS_PER_MINUTE));
        sqlite3_bind_int64(rows, 2, (int64_t)(question->window.to_ns / NS_PER_MINUTE));
        sqlite3_bind_pointer(rows, 3, &reading, POINTER, NULL);
        code = sqlite3_step(rows);
        query_end(query, rows, code, err);
    }
    sqlite3_finalize(reading.key);
    key_reader_end(&reading.keys);
    known_rows_fini(&reading.known);
    if (code == SQLITE_NOMEM)
        err_set(err, ERR_BUSY, "memory is short for the roll-ups");
    return err->code;
}

int query_request_minutes(struct query *query, struct window window, uint64_t over_ns,
                          struct request_minute *rows, size_t max, size_t *n, struct err *err)
{
    sqlite3_stmt *select;
    int code;
    *n = 0;
    if (query_begin(query,
                    /* By the few keys of each minute that was written, not by all its rows. */
                    "SELECT t.minute, sum(t.n), sum(t.bad), sum(t.sum_ns) FROM minute_age m "
                    "CROSS JOIN tally_key k CROSS JOIN tally_row t ON t.minute = m.minute AND "
                    "t.tally = k.id WHERE m.minute >= ?1 AND m.minute < ?2 AND k.channel = 0 "
                    "AND (?4 = 0 OR NOT EXISTS (SELECT 1 FROM " OF_INCIDENT(
                        "m.minute") " AND coalesce(i.closed_ns, i.updated_ns) < ?4)) "
                                    "GROUP BY t.minute ORDER BY t.minute LIMIT ?3",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, (int64_t)(window.from_ns / NS_PER_MINUTE));
    sqlite3_bind_int64(select, 2, (int64_t)(window.to_ns / NS_PER_MINUTE));
    sqlite3_bind_int64(select, 3, (int64_t)max);
    sqlite3_bind_int64(select, 4, (int64_t)over_ns);
    while ((code = sqlite3_step(select)) == SQLITE_ROW)
        rows[(*n)++] = (struct request_minute){
            (uint64_t)sqlite3_column_int64(select, 0), sqlite3_column_int64(select, 1),
            sqlite3_column_int64(select, 2), sqlite3_column_int64(select, 3)};
    return query_end(query, select, code, err);
}

/* ---- traces to show ---- */

static size_t read_ids(struct query *query, const char *sql, struct window window,
                       struct str service, struct trace_text *ids, size_t max)
{
    struct err err = {0};
    sqlite3_stmt *select;
    size_t n = 0;
    int code = SQLITE_DONE;
    int64_t first, last;
    if (query_trace_numbers(query, window, &first, &last, &err) ||
        query_begin(query, sql, &select, &err))
        return 0;
    sqlite3_bind_int64(select, 1, (int64_t)window.from_ns);
    sqlite3_bind_int64(select, 2, (int64_t)window.to_ns);
    sqlite3_bind_int64(select, 3, first);
    sqlite3_bind_int64(select, 4, service_bit(query, service));
    statement_bind_text(select, 5, service);
    sqlite3_bind_int64(select, 6, (int64_t)max);
    sqlite3_bind_int64(select, 7, last);
    while (n < max && (code = sqlite3_step(select)) == SQLITE_ROW) {
        struct str id = column_str(select, 0);
        memcpy(ids[n].id, id.p, id.len < 32 ? id.len : 32);
        ids[n].id[32] = '\0';
        ids[n++].trace_no = sqlite3_column_int64(select, 1);
    }
    query_end(query, select, code, &err);
    return n;
}

size_t query_failed_examples(struct query *query, struct window window, struct str service,
                             struct trace_text *ids, size_t max)
{
    return read_ids(
        query,
        "SELECT lower(hex(t.id)), t.trace_no FROM trace_row t INDEXED BY trace_failed "
        "JOIN node o ON o.id = t.origin JOIN name n ON n.id = o.service "
        "WHERE t.bits & 1 AND t.bits & 4 AND t.trace_no BETWEEN ?3 AND ?7 AND t.start_ns >= ?1 AND "
        "t.start_ns < ?2 "
        "AND (n.text = ?5 OR (?4 > 0 AND t.services & ?4)) "
        "ORDER BY n.text = ?5 DESC, t.trace_no DESC LIMIT ?6",
        window, service, ids, max);
}

size_t query_slow_examples(struct query *query, struct window window, struct str service,
                           struct trace_text *ids, size_t max)
{
    return read_ids(
        query,
        "SELECT lower(hex(id)), trace_no FROM (SELECT id, trace_no, duration_ns FROM "
        "trace_row WHERE "
        "trace_no BETWEEN ?3 AND ?7 AND start_ns >= ?1 AND start_ns < ?2 AND services & ?4 AND ?5 "
        "<> '' AND bits & 4 ORDER BY trace_no DESC LIMIT " SLOW_AMONG_TEXT ") "
        "ORDER BY duration_ns DESC LIMIT ?6",
        window, service, ids, max);
}

/* The one of the lowest share: whatever store.keep says, no other stays longer. */
bool query_good_example(struct query *query, struct window window, struct str service,
                        struct trace_text *id)
{
    struct trace_text ids[GOOD_AMONG];
    size_t n = read_ids(query,
                        "SELECT lower(hex(id)), trace_no FROM trace_row WHERE trace_no BETWEEN ?3 "
                        "AND ?7 AND start_ns >= ?1 AND start_ns < ?2 AND services & ?4 AND ?5 <> "
                        "'' AND bits & 5 = 4 ORDER BY trace_no DESC LIMIT ?6",
                        window, service, ids, GOOD_AMONG);
    unsigned lowest = UINT_MAX;
    for (size_t i = 0; i < n; i++) {
        struct trace_id number = {0};
        sscanf(ids[i].id, "%16" SCNx64 "%16" SCNx64, &number.high, &number.low);
        if (trace_id_share(number) < lowest) {
            lowest = trace_id_share(number);
            *id = ids[i];
        }
    }
    return n > 0;
}

/* The bits of a service in the traces that take part in it. A database, or whoever else sends no
 * spans, is where its callers are. */
static int64_t taking_part(struct query *query, struct str service)
{
    struct err err = {0};
    sqlite3_stmt *select;
    int64_t bits = service_bit(query, service);
    int code;
    if (query_begin(query,
                    "SELECT DISTINCT c.service % 62 FROM name n CROSS JOIN node e ON e.service = "
                    "n.id CROSS JOIN edge d ON d.callee = e.id CROSS JOIN node c ON c.id = "
                    "d.caller WHERE n.text = ?1 AND e.role BETWEEN ?2 AND ?3",
                    &select, &err))
        return bits;
    statement_bind_text(select, 1, service);
    sqlite3_bind_int(select, 2, ROLE_DATABASE);
    sqlite3_bind_int(select, 3, ROLE_EXTERNAL);
    while ((code = sqlite3_step(select)) == SQLITE_ROW)
        bits |= INT64_C(1) << sqlite3_column_int64(select, 0);
    query_end(query, select, code, &err);
    return bits;
}

double query_entry_share(struct query *query, struct window window,
                         const struct query_entry entries[], unsigned n, struct str service,
                         bool failed)
{
    struct err err = {0};
    sqlite3_stmt *select;
    double share = 0;
    int64_t first, last, bits = taking_part(query, service);
    if (query_trace_numbers(query, window, &first, &last, &err) ||
        query_begin(
            query,
            /* A call that was shed before it came there has no span of whose failure it is. */
            "SELECT avg(services & ?4 <> 0 OR origin = ?9) FROM (SELECT t.services, b.text origin "
            "FROM (SELECT * FROM "
            "trace_row WHERE trace_no BETWEEN ?3 AND ?8 AND start_ns >= ?1 AND start_ns < ?2 "
            "ORDER BY trace_no DESC LIMIT " SHARE_OF_TEXT
            ") t JOIN node e ON e.id = t.entry JOIN name n ON n.id = e.service "
            "JOIN name o ON o.id = t.entry_operation "
            "JOIN node a ON a.id = t.origin JOIN name b ON b.id = a.service "
            "WHERE (n.text, o.text) IN (VALUES (?5, ?6), (?10, ?11), (?12, ?13), (?14, ?15)) "
            "AND (NOT ?7 OR t.bits & 1) "
            "LIMIT " SHARE_AMONG_TEXT ")",
            &select, &err))
        return 0;
    sqlite3_bind_int64(select, 1, (int64_t)window.from_ns);
    sqlite3_bind_int64(select, 2, (int64_t)window.to_ns);
    sqlite3_bind_int64(select, 3, first);
    sqlite3_bind_int64(select, 8, last);
    sqlite3_bind_int64(select, 4, bits);
    for (unsigned i = 0; i < n && i < QUERY_MAX_ENTRIES; i++) {
        int at = i ? 8 + 2 * (int)i : 5;
        statement_bind_text(select, at, entries[i].service);
        statement_bind_text(select, at + 1, entries[i].operation);
    }
    sqlite3_bind_int(select, 7, failed);
    statement_bind_text(select, 9, service);
    int code = sqlite3_step(select);
    if (code == SQLITE_ROW)
        share = sqlite3_column_double(select, 0);
    query_end(query, select, code, &err);
    return share;
}
