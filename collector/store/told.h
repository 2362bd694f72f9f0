/* told.h - edges of which counters of proxies tell (model/told_edge.h), as the writer keeps them.
 *
 * A counter's rate is what it grew by from sample to sample; its last value is that of its newest
 * point, so that it is committed with what was counted of it. Rates gather by the minute and by who
 * tells (edge_told_minute). Which of them are in edge_minute is decided at each commit for every
 * pair of services and minute that changed: none where a span tells of the two in that minute, else
 * those of the best teller. So spans that come later take them away, and spans that go give them
 * back.
 */
#ifndef STORE_TOLD_H
#define STORE_TOLD_H

#include <sqlite3.h>

#include "collector/base/map.h"
#include "collector/base/stats.h"
#include "collector/model/histogram.h"
#include "collector/model/metric.h"

struct store;
struct turn;
struct series_state;

/* Calls that took at most upper_ns; INFINITY: all. */
struct told_bucket {
    double upper_ns;
    int64_t count;
};
struct told_buckets {          /* by their bounds */
    struct told_bucket *items; /* malloc'd */
    uint32_t n, cap;
};

/* Calls between two samples of which not both lie in this minute. */
#define TOLD_FROM_BEFORE 1u
#define TOLD_UP_TO_NEXT 2u

/* A row of edge_told_minute, or a part of it that is not written yet. */
struct told_minute {
    uint64_t minute;
    uint32_t edge;
    uint8_t wide; /* bits */
    int64_t calls, errors, client_errors, gone, timeouts, retries, duration_ns, security[4];
    struct told_buckets buckets;
};

struct told_pair {
    int64_t row;
    int64_t names[6];                /* row ids, as the columns of edge_pair stand */
    int64_t heard[N_SERIES_TELLERS]; /* last minute */
    bool changed;
};

struct told_entry { /* what edge_told holds */
    struct told_edge key;
    int64_t row;
    uint32_t pair;
    struct told_buckets bounds; /* all that were ever told, without counts */
    bool new_bounds;
};

/* The series of one name of one target. */
struct told_target {
    int64_t resource;
    uint64_t hash;
    char *name;
    uint64_t first_ns, before_ns, newest_ns;
    bool changed;
};

struct told_look { /* a pair of which rows may change */
    int64_t pair;
    uint64_t minute;
};

struct told {
    struct told_minute *minutes; /* since the last commit */
    uint32_t n_minutes, cap_minutes;
    struct map minute_map;
    struct told_entry *edges;
    uint32_t n_edges, cap_edges;
    struct map edge_map;
    struct told_pair *pairs;
    uint32_t n_pairs, cap_pairs;
    struct map pair_map;
    struct told_target *targets;
    uint32_t n_targets, cap_targets;
    struct map target_map;
    struct told_look *looks;
    uint32_t n_looks, cap_looks;
    struct map look_map;
    bool any; /* there is a pair: spans are compared with series at all */
    sqlite3_stmt *find_pair, *add_pair, *put_pair, *find_edge, *add_edge, *put_bounds, *get_minute,
        *put_minute, *find_target, *put_target, *last_value, *pairs_of_edge, *pairs_of_pair,
        *pair_heard, *spans_tell, *spans_pass, *rows_of, *drop_rows;
    struct stat_series *n_over_edges;
};

/* told.c; all give 0 or an SQLite code */
int told_open(struct store *store);
void told_close(struct store *store);
/* A point that was stored, its series as metrics.c has it, and the newest time that the series had
 * before; -1: none. */
int told_add(struct store *store, const struct turn *turn, const struct metric_point *point,
             struct series_state *state, int64_t newest_ns);
/* So much came of an edge in (span_ns[0], span_ns[1]]. */
int told_grew(struct store *store, const struct turn *turn, const struct told_edge *edge, int64_t n,
              const uint64_t span_ns[2]);
/* Before a commit, behind minutes_write(). */
int told_write(struct store *store);
/* The transaction was rolled back. */
void told_forget(struct store *store);
/* Series are gone: one that comes again did not begin at 0. */
int told_forget_targets(struct store *store);

/* told_times.c */
struct told_span {
    uint64_t since_ns;  /* the point to whose numbers these were added; 0: none */
    const uint64_t *ns; /* from, to */
};
/* A histogram's point; what came in it since another is told as buckets and sums are. */
int told_add_times(struct store *store, const struct turn *turn, const struct metric_point *point,
                   const struct series_state *state, const struct told_span *span);

/* told_edges.c */
int told_edges_open(struct store *store);
void told_edges_close(struct store *store);
void told_edges_forget(struct store *store);
/* Room for one more in an array that doubles. */
bool told_room(void **items, uint32_t n, uint32_t *cap, size_t size);
/* Its number in told.edges. Beyond limit.edges there is none: *result is UINT32_MAX. */
int told_edge_of(struct store *store, const struct turn *turn, const struct told_edge *edge,
                 uint32_t *result);
/* A counter of this edge was heard in this minute, whether it grew or not. */
int told_heard(struct told *told, uint32_t edge_no, const struct told_edge *edge, int64_t minute);
/* Before a commit. */
int told_edges_write(struct told *told);

/* told_minutes.c */
int told_minutes_open(struct store *store);
void told_minutes_close(struct store *store);
void told_minutes_forget(struct store *store);
/* The first call of spans came into a row of edge_minute, or the last one left it. */
int told_note_spans(struct store *store, uint64_t minute, int64_t edge);
/* Pairs and minutes to look at. */
int told_look_at(struct told *told, int64_t pair, uint64_t minute);
/* The pair and others of the same two names, in the minute and the one before. */
int told_look_at_kin(struct told *told, int64_t pair, uint64_t minute);
/* Writes told.minutes, and what is in edge_minute of the pairs that were noted. */
int told_settle(struct store *store);
/* Adds to a bucket, which is made where there is none. False when memory is short. */
bool told_add_bucket(struct told_buckets *buckets, double upper_ns, int64_t count);
/* What a blob says, added to what is there. False when memory is short. */
bool told_read_buckets(struct told_buckets *buckets, sqlite3_stmt *row, int column);
/* Lies in them until the statement has run. */
void told_bind_buckets(sqlite3_stmt *put, int at, const struct told_buckets *buckets);

#endif
