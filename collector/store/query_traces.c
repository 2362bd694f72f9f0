/* query_traces.c - search: trace rows newest first, stopped at the limit; and one trace, whole. */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/store/query_internal.h"
#include "collector/store/rows.h"

#define SEARCH_COLUMNS                                                                             \
    "SELECT t.trace_no, t.trace_id, t.start_time, t.duration_ns, t.entry_cluster, "                \
    "t.entry_namespace, t.entry_service, t.entry_operation, t.span_count, t.service_count, "       \
    "t.error_count, t.status, t.origin_service, t.origin_operation, t.origin_reason, "             \
    "t.complete, t.parts, t.reopened, t.kept "
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
static const char search_sql[] = SEARCH_COLUMNS
    "FROM trace_numbered t WHERE t.trace_no < ?1 AND t.trace_no >= ?14 AND " SEARCH_FILTER
    "ORDER BY t.trace_no DESC LIMIT ?13";
static const char search_failed_sql[] =
    SEARCH_COLUMNS "FROM trace_row f INDEXED BY trace_failed CROSS JOIN trace_numbered t ON "
                   "t.trace_no = f.trace_no "
                   "WHERE f.bits & 1 AND f.trace_no < ?1 AND f.trace_no >= ?14 AND " SEARCH_FILTER
                   "ORDER BY f.trace_no DESC LIMIT ?13";

static void bind_str(sqlite3_stmt *statement, int at, struct str text)
{
    sqlite3_bind_text(statement, at, text.p ? text.p : "", (int)text.len, SQLITE_STATIC);
}

int64_t service_bit(struct query *query, struct str service)
{
    sqlite3_stmt *select = NULL;
    int64_t bit = -1;
    if (!service.len)
        return 0;
    if (sqlite3_prepare_v2(query->db, "SELECT id FROM name WHERE text = ?", -1, &select, NULL) ==
        SQLITE_OK) {
        bind_str(select, 1, service);
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

static void services_json(struct query *query, int64_t trace_no, struct buf *out)
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

static void trace_json(sqlite3_stmt *row, struct buf *out)
{
    static const char *const names[] = {
        "trace_id",         "start_time",    "duration_ns",     "entry_cluster",
        "entry_namespace",  "entry_service", "entry_operation", "span_count",
        "service_count",    "error_count",   "status",          "origin_service",
        "origin_operation", "origin_reason", "complete",        "parts",
        "reopened",         "kept"};
    buf_add_char(out, '{');
    for (int i = 0; i < 18; i++)
        json_column(out, names[i], row, 1 + i);
}

int query_traces_json(struct query *query, const struct query_filter *filter, struct buf *out,
                      struct err *err)
{
    sqlite3_stmt *select;
    char path[600];
    uint64_t before = INT64_MAX;
    uint32_t n = 0;
    int64_t last = 0;
    int code;
    if (filter->cursor.len && !str_to_u64(filter->cursor, &before))
        return err_set(err, ERR_INVALID, "cursor is not one that an answer gave");
    bool failed = str_eq(filter->status, STR("error"));
    if (query_begin(query, failed ? search_failed_sql : search_sql, &select, err))
        return err->code;
    snprintf(path, sizeof(path), "$.\"%.*s\"",
             (int)(filter->attr_key.len < 256 ? filter->attr_key.len : 256),
             filter->attr_key.p ? filter->attr_key.p : "");
    sqlite3_bind_int64(select, 1, (int64_t)before);
    sqlite3_bind_int64(select, 2, (int64_t)filter->window.from_ns);
    sqlite3_bind_int64(select, 3, (int64_t)filter->window.to_ns);
    bind_str(select, 4, filter->status);
    sqlite3_bind_int64(select, 5, (int64_t)filter->min_duration_ns);
    sqlite3_bind_int64(select, 6, service_bit(query, filter->service));
    bind_str(select, 7, filter->service);
    bind_str(select, 8, filter->namespace);
    bind_str(select, 9, filter->cluster);
    bind_str(select, 10, filter->operation);
    bind_str(select, 11, filter->attr_key.len ? str_of(path) : STR_NONE);
    bind_str(select, 12, filter->attr_value);
    sqlite3_bind_int64(select, 13, (int64_t)filter->limit + 1);
    sqlite3_bind_int64(select, 14, first_stored_after(query, filter->window.from_ns));
    buf_add_c(out, "{\"items\":[");
    while ((code = sqlite3_step(select)) == SQLITE_ROW && n < filter->limit) {
        if (n++)
            buf_add_char(out, ',');
        last = sqlite3_column_int64(select, 0);
        trace_json(select, out);
        services_json(query, last, out);
        buf_add_char(out, '}');
    }
    if (code == SQLITE_ROW)
        buf_addf(out, "],\"next\":\"%lld\"}", (long long)last);
    else
        buf_add_c(out, "],\"next\":null}");
    return query_end(query, select, code, err);
}

/* ---- one trace ---- */

static bool parse_id(struct str text, struct trace_id *id)
{
    char padded[33];
    if (!text.len || text.len > 32)
        return false;
    memset(padded, '0', 32);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (!hex)
            return false;
        padded[32 - text.len + i] = c;
    }
    padded[32] = '\0';
    id->low = strtoull(padded + 16, NULL, 16);
    padded[16] = '\0';
    id->high = strtoull(padded, NULL, 16);
    return true;
}

/* Looks through the runs, newest first; the id itself decides. 0 when there is none. */
static int find_trace(struct query *query, struct trace_id id, int64_t *trace_no, struct err *err)
{
    sqlite3_stmt *select;
    uint64_t halves[2] = {__builtin_bswap64(id.high), __builtin_bswap64(id.low)};
    *trace_no = 0;
    if (query_begin(
            query,
            "WITH RECURSIVE run(n) AS (SELECT next_trace_no / 100000 FROM position UNION ALL "
            "SELECT n - 1 FROM run WHERE n > (SELECT ifnull(min(trace_no), 0) / 100000 FROM "
            "trace_row)) "
            "SELECT t.trace_no FROM run CROSS JOIN trace_key k ON k.run = run.n AND k.hash = ?1 "
            "CROSS JOIN trace_row t ON t.trace_no = k.trace_no WHERE t.id = ?2 LIMIT 1",
            &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, (int64_t)(id.low ^ (id.high * UINT64_C(0x9e3779b97f4a7c15))));
    sqlite3_bind_blob(select, 2, halves, 16, SQLITE_STATIC);
    int code = sqlite3_step(select);
    if (code == SQLITE_ROW)
        *trace_no = sqlite3_column_int64(select, 0);
    return query_end(query, select, code, err);
}

struct shown_span {
    uint64_t span_id, parent_id;
    int64_t start_ns, end_ns;
    bool critical;
};

/* From the root along the child that ended last: what the whole had to wait for. */
static void mark_critical(struct shown_span *spans, size_t n)
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        bool has_parent = false;
        for (size_t k = 0; k < n && !has_parent && n < 20000; k++)
            has_parent = spans[k].span_id == spans[i].parent_id && k != i;
        if (!has_parent) {
            at = i;
            break;
        }
    }
    for (size_t steps = 0; steps < n && !spans[at].critical; steps++) {
        size_t latest = n;
        spans[at].critical = true;
        for (size_t i = 0; i < n; i++) {
            bool child = spans[i].parent_id == spans[at].span_id && i != at && !spans[i].critical;
            if (child && (latest == n || spans[i].end_ns > spans[latest].end_ns))
                latest = i;
        }
        if (latest == n)
            return;
        at = latest;
    }
}

