/* visits.c - a walk from the roots: every span joins its workload's visit or begins one, and every
 * beginning is a call.
 *
 * A gateway between two workloads begins no visit: its spans are part of the caller's way. Sidecar
 * and application are one workload, so their spans share a visit, whether the application sends
 * spans or not, and whatever it calls itself.
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
                               .bottom = NONE,
                               .top = NONE,
                               .attempt = NONE};
    return call;
}

uint8_t role_of_proxy(uint8_t proxy)
{
    switch (proxy) {
    case PROXY_GATEWAY:
        return ROLE_GATEWAY;
    case PROXY_WAYPOINT:
        return ROLE_WAYPOINT;
    case PROXY_LOAD_BALANCER:
        return ROLE_LOAD_BALANCER;
    default:
        return ROLE_WORKLOAD;
    }
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
    const struct upstream *named_by = upstream_parse(stitch, stitch->spans[first].named_by);
    node.role = role_of_proxy(proxy);
    if (named_by->service) {
        node.service = named_by->service;
        node.namespace = node.namespace ? node.namespace : named_by->namespace;
        node.version = node.version ? node.version : named_by->subset;
    }
    stitch->visits[stitch->n_visits] = (struct visit){.node = node,
                                                      .first = first,
                                                      .inner = first,
                                                      .application = first,
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

/* Is this span of the workload that the visit is at? Names say so, also the one that its SDK uses;
 * and places do: a sidecar's way in leads to its own application, its way out comes from there. */
static bool is_of_visit(const struct stitch *stitch, const struct work_span *span)
{
    const struct work_span *parent = &stitch->spans[span->parent];
    const struct visit *visit = &stitch->visits[parent->visit];
    const struct node *node = &span->shape->node;
    if (span->of_sidecar)
        return true;
    if (same_workload(&visit->node, node) || (visit->sdk && same_workload(visit->sdk, node)))
        return true;
    if (span->proxy == PROXY_NONE)
        return parent->proxy == PROXY_SIDECAR && parent->direction == DIRECTION_INBOUND;
    return span->proxy == PROXY_SIDECAR && span->half == HALF_OUT && parent->proxy == PROXY_NONE &&
           parent->shape->node.service == node->service;
}

/* The next span beneath this gateway's, its own steps in between looked into. */
static uint32_t next_beneath(const struct stitch *stitch, const struct work_span *span, uint32_t at)
{
    const struct work_span *child = &stitch->spans[at];
    if (child->proxy == PROXY_GATEWAY && child->half == HALF_NONE && child->first_child != NONE)
        return child->first_child;
    while (child != span && child->next_sibling == NONE)
        child = &stitch->spans[child->parent];
    return child == span ? NONE : child->next_sibling;
}

/* A gateway that handed on: to a span of another workload beneath it, or to an upstream by name. */
static bool handed_on(struct stitch *stitch, const struct work_span *span)
{
    for (uint32_t i = span->first_child; i != NONE; i = next_beneath(stitch, span, i)) {
        const struct work_span *child = &stitch->spans[i];
        if (child->half == HALF_OUT || !same_workload(&child->shape->node, &span->shape->node))
            return true;
    }
    if (!(span->half & HALF_OUT))
        return false;
    const struct upstream *upstream = upstream_parse(stitch, span->shape->upstream_cluster);
    return upstream->host || upstream->special;
}

/* Does this gateway's span lie between two workloads? One that answered itself is the callee. */
static bool passes(struct stitch *stitch, const struct work_span *span)
{
    const struct work_span *parent = &stitch->spans[span->parent];
    if (span->proxy < PROXY_GATEWAY)
        return false;
    if (same_workload(&stitch->visits[parent->visit].node, &span->shape->node))
        return false;
    if (parent->passes && same_workload(&parent->shape->node, &span->shape->node))
        return true;
    return handed_on(stitch, span);
}

/* A step inside of a gateway on the way is none of its ways on. */
static bool is_of_row(const struct work_span *span)
{
    return span->half != HALF_NONE && (span->passes || (span->half & HALF_OUT));
}

