/* answers.c - who answers to a name by which others call: a workload may call itself otherwise than
 * the cluster of its service does (STITCHING §2.1).
 *
 * Who answered in this trace is named so where a call of it was not answered; what the trace shows
 * is handed on in the graph, for other traces (stitch/addresses.h). Names of several, such as those
 * of load balancers, are nobody's.
 */
#include "collector/stitch/work.h"

/* Of the callee, where the caller's name for it is one service's: NULL for none. Valid until the
 * next name is parsed. */
static struct upstream *called_by(struct stitch *stitch, const struct work_call *call)
{
    if (call->top == NONE)
        return NULL;
    const struct shape *top = stitch->spans[call->top].shape;
    if (top->kind == KIND_PRODUCER || top->messaging || top->database)
        return NULL;
    const struct upstream *upstream = row_upstream(stitch, call);
    if (!upstream->host)
        upstream = upstream_of_host(stitch, asked_host(stitch, call));
    return upstream->of_one ? &stitch->upstreams[upstream - stitch->upstreams] : NULL;
}

/* By parentage: where entries of logs stand is a guess. */
static bool is_answered(const struct stitch *stitch, const struct work_call *call)
{
    if (call->callee_visit == NONE || call->bottom == NONE ||
        call->call.connection_type == CONNECTION_MESSAGING)
        return false;
    uint32_t first = stitch->visits[call->callee_visit].first;
    return !stitch->visits[call->callee_visit].silent &&
           stitch->spans[first].shape->log == LOG_NONE &&
           stitch->spans[call->bottom].shape->log == LOG_NONE;
}

/* False when memory is short. */
static bool tell(struct stitch *stitch, const struct upstream *upstream, node_no callee)
{
    if (!arena_room(stitch->arena, (void **)&stitch->answered, stitch->n_answered,
                    &stitch->cap_answered, sizeof(*stitch->answered)))
        return false;
    stitch->answered[stitch->n_answered++] = (struct answered){upstream->host, callee};
    return true;
}

bool answers_find(struct stitch *stitch)
{
    stitch->answered = NULL;
    stitch->n_answered = stitch->cap_answered = 0;
    stitch->serial++;
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        const struct work_call *work = &stitch->calls[i];
        struct upstream *upstream = is_answered(stitch, work) ? called_by(stitch, work) : NULL;
        if (!upstream)
            continue;
        node_no callee = work->call.callee;
        bool other = upstream->serial == stitch->serial && upstream->answered &&
                     !same_workload(nodes_get(stitch->nodes, upstream->answered),
                                    nodes_get(stitch->nodes, callee));
        bool several = upstream->serial == stitch->serial && !upstream->answered;
        upstream->serial = stitch->serial;
        upstream->answered = other || several ? NODE_NONE : callee;
        /* A service that answers to its own name is news only beside others. */
        if (upstream->told == callee)
            continue;
        bool own = nodes_get(stitch->nodes, callee)->service == upstream->service;
        if ((!own || upstream->told) && !tell(stitch, upstream, callee))
            return false;
        upstream->told = callee;
    }
    return true;
}

bool answers_to(struct stitch *stitch, const struct upstream *upstream, struct node *node)
{
    const struct knowledge *knowledge = stitch->knowledge;
    node_no known = NODE_NONE;
    if (!upstream->of_one)
        return false;
    if (upstream->serial == stitch->serial)
        known = upstream->answered;
    else if (knowledge->resolve)
        known = knowledge->resolve(knowledge, names_text(stitch->names, upstream->host));
    if (!known)
        return false;
    *node = *nodes_get(stitch->nodes, known);
    node->version = upstream->subset;
    return true;
}
