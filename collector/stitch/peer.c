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

/* service.namespace.svc.domain: true and the two parts. */
static bool cluster_host(struct stitch *stitch, struct str host, struct node *node)
{
    struct str service, namespace, svc, rest;
    if (!str_cut(host, '.', &service, &rest) || !str_cut(rest, '.', &namespace, &rest))
        return false;
    str_cut(rest, '.', &svc, &rest);
    if (!str_eq(svc, STR("svc")))
        return false;
    node->service = names_add(stitch->names, service);
    node->namespace = names_add(stitch->names, namespace);
    return true;
}

/* A host or address: a workload when it resolves, is a cluster's host, has no dot, or lies inside.
 */
static void name_host(struct stitch *stitch, name_no name, struct node *node)
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
    if (cluster_host(stitch, host, node))
        return;
    bool bare = str_find(host, '.') < 0 && str_find(host, ':') < 0;
    bool address = is_digit_host(host) || str_find(host, ':') >= 0;
    bool inside = address && cidr_contains(knowledge->inside, knowledge->n_inside, host);
    if (!bare && !inside)
        node->role = ROLE_EXTERNAL;
}

/* The deepest outgoing half of the row that names an upstream. */
static const struct upstream *row_upstream(struct stitch *stitch, const struct work_call *call)
{
    static const struct upstream none;
    uint32_t at = call->bottom;
    while (at != NONE) {
        const struct work_span *span = &stitch->spans[at];
        const struct upstream *upstream = upstream_parse(stitch, span->shape->upstream_cluster);
        if (upstream->direction == DIRECTION_OUTBOUND && upstream->host && !upstream->special)
            return upstream;
        if (at == call->top)
            break;
        at = span->parent;
    }
    return &none;
}

static void name_queue(const struct shape *shape, struct node *node)
{
    node->role = ROLE_QUEUE;
    node->service = shape->peer ? shape->peer : shape->protocol;
}

void peer_name(struct stitch *stitch, const struct work_call *call, struct node *node,
               uint8_t *connection_type)
{
    const struct shape *top = stitch->spans[call->top].shape;
    const struct shape *bottom = stitch->spans[call->bottom].shape;
    *node = (struct node){.role = ROLE_WORKLOAD};
    *connection_type = CONNECTION_VIRTUAL;
    if (top->kind == KIND_PRODUCER || top->messaging) {
        name_queue(top, node);
        if (!node->service)
            node->service = names_add(stitch->names, STR("queue"));
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
        node->service = top->peer;
        node->namespace = top->peer_namespace;
        return;
    }
    const struct upstream *upstream = row_upstream(stitch, call);
    if (upstream->host) {
        *node = (struct node){.service = upstream->service,
                              .namespace = upstream->namespace,
                              .version = upstream->subset,
                              .role = ROLE_WORKLOAD};
        if (!upstream->kubernetes)
            name_host(stitch, upstream->host, node);
        return;
    }
    name_no host = bottom->proxy != PROXY_NONE && bottom->url_host ? bottom->url_host
                   : top->peer                                     ? top->peer
                   : top->url_host                                 ? top->url_host
                                                                   : top->peer_address;
    if (host)
        name_host(stitch, host, node);
    else
        *node = (struct node){.service = names_add(stitch->names, STR("unknown")),
                              .role = ROLE_EXTERNAL};
}

static bool is_place(uint8_t role)
{
    return role == ROLE_WORKLOAD || role == ROLE_GATEWAY || role == ROLE_WAYPOINT ||
           role == ROLE_LOAD_BALANCER || role == ROLE_SIDECAR;
}

uint8_t crossing_of(const struct stitch *stitch, const struct node *caller,
                    const struct node *callee, name_no caller_zone, name_no callee_zone)
{
    (void)stitch;
    if (caller->role == ROLE_USER)
        return CROSSING_IN;
    if (callee->role == ROLE_EXTERNAL)
        return CROSSING_OUT;
    if (!is_place(caller->role) || !is_place(callee->role))
        return CROSSING_INSIDE;
    if (!caller->cluster || !callee->cluster)
        return CROSSING_UNKNOWN;
    if (caller->cluster != callee->cluster)
        return CROSSING_CLUSTER;
    if (caller_zone && callee_zone && caller_zone != callee_zone)
        return CROSSING_ZONE;
    if (!caller->namespace || !callee->namespace)
        return CROSSING_UNKNOWN;
    return caller->namespace != callee->namespace ? CROSSING_NAMESPACE : CROSSING_INSIDE;
}
