/* query_graph_physical.c - the window hop by hop (CONTRACT §2, §7): applications, their sidecars,
 * gateways and waypoints are nodes, hops are edges. What an edge took is the time of its hop; what
 * a node took is its own: of an application beside its proxies, of a gateway beside the network.
 *
 * A failure counts at every place that saw it. Where it began: on the network, when who sent
 * saw it and who got it did not; between a sidecar and its application likewise; at the place where
 * a call ends, when the call was not carried further. All else is passed on.
 */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/model/graph.h"
#include "collector/store/query_graph.h"

#define MAX_HOPS 20000u

struct hop_sum { /* a row of `hop`, and its minutes added up */
    int64_t row;
    uint32_t caller, callee; /* in the mesh */
    uint8_t kind, from_place, to_place;
    const char *name, *from;
    struct traffic traffic;
};

/* What a node took and saw itself, beside what the edges into it say. */
struct node_own {
    struct histogram histogram;
    int64_t failed, client_errors;
    int64_t ended;                                 /* of `failed`: calls that end here */
    int64_t carried;                               /* calls that end here and failed further on */
    int64_t sidecar_failed, sidecar_client_errors; /* the same calls, as its own sidecar saw them */
};

struct physical {
    struct graph_answer *answer;
    struct hop_sum *hops;
    uint32_t n_hops, cap_hops;
    struct map hop_map;              /* by row */
    struct map node_map;             /* by service and role */
    sqlite3_stmt *find, *find_proxy; /* a hop; nodes that bear a proxy's name and role */
    struct node_own *own;            /* by node as made */
    uint32_t cap_nodes;
};

/* ---- rows ---- */

static bool read_hop(struct physical *physical, struct hop_sum *hop)
{
    struct mesh *mesh = &physical->answer->mesh;
    sqlite3_stmt *find = physical->find;
    sqlite3_bind_int64(find, 1, hop->row);
    bool found = sqlite3_step(find) == SQLITE_ROW;
    if (found) {
        hop->caller = mesh_node(mesh, sqlite3_column_int64(find, 0));
        hop->callee = mesh_node(mesh, sqlite3_column_int64(find, 1));
        hop->kind = (uint8_t)sqlite3_column_int(find, 2);
        hop->from_place = (uint8_t)sqlite3_column_int(find, 3);
        hop->to_place = (uint8_t)sqlite3_column_int(find, 4);
        hop->name = arena_text(&mesh->arena, column_str(find, 5));
        hop->from = arena_text(&mesh->arena, column_str(find, 6));
    }
    sqlite3_reset(find);
    return found;
}

