/* series.c - nodes and edges from series, what each suffered and did, who stands first. */
#include "collector/localise/series.h"

#include <math.h>
#include <stdlib.h>

#include "collector/base/clock.h"
#include "collector/base/hash.h"
#include "collector/base/map.h"
#include "collector/localise/onset.h"
#include "collector/localise/statistics.h"
#include "collector/localise/work.h"

#define NO_NODE UINT32_MAX
#define MOST_CELLS (1u << 22) /* nodes × minutes */

/* Sums of normal times and of now. */
struct sums {
    double calls[2], failed[2], timed[2], ns[2];
};

enum side { SIDE_CALLER, SIDE_CALLEE, N_SIDES };

struct edge {
    uint32_t caller, callee;
    struct sums of[N_SIDES]; /* as either end's proxy saw them */
    struct sums sums;        /* as the surer saw them */
    bool calls_by_caller, times_by_caller;
};

struct end {
    struct node_text node;
    struct sums in;    /* calls to it */
    double down[2];    /* failures that it saw downstream */
    double worst_ns;   /* most that the growth of one callee took of one visit */
    struct str reason; /* of most of now's failures */
    double reason_n;
    double errors, errors_z; /* rise of the share of calls that fail of its own */
    double slow, slow_z;     /* log of its own slowdown */
    double own_ns;           /* growth of a visit that is its own */
    double impact;
    double spoilt_errors, spoilt_time; /* of the requests, of their time */
};

struct mesh {
    const struct series_input *input;
    struct arena *arena;
    const struct diagnosis *diagnosis;
    struct end *ends;
    struct edge *edges;
    uint32_t n_ends, cap_ends, n_edges, cap_edges;
    struct map end_map, edge_map;
    uint64_t first_minute;
    uint32_t n_minutes;
    double *minute_n, *minute_ns; /* times of calls to each end, by end and minute */
    struct sums entries;
    bool memory_short;
};

/* ---- what is there ---- */

static bool grow(struct mesh *mesh, void *items, uint32_t n, uint32_t *cap, size_t size)
{
    void **at = items, *grown;
    if (n < *cap)
        return true;
    uint32_t more = *cap ? 2 * *cap : 64;
    grown = arena_calloc(mesh->arena, more * size);
    if (!grown) {
        mesh->memory_short = true;
        return false;
    }
    if (n)
        memcpy(grown, *at, n * size);
    *at = grown;
    *cap = more;
    return true;
}

static bool same_node(const struct node_text *a, const struct node_text *b)
{
    return str_eq(a->service, b->service) && str_eq(a->version, b->version) &&
           str_eq(a->namespace, b->namespace) && str_eq(a->cluster, b->cluster);
}

static uint32_t end_of(struct mesh *mesh, const struct node_text *text)
{
    struct node_text node = *text;
    if (mesh->input->level != SUSPECT_VERSION)
        node.version = STR_NONE;
    uint64_t hash = hash_mix(hash_mix(hash_str(node.service), hash_str(node.namespace)),
                             hash_mix(hash_str(node.version), hash_str(node.cluster)));
    for (struct map_iter it = map_find(&mesh->end_map, hash); map_next(&mesh->end_map, &it);) {
        if (same_node(&mesh->ends[it.value].node, &node))
            return it.value;
    }
    if (!grow(mesh, &mesh->ends, mesh->n_ends, &mesh->cap_ends, sizeof(*mesh->ends)) ||
        !map_add(&mesh->end_map, hash, mesh->n_ends)) {
        mesh->memory_short = true;
        return NO_NODE;
    }
    mesh->ends[mesh->n_ends] = (struct end){.node = node};
    return mesh->n_ends++;
}

static struct edge *edge_of(struct mesh *mesh, uint32_t caller, uint32_t callee)
{
    uint64_t hash = hash_u64((uint64_t)caller << 32 | callee);
    for (struct map_iter it = map_find(&mesh->edge_map, hash); map_next(&mesh->edge_map, &it);) {
        struct edge *edge = &mesh->edges[it.value];
        if (edge->caller == caller && edge->callee == callee)
            return edge;
    }
    if (!grow(mesh, &mesh->edges, mesh->n_edges, &mesh->cap_edges, sizeof(*mesh->edges)) ||
        !map_add(&mesh->edge_map, hash, mesh->n_edges)) {
        mesh->memory_short = true;
        return NULL;
    }
    struct edge *edge = &mesh->edges[mesh->n_edges++];
    *edge = (struct edge){.caller = caller, .callee = callee};
    return edge;
}

/* 0 normal, 1 now, −1 neither. A minute that is in both is now's. */
static int time_of(const struct diagnosis *diagnosis, uint64_t minute)
{
    uint64_t at_ns = minute * NS_PER_MINUTE;
    if (at_ns >= diagnosis->from_ns && at_ns < diagnosis->to_ns)
        return 1;
    return at_ns >= diagnosis->baseline_from_ns && at_ns < diagnosis->baseline_to_ns ? 0 : -1;
}

