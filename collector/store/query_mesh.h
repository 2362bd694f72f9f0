/* query_mesh.h - minute rows of calls as the questions about the graph read them: nodes and edges
 * by number, rows one by one, unknown parts of names folded.
 *
 * Nodes and edges are looked up when a row first names them, so a question costs what its window
 * holds, not what the database has ever seen.
 */
#ifndef STORE_QUERY_MESH_H
#define STORE_QUERY_MESH_H

#include "collector/base/arena.h"
#include "collector/base/map.h"
#include "collector/model/histogram.h"
#include "collector/model/words.h"
#include "collector/store/query_internal.h"

#define SHOWN_AFTER_NS (10 * NS_PER_S) /* a call shows in the rows about so long after it ended */

enum { CLUSTER, NAMESPACE, SERVICE, VERSION, N_TEXTS };

struct mesh_node {
    const char *text[N_TEXTS]; /* of the mesh's arena */
    enum role role;
    int64_t row;
    uint64_t first_seen_ns, last_seen_ns;
    uint32_t same; /* after mesh_fold(): the node that stands for it; itself else */
};

/* Counts of calls; sums of minute rows. */
struct traffic {
    int64_t calls, began, passed, client_errors; /* failures: began here, passed on */
    int64_t unreached; /* of `began`: known by the caller alone, the callee saw none of it */
    int64_t retries, recovered, adjusted_1024, hairpins;
    int64_t added_ns, detours; /* of hairpins: what they added, and of how many that is known */
    int64_t security[N_SECURITIES], known_by[N_KNOWN_BY];
    struct histogram histogram, transit;
};

struct mesh_edge { /* a row of `edge` */
    int64_t row;
    uint32_t caller, callee; /* nodes */
    uint8_t connection_type, crossing, known_by;
    int64_t protocol, via; /* names */
    const char *protocol_text, *via_text;
    uint32_t mine; /* the asker's: UINT32_MAX at first */
};

struct mesh {
    struct query *query;
    enum graph_level level;
    struct arena arena;
    struct mesh_node *nodes;
    uint32_t n_nodes, cap_nodes;
    struct mesh_edge *edges;
    uint32_t n_edges, cap_edges;
    struct map node_map, edge_map; /* by row */
    sqlite3_stmt *find_node, *find_edge;
    bool short_of_memory;
    uint32_t n_minutes; /* with rows, of the last mesh_rows() */
    int64_t last_minute;
};

/* One row of edge_minute_row; borrowed while the callback runs. */
struct mesh_row {
    int64_t minute;
    uint32_t edge; /* in mesh.edges */
    int64_t calls, began, passed, client_errors, retries, recovered, adjusted_1024, hairpins;
    int64_t added_ns, detours, security[N_SECURITIES];
    struct str histogram, transit;
};

int mesh_init(struct mesh *mesh, struct query *query, enum graph_level level, struct err *err);
void mesh_fini(struct mesh *mesh);
typedef void mesh_row_f(struct mesh *mesh, const struct mesh_row *row, void *ctx);
struct mesh_rows_to {
    mesh_row_f *row;
    void *ctx;
};
/* Every row of the window in order of minutes. */
int mesh_rows(struct mesh *mesh, struct window window, mesh_row_f *row, void *ctx, struct err *err);
/* Those of some edges only, by their rows in the database: one look for each and minute. */
int mesh_rows_of(struct mesh *mesh, struct window window, const int64_t *edges, uint32_t n,
                 struct mesh_rows_to to, struct err *err);
/* Rows of `edge` that a statement with one argument finds; gives them malloc'd, also on failure. */
int mesh_edge_rows(struct mesh *mesh, const char *sql, int64_t argument, int64_t **rows,
                   uint32_t *n, struct err *err);
/* Seconds for which there are rows in the last mesh_rows(): what counts are divided by for rates. A
 * minute that is not over counts as far as it is known by now. */
double mesh_seconds(const struct mesh *mesh);
/* The node of a database row, read when it is asked for first. */
uint32_t mesh_node(struct mesh *mesh, int64_t row);
/* The node of a database row, if a row of mesh_rows() named it; UINT32_MAX else. Nodes stay where
 * they are from the last mesh_rows() on. */
uint32_t mesh_find(const struct mesh *mesh, int64_t row);
/* Folds unknown versions, namespaces and clusters into the only known value of that service among
 * the nodes that rows named, when there is exactly one (STITCHING §1). At level service, versions
 * are one. */
bool mesh_fold(struct mesh *mesh);
/* The node that stands for one. */
static inline uint32_t mesh_same(const struct mesh *mesh, uint32_t node)
{
    return mesh->nodes[node].same;
}

bool traffic_add_row(struct traffic *traffic, const struct mesh_row *row, unsigned known_by);
bool traffic_merge(struct traffic *into, const struct traffic *from);
void traffic_fini(struct traffic *traffic);

/* Is this text the node's name: service, namespace/service, cluster/namespace/service, or its id?
 */
bool mesh_node_is(const struct mesh *mesh, const struct mesh_node *node, struct str text);
/* "cluster/namespace/service", "@version" at level version, "#role" unless a workload; unescaped.
 */
void mesh_node_id(const struct mesh *mesh, const struct mesh_node *node, struct buf *out);
/* {"cluster","namespace","service","version","role"}; version '' at level service. */
void mesh_node_json(const struct mesh *mesh, const struct mesh_node *node, struct buf *out);
/* ,"p50_ns":…,"p95_ns":…,"p99_ns":… */
void quantiles_json(struct buf *out, const struct histogram *histogram);

#endif