/* Is the parent part of a way on to what is beneath it? A producer hands on to its queue alone. */
static bool hands_on(const struct stitch *stitch, const struct work_span *parent)
{
    return parent->row != NONE && stitch->spans[parent->row].shape->kind != KIND_PRODUCER;
}

static bool begins_visit(const struct stitch *stitch, const struct work_span *span)
{
    if (span->consumes || !is_of_visit(stitch, span))
        return true;
    return (span->half & HALF_IN) && hands_on(stitch, &stitch->spans[span->parent]);
}

/* The client's span that sends what the producer's span right above it created: one call. */
static bool sends_for(const struct stitch *stitch, const struct work_span *parent,
                      const struct work_span *span)
{
    if (parent->shape->kind != KIND_PRODUCER || parent->row == NONE)
        return false;
    name_no queue = stitch->spans[parent->row].shape->peer;
    return span->shape->messaging && span->shape->kind == KIND_CLIENT &&
           (!queue || !span->shape->peer || queue == span->shape->peer);
}

/* Takes its place beneath the span above it in the row, or begins one. */
static void join_row(struct stitch *stitch, uint32_t i)
{
    struct work_span *span = &stitch->spans[i];
    const struct work_span *parent = span->parent == NONE ? NULL : &stitch->spans[span->parent];
    bool beneath = parent && parent->visit == span->visit &&
                   (hands_on(stitch, parent) || sends_for(stitch, parent, span));
    if (!is_of_row(span)) {
        bool inside = beneath && span->half == HALF_NONE;
        span->row = inside ? parent->row : NONE;
        return;
    }
    span->row = i;
    if (beneath) {
        span->row_up = parent->row;
        stitch->spans[parent->row].goes_on = true;
    }
}

/* From proxy to application: the spans that a request goes through on its way in. */
static void go_in(struct stitch *stitch, uint32_t i)
{
    const struct work_span *span = &stitch->spans[i];
    struct visit *visit = &stitch->visits[span->visit];
    if (i == visit->first || span->parent != visit->inner || span->passes)
        return;
    bool inner = stitch->spans[span->parent].proxy != PROXY_NONE &&
                 ((span->half & HALF_IN) || span->direction == DIRECTION_INBOUND);
    if (!inner)
        return;
    visit->inner = i;
    if (span->half & HALF_IN)
        visit->application = i;
}

/* Of who was called only a proxy's ways on were heard of, or not even these: no half of the call.
 */
static bool is_half_of_nobody(const struct stitch *stitch, const struct visit *visit)
{
    const struct work_span *first = &stitch->spans[visit->first];
    return visit->silent || (first->half == HALF_OUT && first->proxy != PROXY_NONE);
}

