/* peer.c - who was called, by the caller's word: names of those who send no spans (STITCHING §1).
 */
#include "collector/stitch/work.h"

static bool is_digit_host(struct str host)
{
    for (size_t i = 0; i < host.len; i++) {
        if ((host.p[i] < '0' || host.p[i] > '9') && host.p[i] != '.')
            return false;
    }
    return host.len > 0;
}

void peer_name_host(struct stitch *stitch, name_no name, struct node *node)
{
    const struct knowledge *knowledge = stitch->knowledge;
    struct str host = names_text(stitch->names, name);
    node->role = ROLE_WORKLOAD;
    if (knowledge->resolve) {
        node_no known = knowledge->resolve(knowledge, host);
        if (known) {
            *node = *nodes_get(stitch->nodes, known);
            return;
        }
    }
    node->service = name;
    if (cluster_host(stitch, host, &node->service, &node->namespace))
        return;
    bool bare = str_find(host, '.') < 0 && str_find(host, ':') < 0;
    bool address = is_digit_host(host) || str_find(host, ':') >= 0;
    bool inside = address && cidr_contains(knowledge->inside, knowledge->n_inside, host);
    if (!bare && !inside)
        node->role = ROLE_EXTERNAL;
}

const struct upstream *row_upstream(struct stitch *stitch, const struct work_call *call)
{
    static const struct upstream none;
    for (uint32_t at = call->bottom; at != NONE; at = row_next(stitch, call, at)) {
        const struct work_span *span = &stitch->spans[at];
        if (span->proxy == PROXY_NONE)
            continue;
        const struct upstream *upstream = upstream_parse(stitch, span->shape->upstream_cluster);
        if (upstream->direction != DIRECTION_INBOUND && upstream->host && !upstream->special)
            return upstream;
    }
    return &none;
}

static void name_upstream(struct stitch *stitch, const struct upstream *upstream, struct node *node)
{
    name_no host = upstream->host;
    if (answers_to(stitch, upstream, node))
        return;
    *node = (struct node){.service = upstream->service,
                          .namespace = upstream->namespace,
                          .version = upstream->subset,
                          .role = ROLE_WORKLOAD};
    if (!upstream->kubernetes)
        peer_name_host(stitch, host, node);
}

/* Whom a proxy found at the other end: more of whom its cluster names, or who was behind one that
 * names nobody. A gateway there is not the callee. */
static void name_found(struct stitch *stitch, const struct work_call *call,
                       const struct upstream *upstream, struct node *node)
{
    const struct work_span *span = &stitch->spans[call->bottom];
    struct node found;
    if (span->shape->log == LOG_NONE || !waypoint_destination(stitch, span->record, &found))
        return;
    if (!upstream->kubernetes)
        *node = found;
    else if (found.service == node->service)
        fill_node(node, &found);
}

static void name_queue(struct stitch *stitch, const struct shape *shape, struct node *node)
{
    node->role = ROLE_QUEUE;
    node->service = shape->peer ? shape->peer : shape->protocol;
    if (!node->service)
        node->service = names_add(stitch->names, STR("queue"));
}

/* The last waypoint of the row, where it names whom it stands before. */
static bool name_behind_waypoint(struct stitch *stitch, const struct work_call *call,
                                 struct node *node)
{
    for (uint32_t at = call->bottom; at != NONE; at = row_next(stitch, call, at)) {
        const struct work_span *span = &stitch->spans[at];
        if (span->proxy == PROXY_WAYPOINT && waypoint_destination(stitch, span->record, node))
            return true;
    }
    return false;
}

name_no asked_host(const struct stitch *stitch, const struct work_call *call)
{
    const struct shape *top = stitch->spans[call->top].shape;
    const struct work_span *request = &stitch->spans[hop_request(stitch, call->bottom)];
    if (request->proxy != PROXY_NONE && request->shape->url_host)
        return request->shape->url_host;
    if (request->passes && request->shape->peer)
        return request->shape->peer;
    return top->peer ? top->peer : top->url_host ? top->url_host : top->peer_address;
}

static void name_peer(struct stitch *stitch, const struct work_call *call, struct node *node,
                      uint8_t *connection_type)
{
    const struct shape *top = stitch->spans[call->top].shape;
    *node = (struct node){.role = ROLE_WORKLOAD};
    *connection_type = CONNECTION_VIRTUAL;
    if (top->kind == KIND_PRODUCER || top->messaging) {
        name_queue(stitch, top, node);
        *connection_type = CONNECTION_MESSAGING;
        return;
    }
    if (top->database) {
        node->role = top->peer_role == ROLE_CACHE ? ROLE_CACHE : ROLE_DATABASE;
        node->service = top->peer;
        *connection_type = CONNECTION_DATABASE;
        return;
    }
    if (top->peer_resolvable && top->peer) {
        if (answers_to(stitch, upstream_of_host(stitch, top->peer), node))
            return;
        peer_name_host(stitch, top->peer, node);
        node->namespace = top->peer_namespace ? top->peer_namespace : node->namespace;
        return;
    }
    if (name_behind_waypoint(stitch, call, node))
        return;
    const struct upstream *upstream = row_upstream(stitch, call);
    name_no host = upstream->host ? NAME_NONE : asked_host(stitch, call);
    if (upstream->host)
        name_upstream(stitch, upstream, node);
    else if (host && !answers_to(stitch, upstream_of_host(stitch, host), node))
        peer_name_host(stitch, host, node);
    else if (!host)
        *node = (struct node){.service = names_add(stitch->names, STR(NAMELESS_SERVICE)),
                              .role = ROLE_EXTERNAL};
    name_found(stitch, call, upstream, node);
}

void peer_name(struct stitch *stitch, const struct work_call *call, struct node *node,
               uint8_t *connection_type)
{
    const struct knowledge *knowledge = stitch->knowledge;
    name_peer(stitch, call, node, connection_type);
    if (knowledge->n_alias)
        node->service = names_add(
            stitch->names, knowledge_alias(knowledge, names_text(stitch->names, node->service)));
}
