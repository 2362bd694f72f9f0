/* query_incidents.c - incidents for the API, and the open one for the localiser. */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/model/incident.h"
#include "collector/store/query_internal.h"
#include "collector/store/statements.h"

#define BEFORE_NS (10 * NS_PER_MINUTE) /* of the onset, on the timeline */

#define INCIDENT_SELECT                                                                            \
    "SELECT id, CASE WHEN closed_ns IS NULL THEN 'open' ELSE 'closed' END, onset_ns, opened_ns, "  \
    "closed_ns, updated_ns, cluster, namespace, service, version, role, operation, symptom, "      \
    "failed_share, affected_calls, summary FROM incident_row "

static void time_column(struct buf *out, const char *name, sqlite3_stmt *row, int column)
{
    buf_addf(out, ",\"%s\":", name);
    if (sqlite3_column_type(row, column) == SQLITE_NULL) {
        buf_add_c(out, "null");
        return;
    }
    buf_add_char(out, '"');
    buf_add_time(out, (uint64_t)sqlite3_column_int64(row, column));
    buf_add_char(out, '"');
}

/* The columns of INCIDENT_SELECT, without the closing brace. */
static void incident_columns(struct buf *out, sqlite3_stmt *row)
{
    static const char *const times[] = {"onset", "opened", "closed", "updated"};
    buf_addf(out, "{\"id\":\"%lld\"", (long long)sqlite3_column_int64(row, 0));
    json_member(out, "state", column_str(row, 1));
    for (int i = 0; i < 4; i++)
        time_column(out, times[i], row, 2 + i);
    buf_add_c(out, ",\"entry\":{");
    json_node(out, "node", row, 6);
    json_member(out, "operation", column_str(row, 11));
    buf_add_char(out, '}');
    json_member(out, "symptom", column_str(row, 12));
    buf_add_c(out, ",\"failed_share\":");
    buf_add_double(out, sqlite3_column_double(row, 13));
    json_number_member(out, "affected_calls", sqlite3_column_int64(row, 14));
    json_member(out, "summary", column_str(row, 15));
}

/* A failure leaves the list short: the question's own error tells. */
static void suspects_json(struct query *query, int64_t id, bool whole, struct buf *out)
{
    struct err err = {0};
    sqlite3_stmt *select;
    int code;
    buf_add_c(out, ",\"suspects\":[");
    if (query_begin(query,
                    whole ? "SELECT whole FROM suspect_row WHERE incident_id = ? ORDER BY rank"
                          : "SELECT brief FROM suspect_row WHERE incident_id = ? ORDER BY rank",
                    &select, &err) == 0) {
        sqlite3_bind_int64(select, 1, id);
        for (int n = 0; (code = sqlite3_step(select)) == SQLITE_ROW; n++) {
            buf_add_c(out, n ? "," : "");
            buf_add_str(out, column_str(select, 0));
        }
        query_end(query, select, code, &err);
    }
    buf_add_char(out, ']');
}

/* One minute of requests, summed over the entries. */
struct minute_sum {
    int64_t minute, n, bad;
    struct histogram histogram;
};

static void minute_json(struct buf *out, struct minute_sum *sum, bool *first)
{
    uint64_t p95_ns = histogram_quantile(&sum->histogram, 0.95);
    if (sum->n) {
        buf_add_c(out, *first ? "{\"at\":\"" : ",{\"at\":\"");
        buf_add_time(out, (uint64_t)sum->minute * NS_PER_MINUTE);
        buf_addf(out, "\",\"calls\":%lld,\"errors\":%lld,\"p95_ns\":", (long long)sum->n,
                 (long long)sum->bad);
        if (p95_ns == UINT64_MAX)
            buf_add_c(out, "null}");
        else
            buf_addf(out, "%llu}", (unsigned long long)p95_ns);
        *first = false;
    }
    histogram_fini(&sum->histogram);
    *sum = (struct minute_sum){0};
}

