/* query_graph.c - the call graph of a window: minute rows summed, unknown parts folded, laid out in
 * layers.
 *
 * An unknown version, namespace or cluster is folded into the only known value of that service in
 * the window, when there is exactly one (STITCHING §1).
 */
#include <stdio.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/base/map.h"
#include "collector/model/histogram.h"
#include "collector/store/query_internal.h"
#include "collector/store/rows.h"

#define MAX_EDGES 5000u
#define N_EXAMPLES 3
#define EXAMPLE_TRACES 1000

struct gnode {
    char *text[5]; /* cluster, namespace, service, version, role */
    int64_t row;   /* of the database; 0 for none */
    uint32_t same; /* the node that this one is folded into; itself else */
    bool used;
    int64_t calls, errors, client_errors, errors_origin;
    struct histogram histogram;
    unsigned x, y;
};

struct gedge {
    uint32_t caller, callee;
    int64_t connection_type, crossing, protocol, via;
    char *protocol_text, *via_text;
    int64_t calls, errors_origin, errors_carried, client_errors, retries, recovered, adjusted_1024,
        hairpins;
    int64_t security[N_SECURITIES], known_by[N_KNOWN_BY];
    struct histogram histogram, transit;
    char examples[2][N_EXAMPLES][33]; /* error, slow */
    unsigned n_examples[2];
};

struct graph_answer {
    struct query *query;
    enum graph_level level;
    struct gnode *nodes;
    uint32_t n_nodes;
    struct gedge *edges;
    uint32_t n_edges, cap_edges;
    struct map edge_map, row_map;
    bool truncated;
};

static char *copy(struct str text)
{
    char *bytes = malloc(text.len + 1);
    if (bytes) {
        if (text.len)
            memcpy(bytes, text.p, text.len);
        bytes[text.len] = '\0';
    }
    return bytes;
}

/* ---- nodes ---- */

static int load_nodes(struct graph_answer *answer, struct err *err)
{
    sqlite3_stmt *select;
    uint32_t cap = 0;
    int code;
    if (query_begin(answer->query,
                    "SELECT d.id, nc.text, nn.text, ns.text, nv.text, wr.text FROM node d "
                    "JOIN name nc ON nc.id = d.cluster JOIN name nn ON nn.id = d.namespace "
                    "JOIN name ns ON ns.id = d.service JOIN name nv ON nv.id = d.version "
                    "JOIN word wr ON wr.list = 'role' AND wr.number = d.role",
                    &select, err))
        return err->code;
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        if (answer->n_nodes == cap) {
            cap = cap ? 2 * cap : 128;
            struct gnode *grown = realloc(answer->nodes, cap * sizeof(*grown));
            if (!grown) {
                code = SQLITE_NOMEM;
                break;
            }
            answer->nodes = grown;
        }
        struct gnode *node = &answer->nodes[answer->n_nodes];
        *node = (struct gnode){.row = sqlite3_column_int64(select, 0), .same = answer->n_nodes};
        for (int i = 0; i < 5; i++)
            node->text[i] = copy(column_str(select, 1 + i));
        map_add(&answer->row_map, hash_u64((uint64_t)node->row), answer->n_nodes++);
    }
    return query_end(answer->query, select, code, err);
}

static uint32_t node_of_row(const struct graph_answer *answer, int64_t row)
{
    for (struct map_iter it = map_find(&answer->row_map, hash_u64((uint64_t)row));
         map_next(&answer->row_map, &it);) {
        if (answer->nodes[it.value].row == row)
            return it.value;
    }
    return 0;
}

static bool parts_fit(const char *a, const char *b)
{
    return !a[0] || !b[0] || strcmp(a, b) == 0;
}

/* Does `other` know more of the same workload? At level service, versions do not matter. */
static bool knows_more(const struct graph_answer *answer, const struct gnode *node,
                       const struct gnode *other)
{
    int parts = answer->level == LEVEL_VERSION ? 4 : 3;
    int more = 0;
    if (strcmp(node->text[4], other->text[4]) != 0)
        return false;
    for (int i = 0; i < parts; i++) {
        if (i == 2 ? strcmp(node->text[2], other->text[2]) != 0
                   : !parts_fit(node->text[i], other->text[i]))
            return false;
        more += (other->text[i][0] != 0) - (node->text[i][0] != 0);
    }
    return more > 0;
}

