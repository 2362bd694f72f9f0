/* series_mesh.c - who calls whom, how often and how it went, in normal times and now. */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/localise/series_work.h"

#define MOST_CELLS (1u << 22) /* nodes × minutes */

/* ---- what is there ---- */

static bool grow(struct mesh *mesh, void *items, uint32_t n, uint32_t *cap, size_t size)
{
    void **at = items, *grown;
    if (n < *cap)
        return true;
    uint32_t more = *cap ? 2 * *cap : 64;
    grown = arena_calloc(mesh->arena, more * size);
    if (!grown) {
        mesh->memory_short = true;
        return false;
    }
    if (n)
        memcpy(grown, *at, n * size);
    *at = grown;
    *cap = more;
    return true;
}

bool same_node(const struct node_text *a, const struct node_text *b)
{
    return str_eq(a->service, b->service) && str_eq(a->version, b->version) &&
           str_eq(a->namespace, b->namespace) && str_eq(a->cluster, b->cluster);
}

uint32_t end_of(struct mesh *mesh, const struct node_text *text)
{
    struct node_text node = *text;
    if (mesh->input->level != SUSPECT_VERSION)
        node.version = STR_NONE;
    uint64_t hash = hash_mix(hash_mix(hash_str(node.service), hash_str(node.namespace)),
                             hash_mix(hash_str(node.version), hash_str(node.cluster)));
    for (struct map_iter it = map_find(&mesh->end_map, hash); map_next(&mesh->end_map, &it);) {
        if (same_node(&mesh->ends[it.value].node, &node))
            return it.value;
    }
    if (!grow(mesh, &mesh->ends, mesh->n_ends, &mesh->cap_ends, sizeof(*mesh->ends)) ||
        !map_add(&mesh->end_map, hash, mesh->n_ends)) {
        mesh->memory_short = true;
        return NO_NODE;
    }
    mesh->ends[mesh->n_ends] = (struct end){.node = node};
    return mesh->n_ends++;
}

struct edge *edge_of(struct mesh *mesh, uint32_t caller, uint32_t callee)
{
    uint64_t hash = hash_u64((uint64_t)caller << 32 | callee);
    for (struct map_iter it = map_find(&mesh->edge_map, hash); map_next(&mesh->edge_map, &it);) {
        struct edge *edge = &mesh->edges[it.value];
        if (edge->caller == caller && edge->callee == callee)
            return edge;
    }
    if (!grow(mesh, &mesh->edges, mesh->n_edges, &mesh->cap_edges, sizeof(*mesh->edges)) ||
        !map_add(&mesh->edge_map, hash, mesh->n_edges)) {
        mesh->memory_short = true;
        return NULL;
    }
    struct edge *edge = &mesh->edges[mesh->n_edges++];
    *edge = (struct edge){.caller = caller, .callee = callee};
    return edge;
}

int time_of(const struct diagnosis *diagnosis, uint64_t minute)
{
    uint64_t at_ns = minute * NS_PER_MINUTE;
    if (at_ns >= diagnosis->from_ns && at_ns < diagnosis->to_ns)
        return 1;
    return at_ns >= diagnosis->baseline_from_ns && at_ns < diagnosis->baseline_to_ns ? 0 : -1;
}

static void count_series(struct mesh *mesh, const struct mesh_series *series)
{
    uint32_t caller = end_of(mesh, &series->caller), callee = end_of(mesh, &series->callee);
    struct edge *edge = mesh->memory_short ? NULL : edge_of(mesh, caller, callee);
    if (!edge)
        return;
    mesh->ends[callee].of_cluster = series->of_cluster;
    struct sums *sums = &edge->of[series->by_caller ? SIDE_CALLER : SIDE_CALLEE];
    for (uint32_t i = 0; i < series->n; i++) {
        const struct mesh_minute *minute = &series->minutes[i];
        int t = time_of(mesh->diagnosis, minute->minute);
        if (t < 0)
            continue;
        if (series->times) {
            sums->timed[t] += minute->n;
            sums->ns[t] += minute->ns;
        } else {
            sums->calls[t] += minute->n;
            sums->failed[t] += series->failed ? minute->n : 0;
        }
    }
}

/* A caller's proxy sees what does not arrive; where there is none, the callee's word is all. */
static void choose_sides(struct mesh *mesh)
{
    for (uint32_t i = 0; i < mesh->n_edges; i++) {
        struct edge *edge = &mesh->edges[i];
        const struct sums *caller = &edge->of[SIDE_CALLER], *callee = &edge->of[SIDE_CALLEE];
        edge->calls_by_caller = caller->calls[0] + caller->calls[1] > 0;
        edge->times_by_caller = caller->timed[0] + caller->timed[1] > 0;
        const struct sums *calls = edge->calls_by_caller ? caller : callee;
        const struct sums *times = edge->times_by_caller ? caller : callee;
        for (int t = 0; t < 2; t++) {
            edge->sums.calls[t] = calls->calls[t];
            edge->sums.failed[t] = calls->failed[t];
            edge->sums.timed[t] = times->timed[t];
            edge->sums.ns[t] = times->ns[t];
        }
    }
}

/* ---- sums of each end ---- */

void add_sums(struct sums *into, const struct sums *from)
{
    for (int t = 0; t < 2; t++) {
        into->calls[t] += from->calls[t];
        into->failed[t] += from->failed[t];
        into->timed[t] += from->timed[t];
        into->ns[t] += from->ns[t];
    }
}

