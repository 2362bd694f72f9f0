/* query_sql.c - a person's SQL, read-only, with functions for histograms and times. */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/times.h"
#include "collector/model/histogram.h"
#include "collector/store/sql_guard.h"

#define SQL_DEADLINE_NS (3600 * NS_PER_S)

static void quantile_function(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct histogram histogram;
    struct str blob = {sqlite3_value_blob(values[0]), (size_t)sqlite3_value_bytes(values[0])};
    (void)n;
    histogram_init(&histogram);
    uint64_t ns = histogram_decode(&histogram, blob)
                      ? histogram_quantile(&histogram, sqlite3_value_double(values[1]))
                      : UINT64_MAX;
    histogram_fini(&histogram);
    if (ns == UINT64_MAX)
        sqlite3_result_null(context);
    else
        sqlite3_result_int64(context, (int64_t)ns);
}

static void count_function(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct histogram histogram;
    struct str blob = {sqlite3_value_blob(values[0]), (size_t)sqlite3_value_bytes(values[0])};
    (void)n;
    histogram_init(&histogram);
    if (histogram_decode(&histogram, blob))
        sqlite3_result_int64(context, (int64_t)histogram.n);
    else
        sqlite3_result_null(context);
    histogram_fini(&histogram);
}

static void merge_step(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct histogram *histogram = sqlite3_aggregate_context(context, sizeof(*histogram));
    struct str blob = {sqlite3_value_blob(values[0]), (size_t)sqlite3_value_bytes(values[0])};
    (void)n;
    if (!histogram || !histogram_decode(histogram, blob))
        sqlite3_result_error(context, "histogram_merge: not a histogram", -1);
}

static void merge_final(sqlite3_context *context)
{
    struct histogram *histogram = sqlite3_aggregate_context(context, 0);
    struct buf blob;
    buf_init(&blob, 1u << 16);
    if (histogram)
        histogram_encode(histogram, &blob);
    sqlite3_result_blob(context, blob.len ? blob.p : "", (int)blob.len, SQLITE_TRANSIENT);
    if (histogram)
        histogram_fini(histogram);
    buf_fini(&blob);
}

/* As SQLite's extension has it: between two values it interpolates. */
struct percentile {
    double *values; /* from SQLite, so that they count as memory of the question */
    size_t n, cap;
    double p;
};

static bool is_number(sqlite3_value *value)
{
    int type = sqlite3_value_numeric_type(value);
    return type == SQLITE_INTEGER || type == SQLITE_FLOAT;
}

