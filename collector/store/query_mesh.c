/* query_mesh.c - minute rows of calls, with the nodes and edges they name. */
#include "collector/store/query_mesh.h"

#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"

#define CEILING ((size_t)256 << 20)

/* ---- nodes and edges ---- */

/* Room for one more; false when memory is short. */
static bool grow(void **things, uint32_t n, uint32_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    uint32_t more = *cap ? 2 * *cap : 128;
    void *grown = realloc(*things, more * size);
    if (!grown)
        return false;
    *things = grown;
    *cap = more;
    return true;
}

static uint32_t add_node(struct mesh *mesh, int64_t row)
{
    sqlite3_stmt *find = mesh->find_node;
    uint32_t no = mesh->n_nodes;
    if (!grow((void **)&mesh->nodes, no, &mesh->cap_nodes, sizeof(*mesh->nodes)) ||
        !map_add(&mesh->node_map, hash_u64((uint64_t)row), no)) {
        mesh->short_of_memory = true;
        return 0;
    }
    struct mesh_node *node = &mesh->nodes[mesh->n_nodes++];
    *node = (struct mesh_node){.text = {"", "", "", ""}, .row = row, .same = no};
    sqlite3_bind_int64(find, 1, row);
    if (sqlite3_step(find) == SQLITE_ROW) {
        for (int i = 0; i < N_TEXTS; i++)
            node->text[i] = arena_text(&mesh->arena, column_str(find, i));
        node->role = (enum role)sqlite3_column_int(find, 4);
        node->first_seen_ns = (uint64_t)sqlite3_column_int64(find, 5);
        node->last_seen_ns = (uint64_t)sqlite3_column_int64(find, 6);
    }
    sqlite3_reset(find);
    return no;
}

uint32_t mesh_find(const struct mesh *mesh, int64_t row)
{
    for (struct map_iter it = map_find(&mesh->node_map, hash_u64((uint64_t)row));
         map_next(&mesh->node_map, &it);) {
        if (mesh->nodes[it.value].row == row)
            return it.value;
    }
    return UINT32_MAX;
}

uint32_t mesh_node(struct mesh *mesh, int64_t row)
{
    uint32_t found = mesh_find(mesh, row);
    return found == UINT32_MAX ? add_node(mesh, row) : found;
}

static uint32_t add_edge(struct mesh *mesh, int64_t row)
{
    sqlite3_stmt *find = mesh->find_edge;
    uint32_t no = mesh->n_edges;
    if (!grow((void **)&mesh->edges, no, &mesh->cap_edges, sizeof(*mesh->edges)) ||
        !map_add(&mesh->edge_map, hash_u64((uint64_t)row), no)) {
        mesh->short_of_memory = true;
        return UINT32_MAX;
    }
    struct mesh_edge edge = {.row = row, .protocol_text = "", .via_text = "", .mine = UINT32_MAX};
    sqlite3_bind_int64(find, 1, row);
    if (sqlite3_step(find) == SQLITE_ROW) {
        edge.caller = mesh_node(mesh, sqlite3_column_int64(find, 0));
        edge.callee = mesh_node(mesh, sqlite3_column_int64(find, 1));
        edge.connection_type = (uint8_t)sqlite3_column_int(find, 2);
        edge.crossing = (uint8_t)sqlite3_column_int(find, 3);
        edge.known_by = (uint8_t)(sqlite3_column_int(find, 4) & ~KNOWN_BY_SERIES);
        edge.protocol = sqlite3_column_int64(find, 5);
        edge.via = sqlite3_column_int64(find, 6);
        edge.protocol_text = arena_text(&mesh->arena, column_str(find, 7));
        edge.via_text = arena_text(&mesh->arena, column_str(find, 8));
    }
    sqlite3_reset(find);
    mesh->edges[mesh->n_edges++] = edge;
    return no;
}

static uint32_t edge_of(struct mesh *mesh, int64_t row)
{
    for (struct map_iter it = map_find(&mesh->edge_map, hash_u64((uint64_t)row));
         map_next(&mesh->edge_map, &it);) {
        if (mesh->edges[it.value].row == row)
            return it.value;
    }
    return add_edge(mesh, row);
}