static bool same_parts(const struct graph_answer *answer, const struct gnode *a,
                       const struct gnode *b)
{
    for (int i = 0; i < 5; i++) {
        if (i == 3 && answer->level == LEVEL_SERVICE)
            continue;
        if (strcmp(a->text[i], b->text[i]) != 0)
            return false;
    }
    return true;
}

/* Folds every node that is used into the only one that knows more; equal ones into the first. */
static void fold_nodes(struct graph_answer *answer)
{
    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        struct gnode *node = &answer->nodes[i];
        uint32_t fuller = UINT32_MAX;
        bool several = false;
        for (uint32_t k = 0; k < answer->n_nodes && node->used; k++) {
            const struct gnode *other = &answer->nodes[k];
            if (!other->used || k == i)
                continue;
            if (k < i && same_parts(answer, node, other)) {
                fuller = other->same;
                several = false;
                break;
            }
            if (!knows_more(answer, node, other))
                continue;
            several = several ||
                      (fuller != UINT32_MAX && !same_parts(answer, other, &answer->nodes[fuller]));
            fuller = fuller == UINT32_MAX ? k : fuller;
        }
        if (fuller != UINT32_MAX && !several)
            node->same = fuller;
    }
    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        for (unsigned steps = 0;
             steps < 8 && answer->nodes[answer->nodes[i].same].same != answer->nodes[i].same;
             steps++)
            answer->nodes[i].same = answer->nodes[answer->nodes[i].same].same;
    }
}

/* ---- edges ---- */

static const char edges_sql[] =
    "SELECT e.caller, e.callee, e.connection_type, e.protocol, e.via, e.crossing, e.known_by, "
    "np.text, nv.text, "
    "m.calls, m.errors_origin, m.errors_carried, m.client_errors, m.retries, m.recovered, "
    "m.adjusted_1024, m.hairpins, "
    "m.plaintext, m.tls, m.mtls, m.security_unknown, m.histogram, m.transit_histogram "
    "FROM edge_minute_row m JOIN edge e ON e.id = m.edge JOIN name np ON np.id = e.protocol "
    "JOIN name nv ON nv.id = e.via WHERE m.minute >= ?1 AND m.minute < ?2 ORDER BY e.id";

static struct gedge *edge_of(struct graph_answer *answer, const struct gedge *key)
{
    uint64_t hash = hash_mix((uint64_t)key->caller << 32 | key->callee,
                             (uint64_t)key->protocol << 24 ^ (uint64_t)key->via << 8 ^
                                 (uint64_t)key->crossing << 4 ^ (uint64_t)key->connection_type);
    for (struct map_iter it = map_find(&answer->edge_map, hash);
         map_next(&answer->edge_map, &it);) {
        struct gedge *edge = &answer->edges[it.value];
        if (edge->caller == key->caller && edge->callee == key->callee &&
            edge->protocol == key->protocol && edge->via == key->via &&
            edge->crossing == key->crossing && edge->connection_type == key->connection_type)
            return edge;
    }
    if (answer->n_edges == MAX_EDGES) {
        answer->truncated = true;
        return NULL;
    }
    if (answer->n_edges == answer->cap_edges) {
        uint32_t cap = answer->cap_edges ? 2 * answer->cap_edges : 128;
        struct gedge *grown = realloc(answer->edges, cap * sizeof(*grown));
        if (!grown)
            return NULL;
        answer->edges = grown;
        answer->cap_edges = cap;
    }
    if (!map_add(&answer->edge_map, hash, answer->n_edges))
        return NULL;
    answer->edges[answer->n_edges] = *key;
    return &answer->edges[answer->n_edges++];
}

static struct str blob_of(sqlite3_stmt *row, int column)
{
    return (struct str){sqlite3_column_blob(row, column),
                        (size_t)sqlite3_column_bytes(row, column)};
}