static int load_shown(struct query *query, int64_t trace_no, struct shown_span **spans, size_t *n,
                      struct err *err)
{
    sqlite3_stmt *select;
    size_t cap = 0;
    int code;
    *spans = NULL;
    *n = 0;
    if (query_begin(query,
                    "SELECT span_id, parent_id, start_offset, duration_ns FROM span_row WHERE "
                    "trace_no = ? ORDER BY i",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, trace_no);
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        if (*n == cap) {
            cap = cap ? 2 * cap : 64;
            struct shown_span *grown = realloc(*spans, cap * sizeof(*grown));
            if (!grown) {
                code = SQLITE_NOMEM;
                break;
            }
            *spans = grown;
        }
        int64_t start = sqlite3_column_int64(select, 2);
        (*spans)[(*n)++] =
            (struct shown_span){.span_id = (uint64_t)sqlite3_column_int64(select, 0),
                                .parent_id = (uint64_t)sqlite3_column_int64(select, 1),
                                .start_ns = start,
                                .end_ns = start + sqlite3_column_int64(select, 3)};
    }
    mark_critical(*spans, *n);
    return query_end(query, select, code, err);
}

static int spans_json(struct query *query, int64_t trace_no, const struct shown_span *shown,
                      size_t n_shown, struct buf *out, struct err *err)
{
    static const char *const names[] = {
        "trace_id",       "span_id",     "parent_span_id", "cluster",        "namespace",
        "service",        "version",     "instance",       "role",           "operation",
        "kind",           "start_time",  "duration_ns",    "self_ns",        "status",
        "status_message", "http_status", "grpc_status",    "response_flags", "fault",
        "peer",           "format"};
    sqlite3_stmt *select;
    size_t n = 0;
    int code;
    if (query_begin(query,
                    "SELECT trace_id, span_id, parent_span_id, cluster, namespace, service, "
                    "version, instance, role, "
                    "operation, kind, start_time, duration_ns, self_ns, status, status_message, "
                    "http_status, grpc_status, "
                    "response_flags, fault, peer, format, resource, attributes, events, links "
                    "FROM span_numbered WHERE trace_no = ? ORDER BY i",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, trace_no);
    buf_add_c(out, "\"spans\":[");
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        buf_add_c(out, n ? ",{" : "{");
        for (int i = 0; i < 22; i++)
            json_column(out, names[i], select, i);
        static const char *const texts[] = {"resource", "attributes", "events", "links"};
        for (int i = 0; i < 4; i++) {
            buf_addf(out, ",\"%s\":", texts[i]);
            buf_add_str(out, column_str(select, 22 + i));
        }
        buf_addf(out, ",\"critical\":%s,\"hops\":[]}",
                 n < n_shown && shown[n].critical ? "true" : "false");
        n++;
    }
    buf_add_char(out, ']');
    return query_end(query, select, code, err);
}

