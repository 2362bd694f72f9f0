/* export.c - a database of what belongs to a window, a service or an incident.
 *
 * Rows are copied table by table by the statements below, each choosing by what those before it
 * chose: first nodes and incidents, then what is of the window, then what that refers to. Names and
 * nodes come whole, for traces name them inside packed columns; those of other times and services
 * are not seen in the file's `service` and `operation`. At the end every view becomes a plain table
 * of the same name, so that the file opens anywhere. What only a writer goes on with (addresses and
 * proxies that it learnt, what series told of edges, positions) stays behind.
 */
#include <stdio.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/store/copy_internal.h"
#include "collector/store/file.h"
#include "collector/store/statements.h"

#define BEFORE_ONSET_NS (30 * NS_PER_MINUTE)
#define DEFAULT_NS (60 * NS_PER_MINUTE)

/* Of all statements: ?1 and ?2 the window, ns; ?3 and ?4 its minutes; ?5 the bit of the service in
 * trace_row.services, 0 any; ?6 1 when a node is asked for; ?7 the incident, 0 any; ?8, ?9 and ?10
 * cluster, namespace and service; ?11 since when only failed traces are wanted, 0 all. `wanted` has
 * the nodes asked for: without a question, all. */
#define MINUTES(table, of, key)                                                                    \
    "INSERT INTO main." table " SELECT m.* FROM source." table " m JOIN source." of " k ON k.id "  \
    "= m." key " WHERE m.minute >= ?3 AND m.minute < ?4 AND "
#define USED(table, by, key)                                                                       \
    "INSERT INTO main." table " SELECT * FROM source." table " WHERE id IN (SELECT " key           \
    " FROM main." by ")"
#define ALL(table)                                                                                 \
    "DELETE FROM main." table, "INSERT INTO main." table " SELECT * FROM source." table
#define WANTED(column) column " IN (SELECT id FROM wanted)"
#define NAMED(row)                                                                                 \
    "((?8 = '' OR " row ".cluster = ?8) AND (?9 = '' OR " row ".namespace = ?9) AND "              \
    "(?10 = '' OR " row ".service = ?10))"
#define NUMBER(which, otherwise)                                                                   \
    "(SELECT ifnull(" which ", " otherwise ") FROM source.trace_minute WHERE minute >= ?3 AND "    \
    "minute < ?4)"
#define EITHER(one, other) "(" WANTED(one) " OR " WANTED(other) ")"

