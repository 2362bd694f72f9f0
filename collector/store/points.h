/* points.h - points of metrics, in generations (metrics.c), which series they are of
 * (metric_series.c), what senders tell of all metrics of a name (metric_families.c), and log
 * records of traces (logs.c). All give 0 or an SQLite code.
 */
#ifndef STORE_POINTS_H
#define STORE_POINTS_H

#include <sqlite3.h>

#include "collector/base/buf.h"
#include "collector/base/map.h"
#include "collector/base/stats.h"
#include "collector/model/batch.h"
#include "collector/model/turn.h"

struct store;

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

/* metric_series.c */
/* The series of a point; one that is not in memory afterwards lies in *fresh, and *part tells its
 * point from others of the overflow. */
int metric_series_of(struct store *store, const struct metric_point *point,
                     struct series_state *fresh, struct series_state **state, int64_t *part);

/* metric_families.c */
int families_add(struct store *store, const struct batch *batch);
/* Those that nobody told of since the oldest points. */
int families_delete(struct store *store);

struct logs {
    sqlite3_stmt *add, *count, *same;
    uint32_t n_beyond; /* limit.events, not told to the counter yet */
    struct stat_series *dropped;
};

/* logs.c */
int logs_open(struct store *store);
void logs_close(struct store *store);
/* The transaction was rolled back. */
void logs_forget(struct store *store);
/* A trace that was stored under the lower half of this id has the whole now: so have its records.
 */
int logs_rename(struct store *store, struct trace_id id);
/* Those of the body, which says when it was received: the time of those that say none. */
int logs_add(struct store *store, const struct body *body, uint32_t *n_stored,
             uint32_t *n_duplicate);

#endif
