/* store_internal.h - what the files of the writing half share. All of it is the writer thread's but
 * what is marked.
 *
 *   store.c       the thread, commits and checkpoints
 *   file.c        the lock, opening, migrating, setting a corrupt file aside
 *   dictionary.c  local numbers of names, nodes, shapes … to row ids
 *   minutes.c     rows of edge_minute, operation_minute, ingest_minute gathered in memory
 *   hop_minutes.c rows of hop_minute gathered in memory
 *   relations.c   who calls whom: what is new, gone, returned
 *   clocks.c      offsets between the clocks of hosts
 *   addresses.c   who is at which address, as the stitcher learnt it
 *   gaps.c        who does not hand trace context on
 *   plaintext.c   where clear text is allowed
 *   rollups.c     the localiser's counters by the minute
 *   incidents.c   incidents, suspects, evidence, pinned traces
 *   kafka_positions.c  the next message of each Kafka partition
 *   traces.c      traces and spans of a turn to rows
 *   feed.c        the spans of a turn as a table that one statement copies from
 *   trace_minutes.c  minutes to ranges of trace_no
 *   keys.c        trace ids to trace_no: the open run, full runs, Bloom filters
 *   metrics.c     points of metrics, in generations
 *   metric_series.c  which series a point is of
 *   metric_families.c  what senders tell of all metrics of a name
 *   told.c        rates of the counters that tell of edges
 *   told_edges.c  … the edges, and who was heard of them
 *   told_minutes.c  … and which of them count, where no span tells of the same
 *   logs.c        log records of traces
 *   retention.c   what is too old or too much
 *   keep.c        whose spans need not stay
 *   finder.c      reading a trace back
 */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>

#include "collector/base/map.h"
#include "collector/base/queue.h"
#include "collector/base/stats.h"
#include "collector/model/rollup.h"
#include "collector/model/shapes.h"
#include "collector/store/store.h"
#include "collector/store/told.h"

#define RUN_TRACES 100000u /* traces of a run, and of a generation of dictionaries */

/* Local number -> row id; 0: not written yet. Shapes, sets and resources also remember their
 * generation. */
struct ids {
    int64_t *rows;
    uint32_t *generations;
    uint32_t cap;
};

struct op_entry { /* an operation of a node: what operation_row holds */
    node_no node;
    name_no name;
    uint8_t kind;
    int64_t row;
    uint64_t first_ns, last_ns; /* seen, not written yet: last_ns > written_ns */
    uint64_t written_ns;
};

struct node_seen {
    uint64_t first_ns, last_ns, written_ns;
};

struct dictionary {
    struct ids names, nodes, shapes, sets, resources;
    struct op_entry *ops;
    uint32_t n_ops, cap_ops;
    struct map op_map;
    struct node_seen *seen; /* by node number */
    uint32_t cap_seen;
    sqlite3_stmt *find_name, *add_name, *find_node, *add_node, *see_node, *find_op, *add_op,
        *see_op, *add_shape, *add_set, *add_resource;
};

/* A row of edge_minute_row or operation_minute_row while it is in memory. */
struct minute_row {
    uint64_t minute;
    int64_t dimension; /* row id of edge or operation_row */
    bool edge, dirty, loaded;
    int64_t calls, errors_origin, errors_carried, client_errors, retries, recovered;
    int64_t client_ns, server_ns,
        transit_ns; /* operation rows: server_ns is the sum of durations */
    int64_t security[N_SECURITIES];
    int64_t adjusted_1024, hairpins;
    int64_t added_ns, detours, bytes; /* of hairpins; detours: those of which added_ns is known */
    struct histogram histogram, transit;
    uint64_t touched_s;
};

/* What table edge knows of an edge, as row ids. */
struct edge_ids {
    int64_t caller, callee, protocol, via;
    uint8_t connection_type, crossing, known_by;
};

struct edge_entry {
    struct call key; /* caller, callee, protocol, via, connection_type, crossing, known_by */
    int64_t row;
};

