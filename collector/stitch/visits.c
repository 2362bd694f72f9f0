/* visits.c - a walk from the roots: every span joins its workload's visit or begins one, and every
 * beginning is a call.
 *
 * A gateway between two workloads begins no visit: its spans are part of the caller's way. Sidecar
 * and application are one workload, so their spans share a visit, whether the application sends
 * spans or not.
 */
#include <stdlib.h>

#include "collector/stitch/work.h"

static struct work_call *call_add(struct stitch *stitch)
{
    if (stitch->n_calls == stitch->cap_calls) {
        uint32_t cap = stitch->cap_calls ? 2 * stitch->cap_calls : 64;
        struct work_call *grown = realloc(stitch->calls, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        stitch->calls = grown;
        stitch->cap_calls = cap;
    }
    struct work_call *call = &stitch->calls[stitch->n_calls++];
    *call = (struct work_call){.caller_visit = NONE,
                               .callee_visit = NONE,
                               .next_of_visit = NONE,
                               .top = NONE,
                               .bottom = NONE};
    return call;
}

static uint32_t visit_add(struct stitch *stitch, uint32_t first)
{
    if (stitch->n_visits == stitch->cap_visits) {
        uint32_t cap = stitch->cap_visits ? 2 * stitch->cap_visits : 64;
        struct visit *grown = realloc(stitch->visits, cap * sizeof(*grown));
        if (!grown)
            return NONE;
        stitch->visits = grown;
        stitch->cap_visits = cap;
    }
    struct node node = stitch->spans[first].shape->node;
    uint8_t proxy = stitch->spans[first].proxy;
    node.role = proxy == PROXY_GATEWAY    ? ROLE_GATEWAY
                : proxy == PROXY_WAYPOINT ? ROLE_WAYPOINT
                                          : ROLE_WORKLOAD;
    stitch->visits[stitch->n_visits] = (struct visit){.node = node,
                                                      .first = first,
                                                      .call = NONE,
                                                      .first_call = NONE,
                                                      .last_call = NONE,
                                                      .worst = NONE};
    stitch->spans[first].visit = stitch->n_visits;
    return stitch->n_visits++;
}

static void link_call(struct stitch *stitch, uint32_t visit, uint32_t call)
{
    struct visit *caller = &stitch->visits[visit];
    if (caller->last_call == NONE)
        caller->first_call = call;
    else
        stitch->calls[caller->last_call].next_of_visit = call;
    caller->last_call = call;
}

/* Does this gateway's span lie between two workloads? One that answered itself is the callee. */
static bool passes(const struct stitch *stitch, const struct work_span *span)
{
    const struct work_span *parent = &stitch->spans[span->parent];
    if (span->proxy != PROXY_GATEWAY && span->proxy != PROXY_WAYPOINT)
        return false;
    if (same_workload(&stitch->visits[parent->visit].node, &span->shape->node))
        return false;
    if (parent->passes && same_workload(&parent->shape->node, &span->shape->node))
        return true;
    if (span->half != HALF_IN)
        return true;
    for (uint32_t i = span->first_child; i != NONE; i = stitch->spans[i].next_sibling) {
        const struct work_span *child = &stitch->spans[i];
        if (child->half == HALF_OUT && same_workload(&child->shape->node, &span->shape->node))
            return true;
    }
    return false;
}

static bool is_producer(const struct work_span *span)
{
    return span->shape->kind == KIND_PRODUCER;
}

/* An outgoing half that hands on to what is beneath it. A producer hands on to its queue alone. */
static bool hands_on(const struct work_span *span)
{
    return (span->passes || (span->half & HALF_OUT)) && !is_producer(span);
}

static bool begins_visit(const struct stitch *stitch, const struct work_span *span)
{
    const struct work_span *parent = &stitch->spans[span->parent];
    bool same = same_workload(&stitch->visits[parent->visit].node, &span->shape->node);
    if (!same)
        return true;
    if (span->shape->kind == KIND_CONSUMER && is_producer(parent))
        return true;
    return (span->half & HALF_IN) && hands_on(parent);
}

static void join_row(struct stitch *stitch, uint32_t i)
{
    struct work_span *span = &stitch->spans[i];
    span->top = i;
    if (span->parent == NONE)
        return;
    struct work_span *parent = &stitch->spans[span->parent];
    if (parent->visit == span->visit && hands_on(parent)) {
        span->top = parent->top;
        parent->goes_on = true;
    }
}

/* The call that began a visit beneath another one's span. */
static bool add_led_call(struct stitch *stitch, uint32_t visit, uint32_t parent)
{
    struct work_call *call = call_add(stitch);
    if (!call)
        return false;
    struct work_span *above = &stitch->spans[parent];
    call->callee_visit = visit;
    call->caller_visit = above->visit;
    call->call.known_by = KNOWN_CALLEE_ONLY;
    if (hands_on(above)) {
        call->call.known_by = KNOWN_BOTH;
        call->bottom = parent;
        call->top = above->top;
        above->goes_on = true;
    }
    uint32_t number = stitch->n_calls - 1;
    stitch->visits[visit].call = number;
    link_call(stitch, call->caller_visit, number);
    return true;
}

/* A consumer's call from its queue; the queue has no visit. */
static bool add_consumed_call(struct stitch *stitch, uint32_t visit)
{
    struct work_call *call = call_add(stitch);
    if (!call)
        return false;
    call->callee_visit = visit;
    call->call.known_by = KNOWN_CALLEE_ONLY;
    call->call.connection_type = CONNECTION_MESSAGING;
    stitch->visits[visit].call = stitch->n_calls - 1;
    return true;
}

/* Does a request from outside begin here, although its sender brought a parent of its own? */
static bool orphan_is_entry(const struct stitch *stitch, const struct work_span *span)
{
    const struct knowledge *knowledge = stitch->knowledge;
    if (span->proxy == PROXY_GATEWAY)
        return true;
    if (span->shape->peer_address == NAME_NONE || !knowledge->n_inside)
        return false;
    return !cidr_contains(knowledge->inside, knowledge->n_inside,
                          names_text(stitch->names, span->shape->peer_address));
}

static bool add_entry_call(struct stitch *stitch, uint32_t visit, const struct work_span *span)
{
    struct work_call *call = call_add(stitch);
    if (!call)
        return false;
    call->callee_visit = visit;
    call->call.known_by = KNOWN_ENTRY;
    call->call.connection_type = CONNECTION_VIRTUAL;
    call->call.caller = stitch->user;
    const struct knowledge *knowledge = stitch->knowledge;
    if (knowledge->resolve && span->shape->peer_address) {
        node_no known =
            knowledge->resolve(knowledge, names_text(stitch->names, span->shape->peer_address));
        if (known) {
            call->call.caller = known;
            call->call.connection_type = CONNECTION_PLAIN;
        }
    }
    stitch->visits[visit].call = stitch->n_calls - 1;
    return true;
}

static bool begin_root(struct stitch *stitch, uint32_t i)
{
    uint32_t visit = visit_add(stitch, i);
    if (visit == NONE)
        return false;
    const struct work_span *span = &stitch->spans[i];
    if (span->shape->kind == KIND_CONSUMER)
        return add_consumed_call(stitch, visit);
    if (span->half == HALF_OUT)
        return true;
    if (span->orphan && !orphan_is_entry(stitch, span))
        return true;
    return add_entry_call(stitch, visit, span);
}

static bool place(struct stitch *stitch, uint32_t i)
{
    struct work_span *span = &stitch->spans[i];
    if (span->parent == NONE)
        return begin_root(stitch, i);
    uint32_t above = stitch->spans[span->parent].visit;
    span->passes = passes(stitch, span);
    if (span->passes || !begins_visit(stitch, span)) {
        span->visit = above;
        return true;
    }
    uint32_t visit = visit_add(stitch, i);
    if (visit == NONE)
        return false;
    if (span->shape->kind == KIND_CONSUMER)
        return add_consumed_call(stitch, visit);
    return add_led_call(stitch, visit, span->parent);
}

/* An outgoing half with nothing beneath: its callee is known by the caller's word alone. */
static bool add_leaf_call(struct stitch *stitch, uint32_t i)
{
    const struct work_span *span = &stitch->spans[i];
    struct work_call *call = call_add(stitch);
    if (!call)
        return false;
    call->caller_visit = span->visit;
    call->top = span->top;
    call->bottom = i;
    call->call.known_by = KNOWN_CALLER_ONLY;
    link_call(stitch, span->visit, stitch->n_calls - 1);
    return true;
}

/* What one span of a visit does not know of its workload, another may. */
static void fill_node(struct node *node, const struct node *other)
{
    node->cluster = node->cluster ? node->cluster : other->cluster;
    node->namespace = node->namespace ? node->namespace : other->namespace;
    node->version = node->version ? node->version : other->version;
}

/* Within a trace unknown takes the only value that other spans of the same service name have. */
static void fill_from_trace(struct stitch *stitch)
{
    uint32_t n = stitch->n_visits;
    for (uint32_t i = 0; i < n; i++) {
        struct node *node = &stitch->visits[i].node;
        if (node->cluster && node->namespace && node->version)
            continue;
        struct node only = {0};
        bool several[3] = {false, false, false};
        /* Traces have few visits with unknowns; beyond a thousand the look around is not worth its
         * square. */
        for (uint32_t k = 0; k < n && n <= 1000; k++) {
            const struct node *other = &stitch->visits[k].node;
            if (other->service != node->service)
                continue;
            const name_no values[3] = {other->cluster, other->namespace, other->version};
            name_no *known[3] = {&only.cluster, &only.namespace, &only.version};
            for (int f = 0; f < 3; f++) {
                several[f] = several[f] || (*known[f] && values[f] && *known[f] != values[f]);
                *known[f] = values[f] ? values[f] : *known[f];
            }
        }
        only.cluster = several[0] ? NAME_NONE : only.cluster;
        only.namespace = several[1] ? NAME_NONE : only.namespace;
        only.version = several[2] ? NAME_NONE : only.version;
        fill_node(node, &only);
    }
}

uint32_t hop_request(const struct stitch *stitch, uint32_t span)
{
    const struct work_span *attempt = &stitch->spans[span];
    if (attempt->parent == NONE || attempt->shape->kind != KIND_CLIENT)
        return span;
    const struct work_span *outer = &stitch->spans[attempt->parent];
    bool one_proxy = attempt->proxy != PROXY_NONE && outer->proxy == attempt->proxy &&
                     outer->direction == DIRECTION_OUTBOUND &&
                     same_workload(&outer->shape->node, &attempt->shape->node);
    return one_proxy ? attempt->parent : span;
}

uint32_t visit_application(const struct stitch *stitch, uint32_t visit)
{
    uint32_t at = stitch->visits[visit].first;
    for (unsigned steps = 0; steps < 8; steps++) {
        uint32_t next = NONE;
        for (uint32_t i = stitch->spans[at].first_child; i != NONE && next == NONE;
             i = stitch->spans[i].next_sibling) {
            const struct work_span *child = &stitch->spans[i];
            bool inner = child->visit == visit && !child->passes &&
                         stitch->spans[at].proxy != PROXY_NONE &&
                         ((child->half & HALF_IN) || child->direction == DIRECTION_INBOUND);
            next = inner ? i : NONE;
        }
        if (next == NONE)
            return stitch->spans[at].half == HALF_NONE ? stitch->visits[visit].first : at;
        at = next;
    }
    return at;
}

bool visits_find(struct stitch *stitch)
{
    stitch->n_visits = stitch->n_calls = 0;
    for (uint32_t k = 0; k < stitch->n; k++) {
        uint32_t i = stitch->order[k];
        if (!place(stitch, i))
            return false;
        struct work_span *span = &stitch->spans[i];
        if (span->passes || (span->half & HALF_OUT))
            join_row(stitch, i);
        if (!span->passes)
            fill_node(&stitch->visits[span->visit].node, &span->shape->node);
    }
    for (uint32_t k = 0; k < stitch->n; k++) {
        const struct work_span *span = &stitch->spans[stitch->order[k]];
        if ((span->passes || (span->half & HALF_OUT)) && !span->goes_on &&
            !add_leaf_call(stitch, stitch->order[k]))
            return false;
    }
    fill_from_trace(stitch);
    return true;
}
