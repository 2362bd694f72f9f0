/* query_changes.c - what is new in a window against the one before: services, versions, edges,
 * clear text; and the minute in which failures began.
 */
#include <math.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/store/query_now.h"

#define RISE 3 /* times: less is no beginning */
#define FIRST_NS (2 * NS_PER_MINUTE)

static const char *const change_words[] = {"new_service", "new_version", "new_edge",
                                           "first_plaintext", "failures"};

/* ---- over time ---- */

static void add_row(struct mesh *mesh, const struct mesh_row *row, void *ctx)
{
    struct now *now = ctx;
    const struct mesh_edge *edge = &mesh->edges[row->edge];
    uint32_t step = steps_at(&now->steps, row->minute), mine = edge->mine;
    uint64_t at_ns = (uint64_t)row->minute * NS_PER_MINUTE;
    if (mine == UINT32_MAX || step >= now->steps.n)
        return;
    if (!now->first_ns[mine])
        now->first_ns[mine] = at_ns;
    if (!now->first_plain_ns[mine] && row->security[SECURITY_PLAINTEXT])
        now->first_plain_ns[mine] = at_ns;
    if (mesh->nodes[edge->caller].role == ROLE_USER)
        series_add(now->users, step, row);
    for (uint32_t i = 0; i < now->n_origins; i++) {
        if (now->origin_edges[i] == mine)
            series_add(now->origins[i], step, row);
    }
}

static bool is_new(const struct gedge *edge)
{
    return edge->now.calls && !edge->was.calls;
}

static bool is_plain_now(const struct gedge *edge)
{
    return edge->now.security[SECURITY_PLAINTEXT] && !edge->was.security[SECURITY_PLAINTEXT];
}

static bool wants_rows(const struct now *now, const struct mesh_edge *edge)
{
    const struct graph_answer *answer = &now->answer;
    if (edge->mine == UINT32_MAX)
        return false;
    const struct gedge *ours = &answer->edges[edge->mine];
    if (answer->nodes[ours->caller].role == ROLE_USER)
        return true;
    if (answer->base_seconds > 0 && (is_new(ours) || is_plain_now(ours)))
        return true;
    for (uint32_t i = 0; i < now->n_origins; i++) {
        if (now->origin_edges[i] == edge->mine)
            return true;
    }
    return false;
}

int now_look_again(struct now *now, struct err *err)
{
    struct mesh *mesh = &now->answer.mesh;
    int64_t *rows = calloc(mesh->n_edges + 1, sizeof(*rows));
    uint32_t n = 0;
    if (!rows)
        return err_set(err, ERR_BUSY, "memory is short");
    for (uint32_t i = 0; i < mesh->n_edges; i++) {
        if (wants_rows(now, &mesh->edges[i]))
            rows[n++] = mesh->edges[i].row;
    }
    struct mesh_rows_to to = {add_row, now};
    mesh_rows_of(mesh, now->answer.window, rows, n, to, err);
    free(rows);
    return err->code;
}

/* ---- changes ---- */

static void add_change(struct now *now, struct change change)
{
    if (now->n_changes < MOST_CHANGES)
        now->changes[now->n_changes++] = change;
}

/* Bernoulli log-likelihood of `failed` among `calls` at their own share. */
static double likelihood(double failed, double calls)
{
    double p = calls > 0 ? failed / calls : 0;
    return p > 0 && p < 1 ? failed * log(p) + (calls - failed) * log(1 - p) : 0;
}

/* The step at which failures rose: of all cuts of the window in two the one that explains it best,
 * when the share after it is several times the one before. 0 for none: it was so all along. */
static uint64_t onset_of(const struct now *now, const struct series *series)
{
    const struct steps *steps = &now->steps;
    double calls = 0, failed = 0, best = -INFINITY, before_calls = 0, before_failed = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < steps->n; i++) {
        calls += (double)series->calls[i];
        failed += (double)series->began[i];
    }
    for (uint32_t i = 0; i + 1 < steps->n; i++) {
        before_calls += (double)series->calls[i];
        before_failed += (double)series->began[i];
        double after_calls = calls - before_calls, after_failed = failed - before_failed;
        double value =
            likelihood(before_failed, before_calls) + likelihood(after_failed, after_calls);
        bool rose = before_calls > 0 && after_calls > 0 &&
                    after_failed / after_calls > RISE * before_failed / before_calls;
        if (rose && value > best) {
            best = value;
            at = i + 1;
        }
    }
    return at ? steps->window.from_ns + (uint64_t)at * steps->minutes * NS_PER_MINUTE : 0;
}

static void find_failures(struct now *now)
{
    for (uint32_t i = 0; i < now->n_origins; i++) {
        uint64_t at_ns = onset_of(now, now->origins[i]);
        if (at_ns)
            add_change(now,
                       (struct change){.kind = FAILURES,
                                       .at_ns = at_ns,
                                       .edge = now->origin_edges[i],
                                       .calls = now->answer.edges[now->origin_edges[i]].now.began});
    }
}