struct minutes {
    struct minute_row **rows;
    uint32_t n_rows, cap_rows;
    struct map row_map;
    struct edge_entry *edges;
    uint32_t n_edges, cap_edges;
    struct map edge_map;
    struct buf blob, transit_blob;
    sqlite3_stmt *find_edge, *add_edge, *put_edge, *get_edge, *drop_edge, *put_op, *get_op,
        *drop_op, *put_ingest;
    struct stat_series *n_over_edges;
};

/* What rollups.c knows of a row in memory, beside its tally. */
struct tally_state {
    int64_t row; /* of tally_key */
    uint64_t touched_s;
    bool dirty, loaded;
};

struct rollups {
    struct rollup rows;         /* their steps are minutes */
    struct tally_state *states; /* same index */
    uint32_t cap_states;
    struct buf blob;
    sqlite3_stmt *find_key, *add_key, *get, *put, *drop, *touch;
    struct {
        uint64_t minute, touched_s;
        bool tallies;
    } touched[16];                 /* what minute_age was told last, by minute modulo 16 */
    struct stat_series *n_limited; /* counters that met a bound */
};

/* A row of hop_minute_row while it is in memory. */
struct hop_row {
    uint64_t minute, touched_s;
    int64_t hop; /* row id */
    bool dirty, loaded;
    int64_t calls, errors, client_errors, time_ns;
    struct histogram histogram;
};

struct hop_entry { /* what a row of hop holds */
    node_no caller, callee;
    name_no name, from;
    uint32_t places; /* kind, from_place << 3, to_place << 6 */
    int64_t id;
    struct hop_row *row; /* of the minute that was asked for last */
};

#define N_WAYS 4096u
#define WAY_HOPS 8u
struct way { /* the hops of the last call between two nodes, by number in hop_minutes */
    node_no caller, callee;
    uint32_t hops[WAY_HOPS];
};

struct hop_minutes {
    struct way *ways; /* by a hash of the two */
    struct hop_row **rows;
    uint32_t n_rows, cap_rows;
    struct map row_map;
    struct hop_entry *hops;
    uint32_t n_hops, cap_hops;
    struct map hop_map;
    struct buf blob;
    sqlite3_stmt *find, *add, *get, *put, *drop;
};

/* One end of a relation: node without version, and row ids of its names. */
struct relation_end {
    int64_t row, cluster, namespace, service;
    uint8_t role;
};

struct relation {
    int64_t id;
    struct relation_end ends[2]; /* caller, callee */
    uint64_t first_ns, last_ns, written_ns;
    int64_t calls;
    uint64_t gone_ns; /* since when; 0: it is here */
    uint32_t bits;
    bool changed;
};

struct relation_edge { /* which relation two nodes with their versions are of */
    node_no caller, callee;
    int64_t nodes[2]; /* row ids */
    uint32_t relation;
};

struct relations {
    struct relation *items;
    uint32_t n, cap;
    struct map map;
    struct relation_edge *edges;
    uint32_t n_edges, cap_edges;
    struct map edge_map;
    uint64_t newest_ns, newest_at_ns; /* of calls; wall clock when it came */
    uint64_t now_wall_ns, looked_ns;
    bool told; /* since it was last made false */
    sqlite3_stmt *add, *put, *add_version, *count_versions, *tell;
};

struct clock_range {
    int64_t low_ns, high_ns;
    uint64_t n;
};

struct clock_pair {
    name_no a, b;
    struct clock_range now, before;
    uint64_t since_ns; /* monotonic, of `now` */
    uint64_t fresh;    /* samples not written yet */
};

struct clocks {
    struct clock_pair *pairs;
    uint32_t n;
    struct map map;
    const struct names *names; /* of the last turn: they stay */
    uint64_t now_ns;           /* of the turn that is applied; monotonic */
    sqlite3_stmt *put;
};

struct gap_count {
    int64_t node, operation; /* row ids */
    uint8_t reason;
    uint64_t minute;
    int64_t n;
};

