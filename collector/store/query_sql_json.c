/* query_sql_json.c - one SQL question of a stranger, answered as JSON: POST /api/v1/sql. */
#include <math.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/json.h"
#include "collector/store/sql_guard.h"

#define SQL_MEMORY ((size_t)256 << 20)
#define MOST_EXACT ((INT64_C(1) << 53) - 1) /* of integers that every reader of JSON reads */

struct asking {
    struct query *query;
    const struct sql_question *question;
    sqlite3_stmt *statement;
    struct arena arena; /* texts of parameters */
    struct err *err;
};

/* ---- what went wrong ---- */

static unsigned line_of(const char *sql, int offset)
{
    unsigned line = 1;
    for (int i = 0; i < offset && sql[i]; i++)
        line += sql[i] == '\n';
    return line;
}

static int fail(const struct asking *asking, int code, const char *sql)
{
    sqlite3 *db = asking->query->db;
    int offset = sqlite3_error_offset(db);
    if (asking->query->denied || sql_guard_is_write(db))
        return err_set(asking->err, ERR_FORBIDDEN, "only reading is allowed: %s",
                       sqlite3_errmsg(db));
    switch (code & 0xff) {
    case SQLITE_INTERRUPT:
        if (sql_guard_over_memory(asking->query))
            return err_set(asking->err, ERR_TOO_BIG, "it takes more memory than a question may");
        return err_set(asking->err, ERR_TIMEOUT,
                       "it took longer than web.sql_timeout (%.3g s): ask for less time or fewer "
                       "rows, or raise the setting",
                       (double)asking->question->timeout_ns / NS_PER_S);
    case SQLITE_TOOBIG:
    case SQLITE_NOMEM:
        return err_set(asking->err, ERR_TOO_BIG, "a value or the question is too big");
    case SQLITE_READONLY:
        return err_set(asking->err, ERR_FORBIDDEN, "only reading is allowed");
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return err_set(asking->err, ERR_BUSY, "the database is busy; try again");
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
        return err_set(asking->err, ERR_IO, "%s", sqlite3_errmsg(db));
    default:
        return offset < 0 ? err_set(asking->err, ERR_INVALID, "%s", sqlite3_errmsg(db))
                          : err_set(asking->err, ERR_INVALID, "line %u: %s", line_of(sql, offset),
                                    sqlite3_errmsg(db));
    }
}

/* ---- parameters ---- */

/* ":name", "@name" and "$name" are all called name. 0 when the question does not have it. */
static int place_of(sqlite3_stmt *statement, struct str name)
{
    int n = sqlite3_bind_parameter_count(statement);
    for (int i = 1; i <= n; i++) {
        const char *own = sqlite3_bind_parameter_name(statement, i);
        if (own && (str_eq(str_of(own), name) || str_eq(str_of(own + 1), name)))
            return i;
    }
    return 0;
}

static int bind_number(sqlite3_stmt *statement, int at, struct str number)
{
    int64_t whole;
    double real;
    if (str_to_i64(number, &whole))
        return sqlite3_bind_int64(statement, at, whole);
    return str_to_double(number, &real) ? sqlite3_bind_double(statement, at, real)
                                        : SQLITE_MISMATCH;
}

/* Reads one value, and binds it unless `at` is 0. */
static int bind_value(struct asking *asking, struct json *json, int at)
{
    struct json_text quoted;
    struct str text;
    bool yes;
    sqlite3_stmt *statement = asking->statement;
    switch (json_peek(json)) {
    case JSON_NULL:
        return json_null(json) && at ? sqlite3_bind_null(statement, at) : SQLITE_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        return json_bool(json, &yes) && at ? sqlite3_bind_int(statement, at, yes) : SQLITE_OK;
    case JSON_NUMBER:
        return json_number(json, &text) && at ? bind_number(statement, at, text) : SQLITE_OK;
    case JSON_STRING:
        if (!json_string(json, &quoted) || !at)
            return SQLITE_OK;
        text = quoted.escaped || !quoted.plain ? json_unescape(&asking->arena, quoted) : quoted.raw;
        return text.p ? sqlite3_bind_text64(statement, at, text.p, text.len, SQLITE_STATIC,
                                            SQLITE_UTF8)
                      : SQLITE_NOMEM;
    default:
        return SQLITE_MISMATCH;
    }
}

