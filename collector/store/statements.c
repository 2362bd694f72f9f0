/* statements.c - SQL that is prepared, bound, asked and run. */
#include "collector/store/statements.h"

#include "collector/store/store_internal.h"

int store_prepare(struct store *store, const char *sql, sqlite3_stmt **statement)
{
    return sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
}

int64_t store_number(struct store *store, const char *sql, int64_t argument)
{
    sqlite3_stmt *select;
    int64_t number = 0;
    if (sqlite3_prepare_v2(store->db, sql, -1, &select, NULL) != SQLITE_OK)
        return 0;
    sqlite3_bind_int64(select, 1, argument);
    if (sqlite3_step(select) == SQLITE_ROW)
        number = sqlite3_column_int64(select, 0);
    sqlite3_finalize(select);
    return number;
}

int store_run(struct store *store, const char *sql, int64_t one, int64_t two)
{
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL);
    if (code)
        return code;
    sqlite3_bind_int64(statement, 1, one);
    sqlite3_bind_int64(statement, 2, two);
    code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? 0 : code;
}

int statement_id(sqlite3_stmt *statement, int64_t *id)
{
    int code = sqlite3_step(statement);
    *id = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_reset(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : code;
}

int statement_run(sqlite3_stmt *statement)
{
    int code = sqlite3_step(statement);
    sqlite3_reset(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? 0 : code;
}

void statement_bind_text(sqlite3_stmt *statement, int at, struct str text)
{
    sqlite3_bind_text(statement, at, text.p ? text.p : "", text.p ? (int)text.len : 0,
                      SQLITE_STATIC);
}

void statement_bind_texts(sqlite3_stmt *statement, int first, const struct str *texts, int n)
{
    for (int i = 0; i < n; i++)
        statement_bind_text(statement, first + i, texts[i]);
}

void statement_bind_ns(sqlite3_stmt *statement, int at, uint64_t ns)
{
    if (ns == DURATION_UNKNOWN)
        sqlite3_bind_null(statement, at);
    else
        sqlite3_bind_int64(statement, at, (int64_t)ns);
}

int statement_bind_percentiles(sqlite3_stmt *statement, int at, const struct histogram *histogram)
{
    statement_bind_ns(statement, at, histogram_quantile(histogram, 0.5));
    statement_bind_ns(statement, at + 1, histogram_quantile(histogram, 0.95));
    statement_bind_ns(statement, at + 2, histogram_quantile(histogram, 0.99));
    return at + 3;
}

void statement_bind_histogram(sqlite3_stmt *statement, int at, const struct histogram *histogram,
                              struct buf *blob)
{
    buf_reset(blob);
    histogram_encode(histogram, blob);
    sqlite3_bind_blob(statement, at, blob->len ? blob->p : "", (int)blob->len, SQLITE_STATIC);
}

void statement_read_histogram(sqlite3_stmt *statement, int column, struct histogram *histogram)
{
    struct str blob = {sqlite3_column_blob(statement, column),
                       (size_t)sqlite3_column_bytes(statement, column)};
    histogram_decode(histogram, blob);
}
