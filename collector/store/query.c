/* query.c - read-only connections, what answers share, numbers of the whole. */
#include "collector/store/query.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "collector/base/clock.h"
#include "collector/store/file.h"
#include "collector/store/query_folded.h"
#include "collector/store/sql_guard.h"
#include "collector/store/statements.h"

#define DEADLINE_NS (10 * NS_PER_S)
#define APPLICATION_ID 0x664c6e31

static int past_deadline(void *ctx)
{
    const struct query *query = ctx;
    return clock_mono_ns() > query->deadline_ns;
}

void query_watch_deadline(struct query *query)
{
    sqlite3_progress_handler(query->db, 10000, past_deadline, query);
}

/* A number of the file's head; SQLITE_ROW when it is there. */
static int read_head(sqlite3 *db, const char *pragma, int64_t *number)
{
    sqlite3_stmt *select = NULL;
    int code = sqlite3_prepare_v2(db, pragma, -1, &select, NULL);
    code = code ? code : sqlite3_step(select);
    if (code == SQLITE_ROW)
        *number = sqlite3_column_int64(select, 0);
    sqlite3_finalize(select);
    return code;
}

/* A file that cannot be read now may be ours all the same. */
static int check_ours(struct query *query, const char *path, struct err *err)
{
    int64_t id = 0, version = 0;
    int code = read_head(query->db, "PRAGMA application_id", &id);
    if (code == SQLITE_ROW && id == APPLICATION_ID)
        code = read_head(query->db, "PRAGMA user_version", &version);
    query->version = version;
    if (code != SQLITE_ROW && code != SQLITE_NOTADB)
        return err_set(err, ERR_IO, "%s: cannot be read: %s", path, sqlite3_errstr(code));
    if (id != APPLICATION_ID)
        return err_set(err, ERR_IO, "%s is no faultline database", path);
    if (version > store_file_version())
        return err_set(err, ERR_IO,
                       "%s: the database has schema version %lld, this program knows %d; use a "
                       "newer faultline",
                       path, (long long)version, store_file_version());
    return 0;
}

/* On a file system that cannot be written, SQLite opens a file in WAL mode only when it is told
 * that nobody changes it. Who has a journal beside it is not told so: it may be changed elsewhere.
 */
static bool is_unchanging(const char *path)
{
    struct statvfs system;
    struct stat info;
    char journal[4096];
    snprintf(journal, sizeof(journal), "%s-wal", path);
    return statvfs(path, &system) == 0 && (system.f_flag & ST_RDONLY) && stat(journal, &info) != 0;
}

static int open_database(const char *path, sqlite3 **db)
{
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
    struct buf uri;
    if (!is_unchanging(path))
        return sqlite3_open_v2(path, db, flags, NULL);
    buf_init(&uri, 1u << 16);
    buf_add_c(&uri, "file:");
    for (; *path; path++)
        buf_addf(&uri, strchr("%?#", *path) ? "%%%02x" : "%c", *path);
    buf_add_c(&uri, "?immutable=1");
    buf_add_char(&uri, '\0');
    int code =
        buf_failed(&uri) ? SQLITE_NOMEM : sqlite3_open_v2(uri.p, db, flags | SQLITE_OPEN_URI, NULL);
    buf_fini(&uri);
    return code;
}

int query_open(const char *path, struct query **result, struct err *err)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return err_set(err, ERR_NOT_FOUND, "%s: there is no such database", path);
    struct query *query = calloc(1, sizeof(*query));
    if (!query)
        return err_set(err, ERR_BUSY, "memory is short");
    int code = open_database(path, &query->db);
    if (code) {
        query_close(query);
        return err_set(err, ERR_IO, "%s: cannot be opened: %s", path, sqlite3_errstr(code));
    }
    sqlite3_busy_timeout(query->db, 2000);
    if (check_ours(query, path, err)) {
        query_close(query);
        return err->code;
    }
    query_watch_deadline(query);
    query_add_functions(query->db);
    folded_add_function(query->db);
    rollup_add_function(query->db);
    sql_guard_functions(query->db);
    *result = query;
    return 0;
}