static void find_new_edges(struct now *now)
{
    const struct graph_answer *answer = &now->answer;
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        const struct gedge *edge = &answer->edges[i];
        if (is_new(edge) && now->first_ns[i])
            add_change(now, (struct change){.kind = NEW_EDGE,
                                            .at_ns = now->first_ns[i],
                                            .edge = i,
                                            .calls = edge->now.calls});
        if (is_plain_now(edge) && now->first_plain_ns[i])
            add_change(now, (struct change){.kind = PLAINTEXT,
                                            .at_ns = now->first_plain_ns[i],
                                            .edge = i,
                                            .calls = edge->now.security[SECURITY_PLAINTEXT]});
    }
}

/* From when on something first seen is news. Where nothing is known of the time before the window,
 * what the first minutes of all that is known bring was there before. */
static uint64_t news_from(const struct now *now)
{
    const struct graph_answer *answer = &now->answer;
    uint64_t first_ns = UINT64_MAX;
    for (uint32_t i = 1; i < answer->mesh.n_nodes; i++) {
        uint64_t seen_ns = answer->mesh.nodes[i].first_seen_ns; /* 0: by its callers alone */
        if (seen_ns && seen_ns < first_ns)
            first_ns = seen_ns;
    }
    bool known_before = answer->base_seconds > 0;
    return known_before || first_ns > UINT64_MAX - FIRST_NS ? answer->window.from_ns
                                                            : first_ns + FIRST_NS;
}

/* Services and versions first seen in the window; a version when its service had one before, which
 * needs no window before. */
static void find_new_nodes(struct now *now)
{
    const struct graph_answer *answer = &now->answer;
    const struct mesh *mesh = &answer->mesh;
    uint64_t from_ns = news_from(now);
    for (uint32_t i = 1; i < mesh->n_nodes; i++) {
        const struct mesh_node *node = &mesh->nodes[i];
        bool before = false, same_version = false;
        if (node->first_seen_ns < answer->window.from_ns || node->first_seen_ns < from_ns ||
            node->first_seen_ns >= answer->window.to_ns || !node->text[VERSION][0])
            continue;
        for (uint32_t k = 1; k < mesh->n_nodes; k++) {
            const struct mesh_node *other = &mesh->nodes[k];
            if (k == i || mesh_same(mesh, k) != mesh_same(mesh, i))
                continue;
            before = before || other->first_seen_ns < node->first_seen_ns;
            same_version = same_version || (other->first_seen_ns < node->first_seen_ns &&
                                            strcmp(other->text[VERSION], node->text[VERSION]) == 0);
        }
        if (!same_version && (before || answer->base_seconds > 0))
            add_change(now, (struct change){.kind = before ? NEW_VERSION : NEW_SERVICE,
                                            .at_ns = node->first_seen_ns,
                                            .node = node});
    }
}

static int latest_first(const void *a, const void *b)
{
    const struct change *x = a, *y = b;
    if (x->at_ns != y->at_ns)
        return x->at_ns > y->at_ns ? -1 : 1;
    return (int)y->kind - (int)x->kind;
}

/* Without a window before, every service and edge would be new: then none is. */
void now_find_changes(struct now *now)
{
    find_failures(now);
    find_new_nodes(now);
    if (now->answer.base_seconds > 0)
        find_new_edges(now);
    if (now->n_changes > 1)
        qsort(now->changes, now->n_changes, sizeof(*now->changes), latest_first);
}

/* ---- JSON ---- */

static void version_json(const struct gnode *node, const char *version, struct buf *out)
{
    for (uint32_t i = 0; i < node->n_versions; i++) {
        if (strcmp(node->versions[i].text, version) == 0)
            json_number_member(out, "calls", node->versions[i].calls);
    }
    json_number_member(out, "of", node->in.calls);
}

void now_changes_json(const struct now *now, struct buf *out)
{
    const struct graph_answer *answer = &now->answer;
    buf_add_c(out, ",\"changes\":[");
    for (uint32_t i = 0; i < now->n_changes; i++) {
        const struct change *change = &now->changes[i];
        buf_add_c(out, i ? ",{\"at\":\"" : "{\"at\":\"");
        buf_add_time(out, change->at_ns);
        buf_add_char(out, '"');
        json_member(out, "kind", str_of(change_words[change->kind]));
        if (change->node) {
            uint32_t same = mesh_same(&answer->mesh, (uint32_t)(change->node - answer->mesh.nodes));
            uint32_t node = answer->node_of[same];
            json_member(out, "id", node == UINT32_MAX ? STR_NONE : str_of(answer->nodes[node].id));
            json_member(out, "version", str_of(change->node->text[VERSION]));
            if (node != UINT32_MAX)
                version_json(&answer->nodes[node], change->node->text[VERSION], out);
        } else {
            const struct gedge *edge = &answer->edges[change->edge];
            json_member(out, "caller", str_of(answer->nodes[edge->caller].id));
            json_member(out, "callee", str_of(answer->nodes[edge->callee].id));
            json_number_member(out, "calls", change->calls);
        }
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}
