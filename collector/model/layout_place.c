/* layout_place.c - heights and positions: each column is packed in its order, every vertex as near
 * to the mean of its neighbours as order and gap allow.
 *
 * For one column that is a least-squares problem with an order, solved exactly by pooling: a vertex
 * that would come too near to the one above it forms a block with it, and the block lies at the
 * weighted mean of what its members want.
 */
#include <math.h>
#include <stdlib.h>

#include "collector/model/layout_internal.h"

#define N_PASSES 24
#define MARGIN 10   /* px around the whole */
#define PORT_GAP 16 /* px between edges that arrive at one node, at most */

struct block {
    double sum, weight; /* of what its members want, less their distance from its head */
    uint32_t n;
};

/* ---- heights ---- */

static double distance(const struct vertex *above, const struct vertex *below)
{
    return above->height / 2.0 + LAYOUT_GAP + below->height / 2.0;
}

static void stack(struct work *work, uint32_t column)
{
    double y = 0;
    for (uint32_t i = 0; i < work->n_in_column[column]; i++) {
        struct vertex *vertex = &work->vertices[work->columns[column][i]];
        if (i)
            y += distance(&work->vertices[work->columns[column][i - 1]], vertex);
        vertex->y = y;
    }
    for (uint32_t i = 0; i < work->n_in_column[column]; i++)
        work->vertices[work->columns[column][i]].y -= y / 2;
}

static void add_wants(const struct work *work, uint32_t vertex, bool of_left, double *sum,
                      double *weight)
{
    const uint32_t *start = of_left ? work->left_start : work->right_start;
    const uint32_t *links = of_left ? work->left_links : work->right_links;
    for (uint32_t i = start[vertex]; i < start[vertex + 1]; i++) {
        const struct link *link = &work->links[links[i]];
        *sum += link->weight * work->vertices[of_left ? link->left : link->right].y;
        *weight += link->weight;
    }
}

/* Packs a column as near as can be to what its vertices want. */
static void pool(struct work *work, uint32_t column, struct block *blocks)
{
    const uint32_t *list = work->columns[column];
    uint32_t n_blocks = 0, next = 0;
    double offset = 0;
    for (uint32_t i = 0; i < work->n_in_column[column]; i++) {
        struct vertex *vertex = &work->vertices[list[i]];
        if (i)
            offset += distance(&work->vertices[list[i - 1]], vertex);
        blocks[n_blocks++] =
            (struct block){vertex->weight * (vertex->want - offset), vertex->weight, 1};
        while (n_blocks > 1) {
            struct block *above = &blocks[n_blocks - 2], *below = &blocks[n_blocks - 1];
            if (above->sum * below->weight < below->sum * above->weight)
                break;
            above->sum += below->sum;
            above->weight += below->weight;
            above->n += below->n;
            n_blocks--;
        }
    }
    offset = 0;
    for (uint32_t b = 0; b < n_blocks; b++) {
        for (uint32_t k = 0; k < blocks[b].n; k++, next++) {
            struct vertex *vertex = &work->vertices[list[next]];
            if (next)
                offset += distance(&work->vertices[list[next - 1]], vertex);
            vertex->y = blocks[b].sum / blocks[b].weight + offset;
        }
    }
}

/* Which neighbours a pass looks at: the left ones going right, the right ones going left, then
 * both. */
static void pass(struct work *work, unsigned i, struct block *blocks)
{
    bool to_right = i % 2 == 0, left = i >= 4 || to_right, right = i >= 4 || !to_right;
    for (uint32_t k = 0; k < work->n_columns; k++) {
        uint32_t column = to_right ? k : work->n_columns - 1 - k;
        for (uint32_t v = 0; v < work->n_in_column[column]; v++) {
            uint32_t no = work->columns[column][v];
            struct vertex *vertex = &work->vertices[no];
            double sum = 0.01 * vertex->y, weight = 0.01;
            if (left)
                add_wants(work, no, true, &sum, &weight);
            if (right)
                add_wants(work, no, false, &sum, &weight);
            vertex->want = sum / weight;
            vertex->weight = weight;
        }
        pool(work, column, blocks);
    }
}

