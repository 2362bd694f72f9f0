/* query_graph_diff.c - two windows beside each other: edges that are new, gone, slower, redder.
 *
 * Each window is a graph of its own; an edge is the same in both when its ends and its words are.
 */
#include "collector/base/hash.h"
#include "collector/store/query_graph.h"

/* Below, a difference is noise: calls in either window; p95, and share of failures. */
#define LEAST_CALLS 20
#define SLOWER 1.5
#define SLOWER_LEAST_NS UINT64_C(1000000)
#define REDDER 2
#define REDDER_LEAST 0.01

static uint64_t hash_text(uint64_t hash, const char *text)
{
    return hash_mix(hash, hash_str(str_of(text)));
}

static uint64_t edge_hash(const struct graph_answer *answer, const struct gedge *edge)
{
    uint64_t hash = hash_mix(edge->connection_type, edge->crossing);
    hash = hash_text(hash, answer->nodes[edge->caller].id);
    hash = hash_text(hash, answer->nodes[edge->callee].id);
    return hash_text(hash_text(hash, edge->protocol_text), edge->via_text);
}

static bool is_same_text(const char *a, const char *b)
{
    return str_eq(str_of(a), str_of(b));
}

static const struct gedge *find_twin(const struct graph_answer *from, const struct gedge *edge,
                                     const struct graph_answer *in, const struct map *map)
{
    for (struct map_iter it = map_find(map, edge_hash(from, edge)); map_next(map, &it);) {
        const struct gedge *other = &in->edges[it.value];
        if (other->connection_type == edge->connection_type && other->crossing == edge->crossing &&
            is_same_text(other->protocol_text, edge->protocol_text) &&
            is_same_text(other->via_text, edge->via_text) &&
            is_same_text(in->nodes[other->caller].id, from->nodes[edge->caller].id) &&
            is_same_text(in->nodes[other->callee].id, from->nodes[edge->callee].id))
            return other;
    }
    return NULL;
}

static bool map_edges(const struct graph_answer *answer, struct map *map)
{
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        if (!map_add(map, edge_hash(answer, &answer->edges[i]), i))
            return false;
    }
    return true;
}

static bool are_enough(const struct gedge *now, const struct gedge *was)
{
    return now->now.calls >= LEAST_CALLS && was->now.calls >= LEAST_CALLS;
}

static bool is_slower(const struct gedge *now, const struct gedge *was)
{
    uint64_t now_ns = histogram_quantile(&now->now.histogram, 0.95);
    uint64_t was_ns = histogram_quantile(&was->now.histogram, 0.95);
    return are_enough(now, was) && now_ns != UINT64_MAX && was_ns != UINT64_MAX &&
           (double)now_ns >= SLOWER * (double)was_ns && now_ns >= was_ns + SLOWER_LEAST_NS;
}

static double failed_share(const struct gedge *edge)
{
    return (double)(edge->now.began + edge->now.passed) / (double)edge->now.calls;
}

static bool is_redder(const struct gedge *now, const struct gedge *was)
{
    return are_enough(now, was) && failed_share(now) >= REDDER * failed_share(was) &&
           failed_share(now) >= failed_share(was) + REDDER_LEAST;
}

/* Edges of `one` that `other` does not have. */
static void alone_json(const char *name, const struct graph_answer *one,
                       const struct graph_answer *other, const struct map *map, struct buf *out)
{
    bool first = true;
    buf_addf(out, "\"%s\":[", name);
    for (uint32_t i = 0; i < one->n_edges; i++) {
        if (!one->edges[i].shown || find_twin(one, &one->edges[i], other, map))
            continue;
        if (!first)
            buf_add_char(out, ',');
        first = false;
        graph_edge_json(one, &one->edges[i], out);
    }
    buf_add_char(out, ']');
}

static void worse_json(const char *name, const struct graph_answer *now,
                       const struct graph_answer *was, const struct map *map,
                       bool (*is_worse)(const struct gedge *now, const struct gedge *was),
                       struct buf *out)
{
    bool first = true;
    buf_addf(out, ",\"%s\":[", name);
    for (uint32_t i = 0; i < now->n_edges; i++) {
        const struct gedge *twin = find_twin(now, &now->edges[i], was, map);
        if (!now->edges[i].shown || !twin || !is_worse(&now->edges[i], twin))
            continue;
        buf_add_c(out, first ? "{\"edge\":" : ",{\"edge\":");
        first = false;
        graph_edge_json(now, &now->edges[i], out);
        buf_add_c(out, ",\"was\":");
        graph_edge_json(was, twin, out);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void diff_json(const struct graph_answer *now, const struct graph_answer *was,
                      struct buf *out, struct err *err)
{
    struct map of_now, of_was;
    map_init(&of_now);
    map_init(&of_was);
    if (map_edges(now, &of_now) && map_edges(was, &of_was)) {
        buf_add_char(out, '{');
        graph_head_json(now, out);
        graph_window_json("base", was->window, was->seconds, out);
        buf_add_char(out, ',');
        alone_json("new", now, was, &of_was, out);
        buf_add_char(out, ',');
        alone_json("gone", was, now, &of_now, out);
        worse_json("slower", now, was, &of_was, is_slower, out);
        worse_json("redder", now, was, &of_was, is_redder, out);
        buf_add_char(out, '}');
    } else {
        err_set(err, ERR_BUSY, "memory is short");
    }
    map_fini(&of_now);
    map_fini(&of_was);
}

static int load(struct graph_answer *answer, struct query *query, enum graph_level level,
                struct window window, const struct graph_view *view, struct err *err)
{
    if (graph_load(answer, query, level, window, (struct window){0}, err) ||
        graph_examples(answer, err))
        return err->code;
    return graph_view(answer, view) ? 0 : err_set(err, ERR_BUSY, "memory is short");
}

int query_graph_diff_json(struct query *query, struct window window, enum graph_level level,
                          const struct graph_view *view, struct buf *out, struct err *err)
{
    const struct graph_view ends = {
        .cluster = view->cluster, .namespace = view->namespace, .service = view->service};
    struct graph_answer now, was;
    if (!load(&now, query, level, window, &ends, err)) {
        if (!load(&was, query, level, view->base, &ends, err))
            diff_json(&now, &was, out, err);
        graph_fini(&was);
    }
    graph_fini(&now);
    return err->code;
}