/* clang-format off */
static const char *const statements[] = {
    /* what was asked for, found before: see find_wanted() */
    ALL("name"),
    ALL("node"),
    "INSERT INTO main.incident_row SELECT * FROM source.incident_row i WHERE CASE WHEN ?7 THEN id = ?7 "
    "ELSE onset_ns < ?2 AND coalesce(closed_ns, ?2) >= ?1 AND (NOT ?6 OR " NAMED("i") " OR EXISTS "
    "(SELECT 1 FROM source.suspect_row s WHERE s.incident_id = i.id AND " NAMED("s") ")) END",
    "INSERT INTO main.suspect_row SELECT * FROM source.suspect_row WHERE incident_id IN (SELECT id "
    "FROM main.incident_row)",
    "INSERT INTO main.evidence_row SELECT * FROM source.evidence_row WHERE incident_id IN (SELECT "
    "id FROM main.incident_row)",
    "INSERT INTO main.pinned_trace SELECT * FROM source.pinned_trace WHERE incident_id IN (SELECT "
    "id FROM main.incident_row)",

    /* traces: of the window, and those that the incidents name */
    "INSERT INTO main.trace_row SELECT * FROM source.trace_row t WHERE trace_no >= " NUMBER("min(first_no)", "1")
    " AND trace_no <= " NUMBER("max(last_no)", "0") " AND start_ns >= ?1 AND start_ns < ?2 "
    "AND (NOT ?11 OR (start_ns >= ?11 AND bits & 1)) "
    "AND (NOT ?6 OR ((NOT ?5 OR services & ?5) AND (NOT bits & 4 OR " WANTED("entry") " OR EXISTS "
    "(SELECT 1 FROM source.span_row s WHERE s.trace_no = t.trace_no AND " WANTED("s.node") "))))",
    "INSERT OR IGNORE INTO main.trace_row SELECT * FROM source.trace_row WHERE trace_no IN (SELECT "
    "trace_no FROM main.pinned_trace)",
    "INSERT INTO main.span_row SELECT s.* FROM main.trace_row t CROSS JOIN source.span_row s ON "
    "s.trace_no = t.trace_no",
    "INSERT INTO main.trace_key SELECT * FROM source.trace_key WHERE run IN (SELECT DISTINCT "
    "trace_no / 100000 FROM main.trace_row) AND trace_no IN (SELECT trace_no FROM main.trace_row)",
    "INSERT INTO main.trace_minute SELECT start_ns / 60000000000, min(trace_no), max(trace_no) FROM "
    "main.trace_row GROUP BY 1",
    "INSERT INTO main.log_row SELECT l.* FROM main.trace_row t CROSS JOIN source.log_row l ON "
    "l.trace_id = t.id",
    ALL("log_limit"),
    USED("shape", "span_row", "shape"),
    USED("attribute_set", "span_row", "attribute_set"),
    USED("resource", "shape", "resource"),

    /* minutes, and what they are of */
    MINUTES("edge_minute_row", "edge", "edge") EITHER("k.caller", "k.callee"),
    USED("edge", "edge_minute_row", "edge"),
    MINUTES("hop_minute_row", "hop", "hop") EITHER("k.caller", "k.callee"),
    USED("hop", "hop_minute_row", "hop"),
    MINUTES("operation_minute_row", "operation_row", "operation") WANTED("k.node"),
    "INSERT INTO main.operation_row SELECT * FROM source.operation_row WHERE id IN (SELECT "
    "operation FROM main.operation_minute_row) OR (first_seen_ns < ?2 AND last_seen_ns >= ?1 "
    "AND " WANTED("node") ")",
    MINUTES("gap_minute_row", "gap", "gap") WANTED("k.node"),
    USED("gap", "gap_minute_row", "gap"),
    MINUTES("tally_row", "tally_key", "tally") EITHER("k.node", "k.peer"),
    USED("tally_key", "tally_row", "tally"),
    "INSERT INTO main.minute_age SELECT * FROM source.minute_age WHERE minute >= ?3 AND minute < "
    "?4",
    "INSERT INTO main.ingest_minute_row SELECT * FROM source.ingest_minute_row WHERE minute >= ?3 "
    "AND minute < ?4",
    "INSERT INTO main.relation SELECT * FROM source.relation WHERE first_ns < ?2 AND last_ns >= ?1 "
    "AND " EITHER("caller", "callee"),
    "INSERT INTO main.relation_version SELECT * FROM source.relation_version WHERE relation IN "
    "(SELECT id FROM main.relation)",
    "INSERT INTO main.edge_event_row SELECT * FROM source.edge_event_row WHERE at_ns >= ?1 AND "
    "at_ns < ?2 AND " EITHER("caller", "callee"),
    ALL("allow_plaintext"),
    ALL("clock"),

    /* metrics */
    "INSERT INTO main.metric_point_row SELECT p.* FROM source.metric_generation g CROSS JOIN "
    "source.metric_point_row p ON p.generation = g.id WHERE p.at_ns >= ?1 AND p.at_ns < ?2 AND "
    "(?10 = '' OR p.series IN (SELECT s.id FROM source.metric_series_row s JOIN source.metric_resource r "
    "ON r.id = s.resource WHERE json_extract(r.json, '$.\"service.name\"') = ?10))",
    USED("metric_series_row", "metric_point_row", "series"),
    USED("metric_resource", "metric_series_row", "resource"),
    ALL("metric_generation"),
    ALL("metric_family"),

    /* the whole */
    "UPDATE main.position SET next_trace_no = (SELECT ifnull(max(trace_no), 0) + 1 FROM "
    "main.trace_row), n_spans = (SELECT count(*) FROM main.span_row)",
    "UPDATE main.node SET first_seen_ns = 0, last_seen_ns = 0 WHERE NOT (first_seen_ns < ?2 AND "
    "last_seen_ns >= ?1 AND (NOT ?6 OR " WANTED("id") " OR id IN (SELECT caller FROM main.edge UNION SELECT callee FROM main.edge)))",
    "CREATE TABLE main." EXPORT_MARK " (from_ns INTEGER, to_ns INTEGER, cluster TEXT, namespace "
    "TEXT, service TEXT, incident INTEGER)",
    "INSERT INTO main." EXPORT_MARK " VALUES (?1, ?2, ?8, ?9, ?10, nullif(?7, 0))",
};
/* clang-format on */

