/* query_graph_json.c - the graph in the words of CONTRACT §7, and what the page is given beyond:
 * sizes and columns of nodes, bends of edges, marks, versions, folds, numbers of the base window.
 */
#include "collector/base/clock.h"
#include "collector/store/query_graph.h"

static const char *const mark_words[] = {
    [MARK_NONE] = "", [MARK_BEGAN] = "began", [MARK_PASSED] = "passed"};

static void times_json(struct window window, double seconds, struct buf *out)
{
    buf_add_c(out, "\"from\":\"");
    buf_add_time(out, window.from_ns);
    buf_add_c(out, "\",\"to\":\"");
    buf_add_time(out, window.to_ns);
    buf_add_c(out, "\",\"seconds\":");
    buf_add_double(out, seconds);
}

void graph_window_json(const char *name, struct window window, double seconds, struct buf *out)
{
    buf_addf(out, ",\"%s\":{", name);
    times_json(window, seconds, out);
    buf_add_char(out, '}');
}

void graph_head_json(const struct graph_answer *answer, struct buf *out)
{
    times_json(answer->window, answer->seconds, out);
    if (answer->base.to_ns > answer->base.from_ns)
        graph_window_json("base", answer->base, answer->base_seconds, out);
}

static void versions_json(const struct gnode *node, struct buf *out)
{
    buf_add_c(out, ",\"versions\":[");
    for (uint32_t i = 0; i < node->n_versions; i++) {
        const struct gversion *version = &node->versions[i];
        buf_add_c(out, i ? ",{" : "{");
        json_member(out, "version", str_of(version->text));
        json_number_member(out, "calls", version->calls);
        json_number_member(out, "errors", version->errors);
        json_number_member(out, "began", version->began);
        json_number_member(out, "passed", version->passed);
        buf_add_char(out, '}');
    }
    buf_addf(out, "],\"more_versions\":%s", node->more_versions ? "true" : "false");
}

static void fold_json(const struct gnode *node, struct buf *out)
{
    buf_add_c(out, ",\"fold\":{");
    json_member(out, "name", str_of(node->fold));
    json_member(out, "cluster", str_of(node->fold_cluster));
    json_number_member(out, "nodes", node->n_folded);
    buf_add_char(out, '}');
}

/* What stands for several workloads has the names they share. */
static void node_words(const struct graph_answer *answer, const struct gnode *node, struct buf *out)
{
    if (node->node) {
        mesh_node_json(&answer->mesh, node->node, out);
        return;
    }
    buf_add_char(out, '{');
    json_member(out, "cluster", str_of(node->fold_cluster));
    json_member(out, "namespace", str_of(node->fold));
    json_member(out, "service", STR_NONE);
    json_member(out, "version", STR_NONE);
    json_member(out, "role", str_of(role_word(node->role)));
    buf_add_char(out, '}');
}

void graph_node_json(const struct graph_answer *answer, const struct gnode *node, struct buf *out)
{
    const struct layout_node *place = &node->place;
    buf_add_char(out, '{');
    json_member(out, "id", str_of(node->id));
    buf_add_c(out, ",\"node\":");
    node_words(answer, node, out);
    json_number_member(out, "calls", node->in.calls);
    json_number_member(out, "errors", node->in.began + node->in.passed);
    json_number_member(out, "client_errors", node->in.client_errors);
    json_number_member(out, "errors_origin", node->in.began);
    quantiles_json(out, &node->in.histogram);
    buf_addf(out, ",\"x\":%d,\"y\":%d,\"w\":%u,\"h\":%u,\"column\":%u", place->x, place->y,
             place->width, place->height, place->column);
    json_number_member(out, "out_calls", node->out_calls);
    json_number_member(out, "began", node->began);
    json_number_member(out, "passed", node->passed);
    json_member(out, "mark", str_of(mark_words[node->mark]));
    if (node->fold)
        fold_json(node, out);
    else
        versions_json(node, out);
    buf_add_char(out, '}');
}

static void examples_json(const struct gedge *edge, struct buf *out)
{
    for (int kind = 0; kind < 2; kind++) {
        buf_add_c(out, kind ? ",\"slow\":[" : ",\"examples\":{\"error\":[");
        for (unsigned i = 0; i < edge->n_examples[kind]; i++)
            buf_addf(out, "%s\"%s\"", i ? "," : "", edge->examples[kind][i]);
        buf_add_char(out, ']');
    }
    buf_add_char(out, '}');
}

static void known_by_json(const struct traffic *traffic, struct buf *out)
{
    buf_add_c(out, ",\"known_by\":{");
    for (unsigned i = 0; i < N_KNOWN_BY; i++) {
        if (traffic->known_by[i])
            json_number_member(out, known_by_word(i), traffic->known_by[i]);
    }
    buf_add_char(out, '}');
}

void traffic_json(const struct traffic *traffic, struct buf *out)
{
    json_number_member(out, "calls", traffic->calls);
    json_number_member(out, "errors", traffic->began + traffic->passed);
    json_number_member(out, "client_errors", traffic->client_errors);
    json_number_member(out, "errors_origin", traffic->began);
    json_number_member(out, "errors_carried", traffic->passed);
    json_number_member(out, "retries", traffic->retries);
    json_number_member(out, "recovered", traffic->recovered);
    buf_add_c(out, ",\"adjusted_calls\":");
    buf_add_double(out, (double)traffic->adjusted_1024 / 1024.0);
    quantiles_json(out, &traffic->histogram);
}