static void count_series(struct mesh *mesh, const struct mesh_series *series)
{
    uint32_t caller = end_of(mesh, &series->caller), callee = end_of(mesh, &series->callee);
    struct edge *edge = mesh->memory_short ? NULL : edge_of(mesh, caller, callee);
    if (!edge)
        return;
    struct sums *sums = &edge->of[series->by_caller ? SIDE_CALLER : SIDE_CALLEE];
    for (uint32_t i = 0; i < series->n; i++) {
        const struct mesh_minute *minute = &series->minutes[i];
        int t = time_of(mesh->diagnosis, minute->minute);
        if (t < 0)
            continue;
        if (series->times) {
            sums->timed[t] += minute->n;
            sums->ns[t] += minute->ns;
        } else {
            sums->calls[t] += minute->n;
            sums->failed[t] += series->failed ? minute->n : 0;
        }
    }
}

/* A caller's proxy sees what does not arrive; where there is none, the callee's word is all. */
static void choose_sides(struct mesh *mesh)
{
    for (uint32_t i = 0; i < mesh->n_edges; i++) {
        struct edge *edge = &mesh->edges[i];
        const struct sums *caller = &edge->of[SIDE_CALLER], *callee = &edge->of[SIDE_CALLEE];
        edge->calls_by_caller = caller->calls[0] + caller->calls[1] > 0;
        edge->times_by_caller = caller->timed[0] + caller->timed[1] > 0;
        const struct sums *calls = edge->calls_by_caller ? caller : callee;
        const struct sums *times = edge->times_by_caller ? caller : callee;
        for (int t = 0; t < 2; t++) {
            edge->sums.calls[t] = calls->calls[t];
            edge->sums.failed[t] = calls->failed[t];
            edge->sums.timed[t] = times->timed[t];
            edge->sums.ns[t] = times->ns[t];
        }
    }
}

/* ---- sums of each end ---- */

static void add_sums(struct sums *into, const struct sums *from)
{
    for (int t = 0; t < 2; t++) {
        into->calls[t] += from->calls[t];
        into->failed[t] += from->failed[t];
        into->timed[t] += from->timed[t];
        into->ns[t] += from->ns[t];
    }
}

static void sum_ends(struct mesh *mesh)
{
    for (uint32_t i = 0; i < mesh->n_edges; i++) {
        const struct edge *edge = &mesh->edges[i];
        add_sums(&mesh->ends[edge->callee].in, &edge->sums);
        for (int t = 0; t < 2; t++)
            mesh->ends[edge->caller].down[t] += edge->sums.failed[t];
    }
}

/* Requests come from outside, or from who is called by nobody (a gateway). */
static void sum_entries(struct mesh *mesh)
{
    for (uint32_t i = 0; i < mesh->n_edges; i++) {
        const struct edge *edge = &mesh->edges[i];
        const struct sums *in = &mesh->ends[edge->caller].in;
        if (in->calls[0] + in->calls[1] <= 0)
            add_sums(&mesh->entries, &edge->sums);
    }
}

static double mean_ns(const struct sums *sums, int t)
{
    return sums->timed[t] > 0 ? sums->ns[t] / sums->timed[t] : 0;
}

static bool sum_minutes(struct mesh *mesh)
{
    const struct diagnosis *d = mesh->diagnosis;
    uint64_t from_ns = d->baseline_from_ns < d->from_ns ? d->baseline_from_ns : d->from_ns;
    mesh->first_minute = from_ns / NS_PER_MINUTE;
    uint64_t n_minutes = d->to_ns / NS_PER_MINUTE + 1 - mesh->first_minute;
    if (n_minutes * mesh->n_ends > MOST_CELLS)
        n_minutes = MOST_CELLS / (mesh->n_ends ? mesh->n_ends : 1);
    mesh->n_minutes = (uint32_t)n_minutes;
    mesh->minute_n = calloc(n_minutes * mesh->n_ends + 1, sizeof(double));
    mesh->minute_ns = calloc(n_minutes * mesh->n_ends + 1, sizeof(double));
    if (!mesh->minute_n || !mesh->minute_ns)
        return false;
    for (uint32_t i = 0; i < mesh->input->list->n; i++) {
        const struct mesh_series *series = &mesh->input->list->items[i];
        uint32_t callee = end_of(mesh, &series->callee);
        const struct edge *edge = edge_of(mesh, end_of(mesh, &series->caller), callee);
        if (!edge || !series->times || series->by_caller != edge->times_by_caller)
            continue;
        for (uint32_t k = 0; k < series->n; k++) {
            uint64_t at = series->minutes[k].minute - mesh->first_minute;
            if (at >= n_minutes)
                continue;
            mesh->minute_n[callee * n_minutes + at] += series->minutes[k].n;
            mesh->minute_ns[callee * n_minutes + at] += series->minutes[k].ns;
        }
    }
    return true;
}

