/* layout_internal.h - what the files of the layout share.
 *
 *   layout.c         nodes and edges by name, cycles, columns; the whole
 *   layout_order.c   the order within columns, and the memory of it
 *   layout_place.c   heights, positions, points
 *
 * Inside, nodes are numbered by name, so no order of input is left anywhere.
 */
#ifndef MODEL_LAYOUT_INTERNAL_H
#define MODEL_LAYOUT_INTERNAL_H

#include "collector/base/arena.h"
#include "collector/model/layout.h"

#define NO_VERTEX UINT32_MAX

/* An edge between nodes by number of name; edges to oneself are none. */
struct wire {
    uint32_t from, to, tie;
    uint32_t edge;  /* index in layout.edges */
    bool back;      /* against the columns */
    uint32_t chain; /* first of its places in work.places, lower column first */
    uint32_t n_chain;
};

/* A node, or the place where a long edge passes a column: its own, or a lane of many. */
struct vertex {
    uint32_t column;
    uint32_t at;            /* place within the column */
    uint32_t first, second; /* order by name: a node (n, 0), a place of an edge (from, to + 1), a
                               lane (to, UINT32_MAX) */
    uint32_t tie;
    uint32_t height;
    uint32_t best; /* `at` in the best order so far */
    bool known;    /* stood in the last picture */
    uint64_t key;  /* in the memory */
    double value;  /* what the column is being sorted by */
    double y, want, weight;
};

/* Between vertices of neighbouring columns. */
struct link {
    uint32_t left, right;
    double weight; /* how much it wants to be straight */
};

struct work {
    struct arena arena;
    struct layout *layout;
    uint32_t n_nodes;
    const uint32_t *node_of; /* number by name -> index in layout.nodes */
    struct wire *wires;      /* by (from, to, tie) */
    uint32_t n_wires;
    uint32_t *columns_of; /* of nodes */
    uint32_t n_columns;
    struct vertex *vertices; /* the first n_nodes are the nodes */
    uint32_t n_vertices;
    uint32_t *places; /* vertices that wires pass; see wire.chain */
    uint32_t n_places;
    struct link *links;
    uint32_t n_links;
    uint32_t *right_start, *right_links; /* links of a vertex by their left end, and by their */
    uint32_t *left_start, *left_links;   /* right: indices into links */
    uint32_t **columns;                  /* vertices of each, in order */
    uint32_t *n_in_column;
};

/* Each gives false when memory is short. */
bool layout_order(struct work *work, struct layout_memory *memory);
bool layout_place(struct work *work);

#endif
