/* query_graph.c - the call graph of a window: minute rows summed, unknown parts folded, failures
 * judged, examples found.
 */
#include "collector/store/query_graph.h"

#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/store/rows.h"

#define MAX_EDGES 5000u
#define EXAMPLE_TRACES 1000
#define NEWEST_TRACES 10000 /* of which most may have lost their spans to store.keep */
#define WELL_TRACES 20000
#define MARK_LEAST 3     /* failures */
#define MARK_SHARE 0.005 /* of the calls */

/* ---- rows to edges ---- */

struct sums { /* by number of mesh edge */
    struct traffic *now, *was;
    uint32_t cap;
    bool of_base, failed;
};

static bool reach(struct sums *sums, uint32_t edge)
{
    if (edge < sums->cap)
        return true;
    uint32_t cap = sums->cap ? 2 * sums->cap : 256;
    while (cap <= edge)
        cap *= 2;
    struct traffic **both[2] = {&sums->now, &sums->was};
    for (int i = 0; i < 2; i++) {
        struct traffic *grown = realloc(*both[i], cap * sizeof(*grown));
        if (!grown)
            return false;
        memset(grown + sums->cap, 0, (cap - sums->cap) * sizeof(*grown));
        *both[i] = grown;
    }
    sums->cap = cap;
    return true;
}

static void sum_row(struct mesh *mesh, const struct mesh_row *row, void *ctx)
{
    struct sums *sums = ctx;
    if (!reach(sums, row->edge) ||
        !traffic_add_row(sums->of_base ? &sums->was[row->edge] : &sums->now[row->edge], row,
                         mesh->edges[row->edge].known_by))
        sums->failed = true;
}

static void sums_fini(struct sums *sums)
{
    for (uint32_t i = 0; i < sums->cap; i++) {
        traffic_fini(&sums->now[i]);
        traffic_fini(&sums->was[i]);
    }
    free(sums->now);
    free(sums->was);
}

static uint64_t hash_of(const struct gedge *key)
{
    return hash_mix((uint64_t)key->caller << 32 | key->callee,
                    (uint64_t)key->protocol << 24 ^ (uint64_t)key->via << 8 ^
                        (uint64_t)key->crossing << 4 ^ key->connection_type);
}

/* UINT32_MAX when there is none. */
static uint32_t find_edge(const struct graph_answer *answer, const struct gedge *key)
{
    for (struct map_iter it = map_find(&answer->edge_map, hash_of(key));
         map_next(&answer->edge_map, &it);) {
        const struct gedge *edge = &answer->edges[it.value];
        if (edge->caller == key->caller && edge->callee == key->callee &&
            edge->protocol == key->protocol && edge->via == key->via &&
            edge->crossing == key->crossing && edge->connection_type == key->connection_type)
            return it.value;
    }
    return UINT32_MAX;
}

uint32_t graph_edge(struct graph_answer *answer, const struct gedge *key)
{
    uint32_t found = find_edge(answer, key);
    if (found != UINT32_MAX)
        return found;
    if (answer->n_edges == MAX_EDGES) {
        answer->truncated = true;
        return UINT32_MAX;
    }
    if (answer->n_edges == answer->cap_edges) {
        uint32_t cap = answer->cap_edges ? 2 * answer->cap_edges : 128;
        struct gedge *grown = realloc(answer->edges, cap * sizeof(*grown));
        if (!grown)
            return UINT32_MAX;
        answer->edges = grown;
        answer->cap_edges = cap;
    }
    if (!map_add(&answer->edge_map, hash_of(key), answer->n_edges))
        return UINT32_MAX;
    answer->edges[answer->n_edges] = *key;
    return answer->n_edges++;
}

/* ---- versions ---- */

static struct gversion *version_of(struct gnode *node, const char *text)
{
    for (uint32_t i = 0; i < node->n_versions; i++) {
        if (strcmp(node->versions[i].text, text) == 0)
            return &node->versions[i];
    }
    if (node->n_versions == MOST_VERSIONS) {
        node->more_versions = true;
        return NULL;
    }
    node->versions[node->n_versions] = (struct gversion){.text = text};
    return &node->versions[node->n_versions++];
}

