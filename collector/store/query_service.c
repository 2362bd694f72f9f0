/* query_service.c - one service: rate, failures and latency over time and by version, callers and
 * callees; and the list of all. API: red, service.
 */
#include "collector/store/query_service.h"

#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/model/comparison.h"

#define MOST_COMPARED_NS (24 * 60 * NS_PER_MINUTE)

/* ---- every service ---- */

struct red {
    struct graph_answer answer;
    struct steps steps;
    int64_t *failed; /* calls it got, by node and step */
};

static void add_failed(struct mesh *mesh, const struct mesh_row *row, void *ctx)
{
    struct red *red = ctx;
    const struct mesh_edge *edge = &mesh->edges[row->edge];
    uint32_t step = steps_at(&red->steps, row->minute);
    if (edge->mine == UINT32_MAX || step >= red->steps.n)
        return;
    uint32_t callee = red->answer.edges[edge->mine].callee;
    red->failed[(size_t)callee * red->steps.n + step] += row->began + row->passed;
}

static bool is_listed(const struct gnode *node)
{
    return node->role == ROLE_WORKLOAD || node->role == ROLE_GATEWAY;
}

static void red_json(const struct red *red, struct buf *out)
{
    bool first = true;
    buf_add_char(out, '{');
    graph_head_json(&red->answer, out);
    buf_add_c(out, ",\"step_ns\":");
    buf_add_u64(out, red->steps.minutes * NS_PER_MINUTE);
    buf_add_c(out, ",\"items\":[");
    for (uint32_t i = 0; i < red->answer.n_nodes; i++) {
        if (!is_listed(&red->answer.nodes[i]))
            continue;
        if (!first)
            buf_add_char(out, ',');
        first = false;
        graph_node_json(&red->answer, &red->answer.nodes[i], out);
        out->len--; /* the item goes on */
        counts_json("failed", &red->steps, red->failed + (size_t)i * red->steps.n, out);
        buf_add_char(out, '}');
    }
    buf_add_c(out, "]}");
}

int query_red_json(struct query *query, struct window window, struct buf *out, struct err *err)
{
    struct red *red = calloc(1, sizeof(*red));
    if (!red)
        return err_set(err, ERR_BUSY, "memory is short");
    steps_init(&red->steps, window);
    if (!graph_load(&red->answer, query, LEVEL_SERVICE, window, (struct window){0, 0}, err)) {
        red->failed =
            calloc((size_t)(red->answer.n_nodes + 1) * red->steps.n + 1, sizeof(*red->failed));
        if (!red->failed)
            err_set(err, ERR_BUSY, "memory is short");
        else if (!mesh_rows(&red->answer.mesh, window, add_failed, red, err))
            red_json(red, out);
    }
    free(red->failed);
    graph_fini(&red->answer);
    free(red);
    return err->code;
}

/* ---- one ---- */

static bool is_named(const struct mesh_node *node, const struct service_question *question)
{
    const struct str parts[3] = {question->cluster, question->namespace, question->service};
    static const int texts[3] = {CLUSTER, NAMESPACE, SERVICE};
    for (int i = 0; i < 3; i++) {
        if (parts[i].len && !str_eq(parts[i], str_of(node->text[texts[i]])))
            return false;
    }
    return true;
}

/* Of several of a name (a workload and the external of its host) the one that is called most. */
static uint32_t find_service(const struct graph_answer *answer,
                             const struct service_question *question)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < answer->n_nodes; i++) {
        const struct gnode *node = &answer->nodes[i];
        if (!is_named(node->node, question))
            continue;
        if (best == UINT32_MAX || node->in.calls > answer->nodes[best].in.calls)
            best = i;
    }
    return best;
}

static void add_to_version(struct service *service, const struct mesh_node *node, bool into,
                           const struct mesh_edge *edge, const struct mesh_row *row, uint32_t step)
{
    struct slice *slice = slice_of_version(&service->versions, node);
    if (!slice)
        return;
    if (!slice->series)
        slice->series = series_new(true);
    int64_t unreached = edge->known_by == KNOWN_CALLER_ONLY ? row->began : 0;
    if (into) {
        traffic_add_row(&slice->traffic, row, edge->known_by);
        if (slice->series) {
            series_add(slice->series, step, row);
            slice->series->began[step] -= unreached;
        }
        return;
    }
    if (slice->series) {
        slice->series->began[step] += unreached;
        slice->series->unreached[step] += unreached;
    }
}