bool export_of_service(struct str text, struct export_request *request)
{
    request->cluster = request->namespace = STR_NONE;
    node_read_text(text, &request->cluster, &request->namespace, &request->service);
    return str_find(request->cluster, '/') < 0;
}

/* ---- what is asked for, as numbers ---- */

struct choice {
    struct export_request request; /* its window complete */
    int64_t bit;                   /* of the service in trace_row.services; 0: none is asked for */
    int64_t failed_ns; /* an incident in its own window: of its traces the failed ones, and those
                          that it names; 0: all */
    bool of_node;
};

/* What a statement does not ask for it cannot be given: that is no error. */
static void bind(sqlite3_stmt *statement, const struct choice *choice)
{
    const struct export_request *request = &choice->request;
    const int64_t numbers[7] = {
        (int64_t)request->window.from_ns,
        (int64_t)request->window.to_ns,
        (int64_t)(request->window.from_ns / NS_PER_MINUTE),
        (int64_t)((request->window.to_ns + NS_PER_MINUTE - 1) / NS_PER_MINUTE),
        choice->bit,
        choice->of_node,
        (int64_t)request->incident,
    };
    for (int i = 0; i < 7; i++)
        sqlite3_bind_int64(statement, i + 1, numbers[i]);
    statement_bind_text(statement, 8, request->cluster);
    statement_bind_text(statement, 9, request->namespace);
    statement_bind_text(statement, 10, request->service);
    sqlite3_bind_int64(statement, 11, choice->failed_ns);
}

static int run(sqlite3 *db, const char *sql, const struct choice *choice)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (!code) {
        bind(statement, choice);
        code = statement_run(statement);
    }
    sqlite3_finalize(statement);
    return code;
}

/* Two numbers of a row; *found says whether there is one. */
static int two_numbers(sqlite3 *db, const char *sql, const struct choice *choice,
                       int64_t numbers[2], bool *found)
{
    sqlite3_stmt *select = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &select, NULL);
    if (!code) {
        bind(select, choice);
        code = sqlite3_step(select);
        *found = code == SQLITE_ROW;
        for (int i = 0; i < 2 && *found; i++)
            numbers[i] = sqlite3_column_int64(select, i);
        code = code == SQLITE_ROW || code == SQLITE_DONE ? 0 : code;
    }
    sqlite3_finalize(select);
    return code;
}

static int find_incident(struct copy *copy, struct choice *choice, struct err *err)
{
    struct window *window = &choice->request.window;
    int64_t numbers[2];
    bool found = false;
    uint64_t now_ns = clock_wall_ns();
    if (!window->to_ns && !choice->request.incident)
        *window = (struct window){now_ns - DEFAULT_NS, now_ns};
    if (!choice->request.incident)
        return 0;
    int code = two_numbers(copy->db,
                           "SELECT onset_ns, coalesce(closed_ns, updated_ns) FROM "
                           "source.incident_row WHERE id = ?7",
                           choice, numbers, &found);
    if (code)
        return copy_failed(copy, code, err);
    if (!found)
        return err_set(err, ERR_NOT_FOUND, "there is no incident %llu",
                       (unsigned long long)choice->request.incident);
    if (!window->to_ns) {
        uint64_t onset_ns = (uint64_t)numbers[0], end_ns = (uint64_t)numbers[1];
        *window = (struct window){onset_ns > BEFORE_ONSET_NS ? onset_ns - BEFORE_ONSET_NS : 0,
                                  end_ns > onset_ns ? end_ns : onset_ns + 1};
        choice->failed_ns = numbers[0];
    }
    return 0;
}