static int timeline_json(struct query *query, struct window window, struct buf *out,
                         struct err *err)
{
    struct minute_sum sum = {0};
    sqlite3_stmt *select;
    bool first = true;
    int code;
    buf_add_c(out, ",\"timeline\":[");
    if (query_begin(query,
                    "SELECT t.minute, t.n, t.bad, t.histogram FROM tally_row t JOIN tally_key k ON "
                    "k.id = t.tally WHERE k.channel = 0 AND t.minute BETWEEN ? AND ? ORDER BY 1",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, (int64_t)(window.from_ns / NS_PER_MINUTE));
    sqlite3_bind_int64(select, 2, (int64_t)(window.to_ns / NS_PER_MINUTE));
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        if (sqlite3_column_int64(select, 0) != sum.minute)
            minute_json(out, &sum, &first);
        sum.minute = sqlite3_column_int64(select, 0);
        sum.n += sqlite3_column_int64(select, 1);
        sum.bad += sqlite3_column_int64(select, 2);
        histogram_decode(&sum.histogram, (struct str){sqlite3_column_blob(select, 3),
                                                      (size_t)sqlite3_column_bytes(select, 3)});
    }
    minute_json(out, &sum, &first);
    buf_add_char(out, ']');
    return query_end(query, select, code, err);
}

