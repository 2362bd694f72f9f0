/* layout_order.c - the order of vertices within their columns, and the memory of the last picture.
 *
 * The memory is a list of keys for each column, in order. It also keeps who is not in this picture,
 * so that a service that comes back for a while stands where it stood.
 */
#include <stdlib.h>

#include "collector/model/layout_internal.h"

#define N_SWEEPS 8
#define MOST_REMEMBERED 20000u

struct remembered {
    uint64_t key;
    uint32_t column, at;
    bool present; /* in the picture that is being made */
};

struct layout_memory {
    struct remembered *items; /* by key */
    uint32_t n;
};

struct layout_memory *layout_memory_new(void)
{
    return calloc(1, sizeof(struct layout_memory));
}

void layout_memory_free(struct layout_memory *memory)
{
    if (!memory)
        return;
    free(memory->items);
    free(memory);
}

/* ---- sorting a column ---- */

static int by_name(const struct vertex *x, const struct vertex *y)
{
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    if (x->second != y->second)
        return x->second < y->second ? -1 : 1;
    return (x->tie > y->tie) - (x->tie < y->tie);
}

static int by_value(const void *a, const void *b, void *ctx)
{
    const struct vertex *vertices = ctx;
    const struct vertex *x = &vertices[*(const uint32_t *)a], *y = &vertices[*(const uint32_t *)b];
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return by_name(x, y);
}

static void number(struct work *work, uint32_t column)
{
    for (uint32_t i = 0; i < work->n_in_column[column]; i++)
        work->vertices[work->columns[column][i]].at = i;
}

static void sort_column(struct work *work, uint32_t column)
{
    qsort_r(work->columns[column], work->n_in_column[column], sizeof(uint32_t), by_value,
            work->vertices);
    number(work, column);
}

static bool make_columns(struct work *work)
{
    work->columns = arena_calloc(&work->arena, (work->n_columns + 1) * sizeof(*work->columns));
    work->n_in_column =
        arena_calloc(&work->arena, (work->n_columns + 1) * sizeof(*work->n_in_column));
    if (!work->columns || !work->n_in_column)
        return false;
    for (uint32_t i = 0; i < work->n_vertices; i++)
        work->n_in_column[work->vertices[i].column]++;
    for (uint32_t c = 0; c < work->n_columns; c++) {
        work->columns[c] =
            arena_calloc(&work->arena, (work->n_in_column[c] + 1) * sizeof(uint32_t));
        if (!work->columns[c])
            return false;
        work->n_in_column[c] = 0;
    }
    for (uint32_t i = 0; i < work->n_vertices; i++) {
        uint32_t c = work->vertices[i].column;
        work->columns[c][work->n_in_column[c]++] = i;
    }
    return true;
}

/* ---- barycentres ---- */

/* Mean place of the neighbours on one side; false without any. */
static bool barycentre(const struct work *work, uint32_t vertex, bool of_left, double *value)
{
    const uint32_t *start = of_left ? work->left_start : work->right_start;
    const uint32_t *links = of_left ? work->left_links : work->right_links;
    uint32_t n = start[vertex + 1] - start[vertex];
    double sum = 0;
    for (uint32_t i = start[vertex]; i < start[vertex + 1]; i++) {
        const struct link *link = &work->links[links[i]];
        sum += work->vertices[of_left ? link->left : link->right].at;
    }
    if (n)
        *value = sum / n;
    return n != 0;
}

static void sweep_column(struct work *work, uint32_t column, bool of_left)
{
    uint32_t n = work->n_in_column[column], neighbour = of_left ? column - 1 : column + 1;
    double scale = n ? (double)work->n_in_column[neighbour] / n : 1;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t vertex = work->columns[column][i];
        if (!barycentre(work, vertex, of_left, &work->vertices[vertex].value))
            work->vertices[vertex].value = i * scale;
    }
    sort_column(work, column);
}