static int find_wanted(struct copy *copy, struct choice *choice, struct err *err)
{
    const struct export_request *request = &choice->request;
    int64_t numbers[2] = {0, 0};
    bool found;
    choice->of_node = request->service.len || request->namespace.len || request->cluster.len;
    int code = sqlite3_exec(copy->db, "CREATE TEMP TABLE wanted (id INTEGER PRIMARY KEY)", NULL,
                            NULL, NULL);
    code = code
               ? code
               : run(copy->db,
                     "INSERT INTO wanted SELECT d.id FROM source.node d JOIN source.name c ON c.id "
                     "= d.cluster JOIN source.name n ON n.id = d.namespace JOIN source.name s ON "
                     "s.id = d.service WHERE (?8 = '' OR c.text = ?8) AND (?9 = '' OR n.text = ?9) "
                     "AND (?10 = '' OR s.text = ?10)",
                     choice);
    code = code ? code
                : two_numbers(copy->db,
                              "SELECT (SELECT count(*) FROM wanted), ifnull((SELECT 1 << (id % 62) "
                              "FROM source.name WHERE text = ?10 AND ?10 != ''), 0)",
                              choice, numbers, &found);
    if (code)
        return copy_failed(copy, code, err);
    choice->bit = numbers[1];
    if (choice->of_node && !numbers[0])
        return err_set(err, ERR_NOT_FOUND, "nobody was seen that is called '%.*s'",
                       STR_ARG(request->service));
    return 0;
}

/* ---- views to tables ---- */

static int make_table(sqlite3 *db, const char *view)
{
    char *sql = sqlite3_mprintf("CREATE TABLE main.whole AS SELECT * FROM main.\"%w\"; DROP VIEW "
                                "main.\"%w\"; ALTER TABLE main.whole RENAME TO \"%w\"",
                                view, view, view);
    int code = sql ? sqlite3_exec(db, sql, NULL, NULL, NULL) : SQLITE_NOMEM;
    sqlite3_free(sql);
    return code;
}

static int make_tables(sqlite3 *db)
{
    char names[64][48];
    size_t n = 0;
    sqlite3_stmt *select = NULL;
    int code =
        sqlite3_prepare_v2(db, "SELECT DISTINCT view_name FROM main.help_row", -1, &select, NULL);
    while (!code && n < 64 && (code = sqlite3_step(select)) == SQLITE_ROW) {
        snprintf(names[n++], sizeof(names[0]), "%s", (const char *)sqlite3_column_text(select, 0));
        code = 0;
    }
    code = code == SQLITE_DONE ? 0 : code;
    sqlite3_finalize(select);
    for (size_t i = 0; i < n && !code; i++)
        code = make_table(db, names[i]);
    return code ? code
                : sqlite3_exec(db,
                               "CREATE INDEX main.span_of_trace ON span (trace_id); CREATE INDEX "
                               "main.trace_of_id ON trace (trace_id)",
                               NULL, NULL, NULL);
}

/* ---- the file ---- */

/* By a URI, in which some characters of a path have a meaning of their own. */
static int attach(struct copy *copy)
{
    struct buf uri;
    sqlite3_stmt *statement = NULL;
    buf_init(&uri, 16384);
    buf_add_c(&uri, "file:");
    for (const char *c = copy->settings->from; *c; c++)
        buf_addf(&uri, strchr("%?#", *c) ? "%%%02X" : "%c", (unsigned char)*c);
    buf_add_c(&uri, "?mode=ro");
    int code = buf_failed(&uri)
                   ? SQLITE_NOMEM
                   : sqlite3_prepare_v2(copy->db, "ATTACH ? AS source", -1, &statement, NULL);
    if (!code) {
        sqlite3_bind_text(statement, 1, uri.p, (int)uri.len, SQLITE_STATIC);
        code = statement_run(statement);
    }
    sqlite3_finalize(statement);
    buf_fini(&uri);
    return code;
}

/* One transaction: from its first look at the source on, nothing that is written there is seen. */
static int fill(struct copy *copy, struct choice *choice, struct err *err)
{
    int code = store_file_migrate(copy->db);
    code = code ? code : attach(copy);
    code = code ? code : sqlite3_exec(copy->db, "BEGIN", NULL, NULL, NULL);
    if (code)
        return copy_failed(copy, code, err);
    if (find_incident(copy, choice, err) || find_wanted(copy, choice, err))
        return err->code;
    for (size_t i = 0; i < sizeof(statements) / sizeof(statements[0]) && !code; i++)
        code = run(copy->db, statements[i], choice);
    code = code ? code : make_tables(copy->db);
    code = code ? code : sqlite3_exec(copy->db, "COMMIT", NULL, NULL, NULL);
    return code ? copy_failed(copy, code, err) : 0;
}

int store_export(const struct copy_settings *settings, const struct export_request *request,
                 struct err *err)
{
    struct choice choice = {.request = *request};
    struct copy copy;
    if (copy_begin(&copy, settings, err) == 0)
        fill(&copy, &choice, err);
    return copy_end(&copy, err);
}