/* The reason that most of now's failures give. */
static void find_reasons(struct mesh *mesh)
{
    for (uint32_t i = 0; i < mesh->input->list->n; i++) {
        const struct mesh_series *series = &mesh->input->list->items[i];
        struct end *callee = &mesh->ends[end_of(mesh, &series->callee)];
        double n = 0;
        for (uint32_t k = 0; k < series->n && series->failed && !series->times; k++)
            n +=
                time_of(mesh->diagnosis, series->minutes[k].minute) == 1 ? series->minutes[k].n : 0;
        if (n > callee->reason_n) {
            callee->reason = series->reason;
            callee->reason_n = n;
        }
    }
}

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

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(double *values, uint32_t n)
{
    qsort(values, n, sizeof(*values), by_value);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
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

static bool slows(const struct end *end)
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
        .metric = STR("istio_requests_total"),
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

static void tell_time(struct work *work, const struct end *end, struct suspect *suspect)
{
    double was = mean_ns(&end->in, 0), is = mean_ns(&end->in, 1);
    struct evidence evidence = {
        .kind = EVIDENCE_SELF_TIME,
        .metric = STR("istio_request_duration_milliseconds"),
        .unit = UNIT_NS,
        .baseline = was,
        .observed = is,
        .deviation = end->slow_z,
        .text = say(work, "calls to %.*s take %.*s → %.*s, of which %.*s more are its own",
                    STR_ARG(end->node.service), STR_ARG(say_ns(work, was)),
                    STR_ARG(say_ns(work, is)), STR_ARG(say_ns(work, end->own_ns)))};
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
        tell_time(work, end, suspect);
    if (errors)
        tell_errors(work, end, suspect);
    if (time && !(end->spoilt_time > end->spoilt_errors))
        tell_time(work, end, suspect);
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

/* Since when: from the minutes of what came in. */
static bool find_onset(struct mesh *mesh, struct diagnosis *diagnosis)
{
    struct request_minute *rows = calloc(mesh->n_minutes + 1, sizeof(*rows));
    size_t n = 0;
    if (!rows)
        return false;
    for (uint32_t i = 0; i < mesh->input->list->n; i++) {
        const struct mesh_series *series = &mesh->input->list->items[i];
        uint32_t caller = end_of(mesh, &series->caller);
        const struct edge *edge = edge_of(mesh, caller, end_of(mesh, &series->callee));
        const struct sums *in = &mesh->ends[caller].in;
        bool surer =
            series->by_caller == (series->times ? edge->times_by_caller : edge->calls_by_caller);
        for (uint32_t k = 0; k < series->n && surer && in->calls[0] + in->calls[1] <= 0; k++) {
            uint64_t at = series->minutes[k].minute - mesh->first_minute;
            struct request_minute *row = at < mesh->n_minutes ? &rows[at] : NULL;
            if (!row || time_of(mesh->diagnosis, series->minutes[k].minute) < 0)
                continue;
            row->n += series->times ? 0 : llround(series->minutes[k].n);
            row->failed += series->failed && !series->times ? llround(series->minutes[k].n) : 0;
            row->sum_ns += llround(series->minutes[k].ns);
        }
    }
    for (uint32_t i = 0; i < mesh->n_minutes; i++) {
        rows[i].minute = mesh->first_minute + i;
        if (rows[i].n > 0)
            rows[n++] = rows[i];
    }
    diagnosis->onset_ns = onset_ns(rows, n);
    free(rows);
    return true;
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
    for (uint32_t i = 0; i < mesh->input->list->n && !mesh->memory_short; i++)
        count_series(mesh, &mesh->input->list->items[i]);
    choose_sides(mesh);
    sum_ends(mesh);
    sum_entries(mesh);
    if (mesh->memory_short || !sum_minutes(mesh))
        return false;
    find_reasons(mesh);
    find_worst_callees(mesh);
    for (uint32_t i = 0; i < mesh->n_ends; i++) {
        weigh_errors(mesh, &mesh->ends[i]);
        weigh_time(mesh, i);
        measure_impact(mesh, &mesh->ends[i]);
    }
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
    if (good && least < input->min_requests) {
        diagnosis->verdict = VERDICT_NOT_ENOUGH;
        diagnosis->need_requests = input->min_requests - least;
    } else if (good) {
        diagnosis->need_requests = 0;
        good = write_suspects(&mesh, diagnosis);
        if (good && diagnosis->verdict == VERDICT_INCIDENT)
            good = find_onset(&mesh, diagnosis);
    }
    free(mesh.minute_n);
    free(mesh.minute_ns);
    map_fini(&mesh.end_map);
    map_fini(&mesh.edge_map);
    return good;
}