static void percentile_step(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct percentile *all = sqlite3_aggregate_context(context, sizeof(*all));
    (void)n;
    double p = sqlite3_value_double(values[1]);
    if (!is_number(values[1]) || p < 0 || p > 100) {
        sqlite3_result_error(context, "percentile: the second argument is a number from 0 to 100",
                             -1);
        return;
    }
    if (!all || sqlite3_value_type(values[0]) == SQLITE_NULL)
        return;
    if (!is_number(values[0])) {
        sqlite3_result_error(context, "percentile: the first argument is a number, or null", -1);
        return;
    }
    if (all->n == all->cap) {
        size_t cap = all->cap ? 2 * all->cap : 256;
        double *grown = sqlite3_realloc64(all->values, cap * sizeof(*grown));
        if (!grown) {
            sqlite3_result_error_nomem(context);
            return;
        }
        all->values = grown;
        all->cap = cap;
    }
    all->values[all->n++] = sqlite3_value_double(values[0]);
    all->p = p;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void percentile_final(sqlite3_context *context)
{
    struct percentile *all = sqlite3_aggregate_context(context, 0);
    if (!all || !all->n) {
        sqlite3_result_null(context);
    } else {
        qsort(all->values, all->n, sizeof(double), by_value);
        double at = all->p * (double)(all->n - 1) / 100;
        size_t below = (size_t)at;
        double share = at - (double)below, low = all->values[below];
        /* an infinite one has no distance to the next */
        double up = share > 0 && all->values[below + 1] != low ? all->values[below + 1] - low : 0;
        sqlite3_result_double(context, low + up * share);
    }
    if (all)
        sqlite3_free(all->values);
}

static void ns_function(sqlite3_context *context, int n, sqlite3_value **values)
{
    struct str text = {(const char *)sqlite3_value_text(values[0]),
                       (size_t)sqlite3_value_bytes(values[0])};
    uint64_t ns;
    (void)n;
    if (duration_parse(text, &ns))
        sqlite3_result_int64(context, (int64_t)ns);
    else
        sqlite3_result_error(context, "ns: a duration is 15m, 250ms, 2h …", -1);
}

static void now_function(sqlite3_context *context, int n, sqlite3_value **values)
{
    (void)n, (void)values;
    sqlite3_result_int64(context, (int64_t)clock_wall_ns());
}

int query_add_functions(sqlite3 *db)
{
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;
    int code = sqlite3_create_function(db, "histogram_quantile", 2, flags, NULL, quantile_function,
                                       NULL, NULL);
    code = code ? code
                : sqlite3_create_function(db, "histogram_count", 1, flags, NULL, count_function,
                                          NULL, NULL);
    code = code ? code
                : sqlite3_create_function(db, "histogram_merge", 1, flags, NULL, NULL, merge_step,
                                          merge_final);
    code = code ? code
                : sqlite3_create_function(db, "percentile", 2, flags, NULL, NULL, percentile_step,
                                          percentile_final);
    code = code ? code : sqlite3_create_function(db, "ns", 1, flags, NULL, ns_function, NULL, NULL);
    return code ? code
                : sqlite3_create_function(db, "now_ns", 0, SQLITE_UTF8, NULL, now_function, NULL,
                                          NULL);
}

#define REAL_ROOM 32 /* bytes a real takes as text */

/* A column as text. A real as the API says it, digit for digit: SQLite's own text stops at 15. */
static int value_text(sqlite3_stmt *row, int column, struct buf *reals, const char **text)
{
    *text = NULL;
    if (sqlite3_column_type(row, column) == SQLITE_NULL)
        return 0;
    if (sqlite3_column_type(row, column) != SQLITE_FLOAT) {
        *text = (const char *)sqlite3_column_text(row, column);
        return sqlite3_column_bytes(row, column);
    }
    *text = reals->p + reals->len; /* there is room: nothing moves */
    buf_add_sql_double(reals, sqlite3_column_double(row, column));
    buf_add_char(reals, '\0');
    return (int)strlen(*text);
}

static void refuse_writing(struct query *query, struct err *err)
{
    err_set(err, ERR_INVALID, "only reading is allowed: %s", sqlite3_errmsg(query->db));
}

/* `end`: the names alone behind the last row. */
struct telling {
    bool (*row)(const struct query_rows *rows, void *ctx);
    void *ctx;
    bool end;
};

static int each(struct query *query, sqlite3_stmt *statement, const struct telling *telling,
                struct err *err)
{
    int n = sqlite3_column_count(statement), code;
    const char **names = calloc((size_t)n + 1, sizeof(char *)),
               **values = calloc((size_t)n + 1, sizeof(char *));
    int *types = calloc((size_t)n + 1, sizeof(int)), *lengths = calloc((size_t)n + 1, sizeof(int));
    struct query_rows rows = {n, names, types, values, lengths};
    struct buf reals;
    buf_init(&reals, REAL_ROOM * ((size_t)n + 1));
    bool room = buf_reserve(&reals, REAL_ROOM * ((size_t)n + 1));
    for (int i = 0; names && i < n; i++)
        names[i] = sqlite3_column_name(statement, i);
    while ((code = sqlite3_step(statement)) == SQLITE_ROW && names && values && types && lengths &&
           room) {
        buf_reset(&reals);
        for (int i = 0; i < n; i++) {
            types[i] = sqlite3_column_type(statement, i);
            lengths[i] = value_text(statement, i, &reals, &values[i]);
        }
        if (!telling->row(&rows, telling->ctx))
            break;
    }
    struct query_rows none = {.n_columns = n, .names = names};
    if (code == SQLITE_DONE && names && telling->end)
        telling->row(&none, telling->ctx);
    free(names);
    free(values);
    free(types);
    free(lengths);
    buf_fini(&reals);
    if (query_end(query, statement, code, err) && (code & 0xff) == SQLITE_ERROR)
        err->code = ERR_INVALID;      /* what was asked for cannot be computed */
    if ((code & 0xff) == SQLITE_AUTH) /* VACUUM is forbidden only when it runs */
        refuse_writing(query, err);
    return err->code;
}

int query_each(struct query *query, sqlite3_stmt *statement,
               bool (*row)(const struct query_rows *rows, void *ctx), void *ctx, struct err *err)
{
    return each(query, statement, &(struct telling){row, ctx, false}, err);
}

int query_sql(struct query *query, const char *sql,
              bool (*row)(const struct query_rows *rows, void *ctx), void *ctx, struct err *err)
{
    sqlite3_stmt *statement;
    const char *rest = sql;
    bool asked = false;
    sql_guard_begin(query, SQL_DEADLINE_NS, 0);
    while (*rest && !err->code) {
        int code = sqlite3_prepare_v2(query->db, rest, -1, &statement, &rest);
        if (code == SQLITE_AUTH || (code && sql_guard_is_write(query->db))) {
            refuse_writing(query, err);
        } else if (code) {
            query_unprepared(query, err);
        } else if (statement) {
            asked = true;
            each(query, statement, &(struct telling){row, ctx, true}, err);
        }
    }
    sql_guard_end(query);
    if (!asked && !err->code)
        err_set(err, ERR_INVALID, "sql is empty: there is nothing to ask");
    return err->code;
}