/* NULL beyond the limit, or without memory. */
static struct hop_sum *hop_of(struct physical *physical, int64_t row)
{
    for (struct map_iter it = map_find(&physical->hop_map, hash_u64((uint64_t)row));
         map_next(&physical->hop_map, &it);) {
        if (physical->hops[it.value].row == row)
            return &physical->hops[it.value];
    }
    if (physical->n_hops == MAX_HOPS) {
        physical->answer->truncated = true;
        return NULL;
    }
    if (physical->n_hops == physical->cap_hops) {
        uint32_t cap = physical->cap_hops ? 2 * physical->cap_hops : 256;
        struct hop_sum *grown = realloc(physical->hops, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        physical->hops = grown;
        physical->cap_hops = cap;
    }
    struct hop_sum hop = {.row = row};
    if (!read_hop(physical, &hop) ||
        !map_add(&physical->hop_map, hash_u64((uint64_t)row), physical->n_hops))
        return NULL;
    physical->hops[physical->n_hops] = hop;
    return &physical->hops[physical->n_hops++];
}

/* Failures of the network began on it; those of a place were seen there. */
static bool add_minute(struct hop_sum *hop, sqlite3_stmt *row)
{
    struct traffic *traffic = &hop->traffic;
    int64_t calls = sqlite3_column_int64(row, 2), errors = sqlite3_column_int64(row, 3);
    struct str blob = {sqlite3_column_blob(row, 5), (size_t)sqlite3_column_bytes(row, 5)};
    traffic->calls += calls;
    traffic->adjusted_1024 += 1024 * calls;
    *(hop->kind == HOP_NETWORK ? &traffic->began : &traffic->passed) += errors;
    traffic->client_errors += sqlite3_column_int64(row, 4);
    return histogram_decode(&traffic->histogram, blob);
}

static int read_rows(struct physical *physical, struct err *err)
{
    struct mesh *mesh = &physical->answer->mesh;
    struct window window = physical->answer->window;
    sqlite3_stmt *select;
    int code;
    if (query_begin(mesh->query,
                    "SELECT minute, hop, calls, errors, client_errors, histogram FROM "
                    "hop_minute_row WHERE minute >= ?1 AND minute < ?2",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, (int64_t)(window.from_ns / NS_PER_MINUTE));
    sqlite3_bind_int64(select, 2, (int64_t)(window.to_ns / NS_PER_MINUTE));
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        int64_t minute = sqlite3_column_int64(select, 0);
        mesh->n_minutes += !mesh->n_minutes || minute != mesh->last_minute;
        mesh->last_minute = minute;
        struct hop_sum *hop = hop_of(physical, sqlite3_column_int64(select, 1));
        if (hop && !add_minute(hop, select))
            break;
    }
    if (code == SQLITE_ROW) {
        sqlite3_finalize(select);
        return err_set(err, ERR_BUSY, "memory is short");
    }
    return query_end(mesh->query, select, code, err);
}

/* ---- nodes ---- */

static enum role role_of_place(uint8_t place)
{
    switch (place) {
    case PLACE_SIDECAR:
        return ROLE_SIDECAR;
    case PLACE_GATEWAY:
        return ROLE_GATEWAY;
    case PLACE_WAYPOINT:
        return ROLE_WAYPOINT;
    case PLACE_LOAD_BALANCER:
        return ROLE_LOAD_BALANCER;
    default:
        return ROLE_WORKLOAD;
    }
}

static bool is_same_node(const struct mesh *mesh, const struct mesh_node *a,
                         const struct mesh_node *b)
{
    bool same = a->role == b->role;
    for (int i = 0; same && i < N_TEXTS; i++) {
        bool counts = i != VERSION || mesh->level == LEVEL_VERSION;
        same = !counts || strcmp(a->text[i], b->text[i]) == 0;
    }
    return same;
}

static bool make_room(struct physical *physical)
{
    struct graph_answer *answer = physical->answer;
    if (answer->n_nodes < physical->cap_nodes)
        return true;
    uint32_t cap = physical->cap_nodes ? 2 * physical->cap_nodes : 128;
    struct gnode *nodes = realloc(answer->nodes, cap * sizeof(*nodes));
    answer->nodes = nodes ? nodes : answer->nodes;
    struct node_own *own = realloc(physical->own, cap * sizeof(*own));
    physical->own = own ? own : physical->own;
    if (!nodes || !own)
        return false;
    memset(own + physical->cap_nodes, 0, (cap - physical->cap_nodes) * sizeof(*own));
    physical->cap_nodes = cap;
    return true;
}

/* The number of a node with these names and this role; UINT32_MAX without memory. */
static uint32_t node_like(struct physical *physical, const struct mesh_node *like, enum role role)
{
    struct graph_answer *answer = physical->answer;
    struct mesh_node wanted = *like;
    wanted.role = role;
    uint64_t hash = hash_mix(hash_str(str_of(like->text[SERVICE])), (uint64_t)role);
    for (struct map_iter it = map_find(&physical->node_map, hash);
         map_next(&physical->node_map, &it);) {
        if (is_same_node(&answer->mesh, answer->nodes[it.value].node, &wanted))
            return it.value;
    }
    struct mesh_node *node = arena_alloc(&answer->mesh.arena, sizeof(*node));
    if (!node || !make_room(physical))
        return UINT32_MAX;
    *node = wanted;
    struct gnode made = {.node = node, .role = role, .shown = true};
    made.id = graph_node_id(answer, node);
    if (!made.id || !map_add(&physical->node_map, hash, answer->n_nodes))
        return UINT32_MAX;
    answer->nodes[answer->n_nodes] = made;
    return answer->n_nodes++;
}

static uint32_t node_of_end(struct physical *physical, uint32_t end)
{
    const struct mesh *mesh = &physical->answer->mesh;
    const struct mesh_node *node = &mesh->nodes[mesh_same(mesh, end)];
    return node_like(physical, node, node->role);
}

static uint32_t sidecar_of_end(struct physical *physical, uint32_t end)
{
    const struct mesh *mesh = &physical->answer->mesh;
    return node_like(physical, &mesh->nodes[mesh_same(mesh, end)], ROLE_SIDECAR);
}

/* A gateway by its name: an end of the call, else where all that bear the name and role are; its
 * name alone when they are in several places. */
static uint32_t proxy_by_name(struct physical *physical, const struct hop_sum *hop,
                              const char *name, enum role role)
{
    struct mesh *mesh = &physical->answer->mesh;
    const uint32_t ends[2] = {hop->callee, hop->caller};
    for (int i = 0; i < 2; i++) {
        const struct mesh_node *node = &mesh->nodes[mesh_same(mesh, ends[i])];
        if (node->role == role && strcmp(node->text[SERVICE], name) == 0)
            return node_like(physical, node, role);
    }
    struct mesh_node alone = {.text = {"", "", name, ""}, .role = role};
    sqlite3_stmt *find = physical->find_proxy;
    sqlite3_bind_text(find, 1, name, -1, SQLITE_STATIC);
    sqlite3_bind_int(find, 2, (int)role);
    if (sqlite3_step(find) == SQLITE_ROW && sqlite3_column_int(find, 0) == 1) {
        alone.text[CLUSTER] = arena_text(&mesh->arena, column_str(find, 1));
        alone.text[NAMESPACE] = arena_text(&mesh->arena, column_str(find, 2));
    }
    sqlite3_reset(find);
    return node_like(physical, &alone, role);
}

static uint32_t node_at(struct physical *physical, const struct hop_sum *hop, uint8_t place,
                        bool far)
{
    const char *name = far ? hop->name : hop->from;
    uint32_t end = far ? hop->callee : hop->caller;
    if (place == PLACE_SIDECAR)
        return sidecar_of_end(physical, end);
    if (place == PLACE_APPLICATION || !name[0])
        return node_of_end(physical, end);
    return proxy_by_name(physical, hop, name, role_of_place(place));
}

/* ---- hops to edges, or to the time of a node ---- */

static bool add_edge(struct physical *physical, const struct hop_sum *hop, uint32_t from,
                     uint32_t to)
{
    struct graph_answer *answer = physical->answer;
    if (from == UINT32_MAX || to == UINT32_MAX)
        return false;
    struct gedge key = {.caller = from,
                        .callee = to,
                        .crossing = CROSSING_UNKNOWN,
                        .hop = (uint8_t)(hop->kind + 1),
                        .protocol_text = "",
                        .via_text = "",
                        .shown = true,
                        .n_merged = 1};
    uint32_t no = graph_edge(answer, &key);
    return no == UINT32_MAX ? answer->truncated
                            : traffic_merge(&answer->edges[no].now, &hop->traffic);
}

static bool add_own(struct physical *physical, const struct hop_sum *hop, uint32_t node)
{
    if (node == UINT32_MAX)
        return false;
    struct node_own *own = &physical->own[node];
    own->failed += hop->traffic.passed;
    own->client_errors += hop->traffic.client_errors;
    if (node == node_of_end(physical, hop->callee))
        own->ended += hop->traffic.passed;
    return histogram_merge(&own->histogram, &hop->traffic.histogram);
}

/* The hop is the edge from the sidecar on; what failed there the sidecar saw. */
static bool add_sidecar_in(struct physical *physical, const struct hop_sum *hop)
{
    uint32_t sidecar = sidecar_of_end(physical, hop->callee);
    uint32_t node = node_of_end(physical, hop->callee);
    if (!add_edge(physical, hop, sidecar, node))
        return false;
    physical->own[sidecar].failed += hop->traffic.passed;
    physical->own[sidecar].client_errors += hop->traffic.client_errors;
    physical->own[node].sidecar_failed += hop->traffic.passed;
    physical->own[node].sidecar_client_errors += hop->traffic.client_errors;
    return true;
}

static bool add_hop(struct physical *physical, const struct hop_sum *hop)
{
    uint32_t node;
    switch (hop->kind) {
    case HOP_NETWORK:
        node = node_at(physical, hop, hop->from_place, false);
        return add_edge(physical, hop, node, node_at(physical, hop, hop->to_place, true));
    case HOP_SIDECAR_OUT:
        node = node_of_end(physical, hop->caller);
        return add_edge(physical, hop, node, sidecar_of_end(physical, hop->caller));
    case HOP_SIDECAR_IN:
        return add_sidecar_in(physical, hop);
    case HOP_APPLICATION:
        return add_own(physical, hop, node_of_end(physical, hop->callee));
    case HOP_GATEWAY:
        return add_own(physical, hop, proxy_by_name(physical, hop, hop->name, ROLE_GATEWAY));
    case HOP_WAYPOINT:
        return add_own(physical, hop, proxy_by_name(physical, hop, hop->name, ROLE_WAYPOINT));
    default:
        return add_own(physical, hop, proxy_by_name(physical, hop, hop->name, ROLE_LOAD_BALANCER));
    }
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct gnode *)a)->id, ((const struct gnode *)b)->id);
}

