/* query_graph.h - the graph of a window as it is built, changed by a view, laid out and written.
 *
 *   query_mesh.c        minute rows, nodes and edges they name
 *   query_graph.c       sums of nodes and edges, marks, examples; the whole
 *   query_graph_physical.c  the same of hops between applications and proxies
 *   query_graph_view.c  what is shown: namespaces folded, a neighbourhood, at most so many; layout
 *   query_graph_diff.c  two windows beside each other
 *   query_graph_json.c  the words of CONTRACT §7, and what the page is given beyond
 */
#ifndef STORE_QUERY_GRAPH_H
#define STORE_QUERY_GRAPH_H

#include "collector/model/layout.h"
#include "collector/store/query_mesh.h"

#define N_EXAMPLES 3
#define MOST_VERSIONS 8

enum graph_mark { MARK_NONE, MARK_BEGAN, MARK_PASSED };

struct gversion {
    const char *text;
    int64_t calls, errors; /* calls it got, failed ones of them */
    int64_t began, passed; /* failures that began in it (also at calls that nobody took) or were
                              passed on by it */
    int64_t unreached;     /* of `began`: at calls that nobody took */
};

struct gnode {
    const struct mesh_node *node;    /* NULL for a fold */
    const char *id;                  /* no two alike; orders nodes */
    const char *fold, *fold_cluster; /* name of the fold and its cluster; NULL else */
    enum role role;                  /* of what is folded, too */
    uint32_t n_folded;
    struct traffic in;                /* calls it got */
    int64_t began, passed, unreached; /* as in struct gversion */
    int64_t out_calls, out_failed;
    enum graph_mark mark;
    struct gversion versions[MOST_VERSIONS];
    uint32_t n_versions;
    bool more_versions; /* than are kept */
    bool shown;
    uint32_t tie; /* while a physical graph is put in order: its number before */
    struct layout_node place;
};

struct gedge {
    uint32_t caller, callee; /* nodes of the graph */
    uint8_t connection_type, crossing;
    uint8_t hop; /* of a physical graph: enum hop_kind + 1; 0 else */
    int64_t protocol, via;
    const char *protocol_text, *via_text;
    struct traffic now, was;          /* was: of the base window */
    uint64_t slow_ns;                 /* p95 of now */
    char examples[2][N_EXAMPLES][33]; /* error, slow */
    unsigned n_examples[2];
    enum graph_mark mark;
    bool shown;
    uint32_t n_merged;              /* edges of the graph in it, where an end is a fold */
    uint32_t tie;                   /* number among the edges of its two nodes */
    uint32_t first_point, n_points; /* in layout.points */
    bool back;
};

struct graph_answer {
    struct mesh mesh;
    struct window window, base;
    bool with_gone;               /* edges that have calls in the base window alone, too */
    double seconds, base_seconds; /* with rows, see mesh_seconds() */
    struct gnode *nodes;
    uint32_t n_nodes;
    struct gedge *edges;
    uint32_t n_edges, cap_edges;
    struct map edge_map;
    uint32_t *node_of; /* by number in the mesh: index of nodes, UINT32_MAX without */
    uint32_t n_all_nodes, n_all_edges; /* before anything was folded or left out */
    uint32_t n_folds;
    bool truncated;
    struct layout layout;
};

/* Sums the window's rows (and the base window's, unless it is empty) into nodes and edges. */
int graph_load(struct graph_answer *answer, struct query *query, enum graph_level level,
               struct window window, struct window base, struct err *err);
/* The same against the base of a view, with what is gone since then if the view wants it. */
int graph_load_view(struct graph_answer *answer, struct query *query, enum graph_level level,
                    struct window window, const struct graph_view *view, struct err *err);
/* The same window hop by hop; views fold nothing there. */
int graph_load_physical(struct graph_answer *answer, struct query *query, enum graph_level level,
                        struct window window, struct err *err);
void graph_fini(struct graph_answer *answer);
/* A node's id, in the answer's memory; NULL when that is short. */
const char *graph_node_id(struct graph_answer *answer, const struct mesh_node *node);
/* The edge of these ends and words; a new one when there is none. UINT32_MAX beyond the limit. */
uint32_t graph_edge(struct graph_answer *answer, const struct gedge *key);
/* Sums the edges into the nodes, and judges both. */
void graph_sum(struct graph_answer *answer);
/* Traces that failed at an edge or were slow there. */
int graph_examples(struct graph_answer *answer, struct err *err);

/* Folds, leaves out, lays out. False when memory is short. */
bool graph_view(struct graph_answer *answer, const struct graph_view *view);

void graph_node_json(const struct graph_answer *answer, const struct gnode *node, struct buf *out);
void graph_edge_json(const struct graph_answer *answer, const struct gedge *edge, struct buf *out);
void graph_json(const struct graph_answer *answer, struct buf *out);

/* What a node passed on: of its failed calls those that did not begin at a call of its own that
 * nobody took; to the callers both look alike. */
static inline int64_t graph_passed(int64_t carried, int64_t unreached)
{
    return carried > unreached ? carried - unreached : 0;
}

/* ,"NAME":{"from","to","seconds"} */
void graph_window_json(const char *name, struct window window, double seconds, struct buf *out);
/* "from":…,"to":…,"seconds":…[,"base":{…}]: how answers of this family begin. */
void graph_head_json(const struct graph_answer *answer, struct buf *out);
/* ,"calls":…,"errors":… as in an edge, and quantiles */
void traffic_json(const struct traffic *traffic, struct buf *out);
/* The node that a text names; UINT32_MAX for none. */
uint32_t graph_find_node(const struct graph_answer *answer, struct str text);

/* Failures worth a mark: at least three, and one call in two hundred. */
enum graph_mark graph_mark_of(int64_t calls, int64_t began, int64_t passed);
/* Of the calls a node got; of one that gets none, of those it makes. */
enum graph_mark graph_node_mark(const struct gnode *node);

#endif