static int bind_named(struct asking *asking, struct json *json, bool *bound)
{
    struct json_text key;
    int code = SQLITE_OK;
    while (code == SQLITE_OK && json_next_key(json, &key)) {
        struct str name = key.escaped || !key.plain ? json_unescape(&asking->arena, key) : key.raw;
        int at = name.p ? place_of(asking->statement, name) : 0;
        code = bind_value(asking, json, at);
        bound[at] = true;
    }
    return code;
}

static int bind_listed(struct asking *asking, struct json *json, bool *bound, int n)
{
    int code = SQLITE_OK;
    for (int at = 1; code == SQLITE_OK && json_next_item(json); at++) {
        code = at <= n ? bind_value(asking, json, at) : SQLITE_RANGE;
        bound[at <= n ? at : 0] = true;
    }
    return code;
}

static int bind_all(struct asking *asking)
{
    int n = sqlite3_bind_parameter_count(asking->statement), code = SQLITE_OK;
    struct str params = asking->question->params;
    bool *bound = calloc((size_t)n + 1, sizeof(bool));
    struct json json;
    if (!bound)
        return err_set(asking->err, ERR_BUSY, "memory is short");
    json_init(&json, params);
    if (params.len && json_peek(&json) == JSON_OBJECT && json_open_object(&json))
        code = bind_named(asking, &json, bound);
    else if (params.len && json_peek(&json) == JSON_ARRAY && json_open_array(&json))
        code = bind_listed(asking, &json, bound, n);
    else if (params.len)
        code = SQLITE_MISMATCH;
    if (code || json.error)
        err_set(asking->err, ERR_INVALID,
                code == SQLITE_RANGE
                    ? "params has more values than the question has parameters"
                    : "params is an object or a list of numbers, texts, booleans and nulls");
    for (int i = 1; i <= n && !asking->err->code; i++) {
        const char *name = sqlite3_bind_parameter_name(asking->statement, i);
        if (!bound[i])
            err_set(asking->err, ERR_INVALID, "params has no value for %s", name ? name : "a ?");
    }
    free(bound);
    return asking->err->code;
}

/* ---- rows ---- */

static void value_json(sqlite3_stmt *row, int column, struct buf *out)
{
    int64_t whole = sqlite3_column_int64(row, column);
    bool quote;
    switch (sqlite3_column_type(row, column)) {
    case SQLITE_INTEGER:
        buf_addf(out, whole > MOST_EXACT || whole < -MOST_EXACT ? "\"%lld\"" : "%lld",
                 (long long)whole);
        break;
    case SQLITE_FLOAT:
        quote = !isfinite(sqlite3_column_double(row, column));
        buf_add_c(out, quote ? "\"" : "");
        buf_add_sql_double(out, sqlite3_column_double(row, column));
        buf_add_c(out, quote ? "\"" : "");
        break;
    case SQLITE_TEXT:
        buf_add_json(out, column_str(row, column));
        break;
    case SQLITE_BLOB:
        buf_addf(out, "\"(%d bytes)\"", sqlite3_column_bytes(row, column));
        break;
    default:
        buf_add_c(out, "null");
    }
}

static void row_json(sqlite3_stmt *row, int n_columns, int *types, struct buf *out)
{
    for (int i = 0; i < n_columns; i++) {
        if (types[i] == SQLITE_NULL)
            types[i] = sqlite3_column_type(row, i);
        buf_add_char(out, i ? ',' : '[');
        value_json(row, i, out);
    }
    buf_add_char(out, ']');
}