static void add_versions(struct graph_answer *answer, const struct mesh_edge *edge,
                         const struct traffic *traffic)
{
    const struct mesh *mesh = &answer->mesh;
    struct gnode *caller = &answer->nodes[answer->node_of[mesh_same(mesh, edge->caller)]];
    struct gnode *callee = &answer->nodes[answer->node_of[mesh_same(mesh, edge->callee)]];
    struct gversion *version = version_of(callee, mesh->nodes[edge->callee].text[VERSION]);
    if (version) {
        version->calls += traffic->calls;
        version->errors += traffic->began + traffic->passed;
        version->began += traffic->began - traffic->unreached;
        version->passed += traffic->passed;
    }
    version = version_of(caller, mesh->nodes[edge->caller].text[VERSION]);
    if (version) {
        version->began += traffic->unreached;
        version->unreached += traffic->unreached;
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct gversion *)a)->text, ((const struct gversion *)b)->text);
}

/* Calls of an unknown version belong to the only known one; those never called are none. */
static void tidy_versions(struct gnode *node)
{
    uint32_t n = node->n_versions;
    qsort(node->versions, n, sizeof(*node->versions), by_text);
    if (n == 2 && !node->versions[0].text[0]) {
        struct gversion *unknown = &node->versions[0], *known = &node->versions[1];
        known->calls += unknown->calls;
        known->errors += unknown->errors;
        known->began += unknown->began;
        known->passed += unknown->passed;
        known->unreached += unknown->unreached;
        *unknown = (struct gversion){.text = ""};
    }
    node->n_versions = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct gversion *version = &node->versions[i];
        version->passed = graph_passed(version->passed, version->unreached);
        if (version->calls || version->began)
            node->versions[node->n_versions++] = *version;
    }
}

/* ---- nodes ---- */

const char *graph_node_id(struct graph_answer *answer, const struct mesh_node *node)
{
    struct buf id;
    buf_init(&id, 1u << 14);
    mesh_node_id(&answer->mesh, node, &id);
    const char *kept = arena_dup(&answer->mesh.arena, buf_str(&id)).p;
    buf_fini(&id);
    return kept;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct gnode *)a)->id, ((const struct gnode *)b)->id);
}

/* Does the graph have this edge of the mesh: one with calls, or that had some in the base window?
 */
static bool is_edge(const struct graph_answer *answer, const struct sums *sums, uint32_t edge)
{
    return sums->now[edge].calls || (answer->with_gone && sums->was[edge].calls);
}

/* A node of the graph for each that stands for others; by id. */
static bool make_nodes(struct graph_answer *answer, const struct sums *sums)
{
    struct mesh *mesh = &answer->mesh;
    bool *used = calloc(mesh->n_nodes + 1, sizeof(*used));
    answer->node_of = calloc(mesh->n_nodes + 1, sizeof(*answer->node_of));
    answer->nodes = calloc(mesh->n_nodes + 1, sizeof(*answer->nodes));
    bool good = used && answer->node_of && answer->nodes;
    for (uint32_t i = 0; good && i < mesh->n_edges && i < sums->cap; i++) {
        if (is_edge(answer, sums, i))
            used[mesh_same(mesh, mesh->edges[i].caller)] =
                used[mesh_same(mesh, mesh->edges[i].callee)] = true;
    }
    for (uint32_t i = 0; good && i < mesh->n_nodes; i++) {
        if (!used[i])
            continue;
        struct gnode *node = &answer->nodes[answer->n_nodes++];
        *node = (struct gnode){.node = &mesh->nodes[i], .role = mesh->nodes[i].role, .shown = true};
        node->id = graph_node_id(answer, node->node);
        good = node->id != NULL;
    }
    free(used);
    if (!good)
        return false;
    qsort(answer->nodes, answer->n_nodes, sizeof(*answer->nodes), by_id);
    for (uint32_t i = 0; i < mesh->n_nodes; i++)
        answer->node_of[i] = UINT32_MAX;
    for (uint32_t i = 0; i < answer->n_nodes; i++)
        answer->node_of[answer->nodes[i].node - mesh->nodes] = i;
    return true;
}