int query_incident_json(struct query *query, uint64_t id, struct buf *out, struct err *err)
{
    sqlite3_stmt *select;
    if (query_begin(query, INCIDENT_SELECT "WHERE id = ?", &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, (int64_t)id);
    int code = sqlite3_step(select);
    struct window window = {0};
    if (code == SQLITE_ROW) {
        incident_columns(out, select);
        window.from_ns = (uint64_t)sqlite3_column_int64(select, 2) - BEFORE_NS;
        window.to_ns = (uint64_t)sqlite3_column_int64(select, 5);
    }
    if (query_end(query, select, code, err))
        return err->code;
    if (code != SQLITE_ROW)
        return err_set(err, ERR_NOT_FOUND, "there is no incident %llu", (unsigned long long)id);
    suspects_json(query, (int64_t)id, true, out);
    if (timeline_json(query, window, out, err))
        return err->code;
    buf_add_char(out, '}');
    return 0;
}

int query_incidents_json(struct query *query, const struct query_filter *filter, struct buf *out,
                         struct err *err)
{
    sqlite3_stmt *select;
    uint64_t below = INT64_MAX, last = 0;
    uint32_t n = 0;
    int code;
    if (filter->cursor.len && !str_to_u64(filter->cursor, &below))
        return err_set(err, ERR_INVALID, "cursor is not one of an answer's next");
    if (query_begin(query,
                    INCIDENT_SELECT
                    "i WHERE id < ?4 AND (?5 = '' OR (?5 = 'open') = (closed_ns IS NULL)) AND "
                    "onset_ns < ?7 AND coalesce(closed_ns, ?7) >= ?6 AND (((?1 = '' OR cluster = "
                    "?1) AND (?2 = '' OR namespace = ?2) AND (?3 = '' OR service = ?3)) OR EXISTS "
                    "(SELECT 1 FROM suspect_row s WHERE s.incident_id = i.id AND (?1 = '' OR "
                    "s.cluster = ?1) AND (?2 = '' OR s.namespace = ?2) AND (?3 = '' OR s.service = "
                    "?3))) ORDER BY id DESC LIMIT ?8",
                    &select, err))
        return err->code;
    query_bind_node(select, filter);
    sqlite3_bind_int64(select, 4, (int64_t)below);
    statement_bind_text(select, 5, filter->status);
    sqlite3_bind_int64(select, 6, (int64_t)filter->window.from_ns);
    sqlite3_bind_int64(select, 7, (int64_t)filter->window.to_ns);
    sqlite3_bind_int64(select, 8, filter->limit + 1);
    buf_add_c(out, "{\"items\":[");
    while ((code = sqlite3_step(select)) == SQLITE_ROW && n < filter->limit) {
        buf_add_c(out, n++ ? "," : "");
        last = (uint64_t)sqlite3_column_int64(select, 0);
        incident_columns(out, select);
        suspects_json(query, (int64_t)last, false, out);
        buf_add_char(out, '}');
    }
    if (code == SQLITE_ROW)
        buf_addf(out, "],\"next\":\"%llu\"}", (unsigned long long)last);
    else
        buf_add_c(out, "],\"next\":null}");
    return query_end(query, select, code, err);
}

int query_incident_at(struct query *query, struct window window, uint64_t *id, struct err *err)
{
    sqlite3_stmt *select;
    *id = 0;
    if (query_begin(query,
                    "SELECT id FROM incident_row WHERE onset_ns < ?2 AND "
                    "coalesce(closed_ns, updated_ns) >= ?1 ORDER BY "
                    "min(coalesce(closed_ns, updated_ns), ?2) - max(onset_ns, ?1) DESC, id DESC "
                    "LIMIT 1",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, (int64_t)window.from_ns);
    sqlite3_bind_int64(select, 2, (int64_t)window.to_ns);
    int code = sqlite3_step(select);
    if (code == SQLITE_ROW)
        *id = (uint64_t)sqlite3_column_int64(select, 0);
    return query_end(query, select, code, err);
}

int query_onset_before(struct query *query, uint64_t at_ns, uint64_t *onset_ns, struct err *err)
{
    sqlite3_stmt *select;
    *onset_ns = 0;
    if (query_begin(query,
                    "SELECT min(onset_ns) FROM incident_row WHERE onset_ns < ?1 AND "
                    "coalesce(closed_ns, updated_ns) >= ?1",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, (int64_t)at_ns);
    int code = sqlite3_step(select);
    if (code == SQLITE_ROW)
        *onset_ns = (uint64_t)sqlite3_column_int64(select, 0);
    return query_end(query, select, code, err);
}

static void read_open(sqlite3_stmt *row, struct incident *incident)
{
    struct str *const texts[] = {&incident->entry.cluster, &incident->entry.namespace,
                                 &incident->entry.service, &incident->entry.version,
                                 &incident->entry.role,    &incident->operation};
    incident->id = (uint64_t)sqlite3_column_int64(row, 0);
    incident->onset_ns = (uint64_t)sqlite3_column_int64(row, 2);
    incident->opened_ns = (uint64_t)sqlite3_column_int64(row, 3);
    incident->updated_ns = (uint64_t)sqlite3_column_int64(row, 5);
    for (int i = 0; i < 6; i++)
        *texts[i] = arena_dup(&incident->arena, column_str(row, 6 + i));
    incident->symptom = symptom_from_word(column_str(row, 12));
    incident->failed_share = sqlite3_column_double(row, 13);
    incident->affected_calls = sqlite3_column_int64(row, 14);
    incident->summary = arena_dup(&incident->arena, column_str(row, 15));
}

/* The first suspect's service, which tells what the incident is about. */
static void read_cause(struct query *query, struct incident *incident)
{
    struct err err = {0};
    sqlite3_stmt *select;
    if (query_begin(query,
                    "SELECT cluster, namespace, service, version, role FROM suspect_row WHERE "
                    "incident_id = ? AND rank = 1",
                    &select, &err))
        return;
    sqlite3_bind_int64(select, 1, (int64_t)incident->id);
    int code = sqlite3_step(select);
    struct str *const texts[] = {&incident->cause.cluster, &incident->cause.namespace,
                                 &incident->cause.service, &incident->cause.version,
                                 &incident->cause.role};
    for (int i = 0; i < 5 && code == SQLITE_ROW; i++)
        *texts[i] = arena_dup(&incident->arena, column_str(select, i));
    query_end(query, select, code, &err);
}

int query_open_incidents(struct query *query, struct incident **incidents, uint64_t *last_id,
                         struct err *err)
{
    sqlite3_stmt *select;
    int code;
    *incidents = NULL;
    *last_id = 0;
    if (query_begin(query,
                    INCIDENT_SELECT "WHERE closed_ns IS NULL OR id = (SELECT max(id) FROM "
                                    "incident_row) ORDER BY id DESC",
                    &select, err))
        return err->code;
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        uint64_t id = (uint64_t)sqlite3_column_int64(select, 0);
        *last_id = id > *last_id ? id : *last_id;
        struct incident *incident =
            sqlite3_column_type(select, 4) == SQLITE_NULL ? incident_new() : NULL;
        if (!incident)
            continue;
        read_open(select, incident);
        incident->next = *incidents;
        *incidents = incident;
    }
    code = query_end(query, select, code, err);
    for (struct incident *at = *incidents; at; at = at->next)
        read_cause(query, at);
    return code;
}
