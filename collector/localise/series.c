/* series.c - what of a service's trouble is its own, who stands first, and the answer. */
#include "collector/localise/series.h"

#include <math.h>
#include <stdlib.h>

#include "collector/localise/drift.h"
#include "collector/localise/metrics.h"
#include "collector/localise/series_work.h"
#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

/* ---- who is to blame ---- */

static void weigh_errors(struct mesh *mesh, struct end *end)
{
    double own[2];
    for (int t = 0; t < 2; t++)
        own[t] = fmax(0, end->in.failed[t] - SERIES_CARRIED * end->down[t]);
    if (end->in.calls[0] <= 0 || end->in.calls[1] <= 0)
        return;
    double rise = own[1] / end->in.calls[1] - own[0] / end->in.calls[0];
    end->errors = fmax(0, rise);
    end->errors_z = two_proportions(own[0], end->in.calls[0], own[1], end->in.calls[1]);
    if (mesh->entries.calls[1] > 0)
        end->spoilt_errors = end->errors * end->in.calls[1] / mesh->entries.calls[1];
}

/* Growth of a visit by each callee: its calls a visit × its own growth. */
static void find_worst_callees(struct mesh *mesh)
{
    for (uint32_t i = 0; i < mesh->n_edges; i++) {
        const struct edge *edge = &mesh->edges[i];
        struct end *caller = &mesh->ends[edge->caller];
        if (caller->in.calls[1] <= 0 || edge->sums.timed[0] <= 0)
            continue;
        double calls = edge->sums.calls[1] / caller->in.calls[1];
        double more = calls * (mean_ns(&edge->sums, 1) - mean_ns(&edge->sums, 0));
        caller->worst_ns = fmax(caller->worst_ns, more);
    }
}

/* What the means of normal minutes scatter by. */
static double spread_of(struct mesh *mesh, uint32_t at)
{
    double *means = calloc(mesh->n_minutes + 1, sizeof(*means)), spread = 0;
    uint32_t n = 0;
    if (!means) {
        mesh->memory_short = true;
        return 0;
    }
    for (uint32_t i = 0; i < mesh->n_minutes; i++) {
        size_t cell = (size_t)at * mesh->n_minutes + i;
        if (time_of(mesh->diagnosis, mesh->first_minute + i) == 0 && mesh->minute_n[cell] > 0)
            means[n++] = mesh->minute_ns[cell] / mesh->minute_n[cell];
    }
    if (n < SERIES_LEAST) {
        spread = SERIES_OF_MEAN * mean_ns(&mesh->ends[at].in, 0) + SERIES_FLOOR_NS;
    } else {
        double median = median_of(means, n);
        for (uint32_t i = 0; i < n; i++)
            means[i] = fabs(means[i] - median);
        spread = METRIC_MAD * median_of(means, n) + METRIC_OF_MEDIAN * median + SERIES_FLOOR_NS;
    }
    free(means);
    return spread;
}

static void weigh_time(struct mesh *mesh, uint32_t at)
{
    struct end *end = &mesh->ends[at];
    double was = mean_ns(&end->in, 0), is = mean_ns(&end->in, 1), more = is - was;
    double spread = spread_of(mesh, at);
    if (was <= 0 || more <= 0 || spread <= 0)
        return;
    double explained = fmin(1, fmax(0, end->worst_ns) / more);
    end->own_ns = more * (1 - explained);
    end->slow = log(is / was) * (1 - explained);
    end->slow_z = end->own_ns / spread;
    double normal_ns = mesh->entries.calls[1] * mean_ns(&mesh->entries, 0);
    if (normal_ns > 0)
        end->spoilt_time = end->own_ns * end->in.calls[1] / normal_ns;
}

/* What grew hardly more than half of all did is a hint: see drift.c. */
static void leave_drift(struct mesh *mesh)
{
    double *growths = arena_alloc(mesh->arena, (mesh->n_ends + 1) * sizeof(*growths));
    uint32_t n = 0;
    mesh->memory_short = mesh->memory_short || !growths;
    for (uint32_t i = 0; i < mesh->n_ends && growths; i++) {
        const struct sums *in = &mesh->ends[i].in;
        if (in->timed[0] >= MIN_TIMES && in->timed[1] >= MIN_TIMES)
            growths[n++] = mesh->ends[i].slow;
    }
    double growth = growths ? drift_growth(growths, n) : 0;
    for (uint32_t i = 0; i < mesh->n_ends; i++) {
        struct end *end = &mesh->ends[i];
        double beyond = drift_beyond(end->slow, growth);
        end->slow *= beyond;
        end->spoilt_time *= beyond;
    }
}

/* What its callers suffered of it, its callees' part and all. */
static void measure_impact(const struct mesh *mesh, struct end *end)
{
    double failed =
        end->in.calls[0] > 0 && end->in.calls[1] > 0
            ? end->in.failed[1] / end->in.calls[1] - end->in.failed[0] / end->in.calls[0]
            : 0;
    double more = mean_ns(&end->in, 1) - mean_ns(&end->in, 0), time = mean_ns(&mesh->entries, 0);
    if (mesh->entries.calls[1] <= 0)
        return;
    double visits = end->in.calls[1] / mesh->entries.calls[1];
    end->impact = visits * fmax(0, failed);
    if (time > 0 && end->in.timed[0] > 0)
        end->impact += visits * fmax(0, more) / time;
}