/* Crossings between a column and the next: inversions, counted with a tree of partial sums. */
static uint64_t crossings_after(const struct work *work, uint32_t column, uint32_t *tree)
{
    uint32_t n = work->n_in_column[column + 1], n_links = 0;
    uint64_t crossings = 0;
    memset(tree, 0, (n + 1) * sizeof(*tree));
    for (uint32_t i = 0; i < work->n_in_column[column]; i++) {
        uint32_t vertex = work->columns[column][i];
        uint32_t first = work->right_start[vertex], end = work->right_start[vertex + 1];
        for (uint32_t k = first; k < end; k++) {
            uint32_t below = 0;
            uint32_t at = work->vertices[work->links[work->right_links[k]].right].at;
            for (uint32_t t = at + 1; t; t &= t - 1)
                below += tree[t];
            crossings += n_links - below;
        }
        for (uint32_t k = first; k < end; k++) {
            uint32_t at = work->vertices[work->links[work->right_links[k]].right].at;
            for (uint32_t t = at + 1; t <= n; t += t & -t)
                tree[t]++;
        }
        n_links += end - first;
    }
    return crossings;
}

static uint64_t count_crossings(const struct work *work, uint32_t *tree)
{
    uint64_t crossings = 0;
    for (uint32_t c = 0; c + 1 < work->n_columns; c++)
        crossings += crossings_after(work, c, tree);
    return crossings;
}

static void sweep(struct work *work, bool to_right)
{
    for (uint32_t i = 1; i < work->n_columns; i++)
        sweep_column(work, to_right ? i : work->n_columns - 1 - i, to_right);
}

static void keep_best(struct work *work, uint32_t *tree, uint64_t *fewest)
{
    uint64_t crossings = count_crossings(work, tree);
    if (crossings >= *fewest)
        return;
    *fewest = crossings;
    for (uint32_t i = 0; i < work->n_vertices; i++)
        work->vertices[i].best = work->vertices[i].at;
}

static void order_afresh(struct work *work, uint32_t *tree)
{
    uint64_t fewest = UINT64_MAX;
    for (uint32_t i = 0; i < work->n_vertices; i++)
        work->vertices[i].value = 0;
    for (uint32_t c = 0; c < work->n_columns; c++)
        sort_column(work, c);
    for (unsigned i = 0; i < N_SWEEPS; i++) {
        sweep(work, i % 2 == 0);
        keep_best(work, tree, &fewest);
    }
    for (uint32_t i = 0; i < work->n_vertices; i++)
        work->vertices[i].value = work->vertices[i].best;
    for (uint32_t c = 0; c < work->n_columns; c++)
        sort_column(work, c);
}

/* ---- with a memory ---- */

static int by_key(const void *a, const void *b)
{
    const struct remembered *x = a, *y = b;
    return (x->key > y->key) - (x->key < y->key);
}

/* Marks who was there. True when that is at least half of the nodes: else it is another picture. */
static bool recognise(struct work *work, struct layout_memory *memory)
{
    uint32_t n_known = 0;
    for (uint32_t i = 0; i < memory->n; i++)
        memory->items[i].present = false;
    for (uint32_t i = 0; i < work->n_vertices; i++) {
        struct vertex *vertex = &work->vertices[i];
        struct remembered key = {.key = vertex->key};
        struct remembered *item =
            memory->n ? bsearch(&key, memory->items, memory->n, sizeof(key), by_key) : NULL;
        if (!item)
            continue;
        item->present = true;
        vertex->known = item->column == vertex->column;
        vertex->value = item->at;
        n_known += i < work->n_nodes;
    }
    return 2 * n_known >= work->n_nodes && n_known;
}

/* A place among those that stand: behind all whose neighbours lie higher. */
static void insert(struct work *work, uint32_t column, uint32_t n, uint32_t vertex)
{
    uint32_t *list = work->columns[column], at = 0;
    for (uint32_t i = 0; i < n; i++)
        at += by_value(&list[i], &vertex, work->vertices) < 0;
    memmove(list + at + 1, list + at, (n - at) * sizeof(*list));
    list[at] = vertex;
}