static void add_row(struct mesh *mesh, const struct mesh_row *row, void *ctx)
{
    struct service *service = ctx;
    const struct mesh_edge *edge = &mesh->edges[row->edge];
    uint32_t step = steps_at(&service->steps, row->minute);
    if (edge->mine == UINT32_MAX || step >= service->steps.n)
        return;
    const struct gedge *ours = &service->answer.edges[edge->mine];
    int64_t unreached = edge->known_by == KNOWN_CALLER_ONLY ? row->began : 0;
    if (ours->callee == service->node) {
        series_add(service->calls, step, row);
        service->began->began[step] += row->began - unreached;
        service->began->passed[step] += row->passed;
        add_to_version(service, &mesh->nodes[edge->callee], true, edge, row, step);
    }
    if (ours->caller == service->node) {
        service->began->began[step] += unreached;
        service->began->unreached[step] += unreached;
        add_to_version(service, &mesh->nodes[edge->caller], false, edge, row, step);
    }
}

/* See graph_passed(). */
static void net_of_unreached(struct series *series)
{
    for (uint32_t i = 0; series && i <= MOST_STEPS; i++)
        series->passed[i] = graph_passed(series->passed[i], series->unreached[i]);
}

static int look_near(struct service *service, struct err *err)
{
    struct mesh *mesh = &service->answer.mesh;
    int64_t *rows = calloc(mesh->n_edges + 1, sizeof(*rows));
    uint32_t n = 0;
    if (!rows)
        return err_set(err, ERR_BUSY, "memory is short");
    for (uint32_t i = 0; i < mesh->n_edges; i++) {
        if (mesh->edges[i].mine == UINT32_MAX)
            continue;
        const struct gedge *ours = &service->answer.edges[mesh->edges[i].mine];
        if (ours->callee == service->node || ours->caller == service->node)
            rows[n++] = mesh->edges[i].row;
    }
    struct mesh_rows_to to = {add_row, service};
    mesh_rows_of(mesh, service->answer.window, rows, n, to, err);
    free(rows);
    net_of_unreached(service->began);
    for (uint32_t i = 0; i < service->versions.n; i++)
        net_of_unreached(service->versions.items[i].series);
    return err->code;
}

/* ---- JSON ---- */

static void ends_json(const struct service *service, bool callers, struct buf *out)
{
    const struct graph_answer *answer = &service->answer;
    bool first = true;
    buf_add_c(out, callers ? ",\"callers\":[" : ",\"callees\":[");
    for (uint32_t i = 0; i < answer->n_edges; i++) {
        const struct gedge *edge = &answer->edges[i];
        if ((callers ? edge->callee : edge->caller) != service->node)
            continue;
        if (!first)
            buf_add_char(out, ',');
        first = false;
        graph_edge_json(answer, edge, out);
    }
    buf_add_char(out, ']');
}

static int64_t total(const int64_t *counts, const struct steps *steps)
{
    int64_t n = 0;
    for (uint32_t i = 0; i < steps->n; i++)
        n += counts[i];
    return n;
}

static void versions_json(const struct service *service, struct buf *out)
{
    buf_add_c(out, ",\"versions\":[");
    for (uint32_t i = 0; i < service->versions.n; i++) {
        const struct slice *slice = &service->versions.items[i];
        const struct series *series = slice->series;
        buf_add_c(out, i ? ",{" : "{");
        slice_json(slice, out);
        json_number_member(out, "began", series ? total(series->began, &service->steps) : 0);
        json_number_member(out, "passed", series ? total(series->passed, &service->steps) : 0);
        if (slice->series)
            counts_json("series", &service->steps, slice->series->calls, out);
        buf_add_char(out, '}');
    }
    buf_add_char(out, ']');
}

/* ---- two versions side by side ---- */

static bool took_calls(const struct service *service, struct str version)
{
    for (uint32_t i = 0; i < service->versions.n; i++) {
        const struct slice *slice = &service->versions.items[i];
        if (slice->traffic.calls && str_eq(str_of(slice->name), version))
            return true;
    }
    return false;
}

/* Those that were asked for, or any two. */
static bool has_two_versions(const struct service *service)
{
    const struct service_question *question = service->question;
    uint32_t n = 0;
    if (question->baseline.len || question->candidate.len)
        return took_calls(service, question->baseline) && took_calls(service, question->candidate);
    for (uint32_t i = 0; i < service->versions.n; i++)
        n += service->versions.items[i].traffic.calls > 0;
    return n > 1;
}

/* Calls that failed, and those of them that it passed on. NULL when memory is short: then they are
 * not told apart. */
static struct version_failures *failures_of(const struct service *service)
{
    const struct slices *versions = &service->versions;
    struct version_failures *failures = calloc(versions->n + 1, sizeof(*failures));
    for (uint32_t i = 0; failures && i < versions->n; i++) {
        const struct slice *slice = &versions->items[i];
        failures[i].version = str_of(slice->name);
        failures[i].failed = slice->traffic.began + slice->traffic.passed;
        failures[i].passed = slice->series ? total(slice->series->passed, &service->steps) : 0;
    }
    return failures;
}

