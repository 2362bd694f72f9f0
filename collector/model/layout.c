/* layout.c - nodes and edges by name, cycles broken, columns given; then order and places. */
#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/model/layout_internal.h"

#define CEILING ((size_t)256 << 20)
#define MOST_ROUNDS 64 /* of breaking one edge in each knot; then all that can be are broken */

/* ---- nodes and edges by name ---- */

static int by_name(const void *a, const void *b, void *ctx)
{
    const struct layout *layout = ctx;
    return str_cmp(layout->nodes[*(const uint32_t *)a].name,
                   layout->nodes[*(const uint32_t *)b].name);
}

static int by_ends(const void *a, const void *b)
{
    const struct wire *x = a, *y = b;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    if (x->to != y->to)
        return x->to < y->to ? -1 : 1;
    return (x->tie > y->tie) - (x->tie < y->tie);
}

static bool number_by_name(struct work *work)
{
    const struct layout *layout = work->layout;
    uint32_t n = layout->n_nodes;
    uint32_t *node_of = arena_calloc(&work->arena, (n + 1) * sizeof(*node_of));
    uint32_t *number_of = arena_calloc(&work->arena, (n + 1) * sizeof(*number_of));
    struct wire *wires = arena_calloc(&work->arena, (layout->n_edges + 1) * sizeof(*wires));
    if (!node_of || !number_of || !wires)
        return false;
    for (uint32_t i = 0; i < n; i++)
        node_of[i] = i;
    qsort_r(node_of, n, sizeof(*node_of), by_name, work->layout);
    for (uint32_t i = 0; i < n; i++)
        number_of[node_of[i]] = i;
    for (uint32_t i = 0; i < layout->n_edges; i++) {
        const struct layout_edge *edge = &layout->edges[i];
        if (edge->from != edge->to)
            wires[work->n_wires++] = (struct wire){.from = number_of[edge->from],
                                                   .to = number_of[edge->to],
                                                   .tie = edge->tie,
                                                   .edge = i};
    }
    qsort(wires, work->n_wires, sizeof(*wires), by_ends);
    work->n_nodes = n;
    work->node_of = node_of;
    work->wires = wires;
    return true;
}

/* ---- cycles ---- */

/* The graph as cycles see it: wires by their `from`, and what the search for knots needs. */
struct knots {
    struct work *work;
    uint32_t *start; /* wires of node i: start[i] … start[i + 1] − 1 */
    uint32_t *depth; /* steps from the entries */
    uint32_t *index, *low, *stack, *frame, *next, *knot;
    bool *on_stack;
    uint32_t n_seen, n_stack, n_knots, *knot_size;
};

static bool knots_init(struct knots *knots, struct work *work)
{
    uint32_t n = work->n_nodes + 2;
    uint32_t **all[] = {&knots->start, &knots->depth, &knots->index,
                        &knots->low,   &knots->stack, &knots->frame,
                        &knots->next,  &knots->knot,  &knots->knot_size};
    *knots = (struct knots){.work = work};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        *all[i] = arena_calloc(&work->arena, n * sizeof(uint32_t));
        if (!*all[i])
            return false;
    }
    knots->on_stack = arena_calloc(&work->arena, n);
    for (uint32_t i = 0; i < work->n_wires; i++)
        knots->start[work->wires[i].from + 1]++;
    for (uint32_t i = 0; i < work->n_nodes; i++)
        knots->start[i + 1] += knots->start[i];
    return knots->on_stack != NULL;
}

/* Breadth first from what stands in knots->stack[0 … n). */
static void walk_out(struct knots *knots, uint32_t n)
{
    const struct work *work = knots->work;
    for (uint32_t at = 0; at < n; at++) {
        uint32_t node = knots->stack[at];
        for (uint32_t i = knots->start[node]; i < knots->start[node + 1]; i++) {
            uint32_t to = work->wires[i].to;
            if (knots->depth[to] != UINT32_MAX)
                continue;
            knots->depth[to] = knots->depth[node] + 1;
            knots->stack[n++] = to;
        }
    }
}

/* Steps from the entries: those named as such and whom nobody calls. What only a cycle leads to is
 * entered at its first name. */
static void find_depths(struct knots *knots)
{
    const struct work *work = knots->work;
    uint32_t n = 0;
    for (uint32_t i = 0; i < work->n_nodes; i++)
        knots->depth[i] = 0;
    for (uint32_t i = 0; i < work->n_wires; i++)
        knots->depth[work->wires[i].to] = UINT32_MAX;
    for (uint32_t i = 0; i < work->n_nodes; i++) {
        if (work->layout->nodes[work->node_of[i]].entry)
            knots->depth[i] = 0;
        if (knots->depth[i] == 0)
            knots->stack[n++] = i;
    }
    walk_out(knots, n);
    for (uint32_t i = 0; i < work->n_nodes; i++) {
        if (knots->depth[i] != UINT32_MAX)
            continue;
        knots->depth[i] = 0;
        knots->stack[0] = i;
        walk_out(knots, 1);
    }
}