/* By id, as the logical graph has them: edges and times go along. */
static bool sort_nodes(struct physical *physical)
{
    struct graph_answer *answer = physical->answer;
    uint32_t n = answer->n_nodes;
    uint32_t *to = calloc(n + 1, sizeof(*to));
    struct node_own *own = calloc(n + 1, sizeof(*own));
    if (!to || !own) {
        free(to);
        free(own);
        return false;
    }
    for (uint32_t i = 0; i < n; i++)
        answer->nodes[i].tie = i;
    qsort(answer->nodes, n, sizeof(*answer->nodes), by_id);
    for (uint32_t i = 0; i < n; i++) {
        to[answer->nodes[i].tie] = i;
        own[i] = physical->own[answer->nodes[i].tie];
    }
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        answer->edges[i].caller = to[answer->edges[i].caller];
        answer->edges[i].callee = to[answer->edges[i].callee];
    }
    free(to);
    free(physical->own);
    physical->own = own;
    return true;
}

/* Calls that failed further on than where they ended: hops do not say it, calls do. */
static int read_carried(struct physical *physical, struct err *err)
{
    struct mesh *mesh = &physical->answer->mesh;
    struct window window = physical->answer->window;
    sqlite3_stmt *select;
    int code;
    if (query_begin(mesh->query,
                    "SELECT e.callee, sum(m.errors_carried) FROM edge_minute_row m "
                    "JOIN edge e ON e.id = m.edge WHERE m.minute >= ?1 AND m.minute < ?2 "
                    "AND m.errors_carried > 0 GROUP BY e.callee",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, (int64_t)(window.from_ns / NS_PER_MINUTE));
    sqlite3_bind_int64(select, 2, (int64_t)(window.to_ns / NS_PER_MINUTE));
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        uint32_t callee = mesh_find(mesh, sqlite3_column_int64(select, 0));
        uint32_t node = callee == UINT32_MAX ? UINT32_MAX : node_of_end(physical, callee);
        if (node != UINT32_MAX)
            physical->own[node].carried += sqlite3_column_int64(select, 1);
    }
    return query_end(mesh->query, select, code, err);
}

