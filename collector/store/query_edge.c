/* query_edge.c - one edge from near: over time, by version of either end, who else calls its
 * callee, with what its failures began. API: edge.
 */
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/base/utf8.h"
#include "collector/store/query_slices.h"
#include "collector/store/rows.h"

#define REASON_TRACES 2000
#define MOST_REASONS 8

/* ---- slices ---- */

struct slice *slice_of(struct slices *slices, const char *name)
{
    for (uint32_t i = 0; i < slices->n; i++) {
        if (strcmp(slices->items[i].name, name) == 0)
            return &slices->items[i];
    }
    if (slices->n == MOST_SLICES) {
        slices->more = true;
        return NULL;
    }
    slices->items[slices->n] = (struct slice){.name = name};
    return &slices->items[slices->n++];
}

struct slice *slice_of_version(struct slices *slices, const struct mesh_node *node)
{
    struct slice *slice = slice_of(slices, node->text[VERSION]);
    if (slice && (!slice->first_seen_ns || node->first_seen_ns < slice->first_seen_ns))
        slice->first_seen_ns = node->first_seen_ns;
    return slice;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct slice *)a)->name, ((const struct slice *)b)->name);
}

void slices_tidy(struct slices *slices)
{
    if (slices->n > 1)
        qsort(slices->items, slices->n, sizeof(*slices->items), by_name);
    if (slices->n != 2 || slices->items[0].name[0])
        return;
    struct slice *unknown = &slices->items[0], *known = &slices->items[1];
    traffic_merge(&known->traffic, &unknown->traffic);
    for (uint32_t i = 0; unknown->series && known->series && i <= MOST_STEPS; i++) {
        known->series->calls[i] += unknown->series->calls[i];
        known->series->began[i] += unknown->series->began[i];
        known->series->passed[i] += unknown->series->passed[i];
    }
    traffic_fini(&unknown->traffic);
    series_free(unknown->series);
    slices->items[0] = *known;
    slices->n = 1;
}

void slices_fini(struct slices *slices)
{
    for (uint32_t i = 0; i < slices->n; i++) {
        traffic_fini(&slices->items[i].traffic);
        series_free(slices->items[i].series);
    }
}

void slice_json(const struct slice *slice, struct buf *out)
{
    json_member(out, "version", str_of(slice->name));
    buf_add_c(out, ",\"first_seen\":\"");
    buf_add_time(out, slice->first_seen_ns);
    buf_add_char(out, '"');
    traffic_json(&slice->traffic, out);
}