struct gaps {
    struct gap_count counts[64]; /* of the turn that is applied */
    uint32_t n;
    sqlite3_stmt *find, *put, *drop;
};

struct kafka_positions {
    struct kafka_place *items; /* the offset is that of the next message */
    uint32_t n;
    pthread_mutex_t mutex; /* guards the two: the receiver asks */
    sqlite3_stmt *put;
};

/* Bloom filter of one full run. */
struct run_filter {
    uint64_t run;
    uint64_t stored_s; /* when its last trace was stored */
    uint8_t *bits;     /* NULL: not built yet, everything may be in it */
};

struct keys {
    pthread_mutex_t mutex; /* the writer adds, the stitcher looks: held for nanoseconds */
    uint64_t open_run;
    struct trace_id *ids; /* of the open run, by trace_no − open_run × RUN_TRACES; zero: none */
    struct map open_map;  /* hash of id -> index into ids */
    struct run_filter *filters; /* of full runs, oldest first */
    size_t n_filters, cap_filters;
    sqlite3_stmt *add;
};

/* What keep.c learns of entries, and its statements. */
struct keep {
    struct keep_entry *entries; /* NULL until the first trace */
    uint32_t n;
    struct map map;
    sqlite3_stmt *select, *mark;
};

/* Numbers of the traces that start in one minute, since the last commit. */
#define TRACE_MINUTES 64
struct trace_minute {
    uint64_t minute, first_no, last_no;
};
struct trace_minutes {
    struct trace_minute rows[TRACE_MINUTES];
    unsigned n;
};

#define GENERATION_S 900 /* of metric points */

struct series_state { /* a series whose points came since the start */
    uint64_t hash;
    int64_t row, last_ns; /* newest time stored; −1: none */
    int64_t generation;   /* newest that has points of it, as its row says */
    /* Of series that tell of edges: the newest value, and when that was (0: there is none). */
    double value;
    uint64_t value_ns;
    bool asked;  /* the value was looked for in the file */
    bool is_new; /* its first point is to come */
};

struct metrics {
    struct series_state *series;
    uint32_t n, cap;
    struct map map;
    int64_t n_series;            /* rows, the overflow aside; −1: to be counted */
    int64_t generation, begun_s; /* the one that is written; 0: none yet */
    int64_t bytes;               /* in it, about */
    bool bytes_changed;
    int64_t deleting;                /* generation that retention takes away; 0: none */
    const struct resource *resource; /* the one seen last in this turn, and what it is */
    struct buf resource_json, attributes_json, scope;
    uint64_t resource_hash;
    int64_t resource_row; /* 0: not looked up */
    sqlite3_stmt *find_resource, *add_resource, *find_series, *add_series, *see_series, *newest_of,
        *find_point, *add_point, *add_generation, *size_generation;
    int64_t n_families; /* rows; −1: to be counted */
    struct stat_series *n_limited;
};

struct logs {
    sqlite3_stmt *add, *count;
    uint32_t n_beyond; /* limit.events, not told to the counter yet */
    struct stat_series *dropped;
};

/* Row ids of what a span refers to. */
struct span_ids {
    int64_t shape, set, node, peer, flags_text;
};

struct position {
    uint64_t booked_to, needed_from, next_trace_no, n_spans;
    uint64_t kept_to; /* keep.c has looked at the traces below */
};

struct store {
    struct store_settings settings;
    int lock_fd;
    sqlite3 *db;
    struct dictionary dictionary;
    struct minutes minutes;
    struct rollups rollups;
    struct hop_minutes hop_minutes;
    struct relations relations;
    struct clocks clocks;
    struct gaps gaps;
    struct kafka_positions kafka;
    struct keys keys;
    struct keep keep;
    struct trace_minutes trace_minutes;
    struct metrics metrics;
    struct told told;
    struct logs logs;
    struct position position; /* with what is applied; committed with the transaction */
    sqlite3_stmt *put_trace, *put_spans, *drop_trace, *mark_trace, *drop_spans, *put_position,
        *put_trace_minute;
    struct buf calls_blob;
    const struct turn *feed_turn; /* what turn_span shows, and the ids of its spans */
    struct span_ids *feed_ids;
    size_t cap_feed_ids;