static void add_row(struct graph_answer *answer, sqlite3_stmt *row)
{
    struct gedge key = {
        .caller = answer->nodes[node_of_row(answer, sqlite3_column_int64(row, 0))].same,
        .callee = answer->nodes[node_of_row(answer, sqlite3_column_int64(row, 1))].same,
        .connection_type = sqlite3_column_int64(row, 2),
        .protocol = sqlite3_column_int64(row, 3),
        .via = sqlite3_column_int64(row, 4),
        .crossing = sqlite3_column_int64(row, 5),
    };
    struct gedge *edge = edge_of(answer, &key);
    if (!edge)
        return;
    if (!edge->protocol_text) {
        edge->protocol_text = copy(column_str(row, 7));
        edge->via_text = copy(column_str(row, 8));
    }
    int64_t calls = sqlite3_column_int64(row, 9);
    edge->known_by[sqlite3_column_int64(row, 6) % N_KNOWN_BY] += calls;
    edge->calls += calls;
    edge->errors_origin += sqlite3_column_int64(row, 10);
    edge->errors_carried += sqlite3_column_int64(row, 11);
    edge->client_errors += sqlite3_column_int64(row, 12);
    edge->retries += sqlite3_column_int64(row, 13);
    edge->recovered += sqlite3_column_int64(row, 14);
    edge->adjusted_1024 += sqlite3_column_int64(row, 15);
    edge->hairpins += sqlite3_column_int64(row, 16);
    edge->security[SECURITY_PLAINTEXT] += sqlite3_column_int64(row, 17);
    edge->security[SECURITY_TLS] += sqlite3_column_int64(row, 18);
    edge->security[SECURITY_MTLS] += sqlite3_column_int64(row, 19);
    edge->security[SECURITY_UNKNOWN] += sqlite3_column_int64(row, 20);
    histogram_decode(&edge->histogram, blob_of(row, 21));
    histogram_decode(&edge->transit, blob_of(row, 22));
}

static int walk_rows(struct graph_answer *answer, struct window window, bool mark_only,
                     struct err *err)
{
    sqlite3_stmt *select;
    int code;
    if (query_begin(answer->query, edges_sql, &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, (int64_t)(window.from_ns / NS_PER_MINUTE));
    sqlite3_bind_int64(select, 2, (int64_t)(window.to_ns / NS_PER_MINUTE));
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        if (mark_only) {
            answer->nodes[node_of_row(answer, sqlite3_column_int64(select, 0))].used = true;
            answer->nodes[node_of_row(answer, sqlite3_column_int64(select, 1))].used = true;
        } else {
            add_row(answer, select);
        }
    }
    return query_end(answer->query, select, code, err);
}

static void sum_nodes(struct graph_answer *answer)
{
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        const struct gedge *edge = &answer->edges[i];
        struct gnode *node = &answer->nodes[edge->callee];
        node->calls += edge->calls;
        node->errors += edge->errors_origin + edge->errors_carried;
        node->client_errors += edge->client_errors;
        node->errors_origin += edge->errors_origin;
        histogram_merge(&node->histogram, &edge->histogram);
    }
}

/* Layers by the longest way from those whom nobody calls, at most as many as there are nodes; rows
 * in order of names. */
static void lay_out(struct graph_answer *answer)
{
    for (unsigned round = 0, changed = 1; changed && round < 64; round++) {
        changed = 0;
        for (uint32_t i = 0; i < answer->n_edges; i++) {
            const struct gedge *edge = &answer->edges[i];
            struct gnode *caller = &answer->nodes[edge->caller],
                         *callee = &answer->nodes[edge->callee];
            if (edge->caller != edge->callee && callee->x <= caller->x && caller->x + 1 < 32 &&
                round < 32) {
                callee->x = caller->x + 1;
                changed = 1;
            }
        }
    }
    unsigned rows[64] = {0};
    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        struct gnode *node = &answer->nodes[i];
        if (node->used && node->same == i)
            node->y = rows[node->x % 64]++;
    }
}

/* ---- examples ---- */

static void example(struct gedge *edge, int kind, const char *id)
{
    if (edge->n_examples[kind] == N_EXAMPLES)
        return;
    if (edge->n_examples[kind] && strcmp(edge->examples[kind][edge->n_examples[kind] - 1], id) == 0)
        return;
    memcpy(edge->examples[kind][edge->n_examples[kind]++], id, 33);
}

