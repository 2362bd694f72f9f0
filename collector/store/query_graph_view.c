/* query_graph_view.c - what of a graph is shown: quiet namespaces folded to one node each, the
 * neighbourhood of a node, at most so many nodes; then the layout, on the memory of the last one.
 *
 * Folding makes a new graph of fewer nodes; leaving out only marks what is not shown.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/store/query_graph.h"

#define FOLD_FROM 60 /* nodes: fewer are shown as they are */
#define FOLD_LEAST 2 /* nodes of one name, else there is nothing to fold */
#define REST_LEAST 8 /* quiet nodes beside failing ones of one name; fewer stay */
#define NODE_HEIGHT 42
#define VERSION_HEIGHT 15
#define SHOWN_VERSIONS 4u

struct graph_memory {
    pthread_mutex_t mutex;
    struct layout_memory *layouts[2][2]; /* by level, and whether folded */
};

struct graph_memory *graph_memory_new(void)
{
    struct graph_memory *memory = calloc(1, sizeof(*memory));
    if (!memory)
        return NULL;
    pthread_mutex_init(&memory->mutex, NULL);
    for (int i = 0; i < 4; i++)
        memory->layouts[i / 2][i % 2] = layout_memory_new(); /* NULL: no memory, still a picture */
    return memory;
}

void graph_memory_free(struct graph_memory *memory)
{
    if (!memory)
        return;
    for (int i = 0; i < 4; i++)
        layout_memory_free(memory->layouts[i / 2][i % 2]);
    pthread_mutex_destroy(&memory->mutex);
    free(memory);
}

/* ---- folds ---- */

/* What a node would be folded into; NULL when it stands for itself. */
static const char *fold_of(const struct gnode *node)
{
    switch (node->role) {
    case ROLE_EXTERNAL:
        return "outside";
    case ROLE_DATABASE:
    case ROLE_CACHE:
    case ROLE_QUEUE:
        return node->node->text[NAMESPACE][0] ? node->node->text[NAMESPACE] : "stores";
    case ROLE_USER:
    case ROLE_GATEWAY:
        return NULL;
    default:
        return node->node->text[NAMESPACE][0] ? node->node->text[NAMESPACE] : NULL;
    }
}

static bool is_listed(struct str list, const char *name)
{
    struct str item;
    while (list.len) {
        str_cut(list, ',', &item, &list);
        if (str_eq(item, str_of(name)))
            return true;
    }
    return false;
}

struct fold {
    const char *name, *cluster;
    bool open;    /* asked to be */
    bool failing; /* something of this name stands on the way of a failure */
    uint32_t n, node;
};

struct folds {
    struct fold *items;
    uint32_t n;
    uint32_t *of; /* by node: index of items, UINT32_MAX when it stands for itself */
};

static uint32_t fold_add(struct folds *folds, const char *name, const char *cluster)
{
    for (uint32_t i = 0; i < folds->n; i++) {
        if (strcmp(folds->items[i].name, name) == 0 &&
            strcmp(folds->items[i].cluster, cluster) == 0)
            return i;
    }
    folds->items[folds->n] = (struct fold){.name = name, .cluster = cluster};
    return folds->n++;
}

/* What stands on the way of a failure never folds. */
static void mark_failing(const struct graph_answer *answer, bool *failing)
{
    for (uint32_t i = 0; i < answer->n_nodes; i++)
        failing[i] = answer->nodes[i].mark != MARK_NONE;
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        if (answer->edges[i].mark != MARK_NONE)
            failing[answer->edges[i].caller] = failing[answer->edges[i].callee] = true;
    }
}