/* Whoever is alone in a column stands at the height of what it calls, so that the way in from the
 * entries is straight. */
static void straighten(struct work *work)
{
    for (uint32_t c = work->n_columns; c-- > 0;) {
        struct vertex *vertex = &work->vertices[work->columns[c][0]];
        double sum = 0, weight = 0;
        if (work->n_in_column[c] != 1)
            continue;
        add_wants(work, work->columns[c][0], false, &sum, &weight);
        vertex->y = weight > 0 ? sum / weight : vertex->y;
    }
}

/* ---- positions ---- */

static void place_columns(struct work *work, int32_t *lefts, int32_t *widths)
{
    struct layout *layout = work->layout;
    double top = 0, bottom = 0;
    int32_t x = MARGIN;
    for (uint32_t i = 0; i < work->n_vertices; i++) {
        const struct vertex *vertex = &work->vertices[i];
        top = i == 0 || vertex->y - vertex->height / 2.0 < top ? vertex->y - vertex->height / 2.0
                                                               : top;
        bottom = i == 0 || vertex->y + vertex->height / 2.0 > bottom
                     ? vertex->y + vertex->height / 2.0
                     : bottom;
        if (i < work->n_nodes) {
            int32_t width = layout->nodes[work->node_of[i]].width;
            widths[vertex->column] =
                width > widths[vertex->column] ? width : widths[vertex->column];
        }
    }
    for (uint32_t c = 0; c < work->n_columns; c++) {
        lefts[c] = x;
        x += widths[c] + LAYOUT_COLUMN_GAP;
    }
    for (uint32_t i = 0; i < work->n_vertices; i++)
        work->vertices[i].y = round(work->vertices[i].y - top + MARGIN);
    layout->width = work->n_columns ? x - LAYOUT_COLUMN_GAP + MARGIN : 0;
    layout->height = work->n_vertices ? (int32_t)ceil(bottom - top) + 2 * MARGIN : 0;
    for (uint32_t i = 0; i < work->n_nodes; i++) {
        struct layout_node *node = &layout->nodes[work->node_of[i]];
        node->column = work->vertices[i].column;
        node->x = lefts[node->column];
        node->y = (int32_t)work->vertices[i].y;
    }
}

/* ---- where edges arrive ---- */

struct port {
    uint32_t wire, node;
    double y;      /* where it comes from */
    uint32_t lane; /* those of one lane arrive in one point; NO_VERTEX: it comes alone */
};

static int by_node(const void *a, const void *b)
{
    const struct port *x = a, *y = b;
    if (x->node != y->node)
        return x->node < y->node ? -1 : 1;
    if (x->y != y->y)
        return x->y < y->y ? -1 : 1;
    if (x->lane != y->lane)
        return x->lane < y->lane ? -1 : 1;
    return (x->wire > y->wire) - (x->wire < y->wire);
}

static bool is_same_port(const struct port *x, const struct port *y)
{
    return x->node == y->node && x->lane == y->lane && x->lane != NO_VERTEX;
}

/* Spreads the edges at one end of their nodes, in the order in which they come, around the middle:
 * gives each an offset in px. `few`: nodes with more edges than this have them in one point. */
static void spread(struct work *work, struct port *ports, uint32_t few, int32_t *offsets)
{
    qsort(ports, work->n_wires, sizeof(*ports), by_node);
    for (uint32_t i = 0; i < work->n_wires;) {
        uint32_t n = 0, end = i, k = 0;
        for (; end < work->n_wires && ports[end].node == ports[i].node; end++)
            n += end == i || !is_same_port(&ports[end - 1], &ports[end]);
        double room = work->vertices[ports[i].node].height - 16;
        double gap = n > 1 && n <= few ? fmin(PORT_GAP, room / (n - 1)) : 0;
        for (uint32_t first = i; i < end; i++) {
            k += i > first && !is_same_port(&ports[i - 1], &ports[i]);
            offsets[ports[i].wire] = (int32_t)lround((k - (n - 1) / 2.0) * gap);
        }
    }
}