static int64_t less(int64_t n, int64_t by)
{
    return n > by ? n - by : 0;
}

/* What a sidecar saw fail and its application did not began between the two. */
static void judge_sidecar_edges(struct physical *physical)
{
    struct graph_answer *answer = physical->answer;
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        struct gedge *edge = &answer->edges[i];
        if (edge->hop != HOP_SIDECAR_IN + 1)
            continue;
        int64_t began = less(edge->now.passed, physical->own[edge->callee].failed);
        edge->now.began += began;
        edge->now.passed -= began;
    }
}

/* A node's time is its own, not that of the edges to it; its failures are both, but of an
 * application those that its sidecar saw, too, only once. */
static void hand_over(struct physical *physical)
{
    struct graph_answer *answer = physical->answer;
    judge_sidecar_edges(physical);
    graph_sum(answer);
    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        struct gnode *node = &answer->nodes[i];
        struct node_own *own = &physical->own[i];
        int64_t began = less(own->ended, own->carried);
        int64_t seen_twice = own->failed - less(own->failed, own->sidecar_failed);
        int64_t passed = own->failed - seen_twice - began;
        node->in.client_errors += less(own->client_errors, own->sidecar_client_errors);
        node->in.began += began;
        node->in.passed += passed;
        node->began += began;
        node->passed += passed;
        node->mark = graph_node_mark(node);
        histogram_fini(&node->in.histogram);
        node->in.histogram = own->histogram;
        own->histogram = (struct histogram){0};
    }
}

