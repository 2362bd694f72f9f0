/* stitch.c - the steps of stitch(), in their order. */
#include "collector/stitch/stitch.h"

#include <stdlib.h>

#include "collector/stitch/work.h"

struct stitch *stitch_new(struct names *names, struct nodes *nodes)
{
    struct stitch *stitch = calloc(1, sizeof(*stitch));
    if (!stitch)
        return NULL;
    stitch->names = names;
    stitch->nodes = nodes;
    map_init(&stitch->upstream_map);
    stitch->user = nodes_add(
        nodes, &(struct node){.service = names_add(names, STR("user")), .role = ROLE_USER});
    return stitch;
}

void stitch_set_requests(struct stitch *stitch, struct requests *requests)
{
    stitch->requests = requests;
}

void stitch_name_trace(struct stitch *stitch, struct trace_id id)
{
    stitch->trace = request_trace(id);
}

void stitch_free(struct stitch *stitch)
{
    if (!stitch)
        return;
    free(stitch->spans);
    free(stitch->slots);
    free(stitch->next_same);
    free(stitch->order);
    free(stitch->visits);
    free(stitch->calls);
    free(stitch->hops);
    free(stitch->upstreams);
    map_fini(&stitch->upstream_map);
    free(stitch);
}

/* A queue is named by its consumer where its own attributes do, else by the producer above. */
static struct node queue_of(struct stitch *stitch, uint32_t first)
{
    const struct work_span *span = &stitch->spans[first];
    name_no name = span->shape->peer;
    if (!name && span->parent != NONE && stitch->spans[span->parent].shape->kind == KIND_PRODUCER)
        name = stitch->spans[span->parent].shape->peer;
    if (!name)
        name =
            span->shape->protocol ? span->shape->protocol : names_add(stitch->names, STR("queue"));
    return (struct node){.service = name, .role = ROLE_QUEUE};
}

/* Of whom no span came, as he is called where others of him came. */
static void name_silent(struct stitch *stitch)
{
    for (uint32_t i = 0; i < stitch->n_visits; i++) {
        struct visit *visit = &stitch->visits[i];
        if (visit->silent)
            answers_to(stitch,
                       upstream_parse(stitch, stitch->spans[visit->first].shape->upstream_cluster),
                       &visit->node);
    }
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        struct work_call *work = &stitch->calls[i];
        if (work->callee_visit != NONE && stitch->visits[work->callee_visit].silent)
            work->call.callee = nodes_add(stitch->nodes, &stitch->visits[work->callee_visit].node);
        if (work->caller_visit != NONE && stitch->visits[work->caller_visit].silent)
            work->call.caller = nodes_add(stitch->nodes, &stitch->visits[work->caller_visit].node);
    }
}

/* Both ends of every call, as numbers: first those that are here, then those that are only named.
 * False when memory is short. */
static bool name_ends(struct stitch *stitch)
{
    uint32_t n_named = 0;
    struct node node;
    for (uint32_t i = 0; i < stitch->n_calls; i++) {
        struct work_call *work = &stitch->calls[i];
        struct call *call = &work->call;
        if (work->callee_visit != NONE)
            call->callee = nodes_add(stitch->nodes, &stitch->visits[work->callee_visit].node);
        if (work->caller_visit != NONE)
            call->caller = nodes_add(stitch->nodes, &stitch->visits[work->caller_visit].node);
        n_named += work->callee_visit == NONE;
        if (work->callee_visit != NONE && call->connection_type == CONNECTION_MESSAGING) {
            node = queue_of(stitch, stitch->visits[work->callee_visit].first);
            call->caller = nodes_add(stitch->nodes, &node);
        }
    }
    if (!answers_find(stitch))
        return false;
    if (stitch->has_silent)
        name_silent(stitch);
    for (uint32_t i = 0; n_named && i < stitch->n_calls; i++) {
        struct work_call *work = &stitch->calls[i];
        if (work->callee_visit != NONE)
            continue;
        peer_name(stitch, work, &node, &work->call.connection_type);
        work->call.callee = nodes_add(stitch->nodes, &node);
    }
    return true;
}

bool stitch_trace(struct stitch *stitch, const struct record *records, uint32_t n,
                  const struct knowledge *knowledge, struct arena *arena, struct graph *graph)
{
    stitch->knowledge = knowledge;
    stitch->arena = arena;
    if (!tree_build(stitch, records, n))
        return false;
    roles_find(stitch);
    if (!visits_find(stitch))
        return false;
    if (stitch->n_logs)
        logs_name_senders(stitch);
    joins_find_callers(stitch);
    if (stitch->n_logs)
        logs_tell_known(stitch);
    identity_fill(stitch);
    outcomes_find(stitch);
    if (!attempts_fold(stitch))
        return false;
    if (!name_ends(stitch))
        return false;
    identity_fill_callees(stitch);
    calls_end(stitch);
    if (!retries_fold(stitch))
        return false;
    joins_find_callees(stitch);
    blame_find(stitch);
    graph->answered = stitch->answered;
    graph->n_answered = stitch->n_answered;
    return results_write(stitch, records, graph, n) && served_find(stitch, graph);
}