static void sum_ends(struct mesh *mesh)
{
    for (uint32_t i = 0; i < mesh->n_edges; i++) {
        const struct edge *edge = &mesh->edges[i];
        add_sums(&mesh->ends[edge->callee].in, &edge->sums);
        for (int t = 0; t < 2; t++)
            mesh->ends[edge->caller].down[t] += edge->sums.failed[t];
    }
}

/* Requests come from outside, or from who is called by nobody (a gateway). */
static void sum_entries(struct mesh *mesh)
{
    for (uint32_t i = 0; i < mesh->n_edges; i++) {
        const struct edge *edge = &mesh->edges[i];
        const struct sums *in = &mesh->ends[edge->caller].in;
        if (in->calls[0] + in->calls[1] <= 0)
            add_sums(&mesh->entries, &edge->sums);
    }
}

double mean_ns(const struct sums *sums, int t)
{
    return sums->timed[t] > 0 ? sums->ns[t] / sums->timed[t] : 0;
}

static bool sum_minutes(struct mesh *mesh)
{
    const struct diagnosis *d = mesh->diagnosis;
    uint64_t from_ns = d->baseline_from_ns < d->from_ns ? d->baseline_from_ns : d->from_ns;
    mesh->first_minute = from_ns / NS_PER_MINUTE;
    uint64_t n_minutes = d->to_ns / NS_PER_MINUTE + 1 - mesh->first_minute;
    if (n_minutes * mesh->n_ends > MOST_CELLS)
        n_minutes = MOST_CELLS / (mesh->n_ends ? mesh->n_ends : 1);
    mesh->n_minutes = (uint32_t)n_minutes;
    mesh->minute_n = calloc(n_minutes * mesh->n_ends + 1, sizeof(double));
    mesh->minute_ns = calloc(n_minutes * mesh->n_ends + 1, sizeof(double));
    if (!mesh->minute_n || !mesh->minute_ns)
        return false;
    for (uint32_t i = 0; i < mesh->input->list->n; i++) {
        const struct mesh_series *series = &mesh->input->list->items[i];
        uint32_t callee = end_of(mesh, &series->callee);
        const struct edge *edge = edge_of(mesh, end_of(mesh, &series->caller), callee);
        if (!edge || !series->times || series->by_caller != edge->times_by_caller)
            continue;
        for (uint32_t k = 0; k < series->n; k++) {
            uint64_t at = series->minutes[k].minute - mesh->first_minute;
            if (at >= n_minutes)
                continue;
            mesh->minute_n[callee * n_minutes + at] += series->minutes[k].n;
            mesh->minute_ns[callee * n_minutes + at] += series->minutes[k].ns;
        }
    }
    return true;
}

/* ---- reasons ---- */

struct reason {
    uint32_t callee;
    struct str text;
    double n;
};

/* How often callees failed so, by hash of both. */
struct reasons {
    struct reason *items;
    uint32_t n, cap;
    struct map map;
};

static struct reason *reason_of(struct mesh *mesh, struct reasons *reasons, uint32_t callee,
                                struct str text)
{
    uint64_t hash = hash_mix(hash_str(text), callee);
    for (struct map_iter it = map_find(&reasons->map, hash); map_next(&reasons->map, &it);) {
        struct reason *reason = &reasons->items[it.value];
        if (reason->callee == callee && str_eq(reason->text, text))
            return reason;
    }
    if (!grow(mesh, &reasons->items, reasons->n, &reasons->cap, sizeof(*reasons->items)) ||
        !map_add(&reasons->map, hash, reasons->n)) {
        mesh->memory_short = true;
        return NULL;
    }
    reasons->items[reasons->n] = (struct reason){.callee = callee, .text = text};
    return &reasons->items[reasons->n++];
}

/* Failures of now, as the surer end of the call saw them. */
static void count_reason(struct mesh *mesh, const struct mesh_series *series,
                         struct reasons *reasons)
{
    uint32_t callee = end_of(mesh, &series->callee);
    const struct edge *edge = edge_of(mesh, end_of(mesh, &series->caller), callee);
    struct reason *reason = edge && series->by_caller == edge->calls_by_caller
                                ? reason_of(mesh, reasons, callee, series->reason)
                                : NULL;
    for (uint32_t k = 0; k < series->n && reason; k++)
        reason->n +=
            time_of(mesh->diagnosis, series->minutes[k].minute) == 1 ? series->minutes[k].n : 0;
}

/* The reason that most of now's failures give, whoever called. */
static void find_reasons(struct mesh *mesh)
{
    struct reasons reasons = {.n = 0};
    map_init(&reasons.map);
    for (uint32_t i = 0; i < mesh->input->list->n; i++) {
        const struct mesh_series *series = &mesh->input->list->items[i];
        if (series->failed && !series->times)
            count_reason(mesh, series, &reasons);
    }
    for (uint32_t i = 0; i < reasons.n; i++) {
        struct end *callee = &mesh->ends[reasons.items[i].callee];
        if (reasons.items[i].n > callee->reason_n) {
            callee->reason = reasons.items[i].text;
            callee->reason_n = reasons.items[i].n;
        }
    }
    map_fini(&reasons.map);
}

bool mesh_fill(struct mesh *mesh)
{
    for (uint32_t i = 0; i < mesh->input->list->n && !mesh->memory_short; i++)
        count_series(mesh, &mesh->input->list->items[i]);
    choose_sides(mesh);
    sum_ends(mesh);
    sum_entries(mesh);
    if (mesh->memory_short || !sum_minutes(mesh))
        return false;
    find_reasons(mesh);
    return !mesh->memory_short;
}