void slices_json(const char *name, const struct slices *slices, struct buf *out)
{
    buf_addf(out, ",\"%s\":[", name);
    for (uint32_t i = 0; i < slices->n; i++) {
        buf_add_c(out, i ? ",{" : "{");
        slice_json(&slices->items[i], out);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

/* ---- the edge's rows again ---- */

struct near {
    struct graph_answer answer;
    uint32_t caller, callee; /* nodes of the graph */
    struct steps steps;
    struct series *series;
    struct slices callers, callees;
    struct {
        char text[128]; /* longer than the reason that a trace is given */
        uint32_t n;
    } reasons[MOST_REASONS];
    uint32_t n_reasons, n_failed;
};

static bool is_ours(const struct near *near, const struct mesh_edge *edge)
{
    if (edge->mine >= near->answer.n_edges)
        return false;
    const struct gedge *ours = &near->answer.edges[edge->mine];
    return ours->caller == near->caller && ours->callee == near->callee;
}

static void add_slice(struct slice *slice, const struct mesh_row *row, unsigned known_by)
{
    if (slice)
        traffic_add_row(&slice->traffic, row, known_by);
}

static void add_row(struct mesh *mesh, const struct mesh_row *row, void *ctx)
{
    struct near *near = ctx;
    const struct mesh_edge *edge = &mesh->edges[row->edge];
    uint32_t step = steps_at(&near->steps, row->minute);
    if (step < near->steps.n)
        series_add(near->series, step, row);
    add_slice(slice_of_version(&near->callers, &mesh->nodes[edge->caller]), row, edge->known_by);
    add_slice(slice_of_version(&near->callees, &mesh->nodes[edge->callee]), row, edge->known_by);
}

/* A minute in which anybody called is known, though nobody called here. */
static void know_minutes(struct mesh *mesh, const struct mesh_row *row, void *ctx)
{
    struct near *near = ctx;
    (void)mesh;
    steps_at(&near->steps, row->minute);
}

static int look_near(struct near *near, struct err *err)
{
    struct mesh *mesh = &near->answer.mesh;
    int64_t *rows = calloc(mesh->n_edges + 1, sizeof(*rows)), *entries = NULL;
    uint32_t n = 0, n_entries = 0;
    if (!rows)
        return err_set(err, ERR_BUSY, "memory is short");
    for (uint32_t i = 0; i < mesh->n_edges; i++) {
        if (is_ours(near, &mesh->edges[i]))
            rows[n++] = mesh->edges[i].row;
    }
    struct mesh_rows_to to = {add_row, near}, minutes = {know_minutes, near};
    if (!mesh_rows_of(mesh, near->answer.window, rows, n, to, err) &&
        !mesh_edge_rows(mesh,
                        "SELECT e.id FROM node d JOIN edge e ON e.caller = d.id WHERE d.role = ?",
                        ROLE_USER, &entries, &n_entries, err))
        mesh_rows_of(mesh, near->answer.window, entries, n_entries, minutes, err);
    free(rows);
    free(entries);
    slices_tidy(&near->callers);
    slices_tidy(&near->callees);
    return err->code;
}

/* ---- with what its failures began ---- */

static void add_reason(struct near *near, struct str text)
{
    char kept[sizeof(near->reasons[0].text)] = "";
    uint32_t i = 0;
    near->n_failed++;
    text = utf8_cut(text, sizeof(kept) - 1);
    if (text.len)
        memcpy(kept, text.p, text.len);
    while (i < near->n_reasons && strcmp(near->reasons[i].text, kept) != 0)
        i++;
    if (i == MOST_REASONS)
        return;
    if (i == near->n_reasons)
        memcpy(near->reasons[near->n_reasons++].text, kept, sizeof(kept));
    near->reasons[i].n++;
}

/* Did a call of this trace fail here, beginning here? */
static bool began_here(const struct near *near, struct str blob)
{
    const struct mesh *mesh = &near->answer.mesh;
    struct call call;
    struct call_ids ids;
    while (blob.len && calls_unpack_one(&blob, &call, &ids)) {
        if (call.fault != FAULT_ORIGIN)
            continue;
        uint32_t caller = mesh_find(mesh, (int64_t)ids.caller);
        uint32_t callee = mesh_find(mesh, (int64_t)ids.callee);
        if (caller != UINT32_MAX && callee != UINT32_MAX &&
            near->answer.node_of[mesh_same(mesh, caller)] == near->caller &&
            near->answer.node_of[mesh_same(mesh, callee)] == near->callee)
            return true;
    }
    return false;
}

static int find_reasons(struct near *near, struct err *err)
{
    sqlite3_stmt *select;
    int64_t before;
    int code;
    if (query_trace_no_before(near->answer.mesh.query, near->answer.window.to_ns, &before, err) ||
        query_begin(near->answer.mesh.query,
                    "SELECT n.text, t.calls FROM (SELECT origin_reason, calls, start_ns FROM "
                    "trace_row WHERE trace_no < ?2 AND error_count > 0 "
                    "ORDER BY trace_no DESC LIMIT ?1) t "
                    "JOIN name n ON n.id = t.origin_reason WHERE t.start_ns >= ?3",
                    &select, err))
        return err->code;
    sqlite3_bind_int64(select, 1, REASON_TRACES);
    sqlite3_bind_int64(select, 2, before);
    sqlite3_bind_int64(select, 3, (int64_t)near->answer.window.from_ns);
    while ((code = sqlite3_step(select)) == SQLITE_ROW) {
        struct str blob = {sqlite3_column_blob(select, 1), (size_t)sqlite3_column_bytes(select, 1)};
        if (began_here(near, blob))
            add_reason(near, column_str(select, 0));
    }
    return query_end(near->answer.mesh.query, select, code, err);
}

/* ---- JSON ---- */

static void edges_json(const struct near *near, struct buf *out)
{
    const struct graph_answer *answer = &near->answer;
    bool first = true;
    buf_add_c(out, ",\"edges\":[");
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        if (answer->edges[i].caller != near->caller || answer->edges[i].callee != near->callee)
            continue;
        if (!first)
            buf_add_char(out, ',');
        first = false;
        graph_edge_json(answer, &answer->edges[i], out);
    }
    buf_add_char(out, ']');
}

static void others_json(const struct near *near, struct buf *out)
{
    const struct graph_answer *answer = &near->answer;
    bool first = true;
    buf_add_c(out, ",\"others\":[");
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        const struct gedge *edge = &answer->edges[i];
        if (edge->callee != near->callee || edge->caller == near->caller)
            continue;
        buf_add_c(out, first ? "{" : ",{");
        first = false;
        json_member(out, "caller", str_of(answer->nodes[edge->caller].id));
        traffic_json(&edge->now, out);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

static void reasons_json(const struct near *near, struct buf *out)
{
    buf_add_c(out, ",\"reasons\":[");
    for (uint32_t i = 0; i < near->n_reasons; i++) {
        buf_add_c(out, i ? ",{" : "{");
        json_member(out, "reason", str_of(near->reasons[i].text));
        json_number_member(out, "n", near->reasons[i].n);
        buf_add_char(out, '}');
    }
    buf_addf(out, "],\"reasons_of\":%u", near->n_failed);
}

static void near_json(const struct near *near, struct buf *out)
{
    const struct graph_answer *answer = &near->answer;
    buf_add_char(out, '{');
    graph_head_json(answer, out);
    buf_add_c(out, ",\"caller\":");
    graph_node_json(answer, &answer->nodes[near->caller], out);
    buf_add_c(out, ",\"callee\":");
    graph_node_json(answer, &answer->nodes[near->callee], out);
    edges_json(near, out);
    buf_add_c(out, ",\"series\":{");
    steps_json(&near->steps, out);
    counts_json("calls", &near->steps, near->series->calls, out);
    counts_json("began", &near->steps, near->series->began, out);
    counts_json("passed", &near->steps, near->series->passed, out);
    latency_json("p95_ns", &near->steps, near->series, 0.95, out);
    buf_add_char(out, '}');
    slices_json("caller_versions", &near->callers, out);
    slices_json("callee_versions", &near->callees, out);
    others_json(near, out);
    reasons_json(near, out);
    buf_add_char(out, '}');
}

static bool find_ends(struct near *near, struct str caller, struct str callee)
{
    const struct graph_answer *answer = &near->answer;
    near->caller = graph_find_node(answer, caller);
    near->callee = graph_find_node(answer, callee);
    for (uint32_t i = 0; i < answer->n_edges && near->caller != UINT32_MAX; i++) {
        if (answer->edges[i].caller == near->caller && answer->edges[i].callee == near->callee)
            return true;
    }
    return false;
}

int query_edge_json(struct query *query, struct window window, struct str caller, struct str callee,
                    struct buf *out, struct err *err)
{
    struct near *near = calloc(1, sizeof(*near));
    if (!near || !(near->series = series_new(true))) {
        free(near);
        return err_set(err, ERR_BUSY, "memory is short");
    }
    window = window_of_minutes(window);
    uint64_t length_ns = window.to_ns - window.from_ns;
    struct window base = {window.from_ns > length_ns ? window.from_ns - length_ns : 0,
                          window.from_ns};
    steps_init(&near->steps, window);
    if (!graph_load(&near->answer, query, LEVEL_SERVICE, window, base, err)) {
        if (!find_ends(near, caller, callee))
            err_set(err, ERR_NOT_FOUND, "no call from %.*s to %.*s in this window",
                    (int)(caller.len < 120 ? caller.len : 120), caller.p ? caller.p : "",
                    (int)(callee.len < 120 ? callee.len : 120), callee.p ? callee.p : "");
        else if (!graph_examples(&near->answer, err) && !look_near(near, err) &&
                 !find_reasons(near, err))
            near_json(near, out);
    }
    graph_fini(&near->answer);
    slices_fini(&near->callers);
    slices_fini(&near->callees);
    series_free(near->series);
    free(near);
    return err->code;
}