static int build(struct physical *physical, struct err *err)
{
    struct graph_answer *answer = physical->answer;
    bool good = !answer->mesh.short_of_memory && mesh_fold(&answer->mesh);
    for (uint32_t i = 0; good && i < physical->n_hops; i++) {
        if (physical->hops[i].traffic.calls)
            good = add_hop(physical, &physical->hops[i]);
    }
    if (good && read_carried(physical, err))
        return err->code;
    if (!good || !sort_nodes(physical))
        return err_set(err, ERR_BUSY, "memory is short");
    hand_over(physical);
    answer->n_all_nodes = answer->n_nodes;
    answer->n_all_edges = answer->n_edges;
    return 0;
}

static void physical_fini(struct physical *physical)
{
    for (uint32_t i = 0; i < physical->n_hops; i++)
        traffic_fini(&physical->hops[i].traffic);
    for (uint32_t i = 0; i < physical->cap_nodes && i < physical->answer->n_nodes; i++)
        histogram_fini(&physical->own[i].histogram);
    free(physical->hops);
    free(physical->own);
    map_fini(&physical->hop_map);
    map_fini(&physical->node_map);
    sqlite3_finalize(physical->find);
    sqlite3_finalize(physical->find_proxy);
}

int graph_load_physical(struct graph_answer *answer, struct query *query, enum graph_level level,
                        struct window window, struct err *err)
{
    struct physical physical = {.answer = answer};
    *answer = (struct graph_answer){.window = window_of_minutes(window)};
    map_init(&physical.hop_map);
    map_init(&physical.node_map);
    if (!mesh_init(&answer->mesh, query, level, err) &&
        !query_begin(query,
                     "SELECT h.caller, h.callee, h.kind, h.from_place, h.to_place, nn.text, "
                     "nf.text FROM hop h JOIN name nn ON nn.id = h.name "
                     "JOIN name nf ON nf.id = h.from_name WHERE h.id = ?",
                     &physical.find, err) &&
        !query_begin(query,
                     "SELECT count(*), max(cluster), max(namespace) FROM (SELECT DISTINCT "
                     "nc.text AS cluster, nn.text AS namespace FROM name ns "
                     "JOIN node d ON d.service = ns.id JOIN name nc ON nc.id = d.cluster "
                     "JOIN name nn ON nn.id = d.namespace WHERE ns.text = ?1 AND d.role = ?2)",
                     &physical.find_proxy, err) &&
        !read_rows(&physical, err)) {
        answer->seconds = mesh_seconds(&answer->mesh);
        build(&physical, err);
    }
    physical_fini(&physical);
    return err->code;
}