static void examples_of(struct graph_answer *answer, sqlite3_stmt *row)
{
    struct str blob = blob_of(row, 1), text = column_str(row, 0);
    struct call call;
    struct call_ids ids;
    char id[33] = {0};
    memcpy(id, text.p, text.len < 32 ? text.len : 32);
    while (blob.len && calls_unpack_one(&blob, &call, &ids)) {
        uint32_t caller = answer->nodes[node_of_row(answer, (int64_t)ids.caller)].same;
        uint32_t callee = answer->nodes[node_of_row(answer, (int64_t)ids.callee)].same;
        struct gedge key = {.caller = caller,
                            .callee = callee,
                            .connection_type = call.connection_type,
                            .protocol = (int64_t)ids.protocol,
                            .via = (int64_t)ids.via,
                            .crossing = call.crossing};
        uint32_t before = answer->n_edges;
        struct gedge *edge = edge_of(answer, &key);
        if (!edge || answer->n_edges != before) {
            answer->n_edges = before; /* not of this window */
            continue;
        }
        uint64_t ns = call.caller_ns != DURATION_UNKNOWN ? call.caller_ns : call.callee_ns;
        if (call.fault == FAULT_ORIGIN || call.fault == FAULT_CARRIED)
            example(edge, 0, id);
        if (ns != DURATION_UNKNOWN && ns >= histogram_quantile(&edge->histogram, 0.95))
            example(edge, 1, id);
    }
}

static int find_examples(struct graph_answer *answer, struct window window, struct err *err)
{
    sqlite3_stmt *select;
    int code;
    if (query_begin(answer->query,
                    "SELECT lower(hex(id)), calls FROM (SELECT id, calls, start_ns FROM trace_row "
                    "ORDER BY trace_no DESC LIMIT ?1) WHERE start_ns >= ?2 AND start_ns < ?3",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, EXAMPLE_TRACES);
    sqlite3_bind_int64(select, 2, (int64_t)window.from_ns);
    sqlite3_bind_int64(select, 3, (int64_t)window.to_ns);
    while ((code = sqlite3_step(select)) == SQLITE_ROW)
        examples_of(answer, select);
    return query_end(answer->query, select, code, err);
}

/* ---- JSON ---- */

static void quantiles_json(struct buf *out, const struct histogram *histogram)
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

static void node_id(const struct graph_answer *answer, const struct gnode *node, struct buf *out)
{
    struct buf id;
    buf_init(&id, 16384);
    buf_addf(&id, "%s/%s/%s", node->text[0], node->text[1], node->text[2]);
    if (answer->level == LEVEL_VERSION)
        buf_addf(&id, "@%s", node->text[3]);
    if (strcmp(node->text[4], "workload") != 0)
        buf_addf(&id, "#%s", node->text[4]);
    buf_add_json(out, buf_str(&id));
    buf_fini(&id);
}

static void node_json(const struct graph_answer *answer, const struct gnode *node, struct buf *out)
{
    static const char *const names[5] = {"cluster", "namespace", "service", "version", "role"};
    buf_add_c(out, "{\"id\":");
    node_id(answer, node, out);
    buf_add_c(out, ",\"node\":{");
    for (int i = 0; i < 5; i++)
        json_member(out, names[i],
                    i == 3 && answer->level == LEVEL_SERVICE ? STR_NONE : str_of(node->text[i]));
    buf_add_char(out, '}');
    json_number_member(out, "calls", node->calls);
    json_number_member(out, "errors", node->errors);
    json_number_member(out, "client_errors", node->client_errors);
    json_number_member(out, "errors_origin", node->errors_origin);
    quantiles_json(out, &node->histogram);
    buf_addf(out, ",\"x\":%u,\"y\":%u}", node->x, node->y);
}

static void examples_json(const struct gedge *edge, struct buf *out)
{
    for (int kind = 0; kind < 2; kind++) {
        buf_addf(out, kind ? ",\"slow\":[" : ",\"examples\":{\"error\":[");
        for (unsigned i = 0; i < edge->n_examples[kind]; i++)
            buf_addf(out, "%s\"%s\"", i ? "," : "", edge->examples[kind][i]);
        buf_add_char(out, ']');
    }
    buf_add_char(out, '}');
}

static void edge_json(const struct graph_answer *answer, const struct gedge *edge, struct buf *out)
{
    buf_addf(out, "{\"id\":\"%u-%u-%lld-%lld-%lld-%lld\",\"caller\":", edge->caller, edge->callee,
             (long long)edge->connection_type, (long long)edge->protocol, (long long)edge->via,
             (long long)edge->crossing);
    node_id(answer, &answer->nodes[edge->caller], out);
    buf_add_c(out, ",\"callee\":");
    node_id(answer, &answer->nodes[edge->callee], out);
    json_member(out, "connection_type",
                str_of(connection_type_word((unsigned)edge->connection_type)));
    json_member(out, "protocol", str_of(edge->protocol_text));
    json_member(out, "via", str_of(edge->via_text));
    json_member(out, "crossing", str_of(crossing_word((unsigned)edge->crossing)));
    buf_addf(out, ",\"hairpin\":%s,\"known_by\":{", edge->hairpins ? "true" : "false");
    for (unsigned i = 0; i < N_KNOWN_BY; i++) {
        if (edge->known_by[i])
            json_number_member(out, known_by_word(i), edge->known_by[i]);
    }
    buf_add_char(out, '}');
    json_number_member(out, "calls", edge->calls);
    json_number_member(out, "errors", edge->errors_origin + edge->errors_carried);
    json_number_member(out, "client_errors", edge->client_errors);
    json_number_member(out, "errors_origin", edge->errors_origin);
    json_number_member(out, "errors_carried", edge->errors_carried);
    json_number_member(out, "retries", edge->retries);
    json_number_member(out, "recovered", edge->recovered);
    buf_add_c(out, ",\"adjusted_calls\":");
    buf_add_double(out, (double)edge->adjusted_1024 / 1024.0);
    quantiles_json(out, &edge->histogram);
    uint64_t transit = histogram_quantile(&edge->transit, 0.5);
    if (transit == UINT64_MAX)
        buf_add_c(out, ",\"transit_p50_ns\":null");
    else
        json_number_member(out, "transit_p50_ns", (int64_t)transit);
    buf_addf(out, ",\"security\":{\"mtls\":%lld,\"tls\":%lld,\"plaintext\":%lld,\"unknown\":%lld}",
             (long long)edge->security[SECURITY_MTLS], (long long)edge->security[SECURITY_TLS],
             (long long)edge->security[SECURITY_PLAINTEXT],
             (long long)edge->security[SECURITY_UNKNOWN]);
    examples_json(edge, out);
    buf_add_char(out, '}');
}

static void graph_json(const struct graph_answer *answer, struct window window, struct buf *out)
{
    bool first = true;
    buf_add_c(out, "{\"from\":\"");
    buf_add_time(out, window.from_ns);
    buf_add_c(out, "\",\"to\":\"");
    buf_add_time(out, window.to_ns);
    buf_add_c(out, "\",\"nodes\":[");
    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        if (!answer->nodes[i].used || answer->nodes[i].same != i)
            continue;
        if (!first)
            buf_add_char(out, ',');
        first = false;
        node_json(answer, &answer->nodes[i], out);
    }
    buf_add_c(out, "],\"edges\":[");
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        if (i)
            buf_add_char(out, ',');
        edge_json(answer, &answer->edges[i], out);
    }
    buf_addf(out, "],\"truncated\":%s}", answer->truncated ? "true" : "false");
}