static void points_json(const struct graph_answer *answer, const struct gedge *edge,
                        struct buf *out)
{
    const struct layout_point *points = &answer->layout.points[edge->first_point];
    buf_add_c(out, ",\"points\":[");
    for (uint32_t i = 0; i < edge->n_points; i++)
        buf_addf(out, "%s%d,%d", i ? "," : "", points[i].x, points[i].y);
    buf_addf(out, "],\"back\":%s", edge->back ? "true" : "false");
}

static void edge_id(const struct graph_answer *answer, const struct gedge *edge, struct buf *out)
{
    struct buf id;
    buf_init(&id, 1u << 16);
    buf_addf(&id, "%s>%s", answer->nodes[edge->caller].id, answer->nodes[edge->callee].id);
    if (edge->tie)
        buf_addf(&id, "|%s|%s|%s|%s", connection_type_word(edge->connection_type),
                 edge->protocol_text, edge->via_text, crossing_word(edge->crossing));
    json_member(out, "id", buf_str(&id));
    buf_fini(&id);
}

void graph_edge_json(const struct graph_answer *answer, const struct gedge *edge, struct buf *out)
{
    const struct traffic *now = &edge->now;
    buf_add_char(out, '{');
    edge_id(answer, edge, out);
    json_member(out, "caller", str_of(answer->nodes[edge->caller].id));
    json_member(out, "callee", str_of(answer->nodes[edge->callee].id));
    json_member(out, "connection_type", str_of(connection_type_word(edge->connection_type)));
    json_member(out, "protocol", str_of(edge->protocol_text));
    json_member(out, "via", str_of(edge->via_text));
    json_member(out, "crossing", str_of(crossing_word(edge->crossing)));
    buf_addf(out, ",\"hairpin\":%s", now->hairpins ? "true" : "false");
    known_by_json(now, out);
    traffic_json(now, out);
    uint64_t transit = histogram_quantile(&now->transit, 0.5);
    if (transit == UINT64_MAX)
        buf_add_c(out, ",\"transit_p50_ns\":null");
    else
        json_number_member(out, "transit_p50_ns", (int64_t)transit);
    if (now->detours)
        json_number_member(out, "added_ns", now->added_ns / now->detours);
    buf_addf(out, ",\"security\":{\"mtls\":%lld,\"tls\":%lld,\"plaintext\":%lld,\"unknown\":%lld}",
             (long long)now->security[SECURITY_MTLS], (long long)now->security[SECURITY_TLS],
             (long long)now->security[SECURITY_PLAINTEXT],
             (long long)now->security[SECURITY_UNKNOWN]);
    examples_json(edge, out);
    if (edge->hop)
        json_member(out, "hop", str_of(hop_word(edge->hop - 1u)));
    json_number_member(out, "unreached", now->unreached);
    json_member(out, "mark", str_of(mark_words[edge->mark]));
    json_number_member(out, "merged", edge->n_merged);
    if (answer->layout.points)
        points_json(answer, edge, out);
    if (answer->base.to_ns > answer->base.from_ns) {
        buf_add_c(out, ",\"was\":{");
        traffic_json(&edge->was, out);
        buf_add_char(out, '}');
    }
    buf_add_char(out, '}');
}

/* Both sides of how many calls were seen, and how many there were: users and links left out. */
static void seen_json(const struct graph_answer *answer, struct buf *out)
{
    int64_t both = 0, all = 0;
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        const struct traffic *now = &answer->edges[i].now;
        both += now->known_by[KNOWN_BOTH];
        all += now->known_by[KNOWN_BOTH] + now->known_by[KNOWN_CALLEE_ONLY] +
               now->known_by[KNOWN_CALLER_ONLY] + now->known_by[KNOWN_LOG];
    }
    buf_addf(out, ",\"seen_both\":%lld,\"seen\":%lld", (long long)both, (long long)all);
}

void graph_json(const struct graph_answer *answer, struct buf *out)
{
    bool first = true;
    buf_add_char(out, '{');
    graph_head_json(answer, out);
    buf_add_c(out, ",\"nodes\":[");
    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        if (!answer->nodes[i].shown)
            continue;
        if (!first)
            buf_add_char(out, ',');
        first = false;
        graph_node_json(answer, &answer->nodes[i], out);
    }
    buf_add_c(out, "],\"edges\":[");
    first = true;
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        if (!answer->edges[i].shown)
            continue;
        if (!first)
            buf_add_char(out, ',');
        first = false;
        graph_edge_json(answer, &answer->edges[i], out);
    }
    buf_addf(out, "],\"truncated\":%s,\"width\":%d,\"height\":%d",
             answer->truncated ? "true" : "false", answer->layout.width, answer->layout.height);
    buf_addf(out, ",\"all\":{\"nodes\":%u,\"edges\":%u,\"folds\":%u}", answer->n_all_nodes,
             answer->n_all_edges, answer->n_folds);
    seen_json(answer, out);
    buf_add_char(out, '}');
}