/* ---- life ---- */

int mesh_init(struct mesh *mesh, struct query *query, enum graph_level level, struct err *err)
{
    *mesh = (struct mesh){.query = query, .level = level};
    arena_init(&mesh->arena, CEILING);
    if (query_begin(query,
                    "SELECT nc.text, nn.text, ns.text, nv.text, d.role, d.first_seen_ns, "
                    "d.last_seen_ns FROM node d "
                    "JOIN name nc ON nc.id = d.cluster JOIN name nn ON nn.id = d.namespace "
                    "JOIN name ns ON ns.id = d.service JOIN name nv ON nv.id = d.version "
                    "WHERE d.id = ?",
                    &mesh->find_node, err) ||
        query_begin(query,
                    "SELECT e.caller, e.callee, e.connection_type, e.crossing, e.known_by, "
                    "e.protocol, e.via, np.text, nv.text FROM edge e "
                    "JOIN name np ON np.id = e.protocol JOIN name nv ON nv.id = e.via "
                    "WHERE e.id = ?",
                    &mesh->find_edge, err))
        return err->code;
    add_node(mesh, 0); /* nobody */
    return 0;
}

void mesh_fini(struct mesh *mesh)
{
    sqlite3_finalize(mesh->find_node);
    sqlite3_finalize(mesh->find_edge);
    map_fini(&mesh->node_map);
    map_fini(&mesh->edge_map);
    free(mesh->nodes);
    free(mesh->edges);
    arena_fini(&mesh->arena);
}

/* ---- rows ---- */

struct window window_of_minutes(struct window window)
{
    uint64_t over = window.to_ns % NS_PER_MINUTE;
    window.from_ns -= window.from_ns % NS_PER_MINUTE;
    window.to_ns += over ? NS_PER_MINUTE - over : 0;
    return window;
}

static struct str blob_of(sqlite3_stmt *row, int column)
{
    return (struct str){sqlite3_column_blob(row, column),
                        (size_t)sqlite3_column_bytes(row, column)};
}

static void read_row(sqlite3_stmt *select, struct mesh_row *row)
{
    int64_t *const numbers[] = {&row->calls,
                                &row->began,
                                &row->passed,
                                &row->client_errors,
                                &row->retries,
                                &row->recovered,
                                &row->adjusted_1024,
                                &row->hairpins,
                                &row->added_ns,
                                &row->detours,
                                &row->security[SECURITY_PLAINTEXT],
                                &row->security[SECURITY_TLS],
                                &row->security[SECURITY_MTLS],
                                &row->security[SECURITY_UNKNOWN]};
    const int n = sizeof(numbers) / sizeof(numbers[0]);
    row->minute = sqlite3_column_int64(select, 0);
    for (int i = 0; i < n; i++)
        *numbers[i] = sqlite3_column_int64(select, 2 + i);
    row->histogram = blob_of(select, 2 + n);
    row->transit = blob_of(select, 3 + n);
}

#define ROW_COLUMNS                                                                                \
    "SELECT minute, edge, calls, errors_origin, errors_carried, client_errors, retries, "          \
    "recovered, adjusted_1024, hairpins, added_ns_sum, detours, plaintext, tls, mtls, "            \
    "security_unknown, histogram, "                                                                \
    "transit_histogram FROM edge_minute_row "

/* Every row that the statement still gives. */
static int walk(struct mesh *mesh, sqlite3_stmt *select, mesh_row_f *row, void *ctx)
{
    struct mesh_row read;
    int code;
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        read.edge = edge_of(mesh, sqlite3_column_int64(select, 1));
        if (read.edge == UINT32_MAX)
            return SQLITE_NOMEM;
        read_row(select, &read);
        mesh->n_minutes += !mesh->n_minutes || read.minute != mesh->last_minute;
        mesh->last_minute = read.minute;
        row(mesh, &read, ctx);
    }
    return code;
}