static struct gedge key_of(const struct graph_answer *answer, const struct mesh_edge *edge)
{
    const struct mesh *mesh = &answer->mesh;
    return (struct gedge){.caller = answer->node_of[mesh_same(mesh, edge->caller)],
                          .callee = answer->node_of[mesh_same(mesh, edge->callee)],
                          .connection_type = edge->connection_type,
                          .crossing = edge->crossing,
                          .protocol = edge->protocol,
                          .via = edge->via,
                          .protocol_text = edge->protocol_text,
                          .via_text = edge->via_text,
                          .shown = true,
                          .n_merged = 1};
}

static bool make_edges(struct graph_answer *answer, const struct sums *sums)
{
    struct mesh *mesh = &answer->mesh;
    for (uint32_t i = 0; i < mesh->n_edges && i < sums->cap; i++) {
        if (!is_edge(answer, sums, i))
            continue;
        struct gedge key = key_of(answer, &mesh->edges[i]);
        uint32_t no = graph_edge(answer, &key);
        mesh->edges[i].mine = no;
        if (no == UINT32_MAX)
            continue;
        if (!traffic_merge(&answer->edges[no].now, &sums->now[i]))
            return false;
        add_versions(answer, &mesh->edges[i], &sums->now[i]);
    }
    return true;
}

/* What of the base window belongs to an edge of this one. */
static bool add_base(struct graph_answer *answer, const struct sums *sums)
{
    const struct mesh *mesh = &answer->mesh;
    for (uint32_t i = 0; i < mesh->n_edges && i < sums->cap; i++) {
        if (!sums->was[i].calls)
            continue;
        struct gedge key = key_of(answer, &mesh->edges[i]);
        uint32_t no = find_edge(answer, &key);
        if (no != UINT32_MAX && !traffic_merge(&answer->edges[no].was, &sums->was[i]))
            return false;
    }
    return true;
}

enum graph_mark graph_mark_of(int64_t calls, int64_t began, int64_t passed)
{
    int64_t failed = began + passed;
    if (failed < MARK_LEAST || (double)failed < MARK_SHARE * (double)calls)
        return MARK_NONE;
    return began >= passed ? MARK_BEGAN : MARK_PASSED;
}

enum graph_mark graph_node_mark(const struct gnode *node)
{
    int64_t calls = node->in.calls ? node->in.calls : node->out_calls;
    return graph_mark_of(calls, node->began, node->passed);
}

void graph_sum(struct graph_answer *answer)
{
    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        struct gnode *node = &answer->nodes[i];
        traffic_fini(&node->in);
        node->in = (struct traffic){0};
        node->began = node->passed = node->unreached = 0;
        node->out_calls = node->out_failed = 0;
    }
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        struct gedge *edge = &answer->edges[i];
        struct gnode *caller = &answer->nodes[edge->caller], *callee = &answer->nodes[edge->callee];
        traffic_merge(&callee->in, &edge->now);
        callee->began += edge->now.began - edge->now.unreached;
        callee->passed += edge->now.passed;
        caller->began += edge->now.unreached;
        caller->unreached += edge->now.unreached;
        caller->out_calls += edge->now.calls;
        caller->out_failed += edge->now.began + edge->now.passed;
        edge->mark = graph_mark_of(edge->now.calls, edge->now.began, edge->now.passed);
        edge->slow_ns = histogram_quantile(&edge->now.histogram, 0.95);
    }
    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        struct gnode *node = &answer->nodes[i];
        node->passed = graph_passed(node->passed, node->unreached);
        if (node->role == ROLE_USER)
            node->passed = node->out_failed; /* nobody calls users: what fails for them */
        node->mark = graph_node_mark(node);
    }
}

static int load(struct graph_answer *answer, struct query *query, enum graph_level level,
                struct window window, struct window base, struct err *err)
{
    struct sums sums = {0};
    answer->window = window_of_minutes(window);
    answer->base = base;
    if (mesh_init(&answer->mesh, query, level, err))
        return err->code;
    int code = mesh_rows(&answer->mesh, answer->window, sum_row, &sums, err);
    answer->seconds = mesh_seconds(&answer->mesh);
    if (!code && base.to_ns > base.from_ns) {
        sums.of_base = true;
        answer->base = window_of_minutes(base);
        code = mesh_rows(&answer->mesh, answer->base, sum_row, &sums, err);
        answer->base_seconds = mesh_seconds(&answer->mesh);
    }
    bool good = !code && !sums.failed && mesh_fold(&answer->mesh) && make_nodes(answer, &sums) &&
                make_edges(answer, &sums) && add_base(answer, &sums);
    sums_fini(&sums);
    if (!code && !good)
        return err_set(err, ERR_BUSY, "memory is short");
    if (code)
        return code;
    for (uint32_t i = 0; i < answer->n_nodes; i++)
        tidy_versions(&answer->nodes[i]);
    graph_sum(answer);
    answer->n_all_nodes = answer->n_nodes;
    answer->n_all_edges = answer->n_edges;
    return 0;
}

