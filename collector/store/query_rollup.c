/* query_rollup.c - roll-ups of a window, requests by the minute, and traces to show for them. */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/store/query_tally.h"
#include "collector/store/rows.h"
#include "collector/store/statements.h"

/* The slowest are looked for among so many of the newest that match. */
#define SLOW_AMONG_TEXT "500"
/* … the failed that are told, … */
#define FAILED_AMONG 500
#define FAILED_AMONG_TEXT "500"
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

/* ---- failed traces, those first whose failure is the one that is told ---- */

struct candidate {
    struct trace_text text;
    int64_t service, reason; /* names: whose failure it is, and with what it began */
    bool told, narrowed;     /* it began at a call of the service's; where it is narrowed to */
    uint32_t alike;          /* candidates that began as this one did */
};

/* Bits of a node: the service, the one at the other end, the version it is narrowed to. */
enum { NODE_OWN = 1, NODE_PEER = 2, NODE_VERSION = 4 };

static int know_nodes(struct query *query, const struct failed_question *question,
                      struct known_rows *known, struct err *err)
{
    sqlite3_stmt *select;
    int code;
    if (query_begin(query,
                    "SELECT d.id, (s.text = ?1) | 2 * (s.text = ?2) | 4 * (v.text = ?3) FROM name "
                    "s CROSS JOIN node d ON d.service = s.id JOIN name v ON v.id = d.version "
                    "WHERE s.text IN (?1, ?2)",
                    &select, err))
        return err->code;
    statement_bind_text(select, 1, question->service);
    statement_bind_text(select, 2, question->peer);
    statement_bind_text(select, 3, question->version);
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        if (!know_row(known, sqlite3_column_int64(select, 0),
                      (uint32_t)sqlite3_column_int(select, 1)))
            break;
    }
    return query_end(query, select, code == SQLITE_ROW ? SQLITE_NOMEM : code, err);
}

/* Looks for a call that failed there first: between the two ends, where both are told. */
static void look_for_told(struct candidate *candidate, const struct failed_question *question,
                          const struct known_rows *known, struct str calls)
{
    struct call call;
    struct call_ids ids;
    while (calls.len && calls_unpack_one(&calls, &call, &ids)) {
        uint32_t caller = 0, callee = 0;
        if (call.fault != FAULT_ORIGIN)
            continue;
        known_row(known, (int64_t)ids.caller, &caller);
        known_row(known, (int64_t)ids.callee, &callee);
        uint32_t own = caller & NODE_OWN ? caller : callee;
        if (!(own & NODE_OWN) || (question->peer.len && !((caller | callee) & NODE_PEER)))
            continue;
        candidate->told = true;
        candidate->narrowed |= own & NODE_VERSION && question->version.len;
    }
}

static int of_instance(struct query *query, struct str instance, struct candidate *candidates,
                       size_t n, struct err *err)
{
    sqlite3_stmt *find;
    int code = SQLITE_DONE;
    if (query_begin(query,
                    "SELECT 1 FROM span_row s JOIN shape h ON h.id = s.shape JOIN name i ON i.id = "
                    "h.instance WHERE s.trace_no = ?1 AND i.text = ?2 LIMIT 1",
                    &find, err))
        return err->code;
    statement_bind_text(find, 2, instance);
    for (size_t i = 0; i < n; i++) {
        sqlite3_bind_int64(find, 1, candidates[i].text.trace_no);
        code = sqlite3_step(find);
        candidates[i].narrowed = code == SQLITE_ROW;
        sqlite3_reset(find);
    }
    return query_end(query, find, code, err);
}

static int told_first(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    if (x->told != y->told)
        return y->told - x->told;
    if (x->narrowed != y->narrowed)
        return y->narrowed - x->narrowed;
    if (x->alike != y->alike)
        return x->alike > y->alike ? -1 : 1;
    return x->text.trace_no > y->text.trace_no ? -1 : 1;
}

static void sort_candidates(struct candidate *candidates, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < n; j++)
            candidates[i].alike += candidates[j].told == candidates[i].told &&
                                   candidates[j].service == candidates[i].service &&
                                   candidates[j].reason == candidates[i].reason;
    }
    if (n > 1)
        qsort(candidates, n, sizeof(*candidates), told_first);
}

static size_t read_candidates(struct query *query, const struct failed_question *question,
                              const struct known_rows *known, struct candidate *candidates)
{
    struct err err = {0};
    sqlite3_stmt *select;
    size_t n = 0;
    int code;
    int64_t first, last;
    if (query_trace_numbers(query, question->window, &first, &last, &err) ||
        query_begin(query,
                    "SELECT lower(hex(t.id)), t.trace_no, o.service, t.origin_reason, t.calls FROM "
                    "trace_row t INDEXED BY trace_failed JOIN node o ON o.id = t.origin JOIN name "
                    "n ON n.id = o.service WHERE t.bits & 1 AND t.bits & 4 AND t.trace_no BETWEEN "
                    "?3 AND ?4 AND t.start_ns >= ?1 AND t.start_ns < ?2 AND (n.text IN (?5, ?6) OR "
                    "t.services & ?7) ORDER BY t.trace_no DESC LIMIT " FAILED_AMONG_TEXT,
                    &select, &err))
        return 0;
    sqlite3_bind_int64(select, 1, (int64_t)question->window.from_ns);
    sqlite3_bind_int64(select, 2, (int64_t)question->window.to_ns);
    sqlite3_bind_int64(select, 3, first);
    sqlite3_bind_int64(select, 4, last);
    statement_bind_text(select, 5, question->service);
    statement_bind_text(select, 6, question->peer.len ? question->peer : question->service);
    sqlite3_bind_int64(select, 7, taking_part(query, question->service));
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        struct candidate *candidate = &candidates[n++];
        *candidate = (struct candidate){.text.trace_no = sqlite3_column_int64(select, 1),
                                        .service = sqlite3_column_int64(select, 2),
                                        .reason = sqlite3_column_int64(select, 3)};
        memcpy(candidate->text.id, column_str(select, 0).p, 32);
        look_for_told(candidate, question, known, column_str(select, 4));
    }
    query_end(query, select, code, &err);
    return n;
}

size_t query_failed_examples(struct query *query, const struct failed_question *question,
                             struct trace_text *ids, size_t max)
{
    struct err err = {0};
    struct known_rows known = {0};
    struct candidate *candidates = calloc(FAILED_AMONG, sizeof(*candidates));
    size_t n = 0;
    if (candidates && !know_nodes(query, question, &known, &err)) {
        n = read_candidates(query, question, &known, candidates);
        if (question->instance.len)
            of_instance(query, question->instance, candidates, n, &err);
        sort_candidates(candidates, n);
    }
    n = n < max ? n : max;
    for (size_t i = 0; i < n; i++)
        ids[i] = candidates[i].text;
    known_rows_fini(&known);
    free(candidates);
    return n;
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
