/* query_mesh_internal.h - what the files share that read a mesh's own series of calls.
 *
 *   query_mesh_series.c    the names that tell of calls, their points, what came by the minute
 *   query_mesh_istio.c     Istio's standard metrics: both ends, by their labels
 *   query_mesh_clusters.c  Envoy's statistics of clusters: the callee, by its cluster's name
 */
#ifndef STORE_QUERY_MESH_INTERNAL_H
#define STORE_QUERY_MESH_INTERNAL_H

#include "collector/model/cluster_stat.h"
#include "collector/store/query_points.h"

#define MOST_SERIES 20000u

enum part { PART_CALLS, PART_TIMES, PART_TIME_SUM, PART_TIME_COUNT };

/* Of a cluster's statistics; what of it counts is known when all were read. */
struct cluster_calls {
    struct mesh_series series;
    bool inbound;  /* all calls to the application, whoever called: the caller is its own proxy */
    bool bare;     /* no name of Istio's */
    bool nameless; /* whose statistics they are is not said */
};

struct mesh_reading {
    struct query *query;
    struct window window;
    struct arena *arena;
    struct mesh_series_list *list;
    struct cluster_calls *clusters;
    uint32_t n_clusters, cap_clusters;
    struct points_reading points;
    sqlite3_stmt *sender_before;
    bool nameless;     /* the sender of the series that is read now */
    bool memory_short; /* for what is made of them */
};

/* Columns of series that are read. */
enum series_column {
    SERIES_ID,
    SERIES_ATTRIBUTES,
    SERIES_TEMPORALITY,
    SERIES_FIRST_NS, /* the sender's first point of this name */
    SERIES_ELDEST,   /* the one of this name that the sender sent longest, and still does */
    SERIES_RESOURCE
};

/* query_mesh_series.c */
/* The attributes of a row, each where `label_of` says for its key; `n`: nowhere. */
void mesh_series_labels(struct mesh_reading *reading, sqlite3_stmt *row,
                        int (*label_of)(struct str key), int n, struct str labels[]);
/* What came by the minute, into series->minutes. False when nothing did, or cannot be told: of a
 * sender without a name the series may be several counters in one. */
bool mesh_series_count(struct mesh_reading *reading, enum part part, sqlite3_stmt *row,
                       struct mesh_series *series);
bool mesh_series_is_over(const struct mesh_reading *reading);
/* HTTP statuses that are the server's fault, as in the calls that spans tell of. */
bool mesh_status_failed(struct str code);
void mesh_series_add(struct mesh_reading *reading, const struct mesh_series *series);

/* query_mesh_istio.c */
/* False for other names. */
bool istio_part(struct str name, enum part *part);
void istio_take(struct mesh_reading *reading, enum part part, sqlite3_stmt *row);

/* query_mesh_clusters.c */
/* False for other names. */
bool clusters_part(struct str name, struct cluster_stat_name *stat, enum part *part);
void clusters_take(struct mesh_reading *reading, const struct cluster_stat_name *stat,
                   enum part part, sqlite3_stmt *row);
/* Adds to the list what nobody else tells. False when memory is short. */
bool clusters_settle(struct mesh_reading *reading);

#endif