/* Of a long window the last day. */
static int compare_json(const struct service *service, struct buf *out, struct err *err)
{
    const struct service_question *question = service->question;
    struct window window = service->answer.window;
    buf_add_c(out, ",\"compare\":");
    if (!question->compare || !has_two_versions(service)) {
        buf_add_c(out, "null");
        return 0;
    }
    struct comparison_request request = {.cluster = question->cluster,
                                         .namespace = question->namespace,
                                         .service = question->service,
                                         .baseline = question->baseline,
                                         .candidate = question->candidate,
                                         .from_ns = window.from_ns,
                                         .to_ns = window.to_ns,
                                         .min_calls = question->min_calls};
    if (request.to_ns - request.from_ns > MOST_COMPARED_NS)
        request.from_ns = request.to_ns - MOST_COMPARED_NS;
    struct version_failures *failures = failures_of(service);
    request.failures = failures;
    request.n_failures = service->versions.n;
    /* The roll-ups are kept for another time than the edges: there may be none. */
    int code = question->compare(service->answer.mesh.query, &request, out, err);
    free(failures);
    if (code != ERR_NOT_FOUND)
        return code;
    *err = (struct err){0};
    buf_add_c(out, "null");
    return 0;
}

/* ---- the whole ---- */

static uint64_t first_seen(const struct service *service)
{
    const struct mesh *mesh = &service->answer.mesh;
    uint32_t same =
        (uint32_t)(service->answer.nodes[service->node].node - service->answer.mesh.nodes);
    uint64_t first_ns = UINT64_MAX;
    for (uint32_t i = 0; i < mesh->n_nodes; i++) {
        if (mesh_same(mesh, i) == same && mesh->nodes[i].first_seen_ns < first_ns)
            first_ns = mesh->nodes[i].first_seen_ns;
    }
    return first_ns;
}

/* What it got in the base window, of the calls that it still gets. */
static bool was_json(const struct service *service, struct buf *out)
{
    const struct graph_answer *answer = &service->answer;
    struct traffic was = {0};
    bool good = true;
    for (uint32_t i = 0; i < answer->n_edges && good; i++) {
        if (answer->edges[i].callee == service->node)
            good = traffic_merge(&was, &answer->edges[i].was);
    }
    buf_add_c(out, ",\"was\":{");
    traffic_json(&was, out);
    buf_add_char(out, '}');
    traffic_fini(&was);
    return good;
}

static int service_json(const struct service *service, struct buf *out, struct err *err)
{
    const struct graph_answer *answer = &service->answer;
    buf_add_char(out, '{');
    graph_head_json(answer, out);
    buf_add_c(out, ",\"service\":");
    graph_node_json(answer, &answer->nodes[service->node], out);
    if (!was_json(service, out))
        return err_set(err, ERR_BUSY, "memory is short");
    buf_add_c(out, ",\"first_seen\":\"");
    buf_add_time(out, first_seen(service));
    buf_add_c(out, "\",\"series\":{");
    steps_json(&service->steps, out);
    counts_json("calls", &service->steps, service->calls->calls, out);
    counts_json("began", &service->steps, service->began->began, out);
    counts_json("passed", &service->steps, service->began->passed, out);
    latency_json("p50_ns", &service->steps, service->calls, 0.50, out);
    latency_json("p95_ns", &service->steps, service->calls, 0.95, out);
    latency_json("p99_ns", &service->steps, service->calls, 0.99, out);
    buf_add_char(out, '}');
    versions_json(service, out);
    ends_json(service, true, out);
    ends_json(service, false, out);
    return compare_json(service, out, err);
}

static void service_free(struct service *service)
{
    slices_fini(&service->versions);
    series_free(service->calls);
    series_free(service->began);
    graph_fini(&service->answer);
    free(service);
}

int query_service_json(struct query *query, struct window window, struct window base,
                       const struct service_question *question, struct buf *out, struct err *err)
{
    struct service *service = calloc(1, sizeof(*service));
    struct str name = question->service;
    if (!service)
        return err_set(err, ERR_BUSY, "memory is short");
    service->question = question;
    service->calls = series_new(true);
    service->began = series_new(false);
    steps_init(&service->steps, window);
    if (!service->calls || !service->began) {
        err_set(err, ERR_BUSY, "memory is short");
    } else if (!graph_load(&service->answer, query, LEVEL_SERVICE, window, base, err)) {
        service->node = find_service(&service->answer, question);
        if (service->node == UINT32_MAX)
            err_set(err, ERR_NOT_FOUND, "no calls of a service %.*s in this window",
                    (int)(name.len < 120 ? name.len : 120), name.p ? name.p : "");
        else if (!look_near(service, err)) {
            if (!service_json(service, out, err) && !service_insides_json(service, out, err))
                buf_add_char(out, '}');
        }
    }
    service_free(service);
    return err->code;
}
