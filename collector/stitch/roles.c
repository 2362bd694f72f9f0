/* roles.c - incoming, outgoing, or on the way: read from upstream clusters first, kinds second. */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/hash.h"
#include "collector/stitch/work.h"

/* Filters that answer before the router: the proxy itself is the callee then. */
#define FILTER_FLAGS                                                                               \
    (FLAG_BIT(FLAG_FI) | FLAG_BIT(FLAG_RL) | FLAG_BIT(FLAG_RLSE) | FLAG_BIT(FLAG_UAEX) |           \
     FLAG_BIT(FLAG_RFCF) | FLAG_BIT(FLAG_NFCF) | FLAG_BIT(FLAG_OM) | FLAG_BIT(FLAG_IH) |           \
     FLAG_BIT(FLAG_DPE))

/* service.namespace.svc.domain */
static void parse_host(struct stitch *stitch, struct str host, struct upstream *upstream)
{
    struct str service, namespace, svc, rest;
    upstream->host = names_add(stitch->names, host);
    upstream->service = upstream->host;
    if (!str_cut(host, '.', &service, &rest) || !str_cut(rest, '.', &namespace, &rest))
        return;
    str_cut(rest, '.', &svc, &rest);
    if (!str_eq(svc, STR("svc")))
        return;
    upstream->kubernetes = true;
    upstream->service = names_add(stitch->names, service);
    upstream->namespace = names_add(stitch->names, namespace);
}

static void parse_cluster(struct stitch *stitch, struct str text, struct upstream *upstream)
{
    bool sni = str_starts(text, STR("outbound_.")) || str_starts(text, STR("inbound_."));
    struct str direction, port, subset, host, rest = text;
    if (sni) {
        /* outbound_.9080_.v1_.reviews.default.svc.cluster.local */
        str_cut(rest, '_', &direction, &rest);
        str_cut(str_skip(rest, 1), '_', &port, &rest);
        str_cut(str_skip(rest, 1), '_', &subset, &rest);
        host = str_skip(rest, 1);
    } else {
        if (!str_cut(rest, '|', &direction, &rest))
            direction = STR_NONE;
        str_cut(rest, '|', &port, &rest);
        str_cut(rest, '|', &subset, &host);
    }
    if (str_eq(direction, STR("inbound")))
        upstream->direction = DIRECTION_INBOUND;
    else if (str_eq(direction, STR("outbound")))
        upstream->direction = DIRECTION_OUTBOUND;
    upstream->special = str_contains(text, STR("PassthroughCluster")) ||
                        str_contains(text, STR("BlackHoleCluster"));
    if (upstream->special)
        upstream->direction =
            str_starts(text, STR("Inbound")) ? DIRECTION_INBOUND : DIRECTION_OUTBOUND;
    if (!host.len)
        return;
    upstream->subset = names_add(stitch->names, subset);
    parse_host(stitch, host, upstream);
}

const struct upstream *upstream_parse(struct stitch *stitch, name_no name)
{
    static const struct upstream none;
    if (name == NAME_NONE)
        return &none;
    uint64_t hash = hash_u64(name);
    for (struct map_iter it = map_find(&stitch->upstream_map, hash);
         map_next(&stitch->upstream_map, &it);) {
        if (stitch->upstreams[it.value].name == name)
            return &stitch->upstreams[it.value];
    }
    if (stitch->n_upstreams == stitch->cap_upstreams) {
        uint32_t cap = stitch->cap_upstreams ? 2 * stitch->cap_upstreams : 64;
        struct upstream *grown = realloc(stitch->upstreams, cap * sizeof(*grown));
        if (!grown)
            return &none;
        stitch->upstreams = grown;
        stitch->cap_upstreams = cap;
    }
    struct upstream *upstream = &stitch->upstreams[stitch->n_upstreams];
    *upstream = (struct upstream){.name = name};
    parse_cluster(stitch, names_text(stitch->names, name), upstream);
    if (!map_add(&stitch->upstream_map, hash, stitch->n_upstreams))
        return &none;
    stitch->n_upstreams++;
    return upstream;
}