    struct queue *queue; /* struct turn */
    pthread_t thread;
    bool running;
    struct turn *applied_first, *applied_last; /* in the open transaction */
    bool in_transaction;
    uint64_t begun_ns;     /* when the transaction was begun */
    uint64_t committed_ns; /* when the last one was committed */
    unsigned n_damaged;    /* transactions in a row that found the file damaged */
    uint64_t truncate_ns;  /* monotonic; before, the log is not truncated: a reader stays */
    bool in_log;           /* since then nothing was checkpointed to the end */
    uint64_t retention_ns; /* monotonic time of the last look */
    uint64_t deleting_to;  /* retention deletes traces below this number; 0: nothing to do */
    uint64_t dropping_to;  /* keep.c looks at the traces below this number; 0: nothing to do */
    bool in_need;          /* the file was larger than it may be when it was looked at */
    bool shrinking;        /* retention gives free pages back to the disk */
    int64_t oldest_trace_no;

    /* Any thread. */
    _Atomic(char *) new_rules; /* security.allow_plaintext, not written yet */
    pthread_mutex_t incidents_mutex;
    struct incident *incidents; /* to be written, the oldest first; the writer alone takes away */
    _Atomic bool vacuuming;     /* store_vacuum() waits */
    _Atomic uint64_t progress_ns;
    _Atomic int state; /* 0 good, 1 disk full, 2 failed */
    _Atomic uint64_t committed_booked_to, committed_needed_from, committed_next_trace_no;
    struct stat_series *bytes, *wal_bytes, *commit_seconds, *n_spans, *oldest_seconds, *n_deleted;
};

/* dictionary.c; all give 0 or an SQLite code */
int dictionary_open(struct store *store);
void dictionary_close(struct store *store);
int dictionary_name(struct store *store, const struct turn *turn, name_no name, int64_t *row);
int dictionary_node(struct store *store, const struct turn *turn, node_no node, int64_t *row);
/* Of a node that has no number. */
int dictionary_node_row(struct store *store, const struct turn *turn, const struct node *node,
                        int64_t *row);
int dictionary_shape(struct store *store, const struct turn *turn, const struct record *record,
                     uint32_t generation, int64_t *row);
int dictionary_set(struct store *store, const struct attr_set *set, uint32_t generation,
                   int64_t *row);
/* Gives the entry; its row id is set. */
int dictionary_op(struct store *store, const struct turn *turn, node_no node,
                  const struct shape *shape, struct op_entry **entry);
void dictionary_see(struct store *store, node_no node, struct op_entry *op, uint64_t start_ns);
/* Writes when nodes and operations were seen; before a commit. */
int dictionary_write_seen(struct store *store);
/* Forgets every row id: the transaction that wrote some was rolled back. */
void dictionary_forget(struct store *store);

/* minutes.c */
int minutes_open(struct store *store);
void minutes_close(struct store *store);
int minutes_add_call(struct store *store, const struct turn *turn, const struct call *call,
                     int sign);
int minutes_add_span(struct store *store, const struct turn *turn, const struct record *record,
                     const struct span_result *result, int sign);
int minutes_add_ledger(struct store *store, const struct ledger_change *change);
/* The row of table edge with these row ids of nodes and names; made when there is none. */
int minutes_edge_row(struct store *store, const struct edge_ids *ids, int64_t *row);
/* Writes a row of edge_minute that is not one of those in memory. */
int minutes_put_edge(struct store *store, const struct minute_row *row);
/* Both ends of a call are nodes of the graph, whether they send spans or not; `user` is nobody's.
 */
void minutes_see_ends(struct store *store, const struct turn *turn, const struct call *call);
/* Writes every dirty row; before a commit. */
int minutes_write(struct store *store);
void minutes_forget(struct store *store);

