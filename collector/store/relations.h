/* relations.h - what is known of the mesh across traces: who calls whom (relations.c), how far
 * clocks of hosts are apart (clocks.c), who is at which address and whom proxies serve
 * (knowledge.c), where clear text is allowed (plaintext.c). All give 0 or an SQLite code.
 */
#ifndef STORE_RELATIONS_H
#define STORE_RELATIONS_H

#include <sqlite3.h>

#include "collector/base/map.h"
#include "collector/model/turn.h"

struct store;

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
    uint32_t runs; /* the newest of its calls since the last commit, its number + 1; 0: none */
    bool changed;
};

/* Calls of a relation since the last commit, between which is no silence. They are judged in order
 * of time whatever their order of arrival. */
struct relation_run {
    uint64_t first_ns, last_ns;
    int64_t calls;
    int64_t nodes[2]; /* of the first */
    uint32_t older;   /* as in `runs` */
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
    struct relation_run *runs;
    uint32_t n_runs, cap_runs;
    uint64_t newest_ns, newest_at_ns; /* of calls; wall clock when it came */
    uint64_t now_wall_ns, looked_ns;
    bool told; /* since it was last made false */
    sqlite3_stmt *add, *put, *add_version, *count_versions, *tell;
};

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
/* The transaction was rolled back. */
void relations_forget(struct store *store);

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

/* clocks.c */
int clocks_open(struct store *store);
void clocks_close(struct store *store);
void clocks_add(struct store *store, const struct turn *turn);
int clocks_write(struct store *store);

/* knowledge.c */
int knowledge_write(struct store *store, const struct turn *turn);

/* plaintext.c */
bool plaintext_is_due(const struct store *store);
int plaintext_write(struct store *store);

#endif