int graph_load(struct graph_answer *answer, struct query *query, enum graph_level level,
               struct window window, struct window base, struct err *err)
{
    *answer = (struct graph_answer){0};
    return load(answer, query, level, window, base, err);
}

int graph_load_view(struct graph_answer *answer, struct query *query, enum graph_level level,
                    struct window window, const struct graph_view *view, struct err *err)
{
    *answer = (struct graph_answer){.with_gone = view->gone};
    return load(answer, query, level, window, view->base, err);
}

void graph_fini(struct graph_answer *answer)
{
    for (uint32_t i = 0; i < answer->n_nodes; i++)
        traffic_fini(&answer->nodes[i].in);
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        traffic_fini(&answer->edges[i].now);
        traffic_fini(&answer->edges[i].was);
    }
    free(answer->nodes);
    free(answer->edges);
    free(answer->node_of);
    map_fini(&answer->edge_map);
    layout_fini(&answer->layout);
    free(answer->layout.nodes);
    free(answer->layout.edges);
    mesh_fini(&answer->mesh);
}

uint32_t graph_find_node(const struct graph_answer *answer, struct str text)
{
    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        if (str_eq(str_of(answer->nodes[i].id), text))
            return i;
    }
    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        if (answer->nodes[i].node && mesh_node_is(&answer->mesh, answer->nodes[i].node, text))
            return i;
    }
    return UINT32_MAX;
}

/* ---- examples ---- */

static void example(struct gedge *edge, int kind, const char *id)
{
    if (edge->n_examples[kind] == N_EXAMPLES)
        return;
    for (unsigned i = 0; i < edge->n_examples[kind]; i++)
        if (strcmp(edge->examples[kind][i], id) == 0)
            return;
    memcpy(edge->examples[kind][edge->n_examples[kind]++], id, 33);
}

static struct gedge *edge_of_call(struct graph_answer *answer, const struct call *call,
                                  const struct call_ids *ids)
{
    const struct mesh *mesh = &answer->mesh;
    uint32_t caller = mesh_find(mesh, (int64_t)ids->caller);
    uint32_t callee = mesh_find(mesh, (int64_t)ids->callee);
    if (caller == UINT32_MAX || callee == UINT32_MAX)
        return NULL; /* not of this window */
    struct gedge key = {.caller = answer->node_of[mesh_same(mesh, caller)],
                        .callee = answer->node_of[mesh_same(mesh, callee)],
                        .connection_type = call->connection_type,
                        .protocol = (int64_t)ids->protocol,
                        .via = (int64_t)ids->via,
                        .crossing = call->crossing};
    if (key.caller == UINT32_MAX || key.callee == UINT32_MAX)
        return NULL;
    uint32_t no = find_edge(answer, &key);
    return no == UINT32_MAX ? NULL : &answer->edges[no];
}

static void examples_of(struct graph_answer *answer, sqlite3_stmt *row)
{
    struct str blob = {sqlite3_column_blob(row, 1), (size_t)sqlite3_column_bytes(row, 1)};
    struct str text = column_str(row, 0);
    struct call call;
    struct call_ids ids;
    char id[33] = {0};
    memcpy(id, text.p, text.len < 32 ? text.len : 32);
    while (blob.len && calls_unpack_one(&blob, &call, &ids)) {
        struct gedge *edge = edge_of_call(answer, &call, &ids);
        if (!edge)
            continue;
        uint64_t ns = call.caller_ns != DURATION_UNKNOWN ? call.caller_ns : call.callee_ns;
        if (call.fault == FAULT_ORIGIN || call.fault == FAULT_CARRIED)
            example(edge, 0, id);
        if (ns != DURATION_UNKNOWN && histogram_bucket(ns) >= histogram_bucket(edge->slow_ns))
            example(edge, 1, id);
    }
}