/* ---- the answer ---- */

static bool fails(const struct end *end)
{
    return end->errors_z > SIGNIFICANT_Z && end->spoilt_errors >= SIGNIFICANT_VALUE;
}

bool slows(const struct end *end)
{
    return end->slow_z > SIGNIFICANT_Z && end->spoilt_time >= SIGNIFICANT_VALUE;
}

static void add_evidence(struct suspect *suspect, const struct evidence *evidence)
{
    suspect->evidence[suspect->n_evidence++] = *evidence;
}

static void tell_errors(struct work *work, const struct end *end, struct suspect *suspect)
{
    double was = end->in.calls[0] > 0 ? end->in.failed[0] / end->in.calls[0] : 0;
    double is = end->in.calls[1] > 0 ? end->in.failed[1] / end->in.calls[1] : 0;
    double down = end->in.failed[1] > 0 ? fmin(1, end->down[1] / end->in.failed[1]) : 0;
    struct str carried = down > 0.01 ? say(work, ", of which it saw %.*s fail downstream itself",
                                           STR_ARG(say_share(work, down)))
                                     : STR("");
    struct evidence evidence = {
        .kind = EVIDENCE_ERRORS,
        .metric = end->of_cluster ? STR("envoy_cluster_upstream_rq") : STR("istio_requests_total"),
        .unit = UNIT_RATIO,
        .baseline = was,
        .observed = is,
        .deviation = end->errors_z,
        .text = say(work, "%.*s of the calls to %.*s fail%s%.*s (normal %.*s)%.*s",
                    STR_ARG(say_share(work, is)), STR_ARG(end->node.service),
                    end->reason.len ? ", most with " : "", STR_ARG(end->reason),
                    STR_ARG(say_share(work, was)), STR_ARG(carried))};
    add_evidence(suspect, &evidence);
}

static void tell_time(const struct mesh *mesh, struct work *work, const struct end *end,
                      struct suspect *suspect)
{
    double was = mean_ns(&end->in, 0), is = mean_ns(&end->in, 1);
    struct str own =
        say(work, ", of which %.*s more are its own", STR_ARG(say_ns(work, end->own_ns)));
    struct evidence evidence = {
        .kind = EVIDENCE_SELF_TIME,
        .metric = end->of_cluster ? STR("envoy_cluster_upstream_rq_time")
                                  : STR("istio_request_duration_milliseconds"),
        .unit = UNIT_NS,
        .baseline = was,
        .observed = is,
        .deviation = end->slow_z,
        .text = say(work, "calls to %.*s take %.*s → %.*s%.*s", STR_ARG(end->node.service),
                    STR_ARG(say_ns(work, was)), STR_ARG(say_ns(work, is)),
                    STR_ARG(mesh->input->list->nameless ? STR("") : own))};
    add_evidence(suspect, &evidence);
}

/* Through whom most of it reaches users, from the entry on. */
static void write_effects(const struct mesh *mesh, uint32_t at, struct suspect *suspect)
{
    uint32_t path[MAX_EFFECTS], n = 0, from = at;
    while (n < MAX_EFFECTS) {
        double most = 0;
        uint32_t caller = NO_NODE;
        for (uint32_t i = 0; i < mesh->n_edges; i++) {
            const struct edge *edge = &mesh->edges[i];
            bool seen = edge->caller == at;
            for (uint32_t k = 0; k < n && !seen; k++)
                seen = path[k] == edge->caller;
            if (edge->callee != from || seen || !mesh->ends[edge->caller].node.service.len ||
                edge->sums.calls[1] <= most)
                continue;
            most = edge->sums.calls[1];
            caller = edge->caller;
        }
        if (caller == NO_NODE)
            break;
        path[n++] = from = caller;
    }
    while (n > 0)
        suspect->effects[suspect->n_effects++] = mesh->ends[path[--n]].node;
}

static void write_suspect(struct mesh *mesh, struct work *work, uint32_t at,
                          struct suspect *suspect)
{
    const struct end *end = &mesh->ends[at];
    double z = suspect->significant ? SIGNIFICANT_Z : 0;
    bool errors = end->errors > 0 && end->errors_z > z, time = end->slow > 0 && end->slow_z > z;
    suspect->level = mesh->input->level == SUSPECT_VERSION ? SUSPECT_VERSION : SUSPECT_SERVICE;
    suspect->node = end->node;
    if (time && end->spoilt_time > end->spoilt_errors)
        tell_time(mesh, work, end, suspect);
    if (errors)
        tell_errors(work, end, suspect);
    if (time && !(end->spoilt_time > end->spoilt_errors))
        tell_time(mesh, work, end, suspect);
    suspect->reason = suspect->n_evidence ? suspect->evidence[0].text : STR("");
    write_effects(mesh, at, suspect);
}