static void find_folds(const struct graph_answer *answer, const struct graph_view *view,
                       const bool *failing, struct folds *folds)
{
    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        const struct gnode *node = &answer->nodes[i];
        const char *name = fold_of(node);
        folds->of[i] = UINT32_MAX;
        if (!name)
            continue;
        bool place = node->role == ROLE_WORKLOAD || node->role == ROLE_WAYPOINT;
        uint32_t no = fold_add(folds, name, place ? node->node->text[CLUSTER] : "");
        struct fold *fold = &folds->items[no];
        fold->open = is_listed(view->unfold, name);
        if (view->fold == FOLD_QUIET && failing[i]) {
            fold->failing = true;
            continue;
        }
        fold->n++;
        folds->of[i] = no;
    }
    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        const struct fold *fold = folds->of[i] == UINT32_MAX ? NULL : &folds->items[folds->of[i]];
        if (fold && (fold->open || fold->n < (fold->failing ? REST_LEAST : FOLD_LEAST)))
            folds->of[i] = UINT32_MAX;
    }
}

static const char *fold_id(struct graph_answer *answer, const struct fold *fold)
{
    size_t n = strlen(fold->name) + strlen(fold->cluster) + sizeof("fold:/");
    char *id = arena_alloc_aligned(&answer->mesh.arena, n, 1);
    if (id)
        snprintf(id, n, "fold:%s/%s", fold->cluster, fold->name);
    return id;
}

static int by_id(const void *a, const void *b, void *ctx)
{
    const struct gnode *nodes = ctx;
    return strcmp(nodes[*(const uint32_t *)a].id, nodes[*(const uint32_t *)b].id);
}

/* The nodes that remain, and one for each fold; `to` says where each of the old ones went. */
static bool fold_nodes(struct graph_answer *answer, struct folds *folds, uint32_t *to)
{
    struct gnode *nodes = calloc(answer->n_nodes + folds->n + 1, sizeof(*nodes));
    struct gnode *sorted = calloc(answer->n_nodes + folds->n + 1, sizeof(*sorted));
    uint32_t *order = calloc(answer->n_nodes + folds->n + 1, sizeof(*order)), n = 0;
    uint32_t *place = calloc(answer->n_nodes + folds->n + 1, sizeof(*place));
    bool good = nodes && sorted && order && place;
    for (uint32_t i = 0; good && i < answer->n_nodes; i++) {
        struct gnode *node = &answer->nodes[i];
        struct fold *fold = folds->of[i] == UINT32_MAX ? NULL : &folds->items[folds->of[i]];
        if (!fold) {
            to[i] = n;
            nodes[n] = *node;
            nodes[n++].in = (struct traffic){0};
            continue;
        }
        if (!fold->node) {
            fold->node = ++n; /* one more than its index: 0 is none yet */
            nodes[n - 1] = (struct gnode){.id = fold_id(answer, fold),
                                          .fold = fold->name,
                                          .fold_cluster = fold->cluster,
                                          .role = node->role,
                                          .n_folded = fold->n,
                                          .shown = true};
            answer->n_folds++;
            good = nodes[n - 1].id != NULL;
        }
        to[i] = fold->node - 1;
    }
    for (uint32_t i = 0; good && i < n; i++)
        order[i] = i;
    if (good)
        qsort_r(order, n, sizeof(*order), by_id, nodes);
    for (uint32_t i = 0; good && i < n; i++) {
        sorted[i] = nodes[order[i]];
        place[order[i]] = i;
    }
    for (uint32_t i = 0; good && i < answer->n_nodes; i++) {
        to[i] = place[to[i]];
        traffic_fini(&answer->nodes[i].in);
    }
    free(nodes);
    free(order);
    free(place);
    if (!good) {
        free(sorted);
        return false;
    }
    free(answer->nodes);
    answer->nodes = sorted;
    answer->n_nodes = n;
    return true;
}

/* The wider of two ways to cross: cluster, zone, namespace, … */
static uint8_t wider(uint8_t a, uint8_t b)
{
    return a == CROSSING_CLUSTER || (a > b && b != CROSSING_CLUSTER) ? a : b;
}

/* The edges between what remains; those with a fold at an end are one for each pair. `join`: those
 * that differ by their crossing alone are one, too, with the widest. */