static int end_walk(struct mesh *mesh, sqlite3_stmt *select, int code, struct err *err)
{
    if (code == SQLITE_NOMEM) {
        sqlite3_finalize(select);
        return err_set(err, ERR_BUSY, "memory is short");
    }
    return query_end(mesh->query, select, code, err);
}

int mesh_rows(struct mesh *mesh, struct window window, mesh_row_f *row, void *ctx, struct err *err)
{
    sqlite3_stmt *select;
    window = window_of_minutes(window);
    mesh->n_minutes = 0;
    if (query_begin(mesh->query, ROW_COLUMNS "WHERE minute >= ?1 AND minute < ?2", &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, (int64_t)(window.from_ns / NS_PER_MINUTE));
    sqlite3_bind_int64(select, 2, (int64_t)(window.to_ns / NS_PER_MINUTE));
    return end_walk(mesh, select, walk(mesh, select, row, ctx), err);
}

int mesh_rows_of(struct mesh *mesh, struct window window, const int64_t *edges, uint32_t n,
                 struct mesh_rows_to to, struct err *err)
{
    sqlite3_stmt *select;
    int code = SQLITE_DONE;
    window = window_of_minutes(window);
    mesh->n_minutes = 0;
    if (query_begin(mesh->query, ROW_COLUMNS "WHERE minute = ?1 AND edge = ?2", &select, err))
        return err->code;
    for (uint64_t at_ns = window.from_ns; at_ns < window.to_ns && code == SQLITE_DONE;
         at_ns += NS_PER_MINUTE) {
        for (uint32_t i = 0; i < n && code == SQLITE_DONE; i++) {
            sqlite3_bind_int64(select, 1, (int64_t)(at_ns / NS_PER_MINUTE));
            sqlite3_bind_int64(select, 2, edges[i]);
            code = walk(mesh, select, to.row, to.ctx);
            sqlite3_reset(select);
        }
    }
    return end_walk(mesh, select, code, err);
}

/* Row numbers of a statement that gives one a row; malloc'd. */
int mesh_edge_rows(struct mesh *mesh, const char *sql, int64_t argument, int64_t **rows,
                   uint32_t *n, struct err *err)
{
    sqlite3_stmt *select;
    uint32_t cap = 0;
    int code;
    *rows = NULL;
    *n = 0;
    if (query_begin(mesh->query, sql, &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, argument);
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        if (!grow((void **)rows, *n, &cap, sizeof(**rows)))
            break;
        (*rows)[(*n)++] = sqlite3_column_int64(select, 0);
    }
    return query_end(mesh->query, select, code, err);
}

double mesh_seconds(const struct mesh *mesh)
{
    uint64_t known_ns = clock_wall_ns() - SHOWN_AFTER_NS;
    uint64_t end_ns = (uint64_t)(mesh->last_minute + 1) * NS_PER_MINUTE;
    double seconds = 60.0 * mesh->n_minutes;
    if (mesh->n_minutes && end_ns > known_ns)
        seconds -= (double)(end_ns - known_ns < NS_PER_MINUTE ? end_ns - known_ns : NS_PER_MINUTE) /
                   NS_PER_S;
    return seconds > 1 || !mesh->n_minutes ? seconds : 1;
}

/* ---- folding of what is not known ---- */

static bool parts_fit(const char *a, const char *b)
{
    return !a[0] || !b[0] || strcmp(a, b) == 0;
}

/* Does `other` know more of the same workload? Both bear one service name and role. */
static bool knows_more(const struct mesh *mesh, const struct mesh_node *node,
                       const struct mesh_node *other)
{
    int more = 0;
    for (int i = 0; i < N_TEXTS; i++) {
        if (i == SERVICE || (i == VERSION && mesh->level == LEVEL_SERVICE))
            continue;
        if (!parts_fit(node->text[i], other->text[i]))
            return false;
        more += (other->text[i][0] != 0) - (node->text[i][0] != 0);
    }
    return more > 0;
}

static bool same_parts(const struct mesh *mesh, const struct mesh_node *a,
                       const struct mesh_node *b)
{
    for (int i = 0; i < N_TEXTS; i++) {
        if (i == VERSION && mesh->level == LEVEL_SERVICE)
            continue;
        if (strcmp(a->text[i], b->text[i]) != 0)
            return false;
    }
    return true;
}

static int by_service(const void *a, const void *b, void *ctx)
{
    const struct mesh_node *nodes = ctx;
    const struct mesh_node *x = &nodes[*(const uint32_t *)a], *y = &nodes[*(const uint32_t *)b];
    int order = strcmp(x->text[SERVICE], y->text[SERVICE]);
    if (order)
        return order;
    if (x->role != y->role)
        return x->role < y->role ? -1 : 1;
    return (*(const uint32_t *)a > *(const uint32_t *)b) -
           (*(const uint32_t *)a < *(const uint32_t *)b);
}

/* Two that know more of one node speak of different workloads when a part differs between them. */
static bool speak_of_one(const struct mesh *mesh, const struct mesh_node *const known[N_TEXTS],
                         const struct mesh_node *other)
{
    for (int i = 0; i < N_TEXTS; i++) {
        if (i == VERSION && mesh->level == LEVEL_SERVICE)
            continue;
        if (known[i] && !parts_fit(known[i]->text[i], other->text[i]))
            return false;
    }
    return true;
}

static unsigned known_parts(const struct mesh *mesh, const struct mesh_node *node)
{
    unsigned n = 0;
    for (int i = 0; i < N_TEXTS; i++)
        n += node->text[i][0] && !(i == VERSION && mesh->level == LEVEL_SERVICE);
    return n;
}

/* One node among those of its service and role: where each part that it does not know has one known
 * value, into the one that knows most of them; an equal one into the first. */
static void fold_one(struct mesh *mesh, const uint32_t *group, uint32_t n, uint32_t i)
{
    struct mesh_node *node = &mesh->nodes[group[i]];
    const struct mesh_node *known[N_TEXTS] = {0}; /* who knows each part */
    uint32_t fullest = UINT32_MAX;
    for (uint32_t k = 0; k < n; k++) {
        const struct mesh_node *other = &mesh->nodes[group[k]];
        if (k < i && same_parts(mesh, node, other)) {
            node->same = other->same;
            return;
        }
        if (k == i || !knows_more(mesh, node, other))
            continue;
        if (!speak_of_one(mesh, known, other))
            return;
        for (int part = 0; part < N_TEXTS; part++)
            known[part] = other->text[part][0] ? other : known[part];
        if (fullest == UINT32_MAX ||
            known_parts(mesh, other) > known_parts(mesh, &mesh->nodes[fullest]))
            fullest = group[k];
    }
    if (fullest != UINT32_MAX)
        node->same = fullest;
}

bool mesh_fold(struct mesh *mesh)
{
    uint32_t *order = calloc(mesh->n_nodes + 1, sizeof(*order));
    if (!order)
        return false;
    for (uint32_t i = 0; i < mesh->n_nodes; i++)
        order[i] = mesh->nodes[i].same = i;
    qsort_r(order, mesh->n_nodes, sizeof(*order), by_service, mesh->nodes);
    for (uint32_t first = 0, next; first < mesh->n_nodes; first = next) {
        const struct mesh_node *head = &mesh->nodes[order[first]];
        for (next = first + 1; next < mesh->n_nodes; next++) {
            const struct mesh_node *node = &mesh->nodes[order[next]];
            if (node->role != head->role || strcmp(node->text[SERVICE], head->text[SERVICE]) != 0)
                break;
        }
        for (uint32_t i = first; i < next; i++)
            fold_one(mesh, order + first, next - first, i - first);
    }
    free(order);
    for (uint32_t i = 0; i < mesh->n_nodes; i++) {
        for (unsigned steps = 0;
             steps < 8 && mesh->nodes[mesh->nodes[i].same].same != mesh->nodes[i].same; steps++)
            mesh->nodes[i].same = mesh->nodes[mesh->nodes[i].same].same;
    }
    return true;
}

/* ---- sums ---- */

bool traffic_add_row(struct traffic *traffic, const struct mesh_row *row, unsigned known_by)
{
    traffic->calls += row->calls;
    traffic->began += row->began;
    traffic->passed += row->passed;
    traffic->client_errors += row->client_errors;
    traffic->unreached += known_by == KNOWN_CALLER_ONLY ? row->began : 0;
    traffic->retries += row->retries;
    traffic->recovered += row->recovered;
    traffic->adjusted_1024 += row->adjusted_1024;
    traffic->hairpins += row->hairpins;
    traffic->added_ns += row->added_ns;
    traffic->detours += row->detours;
    traffic->known_by[known_by % N_KNOWN_BY] += row->calls;
    for (int i = 0; i < N_SECURITIES; i++)
        traffic->security[i] += row->security[i];
    return histogram_decode(&traffic->histogram, row->histogram) &&
           histogram_decode(&traffic->transit, row->transit);
}

bool traffic_merge(struct traffic *into, const struct traffic *from)
{
    into->calls += from->calls;
    into->began += from->began;
    into->passed += from->passed;
    into->client_errors += from->client_errors;
    into->unreached += from->unreached;
    into->retries += from->retries;
    into->recovered += from->recovered;
    into->adjusted_1024 += from->adjusted_1024;
    into->hairpins += from->hairpins;
    into->added_ns += from->added_ns;
    into->detours += from->detours;
    for (int i = 0; i < N_SECURITIES; i++)
        into->security[i] += from->security[i];
    for (int i = 0; i < N_KNOWN_BY; i++)
        into->known_by[i] += from->known_by[i];
    return histogram_merge(&into->histogram, &from->histogram) &&
           histogram_merge(&into->transit, &from->transit);
}

void traffic_fini(struct traffic *traffic)
{
    histogram_fini(&traffic->histogram);
    histogram_fini(&traffic->transit);
}

/* ---- names ---- */

void mesh_node_id(const struct mesh *mesh, const struct mesh_node *node, struct buf *out)
{
    buf_addf(out, "%s/%s/%s", node->text[CLUSTER], node->text[NAMESPACE], node->text[SERVICE]);
    if (mesh->level == LEVEL_VERSION)
        buf_addf(out, "@%s", node->text[VERSION]);
    if (node->role != ROLE_WORKLOAD)
        buf_addf(out, "#%s", role_word(node->role));
}

bool mesh_node_is(const struct mesh *mesh, const struct mesh_node *node, struct str text)
{
    struct buf id;
    buf_init(&id, 1u << 14);
    mesh_node_id(mesh, node, &id);
    struct str whole = buf_str(&id), name;
    bool is = str_eq(whole, text);
    name = (struct str){whole.p, strlen(node->text[CLUSTER]) + strlen(node->text[NAMESPACE]) +
                                     strlen(node->text[SERVICE]) + 2};
    is = is || str_eq(name, text);
    name = str_skip(name, strlen(node->text[CLUSTER]) + 1);
    is = is || str_eq(name, text);
    is = is || str_eq(str_of(node->text[SERVICE]), text);
    buf_fini(&id);
    return is;
}

void mesh_node_json(const struct mesh *mesh, const struct mesh_node *node, struct buf *out)
{
    static const char *const names[N_TEXTS] = {"cluster", "namespace", "service", "version"};
    buf_add_char(out, '{');
    for (int i = 0; i < N_TEXTS; i++)
        json_member(out, names[i],
                    i == VERSION && mesh->level == LEVEL_SERVICE ? STR_NONE
                                                                 : str_of(node->text[i]));
    json_member(out, "role", str_of(role_word(node->role)));
    buf_add_char(out, '}');
}

void quantiles_json(struct buf *out, const struct histogram *histogram)
{
    static const double quantiles[3] = {0.5, 0.95, 0.99};
    static const char *const names[3] = {"p50_ns", "p95_ns", "p99_ns"};
    for (int i = 0; i < 3; i++) {
        uint64_t ns = histogram_quantile(histogram, quantiles[i]);
        if (ns == UINT64_MAX)
            buf_addf(out, ",\"%s\":null", names[i]);
        else
            json_number_member(out, names[i], (int64_t)ns);
    }
}