bool query_is_older(const struct query *query, struct err *err)
{
    if (query->version >= store_file_version())
        return false;
    err_set(err, ERR_IO,
            "the database has schema version %lld, this program %d; let 'faultline serve' of this "
            "program open it once",
            (long long)query->version, store_file_version());
    return true;
}

void query_close(struct query *query)
{
    if (!query)
        return;
    sqlite3_close(query->db);
    free(query);
}

int query_begin(struct query *query, const char *sql, sqlite3_stmt **statement, struct err *err)
{
    query->deadline_ns = clock_mono_ns() + DEADLINE_NS;
    if (sqlite3_prepare_v2(query->db, sql, -1, statement, NULL) == SQLITE_OK)
        return 0;
    return query_unprepared(query, err);
}

int query_unprepared(const struct query *query, struct err *err)
{
    const char *text = sqlite3_errmsg(query->db);
    if (strncmp(text, "no such ", 8) != 0 || !query_is_older(query, err))
        err_set(err, ERR_INVALID, "%s", text);
    return err->code;
}

int query_end(struct query *query, sqlite3_stmt *statement, int code, struct err *err)
{
    int result = 0;
    if (code == SQLITE_INTERRUPT)
        result = err_set(err, ERR_BUSY, "the question took too long");
    else if (code != SQLITE_ROW && code != SQLITE_DONE && code != SQLITE_OK)
        result = err_set(err, ERR_IO, "%s", sqlite3_errmsg(query->db));
    sqlite3_finalize(statement);
    return result;
}

/* A file that no newer program has opened for writing lacks the table: everything is looked at. */
int query_trace_numbers(struct query *query, struct window window, int64_t *first, int64_t *last,
                        struct err *err)
{
    sqlite3_stmt *select;
    struct err ignored = {0};
    *first = 0;
    *last = INT64_MAX;
    if (query_begin(query,
                    "SELECT ifnull(min(first_no), 1), ifnull(max(last_no), 0) FROM trace_minute "
                    "WHERE minute BETWEEN ? AND ?",
                    &select, &ignored))
        return 0;
    sqlite3_bind_int64(select, 1, (int64_t)(window.from_ns / NS_PER_MINUTE));
    sqlite3_bind_int64(select, 2, (int64_t)(window.to_ns / NS_PER_MINUTE));
    int code = sqlite3_step(select);
    if (code == SQLITE_ROW) {
        *first = sqlite3_column_int64(select, 0);
        *last = sqlite3_column_int64(select, 1);
    }
    return query_end(query, select, code, err);
}

struct str column_str(sqlite3_stmt *row, int column)
{
    const void *text = sqlite3_column_text(row, column);
    return (struct str){text, (size_t)sqlite3_column_bytes(row, column)};
}

int query_trace_no_before(struct query *query, uint64_t ns, int64_t *trace_no, struct err *err)
{
    sqlite3_stmt *select;
    int64_t low = 0, high = INT64_MAX;
    if (query_begin(query, "SELECT max(trace_no) FROM trace_row", &select, err))
        return err->code;
    int code = sqlite3_step(select);
    high = code == SQLITE_ROW ? sqlite3_column_int64(select, 0) + 1 : 1;
    if (query_end(query, select, code, err) ||
        query_begin(query,
                    "SELECT start_ns FROM trace_row WHERE trace_no >= ? ORDER BY trace_no LIMIT 1",
                    &select, err))
        return err->code;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        sqlite3_bind_int64(select, 1, middle);
        code = sqlite3_step(select);
        if (code == SQLITE_ROW && (uint64_t)sqlite3_column_int64(select, 0) < ns)
            low = middle + 1;
        else
            high = middle;
        sqlite3_reset(select);
    }
    *trace_no = low;
    return query_end(query, select, SQLITE_DONE, err);
}

static void comma(struct buf *out)
{
    char last = out->len ? out->p[out->len - 1] : '{';
    if (last != '{' && last != '[')
        buf_add_char(out, ',');
}