static bool fold_edges(struct graph_answer *answer, const uint32_t *to, bool join)
{
    struct gedge *old = answer->edges;
    uint32_t n_old = answer->n_edges;
    uint8_t *widest = calloc(n_old + 1, 1);
    bool good = widest != NULL;
    if (!good)
        return false;
    answer->edges = NULL;
    answer->n_edges = answer->cap_edges = 0;
    map_clear(&answer->edge_map);
    for (uint32_t i = 0; i < n_old; i++) {
        struct gedge key = old[i];
        key.caller = to[key.caller];
        key.callee = to[key.callee];
        key.now = key.was = (struct traffic){0};
        bool folded = answer->nodes[key.caller].fold || answer->nodes[key.callee].fold;
        uint8_t crossing = folded ? 0 : key.crossing;
        if (join)
            key.crossing = 0;
        if (folded) {
            key.protocol = key.via = key.crossing = key.connection_type = 0;
            key.protocol_text = key.via_text = "";
            key.n_merged = 0;
        }
        uint32_t no = key.caller == key.callee && folded ? UINT32_MAX : graph_edge(answer, &key);
        if (no != UINT32_MAX) {
            struct gedge *edge = &answer->edges[no];
            edge->n_merged += folded;
            widest[no] = wider(widest[no], crossing);
            good = good && traffic_merge(&edge->now, &old[i].now) &&
                   traffic_merge(&edge->was, &old[i].was);
        }
        traffic_fini(&old[i].now);
        traffic_fini(&old[i].was);
    }
    for (uint32_t i = 0; join && i < answer->n_edges; i++)
        answer->edges[i].crossing = widest[i];
    free(widest);
    free(old);
    return good;
}

/* Nothing folds, edges are joined. */
static bool join_view(struct graph_answer *answer)
{
    uint32_t *to = calloc(answer->n_nodes + 1, sizeof(*to));
    for (uint32_t i = 0; to && i < answer->n_nodes; i++)
        to[i] = i;
    bool good = to && fold_edges(answer, to, true);
    free(to);
    if (good)
        graph_sum(answer);
    return good;
}

static bool fold_view(struct graph_answer *answer, const struct graph_view *view)
{
    struct folds folds = {.items = calloc(answer->n_nodes + 1, sizeof(*folds.items)),
                          .of = calloc(answer->n_nodes + 1, sizeof(*folds.of))};
    uint32_t *to = calloc(answer->n_nodes + 1, sizeof(*to));
    bool *failing = calloc(answer->n_nodes + 1, sizeof(*failing));
    bool good = folds.items && folds.of && to && failing;
    if (good) {
        mark_failing(answer, failing);
        find_folds(answer, view, failing, &folds);
    }
    good = good && fold_nodes(answer, &folds, to) && fold_edges(answer, to, view->join);
    free(folds.items);
    free(folds.of);
    free(failing);
    free(to);
    if (good)
        graph_sum(answer);
    return good;
}

/* ---- leaving out ---- */

/* Marks as near what is one step from the near. */
static void spread(const struct graph_answer *answer, uint8_t *near, uint8_t step)
{
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        const struct gedge *edge = &answer->edges[i];
        if (near[edge->caller] == step && !near[edge->callee])
            near[edge->callee] = step + 1;
        if (near[edge->callee] == step && !near[edge->caller])
            near[edge->caller] = step + 1;
    }
}

static void keep_near(struct graph_answer *answer, const uint8_t *near)
{
    for (uint32_t i = 0; i < answer->n_nodes; i++)
        answer->nodes[i].shown = answer->nodes[i].shown && near[i];
}

static bool focus_view(struct graph_answer *answer, const struct graph_view *view)
{
    uint8_t *near = calloc(answer->n_nodes + 1, 1);
    bool found = false;
    if (!near)
        return false;
    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        const struct gnode *node = &answer->nodes[i];
        bool is = node->fold ? str_eq(str_of(node->id), view->focus)
                             : mesh_node_is(&answer->mesh, node->node, view->focus);
        near[i] = is;
        found = found || is;
    }
    for (uint8_t step = 1; step <= view->hops; step++)
        spread(answer, near, step);
    if (found)
        keep_near(answer, near);
    free(near);
    return true;
}

