/* query_traces.c - searching by the parameters of the API: traces, the last stored first, stopped
 * at the limit. */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/store/query_internal.h"
#include "collector/store/rows.h"
#include "collector/store/search.h"
#include "collector/store/search_match.h"
#include "collector/store/statements.h"

#define ROW_FILTER                                                                                 \
    "t.start_ns >= ?2 AND t.start_ns < ?3 AND (?4 = '' OR t.status = ?4) "                         \
    "AND (?5 = 0 OR t.duration_ns >= ?5) AND (?6 = 0 OR t.services & ?6 != 0) "

/* The last stored first; it stops at the first trace that was stored in the window. */
static const char rows_sql[] =
    TRACE_COLUMNS "FROM trace_numbered t WHERE t.trace_no < ?1 AND t.trace_no BETWEEN ?7 AND ?8 "
                  "AND " ROW_FILTER "ORDER BY t.trace_no DESC";
static const char failed_rows_sql[] = TRACE_COLUMNS
    "FROM trace_row f INDEXED BY trace_failed CROSS JOIN trace_numbered t ON "
    "t.trace_no = f.trace_no "
    "WHERE f.bits & 1 AND f.trace_no < ?1 AND f.trace_no BETWEEN ?7 AND ?8 AND " ROW_FILTER
    "ORDER BY f.trace_no DESC";

/* ?6 is a list of [path, value]; a number or a boolean is compared as it is written. */
static const char spans_sql[] =
    "SELECT 1 FROM span_numbered s WHERE s.trace_no = ?1 AND (?2 = '' OR s.service = ?2) "
    "AND (?3 = '' OR s.namespace = ?3) AND (?4 = '' OR s.cluster = ?4) "
    "AND (?5 = '' OR s.operation = ?5) AND (?6 = '' OR NOT EXISTS (SELECT 1 FROM json_each(?6) a "
    "WHERE (json_extract(s.attributes, a.value ->> 0) = a.value ->> 1 "
    "OR s.attributes -> (a.value ->> 0) = a.value ->> 1 "
    "OR json_extract(s.resource, a.value ->> 0) = a.value ->> 1 "
    "OR s.resource -> (a.value ->> 0) = a.value ->> 1) IS NOT TRUE)) "
    "AND (?7 = '' OR s.peer = ?7) "
    "LIMIT 1";

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