static void fill_column(struct work *work, uint32_t column, uint32_t *newcomers)
{
    uint32_t n = 0, n_new = 0, *list = work->columns[column];
    for (uint32_t i = 0; i < work->n_in_column[column]; i++) {
        if (work->vertices[list[i]].known)
            list[n++] = list[i];
        else
            newcomers[n_new++] = list[i];
    }
    for (uint32_t i = 0; i < n + n_new; i++) {
        uint32_t vertex = i < n ? list[i] : newcomers[i - n];
        double *value = &work->vertices[vertex].value;
        if (!barycentre(work, vertex, true, value) && !barycentre(work, vertex, false, value))
            *value = i;
    }
    for (uint32_t i = 0; i < n_new; i++)
        insert(work, column, n++, newcomers[i]);
    number(work, column);
}

/* The known in their old order first, so that newcomers find them; then column by column. */
static bool order_from_memory(struct work *work)
{
    uint32_t *newcomers = arena_calloc(&work->arena, (work->n_vertices + 1) * sizeof(*newcomers));
    if (!newcomers)
        return false;
    for (uint32_t i = 0; i < work->n_vertices; i++) {
        if (!work->vertices[i].known)
            work->vertices[i].value = MOST_REMEMBERED;
    }
    for (uint32_t c = 0; c < work->n_columns; c++)
        sort_column(work, c);
    for (uint32_t c = 0; c < work->n_columns; c++)
        fill_column(work, c, newcomers);
    return true;
}

static int by_column(const void *a, const void *b)
{
    const struct remembered *x = a, *y = b;
    if (x->column != y->column)
        return x->column < y->column ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static void add_item(struct layout_memory *memory, uint64_t key, uint32_t column, uint32_t *at)
{
    memory->items[memory->n++] = (struct remembered){.key = key, .column = column, .at = (*at)++};
}

/* One column of the new memory: this picture's order, the absent before those they stood before. */
static void remember_column(const struct work *work, uint32_t column, struct layout_memory *memory,
                            const struct remembered **old, const struct remembered *end)
{
    uint32_t at = 0, n = column < work->n_columns ? work->n_in_column[column] : 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct vertex *vertex = &work->vertices[work->columns[column][i]];
        for (; vertex->known && *old < end && (*old)->column == column; (*old)++) {
            if ((*old)->key == vertex->key)
                break;
            if (!(*old)->present)
                add_item(memory, (*old)->key, column, &at);
        }
        add_item(memory, vertex->key, column, &at);
    }
    for (; *old < end && (*old)->column == column; (*old)++) {
        if (!(*old)->present)
            add_item(memory, (*old)->key, column, &at);
    }
}

/* Keeps the memory as it is when there is no room for another. */
static void remember(const struct work *work, struct layout_memory *memory, bool anew)
{
    uint32_t n_old = anew || memory->n > MOST_REMEMBERED ? 0 : memory->n, column = 0;
    struct remembered *items = calloc((size_t)work->n_vertices + n_old + 1, sizeof(*items));
    struct layout_memory next = {.items = items};
    if (!items)
        return;
    if (memory->n > 1)
        qsort(memory->items, memory->n, sizeof(*memory->items), by_column);
    const struct remembered *old = memory->items, *end = memory->items + n_old;
    while (column < work->n_columns || old < end)
        remember_column(work, column++, &next, &old, end);
    free(memory->items);
    *memory = next;
    if (memory->n > 1)
        qsort(memory->items, memory->n, sizeof(*memory->items), by_key);
}

bool layout_order(struct work *work, struct layout_memory *memory)
{
    uint32_t *tree = arena_calloc(&work->arena, (work->n_vertices + 2) * sizeof(*tree));
    if (!tree || !make_columns(work))
        return false;
    bool known = memory && recognise(work, memory);
    if (!known)
        order_afresh(work, tree);
    else if (!order_from_memory(work))
        return false;
    if (memory)
        remember(work, memory, !known);
    work->layout->n_crossings = (uint32_t)count_crossings(work, tree);
    return true;
}