static bool spread_ends(struct work *work, int32_t *leaves, int32_t *arrives)
{
    struct port *ports = arena_calloc(&work->arena, (work->n_wires + 1) * sizeof(*ports));
    if (!ports)
        return false;
    for (int end = 0; end < 2; end++) {
        for (uint32_t i = 0; i < work->n_wires; i++) {
            const struct wire *wire = &work->wires[i];
            uint32_t node = end ? wire->to : wire->from, other = end ? wire->from : wire->to;
            uint32_t at = (end == 1) == wire->back ? 0 : wire->n_chain - 1;
            uint32_t last = wire->n_chain ? work->places[wire->chain + at] : other;
            bool lane = work->vertices[last].second == UINT32_MAX;
            ports[i] = (struct port){i, node, work->vertices[last].y, lane ? last : NO_VERTEX};
        }
        spread(work, ports, end ? 8 : 3, end ? arrives : leaves);
    }
    return true;
}

/* ---- points ---- */

static void add_point(struct layout *layout, struct layout_edge *edge, int32_t x, int32_t y)
{
    layout->points[layout->n_points++] = (struct layout_point){x, y};
    edge->n_points++;
}

static void add_points(struct work *work, const struct wire *wire, const int32_t *lefts,
                       const int32_t *widths, const int32_t ends[2])
{
    struct layout *layout = work->layout;
    struct layout_edge *edge = &layout->edges[wire->edge];
    const struct layout_node *from = &layout->nodes[edge->from], *to = &layout->nodes[edge->to];
    bool within = from->column == to->column;
    edge->back = wire->back;
    edge->first_point = layout->n_points;
    edge->n_points = 0;
    add_point(layout, edge, wire->back && !within ? from->x : from->x + from->width,
              from->y + ends[0]);
    for (uint32_t i = 0; i < wire->n_chain; i++) {
        uint32_t at = wire->back ? wire->n_chain - 1 - i : i;
        const struct vertex *vertex = &work->vertices[work->places[wire->chain + at]];
        int32_t left = lefts[vertex->column], right = left + widths[vertex->column];
        add_point(layout, edge, wire->back ? right : left, (int32_t)vertex->y);
        add_point(layout, edge, wire->back ? left : right, (int32_t)vertex->y);
    }
    add_point(layout, edge, wire->back ? to->x + to->width : to->x, to->y + ends[1]);
}

bool layout_place(struct work *work)
{
    struct layout *layout = work->layout;
    size_t n_columns = work->n_columns + 1, n_wires = work->n_wires + 1;
    struct block *blocks = arena_calloc(&work->arena, (work->n_vertices + 1) * sizeof(*blocks));
    int32_t *lefts = arena_calloc(&work->arena, n_columns * sizeof(*lefts));
    int32_t *widths = arena_calloc(&work->arena, n_columns * sizeof(*widths));
    int32_t *leaves = arena_calloc(&work->arena, n_wires * sizeof(*leaves));
    int32_t *arrives = arena_calloc(&work->arena, n_wires * sizeof(*arrives));
    if (!blocks || !lefts || !widths || !leaves || !arrives)
        return false;
    for (uint32_t c = 0; c < work->n_columns; c++)
        stack(work, c);
    for (unsigned i = 0; i < N_PASSES; i++)
        pass(work, i, blocks);
    straighten(work);
    place_columns(work, lefts, widths);
    if (!spread_ends(work, leaves, arrives))
        return false;
    layout->points = malloc((2 * n_wires + 2 * (size_t)work->n_places) * sizeof(*layout->points));
    if (!layout->points)
        return false;
    for (uint32_t i = 0; i < layout->n_edges; i++)
        layout->edges[i].n_points = 0;
    for (uint32_t i = 0; i < work->n_wires; i++) {
        const int32_t ends[2] = {leaves[i], arrives[i]};
        add_points(work, &work->wires[i], lefts, widths, ends);
    }
    return true;
}
