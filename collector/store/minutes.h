/* minutes.h - rows that say what happened in a minute: of edges and operations (minutes.c), of hops
 * (hop_minutes.c), of the localiser's counters (rollups.c). They gather in memory, are written once
 * a commit, and are forgotten when the transaction is rolled back. All give 0 or an SQLite code.
 */
#ifndef STORE_MINUTES_H
#define STORE_MINUTES_H

#include <sqlite3.h>

#include "collector/base/buf.h"
#include "collector/base/map.h"
#include "collector/base/stats.h"
#include "collector/model/rollup.h"
#include "collector/model/turn.h"

struct store;

/* ---- edges and operations ---- */

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

/* ---- hops ---- */

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

int hops_open(struct store *store);
void hops_close(struct store *store);
int hops_add_call(struct store *store, const struct turn *turn, const struct graph *graph,
                  const struct call *call, int sign);
/* Writes every dirty row; before a commit. */
int hops_write(struct store *store);
void hops_forget(struct store *store);

/* ---- counters of the localiser ---- */

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

#endif