static bool is_asked(const struct gnode *node, const struct graph_view *view)
{
    const struct str asked[] = {view->cluster, view->namespace, view->service};
    static const int parts[] = {CLUSTER, NAMESPACE, SERVICE};
    for (int i = 0; i < 3; i++) {
        if (asked[i].len && !str_eq(str_of(node->node->text[parts[i]]), asked[i]))
            return false;
    }
    return true;
}

/* Edges with an end that is asked for, their ends, and who is asked for without an edge. */
static bool ends_view(struct graph_answer *answer, const struct graph_view *view)
{
    uint8_t *asked = calloc(answer->n_nodes + 1, 1);
    uint8_t *near = calloc(answer->n_nodes + 1, 1);
    bool good = asked && near;
    for (uint32_t i = 0; good && i < answer->n_nodes; i++)
        near[i] = asked[i] = is_asked(&answer->nodes[i], view);
    for (uint32_t i = 0; good && i < answer->n_edges; i++) {
        struct gedge *edge = &answer->edges[i];
        edge->shown = asked[edge->caller] || asked[edge->callee];
        near[edge->caller] |= edge->shown;
        near[edge->callee] |= edge->shown;
    }
    if (good)
        keep_near(answer, near);
    free(near);
    free(asked);
    return good;
}

static int by_calls(const void *a, const void *b, void *ctx)
{
    const struct graph_answer *answer = ctx;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    int64_t calls_x = answer->nodes[x].in.calls, calls_y = answer->nodes[y].in.calls;
    if (calls_x != calls_y)
        return calls_x > calls_y ? -1 : 1;
    return (x > y) - (x < y);
}

/* The ways of failures and the entries first, then their neighbours, then the busiest. */
static bool most_view(struct graph_answer *answer, unsigned most)
{
    uint32_t n = answer->n_nodes, n_near = 0;
    uint8_t *near = calloc(n + 1, 1);
    uint32_t *order = calloc(n + 1, sizeof(*order));
    if (!near || !order) {
        free(near);
        free(order);
        return false;
    }
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        if (answer->edges[i].mark != MARK_NONE)
            near[answer->edges[i].caller] = near[answer->edges[i].callee] = 1;
    }
    for (uint32_t i = 0; i < n; i++) {
        near[i] |= answer->nodes[i].role == ROLE_USER || answer->nodes[i].mark != MARK_NONE;
        order[i] = i;
    }
    spread(answer, near, 1);
    qsort_r(order, n, sizeof(*order), by_calls, answer);
    for (uint8_t step = 1; step <= 3; step++) {
        for (uint32_t i = 0; i < n; i++) {
            uint32_t no = order[i];
            if (near[no] == step % 3 && (step == 1 || n_near < most)) {
                near[no] = 4;
                n_near++;
            }
        }
    }
    for (uint32_t i = 0; i < n; i++)
        near[i] = near[i] == 4;
    keep_near(answer, near);
    free(near);
    free(order);
    return true;
}

/* ---- layout ---- */

static uint16_t width_of(const struct gnode *node)
{
    if (node->fold)
        return 134;
    switch (node->role) {
    case ROLE_USER:
        return 74;
    case ROLE_GATEWAY:
    case ROLE_DATABASE:
    case ROLE_CACHE:
        return 116;
    case ROLE_EXTERNAL:
        return 140;
    default:
        return 110;
    }
}

static void size_node(struct gnode *node, bool versions)
{
    uint32_t n = node->n_versions < SHOWN_VERSIONS ? node->n_versions : SHOWN_VERSIONS;
    bool leaf = node->role == ROLE_DATABASE || node->role == ROLE_CACHE ||
                node->role == ROLE_EXTERNAL || node->role == ROLE_QUEUE;
    node->place = (struct layout_node){.name = str_of(node->id), .width = width_of(node)};
    node->place.height =
        (uint16_t)(versions && n > 1 ? NODE_HEIGHT - 10 + VERSION_HEIGHT * n : NODE_HEIGHT);
    node->place.entry = node->role == ROLE_USER;
    node->place.last = leaf && node->role != ROLE_QUEUE;
}