static void close_knot(struct knots *knots, uint32_t node)
{
    uint32_t other, size = 0;
    do {
        other = knots->stack[--knots->n_stack];
        knots->on_stack[other] = false;
        knots->knot[other] = knots->n_knots;
        size++;
    } while (other != node);
    knots->knot_size[knots->n_knots++] = size;
}

static void enter(struct knots *knots, uint32_t node)
{
    knots->index[node] = knots->low[node] = ++knots->n_seen;
    knots->next[node] = knots->start[node];
    knots->stack[knots->n_stack++] = node;
    knots->on_stack[node] = true;
}

static void lower(struct knots *knots, uint32_t node, uint32_t to)
{
    if (knots->low[node] > to)
        knots->low[node] = to;
}

/* Strongly connected parts of what is left (Tarjan), without recursion. */
static void find_knots_from(struct knots *knots, uint32_t first)
{
    const struct work *work = knots->work;
    uint32_t depth = 0;
    knots->frame[depth++] = first;
    enter(knots, first);
    while (depth) {
        uint32_t node = knots->frame[depth - 1];
        if (knots->next[node] < knots->start[node + 1]) {
            const struct wire *wire = &work->wires[knots->next[node]++];
            if (wire->back)
                continue;
            if (!knots->index[wire->to]) {
                knots->frame[depth++] = wire->to;
                enter(knots, wire->to);
            } else if (knots->on_stack[wire->to]) {
                lower(knots, node, knots->index[wire->to]);
            }
            continue;
        }
        if (knots->low[node] == knots->index[node])
            close_knot(knots, node);
        if (--depth)
            lower(knots, knots->frame[depth - 1], knots->low[node]);
    }
}

/* True when there is a cycle. */
static bool find_knots(struct knots *knots)
{
    bool any = false;
    knots->n_seen = knots->n_stack = knots->n_knots = 0;
    memset(knots->index, 0, knots->work->n_nodes * sizeof(*knots->index));
    for (uint32_t i = 0; i < knots->work->n_nodes; i++) {
        if (!knots->index[i])
            find_knots_from(knots, i);
    }
    for (uint32_t i = 0; i < knots->n_knots; i++)
        any = any || knots->knot_size[i] > 1;
    return any;
}

/* Turns, in each knot, the first wire by name that leads no farther from the entries; every cycle
 * has one. Wires between the same two nodes turn together. */
static void turn_first(struct knots *knots, bool all)
{
    struct work *work = knots->work;
    for (uint32_t i = 0; i < work->n_wires; i++) {
        struct wire *wire = &work->wires[i];
        uint32_t knot = knots->knot[wire->from];
        if (wire->back || knot != knots->knot[wire->to] || knots->knot_size[knot] < 2 ||
            knots->depth[wire->to] > knots->depth[wire->from])
            continue;
        for (uint32_t k = i; k < work->n_wires && work->wires[k].from == wire->from &&
                             work->wires[k].to == wire->to;
             k++)
            work->wires[k].back = true;
        if (!all)
            knots->knot_size[knot] = 0;
    }
}

static bool break_cycles(struct work *work)
{
    struct knots knots;
    if (!knots_init(&knots, work))
        return false;
    find_depths(&knots);
    for (uint32_t i = 0; i < work->n_wires; i++)
        work->wires[i].back = work->layout->nodes[work->node_of[work->wires[i].to]].entry;
    for (uint32_t round = 0; find_knots(&knots); round++)
        turn_first(&knots, round >= MOST_ROUNDS);
    return true;
}

/* ---- columns ---- */

/* The longest way from the entries, by going through the nodes in an order in which callers come
 * first. */