/* A column's type is that of its first value; without one, as it was declared. */
static void columns_json(sqlite3_stmt *statement, int n_columns, const int *types, struct buf *out)
{
    static const char *const words[] = {[SQLITE_INTEGER] = "integer",
                                        [SQLITE_FLOAT] = "real",
                                        [SQLITE_TEXT] = "text",
                                        [SQLITE_BLOB] = "blob"};
    buf_add_c(out, "{\"columns\":[");
    for (int i = 0; i < n_columns; i++) {
        const char *name = sqlite3_column_name(statement, i);
        const char *declared = sqlite3_column_decltype(statement, i);
        buf_add_c(out, i ? ",{" : "{");
        json_member(out, "name", str_of(name ? name : ""));
        json_member(out, "type",
                    str_of(types[i] != SQLITE_NULL ? words[types[i]]
                           : declared              ? declared
                                                   : ""));
        buf_add_char(out, '}');
    }
    buf_add_c(out, "],\"rows\":[");
}

static int answer(struct asking *asking, struct buf *rows, struct buf *out)
{
    sqlite3_stmt *statement = asking->statement;
    int n_columns = sqlite3_column_count(statement), code;
    int *types = malloc(((size_t)n_columns + 1) * sizeof(*types));
    uint64_t n = 0, begun_ns = clock_mono_ns();
    if (!types)
        return err_set(asking->err, ERR_BUSY, "memory is short");
    for (int i = 0; i < n_columns; i++)
        types[i] = SQLITE_NULL;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW && n < asking->question->limit &&
           !buf_failed(rows)) {
        buf_add_c(rows, n++ ? "," : "");
        row_json(statement, n_columns, types, rows);
    }
    if (buf_failed(rows))
        err_set(asking->err, ERR_TOO_BIG, "the answer is too large; ask for less");
    else if (code != SQLITE_ROW && code != SQLITE_DONE)
        fail(asking, code, sqlite3_sql(statement));
    if (!asking->err->code) {
        columns_json(statement, n_columns, types, out);
        buf_add_str(out, buf_str(rows));
        buf_addf(out, "],\"truncated\":%s,\"elapsed_ms\":%.3f}",
                 code == SQLITE_ROW ? "true" : "false",
                 (double)(clock_mono_ns() - begun_ns) / NS_PER_MS);
    }
    free(types);
    return asking->err->code;
}

/* One statement, which only reads, and nothing behind it but blanks and comments. */
static int prepare(struct asking *asking)
{
    struct str sql = asking->question->sql;
    sqlite3_stmt *second = NULL;
    const char *rest = NULL;
    int code =
        sqlite3_prepare_v2(asking->query->db, sql.p, (int)sql.len + 1, &asking->statement, &rest);
    if (code)
        return fail(asking, code, sql.p);
    if (!asking->statement)
        return err_set(asking->err, ERR_INVALID, "sql is empty: there is nothing to ask");
    code = sqlite3_prepare_v2(asking->query->db, rest, -1, &second, NULL);
    bool alone = code == SQLITE_OK && !second;
    asking->query->denied = false; /* by the second, which is not run */
    sqlite3_finalize(second);
    if (!alone)
        return err_set(asking->err, ERR_INVALID,
                       "one statement at a time: there is more behind it");
    if (!sqlite3_stmt_readonly(asking->statement))
        return err_set(asking->err, ERR_FORBIDDEN, "only reading is allowed");
    return 0;
}

int query_sql_json(struct query *query, const struct sql_question *question, struct buf *out,
                   struct err *err)
{
    struct asking asking = {.query = query, .question = question, .err = err};
    struct buf rows;
    arena_init(&asking.arena, (size_t)8 << 20);
    buf_init(&rows, out->max);
    sql_guard_begin(query, question->timeout_ns, SQL_MEMORY);
    if (!prepare(&asking) && !bind_all(&asking))
        answer(&asking, &rows, out);
    sqlite3_finalize(asking.statement);
    sql_guard_end(query);
    buf_fini(&rows);
    arena_fini(&asking.arena);
    return err->code;
}