/* hop_minutes.c */
int hops_open(struct store *store);
void hops_close(struct store *store);
int hops_add_call(struct store *store, const struct turn *turn, const struct graph *graph,
                  const struct call *call, int sign);
/* Writes every dirty row; before a commit. */
int hops_write(struct store *store);
void hops_forget(struct store *store);

/* relations.c */
int relations_open(struct store *store);
void relations_close(struct store *store);
void relations_set_now(struct store *store);
/* Told once: `sign` -1 takes a call of a reopened trace back, which then comes again. */
int relations_add_call(struct store *store, const struct turn *turn, const struct call *call,
                       int sign);
/* Is there one to be told gone? Looks every few seconds. */
bool relations_are_due(struct store *store);
int relations_write(struct store *store);
int relations_forget(struct store *store);

/* clocks.c */
int clocks_open(struct store *store);
void clocks_close(struct store *store);
void clocks_add(struct store *store, const struct turn *turn);
int clocks_write(struct store *store);

/* knowledge.c */
int knowledge_write(struct store *store, const struct turn *turn);

/* gaps.c */
int gaps_open(struct store *store);
void gaps_close(struct store *store);
int gaps_add(struct store *store, const struct turn *turn, const struct graph *graph, int sign);
/* Writes what was added; after the last trace of a turn. */
int gaps_apply(struct store *store);

/* kafka_positions.c */
int kafka_open(struct store *store);
void kafka_close(struct store *store);
int kafka_add(struct store *store, const struct turn *turn);
void kafka_committed(struct store *store, const struct turn *turn);

/* plaintext.c */
bool plaintext_is_due(const struct store *store);
int plaintext_write(struct store *store);

/* rollups.c */
int rollups_open(struct store *store);
void rollups_close(struct store *store);
int rollups_add(struct store *store, const struct turn *turn);
/* Writes every dirty row; before a commit. */
int rollups_write(struct store *store);
/* So many wait that they must be committed before another turn's: none is left out. */
bool rollups_are_many(const struct store *store);
void rollups_forget(struct store *store);
/* Rows of this minute were written: its age counts anew. */
int minute_touch(struct store *store, uint64_t minute, uint64_t now_s, bool tallies);

/* incidents.c */
bool incidents_wait(struct store *store);
/* Before a commit; says how many are written, to be forgotten once it is through. */
int incidents_write(struct store *store, unsigned *n_written);
void incidents_forget(struct store *store, unsigned n);

/* traces.c */
int traces_open(struct store *store);
void traces_close(struct store *store);
int traces_apply(struct store *store, const struct turn *turn);

/* trace_minutes.c; all give 0 or an SQLite code */
int trace_minutes_open(struct store *store);
void trace_minutes_close(struct store *store);
int trace_minutes_add(struct store *store, uint64_t start_ns, uint64_t trace_no);
/* Before a commit. */
int trace_minutes_write(struct store *store);
/* The transaction was rolled back. */
void trace_minutes_forget(struct store *store);

/* feed.c: makes turn_span, which shows store->feed_turn. */
int feed_register(struct store *store);

/* keys.c */
int keys_open(struct store *store);
void keys_close(struct store *store);
/* After the rows of a trace were written. */
int keys_add(struct store *store, struct trace_id id, uint64_t trace_no);
/* Builds one missing filter; false when there is none. */
bool keys_build_filter(struct store *store);
int64_t trace_id_key(struct trace_id id);
/* Runs that may hold this id, newest first: at most `max`; UINT64_MAX − n never. Any thread. */
size_t keys_candidates(struct store *store, struct trace_id id, uint64_t *runs, size_t max,
                       uint64_t *trace_no);

/* metric_series.c */
/* The series of a point; one that is not in memory afterwards lies in *fresh, and *part tells its
 * point from others of the overflow. */
int metric_series_of(struct store *store, const struct metric_point *point,
                     struct series_state *fresh, struct series_state **state, int64_t *part);

/* The first column of a bound statement's first row, 0 without one; resets it. */
int statement_id(sqlite3_stmt *statement, int64_t *id);