/* `numbers`: those of the pieces, as a JSON array. */
static void services_json(struct query *query, struct str numbers, struct buf *out)
{
    sqlite3_stmt *select = NULL;
    buf_add_c(out, ",\"services\":[");
    if (sqlite3_prepare_v2(query->db,
                           "SELECT DISTINCT n.text FROM span_row s JOIN node d ON d.id = s.node "
                           "JOIN name n ON n.id = d.service WHERE s.trace_no IN (SELECT value FROM "
                           "json_each(?)) ORDER BY 1",
                           -1, &select, NULL) == SQLITE_OK) {
        sqlite3_bind_text(select, 1, numbers.p, (int)numbers.len, SQLITE_STATIC);
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

/* The columns of TRACE_COLUMNS: of the oldest piece, ?1, but for what all of them, ?2, have
 * together. */
#define HEAD_SQL                                                                                   \
    "WITH piece AS (SELECT * FROM trace_numbered WHERE trace_no IN (SELECT value FROM "            \
    "json_each(?2))) "                                                                             \
    "SELECT t.trace_no, t.trace_id, t.start_time, t.duration_ns, t.entry_cluster, "                \
    "t.entry_namespace, t.entry_service, t.entry_operation, sum(p.span_count), "                   \
    "iif(count(*) = 1, t.service_count, (SELECT count(DISTINCT d.service) FROM span_row s JOIN "   \
    "node d ON d.id = s.node WHERE s.trace_no IN (SELECT value FROM json_each(?2)))), "            \
    "sum(p.error_count), t.status, t.origin_service, t.origin_operation, t.origin_reason, "        \
    "min(p.complete), sum(p.parts) - count(*) + 1, sum(p.reopened), min(p.kept) "                  \
    "FROM trace_numbered t CROSS JOIN piece p WHERE t.trace_no = ?1"

int trace_head_json(struct query *query, const struct trace_pieces *pieces, bool services,
                    struct buf *out, struct err *err)
{
    sqlite3_stmt *select;
    struct buf text;
    buf_init(&text, 1u << 16);
    for (uint32_t i = 0; i < pieces->n; i++)
        buf_addf(&text, "%c%lld", i ? ',' : '[', (long long)pieces->no[i]);
    buf_add_char(&text, ']');
    struct str numbers = buf_str(&text);
    if (query_begin(query, HEAD_SQL, &select, err) == 0) {
        sqlite3_bind_int64(select, 1, pieces->no[0]);
        sqlite3_bind_text(select, 2, numbers.p, (int)numbers.len, SQLITE_STATIC);
        int code = sqlite3_step(select);
        buf_add_c(out, "\"trace\":{");
        if (code == SQLITE_ROW) {
            trace_columns_json(select, out);
            if (services)
                services_json(query, numbers, out);
        }
        buf_add_char(out, '}');
        query_end(query, select, code, err);
    }
    buf_fini(&text);
    return err->code;
}

static void trace_item(struct query *query, sqlite3_stmt *row, bool first, struct buf *out)
{
    char number[32];
    int n = snprintf(number, sizeof(number), "[%lld]", (long long)sqlite3_column_int64(row, 0));
    buf_add_c(out, first ? "{" : ",{");
    trace_columns_json(row, out);
    services_json(query, (struct str){number, (size_t)n}, out);
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

/* ---- by filter ---- */

bool query_add_attr(struct query_filter *filter, struct str text, struct err *err)
{
    struct query_attr attr;
    if (!str_cut(text, '=', &attr.key, &attr.value) || !attr.key.len)
        return !err_set(err, ERR_INVALID, "attr is key=value");
    if (filter->n_attrs == QUERY_MAX_ATTRS)
        return !err_set(err, ERR_INVALID, "attr comes at most %d times", QUERY_MAX_ATTRS);
    filter->attrs[filter->n_attrs++] = attr;
    return true;
}

/* Is there a node of this name that is known by the word of its callers alone? */
static bool is_without_spans(struct query *query, struct str service)
{
    sqlite3_stmt *select = NULL;
    bool without = false;
    if (sqlite3_prepare_v2(query->db,
                           "SELECT 1 FROM name n CROSS JOIN node d ON d.service = n.id WHERE "
                           "n.text = ?1 AND d.role BETWEEN ?2 AND ?3",
                           -1, &select, NULL) == SQLITE_OK) {
        statement_bind_text(select, 1, service);
        sqlite3_bind_int(select, 2, ROLE_DATABASE);
        sqlite3_bind_int(select, 3, ROLE_USER);
        without = sqlite3_step(select) == SQLITE_ROW;
    }
    sqlite3_finalize(select);
    return without;
}

static int prepare_rows(struct traces_reading *reading, struct err *err)
{
    const struct query_filter *filter = reading->filter;
    struct query *query = reading->query;
    uint64_t before = INT64_MAX;
    int64_t first_no, last_no;
    if (filter->cursor.len && !str_to_u64(filter->cursor, &before))
        return err_set(err, ERR_INVALID, "cursor is not one that an answer gave");
    bool failed = str_eq(filter->status, STR("error"));
    if (query_trace_numbers(query, filter->window, &first_no, &last_no, err) ||
        query_begin(query, failed ? failed_rows_sql : rows_sql, &reading->rows, err))
        return err->code;
    sqlite3_stmt *rows = reading->rows;
    int64_t stored_no = first_stored_after(query, filter->window.from_ns);
    sqlite3_bind_int64(rows, 1, (int64_t)before);
    sqlite3_bind_int64(rows, 2, (int64_t)filter->window.from_ns);
    sqlite3_bind_int64(rows, 3, (int64_t)filter->window.to_ns);
    statement_bind_text(rows, 4, filter->status);
    sqlite3_bind_int64(rows, 5, (int64_t)filter->min_duration_ns);
    sqlite3_bind_int64(rows, 6, reading->by_calls ? 0 : service_bit(query, filter->service));
    sqlite3_bind_int64(rows, 7, first_no > stored_no ? first_no : stored_no);
    sqlite3_bind_int64(rows, 8, last_no);
    return 0;
}

/* Of a span in the trace: whose, which, with what. Who has no spans is known by his callers', and
 * takes part by his calls. */
static int prepare_spans(struct traces_reading *reading, struct err *err)
{
    const struct query_filter *filter = reading->filter;
    bool whose =
        !reading->by_calls && (filter->service.len || filter->namespace.len || filter->cluster.len);
    struct buf attrs;
    if (!whose && !filter->operation.len && filter->n_attrs < 2)
        return 0;
    sqlite3 *db = reading->query->db;
    if (sqlite3_prepare_v2(db, spans_sql, -1, &reading->spans, NULL) != SQLITE_OK)
        return err_set(err, ERR_IO, "%s", sqlite3_errmsg(db));
    buf_init(&attrs, 1u << 20);
    for (unsigned i = 0; i < filter->n_attrs; i++) {
        buf_add_c(&attrs, i ? ",[\"$.\\\"" : "[[\"$.\\\"");
        buf_add_json_inner(&attrs, filter->attrs[i].key);
        buf_add_c(&attrs, "\\\"\",");
        buf_add_json(&attrs, filter->attrs[i].value);
        buf_add_c(&attrs, i + 1 < filter->n_attrs ? "]" : "]]");
    }
    statement_bind_text(reading->spans, 2, whose ? filter->service : STR_NONE);
    statement_bind_text(reading->spans, 3, whose ? filter->namespace : STR_NONE);
    statement_bind_text(reading->spans, 4, whose ? filter->cluster : STR_NONE);
    statement_bind_text(reading->spans, 5, filter->operation);
    sqlite3_bind_text(reading->spans, 6, attrs.len ? attrs.p : "", (int)attrs.len,
                      SQLITE_TRANSIENT);
    statement_bind_text(reading->spans, 7, reading->by_calls ? filter->service : STR_NONE);
    bool good = !buf_failed(&attrs);
    buf_fini(&attrs);
    return good ? 0 : err_set(err, ERR_BUSY, "memory is short");
}

/* Attributes are looked at by the page's search, which reads each set of them once. */
static int prepare_search(struct traces_reading *reading, struct err *err)
{
    const struct query_filter *filter = reading->filter;
    struct buf line;
    if (!reading->by_calls && !filter->n_attrs)
        return 0;
    struct search *search = malloc(sizeof(*search));
    if (!search)
        return err_set(err, ERR_BUSY, "memory is short");
    buf_init(&line, 1u << 16);
    for (unsigned i = 0; i < filter->n_attrs; i++) {
        if (i)
            buf_add_char(&line, ' ');
        buf_add_json(&line, filter->attrs[i].key);
        buf_add_char(&line, '=');
        buf_add_json(&line, filter->attrs[i].value);
    }
    if (search_open(search, reading->query, filter->window, buf_str(&line), err))
        free(search);
    else
        reading->search = search;
    /* The conditions' texts lie in the line. */
    reading->line = line;
    return err->code;
}

int query_traces_begin(struct query *query, const struct query_filter *filter,
                       struct traces_reading *reading, struct err *err)
{
    *reading = (struct traces_reading){.query = query, .filter = filter};
    reading->by_calls = filter->service.len && is_without_spans(query, filter->service);
    if (prepare_rows(reading, err) || prepare_spans(reading, err) || prepare_search(reading, err))
        query_traces_end(reading, SQLITE_DONE, err);
    return err->code;
}

int query_traces_end(struct traces_reading *reading, int code, struct err *err)
{
    if (reading->search)
        search_close(reading->search);
    free(reading->search);
    buf_fini(&reading->line);
    sqlite3_finalize(reading->spans);
    if (!reading->rows)
        return err->code;
    if (err->code)
        sqlite3_finalize(reading->rows);
    else
        query_end(reading->query, reading->rows, code, err);
    return err->code;
}

static bool is_asked(const struct query_filter *filter, const struct search_node *node)
{
    return str_eq(node->service, filter->service) &&
           (!filter->namespace.len || str_eq(node->namespace, filter->namespace)) &&
           (!filter->cluster.len || str_eq(node->cluster, filter->cluster));
}

/* By the calls of the trace, at either end. */
static bool takes_part(struct traces_reading *reading, int64_t trace_no)
{
    struct search *search = reading->search;
    struct call_ids ids;
    struct call call;
    bool found = false;
    sqlite3_bind_int64(search->row, 1, trace_no);
    if (sqlite3_step(search->row) == SQLITE_ROW) {
        struct str calls = column_str(search->row, 2);
        while (!found && calls.len && calls_unpack_one(&calls, &call, &ids))
            found = is_asked(reading->filter, search_node_of(search, ids.caller)) ||
                    is_asked(reading->filter, search_node_of(search, ids.callee));
    }
    sqlite3_reset(search->row);
    return found;
}

static bool passes(struct traces_reading *reading, int64_t trace_no)
{
    if (reading->by_calls && !takes_part(reading, trace_no))
        return false;
    struct search_trace trace = {.trace_no = trace_no};
    if (reading->filter->n_attrs && search_match(reading->search, &trace, 0))
        return false;
    if (!reading->spans)
        return true;
    sqlite3_bind_int64(reading->spans, 1, trace_no);
    bool found = sqlite3_step(reading->spans) == SQLITE_ROW;
    sqlite3_reset(reading->spans);
    return found;
}

int query_traces_next(struct traces_reading *reading)
{
    int code;
    while ((code = sqlite3_step(reading->rows)) == SQLITE_ROW) {
        if (passes(reading, sqlite3_column_int64(reading->rows, 0)))
            break;
    }
    return code;
}

int query_traces_json(struct query *query, const struct query_filter *filter, struct buf *out,
                      struct err *err)
{
    struct traces_reading reading;
    uint32_t n = 0;
    int64_t last = 0;
    int code;
    if (query_traces_begin(query, filter, &reading, err))
        return err->code;
    buf_add_c(out, "{\"items\":[");
    while ((code = query_traces_next(&reading)) == SQLITE_ROW && n < filter->limit) {
        last = sqlite3_column_int64(reading.rows, 0);
        trace_item(query, reading.rows, n++ == 0, out);
    }
    if (code == SQLITE_ROW)
        buf_addf(out, "],\"next\":\"%lld\"}", (long long)last);
    else
        buf_add_c(out, "],\"next\":null}");
    return query_traces_end(&reading, code, err);
}