static void call_json(const struct call *call, const struct shown_span *shown, size_t n, bool first,
                      struct buf *out)
{
    buf_add_c(out, first ? "{\"caller_span\":\"" : ",{\"caller_span\":\"");
    if (call->caller_span < n)
        buf_addf(out, "%016llx", (unsigned long long)shown[call->caller_span].span_id);
    buf_add_c(out, "\",\"callee_span\":\"");
    if (call->callee_span < n)
        buf_addf(out, "%016llx", (unsigned long long)shown[call->callee_span].span_id);
    buf_addf(out, "\",\"known_by\":\"%s\",\"transit_ns\":", known_by_word(call->known_by));
    if (call->transit_ns == DURATION_UNKNOWN)
        buf_add_c(out, "null");
    else
        buf_add_u64(out, call->transit_ns);
    buf_addf(out, ",\"retries\":%u,\"fault\":\"%s\"}", call->retries,
             call->recovered ? "recovered" : fault_word(call->fault));
}

static int calls_json(struct query *query, int64_t trace_no, const struct shown_span *shown,
                      size_t n, struct buf *out, struct err *err)
{
    sqlite3_stmt *select;
    struct call call;
    struct call_ids ids;
    bool first = true;
    if (query_begin(query, "SELECT calls FROM trace_row WHERE trace_no = ?", &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, trace_no);
    int code = sqlite3_step(select);
    buf_add_c(out, "\"calls\":[");
    if (code == SQLITE_ROW) {
        struct str blob = {sqlite3_column_blob(select, 0), (size_t)sqlite3_column_bytes(select, 0)};
        while (blob.len && calls_unpack_one(&blob, &call, &ids)) {
            call_json(&call, shown, n, first, out);
            first = false;
        }
    }
    buf_add_char(out, ']');
    return query_end(query, select, code, err);
}

static int head_json(struct query *query, int64_t trace_no, struct buf *out, struct err *err)
{
    sqlite3_stmt *select;
    if (query_begin(
            query,
            "SELECT trace_no, trace_id, start_time, duration_ns, entry_cluster, entry_namespace, "
            "entry_service, "
            "entry_operation, span_count, service_count, error_count, status, origin_service, "
            "origin_operation, "
            "origin_reason, complete, parts, reopened, kept FROM trace_numbered WHERE trace_no = ?",
            &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, trace_no);
    int code = sqlite3_step(select);
    buf_add_c(out, "\"trace\":");
    if (code == SQLITE_ROW) {
        trace_json(select, out);
        services_json(query, trace_no, out);
        buf_add_char(out, '}');
    } else {
        buf_add_c(out, "null");
    }
    return query_end(query, select, code, err);
}

int query_trace_json(struct query *query, struct str text, struct buf *out, struct err *err)
{
    struct trace_id id;
    struct shown_span *shown = NULL;
    int64_t trace_no;
    size_t n;
    if (!parse_id(text, &id))
        return err_set(err, ERR_INVALID, "a trace id is 1 to 32 hexadecimal digits");
    if (find_trace(query, id, &trace_no, err))
        return err->code;
    if (!trace_no)
        return err_set(err, ERR_NOT_FOUND, "there is no trace %016llx%016llx",
                       (unsigned long long)id.high, (unsigned long long)id.low);
    if (load_shown(query, trace_no, &shown, &n, err))
        goto done;
    buf_add_char(out, '{');
    if (head_json(query, trace_no, out, err))
        goto done;
    buf_add_char(out, ',');
    if (spans_json(query, trace_no, shown, n, out, err))
        goto done;
    buf_add_char(out, ',');
    if (calls_json(query, trace_no, shown, n, out, err))
        goto done;
    buf_add_char(out, '}');
done:
    free(shown);
    return err->code;
}