/* The call that began a visit beneath another one's span. Mirrored requests are nobody's way. */
static bool add_led_call(struct stitch *stitch, uint32_t visit, uint32_t parent)
{
    struct work_call *call = call_add(stitch);
    if (!call)
        return false;
    const struct work_span *above = &stitch->spans[parent];
    call->callee_visit = visit;
    call->caller_visit = above->visit;
    call->call.known_by = KNOWN_CALLEE_ONLY;
    call->aside = stitch->spans[stitch->visits[visit].first].shape->mirrored;
    if (!call->aside && hands_on(stitch, above)) {
        call->call.known_by =
            is_half_of_nobody(stitch, &stitch->visits[visit]) ? KNOWN_CALLER_ONLY : KNOWN_BOTH;
        call->bottom = above->row;
        stitch->spans[above->row].goes_on = true;
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
    const struct work_span *first = &stitch->spans[stitch->visits[visit].first];
    call->callee_visit = visit;
    call->call.known_by = own_links(first->record->own).len > 2 ? KNOWN_LINK : KNOWN_CALLEE_ONLY;
    call->call.connection_type = CONNECTION_MESSAGING;
    stitch->visits[visit].call = stitch->n_calls - 1;
    return true;
}

/* Does a request from outside begin here, although its sender brought a parent of its own? */
static bool orphan_is_entry(const struct stitch *stitch, const struct work_span *span)
{
    const struct knowledge *knowledge = stitch->knowledge;
    if (span->proxy == PROXY_GATEWAY || span->proxy == PROXY_LOAD_BALANCER)
        return true;
    if (span->shape->peer_address == NAME_NONE || !knowledge->n_inside)
        return false;
    struct str address = names_text(stitch->names, span->shape->peer_address);
    return !address_is_loopback(address) &&
           !cidr_contains(knowledge->inside, knowledge->n_inside, address);
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
    if (knowledge->resolve && span->shape->peer_address && !span->orphan) {
        node_no known =
            knowledge->resolve(knowledge, names_text(stitch->names, span->shape->peer_address));
        /* From its own address comes what its own sidecar hands on, whoever sent it. */
        if (known && nodes_get(stitch->nodes, known)->service != span->shape->node.service) {
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
    struct work_span *span = &stitch->spans[i];
    if (span->proxy == PROXY_WAYPOINT &&
        waypoint_source(stitch, span->record, &stitch->visits[visit].node)) {
        span->passes = true;
        return true;
    }
    if (span->consumes)
        return add_consumed_call(stitch, visit);
    if (span->half == HALF_OUT || span->half == HALF_NONE)
        return true;
    if (span->orphan && !orphan_is_entry(stitch, span))
        return true;
    return add_entry_call(stitch, visit, span);
}

/* An application that calls itself otherwise than its sidecar does. */
static void note_sdk(struct stitch *stitch, const struct work_span *span)
{
    struct visit *visit = &stitch->visits[span->visit];
    if (span->proxy == PROXY_NONE && !visit->sdk &&
        !same_workload(&visit->node, &span->shape->node))
        visit->sdk = &span->shape->node;
}

/* What a callee called on, its own half lost, lies side by side beneath its caller's: one visit. */
static bool joins_led(const struct stitch *stitch, const struct work_span *span)
{
    uint32_t led = stitch->spans[span->parent].led;
    return span->half == HALF_OUT && led != NONE &&
           same_workload(&stitch->visits[led].node, &span->shape->node);
}

/* Somebody of it was heard of after all. */
static void break_silence(struct stitch *stitch, uint32_t visit, uint32_t i)
{
    struct visit *led = &stitch->visits[visit];
    if (led->silent)
        led->first = led->inner = led->application = i;
    led->silent = false;
}

/* Where a callee's half took the id of its caller's, its parent is what the caller itself got: that
 * is no client's span. With the caller's half lost, and the callee's of the span above it, he is
 * whom that span names. NULL where the span's parent is not such, or does not say. */
static const struct upstream *came_through(struct stitch *stitch, const struct work_span *span)
{
    const struct work_span *above = &stitch->spans[span->parent];
    uint64_t id = span->record->span_id;
    bool lost = span->shape->shared && span->shape->kind == KIND_SERVER &&
                above->shape->kind == KIND_CLIENT && above->proxy != PROXY_NONE &&
                (above->half & HALF_OUT) && above->record->span_id != id &&
                above->record->span_id != __builtin_bswap64(id);
    if (!lost)
        return NULL;
    const struct upstream *upstream = upstream_parse(stitch, above->shape->upstream_cluster);
    bool named = upstream->direction == DIRECTION_OUTBOUND && upstream->kubernetes &&
                 upstream->service != span->shape->node.service;
    return named ? upstream : NULL;
}

/* The visit at whom the span's proxy called, of whom no span came; NONE when memory is short. */
static uint32_t silent_visit(struct stitch *stitch, uint32_t i, const struct upstream *upstream)
{
    struct work_span *span = &stitch->spans[i];
    const struct knowledge *knowledge = stitch->knowledge;
    struct node node = {.service = upstream->service,
                        .namespace = upstream->namespace,
                        .version = upstream->subset,
                        .role = ROLE_WORKLOAD};
    uint32_t own = span->visit;
    if (knowledge->n_alias)
        node.service = names_add(
            stitch->names, knowledge_alias(knowledge, names_text(stitch->names, node.service)));
    if (span->led != NONE && same_workload(&stitch->visits[span->led].node, &node))
        return span->led;
    uint32_t visit = visit_add(stitch, i);
    span->visit = own;
    if (visit == NONE)
        return NONE;
    stitch->visits[visit].node = node;
    stitch->visits[visit].silent = stitch->has_silent = true;
    span->led = visit;
    return add_led_call(stitch, visit, i) ? visit : NONE;
}

/* A visit that a silent one called. */
static bool begin_through(struct stitch *stitch, uint32_t i, const struct upstream *upstream)
{
    uint32_t from = silent_visit(stitch, stitch->spans[i].parent, upstream);
    uint32_t visit = from == NONE ? NONE : visit_add(stitch, i);
    struct work_call *call = visit == NONE ? NULL : call_add(stitch);
    if (!call)
        return false;
    stitch->spans[i].through = true;
    call->caller_visit = from;
    call->callee_visit = visit;
    call->call.known_by = KNOWN_CALLEE_ONLY;
    call->aside = stitch->spans[i].shape->mirrored;
    stitch->visits[visit].call = stitch->n_calls - 1;
    link_call(stitch, from, stitch->n_calls - 1);
    return true;
}

static bool place(struct stitch *stitch, uint32_t i)
{
    struct work_span *span = &stitch->spans[i];
    if (span->parent == NONE)
        return begin_root(stitch, i);
    uint32_t above = stitch->spans[span->parent].visit;
    const struct upstream *silent = came_through(stitch, span);
    if (silent)
        return begin_through(stitch, i, silent);
    span->passes = passes(stitch, span);
    if (span->passes || !begins_visit(stitch, span)) {
        span->visit = above;
        if (!span->passes)
            note_sdk(stitch, span);
        return true;
    }
    if (joins_led(stitch, span)) {
        span->visit = stitch->spans[span->parent].led;
        break_silence(stitch, span->visit, i);
        return true;
    }
    uint32_t visit = visit_add(stitch, i);
    if (visit == NONE)
        return false;
    if (span->half == HALF_OUT)
        stitch->spans[span->parent].led = visit;
    return span->consumes ? add_consumed_call(stitch, visit)
                          : add_led_call(stitch, visit, span->parent);
}

/* The end of a row with nothing beneath: its callee is known by the caller's word alone. */
static bool add_leaf_call(struct stitch *stitch, uint32_t i)
{
    const struct work_span *span = &stitch->spans[i];
    struct work_call *call = call_add(stitch);
    if (!call)
        return false;
    call->caller_visit = span->visit;
    call->bottom = i;
    call->call.known_by = KNOWN_CALLER_ONLY;
    link_call(stitch, span->visit, stitch->n_calls - 1);
    return true;
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

/* How many calls go through each span of a row. */
static void count_uses(struct stitch *stitch)
{
    stitch->shares = false;
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        if (stitch->calls[i].bottom != NONE)
            stitch->shares |= ++stitch->spans[stitch->calls[i].bottom].uses > 1;
    }
    for (uint32_t k = stitch->n; k-- > 0;) {
        const struct work_span *span = &stitch->spans[stitch->order[k]];
        if (span->row_up != NONE) {
            stitch->spans[span->row_up].uses += span->uses;
            stitch->shares |= stitch->spans[span->row_up].uses > 1;
        }
    }
}

bool visits_find(struct stitch *stitch)
{
    stitch->n_visits = stitch->n_calls = 0;
    stitch->has_silent = false;
    for (uint32_t k = 0; k < stitch->n; k++) {
        uint32_t i = stitch->order[k];
        if (!place(stitch, i))
            return false;
        join_row(stitch, i);
        go_in(stitch, i);
        const struct work_span *span = &stitch->spans[i];
        if (span->passes)
            continue;
        struct visit *visit = &stitch->visits[span->visit];
        fill_node(&visit->node, &span->shape->node);
        visit->zone = visit->zone ? visit->zone : span->shape->zone;
    }
    for (uint32_t k = 0; k < stitch->n; k++) {
        const struct work_span *span = &stitch->spans[stitch->order[k]];
        if (is_of_row(span) && !span->goes_on && !add_leaf_call(stitch, stitch->order[k]))
            return false;
    }
    count_uses(stitch);
    return true;
}
