/* query_internal.h - the connection, and what the query_*.c files share. */
#ifndef STORE_QUERY_INTERNAL_H
#define STORE_QUERY_INTERNAL_H

#include <sqlite3.h>

#include "collector/store/query.h"

#define N_SQL_LIMITS 4

struct query {
    sqlite3 *db;
    int64_t version;      /* of the schema */
    uint64_t deadline_ns; /* monotonic; of the question that is being answered */
    /* of a stranger's SQL, sql_guard.c: how many bytes more SQLite may take, 0 any */
    size_t memory;
    int64_t memory_before;
    bool over_memory, denied; /* since sql_guard_begin() */
    bool declared;            /* the table functions of SQLite */
    int limits[N_SQL_LIMITS]; /* as they were */
};

/* The usual watch over the deadline. */
void query_watch_deadline(struct query *query);

/* A file that this program has not brought to its schema yet: ERR_IO with what helps. */
bool query_is_older(const struct query *query, struct err *err);
/* A statement that SQLite refused: what an older file has not is no mistake of who asks. */
int query_unprepared(const struct query *query, struct err *err);
/* Begins a question: sets the deadline, prepares. err is filled on failure. */
int query_begin(struct query *query, const char *sql, sqlite3_stmt **statement, struct err *err);
/* Ends it: finalizes; a code other than ROW and DONE becomes an error. */
int query_end(struct query *query, sqlite3_stmt *statement, int code, struct err *err);
/* The numbers that traces starting in this window can have: first > last when there is none. */
int query_trace_numbers(struct query *query, struct window window, int64_t *first, int64_t *last,
                        struct err *err);
struct str column_str(sqlite3_stmt *row, int column);
/* The bit of a service's name in trace_row.services; 0 when no service is asked for, −1 when nobody
 * bears the name. */
int64_t service_bit(struct query *query, struct str service);
/* No trace below this number can have begun after `from_ns`: it was stored before. */
int64_t first_stored_after(struct query *query, uint64_t from_ns);
/* Adds `"name":"text"` (a comma first unless at an opening brace). */
void json_member(struct buf *out, const char *name, struct str text);
void json_number_member(struct buf *out, const char *name, int64_t number);
/* null for SQL NULL. */
void json_column(struct buf *out, const char *name, sqlite3_stmt *row, int column);
/* {"cluster","namespace","service","version","role"} of five columns from `first` on. */
void json_node(struct buf *out, const char *name, sqlite3_stmt *row, int first);
/* Cluster, namespace and service as ?1, ?2 and ?3. */
void query_bind_node(sqlite3_stmt *select, const struct query_filter *filter);
/* Of answers that are lists of items: these, limit + 1 and offset as ?1 … ?5; where a cursor goes
 * on; the end with `next`. */
void query_bind_filter(sqlite3_stmt *select, const struct query_filter *filter, int64_t offset);
int query_offset(struct str cursor, int64_t *offset, struct err *err);
void query_end_items(struct buf *out, bool more, uint64_t next);
/* The number and the columns of `trace` from a `trace_numbered t`; and those of one number. */
#define TRACE_COLUMNS                                                                              \
    "SELECT t.trace_no, t.trace_id, t.start_time, t.duration_ns, t.entry_cluster, "                \
    "t.entry_namespace, t.entry_service, t.entry_operation, t.span_count, t.service_count, "       \
    "t.error_count, t.status, t.origin_service, t.origin_operation, t.origin_reason, "             \
    "t.complete, t.parts, t.reopened, t.kept "
#define TRACE_BY_NO TRACE_COLUMNS "FROM trace_numbered t WHERE t.trace_no = ?1"
/* The same columns, of a row of TRACE_COLUMNS, as members of an object. */
void trace_columns_json(sqlite3_stmt *row, struct buf *out);
/* The numbers of the traces with one id, the oldest first: what comes after stitch.reopen_window is
 * a trace of its own (STITCHING §5), which readers show with the one that it belongs to. */
#define MOST_PIECES 64
struct trace_pieces {
    int64_t no[MOST_PIECES];
    uint32_t n; /* 0: there is none */
};
/* `"trace":{…}`: the columns, with `services` when asked for, of the oldest piece, with the spans
 * of all of them counted. */
int trace_head_json(struct query *query, const struct trace_pieces *pieces, bool services,
                    struct buf *out, struct err *err);
struct search;

/* The search of query_traces_json(): a row a trace, the columns of TRACE_COLUMNS, newest first,
 * whatever the limit. */
struct traces_reading {
    struct query *query;
    const struct query_filter *filter;
    sqlite3_stmt *rows;    /* by what their rows say */
    sqlite3_stmt *spans;   /* is there such a span in one? NULL: any will do */
    struct search *search; /* NULL: not needed */
    struct buf line;
    bool by_calls; /* a service without spans: by who called it */
};

/* The filter lives until the end. Nothing to end when it fails. */
int query_traces_begin(struct query *query, const struct query_filter *filter,
                       struct traces_reading *reading, struct err *err);
int query_traces_next(struct traces_reading *reading); /* an SQLite code: ROW, DONE, … */
int query_traces_end(struct traces_reading *reading, int code, struct err *err);
/* Shows every row of a prepared statement, and ends it. */
int query_each(struct query *query, sqlite3_stmt *statement,
               bool (*row)(const struct query_rows *rows, void *ctx), void *ctx, struct err *err);
/* Of an id of 1 to 32 digits; ERR_INVALID for what is no id. */
int query_trace_pieces(struct query *query, struct str id, struct trace_pieces *pieces,
                       struct err *err);
/* The oldest of them, 0 when there is none. */
int query_trace_number(struct query *query, struct str id, int64_t *trace_no, struct err *err);
/* The trace number below which traces began before `ns`, about: found by halving, as traces are
 * numbered in the order in which they were cut, seconds after they began. */
int query_trace_no_before(struct query *query, uint64_t ns, int64_t *trace_no, struct err *err);
/* histogram_quantile and the other functions of `faultline sql`. */
int query_add_functions(sqlite3 *db);
/* rollup_take, of query_rollup(). */
int rollup_add_function(sqlite3 *db);

#endif