void json_member(struct buf *out, const char *name, struct str text)
{
    comma(out);
    buf_addf(out, "\"%s\":", name);
    buf_add_json(out, text);
}

void json_number_member(struct buf *out, const char *name, int64_t number)
{
    comma(out);
    buf_addf(out, "\"%s\":", name);
    buf_add_i64(out, number);
}

void json_column(struct buf *out, const char *name, sqlite3_stmt *row, int column)
{
    int type = sqlite3_column_type(row, column);
    if (type == SQLITE_TEXT) {
        json_member(out, name, column_str(row, column));
    } else if (type == SQLITE_INTEGER) {
        json_number_member(out, name, sqlite3_column_int64(row, column));
    } else {
        comma(out);
        buf_addf(out, "\"%s\":null", name);
    }
}

void json_node(struct buf *out, const char *name, sqlite3_stmt *row, int first)
{
    static const char *const names[5] = {"cluster", "namespace", "service", "version", "role"};
    comma(out);
    buf_addf(out, "\"%s\":{", name);
    for (int i = 0; i < 5; i++)
        json_member(out, names[i], column_str(row, first + i));
    buf_add_char(out, '}');
}

void query_bind_node(sqlite3_stmt *select, const struct query_filter *filter)
{
    const struct str texts[3] = {filter->cluster, filter->namespace, filter->service};
    statement_bind_texts(select, 1, texts, 3);
}

void query_bind_filter(sqlite3_stmt *select, const struct query_filter *filter, int64_t offset)
{
    query_bind_node(select, filter);
    sqlite3_bind_int64(select, 4, filter->limit + 1);
    sqlite3_bind_int64(select, 5, offset);
}

int query_offset(struct str cursor, int64_t *offset, struct err *err)
{
    uint64_t number = 0;
    if (cursor.len && !str_to_u64(cursor, &number))
        return err_set(err, ERR_INVALID, "cursor is not one that an answer gave");
    *offset = (int64_t)number;
    return 0;
}

void query_end_items(struct buf *out, bool more, uint64_t next)
{
    if (more)
        buf_addf(out, "],\"next\":\"%llu\"}", (unsigned long long)next);
    else
        buf_add_c(out, "],\"next\":null}");
}

const char *query_sqlite_version(void)
{
    return sqlite3_libversion();
}

/* Traces that the oldest and the newest start are looked for among: those stored first and last.
 * One alone may have no time that can be. */
#define NEAR_END "100"

int query_status(struct query *query, struct query_status *status, struct err *err)
{
    sqlite3_stmt *select;
    char wal[4200];
    struct stat info;
    *status = (struct query_status){0};
    if (query_begin(query,
                    "SELECT (SELECT n_spans FROM position), "
                    "(SELECT max(trace_no) - min(trace_no) + 1 FROM trace_row), "
                    "(SELECT min(start_ns) FROM (SELECT start_ns FROM trace_row ORDER BY trace_no "
                    "LIMIT " NEAR_END ") WHERE start_ns > 0), "
                    "(SELECT max(start_ns) FROM (SELECT start_ns FROM trace_row ORDER BY trace_no "
                    "DESC LIMIT " NEAR_END "))",
                    &select, err))
        return err->code;
    int code = sqlite3_step(select);
    if (code == SQLITE_ROW) {
        status->n_spans = (uint64_t)sqlite3_column_int64(select, 0);
        status->n_traces = (uint64_t)sqlite3_column_int64(select, 1);
        status->oldest_ns = (uint64_t)sqlite3_column_int64(select, 2);
        status->newest_ns = (uint64_t)sqlite3_column_int64(select, 3);
    }
    const char *path = sqlite3_db_filename(query->db, "main");
    if (path && stat(path, &info) == 0)
        status->file_bytes = (uint64_t)info.st_size;
    snprintf(wal, sizeof(wal), "%s-wal", path ? path : "");
    if (stat(wal, &info) == 0)
        status->wal_bytes = (uint64_t)info.st_size;
    return query_end(query, select, code, err);
}
