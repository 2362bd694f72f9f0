/* roles.c - incoming, outgoing, or on the way: read from upstream clusters first, kinds second. */
#include <stdio.h>

#include "collector/stitch/work.h"

/* Filters that answer before the router: the proxy itself is the callee then. */
#define FILTER_FLAGS                                                                               \
    (FLAG_BIT(FLAG_FI) | FLAG_BIT(FLAG_RL) | FLAG_BIT(FLAG_RLSE) | FLAG_BIT(FLAG_UAEX) |           \
     FLAG_BIT(FLAG_RFCF) | FLAG_BIT(FLAG_NFCF) | FLAG_BIT(FLAG_OM) | FLAG_BIT(FLAG_IH) |           \
     FLAG_BIT(FLAG_DPE))

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

bool is_gateway(const struct stitch *stitch, const struct node *node)
{
    const struct knowledge *knowledge = stitch->knowledge;
    return knowledge->n_gateways &&
           node_matches(stitch, node, knowledge->gateways, knowledge->n_gateways);
}

static bool is_sidecar(const struct stitch *stitch, const struct node *node)
{
    const struct knowledge *knowledge = stitch->knowledge;
    return knowledge->n_sidecars &&
           node_matches(stitch, node, knowledge->sidecars, knowledge->n_sidecars);
}

/* A proxy whose type is not said is what another span of the same service says, else what was
 * learnt of it from others' traces, else a sidecar. */