static int examples_among(struct graph_answer *answer, const char *sql, const int64_t bounds[2],
                          struct err *err)
{
    sqlite3_stmt *select;
    int code;
    if (query_begin(answer->mesh.query, sql, &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, EXAMPLE_TRACES);
    sqlite3_bind_int64(select, 2, (int64_t)answer->window.from_ns);
    sqlite3_bind_int64(select, 3, (int64_t)answer->window.to_ns);
    sqlite3_bind_int64(select, 4, bounds[0]);
    sqlite3_bind_int64(select, 5, bounds[1]);
    while ((code = sqlite3_step(select)) == SQLITE_ROW)
        examples_of(answer, select);
    return query_end(answer->mesh.query, select, code, err);
}

static bool lacks_errors(const struct graph_answer *answer)
{
    for (size_t i = 0; i < answer->n_edges; i++) {
        const struct gedge *edge = &answer->edges[i];
        uint64_t most = (uint64_t)(edge->now.began + edge->now.passed);
        if (edge->n_examples[0] < (most < N_EXAMPLES ? most : N_EXAMPLES))
            return true;
    }
    return false;
}

/* Among the newest traces; where failures are too rare to be there, among the newest that failed,
 * and then among those that went well although a call in them failed. */
int graph_examples(struct graph_answer *answer, struct err *err)
{
    struct query *query = answer->mesh.query;
    int64_t before, numbers[2];
    if (query_trace_no_before(query, answer->window.to_ns, &before, err) ||
        examples_among(answer,
                       "SELECT lower(hex(id)), calls FROM trace_row WHERE trace_no BETWEEN ?4 AND "
                       "?5 AND start_ns >= ?2 AND start_ns < ?3 AND bits & 4 ORDER BY trace_no "
                       "DESC LIMIT ?1",
                       (int64_t[2]){before - NEWEST_TRACES, before - 1}, err) ||
        !lacks_errors(answer) ||
        query_trace_numbers(query, answer->window, &numbers[0], &numbers[1], err) ||
        examples_among(answer,
                       "SELECT lower(hex(id)), calls FROM trace_row INDEXED BY trace_failed WHERE "
                       "bits & 1 AND trace_no BETWEEN ?4 AND ?5 AND start_ns >= ?2 AND start_ns < "
                       "?3 AND bits & 4 ORDER BY trace_no DESC LIMIT ?1",
                       numbers, err) ||
        !lacks_errors(answer))
        return err->code;
    return examples_among(answer,
                          "SELECT lower(hex(id)), calls FROM trace_row WHERE trace_no BETWEEN ?4 "
                          "AND ?5 AND start_ns >= ?2 AND start_ns < ?3 AND error_count > 0 AND "
                          "bits & 5 = 4 ORDER BY trace_no DESC LIMIT ?1",
                          (int64_t[2]){before - WELL_TRACES, before - 1}, err);
}

/* ---- the whole ---- */

static int query_physical_json(struct query *query, struct window window, enum graph_level level,
                               const struct graph_view *view, struct buf *out, struct err *err)
{
    struct graph_view unfolded = *view;
    struct graph_answer answer;
    unfolded.fold = FOLD_NONE;
    unfolded.join = false;
    unfolded.memory = NULL;
    if (view->base.to_ns > view->base.from_ns)
        return err_set(err, ERR_INVALID, "base goes with the logical layer");
    if (!graph_load_physical(&answer, query, level, window, err)) {
        if (graph_view(&answer, &unfolded))
            graph_json(&answer, out);
        else
            err_set(err, ERR_BUSY, "memory is short");
    }
    graph_fini(&answer);
    return err->code;
}

int query_graph_json(struct query *query, struct window window, enum graph_level level,
                     const struct graph_view *view, struct buf *out, struct err *err)
{
    static const struct graph_view everything;
    struct graph_answer answer;
    view = view ? view : &everything;
    if (view->physical)
        return query_physical_json(query, window, level, view, out, err);
    if (!graph_load_view(&answer, query, level, window, view, err) &&
        !graph_examples(&answer, err)) {
        if (graph_view(&answer, view))
            graph_json(&answer, out);
        else
            err_set(err, ERR_BUSY, "memory is short");
    }
    graph_fini(&answer);
    return err->code;
}