static bool give_columns(struct work *work)
{
    uint32_t n = work->n_nodes, n_ready = 0;
    uint32_t *column = arena_calloc(&work->arena, (n + 1) * sizeof(*column));
    uint32_t *callers = arena_calloc(&work->arena, (n + 1) * sizeof(*callers));
    uint32_t *callees = arena_calloc(&work->arena, (n + 1) * sizeof(*callees));
    uint32_t *ready = arena_calloc(&work->arena, (n + 1) * sizeof(*ready));
    uint32_t *start = arena_calloc(&work->arena, (n + 2) * sizeof(*start));
    if (!column || !callers || !callees || !ready || !start)
        return false;
    for (uint32_t i = 0; i < work->n_wires; i++) {
        callers[work->wires[i].to] += !work->wires[i].back;
        callees[work->wires[i].from] += !work->wires[i].back;
        start[work->wires[i].from + 1]++;
    }
    for (uint32_t i = 0; i < n; i++) {
        start[i + 1] += start[i];
        if (!callers[i])
            ready[n_ready++] = i;
    }
    for (uint32_t at = 0; at < n_ready; at++) {
        uint32_t node = ready[at];
        work->n_columns = column[node] + 1 > work->n_columns ? column[node] + 1 : work->n_columns;
        for (uint32_t i = start[node]; i < start[node + 1]; i++) {
            const struct wire *wire = &work->wires[i];
            if (wire->back)
                continue;
            if (column[wire->to] < column[node] + 1)
                column[wire->to] = column[node] + 1;
            if (--callers[wire->to] == 0)
                ready[n_ready++] = wire->to;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        if (work->layout->nodes[work->node_of[i]].last && !callees[i])
            column[i] = work->n_columns - 1;
    }
    work->columns_of = column;
    return true;
}

/* ---- places and links ---- */

static uint32_t steps_of(const struct work *work, const struct wire *wire)
{
    uint32_t from = work->columns_of[wire->from], to = work->columns_of[wire->to];
    return from < to ? to - from : from - to;
}

static void add_link(struct work *work, uint32_t left, uint32_t right)
{
    unsigned n_places = (left >= work->n_nodes) + (right >= work->n_nodes);
    static const double weights[3] = {1, 2, 8};
    work->links[work->n_links++] = (struct link){left, right, weights[n_places]};
}

/* What passes the columns on its way to one node, drawn forwards. */
struct lanes {
    uint32_t *callers; /* by column: how many pass it */
    uint32_t *vertex;  /* the lane they share there; NO_VERTEX while there is none */
    bool *goes_on;     /* the lane has its link to the right */
};

static void count_callers(const struct work *work, const uint32_t *order, uint32_t n,
                          struct lanes *lanes)
{
    for (uint32_t c = 0; c < work->n_columns; c++) {
        lanes->callers[c] = 0;
        lanes->vertex[c] = NO_VERTEX;
        lanes->goes_on[c] = false;
    }
    for (uint32_t i = 0; i < n; i++) {
        const struct wire *wire = &work->wires[order[i]];
        if (i && work->wires[order[i - 1]].from == wire->from)
            continue;
        for (uint32_t c = work->columns_of[wire->from] + 1; c < work->columns_of[wire->to]; c++)
            lanes->callers[c]++;
    }
}

/* Where a wire passes a column: in the lane, if there are many. */
static uint32_t add_place(struct work *work, const struct wire *wire, uint32_t column,
                          struct lanes *lanes)
{
    bool shares = !wire->back && lanes->callers[column] > LAYOUT_MOST_LANES;
    uint64_t to = work->vertices[wire->to].key, key = hash_mix(work->vertices[wire->from].key, to);
    if (shares && lanes->vertex[column] != NO_VERTEX)
        return lanes->vertex[column];
    if (shares)
        lanes->vertex[column] = work->n_vertices;
    struct vertex vertex = {.column = column,
                            .first = shares ? wire->to : wire->from,
                            .second = shares ? UINT32_MAX : wire->to + 1,
                            .tie = shares ? 0 : wire->tie,
                            .key = hash_mix(shares ? to : hash_mix(key, wire->tie), column)};
    work->vertices[work->n_vertices] = vertex;
    return work->n_vertices++;
}

static void make_chain(struct work *work, struct wire *wire, struct lanes *lanes)
{
    uint32_t a = work->columns_of[wire->from], b = work->columns_of[wire->to];
    uint32_t left = a < b ? wire->from : wire->to, right = a < b ? wire->to : wire->from;
    uint32_t low = a < b ? a : b, high = a < b ? b : a;
    wire->back = a >= b;
    if (low == high)
        return;
    wire->n_chain = work->layout->n_edges > LAYOUT_MAX_EDGES ? 0 : high - low - 1;
    wire->chain = work->n_places;
    bool goes_on = false; /* a lane is linked once, for all in it */
    for (uint32_t i = 0; i < wire->n_chain; i++) {
        uint32_t column = low + 1 + i, place = add_place(work, wire, column, lanes);
        work->places[work->n_places++] = place;
        if (!goes_on)
            add_link(work, left, place);
        left = place;
        goes_on = false;
        if (place == lanes->vertex[column]) {
            goes_on = lanes->goes_on[column];
            lanes->goes_on[column] = true;
        }
    }
    if (!goes_on && (wire->n_chain || high - low == 1))
        add_link(work, left, right);
}

static int by_callee(const void *a, const void *b, void *ctx)
{
    const struct wire *wires = ctx;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (wires[x].to != wires[y].to)
        return wires[x].to < wires[y].to ? -1 : 1;
    return (x > y) - (x < y);
}

/* Callee by callee, so that the lanes to one are made together. */
static bool make_chains(struct work *work)
{
    uint32_t *order = arena_calloc(&work->arena, (work->n_wires + 1) * sizeof(*order));
    struct lanes lanes = {
        .callers = arena_calloc(&work->arena, (work->n_columns + 1) * sizeof(uint32_t)),
        .vertex = arena_calloc(&work->arena, (work->n_columns + 1) * sizeof(uint32_t)),
        .goes_on = arena_calloc(&work->arena, work->n_columns + 1)};
    if (!order || !lanes.callers || !lanes.vertex || !lanes.goes_on)
        return false;
    for (uint32_t i = 0; i < work->n_wires; i++)
        order[i] = i;
    if (work->n_wires > 1)
        qsort_r(order, work->n_wires, sizeof(*order), by_callee, work->wires);
    for (uint32_t i = 0, n; i < work->n_wires; i += n) {
        for (n = 1; i + n < work->n_wires; n++) {
            if (work->wires[order[i + n]].to != work->wires[order[i]].to)
                break;
        }
        if (work->layout->n_edges <= LAYOUT_MAX_EDGES)
            count_callers(work, order + i, n, &lanes);
        for (uint32_t k = 0; k < n; k++)
            make_chain(work, &work->wires[order[i + k]], &lanes);
    }
    return true;
}

static bool index_links(struct work *work)
{
    uint32_t n = work->n_vertices + 2;
    uint32_t **all[4] = {&work->right_start, &work->left_start, &work->right_links,
                         &work->left_links};
    for (int i = 0; i < 4; i++) {
        *all[i] = arena_calloc(&work->arena, (i < 2 ? n : work->n_links + 1) * sizeof(uint32_t));
        if (!*all[i])
            return false;
    }
    for (uint32_t i = 0; i < work->n_links; i++) {
        work->right_start[work->links[i].left + 2]++;
        work->left_start[work->links[i].right + 2]++;
    }
    for (uint32_t i = 2; i < n; i++) {
        work->right_start[i] += work->right_start[i - 1];
        work->left_start[i] += work->left_start[i - 1];
    }
    for (uint32_t i = 0; i < work->n_links; i++) {
        work->right_links[work->right_start[work->links[i].left + 1]++] = i;
        work->left_links[work->left_start[work->links[i].right + 1]++] = i;
    }
    return true;
}

static bool make_vertices(struct work *work)
{
    size_t most = work->n_nodes, n_links = 0;
    for (uint32_t i = 0; i < work->n_wires; i++) {
        uint32_t steps = steps_of(work, &work->wires[i]);
        most += steps > 1 ? steps - 1 : 0;
        n_links += steps;
    }
    work->vertices = arena_calloc(&work->arena, (most + 1) * sizeof(*work->vertices));
    work->links = arena_calloc(&work->arena, (n_links + 1) * sizeof(*work->links));
    work->places = arena_calloc(&work->arena, (most + 1) * sizeof(*work->places));
    if (!work->vertices || !work->links || !work->places)
        return false;
    for (uint32_t i = 0; i < work->n_nodes; i++) {
        const struct layout_node *node = &work->layout->nodes[work->node_of[i]];
        work->vertices[i] = (struct vertex){.column = work->columns_of[i],
                                            .first = i,
                                            .height = node->height,
                                            .key = hash_str(node->name)};
    }
    work->n_vertices = work->n_nodes;
    return make_chains(work) && index_links(work);
}

/* ---- the whole ---- */

bool layout_make(struct layout *layout, struct layout_memory *memory)
{
    struct work work = {.layout = layout};
    arena_init(&work.arena, CEILING);
    layout->points = NULL;
    layout->n_points = 0;
    layout->width = layout->height = 0;
    bool good = number_by_name(&work) && break_cycles(&work) && give_columns(&work) &&
                make_vertices(&work) && layout_order(&work, memory) && layout_place(&work);
    arena_fini(&work.arena);
    return good;
}

void layout_fini(struct layout *layout)
{
    free(layout->points);
    layout->points = NULL;
    layout->n_points = 0;
}