static uint8_t proxy_kind(const struct stitch *stitch, const struct work_span *span)
{
    const struct knowledge *knowledge = stitch->knowledge;
    const struct node *node = &span->shape->node;
    if (is_gateway(stitch, node))
        return PROXY_GATEWAY;
    if (is_sidecar(stitch, node))
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
    uint8_t learnt = knowledge->proxy_kind ? knowledge->proxy_kind(knowledge, node) : PROXY_UNKNOWN;
    return learnt == PROXY_UNKNOWN ? PROXY_SIDECAR : learnt;
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

static const struct work_span *parent_of(const struct stitch *stitch, const struct work_span *span)
{
    return span->parent == NONE ? NULL : &stitch->spans[span->parent];
}

static bool beneath_own_workload(const struct stitch *stitch, const struct work_span *span)
{
    const struct work_span *parent = parent_of(stitch, span);
    return parent && same_workload(&parent->shape->node, &span->shape->node);
}

/* A gateway's only span is both halves: of the call it got and of the one it made. */
static uint8_t gateway_half(const struct stitch *stitch, const struct work_span *span)
{
    bool answered_itself = (span->record->flags & FILTER_FLAGS) != 0;
    if (span->shape->kind == KIND_CLIENT) {
        const struct work_span *parent = parent_of(stitch, span);
        bool inner = parent && parent->proxy != PROXY_NONE &&
                     same_workload(&parent->shape->node, &span->shape->node);
        return inner ? HALF_OUT : answered_itself ? HALF_IN : HALF_BOTH;
    }
    bool routed = span->direction == DIRECTION_OUTBOUND ||
                  (span->direction == DIRECTION_UNKNOWN && span->shape->upstream_cluster);
    return routed && !answered_itself && !has_own_client_child(stitch, span) ? HALF_BOTH : HALF_IN;
}

/* Stock Envoys do not say which way: beneath a proxy's own incoming span lies its way to its own
 * application, where that answers. */
static bool is_way_to_own_application(const struct stitch *stitch, const struct work_span *span)
{
    const struct work_span *parent = parent_of(stitch, span);
    if (!parent || parent->shape->proxy == PROXY_NONE || parent->shape->kind == KIND_CLIENT ||
        !same_workload(&parent->shape->node, &span->shape->node))
        return false;
    for (uint32_t i = span->first_child; i != NONE; i = stitch->spans[i].next_sibling) {
        const struct work_span *child = &stitch->spans[i];
        if (child->shape->proxy == PROXY_NONE &&
            same_workload(&child->shape->node, &span->shape->node))
            return true;
    }
    return false;
}

static uint8_t sidecar_half(const struct stitch *stitch, struct work_span *span)
{
    uint8_t kind = span->shape->kind;
    if (span->direction == DIRECTION_UNKNOWN && kind == KIND_CLIENT &&
        is_way_to_own_application(stitch, span))
        span->direction = DIRECTION_INBOUND;
    if (span->direction == DIRECTION_INBOUND)
        return kind == KIND_CLIENT ? HALF_NONE : HALF_IN;
    if (span->direction == DIRECTION_OUTBOUND)
        return HALF_OUT;
    if (kind == KIND_CLIENT)
        return HALF_OUT;
    return beneath_own_workload(stitch, span) ? HALF_OUT : HALF_IN;
}

/* A client's span beneath another workload's that names nobody, and has either work of its own
 * workload beneath it or nothing at all: the callee's, with the wrong kind. */
static bool is_callee_by_place(const struct stitch *stitch, const struct work_span *span)
{
    const struct shape *shape = span->shape;
    if (span->parent == NONE || beneath_own_workload(stitch, span) || shape->peer ||
        shape->peer_address || shape->url_host || shape->database || shape->messaging)
        return false;
    for (uint32_t i = span->first_child; i != NONE; i = stitch->spans[i].next_sibling) {
        if (same_workload(&stitch->spans[i].shape->node, &shape->node))
            return true;
    }
    return span->first_child == NONE;
}

static bool has_consumer_child(const struct stitch *stitch, const struct work_span *span)
{
    for (uint32_t i = span->first_child; i != NONE; i = stitch->spans[i].next_sibling) {
        const struct work_span *child = &stitch->spans[i];
        if (child->shape->kind == KIND_CONSUMER &&
            same_workload(&child->shape->node, &span->shape->node))
            return true;
    }
    return false;
}

/* Taking messages is a call from the queue, whatever the kind; a poll whose messages have spans of
 * their own is none. */
static uint8_t consumer_half(const struct stitch *stitch, struct work_span *span)
{
    uint8_t step = span->shape->message;
    bool poll = step == MESSAGE_RECEIVE && has_consumer_child(stitch, span);
    span->consumes = step != MESSAGE_SETTLE && !poll;
    return span->consumes ? HALF_IN : HALF_NONE;
}

static uint8_t client_half(const struct stitch *stitch, struct work_span *span)
{
    if (span->shape->message != MESSAGE_UNSAID)
        return consumer_half(stitch, span);
    return is_callee_by_place(stitch, span) ? HALF_IN : HALF_OUT;
}

/* A proxy's span on the way out, as its cluster says, or its kind where no cluster does. */
static bool is_way_out(struct stitch *stitch, const struct work_span *span)
{
    if (span->shape->proxy == PROXY_NONE)
        return false;
    uint8_t direction = upstream_parse(stitch, span->shape->upstream_cluster)->direction;
    return direction == DIRECTION_OUTBOUND ||
           (direction == DIRECTION_UNKNOWN && span->shape->kind == KIND_CLIENT);
}

/* Beneath its own application and with nothing beneath, a span that names another, or a database,
 * is a call that nobody answered, or whose callee sends no spans. */
static bool names_callee(const struct work_span *span, const struct work_span *parent)
{
    const struct shape *shape = span->shape;
    bool other = shape->peer && shape->peer != shape->node.service && !shape->messaging;
    return shape->database || (other && parent->shape->proxy == PROXY_NONE);
}

/* A span without a kind is a call when it says whom it calls and nobody answers; one with nothing
 * beneath but one span of another workload, or its own sidecar's way out, is that call's caller. */
static bool is_caller_by_place(struct stitch *stitch, const struct work_span *span,
                               const struct work_span *parent)
{
    if (span->first_child == NONE)
        return names_callee(span, parent);
    const struct work_span *child = &stitch->spans[span->first_child];
    if (child->next_sibling != NONE || child->shape->kind == KIND_CONSUMER)
        return false;
    return is_way_out(stitch, child) || !same_workload(&child->shape->node, &span->shape->node);
}

static uint8_t plain_half(struct stitch *stitch, const struct work_span *span)
{
    const struct work_span *parent = parent_of(stitch, span);
    if (!parent || !same_workload(&parent->shape->node, &span->shape->node))
        return HALF_IN;
    if (span->shape->kind != KIND_UNSET)
        return HALF_NONE;
    const struct upstream *upstream = upstream_parse(stitch, parent->shape->upstream_cluster);
    bool behind_proxy =
        parent->shape->proxy != PROXY_NONE && upstream->direction == DIRECTION_INBOUND;
    if (behind_proxy)
        return HALF_IN;
    return is_caller_by_place(stitch, span, parent) ? HALF_OUT : HALF_NONE;
}

/* Plugins, routers and middlewares of a gateway have spans of their own. */
static bool is_step_of_proxy(const struct stitch *stitch, const struct work_span *span)
{
    return span->shape->kind == KIND_INTERNAL && !span->shape->upstream_cluster &&
           beneath_own_workload(stitch, span);
}

static uint8_t application_half(struct stitch *stitch, struct work_span *span)
{
    switch (span->shape->kind) {
    case KIND_SERVER:
        return HALF_IN;
    case KIND_CONSUMER:
        return consumer_half(stitch, span);
    case KIND_CLIENT:
        return client_half(stitch, span);
    case KIND_PRODUCER:
        return HALF_OUT;
    default:
        return plain_half(stitch, span);
    }
}

/* Who bears no mark of a proxy is a gateway where the settings say so. */
static uint8_t kind_of_application(const struct stitch *stitch, const struct work_span *span)
{
    bool queued = span->shape->kind == KIND_PRODUCER || span->shape->kind == KIND_CONSUMER;
    return !queued && is_gateway(stitch, &span->shape->node) ? PROXY_GATEWAY : PROXY_NONE;
}

void roles_find(struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n; i++) {
        struct work_span *span = &stitch->spans[i];
        bool marked = span->shape->proxy != PROXY_NONE;
        span->proxy = marked ? proxy_kind(stitch, span) : kind_of_application(stitch, span);
        if (marked)
            span->direction = upstream_parse(stitch, span->shape->upstream_cluster)->direction;
    }
    for (uint32_t i = 0; i < stitch->n; i++) {
        struct work_span *span = &stitch->spans[i];
        bool plain = span->shape->proxy == PROXY_NONE && span->shape->kind != KIND_SERVER &&
                     span->shape->kind != KIND_CLIENT;
        if (plain || span->proxy == PROXY_NONE)
            span->half = application_half(stitch, span);
        else if (is_step_of_proxy(stitch, span))
            span->half = HALF_NONE;
        else
            span->half = span->proxy == PROXY_SIDECAR ? sidecar_half(stitch, span)
                                                      : gateway_half(stitch, span);
    }
}