struct place {
    uint32_t end;
    double score;
    bool significant;
    const struct node_text *node;
};

static int by_rank(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->significant != y->significant)
        return x->significant ? -1 : 1;
    if (x->score != y->score)
        return x->score < y->score ? 1 : -1;
    int order = str_cmp(x->node->service, y->node->service);
    order = order ? order : str_cmp(x->node->namespace, y->node->namespace);
    return order ? order : str_cmp(x->node->version, y->node->version);
}

static uint32_t score_all(const struct mesh *mesh, struct place *places)
{
    double most = 0, weakest = INFINITY;
    uint32_t n = 0;
    for (uint32_t i = 0; i < mesh->n_ends; i++)
        most = fmax(most, mesh->ends[i].impact);
    for (uint32_t i = 0; i < mesh->n_ends && most > 0; i++) {
        const struct end *end = &mesh->ends[i];
        struct place place = {.end = i, .node = &end->node};
        place.score = (fails(end) ? end->errors : 0) + (slows(end) ? end->slow : 0);
        place.significant = place.score > 0;
        if (!place.significant)
            place.score = end->errors + end->slow;
        place.score *= end->impact / most;
        if (place.significant)
            weakest = fmin(weakest, place.score);
        if (place.score > 0 && end->node.service.len)
            places[n++] = place;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!places[i].significant)
            places[i].score = fmin(places[i].score, HINT_SHARE * weakest);
    }
    qsort(places, n, sizeof(*places), by_rank);
    return n;
}

static bool write_suspects(struct mesh *mesh, struct diagnosis *diagnosis)
{
    struct work work = {.arena = mesh->arena};
    struct place *places = arena_calloc(mesh->arena, (mesh->n_ends + 1) * sizeof(*places));
    if (!places)
        return false;
    uint32_t all = score_all(mesh, places), n = all;
    n = n < mesh->input->limit ? n : mesh->input->limit;
    diagnosis->suspects = arena_calloc(mesh->arena, (n + 1) * sizeof(*diagnosis->suspects));
    if (!diagnosis->suspects)
        return false;
    diagnosis->n_suspects = n;
    diagnosis->verdict = n && places[0].significant ? VERDICT_INCIDENT : VERDICT_NOTHING;
    for (uint32_t i = 0; i < n; i++) {
        struct suspect *suspect = &diagnosis->suspects[i];
        double rival = i > 0 ? places[0].score : all > 1 ? places[1].score : 0;
        suspect->rank = i + 1;
        suspect->score = places[i].score;
        suspect->significant = places[i].significant;
        suspect->confidence = suspect_confidence(diagnosis, suspect, rival);
        write_suspect(mesh, &work, places[i].end, suspect);
    }
    return !work.memory_short;
}

static void write_requests(const struct mesh *mesh, struct diagnosis *diagnosis)
{
    struct request_numbers *numbers[2] = {&diagnosis->baseline, &diagnosis->now};
    for (int t = 0; t < 2; t++)
        *numbers[t] = (struct request_numbers){.n = llround(mesh->entries.calls[t]),
                                               .failed = llround(mesh->entries.failed[t]),
                                               .mean_ns = mean_ns(&mesh->entries, t),
                                               .p95_ns = UINT64_MAX};
}

static bool measure(struct mesh *mesh)
{
    if (!mesh_fill(mesh))
        return false;
    find_worst_callees(mesh);
    for (uint32_t i = 0; i < mesh->n_ends; i++) {
        weigh_errors(mesh, &mesh->ends[i]);
        weigh_time(mesh, i);
        measure_impact(mesh, &mesh->ends[i]);
    }
    leave_drift(mesh);
    return !mesh->memory_short;
}

bool localise_series(const struct series_input *input, struct arena *arena,
                     struct diagnosis *diagnosis)
{
    struct mesh mesh = {.input = input, .arena = arena, .diagnosis = diagnosis};
    bool good = measure(&mesh);
    if (good)
        write_requests(&mesh, diagnosis);
    int64_t was = diagnosis->baseline.n, is = diagnosis->now.n, least = was < is ? was : is;
    diagnosis->n_suspects = 0;
    if (input->symptom)
        *input->symptom = (struct series_symptom){.n_minutes = 0};
    if (good && least < input->min_requests) {
        diagnosis->verdict = VERDICT_NOT_ENOUGH;
        diagnosis->need_requests = input->min_requests - least;
    } else if (good) {
        diagnosis->need_requests = 0;
        good = write_suspects(&mesh, diagnosis);
        if (good && diagnosis->verdict == VERDICT_INCIDENT)
            good = find_onset(&mesh, diagnosis);
        if (good && input->symptom)
            find_symptom(&mesh, input->symptom);
    }
    free(mesh.minute_n);
    free(mesh.minute_ns);
    map_fini(&mesh.end_map);
    map_fini(&mesh.edge_map);
    return good;
}
