/* query_traces.c - searching by the parameters of the API: traces, newest first, stopped at the
 * limit. */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/store/query_internal.h"
#include "collector/store/rows.h"
#include "collector/store/statements.h"

#define SEARCH_FILTER                                                                              \
    "t.start_ns >= ?2 AND t.start_ns < ?3 "                                                        \
    "AND (?4 = '' OR t.status = ?4) AND (?5 = 0 OR t.duration_ns >= ?5) "                          \
    "AND (?6 = 0 OR t.services & ?6 != 0) "                                                        \
    "AND (?7 = '' AND ?8 = '' AND ?9 = '' AND ?10 = '' AND ?11 = '' OR EXISTS (SELECT 1 FROM "     \
    "span_numbered s WHERE s.trace_no = t.trace_no AND (?7 = '' OR s.service = ?7) "               \
    "AND (?8 = '' OR s.namespace = ?8) AND (?9 = '' OR s.cluster = ?9) "                           \
    "AND (?10 = '' OR s.operation = ?10) AND (?11 = '' OR "                                        \
    "json_extract(s.attributes, ?11) = ?12 OR json_extract(s.resource, ?11) = ?12))) "

/* Newest first; it stops at the limit, and at the first trace that was stored in the window. */
static const char search_sql[] =
    TRACE_COLUMNS "FROM trace_numbered t WHERE t.trace_no < ?1 AND t.trace_no BETWEEN ?14 AND ?15 "
                  "AND " SEARCH_FILTER "ORDER BY t.trace_no DESC LIMIT ?13";
static const char search_failed_sql[] = TRACE_COLUMNS
    "FROM trace_row f INDEXED BY trace_failed CROSS JOIN trace_numbered t ON "
    "t.trace_no = f.trace_no "
    "WHERE f.bits & 1 AND f.trace_no < ?1 AND f.trace_no BETWEEN ?14 AND ?15 AND " SEARCH_FILTER
    "ORDER BY f.trace_no DESC LIMIT ?13";

#define MOST_NAMED 20

int64_t service_bit(struct query *query, struct str service)
{
    sqlite3_stmt *select = NULL;
    int64_t bit = -1;
    if (!service.len)
        return 0;
    if (sqlite3_prepare_v2(query->db, "SELECT id FROM name WHERE text = ?", -1, &select, NULL) ==
        SQLITE_OK) {
        statement_bind_text(select, 1, service);
        if (sqlite3_step(select) == SQLITE_ROW)
            bit = INT64_C(1) << (sqlite3_column_int64(select, 0) % 62);
    }
    sqlite3_finalize(select);
    return bit;
}

/* Clocks of senders may run ahead of ours by so much. */
#define AHEAD_S 3600

/* By halving, as the time of storing grows with the number, but for reopened traces. */
int64_t first_stored_after(struct query *query, uint64_t from_ns)
{
    static const char sql[] =
        "SELECT stored_s FROM trace_row WHERE trace_no >= ? ORDER BY trace_no LIMIT 1";
    sqlite3_stmt *select = NULL;
    int64_t low = 0, high = 0, from_s = (int64_t)(from_ns / NS_PER_S) - AHEAD_S;
    if (sqlite3_prepare_v2(
            query->db,
            "SELECT (SELECT min(trace_no) FROM trace_row), (SELECT max(trace_no) FROM trace_row)",
            -1, &select, NULL) == SQLITE_OK &&
        sqlite3_step(select) == SQLITE_ROW) {
        low = sqlite3_column_int64(select, 0);
        high = sqlite3_column_int64(select, 1);
    }
    sqlite3_finalize(select);
    if (sqlite3_prepare_v2(query->db, sql, -1, &select, NULL) != SQLITE_OK)
        return 0;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        sqlite3_bind_int64(select, 1, middle);
        bool before =
            sqlite3_step(select) == SQLITE_ROW && sqlite3_column_int64(select, 0) < from_s;
        sqlite3_reset(select);
        if (before)
            low = middle + 1;
        else
            high = middle;
    }
    sqlite3_finalize(select);
    return low;
}

void trace_services_json(struct query *query, int64_t trace_no, struct buf *out)
{
    sqlite3_stmt *select = NULL;
    buf_add_c(out, ",\"services\":[");
    if (sqlite3_prepare_v2(query->db,
                           "SELECT DISTINCT n.text FROM span_row s JOIN node d ON d.id = s.node "
                           "JOIN name n ON n.id = d.service WHERE s.trace_no = ? ORDER BY 1",
                           -1, &select, NULL) == SQLITE_OK) {
        sqlite3_bind_int64(select, 1, trace_no);
        for (bool first = true; sqlite3_step(select) == SQLITE_ROW; first = false) {
            if (!first)
                buf_add_char(out, ',');
            buf_add_json(out, column_str(select, 0));
        }
    }
    sqlite3_finalize(select);
    buf_add_char(out, ']');
}

