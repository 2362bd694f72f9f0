/* served.c - whom the proxies of a trace served that do not say what they are (STITCHING §3).
 *
 * Only a request that came to the proxy from elsewhere tells: what leaves a workload through its
 * own sidecar goes to others too. So spans of a client's kind, and those beneath their own
 * workload's, say nothing.
 */
#include "collector/stitch/work.h"

static bool came_from_elsewhere(const struct stitch *stitch, const struct work_span *span)
{
    const struct shape *shape = span->shape;
    if (shape->proxy != PROXY_UNKNOWN || shape->log != LOG_NONE || shape->kind == KIND_CLIENT)
        return false;
    return span->parent == NONE ||
           !same_workload(&stitch->spans[span->parent].shape->node, &shape->node);
}

/* The name of who answered right beneath; NAME_NONE where it is not sure whom the proxy meant: an
 * application may call itself otherwise than its sidecar does. */
static name_no answered_by(struct stitch *stitch, const struct work_span *span,
                           const struct work_span *child)
{
    const struct shape *shape = child->shape;
    if (shape->kind == KIND_CLIENT || shape->kind == KIND_PRODUCER || child->through)
        return NAME_NONE;
    if (same_workload(&shape->node, &span->shape->node))
        return shape->proxy == PROXY_NONE ? shape->node.service : NAME_NONE;
    const struct upstream *upstream = upstream_parse(stitch, span->shape->upstream_cluster);
    bool meant = shape->proxy != PROXY_NONE || upstream->service == shape->node.service;
    return meant ? shape->node.service : NAME_NONE;
}

/* The proxy's own span of the same request, towards whom it was handed on: one an attempt. */
static bool hands_same_on(const struct work_span *span, const struct work_span *child)
{
    const struct shape *shape = child->shape;
    return shape->proxy != PROXY_NONE && shape->kind == KIND_CLIENT && shape->upstream_cluster &&
           shape->upstream_cluster == span->shape->upstream_cluster &&
           same_workload(&shape->node, &span->shape->node);
}

static void add(struct stitch *stitch, struct graph *graph, const struct work_span *span,
                name_no name)
{
    struct node node = span->shape->node;
    node.version = NAME_NONE;
    node.role = ROLE_WORKLOAD;
    graph->served[graph->n_served++] = (struct served){nodes_add(stitch->nodes, &node), name};
}

static void add_beneath(struct stitch *stitch, struct graph *graph, const struct work_span *span,
                        const struct work_span *above)
{
    for (uint32_t i = above->first_child; i != NONE; i = stitch->spans[i].next_sibling) {
        const struct work_span *child = &stitch->spans[i];
        name_no name = answered_by(stitch, span, child);
        if (name)
            add(stitch, graph, span, name);
        else if (above == span && hands_same_on(span, child))
            add_beneath(stitch, graph, span, child);
    }
}

bool served_find(struct stitch *stitch, struct graph *graph)
{
    graph->served = NULL;
    graph->n_served = 0;
    for (uint32_t i = 0; i < stitch->n; i++) {
        const struct work_span *span = &stitch->spans[i];
        if (!came_from_elsewhere(stitch, span))
            continue;
        if (!graph->served) /* each span answers one, or has an own inbound way */
            graph->served = arena_alloc(stitch->arena, 2 * stitch->n * sizeof(*graph->served));
        if (!graph->served)
            return false;
        if (upstream_parse(stitch, span->shape->upstream_cluster)->direction == DIRECTION_INBOUND)
            add(stitch, graph, span, span->shape->node.service);
        else
            add_beneath(stitch, graph, span, span);
    }
    return true;
}
