/* layout.h - where the nodes of a call graph stand and how its edges run: columns from left to
 * right, callers before callees.
 *
 *   1. cycles are broken: in each, of the edges that lead no farther from the entries, the one
 *      with the lowest name is drawn backwards;
 *   2. a node's column is its longest way from the entries; stores and externals that call nobody
 *      stand in the last one;
 *   3. an edge over several columns passes each between them at a place of its own, but where more
 *      than LAYOUT_MOST_LANES callers of one node pass a column their edges share one: a lane;
 *   4. the order within columns: from the order of names, eight sweeps of barycentres, ties by
 *      name, and the order with the fewest crossings is kept;
 *   5. heights: packed in that order with LAYOUT_GAP between, as near to their neighbours as it
 *      allows.
 *
 * A pure function of the sets of nodes and edges: no count and no duration moves anything, and
 * neither does the order in which they are given. With a memory it is one of the last picture too:
 * who was in it keeps the order, newcomers are put between them. Refuses nothing; a picture of
 * more than LAYOUT_MAX_EDGES has straight edges only.
 */
#ifndef MODEL_LAYOUT_H
#define MODEL_LAYOUT_H

#include "collector/base/str.h"

#define LAYOUT_GAP 24          /* px between nodes of a column, at least */
#define LAYOUT_COLUMN_GAP 50   /* px between a column's widest node and the next column */
#define LAYOUT_MOST_LANES 3u   /* ways to one node through a column, before they are one */
#define LAYOUT_MAX_EDGES 2000u /* beyond: no step 3 */

struct layout_node {
    struct str name;        /* no two alike; borrowed until layout_make() returns */
    uint16_t width, height; /* px */
    bool entry;             /* stands in the first column, whoever calls it */
    bool last;              /* stands in the last column, unless it calls somebody */
    uint32_t column;        /* given: from 0 */
    int32_t x, y;           /* given: left edge and middle, px; nothing is left of or above 0 */
};

struct layout_point {
    int32_t x, y;
};

/* Its points: where it leaves, two for each column that it passes (in and out, on one height, so
 * the way between is straight), where it arrives. An edge to its own node has none. */
struct layout_edge {
    uint32_t from, to;              /* indices of nodes */
    uint32_t tie;                   /* tells edges between the same two nodes apart; orders them */
    bool back;                      /* given: drawn from right to left, or within a column */
    uint32_t first_point, n_points; /* given: in layout.points */
};

struct layout {
    struct layout_node *nodes; /* borrowed, as are the edges */
    uint32_t n_nodes;
    struct layout_edge *edges;
    uint32_t n_edges;
    struct layout_point *points; /* given: malloc'd */
    uint32_t n_points;
    int32_t width, height; /* given: px, all nodes and points lie within */
    uint32_t n_crossings;  /* given: of edges, between neighbouring columns */
};

/* The order of the last picture. One owner at a time. */
struct layout_memory;
struct layout_memory *layout_memory_new(void);
void layout_memory_free(struct layout_memory *memory);

/* Fills what is "given". `memory` may be NULL; it is renewed. False when memory is short: nothing
 * is filled then and there is nothing to free. */
bool layout_make(struct layout *layout, struct layout_memory *memory);
/* Frees the points. */
void layout_fini(struct layout *layout);

#endif