void trace_columns_json(sqlite3_stmt *row, struct buf *out)
{
    static const char *const names[] = {
        "trace_id",         "start_time",    "duration_ns",     "entry_cluster",
        "entry_namespace",  "entry_service", "entry_operation", "span_count",
        "service_count",    "error_count",   "status",          "origin_service",
        "origin_operation", "origin_reason", "complete",        "parts",
        "reopened",         "kept"};
    for (int i = 0; i < 18; i++)
        json_column(out, names[i], row, 1 + i);
}

static void trace_item(struct query *query, sqlite3_stmt *row, bool first, struct buf *out)
{
    buf_add_c(out, first ? "{" : ",{");
    trace_columns_json(row, out);
    trace_services_json(query, sqlite3_column_int64(row, 0), out);
    buf_add_char(out, '}');
}

int query_named_traces_json(struct query *query, struct str ids, struct buf *out, struct err *err)
{
    sqlite3_stmt *select;
    struct str id;
    int64_t trace_no;
    int n = 0, code = SQLITE_DONE;
    buf_add_c(out, "{\"items\":[");
    for (int asked = 0; ids.len; asked++) {
        str_cut(ids, ',', &id, &ids);
        if (asked == MOST_NAMED)
            return err_set(err, ERR_INVALID, "ids names at most %d traces", MOST_NAMED);
        if (query_trace_number(query, id, &trace_no, err) ||
            query_begin(query, TRACE_BY_NO, &select, err))
            return err->code;
        sqlite3_bind_int64(select, 1, trace_no);
        if (trace_no && (code = sqlite3_step(select)) == SQLITE_ROW)
            trace_item(query, select, n++ == 0, out);
        if (query_end(query, select, code, err))
            return err->code;
    }
    buf_add_c(out, "],\"next\":null}");
    return 0;
}

int query_traces_begin(struct query *query, const struct query_filter *filter,
                       sqlite3_stmt **statement, struct err *err)
{
    char path[600];
    uint64_t before = INT64_MAX;
    int64_t first_no, last_no;
    if (filter->cursor.len && !str_to_u64(filter->cursor, &before))
        return err_set(err, ERR_INVALID, "cursor is not one that an answer gave");
    bool failed = str_eq(filter->status, STR("error"));
    if (query_trace_numbers(query, filter->window, &first_no, &last_no, err) ||
        query_begin(query, failed ? search_failed_sql : search_sql, statement, err))
        return err->code;
    sqlite3_stmt *select = *statement;
    int n = snprintf(path, sizeof(path), "$.\"%.*s\"",
                     (int)(filter->attr_key.len < 256 ? filter->attr_key.len : 256),
                     filter->attr_key.p ? filter->attr_key.p : "");
    sqlite3_bind_int64(select, 1, (int64_t)before);
    sqlite3_bind_int64(select, 2, (int64_t)filter->window.from_ns);
    sqlite3_bind_int64(select, 3, (int64_t)filter->window.to_ns);
    statement_bind_text(select, 4, filter->status);
    sqlite3_bind_int64(select, 5, (int64_t)filter->min_duration_ns);
    sqlite3_bind_int64(select, 6, service_bit(query, filter->service));
    statement_bind_text(select, 7, filter->service);
    statement_bind_text(select, 8, filter->namespace);
    statement_bind_text(select, 9, filter->cluster);
    statement_bind_text(select, 10, filter->operation);
    sqlite3_bind_text(select, 11, path, filter->attr_key.len ? n : 0, SQLITE_TRANSIENT);
    statement_bind_text(select, 12, filter->attr_value);
    sqlite3_bind_int64(select, 13, (int64_t)filter->limit + 1);
    int64_t stored_no = first_stored_after(query, filter->window.from_ns);
    sqlite3_bind_int64(select, 14, first_no > stored_no ? first_no : stored_no);
    sqlite3_bind_int64(select, 15, last_no);
    return 0;
}

int query_traces_json(struct query *query, const struct query_filter *filter, struct buf *out,
                      struct err *err)
{
    sqlite3_stmt *select;
    uint32_t n = 0;
    int64_t last = 0;
    int code;
    if (query_traces_begin(query, filter, &select, err))
        return err->code;
    buf_add_c(out, "{\"items\":[");
    while ((code = sqlite3_step(select)) == SQLITE_ROW && n < filter->limit) {
        last = sqlite3_column_int64(select, 0);
        trace_item(query, select, n++ == 0, out);
    }
    if (code == SQLITE_ROW)
        buf_addf(out, "],\"next\":\"%lld\"}", (long long)last);
    else
        buf_add_c(out, "],\"next\":null}");
    return query_end(query, select, code, err);
}