static void answer_fini(struct graph_answer *answer)
{
    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        for (int k = 0; k < 5; k++)
            free(answer->nodes[i].text[k]);
        histogram_fini(&answer->nodes[i].histogram);
    }
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        free(answer->edges[i].protocol_text);
        free(answer->edges[i].via_text);
        histogram_fini(&answer->edges[i].histogram);
        histogram_fini(&answer->edges[i].transit);
    }
    free(answer->nodes);
    free(answer->edges);
    map_fini(&answer->edge_map);
    map_fini(&answer->row_map);
}

int query_graph_json(struct query *query, struct window window, enum graph_level level,
                     struct buf *out, struct err *err)
{
    struct graph_answer answer = {.query = query, .level = level};
    window.from_ns -= window.from_ns % NS_PER_MINUTE;
    window.to_ns += NS_PER_MINUTE - 1 - (window.to_ns + NS_PER_MINUTE - 1) % NS_PER_MINUTE;
    if (!load_nodes(&answer, err) && !walk_rows(&answer, window, true, err)) {
        fold_nodes(&answer);
        if (!walk_rows(&answer, window, false, err)) {
            sum_nodes(&answer);
            lay_out(&answer);
            if (!find_examples(&answer, window, err))
                graph_json(&answer, window, out);
        }
    }
    answer_fini(&answer);
    return err->code;
}