/* "service", "namespace/service" or "cluster/namespace/service", '*' for any run of characters. */
static bool node_matches(const struct stitch *stitch, const struct node *node,
                         const struct str *patterns, size_t n)
{
    char text[3][600];
    struct str service = names_text(stitch->names, node->service);
    struct str namespace = names_text(stitch->names, node->namespace);
    struct str cluster = names_text(stitch->names, node->cluster);
    if (service.len + namespace.len + cluster.len > 590)
        return false;
    int len[3];
    len[0] = snprintf(text[0], sizeof(text[0]), "%.*s", STR_ARG(service));
    len[1] = snprintf(text[1], sizeof(text[1]), "%.*s/%.*s", STR_ARG(namespace), STR_ARG(service));
    len[2] = snprintf(text[2], sizeof(text[2]), "%.*s/%.*s/%.*s", STR_ARG(cluster),
                      STR_ARG(namespace), STR_ARG(service));
    for (size_t i = 0; i < n; i++) {
        size_t slashes = 0;
        for (size_t k = 0; k < patterns[i].len; k++)
            slashes += patterns[i].p[k] == '/';
        if (slashes > 2)
            continue;
        if (str_glob(patterns[i], (struct str){text[slashes], (size_t)len[slashes]}))
            return true;
    }
    return false;
}

/* A proxy whose type is not said is what another span of the same service says, else a sidecar. */
static uint8_t proxy_kind(const struct stitch *stitch, const struct work_span *span)
{
    const struct knowledge *knowledge = stitch->knowledge;
    const struct node *node = &span->shape->node;
    if (knowledge->n_gateways &&
        node_matches(stitch, node, knowledge->gateways, knowledge->n_gateways))
        return PROXY_GATEWAY;
    if (knowledge->n_sidecars &&
        node_matches(stitch, node, knowledge->sidecars, knowledge->n_sidecars))
        return PROXY_SIDECAR;
    if (span->shape->proxy != PROXY_UNKNOWN)
        return span->shape->proxy;
    uint32_t near[2] = {span->parent, span->first_child};
    for (int i = 0; i < 2; i++) {
        const struct work_span *other = near[i] == NONE ? NULL : &stitch->spans[near[i]];
        if (other && other->shape->proxy > PROXY_UNKNOWN &&
            same_workload(&other->shape->node, node))
            return other->shape->proxy;
    }
    return PROXY_SIDECAR;
}

static bool has_own_client_child(const struct stitch *stitch, const struct work_span *span)
{
    for (uint32_t i = span->first_child; i != NONE; i = stitch->spans[i].next_sibling) {
        const struct work_span *child = &stitch->spans[i];
        if (child->shape->proxy != PROXY_NONE && child->shape->kind == KIND_CLIENT &&
            same_workload(&child->shape->node, &span->shape->node))
            return true;
    }
    return false;
}

static bool beneath_own_workload(const struct stitch *stitch, const struct work_span *span)
{
    return span->parent != NONE &&
           same_workload(&stitch->spans[span->parent].shape->node, &span->shape->node);
}

static uint8_t gateway_half(const struct stitch *stitch, const struct work_span *span)
{
    if (span->shape->kind == KIND_CLIENT)
        return HALF_OUT;
    bool answered_itself = (span->record->flags & FILTER_FLAGS) != 0;
    bool routed = span->direction == DIRECTION_OUTBOUND && !answered_itself;
    return routed && !has_own_client_child(stitch, span) ? HALF_BOTH : HALF_IN;
}

static uint8_t sidecar_half(const struct stitch *stitch, const struct work_span *span)
{
    uint8_t kind = span->shape->kind;
    if (span->direction == DIRECTION_INBOUND)
        return kind == KIND_CLIENT ? HALF_NONE : HALF_IN;
    if (span->direction == DIRECTION_OUTBOUND)
        return HALF_OUT;
    if (kind == KIND_CLIENT)
        return HALF_OUT;
    return beneath_own_workload(stitch, span) ? HALF_OUT : HALF_IN;
}

static uint8_t application_half(const struct stitch *stitch, const struct work_span *span)
{
    switch (span->shape->kind) {
    case KIND_SERVER:
    case KIND_CONSUMER:
        return HALF_IN;
    case KIND_CLIENT:
    case KIND_PRODUCER:
        return HALF_OUT;
    default:
        break;
    }
    if (span->parent == NONE)
        return HALF_IN;
    if (!same_workload(&stitch->spans[span->parent].shape->node, &span->shape->node))
        return HALF_IN;
    /* A span without a kind that calls a database says so by its attributes. */
    return span->shape->kind == KIND_UNSET && span->shape->database && span->first_child == NONE
               ? HALF_OUT
               : HALF_NONE;
}

void roles_find(struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n; i++) {
        struct work_span *span = &stitch->spans[i];
        if (span->shape->proxy == PROXY_NONE) {
            span->half = application_half(stitch, span);
            continue;
        }
        span->proxy = proxy_kind(stitch, span);
        span->direction = upstream_parse(stitch, span->shape->upstream_cluster)->direction;
        span->half =
            span->proxy == PROXY_SIDECAR ? sidecar_half(stitch, span) : gateway_half(stitch, span);
    }
}
