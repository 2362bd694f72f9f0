/* statements.h - SQL that is prepared, bound, asked and run. What takes a store is of the
 * connection that writes. Codes are SQLite's.
 */
#ifndef STORE_STATEMENTS_H
#define STORE_STATEMENTS_H

#include <sqlite3.h>

#include "collector/base/buf.h"
#include "collector/model/histogram.h"

struct store;

int store_prepare(struct store *store, const char *sql, sqlite3_stmt **statement);
/* Asked seldom, so prepared each time: the first number of the answer (0 when there is none), and a
 * statement without an answer. */
int64_t store_number(struct store *store, const char *sql, int64_t argument);
int store_run(struct store *store, const char *sql, int64_t one, int64_t two);
/* The first column of a bound statement's first row, 0 without one; resets it. */
int statement_id(sqlite3_stmt *statement, int64_t *id);
/* Runs a bound statement that gives no rows, and resets it. */
int statement_run(sqlite3_stmt *statement);
/* They lie where they are until the statement has run; a text without memory is ''. */
void statement_bind_text(sqlite3_stmt *statement, int at, struct str text);
void statement_bind_texts(sqlite3_stmt *statement, int first, const struct str *texts, int n);
/* NULL for DURATION_UNKNOWN, which is also what a histogram without observations gives. */
void statement_bind_ns(sqlite3_stmt *statement, int at, uint64_t ns);
/* p50, p95 and p99 (NULL without observations) from column `at` on; gives the next column. */
int statement_bind_percentiles(sqlite3_stmt *statement, int at, const struct histogram *histogram);
/* The histogram itself; it lies in `blob` until the statement has run. */
void statement_bind_histogram(sqlite3_stmt *statement, int at, const struct histogram *histogram,
                              struct buf *blob);
void statement_read_histogram(sqlite3_stmt *statement, int column, struct histogram *histogram);

#endif