/* Lays out what is shown: numbers of nodes there differ from those here. */
static bool place(struct graph_answer *answer, const struct graph_view *view,
                  struct layout_memory *memory, uint32_t *number)
{
    struct layout *layout = &answer->layout;
    layout->nodes = calloc(answer->n_nodes + 1, sizeof(*layout->nodes));
    layout->edges = calloc(answer->n_edges + 1, sizeof(*layout->edges));
    if (!layout->nodes || !layout->edges)
        return false;
    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        size_node(&answer->nodes[i], view->versions);
        number[i] = layout->n_nodes;
        if (answer->nodes[i].shown)
            layout->nodes[layout->n_nodes++] = answer->nodes[i].place;
    }
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        struct gedge *edge = &answer->edges[i];
        edge->shown =
            edge->shown && answer->nodes[edge->caller].shown && answer->nodes[edge->callee].shown;
        if (edge->shown)
            layout->edges[layout->n_edges++] = (struct layout_edge){
                .from = number[edge->caller], .to = number[edge->callee], .tie = edge->tie};
    }
    if (!layout_make(layout, memory))
        return false;
    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        if (answer->nodes[i].shown)
            answer->nodes[i].place = layout->nodes[number[i]];
    }
    const struct layout_edge *placed = layout->edges;
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        if (!answer->edges[i].shown)
            continue;
        answer->edges[i].first_point = placed->first_point;
        answer->edges[i].n_points = placed->n_points;
        answer->edges[i].back = placed++->back;
    }
    return true;
}

static int by_words(const void *a, const void *b, void *ctx)
{
    const struct graph_answer *answer = ctx;
    const struct gedge *x = a, *y = b;
    int order = strcmp(answer->nodes[x->caller].id, answer->nodes[y->caller].id);
    order = order ? order : strcmp(answer->nodes[x->callee].id, answer->nodes[y->callee].id);
    order = order ? order : (int)x->connection_type - (int)y->connection_type;
    order = order ? order : strcmp(x->protocol_text, y->protocol_text);
    order = order ? order : strcmp(x->via_text, y->via_text);
    return order ? order : (int)x->crossing - (int)y->crossing;
}

/* Edges in an order that depends on their names alone; those of one pair are numbered. */
static void sort_edges(struct graph_answer *answer)
{
    if (answer->n_edges > 1)
        qsort_r(answer->edges, answer->n_edges, sizeof(*answer->edges), by_words, answer);
    map_clear(&answer->edge_map);
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        struct gedge *edge = &answer->edges[i], *before = i ? edge - 1 : NULL;
        bool same = before && before->caller == edge->caller && before->callee == edge->callee;
        edge->tie = same ? before->tie + 1 : 0;
    }
}

bool graph_view(struct graph_answer *answer, const struct graph_view *view)
{
    bool by_ends = view->cluster.len || view->namespace.len || view->service.len;
    bool folds = !by_ends && (view->fold == FOLD_ALL ||
                              (view->fold == FOLD_QUIET && answer->n_nodes > FOLD_FROM));
    if (folds && !fold_view(answer, view))
        return false;
    if (!folds && view->join && !join_view(answer))
        return false;
    if (by_ends && !ends_view(answer, view))
        return false;
    if (view->focus.len && !focus_view(answer, view))
        return false;
    if (!view->focus.len && view->most && answer->n_nodes > view->most &&
        !most_view(answer, view->most))
        return false;
    sort_edges(answer);
    uint32_t *number = calloc(answer->n_nodes + 1, sizeof(*number));
    struct graph_memory *memory = view->focus.len || by_ends ? NULL : view->memory;
    if (!number)
        return false;
    if (memory)
        pthread_mutex_lock(&memory->mutex);
    bool good =
        place(answer, view,
              memory ? memory->layouts[answer->mesh.level == LEVEL_VERSION][folds] : NULL, number);
    if (memory)
        pthread_mutex_unlock(&memory->mutex);
    free(number);
    return good;
}
