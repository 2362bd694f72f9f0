/* series_work.h - the working state of localise_series(); shared by its files.
 *
 *   series_mesh.c     nodes and edges from series, and their sums in both times
 *   series.c          whose fault it is, and the answer
 *   series_symptom.c  what users feel at the entries, and since when
 */
#ifndef LOCALISE_SERIES_WORK_H
#define LOCALISE_SERIES_WORK_H

#include "collector/base/map.h"
#include "collector/localise/constants.h"
#include "collector/localise/series.h"

#define NO_NODE UINT32_MAX

/* Sums of normal times and of now. */
struct sums {
    double calls[2], failed[2], timed[2], ns[2];
};

enum side { SIDE_CALLER, SIDE_CALLEE, N_SIDES };

struct edge {
    uint32_t caller, callee;
    struct sums of[N_SIDES]; /* as either end's proxy saw them */
    struct sums sums;        /* as the surer saw them */
    bool calls_by_caller, times_by_caller;
};

struct end {
    struct node_text node;
    struct sums in;    /* calls to it */
    double down[2];    /* failures that it saw downstream */
    double worst_ns;   /* most that the growth of one callee took of one visit */
    struct str reason; /* of most of now's failures */
    double reason_n;
    bool of_cluster;         /* Envoy's statistics tell of it */
    double errors, errors_z; /* rise of the share of calls that fail of its own */
    double slow, slow_z;     /* log of its own slowdown */
    double own_ns;           /* growth of a visit that is its own */
    double impact;
    double spoilt_errors, spoilt_time; /* of the requests, of their time */
};

struct mesh {
    const struct series_input *input;
    struct arena *arena;
    const struct diagnosis *diagnosis;
    struct end *ends;
    struct edge *edges;
    uint32_t n_ends, cap_ends, n_edges, cap_edges;
    struct map end_map, edge_map;
    uint64_t first_minute;
    uint32_t n_minutes;
    double *minute_n, *minute_ns; /* times of calls to each end, by end and minute */
    struct sums entries;
    bool memory_short;
};

/* series_mesh.c */
bool same_node(const struct node_text *a, const struct node_text *b);
/* The place of the node, or of the two's edge; made when new. NO_NODE, NULL: memory is short. */
uint32_t end_of(struct mesh *mesh, const struct node_text *text);
struct edge *edge_of(struct mesh *mesh, uint32_t caller, uint32_t callee);
/* 0 normal, 1 now, −1 neither. A minute that is in both is now's. */
int time_of(const struct diagnosis *diagnosis, uint64_t minute);
void add_sums(struct sums *into, const struct sums *from);
double mean_ns(const struct sums *sums, int t);
/* Fills ends, edges, entries and minutes from the input. False when memory is short. */
bool mesh_fill(struct mesh *mesh);

/* series.c */
bool slows(const struct end *end);

/* series_symptom.c */
/* Since when: from the minutes of what came in. False when memory is short. */
bool find_onset(struct mesh *mesh, struct diagnosis *diagnosis);
void find_symptom(const struct mesh *mesh, struct series_symptom *sharpest);

#endif