/* keep.c; only where store.keep is not `all` */
int keep_open(struct store *store);
void keep_close(struct store *store);
/* A slice of the traces from position.kept_to up to dropping_to. */
int keep_slice(struct store *store);

/* metrics.c */
int metrics_open(struct store *store);
void metrics_close(struct store *store);
/* The points of a body; says how many were stored and how many were there already. */
int metrics_add(struct store *store, const struct turn *turn, const struct batch *batch,
                uint32_t *n_stored, uint32_t *n_duplicate);
/* Before a commit. */
int metrics_write(struct store *store);
/* The transaction was rolled back, or retention took series away. */
void metrics_forget(struct store *store);
/* Deletes one more slice of the generation that goes. */
int metrics_delete_slice(struct store *store);
/* The row of the resource seen last; looked up, or made. */
int metrics_resource_row(struct metrics *metrics, int64_t *row);

/* metric_families.c */
int families_add(struct store *store, const struct batch *batch);
/* Those that nobody told of since the oldest points. */
int families_delete(struct store *store);

/* logs.c */
int logs_open(struct store *store);
void logs_close(struct store *store);
int logs_add(struct store *store, const struct batch *batch, uint32_t *n_stored,
             uint32_t *n_duplicate);

/* retention.c */
/* Is it time to look, or a pass under way? */
bool retention_is_due(const struct store *store);
/* Deletes for 50 ms when something is too old or too much; true when it did. Inside a transaction.
 */
bool retention_step(struct store *store, uint64_t now_wall_ns, int *code);

/* file.c: takes the lock, opens or makes the file, sets a corrupt one aside, migrates. */
int store_file_open(const struct store_settings *settings, int *lock_fd, sqlite3 **db,
                    struct err *err);
void store_file_unlock(const char *path, int lock_fd);
void store_file_note(int lock_fd, const char *text);
/* Brings a database, which may be empty, to the newest version; an SQLite code. */
int store_file_migrate(sqlite3 *db);
int store_file_version(void);

/* transaction.c: one is open or none. Codes are SQLite's. */
#define REST_NS (2 * NS_PER_S) /* without a commit: what is in the log goes into the file */
enum store_state { STATE_GOOD, STATE_DISK_FULL, STATE_DAMAGED, STATE_FAILED };
int transaction_read_position(struct store *store);
int transaction_begin(struct store *store);
int transaction_apply(struct store *store, const struct turn *turn);
/* Until it is through; turns are handed on. */
void transaction_commit(struct store *store);
/* Once. */
int transaction_try(struct store *store);
void transaction_roll_back(struct store *store, int code);
/* Rolls back, and does the same turns again until they are committed. */
void transaction_start_over(struct store *store, int code);
void transaction_checkpoint(struct store *store);
/* Nothing may be committed behind a sync that failed: ends the process if this code says so. */
void transaction_note_sync(struct store *store, int code);

/* statements.c */
int store_prepare(struct store *store, const char *sql, sqlite3_stmt **statement);
/* Asked seldom, so prepared each time: the first number of the answer (0 when there is none), and a
 * statement without an answer. */
int64_t store_number(struct store *store, const char *sql, int64_t argument);
int store_run(struct store *store, const char *sql, int64_t one, int64_t two);
/* Runs a bound statement that gives no rows, and resets it. */
int statement_run(sqlite3_stmt *statement);
/* NULL for DURATION_UNKNOWN, which is also what a histogram without observations gives. */
void statement_bind_ns(sqlite3_stmt *statement, int at, uint64_t ns);
/* p50, p95 and p99 (NULL without observations) from column `at` on; gives the next column. */
int statement_bind_percentiles(sqlite3_stmt *statement, int at, const struct histogram *histogram);
/* The histogram itself; it lies in `blob` until the statement has run. */
void statement_bind_histogram(sqlite3_stmt *statement, int at, const struct histogram *histogram,
                              struct buf *blob);
void statement_read_histogram(sqlite3_stmt *statement, int column, struct histogram *histogram);

#endif
